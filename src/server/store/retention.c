/* What has ended goes by whole days: the objects' ids begin with their time, so that a day is a range of a table. A day goes when nothing in it is
 * needed any more, and nothing that stays refers to it. */
#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

#define DAY_S      86400
#define CHUNK      200 /* rows of one transaction: others' writes have their turn between */
#define ID_MAX     STORE_ORDER_ID
#define DAYS_A_RUN 4000

/* How a table's ids carry their time: behind so many bytes, 48 bits of milliseconds. */
static const struct table {
	size_t time_at, id_size;
	const char *first, *last_end, *drop;
} tables[] = {
	{ 1, STORE_SERIAL, "SELECT min(serial) FROM certificates WHERE serial >= $1",
	    "SELECT max(not_after_s) FROM certificates WHERE serial >= $1 AND serial < $2",
	    "DELETE FROM certificates WHERE serial IN (SELECT serial FROM certificates WHERE serial >= $1 AND serial < $2 LIMIT $3)" },
	{ 0, STORE_ORDER_ID, "SELECT min(id) FROM orders WHERE id >= $1", "SELECT max(expires_s) FROM orders WHERE id >= $1 AND id < $2",
	    "DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE id >= $1 AND id < $2 LIMIT $3)" },
	{ 0, STORE_AUTHZ_ID, "SELECT min(id) FROM authzs WHERE id >= $1", "SELECT max(expires_s) FROM authzs WHERE id >= $1 AND id < $2",
	    "DELETE FROM authzs WHERE id IN (SELECT id FROM authzs WHERE id >= $1 AND id < $2 LIMIT $3)" },
};
enum { CERTIFICATES, ORDERS, AUTHZS };

/* A day of a table: ids from `from` on and before `to`. */
struct day {
	const struct table *t;
	uint8_t from[ID_MAX], to[ID_MAX];
	int64_t from_s, before_s;
	bool found;
	bool early;         /* it lies before before_s; else nobody looks at its last end */
	int64_t last_end_s; /* of what is in it */
	int64_t dropped;
};

static int64_t time_of(const struct table *t, const uint8_t *id)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < 6; i++)
		ms = ms << 8 | id[t->time_at + i];
	return (int64_t)(ms / 1000);
}

static void put_time(const struct table *t, int64_t time_s, uint8_t *id)
{
	uint64_t ms = (uint64_t)time_s * 1000;

	memset(id + t->time_at, 0, ID_MAX - t->time_at);
	for (size_t i = 0; i < 6; i++)
		id[t->time_at + i] = (uint8_t)(ms >> (40 - 8 * i));
}

/* The first day with anything in it, at or behind d->from. */
static enum err_code find_day(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL, *end = NULL;
	struct day *d = ctx;
	bool row;

	TRY(db_prepare(db, d->t->first, &st, e));
	db_bind_bytes(st, 1, span(d->from, d->t->id_size));
	TRY(db_step(st, &row, e));
	d->found = row && db_view(st, 0).ptr;
	if (!d->found)
		return ERR_OK;
	TRY(db_fixed(st, 0, d->from, d->t->id_size, e));
	d->from_s = time_of(d->t, d->from) / DAY_S * DAY_S;
	put_time(d->t, d->from_s, d->from);
	memcpy(d->to, d->from, sizeof d->to);
	put_time(d->t, d->from_s + DAY_S, d->to);
	d->early = d->from_s + DAY_S <= d->before_s;
	if (!d->early)
		return ERR_OK;
	TRY(db_prepare(db, d->t->last_end, &end, e));
	db_bind_bytes(end, 1, span(d->from, d->t->id_size));
	db_bind_bytes(end, 2, span(d->to, d->t->id_size));
	TRY(db_step(end, &row, e));
	d->last_end_s = row ? db_int(end, 0) : 0;
	return ERR_OK;
}

static enum err_code drop_some(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	struct day *d = ctx;

	TRY(db_prepare(db, d->t->drop, &st, e));
	db_bind_bytes(st, 1, span(d->from, d->t->id_size));
	db_bind_bytes(st, 2, span(d->to, d->t->id_size));
	db_bind_int(st, 3, CHUNK);
	return db_run(st, &d->dropped, e);
}

struct retention {
	struct store *s;
	store_go_on *go_on;
	void *ctx;
};

static enum err_code drop_day(const struct retention *r, struct day *d, uint64_t *dropped, struct err *e)
{
	do {
		enum err_code rc = db_writer_run(r->s->writer, drop_some, d, e);
		if (d->t == &tables[AUTHZS])
			recent_forget_all(r->s->recent);
		TRY(rc);
		*dropped += (uint64_t)d->dropped;
	} while (d->dropped > 0 && r->go_on(r->ctx));
	return ERR_OK;
}

/* All days of a table that lie wholly before before_s, and in which everything has ended before ended_s. */
static enum err_code drop_days(
    const struct retention *r, const struct table *t, int64_t before_s, int64_t ended_s, uint64_t *dropped, struct err *e)
{
	struct day d = { .t = t, .before_s = before_s };

	for (unsigned i = 0; i < DAYS_A_RUN && r->go_on(r->ctx); i++) {
		TRY(db_pool_read(r->s->readers, find_day, &d, e));
		if (!d.found || (!d.early && (t->time_at == 0 || d.from[0] > 1))) /* serial numbers of an older kind come first */
			break;
		if (d.early && d.last_end_s < ended_s)
			TRY(drop_day(r, &d, dropped, e));
		memcpy(d.from, d.to, sizeof d.from);
	}
	return ERR_OK;
}

/* When the oldest object was made; INT64_MAX: there is none. */
static enum err_code oldest(struct store *s, const struct table *t, int64_t *ret_s, struct err *e)
{
	struct day d = { .t = t };

	TRY(db_pool_read(s->readers, find_day, &d, e));
	*ret_s = d.found ? d.from_s : INT64_MAX;
	return ERR_OK;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

enum err_code store_drop_ended(struct store *s, int64_t ended_s, store_go_on *go_on, void *ctx, struct store_dropped *ret, struct err *e)
{
	struct retention r = { s, go_on, ctx };
	int64_t first_s;

	*ret = (struct store_dropped){ 0 };
	errno = 0;
	TRY(drop_days(&r, &tables[CERTIFICATES], ended_s, ended_s, &ret->certificates, e));
	/* A certificate names its order, which was made at most a day before. */
	TRY(oldest(s, &tables[CERTIFICATES], &first_s, e));
	first_s = first_s == INT64_MAX ? first_s : first_s - DAY_S;
	TRY(drop_days(&r, &tables[ORDERS], earlier(first_s, ended_s), ended_s, &ret->orders, e));
	/* An order rests on authorizations that had not ended when it was made. */
	TRY(oldest(s, &tables[ORDERS], &first_s, e));
	return drop_days(&r, &tables[AUTHZS], ended_s, earlier(first_s, ended_s), &ret->authzs, e);
}
