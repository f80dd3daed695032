/* What the signer knows of accounts: which key speaks for which account, and which speaks for none any more. An account's id is the
 * thumbprint of its first key; one that has never rolled its key over, was never bound and never deactivated is not here, and needs
 * not be: its key's thumbprint is its id. Rebuilt from the log at each start; nothing is ever forgotten. */
#ifndef CHANCERY_SERVER_SIGNER_ACCOUNTS_H
#define CHANCERY_SERVER_SIGNER_ACCOUNTS_H

#include "crypto/digest.h"

#define ACCOUNTS_MAX     (1u << 22) /* accounts, and keys, that are known at most: past it the signer is busy */
#define ACCOUNT_KEYS_MAX 1000       /* of one account in its life: no client can fill the table and the log alone */
#define ACCOUNT_KID_SIZE 10         /* of an external account key's id, see eab.h */

struct accounts;
struct accounts *accounts_new(void) MUST_USE;
void accounts_free(struct accounts *a);
DEFINE_CLEANUP(struct accounts *, accounts_free);

struct account_known {
	uint8_t id[SHA256_SIZE];
	uint8_t current[SHA256_SIZE]; /* thumbprint of the key that speaks for it */
	uint32_t n_keys;              /* with those that it had */
	bool deactivated;
	bool bound;
	uint8_t kid[ACCOUNT_KID_SIZE]; /* with bound */
};
/* The account that the key is, or was, of; NULL for a key that is in no account known here. Valid until the next change. */
const struct account_known *accounts_of_key(const struct accounts *a, const uint8_t thumbprint[SHA256_SIZE]);
/* The id of the account that the key speaks for, whether it is known here or not. UNAUTHORIZED for a key that was rolled over and for
 * a deactivated account. */
enum err_code accounts_speaking(
    const struct accounts *a, const uint8_t thumbprint[SHA256_SIZE], uint8_t ret_id[SHA256_SIZE], struct err *e) MUST_USE;
/* Whether the key is, or was, the account's. */
bool accounts_owns(const struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t thumbprint[SHA256_SIZE]);
/* Whether this rollover has happened already: `old` was the account's key directly before `fresh`. */
bool accounts_rolled(
    const struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t old[SHA256_SIZE], const uint8_t fresh[SHA256_SIZE]);

/* Makes room for n more changes: BUSY, NOMEM. Asked before anything is logged, so that the changes cannot fail afterwards. */
enum err_code accounts_reserve(struct accounts *a, size_t n, struct err *e) MUST_USE;
/* The account's key is `fresh` from now on. */
void accounts_roll(struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t fresh[SHA256_SIZE]);
void accounts_deactivate(struct accounts *a, const uint8_t id[SHA256_SIZE]);
void accounts_bind(struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t kid[ACCOUNT_KID_SIZE]);
size_t accounts_count(const struct accounts *a);
size_t accounts_keys(const struct accounts *a);

#endif
