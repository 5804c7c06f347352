#!/bin/sh
# worker.sh - a consumer in shell: leases a job, runs a command, says how it went.
#
#   worker.sh URL QUEUE COMMAND [ARGUMENT...]
#
# URL is where callbackd listens, such as http://127.0.0.1:8080; CALLBACKD_KEY is
# the key, where clients are configured. For each job of the queue COMMAND gets
# the request's body on its standard input, the job's id as JOB_ID and the path
# of the request as JOB_PATH. What it prints is the result. When its status is
# not 0, the job has failed, with the last line of its standard error output, and
# is tried again by the queue's policy; so it is when its result is refused, for
# example because it is too large. A job is held for LEASE seconds (60) at a time;
# the lease is extended while COMMAND runs, and COMMAND is ended when that is
# refused. ONCE=1 ends the worker after its first job.
#
# It needs curl, base64 and awk.
set -eu

if [ $# -lt 3 ]; then
	echo "usage: worker.sh URL QUEUE COMMAND [ARGUMENT...]" >&2
	exit 64
fi
url=$1
queue=$2
shift 2
lease=${LEASE:-60}

folder=$(mktemp -d)
work=
beat=

stop() {
	[ -z "$beat" ] || kill "$beat" 2> /dev/null || true
	[ -z "$work" ] || kill "$work" 2> /dev/null || true
	work=
	beat=
}
trap 'stop; rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM

# post PATH: sends standard input as JSON. Prints the answer; fails unless it is
# a 2xx.
post() {
	if [ -n "${CALLBACKD_KEY:-}" ]; then
		curl -sS --fail-with-body --retry 3 --retry-connrefused \
		    --max-time 90 --data-binary @- \
		    -H 'Content-Type: application/json' \
		    -H "Authorization: Bearer $CALLBACKD_KEY" "$url$1"
	else
		curl -sS --fail-with-body --retry 3 --retry-connrefused \
		    --max-time 90 --data-binary @- \
		    -H 'Content-Type: application/json' "$url$1"
	fi
}

# strings: of the JSON on standard input, a line for each string: where it is,
# such as .jobs.0.id, a tab, and the string, escaped as it came.
strings() {
	LC_ALL=C awk '
	function string(    begin) {
		begin = at + 1
		while (substr(text, ++at, 1) != "\"" && at <= size)
			if (substr(text, at, 1) == "\\")
				at++
		return substr(text, begin, at++ - begin)
	}
	function members(path,    name) {
		while (++at <= size && (c = substr(text, at, 1)) != "}") {
			if (c != "\"")
				continue
			name = string()
			while (substr(text, at, 1) != ":" && at <= size)
				at++
			at++
			value(path "." name)
			at--
		}
		at++
	}
	function elements(path,    count) {
		while (++at <= size && (c = substr(text, at, 1)) != "]")
			if (c !~ /[, \t]/) {
				value(path "." count++)
				at--
			}
		at++
	}
	function value(path) {
		while (substr(text, at, 1) ~ /[ \t]/)
			at++
		c = substr(text, at, 1)
		if (c == "{")
			members(path)
		else if (c == "[")
			elements(path)
		else if (c == "\"")
			print path "\t" string()
		else
			while (substr(text, at, 1) ~ /[-+.0-9A-Za-z]/)
				at++
	}
	{ text = text $0 " " }
	END { size = length(text); at = 1; value("") }'
}

# unescape: JSON strings, a line each, as the bytes that they mean.
unescape() {
	LC_ALL=C awk '
	function code(    digits, i, number) {
		digits = tolower(substr($0, at + 1, 4))
		at += 4
		for (i = 1; i <= 4; i++)
			number = number * 16 + \
			    index("0123456789abcdef", substr(digits, i, 1)) - 1
		return number
	}
	function utf8(number) {
		if (number < 128)
			return sprintf("%c", number)
		if (number < 2048)
			return sprintf("%c%c", 192 + int(number / 64),
			    128 + number % 64)
		if (number < 65536)
			return sprintf("%c%c%c", 224 + int(number / 4096),
			    128 + int(number / 64) % 64, 128 + number % 64)
		return sprintf("%c%c%c%c", 240 + int(number / 262144),
		    128 + int(number / 4096) % 64,
		    128 + int(number / 64) % 64, 128 + number % 64)
	}
	function character(    number) {
		number = code()
		if (number >= 55296 && number < 56320) { # half a pair
			at += 2
			number = 65536 + (number - 55296) * 1024 + code() - 56320
		}
		return utf8(number)
	}
	BEGIN {
		means["b"] = "\b"; means["f"] = "\f"; means["n"] = "\n"
		means["r"] = "\r"; means["t"] = "\t"
	}
	{
		for (at = 1; at <= length($0); at++) {
			c = substr($0, at, 1)
			if (c == "\\") {
				c = substr($0, ++at, 1)
				if (c == "u")
					c = character()
				else if (c in means)
					c = means[c]
			}
			printf "%s", c
		}
	}'
}

# field PATH: that string of the job; fails when it has none.
field() {
	awk -F '\t' -v path=".jobs.0$1" '
	$1 == path { print substr($0, length(path) + 2); found = 1; exit }
	END { exit !found }' "$folder/strings"
}

take_body() {
	if field .request.body_base64 > "$folder/body64"; then
		base64 -d < "$folder/body64" > "$folder/body"
	else
		field .request.body | unescape > "$folder/body"
	fi
}

# Holds on to the job until it is killed, or its lease is lost.
keep_lease() {
	while sleep $(((lease + 1) / 2)); do
		printf '{"lease_token":"%s","lease":%s}' "$token" "$lease" |
		    post "/v1/jobs/$id/extend" || kill "$work"
	done
}

finish() {
	{
		printf '{"lease_token":"%s","body_base64":"' "$token"
		base64 < "$folder/result" | tr -d '\n'
		printf '"}'
	} | post "/v1/jobs/$id/complete"
}

fail() {
	error=$(tail -n 1 "$folder/errors" | tr -d '\n' |
	    LC_ALL=C tr -c '[:print:]' ' ' | sed 's/["\\]/\\&/g')
	printf '{"lease_token":"%s","error":"status %s: %s"}' "$token" "$1" \
	    "$error" | post "/v1/jobs/$id/fail"
}

run() {
	status=0
	JOB_ID=$id JOB_PATH=$path "$@" < "$folder/body" \
	    > "$folder/result" 2> "$folder/errors" &
	work=$!
	keep_lease > "$folder/beat" 2>&1 < /dev/null &
	beat=$!
	wait "$work" || status=$?
	work=
	stop
	if [ "$status" -eq 0 ] && ! finish > "$folder/answer"; then
		cat "$folder/answer" >&2
		cat "$folder/answer" > "$folder/errors"
		status=refused # a lease that was lost is refused again
	fi
	if [ "$status" != 0 ] && ! fail "$status" > "$folder/answer"; then
		cat "$folder/answer" >&2
	fi
	echo "$id $status"
}

while :; do
	if ! printf '{"wait":20,"lease":%s}' "$lease" |
	    post "/v1/queues/$queue/lease" > "$folder/job"; then
		cat "$folder/job" >&2
		sleep 2
		continue
	fi
	strings < "$folder/job" > "$folder/strings"
	id=$(field .id) || continue
	token=$(field .lease_token)
	path=$(field .request.path | unescape)
	take_body
	run "$@"
	[ -z "${ONCE:-}" ] || exit 0
done
