#!/bin/sh
# memory.sh - a sample of the requests for memory, each of which fails once
#
# The whole: tests/drills/memory --places 0, some ten minutes.
set -eu
: "${top_builddir:=.}"

# Without memory OpenSSL forgets some bytes of its own, which is not looked for.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
export ASAN_OPTIONS

cd "$top_builddir"
tests/drills/memory --places 60
