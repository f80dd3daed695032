#include "server/front/chains.h"

#include "base/codec.h"
#include "base/event.h"
#include "base/wire.h"
#include "pki/cert.h"

#include <stdio.h>

#define CERTIFICATES_MAX 8 /* of one chain */

/* OK: it begins with the issuer's name and key, and each certificate is named as the issuer of the one before. */
static enum err_code check_chain(struct arena *a, struct bytes pem, const struct cert *issuer, struct err *e)
{
	struct bytes text = pem, der, expected = issuer->subject_name;
	size_t n = 0;

	for (;; n++) {
		struct cert c;
		enum err_code rc = pem_next(a, &text, "CERTIFICATE", &der, e);
		if (rc == ERR_NOT_FOUND && n > 0)
			return ERR_OK;
		TRY(rc);
		TRY(cert_parse(a, der, &c, e));
		if (n == CERTIFICATES_MAX)
			FAIL(e, CONFIG, "it has more than %d certificates", CERTIFICATES_MAX);
		if (!bytes_eq(c.subject_name, expected))
			FAIL(e, CONFIG,
			    n == 0 ? "its first certificate is not of this CA's issuer" : "its certificates do not follow each other");
		if (n == 0 && !bytes_eq(c.spki, issuer->spki))
			FAIL(e, CONFIG, "its first certificate has the issuer's name, but another key");
		if (n == 0 &&
		    !bytes_eq(c.subject_key_id, issuer->subject_key_id)) /* by which relying parties find it (RFC 5280 §4.2.1.1) */
			FAIL(e, CONFIG, "its first certificate has the issuer's key, but another subjectKeyIdentifier");
		expected = c.issuer_name;
	}
}

/* The certificate that signs leaves: the first of their usual chain. */
static enum err_code read_issuer(struct arena *a, struct bytes chain, struct cert *ret, struct err *e)
{
	struct wire w = wire_of(chain);

	return cert_parse(a, wire_bytes(&w, CERT_SIZE_MAX), ret, e);
}

size_t chains_for(struct arena *a, const struct settings *s, struct bytes chain, struct bytes ret[CHAINS_MAX])
{
	struct cert issuer;
	size_t n = 0;

	if (s->alternate_chains.n == 0 || read_issuer(a, chain, &issuer, NULL) != ERR_OK)
		return 0;
	for (size_t i = 0; i < s->alternate_chains.n && n < CHAINS_MAX; i++)
		if (check_chain(a, s->alternate_chains.v[i], &issuer, NULL) == ERR_OK)
			ret[n++] = s->alternate_chains.v[i];
	return n;
}

/* OK when any of the issuers is served. */
static enum err_code check_for_any(struct arena *a, struct bytes pem, const struct hello_ok *h, struct err *e)
{
	enum err_code rc = ERR_OK;
	struct cert issuer;

	for (size_t i = 0; i < h->n_issuers; i++) {
		TRY(read_issuer(a, h->issuers[i].chain, &issuer, e));
		rc = check_chain(a, pem, &issuer, e);
		if (rc == ERR_OK)
			return ERR_OK;
	}
	return rc;
}

void chains_tell_useless(const struct settings *s, const struct hello_ok *h)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 1u << 20);
	char which[24];

	for (size_t i = 0; a && i < s->alternate_chains.n; i++) {
		struct err e = { 0 };
		if (check_for_any(a, s->alternate_chains.v[i], h, &e) == ERR_OK)
			continue;
		(void)snprintf(which, sizeof which, "%zu", i + 1);
		event(EVENT_WARNING, "chain.useless", EVENT_STR("alternate-chains", which), EVENT_STR("reason", e.detail));
	}
}
