/* Renewal information (RFC 9773) and revocation (RFC 8555 §7.6). */
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "client/chain.h"
#include "client/client_impl.h"
#include "client/problem.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_S     21600 /* where the server does not say: "a sensible default ... e.g., 6 hours" (RFC 9773 §4.3.3) */
#define RETRY_AFTER_MIN_S 60
#define RETRY_AFTER_MAX_S 86400

/* --- renewal --- */

struct renewal_json {
	struct bytes window, explanation;
};
static const struct json_field renewal_fields[] = {
	JSON_FIELD(struct renewal_json, window, "suggestedWindow", JSON_OBJECT, true, 0),
	JSON_FIELD(struct renewal_json, explanation, "explanationURL", JSON_ANY, false, 0),
};
struct window_json {
	struct bytes start, end;
};
static const struct json_field window_fields[] = {
	JSON_FIELD(struct window_json, start, "start", JSON_STRING, true, 64),
	JSON_FIELD(struct window_json, end, "end", JSON_STRING, true, 64),
};

static enum err_code read_renewal(struct session *s, struct bytes body, struct chancery_renewal *ret, struct err *e)
{
	struct renewal_json j = { .window = BYTES_NONE };
	struct window_json w = { .start = BYTES_NONE };

	TRY(json_read(s->scratch, body, "the renewal information", renewal_fields, 2, &j, e));
	TRY(json_read(s->scratch, j.window, "its suggestedWindow", window_fields, 2, &w, e));
	if (rfc3339_parse(w.start, &ret->start, NULL) != ERR_OK || rfc3339_parse(w.end, &ret->end, NULL) != ERR_OK ||
	    ret->start >= ret->end)
		FAIL(e, MALFORMED, "the renewal information has no window: its start and end are no times, one before the other");
	failure_text(problem_string(s->scratch, j.explanation), ret->explanation, sizeof ret->explanation);
	return ERR_OK;
}

static enum err_code ask_renewal(struct work *w, struct operation *o, struct err *e)
{
	struct session *s = &w->s;
	struct chancery_renewal r = { .start = 0 };
	struct http_client_answer answer;
	char id[CHAIN_ID_SIZE], url[SESSION_URL_MAX + CHAIN_ID_SIZE + 2];
	struct bytes der;

	TRY(chain_first(s->arena, bytes_str(o->pem), &der, id, e));
	TRY(work_directory(w, e));
	if (!s->directory.renewal_info || !*id) {
		(void)err_set(e, ERR_NOT_FOUND, __FILE__, __LINE__, "this CA says nothing about the renewal of its certificates");
		return failure_note(s->error, ERR_NOT_FOUND, CHANCERY_REFUSED, CHANCERY_FAULT_SERVER, NULL);
	}
	(void)snprintf(url, sizeof url, "%s/%s", s->directory.renewal_info, id);
	session_doing(s, "asking for renewal information at %.300s", url);
	TRY(session_get(s, url, &answer, e));
	uint32_t after_s = s->error->retry_after_s ? s->error->retry_after_s : RETRY_AFTER_S;
	r.retry_after = after_s < RETRY_AFTER_MIN_S ? RETRY_AFTER_MIN_S : after_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : after_s;
	TRY(read_renewal(s, answer.body, &r, e));
	o->renewal = r;
	o->has_renewal = true;
	return ERR_OK;
}

enum chancery_result chancery_client_renewal(struct chancery_client *client, const char *pem, struct chancery_renewal *ret)
{
	struct operation o = { .run = ask_renewal, .pem = pem };

	if (!pem || !ret)
		return client_usage(client, "an argument of NULL");
	enum chancery_result rc = client_run(client, &o);
	if (rc == CHANCERY_OK)
		*ret = o.renewal;
	return rc;
}

enum chancery_result chancery_client_begin_renewal(struct chancery_client *client, const char *pem)
{
	const struct operation o = { .run = ask_renewal, .pem = pem };

	return pem ? client_begin(client, &o) : client_usage(client, "an argument of NULL");
}

/* --- revocation --- */

static enum err_code revoke(struct work *w, struct operation *o, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(131072);
	struct session *s = &w->s;
	struct http_client_answer answer;
	char id[CHAIN_ID_SIZE];
	struct bytes der;

	TRY(chain_first(s->arena, bytes_str(o->pem), &der, id, e));
	if (o->key) { /* signed by it, with its JWK: no account has anything to say (RFC 8555 §7.6) */
		TRY(work_directory(w, e));
		s->account = o->key;
	} else {
		TRY(work_account(w, e));
	}
	if (!s->directory.revoke_cert)
		FAIL(e, MALFORMED, "the server has no revokeCert");
	buf_add_str(&payload, "{\"certificate\":\"");
	base64url_add(&payload, der);
	buf_add_fmt(&payload, "\",\"reason\":%d}", (int)o->reason);
	if (!buf_ok(&payload))
		FAIL(e, NOMEM, "no room for the request");
	session_doing(s, "revoking the certificate at %.300s", s->directory.revoke_cert);
	return session_post(s, s->directory.revoke_cert, buf_bytes(&payload), NULL, &answer, e);
}

static enum chancery_result revoke_of(
    struct chancery_client *c, const char *pem, enum chancery_reason reason, struct chancery_key *certificate_key, struct operation *ret)
{
	if (!pem)
		return client_usage(c, "an argument of NULL");
	if (reason != CHANCERY_UNSPECIFIED && reason != CHANCERY_KEY_COMPROMISE && reason != CHANCERY_AFFILIATION_CHANGED &&
	    reason != CHANCERY_SUPERSEDED && reason != CHANCERY_CESSATION_OF_OPERATION)
		return client_usage(c, "a reason that is not for those who have certificates");
	*ret = (struct operation){ .run = revoke, .pem = pem, .reason = reason, .key = certificate_key };
	return CHANCERY_OK;
}

enum chancery_result chancery_client_revoke(
    struct chancery_client *client, const char *pem, enum chancery_reason reason, struct chancery_key *certificate_key)
{
	struct operation o;
	enum chancery_result rc = revoke_of(client, pem, reason, certificate_key, &o);

	return rc == CHANCERY_OK ? client_run(client, &o) : rc;
}

enum chancery_result chancery_client_begin_revoke(
    struct chancery_client *client, const char *pem, enum chancery_reason reason, struct chancery_key *certificate_key)
{
	struct operation o;
	enum chancery_result rc = revoke_of(client, pem, reason, certificate_key, &o);

	return rc == CHANCERY_OK ? client_begin(client, &o) : rc;
}
