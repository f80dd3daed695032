#include "agent/runner.h"

#define MARGIN_MS 15000 /* what it takes to end a program that does not end */

struct ran {
	struct json_uint code;
	struct bytes out, err;
};
static const struct json_field ran_fields[] = {
	JSON_FIELD(struct ran, code, "code", JSON_UINT, true, 0),
	JSON_FIELD(struct ran, out, "out", JSON_STRING, true, 0),
	JSON_FIELD(struct ran, err, "err", JSON_STRING, true, 0),
};

static void put_texts(struct json_out *w, const char *key, const char *const *v)
{
	json_put_key(w, key);
	json_put_array(w);
	for (; v && *v; v++)
		json_put_string(w, bytes_str(*v));
	json_end_array(w);
}

static enum err_code take(struct arena *a, struct bytes answer, struct run_result *ret, struct err *e)
{
	struct ran r = { .out = BYTES_NONE };
	struct bytes out, err;

	TRY(json_read(a, answer, "what was run", ran_fields, 3, &r, e));
	TRY(talk_bytes(a, r.out, &out, e));
	TRY(talk_bytes(a, r.err, &err, e));
	ret->code = (int)r.code.value;
	buf_add(&ret->out, out);
	buf_add(&ret->err, err);
	if (!buf_ok(&ret->out) || !buf_ok(&ret->err))
		FAIL(e, NOMEM, "no memory for what a program says");
	return ERR_OK;
}

enum err_code runner_run(struct peer *runner, const struct run_request *r, struct run_result *ret, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(8192, 4u << 20);
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);
	struct json_out w = json_out_to(&json);
	struct bytes answer;

	*ret = (struct run_result){ .out = buf_new(RUN_OUTPUT_MAX), .err = buf_new(RUN_OUTPUT_MAX) };
	json_put_object(&w);
	put_texts(&w, "argv", r->argv);
	put_texts(&w, "env", r->env);
	talk_put_bytes(&w, "input", r->input);
	json_put_member_uint(&w, "timeout_s", r->timeout_s);
	json_end_object(&w);
	if (!a || !buf_ok(&json))
		FAIL(e, NOMEM, "no memory to run %.200s", r->argv[0]);
	struct peer_call c = { .name = "run", .json = buf_bytes(&json), .fd = -1, .timeout_ms = r->timeout_s * 1000 + MARGIN_MS };
	TRY(peer_call(runner, a, &c, &answer, e));
	return take(a, answer, ret, e);
}
