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
};

/* Fail, or succeed, with nothing else noted. */
enum chancery_result client_usage(struct chancery_client *c, const char *what);
enum chancery_result client_nomem(struct chancery_client *c);
enum chancery_result client_ok(struct chancery_client *c);
/* Replaces a string that the handle owns; value may be NULL. */
enum chancery_result client_set_string(struct chancery_client *c, char **to, const char *value);

/* One thing that is done at a CA: a session with its bounds. */
struct work {
	struct chancery_client *client;
	struct session s;
};
/* work_close() also after a failure. */
enum err_code work_open(struct chancery_client *c, struct work *ret, struct err *e) MUST_USE;
void work_close(struct work *w);
enum err_code work_directory(struct work *w, struct err *e) MUST_USE;
/* The directory, then the account, which is found or made. */
enum err_code work_account(struct work *w, struct err *e) MUST_USE;

#endif
