/* Retry-After (RFC 9110 §10.2.3). Private to this room. */
#ifndef CHANCERY_CLIENT_RETRY_AFTER_H
#define CHANCERY_CLIENT_RETRY_AFTER_H

#include "base/bytes.h"

#define RETRY_AFTER_LEAST_S 1u
#define RETRY_AFTER_MOST_S  86400u

/* Seconds to wait from now_s on, from delay-seconds or an HTTP-date (IMF-fixdate and the two obsolete forms, RFC 9110 §5.6.7),
 * clamped to RETRY_AFTER_LEAST_S .. RETRY_AFTER_MOST_S. 0 when the header is absent or neither. */
uint32_t retry_after_parse(struct bytes value, int64_t now_s);

#endif
