#include "server/front/nonce.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TAG_SIZE 8

struct nonces {
	pthread_mutex_t lock;
	struct block_cipher *cipher;
	uint8_t tag[TAG_SIZE];
	uint64_t next;
	uint64_t used[NONCE_WINDOW / 64]; /* bit c % NONCE_WINDOW for each counter c of the window */
};

enum err_code nonces_new(struct nonces **ret, struct err *e)
{
	uint8_t key[16];
	struct nonces *n = calloc(1, sizeof *n);

	if (!n)
		FAIL(e, NOMEM, "no memory for nonces");
	random_bytes(key, sizeof key);
	random_bytes(n->tag, sizeof n->tag);
	enum err_code rc = block_cipher_new(key, &n->cipher, e);
	crypto_wipe(key, sizeof key);
	if (rc != ERR_OK) {
		free(n);
		return rc;
	}
	pthread_mutex_init(&n->lock, NULL);
	*ret = n;
	return ERR_OK;
}

void nonces_free(struct nonces *n)
{
	if (!n)
		return;
	block_cipher_free(n->cipher);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static void set_used(struct nonces *n, uint64_t counter, bool used)
{
	uint64_t at = counter % NONCE_WINDOW, bit = (uint64_t)1 << (at % 64);

	if (used)
		n->used[at / 64] |= bit;
	else
		n->used[at / 64] &= ~bit;
}

static bool is_used(const struct nonces *n, uint64_t counter)
{
	uint64_t at = counter % NONCE_WINDOW;

	return (n->used[at / 64] >> (at % 64) & 1) != 0;
}

void nonce_make(struct nonces *n, char out[NONCE_LEN + 1])
{
	uint8_t plain[16], block[16];

	pthread_mutex_lock(&n->lock);
	uint64_t counter = n->next++;
	set_used(n, counter, false);
	memcpy(plain, &counter, sizeof counter);
	memcpy(plain + sizeof counter, n->tag, TAG_SIZE);
	block_cipher_encrypt(n->cipher, plain, block);
	pthread_mutex_unlock(&n->lock);
	base64url_encode(BYTES_ARRAY(block), out);
}

enum err_code nonce_use(struct nonces *n, struct bytes nonce, struct err *e)
{
	uint8_t block[16], plain[16];
	uint64_t counter;
	bool good = false;

	if (base64url_decode_fixed(nonce, block, sizeof block, NULL) != ERR_OK)
		FAIL(e, BAD_NONCE, "the nonce is not one of this server's: take the one in this answer");
	pthread_mutex_lock(&n->lock);
	block_cipher_decrypt(n->cipher, block, plain);
	memcpy(&counter, plain, sizeof counter);
	if (crypto_equal((struct bytes){ plain + sizeof counter, TAG_SIZE }, BYTES_ARRAY(n->tag)) && counter < n->next &&
	    n->next - counter <= NONCE_WINDOW && !is_used(n, counter)) {
		set_used(n, counter, true);
		good = true;
	}
	pthread_mutex_unlock(&n->lock);
	if (!good)
		FAIL(e, BAD_NONCE, "the nonce was used before, is too old or not this server's: take the one in this answer");
	return ERR_OK;
}
