/* The revoked set: what the log says of certificates that may not be relied on any more, kept in memory. */
#ifndef CHANCERY_SERVER_SIGNER_REVOKE_H
#define CHANCERY_SERVER_SIGNER_REVOKE_H

#include "pki/crl.h"
#include "server/signer/state.h"

#define REVOKED_MAX (1u << 22)

/* One serial that stands in the lists. */
struct revoked_entry {
	uint8_t serial[SERIAL_SIZE];
	int64_t time_s;
	int64_t not_after_s; /* of a void serial: the issuer's, as it has no certificate */
	uint8_t reason;
	uint8_t issuer; /* index of s->issuers */
};

/* revoke.c: REVOKE. BAD_REVOCATION_REASON, ALREADY_REVOKED, NOT_FOUND for what is not ours, UNAUTHORIZED. */
enum err_code revoke_prepare(struct signer *s, struct arena *a, struct bytes body, int64_t now_ms, struct buf *event,
    struct bytes *ret_answer, struct err *e) MUST_USE;

/* revoked.c: what VOID, REVOKE and CRL records change. */
enum err_code revoked_take_void(struct signer *s, const struct record *r, struct err *e) MUST_USE;
enum err_code revoked_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;
enum err_code crl_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;
/* BUSY when no more fit: asked before anything is logged. */
enum err_code revoked_check_room(const struct signer *s, struct err *e) MUST_USE;
/* Whether an entry has been in a list that was made after its certificate's end, and so needs to be in no more (RFC 5280 §3.3). */
bool revoked_is_over(const struct signer *s, const struct revoked_entry *n);
/* BAD_CSR for a key that was revoked for its compromise (Baseline Requirements §6.1.1.3). */
enum err_code compromised_check(const struct signer *s, struct bytes spki, struct err *e) MUST_USE;

#endif
