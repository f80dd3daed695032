#include "cli/ask.h"

#include "base/json.h"
#include "server/parent/operators.h"

#include <errno.h>

struct failure {
	struct bytes error;
};
static const struct json_field failure_fields[] = { JSON_FIELD(struct failure, error, "error", JSON_STRING, false, 0) };

static enum err_code ask(
    const struct settings *s, const char *name, const char *who, struct arena *a, struct buf *request, struct buf *answer, struct err *e)
{
	struct failure f = { BYTES_NONE };

	buf_add_u8(request, '\n');
	errno = 0;
	if (!buf_ok(request))
		FAIL(e, TOO_LARGE, "the request is larger than %zu bytes", request->max);
	TRY(operators_ask(s, name, buf_bytes(request), answer, e));
	errno = 0;
	if (answer->len == 0)
		FAIL(e, CLOSED, "the %s has closed the connection without an answer", who);
	TRY(json_read(a, buf_bytes(answer), "the answer", failure_fields, 1, &f, e));
	if (f.error.ptr)
		FAIL(e, CONFIG, "%.*s", BYTES_FMT(bytes_slice(f.error, 0, 300)));
	return ERR_OK;
}

enum err_code ask_signer(const struct settings *s, struct arena *a, struct buf *request, struct buf *answer, struct err *e)
{
	return ask(s, SOCKET_SIGNER, "signer", a, request, answer, e);
}

enum err_code ask_front(const struct settings *s, struct arena *a, struct buf *request, struct buf *answer, struct err *e)
{
	return ask(s, SOCKET_FRONT, "front", a, request, answer, e);
}
