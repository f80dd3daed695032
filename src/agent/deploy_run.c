/* Programs of a deployment, and what they are told of it. */
#include "agent/deploy_target.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRONMENT_MAX 24

/* --- steps --- */

const char *deploy_kind_name(enum deploy_kind k)
{
	static const char *const names[] = { "pre-hook", "install", "find", "test", "reload", "look", "deploy-hook", "post-hook",
		"roll-back" };

	return names[k];
}

void deploy_note(struct deploy_job *j, enum deploy_kind kind, const char *of, bool good, const char *detail)
{
	const char *kept = arena_str(j->arena, bytes_str(detail));
	struct deploy_step s = { kind, of, good, kept ? kept : "" };

	if (j->n_steps < DEPLOY_STEPS_MAX)
		j->steps[j->n_steps++] = s;
	if (j->tell)
		j->tell(j->context, &s);
}

void deploy_put(const struct deploy_job *j, struct json_out *w)
{
	json_put_member_bool(w, "rolled_back", j->rolled_back);
	json_put_key(w, "steps");
	json_put_array(w);
	for (size_t i = 0; i < j->n_steps; i++) {
		json_put_object(w);
		json_put_member_str(w, "step", deploy_kind_name(j->steps[i].kind));
		json_put_member_str(w, "of", j->steps[i].of);
		json_put_member_bool(w, "good", j->steps[i].good);
		json_put_member_str(w, "detail", j->steps[i].detail);
		json_end_object(w);
	}
	json_end_array(w);
}

/* --- the environment --- */

struct environment {
	struct arena *a;
	const char *v[ENVIRONMENT_MAX + 1];
	size_t n;
};

static void variable(struct environment *env, const char *name, const char *value)
{
	const char *text = (const char *)arena_fmt(env->a, "%s=%s", name, value).ptr;

	if (text && env->n < ENVIRONMENT_MAX)
		env->v[env->n++] = text;
}

static const char *joined(const struct deploy_job *j, char with)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);

	for (size_t i = 0; i < j->n_names; i++) {
		if (i > 0)
			buf_add_u8(&out, (uint8_t)with);
		buf_add_str(&out, j->names[i]);
	}
	const char *text = arena_str(j->arena, buf_bytes(&out));
	return text ? text : "";
}

/* Timers often have a PATH without the folders of servers. */
static const char *path_of(struct arena *a)
{
	const char *path = getenv("PATH");
	const char *all = (const char *)arena_fmt(a, "%s:/usr/local/sbin:/usr/sbin:/sbin", path && *path ? path : "/usr/bin:/bin").ptr;

	return all ? all : "";
}

/* certbot's words: RENEWED_LINEAGE and RENEWED_DOMAINS for deploy hooks, RENEWED_DOMAINS and FAILED_DOMAINS for post hooks. lego's (v5): LEGO_HOOK_*. */
static void tell(struct environment *env, struct deploy_job *j, enum deploy_kind kind, bool failed)
{
	const char *domains = joined(j, ' ');

	variable(env, "PATH", path_of(env->a));
	if (kind == DEPLOY_POST_HOOK)
		variable(env, "FAILED_DOMAINS", failed ? domains : "");
	if (kind != DEPLOY_PRE_HOOK)
		variable(env, "RENEWED_DOMAINS", failed ? "" : domains);
	variable(env, "LEGO_HOOK_CERT_NAME", j->name);
	variable(env, "LEGO_HOOK_CERT_NAME_SANITIZED", j->name);
	variable(env, "LEGO_HOOK_CERT_DOMAINS", joined(j, ','));
	if (j->server)
		variable(env, "LEGO_HOOK_ACCOUNT_SERVER", j->server);
	if (j->key_type)
		variable(env, "LEGO_HOOK_CERT_KEY_TYPE", j->key_type);
	if (kind == DEPLOY_PRE_HOOK || failed)
		return;
	variable(env, "RENEWED_LINEAGE", deploy_path(j, "live"));
	variable(env, "LEGO_HOOK_CERT_PATH", deploy_path(j, "live/fullchain.pem"));
	variable(env, "LEGO_HOOK_CERT_KEY_PATH", deploy_path(j, "live/privkey.pem"));
	variable(env, "LEGO_HOOK_ISSUER_CERT_PATH", deploy_path(j, "live/chain.pem"));
	for (size_t i = 0; i < j->wish->n_targets; i++)
		if (j->wish->targets[i].target->bundle)
			variable(env, "LEGO_HOOK_CERT_PEM_PATH", deploy_path(j, j->wish->targets[i].target->bundle));
}

/* --- running --- */

/* Where a program is; NULL: nowhere. */
static const char *find_program(struct arena *a, const char *name)
{
	struct bytes rest = bytes_str(path_of(a)), one, tail;

	if (strchr(name, '/'))
		return name;
	for (bool more = true; more;) {
		more = bytes_split(rest, ':', &one, &tail);
		if (!more)
			one = rest;
		rest = more ? tail : rest;
		const char *path = one.len ? (const char *)arena_fmt(a, "%.*s/%s", BYTES_FMT(one), name).ptr : NULL;
		if (path && access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

/* The same words, with the program's path. */
static const char **with_path(struct arena *a, const char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	const char **v = arena_array(a, n + 1, sizeof *v);
	for (size_t i = 0; v && i < n; i++)
		v[i] = argv[i];
	const char *path = v ? find_program(a, argv[0]) : NULL;
	if (path)
		v[0] = path;
	return v;
}

/* The last line that is not empty, as far as a terminal may show it. */
static void last_line(struct bytes text, struct buf *out)
{
	const uint8_t *end = text.ptr + text.len, *p;

	while (text.len > 0 && end > text.ptr && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
		end--;
	for (p = end; text.len > 0 && p > text.ptr && p[-1] != '\n'; p--)
		continue;
	while (text.len > 0 && p < end) {
		uint32_t c;
		size_t n = utf8_get(p, end, &c);
		if (n > 0 && utf8_is_printable(c))
			buf_add(out, (struct bytes){ p, n });
		else
			buf_add_u8(out, '?');
		p += n ? n : 1;
	}
	buf_add_u8(out, 0);
}

static enum err_code run(struct deploy_job *j, const char *const *argv, const char *const *env, struct run_result *result, struct err *e)
{
	struct run_request r = { .argv = with_path(j->arena, argv), .env = env, .timeout_s = j->wish->timeout_s };
	CLEANUP(buf_free_p) struct buf line = buf_new(1024);
	struct peer *runner;

	errno = 0;
	if (!r.argv)
		FAIL(e, NOMEM, "no memory to run %.120s", argv[0]);
	TRY(crew_runner(j->crew, &runner, e));
	enum err_code rc = runner_run(runner, &r, result, e);
	if (rc == ERR_CLOSED) { /* it has ended itself: the next program has another */
		peer_stop(runner);
		j->crew->runner = NULL;
	}
	TRY(rc);
	errno = 0;
	if (result->code == 0)
		return ERR_OK;
	last_line(buf_bytes(result->err.len ? &result->err : &result->out), &line);
	FAIL(e, CONFIG, "%.120s ended with exit code %d%s%.140s", argv[0], result->code, line.len > 1 ? ": " : "",
	    buf_ok(&line) && line.ptr ? (const char *)line.ptr : "");
}

static enum err_code run_told(
    struct deploy_job *j, enum deploy_kind kind, bool failed, const char *const *argv, struct bytes *ret_out, struct err *e)
{
	CLEANUP(run_result_free) struct run_result result = { .code = -1 };
	struct environment env = { .a = j->arena };

	tell(&env, j, kind, failed);
	TRY(run(j, argv, env.v, &result, e));
	if (ret_out)
		*ret_out = arena_copy(j->arena, buf_bytes(&result.out));
	return ERR_OK;
}

enum err_code deploy_run_words(struct deploy_job *j, const char *const *argv, struct err *e)
{
	return run_told(j, DEPLOY_RELOAD, false, argv, NULL, e);
}

enum err_code deploy_run_output(struct deploy_job *j, const char *const *argv, struct bytes *ret_out, struct err *e)
{
	TRY(run_told(j, DEPLOY_FIND, false, argv, ret_out, e));
	if (!ret_out->ptr)
		FAIL(e, NOMEM, "no memory for what %.60s says", argv[0]);
	return ERR_OK;
}

const char **deploy_words_config(struct deploy_run *r, const char *option, const char *const *argv)
{
	static const char *nothing[] = { "false", NULL };
	size_t n = 0, at = 0;

	while (argv[n])
		n++;
	const char **v = arena_array(r->arena, n + 3, sizeof *v);
	if (!v)
		return nothing;
	v[at++] = argv[0];
	if (r->wish->config) {
		v[at++] = option;
		v[at++] = r->wish->config;
	}
	for (size_t i = 1; i < n; i++)
		v[at++] = argv[i];
	return v;
}

static bool is_active(struct deploy_job *j, const char *unit)
{
	return deploy_run_words(j, DEPLOY_WORDS("systemctl", "is-active", "--quiet", unit), NULL) == ERR_OK;
}

bool deploy_reload_unit(struct deploy_run *r, const char *const *units, enum err_code *ret_rc, struct err *e)
{
	/* A configuration of its own is an instance of its own. */
	if (r->wish->config || access("/run/systemd/system", F_OK) != 0)
		return false;
	for (size_t i = 0; units[i]; i++)
		if (is_active(r->job, units[i])) {
			*ret_rc = deploy_run_words(r->job, DEPLOY_WORDS("systemctl", "reload", units[i]), e);
			return true;
		}
	return false;
}

const char *deploy_program(struct deploy_job *j, const char *const *names)
{
	for (size_t i = 0; names[i]; i++)
		if (find_program(j->arena, names[i]))
			return names[i];
	return names[0];
}

/* --- hooks --- */

static enum err_code run_hooks(struct deploy_job *j, enum deploy_kind kind, const struct deploy_commands *hooks, bool failed, struct err *e)
{
	enum err_code worst = ERR_OK;

	/* Post hooks set right what pre hooks did: each is run, whatever became of the one before. */
	for (size_t i = 0; i < hooks->n && (worst == ERR_OK || kind == DEPLOY_POST_HOOK); i++) {
		struct err why = { 0 };
		enum err_code rc = run_told(j, kind, failed, hooks->v[i], NULL, &why);
		deploy_note(j, kind, hooks->v[i][0], rc == ERR_OK, why.detail);
		if (rc != ERR_OK && worst == ERR_OK)
			worst = err_set(e, rc, __FILE__, __LINE__, "a %s failed: %.250s", deploy_kind_name(kind), why.detail);
	}
	return worst;
}

enum err_code deploy_run_hooks(struct deploy_job *j, enum deploy_kind kind, const struct deploy_commands *hooks, struct err *e)
{
	return run_hooks(j, kind, hooks, false, e);
}

enum err_code deploy_before(struct deploy_job *j, struct err *e)
{
	return run_hooks(j, DEPLOY_PRE_HOOK, &j->wish->pre, false, e);
}

enum err_code deploy_after(struct deploy_job *j, bool failed, struct err *e)
{
	return run_hooks(j, DEPLOY_POST_HOOK, &j->wish->post, failed, e);
}
