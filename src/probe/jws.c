/* Signed requests with one thing wrong. jose/jws_write.c writes the right ones for everybody else; here each part is put together by
 * hand, so that it can be spoilt. */
#include "base/codec.h"
#include "crypto/digest.h"
#include "jose/jwk.h"
#include "probe/probe_impl.h"

#include <string.h>

#define HEADER_MAX  16384
#define MESSAGE_MAX (256 * 1024)

static void put_alg(const struct ask *r, struct json_out *w)
{
	static const char *const algs[] = {
		[DEFECT_ALG_NONE] = "none",
		[DEFECT_ALG_HS256] = "HS256",
		[DEFECT_ALG_UNKNOWN] = "XX256",
		[DEFECT_ALG_OTHER] = "ES384",
	};
	const char *alg = r->defect < sizeof algs / sizeof *algs ? algs[r->defect] : NULL;

	if (r->defect != DEFECT_NO_ALG)
		json_put_member_str(w, "alg", r->alg ? r->alg : alg ? alg : sig_alg_jose(key_sig_alg(r->as->key)));
}

static void put_key(const struct ask *r, struct json_out *w)
{
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX);

	jwk_write(r->as->key, &jwk);
	if (r->by == BY_JWK || r->by == BY_BOTH) {
		json_put_key(w, "jwk");
		json_put_raw(w, r->jwk ? bytes_str(r->jwk) : buf_bytes(&jwk));
	}
	if (r->by == BY_KID || r->by == BY_BOTH)
		json_put_member_str(w, "kid", r->kid ? r->kid : r->as->url ? r->as->url : "");
}

static void put_header(const struct ask *r, const char *nonce, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	put_alg(r, &w);
	put_key(r, &w);
	if (r->defect != DEFECT_NO_NONCE && nonce)
		json_put_member_str(&w, "nonce", nonce);
	if (r->defect != DEFECT_NO_URL)
		json_put_member_str(&w, "url", r->signed_url ? r->signed_url : r->url);
	if (r->defect == DEFECT_B64 || r->defect == DEFECT_CRIT) {
		json_put_key(&w, "crit");
		json_put_raw(&w, r->defect == DEFECT_B64 ? BYTES_LIT("[\"b64\"]") : BYTES_LIT("[\"org.example.unknown\"]"));
	}
	if (r->defect == DEFECT_B64)
		json_put_member_bool(&w, "b64", false);
	if (r->defect == DEFECT_CRIT)
		json_put_member_bool(&w, "org.example.unknown", true);
	json_end_object(&w);
}

static void pad(struct buf *b, size_t from)
{
	while (b->len > from && (b->len - from) % 4 != 0)
		buf_add_u8(b, '=');
}

static enum err_code sign(const struct ask *r, struct bytes message, struct buf *sig, struct err *e)
{
	CLEANUP(key_free_p) struct key *other = NULL;
	uint8_t out[KEY_SIG_SIZE_MAX];
	size_t len = 0;

	if (r->defect == DEFECT_SIGNATURE_EMPTY || r->defect == DEFECT_ALG_NONE)
		return ERR_OK;
	if (r->defect == DEFECT_ALG_HS256) {
		hmac_sha256(key_spki(r->as->key), &message, 1, out);
		len = SHA256_SIZE;
	} else if (r->defect == DEFECT_SIGNATURE_OTHER) {
		TRY(key_generate(KEY_EC_P256, 0, &other, e));
		TRY(key_sign(other, SIG_FORM_JOSE, message, out, &len, e));
	} else {
		TRY(key_sign(r->as->key, r->defect == DEFECT_SIGNATURE_DER ? SIG_FORM_X509 : SIG_FORM_JOSE, message, out, &len, e));
	}
	base64url_add(sig, (struct bytes){ out, len });
	return ERR_OK;
}

/* The serialisation of the three encoded parts. */
static void put_body(const struct ask *r, struct bytes header, struct bytes payload, struct bytes sig, struct buf *out)
{
	if (r->defect == DEFECT_COMPACT) {
		buf_add_fmt(out, "%.*s.%.*s.%.*s", BYTES_FMT(header), BYTES_FMT(payload), BYTES_FMT(sig));
		return;
	}
	if (r->defect == DEFECT_GENERAL) {
		buf_add_fmt(out,
		    "{\"payload\":\"%.*s\",\"signatures\":[{\"protected\":\"%.*s\",\"signature\":\"%.*s\"},"
		    "{\"protected\":\"%.*s\",\"signature\":\"%.*s\"}]}",
		    BYTES_FMT(payload), BYTES_FMT(header), BYTES_FMT(sig), BYTES_FMT(header), BYTES_FMT(sig));
		return;
	}
	buf_add_fmt(out, "{\"protected\":\"%.*s\",", BYTES_FMT(header));
	if (r->defect == DEFECT_UNPROTECTED)
		buf_add_str(out, "\"header\":{\"typ\":\"jose+json\"},");
	if (r->defect != DEFECT_DETACHED)
		buf_add_fmt(out, "\"payload\":\"%.*s\",", BYTES_FMT(payload));
	buf_add_fmt(out, "\"signature\":\"%.*s\"}", BYTES_FMT(sig));
}

enum err_code probe_sign(struct probe *p, const struct ask *r, const char *nonce, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf header = buf_new(HEADER_MAX), message = buf_new(MESSAGE_MAX), sig = buf_new(2048);
	struct bytes payload = r->payload ? bytes_str(r->payload) : BYTES_LIT("");

	(void)p;
	if (r->defect == DEFECT_EMPTY)
		return ERR_OK;
	if (r->defect == DEFECT_NOT_JSON) {
		buf_add_str(out, "this is no JSON");
		return ERR_OK;
	}
	put_header(r, nonce, &header);
	base64url_add(&message, buf_bytes(&header));
	if (r->defect == DEFECT_PADDED)
		pad(&message, 0);
	size_t point = message.len;
	buf_add_u8(&message, '.');
	if (r->defect == DEFECT_B64)
		buf_add(&message, payload);
	else
		base64url_add(&message, payload);
	if (r->defect == DEFECT_PADDED)
		pad(&message, point + 1);
	TRY(sign(r, buf_bytes(&message), &sig, e));
	if (r->defect == DEFECT_PADDED)
		pad(&sig, 0);
	if (r->defect == DEFECT_PAYLOAD_OTHER) {
		message.len = point + 1;
		base64url_add(&message, BYTES_LIT("{\"contact\":[\"mailto:mallory@example.org\"]}"));
	}
	if (!buf_ok(&header) || !buf_ok(&message) || !buf_ok(&sig))
		FAIL(e, NOMEM, "no room for a signed request");
	put_body(
	    r, bytes_slice(buf_bytes(&message), 0, point), bytes_slice(buf_bytes(&message), point + 1, message.len), buf_bytes(&sig), out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for a signed request");
	return ERR_OK;
}
