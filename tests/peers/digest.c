/* digest.c - hashes by OpenSSL; signatures compared in constant time. */
#include "digest.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "words.h"

#define KEYS_MAX 8
#define KEY_PREFIX "whsec_"
#define SIGNATURE_PREFIX "v1,"

struct webhook_keys {
	size_t count;
	struct {
		unsigned char *bytes;
		size_t len;
	} key[KEYS_MAX];
};

void
digest_hex(const void *bytes, size_t len, char out[DIGEST_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256(bytes, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

bool
base64_decode(const char *text, size_t len, unsigned char **out,
    size_t *out_len)
{
	unsigned char *bytes;
	int decoded;

	if (len % 4 != 0 || len > INT32_MAX)
		return false;
	bytes = malloc(len / 4 * 3 + 1);
	if (!bytes)
		err(1, "base64");
	decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
	if (decoded < 0) {
		free(bytes);
		return false;
	}
	/* EVP_DecodeBlock counts the padding as bytes. */
	for (size_t i = len; i > 0 && text[i - 1] == '='; i--)
		decoded--;
	*out = bytes;
	*out_len = (size_t)decoded;
	return true;
}

static void
add_key(struct webhook_keys *keys, const char *line, const char *path)
{
	const char *text = line + strlen(KEY_PREFIX);

	if (strncmp(line, KEY_PREFIX, strlen(KEY_PREFIX)) != 0 ||
	    keys->count == KEYS_MAX ||
	    !base64_decode(text, strlen(text), &keys->key[keys->count].bytes,
		&keys->key[keys->count].len))
		errx(1, "%s: not a line of whsec_ and base64", path);
	keys->count++;
}

struct webhook_keys *
webhook_keys_load(const char *path)
{
	struct webhook_keys *keys = calloc(1, sizeof(*keys));
	FILE *file = fopen(path, "re");
	char line[512];

	if (!keys || !file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] != '\0' && line[0] != '#')
			add_key(keys, line, path);
	}
	fclose(file);
	if (keys->count == 0)
		errx(1, "%s: no key", path);
	return keys;
}

void
webhook_keys_free(struct webhook_keys **keys)
{
	if (!*keys)
		return;
	for (size_t i = 0; i < (*keys)->count; i++)
		free((*keys)->key[i].bytes);
	free(*keys);
	*keys = NULL;
}

/* Base64 of HMAC-SHA256 over "id.timestamp.body". */
static void
sign(const struct webhook_keys *keys, size_t which,
    const struct webhook *webhook, char out[64])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	char *text;
	int head = asprintf(&text, "%s.%s.", webhook->id, webhook->timestamp);

	if (head < 0 ||
	    !(text = realloc(text, (size_t)head + webhook->body_len + 1)))
		err(1, "signature");
	if (webhook->body_len > 0)
		memcpy(text + head, webhook->body, webhook->body_len);
	if (!HMAC(EVP_sha256(), keys->key[which].bytes,
		(int)keys->key[which].len, (unsigned char *)text,
		(size_t)head + webhook->body_len, mac, &mac_len))
		errx(1, "HMAC");
	free(text);
	EVP_EncodeBlock((unsigned char *)out, mac, (int)mac_len);
}

/* True when one of the space-separated signatures is the expected one. */
static bool
is_among(const char *signatures, const char *expected)
{
	size_t prefix_len = strlen(SIGNATURE_PREFIX);
	size_t expected_len = strlen(expected);
	bool found = false;

	while (*signatures) {
		size_t len = strcspn(signatures, " ");

		if (len == prefix_len + expected_len &&
		    strncmp(signatures, SIGNATURE_PREFIX, prefix_len) == 0 &&
		    CRYPTO_memcmp(signatures + prefix_len, expected,
			expected_len) == 0)
			found = true;
		signatures += len + (signatures[len] == ' ');
	}
	return found;
}

const char *
webhook_fault(const struct webhook_keys *keys, const struct webhook *webhook,
    int64_t now_s)
{
	bool found = false;
	char expected[64];
	int64_t sent_s;

	if (!webhook->id || !webhook->timestamp || !webhook->signatures)
		return "a field is missing";
	if (!number_parse(webhook->timestamp, &sent_s))
		return "the timestamp is not a number";
	if (sent_s < now_s - WEBHOOK_TOLERANCE_S ||
	    sent_s > now_s + WEBHOOK_TOLERANCE_S)
		return "the timestamp is not of now";
	for (size_t i = 0; i < keys->count; i++) {
		sign(keys, i, webhook, expected);
		found = is_among(webhook->signatures, expected) || found;
	}
	return found ? NULL : "no signature fits";
}
