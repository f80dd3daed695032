/* What a CA says of itself in its directory (RFC 8555 §7.1.1), without an account, and what time it is there. */
#include "agent/net/op.h"
#include "base/clock.h"
#include "client/failure.h"
#include "client/problem.h"
#include "http/client.h"
#include "http/date.h"

#include <errno.h>
#include <stdio.h>

#define URL_MAX      2048
#define CAA_MAX      16
#define PROFILES_MAX 32
#define DOC_MAX      400

struct wish_json {
	struct bytes directory, ca_pem;
	struct json_uint timeout_ms;
};
static const struct json_field wish_fields[] = {
	JSON_FIELD(struct wish_json, directory, "directory", JSON_STRING, true, URL_MAX),
	JSON_FIELD(struct wish_json, ca_pem, "ca_pem", JSON_STRING, false, 0),
	JSON_FIELD(struct wish_json, timeout_ms, "timeout_ms", JSON_UINT, true, 0),
};
struct directory_json {
	struct bytes new_nonce, new_account, new_order, renewal_info, meta;
};
static const struct json_field directory_fields[] = {
	JSON_FIELD(struct directory_json, new_nonce, "newNonce", JSON_STRING, true, URL_MAX),
	JSON_FIELD(struct directory_json, new_account, "newAccount", JSON_STRING, true, URL_MAX),
	JSON_FIELD(struct directory_json, new_order, "newOrder", JSON_STRING, true, URL_MAX),
	JSON_FIELD(struct directory_json, renewal_info, "renewalInfo", JSON_ANY, false, 0),
	JSON_FIELD(struct directory_json, meta, "meta", JSON_ANY, false, 0),
};
struct meta_json {
	struct bytes terms, website, external, caa, profiles;
};
static const struct json_field meta_fields[] = {
	JSON_FIELD(struct meta_json, terms, "termsOfService", JSON_ANY, false, 0),
	JSON_FIELD(struct meta_json, website, "website", JSON_ANY, false, 0),
	JSON_FIELD(struct meta_json, external, "externalAccountRequired", JSON_ANY, false, 0),
	JSON_FIELD(struct meta_json, caa, "caaIdentities", JSON_ANY, false, 0),
	JSON_FIELD(struct meta_json, profiles, "profiles", JSON_ANY, false, 0),
};

/* --- what is told further: lines that a terminal may show --- */

/* False: it is no string, or an empty one, or one that is longer than it makes sense. */
static bool text_of(struct arena *a, struct bytes value, char *out, size_t size)
{
	struct bytes text = problem_string(a, value);

	if (text.len == 0 || text.len >= size)
		return false;
	failure_text(text, out, size);
	return true;
}

static void put_text(struct arena *a, const char *member, struct bytes value, struct json_out *w)
{
	char text[URL_MAX + 1];

	if (text_of(a, value, text, sizeof text))
		json_put_member_str(w, member, text);
}

/* What is no list of names is none. */
static void put_caa(struct arena *a, struct bytes list, struct json_out *w)
{
	struct bytes *v;
	char name[256];
	size_t n = 0;

	if (list.len == 0 || list.ptr[0] != '[' || json_elements(a, list, CAA_MAX, &v, &n, NULL) != ERR_OK)
		n = 0;
	json_put_key(w, "caa");
	json_put_array(w);
	for (size_t i = 0; i < n; i++)
		if (text_of(a, v[i], name, sizeof name))
			json_put_string(w, bytes_str(name));
	json_end_array(w);
}

static void put_profiles(struct arena *a, struct bytes object, struct json_out *w)
{
	struct json_member *v;
	char name[65], doc[DOC_MAX + 1];
	size_t n = 0;

	if (object.len == 0 || object.ptr[0] != '{' || json_members(a, object, PROFILES_MAX, &v, &n, NULL) != ERR_OK)
		n = 0;
	json_put_key(w, "profiles");
	json_put_array(w);
	for (size_t i = 0; i < n; i++) {
		struct bytes text = problem_string(a, v[i].value);
		if (v[i].key.len == 0 || v[i].key.len >= sizeof name)
			continue;
		failure_text(v[i].key, name, sizeof name);
		failure_text(bytes_slice(text, 0, text.len < DOC_MAX ? text.len : DOC_MAX), doc, sizeof doc);
		json_put_object(w);
		json_put_member_str(w, "name", name);
		json_put_member_str(w, "doc", doc);
		json_end_object(w);
	}
	json_end_array(w);
}

/* The middle of the question and its answer is when the server looked at its clock. */
static void put_clock(const struct http_client_answer *got, int64_t asked_ms, struct json_out *w)
{
	int64_t here_s = (asked_ms + clock_wall_ms()) / 2 / 1000, there_s;

	for (size_t i = got->n_fields; i-- > 0;)
		if (bytes_eq_str(got->fields[i].name, "date") && http_date_read(got->fields[i].value, here_s, &there_s)) {
			json_put_key(w, "ahead_s");
			json_put_int(w, here_s - there_s);
			return;
		}
}

/* --- the directory --- */

static enum err_code put_directory(struct arena *a, const char *url, struct bytes body, struct json_out *w, struct err *e)
{
	struct directory_json d = { .meta = BYTES_NONE };
	struct meta_json m = { .terms = BYTES_NONE };
	struct err why = { 0 };

	errno = 0;
	if (json_read(a, body, "it", directory_fields, sizeof directory_fields / sizeof *directory_fields, &d, &why) != ERR_OK)
		FAIL(e, MALFORMED, "%.150s is no ACME directory: %.150s", url, why.detail);
	if (d.meta.len > 0 && d.meta.ptr[0] == '{' &&
	    json_read(a, d.meta, "its meta", meta_fields, sizeof meta_fields / sizeof *meta_fields, &m, &why) != ERR_OK)
		FAIL(e, MALFORMED, "%.150s is no ACME directory: %.150s", url, why.detail);
	put_text(a, "terms", m.terms, w);
	put_text(a, "website", m.website, w);
	json_put_member_bool(w, "external_account", bytes_eq_str(m.external, "true"));
	json_put_member_bool(w, "renewal_info", problem_string(a, d.renewal_info).len > 0);
	put_caa(a, m.caa, w);
	put_profiles(a, m.profiles, w);
	return ERR_OK;
}

enum err_code op_directory(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(http_client_free_p) struct http_client *http = NULL;
	struct wish_json j = { .directory = BYTES_NONE };
	struct http_client_answer got;
	const char *url;

	(void)c;
	(void)fd;
	TRY(json_read(a, json, "a directory's request", wish_fields, sizeof wish_fields / sizeof *wish_fields, &j, e));
	TRY(talk_text(a, j.directory, &url, e));
	TRY(http_client_new(NULL, "chancery/" CHANCERY_VERSION, &http, e));
	if (j.ca_pem.ptr)
		TRY(http_client_set_ca(http, j.ca_pem, e));
	const struct http_client_request r = { .method = HTTP_CLIENT_GET, .url = url, .timeout_ms = (uint32_t)j.timeout_ms.value };
	int64_t asked_ms = clock_wall_ms();
	TRY(http_client_do(http, a, &r, &got, e));
	errno = 0;
	if (got.status != 200)
		FAIL(e, MALFORMED, "%.200s answers with HTTP status %d", url, got.status);
	put_clock(&got, asked_ms, answer);
	return put_directory(a, url, got.body, answer, e);
}
