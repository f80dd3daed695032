#include "agent/caa_ask.h"

#include "agent/issue_call.h"

#include <errno.h>
#include <strings.h>

#define ONE_MS    30000 /* for each name, as the process bounds it */
#define MARGIN_MS 10000

static bool has(const struct ca_texts *t, const char *text)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcasecmp(t->v[i], text) == 0)
			return true;
	return false;
}

static size_t put_identities(const struct ca_wish *ca, const struct ca_directory *d, struct json_out *j)
{
	const struct ca_texts none = { .n = 0 }, *said = d ? &d->caa : &none;
	size_t n = said->n;

	json_put_key(j, "identities");
	json_put_array(j);
	for (size_t i = 0; i < said->n; i++)
		json_put_string(j, bytes_str(said->v[i]));
	for (size_t i = 0; ca->entry && i < ca->entry->caa.n; i++)
		if (!has(said, ca->entry->caa.v[i])) {
			json_put_string(j, bytes_str(ca->entry->caa.v[i]));
			n++;
		}
	json_end_array(j);
	return n;
}

static void put_names(const struct wish *w, struct json_out *j)
{
	const char *way;

	json_put_member_strs(j, "names", w->names, w->n_names);
	json_put_key(j, "ways");
	json_put_array(j);
	for (size_t i = 0; (way = wish_way(w, i)) != NULL; i++)
		json_put_string(j, bytes_str(way));
	json_end_array(j);
}

struct answer_json {
	struct bytes forbidden;
	struct json_bool known;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct answer_json, forbidden, "forbidden", JSON_ARRAY, true, 0),
	JSON_FIELD(struct answer_json, known, "known", JSON_BOOL, true, 0),
};
struct one_json {
	struct bytes name, detail, hint;
};
static const struct json_field one_fields[] = {
	JSON_FIELD(struct one_json, name, "name", JSON_STRING, true, 255),
	JSON_FIELD(struct one_json, detail, "detail", JSON_STRING, true, 512),
	JSON_FIELD(struct one_json, hint, "hint", JSON_STRING, true, 512),
};

static enum err_code take(struct arena *a, struct bytes json, struct caa_answer *ret, struct err *e)
{
	struct answer_json j = { .forbidden = BYTES_NONE };
	struct bytes *v;
	size_t n;

	TRY(json_read(a, json, "what CAA records say", fields, 2, &j, e));
	TRY(json_elements(a, j.forbidden, WISH_NAMES_MAX, &v, &n, e));
	*ret = (struct caa_answer){ .known = j.known.value };
	for (; ret->n < n; ret->n++) {
		struct one_json one = { .name = BYTES_NONE };
		TRY(json_read(a, v[ret->n], "what a CAA record says", one_fields, 3, &one, e));
		TRY(talk_text(a, one.name, &ret->v[ret->n].name, e));
		TRY(talk_text(a, one.detail, &ret->v[ret->n].detail, e));
		TRY(talk_text(a, one.hint, &ret->v[ret->n].hint, e));
	}
	return ERR_OK;
}

enum err_code caa_ask(
    struct crew *c, const struct wish *w, const struct ca_wish *ca, const struct ca_directory *d, struct caa_answer *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	struct bytes answer;

	json_put_object(&j);
	errno = 0;
	if (put_identities(ca, d, &j) == 0)
		FAIL(e, NOT_FOUND, "nobody says what CAA records call %.100s", ca->name);
	put_names(w, &j);
	issue_put_resolvers(w, &j);
	json_end_object(&j);
	errno = 0;
	if (!buf_ok(&json))
		FAIL(e, TOO_LARGE, "too much for one request");
	const struct peer_call call = {
		.name = "caa", .json = buf_bytes(&json), .fd = -1, .timeout_ms = (uint32_t)w->n_names * ONE_MS + MARGIN_MS
	};
	TRY(crew_net_call(c, w->arena, &call, &answer, e));
	return take(w->arena, answer, ret, e);
}
