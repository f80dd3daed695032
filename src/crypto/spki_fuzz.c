/* A key that is read writes the same bytes, and nothing else about it can go wrong. */
#include "crypto/digest.h"
#include "crypto/key.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	struct bytes der = { data, size }, first, second;
	struct err e;
	uint8_t sig[64] = { 1 };

	if (key_from_spki(der, &k, &e) != ERR_OK) {
		if (e.code != ERR_BAD_PUBLIC_KEY)
			abort();
		return 0;
	}
	key_parts(k, &first, &second);
	if (!bytes_eq(key_spki(k), der) || size > KEY_SPKI_SIZE_MAX || key_is_private(k) || first.len == 0)
		abort();
	if (key_verify(k, SIG_FORM_JOSE, der, BYTES_ARRAY(sig), NULL) == ERR_OK)
		abort();
	return 0;
}
