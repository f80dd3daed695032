#include "base/clock.h"

#include "base/seam.h"

#include <errno.h>
#include <stdio.h>

#define DAY_S        86400
#define YEAR_0_S     INT64_C(-62167219200)
#define YEAR_10000_S INT64_C(253402300800)

int64_t clock_wall_ms(void)
{
	return seam->wall_ms();
}

int64_t clock_monotonic_ms(void)
{
	return seam->monotonic_ms();
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and the way back: years begin in March, so that the leap day is a
 * year's last, and 400 years (146,097 days) repeat exactly (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct civil civil_from_unix(int64_t unix_s)
{
	int64_t days = unix_s / DAY_S, rest = unix_s % DAY_S;

	if (rest < 0) {
		rest += DAY_S;
		days--;
	}
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t m = (5 * day_of_year + 2) / 153;
	struct civil c = { .day = (int)(day_of_year - (153 * m + 2) / 5 + 1),
		.month = (int)(m < 10 ? m + 3 : m - 9),
		.hour = (int)(rest / 3600),
		.minute = (int)(rest % 3600 / 60),
		.second = (int)(rest % 60) };
	c.year = (int)(year_of_era + era * 400 + (c.month <= 2));
	return c;
}

bool civil_to_unix(struct civil c, int64_t *ret_unix_s)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (c.year < 0 || c.year > 9999 || c.month < 1 || c.month > 12 || c.hour < 0 || c.hour > 23 || c.minute < 0 || c.minute > 59 ||
	    c.second < 0 || c.second > 59)
		return false;
	bool leap = (c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0;
	if (c.day < 1 || c.day > lengths[c.month - 1] + (leap && c.month == 2))
		return false;
	*ret_unix_s = days_from_civil(c.year, c.month, c.day) * DAY_S + c.hour * 3600 + c.minute * 60 + c.second;
	return true;
}

void rfc3339_format(int64_t unix_s, char out[RFC3339_SIZE])
{
	/* what has no four-digit year becomes the nearest time that has one */
	unix_s = unix_s < YEAR_0_S ? YEAR_0_S : unix_s < YEAR_10000_S ? unix_s : YEAR_10000_S - 1;
	struct civil c = civil_from_unix(unix_s);

	/* each field modulo its width, so that the compiler sees that it fits */
	(void)snprintf(out, RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)c.year % 10000u, (unsigned)c.month % 100u,
	    (unsigned)c.day % 100u, (unsigned)c.hour % 100u, (unsigned)c.minute % 100u, (unsigned)c.second % 100u);
}

/* n digits at *p, which moves on. */
static bool digits(const uint8_t **p, const uint8_t *end, int n, int *ret)
{
	int v = 0;

	for (; n > 0; n--, (*p)++) {
		if (*p == end || **p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*ret = v;
	return true;
}

static bool literal(const uint8_t **p, const uint8_t *end, char c)
{
	if (*p == end || (**p != (uint8_t)c && !(c == 'T' && **p == 't')))
		return false;
	(*p)++;
	return true;
}

/* "Z" or an offset; *ret_s is what to take off. */
static bool offset(const uint8_t **p, const uint8_t *end, int64_t *ret_s)
{
	int hours, minutes;

	*ret_s = 0;
	if (*p == end)
		return false;
	uint8_t sign = *(*p)++;
	if (sign == 'Z' || sign == 'z')
		return true;
	if ((sign != '+' && sign != '-') || !digits(p, end, 2, &hours) || !literal(p, end, ':') || !digits(p, end, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret_s = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

static bool fraction(const uint8_t **p, const uint8_t *end)
{
	int digit;

	if (!literal(p, end, '.'))
		return true;
	if (!digits(p, end, 1, &digit))
		return false;
	while (*p < end && **p >= '0' && **p <= '9')
		(*p)++;
	return true;
}

/* Fields and offset to a Unix time. A leap second is the last second of a month in UTC (RFC 3339 §5.7); Unix time has none, so
 * it is the first one after it. */
static bool moment(struct civil c, int64_t offset_s, int64_t *ret_unix_s)
{
	bool leap = c.second == 60;
	int64_t unix_s;

	c.second -= leap;
	if (!civil_to_unix(c, &unix_s))
		return false;
	unix_s += leap - offset_s;
	struct civil utc = civil_from_unix(unix_s);
	if (leap && (utc.day != 1 || utc.hour || utc.minute || utc.second))
		return false;
	*ret_unix_s = unix_s;
	return true;
}

enum err_code rfc3339_parse(struct bytes in, int64_t *ret_unix_s, struct err *e)
{
	if (!in.ptr)
		in = BYTES_LIT("");
	const uint8_t *p = in.ptr, *end = in.ptr + in.len;
	struct civil c;
	int64_t unix_s, off;
	bool ok = digits(&p, end, 4, &c.year) && literal(&p, end, '-') && digits(&p, end, 2, &c.month) && literal(&p, end, '-') &&
		  digits(&p, end, 2, &c.day) && literal(&p, end, 'T') && digits(&p, end, 2, &c.hour) && literal(&p, end, ':') &&
		  digits(&p, end, 2, &c.minute) && literal(&p, end, ':') && digits(&p, end, 2, &c.second) && fraction(&p, end) &&
		  offset(&p, end, &off) && p == end && moment(c, off, &unix_s);
	errno = 0;
	if (!ok)
		FAIL(e, MALFORMED, "not an RFC 3339 time like 2026-11-23T08:00:00Z");
	*ret_unix_s = unix_s;
	return ERR_OK;
}
