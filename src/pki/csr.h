/* PKCS#10 certification requests (RFC 2986), read strictly for what a server may take from them: the key and the names. */
#ifndef CHANCERY_PKI_CSR_H
#define CHANCERY_PKI_CSR_H

#include "crypto/key.h"
#include "pki/name.h"

#define CSR_SIZE_MAX 16384

struct csr {
	struct bytes info; /* CertificationRequestInfo as signed */
	struct bytes spki;
	enum sig_alg alg;
	struct bytes signature;
	struct san *names; /* sorted and without duplicates; from the subjectAltName and, if there is one, the common name: a DNS name
	                    * that may be among them or is added (RFC 8555 §7.4), or an address that must be among them */
	size_t n_names;
	bool must_staple; /* asks for id-pe-tlsfeature status_request (RFC 7633) */
};

/* BAD_CSR with what is wrong and what is allowed. Refused: anything in the subject but one common name, extensions other than
 * subjectAltName, and keyUsage, extendedKeyUsage, basicConstraints (CA false), subjectKeyIdentifier that ask for nothing more
 * than every certificate here carries anyway (digitalSignature, keyEncipherment; serverAuth, clientAuth), names of other types
 * than dNSName and iPAddress, more than 100 names. The signature is not yet verified. */
enum err_code csr_parse(struct arena *a, struct bytes der, struct csr *ret, struct err *e) MUST_USE;
/* Its key. BAD_CSR for one that is not allowed or known to be weak (RFC 8555 §6.7: "The CSR is unacceptable (e.g., due to a short key)"). */
enum err_code csr_key(const struct csr *c, struct key **ret, struct err *e) MUST_USE;
/* The same, and BAD_CSR unless the signature is by it. *ret_key is the key to certify. */
enum err_code csr_verify(const struct csr *c, struct key **ret_key, struct err *e) MUST_USE;

/* A CSR for these names, empty subject, signed by the key (a private one). */
enum err_code csr_write(const struct key *k, const struct san *names, size_t n_names, struct buf *out, struct err *e) MUST_USE;

/* A CA's request: a subject and a key, and nothing else. */
struct csr_ca {
	struct bytes subject, spki; /* with their headers, views into the input */
	char text[256];             /* the subject for people: "O=Example, CN=Example Issuing CA 2" */
};
enum err_code csr_write_ca(const struct key *k, struct bytes subject, struct buf *out, struct err *e) MUST_USE;
/* BAD_CSR unless it has a subject of UTF8String or PrintableString with a common name, a key that is allowed, the signature of that key, and
 * asks for nothing. */
enum err_code csr_read_ca(struct arena *a, struct bytes der, struct csr_ca *ret, struct err *e) MUST_USE;

/* The CertificationRequestInfo alone, for a key that signs elsewhere: cert_write_signed() puts the signature to it. */
void csr_write_info(struct bytes spki, const struct san *names, size_t n_names, bool must_staple, struct buf *out);

#endif
