#include "cli/cmd_ca.h"

#include "agent/ca_wish.h"
#include "agent/frame.h"
#include "agent/memory.h"
#include "base/clock.h"
#include "cli/client_config.h"
#include "cli/cmd_ca_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT   "VALUE", false
#define TEXTS  "VALUE", true
#define KNOWN  "true|false", false
#define NUMBER "NUMBER", false
static const struct given_option ca_options[] = {
#define X(name, member, kind, doc) { name, kind, "add: " doc },
#include "agent/ca.def"
#undef X
	{ "from", "NAME", false, "switch: the CA that is left." },
	{ "to", "NAME", false,
	    "switch: the CA that is taken instead. drill: of each certificate's CAs this one (default: those that stand by)." },
	{ "agree-tos", NULL, false, "test: agrees to the CA's terms of service, so that an account stands by." },
	{ "contact", "URI", true, "test: where the CA may reach the account's owner." },
	{ "timeout", "SECONDS", false, "For each certificate, waiting included (default: 600)." },
	{ "dry-run", NULL, false, "switch: gets each certificate and throws it away." },
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
#undef TEXT
#undef TEXTS
#undef KNOWN
#undef NUMBER

enum err_code ca_of_argument(const struct ca_work *w, const char *name, const struct ca **ret, struct err *e)
{
	*ret = name ? ca_list_find(&w->config.cas, name) : NULL;
	errno = 0;
	if (!*ret)
		FAIL(e, CONFIG, "there is no CA %.60s; there are %.220s", name ? name : "without a name",
		    ca_list_names(&w->config.cas, w->arena));
	return ERR_OK;
}

/* --- list --- */

static const char *known(enum ca_known k)
{
	return k == CA_YES ? "yes" : k == CA_NO ? "no" : "-";
}

static bool stands_by(const struct ca_work *w, const struct ca *c)
{
	const struct given none = { .n = 0 };
	struct ca_wish wish;

	return ca_wish_of_entry(&none, &w->config, w->arena, c, &wish, NULL) == ERR_OK && access(wish.account_key, F_OK) == 0;
}

/* Of the CA and our account there: what was last, and what holds. */
static void health(const struct ca_work *w, const struct ca *c, struct state *ret)
{
	const struct given none = { .n = 0 };
	struct ca_wish wish;
	struct memory m;

	*ret = (struct state){ .failures = 0 };
	if (ca_wish_of_entry(&none, &w->config, w->arena, c, &wish, NULL) != ERR_OK)
		return;
	memory_open(w->config.folder, NULL, &wish, NULL, NULL, &m);
	const struct state *of_account = &m.of[MEMORY_ACCOUNT].state;
	*ret = m.of[MEMORY_CA].state;
	if (of_account->not_before_s > ret->not_before_s) {
		int64_t success_s = ret->last_success_s;
		*ret = *of_account;
		ret->last_success_s = success_s;
	}
}

static void put_known(struct json_out *j, const char *member, enum ca_known k)
{
	if (k != CA_NOT_KNOWN)
		json_put_member_bool(j, member, k == CA_YES);
}

static void put_texts(struct json_out *j, const char *member, const struct ca_texts *t)
{
	json_put_key(j, member);
	json_put_array(j);
	for (size_t i = 0; i < t->n; i++)
		json_put_string(j, bytes_str(t->v[i]));
	json_end_array(j);
}

static void put_time(struct json_out *j, const char *member, int64_t unix_s)
{
	char text[RFC3339_SIZE];

	rfc3339_format(unix_s, text);
	if (unix_s > 0)
		json_put_member_str(j, member, text);
}

static void put_ca(const struct ca_work *w, const struct ca *c, struct json_out *j)
{
	struct state s;

	health(w, c, &s);
	json_put_object(j);
	json_put_member_str(j, "name", c->name);
	json_put_member_str(j, "title", c->title ? c->title : c->name);
	json_put_member_str(j, "directory", c->directory);
	json_put_member_bool(j, "own", c->own);
	put_known(j, "test", c->test);
	if (c->eab)
		json_put_member_bool(j, "external_account", strcmp(c->eab, "required") == 0);
	json_put_member_bool(j, "external_account_known", c->eab_kid != NULL);
	put_known(j, "wildcard", c->wildcard);
	put_known(j, "ip", c->ip);
	if (c->lifetime_days)
		json_put_member_uint(j, "lifetime_days", c->lifetime_days);
	put_texts(j, "caa", &c->caa);
	put_texts(j, "profiles", &c->profiles);
	json_put_member_bool(j, "stands_by", stands_by(w, c));
	put_time(j, "last_success", s.last_success_s);
	json_put_member_uint(j, "failures", s.failures);
	put_time(j, "not_before", s.not_before_s);
	if (*s.message)
		json_put_member_str(j, "error", s.message);
	json_end_object(j);
}

static void print_ca(const struct ca_work *w, const struct ca *c)
{
	int64_t now_s = clock_wall_ms() / 1000;
	char until[RFC3339_SIZE], days[16] = "-";
	struct state s;

	health(w, c, &s);
	if (c->lifetime_days)
		(void)snprintf(days, sizeof days, "%u", c->lifetime_days);
	printf("%-20s %-9s %-9s %-4s %-5s %-8s %s", c->name,
	    !c->eab                       ? "-"
	    : strcmp(c->eab, "none") == 0 ? "no"
	    : c->eab_kid                  ? "known"
					  : "needed",
	    known(c->wildcard), known(c->ip), days, stands_by(w, c) ? "yes" : "no", c->title ? c->title : c->directory);
	rfc3339_format(s.not_before_s, until);
	if (state_waits(&s, now_s))
		printf("\n%20s not asked before %s: %s", "", until, s.message);
	printf("\n");
}

enum err_code ca_verb_list(struct ca_work *w, int *ret_exit, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out j = json_out_to(&text);

	(void)e;
	*ret_exit = EXIT_DONE;
	json_put_object(&j);
	json_put_key(&j, "cas");
	json_put_array(&j);
	if (!w->json)
		printf("%-20s %-9s %-9s %-4s %-5s %-8s %s\n", "CA", "EAB", "WILDCARD", "IP", "DAYS", "ACCOUNT", "");
	for (size_t i = 0; i < w->config.cas.n; i++)
		if (w->json)
			put_ca(w, &w->config.cas.v[i], &j);
		else
			print_ca(w, &w->config.cas.v[i]);
	json_end_array(&j);
	json_end_object(&j);
	if (w->json)
		printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	return ERR_OK;
}

/* --- those of one's own --- */

static enum err_code read_own(struct ca_work *w, struct ca_list *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(65536);

	return ca_list_read_own(w->arena, w->config.folder, ret, &messages, e);
}

static void say(const struct ca_work *w, const char *result, const char *name)
{
	if (w->json)
		printf("{\"result\":\"%s\",\"name\":\"%s\"}\n", result, name);
	else
		printf("%s is %s.\n", name, result);
}

enum err_code ca_verb_add(struct ca_work *w, int *ret_exit, struct err *e)
{
	const char *name = w->c->n_arguments > 1 ? w->c->arguments[1] : "";
	const struct ca *known_as = ca_list_find(&w->config.cas, name);
	struct ca_list own;
	size_t at = 0;

	errno = 0;
	if (!ca_name_is_good(name))
		FAIL(e, CONFIG, "ca add NAME: a name is of letters, digits and \"-._\"");
	TRY(read_own(w, &own, e));
	while (at < own.n && strcmp(own.v[at].name, name) != 0)
		at++;
	if (at == CA_LIST_MAX)
		FAIL(e, CONFIG, "more than %d CAs", CA_LIST_MAX);
	struct ca c = at < own.n ? own.v[at] : known_as ? *known_as : (struct ca){ .name = name };
	for (size_t i = 0; i < w->c->given.n; i++) {
		const struct given_one *v = &w->c->given.v[i];
		if (strncmp(v->option->doc, "add:", 4) == 0)
			TRY(ca_set(w->arena, &c, v->option->name, v->value, e));
	}
	if (!c.directory)
		FAIL(e, CONFIG, "ca add %s: --directory URL is needed, its ACME directory", name);
	own.v[at] = c;
	own.n += at == own.n;
	TRY(ca_list_write_own(w->config.folder, &own, e));
	say(w, known_as ? "changed" : "added", name);
	*ret_exit = EXIT_DONE;
	return ERR_OK;
}

enum err_code ca_verb_remove(struct ca_work *w, int *ret_exit, struct err *e)
{
	const char *name = w->c->n_arguments > 1 ? w->c->arguments[1] : "";
	struct ca_list own;
	size_t at = 0;

	TRY(read_own(w, &own, e));
	while (at < own.n && strcmp(own.v[at].name, name) != 0)
		at++;
	errno = 0;
	if (at == own.n)
		FAIL(e, CONFIG, "ca remove %.60s: `chancery ca add` has added no such CA; those are %.200s", name,
		    own.n ? ca_list_names(&own, w->arena) : "none");
	for (size_t i = at; i + 1 < own.n; i++)
		own.v[i] = own.v[i + 1];
	own.n--;
	TRY(ca_list_write_own(w->config.folder, &own, e));
	say(w, "removed", name);
	*ret_exit = EXIT_DONE;
	return ERR_OK;
}

/* --- the command --- */

static const struct {
	const char *name;
	enum err_code (*run)(struct ca_work *w, int *ret_exit, struct err *e);
} verbs[] = { { "list", ca_verb_list }, { "add", ca_verb_add }, { "remove", ca_verb_remove }, { "test", ca_verb_test },
	{ "switch", ca_verb_switch }, { "drill", ca_verb_drill } };

static int cmd_ca(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	struct ca_work w = { .c = c, .arena = a, .json = cli_flag(c, "json") };
	int code = EXIT_FAILED;
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(verbs[i].name, c->arguments[0]) != 0)
			continue;
		enum err_code rc = client_config(&c->given, a, &w.config, &e);
		if (rc == ERR_OK)
			rc = verbs[i].run(&w, &code, &e);
		return rc == ERR_OK ? code : cli_fail(c, &e);
	}
	(void)err_set(&e, ERR_CONFIG, __FILE__, __LINE__, "ca %s: list, add, remove, test, switch and drill are known", c->arguments[0]);
	return cli_fail(c, &e);
}

const struct cli_command ca_command = { "ca", "list | add NAME | remove NAME | test NAME | switch | drill",
	"The CAs that are known, and those of one's own (add, remove); whether one answers, with an account that stands by (test); moves certificates from one to another, each kept "
	"until the new one serves (switch); proves that those which stand by would give certificates (drill).",
	CLI_OPTIONS(ca_options), 1, 2, cmd_ca };
