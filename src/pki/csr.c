#include "pki/csr_impl.h"

#include "pki/der.h"
#include "pki/oid.h"

#include <stdio.h>

/* A DirectoryString's content, or a reader that failed. The name's own reader looks at the characters. */
static struct bytes get_text(struct der *d)
{
	int tag = der_peek(d);

	if (tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING || tag == DER_IA5_STRING)
		return der_get(d, tag);
	d->failed = true;
	return BYTES_NONE;
}

/* One AttributeTypeAndValue of the subject. */
static enum err_code read_subject_attribute(struct der *rdn, struct bytes *common_name, struct err *e)
{
	struct der pair = der_enter(rdn, DER_SEQUENCE);
	struct bytes type = der_get(&pair, DER_OID);
	char text[OID_TEXT_SIZE];

	if (pair.failed)
		FAIL(e, BAD_CSR, "the CSR's subject is no DER Name");
	if (!oid_is(type, OID_COMMON_NAME)) {
		oid_text(type, text);
		FAIL(e, BAD_CSR, "the CSR's subject has %s: it may be empty or have one commonName, nothing else is certified here", text);
	}
	if (common_name->ptr)
		FAIL(e, BAD_CSR,
		    "the CSR's subject has more than one commonName: leave the subject empty, and put the names into the "
		    "subjectAltName");
	*common_name = get_text(&pair);
	if (der_end(&pair, ERR_BAD_CSR, "the commonName", NULL))
		FAIL(e, BAD_CSR, "the CSR's commonName is no UTF8String, PrintableString or IA5String");
	return ERR_OK;
}

/* The subject is empty, or is one common name. *ret stays absent when it is empty. */
static enum err_code read_subject(struct der *info, struct bytes *ret, struct err *e)
{
	struct der name = der_enter(info, DER_SEQUENCE);

	if (name.failed)
		FAIL(e, BAD_CSR, "the CSR's subject is no DER Name");
	while (der_more(&name)) {
		struct der rdn = der_enter(&name, DER_SET);
		if (!der_more(&rdn)) /* SET SIZE (1..MAX) */
			FAIL(e, BAD_CSR, "the CSR's subject is no DER Name");
		while (der_more(&rdn))
			TRY(read_subject_attribute(&rdn, ret, e));
		TRY(der_end(&rdn, ERR_BAD_CSR, "the CSR's subject", e));
	}
	return der_end(&name, ERR_BAD_CSR, "the CSR's subject", e);
}

/* RFC 2985 §5.4.2: a single value, which is the Extensions. */
static enum err_code read_extension_request(struct der *attribute, struct csr_wish *w, struct err *e)
{
	struct der values = der_enter(attribute, DER_SET);
	struct bytes list = der_get(&values, DER_SEQUENCE);

	TRY(der_end(&values, ERR_BAD_CSR, "the CSR's extensionRequest", e));
	TRY(der_end(attribute, ERR_BAD_CSR, "the CSR's extensionRequest", e));
	return csr_read_extensions(list, w, e);
}

static enum err_code read_attributes(struct der *info, struct csr_wish *w, struct err *e)
{
	struct der list = der_enter(info, DER_CONTEXT_CONSTRUCTED(0));
	char text[OID_TEXT_SIZE];
	bool seen = false;

	if (list.failed)
		FAIL(e, BAD_CSR, "the CSR has no attributes field: PKCS#10 wants it even when it is empty (RFC 2986 §4.1)");
	while (der_more(&list)) {
		struct der attribute = der_enter(&list, DER_SEQUENCE);
		struct bytes type = der_get(&attribute, DER_OID);
		if (attribute.failed)
			FAIL(e, BAD_CSR, "an attribute of the CSR is no DER structure");
		if (!oid_is(type, OID_EXTENSION_REQUEST)) {
			oid_text(type, text);
			FAIL(e, BAD_CSR, "the CSR has the attribute %s: none but extensionRequest is allowed", text);
		}
		if (seen)
			FAIL(e, BAD_CSR, "the CSR has the attribute extensionRequest twice");
		seen = true;
		TRY(read_extension_request(&attribute, w, e));
	}
	return der_end(&list, ERR_BAD_CSR, "the CSR's list of attributes", e);
}

/* The object identifier of one that is accepted. */
static struct bytes id_of(enum sig_alg alg)
{
	struct der d = der_of(sig_alg_der(alg)), s = der_enter(&d, DER_SEQUENCE);

	return der_get(&s, DER_OID);
}

#define NAMES_SIZE 192
static void list_algorithms(char out[NAMES_SIZE])
{
	size_t at = 0;

	for (unsigned t = 0; t < KEY__MAX; t++) {
		enum oid o = oid_from(id_of(key_type_sig_alg((enum key_type)t)));
		if (key_type_here((enum key_type)t) && at < NAMES_SIZE)
			at += (size_t)snprintf(out + at, NAMES_SIZE - at, "%s%s", at ? ", " : "", oid_name(o));
	}
}

static enum err_code read_algorithm(struct bytes identifier, struct csr *c, struct err *e)
{
	struct der d = der_of(identifier), s = der_enter(&d, DER_SEQUENCE);
	char text[OID_TEXT_SIZE], allowed[NAMES_SIZE];

	if (sig_alg_from_der(identifier, &c->alg))
		return ERR_OK;
	struct bytes id = der_get(&s, DER_OID);
	if (s.failed)
		FAIL(e, BAD_CSR, "the CSR's signatureAlgorithm is no DER structure");
	oid_text(id, text);
	for (unsigned a = 0; a < SIG__MAX; a++)
		if (bytes_eq(id, id_of((enum sig_alg)a)))
			FAIL(e, BAD_CSR, "the CSR's signatureAlgorithm %s has other parameters than its standard gives it", text);
	list_algorithms(allowed);
	FAIL(e, BAD_CSR, "the CSR is signed with %s, which is not accepted; %s are", text, allowed);
}

/* CertificationRequestInfo (RFC 2986 §4.1). */
static enum err_code read_info(struct arena *a, struct csr *c, struct err *e)
{
	struct der d = der_of(c->info), info = der_enter(&d, DER_SEQUENCE);
	struct bytes version = der_get_unsigned(&info), common_name = BYTES_NONE;
	struct csr_wish wish = { .names = BYTES_NONE };

	if (info.failed)
		FAIL(e, BAD_CSR, "the CSR's signed part is no CertificationRequestInfo (RFC 2986 §4.1)");
	if (version.len != 1 || version.ptr[0] != 0)
		FAIL(e, BAD_CSR, "the CSR's version is not 0, the only one there is");
	TRY(read_subject(&info, &common_name, e));
	int tag = der_peek(&info);
	c->spki = der_get_element(&info);
	if (tag != DER_SEQUENCE || info.failed)
		FAIL(e, BAD_CSR, "the CSR's subjectPublicKeyInfo is no DER structure");
	TRY(read_attributes(&info, &wish, e));
	TRY(der_end(&info, ERR_BAD_CSR, "the CSR's signed part", e));
	c->must_staple = wish.must_staple;
	return csr_read_names(a, wish.names, common_name, c, e);
}

enum err_code csr_parse(struct arena *a, struct bytes der, struct csr *ret, struct err *e)
{
	struct der d = der_of(der), s = der_enter(&d, DER_SEQUENCE);
	struct csr c = { 0 };

	if (der.len > CSR_SIZE_MAX)
		FAIL(e, BAD_CSR, "the CSR has %zu bytes, at most %d are allowed", der.len, CSR_SIZE_MAX);
	c.info = der_get_element(&s);
	struct bytes algorithm = der_get_element(&s);
	c.signature = der_get_bits(&s);
	if (s.failed)
		FAIL(e, BAD_CSR, "the CSR is no DER CertificationRequest (RFC 2986 §4.2); a PEM file's content must be decoded first");
	TRY(der_end(&s, ERR_BAD_CSR, "the CSR", e));
	TRY(der_end(&d, ERR_BAD_CSR, "the CSR", e));
	TRY(read_algorithm(algorithm, &c, e));
	TRY(read_info(a, &c, e));
	*ret = c;
	return ERR_OK;
}

/* A bad key is a bad CSR here: badPublicKey is for those that sign requests (RFC 8555 §6.7). */
enum err_code csr_key(const struct csr *c, struct key **ret, struct err *e)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	struct err why = { 0 };
	enum err_code rc = key_from_spki(c->spki, &k, &why);

	if (rc == ERR_OK)
		rc = key_check_weak(k, &why);
	if (rc == ERR_BAD_PUBLIC_KEY)
		FAIL(e, BAD_CSR, "the CSR's key cannot be certified: %s", why.detail);
	if (rc != ERR_OK && e)
		*e = why;
	TRY(rc);
	*ret = TAKE(k);
	return ERR_OK;
}

enum err_code csr_verify(const struct csr *c, struct key **ret_key, struct err *e)
{
	struct key *k CLEANUP(key_free_p) = NULL;

	TRY(csr_key(c, &k, e));
	enum err_code rc = key_verify_x509(k, c->alg, c->info, c->signature, e);
	if (rc == ERR_BAD_SIGNATURE_ALGORITHM)
		FAIL(e, BAD_CSR, "the CSR's signature algorithm does not go with its %s key", key_type_name(key_type(k)));
	if (rc == ERR_UNAUTHORIZED || rc == ERR_MALFORMED)
		FAIL(e, BAD_CSR, "the CSR's signature is not by the key that is in it");
	TRY(rc);
	*ret_key = TAKE(k);
	return ERR_OK;
}
