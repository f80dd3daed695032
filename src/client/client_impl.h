/* What the public handle of a client is made of, and the frame of what it does at a CA. Private to this room. */
#ifndef CHANCERY_CLIENT_CLIENT_IMPL_H
#define CHANCERY_CLIENT_CLIENT_IMPL_H

#include "client/engine.h"

enum solve_by { SOLVE_NOT, SOLVE_CALLBACK, SOLVE_WEBROOT, SOLVE_LISTENER, SOLVE_SOCKETS };

/* How challenges of one type are solved. */
struct way {
	enum solve_by by;
	struct solver callback; /* SOLVE_CALLBACK */
	char *place;            /* the web root, or the listener's address (NULL: all) */
	uint16_t port;
	int sockets[2]; /* SOLVE_SOCKETS */
};

struct event;

struct chancery_client {
	struct chancery_error error;
	char *directory_url, *ca_file, *ca_pem;
	char user_agent[160];
	struct chancery_key *account;
	char *contacts[ENGINE_CONTACTS_MAX];
	size_t n_contacts;
	bool terms_agreed;
	char *eab_kid, *eab_key; /* NULL: none */
	char *profile, *replaces, *preferred_chain, *resume;
	bool must_staple, only_existing;
	chancery_before_order_fn *before_order;
	void *before_context;
	chancery_order_fn *order_made;
	void *order_context;
	char *account_url; /* of the last work */
	uint32_t timeout_s;
	struct way ways[CHALLENGE_TYPE__MAX];
	enum challenge_type order[CHALLENGE_TYPE__MAX]; /* as they were set */
	size_t n_ways;
	chancery_ready_fn *ready;
	void *ready_context;
	chancery_progress_fn *progress;
	void *progress_context;
	bool busy;                   /* an operation runs */
	struct event *event;         /* NULL until it is used event-driven */
	const struct session_io *io; /* NULL: what a test plays instead of the network */
};

/* Whether a call is not over yet, with CHANCERY_USAGE noted. */
bool client_is_busy(struct chancery_client *c);
/* Fail, or succeed, with nothing else noted. */
enum chancery_result client_usage(struct chancery_client *c, const char *what);
enum chancery_result client_nomem(struct chancery_client *c);
enum chancery_result client_ok(struct chancery_client *c);
/* Replaces a setting that the handle owns; value may be NULL. */
enum chancery_result client_set_string(struct chancery_client *c, char **to, const char *value);

/* Cancels what runs. */
void event_free(struct event *v);

/* One thing that is done at a CA: a session with its bounds. */
struct work {
	struct chancery_client *client;
	struct session s;
};
enum err_code work_directory(struct work *w, struct err *e) MUST_USE;
/* The directory, then the account, which is found or made. */
enum err_code work_account(struct work *w, struct err *e) MUST_USE;

/* A call of the public header: what was given to it, how it is done, and what came of it. */
struct operation {
	enum err_code (*run)(struct work *w, struct operation *o, struct err *e);
	/* The caller's while it blocks, else copies. */
	const char *const *names;
	size_t n_names;
	const char *pem;
	struct chancery_key *key;
	enum chancery_reason reason;

	struct chancery_error error;
	struct chancery_certificate *certificate; /* NULL: none came */
	struct chancery_renewal renewal;
	bool has_renewal;
};

/* Straight through, on whatever stack it is called. What came of it, errors too, is in o. */
void operation_do(struct chancery_client *c, const struct session_io *io, struct operation *o);
/* Does it and blocks until it is over. */
enum chancery_result client_run(struct chancery_client *c, struct operation *o);
/* Begins it: the steps are chancery_client_step()'s. What o points to is copied. */
enum chancery_result client_begin(struct chancery_client *c, const struct operation *o);
/* What came of it becomes what the client has to tell. */
enum chancery_result client_end(struct chancery_client *c, struct operation *o);
/* HTTP with the client's settings. */
enum err_code client_http(const struct chancery_client *c, struct http_client **ret, struct err *e) MUST_USE;

#endif
