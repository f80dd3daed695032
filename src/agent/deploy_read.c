/* Deployments as they are wanted: the options. */
#include "agent/deploy_target.h"

#include "agent/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct deploy_target *const targets[] = {
#define X(code, name, structure, what) &structure,
#include "agent/deploy_target.def"
#undef X
};

const struct deploy_target *deploy_target_find(const char *name)
{
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
		if (strcmp(targets[i]->name, name) == 0)
			return targets[i];
	return NULL;
}

static struct deploy_target_wish *wished(struct deploy_wish *w, struct bytes name)
{
	for (size_t i = 0; i < w->n_targets; i++)
		if (bytes_eq_str(name, w->targets[i].target->name))
			return &w->targets[i];
	return NULL;
}

static enum err_code read_targets(const struct given *g, struct deploy_wish *w, struct err *e)
{
	const char *name;

	for (size_t i = 0; (name = given_nth(g, "deploy", i)) != NULL; i++) {
		const struct deploy_target *t = deploy_target_find(name);
		if (!t)
			FAIL(e, CONFIG, "--deploy %.60s: nginx, apache, haproxy, postfix, dovecot and command are known", name);
		if (wished(w, bytes_str(name)))
			FAIL(e, CONFIG, "--deploy %s is given twice", name);
		if (w->n_targets == DEPLOY_TARGETS_MAX)
			FAIL(e, CONFIG, "--deploy is given more than %d times", DEPLOY_TARGETS_MAX);
		w->targets[w->n_targets++].target = t;
	}
	return ERR_OK;
}

/* "nginx=VALUE", or VALUE where there is one target only. */
static enum err_code of_target(
    struct deploy_wish *w, const char *option, const char *text, struct deploy_target_wish **ret_of, const char **ret_value, struct err *e)
{
	struct bytes name, value;

	*ret_value = text;
	*ret_of = w->n_targets == 1 ? &w->targets[0] : NULL;
	if (bytes_split(bytes_str(text), '=', &name, &value) && wished(w, name)) {
		*ret_of = wished(w, name);
		*ret_value = (const char *)value.ptr;
	}
	if (w->n_targets == 0)
		FAIL(e, CONFIG, "--%s says something of a target: name it by --deploy", option);
	if (!*ret_of)
		FAIL(e, CONFIG, "--%s %.100s: say of which target, like %s=...", option, text, w->targets[0].target->name);
	return ERR_OK;
}

/* Words of a program that is found from any folder. */
static enum err_code read_command(struct arena *a, const char *option, const char *text, const char ***ret, struct err *e)
{
	struct err why = { 0 };
	const char **argv;

	enum err_code rc = words_split(a, text, &argv, &why);
	if (rc == ERR_OK && strchr(argv[0], '/') && argv[0][0] != '/')
		rc = err_set(&why, ERR_CONFIG, __FILE__, __LINE__, "its program is a name in PATH or begins with /");
	if (rc != ERR_OK) {
		(void)err_set(e, rc, __FILE__, __LINE__, "--%s \"%.100s\": %.180s", option, text, why.detail);
		return rc;
	}
	*ret = argv;
	return ERR_OK;
}

static enum err_code read_overrides(struct arena *a, const struct given *g, struct deploy_wish *w, struct err *e)
{
	struct deploy_target_wish *of;
	const char *text, *value;

	for (size_t i = 0; (text = given_nth(g, "deploy-config", i)) != NULL; i++) {
		TRY(of_target(w, "deploy-config", text, &of, &value, e));
		if (value[0] != '/')
			FAIL(e, CONFIG, "--deploy-config %.100s: a path begins with /", text);
		of->config = value;
	}
	for (size_t i = 0; (text = given_nth(g, "deploy-test", i)) != NULL; i++) {
		TRY(of_target(w, "deploy-test", text, &of, &value, e));
		TRY(read_command(a, "deploy-test", value, &of->test, e));
	}
	for (size_t i = 0; (text = given_nth(g, "deploy-reload", i)) != NULL; i++) {
		TRY(of_target(w, "deploy-reload", text, &of, &value, e));
		TRY(read_command(a, "deploy-reload", value, &of->reload, e));
	}
	return ERR_OK;
}

static enum err_code read_commands(struct arena *a, const struct given *g, const char *option, struct deploy_commands *ret, struct err *e)
{
	const char *text;

	for (size_t i = 0; (text = given_nth(g, option, i)) != NULL; i++) {
		if (ret->n == DEPLOY_HOOKS_MAX)
			FAIL(e, CONFIG, "--%s is given more than %d times", option, DEPLOY_HOOKS_MAX);
		TRY(read_command(a, option, text, &ret->v[ret->n], e));
		ret->n++;
	}
	return ERR_OK;
}

static enum err_code read_mode(const char *text, const char *copy, mode_t *ret, struct err *e)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (!*text || strspn(text, "01234567") != strlen(text) || mode > 0777)
		FAIL(e, CONFIG, "--deploy-copy %.150s: a mode is three octal digits, like 640", copy);
	*ret = (mode_t)mode;
	return ERR_OK;
}

/* FILE=PATH[:OWNER[:GROUP[:MODE]]] */
static enum err_code read_copy(struct arena *a, const char *text, struct deploy_copy *ret, struct err *e)
{
	static const char *const whats[] = { "privkey", "cert", "chain", "fullchain", "both" };
	struct bytes what, rest, part, tail;
	struct deploy_copy c = { .what = DEPLOY_PRIVKEY };
	const char *parts[4] = { "", "", "", "" };
	size_t n = 0, which = 0;

	if (!bytes_split(bytes_str(text), '=', &what, &rest))
		FAIL(e, CONFIG, "--deploy-copy %.150s: FILE=PATH[:OWNER[:GROUP[:MODE]]]", text);
	while (which < sizeof whats / sizeof *whats && !bytes_eq_str(what, whats[which]))
		which++;
	if (which == sizeof whats / sizeof *whats)
		FAIL(e, CONFIG, "--deploy-copy %.150s: privkey, cert, chain, fullchain and both are files of a certificate", text);
	c.what = (enum deploy_what)which;
	for (bool more = true; more && n < 4; n++) {
		more = bytes_split(rest, ':', &part, &tail);
		parts[n] = arena_str(a, more ? part : rest);
		if (!parts[n])
			FAIL(e, NOMEM, "no memory for a path");
		rest = more ? tail : BYTES_LIT("");
	}
	if (rest.len || parts[0][0] != '/' || parts[0][strlen(parts[0]) - 1] == '/')
		FAIL(e, CONFIG, "--deploy-copy %.150s: FILE=PATH[:OWNER[:GROUP[:MODE]]], where PATH begins with / and names a file", text);
	c.path = parts[0];
	c.owner = *parts[1] ? parts[1] : NULL;
	c.group = *parts[2] ? parts[2] : NULL;
	c.mode = c.what == DEPLOY_PRIVKEY || c.what == DEPLOY_BOTH ? 0600 : 0644;
	if (*parts[3])
		TRY(read_mode(parts[3], text, &c.mode, e));
	if ((c.what == DEPLOY_PRIVKEY || c.what == DEPLOY_BOTH) && (c.mode & 0007))
		FAIL(e, CONFIG, "--deploy-copy %.150s: a private key is not for everybody", text);
	*ret = c;
	return ERR_OK;
}

static enum err_code read_copies(struct arena *a, const struct given *g, struct deploy_wish *w, struct err *e)
{
	const char *text;

	for (size_t i = 0; (text = given_nth(g, "deploy-copy", i)) != NULL; i++) {
		if (w->n_copies == DEPLOY_COPIES_MAX)
			FAIL(e, CONFIG, "--deploy-copy is given more than %d times", DEPLOY_COPIES_MAX);
		TRY(read_copy(a, text, &w->copies[w->n_copies], e));
		for (size_t k = 0; k < w->n_copies; k++)
			if (strcmp(w->copies[k].path, w->copies[w->n_copies].path) == 0)
				FAIL(e, CONFIG, "--deploy-copy: %.150s is given twice", w->copies[k].path);
		w->n_copies++;
	}
	return ERR_OK;
}

static enum err_code read_endpoints(struct arena *a, const struct given *g, struct deploy_wish *w, struct err *e)
{
	struct err why = { 0 };
	const char *text;

	for (size_t i = 0; (text = given_nth(g, "deploy-endpoint", i)) != NULL; i++) {
		w->unseen = w->unseen || strcmp(text, "none") == 0;
		if (strcmp(text, "none") == 0)
			continue;
		if (w->n_endpoints == DEPLOY_ENDPOINTS_MAX)
			FAIL(e, CONFIG, "--deploy-endpoint is given more than %d times", DEPLOY_ENDPOINTS_MAX);
		if (endpoint_parse(a, text, &w->endpoints[w->n_endpoints], &why) != ERR_OK)
			FAIL(e, CONFIG, "--deploy-endpoint %.280s", why.detail);
		w->n_endpoints++;
	}
	if (w->unseen && w->n_endpoints > 0)
		FAIL(e, CONFIG, "--deploy-endpoint none goes without others");
	return ERR_OK;
}

enum err_code deploy_read(struct arena *a, const struct given *g, struct deploy_wish *ret, struct err *e)
{
	struct deploy_wish w = { .n_targets = 0 };
	unsigned long wait_s, timeout_s;

	errno = 0;
	TRY(read_targets(g, &w, e));
	TRY(read_overrides(a, g, &w, e));
	TRY(read_commands(a, g, "deploy-command", &w.command, e));
	if (!wished(&w, BYTES_LIT("command")) != (w.command.n == 0))
		FAIL(e, CONFIG, "--deploy command and --deploy-command go together");
	TRY(read_commands(a, g, "pre-hook", &w.pre, e));
	TRY(read_commands(a, g, "deploy-hook", &w.deploy, e));
	TRY(read_commands(a, g, "post-hook", &w.post, e));
	TRY(read_copies(a, g, &w, e));
	TRY(read_endpoints(a, g, &w, e));
	TRY(given_number(g, "deploy-wait", "30", 3600, &wait_s, e));
	TRY(given_number(g, "deploy-timeout", "120", 86400, &timeout_s, e));
	w.wait_s = (uint32_t)wait_s;
	w.timeout_s = (uint32_t)timeout_s;
	*ret = w;
	return ERR_OK;
}

bool deploy_is_wanted(const struct deploy_wish *w)
{
	return w->n_targets > 0 || w->n_copies > 0 || w->n_endpoints > 0 || w->deploy.n > 0;
}

bool deploy_lines(const char *target, const char *folder, struct buf *out)
{
	const struct deploy_target *t = deploy_target_find(target);

	for (const char *p = t && t->lines ? t->lines : ""; *p; p++) {
		if (*p == '@')
			buf_add_str(out, folder);
		else
			buf_add_u8(out, (uint8_t)*p);
	}
	return t != NULL;
}
