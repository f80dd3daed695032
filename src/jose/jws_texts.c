#include "jose/jws_texts.h"

#include "base/codec.h"
#include "base/json.h"

#include <string.h>

#define REQUEST_SIZE_MAX   (128 * 1024)
#define PROTECTED_SIZE_MAX 8192 /* base64url: above a JWK of 1500 bytes with two URLs of 2048 */

static const struct json_field fields[] = {
	JSON_FIELD(struct jws_texts, protected_header, "protected", JSON_STRING, true, PROTECTED_SIZE_MAX),
	JSON_FIELD(struct jws_texts, payload, "payload", JSON_STRING, true, 0),
	JSON_FIELD(struct jws_texts, signature, "signature", JSON_STRING, true, 0),
	JSON_FIELD(struct jws_texts, header, "header", JSON_ANY, false, 0),
	JSON_FIELD(struct jws_texts, signatures, "signatures", JSON_ANY, false, 0),
};

enum err_code jws_texts_read(struct arena *a, struct bytes json, struct jws_texts *ret, struct err *e)
{
	struct jws_texts t = { .protected_header = BYTES_NONE };

	if (json.len > REQUEST_SIZE_MAX)
		FAIL(e, MALFORMED, "a JWS of more than %d bytes", REQUEST_SIZE_MAX);
	TRY(json_read(a, json, "the JWS", fields, sizeof fields / sizeof fields[0], &t, e));
	/* RFC 8555 §6.2: "The JWS MUST NOT have multiple signatures", "The JWS Unprotected Header [RFC7515] MUST NOT be used" */
	if (t.signatures.ptr)
		FAIL(e, MALFORMED, "the JWS must be in the flattened form: no member \"signatures\"");
	if (t.header.ptr)
		FAIL(e, MALFORMED, "the JWS must have no unprotected header");
	*ret = t;
	return ERR_OK;
}

enum err_code jws_texts_decode(struct arena *a, struct bytes text, const char *name, struct bytes *ret, struct err *e)
{
	enum err_code rc = base64url_decode(a, text, ret, e);

	if (rc == ERR_MALFORMED)
		FAIL(e, MALFORMED, "the JWS's member \"%s\" is not base64url", name);
	return rc;
}

enum err_code jws_texts_join(struct arena *a, const struct jws_texts *t, struct bytes *ret, struct err *e)
{
	struct bytes header = t->protected_header, payload = t->payload;
	size_t len = header.len + 1 + payload.len;
	uint8_t *p = arena_alloc(a, len);

	if (!p)
		FAIL(e, NOMEM, "no memory for a JWS");
	memcpy(p, header.ptr, header.len);
	p[header.len] = '.';
	memcpy(p + header.len + 1, payload.ptr, payload.len);
	*ret = (struct bytes){ p, len };
	return ERR_OK;
}
