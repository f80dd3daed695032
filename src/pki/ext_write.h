/* Extensions that several structures carry: certificates, requests and revocation lists. Private to the room. */
#ifndef CHANCERY_PKI_EXT_WRITE_H
#define CHANCERY_PKI_EXT_WRITE_H

#include "pki/der.h"
#include "pki/name.h"
#include "pki/oid.h"

/* A whole Extension (RFC 5280 §4.1); between the two calls its value is written. */
struct extension {
	struct der_mark whole, value;
};
struct extension extension_open(struct buf *b, enum oid id, bool critical);
void extension_close(struct buf *b, struct extension x);

/* subjectAltName (RFC 5280 §4.2.1.6), the names in the order given. */
void san_write(const struct san *names, size_t n_names, bool critical, struct buf *out);
/* id-pe-tlsfeature with status_request (RFC 7633 §6). */
void tls_feature_write(struct buf *out);
/* authorityKeyIdentifier with the keyIdentifier alone (RFC 5280 §4.2.1.1). */
void authority_key_id_write(struct bytes key_id, struct buf *out);
/* The field distributionPoint: [0], a DistributionPointName whose fullName is this one URL (RFC 5280 §4.2.1.13). A certificate's
 * cRLDistributionPoints and the list's issuingDistributionPoint must agree in it (RFC 5280 §6.3.3 (b)(2)(i)), so both are
 * written here. */
void distribution_point_write(struct bytes url, struct buf *out);

#endif
