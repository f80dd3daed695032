/* Inside the resolver: libunbound's contexts, each with a cache of its own.
 *
 * Most questions go to one that lives as long as the resolver does. A TXT record is put there for the validation that asks for it, so
 * its answer must not be older than the question; but libunbound has no question that goes past its cache. So these go to a context
 * that has not been asked for that name yet: it is followed by another one when a name comes a second time, when an answer was none or
 * led to another name (which it may have been asked for before), and after so many names. Delegations and keys are shared as long as it
 * lives. */
#ifndef CHANCERY_DNS_CONTEXT_H
#define CHANCERY_DNS_CONTEXT_H

#include "dns/resolver.h"

#include <unbound.h>

struct contexts;
struct context;

#define CONTEXTS_MAX      16  /* fresh ones at a time: while all are busy the newest serves on, whatever it knows */
#define CONTEXT_NAMES_MAX 256 /* of a fresh one */

/* Copies the configuration. CONFIG with the value at fault. */
enum err_code contexts_new(struct event_base *base, const struct resolver_config *c, struct contexts **ret, struct err *e) MUST_USE;
/* Nothing may be under way. */
void contexts_free(struct contexts *c);
DEFINE_CLEANUP(struct contexts *, contexts_free);
bool contexts_validate(const struct contexts *c); /* there are trust anchors */
/* How many were made, for tests. */
unsigned contexts_made(const struct contexts *c);

/* For one question, until context_release(). */
enum err_code contexts_take(struct contexts *c, struct bytes name, bool fresh, struct context **ret, struct err *e) MUST_USE;
struct ub_ctx *context_of(const struct context *x);
/* Whether it is a fresh one that was asked for other names too. */
bool context_is_shared(const struct context *x);
/* Not from within libunbound. spent: a fresh one is not to be asked again. */
void context_release(struct context *x, bool spent);

#endif
