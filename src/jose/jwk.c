#include "jose/jwk.h"

#include "base/codec.h"
#include "base/json.h"
#include "crypto/digest.h"

#include <stdio.h>

/* What names each key type that is for accounts. RFC 7518 §6.2, §6.3; RFC 8037 §2. */
static const struct shape {
	const char *kty, *crv;
} shapes[KEY__MAX] = {
	[KEY_EC_P256] = { "EC", "P-256" },
	[KEY_EC_P384] = { "EC", "P-384" },
	[KEY_RSA] = { "RSA", NULL },
	[KEY_ED25519] = { "OKP", "Ed25519" },
};

struct members {
	struct bytes kty, crv, x, y, n, e;
	struct bytes d, p, q, dp, dq, qi, oth, k; /* private or symmetric, whatever their kind */
};

static const struct json_field fields[] = {
	JSON_FIELD(struct members, kty, "kty", JSON_STRING, true, 0),
	JSON_FIELD(struct members, crv, "crv", JSON_STRING, false, 0),
	JSON_FIELD(struct members, x, "x", JSON_STRING, false, 0),
	JSON_FIELD(struct members, y, "y", JSON_STRING, false, 0),
	JSON_FIELD(struct members, n, "n", JSON_STRING, false, 0),
	JSON_FIELD(struct members, e, "e", JSON_STRING, false, 0),
	JSON_FIELD(struct members, d, "d", JSON_ANY, false, 0),
	JSON_FIELD(struct members, p, "p", JSON_ANY, false, 0),
	JSON_FIELD(struct members, q, "q", JSON_ANY, false, 0),
	JSON_FIELD(struct members, dp, "dp", JSON_ANY, false, 0),
	JSON_FIELD(struct members, dq, "dq", JSON_ANY, false, 0),
	JSON_FIELD(struct members, qi, "qi", JSON_ANY, false, 0),
	JSON_FIELD(struct members, oth, "oth", JSON_ANY, false, 0),
	JSON_FIELD(struct members, k, "k", JSON_ANY, false, 0),
};

static enum err_code find_type(const struct members *m, enum key_type *ret, struct err *e)
{
	for (unsigned t = 0; t < KEY__MAX; t++) {
		if (!shapes[t].kty || !bytes_eq_str(m->kty, shapes[t].kty))
			continue;
		if (!shapes[t].crv || (m->crv.ptr && bytes_eq_str(m->crv, shapes[t].crv))) {
			*ret = (enum key_type)t;
			return ERR_OK;
		}
	}
	FAIL(e, BAD_PUBLIC_KEY, "the JWK's kty and crv must be EC with P-256 or P-384, RSA, or OKP with Ed25519");
}

static enum err_code decode(struct arena *a, struct bytes text, const char *name, struct bytes *ret, struct err *e)
{
	if (!text.ptr)
		FAIL(e, MALFORMED, "the JWK has no member \"%s\"", name);
	enum err_code rc = base64url_decode(a, text, ret, e);
	if (rc == ERR_MALFORMED)
		FAIL(e, MALFORMED, "the JWK's member \"%s\" is not base64url", name);
	return rc;
}

static enum err_code make(struct arena *a, enum key_type t, const struct members *m, struct key **ret, struct err *e)
{
	struct bytes first = BYTES_NONE, second = BYTES_NONE;

	switch (key_type_kind(t)) {
	case KEY_KIND_EC:
		TRY(decode(a, m->x, "x", &first, e));
		TRY(decode(a, m->y, "y", &second, e));
		return key_from_ec(t, first, second, ret, e);
	case KEY_KIND_RSA:
		TRY(decode(a, m->n, "n", &first, e));
		TRY(decode(a, m->e, "e", &second, e));
		return key_from_rsa(first, second, ret, e);
	case KEY_KIND_RAW:
		TRY(decode(a, m->x, "x", &first, e));
		return key_from_raw(t, first, ret, e);
	}
	FAIL(e, BUG, "an unknown key type");
}

enum err_code jwk_parse(struct arena *a, struct bytes json, struct key **ret, struct err *e)
{
	struct members m = { .kty = BYTES_NONE };
	enum key_type t = KEY__MAX;

	if (json.len > JWK_SIZE_MAX)
		FAIL(e, BAD_PUBLIC_KEY, "a JWK of more than %d bytes: no key of up to %d bits needs as many", JWK_SIZE_MAX,
		    KEY_RSA_BITS_MAX);
	TRY(json_read(a, json, "the JWK", fields, sizeof fields / sizeof fields[0], &m, e));
	if (m.d.ptr || m.p.ptr || m.q.ptr || m.dp.ptr || m.dq.ptr || m.qi.ptr || m.oth.ptr || m.k.ptr)
		FAIL(e, BAD_PUBLIC_KEY, "the JWK holds a private key, which is not secret any more: make another");
	TRY(find_type(&m, &t, e));
	return make(a, t, &m, ret, e);
}

/* RFC 7638 §3.2: the required members in lexicographic order. Gives the length, 0 for a key that has no JWK. */
static size_t canonical(const struct key *k, char out[JWK_SIZE_MAX])
{
	char first[BASE64URL_LEN(KEY_RSA_BITS_MAX / 8) + 1], second[sizeof first] = "";
	const struct shape *s = &shapes[key_type(k)];
	struct bytes first_raw, second_raw;
	int len = 0;

	if (!s->kty)
		return 0;
	key_parts(k, &first_raw, &second_raw);
	base64url_encode(first_raw, first);
	if (second_raw.ptr)
		base64url_encode(second_raw, second);
	switch (key_type_kind(key_type(k))) {
	case KEY_KIND_EC:
		len =
		    snprintf(out, JWK_SIZE_MAX, "{\"crv\":\"%s\",\"kty\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", s->crv, s->kty, first, second);
		break;
	case KEY_KIND_RSA:
		len = snprintf(out, JWK_SIZE_MAX, "{\"e\":\"%s\",\"kty\":\"%s\",\"n\":\"%s\"}", second, s->kty, first);
		break;
	case KEY_KIND_RAW:
		len = snprintf(out, JWK_SIZE_MAX, "{\"crv\":\"%s\",\"kty\":\"%s\",\"x\":\"%s\"}", s->crv, s->kty, first);
		break;
	}
	return (size_t)len;
}

void jwk_write(const struct key *k, struct buf *out)
{
	char text[JWK_SIZE_MAX];
	size_t len = canonical(k, text);

	buf_add(out, (struct bytes){ (const uint8_t *)text, len });
}

void jwk_thumbprint(const struct key *k, uint8_t out[THUMBPRINT_SIZE])
{
	char text[JWK_SIZE_MAX];
	size_t len = canonical(k, text);

	sha256_one((struct bytes){ (const uint8_t *)text, len }, out);
}

void key_authorization(struct bytes token, const uint8_t thumbprint[THUMBPRINT_SIZE], struct buf *out)
{
	buf_add(out, token);
	buf_add_u8(out, '.');
	base64url_add(out, (struct bytes){ thumbprint, THUMBPRINT_SIZE });
}
