/* Whether TXT records that are put into the DNS come to the zone's own name servers, where a CA looks. */
#include "agent/net/dns_update.h"
#include "agent/net/op.h"
#include "agent/net/propagation.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

#define RECORDS_MAX 100
#define PUT_MS      60000 /* for all updates */

struct record_json {
	struct bytes records, dns_update;
	struct json_strings resolvers;
	struct json_uint seconds;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct record_json, records, "records", JSON_ARRAY, true, 0),
	JSON_FIELD(
	    struct record_json, dns_update, "dns_update", JSON_OBJECT, false, 0), /* they are put there first, and taken away again */
	JSON_FIELD(struct record_json, resolvers, "resolvers", JSON_STRINGS, true, TALK_RESOLVERS_MAX),
	JSON_FIELD(struct record_json, seconds, "seconds", JSON_UINT, true, 0), /* 0: nobody looks */
};
struct one_json {
	struct bytes name, value;
};
static const struct json_field one_fields[] = {
	JSON_FIELD(struct one_json, name, "name", JSON_STRING, true, 270),
	JSON_FIELD(struct one_json, value, "value", JSON_STRING, true, 64),
};

struct trial {
	struct child *child;
	struct json_out *answer; /* in the array of what there is to tell */
	struct propagation_record v[RECORDS_MAX];
	size_t n;
	struct dns_resolver resolver;
	struct dns_updater *updater; /* NULL: somebody else has put them there */
	struct tsig_key tsig;
	size_t placed;
};

static struct chancery_challenge challenge_of(const struct propagation_record *r)
{
	return (struct chancery_challenge){ .type = "dns-01", .name = r->name, .token = "", .record = r->name, .digest = r->value };
}

static void trial_close(struct trial *t)
{
	for (size_t i = 0; i < t->placed; i++) {
		const struct chancery_challenge c = challenge_of(&t->v[i]);
		dns_updater_clean_up(t->updater, &c);
	}
	tsig_key_free(&t->tsig);
}

static enum err_code read_records(struct trial *t, struct arena *a, struct bytes json, struct err *e)
{
	struct bytes *v;

	TRY(json_elements(a, json, RECORDS_MAX, &v, &t->n, e));
	for (size_t i = 0; i < t->n; i++) {
		struct one_json j = { .name = BYTES_NONE };
		TRY(json_read(a, v[i], "a record", one_fields, 2, &j, e));
		TRY(talk_text(a, j.name, &t->v[i].name, e));
		TRY(talk_text(a, j.value, &t->v[i].value, e));
	}
	return ERR_OK;
}

static enum err_code set_resolver(struct trial *t, struct arena *a, const struct record_json *j, struct err *e)
{
	const char *v[TALK_RESOLVERS_MAX];

	for (size_t i = 0; i < j->resolvers.n; i++)
		TRY(talk_text(a, j->resolvers.v[i], &v[i], e));
	return dns_resolver_set(v, j->resolvers.n, &t->resolver, e);
}

static enum err_code put_there(struct trial *t, struct err *e)
{
	errno = 0;
	for (; t->updater && t->placed < t->n; t->placed++) {
		const struct chancery_challenge c = challenge_of(&t->v[t->placed]);
		if (dns_updater_deploy(t->updater, &c) != 0)
			FAIL(e, DNS, "%s", dns_updater_failure(t->updater));
	}
	return ERR_OK;
}

static void tell(void *context, const char *text)
{
	const struct trial *t = context;

	json_put_string(t->answer, bytes_str(text));
}

/* The program says no by a failure. */
static bool goes_on(void *context)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 65536);
	const struct trial *t = context;
	struct bytes reply;

	return a && child_ask(t->child, a, "go on", BYTES_LIT("{}"), &reply, NULL) == ERR_OK;
}

static enum err_code look(struct trial *t, struct arena *a, const struct record_json *j, size_t *ret_seen, struct err *e)
{
	char why[PROPAGATION_WHY_MAX];
	const struct propagation p = { .resolver = &t->resolver,
		.arena = a,
		.v = t->v,
		.n = t->n,
		.seconds = (uint32_t)j->seconds.value,
		.end_ms = INT64_MAX,
		.tell = tell,
		.goes_on = goes_on,
		.context = t,
		.ret_seen = ret_seen };

	if (j->seconds.value == 0)
		return ERR_OK;
	enum err_code rc = propagation_await(&p, why, e);
	errno = 0;
	if (rc == ERR_TIMEOUT && *why)
		FAIL(e, TIMEOUT, "%.450s", why);
	return rc;
}

enum err_code op_record(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(trial_close) struct trial t = { .child = c, .answer = answer };
	struct record_json j = { .records = BYTES_NONE };
	size_t seen = 0;

	(void)fd;
	TRY(json_read(a, json, "records", fields, sizeof fields / sizeof *fields, &j, e));
	TRY(read_records(&t, a, j.records, e));
	TRY(set_resolver(&t, a, &j, e));
	TRY(dns_updater_read(a, j.dns_update, &t.resolver, &t.tsig, &t.updater, e));
	if (t.updater)
		dns_updater_end_at(t.updater, clock_monotonic_ms() + PUT_MS);
	TRY(put_there(&t, e));
	json_put_key(answer, "notes");
	json_put_array(answer);
	TRY(look(&t, a, &j, &seen, e));
	json_end_array(answer);
	json_put_member_uint(answer, "seen", seen);
	return ERR_OK;
}
