#include "server/front/account_evidence.h"
#include "server/front/charges.h"
#include "server/front/contacts.h"
#include "server/front/key_rules.h"
#include "server/front/objects.h"

#include "base/json.h"
#include "base/wire.h"
#include "jose/eab.h"
#include "jose/jwk.h"

#include <string.h>

#define BINDING_MAX 8192

struct new_account_body {
	struct json_strings contact;
	struct json_bool terms, only_existing;
	struct bytes binding;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct new_account_body, contact, "contact", JSON_STRINGS, false, 0),
	JSON_FIELD(struct new_account_body, terms, "termsOfServiceAgreed", JSON_BOOL, false, 0),
	JSON_FIELD(struct new_account_body, only_existing, "onlyReturnExisting", JSON_BOOL, false, 0),
	JSON_FIELD(struct new_account_body, binding, "externalAccountBinding", JSON_OBJECT, false, 0),
};

static void answer_account(struct acme_request *r, struct reply *ret, const struct store_account *account, int status)
{
	put_account(r, account, &ret->body);
	reply_json(ret, status);
	reply_field(ret, "Location", account_url(r->http->arena, r->front->settings->base_url, account->id));
}

/* The account of this key, if there is one; *ret_found tells. A key that was rolled over never gets another account: what it signed may
 * still be about. */
static enum err_code answer_existing(struct acme_request *r, bool only_existing, struct reply *ret, bool *ret_found, struct err *e)
{
	struct store_account account;

	*ret_found = false;
	enum err_code rc = store_find_account(r->front->store, r->http->arena, r->account, &account, e);
	if (only_existing && (rc == ERR_NOT_FOUND || rc == ERR_CONFLICT))
		FAIL(e, ACCOUNT_DOES_NOT_EXIST, "there is no account for this key");
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc == ERR_CONFLICT)
		FAIL(e, UNAUTHORIZED,
		    "by a key change (RFC 8555 section 7.3.5) this key was, or is about to be, another account's: use that account's present key");
	TRY(rc);
	TRY(account_check(account.state, e));
	answer_account(r, ret, &account, 200);
	*ret_found = true;
	return ERR_OK;
}

/* RFC 8555 §7.3: newAccount without agreement must be refused. The type that tells a client what to do is userActionRequired, with the
 * same Link as for terms that changed. */
static enum err_code check_terms(struct acme_request *r, const struct new_account_body *body, struct reply *ret, struct err *e)
{
	struct bytes terms = r->front->settings->terms_of_service;

	if (terms.len == 0 || body->terms.value)
		return ERR_OK;
	ret->more.terms = terms;
	ret->more.instance = terms;
	FAIL(e, USER_ACTION_REQUIRED, "agree to the terms of service: %.*s", BYTES_FMT(terms));
}

/* What can be seen of a binding without the secret (RFC 8555 §7.3.4); the rest is the signer's. Where external accounts are off the member
 * is one that this server does not know, and ignored. */
static enum err_code check_binding(struct acme_request *r, struct new_account_body *body, struct err *e)
{
	struct bytes mode = r->front->settings->external_accounts;
	struct eab eab;

	if (bytes_eq_str(mode, "off"))
		body->binding = BYTES_NONE;
	else if (!body->binding.ptr && bytes_eq_str(mode, "required"))
		FAIL(e, EXTERNAL_ACCOUNT_REQUIRED,
		    "this CA makes accounts only for holders of an external account key: put an externalAccountBinding by it into newAccount");
	if (!body->binding.ptr)
		return ERR_OK;
	if (body->binding.len > BINDING_MAX)
		FAIL(e, MALFORMED, "an externalAccountBinding has at most %d bytes", BINDING_MAX);
	TRY(eab_parse(r->http->arena, body->binding, &eab, e));
	return eab_check(r->http->arena, &eab, r->jws.url, r->key, e);
}

/* The signer alone has the secrets, and counts the account for the key. */
static enum err_code bind(struct acme_request *r, struct store_account *account, struct bytes binding, struct err *e)
{
	struct message answer;

	TRY(account_evidence_send(r, MESSAGE_BIND, &answer, e));
	struct wire w = wire_of(answer.body);
	account->eab_kid = wire_bytes(&w, EAB_KID_LEN_MAX);
	account->eab = binding;
	return wire_end(&w, "BIND_OK", e);
}

/* Where another request of this moment was faster, its account is the answer. */
static enum err_code make(
    struct acme_request *r, struct store_account *account, const struct new_account_body *body, struct reply *ret, struct err *e)
{
	bool made = false, found = false;

	TRY(charge_new_account(r->front, r->http->address, r->now_ms, e));
	enum err_code rc = body->binding.ptr ? bind(r, account, body->binding, e) : ERR_OK;
	if (rc == ERR_OK)
		rc = store_add_account(r->front->store, account, &made, e);
	if (!made)
		refund_new_account(r->front, r->http->address, r->now_ms);
	TRY(rc);
	if (!made)
		TRY(answer_existing(r, false, ret, &found, e));
	if (!found)
		answer_account(r, ret, account, 201);
	return ERR_OK;
}

/* RFC 8555 §7.3. An account's id is its first key's thumbprint, so nobody can lie about whose it is (DESIGN §2). */
enum err_code new_account(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct new_account_body body = { .binding = BYTES_NONE };
	struct store_account account = { .state = ACCOUNT_VALID, .created_s = r->now_ms / 1000 };
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX), contacts = buf_new(CONTACTS_TEXT_MAX);
	bool found;

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, sizeof body_fields / sizeof *body_fields, &body, e));
	TRY(answer_existing(r, body.only_existing.value, ret, &found, e));
	if (found)
		return ERR_OK;
	TRY(check_terms(r, &body, ret, e));
	TRY(contacts_write(&body.contact, &contacts, e));
	TRY(check_binding(r, &body, e));
	TRY(account_key_check(r->front, r->key, e));
	jwk_write(r->key, &jwk);
	if (!buf_ok(&jwk))
		FAIL(e, NOMEM, "no memory for a key");
	memcpy(account.id, r->account, sizeof account.id);
	account.jwk = buf_bytes(&jwk);
	account.contacts = buf_bytes(&contacts);
	account.terms_agreed = body.terms.value;
	account.terms_url = body.terms.value ? r->front->settings->terms_of_service : BYTES_NONE;
	return make(r, &account, &body, ret, e);
}
