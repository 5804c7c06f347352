/* signature.c - HMAC-SHA256 over id.timestamp.body, in base64.
 *
 * The key is set once; every message re-uses the context with it, which makes a
 * check cheap enough for a load generator.
 *
 * One thread.
 */
#include "signature.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SECRET_CHARS_MAX = 128,
	MAC_BYTES = 32,
	MAC_CHARS = 44, /* of base64 */
};

struct signature {
	EVP_MAC *mac;
	EVP_MAC_CTX *keyed;
};

static size_t
read_secret(const char *secret_file, unsigned char *key_out)
{
	char line[SECRET_CHARS_MAX + 2] = "";
	FILE *file = fopen(secret_file, "re");
	size_t chars;
	int bytes;

	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		give_up(secret_file);
	fclose(file);
	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, "whsec_", 6) != 0)
		give_up("no whsec_ secret");
	chars = strlen(line + 6);
	bytes = EVP_DecodeBlock(key_out, (unsigned char *)line + 6, (int)chars);
	if (bytes <= 0)
		give_up("the secret is not base64");
	while (chars > 0 && line[6 + --chars] == '=')
		bytes--; /* EVP_DecodeBlock counts the padding */
	return (size_t)bytes;
}

struct signature *
signature_new(const char *secret_file)
{
	struct signature *signature = calloc(1, sizeof(*signature));
	unsigned char key[SECRET_CHARS_MAX];
	size_t key_bytes = read_secret(secret_file, key);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
		    0),
		OSSL_PARAM_construct_end(),
	};

	if (signature == NULL)
		give_up("memory");
	signature->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	signature->keyed = EVP_MAC_CTX_new(signature->mac);
	if (EVP_MAC_init(signature->keyed, key, key_bytes, params) != 1)
		give_up("HMAC");
	return signature;
}

static bool
compute(struct signature *signature, const struct message *message, char *out)
{
	EVP_MAC_CTX *mac = signature->keyed;
	unsigned char bytes[MAC_BYTES];
	size_t id_bytes;
	size_t time_bytes;
	size_t mac_bytes;
	const char *id = message_field(message, "webhook-id", &id_bytes);
	const char *time = message_field(message, "webhook-timestamp",
	    &time_bytes);

	if (id == NULL || time == NULL)
		return false;
	if (EVP_MAC_init(mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(mac, (const unsigned char *)id, id_bytes) != 1 ||
	    EVP_MAC_update(mac, (const unsigned char *)".", 1) != 1 ||
	    EVP_MAC_update(mac, (const unsigned char *)time, time_bytes) != 1 ||
	    EVP_MAC_update(mac, (const unsigned char *)".", 1) != 1 ||
	    EVP_MAC_update(mac, (const unsigned char *)message->body,
		message->body_bytes) != 1 ||
	    EVP_MAC_final(mac, bytes, &mac_bytes, sizeof(bytes)) != 1)
		give_up("HMAC");
	EVP_EncodeBlock((unsigned char *)out, bytes, MAC_BYTES);
	return true;
}

bool
signature_holds(struct signature *signature, const struct message *message)
{
	char right[MAC_CHARS + 1];
	size_t bytes;
	const char *value = message_field(message, "webhook-signature", &bytes);

	if (value == NULL || !compute(signature, message, right))
		return false;
	while (bytes >= 3 + MAC_CHARS) {
		const char *space = memchr(value, ' ', bytes);
		size_t one = space == NULL ? bytes : (size_t)(space - value);

		if (one == 3 + MAC_CHARS && memcmp(value, "v1,", 3) == 0 &&
		    memcmp(value + 3, right, MAC_CHARS) == 0)
			return true;
		if (space == NULL)
			return false;
		value += one + 1;
		bytes -= one + 1;
	}
	return false;
}
