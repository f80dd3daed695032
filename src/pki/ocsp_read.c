#include "pki/ocsp.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "pki/der.h"
#include "pki/oid.h"

#include <string.h>

#define EXTENSIONS_MAX   8
#define NONCE_LENGTH_MAX 128 /* more, or none, MUST be refused (RFC 9654 §2.1) */
#define WHAT             "the OCSP request"

/* Both forms of the parameters are in use: absent (RFC 5754 §2) and NULL (RFC 3279 §2.2.1). */
#define DER(text)                                         \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
static const struct {
	struct bytes der;
	size_t size;
} hashes[OCSP_HASH__MAX] = {
	[OCSP_SHA1] = { DER("\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a"), SHA1_SIZE },
	[OCSP_SHA1_NULL] = { DER("\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00"), SHA1_SIZE },
	[OCSP_SHA256] = { DER("\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"), SHA256_SIZE },
	[OCSP_SHA256_NULL] = { DER("\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"), SHA256_SIZE },
};

size_t ocsp_hash_size(enum ocsp_hash h)
{
	return hashes[h].size;
}

static void hash(enum ocsp_hash h, struct bytes in, uint8_t out[OCSP_HASH_MAX])
{
	if (hashes[h].size == SHA1_SIZE)
		sha1_for_look_up(in, out);
	else
		sha256_one(in, out);
}

/* RFC 6960 §4.1.1: the digest of the issuer's DER name, and of its public key without tag, length and unused bits. */
bool ocsp_id_is_of(const struct ocsp_id *id, const struct issuer *i)
{
	struct der d = der_of(key_spki(i->key)), s = der_enter(&d, DER_SEQUENCE);
	uint8_t name[OCSP_HASH_MAX], key[OCSP_HASH_MAX];
	size_t size = hashes[id->hash].size;

	(void)der_get_element(&s); /* the algorithm */
	hash(id->hash, i->subject, name);
	hash(id->hash, der_get_bits(&s), key);
	return !s.failed && bytes_eq(id->name_hash, (struct bytes){ name, size }) && bytes_eq(id->key_hash, (struct bytes){ key, size });
}

static enum err_code read_id(struct der *request, struct ocsp_id *ret, struct err *e)
{
	struct der d = der_enter(request, DER_SEQUENCE);
	struct bytes alg = der_get_element(&d);
	unsigned h = 0;

	ret->name_hash = der_get(&d, DER_OCTET_STRING);
	ret->key_hash = der_get(&d, DER_OCTET_STRING);
	ret->serial = der_get_unsigned(&d);
	TRY(der_end(&d, ERR_MALFORMED, "a CertID", e));
	while (h < OCSP_HASH__MAX && !bytes_eq(alg, hashes[h].der))
		h++;
	if (h == OCSP_HASH__MAX)
		FAIL(e, UNAUTHORIZED, "a CertID's digest is neither SHA-1 nor SHA-256");
	ret->hash = (enum ocsp_hash)h;
	if (ret->name_hash.len != hashes[h].size || ret->key_hash.len != hashes[h].size)
		FAIL(e, MALFORMED, "a CertID's digests have not the length of their algorithm");
	if (ret->serial.len > OCSP_SERIAL_MAX)
		FAIL(e, MALFORMED, "a serial number of %zu bytes, at most %d are possible", ret->serial.len, OCSP_SERIAL_MAX);
	return ERR_OK;
}

static enum err_code read_nonce(struct bytes value, struct ocsp_request *r, struct err *e)
{
	struct der d = der_of(value);

	r->nonce = der_get(&d, DER_OCTET_STRING);
	TRY(der_end(&d, ERR_MALFORMED, "the nonce", e));
	if (r->nonce.len == 0 || r->nonce.len > NONCE_LENGTH_MAX)
		FAIL(e, MALFORMED, "a nonce of %zu bytes, 1 to %d are possible", r->nonce.len, NONCE_LENGTH_MAX);
	return ERR_OK;
}

/* r NULL: those of a single id, none of which is known here. */
static enum err_code read_extension(struct der *list, struct ocsp_request *r, struct bytes *ret_id, struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&x, DER_OID);
	bool critical = der_peek(&x) == DER_BOOLEAN && der_get_bool(&x);
	struct bytes value = der_get(&x, DER_OCTET_STRING);
	char text[OID_TEXT_SIZE];

	TRY(der_end(&x, ERR_MALFORMED, "an extension of the request", e));
	*ret_id = id;
	if (r && oid_is(id, OID_OCSP_NONCE))
		return read_nonce(value, r, e);
	oid_text(id, text);
	if (critical)
		FAIL(e, MALFORMED, "the request has the critical extension %s, which is not known here", text);
	return ERR_OK;
}

static enum err_code read_extensions(struct der *from, int tag, struct ocsp_request *r, struct err *e)
{
	struct der outer = der_enter(from, tag), list = der_enter(&outer, DER_SEQUENCE);
	struct bytes seen[EXTENSIONS_MAX];

	TRY(der_end(&outer, ERR_MALFORMED, "the request's extensions", e));
	for (size_t n = 0; der_more(&list); n++) {
		if (n == EXTENSIONS_MAX)
			FAIL(e, MALFORMED, "the request has more than %d extensions", EXTENSIONS_MAX);
		TRY(read_extension(&list, r, &seen[n], e));
		for (size_t i = 0; i < n; i++)
			if (bytes_eq(seen[i], seen[n]))
				FAIL(e, MALFORMED, "the request has an extension twice");
	}
	return der_end(&list, ERR_MALFORMED, "the request's extensions", e);
}

static enum err_code read_list(struct der *tbs, struct ocsp_request *r, struct err *e)
{
	struct der list = der_enter(tbs, DER_SEQUENCE);

	while (der_more(&list)) {
		struct der one = der_enter(&list, DER_SEQUENCE);
		if (r->n_ids == OCSP_IDS_MAX)
			FAIL(e, MALFORMED, "the request asks for more than %d certificates", OCSP_IDS_MAX);
		TRY(read_id(&one, &r->ids[r->n_ids++], e));
		if (der_peek(&one) == DER_CONTEXT_CONSTRUCTED(0))
			TRY(read_extensions(&one, DER_CONTEXT_CONSTRUCTED(0), NULL, e));
		TRY(der_end(&one, ERR_MALFORMED, "a single request", e));
	}
	TRY(der_end(&list, ERR_MALFORMED, "the list of requests", e));
	if (r->n_ids == 0)
		FAIL(e, MALFORMED, "the request asks for no certificate");
	return ERR_OK;
}

static enum err_code read_tbs(struct der *tbs, struct ocsp_request *r, struct err *e)
{
	if (der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(0)) { /* a default value that DER leaves out, which not everybody knows */
		struct der version = der_enter(tbs, DER_CONTEXT_CONSTRUCTED(0));
		struct bytes v = der_get_unsigned(&version);
		TRY(der_end(&version, ERR_MALFORMED, "the request's version", e));
		if (v.len != 1 || v.ptr[0] != 0)
			FAIL(e, MALFORMED, "the request is not of version 1");
	}
	if (der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(1))
		(void)der_get_element(tbs); /* requestorName: whoever asks gets an answer */
	TRY(read_list(tbs, r, e));
	if (der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(2))
		TRY(read_extensions(tbs, DER_CONTEXT_CONSTRUCTED(2), r, e));
	return der_end(tbs, ERR_MALFORMED, WHAT, e);
}

enum err_code ocsp_request_read(struct bytes der, struct ocsp_request *ret, struct err *e)
{
	struct der d = der_of(der), s = der_enter(&d, DER_SEQUENCE), tbs = der_enter(&s, DER_SEQUENCE);
	struct ocsp_request r = { .n_ids = 0 };

	if (der.len > OCSP_REQUEST_SIZE_MAX)
		FAIL(e, MALFORMED, "the request has %zu bytes, more than %d are not read", der.len, OCSP_REQUEST_SIZE_MAX);
	if (der_peek(&s) == DER_CONTEXT_CONSTRUCTED(0))
		(void)der_get_element(&s); /* the signature */
	TRY(der_end(&s, ERR_MALFORMED, WHAT, e));
	TRY(der_end(&d, ERR_MALFORMED, WHAT, e));
	TRY(read_tbs(&tbs, &r, e));
	*ret = r;
	return ERR_OK;
}
