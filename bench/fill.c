/* bench_fill CONFIG CERTIFICATES ACCOUNTS OPEN REVOKED DAYS KEY: a CA that has been running for DAYS. CONFIG is a configuration whose state folder is not
 * there yet: the CA is made by `init` with the clock set back, then the log is written by the signer's writer and the database by the store's own steps,
 * with every request, receipt and certificate signed as clients, validator and signer sign them. ACCOUNTS have CERTIFICATES together, of which REVOKED are
 * revoked; one account more has OPEN orders that are pending, and its key is written to the file KEY. Nothing is synced on the way. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"
#include "os/file.h"
#include "server/parent/config.h"
#include "server/parent/init.h"
#include "server/signer/lists.h"
#include "server/store/inside.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS       1024 /* of one transaction; a multiple of SIGNER_BATCH_MAX */
#define ARENA_MAX  (64u << 20)
#define TEXT_MAX   (1u << 20)
#define REQUEST_MAX 65536
#define DAY        INT64_C(86400000)
#define NAME_SIZE  48
#define VALIDATION 1000 /* ms before its certificate an authorization got valid */

/* What came of one order. */
struct job {
	char name[NAME_SIZE];
	struct identifier identifier;
	struct store_account account;
	bool new_account;
	struct store_order order;
	uint8_t authz_id[STORE_AUTHZ_ID];
	struct store_authz authz;
	struct store_certificate certificate;
	struct bytes csr, evidence, tbs;
	struct leaf_request leaf;
	struct san san;
	struct revocation revocation; /* of reason 0: it is not revoked */
	struct bytes revoke_body;
};

struct fill {
	size_t certificates, accounts, open, revoked;
	int64_t from_ms, to_ms;
	struct settings settings;
	struct arena *arena, *round;
	struct signer *signer;
	struct store *store;
	struct key *leaf, *account; /* the account whose certificates are being made */
	struct bytes jwk, url;
	uint8_t thumbprint[THUMBPRINT_SIZE];
	struct job *jobs;
	size_t n_jobs;
	size_t n_certificates, n_accounts, n_revoked; /* so far */
};

static int64_t played_ms;

static int64_t wall(void)
{
	return played_ms;
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void need(enum err_code rc, const struct err *e)
{
	if (rc == ERR_OK)
		return;
	fprintf(stderr, "bench_fill: %s: %s\n", err_name(rc), e->detail);
	exit(2);
}

static struct bytes copied(struct fill *f, const struct buf *b)
{
	struct bytes copy = buf_ok(b) ? arena_copy(f->round, buf_bytes(b)) : BYTES_NONE;

	if (!copy.ptr) {
		fprintf(stderr, "bench_fill: no memory\n");
		exit(2);
	}
	return copy;
}

/* --- what clients sign --- */

static enum err_code sign_jws(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	return key_sign(ctx, SIG_FORM_JOSE, message, sig, ret_len, e);
}

static struct bytes request(struct fill *f, struct bytes url, struct bytes payload)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(REQUEST_MAX);
	uint8_t nonce[16];
	char text[BASE64URL_LEN(sizeof nonce) + 1];
	struct err e = { 0 };

	random_bytes(nonce, sizeof nonce);
	base64url_encode(BYTES_ARRAY(nonce), text);
	struct jws_header h = { .alg = key_sig_alg(f->account), .nonce = bytes_str(text), .url = url, .kid = f->url };
	need(jws_write(&h, payload, sign_jws, f->account, &out, &e), &e);
	return copied(f, &out);
}

static struct bytes base64url_text(struct fill *f, struct bytes in)
{
	char *text = arena_alloc(f->round, BASE64URL_LEN(in.len) + 1);

	base64url_encode(in, text);
	return bytes_str(text);
}

static struct bytes at_base(struct fill *f, const char *path)
{
	return arena_fmt(f->round, "%.*s%s", BYTES_FMT(f->settings.base_url), path);
}

static void next_account(struct fill *f)
{
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX);
	struct err e = { 0 };

	key_free(f->account);
	f->account = NULL;
	need(key_generate(KEY_EC_P256, 0, &f->account, &e), &e);
	jwk_write(f->account, &jwk);
	jwk_thumbprint(f->account, f->thumbprint);
	f->jwk = copied(f, &jwk);
	f->url = account_url(f->round, f->settings.base_url, f->thumbprint);
	f->n_accounts++;
}

/* What of the account lives in the batch's memory, for the next batch. */
static void keep_account(struct fill *f)
{
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX);

	arena_reset(f->round);
	if (!f->account)
		return;
	jwk_write(f->account, &jwk);
	f->jwk = copied(f, &jwk);
	f->url = account_url(f->round, f->settings.base_url, f->thumbprint);
}

static void set_account(struct fill *f, struct job *j)
{
	j->account = (struct store_account){ .state = ACCOUNT_VALID, .jwk = f->jwk, .contacts = BYTES_LIT("[]"), .created_s = played_ms / 1000 };
	memcpy(j->account.id, f->thumbprint, sizeof j->account.id);
}

/* --- order, authorization, receipts --- */

static void set_order(struct fill *f, struct job *j, size_t number, const char *kind, int64_t made_ms)
{
	int64_t expires_s = made_ms / 1000 + (int64_t)f->settings.order_lifetime;

	(void)snprintf(j->name, sizeof j->name, "%s%zu.fill.test", kind, number);
	j->identifier = (struct identifier){ .type = IDENTIFIER_DNS, .value = bytes_str(j->name) };
	j->order = (struct store_order){ .state = ORDER_PENDING,
		.created_s = made_ms / 1000,
		.expires_s = expires_s,
		.profile = f->settings.profiles[0].name,
		.identifiers = &j->identifier,
		.n_identifiers = 1,
		.authz = &j->authz_id,
		.new_order = request(f, at_base(f, "/acme/new-order"), arena_fmt(f->round, "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]}", j->name)) };
	order_id_make(made_ms, j->order.new_order, j->order.id);
	memcpy(j->order.account, f->thumbprint, sizeof j->order.account);
	memcpy(j->authz_id, j->order.id, 6); /* the time, as the front makes them */
	random_bytes(j->authz_id + 6, sizeof j->authz_id - 6);
	char *token = arena_alloc(f->round, TOKEN_LEN + 1);
	token_mint(BYTES_ARRAY(f->signer->identity.receipt_key), made_ms, token);
	j->authz = (struct store_authz){ .identifier = j->identifier,
		.state = AUTHZ_PENDING,
		.expires_s = expires_s,
		.lifetime_s = f->settings.profiles[0].authz_lifetime_s,
		.challenges = { { .type = CHALLENGE_TYPE_HTTP_01, .state = CHALLENGE_PENDING, .token = bytes_str(token) } },
		.n_challenges = 1 };
	memcpy(j->authz.id, j->authz_id, sizeof j->authz.id);
	memcpy(j->authz.account, f->thumbprint, sizeof j->authz.account);
	memcpy(j->authz.order, j->order.id, sizeof j->authz.order);
}

static struct bytes receipt(struct fill *f, const struct job *j, enum receipt_kind kind)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(RECEIPT_SIZE_MAX);
	const struct identity *i = &f->signer->identity;
	struct receipt v = { .key_id = i->key_id,
		.perspective = BYTES_LIT("local"),
		.kind = kind,
		.identifier = j->identifier,
		.scope = SCOPE_EXACT,
		.account_url = f->url,
		.dnssec = DNSSEC_INSECURE,
		.time_ms = played_ms - VALIDATION,
		.method = CHALLENGE_TYPE_HTTP_01 };

	memcpy(v.instance, i->instance, sizeof v.instance);
	random_bytes(v.id, sizeof v.id);
	memcpy(v.thumbprint, f->thumbprint, sizeof v.thumbprint);
	if (kind == RECEIPT_CONTROL) {
		v.domain = j->identifier.value;
		v.token = j->authz.challenges[0].token;
	} else {
		v.issuer_domain = f->settings.caa_identity;
		v.node = BYTES_LIT("");
		v.outcome = CAA_NO_RECORDS;
		v.ttl_s = 300;
	}
	receipt_write(&v, BYTES_ARRAY(i->receipt_key), &out);
	return copied(f, &out);
}

static void validate(struct fill *f, struct job *j)
{
	struct store_authz *z = &j->authz;

	z->state = AUTHZ_VALID;
	z->expires_s = played_ms / 1000 + z->lifetime_s;
	z->challenges[0].state = CHALLENGE_VALID;
	z->challenges[0].validated_s = (played_ms - VALIDATION) / 1000;
	z->control = receipt(f, j, RECEIPT_CONTROL);
	z->caa = receipt(f, j, RECEIPT_CAA);
	z->caa_s = z->challenges[0].validated_s;
}

static void finalize(struct fill *f, struct job *j)
{
	CLEANUP(buf_free_p) struct buf csr = buf_new(CSR_SIZE_MAX), body = buf_new(CHANNEL_BODY_MAX);
	struct bytes receipts[] = { j->authz.control, j->authz.caa };
	char id[ORDER_ID_LEN + 1];
	struct err e = { 0 };

	j->san = (struct san){ .type = SAN_DNS, .value = j->identifier.value };
	need(csr_write(f->leaf, &j->san, 1, &csr, &e), &e);
	j->csr = copied(f, &csr);
	base64url_encode(BYTES_ARRAY(j->order.id), id);
	struct bytes url = arena_fmt(f->round, "%.*s" ORDER_PATH "%s" FINALIZE_SUFFIX, BYTES_FMT(f->settings.base_url), id);
	j->order.finalize = request(f, url, arena_fmt(f->round, "{\"csr\":\"%.*s\"}", BYTES_FMT(base64url_text(f, j->csr))));
	struct issue i = { .finalize = j->order.finalize, .new_order = j->order.new_order, .account_jwk = f->jwk, .receipts = receipts, .n_receipts = 2 };
	issue_write(&i, &body);
	j->evidence = copied(f, &body);
}

/* --- the certificate --- */

static void set_leaf(struct fill *f, struct job *j)
{
	struct signer *s = f->signer;
	struct bytes publish = f->settings.publish_url;
	const struct ca_issuer *by = &s->issuers[0];
	const struct profile *p = &s->settings.profiles[0];
	struct err e = { 0 };

	serial_make(played_ms, signer_shard(s), j->certificate.serial);
	j->leaf = (struct leaf_request){ .serial = j->certificate.serial,
		.names = &j->san,
		.n_names = 1,
		.spki = key_spki(f->leaf),
		.key_type = KEY_EC_P256,
		.crl_url = p->contents & PROFILE_CRL ? signer_crl_url(s, f->round, by, serial_shard(j->certificate.serial)) : BYTES_LIT(""),
		.ocsp_url = p->contents & PROFILE_OCSP ? ocsp_url(f->round, publish) : BYTES_LIT(""),
		.ca_issuers_url = p->contents & PROFILE_CA_ISSUERS ? ca_issuers_url(f->round, publish, by->issuer->key_id.ptr) : BYTES_LIT("") };
	need(validity_decide(p, order_id_time_ms(j->order.id), played_ms, false, 0, false, 0, &j->leaf.not_before_s, &j->leaf.not_after_s, &e), &e);
}

static void sign_job(struct fill *f, struct job *j)
{
	CLEANUP(buf_free_p) struct buf tbs = buf_new(CERT_SIZE_MAX), der = buf_new(CERT_SIZE_MAX);
	const struct ca_issuer *by = &f->signer->issuers[0];
	const struct profile *p = &f->signer->settings.profiles[0];
	struct store_certificate *c = &j->certificate;
	struct err e = { 0 };

	set_leaf(f, j);
	cert_write_leaf_tbs(by->issuer, p, &j->leaf, &tbs);
	j->tbs = copied(f, &tbs);
	if (f->n_certificates % ROWS == 0)
		need(lint_leaf_tbs(f->round, j->tbs, by->issuer, p, &j->leaf, &e), &e);
	need(cert_sign(by->issuer->key, j->tbs, &der, &e), &e);
	c->der = copied(f, &der);
	c->chain = buf_bytes(&by->chain);
	c->not_before_s = j->leaf.not_before_s;
	c->not_after_s = j->leaf.not_after_s;
	memcpy(c->order, j->order.id, sizeof c->order);
	memcpy(c->account, f->thumbprint, sizeof c->account);
	j->order.state = ORDER_VALID;
	memcpy(j->order.serial, c->serial, sizeof c->serial);
}

static void revoke_job(struct fill *f, struct job *j)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(CHANNEL_BODY_MAX);
	struct bytes der = base64url_text(f, j->certificate.der);
	struct revoke v = { .jwk = f->jwk };

	v.request = request(f, at_base(f, "/acme/revoke-cert"), arena_fmt(f->round, "{\"certificate\":\"%.*s\",\"reason\":%d}", BYTES_FMT(der), CRL_SUPERSEDED));
	revoke_write(&v, &body);
	j->revoke_body = copied(f, &body);
	j->revocation = (struct revocation){ .reason = CRL_SUPERSEDED,
		.time_s = played_ms / 1000,
		.by = REVOKED_BY_ACCOUNT,
		.not_after_s = j->certificate.not_after_s,
		.evidence = j->revoke_body };
	memcpy(j->revocation.serial, j->certificate.serial, sizeof j->revocation.serial);
	memcpy(j->revocation.issuer, f->signer->issuers[0].issuer->key_id.ptr, sizeof j->revocation.issuer);
	sha256_one(key_spki(f->leaf), j->revocation.spki_digest);
	f->n_revoked++;
}

static void make_job(struct fill *f, struct job *j)
{
	size_t due = f->n_certificates * f->accounts / f->certificates;

	*j = (struct job){ 0 };
	j->new_account = due >= f->n_accounts;
	if (j->new_account)
		next_account(f);
	set_account(f, j);
	set_order(f, j, f->n_certificates, "n", played_ms - 2 * VALIDATION);
	validate(f, j);
	finalize(f, j);
	sign_job(f, j);
	f->n_certificates++;
	if (f->n_certificates * f->revoked / f->certificates > f->n_revoked)
		revoke_job(f, j);
}

/* --- the log --- */

static void log_intent(struct fill *f, const struct job *j)
{
	struct intent i = { .profile = f->signer->settings.profiles[0].name, .evidence = j->evidence };
	struct err e = { 0 };

	memcpy(i.order, j->order.id, sizeof i.order);
	memcpy(i.serial, j->certificate.serial, sizeof i.serial);
	memcpy(i.thumbprint, j->account.id, sizeof i.thumbprint);
	memcpy(i.issuer, f->signer->issuers[0].issuer->key_id.ptr, sizeof i.issuer);
	sha256_one(j->csr, i.csr_digest);
	sha256_one(j->tbs, i.tbs_digest);
	intent_write(&i, log_begin(f->signer->log));
	need(log_end(f->signer->log, LOG_INTENT, played_ms, NULL, &e), &e);
}

static void log_result(struct fill *f, const struct job *j)
{
	struct result v = { .certificate = j->certificate.der };
	struct err e = { 0 };

	memcpy(v.serial, j->certificate.serial, sizeof v.serial);
	result_write(&v, log_begin(f->signer->log));
	need(log_end(f->signer->log, LOG_RESULT, played_ms, NULL, &e), &e);
}

static void log_revocation(struct fill *f, const struct job *j)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(RECORD_SIZE_MAX);
	struct err e = { 0 };

	revocation_write(&j->revocation, &body);
	need(event_append(f->signer, LOG_REVOKE, buf_bytes(&body), played_ms, &e), &e);
}

static void log_round(struct fill *f, const struct job *j, size_t n)
{
	struct log *l = f->signer->log;
	struct err e = { 0 };

	for (size_t i = 0; i < n; i++)
		log_intent(f, &j[i]);
	need(log_commit(l, &e), &e);
	for (size_t i = 0; i < n; i++)
		log_result(f, &j[i]);
	need(log_commit(l, &e), &e);
	for (size_t i = 0; i < n; i++)
		if (j[i].revocation.reason)
			log_revocation(f, &j[i]);
	need(log_commit(l, &e), &e);
	need(log_rotate(l, played_ms, &e), &e);
}

/* --- the database --- */

static enum err_code set_caa_time(struct db *db, const struct store_authz *z, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db, "UPDATE authzs SET caa_s = $2 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(z->id, sizeof z->id));
	db_bind_int(st, 2, z->caa_s);
	return db_run(st, &n, e);
}

static enum err_code set_serial(struct db *db, const struct store_order *o, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db, "UPDATE orders SET serial = $2 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(o->id, sizeof o->id));
	db_bind_bytes(st, 2, span(o->serial, sizeof o->serial));
	return db_run(st, &n, e);
}

static enum err_code set_revoked(struct db *db, const struct revocation *v, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db, "UPDATE certificates SET revoked_s = $2, reason = $3 WHERE serial = $1", &st, e));
	db_bind_bytes(st, 1, span(v->serial, sizeof v->serial));
	db_bind_int(st, 2, v->time_s);
	db_bind_int(st, 3, v->reason);
	return db_run(st, &n, e);
}

static enum err_code put_job(struct db *db, const struct job *j, struct err *e)
{
	bool made;

	if (j->new_account)
		TRY(account_insert(db, &j->account, &made, e));
	TRY(order_insert(db, &j->order, e));
	TRY(authz_insert(db, &j->authz, e));
	if (j->order.state != ORDER_VALID)
		return ERR_OK;
	TRY(set_caa_time(db, &j->authz, e));
	TRY(set_serial(db, &j->order, e));
	TRY(certificate_insert(db, &j->certificate, e));
	return j->revocation.reason ? set_revoked(db, &j->revocation, e) : ERR_OK;
}

static enum err_code put_jobs(struct db *db, void *ctx, struct err *e)
{
	const struct fill *f = ctx;

	for (size_t i = 0; i < f->n_jobs; i++)
		TRY(put_job(db, &f->jobs[i], e));
	return ERR_OK;
}

static void put_batch(struct fill *f)
{
	struct err e = { 0 };

	need(db_writer_run(f->store->writer, put_jobs, f, &e), &e);
	f->n_jobs = 0;
	keep_account(f);
}

static void make_certificates(struct fill *f)
{
	while (f->n_certificates < f->certificates) {
		size_t at = f->n_jobs;
		played_ms = f->from_ms + (int64_t)((double)(f->to_ms - f->from_ms) * (double)f->n_certificates / (double)f->certificates);
		for (size_t i = 0; i < SIGNER_BATCH_MAX && f->n_certificates < f->certificates; i++)
			make_job(f, &f->jobs[f->n_jobs++]);
		log_round(f, f->jobs + at, f->n_jobs - at);
		if (f->n_jobs == ROWS || f->n_certificates == f->certificates)
			put_batch(f);
	}
}

static void make_open_orders(struct fill *f, const char *key_path)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(REQUEST_MAX);
	struct err e = { 0 };

	played_ms = f->to_ms;
	next_account(f);
	need(key_private_to_pem(f->account, &pem, &e), &e);
	need(file_create(AT_FDCWD, key_path, 0600, buf_bytes(&pem), &e), &e);
	for (size_t i = 0; i < f->open; i++) {
		struct job *j = &f->jobs[f->n_jobs++];
		*j = (struct job){ .new_account = i == 0 };
		set_account(f, j);
		set_order(f, j, i, "open", played_ms);
		if (f->n_jobs == ROWS || i + 1 == f->open)
			put_batch(f);
	}
}

/* --- the CA --- */

static struct bytes read_text(struct fill *f, const char *path)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(TEXT_MAX);
	struct err e = { 0 };

	need(file_read(AT_FDCWD, path, TEXT_MAX, &text, &e), &e);
	return arena_copy(f->arena, buf_bytes(&text));
}

/* `init`, with what the file says; it never overwrites, so the file goes first. */
static void make_ca(struct fill *f, const char *config)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(8192);
	struct init_result made;
	struct err e = { 0 };

	struct init i = { .config = config, .name = "Bench", .country = BYTES_LIT(""), .key_type = KEY_EC_P256, .text = read_text(f, config) };
	need(config_read(f->arena, config, &f->settings, &messages, &e), &e);
	i.state_folder = arena_str(f->arena, f->settings.state_folder);
	i.run_folder = arena_str(f->arena, f->settings.run_folder);
	if (unlink(config) != 0)
		need(ERR_IO, &(struct err){ .detail = "the configuration cannot be replaced" });
	need(ca_init(&i, &made, &e), &e);
}

static void open_ca(struct fill *f)
{
	struct bytes state = f->settings.state_folder;
	struct err e = { 0 };

	CLEANUP(close_p) int signer = open(arena_str(f->arena, arena_fmt(f->arena, "%.*s/signer", BYTES_FMT(state))), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(signer_open(signer, &f->settings, &f->signer, &e), &e);
	need(store_open(arena_str(f->arena, arena_fmt(f->arena, "%.*s/front", BYTES_FMT(state))), &f->store, &e), &e);
	need(key_generate(KEY_EC_P256, 0, &f->leaf, &e), &e);
}

static void close_ca(struct fill *f)
{
	CLEANUP(buf_free_p) struct buf checkpoint = buf_new(4096);
	struct err e = { 0 };

	need(signer_checkpoint(f->signer, &checkpoint, &e), &e);
	need(store_add_checkpoint(f->store, buf_bytes(&checkpoint), &e), &e);
	signer_close(f->signer);
	store_close(f->store);
	key_free(f->leaf);
	key_free(f->account);
	free(f->jobs);
	arena_free(f->round);
	arena_free(f->arena);
}

static size_t size_arg(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > 100000000) {
		fprintf(stderr, "bench_fill: %s is no number up to 100000000\n", text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct seam played;

	if (argc != 8) {
		fprintf(stderr, "bench_fill CONFIG CERTIFICATES ACCOUNTS OPEN REVOKED DAYS KEY\n");
		return 2;
	}
	struct fill f = { .certificates = size_arg(argv[2]), .accounts = size_arg(argv[3]), .open = size_arg(argv[4]), .revoked = size_arg(argv[5]) };
	if (f.certificates == 0 || f.accounts == 0 || f.accounts > f.certificates || f.revoked > f.certificates) {
		fprintf(stderr, "bench_fill: there are at least as many certificates as accounts, and as revoked ones\n");
		return 2;
	}
	played = seam_libc;
	played.wall_ms = wall;
	played.fsync = played.fdatasync = no_sync;
	crypto_init();
	f.to_ms = clock_wall_ms();
	f.from_ms = f.to_ms - (int64_t)size_arg(argv[6]) * DAY;
	played_ms = f.from_ms;
	seam = &played;
	f.arena = arena_new(65536, ARENA_MAX);
	f.round = arena_new(1u << 20, ARENA_MAX);
	f.jobs = calloc(ROWS, sizeof *f.jobs);
	if (!f.arena || !f.round || !f.jobs)
		need(ERR_NOMEM, &(struct err){ .detail = "no memory" });
	make_ca(&f, argv[1]);
	open_ca(&f);
	make_certificates(&f);
	make_open_orders(&f, argv[7]);
	printf("certificates=%zu accounts=%zu open=%zu revoked=%zu\n", f.n_certificates, f.n_accounts, f.open, f.n_revoked);
	close_ca(&f);
	return 0;
}
