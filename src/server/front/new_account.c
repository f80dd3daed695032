#include "server/front/charges.h"
#include "server/front/objects.h"

#include "base/json.h"
#include "jose/jwk.h"

#include <string.h>

#define CONTACTS_MAX 5
#define CONTACT_MAX  254

struct new_account_body {
	struct json_strings contact;
	struct json_bool terms, only_existing;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct new_account_body, contact, "contact", JSON_STRINGS, false, CONTACTS_MAX),
	JSON_FIELD(struct new_account_body, terms, "termsOfServiceAgreed", JSON_BOOL, false, 0),
	JSON_FIELD(struct new_account_body, only_existing, "onlyReturnExisting", JSON_BOOL, false, 0),
};

/* A mail address as RFC 8555 §7.3 allows it in mailto: one, without header fields. */
static enum err_code check_contact(struct bytes url, struct err *e)
{
	struct bytes local, domain, rest;

	if (!bytes_starts_with(url, BYTES_LIT("mailto:")))
		FAIL(e, UNSUPPORTED_CONTACT, "a contact is a mailto: URL; other kinds are not supported here");
	struct bytes address = bytes_slice(url, 7, url.len);
	for (size_t i = 0; i < address.len; i++)
		if (address.ptr[i] <= ' ' || address.ptr[i] >= 127 || memchr(",?%<>\"", address.ptr[i], 6))
			FAIL(e, INVALID_CONTACT, "a mailto: contact has exactly one plain address and no header fields");
	if (url.len > CONTACT_MAX || !bytes_split(address, '@', &local, &domain) || local.len == 0 || domain.len == 0 ||
	    bytes_split(domain, '@', &domain, &rest))
		FAIL(e, INVALID_CONTACT, "the contact is not a mail address of at most %d characters", CONTACT_MAX - 7);
	return ERR_OK;
}

static enum err_code write_contacts(const struct json_strings *contact, struct buf *out, struct err *e)
{
	struct json_out w = json_out_to(out);

	json_put_array(&w);
	for (size_t i = 0; i < contact->n; i++) {
		TRY(check_contact(contact->v[i], e));
		json_put_string(&w, contact->v[i]);
	}
	json_end_array(&w);
	return ERR_OK;
}

static void answer_account(struct acme_request *r, struct reply *ret, const struct store_account *account, int status)
{
	put_account(r, account, &ret->body);
	reply_json(ret, status);
	reply_field(ret, "Location", account_url(r->http->arena, r->front->settings->base_url, account->id));
}

/* RFC 8555 §7.3. An account's id is its first key's thumbprint, so nobody can lie about whose it is (DESIGN §2). */
enum err_code new_account(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct new_account_body body = { 0 };
	struct store_account account = { .state = ACCOUNT_VALID, .created_s = r->now_ms / 1000 };
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX), contacts = buf_new(4096);
	bool made;

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, sizeof body_fields / sizeof *body_fields, &body, e));
	enum err_code rc = store_get_account(r->front->store, r->http->arena, r->account, &account, e);
	if (rc == ERR_OK) {
		TRY(account_check(account.state, e));
		answer_account(r, ret, &account, 200);
		return ERR_OK;
	}
	if (rc != ERR_NOT_FOUND)
		return rc;
	if (body.only_existing.value)
		FAIL(e, ACCOUNT_DOES_NOT_EXIST, "there is no account for this key");
	TRY(key_check_weak(r->key, e));
	if (r->front->settings->terms_of_service.len && !body.terms.value)
		FAIL(e, USER_ACTION_REQUIRED, "agree to the terms of service: %.*s", BYTES_FMT(r->front->settings->terms_of_service));
	TRY(write_contacts(&body.contact, &contacts, e));
	jwk_write(r->key, &jwk);
	memcpy(account.id, r->account, sizeof account.id);
	account.jwk = buf_bytes(&jwk);
	account.contacts = buf_bytes(&contacts);
	account.terms_agreed = body.terms.value;
	TRY(charge_new_account(r->front, r->http->address, r->now_ms, e));
	rc = store_add_account(r->front->store, &account, &made, e);
	if (rc != ERR_OK || !made)
		refund_new_account(r->front, r->http->address, r->now_ms);
	TRY(rc);
	answer_account(r, ret, &account, made ? 201 : 200);
	return ERR_OK;
}
