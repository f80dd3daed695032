#include "cli/cmd_reconcile.h"

#include "base/json.h"
#include "cli/ca_config.h"
#include "server/admin/reconcile.h"

#include <stdlib.h>

#define OUT_MAX (1u << 20)

static const struct given_option reconcile_options[] = {
	CONFIG_OPTION,
	{ "repair", NULL, false,
	    "Makes the database right by the log, or anew when there is none. The server must be stopped. What the log never heard of stays, "
	    "for you to look at." },
	{ "json", NULL, false, "Prints one JSON object." },
};

struct sums {
	uint64_t found, left, alarms;
};

static struct sums sums_of(const struct reconcile_report *r)
{
	struct sums s = { 0 };

	for (size_t i = 0; i < DIFFERENCE__MAX; i++) {
		s.found += r->found[i];
		s.left += r->left[i];
		s.alarms += difference_rows[i].alarm ? r->left[i] : 0;
	}
	return s;
}

static void put_differences(struct json_out *w, const struct reconcile_report *r)
{
	json_put_key(w, "differences");
	json_put_array(w);
	for (size_t i = 0; i < DIFFERENCE__MAX; i++) {
		if (!r->found[i] && !r->left[i])
			continue;
		json_put_object(w);
		json_put_member_str(w, "what", difference_rows[i].name);
		json_put_member_str(w, "meaning", difference_rows[i].what);
		json_put_member_bool(w, "alarm", difference_rows[i].alarm);
		json_put_member_uint(w, "found", r->found[i]);
		json_put_member_uint(w, "left", r->left[i]);
		json_end_object(w);
	}
	json_end_array(w);
	json_put_key(w, "listed");
	json_put_array(w);
	for (size_t i = 0; i < r->n_listed; i++) {
		json_put_object(w);
		json_put_member_str(w, "what", difference_rows[r->listed[i].what].name);
		json_put_member_str(w, "id", r->listed[i].text);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_counts(struct json_out *w, const struct mirror_counts *c)
{
	json_put_key(w, "log");
	json_put_object(w);
	json_put_member_uint(w, "certificates", c->logged_certificates);
	json_put_member_uint(w, "own", c->logged_own);
	json_put_member_uint(w, "void", c->logged_void);
	json_put_member_uint(w, "revoked", c->logged_revoked);
	json_put_member_uint(w, "accounts", c->logged_accounts);
	json_end_object(w);
	json_put_key(w, "database");
	json_put_object(w);
	json_put_member_uint(w, "certificates", c->certificates);
	json_put_member_uint(w, "orders", c->orders);
	json_put_member_uint(w, "accounts", c->accounts);
	json_end_object(w);
}

static void put_report(const struct reconcile_report *r, bool repair, struct buf *out)
{
	struct json_out w = json_out_to(out);
	struct sums s = sums_of(r);

	json_put_object(&w);
	json_put_member_bool(&w, "agree", s.left == 0);
	json_put_member_bool(&w, "repair", repair);
	json_put_member_bool(&w, "running", r->running);
	json_put_member_bool(&w, "made", r->made);
	json_put_member_uint(&w, "records", r->records);
	put_counts(&w, &r->counts);
	json_put_member_uint(&w, "found", s.found);
	json_put_member_uint(&w, "left", s.left);
	json_put_member_uint(&w, "alarms", s.alarms);
	put_differences(&w, r);
	json_end_object(&w);
	buf_add_u8(out, '\n');
}

static void print_differences(const struct reconcile_report *r, bool repair)
{
	for (size_t i = 0; i < DIFFERENCE__MAX; i++) {
		if (!r->found[i] && !r->left[i])
			continue;
		printf("%s%-20s %8llu", difference_rows[i].alarm ? "! " : "  ", difference_rows[i].name, (unsigned long long)r->found[i]);
		if (repair)
			printf("  left %llu", (unsigned long long)r->left[i]);
		printf("  %s\n", difference_rows[i].what);
		for (size_t k = 0; k < r->n_listed; k++)
			if (r->listed[k].what == (enum difference)i)
				printf("      %s\n", r->listed[k].text);
	}
}

static void print_what_next(const struct reconcile_report *r, const struct sums *s, bool repair)
{
	if (s->found > 0 && repair)
		printf(
		    "Restored accounts have no contacts and no agreed terms, and pending orders and authorizations are not in the log: clients "
		    "make new ones.\n");
	if (s->left > s->alarms && !repair)
		printf("Stop the server and run `chancery-ca reconcile --repair` to make the database right by the log.\n");
	if (s->alarms > 0)
		printf("What is marked with ! the signer never did. Repair leaves it as it is: find out who wrote it into the database.\n");
	(void)r;
}

static void print_report(const struct reconcile_report *r, bool repair)
{
	const struct mirror_counts *c = &r->counts;
	struct sums s = sums_of(r);

	printf("log:      %llu records, %llu certificates of %llu accounts, %llu revoked, %llu void, %llu of the CA itself\n",
	    (unsigned long long)r->records, (unsigned long long)c->logged_certificates, (unsigned long long)c->logged_accounts,
	    (unsigned long long)c->logged_revoked, (unsigned long long)c->logged_void, (unsigned long long)c->logged_own);
	printf("database: %llu certificates, %llu orders, %llu accounts%s\n", (unsigned long long)c->certificates,
	    (unsigned long long)c->orders, (unsigned long long)c->accounts, r->made ? "; there was none before" : "");
	if (r->running)
		printf("The server runs: what it logged since the beginning was passed over.\n");
	print_differences(r, repair);
	if (s.left == 0)
		printf("%s\n", s.found ? "Log and database agree now." : "Log and database agree.");
	print_what_next(r, &s, repair);
}

static int cmd_reconcile(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct reconcile_report *r = a ? arena_new_obj(a, struct reconcile_report) : NULL;
	CLEANUP(buf_free_p) struct buf out = buf_new(OUT_MAX);
	bool repair = cli_flag(c, "repair");
	struct settings s;
	struct err e = { 0 };

	if (!r)
		return EXIT_FAILED;
	if (ca_config_read(c, a, &s, &e) != ERR_OK || reconcile(&s, repair, r, &e) != ERR_OK)
		return cli_fail(c, &e);
	if (cli_flag(c, "json")) {
		put_report(r, repair, &out);
		printf("%.*s", BYTES_FMT(buf_bytes(&out)));
	} else {
		print_report(r, repair);
	}
	return sums_of(r).left == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct cli_command reconcile_command = { "reconcile", "",
	"Compares the signer's log with the front's database, both ways, and repairs the database from the log. As root or the files' owner; without "
	"--repair also while the server runs.",
	CLI_OPTIONS(reconcile_options), 0, 0, cmd_reconcile };
