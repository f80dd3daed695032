#include "pki/cert.h"

#include "pki/der.h"
#include "pki/oid.h"

#define EXTENSIONS_MAX 32
#define SERIAL_MAX     20 /* RFC 5280 §4.1.2.2 */
#define NAMES_MAX      1024

/* What the extensions say, before they are put together. */
struct found {
	bool ca, has_key_usage, cert_sign;
	struct bytes names; /* content of the GeneralNames */
};

/* The two algorithm fields MUST be the same (RFC 5280 §4.1.1.2). */
static enum err_code read_algorithm(struct bytes outer, struct bytes inner, struct cert *c, struct err *e)
{
	char text[OID_TEXT_SIZE];

	if (!bytes_eq(outer, inner))
		FAIL(e, MALFORMED, "the certificate names two different signature algorithms");
	if (sig_alg_from_der(outer, &c->alg))
		return ERR_OK;
	struct der d = der_of(outer), s = der_enter(&d, DER_SEQUENCE);
	oid_text(der_get(&s, DER_OID), text);
	FAIL(e, MALFORMED, "the certificate is signed with %s, which is not read here", text);
}

static enum err_code read_key_usage(struct bytes value, struct cert *c, struct found *f, struct err *e)
{
	struct der d = der_of(value);
	struct bytes bits = der_get(&d, DER_BIT_STRING);

	(void)c;
	TRY(der_end(&d, ERR_MALFORMED, "the certificate's keyUsage", e));
	if (bits.len == 0 || bits.ptr[0] > 7)
		FAIL(e, MALFORMED, "the certificate's keyUsage is no BIT STRING");
	f->has_key_usage = true;
	f->cert_sign = bits.len > 1 && (bits.ptr[1] & 0x04); /* keyCertSign is bit 5 */
	return ERR_OK;
}

static enum err_code read_basic_constraints(struct bytes value, struct cert *c, struct found *f, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);

	(void)c;
	if (der_peek(&s) == DER_BOOLEAN)
		f->ca = der_get_bool(&s);
	if (der_more(&s))
		(void)der_get_unsigned(&s); /* pathLenConstraint */
	TRY(der_end(&s, ERR_MALFORMED, "the certificate's basicConstraints", e));
	return der_end(&d, ERR_MALFORMED, "the certificate's basicConstraints", e);
}

static enum err_code read_subject_key_id(struct bytes value, struct cert *c, struct found *f, struct err *e)
{
	struct der d = der_of(value);

	(void)f;
	c->subject_key_id = der_get(&d, DER_OCTET_STRING);
	return der_end(&d, ERR_MALFORMED, "the certificate's subjectKeyIdentifier", e);
}

static enum err_code read_authority_key_id(struct bytes value, struct cert *c, struct found *f, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);

	(void)f;
	if (der_peek(&s) == DER_CONTEXT(0))
		c->authority_key_id = der_get(&s, DER_CONTEXT(0));
	while (der_more(&s)) /* authorityCertIssuer and its serial are of no use here */
		(void)der_get_element(&s);
	TRY(der_end(&s, ERR_MALFORMED, "the certificate's authorityKeyIdentifier", e));
	return der_end(&d, ERR_MALFORMED, "the certificate's authorityKeyIdentifier", e);
}

static enum err_code read_ext_key_usage(struct bytes value, struct cert *c, struct found *f, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE);

	(void)f;
	c->purposes = 0;
	while (der_more(&list)) {
		enum oid id = oid_from(der_get(&list, DER_OID));
		c->purposes |= id == OID_SERVER_AUTH              ? CERT_SERVER_AUTH
			       : id == OID_CLIENT_AUTH            ? CERT_CLIENT_AUTH
			       : id == OID_OCSP_SIGNING           ? CERT_OCSP_SIGNING
			       : id == OID_ANY_EXTENDED_KEY_USAGE ? CERT_ANY_PURPOSE
								  : CERT_OTHER_PURPOSE;
	}
	TRY(der_end(&list, ERR_MALFORMED, "the certificate's extKeyUsage", e));
	return der_end(&d, ERR_MALFORMED, "the certificate's extKeyUsage", e);
}

static enum err_code read_names_extension(struct bytes value, struct cert *c, struct found *f, struct err *e)
{
	struct der d = der_of(value);

	(void)c;
	f->names = der_get(&d, DER_SEQUENCE);
	return der_end(&d, ERR_MALFORMED, "the certificate's subjectAltName", e);
}

/* Reading is not validating: extensions that are not here are let through. */
static const struct reader {
	enum oid id;
	enum err_code (*read)(struct bytes value, struct cert *c, struct found *f, struct err *e);
} readers[] = {
	{ OID_KEY_USAGE, read_key_usage },
	{ OID_EXTENDED_KEY_USAGE, read_ext_key_usage },
	{ OID_BASIC_CONSTRAINTS, read_basic_constraints },
	{ OID_SUBJECT_KEY_ID, read_subject_key_id },
	{ OID_AUTHORITY_KEY_ID, read_authority_key_id },
	{ OID_SUBJECT_ALT_NAME, read_names_extension },
};

static enum err_code read_extension(struct der *list, struct cert *c, struct found *f, struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&x, DER_OID);

	if (der_peek(&x) == DER_BOOLEAN)
		(void)der_get_bool(&x);
	struct bytes value = der_get(&x, DER_OCTET_STRING);
	TRY(der_end(&x, ERR_MALFORMED, "an extension of the certificate", e));
	enum oid known = oid_from(id);
	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
		if (readers[i].id == known)
			return readers[i].read(value, c, f, e);
	return ERR_OK;
}

/* "A certificate MUST NOT include more than one instance of a particular extension." (RFC 5280 §4.2) */
static enum err_code check_once(struct bytes *seen, size_t n, struct bytes id, struct err *e)
{
	char text[OID_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		if (bytes_eq(seen[i], id)) {
			oid_text(id, text);
			FAIL(e, MALFORMED, "the certificate has the extension %s twice", text);
		}
	return ERR_OK;
}

static enum err_code read_extensions(struct der *tbs, struct cert *c, struct found *f, struct err *e)
{
	struct der outer = der_enter(tbs, DER_CONTEXT_CONSTRUCTED(3)), list = der_enter(&outer, DER_SEQUENCE);
	struct bytes seen[EXTENSIONS_MAX];

	TRY(der_end(&outer, ERR_MALFORMED, "the certificate's extensions", e));
	for (size_t n = 0; der_more(&list); n++) {
		struct der look = list, x = der_enter(&look, DER_SEQUENCE);
		if (n == EXTENSIONS_MAX)
			FAIL(e, MALFORMED, "the certificate has more than %d extensions", EXTENSIONS_MAX);
		seen[n] = der_get(&x, DER_OID);
		TRY(check_once(seen, n, seen[n], e));
		TRY(read_extension(&list, c, f, e));
	}
	return der_end(&list, ERR_MALFORMED, "the certificate's extensions", e);
}

/* The names of the two types that ACME certifies; others are passed over. */
static enum err_code collect_names(struct arena *a, struct bytes content, struct cert *c, struct err *e)
{
	struct der count = der_of(content), d = count;
	size_t n = 0;

	for (; der_more(&count); n++)
		(void)der_get_element(&count);
	TRY(der_end(&count, ERR_MALFORMED, "the certificate's subjectAltName", e));
	if (n > NAMES_MAX)
		FAIL(e, MALFORMED, "the certificate has %zu names, more than %d are not read", n, NAMES_MAX);
	if (n == 0)
		return ERR_OK;
	c->names = arena_array(a, n, sizeof *c->names);
	if (!c->names)
		FAIL(e, NOMEM, "no memory for the certificate's names");
	while (der_more(&d)) {
		int tag = der_peek(&d);
		if (tag != DER_CONTEXT(2) && tag != DER_CONTEXT(7)) {
			(void)der_get_element(&d);
			continue;
		}
		struct bytes value = der_get(&d, tag);
		if (tag == DER_CONTEXT(7) && value.len != 4 && value.len != 16)
			FAIL(e, MALFORMED, "the certificate has an IP address of %zu bytes", value.len);
		c->names[c->n_names++] = (struct san){ tag == DER_CONTEXT(2) ? SAN_DNS : SAN_IP, value };
	}
	return ERR_OK;
}

static enum err_code read_serial(struct der *tbs, struct cert *c, struct err *e)
{
	struct der look = *tbs;
	struct bytes magnitude = der_get_unsigned(&look);

	/* The content octets as they are, with a leading zero where there is one: so ARI (RFC 9773 §4.1) wants them. */
	c->serial = der_get(tbs, DER_INTEGER);
	if (look.failed || c->serial.len > SERIAL_MAX || (magnitude.len == 1 && magnitude.ptr[0] == 0))
		FAIL(e, MALFORMED, "the certificate's serial number is not a positive number of at most %d bytes", SERIAL_MAX);
	return ERR_OK;
}

static enum err_code read_tbs(struct der *tbs, struct bytes outer_alg, struct cert *c, struct found *f, struct err *e)
{
	struct der version = der_enter(tbs, DER_CONTEXT_CONSTRUCTED(0));
	struct bytes number = der_get_unsigned(&version);

	if (der_end(&version, ERR_MALFORMED, "the version", NULL) || number.len != 1 || number.ptr[0] != 2)
		FAIL(e, MALFORMED, "the certificate is not of version 3");
	TRY(read_serial(tbs, c, e));
	TRY(read_algorithm(outer_alg, der_get_element(tbs), c, e));
	int issuer_tag = der_peek(tbs);
	c->issuer_name = der_get_element(tbs);
	struct der validity = der_enter(tbs, DER_SEQUENCE);
	c->not_before_s = der_get_time(&validity);
	c->not_after_s = der_get_time(&validity);
	TRY(der_end(&validity, ERR_MALFORMED, "the certificate's validity", e));
	int subject_tag = der_peek(tbs);
	c->subject_name = der_get_element(tbs);
	int spki_tag = der_peek(tbs);
	c->spki = der_get_element(tbs);
	if (tbs->failed || issuer_tag != DER_SEQUENCE || subject_tag != DER_SEQUENCE || spki_tag != DER_SEQUENCE)
		FAIL(e, MALFORMED, "the certificate's names or public key are not DER structures");
	/* issuerUniqueID and subjectUniqueID: "CAs conforming to this profile MUST NOT generate" them (RFC 5280 §4.1.2.8). */
	if (der_more(tbs))
		TRY(read_extensions(tbs, c, f, e));
	return der_end(tbs, ERR_MALFORMED, "the certificate's signed part", e);
}

enum err_code cert_parse(struct arena *a, struct bytes der, struct cert *ret, struct err *e)
{
	struct der d = der_of(der), s = der_enter(&d, DER_SEQUENCE);
	struct cert c = { .purposes = CERT_ANY_PURPOSE };
	struct found f = { 0 };

	if (der.len > CERT_SIZE_MAX)
		FAIL(e, MALFORMED, "the certificate has %zu bytes, more than %d are not read", der.len, CERT_SIZE_MAX);
	c.tbs = der_get_element(&s);
	struct bytes outer_alg = der_get_element(&s);
	c.signature = der_get_bits(&s);
	TRY(der_end(&s, ERR_MALFORMED, "the certificate", e));
	TRY(der_end(&d, ERR_MALFORMED, "the certificate", e));

	struct der look = der_of(c.tbs), tbs = der_enter(&look, DER_SEQUENCE);
	TRY(read_tbs(&tbs, outer_alg, &c, &f, e));
	TRY(collect_names(a, f.names, &c, e));
	c.is_ca = f.ca && (!f.has_key_usage || f.cert_sign);
	*ret = c;
	return ERR_OK;
}
