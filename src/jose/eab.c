#include "jose/eab.h"

#include "base/codec.h"
#include "base/json.h"
#include "jose/jwk.h"
#include "jose/jws_texts.h"

#define ALG_SIZE_MAX    64
#define HEADER_SIZE_MAX 4096

struct header {
	struct bytes alg, kid, url;
	struct bytes nonce, jwk, crit, b64; /* must not be there */
};

static const struct json_field header_fields[] = {
	JSON_FIELD(struct header, alg, "alg", JSON_STRING, true, ALG_SIZE_MAX),
	JSON_FIELD(struct header, kid, "kid", JSON_STRING, true, EAB_KID_LEN_MAX),
	JSON_FIELD(struct header, url, "url", JSON_STRING, true, JWS_URL_MAX),
	JSON_FIELD(struct header, nonce, "nonce", JSON_ANY, false, 0),
	JSON_FIELD(struct header, jwk, "jwk", JSON_ANY, false, 0),
	JSON_FIELD(struct header, crit, "crit", JSON_ANY, false, 0),
	JSON_FIELD(struct header, b64, "b64", JSON_ANY, false, 0),
};

static const char known_algorithms[] =
#define X(code, jose, digest, size) " " jose
#include "crypto/mac.def"
#undef X
    ;

static enum err_code read_header(struct arena *a, struct bytes text, struct eab *b, struct err *e)
{
	struct header h = { .alg = BYTES_NONE };
	struct bytes json;

	TRY(jws_texts_decode(a, text, "protected", &json, e));
	TRY(json_read(a, json, "the external account binding's protected header", header_fields,
	    sizeof header_fields / sizeof header_fields[0], &h, e));
	if (h.crit.ptr || h.b64.ptr)
		FAIL(e, MALFORMED, "the external account binding's protected header must have neither \"crit\" nor \"b64\"");
	/* RFC 8555 §7.3.4: "The "alg" field MUST indicate a MAC-based algorithm" */
	if (!mac_alg_from_jose(h.alg, &b->alg))
		FAIL(e, BAD_SIGNATURE_ALGORITHM, "the external account binding's algorithm is none of%s", known_algorithms);
	/* "The "nonce" field MUST NOT be present" */
	if (h.nonce.ptr || h.jwk.ptr)
		FAIL(e, MALFORMED, "the external account binding must have neither nonce nor jwk in its protected header");
	if (h.kid.len == 0)
		FAIL(e, MALFORMED, "the external account binding's kid is empty");
	b->kid = h.kid;
	b->url = h.url;
	return ERR_OK;
}

enum err_code eab_parse(struct arena *a, struct bytes json, struct eab *ret, struct err *e)
{
	struct jws_texts t;
	struct eab b = { .payload = BYTES_NONE };

	TRY(jws_texts_read(a, json, &t, e));
	TRY(read_header(a, t.protected_header, &b, e));
	if (t.signature.len != BASE64URL_LEN(mac_size(b.alg)))
		FAIL(e, MALFORMED, "an %s MAC takes %zu bytes", mac_alg_jose(b.alg), mac_size(b.alg));
	TRY(jws_texts_decode(a, t.signature, "signature", &b.mac, e));
	TRY(jws_texts_decode(a, t.payload, "payload", &b.payload, e));
	TRY(jws_texts_join(a, &t, &b.signing_input, e));
	*ret = b;
	return ERR_OK;
}

enum err_code eab_check(struct arena *a, const struct eab *b, struct bytes outer_url, const struct key *account, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;

	/* RFC 8555 §7.3.4: "The "url" field MUST be set to the same value as the outer JWS" */
	if (!bytes_eq(b->url, outer_url))
		FAIL(e, MALFORMED, "the external account binding's url is not the newAccount request's");
	if (jwk_parse(a, b->payload, &k, NULL) != ERR_OK || !bytes_eq(key_spki(k), key_spki(account)))
		FAIL(e, MALFORMED, "the external account binding's payload is not the account's key as a JWK");
	return ERR_OK;
}

enum err_code eab_verify(const struct eab *b, struct bytes secret, struct err *e)
{
	uint8_t mac[MAC_SIZE_MAX];

	if (secret.len < mac_size(b->alg))
		FAIL(e, BAD_SIGNATURE_ALGORITHM, "%s needs a key of %zu bytes, this one has %zu", mac_alg_jose(b->alg), mac_size(b->alg),
		    secret.len);
	hmac(b->alg, secret, &b->signing_input, 1, mac);
	if (!crypto_equal(b->mac, (struct bytes){ mac, mac_size(b->alg) }))
		FAIL(e, UNAUTHORIZED, "the external account binding's MAC is not by the key that its kid names");
	return ERR_OK;
}

static void put_header(enum mac_alg alg, struct bytes kid, struct bytes url, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_str(&w, "alg", mac_alg_jose(alg));
	json_put_member(&w, "kid", kid);
	json_put_member(&w, "url", url);
	json_end_object(&w);
}

enum err_code eab_write(
    enum mac_alg alg, struct bytes kid, struct bytes url, const struct key *account, struct bytes secret, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf header = buf_new(HEADER_SIZE_MAX), jwk = buf_new(JWK_SIZE_MAX), message = buf_new(8192);
	uint8_t mac[MAC_SIZE_MAX];

	if (secret.len < mac_size(alg))
		FAIL(e, CONFIG, "%s needs a key of %zu bytes, this one has %zu", mac_alg_jose(alg), mac_size(alg), secret.len);
	put_header(alg, kid, url, &header);
	jwk_write(account, &jwk);
	base64url_add(&message, buf_bytes(&header));
	size_t point = message.len;
	buf_add_u8(&message, '.');
	base64url_add(&message, buf_bytes(&jwk));
	if (!buf_ok(&header) || !buf_ok(&jwk) || !buf_ok(&message))
		FAIL(e, NOMEM, "no room for an external account binding");
	struct bytes input = buf_bytes(&message);
	hmac(alg, secret, &input, 1, mac);
	buf_add_str(out, "{\"protected\":\"");
	buf_add(out, bytes_slice(input, 0, point));
	buf_add_str(out, "\",\"payload\":\"");
	buf_add(out, bytes_slice(input, point + 1, input.len));
	buf_add_str(out, "\",\"signature\":\"");
	base64url_add(out, (struct bytes){ mac, mac_size(alg) });
	buf_add_str(out, "\"}");
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for an external account binding");
	return ERR_OK;
}
