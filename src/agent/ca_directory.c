#include "agent/ca_directory.h"

#include "agent/ca_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_MS    20000
#define MARGIN_MS 10000

struct answer_json {
	struct bytes terms, website, profiles, ahead_s;
	struct json_bool external_account, renewal_info;
	struct json_strings caa;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct answer_json, terms, "terms", JSON_STRING, false, 2048),
	JSON_FIELD(struct answer_json, website, "website", JSON_STRING, false, 2048),
	JSON_FIELD(struct answer_json, external_account, "external_account", JSON_BOOL, true, 0),
	JSON_FIELD(struct answer_json, renewal_info, "renewal_info", JSON_BOOL, true, 0),
	JSON_FIELD(struct answer_json, caa, "caa", JSON_STRINGS, true, CA_TEXTS_MAX),
	JSON_FIELD(struct answer_json, profiles, "profiles", JSON_ARRAY, true, 0),
	JSON_FIELD(struct answer_json, ahead_s, "ahead_s", JSON_ANY, false, 0), /* may be below 0 */
};
struct profile_json {
	struct bytes name, doc;
};
static const struct json_field profile_fields[] = {
	JSON_FIELD(struct profile_json, name, "name", JSON_STRING, true, 64),
	JSON_FIELD(struct profile_json, doc, "doc", JSON_STRING, true, 400),
};

static enum err_code take_profiles(struct arena *a, struct bytes json, struct ca_directory *d, struct err *e)
{
	struct bytes *v;
	size_t n;

	TRY(json_elements(a, json, CA_PROFILES_MAX, &v, &n, e));
	for (; d->n_profiles < n; d->n_profiles++) {
		struct profile_json j = { .name = BYTES_NONE };
		TRY(json_read(a, v[d->n_profiles], "a profile", profile_fields, 2, &j, e));
		TRY(talk_text(a, j.name, &d->profiles[d->n_profiles].name, e));
		TRY(talk_text(a, j.doc, &d->profiles[d->n_profiles].doc, e));
	}
	return ERR_OK;
}

static enum err_code take(struct arena *a, struct bytes json, struct ca_directory *ret, struct err *e)
{
	struct answer_json j = { .terms = BYTES_NONE };
	struct ca_directory d = { .dated = false };

	TRY(json_read(a, json, "a directory", fields, sizeof fields / sizeof *fields, &j, e));
	TRY(talk_text(a, j.terms, &d.terms, e));
	TRY(talk_text(a, j.website, &d.website, e));
	d.external_account = j.external_account.value;
	d.renewal_info = j.renewal_info.value;
	for (; d.caa.n < j.caa.n; d.caa.n++)
		TRY(talk_text(a, j.caa.v[d.caa.n], &d.caa.v[d.caa.n], e));
	TRY(take_profiles(a, j.profiles, &d, e));
	const char *ahead = j.ahead_s.ptr ? arena_str(a, j.ahead_s) : NULL;
	if (ahead) {
		d.dated = true;
		d.ahead_s = strtoll(ahead, NULL, 10);
	}
	*ret = d;
	return ERR_OK;
}

enum err_code ca_directory(struct crew *c, struct arena *a, const struct ca_wish *w, struct ca_directory *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	uint32_t ask_ms = w->timeout_s < ASK_MS / 1000 ? w->timeout_s * 1000 : ASK_MS;
	struct bytes answer;

	json_put_object(&j);
	json_put_member_str(&j, "directory", w->directory);
	TRY(ca_wish_put_file(w, &j, e));
	json_put_member_uint(&j, "timeout_ms", ask_ms);
	json_end_object(&j);
	errno = 0;
	if (!buf_ok(&json))
		FAIL(e, TOO_LARGE, "too much for one request");
	const struct peer_call call = { .name = "directory", .json = buf_bytes(&json), .fd = -1, .timeout_ms = ask_ms + MARGIN_MS };
	TRY(crew_net_call(c, a, &call, &answer, e));
	return take(a, answer, ret, e);
}

bool ca_clock_is_good(const struct ca_directory *d)
{
	return !d->dated || (d->ahead_s <= CA_CLOCK_GOOD_S && d->ahead_s >= -CA_CLOCK_GOOD_S);
}

void ca_clock_words(const struct ca_directory *d, char out[CA_CLOCK_WORDS_MAX])
{
	static const struct {
		int64_t s;
		const char *one, *more;
	} units[] = { { 86400, "day", "days" }, { 3600, "hour", "hours" }, { 60, "minute", "minutes" }, { 1, "second", "seconds" } };
	int64_t far = d->ahead_s < 0 ? -d->ahead_s : d->ahead_s;
	size_t u = 0;

	while (u < 3 && far < 2 * units[u].s)
		u++;
	int64_t n = far / units[u].s;
	(void)snprintf(out, CA_CLOCK_WORDS_MAX, "%lld %s %s", (long long)n, n == 1 ? units[u].one : units[u].more,
	    d->ahead_s < 0 ? "behind" : "ahead");
}
