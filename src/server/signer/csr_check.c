/* What is asked of every CSR, whoever sends it. */
#include "server/signer/revoke.h"

#include <errno.h>

/* A key has one use: an account's key or one of the CA's own in a certificate would let its signatures be taken for something
 * else (RFC 8555 §11.1). */
static enum err_code check_other_uses(const struct signer *s, struct bytes spki, const struct key *account, struct err *e)
{
	if (account && bytes_eq(spki, key_spki(account)))
		FAIL(e, BAD_CSR, "the CSR's key is the account's: make a key of its own for the certificate");
	for (size_t i = 0; i < s->own.n; i++)
		if (bytes_eq(spki, s->own.spki[i]))
			FAIL(e, BAD_CSR, "the CSR's key is one of this CA's own");
	return compromised_check(s, spki, e);
}

/* Keys that nobody should certify: others have them, or they speak for an account. */
static enum err_code check_key(const struct signer *s, const struct key *k, const struct profile *profile, struct err *e)
{
	uint8_t thumbprint[THUMBPRINT_SIZE];

	if (profile)
		TRY(profile_allows_key(profile, k, e));
	if (blocked_has(s->blocked, k))
		FAIL(e, BAD_CSR, "the CSR's key is on this CA's list of blocked keys: make a new one");
	if (blocks_has_key(s->blocks, k))
		FAIL(e, BAD_CSR, "this CA's operator has blocked the CSR's key: make a new one");
	jwk_thumbprint(k, thumbprint);
	if (accounts_of_key(s->accounts, thumbprint))
		FAIL(e, BAD_CSR, "the CSR's key is, or was, an account's: make a key of its own for the certificate");
	return ERR_OK;
}

enum err_code csr_check(const struct signer *s, struct arena *a, struct bytes der, const struct key *account, const struct profile *profile,
    struct csr *ret, enum key_type *ret_type, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	struct csr c;

	errno = 0;
	TRY(csr_parse(a, der, &c, e));
	if (c.n_names == 0)
		FAIL(e, BAD_CSR, "the CSR has no names");
	if (c.must_staple)
		FAIL(e, BAD_CSR, "the CSR asks for OCSP must-staple (RFC 7633), which this CA does not offer");
	TRY(check_other_uses(s, c.spki, account, e));
	TRY(csr_verify(&c, &k, e));
	TRY(check_key(s, k, profile, e));
	*ret_type = key_type(k);
	*ret = c;
	return ERR_OK;
}
