#!/bin/sh
# conf_manual.sh - does callbackd.conf(5) tell every setting, and its default?
#
#   conf_manual.sh [TEST_CONF [MANUAL]]
#
# TEST_CONF is the unit test of conf, which prints the settings of the schema.
# Prints what only one side has ("<" the schema, ">" the manual), and fails if
# there is anything.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
program=${1:-${top_builddir:-$here/../..}/tests/unit/test_conf}
manual=${2:-$here/../../man/callbackd.conf.5}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

"$program" --settings >"$folder/schema"

# One line a setting: "SECTION NAME DEFAULT", as the program prints it.
# shellcheck disable=SC2016 # the dollars are awk's
awk '
function setting(name, value) {
	gsub(/\\\(dq/, "\"", value)
	print (section == "" ? "" : section " ") name " " value
}
/^\.S[sh] / {
	counts = 0
	if ($2 == "Settings") {
		counts = 1
		section = ""
	} else if ($1 == ".Ss" && $2 == "Section") {
		counts = 1
		section = substr($0, length(".Ss Section ") + 1)
	}
}
!counts { next }
/^\.It Ic .* Pq required$/ { setting($3, "required") }
/^\.It Ic .* No = Li / {
	setting($3, substr($0, index($0, " Li ") + length(" Li ")))
}
/^\.Ic .* No =$/ { name = $2 }
/^\.Li / && name != "" {
	setting(name, substr($0, length(".Li ") + 1))
	name = ""
}
' "$manual" >"$folder/manual"

# An empty list on both sides would be no answer.
[ -s "$folder/schema" ]
diff "$folder/schema" "$folder/manual"
