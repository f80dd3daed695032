/* The keys that this CA gives out for external account binding (RFC 8555 §7.3.4): the file `eab` of the signer's folder, and what the log
 * tells of them: which were revoked, how often each was used. docs/protocol/operators.md describes the file. */
#ifndef CHANCERY_SERVER_SIGNER_EAB_H
#define CHANCERY_SERVER_SIGNER_EAB_H

#include "acme/policy.h"
#include "base/json.h"
#include "jose/eab.h"
#include "server/identity.h"
#include "server/signer/accounts.h"

#define FILE_EAB "eab"

#define EAB_KEYS_MAX     8192 /* revoked and expired ones too: an account's key is never forgotten */
#define EAB_FILE_MAX     (32u << 20)
#define EAB_KID_LEN      (2 * ACCOUNT_KID_SIZE) /* as text: lower-case hexadecimal digits, so that it never begins with a hyphen */
#define EAB_LABEL_MAX    128
#define EAB_NAMES_MAX    32 /* rules of a scope */
#define EAB_PROFILES_MAX 16

struct eab_key {
	uint8_t kid[ACCOUNT_KID_SIZE];
	uint8_t secret[EAB_SECRET_MAX];
	size_t secret_len;
	struct bytes label; /* for people */
	int64_t created_ms;
	uint32_t created_by; /* uid */
	int64_t expires_ms;  /* no account is bound by it from then on; 0: never */
	uint64_t uses_max;   /* accounts that it can bind; 0: any number */
	struct bytes names[EAB_NAMES_MAX];
	size_t n_names; /* rules (acme/policy.h) and ranges: what its accounts may have certified; 0: everything */
	struct bytes profiles[EAB_PROFILES_MAX];
	size_t n_profiles; /* 0: all */
	/* from the log */
	int64_t revoked_ms; /* 0: not */
	uint64_t uses;
	int64_t used_ms;          /* last; 0: never */
	struct name_policy scope; /* names as rules */
};

struct eab_keys;
/* dir: the signer's folder; it stays the caller's. A folder without the file has no keys. IO for a damaged file or another CA's. */
enum err_code eab_keys_load(int dir, const uint8_t instance[INSTANCE_SIZE], struct eab_keys **ret, struct err *e) MUST_USE;
void eab_keys_free(struct eab_keys *k);
DEFINE_CLEANUP(struct eab_keys *, eab_keys_free);

/* What an operator asks for. */
struct eab_request {
	struct bytes label;
	enum mac_alg alg;    /* the strongest MAC that the secret is long enough for */
	uint64_t lifetime_s; /* 0: no end */
	uint64_t uses_max;
	struct json_strings names, profiles;
};
/* Makes a key with a random secret; it is in the file when this returns, and not in memory when it fails. CONFIG for what is wrong with the
 * request; TOO_LARGE when there are too many. */
enum err_code eab_keys_add(
    struct eab_keys *k, const struct eab_request *r, int64_t now_ms, uint32_t uid, const struct eab_key **ret, struct err *e) MUST_USE;
/* NULL: there is none. kid as text. */
const struct eab_key *eab_keys_find(const struct eab_keys *k, struct bytes kid);
const struct eab_key *eab_keys_find_raw(const struct eab_keys *k, const uint8_t kid[ACCOUNT_KID_SIZE]);
size_t eab_keys_count(const struct eab_keys *k);
const struct eab_key *eab_keys_at(const struct eab_keys *k, size_t i); /* in the order that they were made in */

/* What the log says. A kid that is not there is passed over: its file is gone, and its accounts have no scope any more. */
void eab_keys_revoked(struct eab_keys *k, struct bytes kid, int64_t time_ms);
void eab_keys_expired(struct eab_keys *k, struct bytes kid, int64_t time_ms); /* before the time that it was made with */
void eab_keys_used(struct eab_keys *k, struct bytes kid, int64_t time_ms);

/* Whether one more account may be bound by it. UNAUTHORIZED: revoked, expired, used up. */
enum err_code eab_key_usable(const struct eab_key *k, int64_t now_ms, struct err *e) MUST_USE;
/* Whether an account that it has bound may have this name, and this profile. REJECTED_IDENTIFIER, UNAUTHORIZED. */
enum err_code eab_key_allows_name(const struct eab_key *k, const struct identifier *id, struct err *e) MUST_USE;
enum err_code eab_key_allows_profile(const struct eab_key *k, struct bytes profile, struct err *e) MUST_USE;

void eab_kid_text(const uint8_t kid[ACCOUNT_KID_SIZE], char out[EAB_KID_LEN + 1]);
bool eab_kid_parse(struct bytes text, uint8_t ret[ACCOUNT_KID_SIZE]);

#endif
