#include "server/signer/revoke.h"

#include "base/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Of what one batch may add. */
#define ROOM SIGNER_BATCH_MAX

enum err_code revoked_check_room(const struct signer *s, struct err *e)
{
	if (set_count(s->revoked) + ROOM > REVOKED_MAX || set_count(s->compromised) + ROOM > REVOKED_MAX)
		FAIL(e, BUSY, "the table of revoked certificates is full: it holds %u", REVOKED_MAX);
	return ERR_OK;
}

static enum err_code add(struct signer *s, const struct revoked_entry *n, struct err *e)
{
	TRY(set_add(s->revoked, n, e));
	s->issuers[n->issuer].lists.changed = true;
	return ERR_OK;
}

/* What was never signed, or was and nobody has it: it stands revoked all the same. */
enum err_code revoked_take_void(struct signer *s, const struct record *r, struct err *e)
{
	struct voided v;

	TRY(void_read(r, &v, e));
	const struct ca_issuer *i = issuers_of_record(s, v.issuer);
	if (!i)
		return ERR_OK; /* it has ended, and its lists with it */
	struct revoked_entry n = { .time_s = r->time_ms / 1000,
		.not_after_s = i->issuer->not_after_s,
		.reason = CRL_UNSPECIFIED,
		.issuer = (uint8_t)(i - s->issuers) };
	memcpy(n.serial, v.serial, sizeof n.serial);
	return add(s, &n, e);
}

/* A key is closed on the word of whoever has it: by its own signature, or by the account that had it certified, which has shown then that it
 * had it. */
static enum err_code close_key(struct signer *s, const struct revocation *v, struct err *e)
{
	if (v->reason != CRL_KEY_COMPROMISE || v->by == REVOKED_BY_NAMES)
		return ERR_OK;
	return set_add(s->compromised, v->spki_digest, e);
}

enum err_code revoked_take(struct signer *s, const struct record *r, struct err *e)
{
	struct revocation v;

	TRY(revocation_read(r, &v, e));
	TRY(close_key(s, &v, e));
	const struct ca_issuer *i = issuers_of_record(s, v.issuer);
	if (!i)
		return ERR_OK;
	struct revoked_entry n = {
		.time_s = v.time_s, .not_after_s = v.not_after_s, .reason = v.reason, .issuer = (uint8_t)(i - s->issuers)
	};
	memcpy(n.serial, v.serial, sizeof n.serial);
	struct revoked_entry *was = set_find(s->revoked, n.serial);
	if (!was)
		return add(s, &n, e);
	was->reason = v.reason; /* the time stays: it was revoked from then on */
	s->issuers[was->issuer].lists.changed = true;
	return ERR_OK;
}

/* Some lists may be made faster than they are fetched; so not the next list's making ends it, but one an interval later. */
bool revoked_is_over(const struct signer *s, const struct revoked_entry *n)
{
	return n->not_after_s + (int64_t)s->settings.crl_interval < s->issuers[n->issuer].lists.logged.this_update_s;
}

static bool keeps(void *ctx, const void *item)
{
	return !revoked_is_over(ctx, item);
}

/* Forgets what no list needs, whenever there is twice as much as then: so a start with many years' log holds no more than a running
 * signer. */
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
	i->lists.logged = v;
	i->lists.changed = false;
	if (set_count(s->revoked) < 2 * s->swept)
		return ERR_OK;
	TRY(set_keep(s->revoked, keeps, s, e));
	s->swept = set_count(s->revoked) > 1024 ? set_count(s->revoked) : 1024;
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
