/* The directory (RFC 8555 §7.1.1). */
#include "probe/list.h"

#include <string.h>

static enum err_code get_directory(struct probe *p, struct http_client_answer *ret, struct err *e)
{
	return probe_ask(p, &GET(.judged = true, .url = probe_directory_url(p)), ret, e);
}

static enum err_code get_200(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	(void)c;
	TRY(get_directory(p, &x, e));
	return want_status(&x, 200, e);
}

static enum err_code content_type(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(get_directory(p, &x, e));
	struct bytes kind = x.content_type, parameters;
	(void)bytes_split(kind, ';', &kind, &parameters);
	if (!kind.ptr || !bytes_eq_str(kind, c->value))
		FAIL(e, CONFIRM, "the content type is %.*s", BYTES_FMT(x.content_type));
	return ERR_OK;
}

/* Member `arg` is there and of kind `value`. */
enum err_code case_directory_member(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(get_directory(p, &x, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

/* Member `arg`, if it is there, is of kind `value`. */
static enum err_code member_if(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	const char *inside = c->arg[strlen("meta")] ? c->arg + strlen("meta.") : "";

	if (!member_of(p, probe_meta(p), inside).ptr)
		FAIL(e, NOT_FOUND, "the server's directory has no %s", c->arg);
	TRY(get_directory(p, &x, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

static enum err_code caa_names(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct bytes *v;
	size_t n;
	struct http_client_answer x;

	if (!member_of(p, probe_meta(p), "caaIdentities").ptr)
		FAIL(e, NOT_FOUND, "the server's directory has no meta.caaIdentities");
	(void)c;
	TRY(get_directory(p, &x, e));
	TRY(want_elements(p, &x, "meta.caaIdentities", &v, &n, e));
	for (size_t i = 0; i < n; i++)
		if (v[i].ptr[0] != '"' || memchr(v[i].ptr, ' ', v[i].len) || memchr(v[i].ptr, '/', v[i].len))
			FAIL(e, CONFIRM, "a CAA identity is no host name: %.*s", (int)(v[i].len < 80 ? v[i].len : 80),
			    (const char *)v[i].ptr);
	return ERR_OK;
}

static enum err_code same_twice(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *url;

	TRY(get_directory(p, &x, e));
	TRY(want_string(p, &x, c->arg, &url, e));
	if (strcmp(url, probe_url(p, URL_NEW_ACCOUNT)) != 0)
		FAIL(e, CONFIRM, "%s was %.100s before and is %.100s now", c->arg, probe_url(p, URL_NEW_ACCOUNT), url);
	return ERR_OK;
}

#define SEC "RFC 8555 §7.1.1"

static const struct probe_case rows[] = {
	CASE("directory/get-200", SEC, MUST, "The directory is had by an unauthenticated GET.", get_200, M_STATUS(403)),
	CASE("directory/content-type", SEC, MUST, "The directory is of the type application/json.", content_type,
	    M_SET("content-type", "text/html"), .value = "application/json"),
	CASE("directory/new-nonce", SEC, MUST, "The directory has newNonce, an https URL.", case_directory_member, M_LOSE("newNonce"),
	    .arg = "newNonce", .value = "url"),
	CASE("directory/new-account", SEC, MUST, "The directory has newAccount, an https URL.", case_directory_member,
	    M_JSON("newAccount", "\"http://example.org/\""), .arg = "newAccount", .value = "url"),
	CASE("directory/new-order", SEC, MUST, "The directory has newOrder, an https URL.", case_directory_member, M_JSON("newOrder", "7"),
	    .arg = "newOrder", .value = "url"),
	CASE("directory/meta-object", SEC, MUST, "The directory's meta is an object.", member_if, M_JSON("meta", "[]"), .arg = "meta",
	    .value = "object"),
	CASE("directory/terms-url", SEC, MUST, "meta.termsOfService is a URL.", member_if, M_JSON("meta.termsOfService", "{}"),
	    .arg = "meta.termsOfService", .value = "uri"),
	CASE("directory/website-url", SEC, MUST, "meta.website is a URL.", member_if, M_JSON("meta.website", "\"ca\""),
	    .arg = "meta.website", .value = "url"),
	CASE("directory/caa-array", SEC, MUST, "meta.caaIdentities is an array.", member_if, M_JSON("meta.caaIdentities", "\"ca.example\""),
	    .arg = "meta.caaIdentities", .value = "array"),
	CASE("directory/caa-names", SEC, MUST, "meta.caaIdentities are host names.", caa_names, M_JSON("meta.caaIdentities", "[7]")),
	CASE("directory/external-bool", SEC, MUST, "meta.externalAccountRequired is a boolean.", member_if,
	    M_JSON("meta.externalAccountRequired", "\"yes\""), .arg = "meta.externalAccountRequired", .value = "bool"),
	CASE("directory/stable", SEC, SHOULD, "The directory's URLs stay: clients are configured with it alone.", same_twice,
	    M_JSON("newAccount", "\"https://elsewhere.example/\""), .arg = "newAccount"),
};
CASE_TABLE(directory_cases, rows);
