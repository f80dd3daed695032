#include "server/admin/select.h"

#include "acme/ip_range.h"
#include "base/clock.h"
#include "server/signer/log_index.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An intent that waits for its result. */
struct waiting {
	bool used, fits;
	uint8_t serial[SERIAL_SIZE], account[32];
};

struct selecting {
	const struct select_query *q;
	struct arena *a;
	struct arena *rules;
	struct name_policy name; /* whatever it refuses is covered by the query's rule */
	struct waiting waiting[OPEN_INTENTS_MAX];
	int64_t now_s;
	struct selection found;
	size_t cap;
	uint8_t (*revoked)[SERIAL_SIZE];
	size_t n_revoked, cap_revoked;
};

void selection_free(struct selection *s)
{
	free(s->v);
	*s = (struct selection){ .n = 0 };
}

/* Room for one more. */
static enum err_code reserve(void **v, size_t n, size_t *cap, size_t size, struct err *e)
{
	size_t more = *cap ? 2 * *cap : 1024;

	errno = 0;
	if (n < *cap)
		return ERR_OK;
	if (n >= SELECT_MAX)
		FAIL(
		    e, TOO_LARGE, "more than %u certificates: ask for fewer at a time, with --issued-since and --issued-until", SELECT_MAX);
	void *grown = realloc(*v, more * size);
	if (!grown)
		FAIL(e, NOMEM, "no memory for %zu certificates", more);
	*v = grown;
	*cap = more;
	return ERR_OK;
}

static void begin(void *ctx)
{
	struct selecting *k = ctx;

	k->found.n = k->n_revoked = 0;
	memset(k->waiting, 0, sizeof k->waiting);
}

/* --- what the intent says --- */

static enum err_code receipts_fit(struct selecting *k, const struct intent *i, bool *ret, struct err *e)
{
	const struct select_query *q = k->q;
	bool any_time = q->validated_since_s <= 0 && q->validated_until_s >= INT64_MAX / 1000;
	struct issue issue;
	struct receipt r;

	*ret = q->methods == 0 && any_time;
	if (*ret)
		return ERR_OK;
	TRY(issue_read(k->a, i->evidence, &issue, e));
	for (size_t n = 0; n < issue.n_receipts && !*ret; n++)
		*ret = receipt_look(issue.receipts[n], &r, NULL) == ERR_OK && r.kind == RECEIPT_CONTROL &&
		       (q->methods == 0 || q->methods >> r.method & 1) && r.time_ms >= q->validated_since_s * 1000 &&
		       r.time_ms < q->validated_until_s * 1000;
	return ERR_OK;
}

static enum err_code take_intent(struct selecting *k, const struct record *r, struct err *e)
{
	const struct select_query *q = k->q;
	struct intent i;
	struct waiting *w = k->waiting;

	TRY(intent_read(r, &i, e));
	while (w < k->waiting + OPEN_INTENTS_MAX && w->used)
		w++;
	if (w == k->waiting + OPEN_INTENTS_MAX)
		FAIL(e, IO, "too many intents wait for their results");
	*w = (struct waiting){ .used = true };
	memcpy(w->serial, i.serial, sizeof w->serial);
	memcpy(w->account, i.thumbprint, sizeof w->account);
	w->fits = !i.tls && (!q->account || memcmp(q->account, i.thumbprint, sizeof i.thumbprint) == 0) &&
		  (!q->profile.ptr || bytes_eq(q->profile, i.profile));
	return w->fits ? receipts_fit(k, &i, &w->fits, e) : ERR_OK;
}

static struct waiting *end_waiting(struct selecting *k, const uint8_t serial[SERIAL_SIZE])
{
	for (size_t i = 0; i < OPEN_INTENTS_MAX; i++)
		if (k->waiting[i].used && memcmp(k->waiting[i].serial, serial, SERIAL_SIZE) == 0) {
			k->waiting[i].used = false;
			return &k->waiting[i];
		}
	return NULL;
}

/* --- what the certificate says --- */

static bool name_fits(const struct selecting *k, const struct cert *c)
{
	struct identifier id;

	if (!k->q->name.ptr)
		return true;
	for (size_t i = 0; i < c->n_names; i++)
		if (identifier_from_san(k->a, &c->names[i], &id, NULL) == ERR_OK && name_policy_judge(&k->name, &id, NULL) != ERR_OK)
			return true;
	return false;
}

static bool certificate_fits(const struct selecting *k, const struct record *r, const struct cert *c)
{
	const struct select_query *q = k->q;
	uint8_t digest[SHA256_SIZE];

	if (q->key_digest)
		sha256_one(c->spki, digest);
	return c->not_after_s >= k->now_s && r->time_ms >= q->issued_since_s * 1000 && r->time_ms < q->issued_until_s * 1000 &&
	       (!q->issuer || bytes_eq(c->authority_key_id, (struct bytes){ q->issuer, ISSUER_KEY_SIZE })) &&
	       (!q->key_digest || memcmp(digest, q->key_digest, sizeof digest) == 0) && name_fits(k, c);
}

static void name_of(const struct cert *c, char out[80])
{
	const struct san *n = c->names;

	if (c->n_names == 0)
		out[0] = '\0';
	else if (n->type == SAN_DNS)
		(void)snprintf(out, 80, "%.*s", BYTES_FMT(n->value));
	else
		(void)inet_ntop(n->value.len == 4 ? AF_INET : AF_INET6, n->value.ptr, out, 80);
}

static enum err_code take_result(struct selecting *k, const struct record *r, struct err *e)
{
	struct result v;
	struct cert c;

	TRY(result_read(r, &v, e));
	const struct waiting *w = end_waiting(k, v.serial);
	if (!w || !w->fits)
		return ERR_OK;
	TRY(cert_parse(k->a, v.certificate, &c, e));
	if (!certificate_fits(k, r, &c))
		return ERR_OK;
	TRY(reserve((void **)&k->found.v, k->found.n, &k->cap, sizeof *k->found.v, e));
	struct selected *n = &k->found.v[k->found.n++];
	*n = (struct selected){ .issued_s = r->time_ms / 1000, .not_after_s = c.not_after_s, .n_names = (uint32_t)c.n_names };
	memcpy(n->serial, v.serial, sizeof n->serial);
	memcpy(n->account, w->account, sizeof n->account);
	name_of(&c, n->name);
	return ERR_OK;
}

static enum err_code take_revocation(struct selecting *k, const struct record *r, struct err *e)
{
	struct revocation v;

	TRY(revocation_read(r, &v, e));
	if (v.not_after_s < k->now_s)
		return ERR_OK;
	TRY(reserve((void **)&k->revoked, k->n_revoked, &k->cap_revoked, SERIAL_SIZE, e));
	memcpy(k->revoked[k->n_revoked++], v.serial, SERIAL_SIZE);
	return ERR_OK;
}

static enum err_code visit(void *ctx, const struct record *r, struct err *e)
{
	struct selecting *k = ctx;
	struct voided v;

	arena_reset(k->a);
	switch (r->type) {
	case LOG_INTENT:
	case LOG_TLS_INTENT:
		return take_intent(k, r, e);
	case LOG_RESULT:
		return take_result(k, r, e);
	case LOG_VOID:
		TRY(void_read(r, &v, e));
		(void)end_waiting(k, v.serial);
		return ERR_OK;
	case LOG_REVOKE:
		return take_revocation(k, r, e);
	}
	return ERR_OK;
}

/* --- all together --- */

static int by_serial(const void *a, const void *b)
{
	return memcmp(a, b, SERIAL_SIZE);
}

static void drop_revoked(struct selecting *k)
{
	size_t n = 0;

	if (k->n_revoked == 0)
		return;
	qsort(k->revoked, k->n_revoked, SERIAL_SIZE, by_serial);
	for (size_t i = 0; i < k->found.n; i++)
		if (!bsearch(k->found.v[i].serial, k->revoked, k->n_revoked, SERIAL_SIZE, by_serial))
			k->found.v[n++] = k->found.v[i];
	k->found.n = n;
}

static enum err_code read_rule(struct selecting *k, struct err *e)
{
	bool range = k->q->name.ptr && memchr(k->q->name.ptr, '/', k->q->name.len);
	struct name_policy_texts texts = {
		.deny_names = &k->q->name, .n_deny_names = !range, .deny_ips = &k->q->name, .n_deny_ips = range
	};
	struct err why = { 0 };

	if (!k->q->name.ptr || name_policy_read(k->rules, &texts, &k->name, &why) == ERR_OK)
		return ERR_OK;
	errno = 0;
	FAIL(e, CONFIG, "%s", why.detail);
}

static enum err_code run(struct selecting *k, const struct settings *s, struct err *e)
{
	struct log_watch watch = { begin, visit, k };
	struct log_summary sum;

	if (!k->a || !k->rules)
		FAIL(e, NOMEM, "no memory to look for certificates");
	TRY(read_rule(k, e));
	TRY(log_verify(s, NULL, &watch, &sum, e));
	drop_revoked(k);
	return ERR_OK;
}

enum err_code select_certificates(const struct settings *s, const struct select_query *q, struct selection *ret, struct err *e)
{
	struct selecting *k = calloc(1, sizeof *k);

	*ret = (struct selection){ .n = 0 };
	if (!k)
		FAIL(e, NOMEM, "no memory to look for certificates");
	k->q = q;
	k->a = arena_new(65536, 4u << 20);
	k->rules = arena_new(1024, 65536);
	k->now_s = clock_wall_ms() / 1000;
	enum err_code rc = run(k, s, e);
	if (rc == ERR_OK)
		*ret = k->found;
	else
		free(k->found.v);
	arena_free(k->a);
	arena_free(k->rules);
	free(k->revoked);
	free(k);
	return rc;
}
