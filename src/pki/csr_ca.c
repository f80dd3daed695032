#include "pki/csr.h"

#include "pki/cert.h"
#include "pki/der.h"
#include "pki/oid.h"

#include <stdio.h>

#define SUBJECT_MAX 1024

enum err_code csr_write_ca(const struct key *k, struct bytes subject, struct buf *out, struct err *e)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(CSR_SIZE_MAX);
	struct der_mark info = der_open(&b, DER_SEQUENCE);

	der_put_u64(&b, 0); /* v1 */
	buf_add(&b, subject);
	buf_add(&b, key_spki(k));
	der_close(&b, der_open(&b, DER_CONTEXT_CONSTRUCTED(0))); /* no attributes: what it will be is the signer's to say */
	der_close(&b, info);
	if (!buf_ok(&b))
		FAIL(e, NOMEM, "a CSR larger than %d bytes", CSR_SIZE_MAX);
	return cert_sign(k, buf_bytes(&b), out, e);
}

static const char *short_name(enum oid o)
{
	return o == OID_COMMON_NAME    ? "CN"
	       : o == OID_ORGANIZATION ? "O"
	       : o == OID_COUNTRY      ? "C"
	       : o == OID_LOCALITY     ? "L"
	       : o == OID_STATE        ? "ST"
				       : NULL;
}

/* Also what is shown to whoever is asked to sign: only printable characters. */
static enum err_code read_subject(struct bytes subject, char text[256], struct err *e)
{
	struct der d = der_of(subject), rdns = der_enter(&d, DER_SEQUENCE);
	bool common_name = false;
	size_t at = 0;

	text[0] = '\0';
	while (der_more(&rdns)) {
		struct der set = der_enter(&rdns, DER_SET), pair = der_enter(&set, DER_SEQUENCE);
		enum oid type = oid_from(der_get(&pair, DER_OID));
		int tag = der_peek(&pair);
		struct bytes value = der_get(&pair, tag);
		if (pair.failed || der_more(&pair) || der_more(&set) || !short_name(type) || value.len == 0 || value.len > 64 ||
		    (tag != DER_UTF8_STRING && tag != DER_PRINTABLE_STRING))
			FAIL(e, BAD_CSR, "the CSR's subject may have C, ST, L, O and CN, each of 1 to 64 characters");
		for (size_t i = 0; i < value.len; i++)
			if (value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
				FAIL(e, BAD_CSR, "the CSR's subject has a control character");
		common_name = common_name || type == OID_COMMON_NAME;
		at += (size_t)snprintf(text + at, at < 256 ? 256 - at : 0, "%s%s=%.*s", at ? ", " : "", short_name(type), BYTES_FMT(value));
		if (at >= 256)
			FAIL(e, BAD_CSR, "the CSR's subject is too long");
	}
	if (rdns.failed || der_more(&d) || !common_name || subject.len > SUBJECT_MAX)
		FAIL(e, BAD_CSR, "the CSR has no subject with a common name");
	return ERR_OK;
}

enum err_code csr_read_ca(struct arena *a, struct bytes der, struct csr_ca *ret, struct err *e)
{
	struct der d = der_of(der), s = der_enter(&d, DER_SEQUENCE);
	CLEANUP(key_free_p) struct key *k = NULL;
	struct csr_ca c;

	(void)a;
	struct bytes info = der_get_element(&s), alg = der_get_element(&s), signature = der_get_bits(&s);
	struct der whole = der_of(info), i = der_enter(&whole, DER_SEQUENCE);
	struct bytes version = der_get_unsigned(&i);
	c.subject = der_get_element(&i);
	c.spki = der_get_element(&i);
	struct bytes attributes = der_get(&i, DER_CONTEXT_CONSTRUCTED(0));
	if (s.failed || der_more(&s) || der_more(&d) || i.failed || der_more(&i) || version.len != 1 || version.ptr[0] != 0)
		FAIL(e, BAD_CSR, "the CSR is no DER CertificationRequest (RFC 2986 section 4)");
	if (attributes.len > 0)
		FAIL(e, BAD_CSR, "the CSR asks for extensions or has other attributes: what a CA certificate has is the signer's to say");
	TRY(read_subject(c.subject, c.text, e));
	TRY(key_from_spki(c.spki, &k, e));
	TRY(key_check_weak(k, e));
	if (!bytes_eq(alg, sig_alg_der(key_sig_alg(k))) || key_verify(k, SIG_FORM_X509, info, signature, NULL) != ERR_OK)
		FAIL(e, BAD_CSR, "the CSR is not signed by its own key");
	*ret = c;
	return ERR_OK;
}
