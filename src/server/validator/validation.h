/* One validation: the challenge and CAA side by side, within one deadline; both receipts, or the first problem. */
#ifndef CHANCERY_SERVER_VALIDATOR_VALIDATION_H
#define CHANCERY_SERVER_VALIDATOR_VALIDATION_H

#include "server/identity.h"
#include "server/messages.h"
#include "server/validator/fetch.h"
#include "server/validator/policy.h"

#define PERSPECTIVE "local"

struct validation;

struct validation_env {
	struct event_base *base;
	struct fetcher *fetcher;
	struct policy *policy; /* held by each validation until its end */
	const struct identity *identity;
};
struct validation_result {
	struct bytes name; /* that was asked about */
	struct validated validated;
	unsigned redirects;
};
/* Called once, later, from the loop, unless cancelled; the result is gone after the call. */
typedef void validation_done(void *ctx, const struct validation_result *result);

/* Copies the request. Fails at once for what no host has to be asked about: a token that is not ours or too old (UNAUTHORIZED),
 * a wildcard by a method that cannot show control of one, or what is no name (MALFORMED), what the policy refuses or nobody can own
 * (REJECTED_IDENTIFIER). */
enum err_code validation_start(const struct validation_env *env, const struct validate *v, validation_done *done, void *ctx,
    struct validation **ret, struct err *e) MUST_USE;
void validation_cancel(struct validation *v);

#endif
