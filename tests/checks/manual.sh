#!/bin/sh
# manual.sh - do the manuals and contrib/openapi.yaml say what the code does?
#
#   manual.sh [TOP]
#
# TOP is the folder of the sources. Routes, refusals, metrics, log events, error
# types, request fields and options are taken from the tables in src, and from
# the lists in callbackd(8), callbackd-api(7) and the OpenAPI file. Prints what
# only one side has ("<" the code, ">" the paper), and fails if there is
# anything.
set -eu
LC_ALL=C
export LC_ALL

cd "${1:-${srcdir:-$(dirname "$0")/../..}}"
daemon=man/callbackd.8
api=man/callbackd-api.7
openapi=contrib/openapi.yaml

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
wrong=0

# each REGEX FILE...: every match, one a line; line ends count as blanks.
each() {
	regex=$1
	shift
	cat "$@" | tr -s '\n\t ' ' ' | REGEX=$regex awk '{
		rest = $0
		while (match(rest, ENVIRON["REGEX"])) {
			print substr(rest, RSTART, RLENGTH)
			rest = substr(rest, RSTART + RLENGTH)
		}
	}'
}

# code, paper: what standard input says is one side of the next comparison.
code() {
	sort -u >"$folder/code"
}

paper() {
	sort -u >"$folder/paper"
}

# compare WHAT: an empty list on either side would be no answer.
compare() {
	if [ -s "$folder/code" ] && [ -s "$folder/paper" ] &&
	    diff "$folder/code" "$folder/paper" >"$folder/difference"; then
		return 0
	fi
	echo "$1:"
	[ -s "$folder/code" ] || echo "nothing is found in the code"
	[ -s "$folder/paper" ] || echo "nothing is found on paper"
	sed -n '/^[<>]/p' "$folder/difference"
	wrong=$((wrong + 1))
}

# ---- routes ----

api_routes() {
	each '\{ "[A-Z]+", "/[^"]*"' src/api/api.c |
	    sed 's/{ "\([A-Z]*\)", "\(.*\)"/\1 \2/'
}

admin_routes() {
	each '\{ "[A-Z]+", "/[^"]*"' src/admin/admin.c |
	    sed 's/{ "\([A-Z]*\)", "\(.*\)"/\1 \2/'
}

# manual_routes PAGE
manual_routes() {
	sed -n 's/^\.It Ic \([A-Z][A-Z]* \/.*\)$/\1/p' "$1"
}

# All but the path of a queue, which is the operator's.
openapi_routes() {
	awk '
	/^[a-z]/ { inside = $1 == "paths:" }
	!inside { next }
	/^  \// {
		path = $1
		sub(/:$/, "", path)
	}
	/^    (get|put|post|delete|options|head|patch|trace):$/ {
		method = $1
		sub(/:$/, "", method)
		if (path !~ /^\/reports\//)
			print toupper(method) " " path
	}' "$openapi"
}

api_routes | code
manual_routes "$api" | paper
compare "routes of the client listener, $api"
admin_routes | code
manual_routes "$daemon" | paper
compare "routes of the admin listener, $daemon"
{ api_routes && admin_routes; } | code
openapi_routes | paper
compare "routes, $openapi"

# ---- refusals: status and name ----

refusals() {
	each '\{ "[a-z-]+", [0-9]+, [0-9]+ \}' src/api/refusal.c |
	    sed 's/{ "\(.*\)", \([0-9]*\),.*/\2 \1/'
	each '(refuse|problem)\([^";]*[0-9][0-9][0-9], "[a-z-]+"' \
	    src/base/http*.c src/admin/*.c |
	    sed 's/.*\([0-9][0-9][0-9]\), "\(.*\)"/\1 \2/'
	each 'guard_too_large\([a-z]+, [a-z]+, [0-9]+' src/base/http*.c |
	    sed 's/.* \([0-9]*\)$/\1 too-large/'
}

refusals | code
sed -n 's/^\.It \([0-9][0-9]*\) Ta \([a-z-]*\) Ta .*/\1 \2/p' "$api" | paper
compare "refusals, $api"
refusals | cut -d ' ' -f 2 | code
sed -n 's/^ *- urn:callbackd:problem:\(.*\)$/\1/p' "$openapi" | paper
compare "refusals, $openapi"

# ---- metrics: name and type ----

metrics() {
	each '"callbackd_[a-z_]+", "(counter|gauge|histogram)"' \
	    src/admin/*.c | tr -d '",'
	awk '
	/^} counters\[/ { type = "counter" }
	/^} histograms\[/ { type = "histogram" }
	match($0, /"callbackd_[a-z_]+"/) {
		print substr($0, RSTART + 1, RLENGTH - 2) " " type
	}' src/base/metrics.c
}

each '"callbackd_[a-z_]+' src/*/*.c | tr -d '"' | code
metrics | cut -d ' ' -f 1 | paper
compare "metrics that this script sees"
metrics | code
sed -n 's/^\.It Ic \(callbackd_[a-z_]*\) Pq \([a-z]*\)$/\1 \2/p' "$daemon" |
    paper
compare "metrics, $daemon"

# ---- log events: name, level and keys ----

# The names of those that end a delivery are in a table of their own.
log_events() {
	names=$(each '\[DELIVERY_[A-Z]+\] = "[a-z_]+"' src/ledger/posts.c |
	    sed 's/.*"\(.*\)"/\1/' | tr '\n' ' ')
	each '(log_event|build_line)\([^;]*LOG_LEVEL_[^;]*;' src/*.c src/*/*.c |
	    awk -v names="$names" '{
		match($0, /LOG_LEVEL_[A-Z]+, /)
		level = tolower(substr($0, RSTART + 10, RLENGTH - 12))
		rest = substr($0, RSTART + RLENGTH)
		name = names
		if (match(rest, /^"[a-z_-]+"/))
			name = substr(rest, 2, RLENGTH - 2)
		keys = ""
		while (match(rest, /LOG_(TEXT|INT)\("[a-z_]+"/)) {
			key = substr(rest, RSTART, RLENGTH - 1)
			sub(/.*"/, "", key)
			keys = keys (keys == "" ? "" : ", ") key
			rest = substr(rest, RSTART + RLENGTH)
		}
		count = split(name, each_name, " ")
		for (i = 1; i <= count; i++)
			print each_name[i] " " level " " keys
	}'
	each 'log_direct\([A-Za-z_]+, "[a-z_]+"' src/*.c src/*/*.c |
	    sed 's/log_direct(\(.*\), "\(.*\)"/\2 \1 why/
		s/ level why/ info to error why/
		s/ LOG_LEVEL_ERROR / error /
		s/ LOG_LEVEL_WARN / warn /
		s/ LOG_LEVEL_INFO / info /'
	each 'die\([A-Z_]+, "[a-z_]+"' src/main.c |
	    sed 's/.*"\(.*\)"/\1 error why/'
}

log_events | code
awk '
/^\.S[sh] / { inside = $0 == ".Ss Log events" }
!inside { next }
/^\.It Ic / {
	names = substr($0, length(".It Ic ") + 1)
	level = names
	sub(/ Pq .*/, "", names)
	sub(/.* Pq /, "", level)
	gsub(/"/, "", level)
}
/^Keys: / {
	keys = substr($0, length("Keys: ") + 1)
	sub(/\.$/, "", keys)
	count = split(names, each_name, / , Ic /)
	for (i = 1; i <= count; i++)
		print each_name[i] " " level " " keys
}' "$daemon" | paper
compare "log events, $daemon"

each 'LOG_(TEXT|INT)\("[a-z_]+"' src/*.c src/*/*.c |
    sed 's/.*"\(.*\)"/\1/; /^time$/d; /^level$/d; /^event$/d' | code
awk '
/^\.S[sh] / { inside = $0 == ".Ss Log keys" }
inside && /^\.It Ic / { print $3 }' "$daemon" | paper
compare "log keys, $daemon"

# ---- error types ----

each '\[ERROR_[A-Z0-9_]+\] = "[a-z0-9-]+"' src/job/job.c |
    sed 's/.*"\(.*\)"/\1/; /^none$/d' | code
awk '
/^\.S[sh] / { inside = $0 == ".Sh ERROR TYPES" }
inside && /^\.It Ic / {
	names = substr($0, length(".It Ic ") + 1)
	sub(/ Pq .*/, "", names)
	count = split(names, name, / , /)
	for (i = 1; i <= count; i++)
		print name[i]
}' "$api" | paper
compare "error types, $api"
awk '
/^    [A-Za-z]/ { inside = $1 == "ErrorType:" }
inside && /^        - / { print $2 }' "$openapi" | paper
compare "error types, $openapi"

# ---- what a client may ask for; the trace context is only passed on ----

each '\{ "[A-Za-z-]+", 1 << [0-9]+' src/api/wish.c |
    sed 's/{ "\(.*\)".*/\1/' | code
awk '
/^\.S[sh] / { inside = $0 == ".Ss Request fields" }
inside && /^\.It Ic / && !/ traceparent/ {
	count = split(substr($0, length(".It Ic ") + 1), name, / , /)
	for (i = 1; i <= count; i++)
		print name[i]
}' "$api" | paper
compare "request fields, $api"
# Parameters that have a name of their own in components.
awk '
/^  [a-z]/ { inside = $1 == "parameters:" }
inside && /^      name: / { name = $2 }
inside && /^      in: header$/ { print name }' "$openapi" | paper
compare "request fields, $openapi"

# ---- members of a job in JSON ----

each '\{ "[a-z0-9_]+", "[a-z0-9_.]+", ("[A-Za-z-]+"|NULL),' \
    src/api/submit_json.c | sed 's/{ "[^"]*", "\([^"]*\)".*/\1/' | code
awk '
/^    [A-Za-z]/ { inside = $1 == "Submission:" }
inside && /^(    )?        [a-z0-9_]+:/ {
	name = $1
	sub(/:$/, "", name)
	print (/^         / ? "callback." : "") name
}' "$openapi" | paper
compare "members of a job in JSON, $openapi"

# ---- options, version ----

each '\{ "[a-z-]+", (no|required)_argument, NULL, .[A-Za-z]. \}' \
    src/options.c | sed "s/{ \"\(.*\)\", .*'\(.\)' }/\2 \1/" | code
sed -n 's/^\.It Fl \([A-Za-z]\) .*Fl Fl \([a-z-]*\).*/\1 \2/p' "$daemon" | paper
compare "options, $daemon"

sed -n 's/^AC_INIT(\[callbackd\], \[\(.*\)\]).*/\1/p' configure.ac | code
sed -n 's/^  version: //p' "$openapi" | paper
compare "version, $openapi"

[ "$wrong" -eq 0 ]
