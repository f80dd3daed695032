/* Opening and closing a signer, its settings and counters. */
#include "server/signer/lists.h"

#include "base/clock.h"
#include "base/seam.h"
#include "pki/ocsp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SETTINGS_MAX (1u << 20)

static enum err_code check_profiles(const struct settings *s, struct err *e)
{
	errno = 0;
	if (s->n_profiles == 0)
		FAIL(e, CONFIG, "there is no profile");
	for (size_t i = 0; i < s->n_profiles; i++)
		if (s->profiles[i].name.len == 0 || s->profiles[i].lifetime_s == 0 || s->profiles[i].names_max == 0)
			FAIL(e, CONFIG, "profile %zu has no name, no lifetime or no names", i + 1);
	return ERR_OK;
}

static enum err_code check_settings(const struct settings *s, struct err *e)
{
	errno = 0;
	if (s->base_url.len == 0 || s->base_url.ptr[s->base_url.len - 1] == '/')
		FAIL(e, CONFIG, "base-url must be there and end without a slash");
	if (s->caa_identity.len == 0)
		FAIL(e, CONFIG, "caa-identity must be there");
	if (s->order_lifetime == 0 || s->order_lifetime > ORDER_LIFETIME_MAX_S)
		FAIL(e, CONFIG, "order-lifetime must be at most %d s", ORDER_LIFETIME_MAX_S);
	if (s->segment_size < SEGMENT_SIZE_MIN || s->segment_size > SEGMENT_SIZE_MAX)
		FAIL(e, CONFIG, "segment-size must be between %u and %u bytes", SEGMENT_SIZE_MIN, SEGMENT_SIZE_MAX);
	if (s->crl_shards == 0 || s->crl_shards > SHARDS_MAX)
		FAIL(e, CONFIG, "crl-shards must be 1 to %d", SHARDS_MAX);
	if (s->crl_lifetime == 0 || s->crl_lifetime > CRL_UPDATE_MAX_S)
		FAIL(e, CONFIG, "crl-lifetime must be at most %d s (Baseline Requirements 7.2)", CRL_UPDATE_MAX_S);
	if (s->crl_interval == 0 || s->crl_interval >= s->crl_lifetime)
		FAIL(e, CONFIG, "crl-interval must be less than crl-lifetime: the next list must be there before one ends");
	if (s->ocsp_lifetime < OCSP_LIFETIME_MIN_S || s->ocsp_lifetime > OCSP_LIFETIME_MAX_S)
		FAIL(e, CONFIG, "ocsp-lifetime must be 8h to 10d (Baseline Requirements 4.9.10)");
	return check_profiles(s, e);
}

/* A copy of our own, by the way that they came: nobody else's memory is relied on, and a bad change leaves the old in force. */
enum err_code signer_settings(struct signer *s, const struct settings *settings, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, SETTINGS_MAX);
	CLEANUP(buf_free_p) struct buf wire = buf_new(SETTINGS_MAX);
	struct name_policy policy;
	struct settings copy;

	TRY(check_settings(settings, e));
	settings_write(settings, SETTINGS_READER_S, &wire);
	if (!a || !buf_ok(&wire))
		FAIL(e, NOMEM, "no memory for the settings");
	TRY(settings_read(a, buf_bytes(&wire), SETTINGS_READER_S, &copy, e));
	TRY(settings_name_policy(a, &copy, &policy, e));
	if (s->n_issuers > 0)
		TRY(issuers_check_profiles(s, &copy, e));
	arena_free(s->settings_arena);
	s->settings_arena = TAKE(a);
	s->settings = copy;
	s->policy = policy;
	if (s->log)
		log_set_segment_size(s->log, copy.segment_size);
	return ERR_OK;
}

/* What the log knows of the last hours. */
static enum err_code found(void *ctx, const struct log_entry *n, struct err *e)
{
	struct signer *s = ctx;
	int64_t oldest_ms = clock_wall_ms() - ORDER_LIFETIME_MAX_S * INT64_C(1000) - ORDER_SLACK_MS - ORDER_SKEW_MS;

	if (n->ocsp)
		return ERR_OK; /* a start makes its own */
	if (n->tls) {
		tls_remember(s, n);
		return ERR_OK;
	}
	if (order_id_time_ms(n->order) < oldest_ms)
		return ERR_OK;
	struct order_done d = { .segment = n->segment, .offset = n->offset };
	memcpy(d.order, n->order, sizeof d.order);
	memcpy(d.csr_digest, n->csr_digest, sizeof d.csr_digest);
	TRY(orders_reserve(s->orders, d.order, 1, e));
	orders_add(s->orders, &d);
	return ERR_OK;
}

static enum err_code open_log(struct signer *s, struct err *e)
{
	struct log_open_request q = { .instance = s->identity.instance,
		.segment_size = s->settings.segment_size,
		.since_ms = clock_wall_ms() - DAY_MS - ORDER_SKEW_MS,
		.found = found,
		.recall = event_recall,
		.ctx = s };

	s->log_dir = seam->openat(s->dir, FOLDER_LOG, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (s->log_dir < 0)
		FAIL(e, IO,
		    "the signer's folder \"%s\" cannot be opened (%s): put it back from the newest backup, see chancery-ca(8), BACKUP",
		    FOLDER_LOG, strerror(errno));
	TRY(log_open(s->log_dir, &q, &s->log, e));
	errno = 0;
	if (log_position(s->log).chain.sequence == 0)
		FAIL(e, IO, "the log has no first record: \"chancery-ca init\" was interrupted");
	s->counts.voided = log_counts(s->log).voided;
	return checkpoint_check_file(s, e);
}

enum err_code signer_open(int dir, const struct settings *settings, struct signer **ret, struct err *e)
{
	return signer_open_with(dir, settings, BYTES_LIT(""), ret, e);
}

enum err_code signer_open_with(int dir, const struct settings *settings, struct bytes passphrase, struct signer **ret, struct err *e)
{
	CLEANUP(signer_close_p) struct signer *s = calloc(1, sizeof *s);

	if (!s)
		FAIL(e, NOMEM, "no memory for the signer");
	s->dir = s->log_dir = -1;
	s->scratch = buf_new(CERT_SIZE_MAX);
	s->event = buf_new(RECORD_SIZE_MAX);
	s->arena = arena_new(16384, SETTINGS_MAX);
	s->orders = orders_new();
	s->accounts = accounts_new();
	s->blocks = blocks_new();
	s->compromised = set_new(SHA256_SIZE, SHA256_SIZE, REVOKED_MAX);
	if (!s->arena || !s->orders || !s->accounts || !s->blocks || !s->compromised)
		FAIL(e, NOMEM, "no memory for the signer");
	s->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (s->dir < 0)
		FAIL(e, IO, "no descriptor for the signer's folder");
	TRY(signer_settings(s, settings, e));
	TRY(issuers_load(s, passphrase, e));
	TRY(issuers_check_profiles(s, &s->settings, e));
	TRY(signer_load(s, e));
	TRY(eab_keys_load(s->dir, s->identity.instance, &s->eab, e));
	TRY(open_log(s, e));
	TRY(issuers_check_known(s, e));
	*ret = TAKE(s);
	return ERR_OK;
}

void signer_close(struct signer *s)
{
	if (!s)
		return;
	signer_keyholder(s, NULL);
	if (s->log)
		log_close(s->log);
	for (size_t i = 0; i < KEY_CACHE_SIZE; i++)
		key_free(s->keys[i].key);
	for (size_t i = 0; i < FORMER_KEYS; i++)
		key_free(s->former[i].key);
	key_free(s->log_key);
	orders_free(s->orders);
	accounts_free(s->accounts);
	blocks_free(s->blocks);
	eab_keys_free(s->eab);
	set_free(s->compromised);
	issuers_free(s);
	buf_free(&s->scratch);
	buf_free(&s->event);
	arena_free(s->settings_arena);
	arena_free(s->arena);
	close_p(&s->log_dir);
	close_p(&s->dir);
	crypto_wipe(&s->identity, sizeof s->identity);
	free(s);
}

void signer_block(struct signer *s, struct blocked *b)
{
	s->blocked = b;
}

size_t signer_issuers(const struct signer *s)
{
	return s->n_issuers;
}

struct hello_issuer signer_issuer(const struct signer *s, size_t i)
{
	const struct ca_issuer *c = &s->issuers[i];

	return (struct hello_issuer){ .name = bytes_str(c->name), .chain = buf_bytes(&c->chain), .root = c->root };
}

const uint8_t *signer_instance(const struct signer *s)
{
	return s->identity.instance;
}

int64_t signer_issuer_not_after_s(const struct signer *s, size_t i)
{
	return s->issuers[i].issuer->not_after_s;
}

uint64_t signer_free_bytes(const struct signer *s)
{
	struct statvfs fs;

	return fstatvfs(s->log_dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

struct signer_counts signer_counts(const struct signer *s)
{
	struct signer_counts c = s->counts;
	struct log_counts l = log_counts(s->log);

	c.log_records = log_position(s->log).chain.sequence;
	c.log_bytes = l.bytes;
	c.log_segments = l.segments;
	c.revoked = s->n_revoked;
	c.blocked = blocks_count(s->blocks);
	c.keys_compromised = set_count(s->compromised);
	lists_count(s, &c);
	c.syncs = l.syncs;
	c.reserve_bytes = s->settings.reserve;
	c.log_time_s = log_position(s->log).chain.time_ms / 1000;
	return c;
}
