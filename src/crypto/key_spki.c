/* SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), read and written without libcrypto: d2i_PUBKEY costs 160 µs on OpenSSL 3.0 and takes
 * encodings that the Baseline Requirements §7.1.3.1 do not allow. */
#include "crypto/key_impl.h"
#include "crypto/tlv.h"

#include <string.h>

/* The whole AlgorithmIdentifier, byte for byte as the standards have it. */
static struct bytes algorithm_of(enum key_type t)
{
	const struct crypto_methods *m = crypto_methods();

	return (struct bytes){ m->key_der[t], m->key_der_len[t] };
}

static size_t rsa_content_size(struct bytes n, struct bytes exponent)
{
	return tlv_uint_size(n) + tlv_uint_size(exponent);
}

/* Bytes in the BIT STRING behind its count of unused bits: a point (SEC 1 §2.3.3), an RSAPublicKey or a raw key. */
static size_t key_bits_size(enum key_type t, struct bytes first, struct bytes second)
{
	if (t == KEY_RSA) {
		size_t content = rsa_content_size(first, second);
		return tlv_head_size(content) + content;
	}
	return key_type_kind(t) == KEY_KIND_RAW ? first.len : 1 + first.len + second.len;
}

static size_t body_size(enum key_type t, struct bytes first, struct bytes second)
{
	size_t bits = 1 + key_bits_size(t, first, second);

	return algorithm_of(t).len + tlv_head_size(bits) + bits;
}

size_t spki_size(enum key_type t, struct bytes first, struct bytes second)
{
	size_t body = body_size(t, first, second);

	return tlv_head_size(body) + body;
}

static uint8_t *put(uint8_t *out, struct bytes in)
{
	memcpy(out, in.ptr, in.len);
	return out + in.len;
}

void spki_write(enum key_type t, struct bytes first, struct bytes second, uint8_t *out, struct bytes *ret_first, struct bytes *ret_second)
{
	struct bytes alg = algorithm_of(t);
	const uint8_t *end;

	out = tlv_put_head(out, TLV_SEQUENCE, body_size(t, first, second));
	out = put(out, alg);
	out = tlv_put_head(out, TLV_BIT_STRING, 1 + key_bits_size(t, first, second));
	*out++ = 0; /* unused bits */
	if (t == KEY_RSA) {
		out = tlv_put_head(out, TLV_SEQUENCE, rsa_content_size(first, second));
		end = out = tlv_put_uint(out, first);
		*ret_first = (struct bytes){ end - first.len, first.len };
		end = tlv_put_uint(out, second);
		*ret_second = (struct bytes){ end - second.len, second.len };
		return;
	}
	if (key_type_kind(t) == KEY_KIND_EC)
		*out++ = 0x04; /* uncompressed */
	*ret_first = (struct bytes){ out, first.len };
	out = put(out, first);
	*ret_second = second.ptr ? (struct bytes){ out, second.len } : BYTES_NONE;
	if (second.ptr)
		(void)put(out, second);
}

static bool find_algorithm(struct bytes *body, enum key_type *ret)
{
	for (unsigned t = 0; t < KEY__MAX; t++) {
		struct bytes alg = algorithm_of((enum key_type)t);
		if (bytes_starts_with(*body, alg)) {
			*body = bytes_slice(*body, alg.len, body->len);
			*ret = (enum key_type)t;
			return true;
		}
	}
	return false;
}

static enum err_code ec_point(enum key_type t, struct bytes point, struct key **ret, struct err *e)
{
	size_t width = key_width(t);

	if (point.len != 1 + 2 * width || point.ptr[0] != 0x04)
		FAIL(e, BAD_PUBLIC_KEY, "the EC point is not an uncompressed one of the curve's width");
	return key_from_ec(t, bytes_slice(point, 1, 1 + width), bytes_slice(point, 1 + width, point.len), ret, e);
}

static enum err_code rsa_public_key(struct bytes der, struct key **ret, struct err *e)
{
	struct bytes content, n, exponent;

	if (!tlv_take(&der, TLV_SEQUENCE, &content) || der.len > 0 || !tlv_take_uint(&content, &n) || !tlv_take_uint(&content, &exponent) ||
	    content.len > 0)
		FAIL(e, BAD_PUBLIC_KEY, "the RSA public key is not the DER of a modulus and an exponent");
	return key_from_rsa(n, exponent, ret, e);
}

enum err_code key_from_spki(struct bytes der, struct key **ret, struct err *e)
{
	struct bytes body, bits;
	enum key_type t = KEY__MAX;

	if (!tlv_take(&der, TLV_SEQUENCE, &body) || der.len > 0)
		FAIL(e, BAD_PUBLIC_KEY, "the public key is no SubjectPublicKeyInfo in DER");
	if (!find_algorithm(&body, &t))
		FAIL(e, BAD_PUBLIC_KEY,
		    "the public key's algorithm is none of ECDSA P-256, P-384, RSA, Ed25519 and ML-DSA in its standard encoding");
	if (!tlv_take(&body, TLV_BIT_STRING, &bits) || body.len > 0 || bits.len == 0 || bits.ptr[0] != 0)
		FAIL(e, BAD_PUBLIC_KEY, "the public key's bits are not a BIT STRING of whole bytes");
	bits = bytes_slice(bits, 1, bits.len);
	switch (key_type_kind(t)) {
	case KEY_KIND_EC:
		return ec_point(t, bits, ret, e);
	case KEY_KIND_RSA:
		return rsa_public_key(bits, ret, e);
	case KEY_KIND_RAW:
		return key_from_raw(t, bits, ret, e);
	}
	FAIL(e, BUG, "an unknown key type");
}
