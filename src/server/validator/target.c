#include "server/validator/target.h"

#include "acme/identifier.h"
#include "dns/excerpt.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WELL_KNOWN "/.well-known/acme-challenge/"
#define SHOWN_MAX  110

static void curl_url_cleanup_p(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* One part of the URL, copied to the arena; absent when there is none. */
static struct bytes part(struct arena *a, CURLU *u, CURLUPart which, unsigned flags)
{
	char *text = NULL;
	struct bytes copy = BYTES_NONE;

	if (curl_url_get(u, which, &text, flags) == CURLUE_OK && text) {
		char *s = arena_str(a, bytes_str(text));
		copy = bytes_str(s);
	}
	curl_free(text);
	return copy;
}

/* curl takes "0xa" and "1.0x7f" for IPv4 addresses, as browsers do; as DNS names they would be resolved, and be other hosts. */
static bool reads_back(struct arena *a, struct bytes url, struct bytes host)
{
	CLEANUP(curl_url_cleanup_p) CURLU *u = curl_url();

	return u && curl_url_set(u, CURLUPART_URL, (const char *)url.ptr, 0) == CURLUE_OK && bytes_eq(part(a, u, CURLUPART_HOST, 0), host);
}

/* As a URL and the Host field have it (RFC 3986 §3.2.2, RFC 8738 §4). */
static struct bytes url_host(struct arena *a, const struct identifier *id)
{
	bool v6 = id->type == IDENTIFIER_IP && memchr(id->value.ptr, ':', id->value.len);

	return v6 ? arena_fmt(a, "[%.*s]", BYTES_FMT(id->value)) : id->value;
}

enum err_code target_first(
    struct arena *a, const struct policy *p, const struct identifier *id, struct bytes token, struct target *ret, struct err *e)
{
	struct bytes port = p->http_port == 80 ? arena_copy(a, BYTES_LIT("")) : arena_fmt(a, ":%u", p->http_port);
	struct bytes host = url_host(a, id);
	struct target t = { .host = id->value, .is_address = id->type == IDENTIFIER_IP, .port = p->http_port };

	if (port.ptr && host.ptr)
		t.url = arena_fmt(a, "http://%.*s%.*s" WELL_KNOWN "%.*s", BYTES_FMT(host), BYTES_FMT(port), BYTES_FMT(token));
	if (t.url.ptr)
		t.shown = arena_fmt(a, "http://%.*s%.*s" WELL_KNOWN "...", BYTES_FMT(host), BYTES_FMT(port));
	if (!t.shown.ptr)
		FAIL(e, NOMEM, "no memory for a validation");
	if (!reads_back(a, t.url, host))
		FAIL(e, MALFORMED, "%.*s reads as an address: it cannot be validated by http", BYTES_FMT(host));
	*ret = t;
	return ERR_OK;
}

static enum err_code check_scheme(struct bytes scheme, const char *shown, struct err *e)
{
	if (!bytes_eq_str(scheme, "http") && !bytes_eq_str(scheme, "https"))
		FAIL(e, CONNECTION, "the redirect to \"%s\" is not followed: only http and https URLs are", shown);
	return ERR_OK;
}

/* Whether the host of a URL is the address that is validated, however it is written there. */
static bool is_validated(struct bytes host, const struct identifier *id)
{
	struct ip_address there, validated;

	if (host.len > 2 && host.ptr[0] == '[')
		host = bytes_slice(host, 1, host.len - 1);
	return id->type == IDENTIFIER_IP && ip_address_from_text(id->value, &validated) && ip_address_from_text(host, &there) &&
	       ip_address_equal(&there, &validated);
}

/* The host as identifiers are written. Another address in its place is refused: what is validated is a name, or this one. */
static enum err_code check_host(
    struct arena *a, const struct identifier *validated, struct bytes host, const char *shown, struct target *t, struct err *e)
{
	struct identifier id;
	struct err why = { 0 };

	t->is_address = is_validated(host, validated);
	t->host = validated->value;
	if (t->is_address)
		return ERR_OK;
	if (identifier_parse(a, BYTES_LIT("dns"), host, &id, &why) != ERR_OK || id.wildcard)
		FAIL(e, CONNECTION, "the redirect to \"%s\" is not followed: its host must be a DNS name%s", shown,
		    validated->type == IDENTIFIER_IP ? ", or the validated address" : "");
	t->host = id.value;
	return ERR_OK;
}

static enum err_code check_port(const struct policy *p, struct bytes text, const char *shown, uint16_t *ret, struct err *e)
{
	unsigned long port = text.ptr ? strtoul((const char *)text.ptr, NULL, 10) : 0;

	if (port == 0 || port > 65535 || !policy_has_port(p, (uint16_t)port))
		FAIL(e, CONNECTION, "the redirect to \"%s\" is not followed: its port is not one that this CA validates at", shown);
	*ret = (uint16_t)port;
	return ERR_OK;
}

static enum err_code parse(struct arena *a, CURLU *u, const struct target *from, struct bytes location, const char *shown, struct err *e)
{
	const char *text = arena_str(a, location);

	if (!text || curl_url_set(u, CURLUPART_URL, (const char *)from->url.ptr, 0) == CURLUE_OUT_OF_MEMORY)
		FAIL(e, NOMEM, "no memory for a redirect");
	CURLUcode rc = curl_url_set(u, CURLUPART_URL, text, CURLU_DISALLOW_USER);
	if (rc == CURLUE_USER_NOT_ALLOWED)
		FAIL(e, CONNECTION, "the redirect to \"%s\" is not followed: it has a user name", shown);
	if (rc == CURLUE_UNSUPPORTED_SCHEME)
		return check_scheme(BYTES_NONE, shown, e);
	if (rc != CURLUE_OK)
		FAIL(e, CONNECTION, "the redirect to \"%s\" is not followed: it is no URL (%s)", shown, curl_url_strerror(rc));
	return ERR_OK;
}

/* What is resolved, checked and fetched must be one and the same host, however it was written. */
static enum err_code settle(struct arena *a, CURLU *u, const char *shown, struct target *t, struct err *e)
{
	struct identifier id = { .type = t->is_address ? IDENTIFIER_IP : IDENTIFIER_DNS, .value = t->host };
	struct bytes host = url_host(a, &id);
	char *text = host.ptr ? arena_str(a, host) : NULL;

	if (!text || curl_url_set(u, CURLUPART_HOST, text, 0) != CURLUE_OK || curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK)
		FAIL(e, NOMEM, "no memory for a redirect");
	t->url = part(a, u, CURLUPART_URL, 0);
	if (!t->url.ptr)
		FAIL(e, NOMEM, "no memory for a redirect");
	if (!reads_back(a, t->url, host))
		FAIL(e, CONNECTION, "the redirect to \"%s\" is not followed: its host must be a DNS name", shown);
	return ERR_OK;
}

enum err_code target_follow(struct arena *a, const struct policy *p, const struct identifier *id, const struct target *from,
    struct bytes location, struct target *ret, struct err *e)
{
	CLEANUP(curl_url_cleanup_p) CURLU *u = curl_url();
	char shown[EXCERPT_SIZE(SHOWN_MAX)];
	struct target t = { .port = 0 };

	errno = 0;
	(void)excerpt(location, shown, SHOWN_MAX);
	if (!u)
		FAIL(e, NOMEM, "no memory for a redirect");
	if (location.len > TARGET_LOCATION_MAX || memchr(location.ptr, 0, location.len))
		FAIL(e, CONNECTION, "the redirect to \"%s\" is not followed: it has more than %d characters, or a NUL", shown,
		    TARGET_LOCATION_MAX);
	TRY(parse(a, u, from, location, shown, e));
	TRY(check_scheme(part(a, u, CURLUPART_SCHEME, 0), shown, e));
	TRY(check_host(a, id, part(a, u, CURLUPART_HOST, 0), shown, &t, e));
	TRY(check_port(p, part(a, u, CURLUPART_PORT, CURLU_DEFAULT_PORT), shown, &t.port, e));
	TRY(settle(a, u, shown, &t, e));
	t.shown = arena_copy(a, bytes_str(excerpt(t.url, shown, SHOWN_MAX)));
	if (!t.shown.ptr)
		FAIL(e, NOMEM, "no memory for a redirect");
	*ret = t;
	return ERR_OK;
}
