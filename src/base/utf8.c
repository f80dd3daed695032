#include "base/utf8.h"

/* RFC 3629 §4 narrows the second byte after these four leading bytes; that is what keeps overlong forms, surrogates and
 * values past U+10FFFF out. */
static bool second_fits(uint8_t lead, uint8_t second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

size_t utf8_get(const uint8_t *p, const uint8_t *end, uint32_t *ret_c)
{
	uint8_t lead = *p;
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	/* 0x80 to 0xbf do not begin a character, 0xc0 and 0xc1 would be overlong */
	if ((n > 1 && lead < 0xc2) || lead > 0xf4 || (size_t)(end - p) < n || (n > 1 && !second_fits(lead, p[1])))
		return 0;
	uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (ret_c)
		*ret_c = c;
	return n;
}

size_t utf8_put(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
	return n;
}

bool utf8_is_printable(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad },                /* soft hyphen */
		{ 0x61c, 0x61c },                                           /* Arabic letter mark */
		{ 0x200b, 0x200f },                                         /* zero width, left-to-right and right-to-left marks */
		{ 0x2028, 0x202e },                                         /* line and paragraph separators, embeddings and overrides */
		{ 0x2060, 0x206f },                                         /* invisible operators, isolates */
		{ 0xd800, 0xdfff }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, /* interlinear annotation */
		{ 0xe0000, 0xe0fff },                                       /* tags and variation selectors: text that nobody sees */
	};

	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return false;
	return c <= 0x10ffff && (c & 0xfffe) != 0xfffe;
}
