/* test_sign.c - Standard Webhooks signatures and the files that keys lie in. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "callbackd/sign.h"

/* The test vector of the specification's own libraries. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT 1614265330
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

/* 24 and 64 bytes of 'k'. */
#define OTHER "whsec_a2tra2tra2tra2tra2tra2tra2tra2tr"
#define LONGEST                                                                \
	"whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2" \
	"tra2tra2tra2tra2tra2traw=="

static struct sign_secret *
parse(const char *text)
{
	struct reason why = { "" };
	struct sign_secret *secret = sign_secret_parse(text, strlen(text),
	    &why);
	ck_assert_msg(secret != NULL, "%s", why.text);
	return secret;
}

static struct signer *
signer_of(const char *text)
{
	struct sign_secret *secret = parse(text);
	struct signer *signer = signer_new(secret);
	ck_assert_ptr_nonnull(signer);
	sign_secret_free(&secret);
	ck_assert_ptr_null(secret);
	return signer;
}

START_TEST(the_specifications_vector_is_met_every_time)
{
	struct signer *signer = signer_of(SECRET "\n");
	char text[SIGN_TEXT_SIZE];
	for (int i = 0; i < 3; i++) {
		ck_assert(
		    signer_sign(signer, ID, AT, BODY, strlen(BODY), text));
		ck_assert_str_eq(text, SIGNATURE);
		ck_assert(signer_sign(signer, "other", 1, "", 0, text));
		ck_assert_str_ne(text, SIGNATURE);
	}
	signer_free(&signer);
	ck_assert_ptr_null(signer);
	signer_free(&signer);
}
END_TEST

START_TEST(the_body_counts_to_its_last_byte)
{
	struct signer *signer = signer_of(SECRET);
	char plain[SIGN_TEXT_SIZE], longer[SIGN_TEXT_SIZE];
	ck_assert(signer_sign(signer, ID, AT, "a", 1, plain));
	ck_assert(signer_sign(signer, ID, AT, "a\0", 2, longer));
	ck_assert_str_ne(plain, longer);
	ck_assert(signer_sign(signer, ID, AT, NULL, 0, plain));
	ck_assert(signer_sign(signer, ID, AT, "", 0, longer));
	ck_assert_str_eq(plain, longer);
	signer_free(&signer);
}
END_TEST

START_TEST(all_keys_sign_while_rotating_the_first_one_first)
{
	struct signer *both = signer_of(
	    "# new\n" SECRET "\n\n  \t\r\n# old\n" OTHER "\r\n");
	struct signer *old = signer_of(OTHER);
	char text[SIGN_TEXT_SIZE], one[SIGN_TEXT_SIZE];
	ck_assert(signer_sign(both, ID, AT, BODY, strlen(BODY), text));
	ck_assert(signer_sign(old, ID, AT, BODY, strlen(BODY), one));
	ck_assert_uint_eq(strlen(text), 47 + 1 + 47);
	ck_assert_mem_eq(text, SIGNATURE " ", 48);
	ck_assert_str_eq(text + 48, one);

	ck_assert(signer_verify(old, ID, AT, BODY, strlen(BODY), text));
	ck_assert(signer_verify(both, ID, AT, BODY, strlen(BODY), one));
	signer_free(&both);
	signer_free(&old);
}
END_TEST

START_TEST(five_keys_fill_the_text_and_a_sixth_is_refused)
{
	char lines[1024] = "";
	struct reason why;
	char text[SIGN_TEXT_SIZE];
	for (int i = 0; i < 5; i++)
		strcat(lines, i % 2 ? OTHER "\n" : LONGEST "\n");
	struct signer *signer = signer_of(lines);
	ck_assert(signer_sign(signer, ID, AT, BODY, strlen(BODY), text));
	ck_assert_uint_eq(strlen(text), 5 * 48 - 1);
	signer_free(&signer);

	strcat(lines, SECRET);
	ck_assert_ptr_null(sign_secret_parse(lines, strlen(lines), &why));
	ck_assert_str_eq(why.text, "line 6: more than 5 keys");
}
END_TEST

static const struct {
	const char *list;
	bool is_ours;
} signatures[] = {
	{ SIGNATURE, true },
	{ "v1,AAAA " SIGNATURE, true },
	{ "  " SIGNATURE "  v1a,x", true },
	{ "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= " SIGNATURE, true },
	{ "", false },
	{ " ", false },
	{ "v1,", false },
	{ "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", false },
	{ "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE==", false },
	{ "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", false },
	{ "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", false },
	{ "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", false },
	{ "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", false },
	{ "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", false },
	{ "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", false },
	{ SIGNATURE "," SIGNATURE, false },
};

START_TEST(a_signature_is_found_among_others)
{
	struct signer *signer = signer_of(SECRET);
	const char *list = signatures[_i].list;
	bool found = signer_verify(signer, ID, AT, BODY, strlen(BODY), list);
	ck_assert_msg(found == signatures[_i].is_ours, "%s", list);
	signer_free(&signer);
}
END_TEST

START_TEST(a_signature_is_good_for_one_message_only)
{
	struct signer *signer = signer_of(SECRET);
	size_t len = strlen(BODY);
	ck_assert(signer_verify(signer, ID, AT, BODY, len, SIGNATURE));
	ck_assert(!signer_verify(signer, "msg_x", AT, BODY, len, SIGNATURE));
	ck_assert(!signer_verify(signer, ID, AT + 1, BODY, len, SIGNATURE));
	ck_assert(!signer_verify(signer, ID, AT, BODY, len - 1, SIGNATURE));
	signer_free(&signer);
}
END_TEST

START_TEST(an_id_without_end_is_not_signed)
{
	struct signer *signer = signer_of(SECRET);
	char id[1000], text[SIGN_TEXT_SIZE] = "untouched";
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	ck_assert(!signer_sign(signer, id, AT, BODY, strlen(BODY), text));
	ck_assert_str_eq(text, "untouched");
	ck_assert(
	    !signer_verify(signer, id, AT, BODY, strlen(BODY), SIGNATURE));
	signer_free(&signer);
}
END_TEST

static const struct {
	const char *text;
	const char *why;
} bad_secrets[] = {
	{ "", "no whsec_ line in it" },
	{ "\n\n# nothing\n", "no whsec_ line in it" },
	{ "whsec_", "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "secret", "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	    "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	    "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	    "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
	/* 23 bytes, 65 bytes, not base64, not canonical */
	{ SECRET "\nwhsec_a2tra2tra2tra2tra2tra2tra2tra2s=",
	    "line 2: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2"
	  "tra2tra2tra2tra2tra2tra2s=",
	    "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "# ok\n\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
	    "line 3: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "whsec_MfKQ9r8GKYqrTwjU PD8ILPZIo2LaLaSw",
	    "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
	{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA",
	    "line 1: not whsec_ and the base64 of 24 to 64 bytes" },
};

START_TEST(what_is_no_secret_is_refused_by_line_and_not_quoted)
{
	struct reason why = { "" };
	const char *text = bad_secrets[_i].text;
	ck_assert_ptr_null(sign_secret_parse(text, strlen(text), &why));
	ck_assert_str_eq(why.text, bad_secrets[_i].why);
}
END_TEST

START_TEST(a_secret_has_24_to_64_bytes)
{
	static char text[100000];
	struct reason why;
	memset(text, 'a', sizeof(text));
	memcpy(text, "whsec_", 6);
	for (size_t len = 0; len < 200; len++) {
		bool legal = len >= 6 + 32 && len <= 6 + 84 && len % 4 == 2;
		struct sign_secret *secret = sign_secret_parse(text, len, &why);
		ck_assert_msg((secret != NULL) == legal, "%zu", len);
		sign_secret_free(&secret);
	}
	ck_assert_ptr_null(sign_secret_parse(text, sizeof(text), &why));
}
END_TEST

START_TEST(a_secret_lives_as_long_as_its_last_holder)
{
	struct sign_secret *secret = parse(SECRET);
	struct sign_secret *second = sign_secret_ref(secret);
	struct sign_secret *none = NULL;
	sign_secret_free(&secret);
	struct signer *signer = signer_new(second);
	sign_secret_free(&second);
	ck_assert(signer_verify(signer, ID, AT, BODY, strlen(BODY), SIGNATURE));
	signer_free(&signer);
	ck_assert_ptr_null(sign_secret_ref(NULL));
	sign_secret_free(&none);
}
END_TEST

/* ---- files ---- */

static char folder[] = "/tmp/test_sign.XXXXXX";
static char path[64];

static void
make_folder(void)
{
	strcpy(folder, "/tmp/test_sign.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/secret", folder);
}

static void
remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

static void
write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(a_file_of_keys_is_read)
{
	struct reason why = { "" };
	write_file("# ours\n" SECRET "\n", 0600);
	struct sign_secret *secret = sign_secret_load(path, &why);
	ck_assert_msg(secret != NULL, "%s", why.text);
	struct signer *signer = signer_new(secret);
	ck_assert(signer_verify(signer, ID, AT, BODY, strlen(BODY), SIGNATURE));
	signer_free(&signer);
	sign_secret_free(&secret);

	write_file(SECRET, 0640);
	secret = sign_secret_load(path, &why);
	ck_assert_ptr_nonnull(secret);
	sign_secret_free(&secret);
}
END_TEST

START_TEST(a_file_that_others_may_write_is_refused)
{
	struct reason why = { "" };
	write_file(SECRET "\n", 0602);
	ck_assert_ptr_null(sign_secret_load(path, &why));
	ck_assert_str_eq(why.text, "others may write it (mode 0602)");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_refused)
{
	struct reason why = { "" };
	ck_assert_ptr_null(sign_secret_load(path, &why));
	ck_assert_str_eq(why.text, "cannot open it: No such file or directory");
}
END_TEST

START_TEST(a_pipe_or_a_folder_is_refused_without_waiting)
{
	struct reason why = { "" };
	ck_assert_ptr_null(sign_secret_load(folder, &why));
	ck_assert_str_eq(why.text, "not a regular file");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	why.text[0] = '\0';
	ck_assert_ptr_null(sign_secret_load(path, &why));
	ck_assert_str_eq(why.text, "not a regular file");
}
END_TEST

START_TEST(a_file_without_end_is_refused)
{
	struct reason why = { "" };
	write_file(SECRET "\n", 0600);
	ck_assert_int_eq(truncate(path, 1 << 20), 0);
	ck_assert_ptr_null(sign_secret_load(path, &why));
	ck_assert_str_eq(why.text, "too large for a file of keys");
}
END_TEST

/* ---- digests ---- */

START_TEST(sha256_is_that_of_fips_180)
{
	char hex[SHA256_HEX_SIZE];
	ck_assert(sha256_hex("abc", 3, hex));
	ck_assert_str_eq(hex,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9c"
	    "b410ff61f20015ad");
	ck_assert(sha256_hex("", 0, hex));
	ck_assert_str_eq(hex,
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c"
	    "a495991b7852b855");
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table[0]))

int
main(void)
{
	Suite *suite = suite_create("sign");
	TCase *cases = tcase_create("sign");
	tcase_add_test(cases, the_specifications_vector_is_met_every_time);
	tcase_add_test(cases, the_body_counts_to_its_last_byte);
	tcase_add_test(cases, all_keys_sign_while_rotating_the_first_one_first);
	tcase_add_test(cases, five_keys_fill_the_text_and_a_sixth_is_refused);
	tcase_add_loop_test(cases, a_signature_is_found_among_others, 0,
	    ROWS(signatures));
	tcase_add_test(cases, a_signature_is_good_for_one_message_only);
	tcase_add_test(cases, an_id_without_end_is_not_signed);
	tcase_add_loop_test(cases,
	    what_is_no_secret_is_refused_by_line_and_not_quoted, 0,
	    ROWS(bad_secrets));
	tcase_add_test(cases, a_secret_has_24_to_64_bytes);
	tcase_add_test(cases, a_secret_lives_as_long_as_its_last_holder);
	tcase_add_test(cases, sha256_is_that_of_fips_180);
	suite_add_tcase(suite, cases);

	TCase *files = tcase_create("files");
	tcase_add_checked_fixture(files, make_folder, remove_folder);
	tcase_add_test(files, a_file_of_keys_is_read);
	tcase_add_test(files, a_file_that_others_may_write_is_refused);
	tcase_add_test(files, a_file_that_is_not_there_is_refused);
	tcase_add_test(files, a_pipe_or_a_folder_is_refused_without_waiting);
	tcase_add_test(files, a_file_without_end_is_refused);
	suite_add_tcase(suite, files);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
