#!/bin/sh
# memory.sh - a sample of the requests for memory, each of which fails once
#
# The whole: tests/drills/memory --places 0, some ten minutes.
set -eu
: "${top_builddir:=.}"

cd "$top_builddir"
tests/drills/memory --places 60
