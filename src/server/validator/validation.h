/* One validation: the challenge and CAA side by side, or CAA alone, within one deadline; the receipts, or the first problem. */
#ifndef CHANCERY_SERVER_VALIDATOR_VALIDATION_H
#define CHANCERY_SERVER_VALIDATOR_VALIDATION_H

#include "server/identity.h"
#include "server/messages.h"
#include "server/validator/method.h"

#define PERSPECTIVE "local"

struct validation;

struct validation_env {
	struct event_base *base;
	struct fetcher *fetcher;
	struct tls_prober *prober;
	struct policy *policy; /* held by each validation until its end */
	const struct identity *identity;
};
enum validation_parts {
	VALIDATION_WHOLE,     /* an address has no CAA all the same (RFC 8659 is about names) */
	VALIDATION_CAA_ALONE, /* of a name that was validated before: the token is not looked at */
};
struct validation_result {
	struct bytes name; /* that was asked about */
	enum challenge_type method;
	struct validated validated;
	unsigned redirects;
};
/* Called once, later, from the loop, unless cancelled; the result is gone after the call. */
typedef void validation_done(void *ctx, const struct validation_result *result);

/* Copies the request. Fails at once for what no host has to be asked about: a token that is not ours or too old (UNAUTHORIZED),
 * an identifier of a kind that the method does not cover, or what is none (MALFORMED), what the policy refuses or nobody can own
 * (REJECTED_IDENTIFIER). */
enum err_code validation_start(const struct validation_env *env, const struct validate *v, enum validation_parts parts,
    validation_done *done, void *ctx, struct validation **ret, struct err *e) MUST_USE;
void validation_cancel(struct validation *v);

#endif
