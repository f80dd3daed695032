/* Reading and verifying. This is the first code that a hostile request meets, in the front and again in the signer: every size is
 * looked at before work is done for it, and everything cheap is refused before a key is touched. */
#include "jose/jws.h"

#include "base/codec.h"
#include "base/json.h"
#include "jose/jws_texts.h"

#include <stdio.h>
#include <string.h>

#define NONCE_SIZE_MAX 256
#define ALG_SIZE_MAX   64

struct header {
	struct bytes alg, nonce, url, kid, jwk;
	struct bytes crit, b64;
};

static const struct json_field header_fields[] = {
	JSON_FIELD(struct header, alg, "alg", JSON_STRING, true, ALG_SIZE_MAX),
	JSON_FIELD(struct header, nonce, "nonce", JSON_STRING, false, NONCE_SIZE_MAX),
	JSON_FIELD(struct header, url, "url", JSON_STRING, true, JWS_URL_MAX),
	JSON_FIELD(struct header, kid, "kid", JSON_STRING, false, JWS_URL_MAX),
	JSON_FIELD(struct header, jwk, "jwk", JSON_OBJECT, false, 0),
	JSON_FIELD(struct header, crit, "crit", JSON_ANY, false, 0),
	JSON_FIELD(struct header, b64, "b64", JSON_ANY, false, 0),
};

#define COUNT(v) (sizeof(v) / sizeof((v)[0]))

static enum err_code check_nonce(struct bytes value, enum jws_nonce nonce, struct err *e)
{
	switch (nonce) {
	case JWS_NONCE_FORBIDDEN: /* RFC 8555 §7.3.5, §7.3.4: the inner JWS */
		if (value.ptr)
			FAIL(e, MALFORMED, "the inner JWS must have no nonce");
		return ERR_OK;
	case JWS_NONCE_REQUIRED:
		if (!value.ptr)
			FAIL(e, MALFORMED, "the protected header has no nonce");
		/* RFC 8555 §6.5.2: "If the value of a "nonce" header parameter is not valid according to this encoding, then the
		 * verifier MUST reject the JWS as malformed." */
		if (!base64url_is(value))
			FAIL(e, MALFORMED, "the nonce is not base64url");
		return ERR_OK;
	}
	FAIL(e, BUG, "an unknown nonce rule");
}

static enum err_code refuse_algorithm(struct err *e)
{
	char known[64] = "";

	for (unsigned a = 0; a < SIG__MAX; a++) {
		const char *name = sig_alg_jose((enum sig_alg)a);
		size_t at = strlen(known);
		if (name)
			(void)snprintf(known + at, sizeof known - at, " %s", name);
	}
	FAIL(e, BAD_SIGNATURE_ALGORITHM, "the signature's algorithm is none of%s", known);
}

static enum err_code check_header(const struct header *h, enum jws_nonce nonce, enum sig_alg *ret_alg, struct err *e)
{
	if (h->crit.ptr || h->b64.ptr) /* RFC 7797's payload would not be what we decode */
		FAIL(e, MALFORMED, "the protected header must have neither \"crit\" nor \"b64\"");
	if (!sig_alg_from_jose(h->alg, ret_alg))
		return refuse_algorithm(e);
	TRY(check_nonce(h->nonce, nonce, e));
	if (h->url.len == 0)
		FAIL(e, MALFORMED, "the protected header's url is empty");
	/* RFC 8555 §6.2: "The "jwk" and "kid" fields are mutually exclusive. Servers MUST reject requests that contain both." */
	if ((h->jwk.ptr != NULL) == (h->kid.ptr != NULL))
		FAIL(e, MALFORMED, "the protected header must have exactly one of \"jwk\" and \"kid\"");
	if (h->kid.ptr && h->kid.len == 0)
		FAIL(e, MALFORMED, "the protected header's kid is empty");
	return ERR_OK;
}

static enum err_code read_header(struct arena *a, struct bytes text, struct header *ret, struct err *e)
{
	struct bytes json;

	TRY(jws_texts_decode(a, text, "protected", &json, e));
	return json_read(a, json, "the protected header", header_fields, COUNT(header_fields), ret, e);
}

/* Wider than the keys that are allowed: who signs with a weak or oversized key is told that its key is bad. */
#define RSA_SIGNATURE_LEAST 96

/* The sizes that a signature by the algorithm can have at all; the key's own is for key_verify(). */
static enum err_code check_signature_size(enum sig_alg alg, size_t len, struct err *e)
{
	size_t size = sig_alg_size(alg), least = size ? size : RSA_SIGNATURE_LEAST, most = size ? size : JWS_SIGNATURE_MAX;

	if (len < least || len > most)
		FAIL(e, MALFORMED, "an %s signature takes %zu to %zu bytes", sig_alg_jose(alg), least, most);
	return ERR_OK;
}

static enum err_code read_signature(struct arena *a, struct bytes text, enum sig_alg alg, struct bytes *ret, struct err *e)
{
	struct bytes sig;

	if (text.len > BASE64URL_LEN(JWS_SIGNATURE_MAX)) /* too long for any, so not worth decoding */
		return check_signature_size(alg, text.len, e);
	TRY(jws_texts_decode(a, text, "signature", &sig, e));
	TRY(check_signature_size(alg, sig.len, e));
	*ret = sig;
	return ERR_OK;
}

static enum err_code read_payload(struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	if (text.len == 0) {
		*ret = BYTES_LIT("");
		return ERR_OK;
	}
	return jws_texts_decode(a, text, "payload", ret, e);
}

enum err_code jws_parse(struct arena *a, struct bytes json, enum jws_nonce nonce, struct jws *ret, struct err *e)
{
	struct jws_texts t;
	struct header h = { .alg = BYTES_NONE };
	struct jws j = { .payload = BYTES_NONE };

	TRY(jws_texts_read(a, json, &t, e));
	TRY(read_header(a, t.protected_header, &h, e));
	TRY(check_header(&h, nonce, &j.alg, e));
	TRY(read_signature(a, t.signature, j.alg, &j.signature, e));
	TRY(read_payload(a, t.payload, &j.payload, e));
	TRY(jws_texts_join(a, &t, &j.signing_input, e));
	j.nonce = h.nonce;
	j.url = h.url;
	j.kid = h.kid;
	j.jwk = h.jwk;
	*ret = j;
	return ERR_OK;
}

enum err_code jws_verify(const struct jws *j, const struct key *k, struct err *e)
{
	if (j->alg != key_sig_alg(k))
		FAIL(e, BAD_SIGNATURE_ALGORITHM, "the request says %s, but its key signs with %s", sig_alg_jose(j->alg),
		    sig_alg_jose(key_sig_alg(k)));
	return key_verify(k, SIG_FORM_JOSE, j->signing_input, j->signature, e);
}
