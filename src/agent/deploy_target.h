/* What a target of deployments is, for the files that are one, and what they share. */
#ifndef CHANCERY_AGENT_DEPLOY_TARGET_H
#define CHANCERY_AGENT_DEPLOY_TARGET_H

#include "agent/deploy.h"
#include "agent/runner.h"
#include "agent/web_config.h"

/* One target of one deployment. */
struct deploy_run {
	struct deploy_job *job;
	const struct deploy_target_wish *wish;
	struct arena *arena;
	const char *folder; /* FOLDER/NAME, absolute */
	struct deploy_places *places;
	bool reloaded; /* it was told to read the certificate, with or without success */
};
/* Where the servers' configurations say that the certificate is served. */
struct deploy_places {
	struct endpoint v[DEPLOY_ENDPOINTS_MAX];
	size_t n;
};
enum deploy_use { DEPLOY_USES, DEPLOY_USES_NOT, DEPLOY_UNKNOWN };

struct deploy_target {
	const char *name;
	/* For a person whose configuration does not use the certificate; @ stands for FOLDER/NAME. NULL: there are none. */
	const char *lines;
	/* A file of its own below FOLDER/NAME with key and certificates, which is made before all else; NULL: none. */
	const char *bundle;
	/* Whether the server's configuration names our files, and where they are served then. NULL: nobody can tell. */
	enum deploy_use (*uses)(struct deploy_run *r);
	/* NULL: there is nothing to test. A failure says what the server says. */
	enum err_code (*test)(struct deploy_run *r, struct err *e);
	enum err_code (*reload)(struct deploy_run *r, struct err *e);
};
#define X(code, name, structure, what) extern const struct deploy_target structure;
#include "agent/deploy_target.def"
#undef X
/* NULL: there is none of this name. */
const struct deploy_target *deploy_target_find(const char *name);

/* --- programs (deploy_run.c) --- */

/* Runs it with the hooks' environment; CONFIG when it ends with another code than 0, with its last line. */
enum err_code deploy_run_words(struct deploy_job *j, const char *const *argv, struct err *e) MUST_USE;
/* The same, and gives what it printed. */
enum err_code deploy_run_output(struct deploy_job *j, const char *const *argv, struct bytes *ret_out, struct err *e) MUST_USE;
#define DEPLOY_WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
/* The words of a command line with and without the person's own configuration: `option FILE` is added when there is one. */
const char **deploy_words_config(struct deploy_run *r, const char *option, const char *const *argv);
/* Reloads the first of these units that systemd runs; false: it runs none, or the target has a configuration of its own. */
bool deploy_reload_unit(struct deploy_run *r, const char *const *units, enum err_code *ret_rc, struct err *e);
/* The first of these programs that is there, else the first of all. */
const char *deploy_program(struct deploy_job *j, const char *const *names);
enum err_code deploy_run_hooks(struct deploy_job *j, enum deploy_kind kind, const struct deploy_commands *hooks, struct err *e) MUST_USE;
void deploy_note(struct deploy_job *j, enum deploy_kind kind, const char *of, bool good, const char *detail);

/* --- files (deploy_copy.c) --- */

/* Whether a path leads to a file of the live generation, to a bundle or to one of the copies. */
bool deploy_is_ours(const struct deploy_run *r, const char *path);
/* Writes all copies and bundles. What was there before is kept as PATH.previous until deploy_copies_keep() or _undo(). */
enum err_code deploy_copies_write(struct deploy_job *j, struct err *e) MUST_USE;
void deploy_copies_keep(struct deploy_job *j);
enum err_code deploy_copies_undo(struct deploy_job *j, struct err *e) MUST_USE;
const char *deploy_path(struct deploy_job *j, const char *file);

/* --- where it is served (deploy_seen.c) --- */

void deploy_place_add(struct deploy_run *r, const char *host, uint16_t port, enum endpoint_start start, const char *name);
/* The sites of a web server that name our files: adds their places. */
enum deploy_use deploy_uses_web(struct deploy_run *r, const struct web_config *c);
/* A name that is in the certificate, for a server that is asked: the first without a star. NULL: it has only addresses. */
const char *deploy_first_name(const struct deploy_job *j);
/* Waits for what is live to be seen at each of them; kind: DEPLOY_LOOK, or DEPLOY_ROLL_BACK, when that is the previous certificate. Ends with the first that
 * does not show it. */
enum err_code deploy_look_all(
    struct deploy_job *j, enum deploy_kind kind, const struct deploy_places *at, uint32_t wait_s, struct err *e) MUST_USE;

#endif
