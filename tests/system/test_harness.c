/* test_harness.c - can the other system tests believe what they see?
 *
 * The client and the peers are held against each other, without the daemon.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

START_TEST(the_client_reads_every_framing_on_kept_connections)
{
	static const char *const targets[] = { "/echo", "/chunked?piece=3",
		"/interim?times=2", "/echo", "/until-close" };
	struct world world;
	struct client client;
	struct reply reply;

	world_prepare(&world, NULL);
	client_open(&client, world.upstream.address);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		client_ask(&client, "POST", targets[i], "", "ten bytes!",
		    &reply);
		ck_assert_int_eq(reply.status, 200);
		ck_assert_str_eq(reply.body, i == 2 ? "ok\n" : "ten bytes!");
		ck_assert_int_eq(reply.interim_count, i == 2 ? 2 : 0);
		ck_assert(reply.is_closing == (i == 4));
		reply_clear(&reply);
	}
	ck_assert(client_is_closed_by_peer(&client));
	client_close(&client);
	world_close(&world);
}
END_TEST

START_TEST(fields_and_json_are_found_by_name)
{
	struct world world;
	struct reply reply;

	world_prepare(&world, NULL);
	ask(world.upstream.address, "POST",
	    "/status/418?body=%7B%22a%22%3A%5B1%2C%7B%22b%22%3Anull%7D%5D%7D"
	    "&header=X-Two%3A%201&header=x-two%3A%202",
	    "", "", &reply);
	ck_assert_int_eq(reply.status, 418);
	ck_assert_str_eq(reply_header(&reply, "content-type"), "text/plain");
	ck_assert_int_eq(reply_header_count(&reply, "X-Two"), 2);
	ck_assert_ptr_null(reply_header(&reply, "X-Tw"));
	ck_assert_int_eq(look_int(reply_json(&reply), "a.0"), 1);
	ck_assert(look_is_null(reply_json(&reply), "a.1.b"));
	ck_assert_ptr_null(look_at(reply_json(&reply), "a.2"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(what_a_peer_saw_is_found_in_its_log_and_counts)
{
	struct world world;
	struct json_document *seen;
	struct reply reply;

	world_prepare(&world, NULL);
	for (int i = 0; i < 3; i++) {
		ask(world.receiver.address, "PUT", "/ok?a=b",
		    "X-Quote: \"\\\r\n", "body", &reply);
		ck_assert_int_eq(reply.status, 204);
		reply_clear(&reply);
	}
	seen = peer_request(&world.receiver, "/ok", 2);
	ck_assert_str_eq(seen_text(seen, "method"), "PUT");
	ck_assert_str_eq(seen_text(seen, "target"), "/ok?a=b");
	ck_assert_str_eq(seen_text(seen, "body"), "body");
	ck_assert_str_eq(seen_field(seen, "x-quote"), "\"\\");
	ck_assert_int_eq(seen_field_count(seen, "Host"), 1);
	ck_assert_ptr_null(seen_field(seen, "X-Other"));
	json_document_free(&seen);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 3);
	ck_assert_int_eq(peer_count(&world.receiver, "total"), 3);
	ck_assert_int_eq(peer_count(&world.receiver, "now"), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_process_tells_how_it_ended)
{
	static const char *const exits[] = { "/bin/sh", "-c",
		"echo said; exit 7", NULL };
	static const char *const dies[] = { "/bin/sh", "-c", "kill -9 $$",
		NULL };
	static const char *const missing[] = { "/nonexistent", NULL };
	struct world world;
	struct process process;

	world_prepare(&world, NULL);
	ck_assert_int_eq(process_run(&process, world.folder, "a", exits), 7);
	ck_assert(file_says(process.out_path, "said\n"));
	ck_assert_int_eq(process_run(&process, world.folder, "b", dies),
	    1000 + SIGKILL);
	ck_assert_int_eq(process_run(&process, world.folder, "c", missing),
	    127);
	ck_assert(!process_is_running(&process));
	world_close(&world);
}
END_TEST

START_TEST(where_the_daemon_listens_is_read_from_either_log_format)
{
	static const char log[] =
	    "2026-11-20T10:00:00.000Z info event=listening room=admin "
	    "address=127.0.0.1:81\n"
	    "{\"time\":\"x\",\"event\":\"listening\",\"room\":\"api\","
	    "\"address\":\"127.0.0.1:80\"}\n"
	    "2026-11-20T10:00:00.000Z info event=listening room=cut addr";
	struct world world;
	char address[ADDRESS_TEXT_SIZE];
	char path[PATH_SIZE + 8];

	world_prepare(&world, NULL);
	snprintf(path, sizeof(path), "%s/log", world.folder);
	file_write(path, log, 0600);
	ck_assert(log_listens(path, "admin", address));
	ck_assert_str_eq(address, "127.0.0.1:81");
	ck_assert(log_listens(path, "api", address));
	ck_assert_str_eq(address, "127.0.0.1:80");
	ck_assert(!log_listens(path, "cut", address));
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		the_client_reads_every_framing_on_kept_connections,
		fields_and_json_are_found_by_name,
		what_a_peer_saw_is_found_in_its_log_and_counts,
		a_process_tells_how_it_ended,
		where_the_daemon_listens_is_read_from_either_log_format,
	};

	return HARNESS_RUN("harness", cases);
}
