#include "cli/cmd_status.h"

#include "base/clock.h"
#include "base/json.h"
#include "cli/ca_config.h"
#include "cli/diagnose.h"
#include "server/parent/control.h"

#include <stdio.h>

static const struct given_option status_options[] = {
	CONFIG_OPTION,
	{ "counts", NULL, false, "Also prints everything that the processes count." },
	{ "json", NULL, false, "Prints what the server answers, one JSON object, with a list of findings." },
};

/* What is printed for people: a line a process, some figures, then what is wrong. */
struct status_process {
	struct bytes state, jail, failure, counts;
	struct json_uint pid, starts;
};
static const struct json_field process_fields[] = {
	JSON_FIELD(struct status_process, state, "state", JSON_STRING, true, 0),
	JSON_FIELD(struct status_process, jail, "jail", JSON_STRING, false, 0),
	JSON_FIELD(struct status_process, failure, "failure", JSON_STRING, false, 0),
	JSON_FIELD(struct status_process, counts, "counts", JSON_OBJECT, false, 0),
	JSON_FIELD(struct status_process, pid, "pid", JSON_UINT, true, 0),
	JSON_FIELD(struct status_process, starts, "starts", JSON_UINT, true, 0),
};
struct status {
	struct bytes version, directory, processes;
	struct json_bool ready;
};
static const struct json_field status_fields[] = {
	JSON_FIELD(struct status, version, "version", JSON_STRING, true, 0),
	JSON_FIELD(struct status, directory, "directory", JSON_STRING, true, 0),
	JSON_FIELD(struct status, processes, "processes", JSON_OBJECT, true, 0),
	JSON_FIELD(struct status, ready, "ready", JSON_BOOL, true, 0),
};

static enum err_code print_counts(struct arena *a, struct bytes counts, struct err *e)
{
	struct json_member *v;
	size_t n;

	if (!counts.ptr)
		return ERR_OK;
	TRY(json_members(a, counts, JSON_MEMBERS_MAX, &v, &n, e));
	for (size_t i = 0; i < n; i++)
		if (v[i].value.ptr[0] != '{' || v[i].value.len > 2)
			printf("      %-20.*s %.*s\n", BYTES_FMT(v[i].key), BYTES_FMT(v[i].value));
	return ERR_OK;
}

static enum err_code print_process(struct arena *a, const struct json_member *m, bool counts, struct err *e)
{
	struct status_process p = { 0 };

	TRY(json_read(a, m->value, "a process", process_fields, sizeof process_fields / sizeof *process_fields, &p, e));
	printf("  %-10.*s %-9.*s pid %-8u started %u time%s\n", BYTES_FMT(m->key), BYTES_FMT(p.state), (unsigned)p.pid.value,
	    (unsigned)p.starts.value, p.starts.value == 1 ? "" : "s");
	if (p.failure.ptr)
		printf("      ended last: %.*s\n", BYTES_FMT(p.failure));
	if (!counts)
		return ERR_OK;
	printf("      jail: %.*s\n", BYTES_FMT(p.jail));
	return print_counts(a, p.counts, e);
}

/* What one wants to know first. A figure that a process did not tell is a hyphen. */
static void print_figures(struct arena *a, struct bytes processes)
{
	static const struct {
		const char *path, *what;
	} figures[] = {
		{ "signer.counts.issued", "certificates issued since the start" },
		{ "signer.counts.revoked", "serial numbers that stand revoked" },
		{ "signer.counts.log_records", "records in the issuance log" },
		{ "validator.counts.running", "validations under way" },
		{ "front.counts.connections", "open connections" },
	};

	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
		struct bytes v = json_find(a, processes, figures[i].path);
		printf("  %10.*s %s\n", BYTES_FMT(v.ptr ? v : BYTES_LIT("-")), figures[i].what);
	}
}

static enum err_code print_status(struct arena *a, struct bytes json, size_t n_errors, bool counts, struct err *e)
{
	struct status s = { 0 };
	struct json_member *v;
	size_t n;

	TRY(json_read(a, json, "the server's answer", status_fields, sizeof status_fields / sizeof *status_fields, &s, e));
	TRY(json_members(a, s.processes, 16, &v, &n, e));
	printf("chancery-ca %.*s at %.*s: %s\n", BYTES_FMT(s.version), BYTES_FMT(s.directory),
	    !s.ready.value ? "NOT ready"
	    : n_errors > 0 ? "ready, but see below"
			   : "all is well");
	for (size_t i = 0; i < n; i++)
		TRY(print_process(a, &v[i], counts, e));
	print_figures(a, s.processes);
	return ERR_OK;
}

static const char *severity_name(enum finding_severity s)
{
	return s == FINDING_ERROR ? "error" : "warning";
}

static void print_findings(const struct finding *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%s: %.*s\n  %.*s\n", severity_name(v[i].severity), BYTES_FMT(v[i].what), BYTES_FMT(v[i].remedy));
}

/* The server's object, with one member more. */
static void print_json(struct bytes status, const struct finding *v, size_t n)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1u << 20);
	struct json_out w = json_out_to(&out);

	json_put_array(&w);
	for (size_t i = 0; i < n; i++) {
		json_put_object(&w);
		json_put_member_str(&w, "severity", severity_name(v[i].severity));
		json_put_member(&w, "what", v[i].what);
		json_put_member(&w, "remedy", v[i].remedy);
		json_end_object(&w);
	}
	json_end_array(&w);
	while (status.len > 0 && status.ptr[status.len - 1] != '}')
		status.len--;
	printf("%.*s,\"findings\":%.*s}\n", (int)status.len - 1, (const char *)status.ptr, BYTES_FMT(buf_bytes(&out)));
}

static enum err_code run(struct cli *c, struct arena *a, size_t *ret_errors, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1u << 20);
	struct finding v[FINDINGS_MAX];
	struct settings s;
	size_t errors = 0;

	TRY(ca_config_read(c, a, &s, e));
	TRY(control_ask(&s, "status", &out, e));
	TRY(json_check(buf_bytes(&out), e));
	size_t n = diagnose(a, buf_bytes(&out), clock_wall_ms() / 1000, v);
	for (size_t i = 0; i < n; i++)
		errors += v[i].severity == FINDING_ERROR;
	*ret_errors = errors;
	if (cli_flag(c, "json")) {
		print_json(buf_bytes(&out), v, n);
		return ERR_OK;
	}
	TRY(print_status(a, buf_bytes(&out), errors, cli_flag(c, "counts"), e));
	print_findings(v, n);
	return ERR_OK;
}

static int cmd_status(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 16u << 20);
	struct err e = { 0 };
	size_t errors = 0;

	if (run(c, a, &errors, &e) != ERR_OK)
		return cli_fail(c, &e);
	return errors == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct cli_command status_command = { "status", "",
	"Asks the running server how it is, and tells what is wrong and what to do. Exit code 2 when something is not served, or will not be within a week.",
	CLI_OPTIONS(status_options), 0, 0, cmd_status };
