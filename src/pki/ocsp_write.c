#include "pki/ocsp.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "pki/crl.h"
#include "pki/ext_write.h"

#include <string.h>

static const char *const hash_hex[OCSP_HASH__MAX] = {
	[OCSP_SHA1] = "300706052b0e03021a",
	[OCSP_SHA1_NULL] = "300906052b0e03021a0500",
	[OCSP_SHA256] = "300b0609608648016503040201",
	[OCSP_SHA256_NULL] = "300d06096086480165030402010500",
};

void ocsp_write_error(enum ocsp_error error, struct buf *out)
{
	der_put_hex(out, "30030a01"); /* SEQUENCE, ENUMERATED */
	buf_add_u8(out, (uint8_t)error);
}

/* All times of OCSP are GeneralizedTime, whatever the year (RFC 6960 §4.2.1). */
static void put_time(struct buf *b, int64_t unix_s)
{
	struct civil c = civil_from_unix(unix_s);
	struct der_mark m = der_open(b, DER_GENERALIZED_TIME);

	buf_add_fmt(b, "%04d%02d%02d%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
	der_close(b, m);
}

static void put_id(struct buf *b, const struct ocsp_id *id)
{
	struct der_mark s = der_open(b, DER_SEQUENCE);

	der_put_hex(b, hash_hex[id->hash]);
	der_put(b, DER_OCTET_STRING, id->name_hash);
	der_put(b, DER_OCTET_STRING, id->key_hash);
	der_put_unsigned(b, id->serial);
	der_close(b, s);
}

static void put_status(struct buf *b, const struct ocsp_single *v)
{
	if (v->status != OCSP_REVOKED) {
		der_put(b, v->status == OCSP_GOOD ? DER_CONTEXT(0) : DER_CONTEXT(2), BYTES_LIT(""));
		return;
	}
	struct der_mark revoked = der_open(b, DER_CONTEXT_CONSTRUCTED(1));
	put_time(b, v->revoked_s);
	if (v->reason != CRL_UNSPECIFIED) { /* as in the lists: absent rather than 0 */
		struct der_mark reason = der_open(b, DER_CONTEXT_CONSTRUCTED(0));
		der_put(b, DER_ENUMERATED, (struct bytes){ &v->reason, 1 });
		der_close(b, reason);
	}
	der_close(b, revoked);
}

static void put_single(struct buf *b, const struct ocsp_answer *a, const struct ocsp_single *v)
{
	struct der_mark s = der_open(b, DER_SEQUENCE);

	put_id(b, &v->id);
	put_status(b, v);
	put_time(b, a->this_update_s);
	struct der_mark next = der_open(b, DER_CONTEXT_CONSTRUCTED(0));
	put_time(b, a->next_update_s);
	der_close(b, next);
	der_close(b, s);
}

static void put_nonce(struct buf *b, struct bytes nonce)
{
	struct der_mark explicit = der_open(b, DER_CONTEXT_CONSTRUCTED(1)), list = der_open(b, DER_SEQUENCE);
	struct extension x = extension_open(b, OID_OCSP_NONCE, false);

	der_put(b, DER_OCTET_STRING, nonce);
	extension_close(b, x);
	der_close(b, list);
	der_close(b, explicit);
}

/* byKey: the SHA-1 of the responder's public key, without tag, length and unused bits (RFC 6960 §4.2.1). */
static void put_responder(struct buf *b, const struct key *key)
{
	struct der d = der_of(key_spki(key)), s = der_enter(&d, DER_SEQUENCE);
	uint8_t digest[SHA1_SIZE];

	(void)der_get_element(&s);
	sha1_for_look_up(der_get_bits(&s), digest);
	struct der_mark by_key = der_open(b, DER_CONTEXT_CONSTRUCTED(2));
	der_put(b, DER_OCTET_STRING, BYTES_ARRAY(digest));
	der_close(b, by_key);
}

void ocsp_write_data(const struct ocsp_responder *by, const struct ocsp_answer *a, struct buf *out)
{
	struct der_mark data = der_open(out, DER_SEQUENCE);

	put_responder(out, by->key);
	put_time(out, a->produced_s);
	struct der_mark list = der_open(out, DER_SEQUENCE);
	for (size_t i = 0; i < a->n_singles; i++)
		put_single(out, a, &a->singles[i]);
	der_close(out, list);
	if (a->nonce.len > 0)
		put_nonce(out, a->nonce);
	der_close(out, data);
}

/* OCSPResponse, responseBytes, BasicOCSPResponse with the responder's certificate. */
static void put_whole(struct buf *b, const struct ocsp_responder *by, struct bytes data, struct bytes signature)
{
	struct der_mark whole = der_open(b, DER_SEQUENCE);

	der_put_hex(b, "0a0100"); /* successful */
	struct der_mark explicit = der_open(b, DER_CONTEXT_CONSTRUCTED(0)), bytes = der_open(b, DER_SEQUENCE);
	der_put_oid(b, oid_hex(OID_OCSP_BASIC));
	struct der_mark octets = der_open(b, DER_OCTET_STRING), basic = der_open(b, DER_SEQUENCE);
	buf_add(b, data);
	buf_add(b, sig_alg_der(key_sig_alg(by->key)));
	der_put_bits(b, signature);
	struct der_mark certs = der_open(b, DER_CONTEXT_CONSTRUCTED(0)), list = der_open(b, DER_SEQUENCE);
	buf_add(b, by->certificate);
	der_close(b, list);
	der_close(b, certs);
	der_close(b, basic);
	der_close(b, octets);
	der_close(b, bytes);
	der_close(b, explicit);
	der_close(b, whole);
}

enum err_code ocsp_sign(const struct ocsp_responder *by, const struct ocsp_answer *a, struct buf *out, struct err *e)
{
	struct buf data CLEANUP(buf_free_p) = buf_new(OCSP_RESPONSE_SIZE_MAX);
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t len;

	ocsp_write_data(by, a, &data);
	if (!buf_ok(&data))
		FAIL(e, NOMEM, "no room for an answer of %zu certificates", a->n_singles);
	TRY(lint_ocsp(buf_bytes(&data), by, a, e));
	TRY(key_sign(by->key, SIG_FORM_X509, buf_bytes(&data), sig, &len, e));
	put_whole(out, by, buf_bytes(&data), (struct bytes){ sig, len });
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for an answer of %zu certificates", a->n_singles);
	return ERR_OK;
}
