/* One ACME request on its way to its resource: the route that took it, who signed it, and what it says. */
#ifndef CHANCERY_SERVER_FRONT_REQUEST_H
#define CHANCERY_SERVER_FRONT_REQUEST_H

#include "jose/jws.h"
#include "server/front/front.h"

/* Who must have signed. */
enum route_auth {
	AUTH_NONE,   /* GET and HEAD; also POST-as-GET by an account (RFC 8555 §7.1: a directory may be fetched so) */
	AUTH_JWK,    /* POST signed by the key that the request carries */
	AUTH_KID,    /* POST signed by an account */
	AUTH_EITHER, /* POST signed by an account, or by a key that the request carries (RFC 8555 §7.6) */
	AUTH_PAGE,   /* a page for people: GET, HEAD and a form's POST, without a JWS; its handler looks at what it gets */
};
/* What a POST must carry. */
enum route_payload { PAYLOAD_EMPTY, PAYLOAD_OBJECT, PAYLOAD_EITHER };
enum route_flag {
	ROUTE_PLAIN = 0,
	ROUTE_QUERY = 1,     /* its URL may have a query, which is signed with the rest */
	ROUTE_ANY_TERMS = 2, /* also for an account that has not agreed to the present terms of service */
	ROUTE_READS = 4,     /* its POST-as-GET changes nothing that has to be durable: it is handled where it was read, without a worker */
	ROUTE_QUICK = 8,     /* so are all its requests */
};

struct acme_request {
	struct http_request *http;
	struct front *front;
	struct bytes id; /* what the route's "*" stands for; the second "*" in id2 */
	struct bytes id2;
	struct jws jws;                    /* with AUTH_JWK and AUTH_KID */
	struct key *key;                   /* the account's; freed after the handler */
	uint8_t account[STORE_ACCOUNT_ID]; /* with AUTH_KID its id; with AUTH_JWK the key's thumbprint */
	uint8_t terms[TERMS_TAG_SIZE];     /* with AUTH_KID: those that the account agreed to */
	int64_t now_ms;
};

/* What a problem carries beside the err's own; all views in the request's arena, or empty. */
struct problem_more {
	struct bytes instance; /* the URL of a page for people (RFC 7807 §3.1) */
	struct bytes terms;    /* URL, for Link: rel=terms-of-service (RFC 8555 §7.3.3) */
	struct bytes location;
	struct bytes allow;
};

/* Where a handler writes its answer. The body is a buffer of its own, given back after it was sent. */
struct reply {
	struct http_response http;
	struct buf body;
	bool with_nonce;          /* a Replay-Nonce also on what is no POST */
	bool parked;              /* the handler has handed the request to somebody who will answer */
	bool not_here;            /* it is for a worker */
	bool page;                /* for people: none of what ACME answers have */
	struct problem_more more; /* for the problem, when the handler fails */
};

typedef enum err_code route_handler(struct acme_request *r, struct reply *ret, struct err *e);

struct route {
	const char *path; /* "*" stands for one segment of base64url or name characters */
	enum route_auth auth;
	enum route_payload payload;
	unsigned flags; /* route_flag */
	route_handler *handler;
};

/* The handler of http_server_new(): finds the route, authenticates, calls, answers. */
http_handler front_handle;
http_problem_fn front_server_problem;

/* Sends a finished reply, or the problem that err tells, with a nonce; adds what every ACME answer has. Ends the request. more: may be
 * NULL. */
void front_answer(struct front *f, struct http_request *http, struct reply *reply, bool with_nonce);
void front_answer_error(struct front *f, struct http_request *http, const struct err *err, const struct problem_more *more);

/* The problem document (RFC 8555 §6.7, RFC 7807) as JSON. */
void problem_json(const struct err *err, struct buf *out);

void reply_field(struct reply *r, const char *name, struct bytes value);
/* Sets status and JSON type of a reply whose body is written. */
void reply_json(struct reply *r, int status);

/* base-url + path, in the request's arena. */
struct bytes front_url(struct acme_request *r, const char *fmt, ...) PRINTF(2, 3);

/* ACCOUNT_ENDED unless the account may still ask for anything. */
enum err_code account_check(enum account_state state, struct err *e) MUST_USE;

/* Ids as they stand in URLs. */
enum err_code order_id_read(struct bytes text, uint8_t out[STORE_ORDER_ID], struct err *e) MUST_USE;
enum err_code authz_id_read(struct bytes text, uint8_t out[STORE_AUTHZ_ID], struct err *e) MUST_USE;

/* The handlers, one file each. */
route_handler get_directory, get_profiles, new_nonce, new_account, post_account, new_authz, new_order, post_order, post_finalize,
    post_authz, post_challenge, post_certificate, get_renewal_info, revoke_cert, post_account_orders, post_key_change, terms_page;

#endif
