/* A certificate that was stored is put to use: what serves it is tested, told to read it again, and looked at from outside. What does not serve it gets the
 * previous one back.
 *
 *	deploy_before()       pre hooks, before an order is made: a server may have to make room for a challenge
 *	deploy_certificate()  when `live` is switched: copies, then for each target test and reload, then the look from outside, then deploy hooks
 *	deploy_after()        post hooks, whatever came
 *
 * Nobody's configuration is written: servers name FOLDER/NAME/live/fullchain.pem and privkey.pem, which switch in one step, or a copy. One that names
 * neither is not reloaded, and the lines that are missing are told. */
#ifndef CHANCERY_AGENT_DEPLOY_H
#define CHANCERY_AGENT_DEPLOY_H

#include "agent/crew.h"
#include "agent/endpoint.h"
#include "base/given.h"
#include "base/json.h"
#include "client/storage.h"

#include <sys/types.h>

#define DEPLOY_TARGETS_MAX   8
#define DEPLOY_COPIES_MAX    16
#define DEPLOY_ENDPOINTS_MAX 16
#define DEPLOY_HOOKS_MAX     16
#define DEPLOY_STEPS_MAX     128
#define DEPLOY_KEYS_MAX      2

/* --- what is wanted --- */

struct deploy_target;
struct deploy_target_wish {
	const struct deploy_target *target;
	const char *config;          /* NULL: where it usually is */
	const char **test, **reload; /* words; NULL: the target's own */
};
enum deploy_what { DEPLOY_PRIVKEY, DEPLOY_CERT, DEPLOY_CHAIN, DEPLOY_FULLCHAIN, DEPLOY_BOTH };
struct deploy_copy {
	enum deploy_what what;
	const char *path;
	const char *owner, *group; /* names or numbers; NULL: ours */
	mode_t mode;
};
struct deploy_commands {
	const char **v[DEPLOY_HOOKS_MAX]; /* words */
	size_t n;
};
struct deploy_wish {
	struct deploy_target_wish targets[DEPLOY_TARGETS_MAX];
	size_t n_targets;
	struct deploy_copy copies[DEPLOY_COPIES_MAX];
	size_t n_copies;
	struct endpoint endpoints[DEPLOY_ENDPOINTS_MAX];
	size_t n_endpoints;
	bool unseen; /* --deploy-endpoint none */
	struct deploy_commands pre, deploy, post, command;
	uint32_t wait_s, timeout_s;
};
/* From the options deploy... and ...-hook of wish.def. Strings are in the arena or whose values were given. CONFIG with what is wrong and what is allowed. */
enum err_code deploy_read(struct arena *a, const struct given *g, struct deploy_wish *ret, struct err *e) MUST_USE;
/* Whether there is anything to do when a certificate is new. */
bool deploy_is_wanted(const struct deploy_wish *w);
/* The lines that a server's configuration needs to use the certificate of this folder (FOLDER/NAME). False: there is no such target. */
bool deploy_lines(const char *target, const char *folder, struct buf *out);

/* --- what is done --- */

enum deploy_kind {
	DEPLOY_PRE_HOOK,
	DEPLOY_INSTALL,
	DEPLOY_FIND, /* whether the server's configuration uses our files */
	DEPLOY_TEST,
	DEPLOY_RELOAD,
	DEPLOY_LOOK,
	DEPLOY_DEPLOY_HOOK,
	DEPLOY_POST_HOOK,
	DEPLOY_ROLL_BACK,
};
struct deploy_step {
	enum deploy_kind kind;
	const char *of; /* a target, a path, a program or an endpoint */
	bool good;
	const char *detail; /* what a person is told; "": nothing more */
};
/* "pre-hook", "test", ... */
const char *deploy_kind_name(enum deploy_kind k);

struct deploy_job {
	struct arena *arena;
	const struct deploy_wish *wish;
	const char *name;         /* of the certificate */
	const char *const *names; /* those in it */
	size_t n_names;
	const char *server, *key_type;         /* the CA's directory and lego's word for the key, for hooks; NULL: not known */
	struct crew *crew;                     /* for programs and looks */
	const char *suffixes[DEPLOY_KEYS_MAX]; /* of the files of each key\'s certificate: "", "-rsa" */
	size_t n_suffixes;
	struct storage *storage;
	const char *previous; /* the generation that was live before; NULL: none, or it is the same */
	char previous_id[STORAGE_ID_SIZE];
	/* Each step when it has been taken; may be NULL. */
	void (*tell)(void *context, const struct deploy_step *step);
	void *context;
	/* What came of it. */
	struct deploy_step steps[DEPLOY_STEPS_MAX];
	size_t n_steps;
	bool rolled_back; /* the previous generation is live again */
	bool deployed;    /* all of it is done */
};
/* CONFIG or TIMEOUT: a hook failed; deploy_after() is to be called all the same. */
enum err_code deploy_before(struct deploy_job *j, struct err *e) MUST_USE;
/* The certificate must be live already. The error says what went wrong, the steps say all of it. */
enum err_code deploy_certificate(struct deploy_job *j, struct err *e) MUST_USE;
/* failed: there is no new certificate, or it is not deployed. */
enum err_code deploy_after(struct deploy_job *j, bool failed, struct err *e) MUST_USE;
/* Notes, before the switch, that this generation has still to be put to use; deploy_certificate() forgets it when all is done. */
enum err_code deploy_pending_write(struct deploy_job *j, const char *id, struct err *e) MUST_USE;
void deploy_pending_done(struct deploy_job *j);
/* Makes live what an earlier run has got and could not put to use, or was ended before it had; previous is what to go back to then. False: there is nothing. */
bool deploy_pending_take(struct deploy_job *j);
/* The members "rolled_back" and "steps" of one object. */
void deploy_put(const struct deploy_job *j, struct json_out *w);

#endif
