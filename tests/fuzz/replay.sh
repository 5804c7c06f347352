#!/bin/sh
# replay.sh - do all fuzz targets still take every input that was interesting?
#
# The inputs of fuzz_NAME are the files of tests/corpus/NAME.
set -eu
: "${top_srcdir:=.}" "${top_builddir:=.}"

for source in "$top_srcdir"/tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	"$top_builddir/tests/fuzz/$name" "$top_srcdir/tests/corpus/${name#fuzz_}"/*
done
