#include "agent/ca_call.h"

#include "agent/keys.h"
#include "base/codec.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CA_FILE_MAX  98304 /* one message has room for it */
#define EAB_FILE_MAX 4096
#define MARGIN_MS    30000 /* beyond the deadline that the process keeps itself */

/* --- as JSON --- */

/* The certificates of a file, without what stands between them. */
enum err_code ca_wish_put_file(const struct ca_wish *w, struct json_out *json, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	CLEANUP(buf_free_p) struct buf text = buf_new(4u << 20), pem = buf_new(CA_FILE_MAX);
	struct err why = { 0 };
	struct bytes rest, der;

	if (!w->ca_file)
		return ERR_OK;
	errno = 0;
	if (!a || file_read(AT_FDCWD, w->ca_file, text.max, &text, &why) != ERR_OK)
		FAIL(e, CONFIG, "the CA file %.150s cannot be read, or holds no certificate", w->ca_file);
	rest = buf_bytes(&text);
	while (pem_next(a, &rest, "CERTIFICATE", &der, NULL) == ERR_OK)
		pem_add(&pem, "CERTIFICATE", der);
	errno = 0;
	if (pem.len == 0)
		FAIL(e, CONFIG, "the CA file %.150s cannot be read, or holds no certificate", w->ca_file);
	if (!buf_ok(&pem))
		FAIL(e, CONFIG, "the CA file %.150s has more than %d bytes of certificates: name those that vouch for this server",
		    w->ca_file, CA_FILE_MAX);
	json_put_member(json, "ca_pem", buf_bytes(&pem));
	return ERR_OK;
}

static enum err_code put_external(const struct ca_wish *w, struct json_out *json, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(EAB_FILE_MAX);
	struct bytes line, rest;

	if (!w->eab_kid)
		return ERR_OK;
	TRY(file_read_private(w->eab_key_file, EAB_FILE_MAX, &text, e));
	line = buf_bytes(&text);
	(void)bytes_split(buf_bytes(&text), '\n', &line, &rest);
	json_put_member_str(json, "eab_kid", w->eab_kid);
	json_put_member(json, "eab_key", line);
	return ERR_OK;
}

enum err_code ca_wish_put(const struct ca_wish *w, struct json_out *json, struct err *e)
{
	json_put_key(json, "ca");
	json_put_object(json);
	json_put_member_str(json, "directory", w->directory);
	json_put_member_uint(json, "timeout_s", w->timeout_s);
	json_put_member_bool(json, "agree", w->agree);
	json_put_member_strs(json, "contacts", w->contacts, w->n_contacts);
	talk_put_bytes(json, "account", w->account);
	TRY(ca_wish_put_file(w, json, e));
	TRY(put_external(w, json, e));
	json_end_object(json);
	return ERR_OK;
}

/* --- signatures --- */

struct sign_json {
	struct bytes slot, message;
};
static const struct json_field sign_fields[] = {
	JSON_FIELD(struct sign_json, slot, "slot", JSON_STRING, true, 31),
	JSON_FIELD(struct sign_json, message, "message", JSON_STRING, true, 0),
};

enum err_code ca_asked(void *context, struct arena *a, const char *what, struct bytes json, struct json_out *answer, struct err *e)
{
	struct sign_json j = { .slot = BYTES_NONE };
	struct bytes message, signature;
	struct crew *c = context;
	struct peer *keys;
	const char *slot;

	errno = 0;
	if (strcmp(what, "sign") != 0)
		FAIL(e, MALFORMED, "nobody knows what \"%s\" is", what);
	TRY(json_read(a, json, "a signature's request", sign_fields, 2, &j, e));
	TRY(talk_bytes(a, j.message, &message, e));
	TRY(talk_text(a, j.slot, &slot, e));
	TRY(crew_keys(c, &keys, e));
	TRY(keys_sign_by(keys, a, slot, message, &signature, e));
	talk_put_bytes(answer, "signature", signature);
	return ERR_OK;
}

/* --- operations --- */

static enum err_code call(struct crew *c, struct arena *a, const struct ca_wish *w, const char *name, struct buf *json, struct bytes *ret,
    struct outcome *out, struct err *e)
{
	errno = 0;
	if (!buf_ok(json))
		FAIL(e, TOO_LARGE, "too much for one request");
	struct peer_call p = { .name = name,
		.json = buf_bytes(json),
		.fd = -1,
		.asked = ca_asked,
		.context = c,
		.timeout_ms = w->timeout_s * 1000 + MARGIN_MS };
	TRY(crew_net_call(c, a, &p, ret, e));
	return outcome_read(a, *ret, out, e);
}

struct account_answer {
	struct bytes url;
};
static const struct json_field account_fields[] = { JSON_FIELD(struct account_answer, url, "url", JSON_STRING, true, 2048) };

enum err_code ca_account(struct crew *c, struct arena *a, const struct ca_wish *w, const char *verb, struct bytes next,
    const char **ret_url, struct outcome *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new_secret(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	struct account_answer r;
	struct bytes answer;

	json_put_object(&j);
	TRY(ca_wish_put(w, &j, e));
	json_put_member_str(&j, "verb", verb);
	talk_put_bytes(&j, "next", next);
	json_end_object(&j);
	TRY(call(c, a, w, "account", &json, &answer, out, e));
	if (out->result != CHANCERY_OK)
		return ERR_OK;
	TRY(json_read(a, answer, "an account", account_fields, 1, &r, e));
	return talk_text(a, r.url, ret_url, e);
}

struct renewal_answer {
	struct json_uint start, end, retry_after_s;
	struct bytes explanation;
};
static const struct json_field renewal_fields[] = {
	JSON_FIELD(struct renewal_answer, start, "start", JSON_UINT, true, 0),
	JSON_FIELD(struct renewal_answer, end, "end", JSON_UINT, true, 0),
	JSON_FIELD(struct renewal_answer, retry_after_s, "retry_after_s", JSON_UINT, true, 0),
	JSON_FIELD(struct renewal_answer, explanation, "explanation", JSON_STRING, true, 511),
};

enum err_code ca_renewal(struct crew *c, struct arena *a, const struct ca_wish *w, struct bytes pem, struct chancery_renewal *ret,
    struct outcome *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new_secret(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	struct renewal_answer r = { .explanation = BYTES_NONE };
	struct bytes answer;

	json_put_object(&j);
	TRY(ca_wish_put(w, &j, e));
	json_put_member(&j, "pem", pem);
	json_end_object(&j);
	TRY(call(c, a, w, "renewal", &json, &answer, out, e));
	if (out->result != CHANCERY_OK)
		return ERR_OK;
	TRY(json_read(a, answer, "a window of renewal", renewal_fields, 4, &r, e));
	*ret = (struct chancery_renewal){
		.start = (int64_t)r.start.value, .end = (int64_t)r.end.value, .retry_after = (uint32_t)r.retry_after_s.value
	};
	(void)snprintf(ret->explanation, sizeof ret->explanation, "%.*s", BYTES_FMT(r.explanation));
	return ERR_OK;
}

enum err_code ca_revoke(struct crew *c, struct arena *a, const struct ca_wish *w, struct bytes pem, enum chancery_reason reason,
    struct bytes key, struct outcome *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new_secret(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	struct bytes answer;

	json_put_object(&j);
	TRY(ca_wish_put(w, &j, e));
	json_put_member(&j, "pem", pem);
	json_put_member_uint(&j, "reason", reason);
	talk_put_bytes(&j, "key", key);
	json_end_object(&j);
	return call(c, a, w, "revoke", &json, &answer, out, e);
}
