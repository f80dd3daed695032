#include "server/front/account_evidence.h"
#include "server/front/key_rules.h"
#include "server/front/objects.h"

#include "base/event.h"
#include "base/wire.h"
#include "server/key_change.h"

#include <string.h>

/* RFC 8555 §7.3.5: 409, and the URL of the account that has the key. */
static enum err_code say_taken(struct acme_request *r, const uint8_t thumbprint[THUMBPRINT_SIZE], struct reply *ret, struct err *e)
{
	struct store_account other;

	enum err_code rc = store_find_account(r->front->store, r->http->arena, thumbprint, &other, e);
	if (rc != ERR_OK && rc != ERR_CONFLICT)
		return rc;
	if (rc == ERR_CONFLICT)
		FAIL(e, CONFLICT, "by another key change the new key was, or is about to be, an account's: make one that was never used");
	ret->more.location = account_url(r->http->arena, r->front->settings->base_url, other.id);
	FAIL(e, CONFLICT, "the new key is an account's already: see Location");
}

/* What the signer does not know, or has not said, may have happened: then the key stays promised, for the client's next try. */
static void withdraw(struct acme_request *r, const struct store_rollover *roll, enum err_code why)
{
	struct err e = { 0 };

	if (err_is_peers(why) && store_withdraw_key(r->front->store, roll, &e) != ERR_OK)
		event_error(EVENT_WARNING, "rollover.not_withdrawn", &e);
}

static enum err_code ask_signer(struct acme_request *r, struct err *e)
{
	struct message answer;

	TRY(account_evidence_send(r, MESSAGE_ROLLOVER, &answer, e));
	struct wire w = wire_of(answer.body);
	struct bytes id = wire_fixed(&w, STORE_ACCOUNT_ID);
	TRY(wire_end(&w, "ROLLOVER_OK", e));
	if (memcmp(id.ptr, r->account, STORE_ACCOUNT_ID) != 0)
		FAIL(e, SERVER_INTERNAL, "the signer knows the key as another account's");
	return ERR_OK;
}

/* The signer is told before the account's key changes here, as it must know in every case which key speaks for the account; where the store
 * then fails, the old key is still good here, and the client's next try finds the signer agreeing. */
static enum err_code change(struct acme_request *r, const struct store_rollover *roll, struct reply *ret, struct err *e)
{
	enum err_code rc = store_find_account(r->front->store, r->http->arena, roll->new_thumbprint, &(struct store_account){ 0 }, e);
	if (rc == ERR_OK)
		return say_taken(r, roll->new_thumbprint, ret, e);
	if (rc != ERR_NOT_FOUND && rc != ERR_CONFLICT)
		return rc;
	rc = store_promise_key(r->front->store, roll, e);
	if (rc == ERR_CONFLICT)
		return say_taken(r, roll->new_thumbprint, ret, e);
	TRY(rc);
	rc = ask_signer(r, e);
	if (rc != ERR_OK) {
		withdraw(r, roll, rc);
		return rc;
	}
	rc = store_change_key(r->front->store, roll, e);
	keys_forget(r->front->keys, r->account);
	return rc;
}

enum err_code post_key_change(struct acme_request *r, struct reply *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf old_jwk = buf_new(JWK_SIZE_MAX), new_jwk = buf_new(JWK_SIZE_MAX);
	struct store_rollover roll = { 0 };
	struct store_account account;
	struct key_change read;

	TRY(key_change_read(r->http->arena, &r->jws, r->key, &read, e));
	CLEANUP(key_free_p) struct key *key = read.key;
	TRY(account_key_check(r->front, key, e));
	jwk_write(r->key, &old_jwk);
	jwk_write(key, &new_jwk);
	if (!buf_ok(&old_jwk) || !buf_ok(&new_jwk))
		FAIL(e, NOMEM, "no memory for a key");
	memcpy(roll.id, r->account, sizeof roll.id);
	roll.old_jwk = buf_bytes(&old_jwk);
	roll.new_jwk = buf_bytes(&new_jwk);
	jwk_thumbprint(r->key, roll.old_thumbprint);
	memcpy(roll.new_thumbprint, read.thumbprint, sizeof roll.new_thumbprint);
	TRY(change(r, &roll, ret, e));
	TRY(store_get_account(r->front->store, r->http->arena, r->account, &account, e));
	put_account(r, &account, &ret->body);
	reply_json(ret, 200);
	return ERR_OK;
}
