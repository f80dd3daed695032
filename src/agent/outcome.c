#include "agent/outcome.h"

#include "agent/talk.h"

#include <errno.h>

#define SUBS_MAX 100

struct error_json {
	struct json_uint result, fault, http_status, retry_after_s;
	struct bytes message, hint, type, solver, subs;
};
static const struct json_field error_fields[] = {
	JSON_FIELD(struct error_json, result, "result", JSON_UINT, true, 0),
	JSON_FIELD(struct error_json, fault, "fault", JSON_UINT, true, 0),
	JSON_FIELD(struct error_json, http_status, "http_status", JSON_UINT, true, 0),
	JSON_FIELD(struct error_json, retry_after_s, "retry_after_s", JSON_UINT, true, 0),
	JSON_FIELD(struct error_json, message, "message", JSON_STRING, true, 0),
	JSON_FIELD(struct error_json, hint, "hint", JSON_STRING, true, 0),
	JSON_FIELD(struct error_json, type, "type", JSON_STRING, true, 0),
	JSON_FIELD(struct error_json, solver, "solver", JSON_STRING, true, 0),
	JSON_FIELD(struct error_json, subs, "subs", JSON_ARRAY, true, 0),
};
struct sub_json {
	struct bytes name, type, detail;
};
static const struct json_field sub_fields[] = {
	JSON_FIELD(struct sub_json, name, "name", JSON_STRING, true, 0),
	JSON_FIELD(struct sub_json, type, "type", JSON_STRING, true, 0),
	JSON_FIELD(struct sub_json, detail, "detail", JSON_STRING, true, 0),
};

static enum err_code read_subs(struct arena *a, struct bytes json, struct outcome *o, struct err *e)
{
	struct bytes *v;
	size_t n;

	TRY(json_elements(a, json, SUBS_MAX, &v, &n, e));
	o->subs = arena_array(a, n ? n : 1, sizeof *o->subs);
	errno = 0;
	if (!o->subs)
		FAIL(e, NOMEM, "no memory for what a CA says");
	for (size_t i = 0; i < n; i++) {
		struct sub_json j = { .name = BYTES_NONE };
		TRY(json_read(a, v[i], "a subproblem", sub_fields, 3, &j, e));
		TRY(talk_text(a, j.name, &o->subs[i].name, e));
		TRY(talk_text(a, j.type, &o->subs[i].type, e));
		TRY(talk_text(a, j.detail, &o->subs[i].detail, e));
	}
	o->n_subs = n;
	return ERR_OK;
}

static enum err_code judge(struct arena *a, struct outcome *o, struct err *e)
{
	struct blame_problem *subs = arena_array(a, o->n_subs ? o->n_subs : 1, sizeof *subs);

	errno = 0;
	if (!subs)
		FAIL(e, NOMEM, "no memory for what a CA says");
	for (size_t i = 0; i < o->n_subs; i++)
		subs[i] = (struct blame_problem){ o->subs[i].type, o->subs[i].name };
	o->blame = blame_judge(o->result, o->fault, o->http_status, o->type, subs, o->n_subs);
	return ERR_OK;
}

static enum err_code read_error(struct arena *a, struct bytes json, struct outcome *o, struct err *e)
{
	struct error_json j = { .message = BYTES_NONE };

	TRY(json_read(a, json, "an error", error_fields, sizeof error_fields / sizeof *error_fields, &j, e));
	o->result = j.result.value == 0 || j.result.value > 255 ? CHANCERY_SYSTEM : (enum chancery_result)j.result.value;
	o->fault = j.fault.value > CHANCERY_FAULT_NAME ? CHANCERY_FAULT_MACHINE : (enum chancery_fault)j.fault.value;
	o->http_status = (int)j.http_status.value;
	o->retry_after_s = (uint32_t)j.retry_after_s.value;
	TRY(talk_text(a, j.message, &o->message, e));
	TRY(talk_text(a, j.hint, &o->hint, e));
	TRY(talk_text(a, j.type, &o->type, e));
	TRY(talk_text(a, j.solver, &o->solver, e));
	TRY(read_subs(a, j.subs, o, e));
	return judge(a, o, e);
}

static const struct outcome well = { .message = "", .hint = "", .type = "", .solver = "" };

enum err_code outcome_read(struct arena *a, struct bytes json, struct outcome *ret, struct err *e)
{
	struct outcome o = well;
	struct bytes error = BYTES_NONE;
	const struct json_field fields[] = { { "error", JSON_OBJECT, false, 0, 0 } };

	TRY(json_read(a, json, "an answer", fields, 1, &error, e));
	if (error.ptr)
		TRY(read_error(a, error, &o, e));
	*ret = o;
	return ERR_OK;
}

void outcome_of_err(const struct err *why, struct arena *a, struct outcome *ret)
{
	const char *text = arena_str(a, bytes_str(why->detail));

	*ret = well;
	ret->result = why->code == ERR_CONFIG ? CHANCERY_USAGE : why->code == ERR_NOMEM ? CHANCERY_NOMEM : CHANCERY_SYSTEM;
	ret->fault = why->code == ERR_CONFIG ? CHANCERY_FAULT_CALLER : CHANCERY_FAULT_MACHINE;
	ret->blame = blame_judge(ret->result, ret->fault, 0, "", NULL, 0);
	ret->message = text ? text : "no memory";
}

const char *outcome_fault_name(enum chancery_fault fault)
{
	switch (fault) {
	case CHANCERY_FAULT_CALLER:
		return "caller";
	case CHANCERY_FAULT_MACHINE:
		return "machine";
	case CHANCERY_FAULT_NETWORK:
		return "network";
	case CHANCERY_FAULT_SERVER:
		return "server";
	case CHANCERY_FAULT_NAME:
		return "name";
	}
	return "machine";
}

const char *outcome_fault_words(enum chancery_fault fault)
{
	switch (fault) {
	case CHANCERY_FAULT_CALLER:
		return "in what was asked for";
	case CHANCERY_FAULT_MACHINE:
		return "on this machine";
	case CHANCERY_FAULT_NETWORK:
		return "between here and the server, or the server is down";
	case CHANCERY_FAULT_SERVER:
		return "on the CA's side";
	case CHANCERY_FAULT_NAME:
		return "where the name leads: its DNS, web server or network";
	}
	return "on this machine";
}
