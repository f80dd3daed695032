/* One issuance: the library's, with keys and answers that the program has. */
#include "agent/net/acme.h"
#include "agent/net/caa_look.h"
#include "agent/net/dns_update.h"
#include "agent/net/propagation.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WAYS_MAX  3
#define NAMES_MAX 100
#define CAA_MAX   32

struct issue_json {
	struct bytes ca, key, csr, resume, profile, replaces, preferred_chain, ways, dns_update;
	struct json_bool must_staple;
	struct json_uint propagation;
	struct json_strings names, caa, resolvers;
};
static const struct json_field issue_fields[] = {
	JSON_FIELD(struct issue_json, ca, "ca", JSON_OBJECT, true, 0),
	JSON_FIELD(struct issue_json, key, "key", JSON_STRING, false, 4096), /* or a request of the user's own */
	JSON_FIELD(struct issue_json, csr, "csr", JSON_STRING, false, 0),
	JSON_FIELD(struct issue_json, resume, "resume", JSON_STRING, false, 2048),
	JSON_FIELD(struct issue_json, must_staple, "must_staple", JSON_BOOL, false, 0),
	JSON_FIELD(struct issue_json, profile, "profile", JSON_STRING, false, 64),
	JSON_FIELD(struct issue_json, replaces, "replaces", JSON_STRING, false, 0),
	JSON_FIELD(struct issue_json, preferred_chain, "preferred_chain", JSON_STRING, false, 256),
	JSON_FIELD(struct issue_json, ways, "ways", JSON_ARRAY, true, 0),
	JSON_FIELD(struct issue_json, dns_update, "dns_update", JSON_OBJECT, false, 0),
	JSON_FIELD(struct issue_json, names, "names", JSON_STRINGS, true, NAMES_MAX),
	JSON_FIELD(struct issue_json, caa, "caa", JSON_STRINGS, false, CAA_MAX / 2),   /* beside what the CA's directory says */
	JSON_FIELD(struct issue_json, propagation, "propagation", JSON_UINT, true, 0), /* seconds; 0: name servers are not looked at */
	JSON_FIELD(struct issue_json, resolvers, "resolvers", JSON_STRINGS, false, TALK_RESOLVERS_MAX),
};

struct issuing {
	struct child *child;
	struct acme m;
	struct remote_key key;
	struct dns_updater *updater; /* NULL: none */
	struct tsig_key tsig;
	const char *names[NAMES_MAX];
	size_t n_names;
	enum challenge_type ways[WAYS_MAX];
	size_t n_ways;
	const char *caa[CAA_MAX];
	size_t n_caa;
	struct dns_resolver resolver;
	struct err forbidden; /* by CAA; its code is ERR_OK when nothing is */
	char hint[CAA_LOOK_HINT_MAX];
	struct propagation_record records[NAMES_MAX];
	size_t n_records;
	uint32_t propagation_s;
	char behind[PROPAGATION_WHY_MAX]; /* name servers that have not got the records */
};

/* Sockets are for one issuance: whoever listens there otherwise gets the port back. */
static void close_sockets(struct child *c)
{
	struct net_state *s = c->context;

	for (size_t t = 0; t < CHALLENGE_TYPE__MAX; t++)
		for (size_t f = 0; f < 2; f++) {
			close_p(&s->sockets[t][f]);
			s->sockets[t][f] = -1;
		}
}

static void issuing_close(struct issuing *i)
{
	chancery_key_free(i->key.key);
	tsig_key_free(&i->tsig);
	acme_close(&i->m);
	close_sockets(i->child);
}

/* --- what the program answers --- */

static void put_challenge(const struct chancery_challenge *c, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_str(&w, "type", c->type);
	json_put_member_str(&w, "name", c->name);
	json_put_member_str(&w, "token", c->token);
	json_put_member_bool(&w, "wildcard", c->wildcard != 0);
	json_put_member_uint(&w, "remaining", c->remaining);
	json_put_member_bool(&w, "valid", c->valid != 0);
	json_end_object(&w);
}

struct code_json {
	struct json_uint code;
};
static const struct json_field code_fields[] = { JSON_FIELD(struct code_json, code, "code", JSON_UINT, true, 0) };

/* What the program says to a question that is answered by a number; -1: it does not. */
static int ask_code(struct child *c, const char *what, const struct buf *json)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct code_json j = { .code = { false, 0 } };
	struct bytes reply;

	if (!a || !buf_ok(json) || child_ask(c, a, what, buf_bytes(json), &reply, NULL) != ERR_OK ||
	    json_read(a, reply, "a reply", code_fields, 1, &j, NULL) != ERR_OK)
		return -1;
	return (int)j.code.value;
}

static int ask_deploy(const struct issuing *i, const struct chancery_challenge *challenge)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(8192);

	put_challenge(challenge, &json);
	return ask_code(i->child, "deploy", &json);
}

/* By either way; what is in the DNS then is looked for there. */
static int deploy_by(struct issuing *i, const struct chancery_challenge *c, int code)
{
	struct propagation_record *r = &i->records[i->n_records];

	if (code != 0 || !c->record || i->n_records == NAMES_MAX)
		return code;
	*r = (struct propagation_record){ arena_str(i->m.arena, bytes_str(c->record)), arena_str(i->m.arena, bytes_str(c->digest)) };
	if (!r->name || !r->value)
		return -1;
	i->n_records++;
	return 0;
}

static int deploy(void *context, const struct chancery_challenge *challenge)
{
	return deploy_by(context, challenge, ask_deploy(context, challenge));
}

static int deploy_update(void *context, const struct chancery_challenge *challenge)
{
	struct issuing *i = context;

	return deploy_by(i, challenge, dns_updater_deploy(i->updater, challenge));
}

static void clean_up_update(void *context, const struct chancery_challenge *challenge)
{
	const struct issuing *i = context;

	dns_updater_clean_up(i->updater, challenge);
}

static void clean_up(void *context, const struct chancery_challenge *challenge)
{
	const struct issuing *i = context;
	CLEANUP(buf_free_p) struct buf json = buf_new(8192);

	put_challenge(challenge, &json);
	(void)ask_code(i->child, "clean_up", &json);
}

static int progress(void *context, enum chancery_step step, const char *text)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(8192);
	struct json_out w = json_out_to(&json);

	json_put_object(&w);
	json_put_member_uint(&w, "step", step);
	json_put_member_str(&w, "text", text);
	json_end_object(&w);
	return ask_code(context, "progress", &json);
}

static int order_made(void *context, const char *url)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(8192);
	struct json_out w = json_out_to(&json);

	json_put_object(&w);
	json_put_member_str(&w, "url", url);
	json_end_object(&w);
	return ask_code(context, "order", &json);
}

static void add_identity(struct issuing *i, const char *identity)
{
	for (size_t k = 0; k < i->n_caa; k++)
		if (strcasecmp(i->caa[k], identity) == 0)
			return;
	if (i->n_caa < CAA_MAX)
		i->caa[i->n_caa++] = identity;
}

static int before_order(void *context, const char *account_url, const char *const *identities, size_t n)
{
	struct issuing *i = context;

	for (size_t k = 0; k < n; k++)
		add_identity(i, identities[k]);
	const struct caa_look look = { .resolver = &i->resolver,
		.arena = i->m.arena,
		.names = i->names,
		.n_names = i->n_names,
		.account_url = account_url,
		.identities = i->caa,
		.n_identities = i->n_caa,
		.ways = i->ways,
		.n_ways = i->n_ways };
	return caa_look(&look, i->hint, &i->forbidden) == ERR_OK ? 0 : -1;
}

static void tell(void *context, const char *text)
{
	(void)progress(context, CHANCERY_STEP_WAIT, text);
}

/* All answers are in place. */
static int ready(void *context)
{
	struct issuing *i = context;
	struct err why = { 0 };
	const struct propagation p = { .resolver = &i->resolver,
		.arena = i->m.arena,
		.v = i->records,
		.n = i->n_records,
		.seconds = i->propagation_s,
		.end_ms = i->resolver.end_ms,
		.tell = tell,
		.context = i->child };

	if (i->n_records == 0 || i->propagation_s == 0 || propagation_await(&p, i->behind, &why) == ERR_OK)
		return 0;
	if (!*i->behind)
		(void)snprintf(i->behind, sizeof i->behind, "%s", why.detail);
	return -1;
}

/* --- what is set --- */

struct way_json {
	struct bytes type, by;
};
static const struct json_field way_fields[] = {
	JSON_FIELD(struct way_json, type, "type", JSON_STRING, true, 32),
	JSON_FIELD(struct way_json, by, "by", JSON_STRING, true, 32),
};

static enum chancery_result set_way(struct issuing *i, const char *type, struct bytes by)
{
	const struct net_state *s = i->m.child->context;
	struct chancery_client *client = i->m.client;
	enum challenge_type t;

	if (bytes_eq_str(by, "sockets") && challenge_type_from_name(bytes_str(type), &t))
		return chancery_client_use_sockets(client, type, s->sockets[t][0], s->sockets[t][1]);
	if (bytes_eq_str(by, "stateless"))
		return chancery_client_use_stateless(client);
	if (bytes_eq_str(by, "dns-update") && i->updater)
		return chancery_client_set_solver(client, type, deploy_update, clean_up_update, i);
	return chancery_client_set_solver(client, type, deploy, clean_up, i);
}

static enum err_code set_ways(struct issuing *i, struct bytes json, struct err *e)
{
	const char *type;
	struct bytes *v;
	size_t n;

	TRY(json_elements(i->m.arena, json, WAYS_MAX, &v, &n, e));
	for (size_t k = 0; k < n; k++) {
		struct way_json j = { .type = BYTES_NONE };
		TRY(json_read(i->m.arena, v[k], "a way", way_fields, 2, &j, e));
		TRY(talk_text(i->m.arena, j.type, &type, e));
		if (challenge_type_from_name(j.type, &i->ways[i->n_ways]))
			i->n_ways++;
		errno = 0;
		if (set_way(i, type, j.by) != CHANCERY_OK)
			FAIL(e, CONFIG, "%s", chancery_error_message(chancery_client_error(i->m.client)));
	}
	return ERR_OK;
}

static enum err_code set_wishes(struct issuing *i, const struct issue_json *j, struct err *e)
{
	const char *profile, *replaces, *chain, *resume;

	TRY(talk_text(i->m.arena, j->profile, &profile, e));
	TRY(talk_text(i->m.arena, j->replaces, &replaces, e));
	TRY(talk_text(i->m.arena, j->preferred_chain, &chain, e));
	TRY(talk_text(i->m.arena, j->resume, &resume, e));
	enum chancery_result rc = chancery_client_set_profile(i->m.client, profile);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_preferred_chain(i->m.client, chain);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_replaces(i->m.client, replaces);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_must_staple(i->m.client, j->must_staple.value);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_resume(i->m.client, resume);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_before_order(i->m.client, before_order, i);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_ready(i->m.client, ready, i);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_order_callback(i->m.client, order_made, i->m.child);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_progress(i->m.client, progress, i->m.child);
	errno = 0;
	if (rc != CHANCERY_OK)
		FAIL(e, CONFIG, "%s", chancery_error_message(chancery_client_error(i->m.client)));
	return ERR_OK;
}

static enum err_code set_names(struct issuing *i, const struct issue_json *j, struct err *e)
{
	const char *resolvers[TALK_RESOLVERS_MAX], *identity;

	for (; i->n_names < j->names.n; i->n_names++)
		TRY(talk_text(i->m.arena, j->names.v[i->n_names], &i->names[i->n_names], e));
	for (size_t k = 0; k < j->resolvers.n; k++)
		TRY(talk_text(i->m.arena, j->resolvers.v[k], &resolvers[k], e));
	for (size_t k = 0; k < j->caa.n; k++) {
		TRY(talk_text(i->m.arena, j->caa.v[k], &identity, e));
		add_identity(i, identity);
	}
	i->propagation_s = (uint32_t)j->propagation.value;
	return dns_resolver_set(resolvers, j->resolvers.n, &i->resolver, e);
}

/* --- the issuance --- */

static void put_certificate(const struct chancery_certificate *c, struct json_out *w)
{
	size_t leaf_len;

	(void)chancery_certificate_leaf(c, &leaf_len);
	json_put_member_str(w, "fullchain", chancery_certificate_fullchain(c, NULL));
	json_put_member_uint(w, "leaf_len", leaf_len);
	json_put_member_str(w, "certificate", chancery_certificate_url(c));
	json_put_member_str(w, "order", chancery_certificate_order_url(c));
	json_put_member_str(w, "account", chancery_certificate_account_url(c));
	json_put_key(w, "not_before");
	json_put_int(w, chancery_certificate_not_before(c));
	json_put_key(w, "not_after");
	json_put_int(w, chancery_certificate_not_after(c));
}

static enum err_code issue(struct issuing *i, const struct issue_json *j, struct json_out *answer, struct err *e)
{
	const char *csr;
	struct chancery_certificate *cert;
	enum chancery_result rc;

	TRY(talk_text(i->m.arena, j->csr, &csr, e));
	i->resolver.end_ms = clock_monotonic_ms() + (int64_t)i->m.timeout_s * 1000;
	if (i->updater)
		dns_updater_end_at(i->updater, i->resolver.end_ms);
	if (csr)
		rc = chancery_client_issue_csr(i->m.client, csr, &cert);
	else
		rc = chancery_client_issue(i->m.client, i->names, i->n_names, i->key.key, &cert);
	if (rc != CHANCERY_OK && i->forbidden.code != ERR_OK) {
		acme_put_refusal("caa", i->forbidden.detail, i->hint, answer);
		return ERR_OK;
	}
	if (rc != CHANCERY_OK) {
		acme_put_error(&i->m, *i->behind ? i->behind : i->updater ? dns_updater_failure(i->updater) : NULL, answer);
		return ERR_OK;
	}
	put_certificate(cert, answer);
	chancery_certificate_free(cert);
	return ERR_OK;
}

enum err_code op_issue(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(issuing_close) struct issuing i = { .key = { .key = NULL }, .child = c };
	struct issue_json j = { .ca = BYTES_NONE };

	(void)fd;
	TRY(json_read(a, json, "an issuance", issue_fields, sizeof issue_fields / sizeof *issue_fields, &j, e));
	TRY(acme_open(c, a, j.ca, &i.m, e));
	TRY(acme_key(c, a, "certificate", j.key, &i.key, e));
	TRY(dns_updater_read(a, j.dns_update, &i.resolver, &i.tsig, &i.updater, e));
	TRY(set_ways(&i, j.ways, e));
	TRY(set_names(&i, &j, e));
	TRY(set_wishes(&i, &j, e));
	return issue(&i, &j, answer, e);
}
