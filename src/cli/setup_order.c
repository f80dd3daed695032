/* The checks before an order, the order, and what is left behind: the command and the configuration that say the same. */
#include "cli/setup.h"

#include "agent/reach.h"
#include "cli/cmd_issue.h"
#include "client/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err_code read_wish(struct setup *s, struct wish *ret, struct err *e)
{
	s->merged = s->given;
	TRY(config_merge(&s->config, NULL, &s->merged, e));
	return wish_read(s->arena, &s->config, &s->merged, NULL, s->names, s->n_names, ret, e);
}

/* False: it would fail. */
static bool check_storage(const struct wish *w)
{
	CLEANUP(storage_free_p) struct storage *storage = NULL;
	struct err e = { 0 };

	if (storage_open(w->folder, w->name, &storage, &e) == ERR_OK) {
		terminal_good("Certificates can be stored in %s/%s.", w->folder, w->name);
		return true;
	}
	terminal_bad("%s.", e.detail);
	return false;
}

static bool check_name(struct setup *s, const struct wish *w, const char *name)
{
	struct err e = { 0 };
	const char *addresses;

	enum err_code rc = reach_try(&s->crew, s->arena, w, name, &addresses, &e);
	if (rc == ERR_OK)
		terminal_good("%s: an answer is reached by %s.", name, addresses);
	if (rc == ERR_OK || rc == ERR_NOT_FOUND)
		return true;
	terminal_bad("%s.", e.detail);
	if (rc == ERR_DNS)
		terminal_say("What to do: set an A or AAAA record of %s to this host's address.", name);
	else if (rc == ERR_CONNECTION)
		terminal_say("What to do: look at port forwarding and firewalls, and whether the name leads to this host.");
	else if (rc == ERR_INCORRECT_RESPONSE)
		terminal_say("What to do: let the web server there show the files, or point the name to this host.");
	return false;
}

bool setup_check(struct setup *s)
{
	struct wish w;
	struct err e = { 0 };
	bool good = true;

	terminal_say("Before anything is ordered:");
	if (read_wish(s, &w, &e) != ERR_OK) {
		terminal_bad("%s.", e.detail);
		return false;
	}
	good = check_storage(&w);
	for (size_t i = 0; i < w.n_names; i++)
		good = check_name(s, &w, w.names[i]) && good;
	return good;
}

/* --- the order --- */

/* A word as a shell reads it back. */
static void put_word(struct buf *out, const char *word)
{
	bool plain = *word && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/@=+,")] == 0;

	buf_add_str(out, plain ? "" : "'");
	for (const char *p = word; *p; p++)
		buf_add_fmt(out, *p == '\'' ? "'\\''" : "%c", *p);
	buf_add_str(out, plain ? "" : "'");
}

static const char *command_of(struct setup *s)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);

	buf_add_str(&out, "chancery issue");
	for (size_t i = 0; i < s->n_names; i++) {
		buf_add_str(&out, " ");
		put_word(&out, s->names[i]);
	}
	for (size_t i = 0; i < s->given.n; i++) {
		buf_add_fmt(&out, " --%s", s->given.v[i].option->name);
		if (!s->given.v[i].option->value)
			continue;
		buf_add_str(&out, " ");
		put_word(&out, s->given.v[i].value);
	}
	const char *text = buf_ok(&out) ? arena_str(s->arena, buf_bytes(&out)) : NULL;
	return text ? text : "";
}

static enum err_code write_section(struct setup *s, const struct wish *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf section = buf_new(65536);
	const char *path = config_path(&s->cli->given, s->arena);
	char *folder = realpath(s->config.folder, NULL);
	struct err why = { 0 };

	config_write_section(w->name, w->names, w->n_names, &s->given, &section);
	errno = 0;
	if (!path || !buf_ok(&section)) {
		free(folder);
		FAIL(e, CONFIG, "there is no place for a configuration: give --config FILE");
	}
	enum err_code rc = config_add_section(path, folder, w->name, buf_bytes(&section), &why);
	free(folder);
	if (rc != ERR_OK) {
		terminal_bad("The configuration stays as it is: %s.", why.detail);
		return ERR_OK; /* what is wanted is kept beside the certificate */
	}
	terminal_good("%s says now:", path);
	printf("\n%.*s\n", BYTES_FMT(buf_bytes(&section)));
	return ERR_OK;
}

enum err_code setup_run(struct setup *s, bool write, struct err *e)
{
	const struct issue_run what = { .given = &s->merged, .names = s->names, .n_names = s->n_names };
	struct wish w;

	TRY(read_wish(s, &w, e));
	fflush(stdout);
	int code = issue_run(&s->crew, &s->config, &what);
	s->failed = code == EXIT_FAILED;
	if (s->failed) {
		terminal_say("The same again, when it is mended: %s", command_of(s));
		return ERR_OK;
	}
	printf("\n");
	if (write)
		TRY(write_section(s, &w, e));
	terminal_say("The same by a command: %s", command_of(s));
	terminal_say(
	    "Renewal: `chancery renew` by a timer, some times a day (systemctl enable --now chancery-renew.timer), or `chancery daemon`.");
	return ERR_OK;
}

enum err_code setup_order(struct setup *s, struct err *e)
{
	bool go_on, write;

	terminal_say("%s", command_of(s));
	TRY(terminal_yes(s->arena, "Order it now?", true, &go_on, e));
	errno = 0;
	if (!go_on)
		FAIL(e, AGAIN, "back");
	TRY(terminal_yes(s->arena, "Write it to chancery.conf, too?", !given_flag(&s->cli->given, "no-config"), &write, e));
	return setup_run(s, write, e);
}
