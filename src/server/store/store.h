/* What the front keeps: accounts, orders, authorizations with their challenges and receipts, certificates, the signer's
 * checkpoints. One unit of work is one function here; its effects are durable when it returns, together with those of whoever
 * waits at the same time, or have not happened at all. Plain blocking calls for worker threads. */
#ifndef CHANCERY_SERVER_STORE_H
#define CHANCERY_SERVER_STORE_H

#include "acme/identifier.h"
#include "acme/state.h"
#include "base/arena.h"
#include "base/err.h"

#define STORE_ACCOUNT_ID 32 /* the thumbprint of the account's first key */
#define STORE_ORDER_ID   30
#define STORE_AUTHZ_ID   16 /* 6 bytes of time (ms), 10 random */
#define STORE_SERIAL     16
#define STORE_NAMES_MAX  100

struct store;

struct store_account {
	uint8_t id[STORE_ACCOUNT_ID];
	enum account_state state;
	struct bytes jwk;       /* of its present key, canonical: its SHA-256 is the key's thumbprint */
	struct bytes contacts;  /* JSON array text */
	bool terms_agreed;      /* to whatever terms there were */
	struct bytes terms_url; /* the ones that it agreed to; empty: none */
	struct bytes eab_kid;   /* of the external account key that it is bound to; empty: to none */
	struct bytes eab;       /* the externalAccountBinding as it was sent, JSON object text; empty with eab_kid */
	int64_t created_s;
};

struct store_challenge {
	enum challenge_type type;
	enum challenge_state state;
	struct bytes token;
	int64_t validated_s;  /* 0: not */
	struct bytes problem; /* problem document's JSON text; empty: none */
};
#define STORE_CHALLENGES_MAX 8

struct store_authz {
	uint8_t id[STORE_AUTHZ_ID];
	uint8_t account[STORE_ACCOUNT_ID];
	uint8_t order[STORE_ORDER_ID]; /* the order that made it; zeros: a pre-authorization (RFC 8555 §7.4.1) */
	struct identifier identifier;
	enum authz_state state; /* as stored; AUTHZ_EXPIRED is computed by the reader from expires_s */
	int64_t expires_s;
	uint32_t lifetime_s; /* how long it will hold once it is valid; 0: until expires_s */
	struct store_challenge challenges[STORE_CHALLENGES_MAX];
	size_t n_challenges;
	struct bytes control, caa; /* receipts; empty until valid */
	int64_t caa_s;             /* when the newest one came; 0: none did */
};

struct store_order {
	uint8_t id[STORE_ORDER_ID];
	uint8_t account[STORE_ACCOUNT_ID];
	enum order_state state;
	int64_t created_s, expires_s;
	int64_t not_before_s, not_after_s; /* as the order asks; 0: it does not */
	struct bytes profile;              /* the name; empty in orders of before profiles were stored */
	struct bytes replaces;             /* the certificate's name as the order has it (RFC 9773 §5); empty: none */
	struct identifier *identifiers;
	size_t n_identifiers;
	uint8_t (*authz)[STORE_AUTHZ_ID]; /* as many as identifiers, in their order */
	struct bytes new_order;           /* the signed request */
	struct bytes finalize;            /* the signed request that is being or was issued for; empty before */
	struct bytes problem;             /* JSON text; empty: none */
	uint8_t serial[STORE_SERIAL];     /* of the certificate when valid */
	/* Read only, of pending and ready ones: until when none of its authorizations has ended; the oldest look at CAA for them, 0: none. */
	int64_t holds_s, caa_s;
};

struct store_certificate {
	uint8_t serial[STORE_SERIAL];
	uint8_t order[STORE_ORDER_ID];
	uint8_t account[STORE_ACCOUNT_ID];
	int64_t not_before_s, not_after_s;
	struct bytes der;
	struct bytes chain; /* wire: DER certificates above it */
	int64_t revoked_s;  /* 0: it is not */
	uint8_t reason;     /* RFC 5280 §5.3.1 */
	bool replaced;      /* by the order below (RFC 9773 §5) */
	uint8_t replaced_by[STORE_ORDER_ID];
};

/* Opens or makes the database "store.db" in the folder path (a path, for SQLite), brings it to the newest schema (numbered
 * migrations compiled in) and starts the writer thread. CONFIG when the database is newer than this program. */
enum err_code store_open(const char *folder, struct store **ret, struct err *e) MUST_USE;
/* Ends the writer after what it has. */
void store_close(struct store *s);

/* Reads are on a pool of read-only connections and see the last commit. NOT_FOUND when there is no such row; memory is the
 * arena's. */
enum err_code store_get_account(
    struct store *s, struct arena *a, const uint8_t id[STORE_ACCOUNT_ID], struct store_account *ret, struct err *e) MUST_USE;
enum err_code store_get_order(
    struct store *s, struct arena *a, const uint8_t id[STORE_ORDER_ID], struct store_order *ret, struct err *e) MUST_USE;
enum err_code store_get_authz(
    struct store *s, struct arena *a, const uint8_t id[STORE_AUTHZ_ID], struct store_authz *ret, struct err *e) MUST_USE;
enum err_code store_get_certificate(
    struct store *s, struct arena *a, const uint8_t serial[STORE_SERIAL], struct store_certificate *ret, struct err *e) MUST_USE;
/* The newest checkpoint of the signer; empty when there is none. */
enum err_code store_get_checkpoint(struct store *s, struct arena *a, struct bytes *ret, struct err *e) MUST_USE;

/* By the thumbprint of a key. NOT_FOUND: no account has it; CONFLICT: by a key change an account had it, or is about to have it. */
enum err_code store_find_account(
    struct store *s, struct arena *a, const uint8_t thumbprint[STORE_ACCOUNT_ID], struct store_account *ret, struct err *e) MUST_USE;

/* One page of an account's orders, the newest first: those that are neither invalid nor past their time (now_s). */
struct store_order_list {
	uint8_t (*ids)[STORE_ORDER_ID];
	size_t n;
	bool more; /* behind the last id that was looked at */
	uint8_t last[STORE_ORDER_ID];
};
/* max: ids of a page, 1 to 1000; before: the last id of the page before this one, NULL for the first. A page costs at most STORE_LIST_SCAN
 * rows, so that it may be short, or empty, and there may still be more. */
#define STORE_LIST_SCAN 2000
enum err_code store_list_orders(struct store *s, struct arena *a, const uint8_t account[STORE_ACCOUNT_ID], const uint8_t *before,
    size_t max, int64_t now_s, struct store_order_list *ret, struct err *e) MUST_USE;

/* Drops what has ended before ended_s, by whole days of its making: certificates; orders whose certificates are gone; authorizations that no order
 * rests on. In small transactions, as long as go_on() says so; what was left goes the next time. */
typedef bool store_go_on(void *ctx);
struct store_dropped {
	uint64_t certificates, orders, authzs;
};
enum err_code store_drop_ended(
    struct store *s, int64_t ended_s, store_go_on *go_on, void *ctx, struct store_dropped *ret, struct err *e) MUST_USE;

/* Ids of a table, the highest first: of certificates and orders the newest. before: the last id of the page before; NULL: the first page. ids:
 * room for max of store_id_size(). Fewer than max: there are no more. */
enum store_table { STORE_CERTIFICATES, STORE_ORDERS, STORE_ACCOUNTS, STORE_TABLE__MAX };
size_t store_id_size(enum store_table t);
enum err_code store_scan(
    struct store *s, enum store_table table, const uint8_t *before, size_t max, uint8_t *ids, size_t *ret_n, struct err *e) MUST_USE;

/* Makes the account unless there is one with this id, or its key is or was an account's: *ret_made tells. */
enum err_code store_add_account(struct store *s, const struct store_account *account, bool *ret_made, struct err *e) MUST_USE;
/* Changes of a valid account; UNAUTHORIZED when it is not valid any more. Terms: what was agreed to. */
enum err_code store_set_contacts(struct store *s, const uint8_t id[STORE_ACCOUNT_ID], struct bytes contacts, struct err *e) MUST_USE;
enum err_code store_set_terms(struct store *s, const uint8_t id[STORE_ACCOUNT_ID], struct bytes url, struct err *e) MUST_USE;
/* valid -> deactivated, for good. Doing it twice is success. */
enum err_code store_deactivate_account(struct store *s, const uint8_t id[STORE_ACCOUNT_ID], struct err *e) MUST_USE;
/* Another key in the place of the old one, by compare-and-set. Doing it twice is success. CONFLICT: the new key is or was an account's;
 * UNAUTHORIZED: the account has neither of the two now, or is not valid.
 * Before the signer is asked the key is promised to the account (CONFLICT as above), so that nobody makes another account of it meanwhile,
 * or when the signer has agreed and we died; what the signer refuses is withdrawn. */
struct store_rollover {
	uint8_t id[STORE_ACCOUNT_ID];
	struct bytes old_jwk, new_jwk; /* canonical */
	uint8_t old_thumbprint[STORE_ACCOUNT_ID], new_thumbprint[STORE_ACCOUNT_ID];
};
enum err_code store_promise_key(struct store *s, const struct store_rollover *r, struct err *e) MUST_USE;
enum err_code store_withdraw_key(struct store *s, const struct store_rollover *r, struct err *e) MUST_USE;
enum err_code store_change_key(struct store *s, const struct store_rollover *r, struct err *e) MUST_USE;
/* The order and those of its authorizations that are new, in one step. replaced: the serial of the certificate that it replaces, which is marked
 * as such; NULL: none. ALREADY_REPLACED when another order that is not invalid does. */
enum err_code store_add_order(struct store *s, const struct store_order *order, const struct store_authz *authz, size_t n_authz,
    const uint8_t *replaced, struct err *e) MUST_USE;
/* A pre-authorization: no order's. */
enum err_code store_add_authz(struct store *s, const struct store_authz *authz, struct err *e) MUST_USE;

/* What a valid authorization must be to serve a new order. */
struct store_reuse {
	const uint8_t *account;
	int64_t until_s;     /* it expires after this */
	int64_t validated_s; /* and was validated not before this */
	uint32_t challenges; /* by one of these types: a bit each */
};
/* For each of the n identifiers (same name and same wildcard) an authorization that is, newest end first; found[i] tells where there is
 * one, and its id is in ids[i]. */
enum err_code store_find_valid(struct store *s, const struct store_reuse *r, const struct identifier *identifiers, size_t n, bool *found,
    uint8_t (*ids)[STORE_AUTHZ_ID], struct err *e) MUST_USE;
/* pending or valid -> deactivated (RFC 8555 §7.5.2); one that is already stays so. CONFLICT else. Orders that rest on it are invalid from
 * then on, see store_order.holds_s. */
enum err_code store_deactivate_authz(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], struct err *e) MUST_USE;

/* pending -> processing by compare-and-set: CONFLICT when the challenge is in any other state or another one of the authorization is
 * processing (somebody else began), BUSY when very many are being validated. processing is held in memory and costs no durable write; a restart finds the challenge pending. */
enum err_code store_begin_challenge(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type, struct err *e) MUST_USE;
/* processing -> pending for a challenge whose validation will not end: nobody could be asked, or the end could not be stored.
 * Nothing when it is not processing. */
void store_abandon_challenge(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type);
/* Whether one of the authorization's challenges is processing. Costs no look at the database. */
bool store_is_processing(struct store *s, const uint8_t authz[STORE_AUTHZ_ID]);
/* A validation's end: challenge processing -> valid (with receipts) or invalid (with the problem), the authorization with it (which then
 * expires its lifetime from now on), and its order: ready when all of its authorizations are valid, invalid when this one failed. CONFLICT when the challenge is not
 * processing. After STORE, BUSY or NOMEM it still is: the caller tries again, or abandons it. */
struct store_validation {
	uint8_t authz[STORE_AUTHZ_ID];
	enum challenge_type type;
	bool valid;
	int64_t now_s;
	struct bytes control, caa; /* when valid */
	struct bytes problem;      /* when not */
};
enum err_code store_end_challenge(struct store *s, const struct store_validation *v, struct err *e) MUST_USE;
/* A newer CAA receipt of a valid authorization; CONFLICT when it is not valid any more. */
enum err_code store_set_caa(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], struct bytes caa, int64_t caa_s, struct err *e) MUST_USE;

/* ready -> processing with the signed finalize request, CONFLICT else. */
enum err_code store_begin_finalize(struct store *s, const uint8_t order[STORE_ORDER_ID], struct bytes finalize, struct err *e) MUST_USE;
/* ready or processing -> valid with its certificate, in one step (an order may go straight from ready to valid, so that the common case
 * costs one durable write). CONFLICT when the order is in another state. Storing the same serial again is success. */
enum err_code store_end_finalize(
    struct store *s, const uint8_t order[STORE_ORDER_ID], struct bytes finalize, const struct store_certificate *c, struct err *e) MUST_USE;
/* processing -> ready (may be tried again; the finalize request is forgotten) or processing or ready -> invalid with a problem.
 * CONFLICT else. */
enum err_code store_fail_finalize(
    struct store *s, const uint8_t order[STORE_ORDER_ID], bool retry, struct bytes problem, struct err *e) MUST_USE;
/* Orders in processing (after a restart they are driven on), at most max ids. */
enum err_code store_list_processing(
    struct store *s, struct arena *a, size_t max, uint8_t (**ret_ids)[STORE_ORDER_ID], size_t *ret_n, struct err *e) MUST_USE;

/* A part of the rate limits' state in place of the one of its number; an empty one takes it away. */
enum err_code store_put_limits(struct store *s, uint32_t number, struct bytes part, struct err *e) MUST_USE;
/* The part with the next number after this one (-1: the first); NOT_FOUND behind the last. */
struct store_limits {
	uint32_t number;
	struct bytes part;
};
enum err_code store_next_limits(struct store *s, struct arena *a, int64_t after, struct store_limits *ret, struct err *e) MUST_USE;

/* What the signer has logged. A certificate that is revoked already stays so, with the reason of now. NOT_FOUND when there is none. */
enum err_code store_revoke_certificate(
    struct store *s, const uint8_t serial[STORE_SERIAL], int64_t time_s, uint8_t reason, struct err *e) MUST_USE;

enum err_code store_add_checkpoint(struct store *s, struct bytes checkpoint, struct err *e) MUST_USE;

#endif
