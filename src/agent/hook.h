/* Challenges solved by programs of the user's, in the dialects of other clients, so that people bring what they have. */
#ifndef CHANCERY_AGENT_HOOK_H
#define CHANCERY_AGENT_HOOK_H

#include "agent/crew.h"
#include "base/arena.h"
#include "base/err.h"

#include <chancery/chancery.h>

enum hook_dialect {
#define X(code, name, say, http, dns, tls, what) HOOK_##code,
#include "agent/dialect.def"
#undef X
	HOOK__MAX
};
bool hook_dialect_from_name(const char *name, enum hook_dialect *ret);
/* All names, with commas and `last` before the last one; services: those whose "programs" are URLs too. In the arena, "" without memory. */
const char *hook_dialect_names(struct arena *a, bool services, const char *last);
/* Whether programs of this dialect solve challenges of this type. */
bool hook_dialect_solves(enum hook_dialect d, const char *type);

/* Whether programs of this dialect are run once, when the last answer of all is known: then nothing else can solve a part of them. */
bool hook_dialect_is_chain(enum hook_dialect d);
/* Whether "programs" of this dialect are services at a URL. */
bool hook_dialect_is_url(enum hook_dialect d);

struct hook_wish {
	enum hook_dialect dialect;
	const char *program;      /* or the URL */
	const char *clean_up;     /* certbot's second one; NULL: none. Of the others it is the program itself */
	const char *const *names; /* all of the certificate's, for what a dialect tells of them */
	size_t n_names;
	uint32_t timeout_s;          /* of each run */
	const char *login, *ca_file; /* of a service, as struct httpreq has them; NULL: none */
};
struct hook;
/* The wish's strings and the crew, whose hooks process runs it, must live as long as the hook. */
enum err_code hook_new(const struct hook_wish *wish, struct crew *crew, struct hook **ret, struct err *e) MUST_USE;
void hook_free(struct hook *h);
DEFINE_CLEANUP(struct hook *, hook_free);
/* chancery_deploy_fn and chancery_clean_up_fn; the context is the hook. A program that fails is a failure; of uacme's dialect one that declines. */
chancery_deploy_fn hook_deploy;
chancery_clean_up_fn hook_clean_up;
/* Why the last deploy failed, with the program's own last line; "" when none did. */
const char *hook_failure(const struct hook *h);

#endif
