/* Revocation lists: made from the revoked set, logged before anybody gets them, served from memory. */
#include "server/signer/lists.h"

#include "base/clock.h"
#include "base/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS       INT64_C(1000) /* between two lists while revocations stream in */
#define PAUSE_PER_COST 10            /* a list whose making takes long is made less often: this loop signs certificates too */
#define AGAIN_MS       INT64_C(10000)
#define LOOK_MS        INT64_C(60000) /* the wall clock may be set */

void lists_free(struct lists *l)
{
	buf_free(&l->newest.der);
	buf_free(&l->before.der);
}

struct bytes signer_crl_url(const struct signer *s, struct arena *a, const struct ca_issuer *i, uint8_t shard)
{
	return crl_url(a, s->settings.publish_url, i->issuer->key_id.ptr, shard);
}

/* One shard for all. */
uint8_t signer_shard(const struct signer *s)
{
	(void)s;
	return 0;
}

static bool is_wanted(const struct signer *s, const struct lists *l, int64_t now_s)
{
	return l->newest.number == 0 || l->changed || now_s >= l->newest.this_update_s + (int64_t)s->settings.crl_interval;
}

static int64_t wait_ms(const struct signer *s, const struct lists *l)
{
	int64_t now_ms = clock_wall_ms(), left_ms = l->again_ms - clock_monotonic_ms();

	if (!is_wanted(s, l, now_ms / 1000)) {
		int64_t due_ms = (l->newest.this_update_s + (int64_t)s->settings.crl_interval) * 1000 - now_ms;
		left_ms = due_ms > left_ms ? due_ms : left_ms;
	}
	return left_ms < 0 ? 0 : left_ms;
}

int64_t signer_crl_wait_ms(const struct signer *s)
{
	int64_t least_ms = LOOK_MS;

	for (size_t i = 0; i < s->n_issuers; i++) {
		int64_t left_ms = wait_ms(s, &s->issuers[i].lists);
		least_ms = left_ms < least_ms ? left_ms : least_ms;
	}
	return least_ms;
}

/* The serials that the next list has, sorted. */
static enum err_code gather(const struct signer *s, const struct ca_issuer *i, struct crl_entry **ret, size_t *ret_n, struct err *e)
{
	struct crl_entry *v = calloc(set_count(s->revoked) + 1, sizeof *v);
	size_t n = 0, at = 0;

	if (!v)
		FAIL(e, NOMEM, "no memory for a revocation list");
	for (const struct revoked_entry *r; (r = set_next(s->revoked, &at));) {
		if (r->issuer != (size_t)(i - s->issuers) || revoked_is_over(s, r))
			continue;
		v[n] = (struct crl_entry){ .time_s = r->time_s, .reason = r->reason };
		memcpy(v[n++].serial, r->serial, SERIAL_SIZE);
	}
	*ret_n = crl_sort(v, n);
	*ret = v;
	return ERR_OK;
}

/* Signs the next list. Its number is the sequence of the record that it will have in the log: more than any before, also after a
 * crash. */
static enum err_code sign_list(const struct signer *s, const struct ca_issuer *i, int64_t now_s, struct list *ret, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	struct crl_entry *entries = NULL;
	size_t n = 0;

	if (!a)
		FAIL(e, NOMEM, "no memory for a revocation list");
	TRY(gather(s, i, &entries, &n, e));
	struct crl_request r = { .number = log_position(s->log).chain.sequence + 1,
		.this_update_s = now_s,
		.next_update_s = now_s + (int64_t)s->settings.crl_lifetime,
		.url = signer_crl_url(s, a, i, 0),
		.entries = entries,
		.n_entries = n };
	enum err_code rc = crl_sign(i->issuer, &r, &ret->der, e);
	free(entries);
	TRY(rc);
	ret->number = r.number;
	ret->this_update_s = r.this_update_s;
	ret->next_update_s = r.next_update_s;
	return ERR_OK;
}

static enum err_code log_list(struct signer *s, const struct ca_issuer *i, const struct list *l, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(256);
	struct crl_made v = { .number = l->number, .this_update_s = l->this_update_s, .next_update_s = l->next_update_s };

	memcpy(v.issuer, i->issuer->key_id.ptr, sizeof v.issuer);
	sha256_one(buf_bytes(&l->der), v.digest);
	crl_made_write(&v, &body);
	if (!buf_ok(&body))
		FAIL(e, NOMEM, "no memory for a record of the log");
	return signer_add_event(s, LOG_CRL, buf_bytes(&body), e);
}

static void take_list(struct lists *l, struct list *fresh)
{
	buf_free(&l->before.der);
	l->before = l->newest;
	l->newest = *fresh;
	fresh->der = buf_new(0);
}

static enum err_code make_list(struct signer *s, struct ca_issuer *i, struct err *e)
{
	struct list fresh = { .der = buf_new(CRL_SIZE_MAX) };

	enum err_code rc = sign_list(s, i, clock_wall_ms() / 1000, &fresh, e);
	if (rc == ERR_OK)
		rc = log_list(s, i, &fresh, e);
	if (rc == ERR_OK)
		take_list(&i->lists, &fresh);
	buf_free(&fresh.der);
	return rc;
}

/* A list that cannot be made now is made later; the one before it holds until then. */
static enum err_code make_due(struct signer *s, struct ca_issuer *i, bool *ret_made, struct err *e)
{
	int64_t begun_ms = clock_monotonic_ms();
	struct err why = { 0 };

	if (wait_ms(s, &i->lists) > 0)
		return ERR_OK;
	enum err_code rc = make_list(s, i, &why);
	int64_t now_ms = clock_monotonic_ms(), pause_ms = (now_ms - begun_ms) * PAUSE_PER_COST;
	i->lists.again_ms = now_ms + (rc != ERR_OK ? AGAIN_MS : pause_ms > PAUSE_MS ? pause_ms : PAUSE_MS);
	if (rc == ERR_OK) {
		*ret_made = true;
		return ERR_OK;
	}
	if (log_poisoned(s->log)) {
		*e = why;
		return rc;
	}
	event_error(EVENT_ERROR, "crl.failed", &why);
	return ERR_OK;
}

enum err_code signer_crl(struct signer *s, bool *ret_made, struct err *e)
{
	*ret_made = false;
	for (size_t i = 0; i < s->n_issuers; i++)
		TRY(make_due(s, &s->issuers[i], ret_made, e));
	return ERR_OK;
}

bool signer_crl_newest(const struct signer *s, size_t issuer, struct crl_new *ret)
{
	const struct ca_issuer *i = &s->issuers[issuer];

	*ret = (struct crl_new){ .number = i->lists.newest.number, .size = i->lists.newest.der.len };
	memcpy(ret->issuer, i->issuer->key_id.ptr, sizeof ret->issuer);
	return ret->number != 0;
}

enum err_code signer_crl_part(struct signer *s, struct bytes body, struct buf *out, struct err *e)
{
	struct crl_get get;

	errno = 0;
	TRY(crl_get_read(body, &get, e));
	const struct ca_issuer *i = issuers_find(s, BYTES_ARRAY(get.issuer));
	if (!i || get.shard != 0)
		FAIL(e, NOT_FOUND, "this signer makes no such list");
	const struct list *l = &i->lists.newest;
	if (l->number == 0)
		FAIL(e, BUSY, "no list has been made yet");
	if (get.number == i->lists.before.number && get.number != 0)
		l = &i->lists.before;
	else if (get.number != 0 && get.number != l->number)
		get.offset = 0; /* that one is gone: the newest, from its beginning */
	if (get.offset >= l->der.len)
		FAIL(e, MALFORMED, "the list has %zu bytes", l->der.len);
	struct crl_part part = { .number = l->number, .size = l->der.len, .offset = get.offset };
	part.part = bytes_slice(buf_bytes(&l->der), (size_t)get.offset, (size_t)get.offset + CRL_PART_MAX);
	crl_part_write(&part, out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for an answer");
	return ERR_OK;
}
