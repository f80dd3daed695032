/* Revocation lists inside the signer; what the process needs of them is in signer.h. */
#ifndef CHANCERY_SERVER_SIGNER_LISTS_H
#define CHANCERY_SERVER_SIGNER_LISTS_H

#include "server/signer/revoke.h"

void lists_free(struct ca_issuer *i);
/* What there is of them, into the counts. */
void lists_count(const struct signer *s, struct signer_counts *c);
/* For certificates and lists alike; empty when none are published. In the arena; ptr NULL: no memory. */
struct bytes signer_crl_url(const struct signer *s, struct arena *a, const struct ca_issuer *i, uint8_t shard);
/* The shard of the next certificate. */
uint8_t signer_shard(const struct signer *s);

#endif
