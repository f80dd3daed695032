#include "server/front/account_evidence.h"

#include "jose/jwk.h"

#define ANSWER_MS 10000

enum err_code account_evidence_send(struct acme_request *r, enum message_type type, struct message *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX), body = buf_new(CHANNEL_BODY_MAX);
	struct account_evidence v = { .request = r->http->body, .jwk = BYTES_LIT("") };

	if (type != MESSAGE_BIND) {
		jwk_write(r->key, &jwk);
		v.jwk = buf_bytes(&jwk);
	}
	account_evidence_write(&v, &body);
	if (!buf_ok(&jwk) || !buf_ok(&body))
		FAIL(e, NOMEM, "no memory for an account's evidence");
	TRY(peer_call(r->front->signer, r->http->arena, type, buf_bytes(&body), ANSWER_MS, ret, e));
	return answer_check(ret, e);
}
