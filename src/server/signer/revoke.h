/* The revoked set: what the log says of certificates that may not be relied on any more, kept in memory. */
#ifndef CHANCERY_SERVER_SIGNER_REVOKE_H
#define CHANCERY_SERVER_SIGNER_REVOKE_H

#include "pki/crl.h"
#include "server/signer/state.h"

#define REVOKED_MAX (1u << 22)

/* revoke.c: REVOKE. BAD_REVOCATION_REASON, ALREADY_REVOKED, NOT_FOUND for what is not ours, UNAUTHORIZED. */
enum err_code revoke_prepare(struct signer *s, struct arena *a, struct bytes body, int64_t now_ms, struct buf *event,
    struct bytes *ret_answer, struct err *e) MUST_USE;

/* revoked.c: what VOID, REVOKE and CRL records change. */
enum err_code revoked_take_void(struct signer *s, const struct record *r, struct err *e) MUST_USE;
enum err_code revoked_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;
enum err_code crl_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;
/* BUSY when no more fit: asked before anything is logged. */
enum err_code revoked_check_room(const struct signer *s, struct err *e) MUST_USE;
/* Of any issuer; NULL: it stands in no list. Valid until the next change. */
struct revoked_entry *revoked_find(const struct signer *s, const uint8_t serial[SERIAL_SIZE]);
/* The front is to hear of it with the next news. */
void revoked_tell(struct signer *s, const uint8_t serial[SERIAL_SIZE], int64_t time_s, uint8_t reason);
/* Forgets the entries of a shard that have been in a list that was made after their certificates' end (RFC 5280 §3.3), and sorts the others. */
void revoked_settle(struct signer *s, struct shard *x);
/* BAD_CSR for a key that was revoked for its compromise (Baseline Requirements §6.1.1.3). */
enum err_code compromised_check(const struct signer *s, struct bytes spki, struct err *e) MUST_USE;

#endif
