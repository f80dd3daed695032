/* What counts against which rate limit, and when.
 *
 * - A new account counts for its client's address and range.
 * - A new order counts for the account. It is refused where a limit on its certificate has been reached already, or too many validations of
 *   one of its names have failed for this account; but what it counts for domains and names is nothing: else a stranger, who need not
 *   show control of anything to make orders, could use up another's limits.
 * - Finalizing counts for each registered domain and for the set of names, all before the signer is asked; it is given back when no
 *   certificate comes of it.
 * - A failed validation counts for account and name, when the failure is the applicant's.
 *
 * A renewal that ARI announces is `exempt`: its order and its certificate count nothing. The caller knows it: the first order that
 * `replaces` a certificate whose window has begun (RFC 9773 §5). Failed validations keep it back all the same. */
#ifndef CHANCERY_SERVER_FRONT_CHARGES_H
#define CHANCERY_SERVER_FRONT_CHARGES_H

#include "server/front/front.h"

/* Each is RATE_LIMITED as limits_spend() tells it, with nothing charged. */
enum err_code charge_new_account(struct front *f, const uint8_t address[16], int64_t now_ms, struct err *e) MUST_USE;
void refund_new_account(struct front *f, const uint8_t address[16], int64_t now_ms);
/* Reads account and identifiers. */
enum err_code charge_new_order(
    struct front *f, struct arena *a, const struct store_order *order, bool exempt, int64_t now_ms, struct err *e) MUST_USE;
void refund_new_order(struct front *f, const struct store_order *order, bool exempt, int64_t now_ms);
enum err_code charge_certificate(
    struct front *f, struct arena *a, const struct store_order *order, bool exempt, int64_t now_ms, struct err *e) MUST_USE;
void refund_certificate(struct front *f, struct arena *a, const struct store_order *order, bool exempt, int64_t now_ms);
/* Whether one more validation may begin. */
enum err_code charge_validation(
    struct front *f, const uint8_t account[STORE_ACCOUNT_ID], const struct identifier *id, int64_t now_ms, struct err *e) MUST_USE;
void charge_failed_validation(struct front *f, const uint8_t account[STORE_ACCOUNT_ID], const struct identifier *id, int64_t now_ms);

/* What an operator wants counted anew: limit by its name, and as text what it counts for: an address, an account's id, a domain, names with commas
 * between, or "ACCOUNT NAME". *ret: whether anything was counted. CONFIG: there is no such limit, or it counts for something else. */
enum err_code charges_forget(struct front *f, struct bytes limit, struct bytes text, bool *ret, struct err *e) MUST_USE;
/* How it stands now. */
struct limit_state;
enum err_code charges_look(struct front *f, struct bytes limit, struct bytes text, struct limit_state *ret, struct err *e) MUST_USE;

#endif
