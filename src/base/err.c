#include "base/err.h"

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

/* Whatever a peer sent us may be quoted in a detail: control characters must not reach a log or a terminal. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			*s = '?';
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
	(void)vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	make_printable(detail);
	memcpy(e->detail, detail, sizeof detail);
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
