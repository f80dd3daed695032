#include "agent/net/op.h"
#include "http/client.h"

#include <errno.h>

struct webhook_json {
	struct bytes url, body, ca_pem, user, password;
	struct json_bool plain_http;
	struct json_uint timeout_ms;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct webhook_json, url, "url", JSON_STRING, true, 2048),
	JSON_FIELD(struct webhook_json, body, "body", JSON_OBJECT, true, 0),
	JSON_FIELD(struct webhook_json, ca_pem, "ca_pem", JSON_STRING, false, 0),
	JSON_FIELD(struct webhook_json, user, "user", JSON_STRING, false, 0),
	JSON_FIELD(struct webhook_json, password, "password", JSON_STRING, false, 0),
	JSON_FIELD(struct webhook_json, plain_http, "plain_http", JSON_BOOL, false, 0),
	JSON_FIELD(struct webhook_json, timeout_ms, "timeout_ms", JSON_UINT, true, 0),
};

/* A JSON object by POST; any answer of 2xx is good. */
enum err_code op_webhook(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(http_client_free_p) struct http_client *http = NULL;
	struct webhook_json j = { .url = BYTES_NONE };
	struct http_client_answer got;
	const char *url, *user, *password;

	(void)c;
	(void)fd;
	TRY(json_read(a, json, "a webhook", fields, sizeof fields / sizeof *fields, &j, e));
	TRY(talk_text(a, j.url, &url, e));
	TRY(talk_text(a, j.user, &user, e));
	TRY(talk_text(a, j.password, &password, e));
	TRY(http_client_new(NULL, "chancery/" CHANCERY_VERSION, &http, e));
	if (j.ca_pem.ptr)
		TRY(http_client_set_ca(http, j.ca_pem, e));
	const struct http_client_request r = { .method = HTTP_CLIENT_POST,
		.url = url,
		.body = j.body,
		.content_type = "application/json",
		.timeout_ms = (uint32_t)j.timeout_ms.value,
		.plain_http = j.plain_http.value,
		.user = user,
		.password = password };
	TRY(http_client_do(http, a, &r, &got, e));
	errno = 0;
	if (got.status < 200 || got.status > 299)
		FAIL(e, CONNECTION, "%.200s answers with HTTP status %d", url, got.status);
	json_put_member_uint(answer, "status", (uint64_t)got.status);
	return ERR_OK;
}
