#include "server/front/metrics.h"

#include "base/json.h"

#include <string.h>

enum metric_kind { COUNTER, GAUGE, COUNTERS, GAUGES };

static const struct metric {
	const char *process, *member, *label, *name, *help;
	enum metric_kind kind;
} metrics[] = {
#define X(process, member, kind, label, name, help) { #process, #member, label, "chancery_" name, help, kind },
#include "server/front/metrics.def"
#undef X
};

/* --- reading --- */

struct status {
	struct bytes version, processes;
	struct json_bool ready;
};
static const struct json_field status_fields[] = {
	JSON_FIELD(struct status, version, "version", JSON_STRING, true, 0),
	JSON_FIELD(struct status, processes, "processes", JSON_OBJECT, true, 0),
	JSON_FIELD(struct status, ready, "ready", JSON_BOOL, true, 0),
};

struct process {
	struct bytes name, state, counts;
	struct json_uint starts;
};
static const struct json_field process_fields[] = {
	JSON_FIELD(struct process, state, "state", JSON_STRING, true, 0),
	JSON_FIELD(struct process, counts, "counts", JSON_OBJECT, false, 0),
	JSON_FIELD(struct process, starts, "starts", JSON_UINT, true, 0),
};

#define PROCESSES_MAX 8
struct snapshot {
	struct status status;
	struct process processes[PROCESSES_MAX];
	size_t n;
};

static enum err_code read_snapshot(struct arena *a, struct bytes in, struct snapshot *ret, struct err *e)
{
	struct json_member *v;

	*ret = (struct snapshot){ .n = 0 };
	TRY(json_read(a, in, "the parent's status", status_fields, sizeof status_fields / sizeof *status_fields, &ret->status, e));
	TRY(json_members(a, ret->status.processes, PROCESSES_MAX, &v, &ret->n, e));
	for (size_t i = 0; i < ret->n; i++) {
		TRY(json_read(a, v[i].value, "a process's status", process_fields, sizeof process_fields / sizeof *process_fields,
		    &ret->processes[i], e));
		ret->processes[i].name = v[i].key;
	}
	return ERR_OK;
}

/* A sample's text of a number or a truth value; ptr NULL for anything else. */
static struct bytes sample_of(struct bytes value)
{
	if (bytes_eq_str(value, "true"))
		return BYTES_LIT("1");
	if (bytes_eq_str(value, "false"))
		return BYTES_LIT("0");
	bool number = value.len > 0 && (value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9'));
	return number ? value : BYTES_NONE;
}

/* --- writing --- */

/* What the text format demands of a label's value. */
static void put_label(struct buf *out, struct bytes v)
{
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] == '"' || v.ptr[i] == '\\')
			buf_add_u8(out, '\\');
		if (v.ptr[i] == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_u8(out, v.ptr[i]);
	}
}

static void put_head(struct buf *out, const char *name, const char *help, const char *type)
{
	buf_add_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_labelled(struct buf *out, const char *name, const char *label, struct bytes value, struct bytes sample)
{
	buf_add_fmt(out, "%s{%s=\"", name, label);
	put_label(out, value);
	buf_add_fmt(out, "\"} %.*s\n", BYTES_FMT(sample));
}

static void put_spread(struct arena *a, const struct metric *m, struct bytes object, struct buf *out)
{
	struct json_member *v;
	size_t n;

	if (object.len == 0 || object.ptr[0] != '{' || json_members(a, object, JSON_MEMBERS_MAX, &v, &n, NULL) != ERR_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		struct bytes sample = sample_of(v[i].value);
		if (sample.ptr)
			put_labelled(out, m->name, m->label, v[i].key, sample);
	}
}

static void put_metric(struct arena *a, const struct metric *m, struct bytes counts, struct buf *out)
{
	struct bytes value = json_find(a, counts, m->member);

	if (!value.ptr)
		return;
	put_head(out, m->name, m->help, m->kind == COUNTER || m->kind == COUNTERS ? "counter" : "gauge");
	if (m->kind == COUNTERS || m->kind == GAUGES)
		put_spread(a, m, value, out);
	else if (sample_of(value).ptr)
		buf_add_fmt(out, "%s %.*s\n", m->name, BYTES_FMT(sample_of(value)));
}

static void put_processes(const struct snapshot *s, struct buf *out)
{
	put_head(out, "chancery_build_info", "The version that runs.", "gauge");
	put_labelled(out, "chancery_build_info", "version", s->status.version, BYTES_LIT("1"));
	put_head(out, "chancery_ready", "Whether every process is ready.", "gauge");
	buf_add_fmt(out, "chancery_ready %d\n", s->status.ready.value);
	put_head(out, "chancery_process_up", "Whether the process is ready.", "gauge");
	for (size_t i = 0; i < s->n; i++)
		put_labelled(out, "chancery_process_up", "process", s->processes[i].name,
		    bytes_eq_str(s->processes[i].state, "ready") ? BYTES_LIT("1") : BYTES_LIT("0"));
	put_head(out, "chancery_process_starts_total", "How often the process was started.", "counter");
	for (size_t i = 0; i < s->n; i++) {
		buf_add_str(out, "chancery_process_starts_total{process=\"");
		put_label(out, s->processes[i].name);
		buf_add_fmt(out, "\"} %llu\n", (unsigned long long)s->processes[i].starts.value);
	}
}

enum err_code metrics_write(struct arena *a, struct bytes status, struct buf *out, struct err *e)
{
	struct snapshot s;

	TRY(read_snapshot(a, status, &s, e));
	put_processes(&s, out);
	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
		for (size_t k = 0; k < s.n; k++)
			if (bytes_eq_str(s.processes[k].name, metrics[i].process))
				put_metric(a, &metrics[i], s.processes[k].counts, out);
	if (!buf_ok(out))
		FAIL(e, TOO_LARGE, "more metrics than fit");
	return ERR_OK;
}

/* --- health --- */

static const struct {
	const char *process, *member, *reason;
} wanted[] = {
	{ "front", "signer_connected", "front and signer do not talk to each other" },
	{ "validator", "front", "front and validator do not talk to each other" },
};

enum err_code metrics_health(struct arena *a, struct bytes status, bool *ret_ok, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf reasons = buf_new(8192);
	struct json_out w = json_out_to(out), r = json_out_to(&reasons);
	struct snapshot s;
	size_t n = 0;

	TRY(read_snapshot(a, status, &s, e));
	json_put_array(&r);
	for (size_t i = 0; i < s.n; i++)
		if (!bytes_eq_str(s.processes[i].state, "ready")) {
			json_put_string(
			    &r, arena_fmt(a, "the %.*s is %.*s", BYTES_FMT(s.processes[i].name), BYTES_FMT(s.processes[i].state)));
			n++;
		}
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		for (size_t k = 0; k < s.n; k++)
			if (bytes_eq_str(s.processes[k].name, wanted[i].process) &&
			    !bytes_eq_str(json_find(a, s.processes[k].counts, wanted[i].member), "true")) {
				json_put_string(&r, bytes_str(wanted[i].reason));
				n++;
			}
	json_end_array(&r);
	*ret_ok = n == 0;
	json_put_object(&w);
	json_put_member_str(&w, "status", n == 0 ? "ok" : "failing");
	if (n > 0) {
		json_put_key(&w, "reasons");
		json_put_raw(&w, buf_bytes(&reasons));
	}
	json_end_object(&w);
	return ERR_OK;
}
