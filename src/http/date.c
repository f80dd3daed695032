#include "http/date.h"

#include "base/clock.h"

#include <string.h>
#include <strings.h>

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Takes `n` digits off; false, and *in untouched, when they are not there. */
static bool take_number(struct bytes *in, size_t n, int *ret)
{
	int v = 0;

	if (in->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(in->ptr[i]))
			return false;
		v = v * 10 + (in->ptr[i] - '0');
	}
	*in = bytes_slice(*in, n, in->len);
	*ret = v;
	return true;
}

static bool take_text(struct bytes *in, const char *text)
{
	size_t n = strlen(text);

	if (in->len < n || strncasecmp((const char *)in->ptr, text, n) != 0)
		return false;
	*in = bytes_slice(*in, n, in->len);
	return true;
}

static bool take_month(struct bytes *in, int *ret)
{
	static const char names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

	for (int i = 0; i < 12; i++)
		if (take_text(in, names[i])) {
			*ret = i + 1;
			return true;
		}
	return false;
}

static bool take_time(struct bytes *in, struct civil *c)
{
	return take_number(in, 2, &c->hour) && take_text(in, ":") && take_number(in, 2, &c->minute) && take_text(in, ":") &&
	       take_number(in, 2, &c->second);
}

/* "06 Nov 1994 08:49:37 GMT", behind the day's name. */
static bool read_fixdate(struct bytes in, struct civil *c)
{
	return take_number(&in, 2, &c->day) && take_text(&in, " ") && take_month(&in, &c->month) && take_text(&in, " ") &&
	       take_number(&in, 4, &c->year) && take_text(&in, " ") && take_time(&in, c) && take_text(&in, " GMT") && in.len == 0;
}

/* "06-Nov-94 08:49:37 GMT": a year that seems more than 50 years ahead is of the last century. */
static bool read_rfc850(struct bytes in, struct civil *c, int64_t now_s)
{
	int now = civil_from_unix(now_s).year;

	if (!(take_number(&in, 2, &c->day) && take_text(&in, "-") && take_month(&in, &c->month) && take_text(&in, "-") &&
		take_number(&in, 2, &c->year) && take_text(&in, " ") && take_time(&in, c) && take_text(&in, " GMT") && in.len == 0))
		return false;
	c->year += now - now % 100;
	if (c->year > now + 50)
		c->year -= 100;
	return true;
}

/* "Nov  6 08:49:37 1994" */
static bool read_asctime(struct bytes in, struct civil *c)
{
	if (!take_month(&in, &c->month) || !take_text(&in, " "))
		return false;
	if (!(take_text(&in, " ") ? take_number(&in, 1, &c->day) : take_number(&in, 2, &c->day)))
		return false;
	return take_text(&in, " ") && take_time(&in, c) && take_text(&in, " ") && take_number(&in, 4, &c->year) && in.len == 0;
}

bool http_date_read(struct bytes value, int64_t now_s, int64_t *ret)
{
	struct civil c = { 0 };
	struct bytes day, rest;
	bool ok;

	if (bytes_split(value, ',', &day, &rest) && take_text(&rest, " "))
		ok = read_fixdate(rest, &c) || read_rfc850(rest, &c, now_s);
	else
		ok = bytes_split(value, ' ', &day, &rest) && day.len == 3 && read_asctime(rest, &c);
	return ok && civil_to_unix(c, ret);
}
