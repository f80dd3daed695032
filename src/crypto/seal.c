#include "crypto/seal.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "crypto/methods.h"

#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC     "CHNCYSEALED\n"
#define VERSION   1
#define SALT_SIZE 32
#define KEY_SIZE  32
#define R         8
#define P         1
#define NONCE     12

struct seal {
	EVP_CIPHER_CTX *ctx;
	uint8_t key[KEY_SIZE], head[SEAL_HEAD_SIZE];
	uint64_t chunk; /* the next one's number */
	bool ended;
};

/* 12 bytes of magic, version, log2 N, r, p, 32 of salt: together 48. */
static void write_head(unsigned log_n, const uint8_t salt[SALT_SIZE], uint8_t head[SEAL_HEAD_SIZE])
{
	const uint8_t parameters[4] = { VERSION, (uint8_t)log_n, R, P };

	memcpy(head, MAGIC, 12);
	memcpy(head + 12, parameters, sizeof parameters);
	memcpy(head + 16, salt, SALT_SIZE);
}

bool seal_is_head(struct bytes in)
{
	return bytes_starts_with(in, BYTES_LIT(MAGIC));
}

static enum err_code derive(struct seal *s, struct bytes passphrase, struct err *e)
{
	unsigned log_n = s->head[13];
	uint64_t n = UINT64_C(1) << log_n, memory = 128 * R * n + (1u << 20);

	if (passphrase.len < SEAL_PASS_MIN || passphrase.len > SEAL_PASS_MAX)
		FAIL(e, CONFIG, "a passphrase has %d to %d bytes, this one has %zu", SEAL_PASS_MIN, SEAL_PASS_MAX, passphrase.len);
	if (EVP_PBE_scrypt((const char *)passphrase.ptr, passphrase.len, s->head + 16, SALT_SIZE, n, R, P, memory, s->key, KEY_SIZE) != 1)
		return CRYPTO_ERR(e, "scrypt");
	return ERR_OK;
}

static enum err_code make(struct bytes passphrase, const uint8_t head[SEAL_HEAD_SIZE], struct seal **ret, struct err *e)
{
	CLEANUP(seal_free_p) struct seal *s = calloc(1, sizeof *s);

	if (!s || !(s->ctx = EVP_CIPHER_CTX_new()))
		FAIL(e, NOMEM, "no memory to encrypt");
	memcpy(s->head, head, sizeof s->head);
	TRY(derive(s, passphrase, e));
	*ret = TAKE(s);
	return ERR_OK;
}

enum err_code seal_new(struct bytes passphrase, unsigned log_n, struct seal **ret, uint8_t head[SEAL_HEAD_SIZE], struct err *e)
{
	uint8_t salt[SALT_SIZE];

	random_bytes(salt, sizeof salt);
	write_head(log_n, salt, head);
	return make(passphrase, head, ret, e);
}

enum err_code seal_open(struct bytes passphrase, struct bytes head, struct seal **ret, struct err *e)
{
	if (head.len != SEAL_HEAD_SIZE || !seal_is_head(head))
		FAIL(e, MALFORMED, "this is no encrypted stream of chancery-ca");
	if (head.ptr[12] != VERSION || head.ptr[13] < 10 || head.ptr[13] > SEAL_LOG_N_MAX || head.ptr[14] != R || head.ptr[15] != P)
		FAIL(e, MALFORMED, "it is encrypted in a way that this program does not know (version %u, scrypt 2^%u, %u, %u)",
		    head.ptr[12], head.ptr[13], head.ptr[14], head.ptr[15]);
	return make(passphrase, head.ptr, ret, e);
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	EVP_CIPHER_CTX_free(s->ctx);
	crypto_wipe(s, sizeof *s);
	free(s);
}

/* Seven zeros, the chunk's number, 1 for the last: the key is of this stream alone, so that no nonce is used twice. */
static enum err_code next_nonce(struct seal *s, bool last, uint8_t nonce[NONCE], struct err *e)
{
	if (s->ended || s->chunk > SEAL_CHUNKS_MAX)
		FAIL(e, TOO_LARGE, "an encrypted stream has at most %llu chunks", (unsigned long long)SEAL_CHUNKS_MAX);
	memset(nonce, 0, NONCE);
	for (int i = 0; i < 4; i++)
		nonce[7 + i] = (uint8_t)(s->chunk >> (24 - 8 * i));
	nonce[11] = last;
	s->chunk++;
	s->ended = last;
	return ERR_OK;
}

/* The head is under every chunk's tag. */
static bool begin(struct seal *s, const uint8_t nonce[NONCE], int encrypt)
{
	int n;

	return EVP_CipherInit_ex2(s->ctx, crypto_methods()->aes_gcm, s->key, nonce, encrypt, NULL) == 1 &&
	       EVP_CipherUpdate(s->ctx, NULL, &n, s->head, sizeof s->head) == 1;
}

enum err_code seal_put(struct seal *s, bool last, struct bytes chunk, uint8_t *out, struct err *e)
{
	uint8_t nonce[NONCE];
	int n = 0, end = 0;

	if (chunk.len > SEAL_CHUNK_SIZE || (!last && chunk.len != SEAL_CHUNK_SIZE))
		FAIL(e, BUG, "a chunk of %zu bytes", chunk.len);
	TRY(next_nonce(s, last, nonce, e));
	if (!begin(s, nonce, 1) || (chunk.len > 0 && EVP_CipherUpdate(s->ctx, out, &n, chunk.ptr, (int)chunk.len) != 1) ||
	    EVP_CipherFinal_ex(s->ctx, out + n, &end) != 1 ||
	    EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, out + chunk.len) != 1)
		return CRYPTO_ERR(e, "encryption");
	return ERR_OK;
}

enum err_code seal_get(struct seal *s, bool last, struct bytes sealed, uint8_t *out, struct err *e)
{
	uint8_t nonce[NONCE], tag[SEAL_TAG_SIZE];
	int n = 0, end = 0;

	if (sealed.len < SEAL_TAG_SIZE || sealed.len > SEAL_CHUNK_SIZE + SEAL_TAG_SIZE)
		FAIL(e, MALFORMED, "an encrypted chunk of %zu bytes", sealed.len);
	size_t len = sealed.len - SEAL_TAG_SIZE;
	bool first = s->chunk == 0;
	TRY(next_nonce(s, last, nonce, e));
	memcpy(tag, sealed.ptr + len, sizeof tag);
	if (!begin(s, nonce, 0) || EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, tag) != 1)
		return CRYPTO_ERR(e, "decryption");
	if ((len > 0 && EVP_CipherUpdate(s->ctx, out, &n, sealed.ptr, (int)len) != 1) || EVP_CipherFinal_ex(s->ctx, out + n, &end) != 1) {
		(void)crypto_failed_for_memory();
		FAIL(e, UNAUTHORIZED, "%s",
		    first ? "the passphrase is not the right one, or the file was changed" : "the file was changed or is cut off");
	}
	return ERR_OK;
}
