/* Which of the names have CAA records that forbid a CA to issue. */
#include "agent/net/caa_look.h"
#include "agent/net/op.h"

#include <errno.h>

#define NAMES_MAX      100
#define IDENTITIES_MAX 32

struct caa_json {
	struct json_strings names, identities, ways, resolvers;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct caa_json, names, "names", JSON_STRINGS, true, NAMES_MAX),
	JSON_FIELD(struct caa_json, identities, "identities", JSON_STRINGS, true, IDENTITIES_MAX),
	JSON_FIELD(struct caa_json, ways, "ways", JSON_STRINGS, true, CHALLENGE_TYPE__MAX),
	JSON_FIELD(struct caa_json, resolvers, "resolvers", JSON_STRINGS, true, TALK_RESOLVERS_MAX),
};

static enum err_code texts(struct arena *a, const struct json_strings *from, const char **v, struct err *e)
{
	for (size_t i = 0; i < from->n; i++)
		TRY(talk_text(a, from->v[i], &v[i], e));
	return ERR_OK;
}

static void put_forbidden(const char *name, const struct err *why, const char *hint, struct json_out *w)
{
	json_put_object(w);
	json_put_member_str(w, "name", name);
	json_put_member_str(w, "detail", why->detail);
	json_put_member_str(w, "hint", hint);
	json_end_object(w);
}

/* "forbidden": one object for each such name; "known": whether an answer could be had at all. */
enum err_code op_caa(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	const char *names[NAMES_MAX], *identities[IDENTITIES_MAX], *resolvers[TALK_RESOLVERS_MAX];
	enum challenge_type ways[CHALLENGE_TYPE__MAX];
	struct dns_resolver resolver;
	struct caa_json j = { .names = { false, NULL, 0 } };

	(void)c;
	(void)fd;
	TRY(json_read(a, json, "a look at CAA records", fields, sizeof fields / sizeof *fields, &j, e));
	TRY(texts(a, &j.names, names, e));
	TRY(texts(a, &j.identities, identities, e));
	TRY(texts(a, &j.resolvers, resolvers, e));
	errno = 0;
	for (size_t i = 0; i < j.ways.n; i++)
		if (!challenge_type_from_name(j.ways.v[i], &ways[i]))
			FAIL(e, MALFORMED, "no such type of challenge");
	TRY(dns_resolver_set(resolvers, j.resolvers.n, &resolver, e));
	json_put_key(answer, "forbidden");
	json_put_array(answer);
	for (size_t i = 0; i < j.names.n; i++) {
		const struct caa_look look = { .resolver = &resolver,
			.arena = a,
			.names = &names[i],
			.n_names = 1,
			.identities = identities,
			.n_identities = j.identities.n,
			.ways = ways,
			.n_ways = j.ways.n };
		char hint[CAA_LOOK_HINT_MAX];
		struct err why = { 0 };
		if (caa_look(&look, hint, &why) != ERR_OK)
			put_forbidden(names[i], &why, hint, answer);
	}
	json_end_array(answer);
	json_put_member_bool(answer, "known", resolver.n > 0 && !resolver.silent);
	return ERR_OK;
}
