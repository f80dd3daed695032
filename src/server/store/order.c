#include "server/store/encode.h"
#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

/* Which authorizations, which identifiers: two columns, as many of one as of the other. */
static enum err_code read_identifiers(
    struct db_stmt *st, unsigned authzs_column, unsigned identifiers_column, struct arena *a, struct store_order *v, struct err *e)
{
	struct bytes ids, identifiers;

	TRY(db_copy(st, authzs_column, a, &ids, e));
	TRY(db_copy(st, identifiers_column, a, &identifiers, e));
	errno = 0;
	if (ids.len == 0 || ids.len % STORE_AUTHZ_ID != 0 || ids.len / STORE_AUTHZ_ID > STORE_NAMES_MAX)
		FAIL(e, STORE, "an order in the database has %zu bytes of authorization ids", ids.len);
	v->n_identifiers = ids.len / STORE_AUTHZ_ID;
	v->identifiers = arena_array(a, v->n_identifiers, sizeof *v->identifiers);
	v->authz = arena_array(a, v->n_identifiers, sizeof *v->authz);
	if (!v->identifiers || !v->authz)
		FAIL(e, NOMEM, "no room for an order's identifiers");
	memcpy(v->authz, ids.ptr, ids.len);
	return decode_identifiers(identifiers, v->identifiers, v->n_identifiers, e);
}

static enum err_code read_order(struct db_stmt *st, struct arena *a, struct store_order *v, struct err *e)
{
	unsigned state;

	TRY(store_get_state(st, 0, ORDER__MAX, &state, e));
	v->state = (enum order_state)state;
	if (db_view(st, 1).ptr)
		TRY(db_fixed(st, 1, v->serial, sizeof v->serial, e));
	TRY(db_fixed(st, 2, v->account, sizeof v->account, e));
	v->created_s = db_int(st, 3);
	v->expires_s = db_int(st, 4);
	TRY(read_identifiers(st, 5, 6, a, v, e));
	TRY(db_copy(st, 7, a, &v->problem, e));
	TRY(db_copy(st, 8, a, &v->new_order, e));
	TRY(db_copy(st, 9, a, &v->finalize, e));
	v->not_before_s = db_int(st, 10);
	v->not_after_s = db_int(st, 11);
	TRY(db_copy(st, 12, a, &v->profile, e));
	return db_copy(st, 13, a, &v->replaces, e);
}

/* Until when it is pending or valid (0 when it is neither), and when CAA was looked at for it (0: not). */
static enum err_code authz_until(struct db *db, const uint8_t id[STORE_AUTHZ_ID], int64_t *ret_s, int64_t *ret_caa_s, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	_Static_assert(AUTHZ_PENDING == 0 && AUTHZ_VALID == 1, "the numbers below");
	TRY(db_prepare(db, "SELECT expires_s, caa_s FROM authzs WHERE id = $1 AND state <= 1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_AUTHZ_ID));
	TRY(db_step(st, &row, e));
	*ret_s = row ? db_int(st, 0) : 0;
	*ret_caa_s = row ? db_int(st, 1) : 0;
	return ERR_OK;
}

/* Authorizations end by themselves or by their owner, and any number of orders may rest on one: who reads an order looks at them. */
static enum err_code read_holds(struct db *db, struct store_order *v, struct err *e)
{
	int64_t until_s, caa_s;

	v->holds_s = v->expires_s;
	if (v->state != ORDER_PENDING && v->state != ORDER_READY)
		return ERR_OK;
	for (size_t i = 0; i < v->n_identifiers; i++) {
		TRY(authz_until(db, v->authz[i], &until_s, &caa_s, e));
		v->holds_s = until_s < v->holds_s ? until_s : v->holds_s;
		v->caa_s = caa_s && (!v->caa_s || caa_s < v->caa_s) ? caa_s : v->caa_s;
	}
	return ERR_OK;
}

static enum err_code get_order(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct get *g = ctx;
	struct store_order v = { 0 };
	bool row;

	TRY(db_prepare(db,
	    "SELECT state, serial, account, created_s, expires_s, authzs, identifiers, problem, new_order, finalize,"
	    " not_before_s, not_after_s, profile, replaces FROM orders WHERE id = $1",
	    &st, e));
	db_bind_bytes(st, 1, span(g->id, sizeof v.id));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such order");
	memcpy(v.id, g->id, sizeof v.id);
	TRY(read_order(st, g->arena, &v, e));
	TRY(read_holds(db, &v, e));
	*(struct store_order *)g->ret = v;
	return ERR_OK;
}

enum err_code store_get_order(struct store *s, struct arena *a, const uint8_t id[STORE_ORDER_ID], struct store_order *ret, struct err *e)
{
	return db_pool_read(s->readers, get_order, &(struct get){ a, id, ret }, e);
}

/* The few columns that decide about an order's next step. */
struct head {
	enum order_state state;
	uint8_t serial[STORE_SERIAL];
	uint8_t authz[STORE_NAMES_MAX][STORE_AUTHZ_ID];
	size_t n_authz;
};

static enum err_code read_head(struct db *db, const uint8_t id[STORE_ORDER_ID], struct head *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	unsigned state;
	bool row;

	TRY(db_prepare(db, "SELECT state, serial, authzs FROM orders WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ORDER_ID));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such order");
	TRY(store_get_state(st, 0, ORDER__MAX, &state, e));
	ret->state = (enum order_state)state;
	memset(ret->serial, 0, sizeof ret->serial);
	if (db_view(st, 1).ptr)
		TRY(db_fixed(st, 1, ret->serial, sizeof ret->serial, e));
	struct bytes ids = db_view(st, 2);
	if (ids.len == 0 || ids.len > sizeof ret->authz || ids.len % STORE_AUTHZ_ID != 0)
		FAIL(e, STORE, "an order in the database has %zu bytes of authorization ids", ids.len);
	memcpy(ret->authz, ids.ptr, ids.len);
	ret->n_authz = ids.len / STORE_AUTHZ_ID;
	return ERR_OK;
}

struct add {
	const struct store_order *order;
	const struct store_authz *authz;
	size_t n_authz;
	const uint8_t *replaced;
};

static bool order_has(const struct store_order *o, const uint8_t authz[STORE_AUTHZ_ID])
{
	for (size_t i = 0; i < o->n_identifiers; i++)
		if (memcmp(o->authz[i], authz, STORE_AUTHZ_ID) == 0)
			return true;
	return false;
}

/* What the rest of the store relies on. */
static bool add_valid(const struct add *add)
{
	const struct store_order *o = add->order;

	if (o->n_identifiers < 1 || o->n_identifiers > STORE_NAMES_MAX || (unsigned)o->state >= ORDER__MAX ||
	    add->n_authz > o->n_identifiers)
		return false;
	for (size_t i = 0; i < add->n_authz; i++) {
		const struct store_authz *z = &add->authz[i];
		if (!order_has(o, z->id) || memcmp(z->order, o->id, sizeof z->order) != 0)
			return false;
		if (z->n_challenges > STORE_CHALLENGES_MAX || (unsigned)z->state >= AUTHZ__MAX)
			return false;
	}
	return true;
}

static void bind_wish(struct db_stmt *st, unsigned n, int64_t v)
{
	if (v)
		db_bind_int(st, n, v);
	else
		db_bind_bytes(st, n, BYTES_NONE);
}

enum err_code order_insert(struct db *db, const struct store_order *v, struct err *e)
{
	CLEANUP(buf_free_p) struct buf identifiers = buf_new(STORE_BLOB_MAX);
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	encode_identifiers(v->identifiers, v->n_identifiers, &identifiers);
	errno = 0;
	if (!buf_ok(&identifiers))
		FAIL(e, NOMEM, "no room for an order");
	TRY(db_prepare(db,
	    "INSERT INTO orders (id, state, account, created_s, expires_s, authzs, identifiers, problem, new_order,"
	    " finalize, not_before_s, not_after_s, profile, replaces)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
	    &st, e));
	db_bind_bytes(st, 1, span(v->id, sizeof v->id));
	db_bind_int(st, 2, v->state);
	db_bind_bytes(st, 3, span(v->account, sizeof v->account));
	db_bind_int(st, 4, v->created_s);
	db_bind_int(st, 5, v->expires_s);
	db_bind_bytes(st, 6, span(v->authz[0], v->n_identifiers * sizeof v->authz[0]));
	db_bind_bytes(st, 7, buf_bytes(&identifiers));
	db_bind_bytes(st, 8, v->problem);
	db_bind_bytes(st, 9, v->new_order);
	db_bind_bytes(st, 10, v->finalize);
	bind_wish(st, 11, v->not_before_s);
	bind_wish(st, 12, v->not_after_s);
	db_bind_bytes(st, 13, v->profile);
	db_bind_bytes(st, 14, v->replaces);
	return db_run(st, &n, e);
}

/* Whether the order has come to nothing, by now_s. */
static enum err_code is_over(struct db *db, const uint8_t id[STORE_ORDER_ID], int64_t now_s, bool *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t until_s, caa_s;
	struct head h;
	bool row;

	TRY(db_prepare(db, "SELECT expires_s FROM orders WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ORDER_ID));
	TRY(db_step(st, &row, e));
	*ret = true;
	if (!row)
		return ERR_OK;
	bool open = db_int(st, 0) > now_s;
	TRY(read_head(db, id, &h, e));
	for (size_t i = 0; open && i < h.n_authz; i++) {
		TRY(authz_until(db, h.authz[i], &until_s, &caa_s, e));
		open = until_s > now_s;
	}
	*ret = h.state == ORDER_INVALID || ((h.state == ORDER_PENDING || h.state == ORDER_READY) && !open);
	return ERR_OK;
}

/* RFC 9773 §5: a certificate is replaced once, but an order that came to nothing is no replacement. */
static enum err_code mark_replaced(struct db *db, const struct add *add, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL, *update = NULL;
	uint8_t by[STORE_ORDER_ID];
	bool row, over = true;
	int64_t n;

	TRY(db_prepare(db, "SELECT replaced_by FROM certificates WHERE serial = $1", &st, e));
	db_bind_bytes(st, 1, span(add->replaced, STORE_SERIAL));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	if (db_view(st, 0).ptr) {
		TRY(db_fixed(st, 0, by, sizeof by, e));
		TRY(is_over(db, by, add->order->created_s, &over, e));
	}
	errno = 0;
	if (!over)
		FAIL(e, ALREADY_REPLACED, "an order to replace this certificate has been made already");
	TRY(db_prepare(db, "UPDATE certificates SET replaced_by = $2 WHERE serial = $1", &update, e));
	db_bind_bytes(update, 1, span(add->replaced, STORE_SERIAL));
	db_bind_bytes(update, 2, span(add->order->id, STORE_ORDER_ID));
	return db_run(update, &n, e);
}

static enum err_code add_order(struct db *db, void *ctx, struct err *e)
{
	const struct add *add = ctx;

	if (add->replaced)
		TRY(mark_replaced(db, add, e));
	TRY(order_insert(db, add->order, e));
	for (size_t i = 0; i < add->n_authz; i++)
		TRY(authz_insert(db, &add->authz[i], e));
	return ERR_OK;
}

enum err_code store_add_order(struct store *s, const struct store_order *order, const struct store_authz *authz, size_t n_authz,
    const uint8_t *replaced, struct err *e)
{
	struct add add = { order, authz, n_authz, replaced };

	errno = 0;
	if (!add_valid(&add))
		FAIL(e, BUG, "an order whose authorizations do not belong to it");
	uint32_t mark[STORE_NAMES_MAX];
	for (size_t i = 0; i < n_authz; i++)
		mark[i] = recent_mark(s->recent, authz[i].id);
	TRY(db_writer_run(s->writer, add_order, &add, e));
	for (size_t i = 0; i < n_authz; i++)
		recent_offer(s->recent, mark[i], &authz[i]);
	return ERR_OK;
}

static enum err_code authz_is_valid(struct db *db, const uint8_t id[STORE_AUTHZ_ID], bool *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	TRY(db_prepare(db, "SELECT state FROM authzs WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_AUTHZ_ID));
	TRY(db_step(st, &row, e));
	*ret = row && db_int(st, 0) == AUTHZ_VALID;
	return ERR_OK;
}

/* The search begins behind the one that has just become valid and ends at the first that is not: validations end roughly in
 * their order, so an order of a hundred names mostly costs one look for each of them and not a hundred. */
static enum err_code all_valid(struct db *db, const struct head *h, const uint8_t authz[STORE_AUTHZ_ID], bool *ret, struct err *e)
{
	bool valid = true;
	size_t at = 0;

	while (at < h->n_authz && memcmp(h->authz[at], authz, STORE_AUTHZ_ID) != 0)
		at++;
	for (size_t i = 1; valid && i <= h->n_authz; i++)
		TRY(authz_is_valid(db, h->authz[(at + i) % h->n_authz], &valid, e));
	*ret = valid;
	return ERR_OK;
}

static enum err_code set_state(struct db *db, const uint8_t id[STORE_ORDER_ID], enum order_state state, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db, "UPDATE orders SET state = $2 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ORDER_ID));
	db_bind_int(st, 2, state);
	return db_run(st, &n, e);
}

enum err_code order_follow_authz(
    struct db *db, const uint8_t id[STORE_ORDER_ID], const uint8_t authz[STORE_AUTHZ_ID], bool valid, struct err *e)
{
	static const uint8_t none[STORE_ORDER_ID];
	struct head h;
	bool ready = false;

	if (memcmp(id, none, sizeof none) == 0)
		return ERR_OK;
	TRY(read_head(db, id, &h, e));
	if (h.state != ORDER_PENDING)
		return ERR_OK; /* another of its authorizations has failed before */
	if (valid)
		TRY(all_valid(db, &h, authz, &ready, e));
	if (valid && !ready)
		return ERR_OK;
	return set_state(db, id, valid ? ORDER_READY : ORDER_INVALID, e);
}

/* The order's step in finalization. */
struct step {
	const uint8_t *order;
	struct bytes finalize, problem;
	const struct store_certificate *certificate;
	bool retry;
};

static enum err_code wrong_state(enum order_state is, struct err *e)
{
	errno = 0;
	FAIL(e, CONFLICT, "the order is %s", order_state_name(is));
}

static enum err_code begin_finalize(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct step *step = ctx;
	struct head h;
	int64_t n;

	TRY(read_head(db, step->order, &h, e));
	if (h.state != ORDER_READY)
		return wrong_state(h.state, e);
	TRY(db_prepare(db, "UPDATE orders SET state = $2, finalize = $3 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(step->order, STORE_ORDER_ID));
	db_bind_int(st, 2, ORDER_PROCESSING);
	db_bind_bytes(st, 3, step->finalize);
	return db_run(st, &n, e);
}

enum err_code store_begin_finalize(struct store *s, const uint8_t order[STORE_ORDER_ID], struct bytes finalize, struct err *e)
{
	return db_writer_run(s->writer, begin_finalize, &(struct step){ .order = order, .finalize = finalize }, e);
}

static enum err_code end_finalize(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct step *step = ctx;
	const struct store_certificate *c = step->certificate;
	struct head h;
	int64_t n;

	TRY(read_head(db, step->order, &h, e));
	if (h.state == ORDER_VALID && memcmp(h.serial, c->serial, sizeof h.serial) == 0)
		return ERR_OK; /* the same answer of the signer once more */
	if (!order_may(h.state, ORDER_VALID))
		return wrong_state(h.state, e);
	TRY(certificate_insert(db, c, e));
	TRY(db_prepare(db, "UPDATE orders SET state = $2, serial = $3, finalize = coalesce($4, finalize) WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(step->order, STORE_ORDER_ID));
	db_bind_int(st, 2, ORDER_VALID);
	db_bind_bytes(st, 3, span(c->serial, sizeof c->serial));
	db_bind_bytes(st, 4, step->finalize.len > 0 ? step->finalize : BYTES_NONE);
	return db_run(st, &n, e);
}

enum err_code store_end_finalize(
    struct store *s, const uint8_t order[STORE_ORDER_ID], struct bytes finalize, const struct store_certificate *c, struct err *e)
{
	errno = 0;
	if (memcmp(c->order, order, STORE_ORDER_ID) != 0)
		FAIL(e, BUG, "a certificate of another order");
	return db_writer_run(s->writer, end_finalize, &(struct step){ .order = order, .finalize = finalize, .certificate = c }, e);
}

static enum err_code fail_finalize(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct step *step = ctx;
	struct head h;
	int64_t n;

	TRY(read_head(db, step->order, &h, e));
	/* Where the front went straight from ready, there was no processing to end: it may still end the order for good. */
	if (h.state != ORDER_PROCESSING && !(h.state == ORDER_READY && !step->retry))
		return wrong_state(h.state, e);
	TRY(db_prepare(db, "UPDATE orders SET state = $2, problem = $3, finalize = $4 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(step->order, STORE_ORDER_ID));
	db_bind_int(st, 2, step->retry ? ORDER_READY : ORDER_INVALID);
	db_bind_bytes(st, 3, step->problem);
	db_bind_bytes(st, 4, BYTES_NONE); /* empty before: the next finalize request brings its own */
	return db_run(st, &n, e);
}

enum err_code store_fail_finalize(struct store *s, const uint8_t order[STORE_ORDER_ID], bool retry, struct bytes problem, struct err *e)
{
	return db_writer_run(s->writer, fail_finalize, &(struct step){ .order = order, .retry = retry, .problem = problem }, e);
}

struct list {
	size_t max;
	uint8_t (*ids)[STORE_ORDER_ID];
	size_t n;
};

static enum err_code list_processing(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	struct list *l = ctx;
	bool row;

	/* The state is written out: only then SQLite sees that the partial index serves. */
	_Static_assert(ORDER_PROCESSING == 2, "the number in 001_initial.sql and below");
	TRY(db_prepare(db, "SELECT id FROM orders WHERE state = 2 ORDER BY id LIMIT $1", &st, e));
	db_bind_int(st, 1, (int64_t)l->max);
	for (;;) {
		TRY(db_step(st, &row, e));
		if (!row || l->n == l->max)
			return ERR_OK;
		TRY(db_fixed(st, 0, l->ids[l->n++], STORE_ORDER_ID, e));
	}
}

enum err_code store_list_processing(
    struct store *s, struct arena *a, size_t max, uint8_t (**ret_ids)[STORE_ORDER_ID], size_t *ret_n, struct err *e)
{
	struct list l = { .max = max };

	l.ids = arena_array(a, max, sizeof *l.ids);
	errno = 0;
	if (!l.ids)
		FAIL(e, NOMEM, "no room for %zu order ids", max);
	TRY(db_pool_read(s->readers, list_processing, &l, e));
	*ret_ids = l.ids;
	*ret_n = l.n;
	return ERR_OK;
}
