#include "pki/crl.h"

#include "pki/der.h"
#include "pki/oid.h"

#define EXTENSIONS_MAX 16

#define WHAT_TBS        "the list's signed part"
#define WHAT_EXTENSIONS "the list's extensions"

/* ---- entries ---- */

/* CRLReason ::= ENUMERATED of one octet; 7 is not used (RFC 5280 §5.3.1). */
static bool read_reason(struct bytes value, uint8_t *ret)
{
	struct der d = der_of(value);
	struct bytes number = der_get(&d, DER_ENUMERATED);

	if (d.failed || der_more(&d) || number.len != 1 || number.ptr[0] > 10 || number.ptr[0] == 7)
		return false;
	*ret = number.ptr[0];
	return true;
}

/* crlEntryExtensions. Refused: a critical one that is not known here, certificateIssuer before all, with which an entry is another
 * issuer's. */
static bool read_entry_extensions(struct der *entry, uint8_t *ret_reason)
{
	struct der list = der_enter(entry, DER_SEQUENCE);
	bool seen = false;

	if (!der_more(&list))
		return false;
	while (der_more(&list)) {
		struct der x = der_enter(&list, DER_SEQUENCE);
		struct bytes id = der_get(&x, DER_OID);
		bool critical = der_peek(&x) == DER_BOOLEAN && der_get_bool(&x);
		struct bytes value = der_get(&x, DER_OCTET_STRING);
		bool is_reason = oid_is(id, OID_REASON_CODE);
		if (x.failed || der_more(&x))
			return false;
		if (is_reason ? seen || !read_reason(value, ret_reason) : critical)
			return false;
		seen = seen || is_reason;
	}
	return !list.failed;
}

static bool read_entry(struct der *list, struct crl_view *ret)
{
	struct der entry = der_enter(list, DER_SEQUENCE), look = entry;
	struct crl_view v = { .reason = 0 };
	struct bytes magnitude = der_get_unsigned(&look);

	v.serial = der_get(&entry, DER_INTEGER);
	v.time_s = der_get_time(&entry);
	if (look.failed || magnitude.len > CRL_SERIAL_MAX || entry.failed)
		return false;
	if (der_more(&entry) && (!read_entry_extensions(&entry, &v.reason) || der_more(&entry)))
		return false;
	*ret = v;
	return true;
}

bool crl_next(struct bytes *rest, struct crl_view *ret)
{
	struct der d = der_of(*rest);

	if (!der_more(&d) || !read_entry(&d, ret))
		return false;
	*rest = d.rest;
	return true;
}

static enum err_code read_entries(struct der *tbs, struct crl *c, struct err *e)
{
	struct crl_view v;

	c->entries = BYTES_LIT("");
	/* "the revoked certificates list MUST be absent" when it is empty (RFC 5280 §5.1.2.6) */
	if (der_peek(tbs) != DER_SEQUENCE)
		return ERR_OK;
	c->entries = der_get(tbs, DER_SEQUENCE);
	if (c->entries.len == 0)
		FAIL(e, MALFORMED, "the list of revoked certificates is empty: then it must be absent");
	struct bytes rest = c->entries;
	for (; crl_next(&rest, &v); c->n_entries++)
		;
	if (rest.len > 0)
		FAIL(e, MALFORMED, "entry %zu of the list cannot be read", c->n_entries + 1);
	return ERR_OK;
}

/* ---- extensions ---- */

static enum err_code read_authority_key_id(struct bytes value, struct crl *c, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);

	if (der_peek(&s) == DER_CONTEXT(0))
		c->authority_key_id = der_get(&s, DER_CONTEXT(0));
	while (der_more(&s)) /* authorityCertIssuer and its serial are of no use here */
		(void)der_get_element(&s);
	TRY(der_end(&s, ERR_MALFORMED, "the list's authorityKeyIdentifier", e));
	return der_end(&d, ERR_MALFORMED, "the list's authorityKeyIdentifier", e);
}

static enum err_code read_number(struct bytes value, struct crl *c, struct err *e)
{
	struct der d = der_of(value);

	c->number = der_get_unsigned(&d);
	TRY(der_end(&d, ERR_MALFORMED, "the list's cRLNumber", e));
	if (c->number.len > CRL_NUMBER_MAX)
		FAIL(e, MALFORMED, "the list's cRLNumber has more than %d octets", CRL_NUMBER_MAX);
	return ERR_OK;
}

/* DistributionPointName: of its fullName the URL, where that is all there is. */
static bool read_point_name(struct der *s, struct bytes *ret_url)
{
	struct der field = der_enter(s, DER_CONTEXT_CONSTRUCTED(0)), names = der_enter(&field, DER_CONTEXT_CONSTRUCTED(0));
	struct bytes url = der_get(&names, DER_CONTEXT(6));

	if (names.failed || der_more(&names) || der_more(&field) || url.len > CRL_URL_SIZE_MAX)
		return false;
	*ret_url = url;
	return true;
}

/* A BOOLEAN that is there is TRUE: the default, FALSE, is not encoded. */
static bool read_flag(struct der *s)
{
	struct bytes v = der_get(s, DER_CONTEXT(1));

	return !s->failed && bytes_eq(v, BYTES_LIT("\xff"));
}

static enum err_code read_distribution_point(struct bytes value, struct crl *c, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);

	TRY(der_end(&d, ERR_MALFORMED, "the list's issuingDistributionPoint", e));
	if (der_peek(&s) == DER_CONTEXT_CONSTRUCTED(0) && !read_point_name(&s, &c->url))
		FAIL(e, MALFORMED, "the list's issuingDistributionPoint has not one URL for a name");
	if (der_peek(&s) == DER_CONTEXT(1)) {
		c->only_user_certs = read_flag(&s);
		if (!c->only_user_certs)
			FAIL(e, MALFORMED, "the list's issuingDistributionPoint is not the DER structure that it should be");
	}
	/* onlyContainsCACerts, onlySomeReasons, indirectCRL, onlyContainsAttributeCerts */
	if (der_more(&s))
		FAIL(e, MALFORMED, "the list's issuingDistributionPoint says that it is not of all certificates of one issuer");
	return der_end(&s, ERR_MALFORMED, "the list's issuingDistributionPoint", e);
}

static const struct reader {
	enum oid id;
	enum err_code (*read)(struct bytes value, struct crl *c, struct err *e);
} readers[] = {
	{ OID_AUTHORITY_KEY_ID, read_authority_key_id },
	{ OID_CRL_NUMBER, read_number },
	{ OID_ISSUING_DISTRIBUTION_POINT, read_distribution_point },
};

static enum err_code read_extension(struct der *list, struct crl *c, struct bytes *ret_id, struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&x, DER_OID);
	bool critical = der_peek(&x) == DER_BOOLEAN && der_get_bool(&x);
	struct bytes value = der_get(&x, DER_OCTET_STRING);
	char text[OID_TEXT_SIZE];

	TRY(der_end(&x, ERR_MALFORMED, "an extension of the list", e));
	*ret_id = id;
	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
		if (oid_is(id, readers[i].id))
			return readers[i].read(value, c, e);
	oid_text(id, text);
	if (critical)
		FAIL(e, MALFORMED, "the list has the critical extension %s, which is not known here", text);
	return ERR_OK;
}

static enum err_code read_extensions(struct der *tbs, struct crl *c, struct err *e)
{
	struct der outer = der_enter(tbs, DER_CONTEXT_CONSTRUCTED(0)), list = der_enter(&outer, DER_SEQUENCE);
	struct bytes seen[EXTENSIONS_MAX];
	char text[OID_TEXT_SIZE];

	TRY(der_end(&outer, ERR_MALFORMED, WHAT_EXTENSIONS, e));
	for (size_t n = 0; der_more(&list); n++) {
		if (n == EXTENSIONS_MAX)
			FAIL(e, MALFORMED, "the list has more than %d extensions", EXTENSIONS_MAX);
		TRY(read_extension(&list, c, &seen[n], e));
		for (size_t i = 0; i < n; i++)
			if (bytes_eq(seen[i], seen[n])) {
				oid_text(seen[n], text);
				FAIL(e, MALFORMED, "the list has the extension %s twice", text);
			}
	}
	TRY(der_end(&list, ERR_MALFORMED, WHAT_EXTENSIONS, e));
	if (!c->number.ptr)
		FAIL(e, MALFORMED, "the list has no cRLNumber");
	return ERR_OK;
}

/* ---- the whole ---- */

static enum err_code read_tbs(struct der *tbs, struct bytes outer_alg, struct crl *c, struct err *e)
{
	struct bytes version = der_get_unsigned(tbs);

	if (tbs->failed || version.len != 1 || version.ptr[0] != 1)
		FAIL(e, MALFORMED, "the list is not of version 2");
	/* The two algorithm fields MUST be the same (RFC 5280 §5.1.1.2). */
	if (!bytes_eq(der_get_element(tbs), outer_alg))
		FAIL(e, MALFORMED, "the list names two different signature algorithms");
	if (!sig_alg_from_der(outer_alg, &c->alg))
		FAIL(e, MALFORMED, "the list is signed with an algorithm that is not read here");
	int tag = der_peek(tbs);
	c->issuer_name = der_get_element(tbs);
	if (tag != DER_SEQUENCE || tbs->failed)
		FAIL(e, MALFORMED, "the list's issuer is no DER Name");
	c->this_update_s = der_get_time(tbs);
	c->next_update_s = der_get_time(tbs);
	if (tbs->failed)
		FAIL(e, MALFORMED, "the list has not thisUpdate and nextUpdate as RFC 5280 §5.1.2 wants them");
	TRY(read_entries(tbs, c, e));
	TRY(read_extensions(tbs, c, e));
	return der_end(tbs, ERR_MALFORMED, WHAT_TBS, e);
}

enum err_code crl_parse(struct bytes der, struct crl *ret, struct err *e)
{
	struct der d = der_of(der), s = der_enter(&d, DER_SEQUENCE);
	struct crl c = { 0 };

	if (der.len > CRL_SIZE_MAX)
		FAIL(e, MALFORMED, "the list has %zu bytes, more than %u are not read", der.len, CRL_SIZE_MAX);
	c.tbs = der_get_element(&s);
	struct bytes outer_alg = der_get_element(&s);
	c.signature = der_get_bits(&s);
	TRY(der_end(&s, ERR_MALFORMED, "the list", e));
	TRY(der_end(&d, ERR_MALFORMED, "the list", e));

	struct der look = der_of(c.tbs), tbs = der_enter(&look, DER_SEQUENCE);
	TRY(read_tbs(&tbs, outer_alg, &c, e));
	*ret = c;
	return ERR_OK;
}

enum err_code crl_verify(const struct crl *c, const struct issuer *i, struct err *e)
{
	if (!bytes_eq(c->issuer_name, i->subject))
		FAIL(e, MALFORMED, "the list is not of this issuer's name");
	if (!bytes_eq(c->authority_key_id, i->key_id))
		FAIL(e, MALFORMED, "the list is not of this issuer's key");
	if (c->alg != key_sig_alg(i->key))
		FAIL(e, MALFORMED, "the list is not signed with the algorithm of this issuer's key");
	return key_verify(i->key, SIG_FORM_X509, c->tbs, c->signature, e);
}
