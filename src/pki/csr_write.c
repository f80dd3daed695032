#include "pki/csr.h"

#include "pki/cert.h"
#include "pki/ext_write.h"

/* CertificationRequestInfo (RFC 2986 §4.1): the names go into the extensionRequest alone (RFC 8555 §7.4 allows either place, and
 * a common name has no room for more than 64 characters). */
void csr_write_info(struct bytes spki, const struct san *names, size_t n_names, bool must_staple, struct buf *out)
{
	struct der_mark info = der_open(out, DER_SEQUENCE);

	der_put_u64(out, 0); /* v1 */
	der_put_hex(out, "3000");
	buf_add(out, spki);
	struct der_mark attributes = der_open(out, DER_CONTEXT_CONSTRUCTED(0)), attribute = der_open(out, DER_SEQUENCE);
	der_put_oid(out, oid_hex(OID_EXTENSION_REQUEST));
	struct der_mark values = der_open(out, DER_SET), list = der_open(out, DER_SEQUENCE);
	/* Not critical: what is critical in the certificate is the CA's to say, and some CAs refuse a request that says it. */
	san_write(names, n_names, false, out);
	if (must_staple)
		tls_feature_write(out);
	der_close(out, list);
	der_close(out, values);
	der_close(out, attribute);
	der_close(out, attributes);
	der_close(out, info);
}

enum err_code csr_write(const struct key *k, const struct san *names, size_t n_names, struct buf *out, struct err *e)
{
	struct buf info CLEANUP(buf_free_p) = buf_new(CSR_SIZE_MAX);

	csr_write_info(key_spki(k), names, n_names, false, &info);
	if (!buf_ok(&info))
		FAIL(e, NOMEM, "a CSR for %zu names would be larger than %d bytes", n_names, CSR_SIZE_MAX);
	/* A CertificationRequest has a Certificate's outer shape: what is signed, the algorithm, the signature. */
	return cert_sign(k, buf_bytes(&info), out, e);
}
