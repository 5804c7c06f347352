/* replay.c - runs a fuzz target over files, without a fuzzer.
 *
 * Linked with one fuzz_*.c it makes a plain regression test of every input
 * that was ever interesting: replay FILE... Exit 0 when all went through; a
 * target that is not content aborts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

/* The whole file, in memory of exactly its size; NULL when it is not
 * readable. */
static uint8_t *
read_whole(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = NULL;
	long len;

	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) < 0)
		goto out;
	rewind(file);
	bytes = malloc(len > 0 ? (size_t)len : 1);
	if (bytes == NULL)
		goto out;
	*len_out = fread(bytes, 1, (size_t)len, file);
	if (*len_out != (size_t)len) {
		free(bytes);
		bytes = NULL;
	}
out:
	fclose(file);
	return bytes;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		size_t len = 0;
		uint8_t *bytes = read_whole(argv[i], &len);

		if (bytes == NULL) {
			fprintf(stderr, "replay: cannot read %s\n", argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(bytes, len);
		free(bytes);
	}
	printf("replay: %d inputs\n", argc - 1);
	return argc < 2;
}
