/* Challenges that are being validated. The state `processing` of a challenge lives here and not in the database: a restart loses
 * the validations and would set it back to pending anyway, so a durable write for it would buy nothing. */
#ifndef CHANCERY_SERVER_STORE_INFLIGHT_H
#define CHANCERY_SERVER_STORE_INFLIGHT_H

#include "server/store/store.h"

#define INFLIGHT_MAX 16384 /* authorizations; what the validator works on at once is far below */

struct inflight;

struct inflight *inflight_new(void) MUST_USE; /* NULL without memory */
void inflight_free(struct inflight *f);

/* A claim on one challenge of an authorization. CONFLICT when this or another one of it is claimed: of several challenges answered at the
 * same time one is validated, and the result is the authorization's (RFC 8555 §7.1.6). BUSY when there are INFLIGHT_MAX. */
enum err_code inflight_claim(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type, struct err *e) MUST_USE;
/* From now on the claim's end is being stored: nobody takes it away or ends it. CONFLICT when there is no claim or
 * its end is being stored already. */
enum err_code inflight_begin_end(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type, struct err *e) MUST_USE;
/* Storing the end failed: the claim is as it was. */
void inflight_cancel_end(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type);
/* The end is stored, or there is nothing to end: the claim is gone. */
void inflight_end(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type);
/* Removes a claim, but not one whose end is being stored. */
void inflight_abandon(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type);

/* The challenge type of this authorization that is claimed, as a bit (1u << type); 0: none. */
uint32_t inflight_types(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID]);

#endif
