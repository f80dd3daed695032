#include "cli/probe_report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JSON_MAX (4u << 20)

static const char *paint(const struct probe_report *r, enum probe_result result)
{
	static const char *const colours[PROBE__MAX] = { "\033[32m", "\033[31m", "\033[36m", "\033[33m" };

	return r->colour ? colours[result] : "";
}

static const char *plain(const struct probe_report *r)
{
	return r->colour ? "\033[0m" : "";
}

void probe_report_begin(struct probe_report *r)
{
	r->colour = !r->json && isatty(STDOUT_FILENO);
	r->text = buf_new(JSON_MAX);
	r->out = json_out_to(&r->text);
	if (!r->json)
		return;
	json_put_object(&r->out);
	if (r->server)
		json_put_member_str(&r->out, "server", r->server);
	json_put_key(&r->out, "cases");
	json_put_array(&r->out);
}

static void put_case(struct probe_report *r, const struct probe_case *c)
{
	json_put_object(&r->out);
	json_put_member_str(&r->out, "id", probe_case_id(c));
	json_put_member_str(&r->out, "section", probe_case_section(c));
	json_put_member_str(&r->out, "level", probe_level_name(probe_case_level(c)));
	json_put_member_str(&r->out, "requirement", probe_case_requirement(c));
}

/* A line above the first of each resource. */
static void print_group(struct probe_report *r, const char *id)
{
	size_t n = strcspn(id, "/");

	if (n >= sizeof r->group || (strncmp(r->group, id, n) == 0 && r->group[n] == 0))
		return;
	(void)snprintf(r->group, sizeof r->group, "%.*s", (int)n, id);
	printf("\n%s%s%s\n", r->colour ? "\033[1m" : "", r->group, plain(r));
}

/* Servers' words may be anything: nothing of them moves the terminal. */
static void print_seen(const char *before, const char *detail)
{
	fputs(before, stdout);
	for (const char *p = detail; *p; p++)
		putchar(*p < ' ' || *p > '~' ? '?' : *p);
	putchar('\n');
}

void probe_report_case(struct probe_report *r, const struct probe_case *c, enum probe_result result, const struct err *seen)
{
	const char *id = probe_case_id(c);

	r->counts[probe_case_level(c)][result]++;
	if (r->json) {
		put_case(r, c);
		json_put_member_str(&r->out, "result", probe_result_name(result));
		if (result != PROBE_PASSED)
			json_put_member_str(&r->out, "seen", seen->detail);
		json_end_object(&r->out);
		return;
	}
	print_group(r, id);
	printf("  %s%-13s%s %s%s", paint(r, result), probe_result_name(result), plain(r), id, result == PROBE_SKIPPED ? "" : "\n");
	if (result == PROBE_FAILED)
		printf("        %s: %s (%s)\n", probe_level_name(probe_case_level(c)), probe_case_requirement(c), probe_case_section(c));
	if (result != PROBE_PASSED)
		print_seen(result == PROBE_SKIPPED ? ": " : "        seen: ", seen->detail);
	fflush(stdout);
}

static size_t count(const struct probe_report *r, enum probe_result result)
{
	return r->counts[MUST][result] + r->counts[SHOULD][result];
}

static int exit_code(const struct probe_report *r)
{
	return r->counts[MUST][PROBE_FAILED] ? 1 : count(r, PROBE_COULD_NOT_RUN) ? 2 : 0;
}

static void print_json(struct probe_report *r)
{
	json_end_object(&r->out);
	printf("%.*s\n", BYTES_FMT(buf_bytes(&r->text)));
	buf_free(&r->text);
}

int probe_report_end(struct probe_report *r)
{
	static const char *const keys[PROBE__MAX] = { "passed", "failed", "skipped", "could_not_run" };

	if (r->json) {
		json_end_array(&r->out);
		for (int k = 0; k < PROBE__MAX; k++)
			json_put_member_uint(&r->out, keys[k], count(r, (enum probe_result)k));
		json_put_member_uint(&r->out, "failed_must", r->counts[MUST][PROBE_FAILED]);
		print_json(r);
		return exit_code(r);
	}
	printf("\n%s%zu passed%s, %s%zu failed%s (%zu of them MUST), %zu skipped, %zu could not run\n", paint(r, PROBE_PASSED),
	    count(r, PROBE_PASSED), plain(r), count(r, PROBE_FAILED) ? paint(r, PROBE_FAILED) : "", count(r, PROBE_FAILED), plain(r),
	    r->counts[MUST][PROBE_FAILED], count(r, PROBE_SKIPPED), count(r, PROBE_COULD_NOT_RUN));
	return exit_code(r);
}

void probe_report_listed(struct probe_report *r, const struct probe_case *c)
{
	if (r->json) {
		put_case(r, c);
		json_end_object(&r->out);
		return;
	}
	print_group(r, probe_case_id(c));
	printf("  %-36s %-6s  %s\n        %s\n", probe_case_id(c), probe_level_name(probe_case_level(c)), probe_case_section(c),
	    probe_case_requirement(c));
}

void probe_report_list_end(struct probe_report *r)
{
	if (!r->json)
		return;
	json_end_array(&r->out);
	print_json(r);
}
