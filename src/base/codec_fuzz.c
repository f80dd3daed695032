/* One value has one text: what decodes encodes back to the same. The first byte picks the codec. */
#include "base/clock.h"
#include "base/codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_base64url(struct arena *a, struct bytes in)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(1 << 20);
	struct bytes out;
	uint8_t fixed[32];

	if (base64url_decode(a, in, &out, NULL) == ERR_OK) {
		base64url_add(&b, out);
		require(bytes_eq(buf_bytes(&b), in));
		require(in.len == 0 || base64url_is(in));
		require(base64url_decode_fixed(in, fixed, sizeof fixed, NULL) != ERR_OK || bytes_eq(out, BYTES_ARRAY(fixed)));
	} else {
		require(base64url_decode_fixed(in, fixed, sizeof fixed, NULL) != ERR_OK);
	}
	/* and the other way, any bytes at all */
	buf_reset(&b);
	base64url_add(&b, in);
	require(base64url_decode(a, buf_bytes(&b), &out, NULL) == ERR_OK && bytes_eq(out, in));
}

static void check_hex(struct bytes in)
{
	uint8_t out[64];
	char text[HEX_LEN(sizeof out) + 1];
	size_t n = in.len / 2 < sizeof out ? in.len / 2 : sizeof out;

	if (hex_decode(in, out, n, NULL) != ERR_OK)
		return;
	hex_encode((struct bytes){ out, n }, text);
	for (size_t i = 0; i < in.len; i++)
		require((in.ptr[i] | 0x20) == (text[i] | 0x20));
}

static void check_pem(struct arena *a, struct bytes in)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(1 << 20);
	struct bytes text = in, der, again;

	while (pem_next(a, &text, "X", &der, NULL) == ERR_OK) {
		require(der.len > 0 && text.ptr > in.ptr && text.ptr + text.len == in.ptr + in.len);
		buf_reset(&b);
		pem_add(&b, "X", der);
		struct bytes one = buf_bytes(&b);
		require(pem_next(a, &one, "X", &again, NULL) == ERR_OK && bytes_eq(der, again));
	}
}

static void check_time(struct bytes in)
{
	int64_t t, again;
	char text[RFC3339_SIZE];

	if (rfc3339_parse(in, &t, NULL) != ERR_OK || t < INT64_C(-62167219200) || t >= INT64_C(253402300800))
		return; /* an offset can lead out of the years that have four digits */
	rfc3339_format(t, text);
	require(strlen(text) == RFC3339_SIZE - 1);
	require(rfc3339_parse(bytes_str(text), &again, NULL) == ERR_OK && again == t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(4096, 1 << 22);

	require(a != NULL);
	if (size == 0)
		return 0;
	struct bytes in = { data + 1, size - 1 };
	switch (data[0]) {
	case 'b':
		check_base64url(a, in);
		break;
	case 'h':
		check_hex(in);
		break;
	case 'p':
		check_pem(a, in);
		break;
	case 't':
		check_time(in);
		break;
	default:
		break;
	}
	return 0;
}
