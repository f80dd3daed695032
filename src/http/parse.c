#include "http/parse.h"

#include <string.h>
#include <strings.h>

#define CHUNK_DIGITS_MAX 8

static bool refuse(struct http_fault *f, int status, const char *detail)
{
	*f = (struct http_fault){ status, detail };
	return false;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(uint8_t c, const char *set)
{
	return c && strchr(set, c);
}

/* RFC 9110 §5.6.2 */
static bool is_tchar(uint8_t c)
{
	return is_alnum(c) || is_one_of(c, "-_!#$%&'*+.^`|~");
}

/* RFC 3986 §3.3, without the percent sign. */
static bool is_pchar(uint8_t c)
{
	return is_alnum(c) || is_one_of(c, "-._~!$&'()*+,;=:@");
}

static bool is_token(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (!is_tchar(b.ptr[i]))
			return false;
	return b.len > 0;
}

/* The value of a hexadecimal digit; 16 for anything else. */
static unsigned hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10u;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10u;
	return 16;
}

static const struct bytes CR = { (const uint8_t *)"\r", 1 };

static bool is_same_nocase(struct bytes b, const char *lower)
{
	return b.len == strlen(lower) && strncasecmp((const char *)b.ptr, lower, b.len) == 0;
}

static bool is_white(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes b)
{
	size_t from = 0, to = b.len;

	while (from < to && is_white(b.ptr[from]))
		from++;
	while (to > from && is_white(b.ptr[to - 1]))
		to--;
	return bytes_slice(b, from, to);
}

/* --- where the head ends --- */

enum http_progress http_scan(struct http_scan *s, struct bytes in, size_t *ret_len, struct http_fault *ret_fault)
{
	struct bytes line, rest;

	/* Neither a TLS hello on a plain port nor an empty line before the request line (which RFC 9112 §2.2 lets one skip). */
	if (in.len > 0 && !is_tchar(*in.ptr)) {
		refuse(ret_fault, 400, "the request does not begin with a method");
		return HTTP_BAD;
	}
	while (bytes_split(bytes_slice(in, s->at, in.len), '\n', &line, &rest)) {
		line = bytes_slice(in, s->line, in.len - rest.len - 1);
		if (!bytes_ends_with(line, CR)) {
			refuse(ret_fault, 400, "a line of the header section does not end in CRLF");
			return HTTP_BAD;
		}
		s->at = s->line = in.len - rest.len;
		if (line.len == CR.len) {
			*ret_len = s->at;
			return HTTP_DONE;
		}
	}
	s->at = in.len;
	return HTTP_MORE;
}

/* --- the request line (RFC 9112 §3) --- */

/* Percent-encoded octets must be complete, and must not hide what would be read otherwise when decoded. */
static bool take_percent(struct bytes b, size_t *i, uint8_t *ret, struct http_fault *f)
{
	if (b.len - *i < 3 || hex_value(b.ptr[*i + 1]) > 15 || hex_value(b.ptr[*i + 2]) > 15)
		return refuse(f, 400, "the request target has a bad percent-encoding");
	*ret = (uint8_t)(hex_value(b.ptr[*i + 1]) << 4 | hex_value(b.ptr[*i + 2]));
	*i += 3;
	if (*ret < 0x20 || *ret == 0x7f)
		return refuse(f, 400, "the request target has an encoded control character");
	return true;
}

/* One segment: from *i, behind its '/', to the next one or the end. "." and ".." are refused also where they are encoded. */
static bool check_segment(struct bytes path, size_t *i, bool *encoded_slash, struct http_fault *f)
{
	size_t dots = 0, others = 0;

	while (*i < path.len && path.ptr[*i] != '/') {
		uint8_t c = path.ptr[*i];
		if (c == '%') {
			if (!take_percent(path, i, &c, f))
				return false;
			if (c == '\\')
				return refuse(f, 400, "the request target has an encoded backslash");
			*encoded_slash = *encoded_slash || c == '/';
		} else if (is_pchar(c)) {
			(*i)++;
		} else {
			return refuse(f, 400, "the request target has a character that RFC 3986 does not allow");
		}
		if (c == '.')
			dots++;
		else
			others++;
	}
	if (others == 0 && (dots == 1 || dots == 2))
		return refuse(f, 400, "the request target has a dot segment");
	return true;
}

static bool check_path(struct bytes path, bool *encoded_slash, struct http_fault *f)
{
	for (size_t i = 0; i < path.len;) {
		i++; /* the slash: the caller saw the first, check_segment stops at the others */
		if (!check_segment(path, &i, encoded_slash, f))
			return false;
	}
	return true;
}

static bool check_query(struct bytes query, struct http_fault *f)
{
	for (size_t i = 0; i < query.len;) {
		uint8_t c = query.ptr[i];
		if (c == '%') {
			if (!take_percent(query, &i, &c, f))
				return false;
		} else if (is_pchar(c) || c == '/' || c == '?') {
			i++;
		} else {
			return refuse(f, 400, "the query has a character that RFC 3986 does not allow");
		}
	}
	return true;
}

/* Absolute-form must be taken by servers (RFC 9112 §3.2.2): the authority is cut off here and held against Host later. */
static bool cut_authority(struct bytes *target, struct bytes *ret_authority, struct http_fault *f)
{
	static const char *const schemes[] = { "https://", "http://" };

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = strlen(schemes[i]);
		if (!is_same_nocase(bytes_slice(*target, 0, n), schemes[i]))
			continue;
		struct bytes rest = bytes_slice(*target, n, target->len), path;
		if (!bytes_split(rest, '/', ret_authority, &path))
			break;
		*target = bytes_slice(rest, ret_authority->len, rest.len);
		return true;
	}
	return refuse(f, 400, "the request target is not in origin-form");
}

static bool parse_target(struct bytes target, struct http_head *h, struct bytes *ret_authority, struct http_fault *f)
{
	if (target.len == 0)
		return refuse(f, 400, "the request line is not method, target and version with single spaces");
	if (!bytes_starts_with(target, BYTES_LIT("/")) && !cut_authority(&target, ret_authority, f))
		return false;
	struct bytes path = target, query = BYTES_NONE;
	bytes_split(target, '?', &path, &query);
	if (!check_path(path, &h->encoded_slash, f) || !check_query(query, f))
		return false;
	h->path = path;
	h->query = query;
	return true;
}

static bool parse_version(struct bytes v, struct http_head *h, struct http_fault *f)
{
	if (v.len != 8 || memcmp(v.ptr, "HTTP/", 5) != 0 || !is_digit(v.ptr[5]) || v.ptr[6] != '.' || !is_digit(v.ptr[7]))
		return refuse(f, 400, "the request line does not end in an HTTP version");
	h->http10 = v.ptr[7] == '0';
	if (v.ptr[5] != '1' || v.ptr[7] > '1')
		return refuse(f, 505, "this server speaks HTTP/1.1");
	return true;
}

static enum http_method method_of(struct bytes name)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = { { "GET", HTTP_GET }, { "HEAD", HTTP_HEAD }, { "POST", HTTP_POST }, { "OPTIONS", HTTP_OPTIONS } };

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (bytes_eq_str(name, methods[i].name)) /* case-sensitive: RFC 9110 §9.1 */
			return methods[i].method;
	return HTTP_OTHER;
}

static bool parse_request_line(struct bytes line, struct http_head *h, struct bytes *ret_authority, struct http_fault *f)
{
	struct bytes rest, target, version;

	/* A further space stays in the version, where it is refused. */
	if (!bytes_split(line, ' ', &h->method_name, &rest) || !bytes_split(rest, ' ', &target, &version))
		return refuse(f, 400, "the request line is not method, target and version with single spaces");
	if (!is_token(h->method_name))
		return refuse(f, 400, "the method is not a token");
	if (h->method_name.len > HTTP_METHOD_MAX)
		return refuse(f, 501, "the method is not known here");
	h->method = method_of(h->method_name);
	/* The version before the target, so that HTTP/2's preface gets the answer that says why. */
	return parse_version(version, h, f) && parse_target(target, h, ret_authority, f);
}

/* --- fields (RFC 9112 §5, §6) --- */

enum field {
	FIELD_ACCEPT,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_CONTENT_TYPE,
	FIELD_EXPECT,
	FIELD_HOST,
	FIELD_IF_NONE_MATCH,
	FIELD_ORIGIN,
	FIELD_TRANSFER_ENCODING,
	FIELD_USER_AGENT,
	FIELD__OTHER,
};
/* list: may come several times (RFC 9110 §5.3); of Accept and If-None-Match the first is what the handler sees. */
static const struct {
	const char *name;
	bool list;
} known_fields[FIELD__OTHER] = {
	[FIELD_ACCEPT] = { "accept", true },
	[FIELD_CONNECTION] = { "connection", true },
	[FIELD_CONTENT_LENGTH] = { "content-length", false },
	[FIELD_CONTENT_TYPE] = { "content-type", false },
	[FIELD_EXPECT] = { "expect", false },
	[FIELD_HOST] = { "host", false },
	[FIELD_IF_NONE_MATCH] = { "if-none-match", true },
	[FIELD_ORIGIN] = { "origin", false },
	[FIELD_TRANSFER_ENCODING] = { "transfer-encoding", false },
	[FIELD_USER_AGENT] = { "user-agent", false },
};

static enum field field_of(struct bytes name)
{
	for (unsigned i = 0; i < FIELD__OTHER; i++)
		if (is_same_nocase(name, known_fields[i].name))
			return (enum field)i;
	return FIELD__OTHER;
}

/* "Content-Length = 1*DIGIT", and here the one way to write a number. */
static bool parse_length(struct bytes v, struct http_head *h, struct http_fault *f)
{
	if (v.len == 0 || v.len > 15 || (v.len > 1 && *v.ptr == '0'))
		return refuse(f, 400, "Content-Length is not one plain decimal number");
	h->content_length = 0;
	for (size_t i = 0; i < v.len; i++) {
		if (!is_digit(v.ptr[i]))
			return refuse(f, 400, "Content-Length is not one plain decimal number");
		h->content_length = h->content_length * 10 + (uint64_t)(v.ptr[i] - '0');
	}
	h->has_length = true;
	return true;
}

/* From `at` to the end. */
static bool check_port(struct bytes v, size_t at)
{
	for (size_t i = at; i < v.len; i++)
		if (!is_digit(v.ptr[i]))
			return false;
	return v.len >= at + 1 && v.len <= at + 5;
}

/* RFC 9110 §7.2, for the hosts that a CA can have: a DNS name or an IP address, and perhaps a port. */
static bool check_host(struct bytes v)
{
	bool literal = v.len > 0 && *v.ptr == '[';
	size_t i = literal ? 1 : 0, begin = i;

	while (i < v.len && (is_alnum(v.ptr[i]) || is_one_of(v.ptr[i], literal ? ".:" : "-._")))
		i++;
	if (i == begin || i - begin > 253)
		return false;
	if (literal && (i >= v.len || v.ptr[i++] != ']'))
		return false;
	return i >= v.len || (v.ptr[i] == ':' && check_port(v, i + 1));
}

static bool parse_connection(struct bytes v, struct http_head *h, struct http_fault *f)
{
	struct bytes one, rest = v;

	while (rest.ptr) {
		if (!bytes_split(rest, ',', &one, &v)) {
			one = rest;
			v = BYTES_NONE;
		}
		rest = v;
		one = trim(one);
		if (one.len == 0) /* empty elements of a list: RFC 9110 §5.6.1.2 */
			continue;
		if (!is_token(one))
			return refuse(f, 400, "Connection is not a list of tokens");
		h->close = h->close || is_same_nocase(one, "close");
	}
	return true;
}

static bool parse_known(enum field field, struct bytes v, struct http_head *h, struct http_fault *f)
{
	switch (field) {
	case FIELD_ACCEPT:
		if (!h->accept.ptr)
			h->accept = v;
		return true;
	case FIELD_CONNECTION:
		return parse_connection(v, h, f);
	case FIELD_CONTENT_LENGTH:
		return parse_length(v, h, f);
	case FIELD_CONTENT_TYPE:
		h->content_type = v;
		return true;
	case FIELD_EXPECT:
		h->expect_continue = is_same_nocase(v, "100-continue");
		return h->expect_continue || refuse(f, 417, "the only expectation that can be met is 100-continue");
	case FIELD_HOST:
		h->host = v;
		return check_host(v) || refuse(f, 400, "Host is not a host with an optional port");
	case FIELD_IF_NONE_MATCH:
		if (!h->if_none_match.ptr)
			h->if_none_match = v;
		return true;
	case FIELD_ORIGIN:
		h->origin = v;
		return true;
	case FIELD_TRANSFER_ENCODING:
		h->chunked = is_same_nocase(v, "chunked");
		return h->chunked || refuse(f, 501, "the only transfer coding known here is chunked, alone");
	case FIELD_USER_AGENT:
		h->user_agent = v;
		return true;
	case FIELD__OTHER:
		return true;
	}
	return true;
}

/* RFC 9110 §5.5. obs-text is opaque where nobody reads it; what handlers see and log is ASCII. */
static bool check_value(struct bytes v, bool known, struct http_fault *f)
{
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.ptr[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return refuse(f, 400, "a field value has a control character");
		if (known && c > 0x7f)
			return refuse(f, 400, "a field value has a character that is not ASCII");
	}
	return true;
}

static bool parse_field(struct bytes line, struct http_head *h, unsigned *seen, struct http_fault *f)
{
	struct bytes name, value;

	/* A line that begins with white space is obs-fold (RFC 9112 §5.2); it and white space before the colon
	 * (§5.1) are no token. */
	if (!bytes_split(line, ':', &name, &value) || !is_token(name))
		return refuse(f, 400, "a field line is not a field name, a colon and a value");
	enum field field = field_of(name);
	value = trim(value);
	if (!check_value(value, field != FIELD__OTHER, f))
		return false;
	if (field == FIELD__OTHER)
		return true;
	/* Also two equal values: which of them counts is read differently by others (RFC 9112 §6.3, 3.2). */
	if (*seen & 1u << field && !known_fields[field].list)
		return refuse(f, 400, "a field that stands for one value comes twice");
	*seen |= 1u << field;
	return parse_known(field, value, h, f);
}

/* RFC 3986 §6.2.2.1 */
static bool is_same_host(struct bytes a, struct bytes b)
{
	return a.len == b.len && strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len) == 0;
}

/* What fields say together. */
static bool check_head(const struct http_head *h, struct bytes authority, struct http_fault *f)
{
	if (!h->host.ptr)
		return refuse(f, 400, "Host is missing");
	if (authority.ptr && !is_same_host(authority, h->host))
		return refuse(f, 400, "the request target's authority is not Host's");
	if (h->chunked && h->has_length)
		return refuse(f, 400, "Content-Length and Transfer-Encoding come together");
	if (h->chunked && h->http10) /* RFC 9112 §6.1 */
		return refuse(f, 400, "HTTP/1.0 has no Transfer-Encoding");
	bool body = h->chunked || h->content_length > 0;
	if (body && (h->method == HTTP_GET || h->method == HTTP_HEAD))
		return refuse(f, 400, "GET and HEAD take no body");
	return true;
}

bool http_head_parse(struct bytes head, struct http_head *ret, struct http_fault *ret_fault)
{
	struct http_head h = { .method = HTTP_OTHER };
	struct bytes authority = BYTES_NONE, line, rest = head;
	unsigned seen = 0;

	for (unsigned lines = 0; rest.len > 0; lines++) {
		/* http_scan() has seen that each line ends in CRLF; a CR elsewhere is in no token and no value. */
		if (!bytes_split(rest, '\n', &line, &rest) || !bytes_ends_with(line, CR))
			return refuse(ret_fault, 400, "a line of the header section does not end in CRLF");
		line = bytes_slice(line, 0, line.len - CR.len);
		if (line.len == 0 && rest.len == 0 && lines > 0)
			break;
		if (lines > HTTP_HEAD_FIELDS_MAX)
			return refuse(ret_fault, 431, "too many fields");
		if (lines == 0 ? !parse_request_line(line, &h, &authority, ret_fault) : !parse_field(line, &h, &seen, ret_fault))
			return false;
	}
	if (!check_head(&h, authority, ret_fault))
		return false;
	h.close = h.close || h.http10;
	h.expect_continue = h.expect_continue && !h.http10; /* RFC 9110 §10.1.1 */
	*ret = h;
	return true;
}

/* --- chunked bodies (RFC 9112 §7.1) --- */

static bool chunk_size_byte(struct http_chunked *d, uint8_t c, struct http_fault *f)
{
	if (c == '\r' && d->digits > 0) {
		d->state = CHUNK_SIZE_LF;
		return true;
	}
	if (hex_value(c) > 15)
		return refuse(f, 400, "a chunk's size is not a hexadecimal number alone on its line");
	if (++d->digits > CHUNK_DIGITS_MAX)
		return refuse(f, 413, "a chunk is too large");
	d->left = d->left << 4 | hex_value(c);
	return true;
}

/* One byte of the framing. */
static bool chunk_byte(struct http_chunked *d, uint8_t c, struct http_fault *f)
{
	static const struct {
		uint8_t wanted;
		enum http_chunk_state next;
	} after[] = {
		[CHUNK_DATA_CR] = { '\r', CHUNK_DATA_LF },
		[CHUNK_DATA_LF] = { '\n', CHUNK_SIZE },
		[CHUNK_LAST_CR] = { '\r', CHUNK_LAST_LF },
		[CHUNK_LAST_LF] = { '\n', CHUNK_LAST_LF },
	};

	if (d->state == CHUNK_SIZE)
		return chunk_size_byte(d, c, f);
	if (d->state == CHUNK_SIZE_LF) {
		d->state = d->left > 0 ? CHUNK_DATA : CHUNK_LAST_CR;
		d->digits = 0;
		return c == '\n' || refuse(f, 400, "a chunk's size line does not end in CRLF");
	}
	if (c != after[d->state].wanted)
		return refuse(f, 400, d->state == CHUNK_LAST_CR ? "trailers are not taken" : "a chunk does not end in CRLF");
	d->state = after[d->state].next;
	return true;
}

enum http_progress http_chunked_take(struct http_chunked *d, struct bytes *in, struct buf *out, struct http_fault *ret_fault)
{
	enum http_progress progress = HTTP_MORE;
	size_t at = 0;

	while (at < in->len && progress == HTTP_MORE) {
		if (d->state == CHUNK_DATA) {
			struct bytes data = bytes_slice(*in, at, d->left < in->len - at ? at + (size_t)d->left : in->len);
			buf_add(out, data);
			if (!buf_ok(out)) {
				refuse(ret_fault, 413, "the body is too large");
				progress = HTTP_BAD;
			}
			at += data.len;
			d->left -= data.len;
			if (d->left == 0)
				d->state = CHUNK_DATA_CR;
			continue;
		}
		bool last = d->state == CHUNK_LAST_LF;
		if (!chunk_byte(d, in->ptr[at++], ret_fault))
			progress = HTTP_BAD;
		else if (last)
			progress = HTTP_DONE;
	}
	*in = bytes_slice(*in, at, in->len);
	return progress;
}
