#include "pki/cert.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST 4096
#define ARENA_MAX   65536

/* The issuer and the copy of its certificate that it views, in one piece. */
struct holder {
	struct issuer issuer;
	uint8_t certificate[];
};

static enum err_code check(const struct cert *c, struct err *e)
{
	if (!c->is_ca)
		FAIL(e, CONFIG, "the certificate is not a CA's: its basicConstraints or keyUsage do not let it sign certificates");
	/* RFC 5280 §4.2.1.2: it MUST be in all CA certificates; leaves repeat it. */
	if (c->subject_key_id.len == 0)
		FAIL(e, CONFIG, "the CA certificate has no subjectKeyIdentifier");
	/* RFC 5280 §4.1.2.6: a CA's subject is not empty. 0x30 0x00 is all that an empty Name is. */
	if (c->subject_name.len <= 2)
		FAIL(e, CONFIG, "the CA certificate has an empty subject");
	return ERR_OK;
}

static enum err_code take_key(const struct cert *c, struct key *given, struct key **ret, struct err *e)
{
	struct err why;

	if (given) {
		if (!bytes_eq(key_spki(given), c->spki))
			FAIL(e, CONFIG, "the CA certificate is for another key than the one given");
		*ret = key_ref(given);
		return ERR_OK;
	}
	if (key_from_spki(c->spki, ret, &why) != ERR_OK)
		FAIL(e, CONFIG, "the CA certificate's public key cannot be used: %s", why.detail);
	return ERR_OK;
}

enum err_code issuer_new(struct bytes certificate, struct key *key, struct issuer **ret, struct err *e)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(ARENA_FIRST, ARENA_MAX);
	struct issuer *i CLEANUP(issuer_free_p) = NULL;
	struct err why;
	struct cert c;

	if (!a)
		FAIL(e, NOMEM, "no memory to read a CA certificate");
	if (certificate.len > CERT_SIZE_MAX)
		FAIL(e, CONFIG, "the CA certificate has %zu bytes, at most %d are allowed", certificate.len, CERT_SIZE_MAX);
	struct holder *h = calloc(1, sizeof *h + certificate.len);
	if (!h)
		FAIL(e, NOMEM, "no memory for a CA certificate");
	i = &h->issuer;
	if (certificate.len > 0)
		memcpy(h->certificate, certificate.ptr, certificate.len);
	i->certificate = (struct bytes){ h->certificate, certificate.len };
	if (cert_parse(a, i->certificate, &c, &why) != ERR_OK)
		FAIL(e, CONFIG, "the CA certificate cannot be read: %s", why.detail);
	TRY(check(&c, e));
	TRY(take_key(&c, key, &i->key, e));
	i->subject = c.subject_name;
	i->key_id = c.subject_key_id;
	i->not_after_s = c.not_after_s;
	i->purposes = c.purposes;
	*ret = TAKE(i);
	return ERR_OK;
}

void issuer_free(struct issuer *i)
{
	if (!i)
		return;
	key_free(i->key);
	free(i); /* the holder's address is its first member's */
}
