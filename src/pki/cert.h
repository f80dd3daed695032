/* Certificates (RFC 5280) by our own DER: to-be-signed bytes from a profile, reading, and the lint that reads what is about to
 * be signed. Byte-exact: the same input gives the same bytes. */
#ifndef CHANCERY_PKI_CERT_H
#define CHANCERY_PKI_CERT_H

#include "crypto/key.h"
#include "pki/name.h"
#include "pki/profile.h"

#define SERIAL_SIZE   16 /* first byte 0x01..0x7f, so that it is positive and always 16 bytes */
#define CERT_SIZE_MAX 16384

/* What an issuer's certificate says that its leaves repeat byte for byte. */
struct issuer {
	struct bytes certificate; /* DER */
	struct bytes subject;     /* DER Name */
	struct bytes key_id;      /* its subjectKeyIdentifier's content */
	struct key *key;          /* private in the signer, public elsewhere */
	int64_t not_after_s;
	uint32_t purposes; /* as struct cert's */
};

struct leaf_request {
	const uint8_t *serial;   /* SERIAL_SIZE bytes */
	const struct san *names; /* sorted (san_sort) */
	size_t n_names;
	struct bytes spki;
	enum key_type key_type;
	int64_t not_before_s, not_after_s; /* inclusive */
	struct bytes crl_url;              /* http: for cRLDistributionPoints; empty: none */
	struct bytes ocsp_url;             /* http: for authorityInfoAccess; empty: none */
	struct bytes ca_issuers_url;       /* the same */
};
/* The TBSCertificate of a leaf: what of it a profile is asked for is in pki/profile.h. */
void cert_write_leaf_tbs(const struct issuer *i, const struct profile *p, const struct leaf_request *r, struct buf *out);

/* The TBSCertificate of a CA certificate: root (path_len -1: none) or intermediate. issuer_name is the DER Name of the signer. */
struct ca_request {
	const uint8_t *serial;
	struct bytes subject, issuer_name;   /* DER Names, see name_write_ca() */
	struct bytes spki, authority_key_id; /* authority_key_id empty for a root */
	enum sig_alg alg;                    /* the signer's */
	int64_t not_before_s, not_after_s;
	int path_len;
	/* Of an intermediate alone; a root has none of them (Baseline Requirements §7.1.2.1, §7.1.2.6). */
	uint32_t purposes;                    /* CERT_ bits for extKeyUsage */
	struct bytes crl_url, ca_issuers_url; /* http: where the signer's list and certificate are; empty: not named */
	const struct name_constraint *permitted;
	size_t
	    n_permitted; /* 0: no nameConstraints. Else what is not permitted is excluded: names, addresses, and no other type can be certified */
};
/* A subtree (RFC 5280 §4.2.1.10): a dNSName, or an address and its mask. */
struct name_constraint {
	enum san_type type;
	struct bytes value; /* "example.org"; 8 or 32 bytes */
};
void cert_write_ca_tbs(const struct ca_request *r, struct buf *out);
/* The TBSCertificate of a key that signs OCSP answers in an issuer's name (RFC 6960 §4.2.2.2; Baseline Requirements §7.1.2.8): nobody asks
 * whether it is revoked (id-pkix-ocsp-nocheck), so it lives shortly. */
#define RESPONDER_LIFETIME_MAX_S (31 * 86400)
struct responder_request {
	const uint8_t *serial;
	struct bytes spki;
	int64_t not_before_s, not_after_s; /* inclusive */
};
void cert_write_responder_tbs(const struct issuer *i, const struct responder_request *r, struct buf *out);
/* As lint_leaf_tbs(), by a reader of its own. */
enum err_code lint_responder_tbs(struct bytes tbs, const struct issuer *i, const struct responder_request *r, struct err *e) MUST_USE;
/* A DER Name of O (may be empty) and CN, UTF8String. */
void name_write_ca(struct bytes organization, struct bytes common_name, struct buf *out);
/* The same behind C (two letters, PrintableString; may be empty), in the order of the Baseline Requirements §7.1.4.2. */
void name_write_ca_of(struct bytes country, struct bytes organization, struct bytes common_name, struct buf *out);
/* RFC 7093 §2 method 1: the left 160 bits of SHA-256 over the public key's BIT STRING content. */
void cert_key_id(struct bytes spki, uint8_t out[20]);

/* Certificate ::= tbs, AlgorithmIdentifier, signature. */
void cert_write_signed(struct bytes tbs, enum sig_alg alg, struct bytes signature, struct buf *out);
/* Signs tbs with the issuer's key and appends the whole certificate. */
enum err_code cert_sign(const struct key *k, struct bytes tbs, struct buf *out, struct err *e) MUST_USE;

/* What extKeyUsage allows; others are CERT_OTHER_PURPOSE. */
enum { CERT_SERVER_AUTH = 1, CERT_CLIENT_AUTH = 2, CERT_OCSP_SIGNING = 4, CERT_OTHER_PURPOSE = 8, CERT_ANY_PURPOSE = 0xffff };

/* A certificate taken apart; views into the input. */
struct cert {
	struct bytes tbs;    /* with its header, as signed */
	struct bytes serial; /* the INTEGER's content, with a leading zero where it has one (RFC 9773 §4.1 wants it so) */
	struct bytes issuer_name, subject_name, spki; /* with their headers */
	struct bytes signature;
	enum sig_alg alg;
	int64_t not_before_s, not_after_s;
	struct san *names; /* arena; dNSNames and iPAddresses as they are and in their order, other types left out */
	size_t n_names;
	struct bytes subject_key_id, authority_key_id; /* ptr NULL when absent */
	uint32_t purposes;                             /* CERT_ bits of extKeyUsage; CERT_ANY_PURPOSE without one */
	bool is_ca; /* basicConstraints says so, and keyUsage, where there is one, lets it sign certificates */
};
/* MALFORMED for what is no DER certificate of version 3, has an extension twice or a signature algorithm that is not in sig.def.
 * Other extensions are passed over, critical or not: reading is not validating. */
enum err_code cert_parse(struct arena *a, struct bytes der, struct cert *ret, struct err *e) MUST_USE;
/* An issuer from its certificate (a CA's, else CONFIG). `key` may be NULL: then the public key from the certificate. Takes a
 * reference of the key; issuer_free() gives it back. The certificate's bytes are copied. */
enum err_code issuer_new(struct bytes certificate, struct key *key, struct issuer **ret, struct err *e) MUST_USE;
void issuer_free(struct issuer *i);
DEFINE_CLEANUP(struct issuer *, issuer_free);

/* The same look as lint_leaf_tbs() at a root's or an intermediate's, against request, RFC 5280 and Baseline Requirements §7.1.2.1,
 * §7.1.2.6. BUG with the rule that is broken. */
enum err_code lint_ca_tbs(struct bytes tbs, const struct ca_request *r, struct err *e) MUST_USE;

/* Reads the exact TBS bytes that are about to be signed, with no code shared with the writer but the DER reader, and holds them
 * against profile, request and RFC 5280 / Baseline Requirements §7.1.2.7. BUG with the rule that is broken: then nothing is
 * signed. */
enum err_code lint_leaf_tbs(struct arena *a, struct bytes tbs, const struct issuer *i, const struct profile *p,
    const struct leaf_request *r, struct err *e) MUST_USE;

#endif
