#include "pki/lint_url.h"

#include <string.h>

bool lint_crl_url(struct bytes url)
{
	struct bytes scheme = BYTES_LIT("http://");

	if (url.len <= scheme.len || url.len > LINT_URL_SIZE_MAX || !bytes_starts_with(url, scheme))
		return false;
	for (size_t i = 0; i < url.len; i++)
		if (url.ptr[i] <= ' ' || url.ptr[i] > '~' || memchr("\"<>\\^`{|}", url.ptr[i], 9))
			return false;
	return true;
}
