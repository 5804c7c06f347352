/* floor_small.c - what a job needs besides sockets and a disk.
 *
 * One envelope of about 500 bytes is generated, parsed and signed for each job,
 * and an id is made: the libraries do all of it.
 */
#include "floor.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "wire.h"

static void
add_text(yajl_gen gen, const char *text)
{
	if (yajl_gen_string(gen, (const unsigned char *)text, strlen(text)) !=
	    yajl_gen_status_ok)
		give_up("yajl_gen");
}

static void
generate(yajl_gen gen, const char *body)
{
	static const char *const members[][2] = {
		{ "id", "0198c5d2-7a30-7cc3-98c4-dc0c0c07398f" },
		{ "queue", "bench" },
		{ "status", "succeeded" },
		{ "created_at", "2026-01-01T00:00:00.000Z" },
		{ "finished_at", "2026-01-01T00:00:00.004Z" },
	};

	yajl_gen_map_open(gen);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		add_text(gen, members[i][0]);
		add_text(gen, members[i][1]);
	}
	add_text(gen, "attempts");
	yajl_gen_integer(gen, 1);
	add_text(gen, "body");
	add_text(gen, body);
	yajl_gen_map_close(gen);
}

static int
take_text_cb(void *owner, const unsigned char *text, size_t bytes)
{
	size_t *sum = owner;

	(void)text;
	*sum += bytes;
	return 1;
}

static void
parse(const unsigned char *text, size_t bytes, size_t *sum)
{
	static yajl_callbacks calls = {
		.yajl_string = take_text_cb,
		.yajl_map_key = take_text_cb,
	};
	yajl_handle handle = yajl_alloc(&calls, NULL, sum);

	if (handle == NULL ||
	    yajl_parse(handle, text, bytes) != yajl_status_ok ||
	    yajl_complete_parse(handle) != yajl_status_ok)
		give_up("yajl_parse");
	yajl_free(handle);
}

static EVP_MAC_CTX *
new_keyed(void)
{
	char digest[] = "SHA256";
	unsigned char key[32] = "key";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
		    0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *keyed = EVP_MAC_CTX_new(mac);

	if (EVP_MAC_init(keyed, key, sizeof(key), params) != 1)
		give_up("HMAC");
	EVP_MAC_free(mac);
	return keyed;
}

static void
sign(EVP_MAC_CTX *keyed, const unsigned char *text, size_t bytes)
{
	unsigned char mac[32];
	size_t mac_bytes;

	if (EVP_MAC_init(keyed, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(keyed, text, bytes) != 1 ||
	    EVP_MAC_final(keyed, mac, &mac_bytes, sizeof(mac)) != 1)
		give_up("HMAC");
}

double
floor_small_us(void)
{
	EVP_MAC_CTX *keyed = new_keyed();
	char body[FLOOR_BODY_BYTES + 1] = "";
	int64_t begun_us = floor_cpu_us();
	size_t sum = 0;

	memset(body, 'x', FLOOR_BODY_BYTES);
	for (int i = 0; i < FLOOR_JOBS; i++) {
		yajl_gen gen = yajl_gen_alloc(NULL);
		const unsigned char *text;
		unsigned char id[16];
		size_t bytes;

		generate(gen, body);
		yajl_gen_get_buf(gen, &text, &bytes);
		parse(text, bytes, &sum);
		sign(keyed, text, bytes);
		if (RAND_bytes(id, sizeof(id)) != 1)
			give_up("RAND_bytes");
		yajl_gen_free(gen);
	}
	EVP_MAC_CTX_free(keyed);
	return (double)(floor_cpu_us() - begun_us) / FLOOR_JOBS;
}
