/* What becomes of an account after it was made (RFC 8555 §7.3.2, §7.3.5, §7.3.6). */
#include "base/json.h"
#include "client/client_impl.h"
#include "jose/jwk.h"
#include "jose/jws.h"

#include <string.h>

static enum err_code open_account(struct work *w, struct operation *o, struct err *e)
{
	(void)o;
	return work_account(w, e);
}

enum chancery_result chancery_client_open_account(struct chancery_client *client, const char **ret_url)
{
	struct operation o = { .run = open_account };
	enum chancery_result rc = client_run(client, &o);

	if (rc == CHANCERY_OK && ret_url)
		*ret_url = client->account_url;
	return rc;
}

enum chancery_result chancery_client_begin_open_account(struct chancery_client *client)
{
	const struct operation o = { .run = open_account };

	return client_begin(client, &o);
}

static enum err_code update(struct work *w, struct operation *o, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(16384);
	const struct chancery_client *c = w->client;
	struct json_out out = json_out_to(&payload);
	struct http_client_answer answer;

	(void)o;
	TRY(work_account(w, e));
	json_put_object(&out);
	json_put_key(&out, "contact");
	json_put_array(&out);
	for (size_t i = 0; i < c->n_contacts; i++)
		json_put_string(&out, bytes_str(c->contacts[i]));
	json_end_array(&out);
	if (c->terms_agreed)
		json_put_member_bool(&out, "termsOfServiceAgreed", true);
	json_end_object(&out);
	if (!buf_ok(&payload))
		FAIL(e, NOMEM, "no room for the account's contacts");
	session_doing(&w->s, "updating the account %.300s", w->s.account_url);
	return session_post(&w->s, w->s.account_url, buf_bytes(&payload), NULL, &answer, e);
}

enum chancery_result chancery_client_update_account(struct chancery_client *client)
{
	struct operation o = { .run = update };

	return client_run(client, &o);
}

enum chancery_result chancery_client_begin_update_account(struct chancery_client *client)
{
	const struct operation o = { .run = update };

	return client_begin(client, &o);
}

static enum err_code deactivate(struct work *w, struct operation *o, struct err *e)
{
	struct http_client_answer answer;

	(void)o;
	TRY(work_account(w, e));
	session_doing(&w->s, "deactivating the account %.300s", w->s.account_url);
	return session_post(&w->s, w->s.account_url, BYTES_LIT("{\"status\":\"deactivated\"}"), NULL, &answer, e);
}

enum chancery_result chancery_client_deactivate_account(struct chancery_client *client)
{
	struct operation o = { .run = deactivate };

	return client_run(client, &o);
}

enum chancery_result chancery_client_begin_deactivate_account(struct chancery_client *client)
{
	const struct operation o = { .run = deactivate };

	return client_begin(client, &o);
}

/* --- another key --- */

struct new_key {
	struct session *s;
	const struct chancery_key *key;
};

static enum err_code sign_new(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	const struct new_key *n = ctx;

	return session_sign(n->s, n->key, SIG_FORM_JOSE, message, "the new account key", sig, ret_len, e);
}

/* "{account, oldKey}", signed by the new key, with its JWK and without a nonce: what the old key then signs as a whole. */
static enum err_code write_inner(struct work *w, const struct chancery_key *key, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(8192), old = buf_new(JWK_SIZE_MAX), fresh = buf_new(JWK_SIZE_MAX);
	struct json_out j = json_out_to(&payload);
	struct new_key n = { &w->s, key };

	jwk_write(w->s.account->key, &old);
	jwk_write(key->key, &fresh);
	json_put_object(&j);
	json_put_member_str(&j, "account", w->s.account_url);
	json_put_key(&j, "oldKey");
	json_put_raw(&j, buf_bytes(&old));
	json_end_object(&j);
	if (!buf_ok(&payload) || !buf_ok(&fresh))
		FAIL(e, NOMEM, "no room for a change of keys");
	struct jws_header h = { .alg = key_sig_alg(key->key), .url = bytes_str(w->s.directory.key_change), .jwk = buf_bytes(&fresh) };
	return jws_write(&h, buf_bytes(&payload), sign_new, &n, out, e);
}

static enum err_code change_key(struct work *w, struct operation *o, struct err *e)
{
	CLEANUP(buf_free_p) struct buf inner = buf_new(32768);
	struct chancery_key *key = o->key;
	struct http_client_answer answer;

	TRY(work_account(w, e));
	if (!w->s.directory.key_change) {
		(void)err_set(e, ERR_CONFIG, __FILE__, __LINE__, "this CA does not let accounts change their keys");
		return failure_note(w->s.error, ERR_CONFIG, CHANCERY_REFUSED, CHANCERY_FAULT_SERVER, NULL);
	}
	TRY(write_inner(w, key, &inner, e));
	session_doing(&w->s, "changing the key of the account %.300s", w->s.account_url);
	TRY(session_post(&w->s, w->s.directory.key_change, buf_bytes(&inner), NULL, &answer, e));
	keys_ref(key);
	chancery_key_free(w->client->account);
	w->client->account = key;
	return ERR_OK;
}

enum chancery_result chancery_client_change_account_key(struct chancery_client *client, struct chancery_key *key)
{
	struct operation o = { .run = change_key, .key = key };

	return key ? client_run(client, &o) : client_usage(client, "an account key of NULL");
}

enum chancery_result chancery_client_begin_change_account_key(struct chancery_client *client, struct chancery_key *key)
{
	const struct operation o = { .run = change_key, .key = key };

	return key ? client_begin(client, &o) : client_usage(client, "an account key of NULL");
}
