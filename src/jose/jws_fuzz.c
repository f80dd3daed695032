/* A request that is read keeps the rules that those behind it rest on; its key, where it brings one, is read too. */
#include "base/codec.h"
#include "jose/jwk.h"
#include "jose/jws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct arena *a, const struct jws *j, enum jws_nonce nonce)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	struct bytes head, tail, payload;

	if ((j->kid.ptr != NULL) == (j->jwk.ptr != NULL) || j->url.len == 0 || !j->payload.ptr || j->alg >= SIG__MAX)
		abort();
	if ((nonce == JWS_NONCE_REQUIRED) != (j->nonce.ptr != NULL) || j->signature.len > JWS_SIGNATURE_MAX)
		abort();
	if (!bytes_split(j->signing_input, '.', &head, &tail) || !base64url_is(head) || (tail.len > 0 && !base64url_is(tail)))
		abort();
	if (tail.len > 0 && (base64url_decode(a, tail, &payload, NULL) != ERR_OK || !bytes_eq(payload, j->payload)))
		abort();
	if (!j->jwk.ptr || jwk_parse(a, j->jwk, &k, NULL) != ERR_OK)
		return;
	enum err_code rc = jws_verify(j, k, NULL);
	if (rc != ERR_OK && rc != ERR_UNAUTHORIZED && rc != ERR_MALFORMED && rc != ERR_BAD_SIGNATURE_ALGORITHM)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(4096, 4u << 20);

	if (!a)
		return 0;
	for (unsigned n = JWS_NONCE_REQUIRED; n <= JWS_NONCE_FORBIDDEN; n++) {
		struct jws j;
		struct err e;
		arena_reset(a);
		if (jws_parse(a, (struct bytes){ data, size }, (enum jws_nonce)n, &j, &e) == ERR_OK)
			look(a, &j, (enum jws_nonce)n);
		else if (e.code != ERR_MALFORMED && e.code != ERR_BAD_SIGNATURE_ALGORITHM)
			abort();
	}
	return 0;
}
