#!/bin/sh
# memory.sh - a sample of the requests for memory, each of which fails once
#
# The whole: tests/drills/memory --places 0, some ten minutes.
set -eu
: "${top_builddir:=.}"

cd "$top_builddir"
# Without memory OpenSSL forgets some bytes of its own; ours are looked for.
echo 'leak:libcrypto.so' > tests/drills/memory.supp
LSAN_OPTIONS="suppressions=$PWD/tests/drills/memory.supp:print_suppressions=0"
export LSAN_OPTIONS
tests/drills/memory --places 60
