#include "server/signer/revoke.h"

#include "base/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Of what one batch may add. */
#define ROOM SIGNER_BATCH_MAX

enum err_code revoked_check_room(const struct signer *s, struct err *e)
{
	if (s->n_revoked + ROOM > REVOKED_MAX || set_count(s->compromised) + ROOM > REVOKED_MAX)
		FAIL(e, BUSY, "the table of revoked certificates is full: it holds %u", REVOKED_MAX);
	return ERR_OK;
}

struct revoked_entry *revoked_find(const struct signer *s, const uint8_t serial[SERIAL_SIZE])
{
	struct revoked_entry *found = NULL;

	for (size_t i = 0; !found && i < s->n_issuers; i++)
		found = entries_find(&s->issuers[i].shards[serial_shard(serial)].entries, serial);
	return found;
}

/* One that has a REVOKE already gets another reason with the next; the time stays: it was revoked from then on. */
static enum err_code add(struct signer *s, const uint8_t issuer[ISSUER_KEY_SIZE], const struct revoked_entry *n, struct err *e)
{
	const struct ca_issuer *i = issuers_of_record(s, issuer);

	if (!i)
		return ERR_OK; /* it has ended, and its lists with it */
	struct shard *x = &i->shards[serial_shard(n->serial)];
	struct revoked_entry *was = entries_find(&x->entries, n->serial);
	x->changed = true;
	if (was) {
		was->reason = n->reason;
		return ERR_OK;
	}
	TRY(entries_add(&x->entries, n, e));
	s->n_revoked++;
	return ERR_OK;
}

/* What was never signed, or was and nobody has it: it stands revoked all the same, until its issuer's end. */
enum err_code revoked_take_void(struct signer *s, const struct record *r, struct err *e)
{
	struct voided v;

	TRY(void_read(r, &v, e));
	const struct ca_issuer *i = issuers_of_record(s, v.issuer);
	struct revoked_entry n = { .time_s = r->time_ms / 1000, .not_after_s = i ? i->issuer->not_after_s : 0, .reason = CRL_UNSPECIFIED };
	memcpy(n.serial, v.serial, sizeof n.serial);
	return add(s, v.issuer, &n, e);
}

/* A key is closed on the word of whoever has it: by its own signature, or by the account that had it certified, which has shown then that it
 * had it. */
static enum err_code close_key(struct signer *s, const struct revocation *v, struct err *e)
{
	if (v->reason != CRL_KEY_COMPROMISE || v->by == REVOKED_BY_NAMES)
		return ERR_OK;
	return set_add(s->compromised, v->spki_digest, e);
}

/* The database learns of a revocation by a notice also when a client has asked for it: the answer may be lost, with the process that waits for it. */
void revoked_tell(struct signer *s, const uint8_t serial[SERIAL_SIZE], int64_t time_s, uint8_t reason)
{
	struct revoked_new *n = &s->news.revoked[s->news.n_revoked++ % REVOKED_NEW_MAX];

	memcpy(n->serial, serial, sizeof n->serial);
	n->time_s = time_s;
	n->reason = reason;
}

enum err_code revoked_take(struct signer *s, const struct record *r, struct err *e)
{
	struct revocation v;

	TRY(revocation_read(r, &v, e));
	TRY(close_key(s, &v, e));
	revoked_tell(s, v.serial, v.time_s, v.reason);
	struct revoked_entry n = { .time_s = v.time_s, .not_after_s = v.not_after_s, .reason = v.reason };
	memcpy(n.serial, v.serial, sizeof n.serial);
	return add(s, v.issuer, &n, e);
}

/* Some lists may be made faster than they are fetched; so not the next list's making ends it, but one an interval later. */
struct over {
	int64_t before_s;
};

static bool keeps(void *ctx, const struct revoked_entry *n)
{
	const struct over *o = ctx;

	return n->not_after_s >= o->before_s;
}

void revoked_settle(struct signer *s, struct shard *x)
{
	struct over o = { x->logged.this_update_s - (int64_t)s->settings.crl_interval };
	size_t before = x->entries.n;

	entries_keep(&x->entries, keeps, &o);
	s->n_revoked -= before - x->entries.n;
	entries_settle(&x->entries);
}

/* Forgets what is over here as well, so that a start with many years' log holds no more than a running signer. */
enum err_code crl_take(struct signer *s, const struct record *r, struct err *e)
{
	struct crl_made v;

	TRY(crl_made_read(r, &v, e));
	errno = 0;
	if (v.number != r->sequence)
		FAIL(e, IO, "record %" PRIu64 " of the log is a revocation list with the number %" PRIu64, r->sequence, v.number);
	struct ca_issuer *i = issuers_of_record(s, v.issuer);
	if (!i)
		return ERR_OK;
	struct shard *x = &i->shards[v.shard];
	x->logged = v;
	x->changed = false;
	if (x->entries.n > 2 * ENTRIES_TAIL)
		revoked_settle(s, x);
	return ERR_OK;
}

enum err_code compromised_check(const struct signer *s, struct bytes spki, struct err *e)
{
	uint8_t digest[SHA256_SIZE];

	sha256_one(spki, digest);
	if (set_find(s->compromised, digest))
		FAIL(e, BAD_CSR, "a certificate of this key was revoked because the key is compromised: make a new one");
	return ERR_OK;
}
