#include "crypto/methods.h"

#include <stdlib.h>

struct sha256_run {
	EVP_MD_CTX *ctx;
};

static void begin(struct sha256_run *r)
{
	if (EVP_DigestInit_ex2(r->ctx, crypto_methods()->sha256, NULL) != 1)
		crypto_die("digest");
}

struct sha256_run *sha256_run_new(void)
{
	struct sha256_run *r = calloc(1, sizeof *r);

	if (r)
		r->ctx = EVP_MD_CTX_new();
	if (!r || !r->ctx) {
		free(r);
		return NULL;
	}
	begin(r);
	return r;
}

void sha256_run_add(struct sha256_run *r, struct bytes part)
{
	if (EVP_DigestUpdate(r->ctx, part.ptr, part.len) != 1)
		crypto_die("digest");
}

void sha256_run_end(struct sha256_run *r, uint8_t out[SHA256_SIZE])
{
	if (EVP_DigestFinal_ex(r->ctx, out, NULL) != 1)
		crypto_die("digest");
	begin(r);
}

void sha256_run_free(struct sha256_run *r)
{
	if (!r)
		return;
	EVP_MD_CTX_free(r->ctx);
	free(r);
}
