#include "agent/hook.h"

#include "agent/httpreq.h"
#include "agent/runner.h"
#include "base/json.h"
#include "base/utf8.h"
#include "os/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUTS_MAX   100 /* challenges of a certificate */
#define WORDS_MAX     (2 + 3 * OUTPUTS_MAX)
#define VARIABLES_MAX 8

/* What an earlier run said on its standard output, for its clean-up (certbot's CERTBOT_AUTH_OUTPUT). */
struct output {
	char *token, *text;
};

/* Challenges that are solved by one run of the program. */
struct chain {
	struct {
		char *name, *token, *value;
	} v[OUTPUTS_MAX];
	size_t n, to_clean, cleaned;
	bool told; /* the program has been run */
};

struct hook {
	struct hook_wish wish;
	struct crew *crew;
	struct output outputs[OUTPUTS_MAX];
	size_t n_outputs;
	struct chain chain;
	char acme_sh[4096]; /* the program that has the functions which acme.sh's scripts call */
	char failure[512];
};

/* A program's words and environment, in an arena. */
struct command {
	struct arena *a;
	const char *argv[WORDS_MAX + 1], *env[VARIABLES_MAX + 1];
	size_t n_argv, n_env;
	size_t told; /* from which word on people know it as theirs */
	/* For a service instead of a program: what comes behind its URL, and the object that it gets. */
	const char *action;
	struct bytes object;
	bool nothing; /* there is nothing to run */
	bool no_memory;
};

static void word(struct command *c, const char *text)
{
	c->argv[c->n_argv++] = text;
}

static void variable(struct command *c, const char *name, const char *value)
{
	struct bytes text = arena_fmt(c->a, "%s=%s", name, value);

	c->no_memory = c->no_memory || !text.ptr;
	c->env[c->n_env++] = (const char *)text.ptr;
}

/* --- the dialects, one function each --- */

enum operation { DEPLOY, CLEAN_UP };

/* What a web server answers, or what stands in the record. */
static const char *value_of(const struct chancery_challenge *c)
{
	return strcmp(c->type, "http-01") == 0 ? c->key_authorization : c->digest;
}

static const char *said_before(const struct hook *h, const struct chancery_challenge *c)
{
	for (size_t i = 0; i < h->n_outputs; i++)
		if (strcmp(h->outputs[i].token, c->token) == 0)
			return h->outputs[i].text;
	return "";
}

/* "one.example,two.example" */
static const char *all_names(const struct hook *h, struct arena *a)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);

	for (size_t i = 0; i < h->wish.n_names; i++) {
		const char *name = h->wish.names[i];
		buf_add_fmt(&out, "%s%s", i ? "," : "", strncmp(name, "*.", 2) == 0 ? name + 2 : name);
	}
	const char *text = buf_ok(&out) ? arena_str(a, buf_bytes(&out)) : NULL;
	return text ? text : "";
}

static void say_certbot(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	char remaining[16];
	const char *names = all_names(h, to->a);

	to->nothing = op == CLEAN_UP && !h->wish.clean_up;
	word(to, op == CLEAN_UP ? h->wish.clean_up : h->wish.program);
	(void)snprintf(remaining, sizeof remaining, "%u", c->remaining);
	variable(to, "CERTBOT_DOMAIN", c->name);
	variable(to, "CERTBOT_IDENTIFIER", c->name);
	variable(to, "CERTBOT_VALIDATION", value_of(c));
	variable(to, "CERTBOT_ALL_DOMAINS", names);
	variable(to, "CERTBOT_ALL_IDENTIFIERS", names);
	variable(to, "CERTBOT_REMAINING_CHALLENGES", remaining);
	if (strcmp(c->type, "http-01") == 0)
		variable(to, "CERTBOT_TOKEN", c->token);
	if (op == CLEAN_UP)
		variable(to, "CERTBOT_AUTH_OUTPUT", said_before(h, c));
}

static void say_dehydrated(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	word(to, h->wish.program);
	word(to, op == CLEAN_UP ? "clean_challenge" : "deploy_challenge");
	word(to, c->name);
	word(to, c->token);
	word(to, value_of(c));
}

static void say_dehydrated_chain(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	(void)c;
	word(to, h->wish.program);
	word(to, op == CLEAN_UP ? "clean_challenge" : "deploy_challenge");
	for (size_t i = 0; i < h->chain.n; i++) {
		word(to, h->chain.v[i].name);
		word(to, h->chain.v[i].token);
		word(to, h->chain.v[i].value);
	}
}

static void say_lego(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	const char *fqdn = (const char *)arena_fmt(to->a, "%s.", c->record ? c->record : c->name).ptr;

	to->no_memory = !fqdn;
	word(to, h->wish.program);
	word(to, op == CLEAN_UP ? "cleanup" : "present");
	word(to, fqdn);
	word(to, c->digest);
}

static void say_lego_raw(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	word(to, h->wish.program);
	word(to, op == CLEAN_UP ? "cleanup" : "present");
	word(to, "--");
	word(to, c->name);
	word(to, c->token);
	word(to, c->key_authorization);
}

static void members(struct command *to, enum operation op, const char *const (*pairs)[2], size_t n)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(8192);
	struct json_out j = json_out_to(&text);

	json_put_object(&j);
	for (size_t i = 0; i < n; i++)
		json_put_member_str(&j, pairs[i][0], pairs[i][1]);
	json_end_object(&j);
	to->action = op == CLEAN_UP ? "cleanup" : "present";
	to->object = buf_ok(&text) ? arena_copy(to->a, buf_bytes(&text)) : BYTES_NONE;
	to->no_memory = to->no_memory || !to->object.ptr;
}

static void say_httpreq(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	const char *fqdn = (const char *)arena_fmt(to->a, "%s.", c->record ? c->record : c->name).ptr;

	(void)h;
	to->no_memory = !fqdn;
	if (fqdn)
		members(to, op, (const char *const[][2]){ { "fqdn", fqdn }, { "value", c->digest } }, 2);
}

static void say_httpreq_raw(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	(void)h;
	members(to, op, (const char *const[][2]){ { "domain", c->name }, { "token", c->token }, { "keyAuth", c->key_authorization } }, 3);
}

static void say_acme_sh(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	to->told = 1;
	word(to, h->acme_sh);
	word(to, h->wish.program);
	word(to, op == CLEAN_UP ? "rm" : "add");
	word(to, c->record ? c->record : c->name);
	word(to, c->digest);
}

static void say_uacme(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	const char *method = op == DEPLOY ? "begin" : c->valid ? "done" : "failed";

	word(to, h->wish.program);
	word(to, method);
	word(to, c->type);
	word(to, c->name);
	word(to, c->token);
	word(to, value_of(c));
	variable(to, "UACME_METHOD", method);
	variable(to, "UACME_TYPE", c->type);
	variable(to, "UACME_IDENT", c->name);
	variable(to, "UACME_TOKEN", c->token);
	variable(to, "UACME_AUTH", value_of(c));
}

static void say_mod_md(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to)
{
	word(to, h->wish.program);
	word(to, op == CLEAN_UP ? "teardown" : "setup");
	word(to, c->name);
	word(to, c->digest);
}

static const struct {
	const char *name;
	void (*say)(const struct hook *h, enum operation op, const struct chancery_challenge *c, struct command *to);
	bool http, dns, tls;
} dialects[HOOK__MAX] = {
#define X(code, name, say, http, dns, tls, what) [HOOK_##code] = { name, say, http, dns, tls },
#include "agent/dialect.def"
#undef X
};

bool hook_dialect_from_name(const char *name, enum hook_dialect *ret)
{
	for (unsigned d = 0; d < HOOK__MAX; d++)
		if (strcmp(dialects[d].name, name) == 0) {
			*ret = (enum hook_dialect)d;
			return true;
		}
	return false;
}

bool hook_dialect_solves(enum hook_dialect d, const char *type)
{
	return (strcmp(type, "http-01") == 0 && dialects[d].http) || (strcmp(type, "dns-01") == 0 && dialects[d].dns) ||
	       (strcmp(type, "tls-alpn-01") == 0 && dialects[d].tls);
}

bool hook_dialect_is_chain(enum hook_dialect d)
{
	return d == HOOK_DEHYDRATED_CHAIN;
}

bool hook_dialect_is_url(enum hook_dialect d)
{
	return d == HOOK_HTTPREQ || d == HOOK_HTTPREQ_RAW;
}

const char *hook_dialect_names(struct arena *a, bool services, const char *last)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);

	for (unsigned d = 0; d < HOOK__MAX; d++)
		if (services || !hook_dialect_is_url((enum hook_dialect)d))
			buf_add_fmt(&out, "%s%s", d == 0 ? "" : d + 1 == HOOK__MAX ? last : ", ", dialects[d].name);
	const char *text = buf_ok(&out) ? arena_str(a, buf_bytes(&out)) : NULL;
	return text ? text : "";
}

/* --- running --- */

/* The last line that is not empty, as far as a terminal may show it. */
static void last_line(struct bytes text, char *out, size_t size)
{
	const uint8_t *end = text.ptr + text.len, *p;
	size_t at = 0;

	while (text.len > 0 && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' ') && --end > text.ptr)
		continue;
	for (p = end; text.len > 0 && p > text.ptr && p[-1] != '\n'; p--)
		continue;
	while (text.len > 0 && p < end) {
		uint32_t c;
		size_t n = utf8_get(p, end, &c);
		bool good = n > 0 && utf8_is_printable(c);
		if (at + (good ? n : 1) >= size)
			break;
		if (good)
			memcpy(out + at, p, n);
		else
			out[at] = '?';
		at += good ? n : 1;
		p += n ? n : 1;
	}
	out[at] = 0;
}

static void note_failure(struct hook *h, const struct command *c, const struct run_result *r)
{
	const char *const *words = c->argv + c->told;
	bool more = c->n_argv > c->told + 1;
	char line[256];

	last_line(buf_bytes(r->err.len ? &r->err : &r->out), line, sizeof line);
	(void)snprintf(h->failure, sizeof h->failure, "%.200s%s%s ended with exit code %d%s%s", words[0], more ? " " : "",
	    more ? words[1] : "", r->code, *line ? ": " : "", line);
}

static void keep_output(struct hook *h, const struct chancery_challenge *c, struct bytes text)
{
	while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]))
		text.len--;
	while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]))
		text = bytes_slice(text, 1, text.len);
	struct output o = { strdup(c->token), strndup((const char *)text.ptr, text.ptr ? text.len : 0) };
	if (o.token && o.text && h->n_outputs < OUTPUTS_MAX) {
		h->outputs[h->n_outputs++] = o;
		return;
	}
	free(o.token);
	free(o.text);
}

/* 0, or -1 */
static int ask_service(struct hook *h, const struct command *c)
{
	const struct httpreq service = {
		.url = h->wish.program, .login = h->wish.login, .ca_file = h->wish.ca_file, .timeout_s = h->wish.timeout_s
	};
	struct err e = { 0 };

	if (httpreq_call(&service, h->crew, c->action, c->object, &e) == ERR_OK)
		return 0;
	bool named = strncmp(e.detail, service.url, strlen(service.url)) == 0;
	(void)snprintf(h->failure, sizeof h->failure, "%.150s%s%s", named ? "" : service.url, named ? "" : ": ", e.detail);
	return -1;
}

/* The exit code; -1: it was not run, or not to its end. */
static int run(struct hook *h, enum operation op, const struct chancery_challenge *challenge)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(8192, 1u << 20);
	CLEANUP(run_result_free) struct run_result result = { .code = -1 };
	struct command c = { .a = a };
	struct err e = { 0 };

	if (a)
		dialects[h->wish.dialect].say(h, op, challenge, &c);
	if (!a || c.no_memory) {
		(void)snprintf(h->failure, sizeof h->failure, "no memory to run a hook");
		return -1;
	}
	if (c.nothing)
		return 0;
	if (c.action)
		return ask_service(h, &c);
	struct run_request r = { .argv = c.argv, .env = c.env, .timeout_s = h->wish.timeout_s };
	struct peer *hooks;
	if (crew_hooks(h->crew, &hooks, &e) != ERR_OK || runner_run(hooks, &r, &result, &e) != ERR_OK) {
		(void)snprintf(h->failure, sizeof h->failure, "%s", e.detail);
		return -1;
	}
	if (result.code != 0)
		note_failure(h, &c, &result);
	else if (op == DEPLOY)
		keep_output(h, challenge, buf_bytes(&result.out));
	return result.code;
}

/* --- one run for all --- */

static void chain_forget(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].name);
		free(c->v[i].token);
		free(c->v[i].value);
	}
	*c = (struct chain){ .n = 0 };
}

static bool chain_add(struct chain *c, const struct chancery_challenge *challenge)
{
	if (c->n == OUTPUTS_MAX)
		return false;
	size_t i = c->n++;
	c->v[i].name = strdup(challenge->name);
	c->v[i].token = strdup(challenge->token);
	c->v[i].value = strdup(value_of(challenge));
	return c->v[i].name && c->v[i].token && c->v[i].value;
}

static int chain_deploy(struct hook *h, const struct chancery_challenge *challenge)
{
	int code = 0;

	if (!chain_add(&h->chain, challenge)) {
		(void)snprintf(h->failure, sizeof h->failure, "no memory for so many challenges of one run");
		return -1;
	}
	if (challenge->remaining == 0) {
		h->chain.told = true;
		code = run(h, DEPLOY, challenge);
	}
	h->chain.to_clean += code == 0;
	return code == 0 ? 0 : -1;
}

/* When the last one is cleaned up that was solved. A run that failed may have set a part: it hears of all. */
static void chain_clean_up(struct hook *h, const struct chancery_challenge *challenge)
{
	if (++h->chain.cleaned < h->chain.to_clean)
		return;
	if (h->chain.told)
		(void)run(h, CLEAN_UP, challenge);
	chain_forget(&h->chain);
}

/* --- what the library calls --- */

int hook_deploy(void *context, const struct chancery_challenge *challenge)
{
	struct hook *h = context;

	if (hook_dialect_is_chain(h->wish.dialect))
		return chain_deploy(h, challenge);
	int code = run(h, DEPLOY, challenge);
	if (code > 0 && h->wish.dialect == HOOK_UACME) /* "exit 0 = accept this type, other = decline" */
		return CHANCERY_DECLINE;
	return code == 0 ? 0 : -1;
}

/* What cannot be cleaned up is no reason to fail. */
void hook_clean_up(void *context, const struct chancery_challenge *challenge)
{
	struct hook *h = context;
	char failure[sizeof h->failure];

	memcpy(failure, h->failure, sizeof failure);
	if (hook_dialect_is_chain(h->wish.dialect))
		chain_clean_up(h, challenge);
	else
		(void)run(h, CLEAN_UP, challenge);
	memcpy(h->failure, failure, sizeof failure);
}

enum err_code hook_new(const struct hook_wish *wish, struct crew *crew, struct hook **ret, struct err *e)
{
	CLEANUP(hook_free_p) struct hook *h = calloc(1, sizeof *h);

	if (!h)
		FAIL(e, NOMEM, "no memory for a hook");
	h->wish = *wish;
	h->crew = crew;
	if (wish->dialect == HOOK_ACME_SH)
		TRY(process_find_path("chancery-acme-sh", CHANCERY_LIBEXEC, h->acme_sh, e));
	*ret = TAKE(h);
	return ERR_OK;
}

void hook_free(struct hook *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n_outputs; i++) {
		free(h->outputs[i].token);
		free(h->outputs[i].text);
	}
	chain_forget(&h->chain);
	free(h);
}

const char *hook_failure(const struct hook *h)
{
	return h->failure;
}
