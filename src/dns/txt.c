#include "dns/txt.h"

#include <errno.h>
#include <string.h>

enum err_code txt_read(struct arena *a, struct bytes rdata, struct bytes *ret, struct err *e)
{
	size_t n = 0;

	errno = 0;
	if (rdata.len == 0)
		FAIL(e, MALFORMED, "a TXT record without a character-string");
	uint8_t *out = arena_alloc(a, rdata.len);
	if (!out)
		FAIL(e, NOMEM, "no memory for a TXT record");
	while (rdata.len > 0) {
		struct bytes string = bytes_slice(rdata, 1, 1 + (size_t)rdata.ptr[0]);
		if (string.len != rdata.ptr[0])
			FAIL(e, MALFORMED, "a TXT record that is cut");
		if (string.len > 0)
			memcpy(out + n, string.ptr, string.len);
		n += string.len;
		rdata = bytes_slice(rdata, 1 + string.len, rdata.len);
	}
	*ret = (struct bytes){ out, n };
	return ERR_OK;
}
