/* A binding that is read keeps the rules that those behind it rest on, and none is by a secret that its maker had not. */
#include "base/codec.h"
#include "jose/eab.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct eab *b)
{
	static const uint8_t secret[EAB_SECRET_MAX] = { 9, 9, 9 };
	struct bytes head, tail;

	if (b->kid.len == 0 || b->kid.len > EAB_KID_LEN_MAX || !b->url.ptr || b->alg >= MAC__MAX || b->mac.len != mac_size(b->alg))
		abort();
	if (!bytes_split(b->signing_input, '.', &head, &tail) || !base64url_is(head))
		abort();
	if (eab_verify(b, BYTES_ARRAY(secret), NULL) != ERR_UNAUTHORIZED)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(4096, 4u << 20);
	struct eab b;
	struct err e;

	if (!a)
		return 0;
	if (eab_parse(a, (struct bytes){ data, size }, &b, &e) == ERR_OK)
		look(&b);
	else if (e.code != ERR_MALFORMED && e.code != ERR_BAD_SIGNATURE_ALGORITHM)
		abort();
	return 0;
}
