#include "agent/talk.h"

#include "base/codec.h"

#include <errno.h>
#include <string.h>

#define ERROR_MAX 4096

const struct message_rule talk_rules[TALK__MAX] = {
	[TALK_CALL] = { "CALL", TALK_PROGRAM, TALK_PROCESS, CHANNEL_BODY_MAX, 1, 0, false },
	[TALK_CALL_FD] = { "CALL_FD", TALK_PROGRAM, TALK_PROCESS, CHANNEL_BODY_MAX, 1, 0, true },
	[TALK_ANSWER] = { "ANSWER", TALK_PROCESS, TALK_PROGRAM, CHANNEL_BODY_MAX, 0, ANSWERS_ANY, false },
	[TALK_FAILED] = { "FAILED", TALK_PROCESS, TALK_PROGRAM, ERROR_MAX, 0, ANSWERS_ANY, false },
	[TALK_ASK] = { "ASK", TALK_PROCESS, TALK_PROGRAM, CHANNEL_BODY_MAX, 1, 0, false },
	[TALK_REPLY] = { "REPLY", TALK_PROGRAM, TALK_PROCESS, CHANNEL_BODY_MAX, 0, ANSWERS_ANY, false },
	[TALK_DENIED] = { "DENIED", TALK_PROGRAM, TALK_PROCESS, ERROR_MAX, 0, ANSWERS_ANY, false },
};

enum err_code talk_split(struct bytes body, const char **ret_name, struct bytes *ret_json, struct err *e)
{
	struct bytes name, json;

	errno = 0;
	if (!bytes_split(body, 0, &name, &json) || name.len == 0 || name.len > TALK_NAME_MAX)
		FAIL(e, MALFORMED, "a message without a name");
	TRY(json_check(json, e));
	*ret_name = (const char *)name.ptr;
	*ret_json = json;
	return ERR_OK;
}

void talk_join(const char *name, struct bytes json, struct buf *out)
{
	buf_add_str(out, name);
	buf_add_u8(out, 0);
	buf_add(out, json);
}

struct error_json {
	struct json_uint code, retry_after_s;
	struct bytes detail;
};
static const struct json_field error_fields[] = {
	JSON_FIELD(struct error_json, code, "code", JSON_UINT, true, 0),
	JSON_FIELD(struct error_json, retry_after_s, "retry_after_s", JSON_UINT, true, 0),
	JSON_FIELD(struct error_json, detail, "detail", JSON_STRING, true, 0),
};

void talk_put_error(const struct err *why, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_uint(&w, "code", why->code);
	json_put_member_uint(&w, "retry_after_s", why->retry_after_s);
	json_put_member_str(&w, "detail", why->detail);
	json_end_object(&w);
}

enum err_code talk_take_error(struct arena *a, struct bytes json, struct err *e)
{
	struct error_json j = { .detail = BYTES_NONE };

	TRY(json_read(a, json, "a failure", error_fields, 3, &j, e));
	enum err_code code = j.code.value > ERR_OK && j.code.value < ERR__MAX ? (enum err_code)j.code.value : ERR_BUG;
	(void)err_set(e, code, __FILE__, __LINE__, "%.*s", BYTES_FMT(j.detail));
	if (e)
		e->retry_after_s = (uint32_t)j.retry_after_s.value;
	return code;
}

void talk_put_bytes(struct json_out *w, const char *key, struct bytes v)
{
	if (!v.ptr)
		return;
	json_put_key(w, key);
	buf_add_u8(w->out, '"');
	base64url_add(w->out, v);
	buf_add_u8(w->out, '"');
	w->comma = true;
}

enum err_code talk_bytes(struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	*ret = BYTES_NONE;
	return text.ptr ? base64url_decode(a, text, ret, e) : ERR_OK;
}

enum err_code talk_text(struct arena *a, struct bytes text, const char **ret, struct err *e)
{
	*ret = NULL;
	if (!text.ptr)
		return ERR_OK;
	*ret = arena_str(a, text);
	errno = 0;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a message");
	return ERR_OK;
}
