/* chancery ca test, switch, drill: what is tried at CAs. */
#include "agent/account.h"
#include "agent/ca_call.h"
#include "agent/ca_directory.h"
#include "agent/key_file.h"
#include "cli/cmd_ca_impl.h"
#include "cli/cmd_issue.h"
#include "cli/issue_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- test --- */

/* The directory, TLS and the account: which stands by from now on. */
static enum err_code try_account(
    struct ca_work *w, struct crew *crew, struct ca_wish *wish, const char **ret_url, struct outcome *out, struct err *e)
{
	const struct keys_wish key = { .slot = "account", .use = KEYS_ACCOUNT, .type = KEY_EC_P256 };

	TRY(ca_wish_make_account_folder(wish, w->config.folder, w->arena, e));
	TRY(account_settle(crew, w->arena, wish, NULL, out, e));
	if (out->result != CHANCERY_OK)
		return ERR_OK;
	TRY(key_file_need(crew, w->arena, wish->account_key, &key, &wish->account, e));
	return ca_account(crew, w->arena, wish, "open", BYTES_NONE, ret_url, out, e);
}

static void put_good(const struct ca *entry, const char *url, const struct ca_wish *wish, const struct ca_directory *d)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	struct json_out j = json_out_to(&text);

	json_put_object(&j);
	json_put_member_str(&j, "result", "good");
	json_put_member_str(&j, "name", entry->name);
	json_put_member_str(&j, "account", url);
	json_put_member_str(&j, "key", wish->account_key);
	if (d->dated) {
		json_put_member_bool(&j, "clock_good", ca_clock_is_good(d));
		json_put_key(&j, "clock_ahead_s");
		json_put_int(&j, d->ahead_s);
	}
	json_end_object(&j);
	printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
}

static void tell_good(const struct ca *entry, const char *url, const struct ca_directory *d)
{
	char far[CA_CLOCK_WORDS_MAX];

	ca_clock_words(d, far);
	printf("%s answers, and an account stands by: %s\n", entry->name, url);
	if (!d->dated)
		return;
	if (ca_clock_is_good(d))
		printf("This machine's clock is right by that of the CA: %s of it.\n", far);
	else
		printf("This machine's clock is wrong by that of the CA: %s of it.\n"
		       "  What to do: set it right, by the network: timedatectl set-ntp true (timedatectl shows how it is).\n",
		    far);
}

/* The directory was there a moment ago: what it says of the time is told where it can be had. */
static void look_at_clock(struct ca_work *w, struct crew *crew, const struct ca_wish *wish, struct ca_directory *ret)
{
	if (ca_directory(crew, w->arena, wish, ret, NULL) != ERR_OK)
		*ret = (struct ca_directory){ .dated = false };
}

enum err_code ca_verb_test(struct ca_work *w, int *ret_exit, struct err *e)
{
	CLEANUP(crew_close) struct crew crew = { .users = w->config.users };
	struct issue_report report = { .json = w->json };
	struct outcome out = { .result = CHANCERY_OK };
	struct given given = w->c->given;
	const struct ca *entry;
	const char *url = "";
	struct ca_directory d;
	struct ca_wish wish;

	TRY(ca_of_argument(w, w->c->n_arguments > 1 ? w->c->arguments[1] : NULL, &entry, e));
	TRY(config_merge(&w->config, NULL, &given, e));
	TRY(ca_wish_of_entry(&given, &w->config, w->arena, entry, &wish, e));
	report.server = wish.directory;
	TRY(try_account(w, &crew, &wish, &url, &out, e));
	if (out.result != CHANCERY_OK) {
		*ret_exit = report_failed(&report, &out);
		return ERR_OK;
	}
	look_at_clock(w, &crew, &wish, &d);
	if (w->json)
		put_good(entry, url, &wish, &d);
	else
		tell_good(entry, url, &d);
	*ret_exit = EXIT_DONE;
	return ERR_OK;
}

/* --- switch and drill --- */

struct move {
	struct ca_work *w;
	struct crew crew;
	int done, failed;
};

static bool has_ca(const struct given *g, const char *name)
{
	const char *v;

	for (size_t i = 0; (v = given_nth(g, "ca", i)) != NULL; i++)
		if (strcmp(v, name) == 0)
			return true;
	v = given_value(g, "server", NULL);
	return v && strcmp(v, name) == 0;
}

static void run_one(struct move *m, const struct inventory_item *item, const struct given *given, const char *ca, bool rehearsal)
{
	const struct issue_run what = { .given = given,
		.name = item->name,
		.names = item->names,
		.n_names = item->n_names,
		.force = true,
		.rehearsal = rehearsal,
		.ca = ca,
		.json = m->w->json };

	if (m->w->json)
		printf("%s", m->done + m->failed ? "," : "");
	else
		printf("%s\n", item->name);
	fflush(stdout);
	int code = issue_run(&m->crew, &m->w->config, &what);
	m->done += code == EXIT_DONE;
	m->failed += code != EXIT_DONE;
}

static void begin(const struct ca_work *w)
{
	if (w->json)
		printf("{\"certificates\":[\n");
}

static int finish(const struct move *m, const char *nothing)
{
	if (m->w->json)
		printf("]}\n");
	else if (m->done + m->failed == 0)
		printf("%s\n", nothing);
	return m->failed ? EXIT_FAILED : m->done ? EXIT_DONE : EXIT_NOTHING_TO_DO;
}

/* One after the other; each keeps the certificate that works until the new one serves. */
enum err_code ca_verb_switch(struct ca_work *w, int *ret_exit, struct err *e)
{
	struct move m = { .w = w, .crew = { .users = w->config.users } };
	const char *from = given_value(&w->c->given, "from", NULL), *to = given_value(&w->c->given, "to", NULL);
	bool rehearsal = given_flag(&w->c->given, "dry-run");
	const struct ca *entry;
	struct inventory all;

	errno = 0;
	if (!from || !to)
		FAIL(e, CONFIG, "ca switch: --from NAME and --to NAME say which CA takes the place of which");
	TRY(ca_of_argument(w, to, &entry, e));
	TRY(issue_inventory(&w->config, w->arena, NULL, 0, &all, e));
	begin(w);
	for (size_t i = 0; i < all.n; i++) {
		struct given *given = arena_new_obj(w->arena, struct given);
		if (all.v[i].wrong || all.v[i].unmanaged || !has_ca(all.v[i].given, from))
			continue;
		enum err_code rc = given ? issue_other_ca(all.v[i].given, from, to, given, e) : ERR_NOMEM;
		if (rc != ERR_OK) {
			crew_close(&m.crew);
			return rc;
		}
		run_one(&m, &all.v[i], given, to, rehearsal);
		if (all.v[i].configured && !rehearsal && !w->json)
			printf("  %s names %s for it: put %s in its place there.\n", w->config.path, from, to);
	}
	crew_close(&m.crew);
	*ret_exit = finish(&m, "No certificate is of that CA.");
	return ERR_OK;
}

/* Each certificate's stand-by CAs give one, which is thrown away: that they would, is known before they have to. */
enum err_code ca_verb_drill(struct ca_work *w, int *ret_exit, struct err *e)
{
	struct move m = { .w = w, .crew = { .users = w->config.users } };
	const char *to = given_value(&w->c->given, "to", NULL);
	struct inventory all;
	const char *ca;

	TRY(issue_inventory(&w->config, w->arena, NULL, 0, &all, e));
	begin(w);
	for (size_t i = 0; i < all.n; i++)
		for (size_t k = to ? 0 : 1; !all.v[i].wrong && (ca = given_nth(all.v[i].given, "ca", k)) != NULL; k++)
			if (!to || strcmp(to, ca) == 0)
				run_one(&m, &all.v[i], all.v[i].given, ca, true);
	crew_close(&m.crew);
	*ret_exit = finish(&m, "No certificate has a CA that stands by: give --ca more than once.");
	return ERR_OK;
}
