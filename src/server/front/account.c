#include "server/front/account_evidence.h"
#include "server/front/contacts.h"
#include "server/front/objects.h"
#include "server/front/terms.h"

#include "base/codec.h"
#include "base/json.h"

#include <string.h>

struct update_body {
	struct json_strings contact;
	struct bytes status;
};
static const struct json_field update_fields[] = {
	JSON_FIELD(struct update_body, contact, "contact", JSON_STRINGS, false, 0),
	JSON_FIELD(struct update_body, status, "status", JSON_STRING, false, 0),
};

/* RFC 8555 §7.1.2. */
void put_account(struct acme_request *r, const struct store_account *account, struct buf *out)
{
	struct json_out w = json_out_to(out);
	char id[BASE64URL_LEN(STORE_ACCOUNT_ID) + 1];

	base64url_encode(BYTES_ARRAY(account->id), id);
	json_put_object(&w);
	json_put_member_str(&w, "status", account_state_name(account->state));
	if (account->contacts.len > 2) {
		json_put_key(&w, "contact");
		json_put_raw(&w, account->contacts);
	}
	if (r->front->settings->terms_of_service.len)
		json_put_member_bool(&w, "termsOfServiceAgreed", terms_agreed(r->front->settings, account));
	if (account->eab.len) { /* §7.3.4: "with the same value as the field in the request" */
		json_put_key(&w, "externalAccountBinding");
		json_put_raw(&w, account->eab);
	}
	json_put_member(&w, "orders", front_url(r, ACCOUNT_PATH "%s" ORDERS_SUFFIX, id));
	json_end_object(&w);
}

enum err_code account_is_own(const struct acme_request *r, struct bytes id, struct err *e)
{
	uint8_t asked[STORE_ACCOUNT_ID];

	if (base64url_decode_fixed(id, asked, sizeof asked, NULL) != ERR_OK || memcmp(asked, r->account, sizeof asked) != 0)
		FAIL(e, UNAUTHORIZED, "an account may look at itself alone");
	return ERR_OK;
}

/* RFC 8555 §7.3.6. The signer has it in its log before anybody is told: from then on nothing more is certified for the account. Its open
 * orders need no touching, since nobody can ask for them any more. */
static enum err_code deactivate(struct acme_request *r, struct err *e)
{
	struct message answer;

	TRY(account_evidence_send(r, MESSAGE_DEACTIVATE, &answer, e));
	enum err_code rc = store_deactivate_account(r->front->store, r->account, e);
	keys_forget(r->front->keys, r->account);
	return rc;
}

/* RFC 8555 §7.3.2: of other members any updates are ignored, also of a status that is not "deactivated". */
static enum err_code update(struct acme_request *r, struct err *e)
{
	CLEANUP(buf_free_p) struct buf contacts = buf_new(CONTACTS_TEXT_MAX);
	struct update_body body = { .status = BYTES_NONE };

	TRY(json_read(
	    r->http->arena, r->jws.payload, "the payload", update_fields, sizeof update_fields / sizeof *update_fields, &body, e));
	if (body.status.ptr && bytes_eq_str(body.status, "deactivated"))
		return deactivate(r, e);
	if (!body.contact.set)
		return ERR_OK;
	TRY(contacts_write(&body.contact, &contacts, e));
	return store_set_contacts(r->front->store, r->account, buf_bytes(&contacts), e);
}

/* RFC 8555 §7.3.2, §7.3.6; an empty payload only reads. */
enum err_code post_account(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct store_account account;

	TRY(account_is_own(r, r->id, e));
	if (r->jws.payload.len > 0)
		TRY(update(r, e));
	TRY(store_get_account(r->front->store, r->http->arena, r->account, &account, e));
	put_account(r, &account, &ret->body);
	reply_json(ret, 200);
	return ERR_OK;
}
