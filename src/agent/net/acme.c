#include "agent/net/acme.h"

#include "base/codec.h"

#include <errno.h>
#include <string.h>

/* --- keys that sign elsewhere --- */

struct signature_json {
	struct bytes signature;
};
static const struct json_field signature_fields[] = { JSON_FIELD(struct signature_json, signature, "signature", JSON_STRING, true, 0) };

static enum err_code ask_signature(
    const struct remote_key *k, struct arena *a, struct bytes message, unsigned char *signature, size_t *ret_len, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);
	struct json_out w = json_out_to(&json);
	struct signature_json j;
	struct bytes reply, sig;

	json_put_object(&w);
	json_put_member_str(&w, "slot", k->slot);
	talk_put_bytes(&w, "message", message);
	json_end_object(&w);
	TRY(child_ask(k->child, a, "sign", buf_bytes(&json), &reply, e));
	TRY(json_read(a, reply, "a signature", signature_fields, 1, &j, e));
	TRY(talk_bytes(a, j.signature, &sig, e));
	errno = 0;
	if (sig.len > CHANCERY_SIGNATURE_MAX)
		FAIL(e, MALFORMED, "a signature of %zu bytes", sig.len);
	memcpy(signature, sig.ptr, sig.len);
	*ret_len = sig.len;
	return ERR_OK;
}

static int sign(void *context, const unsigned char *message, size_t message_len, unsigned char *signature, size_t *signature_len)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(8192, 4u << 20);

	return a && ask_signature(context, a, (struct bytes){ message, message_len }, signature, signature_len, NULL) == ERR_OK ? 0 : -1;
}

enum err_code acme_key(struct child *c, struct arena *a, const char *slot, struct bytes spki, struct remote_key *ret, struct err *e)
{
	struct bytes der;

	*ret = (struct remote_key){ .child = c, .slot = slot };
	if (!spki.ptr)
		return ERR_OK;
	TRY(talk_bytes(a, spki, &der, e));
	errno = 0;
	if (chancery_key_external(der.ptr, der.len, sign, ret, &ret->key) != CHANCERY_OK)
		FAIL(e, CONFIG, "the key is of a type that no CA takes");
	return ERR_OK;
}

/* --- the CA and the account --- */

struct ca_json {
	struct bytes directory, ca_pem, account, eab_kid, eab_key;
	struct json_uint timeout_s;
	struct json_strings contacts;
	struct json_bool agree;
};
static const struct json_field ca_fields[] = {
	JSON_FIELD(struct ca_json, directory, "directory", JSON_STRING, true, 2048),
	JSON_FIELD(struct ca_json, ca_pem, "ca_pem", JSON_STRING, false, 0),
	JSON_FIELD(struct ca_json, account, "account", JSON_STRING, false, 4096),
	JSON_FIELD(struct ca_json, eab_kid, "eab_kid", JSON_STRING, false, 4096),
	JSON_FIELD(struct ca_json, eab_key, "eab_key", JSON_STRING, false, 4096),
	JSON_FIELD(struct ca_json, timeout_s, "timeout_s", JSON_UINT, true, 0),
	JSON_FIELD(struct ca_json, contacts, "contacts", JSON_STRINGS, true, 8),
	JSON_FIELD(struct ca_json, agree, "agree", JSON_BOOL, true, 0),
};

static enum err_code set_all(struct acme *m, const struct ca_json *j, struct err *e)
{
	const char *ca_pem, *kid, *key, *contact;
	enum chancery_result rc = CHANCERY_OK;

	TRY(talk_text(m->arena, j->ca_pem, &ca_pem, e));
	TRY(talk_text(m->arena, j->eab_kid, &kid, e));
	TRY(talk_text(m->arena, j->eab_key, &key, e));
	if (m->account.key)
		rc = chancery_client_set_account_key(m->client, m->account.key);
	for (size_t i = 0; rc == CHANCERY_OK && i < j->contacts.n; i++) {
		TRY(talk_text(m->arena, j->contacts.v[i], &contact, e));
		rc = chancery_client_add_contact(m->client, contact);
	}
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_terms_agreed(m->client, j->agree.value);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_ca_pem(m->client, ca_pem);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_timeout(m->client, (uint32_t)j->timeout_s.value);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_user_agent(m->client, "chancery/" CHANCERY_VERSION);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_external_account(m->client, kid, key);
	errno = 0;
	if (rc != CHANCERY_OK)
		FAIL(e, CONFIG, "%s", chancery_error_message(chancery_client_error(m->client)));
	return ERR_OK;
}

enum err_code acme_open(struct child *c, struct arena *a, struct bytes json, struct acme *ret, struct err *e)
{
	struct ca_json j = { .directory = BYTES_NONE };
	const char *directory;

	*ret = (struct acme){ .child = c, .arena = a };
	TRY(json_read(a, json, "a CA", ca_fields, sizeof ca_fields / sizeof *ca_fields, &j, e));
	TRY(talk_text(a, j.directory, &directory, e));
	ret->timeout_s = (uint32_t)j.timeout_s.value;
	TRY(acme_key(c, a, "account", j.account, &ret->account, e));
	ret->client = chancery_client_new(directory);
	errno = 0;
	if (!ret->client)
		FAIL(e, NOMEM, "no memory to talk to a CA");
	return set_all(ret, &j, e);
}

void acme_close(struct acme *m)
{
	chancery_client_free(m->client);
	chancery_key_free(m->account.key);
}

/* --- failures --- */

/* The member "error" as outcome.h reads it, whose list of subproblems is left open. */
struct told {
	unsigned result, fault;
	uint64_t http_status;
	uint32_t retry_after_s;
	const char *message, *hint, *type, *solver;
};
static void open_error(const struct told *t, struct json_out *w)
{
	json_put_key(w, "error");
	json_put_object(w);
	json_put_member_uint(w, "result", t->result);
	json_put_member_uint(w, "fault", t->fault);
	json_put_member_uint(w, "http_status", t->http_status);
	json_put_member_uint(w, "retry_after_s", t->retry_after_s);
	json_put_member_str(w, "message", t->message);
	json_put_member_str(w, "hint", t->hint);
	json_put_member_str(w, "type", t->type);
	json_put_member_str(w, "solver", t->solver);
	json_put_key(w, "subs");
	json_put_array(w);
}

static void close_error(struct json_out *w)
{
	json_end_array(w);
	json_end_object(w);
}

void acme_put_error(const struct acme *m, const char *solver, struct json_out *w)
{
	const struct chancery_error *x = chancery_client_error(m->client);

	open_error(&(struct told){ .result = chancery_error_result(x),
		       .fault = chancery_error_fault(x),
		       .http_status = (uint64_t)chancery_error_http_status(x),
		       .retry_after_s = chancery_error_retry_after(x),
		       .message = chancery_error_message(x),
		       .hint = chancery_error_hint(x),
		       .type = chancery_error_type(x),
		       .solver = solver ? solver : "" },
	    w);
	for (size_t i = 0; i < chancery_error_sub_count(x); i++) {
		json_put_object(w);
		json_put_member_str(w, "name", chancery_error_sub_name(x, i));
		json_put_member_str(w, "type", chancery_error_sub_type(x, i));
		json_put_member_str(w, "detail", chancery_error_sub_detail(x, i));
		json_end_object(w);
	}
	close_error(w);
}

void acme_put_refusal(const char *type, const char *message, const char *hint, struct json_out *w)
{
	open_error(
	    &(struct told){
		.result = CHANCERY_REFUSED, .fault = CHANCERY_FAULT_NAME, .message = message, .hint = hint, .type = type, .solver = "" },
	    w);
	close_error(w);
}
