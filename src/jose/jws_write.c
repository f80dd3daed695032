/* The client's side: the same serialisation that jws.c reads. */
#include "jose/jws.h"

#include "base/codec.h"
#include "base/json.h"

/* Of the protected header's text and of the signing input. */
#define HEADER_SIZE_MAX  8192
#define MESSAGE_SIZE_MAX (256 * 1024)

static void put_header(const struct jws_header *h, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_str(&w, "alg", sig_alg_jose(h->alg));
	if (h->jwk.ptr) {
		json_put_key(&w, "jwk");
		json_put_raw(&w, h->jwk);
	} else {
		json_put_member(&w, "kid", h->kid);
	}
	if (h->nonce.ptr)
		json_put_member(&w, "nonce", h->nonce);
	json_put_member(&w, "url", h->url);
	json_end_object(&w);
}

/* base64url(header) || "." || base64url(payload); the parts' lengths follow from the place of the point. */
static enum err_code put_message(const struct jws_header *h, struct bytes payload, struct buf *message, size_t *ret_point, struct err *e)
{
	struct buf header CLEANUP(buf_free_p) = buf_new(HEADER_SIZE_MAX);

	if ((h->jwk.ptr != NULL) == (h->kid.ptr != NULL) || !h->url.ptr)
		FAIL(e, BUG, "a JWS needs a url and exactly one of jwk and kid");
	put_header(h, &header);
	if (!buf_ok(&header))
		FAIL(e, NOMEM, "no room for a JWS's protected header");
	base64url_add(message, buf_bytes(&header));
	*ret_point = message->len;
	buf_add_u8(message, '.');
	if (payload.len > 0)
		base64url_add(message, payload);
	if (!buf_ok(message))
		FAIL(e, NOMEM, "no room for a JWS");
	return ERR_OK;
}

enum err_code jws_write(const struct jws_header *h, struct bytes payload, jws_sign_fn *sign, void *ctx, struct buf *out, struct err *e)
{
	struct buf message CLEANUP(buf_free_p) = buf_new(MESSAGE_SIZE_MAX);
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t sig_len = 0, point = 0;

	if (!sig_alg_jose(h->alg))
		FAIL(e, CONFIG, "a key of this type signs no requests: accounts have ECDSA, RSA or Ed25519 keys");
	TRY(put_message(h, payload, &message, &point, e));
	TRY(sign(ctx, buf_bytes(&message), sig, &sig_len, e));
	if (sig_len > sizeof sig)
		FAIL(e, BUG, "a signature of %zu bytes", sig_len);
	/* Nothing here needs escapes: it is all base64url. */
	buf_add_str(out, "{\"protected\":\"");
	buf_add(out, bytes_slice(buf_bytes(&message), 0, point));
	buf_add_str(out, "\",\"payload\":\"");
	buf_add(out, bytes_slice(buf_bytes(&message), point + 1, message.len));
	buf_add_str(out, "\",\"signature\":\"");
	base64url_add(out, (struct bytes){ sig, sig_len });
	buf_add_str(out, "\"}");
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for a JWS");
	return ERR_OK;
}
