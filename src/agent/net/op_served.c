#include "agent/net/op.h"
#include "agent/net/served.h"
#include "base/codec.h"

#include <errno.h>

struct served_json {
	struct bytes text, host, start, name;
	struct json_uint port, timeout_ms;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct served_json, text, "text", JSON_STRING, true, 0),
	JSON_FIELD(struct served_json, host, "host", JSON_STRING, true, 0),
	JSON_FIELD(struct served_json, start, "start", JSON_STRING, true, 0),
	JSON_FIELD(struct served_json, name, "name", JSON_STRING, false, 0),
	JSON_FIELD(struct served_json, port, "port", JSON_UINT, true, 0),
	JSON_FIELD(struct served_json, timeout_ms, "timeout_ms", JSON_UINT, true, 0),
};

static enum err_code read_endpoint(struct arena *a, const struct served_json *j, struct endpoint *ret, struct err *e)
{
	struct endpoint at = { .port = (uint16_t)j->port.value };

	TRY(talk_text(a, j->text, &at.text, e));
	TRY(talk_text(a, j->host, &at.host, e));
	TRY(talk_text(a, j->name, &at.name, e));
	errno = 0;
	if (!endpoint_start_from_name(j->start, &at.start) || j->port.value == 0 || j->port.value > 65535)
		FAIL(e, MALFORMED, "no endpoint to look at");
	*ret = at;
	return ERR_OK;
}

enum err_code op_served(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	struct served_json j = { .text = BYTES_NONE };
	struct served s = { .n = 0 };
	struct endpoint at;

	(void)c;
	(void)fd;
	TRY(json_read(a, json, "an endpoint", fields, sizeof fields / sizeof *fields, &j, e));
	TRY(read_endpoint(a, &j, &at, e));
	TRY(served_look(a, &at, (uint32_t)(j.timeout_ms.value < 600000 ? j.timeout_ms.value : 600000), &s, e));
	json_put_key(answer, "certificates");
	json_put_array(answer);
	for (size_t i = 0; i < s.n; i++) {
		char *text = arena_alloc(a, BASE64URL_LEN(s.certificates[i].len) + 1);
		if (!text)
			FAIL(e, NOMEM, "no memory for a server's certificates");
		base64url_encode(s.certificates[i], text);
		json_put_string(answer, bytes_str(text));
	}
	json_end_array(answer);
	return ERR_OK;
}
