#include "pki/alpn_cert.h"

#include "base/codec.h"
#include "pki/cert.h"
#include "pki/der.h"
#include "pki/oid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EXTENSIONS_MAX 32
#define SHOWN_MAX      100

/* The two extensions that matter, and how often they are there. */
struct found {
	unsigned names_count, id_count, draft_count;
	struct bytes names, id; /* the extensions' values */
	bool id_critical;
};

static enum err_code read_extension(struct der *list, struct found *f, struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	enum oid id = oid_from(der_get(&x, DER_OID));
	bool critical = der_peek(&x) == DER_BOOLEAN && der_get_bool(&x);
	struct bytes value = der_get(&x, DER_OCTET_STRING);

	TRY(der_end(&x, ERR_UNAUTHORIZED, "an extension of the certificate", e));
	if (id == OID_SUBJECT_ALT_NAME) {
		f->names_count++;
		f->names = value;
	} else if (id == OID_ACME_IDENTIFIER) {
		f->id_count++;
		f->id = value;
		f->id_critical = critical;
	} else if (id == OID_ACME_IDENTIFIER_DRAFT) {
		f->draft_count++;
	}
	return ERR_OK;
}

static enum err_code read_extensions(struct der *tbs, struct found *f, struct err *e)
{
	struct der outer = der_enter(tbs, DER_CONTEXT_CONSTRUCTED(3)), list = der_enter(&outer, DER_SEQUENCE);

	for (unsigned n = 0; der_more(&list); n++) {
		if (n == EXTENSIONS_MAX)
			FAIL(e, UNAUTHORIZED, "the certificate has more than %d extensions", EXTENSIONS_MAX);
		TRY(read_extension(&list, f, e));
	}
	TRY(der_end(&list, ERR_UNAUTHORIZED, "the certificate's extensions", e));
	return der_end(&outer, ERR_UNAUTHORIZED, "the certificate's extensions", e);
}

/* To the extensions; what stands before them says nothing here. */
static enum err_code read_certificate(struct bytes in, struct found *f, struct err *e)
{
	struct der d = der_of(in), s = der_enter(&d, DER_SEQUENCE), tbs = der_enter(&s, DER_SEQUENCE);

	if (in.len > CERT_SIZE_MAX)
		FAIL(e, UNAUTHORIZED, "the certificate has %zu bytes, more than %d are not read", in.len, CERT_SIZE_MAX);
	while (der_more(&tbs) && der_peek(&tbs) != DER_CONTEXT_CONSTRUCTED(3))
		(void)der_get_element(&tbs);
	if (der_more(&tbs))
		TRY(read_extensions(&tbs, f, e));
	TRY(der_end(&tbs, ERR_UNAUTHORIZED, "the certificate's signed part", e));
	(void)der_get_element(&s); /* signatureAlgorithm */
	(void)der_get_element(&s); /* signature */
	TRY(der_end(&s, ERR_UNAUTHORIZED, "the certificate", e));
	return der_end(&d, ERR_UNAUTHORIZED, "the certificate", e);
}

/* An element of GeneralNames, for people. */
static const char *show(int tag, struct bytes value, char out[SHOWN_MAX])
{
	char hex[HEX_LEN(16) + 1];
	size_t n = 0;

	if (tag == DER_CONTEXT(7) && value.len <= 16) {
		hex_encode(value, hex);
		(void)snprintf(out, SHOWN_MAX, "the address %s (hexadecimal)", hex);
		return out;
	}
	if (tag != DER_CONTEXT(2)) {
		(void)snprintf(out, SHOWN_MAX, "a name of another type");
		return out;
	}
	out[n++] = '"';
	for (size_t i = 0; i < value.len && n + 2 < SHOWN_MAX; i++)
		out[n++] = value.ptr[i] > ' ' && value.ptr[i] < 0x7f && value.ptr[i] != '"' ? (char)value.ptr[i] : '?';
	out[n++] = '"';
	out[n] = 0;
	return out;
}

static bool equal_nocase(struct bytes a, struct bytes b)
{
	bool equal = a.len == b.len;

	for (size_t i = 0; equal && i < a.len; i++) {
		uint8_t x = a.ptr[i], y = b.ptr[i];
		equal = (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y);
	}
	return equal;
}

/* "subjectAltName extension containing the dNSName being validated and no other entries" (RFC 8737 §3), or the iPAddress (RFC 8738 §6);
 * names are compared without regard to case. */
static enum err_code check_names(const struct found *f, const struct san *name, struct err *e)
{
	struct der d = der_of(f->names), list = der_enter(&d, DER_SEQUENCE);
	char shown[SHOWN_MAX];
	int tag = der_peek(&list), due = name->type == SAN_DNS ? DER_CONTEXT(2) : DER_CONTEXT(7);

	if (f->names_count != 1)
		FAIL(e, UNAUTHORIZED, "the certificate has %s subjectAltName, one is due", f->names_count ? "more than one" : "no");
	struct bytes value = tag == -1 ? BYTES_NONE : der_get(&list, tag);
	bool more = der_more(&list);
	while (der_more(&list))
		(void)der_get_element(&list);
	TRY(der_end(&list, ERR_UNAUTHORIZED, "the certificate's subjectAltName", e));
	TRY(der_end(&d, ERR_UNAUTHORIZED, "the certificate's subjectAltName", e));
	if (tag == -1)
		FAIL(e, UNAUTHORIZED, "the certificate's subjectAltName is empty");
	if (more)
		FAIL(e, UNAUTHORIZED, "the certificate's subjectAltName has more names than the one that is validated");
	if (tag != due || !(name->type == SAN_DNS ? equal_nocase(value, name->value) : bytes_eq(value, name->value)))
		FAIL(e, UNAUTHORIZED, "the certificate is for %s", show(tag, value, shown));
	return ERR_OK;
}

static enum err_code check_digest(const struct found *f, const uint8_t digest[ALPN_DIGEST_SIZE], struct err *e)
{
	struct der d = der_of(f->id);
	struct bytes value = der_get(&d, DER_OCTET_STRING), due = { digest, ALPN_DIGEST_SIZE };
	char is[HEX_LEN(ALPN_DIGEST_SIZE) + 1], want[HEX_LEN(ALPN_DIGEST_SIZE) + 1];

	if (f->id_count == 0)
		FAIL(e, UNAUTHORIZED, "the certificate has no acmeIdentifier extension (1.3.6.1.5.5.7.1.31)%s",
		    f->draft_count ? ", only that of an early draft (1.3.6.1.5.5.7.1.30.1)" : "");
	if (f->id_count > 1 || f->draft_count > 0)
		FAIL(e, UNAUTHORIZED, "the certificate has more than one acmeIdentifier extension");
	if (!f->id_critical)
		FAIL(e, UNAUTHORIZED, "the certificate's acmeIdentifier extension is not critical");
	TRY(der_end(&d, ERR_UNAUTHORIZED, "the certificate's acmeIdentifier, an OCTET STRING,", e));
	if (value.len != ALPN_DIGEST_SIZE)
		FAIL(e, UNAUTHORIZED, "the certificate's acmeIdentifier has %zu bytes, due are the %d of a SHA-256 digest", value.len,
		    ALPN_DIGEST_SIZE);
	hex_encode(value, is);
	hex_encode(due, want);
	if (!bytes_eq(value, due))
		FAIL(e, UNAUTHORIZED, "the certificate's acmeIdentifier is %s, due is the key authorization's digest %s", is, want);
	return ERR_OK;
}

enum err_code alpn_cert_check(struct bytes der, const struct san *name, const uint8_t digest[ALPN_DIGEST_SIZE], struct err *e)
{
	struct found f = { 0 };

	errno = 0;
	TRY(read_certificate(der, &f, e));
	TRY(check_names(&f, name, e));
	return check_digest(&f, digest, e);
}
