/* One certificate from one CA: asked for by the network process, which asks back for signatures and for answers to challenges to be put in place. */
#ifndef CHANCERY_AGENT_ISSUE_CALL_H
#define CHANCERY_AGENT_ISSUE_CALL_H

#include "agent/ca_call.h"
#include "agent/tsig_key.h"
#include "agent/wish.h"

struct issue_call {
	struct crew *crew;
	const struct wish *wish;
	const struct ca_wish *ca; /* with its account */
	struct bytes key;         /* the certificate key's public half, whose slot is "certificate" */
	const char *resume;       /* an order of an earlier run; NULL: none */
	/* The order is made; what fails here ends the call, which says why. May be NULL. */
	enum err_code (*order_made)(void *context, const char *url, struct err *e);
	struct bytes replaces; /* PEM of the certificate that it takes the place of; ptr NULL: none */
	/* As chancery_progress_fn: 0 to go on. */
	chancery_progress_fn *progress;
	void *context;
};
/* What came, in the arena; checked by the network process alone: chain_check() is the caller's. */
struct issued {
	struct bytes fullchain; /* PEM, leaf first */
	size_t leaf_len;
	const char *certificate_url, *order_url, *account_url;
	int64_t not_before_s, not_after_s;
};
/* ERR_OK with *out telling what the CA said; *ret is filled when that is CHANCERY_OK. */
enum err_code issue_call(const struct issue_call *c, struct arena *a, struct issued *ret, struct outcome *out, struct err *e) MUST_USE;
/* The member "dns_update" of an operation, where the wish has one; tsig is filled, and the caller's to free. */
enum err_code issue_put_update(const struct wish *w, struct tsig_key *tsig, struct json_out *j, struct err *e) MUST_USE;
/* The member "resolvers". */
void issue_put_resolvers(const struct wish *w, struct json_out *j);
/* Listens for challenges of this type as the wish says, and hands the sockets to the network process for its next operation. CONFIG: the port cannot be had. */
enum err_code issue_hand_sockets(struct crew *crew, struct arena *a, const struct wish *w, const char *type, struct err *e) MUST_USE;

#endif
