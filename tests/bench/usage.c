/* usage.c - sums of /proc over trees of processes.
 *
 * 1. A process belongs to a system if it is a root or its parent belongs to it.
 * 2. The list is made anew for each question: systems fork.
 *
 * Called between measurements, never within one.
 */
#include "usage.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES_MAX = 4096 };

struct process {
	pid_t pid;
	pid_t parent;
	uint64_t ticks;
	bool ours;
};

struct table {
	struct process processes[PROCESSES_MAX];
	size_t count;
};

/* The name in parentheses may hold anything: what counts stands after it. */
static bool
read_process(pid_t pid, struct process *process_out)
{
	char path[64];
	char line[1024];
	unsigned long user;
	unsigned long kernel;
	long user_awaited;
	long kernel_awaited;
	int parent;
	size_t bytes;
	char *fields;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	bytes = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[bytes] = '\0';
	fields = strrchr(line, ')');
	if (fields == NULL ||
	    sscanf(fields,
		") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
		&parent, &user, &kernel, &user_awaited, &kernel_awaited) != 5)
		return false;
	*process_out = (struct process){ .pid = pid,
		.parent = parent,
		.ticks = user + kernel + (unsigned long)user_awaited +
		    (unsigned long)kernel_awaited };
	return true;
}

static void
read_table(struct table *table_out)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	table_out->count = 0;
	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && table_out->count < PROCESSES_MAX &&
		    read_process(pid, &table_out->processes[table_out->count]))
			table_out->count++;
	}
	closedir(folder);
}

static bool
belongs(const struct system *system, const struct table *table,
    const struct process *process)
{
	for (size_t i = 0; i < system->count; i++) {
		if (system->roots[i] == process->pid)
			return true;
	}
	for (size_t i = 0; i < table->count; i++) {
		if (table->processes[i].ours &&
		    table->processes[i].pid == process->parent)
			return true;
	}
	return false;
}

static void
find_ours(const struct system *system, struct table *table_out)
{
	bool more = true;

	read_table(table_out);
	while (more) {
		more = false;
		for (size_t i = 0; i < table_out->count; i++) {
			struct process *process = &table_out->processes[i];

			if (process->ours ||
			    !belongs(system, table_out, process))
				continue;
			process->ours = true;
			more = true;
		}
	}
}

int64_t
usage_cpu_us(const struct system *system)
{
	static struct table table;
	int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK);
	int64_t sum = 0;

	find_ours(system, &table);
	for (size_t i = 0; i < table.count; i++) {
		if (table.processes[i].ours)
			sum += (int64_t)table.processes[i].ticks * tick_us;
	}
	return sum;
}

static void
add_memory(pid_t pid, struct memory *memory)
{
	char path[64];
	char line[256];
	long kib;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "Rss: %ld kB", &kib) == 1)
			memory->rss_mib += (double)kib / 1024;
		else if (sscanf(line, "Pss: %ld kB", &kib) == 1)
			memory->pss_mib += (double)kib / 1024;
	}
	fclose(file);
}

struct memory
usage_memory(const struct system *system)
{
	static struct table table;
	struct memory memory = { 0 };

	find_ours(system, &table);
	for (size_t i = 0; i < table.count; i++) {
		if (table.processes[i].ours)
			add_memory(table.processes[i].pid, &memory);
	}
	return memory;
}
