#include "server/front/account_evidence.h"
#include "server/front/key_rules.h"
#include "server/front/objects.h"

#include "base/wire.h"
#include "server/key_change.h"

#include <string.h>

/* RFC 8555 §7.3.5: 409, and the URL of the account that has the key. */
static enum err_code check_free(struct acme_request *r, const uint8_t thumbprint[THUMBPRINT_SIZE], struct reply *ret, struct err *e)
{
	struct store_account other;

	enum err_code rc = store_find_account(r->front->store, r->http->arena, thumbprint, &other, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc == ERR_CONFLICT)
		FAIL(e, CONFLICT, "the new key was an account's until another replaced it: make one that was never used");
	TRY(rc);
	ret->more.location = account_url(r->http->arena, r->front->settings->base_url, other.id);
	FAIL(e, CONFLICT, "the new key is an account's already: see Location");
}

/* The signer is told first, as it must know in every case which key speaks for the account; where the store then fails, the old key is still
 * good here, and the client's next try finds the signer agreeing. */
static enum err_code change(struct acme_request *r, const struct key_change *change, struct reply *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf old_jwk = buf_new(JWK_SIZE_MAX), new_jwk = buf_new(JWK_SIZE_MAX);
	struct store_rollover roll = { 0 };
	struct message answer;

	TRY(account_evidence_send(r, MESSAGE_ROLLOVER, &answer, e));
	struct wire w = wire_of(answer.body);
	struct bytes id = wire_fixed(&w, sizeof roll.id);
	TRY(wire_end(&w, "ROLLOVER_OK", e));
	if (memcmp(id.ptr, r->account, sizeof roll.id) != 0)
		FAIL(e, SERVER_INTERNAL, "the signer knows the key as another account's");
	jwk_write(r->key, &old_jwk);
	jwk_write(change->key, &new_jwk);
	if (!buf_ok(&old_jwk) || !buf_ok(&new_jwk))
		FAIL(e, NOMEM, "no memory for a key");
	memcpy(roll.id, r->account, sizeof roll.id);
	roll.old_jwk = buf_bytes(&old_jwk);
	roll.new_jwk = buf_bytes(&new_jwk);
	jwk_thumbprint(r->key, roll.old_thumbprint);
	memcpy(roll.new_thumbprint, change->thumbprint, sizeof roll.new_thumbprint);
	enum err_code rc = store_change_key(r->front->store, &roll, e);
	keys_forget(r->front->keys, r->account);
	if (rc == ERR_CONFLICT) /* somebody made an account of it in this moment */
		return check_free(r, change->thumbprint, ret, e);
	return rc;
}

enum err_code post_key_change(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct key_change read;
	struct store_account account;

	TRY(key_change_read(r->http->arena, &r->jws, r->key, &read, e));
	CLEANUP(key_free_p) struct key *key = read.key;
	TRY(account_key_check(r->front, key, e));
	TRY(check_free(r, read.thumbprint, ret, e));
	TRY(change(r, &read, ret, e));
	TRY(store_get_account(r->front->store, r->http->arena, r->account, &account, e));
	put_account(r, &account, &ret->body);
	reply_json(ret, 200);
	return ERR_OK;
}
