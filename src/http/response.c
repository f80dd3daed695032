#include "http/response.h"

#include "base/clock.h"

#include <string.h>
#include <strings.h>

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return ""; /* the reason may be empty: RFC 9112 §4 */
}

void http_date(int64_t unix_s, char out[HTTP_DATE_SIZE])
{
	static const char days[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" }; /* 1970-01-01 was a Thursday */
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

	out[0] = 0;
	if (unix_s < 0)
		return;
	struct civil c = civil_from_unix(unix_s);
	struct buf b = buf_new(HTTP_DATE_SIZE);
	buf_add_fmt(&b, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[unix_s / 86400 % 7], c.day, months[(c.month - 1) % 12], c.year, c.hour,
	    c.minute, c.second);
	if (buf_ok(&b) && b.len < HTTP_DATE_SIZE) {
		memcpy(out, b.ptr, b.len);
		out[b.len] = '\0';
	}
	buf_free(&b);
}

/* Made once a second in each thread. */
static const char *date_now(void)
{
	static _Thread_local char text[HTTP_DATE_SIZE];
	static _Thread_local int64_t text_of = -1;
	int64_t now = clock_wall_ms() / 1000;

	if (now != text_of)
		http_date(now, text);
	text_of = now;
	return text;
}

bool http_etag_matches(struct bytes field, const char *etag)
{
	struct bytes one, rest = field;

	while (rest.ptr) {
		struct bytes tail = BYTES_NONE;
		if (!bytes_split(rest, ',', &one, &tail))
			one = rest;
		rest = tail;
		while (one.len > 0 && *one.ptr == ' ')
			one = bytes_slice(one, 1, one.len);
		while (one.len > 0 && one.ptr[one.len - 1] == ' ')
			one.len--;
		if (bytes_starts_with(one, BYTES_LIT("W/")))
			one = bytes_slice(one, 2, one.len);
		if (bytes_eq_str(one, "*") || bytes_eq_str(one, etag))
			return true;
	}
	return false;
}

static bool name_is_ours(const char *name)
{
	static const char *const ours[] = { "connection", "content-length", "content-type", "date", "keep-alive", "server", "trailer",
		"transfer-encoding", "upgrade" };

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	return false;
}

/* Letters, digits and '-' are the part of a token that fields are named with. */
static bool name_is_good(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

	return name && *name && name[strspn(name, allowed)] == '\0' && !name_is_ours(name);
}

static bool value_is_good(struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.ptr[i] < 0x20 || v.ptr[i] > 0x7e)
			return false;
	return true;
}

static enum err_code check(const struct http_response *res, struct err *e)
{
	if (res->status < 200 || res->status > 599)
		FAIL(e, BUG, "a response with status %d", res->status);
	if (res->n_fields > HTTP_FIELDS_MAX)
		FAIL(e, BUG, "a response with %zu fields", res->n_fields);
	if (!value_is_good(bytes_str(res->content_type)))
		FAIL(e, BUG, "a response whose content type is not printable");
	for (size_t i = 0; i < res->n_fields; i++) {
		if (!name_is_good(res->fields[i].name))
			FAIL(e, BUG, "a response field that is not the handler's or has a bad name");
		if (!value_is_good(res->fields[i].value))
			FAIL(e, BUG, "the response field %s is not printable ASCII", res->fields[i].name);
	}
	return ERR_OK;
}

static void add_number(struct buf *out, size_t n)
{
	uint8_t digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (uint8_t)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	buf_add(out, (struct bytes){ digits + at, sizeof digits - at });
}

static void add_field(struct buf *out, const char *name, struct bytes value)
{
	buf_add_str(out, name);
	buf_add(out, BYTES_LIT(": "));
	buf_add(out, value);
	buf_add(out, BYTES_LIT("\r\n"));
}

enum err_code response_write(struct buf *out, const struct http_response *res, struct http_framing framing, struct err *e)
{
	bool body = res->content_type && res->status != 204 && res->status != 304; /* RFC 9110 §6.4.1 */
	size_t body_len = body ? res->body.len : 0;

	TRY(check(res, e));
	buf_add(out, BYTES_LIT("HTTP/1.1 "));
	add_number(out, (size_t)res->status);
	buf_add_u8(out, ' ');
	buf_add_str(out, reason_of(res->status));
	buf_add(out, BYTES_LIT("\r\nServer: chancery\r\nDate: "));
	buf_add_str(out, date_now());
	buf_add(out, BYTES_LIT("\r\n"));
	if (body)
		add_field(out, "Content-Type", bytes_str(res->content_type));
	if (res->status != 204 && res->status != 304) { /* RFC 9110 §8.6 */
		buf_add(out, BYTES_LIT("Content-Length: "));
		add_number(out, body_len);
		buf_add(out, BYTES_LIT("\r\n"));
	}
	for (size_t i = 0; i < res->n_fields; i++)
		if (res->fields[i].value.ptr)
			add_field(out, res->fields[i].name, res->fields[i].value);
	if (framing.close)
		buf_add(out, BYTES_LIT("Connection: close\r\n"));
	buf_add(out, BYTES_LIT("\r\n"));
	if (body && !framing.head)
		buf_add(out, res->body);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for a response of %zu bytes", body_len);
	return ERR_OK;
}
