/* Retry-After (RFC 9110 §10.2.3). Private to this room. */
#ifndef CHANCERY_CLIENT_RETRY_AFTER_H
#define CHANCERY_CLIENT_RETRY_AFTER_H

#include "base/bytes.h"

#define RETRY_AFTER_LEAST_S 1u
#define RETRY_AFTER_MOST_S  86400u

/* Seconds to wait, from delay-seconds or an HTTP-date (IMF-fixdate and the two obsolete forms, RFC 9110 §5.6.7), clamped to
 * RETRY_AFTER_LEAST_S .. RETRY_AFTER_MOST_S. 0 when the header is absent or neither. date: the answer's Date (RFC 9110 §6.6.1), from which a date is counted, as
 * this machine's clock may be another; where it is absent or none, that counts: now_s. */
uint32_t retry_after_parse(struct bytes value, struct bytes date, int64_t now_s);

#endif
