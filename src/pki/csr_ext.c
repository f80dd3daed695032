/* The extensions that a request may ask for, and the refusal of all others. */
#include "pki/csr_impl.h"

#include "pki/der.h"
#include "pki/oid.h"

#define TLS_STATUS_REQUEST 5 /* RFC 6066 §8 */

static enum err_code read_names(struct bytes value, struct csr_wish *w, struct err *e)
{
	struct der d = der_of(value);
	struct bytes names = der_get(&d, DER_SEQUENCE);

	TRY(der_end(&d, ERR_BAD_CSR, "the CSR's subjectAltName", e));
	if (names.len == 0)
		FAIL(e, BAD_CSR, "the CSR's subjectAltName is empty: it must name one DNS name or IP address at least");
	w->names = names;
	return ERR_OK;
}

/* In the order of the bits (RFC 5280 §4.2.1.3). */
static const char *const usages[] = { "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
	"keyCertSign", "cRLSign", "encipherOnly", "decipherOnly" };
#define USAGE_SIGN         0
#define USAGE_KEY_ENCIPHER 2

static enum err_code read_key_usage(struct bytes value, struct csr_wish *w, struct err *e)
{
	struct der d = der_of(value);
	struct bytes bits = der_get(&d, DER_BIT_STRING);

	(void)w;
	TRY(der_end(&d, ERR_BAD_CSR, "the CSR's keyUsage", e));
	if (bits.len == 0 || bits.len > 3 || bits.ptr[0] > 7 || (bits.len == 1 && bits.ptr[0] != 0))
		FAIL(e, BAD_CSR, "the CSR's keyUsage is no BIT STRING of usages");
	/* Trailing zero bits, which DER leaves out of a named list, do no harm: there are clients that send them. */
	for (size_t n = 0; n < (bits.len - 1) * 8; n++) {
		bool set = bits.ptr[1 + n / 8] & (0x80u >> n % 8);
		if (!set || n == USAGE_SIGN || n == USAGE_KEY_ENCIPHER)
			continue;
		FAIL(e, BAD_CSR,
		    "the CSR asks for the key usage %s: a certificate here carries digitalSignature, and with an RSA key "
		    "keyEncipherment, and nothing else",
		    n < sizeof usages / sizeof *usages ? usages[n] : "of an unknown bit");
	}
	return ERR_OK;
}

static enum err_code read_ext_key_usage(struct bytes value, struct csr_wish *w, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE);
	char text[OID_TEXT_SIZE];

	(void)w;
	TRY(der_end(&d, ERR_BAD_CSR, "the CSR's extKeyUsage", e));
	while (der_more(&list)) {
		struct bytes purpose = der_get(&list, DER_OID);
		enum oid o = oid_from(purpose);
		if (list.failed || o == OID_SERVER_AUTH || o == OID_CLIENT_AUTH)
			continue;
		oid_text(purpose, text);
		FAIL(e, BAD_CSR, "the CSR asks for the extended key usage %s: a certificate here is for serverAuth", text);
	}
	return der_end(&list, ERR_BAD_CSR, "the CSR's extKeyUsage", e);
}

static enum err_code read_basic_constraints(struct bytes value, struct csr_wish *w, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);
	bool ca = false;

	(void)w;
	/* DER leaves the default FALSE out; it is taken where a client writes it. */
	if (der_peek(&s) == DER_BOOLEAN)
		ca = der_get_bool(&s);
	if (ca || der_more(&s))
		FAIL(e, BAD_CSR,
		    "the CSR asks for the extension basicConstraints (2.5.29.19) with %s: a certificate here takes only the "
		    "names and the public key",
		    ca ? "CA true" : "a path length");
	TRY(der_end(&s, ERR_BAD_CSR, "the CSR's basicConstraints", e));
	return der_end(&d, ERR_BAD_CSR, "the CSR's basicConstraints", e);
}

static enum err_code read_subject_key_id(struct bytes value, struct csr_wish *w, struct err *e)
{
	struct der d = der_of(value);

	(void)w;
	(void)der_get(&d, DER_OCTET_STRING); /* the identifier is the CA's to choose */
	return der_end(&d, ERR_BAD_CSR, "the CSR's subjectKeyIdentifier", e);
}

/* RFC 7633 §4.1: a list of TLS extension numbers; status_request is "must staple". */
static enum err_code read_tls_feature(struct bytes value, struct csr_wish *w, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE);
	struct bytes feature = der_get_unsigned(&list);

	if (feature.len != 1 || feature.ptr[0] != TLS_STATUS_REQUEST || der_more(&list))
		FAIL(e, BAD_CSR, "the CSR's tlsfeature asks for something else than status_request (5)");
	TRY(der_end(&list, ERR_BAD_CSR, "the CSR's tlsfeature", e));
	TRY(der_end(&d, ERR_BAD_CSR, "the CSR's tlsfeature", e));
	w->must_staple = true;
	return ERR_OK;
}

static const struct reader {
	enum oid id;
	enum err_code (*read)(struct bytes value, struct csr_wish *w, struct err *e);
} readers[] = {
	{ OID_SUBJECT_ALT_NAME, read_names },
	{ OID_KEY_USAGE, read_key_usage },
	{ OID_EXTENDED_KEY_USAGE, read_ext_key_usage },
	{ OID_BASIC_CONSTRAINTS, read_basic_constraints },
	{ OID_SUBJECT_KEY_ID, read_subject_key_id },
	{ OID_TLS_FEATURE, read_tls_feature },
};
#define READERS_N (sizeof readers / sizeof *readers)

static enum err_code read_extension(struct der *list, bool seen[READERS_N], struct csr_wish *w, struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&x, DER_OID);
	char text[OID_TEXT_SIZE];

	if (der_peek(&x) == DER_BOOLEAN)
		(void)der_get_bool(&x); /* whether it is critical in the certificate is not the applicant's to say */
	struct bytes value = der_get(&x, DER_OCTET_STRING);
	TRY(der_end(&x, ERR_BAD_CSR, "a requested extension", e));
	oid_text(id, text);
	enum oid known = oid_from(id);
	for (size_t i = 0; i < READERS_N; i++) {
		if (readers[i].id != known)
			continue;
		if (seen[i])
			FAIL(e, BAD_CSR, "the CSR asks for the extension %s twice", text);
		seen[i] = true;
		return readers[i].read(value, w, e);
	}
	FAIL(e, BAD_CSR, "the CSR asks for the extension %s: a certificate here takes only the names (subjectAltName) and the public key",
	    text);
}

enum err_code csr_read_extensions(struct bytes content, struct csr_wish *w, struct err *e)
{
	struct der list = der_of(content);
	bool seen[READERS_N] = { false };

	while (der_more(&list))
		TRY(read_extension(&list, seen, w, e));
	return der_end(&list, ERR_BAD_CSR, "the CSR's list of extensions", e);
}
