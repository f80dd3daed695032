#include "client/engine.h"

#include "base/codec.h"
#include "base/json.h"
#include "jose/eab.h"

#include <string.h>

enum account_ask { ASK_EXISTING, ASK_NEW };

static enum err_code put_binding(struct session *s, const struct account_wish *wish, struct json_out *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf binding = buf_new(8192);
	uint8_t secret[EAB_SECRET_MAX];
	size_t n = strlen(wish->eab_key) * 3 / 4;

	TRY(base64url_decode_fixed(bytes_str(wish->eab_key), secret, n < sizeof secret ? n : sizeof secret, e));
	enum err_code rc = eab_write(MAC_HS256, bytes_str(wish->eab_kid), bytes_str(s->directory.new_account), s->account->key,
	    (struct bytes){ secret, n }, &binding, e);
	crypto_wipe(secret, sizeof secret);
	TRY(rc);
	json_put_key(w, "externalAccountBinding");
	json_put_raw(w, buf_bytes(&binding));
	return ERR_OK;
}

static enum err_code post_account(struct session *s, const struct account_wish *wish, enum account_ask ask, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(16384);
	struct json_out w = json_out_to(&payload);
	struct http_client_answer answer;

	json_put_object(&w);
	if (ask == ASK_EXISTING)
		json_put_member_bool(&w, "onlyReturnExisting", true);
	else if (wish->terms_agreed)
		json_put_member_bool(&w, "termsOfServiceAgreed", true);
	if (ask == ASK_NEW && wish->n_contacts > 0) {
		json_put_member_strs(&w, "contact", wish->contacts, wish->n_contacts);
	}
	if (ask == ASK_NEW && wish->eab_kid)
		TRY(put_binding(s, wish, &w, e));
	json_end_object(&w);
	if (!buf_ok(&payload))
		FAIL(e, NOMEM, "no room for the account's contacts");
	TRY(session_post(s, s->directory.new_account, buf_bytes(&payload), NULL, &answer, e));
	return session_url(s, answer.location, "the account's URL", &s->account_url, e);
}

/* Only what has to be asked before an account is made; an account that is there is found without it. */
static enum err_code may_make(struct session *s, const struct account_wish *wish, struct err *e)
{
	if (s->directory.external_account && !wish->eab_kid) {
		(void)err_set(
		    e, ERR_CONFIG, __FILE__, __LINE__, "this CA makes accounts only for those it knows (external account binding)");
		return failure_note(s->error, ERR_CONFIG, CHANCERY_USAGE, CHANCERY_FAULT_CALLER,
		    "ask the CA for a key identifier and a key for external accounts, or use the key of an account that is there already");
	}
	if (s->directory.terms && !wish->terms_agreed) {
		(void)err_set(e, ERR_CONFIG, __FILE__, __LINE__, "this CA has terms of service that have to be agreed to: %.200s",
		    s->directory.terms);
		return failure_note(s->error, ERR_CONFIG, CHANCERY_USAGE, CHANCERY_FAULT_CALLER, "read them and say that you agree");
	}
	return ERR_OK;
}

enum err_code account_open(struct session *s, const struct account_wish *wish, struct err *e)
{
	enum account_ask ask = ASK_NEW;

	session_doing(s, "asking for the account at %.300s", s->directory.new_account);
	/* Where an account may not just be made, it may be there. */
	if (wish->only_existing || (s->directory.external_account && !wish->eab_kid) || (s->directory.terms && !wish->terms_agreed))
		ask = ASK_EXISTING;
	enum err_code rc = post_account(s, wish, ask, e);
	if (rc == ERR_ACCOUNT_DOES_NOT_EXIST && ask == ASK_EXISTING && !wish->only_existing) {
		failure_reset(s->error);
		TRY(may_make(s, wish, e));
	}
	return rc;
}
