#include "agent/net/acme.h"

struct revoke_json {
	struct bytes ca, pem, key;
	struct json_uint reason;
};
static const struct json_field revoke_fields[] = {
	JSON_FIELD(struct revoke_json, ca, "ca", JSON_OBJECT, true, 0),
	JSON_FIELD(struct revoke_json, pem, "pem", JSON_STRING, true, 0),
	JSON_FIELD(struct revoke_json, reason, "reason", JSON_UINT, true, 0),
	JSON_FIELD(struct revoke_json, key, "key", JSON_STRING, false, 4096),
};

enum err_code op_revoke(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(acme_close) struct acme m = { .client = NULL };
	struct revoke_json j = { .ca = BYTES_NONE };
	struct remote_key key = { .key = NULL };
	const char *pem;

	(void)fd;
	TRY(json_read(a, json, "a revocation's request", revoke_fields, sizeof revoke_fields / sizeof *revoke_fields, &j, e));
	TRY(talk_text(a, j.pem, &pem, e));
	TRY(acme_open(c, a, j.ca, &m, e));
	TRY(acme_key(c, a, "certificate", j.key, &key, e));
	if (chancery_client_revoke(m.client, pem, (enum chancery_reason)j.reason.value, key.key) != CHANCERY_OK)
		acme_put_error(&m, NULL, answer);
	chancery_key_free(key.key);
	return ERR_OK;
}
