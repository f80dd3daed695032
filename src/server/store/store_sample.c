#include "server/store/store_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1800000000)

static void number(uint8_t *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(n >> (24 - 8 * i));
}

/* An id that begins with the number, as real ones begin with the time; the rest depends on it. */
static void make_id(uint8_t *p, size_t size, uint32_t n, uint8_t kind)
{
	uint32_t x = n * 2654435761u + kind;

	for (size_t i = 0; i < size; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24);
	}
	number(p, n);
}

static void make_authz(struct sample *s, size_t i, uint32_t n)
{
	struct store_authz *z = &s->authz[i];
	struct identifier *id = &s->identifiers[i];

	snprintf(s->names[i], sizeof s->names[i], "n%u-%zu.example.org", n, i);
	*id = (struct identifier){ .type = IDENTIFIER_DNS, .value = bytes_str(s->names[i]), .wildcard = i == 1 };
	make_id(s->authz_ids[i], STORE_AUTHZ_ID, n * SAMPLE_NAMES + (uint32_t)i, 2);
	*z = (struct store_authz){
		.identifier = *id, .state = AUTHZ_PENDING, .expires_s = NOW_S + 3600, .lifetime_s = i == 0 ? 86400 : 0, .n_challenges = 1
	};
	memcpy(z->id, s->authz_ids[i], sizeof z->id);
	memcpy(z->account, s->account.id, sizeof z->account);
	memcpy(z->order, s->order.id, sizeof z->order);
	z->challenges[0] =
	    (struct store_challenge){ .type = CHALLENGE_TYPE_HTTP_01, .state = CHALLENGE_PENDING, .token = bytes_str(s->token) };
}

void sample_make(struct sample *s, uint32_t account, uint32_t n, size_t names)
{
	memset(s, 0, sizeof *s);
	make_id(s->body, sizeof s->body, n, 9);
	memset(s->token, 'T', 43);
	s->finalize = (struct bytes){ s->body + 700, 950 };
	s->control = (struct bytes){ s->body + 100, 420 };
	s->caa = (struct bytes){ s->body + 200, 380 };
	s->problem = BYTES_LIT("{\"type\":\"urn:ietf:params:acme:error:connection\"}");
	s->account = (struct store_account){
		.jwk = BYTES_LIT("{\"kty\":\"EC\"}"), .contacts = BYTES_LIT("[]"), .terms_agreed = true, .created_s = NOW_S
	};
	make_id(s->account.id, STORE_ACCOUNT_ID, account, 1);
	s->order = (struct store_order){ .state = ORDER_PENDING,
		.created_s = NOW_S,
		.expires_s = NOW_S + 7200,
		.not_before_s = n % 2 ? NOW_S + 60 : 0,
		.not_after_s = n % 2 ? NOW_S + 600 : 0,
		.profile = BYTES_LIT("short"),
		.identifiers = s->identifiers,
		.n_identifiers = names,
		.authz = s->authz_ids,
		.new_order = { s->body, 600 } };
	make_id(s->order.id, STORE_ORDER_ID, n, 3);
	memcpy(s->order.account, s->account.id, STORE_ACCOUNT_ID);
	for (size_t i = 0; i < names; i++)
		make_authz(s, i, n);
	s->certificate = (struct store_certificate){
		.not_before_s = NOW_S, .not_after_s = NOW_S + 86400 * 47, .der = { s->body + 900, 700 }, .chain = { s->body + 1600, 650 }
	};
	make_id(s->certificate.serial, STORE_SERIAL, n, 4);
	memcpy(s->certificate.order, s->order.id, STORE_ORDER_ID);
	memcpy(s->certificate.account, s->account.id, STORE_ACCOUNT_ID);
}

struct store_validation sample_validation(const struct sample *s, size_t i, bool valid)
{
	struct store_validation v = { .type = CHALLENGE_TYPE_HTTP_01,
		.valid = valid,
		.now_s = NOW_S + 10,
		.control = s->control,
		.caa = s->caa,
		.problem = s->problem };

	memcpy(v.authz, s->authz_ids[i], sizeof v.authz);
	return v;
}

enum err_code sample_add(struct store *st, const struct sample *s, struct err *e)
{
	return store_add_order(st, &s->order, s->authz, s->order.n_identifiers, NULL, e);
}

enum err_code sample_validate(struct store *st, const struct sample *s, size_t i, bool valid, struct err *e)
{
	struct store_validation v = sample_validation(s, i, valid);

	TRY(store_begin_challenge(st, v.authz, v.type, e));
	enum err_code rc = store_end_challenge(st, &v, e);
	if (rc != ERR_OK)
		store_abandon_challenge(st, v.authz, v.type);
	return rc;
}

enum err_code sample_finalize(struct store *st, const struct sample *s, struct err *e)
{
	return store_end_finalize(st, s->order.id, s->finalize, &s->certificate, e);
}

static void add_hash(struct buf *out, const char *name, const void *p, size_t n)
{
	const uint8_t *at = p;
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 1099511628211u;
	buf_add_fmt(out, " %s %s%zu:%016llx", name, p ? "" : "none ", n, (unsigned long long)h);
}

static void add_bytes(struct buf *out, const char *name, struct bytes v)
{
	add_hash(out, name, v.ptr, v.len);
}

/* A row that is not there is a word as well; anything else that fails is no state of the store. */
static bool there(enum err_code rc, const char *what, struct buf *out)
{
	if (rc != ERR_OK && rc != ERR_NOT_FOUND) {
		fprintf(stderr, "reading %s: %s\n", what, err_name(rc));
		abort();
	}
	buf_add_fmt(out, "\n%s %s", what, rc == ERR_OK ? "is" : "is not there");
	return rc == ERR_OK;
}

static void dump_identifier(struct buf *out, const struct identifier *id)
{
	buf_add_fmt(out, " %d %.*s %d", (int)id->type, BYTES_FMT(id->value), id->wildcard);
}

static void dump_authz(const struct store_authz *z, struct buf *out)
{
	add_hash(out, "id", z->id, sizeof z->id);
	add_hash(out, "account", z->account, sizeof z->account);
	add_hash(out, "order", z->order, sizeof z->order);
	dump_identifier(out, &z->identifier);
	buf_add_fmt(out, " %s until %lld %u", authz_state_name(z->state), (long long)z->expires_s, (unsigned)z->lifetime_s);
	for (size_t i = 0; i < z->n_challenges; i++) {
		const struct store_challenge *c = &z->challenges[i];
		buf_add_fmt(out, " [%s %s %lld", challenge_type_name(c->type), challenge_state_name(c->state), (long long)c->validated_s);
		add_bytes(out, "token", c->token);
		buf_add_fmt(out, " %.*s]", (int)c->problem.len, c->problem.len ? (const char *)c->problem.ptr : "");
	}
	add_bytes(out, "control", z->control);
	add_bytes(out, "caa", z->caa);
	buf_add_fmt(out, " at %lld", (long long)z->caa_s);
}

static void dump_order(const struct store_order *o, struct buf *out)
{
	add_hash(out, "id", o->id, sizeof o->id);
	add_hash(out, "account", o->account, sizeof o->account);
	buf_add_fmt(out, " %s %lld-%lld", order_state_name(o->state), (long long)o->created_s, (long long)o->expires_s);
	for (size_t i = 0; i < o->n_identifiers; i++) {
		dump_identifier(out, &o->identifiers[i]);
		add_hash(out, "authz", o->authz[i], STORE_AUTHZ_ID);
	}
	buf_add_fmt(out, " wants %lld-%lld", (long long)o->not_before_s, (long long)o->not_after_s);
	add_bytes(out, "profile", o->profile);
	add_bytes(out, "replaces", o->replaces);
	add_bytes(out, "new_order", o->new_order);
	add_bytes(out, "finalize", o->finalize);
	add_bytes(out, "problem", o->problem);
	add_hash(out, "serial", o->serial, sizeof o->serial);
}

static void dump_certificate(const struct store_certificate *c, struct buf *out)
{
	add_hash(out, "serial", c->serial, sizeof c->serial);
	add_hash(out, "order", c->order, sizeof c->order);
	add_hash(out, "account", c->account, sizeof c->account);
	buf_add_fmt(out, " %lld-%lld", (long long)c->not_before_s, (long long)c->not_after_s);
	buf_add_fmt(out, " revoked %lld %u", (long long)c->revoked_s, (unsigned)c->reason);
	add_hash(out, "replaced by", c->replaced_by, sizeof c->replaced_by);
	add_bytes(out, "der", c->der);
	add_bytes(out, "chain", c->chain);
}

void sample_dump(struct store *st, const struct sample *s, struct buf *out)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 1u << 20);
	struct store_account account;
	struct store_order order;
	struct store_authz authz;
	struct store_certificate certificate;

	if (there(store_get_account(st, a, s->account.id, &account, NULL), "account", out)) {
		buf_add_fmt(out, " %s %lld %d", account_state_name(account.state), (long long)account.created_s, account.terms_agreed);
		add_hash(out, "id", account.id, sizeof account.id);
		add_bytes(out, "jwk", account.jwk);
		add_bytes(out, "contacts", account.contacts);
		add_bytes(out, "terms", account.terms_url);
		add_bytes(out, "eab", account.eab_kid);
		add_bytes(out, "binding", account.eab);
	}
	if (there(store_get_order(st, a, s->order.id, &order, NULL), "order", out))
		dump_order(&order, out);
	for (size_t i = 0; i < s->order.n_identifiers; i++)
		if (there(store_get_authz(st, a, s->authz_ids[i], &authz, NULL), "authz", out))
			dump_authz(&authz, out);
	if (there(store_get_certificate(st, a, s->certificate.serial, &certificate, NULL), "certificate", out))
		dump_certificate(&certificate, out);
	buf_add_str(out, "\n");
}
