/* process.h - a program of ours under test: started, watched, stopped.
 *
 * Its stdout and stderr go to files, so that it never blocks on us and what it
 * said can be read again. It dies with the case that started it.
 */
#ifndef TESTS_SYSTEM_PROCESS_H
#define TESTS_SYSTEM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PATH_SIZE 512

struct process {
	pid_t pid;                /* 0: not running */
	int status;               /* how it ended, as process_wait gives it */
	char out_path[PATH_SIZE]; /* its stdout */
	char err_path[PATH_SIZE]; /* its stderr */
};

/* Starts argv[0] in folder; what it says goes to FOLDER/NAME.out and .err. */
void process_start(struct process *process, const char *folder,
    const char *name, const char *const *argv);

/* Waits for the end: the exit status, or 1000 + the signal it died of. Fails
 * the case when it does not end within ms (stretched). */
int process_wait(struct process *process, int64_t ms);

bool process_is_running(struct process *process);
void process_signal(struct process *process, int signal);

/* Runs to the end and gives its exit status. */
int process_run(struct process *process, const char *folder, const char *name,
    const char *const *argv);

/* The whole file as a string, "" when it is not there. Free it. */
char *file_text(const char *path, size_t *len_out);
bool file_says(const char *path, const char *what);
void file_write(const char *path, const char *text, mode_t mode);

#endif
