/* receiver.c - takes callbacks, checks their signatures, and writes them down.
 *
 *   receiver [--port N] --secret-file FILE [--log FILE] [--whole]
 *
 * One line of JSON for each request, on stdout or in the log file: see
 * logbook.h, and seen_cb below. /count says how often what was asked for
 * (peer.h). The answer is that of the path (manners.h), whether the signature
 * is right or not: what the sender did is judged from the log.
 */
#include <err.h>
#include <getopt.h>
#include <time.h>

#include "digest.h"
#include "logbook.h"
#include "manners.h"
#include "peer.h"
#include "result.h"
#include "words.h"

struct receiver {
	struct webhook_keys *keys;
	struct logbook *logbook;
	bool whole; /* log fields and bodies, too */
};

static void
log_result(struct logbook *logbook, const struct peer_request *request)
{
	char digest[DIGEST_SIZE];
	bool found = result_digest(request->body, request->body_len, digest);

	logbook_text(logbook, "result_sha256", found ? digest : NULL);
}

static void
seen_cb(struct peer_conn *conn)
{
	static const char *const fields[][2] = {
		{ "webhook_id", "webhook-id" },
		{ "webhook_timestamp", "webhook-timestamp" },
		{ "attempt", "Webhook-Attempt" },
		{ "attempts_left", "Webhook-Attempts-Left" },
		{ "job_status", "Job-Status" },
		{ "user_agent", "User-Agent" },
	};
	const struct peer_request *request = peer_request(conn);
	const struct receiver *receiver = peer_arg(conn);
	struct webhook webhook = {
		.id = peer_header(conn, "webhook-id"),
		.timestamp = peer_header(conn, "webhook-timestamp"),
		.signatures = peer_header(conn, "webhook-signature"),
		.body = request->body,
		.body_len = request->body_len,
	};
	const char *fault = webhook_fault(receiver->keys, &webhook,
	    (int64_t)time(NULL));

	logbook_begin(receiver->logbook, conn);
	logbook_bool(receiver->logbook, "verified", !fault);
	logbook_text(receiver->logbook, "fault", fault);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		logbook_text(receiver->logbook, fields[i][0],
		    peer_header(conn, fields[i][1]));
	log_result(receiver->logbook, request);
	if (receiver->whole)
		logbook_whole(receiver->logbook, conn);
	logbook_end(receiver->logbook);
}

static void
answer_cb(struct peer_conn *conn)
{
	static const char missing[] = "no such path: see receiver.c\n";

	if (!manners_answer(conn))
		peer_reply(conn,
		    &(struct peer_reply){ .status = 404,
			.type = "text/plain",
			.body = missing,
			.len = sizeof(missing) - 1 });
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "secret-file", required_argument, NULL, 's' },
		{ "log", required_argument, NULL, 'l' },
		{ "whole", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	static const char usage[] =
	    "usage: receiver [--port N] --secret-file FILE [--log FILE] "
	    "[--whole]";
	struct receiver receiver = { NULL, NULL, false };
	struct peer_options options = { .seen = seen_cb,
		.answer = answer_cb,
		.arg = &receiver };
	const char *log = NULL, *secret = NULL;
	int option, status;
	int64_t number;

	while ((option = getopt_long(argc, argv, "p:s:l:w", longopts, NULL)) !=
	    -1) {
		if (option == 'p' && number_parse(optarg, &number))
			options.port = (int)number;
		else if (option == 's')
			secret = optarg;
		else if (option == 'l')
			log = optarg;
		else if (option == 'w')
			receiver.whole = true;
		else
			errx(64, "%s", usage);
	}
	if (!secret)
		errx(64, "%s", usage);
	receiver.keys = webhook_keys_load(secret);
	receiver.logbook = logbook_open(log);
	status = peer_run(&options);
	logbook_close(&receiver.logbook);
	webhook_keys_free(&receiver.keys);
	return status;
}
