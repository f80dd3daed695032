/* The chains that this CA gives with its certificates: those in the signer's folder now, and the one that the log begins with. */
#ifndef CHANCERY_SERVER_ADMIN_CA_CHAINS_H
#define CHANCERY_SERVER_ADMIN_CA_CHAINS_H

#include "base/arena.h"
#include "base/err.h"

struct ca_chains;
/* Of the folder's issuers; what cannot be read as a chain is passed over: the signer is the one to complain. */
enum err_code ca_chains_read(int signer_folder, struct ca_chains **ret, struct err *e) MUST_USE;
void ca_chains_free(struct ca_chains *c);
/* One more, unless there is one of this issuer. pem: its certificate and those above it, without the root. */
enum err_code ca_chains_add(struct ca_chains *c, struct bytes pem, struct err *e) MUST_USE;
/* As it is stored (wire: certificates in DER); empty: none is known of this issuer. */
struct bytes ca_chains_find(const struct ca_chains *c, struct bytes issuer_key_id);
/* Whether a stored chain begins with an issuer of this subjectKeyIdentifier. */
bool ca_chain_fits(struct bytes chain, struct bytes issuer_key_id);

#endif
