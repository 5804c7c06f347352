/* conf_cases.h - bad configuration files, and what is said of each.
 *
 * Tables; included by test_conf.c only.
 */
#ifndef CALLBACKD_TESTS_CONF_CASES_H
#define CALLBACKD_TESTS_CONF_CASES_H

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* One queue with what a row adds; the first added line is line 2. */
#define IN_QUEUE(lines)                                                        \
	"queue \"a\" { path = \"/a/\" upstream = \"http://h/\"\n" lines "}\n"
#define IN_COMMAND(lines)                                                      \
	"queue \"a\" { path = \"/a/\"\nexecutor = command\n" lines "}\n"
#define IN_CALLBACK(lines) "callback {\n" lines "}\n"
#define IN_CLIENT(lines)                                                       \
	"client \"a\" { key_sha256 = \"" KEY_A "\"\n" lines "}\n"

#define BAD_DURATION(name, value)                                              \
	name " must be a duration such as 250ms, 30s or 2h, at least 1ms, "    \
	     "not '" value "'"
#define NOT_A_TYPE(value)                                                      \
	"result_type must be a media type such as image/png, not '" value "'"
#define BAD_SIZE(name, value)                                                  \
	name                                                                   \
	    " must be a size such as 512, 64k or 10m, at least 1, not '" value \
	    "'"
#define BAD_LISTEN(value)                                                      \
	"listen: '" value "' is not \"ADDRESS:PORT\", \"[ADDRESS]:PORT\", "    \
	"\"localhost:PORT\", \"*:PORT\" or \"unix:PATH\""
#define NOT_LOCAL(value)                                                       \
	"listen: '" value "' must be a loopback address or unix:PATH "         \
	"unless there are clients, or open = true"
#define NOT_A_PATH "may hold letters, digits and -._~!$&'()*+,;=:@/ only"

static const struct bad {
	const char *name;
	const char *text;
	const char *complaints; /* joined by newlines */
} bad[] = {
	/* shape */
	{ "unknown setting", "threads = 1\nlisten_on = 2\n",
	    "2: there is no setting 'listen_on'" },
	{ "unknown list", "lisen = {1,\n2}\nthreads = x\n",
	    "1: there is no setting 'lisen'\n"
	    "3: threads must be a whole number from 0 to 256, not 'x'" },
	{ "unknown in a queue", IN_QUEUE("pth = 1\n"),
	    "2: there is no setting 'pth' in section queue" },
	{ "unknown in a nested section", IN_QUEUE("backoff {\nmin = 1 }\n"),
	    "3: there is no setting 'min' in section queue backoff" },
	{ "a setting of another section", "capacity = 5\n",
	    "1: there is no setting 'capacity'" },
	{ "a dashed name", "max-body = 5\n",
	    "1: there is no setting 'max-body'" },
	{ "a path of names", "callback|timeout = 5\n",
	    "1: '|' must stand in quotes" },
	{ "unknown section", "\nqueu \"a\" {\n backoff { x = {1} }\n}\nopen=1",
	    "2: there is no section 'queu'\n"
	    "5: open must be true or false, not '1'" },
	{ "unknown section inside", IN_CALLBACK("brake { failures = 1 }\n"),
	    "2: there is no section 'brake' in section callback" },
	{ "unknown section left open", "\nqueu {\n x = {1}\n",
	    "2: there is no section 'queu'\n"
	    "2: section 'queu' is left open" },
	{ "section as setting", "\nqueue = 5\n",
	    "2: 'queue' is a section, not a setting" },
	{ "setting as section", "\nlisten { }\n",
	    "2: 'listen' is a setting and needs a '='" },
	{ "no equals sign", "\nthreads 5\n",
	    "2: '=' should stand where '5' is" },
	{ "name alone", "\nthreads\n",
	    "2: the file ends where '=' or '{' should stand" },
	{ "no value", "threads =\n\n",
	    "1: the file ends where a value should stand" },
	{ "no value before a brace", IN_CALLBACK("timeout =\n"),
	    "3: a value should stand where '}' is" },
	{ "a value too many", "threads = 1 2\n",
	    "1: the name of a setting should stand where '2' is" },
	{ "append", "listen += {\"localhost:0\"}\n",
	    "1: '+' must stand in quotes" },
	{ "parentheses", "include(\"other.conf\")\n",
	    "1: '(' must stand in quotes" },
	{ "stray sign", "threads = *\n", "1: '*' must stand in quotes" },
	{ "stray text", "\n\"threads\" = 5\n",
	    "2: the name of a setting should stand where '\"threads\"' is" },
	{ "repeated scalar", "threads = 1\n\nthreads = 2\n",
	    "3: 'threads' has been set on line 1 already" },
	{ "repeated list", "listen = {}\nlisten = {}\n",
	    "1: listen takes 1 to 64 values, not 0\n"
	    "2: 'listen' has been set on line 1 already" },
	{ "repeated in a queue", IN_QUEUE("path = \"/b/\"\n"),
	    "2: 'path' has been set on line 1 already" },
	{ "repeated section", "callback { }\ncallback { timeout = x }\n",
	    "2: section 'callback' has been opened on line 1 already" },
	{ "repeated inner section", IN_QUEUE("backoff { }\nbackoff { }\n"),
	    "3: section 'backoff' has been opened on line 2 already" },
	{ "repeated queue",
	    IN_QUEUE("") "queue a {\npath = \"/b/\" upstream = \"http://h/\" }",
	    "3: there is a queue 'a' on line 1 already" },
	{ "repeated client", IN_CLIENT("") "\nclient 'a' { }\n",
	    "4: there is a client 'a' on line 1 already" },
	{ "queue without a name", "\nqueue { }\n",
	    "2: section 'queue' needs a name" },
	{ "callback with a name", "callback x { }\n",
	    "1: section 'callback' takes no name" },
	{ "bad name", "queue \"A b\" { }\n",
	    "1: 'A b' is not a name: 1 to 63 of a-z, 0-9, '_' and '-'" },
	{ "empty name", "client \"\" { }\n",
	    "1: '' is not a name: 1 to 63 of a-z, 0-9, '_' and '-'" },
	{ "long name", "queue " KEY_A " { }\n",
	    "1: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is not a "
	    "name: 1 to 63 of a-z, 0-9, '_' and '-'" },
	{ "list for a scalar", "\nthreads = {1}\n",
	    "2: threads takes one value, not a list" },
	{ "section left open", "threads = 1\nqueue a {\n path = \"/a/\"\n\n",
	    "2: section 'queue' is left open" },
	{ "inner section left open", "queue a {\nbackoff {\n max = 1\n}\n",
	    "1: section 'queue' is left open" },
	{ "list left open", "\n\nlisten = {\"localhost:0\",\n\n",
	    "3: the list of 'listen' is left open" },
	{ "list without commas", "listen = {\"localhost:0\"\n\"b\"}\n",
	    "2: ',' or '}' should stand where '\"b\"' is" },
	{ "list of commas", "listen = {,}\n",
	    "1: a value or '}' should stand where ',' is" },
	{ "list in a list", "listen = {\n{}}\n",
	    "2: a value or '}' should stand where '{' is" },
	{ "brace too many", "callback { }\n}\nthreads = 999\n",
	    "2: '}' closes nothing" },
	{ "quote left open", "threads = 1\npublic_url = \"http://h\n\n",
	    "2: the quote is not closed" },
	{ "single quote left open", "\npublic_url = 'http://h\\'\n",
	    "2: the quote is not closed" },
	{ "quote that swallows lines",
	    "public_url = \"http://h\nstore = \"memory:\"\n",
	    "1: the quote is not closed on its line" },
	{ "comment left open", "threads = 1\n/* no\nthreads = 2\n",
	    "2: the comment is not closed" },
	{ "line behind comments",
	    "/* a */ # b\n// c\n/* d\n e */ threads = 1 # f\nx = /* g */ 2\n",
	    "5: there is no setting 'x'" },
	{ "control character", "threads = 1\n# \001\n",
	    "2: a byte 0x01: this is not a text file" },
	{ "bad escape", "\nstore = \"sqlite:\\9\"\n",
	    "2: '\\9' is not an escape that can stand here" },
	{ "octal escape out of range", "store = \"sqlite:\\777\"\n",
	    "1: '\\777' is not an escape that can stand here" },
	{ "escaped NUL", "store = \"sqlite:a\\x00b\"\n",
	    "1: '\\x00' is not an escape that can stand here" },
	{ "variable that is not set", "\nstore = \"${CONF_TEST_NONE}\"\n",
	    "2: the environment has no CONF_TEST_NONE" },
	{ "variable left open", "store = \"${HOME\" }\n",
	    "1: '${' has no '}' behind it" },
	{ "variable without a name", "store = \"${}\"\n",
	    "1: '${}' names no environment variable" },
	{ "foreign bytes are not passed on", "\xc3\xa4 = 1\n",
	    "1: '?' must stand in quotes" },

	/* values */
	{ "duration without number", "retention = \"s\"\n",
	    "1: " BAD_DURATION("retention", "s") },
	{ "negative duration", "\nretention = -5\n",
	    "2: " BAD_DURATION("retention", "-5") },
	{ "zero duration", "head_timeout = 0\n",
	    "1: " BAD_DURATION("head_timeout", "0") },
	{ "unknown unit", "body_timeout = 5w\n",
	    "1: " BAD_DURATION("body_timeout", "5w") },
	{ "duration with a space", "idle_timeout = \"5 s\"\n",
	    "1: " BAD_DURATION("idle_timeout", "5 s") },
	{ "nan duration", "drain_timeout = nan\n",
	    "1: " BAD_DURATION("drain_timeout", "nan") },
	{ "empty duration", IN_QUEUE("timeout = \"\"\n"),
	    "2: " BAD_DURATION("timeout", "") },
	{ "endless duration", IN_QUEUE("max_wait = 9999999999999999999d\n"),
	    "2: " BAD_DURATION("max_wait", "9999999999999999999d") },
	{ "negative size", "max_body = -1\n",
	    "1: " BAD_SIZE("max_body", "-1") },
	{ "zero size", "max_head = 0\n", "1: " BAD_SIZE("max_head", "0") },
	{ "unknown size unit", "max_inflight_body = 5q\n",
	    "1: " BAD_SIZE("max_inflight_body", "5q") },
	{ "size of words", IN_QUEUE("\ncapacity_bytes = many\n"),
	    "3: " BAD_SIZE("capacity_bytes", "many") },
	{ "size of a result", IN_QUEUE("max_result = 1.5m\n"),
	    "2: " BAD_SIZE("max_result", "1.5m") },
	{ "inline limit", IN_CALLBACK("inline_limit = \"0k\"\n"),
	    "2: " BAD_SIZE("inline_limit", "0k") },
	{ "negative count", "threads = -1\n",
	    "1: threads must be a whole number from 0 to 256, not '-1'" },
	{ "count above", "threads = 257\n",
	    "1: threads must be a whole number from 0 to 256, not '257'" },
	{ "hexadecimal count", "threads = 0x10\n",
	    "1: threads must be a whole number from 0 to 256, not '0x10'" },
	{ "count below", "max_connections = 0\n",
	    "1: max_connections must be a whole number from 1 to 1000000, "
	    "not '0'" },
	{ "no fields", "max_fields = 0\n",
	    "1: max_fields must be a whole number from 1 to 10000, not '0'" },
	{ "zero capacity", IN_QUEUE("capacity = 0\n"),
	    "2: capacity must be a whole number from 1 to 1000000000, "
	    "not '0'" },
	{ "zero concurrency", IN_QUEUE("concurrency = 0\n"),
	    "2: concurrency must be a whole number from 1 to 65536, not '0'" },
	{ "zero attempts", IN_QUEUE("attempts = 0\n"),
	    "2: attempts must be a whole number from 1 to 1000, not '0'" },
	{ "count with a unit", IN_QUEUE("attempts = 3x\n"),
	    "2: attempts must be a whole number from 1 to 1000, not '3x'" },
	{ "status that is none", "poll_failed_status = 99\n",
	    "1: poll_failed_status must be a whole number from 200 to 599, "
	    "not '99'" },
	{ "status of another meaning", "poll_failed_status = 202\n",
	    "1: poll_failed_status must be 200, or 400 to 599" },
	{ "truth", "open = maybe\n",
	    "1: open must be true or false, not 'maybe'" },
	{ "a word", "durability = \"half\"\n",
	    "1: durability must be \"normal\" or \"full\", not 'half'" },
	{ "a word of three", "log_format = xml\n",
	    "1: log_format must be \"logfmt\", \"json\" or \"syslog\", "
	    "not 'xml'" },
	{ "a word in capitals", "log_level = INFO\n",
	    "1: log_level must be \"error\", \"warn\", \"info\" or \"debug\", "
	    "not 'INFO'" },
	{ "executor", IN_QUEUE("executor = lambda\n"),
	    "2: executor must be \"http\", \"command\" or \"pull\", "
	    "not 'lambda'" },
	{ "factor below one", IN_QUEUE("backoff { factor = 0.5 }\n"),
	    "2: factor must be a number from 1 to 1000, not '0.5'" },
	{ "factor is nan", IN_QUEUE("backoff { factor = nan }\n"),
	    "2: factor must be a number from 1 to 1000, not 'nan'" },
	{ "factor with an exponent", IN_QUEUE("backoff { factor = 1e2 }\n"),
	    "2: factor must be a number from 1 to 1000, not '1e2'" },
	{ "factor ends in a point", IN_QUEUE("backoff { factor = 2. }\n"),
	    "2: factor must be a number from 1 to 1000, not '2.'" },
	{ "backoff that shrinks",
	    IN_QUEUE("backoff { initial = 5s\nmax = 4s }\n"),
	    "3: max must not be shorter than initial" },
	{ "budget below a body", "max_body = 2k\nmax_inflight_body = 1k\n",
	    "2: max_inflight_body must not be smaller than max_body" },
	{ "long values are cut", "log_level = " KEY_A "\n",
	    "1: log_level must be \"error\", \"warn\", \"info\" or \"debug\", "
	    "not 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'" },

	/* addresses and paths */
	{ "listen without a port", "\nlisten = {\"127.0.0.1\"}\n",
	    "2: " BAD_LISTEN("127.0.0.1") },
	{ "listen on a name", "listen = \"example.com:80\"\n",
	    "1: " BAD_LISTEN("example.com:80") },
	{ "listen on a wild port", "listen = {\n\"127.0.0.1:65536\"}\n",
	    "2: " BAD_LISTEN("127.0.0.1:65536") },
	{ "listen on bare IPv6", "listen = \"::1:80\"\n",
	    "1: " BAD_LISTEN("::1:80") },
	{ "listen on nothing", "listen = {}\n",
	    "1: listen takes 1 to 64 values, not 0" },
	{ "listen on an empty path", "listen = \"unix:\"\n",
	    "1: listen: \"unix:\" needs a path" },
	{ "listen to the world", "\nlisten = {\"localhost:1\",\n\"*:80\"}\n",
	    "3: " NOT_LOCAL("*:80") },
	{ "listen to the IPv6 world", "listen = {\"[::]:80\"}\n",
	    "1: " NOT_LOCAL("[::]:80") },
	{ "listen to the mapped world", "listen = {\"[::ffff:10.0.0.1]:80\"}\n",
	    "1: " NOT_LOCAL("[::ffff:10.0.0.1]:80") },
	{ "admin to the world",
	    "open = true\nadmin_listen = {\"0.0.0.0:80\"}\n",
	    "2: admin_listen: '0.0.0.0:80' must be a loopback address or "
	    "unix:PATH" },
	{ "listen twice", "listen = {\"localhost:5\",\n\"127.0.0.1:5\"}\n",
	    "2: listen: '127.0.0.1:5' is listened on already" },
	{ "admin on the client's port",
	    "listen = \"[::1]:5\"\nadmin_listen = \"[::1]:5\"\n",
	    "2: admin_listen: '[::1]:5' is listened on already" },
	{ "store of no kind", "store = \"mysql://user:secret@h/\"\n",
	    "1: store must be \"sqlite:PATH\", \"postgresql://...\" or "
	    "\"memory:\"" },
	{ "store without a path", "store = \"sqlite:\"\n",
	    "1: store must be \"sqlite:PATH\", \"postgresql://...\" or "
	    "\"memory:\"" },
	{ "proxy range",
	    "trusted_proxies = {\"10.0.0.0/8\",\n\"10.0.0.1/8\"}\n",
	    "2: trusted_proxies: '10.0.0.1/8' is not an address range such as "
	    "10.0.0.0/8" },
	{ "public URL with a query", "public_url = \"https://h/?a=b\"\n",
	    "1: public_url: the URL must not have a query" },
	{ "no path", "\nqueue a {\nupstream = \"http://h/\" }\n",
	    "2: queue 'a' needs a path" },
	{ "no upstream", "queue\na\n{\npath = \"/a/\" }\n",
	    "3: queue 'a' needs an upstream" },
	{ "path without an end",
	    "queue a { upstream = \"http://h/\"\npath = \"/a\" }\n",
	    "2: path '/a' must begin and end with '/'" },
	{ "path without a beginning",
	    "queue a { upstream = \"http://h/\"\npath = \"a/\" }\n",
	    "2: path 'a/' must begin and end with '/'" },
	{ "path of the API",
	    "queue a { upstream = \"http://h/\"\npath = \"/v1/a/\" }\n",
	    "2: path '/v1/a/' belongs to the API" },
	{ "path of well-known things",
	    "queue a { upstream = \"http://h/\"\npath = \"/.well-known/\" }\n",
	    "2: path '/.well-known/' belongs to the API" },
	{ "path of OpenFaaS",
	    "queue a { upstream = \"http://h/\"\npath = "
	    "\"/async-function/a/\" }\n",
	    "2: path '/async-function/a/' belongs to the API" },
	{ "path with a query",
	    "queue a { upstream = \"http://h/\"\npath = \"/a?b/\" }\n",
	    "2: path '/a?b/' " NOT_A_PATH },
	{ "path with an escape",
	    "queue a { upstream = \"http://h/\"\npath = \"/%61/\" }\n",
	    "2: path '/%61/' " NOT_A_PATH },
	{ "path with dots",
	    "queue a { upstream = \"http://h/\"\npath = \"/a/../\" }\n",
	    "2: path '/a/../' must not have empty, '.' or '..' segments" },
	{ "path with an empty segment",
	    "queue a { upstream = \"http://h/\"\npath = \"//\" }\n",
	    "2: path '//' must not have empty, '.' or '..' segments" },
	{ "equal paths",
	    IN_QUEUE("") "queue b { upstream = \"http://h/\"\npath = \"/a/\" }",
	    "4: queue 'a' has the same path" },
	{ "upstream with a query",
	    "queue a { path = \"/a/\"\nupstream = \"http://h/?x\" }\n",
	    "2: upstream: the URL must not have a query" },
	{ "command for http",
	    IN_QUEUE("executor = http\ncommand = {\"/bin/cat\"}\n"),
	    "3: command is for executor \"command\" only" },
	{ "no command", IN_COMMAND(""), "2: queue 'a' needs a command" },
	{ "command without a program", IN_COMMAND("command = {\"\", x}\n"),
	    "3: command must begin with a program" },
	{ "upstream for command",
	    IN_COMMAND("command = cat\nupstream = \"http://h/\"\n"),
	    "4: upstream is for executor \"http\" only" },
	{ "polling a command",
	    IN_COMMAND("command = cat\nasync_upstream = poll\n"),
	    "4: async_upstream \"poll\" is for executor \"http\" only" },
	{ "result type for http", IN_QUEUE("result_type = \"image/png\"\n"),
	    "2: result_type is for executor \"command\" only" },
	{ "result type that is none",
	    IN_COMMAND("command = cat\nresult_type = png\n"),
	    "4: " NOT_A_TYPE("png") },
	{ "result type without a subtype",
	    IN_COMMAND("command = cat result_type = \"image/ ;q\"\n"),
	    "3: " NOT_A_TYPE("image/ ;q") },
	{ "result type with an unfinished parameter",
	    IN_COMMAND("command = cat result_type = \"text/plain;\"\n"),
	    "3: " NOT_A_TYPE("text/plain;") },
	{ "result type of two lines",
	    IN_COMMAND("command = cat result_type = \"text/plain;\\nX: y\"\n"),
	    "3: " NOT_A_TYPE("text/plain;?X: y") },

	/* callback */
	{ "schedule", IN_CALLBACK("schedule = {1s,\n0s}\n"),
	    "3: schedule: '0s' is not a duration such as 250ms, 30s or 2h, at "
	    "least 1ms" },
	{ "schedule too long",
	    IN_CALLBACK("schedule = {1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
			"1,1,1,1,1,1,1,1,1,1,1,1,1}\n"),
	    "2: schedule takes 0 to 32 values, not 33" },
	{ "callback timeout", IN_CALLBACK("timeout = 0ms\n"),
	    "2: " BAD_DURATION("timeout", "0ms") },
	{ "breaker", IN_CALLBACK("breaker { failures = 0\ncooldown = x }\n"),
	    "2: failures must be a whole number from 1 to 1000000, not '0'\n"
	    "3: " BAD_DURATION("cooldown", "x") },
	{ "no concurrency", IN_CALLBACK("per_host_concurrency = 0\n"),
	    "2: per_host_concurrency must be a whole number from 1 to 65536, "
	    "not '0'" },
	{ "allow a name", IN_CALLBACK("allow = {\"localhost\"}\n"),
	    "2: allow: 'localhost' is not an address range such as "
	    "10.0.0.0/8" },
	{ "deny half a range", IN_CALLBACK("deny = {a.b, \"10.0.0.0/33\"}\n"),
	    "2: deny: '10.0.0.0/33' is neither an address range such as "
	    "10.0.0.0/8 nor the end of a host name" },
	{ "deny half an address", IN_CALLBACK("deny = {\"10.0.256\"}\n"),
	    "2: deny: '10.0.256' is neither an address range such as "
	    "10.0.0.0/8 nor the end of a host name" },
	{ "deny a pattern", IN_CALLBACK("deny = {\"*.example\"}\n"),
	    "2: deny: '*.example' is neither an address range such as "
	    "10.0.0.0/8 nor the end of a host name" },
	{ "port zero", IN_CALLBACK("ports = {443, 0}\n"),
	    "2: ports must be a whole number from 1 to 65535, not '0'" },
	{ "secret file that others may write",
	    IN_CALLBACK("secret_file = \"open.secret\"\n"),
	    "2: secret_file: others may write it (mode 0666)" },
	{ "secret file that is not there",
	    IN_CALLBACK("\nsecret_file = \"no.secret\"\n"),
	    "3: secret_file: cannot open it: No such file or directory" },

	/* clients and alerts */
	{ "client without a key", "\nclient a {\nrate = 5 }\n",
	    "2: client 'a' needs a key_sha256" },
	{ "a key instead of its hash",
	    "client a {\nkey_sha256 = \"my secret key\" }\n",
	    "2: key_sha256 must be the SHA-256 of the key as 64 digits of "
	    "lower-case hex" },
	{ "two clients, one key",
	    IN_CLIENT("") "client b {\nkey_sha256 = " KEY_A " }\n",
	    "4: client 'a' has the same key" },
	{ "queue that there is not", IN_CLIENT("queues = {\"b\"}\n"),
	    "2: queues: there is no queue 'b'" },
	{ "consumer that there is not",
	    IN_CLIENT("") "queue q {\npath = \"/q/\" executor = pull "
			  "consumers = {\"b\"} }\n",
	    "4: consumers: there is no client 'b'" },
	{ "consumers of an upstream",
	    IN_CLIENT("") "queue q {\npath = \"/q/\" upstream = \"http://h/\" "
			  "consumers = {\"a\"} }\n",
	    "4: consumers are for executor \"pull\" only" },
	{ "negative rate", IN_CLIENT("rate = -1\n"),
	    "2: rate must be a number from 0 to 1000000000, not '-1'" },
	{ "burst that lets nothing through",
	    IN_CLIENT("rate = 5\nburst = 0.5\n"),
	    "3: burst must be 1 or more where there is a rate" },
	{ "bound of a client", IN_CLIENT("max_queued = many\n"),
	    "2: max_queued must be a whole number from 0 to 1000000000, "
	    "not 'many'" },
	{ "alert that there is not", "alerts { events = {\"queue.empty\"} }\n",
	    "1: events: 'queue.empty' is not one of \"callback.dead\", "
	    "\"endpoint.disabled\" and \"queue.full\"" },

	/* legal, but not yet */
	{ "block", IN_QUEUE("on_ordered_failure = block\n"),
	    "2: on_ordered_failure \"block\" is not supported by this "
	    "version" },
	{ "park", IN_QUEUE("on_ordered_failure = park\n"),
	    "2: on_ordered_failure \"park\" is not supported by this version" },
	{ "postgresql", "store = \"postgresql://u:p@h/db\"\n",
	    "1: store \"postgresql://\" is not supported by this version" },
	{ "signing key", IN_CALLBACK("signing_key_file = \"k\"\n"),
	    "2: signing_key_file is not supported by this version" },
	{ "alerts", "alerts {\nurl = \"https://h/\" }\n",
	    "2: url is not supported by this version" },

	/* more than one */
	{ "every mistake is reported",
	    "threads = x\nnope = 1\nqueue a { path = \"/v1/\"\n"
	    " upstream = \"http://h/\" timeout = 0 }\n"
	    "callback {\n ports = {x} }\nclient c {\n}\n",
	    "2: there is no setting 'nope'\n"
	    "1: threads must be a whole number from 0 to 256, not 'x'\n"
	    "4: " BAD_DURATION("timeout",
		"0") "\n"
		     "3: path '/v1/' belongs to the API\n"
		     "6: ports must be a whole number from 1 to 65535, not 'x'\n"
		     "7: client 'c' needs a key_sha256" },
};

/* Words of another module follow the colon: only our part is compared. */
static const struct bad beginnings[] = {
	{ "URL of no scheme",
	    "queue a { path = \"/a/\"\nupstream = \"127.0.0.1:9000\" }\n",
	    "2: upstream: " },
	{ "URL of another scheme",
	    "queue a { path = \"/a/\"\nupstream = \"ftp://h/\" }\n",
	    "2: upstream: " },
	{ "URL with a password",
	    "queue a { path = \"/a/\"\nupstream = \"http://u:p@h/\" }\n",
	    "2: upstream: " },
	{ "public URL", "\npublic_url = \"example.com\"\n", "2: public_url: " },
	{ "secret file without a secret",
	    IN_CALLBACK("secret_file = \"bad.secret\"\n"), "2: secret_file: " },
	{ "secret file of a client",
	    IN_CLIENT("secret_file = \"bad.secret\"\n"), "2: secret_file: " },
	{ "long socket path", "listen = \"unix:" KEY_A KEY_A "\"\n",
	    "1: listen: the path of a socket must not have more than 107 "
	    "bytes" },
};

#endif
