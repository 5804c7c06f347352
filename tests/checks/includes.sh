#!/bin/sh
# includes.sh - does every file include only what includes.txt lets it?
#
#   includes.sh [TREE]
#
# Looks at src/ and include/ of the tree (default: the one it stands in), prints
# each breach as FILE:LINE: WHY, and fails if there is one.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}"

# shellcheck disable=SC2016 # the dollars are awk's
find src include -name '*.[ch]' | LC_ALL=C sort |
    xargs awk -v rules="$here/includes.txt" '
# "src/a*" as an anchored regular expression.
function pattern(glob) {
	gsub(/[.+]/, "\\\\&", glob)
	gsub(/\*/, ".*", glob)
	return "^" glob "$"
}

function breach(why) {
	printf "%s:%d: %s\n", FILENAME, FNR, why
	breaches++
}

function read_rule(    count, word, i) {
	count = split($0, word, " ")
	if (count == 0 || word[1] ~ /^#/)
		return
	for (i = 3; i <= count; i++) {
		if (word[1] == "room")
			room_of[word[i]] = word[2]
		else if (word[1] == "may")
			may[word[2], word[i]] = 1
		else if (word[1] == "home")
			homes[word[2]] = homes[word[2]] " " word[i]
		else
			breach("includes.txt: no such rule: " word[1])
	}
	if (word[1] == "home")
		libraries[++library_count] = word[2]
}

# The room of the file at hand; a door belongs to whom the table says.
function room_of_file(    part, name) {
	if (split(FILENAME, part, "/") == 2)
		return "main"
	if (part[1] == "src")
		return part[2]
	name = part[3]
	sub(/\.h$/, "", name)
	if (!(name in room_of))
		breach("no room answers for this door: see includes.txt")
	return room_of[name]
}

function check_door(name,    owner) {
	if (!(name in room_of)) {
		breach("no such door: " name ".h")
		return
	}
	owner = room_of[name]
	if (!((room, owner) in may) && !((room, name ".h") in may))
		breach(room " may not use " name ".h (of " owner ")")
}

# The first rule that fits decides.
function check_library(header,    i, j, count, home) {
	for (i = 1; i <= library_count; i++) {
		if (header !~ pattern(libraries[i]))
			continue
		count = split(homes[libraries[i]], home, " ")
		for (j = 1; j <= count; j++)
			if (FILENAME ~ pattern(home[j]))
				return
		breach(header " has its home in" homes[libraries[i]])
		return
	}
}

BEGIN {
	while ((getline < rules) > 0)
		read_rule()
}
FNR == 1 { room = room_of_file(); files++ }
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
	header = $0
	sub(/^[^<"]*[<"]/, "", header)
	sub(/[>"].*$/, "", header)
	if (header ~ /^callbackd\//) {
		sub(/^callbackd\//, "", header)
		sub(/\.h$/, "", header)
		check_door(header)
	} else if ($0 ~ /</) {
		check_library(header)
	} else if (header ~ /\//) {
		breach(header " is private to another room")
	}
}
END {
	printf "%d files, %d breaches\n", files, breaches
	exit breaches > 0 || files == 0
}'
