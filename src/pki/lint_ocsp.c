/* The last look at an OCSP answer, and at a responder's certificate, before they are signed. Like lint.c it shares nothing with the writers
 * but the DER reader: no table of object identifiers or algorithms, so that a mistake there is not repeated here. */
#include "pki/ocsp.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "pki/der.h"

#include <string.h>

#define THIS_UPDATE_MAX_S 3600 /* before the time of signing */
#define CLOCK_S           300
#define TAG_0             0xa0 /* [0] EXPLICIT, or constructed */
#define TAG_1             0xa1
#define TAG_2             0xa2
#define TAG_3             0xa3
#define TAG_GOOD          0x80 /* [0] IMPLICIT NULL */
#define TAG_UNKNOWN       0x82

#define BROKEN(e, ...) FAIL(e, BUG, "lint: " __VA_ARGS__)

/* YYYYMMDDHHMMSSZ; -1: it is none. */
static int64_t get_time(struct der *d)
{
	struct bytes v = der_get(d, DER_GENERALIZED_TIME);
	int part[7] = { 0 };
	int64_t t;

	if (d->failed || v.len != 15 || v.ptr[14] != 'Z')
		return -1;
	for (size_t i = 0; i < 14; i++) {
		if (v.ptr[i] < '0' || v.ptr[i] > '9')
			return -1;
		part[i / 2] = part[i / 2] * 10 + (v.ptr[i] - '0');
	}
	struct civil c = {
		.year = part[0] * 100 + part[1], .month = part[2], .day = part[3], .hour = part[4], .minute = part[5], .second = part[6]
	};
	return civil_to_unix(c, &t) ? t : -1;
}

/* The public key's BIT STRING content of a SubjectPublicKeyInfo. */
static struct bytes key_bits_of(struct bytes spki)
{
	struct der d = der_of(spki), s = der_enter(&d, DER_SEQUENCE);

	(void)der_get_element(&s);
	return der_get_bits(&s);
}

/* One digest of an id: of which bytes it must be. */
static bool digest_is(struct bytes got, struct bytes of)
{
	uint8_t digest[SHA256_SIZE];

	if (got.len == SHA1_SIZE)
		sha1_for_look_up(of, digest);
	else
		sha256_one(of, digest);
	return memcmp(got.ptr, digest, got.len) == 0;
}

/* RFC 6960 §4.1.1: the issuer's, by digests made here, and the serial number of the decision. */
static enum err_code check_id(struct der *single, const struct issuer *i, const struct ocsp_single *want, struct err *e)
{
	struct der d = der_enter(single, DER_SEQUENCE), alg = der_enter(&d, DER_SEQUENCE);
	struct bytes oid = der_get(&alg, DER_OID);
	struct bytes name = der_get(&d, DER_OCTET_STRING), key = der_get(&d, DER_OCTET_STRING), serial = der_get_unsigned(&d);
	bool sha1 = bytes_eq(oid, BYTES_LIT("\x2b\x0e\x03\x02\x1a")); /* 1.3.14.3.2.26 */
	size_t size = sha1 ? SHA1_SIZE : SHA256_SIZE;

	if (der_more(&alg) && der_get(&alg, DER_NULL).len != 0)
		BROKEN(e, "certID: its digest has parameters");
	if (d.failed || der_more(&d) || alg.failed || der_more(&alg))
		BROKEN(e, "certID: it is none");
	if (!sha1 && !bytes_eq(oid, BYTES_LIT("\x60\x86\x48\x01\x65\x03\x04\x02\x01"))) /* 2.16.840.1.101.3.4.2.1 */
		BROKEN(e, "certID: its digest is neither SHA-1 nor SHA-256");
	if (name.len != size || key.len != size || !digest_is(name, i->subject) || !digest_is(key, key_bits_of(key_spki(i->key))))
		BROKEN(e, "certID: it is another issuer's");
	if (!bytes_eq(serial, want->id.serial))
		BROKEN(e, "certID: its serial number is not the one that was decided on");
	return ERR_OK;
}

/* Baseline Requirements §7.2.2, §4.9.1.1: keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn. */
static bool reason_ok(uint8_t reason)
{
	return reason == 1 || reason == 3 || reason == 4 || reason == 5 || reason == 9;
}

static enum err_code check_revoked(struct der *single, const struct ocsp_answer *a, const struct ocsp_single *want, struct err *e)
{
	struct der d = der_enter(single, TAG_1);
	int64_t at = get_time(&d);
	uint8_t reason = 0;

	if (der_more(&d)) {
		struct der explicit = der_enter(&d, TAG_0);
		struct bytes v = der_get(&explicit, DER_ENUMERATED);
		if (explicit.failed || der_more(&explicit) || v.len != 1 || !reason_ok(v.ptr[0]))
			BROKEN(e, "revocationReason: it is none that an answer may have");
		reason = v.ptr[0];
	}
	if (d.failed || der_more(&d) || want->status != OCSP_REVOKED)
		BROKEN(e, "certStatus: it is not what was decided");
	if (at != want->revoked_s || at < 0 || at > a->this_update_s)
		BROKEN(e, "revocationTime: it is not the one that was decided, or later than thisUpdate");
	if (reason != want->reason)
		BROKEN(e, "revocationReason: it is not the one that was decided");
	return ERR_OK;
}

static enum err_code check_single(
    struct der *list, const struct ocsp_responder *by, const struct ocsp_answer *a, const struct ocsp_single *want, struct err *e)
{
	struct der d = der_enter(list, DER_SEQUENCE);

	TRY(check_id(&d, by->issuer, want, e));
	int tag = der_peek(&d);
	if (tag == TAG_1) {
		TRY(check_revoked(&d, a, want, e));
	} else {
		if (tag != (want->status == OCSP_GOOD ? TAG_GOOD : TAG_UNKNOWN) || want->status == OCSP_REVOKED ||
		    der_get(&d, tag).len != 0)
			BROKEN(e, "certStatus: it is not what was decided");
	}
	int64_t this_update = get_time(&d);
	struct der explicit = der_enter(&d, TAG_0);
	int64_t next_update = get_time(&explicit);
	if (d.failed || der_more(&d) || explicit.failed || der_more(&explicit))
		BROKEN(e, "singleResponse: it has not thisUpdate and nextUpdate and nothing else");
	if (this_update != a->this_update_s || next_update != a->next_update_s)
		BROKEN(e, "thisUpdate, nextUpdate: they are not the ones that were decided");
	return ERR_OK;
}

static enum err_code check_times(const struct ocsp_responder *by, const struct ocsp_answer *a, struct err *e)
{
	int64_t now = clock_wall_ms() / 1000, lasts = a->next_update_s - a->this_update_s;

	if (a->this_update_s > now || a->this_update_s < now - THIS_UPDATE_MAX_S || a->produced_s < a->this_update_s || a->produced_s > now)
		BROKEN(e, "thisUpdate, producedAt: they are later than now, or too long ago");
	if (lasts < OCSP_LIFETIME_MIN_S || lasts > OCSP_LIFETIME_MAX_S)
		BROKEN(e, "nextUpdate: it is not %d to %d s after thisUpdate", OCSP_LIFETIME_MIN_S, OCSP_LIFETIME_MAX_S);
	if (a->next_update_s > by->not_after_s)
		BROKEN(e, "nextUpdate: it is later than the end of the responder's certificate");
	return ERR_OK;
}

/* [1]: the nonce alone, as it was asked for (RFC 9654 §2.1). */
static enum err_code check_extensions(struct der *data, struct bytes nonce, struct err *e)
{
	/* 1.3.6.1.5.5.7.48.1.2 */
	struct bytes id = BYTES_LIT("\x2b\x06\x01\x05\x05\x07\x30\x01\x02");

	if (!der_more(data)) {
		if (nonce.len > 0)
			BROKEN(e, "nonce: it is missing");
		return ERR_OK;
	}
	struct der explicit = der_enter(data, TAG_1), list = der_enter(&explicit, DER_SEQUENCE), x = der_enter(&list, DER_SEQUENCE);
	struct bytes got = der_get(&x, DER_OID), value = der_get(&x, DER_OCTET_STRING);
	struct der v = der_of(value);
	struct bytes text = der_get(&v, DER_OCTET_STRING);
	if (explicit.failed || der_more(&explicit) || list.failed || der_more(&list) || x.failed || der_more(&x) || v.failed ||
	    der_more(&v))
		BROKEN(e, "responseExtensions: they are not one nonce");
	if (!bytes_eq(got, id) || text.len == 0 || text.len > 32 || !bytes_eq(text, nonce))
		BROKEN(e, "nonce: it is not the one that was asked with");
	return ERR_OK;
}

enum err_code lint_ocsp(struct bytes data, const struct ocsp_responder *by, const struct ocsp_answer *a, struct err *e)
{
	struct der d = der_of(data), s = der_enter(&d, DER_SEQUENCE), by_key = der_enter(&s, TAG_2);
	struct bytes key = der_get(&by_key, DER_OCTET_STRING);
	int64_t produced = get_time(&s);
	struct der list = der_enter(&s, DER_SEQUENCE);

	if (d.failed || der_more(&d) || by_key.failed || der_more(&by_key) || key.len != SHA1_SIZE)
		BROKEN(e, "responderID: it is no byKey, or version is there");
	if (!digest_is(key, key_bits_of(key_spki(by->key))))
		BROKEN(e, "responderID: it is another key's");
	if (produced != a->produced_s)
		BROKEN(e, "producedAt: it is not the one that was decided");
	TRY(check_times(by, a, e));
	for (size_t i = 0; i < a->n_singles; i++)
		TRY(check_single(&list, by, a, &a->singles[i], e));
	if (list.failed || der_more(&list) || a->n_singles == 0 || a->n_singles > OCSP_IDS_MAX)
		BROKEN(e, "responses: they are not those that were decided");
	TRY(check_extensions(&s, a->nonce, e));
	if (s.failed || der_more(&s))
		BROKEN(e, "ResponseData: something is behind its end");
	return ERR_OK;
}

/* ---- a responder's certificate ---- */

/* The five extensions that it has, with their one form each; what depends on the keys is made here. */
static enum err_code check_certificate_extensions(struct der *tbs, const struct issuer *i, const struct responder_request *r, struct err *e)
{
	uint8_t room[256], digest[SHA256_SIZE];
	struct buf want = { .ptr = room, .cap = sizeof room, .max = sizeof room };
	struct der explicit = der_enter(tbs, TAG_3);

	sha256_one(key_bits_of(r->spki), digest);
	/* authorityKeyIdentifier, 2.5.29.35 */
	buf_add(&want, BYTES_LIT("\x30\x1f\x06\x03\x55\x1d\x23\x04\x18\x30\x16\x80\x14"));
	buf_add(&want, i->key_id);
	/* keyUsage, 2.5.29.15, critical: digitalSignature; extKeyUsage, 2.5.29.37: 1.3.6.1.5.5.7.3.9 */
	buf_add(&want, BYTES_LIT("\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"));
	buf_add(&want, BYTES_LIT("\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x09"));
	/* id-pkix-ocsp-nocheck, 1.3.6.1.5.5.7.48.1.5; subjectKeyIdentifier, 2.5.29.14 */
	buf_add(&want, BYTES_LIT("\x30\x0f\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x05\x04\x02\x05\x00"));
	buf_add(&want, BYTES_LIT("\x30\x1d\x06\x03\x55\x1d\x0e\x04\x16\x04\x14"));
	buf_add(&want, (struct bytes){ digest, 20 });
	struct bytes got = der_get(&explicit, DER_SEQUENCE);
	if (explicit.failed || der_more(&explicit) || i->key_id.len != 20 || !buf_ok(&want) || !bytes_eq(got, buf_bytes(&want)))
		BROKEN(e, "extensions: they are not those of a responder's certificate");
	return ERR_OK;
}

static enum err_code check_validity(struct der *tbs, const struct issuer *i, const struct responder_request *r, struct err *e)
{
	struct der d = der_enter(tbs, DER_SEQUENCE);
	int64_t before = der_get_time(&d), after = der_get_time(&d), now = clock_wall_ms() / 1000;

	if (d.failed || der_more(&d) || before != r->not_before_s || after != r->not_after_s)
		BROKEN(e, "validity: it is not the one that was asked for");
	if (before > now + CLOCK_S || after <= now || after - before >= RESPONDER_LIFETIME_MAX_S || after > i->not_after_s)
		BROKEN(e, "validity: it is not now, too long, or longer than the issuer's");
	return ERR_OK;
}

enum err_code lint_responder_tbs(struct bytes tbs, const struct issuer *i, const struct responder_request *r, struct err *e)
{
	struct der d = der_of(tbs), s = der_enter(&d, DER_SEQUENCE), version = der_enter(&s, TAG_0);
	struct bytes v = der_get_unsigned(&version), serial = der_get_unsigned(&s);

	if (d.failed || der_more(&d) || version.failed || der_more(&version) || v.len != 1 || v.ptr[0] != 2)
		BROKEN(e, "version: it is not v3");
	if (!bytes_eq(serial, (struct bytes){ r->serial, SERIAL_SIZE }) || serial.ptr[0] == 0)
		BROKEN(e, "serialNumber: it is not the one that was asked for");
	if (!bytes_eq(der_get_element(&s), sig_alg_der(key_sig_alg(i->key))))
		BROKEN(e, "signature: it is not the algorithm of the issuer's key");
	if (!bytes_eq(der_get_element(&s), i->subject))
		BROKEN(e, "issuer: it is not the issuer's subject");
	TRY(check_validity(&s, i, r, e));
	struct bytes subject = der_get(&s, DER_SEQUENCE);
	if (s.failed || subject.len == 0)
		BROKEN(e, "subject: it is empty");
	if (!bytes_eq(der_get_element(&s), r->spki))
		BROKEN(e, "subjectPublicKeyInfo: it is not the responder's");
	TRY(check_certificate_extensions(&s, i, r, e));
	if (s.failed || der_more(&s))
		BROKEN(e, "TBSCertificate: something is behind its end");
	return ERR_OK;
}
