#include "pki/crl.h"
#include "pki/ext_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct reason {
	const char *name;
	uint64_t number;
	bool asked;
} reasons[] = {
#define X(code, text, value, ask) { (text), (value), (ask) },
#include "pki/crl_reason.def"
#undef X
};
#define REASONS_N (sizeof reasons / sizeof *reasons)

static const struct reason *find_reason(uint64_t number)
{
	for (size_t i = 0; i < REASONS_N; i++)
		if (reasons[i].number == number)
			return &reasons[i];
	return NULL;
}

const char *crl_reason_name(uint64_t number)
{
	const struct reason *r = find_reason(number);

	return r ? r->name : NULL;
}

enum err_code crl_reason_check(uint64_t number, struct err *e)
{
	const struct reason *r = find_reason(number);
	char allowed[200] = "";

	if (r && r->asked)
		return ERR_OK;
	for (size_t i = 0, at = 0; i < REASONS_N && at < sizeof allowed; i++)
		if (reasons[i].asked)
			at += (size_t)snprintf(
			    allowed + at, sizeof allowed - at, "%s%u (%s)", at ? ", " : "", (unsigned)reasons[i].number, reasons[i].name);
	FAIL(e, BAD_REVOCATION_REASON, "the reason must be one of %s", allowed);
}

static int compare(const void *a, const void *b)
{
	const struct crl_entry *x = a, *y = b;
	int c = memcmp(x->serial, y->serial, SERIAL_SIZE);

	if (c != 0)
		return c;
	if (x->time_s != y->time_s)
		return x->time_s < y->time_s ? -1 : 1;
	return (int)x->reason - (int)y->reason;
}

size_t crl_sort(struct crl_entry *v, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof *v, compare);
	for (size_t i = 1; i < n; i++)
		if (memcmp(v[kept].serial, v[i].serial, SERIAL_SIZE) != 0)
			v[++kept] = v[i];
	return kept + 1;
}

/* An entry is short: its header never grows, so that nothing is moved. */
static void put_entry(struct buf *b, const struct crl_entry *c)
{
	struct der_mark entry = der_open(b, DER_SEQUENCE);

	der_put_unsigned(b, (struct bytes){ c->serial, SERIAL_SIZE });
	der_put_time(b, c->time_s);
	/* "the reason code CRL entry extension SHOULD be absent instead of using the unspecified (0) reasonCode value" (§5.3.1). */
	if (c->reason != CRL_UNSPECIFIED) {
		/* Extensions, Extension, reasonCode, OCTET STRING, ENUMERATED */
		buf_add(b, BYTES_LIT("\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01"));
		buf_add_u8(b, c->reason);
	}
	der_close(b, entry);
}

static void put_entries(struct buf *b, const struct crl_request *r)
{
	/* "When there are no revoked certificates, the revoked certificates list MUST be absent." (§5.1.2.6) */
	if (r->n_entries == 0)
		return;
	struct der_mark list = der_open(b, DER_SEQUENCE);
	for (size_t i = 0; i < r->n_entries; i++)
		put_entry(b, &r->entries[i]);
	der_close(b, list);
}

/* What the certificates name, and that a CA's certificates are not in it (RFC 5280 §5.2.5, Baseline Requirements §7.2.2.1). */
static void put_distribution_point(struct buf *b, struct bytes url)
{
	struct extension x = extension_open(b, OID_ISSUING_DISTRIBUTION_POINT, true);
	struct der_mark s = der_open(b, DER_SEQUENCE);

	distribution_point_write(url, b);
	der_put(b, DER_CONTEXT(1), BYTES_LIT("\xff")); /* onlyContainsUserCerts */
	der_close(b, s);
	extension_close(b, x);
}

void crl_write_tbs(const struct issuer *i, const struct crl_request *r, struct buf *out)
{
	struct der_mark tbs = der_open(out, DER_SEQUENCE);

	der_put_u64(out, 1); /* v2 */
	buf_add(out, sig_alg_der(key_sig_alg(i->key)));
	buf_add(out, i->subject);
	der_put_time(out, r->this_update_s);
	der_put_time(out, r->next_update_s);
	put_entries(out, r);
	struct der_mark explicit = der_open(out, DER_CONTEXT_CONSTRUCTED(0)), list = der_open(out, DER_SEQUENCE);
	authority_key_id_write(i->key_id, out);
	struct extension x = extension_open(out, OID_CRL_NUMBER, false);
	der_put_u64(out, r->number);
	extension_close(out, x);
	if (r->url.len > 0)
		put_distribution_point(out, r->url);
	der_close(out, list);
	der_close(out, explicit);
	der_close(out, tbs);
}

enum err_code crl_sign(const struct issuer *i, const struct crl_request *r, struct buf *out, struct err *e)
{
	struct buf tbs CLEANUP(buf_free_p) = buf_new(out->max);

	crl_write_tbs(i, r, &tbs);
	if (!buf_ok(&tbs))
		FAIL(e, NOMEM, "no room for a list of %zu revoked certificates", r->n_entries);
	TRY(lint_crl(buf_bytes(&tbs), i, r, e));
	/* A CertificateList has a Certificate's outer shape: what is signed, the algorithm, the signature (RFC 5280 §5.1). */
	return cert_sign(i->key, buf_bytes(&tbs), out, e);
}
