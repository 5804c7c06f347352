#!/bin/sh
# worker.sh - a consumer in shell: leases a job, runs a command, says how it went.
#
#   worker.sh URL QUEUE COMMAND [ARGUMENT...]
#
# URL is where callbackd listens, such as http://127.0.0.1:8080; CALLBACKD_KEY is
# the key, where clients are configured. For each job of the queue COMMAND gets
# the request's body on its standard input, the job's id as JOB_ID and its path
# as JOB_PATH. What it prints is the result; when its status is not 0 the job has
# failed, with the last line of its standard error output, and is tried again by
# the queue's policy. LEASE (60) is how many seconds a job is held at a time; the
# lease is extended while COMMAND runs, and COMMAND is ended when that is refused.
#
# It needs curl, base64 and awk; ONCE=1 ends it after the first job.
set -eu

[ $# -ge 3 ] || {
	sed -n '3,6s/^# \{0,1\}//p' "$0" >&2
	exit 64
}
url=$1
queue=$2
shift 2
lease=${LEASE:-60}

folder=$(mktemp -d)
beat=
work=
trap 'stop_all; rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM

stop_all() {
	[ -z "$beat" ] || kill "$beat" 2> /dev/null || true
	[ -z "$work" ] || kill "$work" 2> /dev/null || true
	beat=
	work=
}

# post PATH: sends standard input as JSON; prints the answer, succeeds with 2xx.
post() {
	curl -sS --fail-with-body --max-time 90 --data-binary @- \
	    -H 'Content-Type: application/json' \
	    ${CALLBACKD_KEY:+-H "Authorization: Bearer $CALLBACKD_KEY"} \
	    "$url$1"
}

# strings: the JSON text on standard input as lines of PATH, a tab and STRING,
# still escaped, for each string in it; jobs.0.id is one such path.
strings() {
	LC_ALL=C awk '
	function fail(why) {
		print "not JSON: " why > "/dev/stderr"
		exit 1
	}
	# The string that begins at `at`, behind its quote; moves behind it.
	function take(    begin) {
		for (begin = ++at; substr(text, at, 1) != "\""; at++) {
			if (at > size)
				fail("a string without an end")
			if (substr(text, at, 1) == "\\")
				at++
		}
		return substr(text, begin, at++ - begin)
	}
	{ text = text $0 }
	END {
		size = length(text)
		at = 1
		while (at <= size) {
			c = substr(text, at, 1)
			if (c == "{" || c == "[") {
				depth++
				is_list[depth] = c == "["
				count[depth] = 0
				path[depth] = prefix
				if (is_list[depth])
					prefix = path[depth] "0"
				at++
			} else if (c == "}" || c == "]") {
				prefix = path[depth--]
				at++
			} else if (c == ",") {
				if (is_list[depth])
					prefix = path[depth] ++count[depth]
				at++
			} else if (c == "\"") {
				value = take()
				if (!is_list[depth] && substr(text, at, 1) == ":") {
					prefix = path[depth] value
					at++
				} else
					print prefix "\t" value
			} else
				at++
			if (c == "{" || (c == "[" && 0))
				prefix = path[depth]
			if ((c == ":" || c == "\"") && substr(text, at, 1) ~ /[{[]/)
				prefix = prefix "."
		}
	}'
}
