#include "agent/served_call.h"

#include <errno.h>

#define MARGIN_MS 10000 /* beyond the deadline that the process keeps itself: names are looked up without one */

struct answer {
	struct json_strings certificates;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct answer, certificates, "certificates", JSON_STRINGS, true, SERVED_CERTIFICATES_MAX),
};

enum err_code served_call(
    struct crew *c, struct arena *a, const struct endpoint *at, uint32_t timeout_ms, struct served *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(16384);
	struct json_out w = json_out_to(&json);
	struct answer answer = { .certificates = { .n = 0 } };
	struct served s = { .n = 0 };
	struct bytes text;

	json_put_object(&w);
	json_put_member_str(&w, "text", at->text);
	json_put_member_str(&w, "host", at->host);
	json_put_member_uint(&w, "port", at->port);
	json_put_member_str(&w, "start", endpoint_start_name(at->start));
	if (at->name)
		json_put_member_str(&w, "name", at->name);
	json_put_member_uint(&w, "timeout_ms", timeout_ms);
	json_end_object(&w);
	errno = 0;
	if (!buf_ok(&json))
		FAIL(e, NOMEM, "no memory to look at %.200s", at->text);
	const struct peer_call call = { .name = "served", .json = buf_bytes(&json), .fd = -1, .timeout_ms = timeout_ms + MARGIN_MS };
	TRY(crew_net_call(c, a, &call, &text, e));
	TRY(json_read(a, text, "what is served", fields, 1, &answer, e));
	for (; s.n < answer.certificates.n; s.n++)
		TRY(talk_bytes(a, answer.certificates.v[s.n], &s.certificates[s.n], e));
	errno = 0;
	if (s.n == 0)
		FAIL(e, TLS, "%.200s shows no certificate", at->text);
	*ret = s;
	return ERR_OK;
}
