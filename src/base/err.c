#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define URN_PREFIX "urn:ietf:params:acme:error:"

static const struct {
	const char *name, *urn;
	int http;
} table[ERR__MAX] = {
	[ERR_OK] = { "OK", "serverInternal", 200 },
#define X(code, urn, http) [ERR_##code] = { #code, urn, http },
#include "base/err.def"
#undef X
};

/* A caller may quote in a detail what a peer sent: nothing of it may forge a line of a log or steer a terminal, and the
 * detail goes into a problem document, which is UTF-8. What is not printable becomes a question mark; a character that the
 * end of the buffer cut is dropped. */
static void copy_printable(char *out, const char *in, size_t n, bool cut)
{
	const uint8_t *p = (const uint8_t *)in, *end = p + n;

	while (p < end) {
		uint32_t c = 0;
		size_t len = utf8_get(p, end, &c);
		if (len && utf8_is_printable(c)) {
			memcpy(out, p, len);
			out += len;
		} else if (len || !cut || end - p > 3) {
			*out++ = '?';
		}
		p += len ? len : 1;
	}
	*out = 0;
}

enum err_code err_set(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	int sys = errno;

	if (!e)
		return code;
	e->code = code;
	e->sys = sys;
	e->file = file;
	e->line = line;
	/* Through a buffer of our own: an argument may be e->detail itself, wrapped in more words. */
	char detail[sizeof e->detail];
	va_start(ap, fmt);
	int n = vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	bool cut = n < 0 || (size_t)n >= sizeof detail;
	copy_printable(e->detail, detail, n < 0 ? 0 : cut ? sizeof detail - 1 : (size_t)n, cut);
	return code;
}

const char *err_urn(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? table[code].urn : "serverInternal";
}

const char *err_name(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? table[code].name : "UNKNOWN";
}

int err_http(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? table[code].http : 500;
}

bool err_is_peers(enum err_code code)
{
	return code != ERR_OK && strcmp(err_urn(code), "serverInternal") != 0;
}

enum err_code err_from_urn(struct bytes urn)
{
	struct bytes prefix = BYTES_LIT(URN_PREFIX);

	if (bytes_starts_with(urn, prefix))
		urn = bytes_slice(urn, prefix.len, urn.len);
	/* Several codes share "malformed" and "serverInternal": the first one with the type's own name is the plain one. */
	if (bytes_eq_str(urn, "malformed"))
		return ERR_MALFORMED;
	for (unsigned c = ERR_OK + 1; c < ERR__MAX; c++)
		if (err_is_peers((enum err_code)c) && bytes_eq_str(urn, table[c].urn))
			return (enum err_code)c;
	return ERR_SERVER_INTERNAL;
}
