/* The first four steps: what is asked. */
#include "cli/setup.h"

#include "acme/identifier.h"
#include "agent/state.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- answers --- */

enum err_code setup_set(struct setup *s, const char *option, const char *value, struct err *e)
{
	struct given before = s->given;
	const struct given_option *o = given_option(&s->given, bytes_str(option));

	s->given.n = 0;
	for (size_t i = 0; i < before.n; i++)
		if (before.v[i].option != o)
			TRY(given_add(&s->given, &before.v[i], e));
	return value && o ? given_add(&s->given, &(struct given_one){ .option = o, .value = value }, e) : ERR_OK;
}

/* One more of an option that repeats. */
static enum err_code add(struct setup *s, const char *option, const char *value, struct err *e)
{
	return given_add(&s->given, &(struct given_one){ .option = given_option(&s->given, bytes_str(option)), .value = value }, e);
}

enum err_code setup_add_name(struct setup *s, const char *text, struct err *e)
{
	struct identifier id;
	struct err why = { 0 };

	errno = 0;
	if (identifier_parse(s->arena, BYTES_LIT("ip"), bytes_str(text), &id, NULL) != ERR_OK &&
	    identifier_parse(s->arena, BYTES_LIT("dns"), bytes_str(text), &id, &why) != ERR_OK)
		FAIL(e, CONFIG, "\"%.100s\": %.200s", text, why.detail);
	const char *name = arena_str(s->arena, identifier_display(s->arena, &id));
	if (!name)
		FAIL(e, NOMEM, "no memory");
	for (size_t i = 0; i < s->n_names; i++)
		if (strcmp(s->names[i], name) == 0)
			return ERR_OK;
	if (s->n_names == WISH_NAMES_MAX)
		FAIL(e, CONFIG, "a certificate has at most %d names", WISH_NAMES_MAX);
	s->names[s->n_names++] = name;
	s->wildcard = s->wildcard || id.wildcard;
	s->ip = s->ip || id.type == IDENTIFIER_IP;
	return ERR_OK;
}

/* --- 1: names --- */

static enum err_code take_words(struct setup *s, const char *line, struct err *e)
{
	char *copy = arena_str(s->arena, bytes_str(line)), *save = NULL;

	s->n_names = 0;
	s->wildcard = s->ip = false;
	for (char *word = copy ? strtok_r(copy, " ,", &save) : NULL; word; word = strtok_r(NULL, " ,", &save)) {
		size_t digits = strspn(word, "0123456789");
		unsigned long number = 0;
		if (!word[digits] && sscanf(word, "%4lu", &number) == 1 && number >= 1 && number <= s->n_hosted)
			TRY(setup_add_name(s, s->hosted[number - 1].name, e));
		else
			TRY(setup_add_name(s, word, e));
	}
	errno = 0;
	if (s->n_names == 0)
		FAIL(e, CONFIG, "a certificate needs a name");
	return ERR_OK;
}

static const char *joined(struct setup *s)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(32768);

	for (size_t i = 0; i < s->n_names; i++)
		buf_add_fmt(&out, "%s%s", i ? " " : "", s->names[i]);
	return buf_ok(&out) && s->n_names ? arena_str(s->arena, buf_bytes(&out)) : NULL;
}

enum err_code setup_names(struct setup *s, struct err *e)
{
	static const char *const servers[] = { [WEB_NGINX] = "nginx", [WEB_APACHE] = "Apache", [WEB_HAPROXY] = "HAProxy" };
	const char *line;

	if (s->n_hosted)
		terminal_say("This host's web servers are configured for:");
	else
		terminal_say("www.example.org, *.example.org for all names below it, or an address.");
	for (size_t i = 0; i < s->n_hosted && i < 40; i++)
		printf("  %2zu  %-40s %s%s\n", i + 1, s->hosted[i].name, servers[s->hosted[i].server],
		    s->hosted[i].certificate ? ", has a certificate" : "");
	for (;;) {
		struct err why = { 0 };
		TRY(terminal_ask(s->arena,
		    s->n_hosted ? "Numbers or names, with blanks between:" : "The names, with blanks between:", joined(s), &line, e));
		if (take_words(s, line, &why) == ERR_OK)
			return ERR_OK;
		terminal_bad("%s.", why.detail);
	}
}

/* --- 2: the CA --- */

static const char *why_not(const struct setup *s, const struct ca *c)
{
	if (s->wildcard && c->wildcard == CA_NO)
		return "gives no certificates for wildcards";
	if (s->ip && c->ip == CA_NO)
		return "gives no certificates for addresses";
	return NULL;
}

static const char *describe(const struct setup *s, const struct ca *c)
{
	char days[32] = "";

	if (c->lifetime_days)
		(void)snprintf(days, sizeof days, "%u days", c->lifetime_days);
	const char *text = (const char *)arena_fmt(s->arena, "%s%s%s%s%s%s", c->title ? c->title : c->directory, *days ? ", " : "", days,
	    c->eab && strcmp(c->eab, "required") == 0 ? ", needs an account there" : "", c->ip == CA_YES ? ", addresses too" : "",
	    c->test == CA_YES ? "; for tests" : "")
			       .ptr;
	return text ? text : "";
}

/* What external account binding needs, kept with the CA. */
static enum err_code ask_binding(struct setup *s, const struct ca *c, struct err *e)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(4096);
	const char *kid, *file;
	struct ca_list own;
	size_t at = 0;

	if (!c->eab || strcmp(c->eab, "required") != 0 || c->eab_kid)
		return ERR_OK;
	terminal_say("%s makes accounts only for those it knows. It gives a key identifier and a key for that: %s.", c->name,
	    c->eab_help ? c->eab_help : "ask it");
	TRY(terminal_ask(s->arena, "Key identifier (kid):", NULL, &kid, e));
	for (;;) {
		TRY(terminal_ask(s->arena, "File with the key in its first line (mode 0600):", NULL, &file, e));
		if (access(file, R_OK) == 0)
			break;
		terminal_bad("%s: %s.", file, strerror(errno));
	}
	TRY(ca_list_read_own(s->arena, s->config.folder, &own, &messages, e));
	while (at < own.n && strcmp(own.v[at].name, c->name) != 0)
		at++;
	if (at == CA_LIST_MAX)
		return ERR_OK;
	own.v[at] = *c;
	own.n += at == own.n;
	TRY(ca_set(s->arena, &own.v[at], "eab-kid", kid, e));
	TRY(ca_set(s->arena, &own.v[at], "eab-key-file", file, e));
	TRY(ca_list_write_own(s->config.folder, &own, e));
	return ca_list_read(s->arena, s->config.folder, &s->config.cas, &messages, e);
}

/* The list, with one's own URL behind it; for a stand-by with none before it. */
static enum err_code choose_ca(struct setup *s, const char *question, const char *but, bool stand_by, const char **ret, struct err *e)
{
	struct terminal_choice v[CA_LIST_MAX + 2];
	size_t n = 0, at;

	if (stand_by)
		v[n++] = (struct terminal_choice){ "none", "no other CA is asked", NULL };
	for (size_t i = 0; i < s->config.cas.n; i++)
		if (!but || strcmp(but, s->config.cas.v[i].name) != 0)
			v[n++] = (struct terminal_choice){ s->config.cas.v[i].name, describe(s, &s->config.cas.v[i]),
				why_not(s, &s->config.cas.v[i]) };
	v[n++] = (struct terminal_choice){ "other", "another one, by its ACME directory", NULL };
	TRY(terminal_choose(s->arena, question, v, n, 0, &at, e));
	*ret = v[at].name;
	if (strcmp(*ret, "none") == 0)
		*ret = NULL;
	while (*ret && (strcmp(*ret, "other") == 0 || (!ca_list_find(&s->config.cas, *ret) && strncmp(*ret, "https://", 8) != 0)))
		TRY(terminal_ask(s->arena, "Its directory, an https URL:", NULL, ret, e));
	const struct ca *entry = *ret ? ca_list_find(&s->config.cas, *ret) : NULL;
	return entry ? ask_binding(s, entry, e) : ERR_OK;
}

enum err_code setup_ca(struct setup *s, struct err *e)
{
	const char *first = given_value(&s->given, "server", given_nth(&s->given, "ca", 0)), *second = NULL;

	if (first && s->cli->given.n && (given_flag(&s->cli->given, "ca") || given_flag(&s->cli->given, "server"))) {
		terminal_say("%s, as the command line says.", first);
		return ERR_OK;
	}
	TRY(choose_ca(s, "Number or name:", NULL, false, &first, e));
	terminal_say("A second CA stands by: it is asked when the first one is down or refuses.");
	TRY(choose_ca(s, "Number or name:", first, true, &second, e));
	TRY(setup_set(s, "ca", first, e));
	return second ? add(s, "ca", second, e) : ERR_OK;
}

/* --- 3: account and keys --- */

enum err_code setup_account(struct setup *s, struct err *e)
{
	static const struct terminal_choice keys[] = { { "ecdsa-p256", "small and fast; every client of the last ten years", NULL },
		{ "ecdsa-p384", "larger", NULL }, { "rsa-2048", "for very old clients", NULL },
		{ "both", "ECDSA and RSA, for servers that can show either", NULL } };
	const char *mail, *known = given_nth(&s->given, "contact", 0);
	bool agree;
	size_t at;

	for (;;) {
		TRY(terminal_ask(
		    s->arena, "An e-mail address where the CA may reach you (\"-\" for none):", known ? known : "-", &mail, e));
		if (strcmp(mail, "-") == 0 || strncmp(mail, "mailto:", 7) == 0 || strchr(mail, '@'))
			break;
		terminal_bad("An address has an @.");
	}
	if (strcmp(mail, "-") == 0)
		TRY(setup_set(s, "contact", NULL, e));
	else
		TRY(setup_set(
		    s, "contact", strncmp(mail, "mailto:", 7) == 0 ? mail : (const char *)arena_fmt(s->arena, "mailto:%s", mail).ptr, e));
	TRY(terminal_yes(
	    s->arena, "Do you agree to the CA's terms of service (on its web page)?", given_flag(&s->given, "agree-tos"), &agree, e));
	TRY(setup_set(s, "agree-tos", agree ? "" : NULL, e));
	terminal_say("The certificate's key, new for each certificate:");
	TRY(terminal_choose(s->arena, "Number or name:", keys, sizeof keys / sizeof *keys, 0, &at, e));
	TRY(setup_set(s, "key-type", at == 3 ? "ecdsa-p256" : keys[at].name, e));
	return at == 3 ? add(s, "key-type", "rsa-2048", e) : ERR_OK;
}

/* --- 4: control --- */

enum way { WAY_LISTENER, WAY_WEBROOT, WAY_TLS, WAY_UPDATE, WAY_HOOK, WAYS };

static const char *hosted_root(const struct setup *s)
{
	for (size_t i = 0; i < s->n_hosted; i++)
		if (s->hosted[i].root && s->n_names && strcmp(s->hosted[i].name, s->names[0]) == 0)
			return s->hosted[i].root;
	return NULL;
}

static enum err_code ask_file(struct setup *s, const char *question, const char *option, const char *fallback, int mode, struct err *e)
{
	const char *path;

	for (;;) {
		TRY(terminal_ask(s->arena, question, fallback, &path, e));
		if (strcmp(path, "-") == 0)
			return setup_set(s, option, NULL, e);
		if (access(path, mode) == 0)
			return setup_set(s, option, path, e);
		terminal_bad("%s: %s.", path, strerror(errno));
	}
}

static enum err_code ask_way(struct setup *s, enum way way, struct err *e)
{
	static const char *const types[] = { "http-01", "http-01", "tls-alpn-01", "dns-01", "dns-01" };
	const char *server, *dialect;

	TRY(setup_set(s, "challenge", types[way], e));
	if (way == WAY_WEBROOT)
		return ask_file(s, "The folder that the web server shows:", "webroot", hosted_root(s), W_OK, e);
	if (way == WAY_UPDATE) {
		TRY(terminal_ask(s->arena, "The zone's primary name server (HOST or HOST:PORT):", NULL, &server, e));
		TRY(setup_set(s, "dns-update", server, e));
		return ask_file(s, "File with its TSIG key (\"-\": it takes updates from this address):", "tsig-key", "-", R_OK, e);
	}
	if (way == WAY_HOOK) {
		TRY(ask_file(s, "The program:", "hook", NULL, X_OK, e));
		struct bytes question = arena_fmt(s->arena, "Written for which client (%s)?", hook_dialect_names(s->arena, false, ", "));
		TRY(terminal_ask(
		    s->arena, question.ptr ? (const char *)question.ptr : "Written for which client?", "certbot", &dialect, e));
		return setup_set(s, "hook-dialect", dialect, e);
	}
	return ERR_OK;
}

/* What an earlier answer set and this one does not need. */
static enum err_code forget_ways(struct setup *s, struct err *e)
{
	static const char *const options[] = { "webroot", "dns-update", "tsig-key", "hook", "hook-dialect" };

	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		TRY(setup_set(s, options[i], NULL, e));
	return ERR_OK;
}

enum err_code setup_control(struct setup *s, struct err *e)
{
	const char *wild = s->wildcard ? "a wildcard needs DNS" : NULL, *address = s->ip ? "an address needs HTTP or TLS" : NULL;
	const struct terminal_choice ways[WAYS] = { { "http", "chancery answers by itself at port 80 while it works", wild },
		{ "webroot", "the web server at port 80 shows files from a folder", wild },
		{ "tls", "chancery answers by itself at port 443 while it works", wild },
		{ "dns-update", "a name server of your own takes updates (RFC 2136)", address },
		{ "hook", "a program of yours sets a DNS record", address } };
	const char *root = hosted_root(s);
	bool go_on;
	size_t at;

	TRY(terminal_choose(s->arena, "Number or name:", ways, WAYS, s->wildcard ? WAY_UPDATE : root ? WAY_WEBROOT : WAY_LISTENER, &at, e));
	TRY(forget_ways(s, e));
	TRY(ask_way(s, (enum way)at, e));
	if (setup_check(s))
		return ERR_OK;
	TRY(terminal_yes(s->arena, "Go on all the same?", false, &go_on, e));
	errno = 0;
	if (!go_on)
		FAIL(e, AGAIN, "back");
	return ERR_OK;
}
