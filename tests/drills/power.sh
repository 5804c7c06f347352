#!/bin/sh
# power.sh - power cuts in a sample of moments, and the proof that the drill sees
#
# The whole: tests/drills/power --states 0.
set -eu
: "${top_builddir:=.}"

cd "$top_builddir"
tests/drills/power --states 1500
tests/drills/power --states 100 --deaf 1
