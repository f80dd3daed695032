/* How long a server asks to wait, in seconds or by a date: always within bounds. The input: Retry-After, and behind a newline the answer's Date. */
#include "client/retry_after.h"

#include "http/date.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t now_s = 1795593600, year_0_s = INT64_C(-62167219200), year_9999_end_s = INT64_C(253402300799);
	struct bytes value = { data, size }, date = BYTES_NONE, first, rest;
	int64_t at;

	if (bytes_split(value, '\n', &first, &rest)) {
		value = first;
		date = rest;
	}
	uint32_t wait_s = retry_after_parse(value, date, now_s);
	if (wait_s != 0 && (wait_s < RETRY_AFTER_LEAST_S || wait_s > RETRY_AFTER_MOST_S))
		abort();
	if (http_date_read(value, now_s, &at) && (at < year_0_s || at > year_9999_end_s))
		abort();
	return 0;
}
