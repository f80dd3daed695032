#include "cli/issue_report.h"

#include "base/clock.h"
#include "base/json.h"
#include "cli/deployment.h"
#include "client/storage.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void note_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

void report_catch_signals(void)
{
	/* Without SA_RESTART, so that a sleep ends and the library asks us; a second one, from who cannot wait for a request to end,
	 * ends the program at once. */
	struct sigaction a = { .sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND };

	(void)sigaction(SIGINT, &a, NULL);
	(void)sigaction(SIGTERM, &a, NULL);
}

bool report_interrupted(void)
{
	return interrupted;
}

int report_progress(void *context, enum chancery_step step, const char *text)
{
	const struct issue_report *r = context;

	if (!r->json) {
		bool colour = isatty(STDOUT_FILENO);
		const char *mark = step == CHANCERY_STEP_WAIT ? "\033[33m" : step == CHANCERY_STEP_VALIDATED ? "\033[32m" : "\033[36m";
		printf("  %s%s%s %s\n", colour ? mark : "", step == CHANCERY_STEP_WAIT ? "..." : " - ", colour ? "\033[0m" : "", text);
		fflush(stdout);
	}
	return interrupted;
}

/* --- JSON --- */

static void put_time(struct json_out *w, const char *key, int64_t unix_s)
{
	char text[RFC3339_SIZE];

	rfc3339_format(unix_s, text);
	json_put_member_str(w, key, text);
}

static void put_common(struct json_out *w, const struct issue_report *r, const char *result)
{
	json_put_object(w);
	json_put_member_str(w, "result", result);
	json_put_member_strs(w, "names", r->names, r->n_names);
	if (r->server)
		json_put_member_str(w, "server", r->server);
	if (r->ca)
		json_put_member_str(w, "ca", r->ca);
	if (r->due && *r->due->why) {
		put_time(w, "due", r->due->at_s);
		json_put_member_str(w, "why", r->due->why);
	}
}

static void put_files(struct json_out *w, const struct issue_report *r)
{
	static const char *const keys[] = { "privkey", "cert", "chain", "fullchain", "meta" };
	static const char *const files[] = { STORAGE_PRIVKEY, STORAGE_CERT, STORAGE_CHAIN, STORAGE_FULLCHAIN, STORAGE_META };
	char path[4096];

	json_put_member_str(w, "folder", r->live);
	for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
		(void)snprintf(path, sizeof path, "%s/%s", r->live, files[f]);
		json_put_member_str(w, keys[f], path);
	}
	put_time(w, "not_before", r->not_before_s);
	put_time(w, "not_after", r->not_after_s);
}

static void print_json(struct json_out *w)
{
	json_end_object(w);
	printf("%.*s\n", BYTES_FMT(buf_bytes(w->out)));
}

/* --- good ends --- */

static void print_files(const struct issue_report *r)
{
	char until[RFC3339_SIZE];
	long days = (long)((r->not_after_s - clock_wall_ms() / 1000) / 86400);

	rfc3339_format(r->not_after_s, until);
	printf("\n  private key        %s/%s\n  certificate+chain  %s/%s\n  expires            %s (in %ld day%s)\n", r->live,
	    STORAGE_PRIVKEY, r->live, STORAGE_FULLCHAIN, until, days, days == 1 ? "" : "s");
}

static void report_end(const struct issue_report *r, const char *result, const char *sentence)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out w = json_out_to(&text);

	if (!r->json) {
		bool colour = isatty(STDOUT_FILENO);
		printf("%s%s%s\n", colour ? "\033[32m" : "", sentence, colour ? "\033[0m" : "");
		print_files(r);
		return;
	}
	put_common(&w, r, result);
	put_files(&w, r);
	if (r->account_url) {
		json_put_member_str(&w, "account", r->account_url);
		json_put_member_str(&w, "order", r->order_url);
		json_put_member_str(&w, "certificate", r->certificate_url);
	}
	deployment_put(r->deploy, &w);
	print_json(&w);
}

void report_issued(const struct issue_report *r)
{
	report_end(r, "issued", "Done: the certificate is there.");
}

void report_deployed(const struct issue_report *r)
{
	report_end(r, "deployed", "Done: the certificate that was there already is put to use.");
}

void report_nothing_to_do(const struct issue_report *r)
{
	char sentence[400], day[RFC3339_SIZE];

	rfc3339_format(r->due ? r->due->at_s : r->not_after_s, day);
	(void)snprintf(sentence, sizeof sentence, "Nothing to do: the certificate is due on %.10s (%s); --force gets a new one.", day,
	    r->due ? r->due->why : "");
	report_end(r, "nothing-to-do", sentence);
}

void report_waiting(const struct issue_report *r, int64_t until_s, const struct outcome *why)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out w = json_out_to(&text);
	char until[RFC3339_SIZE];

	rfc3339_format(until_s, until);
	if (!r->json && !why->message)
		printf("Waits: it failed before, and is tried again from %s on (chancery status says why; --force tries now).\n", until);
	if (!r->json && why->message)
		printf("Waits: %s.\n", why->message);
	if (!r->json)
		return;
	put_common(&w, r, "waiting");
	if (until_s)
		put_time(&w, "until", until_s);
	json_put_member_str(&w, "message", why->message ? why->message : "it failed before");
	print_json(&w);
}

void report_rehearsed(const struct issue_report *r)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out w = json_out_to(&text);

	if (!r->json) {
		printf("%s would have given the certificate. Nothing is changed here.\n", r->ca ? r->ca : "The CA");
		return;
	}
	put_common(&w, r, "rehearsed");
	put_time(&w, "not_before", r->not_before_s);
	put_time(&w, "not_after", r->not_after_s);
	print_json(&w);
}

/* --- bad ends --- */

static void put_subs(struct json_out *w, const struct outcome *x)
{
	json_put_key(w, "subproblems");
	json_put_array(w);
	for (size_t i = 0; i < x->n_subs; i++) {
		json_put_object(w);
		json_put_member_str(w, "name", x->subs[i].name);
		json_put_member_str(w, "type", x->subs[i].type);
		json_put_member_str(w, "detail", x->subs[i].detail);
		json_end_object(w);
	}
	json_end_array(w);
}

/* files: they are there all the same. */
static void json_failed(const struct issue_report *r, const struct outcome *x, bool files)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out w = json_out_to(&text);

	put_common(&w, r, "failed");
	if (files)
		put_files(&w, r);
	json_put_key(&w, "error");
	json_put_object(&w);
	json_put_member_str(&w, "message", x->message);
	json_put_member_str(&w, "hint", x->hint);
	json_put_member_str(&w, "fault", outcome_fault_name(x->fault));
	json_put_member_str(&w, "about", blame_about_name(x->blame.about));
	json_put_member_str(&w, "type", x->type);
	json_put_member_uint(&w, "http_status", (uint64_t)x->http_status);
	json_put_member_uint(&w, "retry_after_s", x->retry_after_s);
	if (*x->solver)
		json_put_member_str(&w, "solver", x->solver);
	put_subs(&w, x);
	json_end_object(&w);
	deployment_put(r->deploy, &w);
	print_json(&w);
}

/* What this machine or who asked is to blame for says it all in its message. */
static bool is_local(const struct outcome *x)
{
	return (x->result == CHANCERY_USAGE || x->result == CHANCERY_SYSTEM || x->result == CHANCERY_NOMEM) && !*x->hint && !*x->solver;
}

int report_failed(const struct issue_report *r, const struct outcome *x)
{
	if (r->json) {
		json_failed(r, x, false);
		return EXIT_FAILED;
	}
	fflush(stdout);
	fprintf(stderr, "chancery: %s\n", interrupted ? "stopped; what was put in place for the CA is taken away" : x->message);
	for (size_t i = 0; i < x->n_subs; i++)
		fprintf(stderr, "  %s: %s (%s)\n", x->subs[i].name, x->subs[i].detail, x->subs[i].type);
	if (interrupted || is_local(x))
		return EXIT_FAILED;
	if (*x->solver)
		fprintf(stderr, "  The solver: %s.\n", x->solver);
	fprintf(stderr, "  Where it lies: %s.\n", outcome_fault_words(x->fault));
	if (*x->hint)
		fprintf(stderr, "  What to do: %s.\n", x->hint);
	if (x->retry_after_s)
		fprintf(stderr, "  The server says to try again after %u s.\n", (unsigned)x->retry_after_s);
	return EXIT_FAILED;
}

int report_undeployed(const struct issue_report *r, const struct outcome *x)
{
	if (r->json) {
		json_failed(r, x, true);
		return EXIT_FAILED;
	}
	fflush(stdout);
	fprintf(stderr, "chancery: the new certificate is stored, but not deployed: %s\n", x->message);
	if (r->deploy->rolled_back)
		fprintf(stderr, "  The previous certificate is live again; chancery deploy tries the new one once more.\n");
	return EXIT_FAILED;
}

int report_failed_here(const struct issue_report *r, const struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	struct outcome x;

	if (!a)
		return EXIT_FAILED;
	outcome_of_err(e, a, &x);
	return report_failed(r, &x);
}
