#include "agent/keys.h"

#define KEYS_MS 60000 /* an RSA key of 4096 bits takes seconds on a slow machine */

static enum err_code call(
    struct peer *keys, struct arena *a, const char *name, struct buf *json, int fd, const char *member, struct bytes *ret, struct err *e)
{
	struct bytes answer;
	struct bytes value = BYTES_NONE;
	const struct json_field fields[] = { { member, JSON_STRING, true, 0, 0 } };

	if (!buf_ok(json))
		FAIL(e, TOO_LARGE, "too much for one signature");
	struct peer_call c = { .name = name, .json = buf_bytes(json), .fd = fd, .timeout_ms = KEYS_MS };
	TRY(peer_call(keys, a, &c, &answer, e));
	TRY(json_read(a, answer, "the keys' answer", fields, 1, &value, e));
	return talk_bytes(a, value, ret, e);
}

static void put_wish(const struct keys_wish *w, bool make, struct buf *out)
{
	struct json_out j = json_out_to(out);

	json_put_object(&j);
	json_put_member_str(&j, "slot", w->slot);
	json_put_member_str(&j, "use", w->use == KEYS_CERTIFICATE ? "certificate" : "account");
	json_put_member_uint(&j, "may", w->may);
	json_put_member_bool(&j, "must_staple", w->must_staple);
	if (make) {
		json_put_member_str(&j, "type", key_type_name(w->type));
		json_put_member_uint(&j, "bits", w->bits);
	}
	json_put_member_strs(&j, "names", w->names, w->n_names);
	json_end_object(&j);
}

enum err_code keys_open(struct peer *keys, struct arena *a, const struct keys_wish *w, int fd, struct bytes *ret_spki, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);

	put_wish(w, false, &json);
	return call(keys, a, "open", &json, fd, "spki", ret_spki, e);
}

enum err_code keys_make(struct peer *keys, struct arena *a, const struct keys_wish *w, int fd, struct bytes *ret_spki, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);

	put_wish(w, true, &json);
	return call(keys, a, "make", &json, fd, "spki", ret_spki, e);
}

enum err_code keys_sign_by(
    struct peer *keys, struct arena *a, const char *slot, struct bytes message, struct bytes *ret_signature, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);

	json_put_object(&j);
	json_put_member_str(&j, "slot", slot);
	talk_put_bytes(&j, "message", message);
	json_end_object(&j);
	return call(keys, a, "sign", &json, -1, "signature", ret_signature, e);
}

enum err_code keys_pkcs12(struct peer *keys, struct arena *a, const char *slot, struct bytes chain, const char *name, struct bytes password,
    int fd, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new_secret(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	struct bytes answer;

	json_put_object(&j);
	json_put_member_str(&j, "slot", slot);
	json_put_member_str(&j, "name", name);
	json_put_member(&j, "password", password.ptr ? password : BYTES_LIT(""));
	json_put_member(&j, "chain", chain);
	json_end_object(&j);
	if (!buf_ok(&json))
		FAIL(e, TOO_LARGE, "a chain that is too large for PKCS #12");
	struct peer_call c = { .name = "pkcs12", .json = buf_bytes(&json), .fd = fd, .timeout_ms = KEYS_MS };
	return peer_call(keys, a, &c, &answer, e);
}
