#include "dns/excerpt.h"

#include <string.h>

const char *excerpt(struct bytes in, char *out, size_t most)
{
	size_t n = 0, i = 0;

	for (; i < in.len && n < most; i++) {
		uint8_t c = in.ptr[i];
		if (c > ' ' && c < 0x7f)
			out[n++] = c == '"' ? '\'' : (char)c;
		else if (n == 0 || out[n - 1] != ' ')
			out[n++] = ' ';
	}
	out[n] = 0;
	if (i < in.len)
		memcpy(out + n, "...", 4);
	return out;
}
