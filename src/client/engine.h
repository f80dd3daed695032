/* The order engine: account, order, authorizations, certificate (RFC 8555 §7). Private to this room. */
#ifndef CHANCERY_CLIENT_ENGINE_H
#define CHANCERY_CLIENT_ENGINE_H

#include "acme/identifier.h"
#include "acme/state.h"
#include "client/session.h"

#define ENGINE_NAMES_MAX    100
#define ENGINE_CONTACTS_MAX 8

struct solver {
	chancery_deploy_fn *deploy; /* NULL: such challenges cannot be solved */
	chancery_clean_up_fn *clean_up;
	void *context;
	/* What the solver knows of why it did not work; "" when nothing. May be NULL. */
	const char *(*tell)(void *context);
};
/* All of them, and which is preferred. */
struct solvers {
	struct solver of[CHALLENGE_TYPE__MAX];
	enum challenge_type order[CHALLENGE_TYPE__MAX];
	size_t n;
	chancery_ready_fn *ready;
	void *ready_context;
};

struct account_wish {
	const char *contacts[ENGINE_CONTACTS_MAX];
	size_t n_contacts;
	bool terms_agreed;
	bool only_existing;            /* none is made */
	const char *eab_kid, *eab_key; /* NULL: none; the key in base64url */
};

/* Finds the account of the session's key, or makes it; then the session knows its URL. */
enum err_code account_open(struct session *s, const struct account_wish *wish, struct err *e) MUST_USE;

/* An order on its way. */
struct order {
	const char *url, *finalize, *certificate; /* certificate: NULL until the order is valid */
	enum order_state state;
	const char **authz_urls;
	size_t n_authz;
};

/* NULL: not asked for. */
struct order_wish {
	const char *profile;
	const char *replaces; /* as RFC 9773 §4.1 names a certificate; left out when the server does not take it */
};
/* Places an order for these names. */
enum err_code order_new(
    struct session *s, const struct identifier *names, size_t n, const struct order_wish *wish, struct order *ret, struct err *e) MUST_USE;
/* An order that is there: when it is of these names and not over. NOT_FOUND: it is not. */
enum err_code order_resume(
    struct session *s, const char *url, const struct identifier *names, size_t n, struct order *ret, struct err *e) MUST_USE;
/* Gets every authorization valid: deploys, asks the server to look, waits, cleans up whatever happens. */
enum err_code authz_solve_all(struct session *s, const struct order *o, const struct identifier *names, size_t n,
    const struct solvers *solvers, struct err *e) MUST_USE;
/* From `ready` (or still `pending`, which then passes by itself) to `valid`. */
enum err_code order_finalize(struct session *s, struct order *o, struct bytes csr, struct err *e) MUST_USE;
/* The PEM chain as sent; lives as long as the session. url: the order's, or one of the alternates. */
#define ALTERNATES_MAX 8
struct download {
	struct bytes pem;
	const char *alternates[ALTERNATES_MAX]; /* further chains (RFC 8555 §7.4.2) */
	size_t n_alternates;
};
enum err_code order_download(struct session *s, const char *url, struct download *ret, struct err *e) MUST_USE;

#endif
