/* fuzz.h - what every fuzz target answers to.
 *
 * clang -fsanitize=fuzzer brings a main that mutates inputs; replay.c is a
 * main for any compiler that runs the files it is given.
 */
#ifndef CALLBACKD_TESTS_FUZZ_H
#define CALLBACKD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0; aborts when one of the target's invariants does not hold. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#endif
