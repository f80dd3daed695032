/* The order, and what is left behind: the command and the configuration that say the same. */
#include "cli/setup.h"

#include "cli/cmd_issue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err_code setup_wish(struct setup *s, struct wish *ret, struct err *e)
{
	s->merged = s->given;
	TRY(config_merge(&s->config, NULL, &s->merged, e));
	return wish_read(s->arena, &s->config, &s->merged, NULL, s->names, s->n_names, ret, e);
}

/* --- the command that does the same --- */

#define WORDS_MAX (2 + WISH_NAMES_MAX + 2 * GIVEN_MAX)

/* As a shell reads it back. */
static const char *quoted(struct arena *a, const char *word)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(16384);
	bool plain = *word && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/@=+,")] == 0;

	buf_add_str(&out, plain ? "" : "'");
	for (const char *p = word; *p; p++)
		buf_add_fmt(&out, *p == '\'' ? "'\\''" : "%c", *p);
	buf_add_str(&out, plain ? "" : "'");
	const char *text = buf_ok(&out) ? arena_str(a, buf_bytes(&out)) : NULL;
	return text ? text : "";
}

static size_t command_of(struct setup *s, const char *words[WORDS_MAX])
{
	size_t n = 0;

	words[n++] = "chancery";
	words[n++] = "issue";
	for (size_t i = 0; i < s->n_names; i++)
		words[n++] = quoted(s->arena, s->names[i]);
	for (size_t i = 0; i < s->given.n; i++) {
		const char *option = (const char *)arena_fmt(s->arena, "--%s", s->given.v[i].option->name).ptr;
		words[n++] = option ? option : "";
		if (s->given.v[i].option->value)
			words[n++] = quoted(s->arena, s->given.v[i].value);
	}
	return n;
}

static void tell_command(struct setup *s, const char *title)
{
	const char *words[WORDS_MAX];
	size_t n = command_of(s, words);

	terminal_say("%s", title);
	terminal_command(words, n);
}

/* --- the configuration that does the same --- */

struct section {
	const char *path, *text;
	bool written;
	const char *why; /* it is not; NULL: nobody wanted it, or it is */
};

static void make_section(struct setup *s, const struct wish *w, struct section *ret)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);

	config_write_section(w->name, w->names, w->n_names, &s->given, &text);
	ret->path = config_path(&s->cli->given, s->arena);
	ret->text = buf_ok(&text) ? arena_str(s->arena, buf_bytes(&text)) : NULL;
}

static enum err_code write_section(struct setup *s, const struct wish *w, struct section *of, struct err *e)
{
	char *folder = realpath(s->config.folder, NULL);
	struct err why = { 0 };

	errno = 0;
	if (!of->path || !of->text) {
		free(folder);
		FAIL(e, CONFIG, "there is no place for a configuration: give --config FILE");
	}
	enum err_code rc = config_add_section(of->path, folder, w->name, bytes_str(of->text), &why);
	free(folder);
	of->written = rc == ERR_OK;
	if (rc != ERR_OK)
		of->why = arena_str(s->arena, bytes_str(why.detail)); /* what is wanted is kept beside the certificate */
	return ERR_OK;
}

static void tell_section(const struct section *of)
{
	if (of->why)
		terminal_bad("The configuration stays as it is: %s.", of->why);
	if (!of->written)
		return;
	terminal_good("%s says now:", of->path);
	printf("\n%s\n", of->text);
}

/* --- as JSON --- */

static void put_checks(const struct setup *s, struct json_out *j)
{
	static const char *const outcomes[] = { "good", "warning", "failed" };

	json_put_key(j, "checks");
	json_put_array(j);
	for (size_t i = 0; i < s->n_checks; i++) {
		const struct setup_check *c = &s->checks[i];
		json_put_object(j);
		json_put_member_str(j, "check", c->check);
		json_put_member_str(j, "of", c->of);
		json_put_member_str(j, "outcome", outcomes[c->outcome]);
		json_put_member_str(j, "detail", c->detail);
		json_put_member_str(j, "hint", c->hint);
		json_end_object(j);
	}
	json_end_array(j);
}

void setup_put(struct setup *s, const char *result, const struct err *why, struct json_out *j)
{
	const char *words[WORDS_MAX];

	json_put_member_str(j, "result", result);
	json_put_member_strs(j, "names", s->names, s->n_names);
	put_checks(s, j);
	if (s->n_names > 0) {
		size_t n = command_of(s, words);
		CLEANUP(buf_free_p) struct buf command = buf_new(131072);
		for (size_t i = 0; i < n; i++)
			buf_add_fmt(&command, "%s%s", i ? " " : "", words[i]);
		json_put_member(j, "command", buf_bytes(&command));
	}
	if (why && why->code != ERR_OK)
		json_put_member_str(j, "error", why->detail);
}

static void put_config(const struct section *of, struct json_out *j)
{
	json_put_key(j, "configuration");
	json_put_object(j);
	json_put_member_str(j, "path", of->path ? of->path : "");
	json_put_member_bool(j, "written", of->written);
	json_put_member_str(j, "section", of->text ? of->text : "");
	if (of->why)
		json_put_member_str(j, "error", of->why);
	json_end_object(j);
}

/* The order's own object is printed by who makes it: ours stands around it. */
static void print_tail(struct setup *s, const struct section *of, const struct err *why)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(2u << 20);
	struct json_out j = json_out_to(&text);

	json_put_object(&j);
	setup_put(s, s->failed || why->code != ERR_OK ? "failed" : "done", why, &j);
	put_config(of, &j);
	json_end_object(&j);
	printf(",%.*s\n", BYTES_FMT(bytes_slice(buf_bytes(&text), 1, text.len)));
}

/* --- the order --- */

/* Asked for, and not left again by a step back. */
static bool is_bound(const struct setup *s, size_t i)
{
	const char *name;

	for (size_t k = 0; s->bound[i] && (name = given_nth(&s->given, "ca", k)) != NULL; k++)
		if (strcmp(name, s->config.cas.v[i].name) == 0)
			return true;
	return false;
}

/* External account bindings that were asked for, beside the CAs that they are of. */
static enum err_code keep_bindings(struct setup *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(4096);
	bool any = false;
	struct ca_list own;

	for (size_t i = 0; i < s->config.cas.n; i++)
		any = any || is_bound(s, i);
	if (!any)
		return ERR_OK;
	TRY(ca_list_read_own(s->arena, s->config.folder, &own, &messages, e));
	for (size_t i = 0; i < s->config.cas.n; i++) {
		size_t at = 0;
		while (at < own.n && strcmp(own.v[at].name, s->config.cas.v[i].name) != 0)
			at++;
		errno = 0;
		if (is_bound(s, i) && at == CA_LIST_MAX)
			FAIL(e, CONFIG, "more than %d CAs", CA_LIST_MAX);
		if (!is_bound(s, i))
			continue;
		own.v[at] = s->config.cas.v[i];
		own.n += at == own.n;
	}
	return ca_list_write_own(s->config.folder, &own, e);
}

static void tell_end(struct setup *s, const struct section *of)
{
	if (s->failed) {
		tell_command(s, "The same again, when it is mended:");
		return;
	}
	printf("\n");
	tell_section(of);
	tell_command(s, "The same by a command:");
	terminal_say(
	    "Renewal: `chancery renew` by a timer, some times a day (systemctl enable --now chancery-renew.timer), or `chancery daemon`.");
}

enum err_code setup_run(struct setup *s, bool write, struct err *e)
{
	const struct issue_run what = { .given = &s->merged, .names = s->names, .n_names = s->n_names, .json = s->json };
	struct section section = { .path = NULL };
	struct err why = { 0 };
	struct wish w;

	TRY(keep_bindings(s, e));
	TRY(setup_wish(s, &w, e));
	make_section(s, &w, &section);
	s->ordered = true;
	if (s->json)
		printf("{\"order\":");
	fflush(stdout);
	int code = issue_run(&s->crew, &s->config, &what);
	s->failed = code == EXIT_FAILED;
	enum err_code rc = write && !s->failed ? write_section(s, &w, &section, &why) : ERR_OK;
	if (s->json) {
		print_tail(s, &section, &why);
		s->failed = s->failed || rc != ERR_OK;
		return ERR_OK;
	}
	tell_end(s, &section);
	if (rc != ERR_OK)
		*e = why;
	return rc;
}

enum err_code setup_order(struct setup *s, struct err *e)
{
	const struct terminal_question now = {
		.text = "Order it now?",
		.help =
		    "y makes the account, where there is none, and orders the certificate: it is the first thing that the CA hears of you. n goes one step back."
	};
	const struct terminal_question keep = { .text = "Write it to chancery.conf, too?",
		.help =
		    "A section of the configuration says all of this again, for chancery renew and for who looks after you. Without it the same is kept beside "
		    "the certificate." };
	bool go_on, write;

	tell_command(s, "As a command this is:");
	TRY(terminal_yes(s->arena, &now, true, &go_on, e));
	errno = 0;
	if (!go_on)
		FAIL(e, AGAIN, "back");
	TRY(terminal_yes(s->arena, &keep, !given_flag(&s->cli->given, "no-config"), &write, e));
	return setup_run(s, write, e);
}
