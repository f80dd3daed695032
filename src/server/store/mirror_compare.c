/* The comparison itself, by what the log was found to say. */
#include "server/store/mirror_inside.h"

#include "crypto/digest.h"

#include <string.h>

enum { UNTIL = 1, KEPT = 2 }; /* which parameters a question has */

/* $1: what was logged from then on is passed over; $2: what ended before then may be missing. Each gives the ids that differ. */
static const struct {
	enum difference difference;
	unsigned parameters;
	const char *sql;
} questions[] = {
	{ DIFFERENCE_CERTIFICATE_MISSING, UNTIL | KEPT,
	    "SELECT serial FROM temp.logged WHERE kind = 0 AND found & 1 = 0 AND time_ms < $1 AND not_after_s >= $2" },
	{ DIFFERENCE_CERTIFICATE_DIFFERS, UNTIL, "SELECT serial FROM temp.logged WHERE kind = 0 AND found & 2 AND time_ms < $1" },
	{ DIFFERENCE_CHAIN_DIFFERS, UNTIL, "SELECT serial FROM temp.logged WHERE kind = 0 AND found & 4 AND time_ms < $1" },
	{ DIFFERENCE_CERTIFICATE_UNKNOWN, 0,
	    "SELECT c.serial FROM certificates c LEFT JOIN temp.logged l ON l.serial = c.serial"
	    " WHERE (l.serial IS NULL OR l.kind = 1)" },
	{ DIFFERENCE_CERTIFICATE_VOID, 0,
	    "SELECT c.serial FROM certificates c JOIN temp.logged l ON l.serial = c.serial"
	    " WHERE l.kind = 2" },
	{ DIFFERENCE_REVOCATION_MISSING, UNTIL,
	    "SELECT l.serial FROM temp.logged l JOIN certificates c ON c.serial = l.serial"
	    " WHERE l.revoked_s IS NOT NULL AND l.revoked_ms < $1 AND c.revoked_s IS NULL" },
	{ DIFFERENCE_REVOCATION_DIFFERS, UNTIL,
	    "SELECT l.serial FROM temp.logged l JOIN certificates c ON c.serial = l.serial"
	    " WHERE l.revoked_s IS NOT NULL AND l.revoked_ms < $1 AND c.revoked_s IS NOT NULL"
	    " AND (c.revoked_s != l.revoked_s OR c.reason != l.reason)" },
	{ DIFFERENCE_REVOCATION_UNKNOWN, 0,
	    "SELECT c.serial FROM certificates c JOIN temp.logged l ON l.serial = c.serial"
	    " WHERE c.revoked_s IS NOT NULL AND l.revoked_s IS NULL AND l.kind = 0" },
	{ DIFFERENCE_REPLACEMENT_DIFFERS, UNTIL,
	    "SELECT l.replaces FROM temp.logged l JOIN certificates c ON c.serial = l.replaces"
	    " WHERE c.replaced_by IS NOT l.order_id AND l.time_ms < $1" },
	{ DIFFERENCE_ORDER_MISSING, UNTIL | KEPT,
	    "SELECT order_id FROM temp.logged WHERE kind = 0 AND found & 8 = 0 AND time_ms < $1 AND not_after_s >= $2" },
	{ DIFFERENCE_ORDER_DIFFERS, UNTIL, "SELECT order_id FROM temp.logged WHERE kind = 0 AND found & 16 AND time_ms < $1" },
	{ DIFFERENCE_ORDER_UNKNOWN, 0,
	    "SELECT o.id FROM orders o LEFT JOIN temp.logged l ON l.serial = o.serial"
	    " WHERE o.state = 3 AND (l.kind IS NOT 0 OR l.order_id != o.id)" },
	{ DIFFERENCE_ACCOUNT_MISSING, UNTIL | KEPT,
	    "SELECT l.id FROM temp.logged_accounts l LEFT JOIN accounts a ON a.id = l.id"
	    " WHERE a.id IS NULL AND l.time_ms < $1 AND ($2 = 0 OR EXISTS"
	    " (SELECT 1 FROM temp.logged c WHERE c.account = l.id AND c.not_after_s >= $2))" },
	{ DIFFERENCE_KEY_HISTORY, UNTIL,
	    "SELECT k.thumbprint FROM temp.logged_keys k JOIN accounts a ON a.id = k.account"
	    " LEFT JOIN account_keys d ON d.thumbprint = k.thumbprint"
	    " WHERE k.time_ms < $1 AND (d.thumbprint IS NULL OR d.account != k.account OR d.state != k.state)" },
};

static enum err_code ask(struct mirror *m, size_t i, const struct mirror_scope *scope, mirror_visit *visit, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	_Static_assert(ORDER_VALID == 3, "the number above");
	TRY(db_prepare(m->db, questions[i].sql, &st, e));
	if (questions[i].parameters & UNTIL)
		db_bind_int(st, 1, scope->until_ms);
	if (questions[i].parameters & KEPT)
		db_bind_int(st, 2, scope->kept_s);
	for (;;) {
		TRY(db_step(st, &row, e));
		if (!row)
			return ERR_OK;
		TRY(visit(ctx, questions[i].difference, db_view(st, 0), e));
	}
}

/* One account that the database has, and what the log says of it, if anything. */
struct both {
	struct bytes id, kid, logged_thumbprint, logged_kid;
	uint8_t thumbprint[SHA256_SIZE]; /* of its key, which is stored in its canonical form (RFC 7638) */
	int64_t state, logged_state;
	bool logged;
};

static enum err_code compare_account(const struct both *b, mirror_visit *visit, void *ctx, struct err *e)
{
	bool same_key = bytes_eq(b->logged ? b->logged_thumbprint : b->id, BYTES_ARRAY(b->thumbprint));
	bool bound = b->kid.len > 0, logged_bound = b->logged && b->logged_kid.len > 0;

	if (!b->logged && (!same_key || bound || b->state == ACCOUNT_DEACTIVATED))
		return visit(ctx, DIFFERENCE_ACCOUNT_UNLOGGED, b->id, e);
	if (!same_key)
		TRY(visit(ctx, DIFFERENCE_ACCOUNT_KEY, b->id, e));
	if (b->logged_state == ACCOUNT_DEACTIVATED && b->state == ACCOUNT_VALID)
		TRY(visit(ctx, DIFFERENCE_ACCOUNT_ENDED, b->id, e));
	if (b->logged && b->logged_state == ACCOUNT_VALID && b->state == ACCOUNT_DEACTIVATED)
		TRY(visit(ctx, DIFFERENCE_ACCOUNT_UNLOGGED, b->id, e));
	if (bound != logged_bound || (bound && !bytes_eq(b->kid, b->logged_kid)))
		TRY(visit(ctx, bound && !logged_bound ? DIFFERENCE_ACCOUNT_UNLOGGED : DIFFERENCE_ACCOUNT_BINDING, b->id, e));
	return ERR_OK;
}

/* Whatever an account is in the database was logged before, so that only one whose last record is new is passed over. */
static enum err_code compare_accounts(struct mirror *m, const struct mirror_scope *scope, mirror_visit *visit, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	TRY(db_prepare(m->db,
	    "SELECT a.id, a.state, a.jwk, a.eab_kid, l.thumbprint, l.state, l.kid FROM accounts a"
	    " LEFT JOIN temp.logged_accounts l ON l.id = a.id WHERE l.id IS NULL OR l.key_ms < $1",
	    &st, e));
	db_bind_int(st, 1, scope->until_ms);
	for (;;) {
		TRY(db_step(st, &row, e));
		if (!row)
			return ERR_OK;
		struct both b = {
			.id = db_view(st, 0), .state = db_int(st, 1), .kid = db_view(st, 3), .logged_thumbprint = db_view(st, 4)
		};
		b.logged = b.logged_thumbprint.ptr != NULL;
		b.logged_state = b.logged ? db_int(st, 5) : ACCOUNT_VALID;
		b.logged_kid = db_view(st, 6);
		sha256_one(db_view(st, 2), b.thumbprint);
		TRY(compare_account(&b, visit, ctx, e));
	}
}

enum err_code mirror_differences(struct mirror *m, const struct mirror_scope *scope, mirror_visit *visit, void *ctx, struct err *e)
{
	TRY(mirror_run(m, "CREATE INDEX IF NOT EXISTS temp.logged_by_account ON logged (account, not_after_s)", e));
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		TRY(ask(m, i, scope, visit, ctx, e));
	return compare_accounts(m, scope, visit, ctx, e);
}
