#!/bin/sh
# listed.sh - does Makefile.am name every file of the tree, and each in order?
#
# What is forgotten there is neither built nor tested nor shipped, and nothing
# else would tell. Prints the lines that are missing; they can be pasted.
set -eu
LC_ALL=C
export LC_ALL

top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
missing=0

# expect VARIABLE FILE [NAME]: FILE is listed in VARIABLE, as NAME.
expect() {
	if ! grep -qxF "$1 += ${3:-$2}" Makefile.am; then
		echo "$1 += ${3:-$2}"
		missing=$((missing + 1))
	fi
}

for file in include/callbackd/*.h; do
	expect noinst_HEADERS "$file"
done
for file in src/*.[ch]; do
	expect callbackd_SOURCES "$file"
done
for file in src/*/*.[ch]; do
	expect libcallbackd_a_SOURCES "$file"
done
for file in tests/*/*.[ch]; do
	folder=${file#tests/}
	folder=${folder%%/*}
	case $file in
	*/test_*.c) expect tap_tests "$file" "${file%.c}" ;;
	*/fuzz_*.c) expect fuzz_targets "$file" "${file%.c}" ;;
	tests/bench/* | tests/drills/* | tests/peers/*)
		grep -qF " $file" Makefile.am ||
		    expect "the ${folder}'s sources" "$file"
		;;
	*) expect "lib${folder}_a_SOURCES" "$file" ;;
	esac
done
for file in tests/*/*.sh; do
	expect dist_check_SCRIPTS "$file"
done
for file in man/*.[1-9]; do
	[ ! -e "$file" ] || expect dist_man_MANS "$file"
done

# Sorted within each list and each part of it (a part ends at an empty line).
unsorted=$(awk '
NF == 0 || /^#/ { last = ""; next }
$2 == "+=" && $3 ~ /^[a-z].*\// {
	if (last != "" && $1 == name && $3 < last)
		print "out of order: " $3
	name = $1
	last = $3
}' Makefile.am)

[ -z "$unsorted" ] || echo "$unsorted"
[ "$missing" -eq 0 ] && [ -z "$unsorted" ]
