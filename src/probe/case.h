/* What cases are made of. Private to this room and its tests.
 *
 * A case is a row: the requirement, the function that holds the server against it, and the mutant: a change to the server's answer after
 * which the case must fail. The mutants are run by run_testing.c: so each case is known to look at what it says it looks at. */
#ifndef CHANCERY_PROBE_CASE_H
#define CHANCERY_PROBE_CASE_H

#include "base/json.h"
#include "crypto/key.h"
#include "http/client.h"
#include "probe/probe.h"

/* --- mutants --- */

enum mutant_op {
	MUTANT_NONE, /* no mutant: not allowed in a case */
	MUTANT_STATUS,
	MUTANT_SET_FIELD,   /* at: name; to: value, in place of all of that name */
	MUTANT_DROP_FIELD,  /* at: name */
	MUTANT_SET_MEMBER,  /* at: path; to: JSON text */
	MUTANT_DROP_MEMBER, /* at: path */
	MUTANT_BODY,        /* to: the whole body */
	MUTANT_PEM_SWAP,    /* first and second block change places */
	MUTANT_PEM_SPOIL,   /* the first block's content is changed */
	MUTANT_PEM_ALONE,   /* all but the first block are dropped */
};
struct mutant {
	enum mutant_op op;
	const char *at, *to;
	int status;
	unsigned nth; /* which of the case's judged exchanges, from 1; 0: all of them */
};
#define M_STATUS(s)        .mutant = { .op = MUTANT_STATUS, .status = (s) }
#define M_STATUS_OF(n, s)  .mutant = { .op = MUTANT_STATUS, .status = (s), .nth = (n) }
#define M_JSON_OF(n, p, t) .mutant = { .op = MUTANT_SET_MEMBER, .at = (p), .to = (t), .nth = (n) }
#define M_OP(o)            .mutant = { .op = (o) }
#define M_SET(name, value) .mutant = { .op = MUTANT_SET_FIELD, .at = (name), .to = (value) }
#define M_DROP(name)       .mutant = { .op = MUTANT_DROP_FIELD, .at = (name) }
#define M_JSON(path, text) .mutant = { .op = MUTANT_SET_MEMBER, .at = (path), .to = (text) }
#define M_LOSE(path)       .mutant = { .op = MUTANT_DROP_MEMBER, .at = (path) }
#define M_BODY(text)       .mutant = { .op = MUTANT_BODY, .to = (text) }
#define M_TYPE(urn)        .mutant = { .op = MUTANT_SET_MEMBER, .at = "type", .to = "\"urn:ietf:params:acme:error:" urn "\"" }

/* --- resources and features --- */

/* Those that are asked by signed requests. For each there is one good request (subject.c), which cases then spoil or judge. */
enum subject {
	ON_NEW_ACCOUNT, /* onlyReturnExisting for the main account */
	ON_ACCOUNT,
	ON_ORDERS,
	ON_NEW_ORDER,
	ON_NEW_AUTHZ,
	ON_ORDER, /* pending */
	ON_AUTHZ, /* pending */
	ON_CHALLENGE,
	ON_FINALIZE, /* of an order that is pending: a good one is answered by orderNotReady */
	ON_CERTIFICATE,
	ON_REVOKE_CERT,
	ON_KEY_CHANGE, /* with a wrong oldKey */
	ON__MAX
};
#define SET(s) (1u << (s))

/* What a server may leave out; a case that needs it is then skipped. */
enum feature {
	NEED_NEW_AUTHZ = 1 << 0,
	NEED_ARI = 1 << 1,
	NEED_PROFILES = 1 << 2,
	NEED_EAB = 1 << 3, /* required by the server, and a key was given */
	NEED_TOS = 1 << 4,
	NEED_REVOKE = 1 << 5,
	NEED_KEY_CHANGE = 1 << 6,
};

/* --- requests --- */

/* An account, or one that is to be. */
struct actor {
	struct key *key;
	const char *url; /* NULL: not registered */
};

enum by { BY_KID, BY_JWK, BY_BOTH, BY_NEITHER };

/* What is wrong with a signed request. */
enum defect {
	DEFECT_NONE,
	DEFECT_NO_NONCE,
	DEFECT_NONCE_UNKNOWN,
	DEFECT_NONCE_USED,
	DEFECT_NONCE_FORM, /* not base64url */
	DEFECT_NO_URL,
	DEFECT_NO_ALG,
	DEFECT_ALG_NONE,
	DEFECT_ALG_HS256, /* MACed by the public key's bytes */
	DEFECT_ALG_UNKNOWN,
	DEFECT_ALG_OTHER,       /* ES384 with a key of P-256 */
	DEFECT_SIGNATURE_OTHER, /* by another key */
	DEFECT_SIGNATURE_DER,   /* RFC 3279's form */
	DEFECT_SIGNATURE_EMPTY,
	DEFECT_PAYLOAD_OTHER, /* another than was signed */
	DEFECT_PADDED,        /* base64 with its padding */
	DEFECT_UNPROTECTED,   /* a header member outside */
	DEFECT_GENERAL,       /* the general serialisation, of two signatures */
	DEFECT_COMPACT,
	DEFECT_B64, /* RFC 7797: unencoded payload */
	DEFECT_CRIT,
	DEFECT_DETACHED, /* no payload member (RFC 7515 Appendix F) */
	DEFECT_NOT_JSON,
	DEFECT_EMPTY, /* no body at all */
};

struct ask {
	bool judged; /* an exchange that mutants change */
	enum http_client_method method;
	const char *url, *signed_url; /* signed_url NULL: the same */
	const struct actor *as;
	enum by by;
	const char *payload;                             /* NULL: POST-as-GET */
	const char *content_type, *accept, *kid, *nonce; /* NULL: what is right */
	const char *alg, *jwk;                           /* jwk: the object's text; NULL: the key's */
	const char *more[4];                             /* header lines */
	enum defect defect;
};

/* Fills what every request has. An unsigned one has no actor. */
#define ASK(...) ((struct ask){ .method = HTTP_CLIENT_POST, __VA_ARGS__ })
#define GET(...) ((struct ask){ .method = HTTP_CLIENT_GET, __VA_ARGS__ })

/* One exchange. Nonces are got and kept, badNonce is tried again unless nonces are what is wrong, 429 and 503 fail with BUSY. The
 * answer lives as long as the case. */
enum err_code probe_ask(struct probe *p, const struct ask *r, struct http_client_answer *ret, struct err *e) MUST_USE;
/* A nonce of our own from newNonce. */
enum err_code probe_nonce(struct probe *p, const char **ret, struct err *e) MUST_USE;

/* --- cases --- */

typedef enum err_code case_fn(struct probe *p, const struct probe_case *c, struct err *e);

/* The function's verdict is its code: OK passed, CONFIRM the requirement does not hold (the detail says what was seen), NOT_FOUND the
 * server does not offer it; anything else: it could not be run. */
struct probe_case {
	const char *id, *section;
	enum probe_level level;
	const char *must;
	case_fn *run;
	struct mutant mutant;
	unsigned needs; /* enum feature */
	/* For functions that several rows share. */
	enum subject on;
	enum defect defect;
	enum by by;
	const char *payload;
	const char *arg, *value, *type; /* type: of the problem that is due, without its prefix */
	int status;                     /* that is due; 0: any failure */
};

struct case_table {
	const struct probe_case *v;
	size_t n;
};
/* A row: what every one has, then the mutant (M_...) and whatever else its function looks at. */
#define CASE(i, s, l, m, r, ...)                                                              \
	{                                                                                     \
		.id = (i), .section = (s), .level = (l), .must = (m), .run = (r), __VA_ARGS__ \
	}
#define CASE_TABLE(name, rows) const struct case_table name = { (rows), sizeof(rows) / sizeof *(rows) }

/* Shared functions. */
/* The subject's good request with the row's defect, by and payload: a problem of that type and status. */
case_fn case_problem;
/* The subject's good request: 2xx, with the field `arg` (of `value`, if it is given). */
case_fn case_field;
/* The directory, asked anew: a member `arg` that is of the kind `value`. */
case_fn case_directory_member;
/* The subject's good request: `status`. */
case_fn case_status;
/* The subject's good request with the row's payload: 2xx. */
case_fn case_success;
/* The subject's good request with the row's payload: 2xx, with a member `arg` that is the text `value`; both may hold $NAME. */
case_fn case_text;
/* The subject's good request: 2xx, without the member `arg`. */
case_fn case_no_member;
/* The subject's good request: 2xx, with a member `arg` that is of the kind `value`: see want_kind(). */
case_fn case_member;

/* --- the row's subjects, and what there is of objects --- */

#define PROBE_AUTHZ_MAX 8

struct order_of {
	const struct actor *owner;
	const char *url, *finalize, *certificate;
	const char *authz[PROBE_AUTHZ_MAX];
	size_t n_authz;
	const char *challenge; /* the http-01 of the first authorization */
	struct key *key;       /* of its certificate */
	struct bytes pem;      /* the chain as sent */
	struct bytes leaf;     /* DER */
};

/* The good request. */
enum err_code subject_ask(struct probe *p, enum subject s, struct ask *ret, struct err *e) MUST_USE;
/* Asks it; CONFIRM unless it is a success. */
enum err_code subject_good(struct probe *p, enum subject s, struct http_client_answer *ret, struct err *e) MUST_USE;
/* "new-order" */
const char *subject_name(enum subject s);
unsigned subject_needs(enum subject s);

/* Made on first use and kept. `main` never validates anything; `issuer` has a certificate; `other` is somebody else. */
enum err_code probe_main(struct probe *p, const struct actor **ret, struct err *e) MUST_USE;
enum err_code probe_other(struct probe *p, const struct actor **ret, struct err *e) MUST_USE;
enum err_code probe_pending(struct probe *p, const struct order_of **ret, struct err *e) MUST_USE;
enum err_code probe_issued(struct probe *p, const struct order_of **ret, struct err *e) MUST_USE;

/* An order whose validation failed, as nothing answered. */
enum err_code probe_failed(struct probe *p, const struct order_of **ret, struct err *e) MUST_USE;

/* Made anew, for cases that use things up; they live as long as the case. */
enum err_code make_key(struct probe *p, enum key_type t, struct key **ret, struct err *e) MUST_USE;
enum err_code make_account(struct probe *p, struct actor **ret, struct err *e) MUST_USE;
enum err_code make_order(struct probe *p, const struct actor *owner, const char *payload, struct order_of **ret, struct err *e) MUST_USE;
/* A new account's order that is ready. */
enum err_code make_ready(struct probe *p, struct order_of **ret, struct err *e) MUST_USE;
/* pending to ready */
enum err_code solve_order(struct probe *p, struct order_of *o, struct err *e) MUST_USE;
/* ready to valid, with its certificate */
enum err_code finalize_order(struct probe *p, struct order_of *o, struct err *e) MUST_USE;
/* A certificate of the issuer's, made from nothing. */
enum err_code make_issued(struct probe *p, struct order_of **ret, struct err *e) MUST_USE;
/* Asks an order, authorization or challenge until its status is none of pending and processing; judged as given in `ask`. */
enum err_code poll_status(struct probe *p, const struct ask *r, struct http_client_answer *ret, struct err *e) MUST_USE;
/* What the listener answers for this token from now on, whatever it is; text NULL: nothing any more. */
enum err_code probe_serve(struct probe *p, const char *token, const char *text, struct err *e) MUST_USE;
/* {"csr": "..."} for these names by this key. */
enum err_code csr_payload(
    struct probe *p, const struct key *k, const char *const *names, size_t n, const char **ret, struct err *e) MUST_USE;

/* A newAccount payload with all that the server wants; the key that it is for matters for external account binding. */
enum err_code account_payload(struct probe *p, const struct key *key, const char **ret, struct err *e) MUST_USE;
/* Of an authorization's text: the place of its challenge of this type (-1: none), and a string member of the i-th (NULL: none). */
int challenge_index(struct probe *p, struct bytes authz, const char *type);
const char *challenge_member(struct probe *p, struct bytes authz, int i, const char *member);

/* The text with the first of the options' names for each $NAME; NULL stays. */
enum err_code with_name(struct probe *p, const char *text, const char **ret, struct err *e) MUST_USE;
/* The payload of a keyChange (RFC 8555 §7.3.5): the inner JWS, right but for what is said here. */
struct key_change {
	const struct actor *account;
	struct key *to;
	const struct key *old;               /* NULL: the account's */
	const char *account_url, *inner_url; /* NULL: what is right */
	const char *nonce;                   /* NULL: none, which is right */
	bool by_kid;                         /* the inner header has no jwk */
	enum defect defect;
};
enum err_code key_change_payload(struct probe *p, const struct key_change *k, const char **ret, struct err *e) MUST_USE;

/* --- the directory --- */

enum directory_url {
	URL_NEW_NONCE,
	URL_NEW_ACCOUNT,
	URL_NEW_ORDER,
	URL_NEW_AUTHZ,
	URL_REVOKE_CERT,
	URL_KEY_CHANGE,
	URL_RENEWAL_INFO,
	URL__MAX
};
/* NULL: not there. */
const char *probe_url(const struct probe *p, enum directory_url u);
const char *probe_directory_url(const struct probe *p);
/* meta, an object's text; absent when there is none. */
struct bytes probe_meta(const struct probe *p);
const char *probe_name(const struct probe *p, size_t i); /* the i-th of the options' names; NULL behind the last */
const struct probe_options *probe_options(const struct probe *p);
/* Of the case that runs. */
struct arena *probe_arena(const struct probe *p);

/* --- judging: CONFIRM with what was seen --- */

enum err_code want_status(const struct http_client_answer *x, int status, struct err *e) MUST_USE;
/* 2xx */
enum err_code want_success(const struct http_client_answer *x, struct err *e) MUST_USE;
/* A failure (status, if it is not 0) with a problem document of this type (any, if NULL). */
enum err_code want_problem(struct probe *p, const struct http_client_answer *x, int status, const char *type, struct err *e) MUST_USE;
/* The field's value; absent if it is not there (value_of) or CONFIRM. */
struct bytes value_of(const struct http_client_answer *x, const char *name);
enum err_code want_field(const struct http_client_answer *x, const char *name, struct bytes *ret, struct err *e) MUST_USE;
/* Any of its values is this one. */
enum err_code want_value(const struct http_client_answer *x, const char *name, const char *value, struct err *e) MUST_USE;
/* A Link with this relation; its target, as sent. */
enum err_code want_link(struct probe *p, const struct http_client_answer *x, const char *rel, const char **ret, struct err *e) MUST_USE;
bool has_link(struct probe *p, const struct http_client_answer *x, const char *rel, const char **ret);
/* The member at a path ("error.subproblems[0].type"), its JSON text; absent (member_of) or CONFIRM. */
struct bytes member_of(struct probe *p, struct bytes json, const char *path);
enum err_code want_member(struct probe *p, const struct http_client_answer *x, const char *path, struct bytes *ret, struct err *e) MUST_USE;
/* A string's content, in the case's arena, NUL-terminated. */
enum err_code want_string(struct probe *p, const struct http_client_answer *x, const char *path, const char **ret, struct err *e) MUST_USE;
enum err_code want_text(struct probe *p, const struct http_client_answer *x, const char *path, const char *text, struct err *e) MUST_USE;
/* kind: "string", "url" (https), "uri" (any), "array", "urls" (a non-empty array of them), "object", "bool", "time" (RFC 3339), "base64url", "uint", or
 * "a|b|c": one of these strings. */
enum err_code want_kind(struct probe *p, const struct http_client_answer *x, const char *path, const char *kind, struct err *e) MUST_USE;
/* Elements of the array at a path. */
enum err_code want_elements(
    struct probe *p, const struct http_client_answer *x, const char *path, struct bytes **ret_v, size_t *ret_n, struct err *e) MUST_USE;

#endif
