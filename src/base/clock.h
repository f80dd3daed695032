/* Time, always through the seam, in milliseconds. */
#ifndef CHANCERY_BASE_CLOCK_H
#define CHANCERY_BASE_CLOCK_H

#include "base/err.h"

int64_t clock_wall_ms(void);      /* since 1970-01-01T00:00:00Z */
int64_t clock_monotonic_ms(void); /* for deadlines: never goes back */

/* RFC 3339 in UTC with whole seconds, "2026-11-23T08:00:00Z": 20 characters and a NUL. Years 1970 to 9999. */
#define RFC3339_SIZE 21
void rfc3339_format(int64_t unix_s, char out[RFC3339_SIZE]);
/* Any RFC 3339 date-time with offset and fraction (the fraction is cut off). MALFORMED otherwise. */
enum err_code rfc3339_parse(struct bytes in, int64_t *ret_unix_s, struct err *e) MUST_USE;

/* Calendar fields of a Unix time in UTC (proleptic Gregorian), for X.509 times and rfc3339. */
struct civil {
	int year, month, day, hour, minute, second; /* month 1..12, day 1..31 */
};
struct civil civil_from_unix(int64_t unix_s);
/* False when the fields name no real moment (30 February, hour 24, second 60). */
bool civil_to_unix(struct civil c, int64_t *ret_unix_s);

#endif
