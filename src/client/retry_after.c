#include "client/retry_after.h"

#include "http/date.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool read_seconds(struct bytes value, int64_t *ret)
{
	int64_t v = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return false;
		if (v <= RETRY_AFTER_MOST_S) /* what is larger is clamped anyway */
			v = v * 10 + (value.ptr[i] - '0');
	}
	*ret = v;
	return value.len > 0;
}

uint32_t retry_after_parse(struct bytes value, struct bytes date, int64_t now_s)
{
	int64_t v, from_s;

	if (!value.ptr)
		return 0;
	if (!read_seconds(value, &v)) {
		if (!http_date_read(value, now_s, &v))
			return 0;
		v -= date.ptr && http_date_read(date, now_s, &from_s) ? from_s : now_s;
	}
	return (uint32_t)(v < RETRY_AFTER_LEAST_S ? RETRY_AFTER_LEAST_S : v > RETRY_AFTER_MOST_S ? RETRY_AFTER_MOST_S : v);
}
