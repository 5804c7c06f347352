/* test_link.c - signed links: good, changed, and by other hands. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/link.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
#define OTHER "whsec_a2tra2tra2tra2tra2tra2tra2tra2tr\n"
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_HASH                                                             \
	"1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UNTIL_S INT64_C(1700000000)

static struct signer *signer;
static struct uuid job;

static struct signer *
signer_with(const char *text)
{
	struct reason why;
	struct sign_secret *secret = sign_secret_parse(text, strlen(text),
	    &why);
	struct signer *out;

	ck_assert_msg(secret != NULL, "%s", why.text);
	out = signer_new(secret);
	ck_assert_ptr_nonnull(out);
	sign_secret_free(&secret);
	return out;
}

static void
set_up(void)
{
	static const char id[] = "018bcfe5-6800-7001-8000-000000000007";

	signer = signer_with(SECRET);
	ck_assert(uuid_parse(id, strlen(id), &job));
}

static void
tear_down(void)
{
	signer_free(&signer);
}

/* The signature in a query of acme's that holds until UNTIL_S. */
static void
make_signature(char out[LINK_SIGNATURE_SIZE])
{
	static const char head[] = "client=acme&expires=1700000000&signature=";
	const struct link_signer acme = { signer, "acme", HASH };
	char query[LINK_QUERY_SIZE];

	ck_assert(link_sign(&acme, job, UNTIL_S, query));
	ck_assert_uint_eq(strlen(query),
	    strlen(head) + LINK_SIGNATURE_SIZE - 1);
	ck_assert_mem_eq(query, head, strlen(head));
	memcpy(out, query + strlen(head), LINK_SIGNATURE_SIZE);
}

START_TEST(a_link_is_signed_in_characters_of_a_query)
{
	char signature[LINK_SIGNATURE_SIZE];
	int others = 0;

	for (int i = 0; i < 200; i++) {
		job.seq++;
		make_signature(signature);
		ck_assert_uint_eq(strspn(signature,
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789-_"),
		    LINK_SIGNATURE_SIZE - 1);
		others += strpbrk(signature, "-_") != NULL;
		ck_assert(
		    link_verify(&(struct link_signer){ signer, "acme", HASH },
			job, UNTIL_S, signature));
	}
	ck_assert_int_gt(others, 0);
}
END_TEST

START_TEST(without_clients_a_link_names_none)
{
	const struct link_signer nobody = { signer, "", "" };
	char query[LINK_QUERY_SIZE];

	ck_assert(link_sign(&nobody, job, UNTIL_S, query));
	ck_assert_mem_eq(query, "expires=1700000000&signature=", 29);
	ck_assert(link_verify(&nobody, job, UNTIL_S, query + 29));
}
END_TEST

START_TEST(without_a_secret_there_is_no_signature)
{
	const struct link_signer none = { NULL, "", "" };
	char query[LINK_QUERY_SIZE], signature[LINK_SIGNATURE_SIZE];

	ck_assert(!link_sign(&none, job, UNTIL_S, query));
	make_signature(signature);
	ck_assert(!link_verify(&none, job, UNTIL_S, signature));
}
END_TEST

START_TEST(whatever_is_changed_ends_a_link)
{
	const struct link_signer acme = { signer, "acme", HASH };
	const struct link_signer rekeyed = { signer, "acme", OTHER_HASH };
	struct signer *other = signer_with(OTHER);
	const struct link_signer stranger = { other, "acme", HASH };
	char signature[LINK_SIGNATURE_SIZE];
	struct uuid another = job;

	make_signature(signature);
	another.salt++;
	ck_assert(link_verify(&acme, job, UNTIL_S, signature));
	ck_assert(!link_verify(&acme, another, UNTIL_S, signature));
	ck_assert(!link_verify(&acme, job, UNTIL_S + 1, signature));
	ck_assert(!link_verify(&rekeyed, job, UNTIL_S, signature));
	ck_assert(!link_verify(&stranger, job, UNTIL_S, signature));
	for (size_t i = 0; i < LINK_SIGNATURE_SIZE - 1; i++) {
		char was = signature[i];

		signature[i] = was == 'A' ? 'B' : 'A';
		ck_assert(!link_verify(&acme, job, UNTIL_S, signature));
		signature[i] = was;
	}
	signer_free(&other);
}
END_TEST

START_TEST(what_is_no_signature_is_none)
{
	static const char *const texts[] = { "", "A", "v1,",
		"++++++++++++++++++++++++++++++++++++++++++=",
		"A A A A A A A A A A A A A A A A A A A A A A" };
	const struct link_signer acme = { signer, "acme", HASH };

	ck_assert(!link_verify(&acme, job, UNTIL_S, texts[_i]));
}
END_TEST

START_TEST(while_secrets_are_exchanged_links_of_both_hold)
{
	struct signer *both = signer_with(OTHER SECRET);
	const struct link_signer before = { signer, "acme", HASH };
	const struct link_signer during = { both, "acme", HASH };
	char signature[LINK_SIGNATURE_SIZE], query[LINK_QUERY_SIZE];

	make_signature(signature);
	ck_assert(link_verify(&during, job, UNTIL_S, signature));
	ck_assert(link_sign(&during, job, UNTIL_S, query));
	ck_assert(!link_verify(&before, job, UNTIL_S,
	    strstr(query, "signature=") + strlen("signature=")));
	signer_free(&both);
}
END_TEST

/* A receiver cannot pass a signature of a webhook off as that of a link. */
START_TEST(a_webhooks_signature_is_not_a_links)
{
	const struct link_signer nobody = { signer, "", "" };
	char text[SIGN_TEXT_SIZE], signature[LINK_SIGNATURE_SIZE];

	ck_assert(signer_sign(signer, "018bcfe5-6800-7001-8000-000000000007",
	    UNTIL_S, "", 0, text));
	memcpy(signature, text + 3, LINK_SIGNATURE_SIZE - 1);
	signature[LINK_SIGNATURE_SIZE - 1] = '\0';
	for (char *c = signature; *c != '\0'; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	ck_assert(!link_verify(&nobody, job, UNTIL_S, signature));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link");
	TCase *cases = tcase_create("link");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, a_link_is_signed_in_characters_of_a_query);
	tcase_add_test(cases, without_clients_a_link_names_none);
	tcase_add_test(cases, without_a_secret_there_is_no_signature);
	tcase_add_test(cases, whatever_is_changed_ends_a_link);
	tcase_add_loop_test(cases, what_is_no_signature_is_none, 0, 5);
	tcase_add_test(cases, while_secrets_are_exchanged_links_of_both_hold);
	tcase_add_test(cases, a_webhooks_signature_is_not_a_links);
	suite_add_tcase(suite, cases);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
