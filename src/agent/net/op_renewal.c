#include "agent/net/acme.h"

struct renewal_json {
	struct bytes ca, pem;
};
static const struct json_field renewal_fields[] = {
	JSON_FIELD(struct renewal_json, ca, "ca", JSON_OBJECT, true, 0),
	JSON_FIELD(struct renewal_json, pem, "pem", JSON_STRING, true, 0),
};

enum err_code op_renewal(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(acme_close) struct acme m = { .client = NULL };
	struct renewal_json j = { .ca = BYTES_NONE };
	struct chancery_renewal r;
	const char *pem;

	(void)fd;
	TRY(json_read(a, json, "a renewal's request", renewal_fields, 2, &j, e));
	TRY(talk_text(a, j.pem, &pem, e));
	TRY(acme_open(c, a, j.ca, &m, e));
	if (chancery_client_renewal(m.client, pem, &r) != CHANCERY_OK) {
		acme_put_error(&m, NULL, answer);
		return ERR_OK;
	}
	json_put_key(answer, "start");
	json_put_int(answer, r.start);
	json_put_key(answer, "end");
	json_put_int(answer, r.end);
	json_put_member_uint(answer, "retry_after_s", r.retry_after);
	json_put_member_str(answer, "explanation", r.explanation);
	return ERR_OK;
}
