/* One issuance's dealings with the server: nonces, signed requests, waiting, the deadline. Private to this room. */
#ifndef CHANCERY_CLIENT_SESSION_H
#define CHANCERY_CLIENT_SESSION_H

#include "client/failure.h"
#include "client/keys.h"
#include "client/session_io.h"

#define SESSION_URL_MAX   2048
#define SESSION_NONCE_MAX 512
#define SESSION_CAA_MAX   16

/* The resources that a client needs (RFC 8555 §7.1.1). */
struct directory {
	const char *new_nonce, *new_account, *new_order;
	const char *revoke_cert, *key_change, *renewal_info; /* NULL: the server has none */
	const char *terms;                                   /* NULL: none */
	bool external_account, has_profiles;
	const char *caa[SESSION_CAA_MAX]; /* what CAA records name */
	size_t n_caa;
};

struct session {
	struct chancery_error *error;
	struct session_io io;
	struct arena *arena;   /* lives as long as the session */
	struct arena *scratch; /* of one request and its answer: reset by the next */
	const struct chancery_key *account;
	const char *account_url; /* the kid; NULL until it is known */
	struct directory directory;
	int64_t deadline_ms;               /* monotonic */
	char nonce[SESSION_NONCE_MAX + 1]; /* "": none in stock */
	char doing[512];                   /* for messages */
	chancery_progress_fn *progress;
	void *progress_context;
};

/* Says what is done now, for the message of a failure. */
void session_doing(struct session *s, const char *fmt, ...) PRINTF(2, 3);
/* Tells the caller; CRYPTO with a note when it asks to stop. */
enum err_code session_tell(struct session *s, struct err *e, enum chancery_step step, const char *fmt, ...) MUST_USE PRINTF(4, 5);

/* Calls out to the caller: *ret is what f returns. TIMEOUT: the outcome, which it would tell later, did not come before the deadline. */
enum err_code session_call(
    struct session *s, enum session_call_kind kind, int (*f)(void *arg), void *arg, int *ret, struct err *e) MUST_USE;
/* Signs for the caller's keys (keys_sign()). what: whose key it is ("the account key"), for the hint. */
enum err_code session_sign(struct session *s, const struct chancery_key *k, enum sig_form form, struct bytes message, const char *what,
    uint8_t *sig, size_t *ret_len, struct err *e) MUST_USE;
/* A callback failed: CRYPTO with a note. hint may be NULL. */
enum err_code session_stopped(struct session *s, const char *why, const char *hint, struct err *e) MUST_USE;

/* A URL from the server, into the session's arena: https, printable ASCII, at most SESSION_URL_MAX. MALFORMED otherwise;
 * `what` names it. */
enum err_code session_url(struct session *s, struct bytes url, const char *what, const char **ret, struct err *e) MUST_USE;

/* GETs and reads the directory. */
enum err_code session_open(struct session *s, const char *directory_url, struct err *e) MUST_USE;

/* A plain GET, which needs no account. As with session_post(), 2xx is a success. */
enum err_code session_get(struct session *s, const char *url, struct http_client_answer *ret, struct err *e) MUST_USE;

/* A signed POST (RFC 8555 §6.2); payload absent: POST-as-GET (§6.3). By the account's URL once it is known, else by its key.
 * Any answer of 2xx is a success; problem documents become the error, noted in s->error. badNonce, 429 and 503 with Retry-After
 * and failures of the transport on a POST-as-GET are tried again within bounds and the deadline. The answer lives until the next
 * request. */
enum err_code session_post(
    struct session *s, const char *url, struct bytes payload, const char *accept, struct http_client_answer *ret, struct err *e) MUST_USE;

/* Sleeps before the n-th poll (from 0): as long as the server's last answer says, else a short and growing while. TIMEOUT at once
 * when the deadline would pass in a wait that the server asks for; a wait of our own ends with the deadline. `why` for the caller. */
enum err_code session_pause(struct session *s, const struct http_client_answer *last, unsigned n, const char *why, struct err *e) MUST_USE;

#endif
