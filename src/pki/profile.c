#include "pki/profile.h"

#include <stdio.h>

#define TEXT_MAX 160

/* "ecdsa-p256, rsa up to 4096 bits" */
static void list_types(const struct profile *p, char out[TEXT_MAX])
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned t = 0; t < KEY__MAX && at < TEXT_MAX; t++) {
		if (!(p->key_types >> t & 1))
			continue;
		at += (size_t)snprintf(out + at, TEXT_MAX - at, "%s%s", at ? ", " : "", key_type_name((enum key_type)t));
		if (t == KEY_RSA && at < TEXT_MAX)
			at += (size_t)snprintf(out + at, TEXT_MAX - at, " up to %u bits", (unsigned)p->rsa_bits_max);
	}
}

enum err_code profile_allows_key(const struct profile *p, const struct key *k, struct err *e)
{
	bool rsa = key_type(k) == KEY_RSA;
	char allowed[TEXT_MAX];

	if ((p->key_types >> key_type(k) & 1) && (!rsa || key_bits(k) <= p->rsa_bits_max))
		return ERR_OK;
	list_types(p, allowed);
	if (rsa)
		FAIL(e, BAD_CSR, "the CSR's key is RSA of %u bits: this profile takes %s", key_bits(k), allowed);
	FAIL(e, BAD_CSR, "the CSR's key is %s: this profile takes %s", key_type_name(key_type(k)), allowed);
}
