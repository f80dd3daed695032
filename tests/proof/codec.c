/* Every reader and writer of hex and base64url in base/codec.c over every span of up to 256 bytes, exact ones; what decodes is given room that is exact too. */
#include "base/codec.h"

#include <__fc_builtin.h>

static uint8_t block[256], room[256];

/* The arena's, as far as it matters here: as many bytes as were asked for and none behind them, or no memory. */
void *arena_alloc(struct arena *a, size_t n)
{
	(void)a;
	return n <= sizeof room && Frama_C_interval(0, 1) ? room + sizeof room - n : NULL;
}

int main(void)
{
	char text[2 * 256 + 1];
	uint8_t out[256];
	struct bytes decoded;
	size_t n = (size_t)Frama_C_interval(0, LENGTH_MAX);
	int what = Frama_C_interval(0, 3);

	//@ split n;
	//@ split what;
	Frama_C_make_unknown((char *)block, sizeof block);
	struct bytes in = { block + 256 - n, n };
	/* Where it fits as hex, as base64url, and where it does not: one byte more than that, or half of it. */
	size_t m = what == 0 ? n / 2 : what == 1 ? n * 3 / 4 : what == 2 ? n * 3 / 4 + 1 : n * 3 / 8;
	m = m <= 256 ? m : 256;
	(void)hex_decode(in, out + 256 - m, m, NULL);
	(void)base64url_decode_fixed(in, out + 256 - m, m, NULL);
	if (what != 0)
		return 0;
	(void)base64url_decode(NULL, in, &decoded, NULL);
	base64url_is(in);
	hex_encode(in, text + 2 * (256 - n));
	base64url_encode(in, text + sizeof text - BASE64URL_LEN(n) - 1);
	return 0;
}
