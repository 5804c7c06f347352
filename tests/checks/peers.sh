#!/usr/bin/env bash
# peers.sh - do the upstream and the receiver behave and misbehave as promised?
#
# Every system test leans on them, so they are looked at first, with curl and
# openssl, which know nothing of callbackd.
set -euo pipefail

peers=${top_builddir:-.}/tests/peers
dir=$(mktemp -d)
failures=0
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT

# start NAME ARG...: starts a peer and sets address to where it listens.
start() {
	: > "$dir/$1.out"
	"$peers/$1" "${@:2}" > "$dir/$1.out" &
	for ((i = 0; i < 100; i++)); do
		address=$(sed -n 's/^listening //p' "$dir/$1.out")
		[ -z "$address" ] || return 0
		sleep 0.1
	done
	echo "$1 does not listen"
	exit 1
}

# expect WHAT WANTED GOT
expect() {
	[ "$2" != "$3" ] || return 0
	echo "$1: wanted '$2', got '$3'"
	failures=$((failures + 1))
}

# outcome PATH: HTTP status and curl's exit status (18 cut, 28 time, 56 reset).
outcome() {
	local status code=0
	status=$(curl -s -m 1 -o "$dir/body" -w '%{http_code}' \
	    "http://$upstream$1") || code=$?
	echo "$status $code"
}

start upstream --delay-ms 0 --log "$dir/upstream.log"
upstream=$address

while read -r path wanted; do
	expect "$path" "$wanted" "$(outcome "$path")"
done <<'TABLE'
/ok                       204 0
/gone                     410 0
/status/418               418 0
/big?size=100000          200 0
/until-close              200 0
/interim?times=3          200 0
/redirect                 302 0
/retry-after?s=1&times=2  503 0
/retry-after?s=1&times=2  503 0
/retry-after?s=1&times=2  200 0
/fail-times?n=1           500 0
/fail-times?n=1           200 0
/hang                     000 28
/cut                      200 18
/cut?chunked=1            200 18
/reset                    000 56
/reset?bytes=100          200 56
/drip?every_ms=50         200 28
/endless-body             200 28
/endless-headers          200 56
/huge-length              200 28
/garbage                  000 1
/ok?delay_ms=5000         000 28
/nothing-there            404 0
TABLE

head -c 300000 /dev/urandom > "$dir/bytes"
for how in Expect: 'Transfer-Encoding: chunked' 'Expect: 100-continue'; do
	curl -s -H "$how" --data-binary "@$dir/bytes" -o "$dir/body" \
	    "http://$upstream/echo"
	expect "/echo with $how" same \
	    "$(cmp -s "$dir/bytes" "$dir/body" && echo same)"
done
expect /chunked same "$(curl -s --data-binary "@$dir/bytes" \
    "http://$upstream/chunked?piece=7000" | cmp -s - "$dir/bytes" && echo same)"
expect /upper 'HELLO 1' "$(curl -s -d 'hello 1' "http://$upstream/upper")"
expect 'echoed field' 'x-echo-job-id: j1' "$(curl -si -H 'Job-Id: j1' \
    "http://$upstream/echo" | tr -d '\r' | tr '[:upper:]' '[:lower:]' |
    grep job-id)"
expect 'a field of choice' 'a: b' "$(curl -si \
    "http://$upstream/ok?header=a:%20b" | tr -d '\r' | grep ^a:)"
expect /count 2 "$(curl -s "http://$upstream/count?path=/fail-times")"
expect '/count of a key' 1 "$(curl -s "http://$upstream/count?key=j1")"

exec 3<> "/dev/tcp/${upstream/://}"
printf 'GET /ok HTTP/1.1\r\n\r\nGET /gone HTTP/1.1\r\n\r\nnonsense\r\n\r\n' >&3
expect 'pipelined requests' '204 410 400 ' \
    "$(timeout 5 cat <&3 | sed -n 's/^HTTP.1.1 \(...\).*/\1/p' | tr '\n' ' ')"
exec 3>&-

# ---- signatures ----

key=$(head -c 32 "$dir/bytes" | base64 -w 0)
hex=$(head -c 32 "$dir/bytes" | od -An -v -tx1 | tr -d ' \n')
echo "whsec_$key" > "$dir/secret"
start receiver --secret-file "$dir/secret" --log "$dir/log"
receiver=$address
body='{"data":{"response":{"headers":{"a":"b"},"body":"h\u00e9llo"}}}'

# post ID TIMESTAMP BODY: signs "msg.TIMESTAMP.$body", and says the rest.
post() {
	local signature
	signature=$(printf 'msg.%s.%s' "$2" "$body" | openssl dgst -sha256 \
	    -mac HMAC -macopt "hexkey:$hex" -binary | base64)
	curl -s -o /dev/null -d "$3" -H "webhook-id: $1" \
	    -H "webhook-timestamp: $2" \
	    -H "webhook-signature: v1,AAAA v1,$signature" \
	    "http://$receiver/ok"
}

now=$(date +%s)
post msg "$now" "$body"
post msg "$now" "$body "
post other "$now" "$body"
post msg $((now - 301)) "$body"
post msg $((now + 310)) "$body"
curl -s -o /dev/null -d "$body" "http://$receiver/ok"
expect 'verified, one after the other' 'true false false false false false ' \
    "$(sed 's/.*"verified":\([a-z]*\).*/\1/' "$dir/log" | tr '\n' ' ')"
expect 'the result in a body' \
    "$(printf 'h\303\251llo' | sha256sum | cut -c 1-64)" \
    "$(sed -n '1s/.*"result_sha256":"\([0-9a-f]*\)".*/\1/p' "$dir/log")"
body='{"data":{"response":{"body_base64":"aGVsbG8="}}}'
post msg "$now" "$body"
expect 'the result in base64' "$(printf hello | sha256sum | cut -c 1-64)" \
    "$(sed -n '7s/.*"result_sha256":"\([0-9a-f]*\)".*/\1/p' "$dir/log")"

for job in $(jobs -p); do
	code=0
	kill "$job"
	wait "$job" || code=$?
	expect 'exit status' 0 "$code"
done
[ "$failures" -eq 0 ]
