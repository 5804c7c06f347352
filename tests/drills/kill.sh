#!/bin/sh
# kill.sh - fifty lives, each ended by a kill at some call or moment
set -eu
: "${top_builddir:=.}"

cd "$top_builddir"
tests/drills/kill --cycles 50
