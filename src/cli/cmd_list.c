#include "cli/cmd_list.h"

#include "agent/frame.h"
#include "agent/standing.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/client_config.h"
#include "cli/cmd_issue.h"

#include <stdio.h>
#include <string.h>

#define DAY_S 86400

static const struct given_option list_options[] = {
	{ "served", NULL, false,
	    "Looks whether the endpoints (--deploy-endpoint, else the first name's port 443) show the certificate that is on disk." },
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};

/* --- JSON --- */

static void put_time(struct json_out *w, const char *key, int64_t unix_s)
{
	char text[RFC3339_SIZE];

	rfc3339_format(unix_s, text);
	if (unix_s > 0)
		json_put_member_str(w, key, text);
}

static void put_error(struct json_out *w, const struct state *s)
{
	json_put_member_str(w, "message", s->message);
	json_put_member_str(w, "hint", s->hint);
	json_put_member_str(w, "fault", *s->fault ? s->fault : "caller");
	json_put_member_str(w, "about", *s->about ? s->about : "us");
	put_time(w, "at", s->last_try_s);
	put_time(w, "next_try", s->not_before_s);
}

/* What it fails at, at one CA. */
static void put_at(struct json_out *w, const struct standing_at *at)
{
	json_put_object(w);
	json_put_member_str(w, "ca", at->ca);
	json_put_member_uint(w, "failures", at->state.failures);
	put_error(w, &at->state);
	json_end_object(w);
}

static void put_failures(struct json_out *w, const struct standing *s)
{
	json_put_member_uint(w, "failures", s->state.failures);
	put_time(w, "failing_since", s->state.failing_since_s);
	if (s->state.failures > 0 && *s->state.message) {
		json_put_key(w, "error");
		json_put_object(w);
		put_error(w, &s->state);
		json_end_object(w);
	} else if (*s->state.message) {
		json_put_member_str(w, "waits", s->state.message);
		put_time(w, "waits_until", s->state.not_before_s);
	}
	if (s->n_at == 0)
		return;
	json_put_key(w, "at");
	json_put_array(w);
	for (size_t i = 0; i < s->n_at; i++)
		put_at(w, &s->at[i]);
	json_end_array(w);
}

static void put_row(struct json_out *w, const struct standing *s)
{
	json_put_object(w);
	json_put_member_str(w, "name", s->item->name);
	json_put_member_strs(w, "names", s->names, s->n_names);
	json_put_member_str(w, "state", standing_name(s->kind));
	json_put_member_bool(w, "configured", s->item->configured);
	if (*s->server) {
		json_put_member_str(w, "server", s->server);
		json_put_member_str(w, "ca", s->ca);
		json_put_member_str(w, "not_before", s->not_before);
		json_put_member_str(w, "not_after", s->not_after);
	}
	put_time(w, "due", s->due.at_s);
	json_put_member_str(w, "why", s->due.why);
	put_time(w, "last_success", s->state.last_success_s);
	put_failures(w, s);
	if (s->wrong)
		json_put_member_str(w, "wrong", s->wrong);
	if (s->forgotten)
		json_put_member_str(w, "forgotten", s->forgotten);
	if (s->state.served_s) {
		json_put_key(w, "served");
		json_put_object(w);
		put_time(w, "at", s->state.served_s);
		json_put_member_bool(w, "good", !*s->state.served);
		if (*s->state.served)
			json_put_member_str(w, "message", s->state.served);
		json_end_object(w);
	}
	json_end_object(w);
}

/* --- for a person --- */

static void print_ends(const struct standing *s, int64_t now_s)
{
	char days[24] = "";
	long long left = (long long)((s->not_after_s - now_s) / DAY_S);

	if (!s->not_after_s) {
		printf("%-22s", "-");
		return;
	}
	(void)snprintf(days, sizeof days, "(%lld day%s)", left, left == 1 || left == -1 ? "" : "s");
	printf("%.10s %-11s", s->not_after, days);
}

static void print_next_try(const struct standing *s, const struct state *at)
{
	char until[RFC3339_SIZE];

	rfc3339_format(at->not_before_s, until);
	printf("    tried again from %s on; `chancery renew %s --force` tries now\n", until, s->item->name);
}

static void print_failure(const struct state *s)
{
	printf("    failed %llu time%s: %s\n", (unsigned long long)s->failures, s->failures == 1 ? "" : "s", s->message);
	if (*s->hint)
		printf("    what to do: %s\n", s->hint);
}

static void print_at(const struct standing *s, const struct standing_at *at)
{
	char until[RFC3339_SIZE];

	rfc3339_format(at->state.not_before_s, until);
	if (strcmp(at->state.message, s->state.message) == 0)
		printf("    %s is not asked for it before %s\n", at->ca, until); /* said already */
	else
		printf("    %s is not asked for it before %s: %s\n", at->ca, until, at->state.message);
}

/* What is wrong, and what to do, below the row. */
static void print_trouble(const struct standing *s, int64_t now_s)
{
	if (s->wrong)
		printf("    %s\n", s->wrong);
	if (s->forgotten)
		printf("    what was remembered is forgotten: %s\n", s->forgotten);
	if (s->never)
		printf("    it is configured, and was never got\n");
	if (s->state.failures > 0)
		print_failure(&s->state);
	else if (*s->state.message)
		printf("    waits: %s\n", s->state.message);
	if (s->state.failures > 0 || *s->state.message)
		print_next_try(s, &s->state);
	for (size_t i = 0; i < s->n_at; i++)
		if (state_waits(&s->at[i].state, now_s))
			print_at(s, &s->at[i]);
	if (s->kind == STANDING_UNMANAGED)
		printf("    nothing says how it is renewed: issue it anew, or name it in chancery.conf\n");
	if (*s->state.served)
		printf("    served: %s\n", s->state.served);
}

static void print_row(const struct standing *s, int64_t now_s)
{
	char due[RFC3339_SIZE];

	rfc3339_format(s->due.at_s, due);
	printf("%-30s  %-9s  ", s->item->name, standing_name(s->kind));
	print_ends(s, now_s);
	printf("  %.10s  %-14s  %s", s->due.now && s->kind != STANDING_GOOD ? "now       " : due, *s->ca ? s->ca : "-",
	    s->n_names ? s->names[0] : "");
	if (s->n_names > 1)
		printf(" and %zu more", s->n_names - 1);
	printf("\n");
	print_trouble(s, now_s);
}

static bool is_wrong(const struct standing *s)
{
	return s->kind == STANDING_EXPIRED || s->kind == STANDING_BROKEN || s->kind == STANDING_FAILING || *s->state.served;
}

static int list_all(struct cli *c, const struct config *config, const struct inventory *all)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	CLEANUP(crew_close) struct crew crew = { .users = config->users };
	CLEANUP(buf_free_p) struct buf text = buf_new(64u << 20);
	struct json_out w = json_out_to(&text);
	bool json = cli_flag(c, "json"), wrong = false;
	int64_t now_s = clock_wall_ms() / 1000;

	if (!a)
		return EXIT_FAILED;
	json_put_object(&w);
	json_put_key(&w, "certificates");
	json_put_array(&w);
	if (!json && all->n > 0)
		printf("%-30s  %-9s  %-22s  %-10s  %-14s  %s\n", "CERTIFICATE", "STATE", "ENDS", "DUE", "CA", "NAMES");
	for (size_t i = 0; i < all->n; i++) {
		struct standing s;
		standing_of(config, a, &all->v[i], now_s, &s);
		if (cli_flag(c, "served"))
			standing_look(config, &crew, a, &s);
		wrong = wrong || is_wrong(&s);
		if (json)
			put_row(&w, &s);
		else
			print_row(&s, now_s);
	}
	json_end_array(&w);
	json_end_object(&w);
	if (json)
		printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	else if (all->n == 0)
		printf("There are no certificates in %s.\n", config->folder);
	return wrong ? EXIT_FAILED : EXIT_DONE;
}

static int cmd_list(struct cli *c)
{
	return issue_with_inventory(c, list_all);
}

const struct cli_command list_command = { "status", "[NAME...]",
	"Lists the certificates, those of the folder and those of chancery.conf: until when they hold, when they are due and why, what failed last and what to do, what is served. Exit code "
	"2: something needs a look.",
	CLI_OPTIONS(list_options), 0, 100, cmd_list };
