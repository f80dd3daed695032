#include "server/signer/test_world.h"

#include "base/clock.h"
#include "base/codec.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "os/file.h"
#include "pki/csr.h"
#include "server/signer/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void assert_code(enum err_code got, enum err_code want, const struct err *e)
{
	if (got != want)
		fail_msg("%s instead of %s: %s", got == ERR_OK ? "OK" : err_name(got), want == ERR_OK ? "OK" : err_name(want),
		    got == ERR_OK ? "" : e->detail);
}

static void need(enum err_code rc, const struct err *e)
{
	assert_code(rc, ERR_OK, e);
}

/* --- the CA --- */

static void make_ca(struct world *w)
{
	CLEANUP(buf_free_p) struct buf name = buf_new(1024), sub = buf_new(1024), tbs = buf_new(8192), der = buf_new(8192);
	uint8_t serial[SERIAL_SIZE] = { 1, 2, 3 }, root_id[20];
	struct err e = { 0 };

	need(key_generate(KEY_EC_P256, 0, &w->root, &e), &e);
	need(key_generate(KEY_EC_P256, 0, &w->issuer, &e), &e);
	name_write_ca(BYTES_LIT("Test"), BYTES_LIT("Root"), &name);
	name_write_ca(BYTES_LIT("Test"), BYTES_LIT("Issuer"), &sub);
	struct ca_request r = { .serial = serial,
		.subject = buf_bytes(&name),
		.issuer_name = buf_bytes(&name),
		.spki = key_spki(w->root),
		.authority_key_id = BYTES_LIT(""),
		.alg = key_sig_alg(w->root),
		.not_before_s = test_seam.wall_ms / 1000 - 86400,
		.not_after_s = test_seam.wall_ms / 1000 + 3650 * 86400,
		.path_len = -1 };
	cert_write_ca_tbs(&r, &tbs);
	need(cert_sign(w->root, buf_bytes(&tbs), &der, &e), &e);
	pem_add(&w->root_pem, "CERTIFICATE", buf_bytes(&der));
	buf_reset(&tbs);
	buf_reset(&der);
	cert_key_id(key_spki(w->root), root_id);
	r.subject = buf_bytes(&sub);
	r.spki = key_spki(w->issuer);
	r.authority_key_id = BYTES_ARRAY(root_id);
	r.path_len = 0;
	r.purposes = CERT_SERVER_AUTH;
	r.not_after_s = test_seam.wall_ms / 1000 + 365 * 86400;
	cert_write_ca_tbs(&r, &tbs);
	need(cert_sign(w->root, buf_bytes(&tbs), &der, &e), &e);
	pem_add(&w->issuer_pem, "CERTIFICATE", buf_bytes(&der));
	need(key_private_to_pem(w->issuer, &w->issuer_key_pem, &e), &e);
}

static void make_settings(struct world *w)
{
	static struct bytes domain_validated = { (const uint8_t *)"2.23.140.1.2.1", 14 };
	static struct bytes tls_names[2] = { { (const uint8_t *)"ca.example", 10 }, { (const uint8_t *)"localhost", 9 } };

	w->settings = (struct settings){ .base_url = BYTES_LIT(BASE),
		.caa_identity = BYTES_LIT(CAA_IDENTITY),
		.log_format = BYTES_LIT("text"),
		.tls_names = { tls_names, 2 },
		.order_lifetime = 7 * 3600,
		.crl_shards = 1,
		.crl_lifetime = 7 * 86400,
		.ocsp_lifetime = 4 * 86400,
		.crl_interval = 86400,
		.segment_size = 1u << 20,
		.reserve = 0,
		.n_profiles = 2 };
#define WIDE_OPEN                                                                                                                    \
	.authz_lifetime_s = 7 * 3600, .challenges = ~0u, .identifiers = ~0u, .key_types = ~0u, .rsa_bits_max = 4096, .key_usage = 3, \
	.purposes = PROFILE_SERVER_AUTH, .contents = PROFILE_CRL | PROFILE_CA_ISSUERS, .policies = &domain_validated, .n_policies = 1
	w->settings.profiles[0] = (struct profile){ .name = BYTES_LIT("tls-server"),
		.doc = BYTES_LIT("web"),
		.lifetime_s = 47 * 86400,
		.backdate_s = 3600,
		.names_max = 100,
		WIDE_OPEN };
	w->settings.profiles[1] = (struct profile){
		.name = BYTES_LIT("short"), .doc = BYTES_LIT("a day"), .lifetime_s = 86400, .backdate_s = 3600, .names_max = 2, WIDE_OPEN
	};
}

void world_new(struct world *w)
{
	world_new_at(w, START_MS);
}

void world_new_at(struct world *w, int64_t wall_ms)
{
	struct err e = { 0 };

	*w = (struct world){ .root_pem = buf_new(8192), .issuer_pem = buf_new(8192), .issuer_key_pem = buf_new_secret(8192) };
	crypto_init();
	test_seam_install();
	test_seam_reset();
	test_seam.wall_ms = wall_ms;
	snprintf(w->folder, sizeof w->folder, "/tmp/chancery-signer-test-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->dir = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->a = arena_new(65536, 256u << 20);
	w->round = arena_new(65536, 64u << 20);
	make_settings(w);
	make_ca(w);
	need(key_generate(KEY_EC_P256, 0, &w->account, &e), &e);
	need(key_generate(KEY_EC_P256, 0, &w->other, &e), &e);
	need(key_generate(KEY_EC_P256, 0, &w->leaf, &e), &e);
	need(key_generate(KEY_EC_P256, 0, &w->leaf2, &e), &e);
	identity_make(&w->identity);
	struct signer_init i = { .identity = &w->identity,
		.root_pem = buf_bytes(&w->root_pem),
		.issuer_pem = buf_bytes(&w->issuer_pem),
		.issuer_key_pem = buf_bytes(&w->issuer_key_pem) };
	need(signer_create(w->dir, &i, &w->settings, &e), &e);
	need(signer_open(w->dir, &w->settings, &w->s, &e), &e);
}

void world_close(struct world *w)
{
	signer_close(w->s);
	w->s = NULL;
}

enum err_code world_reopen(struct world *w, struct err *e)
{
	world_close(w);
	return signer_open(w->dir, &w->settings, &w->s, e);
}

void world_free(struct world *w)
{
	world_close(w);
	close(w->dir);
	key_free(w->root);
	key_free(w->issuer);
	key_free(w->account);
	key_free(w->other);
	key_free(w->leaf);
	key_free(w->leaf2);
	buf_free(&w->root_pem);
	buf_free(&w->issuer_pem);
	buf_free(&w->issuer_key_pem);
	arena_free(w->a);
	arena_free(w->round);
	remove_folder(w->folder);
	seam = &seam_libc;
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	world_new(w);
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	world_free(*state);
	free(*state);
	return 0;
}

const char *world_path(const struct world *w, const char *file)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", w->folder, file);
	return path;
}

void world_tear(struct world *w, const char *file, uint64_t at)
{
	CLEANUP(buf_free_p) struct buf whole = buf_new(64u << 20);
	struct err e = { 0 };
	bool zeros = true;

	assert_code(file_read(w->dir, file, whole.max, &whole, &e), ERR_OK, &e);
	for (uint64_t i = at; i < whole.len; i++)
		zeros = zeros && whole.ptr[i] == 0;
	assert_int_equal(truncate(world_path(w, file), (off_t)at), 0);
	if (at % 2 && !zeros)
		assert_int_equal(truncate(world_path(w, file), (off_t)whole.len + 4096), 0);
}

static void copy_file(const char *from, const char *to)
{
	static char block[1 << 16];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, block, sizeof block)) > 0)
		assert_int_equal(write(out, block, (size_t)n), n);
	close(in);
	close(out);
}

/* Our folders are flat but for log/. */
void copy_folder(const char *from, const char *to)
{
	DIR *d = opendir(from);

	mkdir(to, 0700);
	assert_non_null(d);
	for (struct dirent *n; (n = readdir(d));) {
		char a[512], b[512];
		struct stat st;
		if (n->d_name[0] == '.')
			continue;
		snprintf(a, sizeof a, "%s/%s", from, n->d_name);
		snprintf(b, sizeof b, "%s/%s", to, n->d_name);
		assert_int_equal(stat(a, &st), 0);
		if (S_ISDIR(st.st_mode))
			copy_folder(a, b);
		else
			copy_file(a, b);
	}
	closedir(d);
}

void remove_folder(const char *path)
{
	DIR *d = opendir(path);

	if (!d)
		return;
	for (struct dirent *n; (n = readdir(d));) {
		char a[512];
		if (strcmp(n->d_name, ".") == 0 || strcmp(n->d_name, "..") == 0)
			continue;
		snprintf(a, sizeof a, "%s/%s", path, n->d_name);
		if (unlink(a) != 0)
			remove_folder(a);
	}
	closedir(d);
	rmdir(path);
}

/* --- the client and the validator --- */

struct bytes make_csr(struct world *w, struct key *k, const char *const *names, bool spoil)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CSR_SIZE_MAX);
	struct san v[RECIPE_NAMES];
	struct err e = { 0 };
	size_t n = 0;

	for (; n < RECIPE_NAMES && names[n]; n++)
		v[n] = (struct san){ .type = SAN_DNS, .value = bytes_str(names[n]) };
	n = san_sort(v, n);
	need(csr_write(k, v, n, &out, &e), &e);
	if (spoil)
		out.ptr[out.len - 1] ^= 1;
	return arena_copy(w->a, buf_bytes(&out));
}

static enum err_code sign_jws(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	return key_sign(ctx, SIG_FORM_JOSE, message, sig, ret_len, e);
}

struct bytes make_jws(
    struct world *w, struct key *k, const char *url, struct bytes kid, struct bytes jwk, bool nonce, struct bytes payload, bool spoil)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);
	struct jws_header h = { .alg = key_sig_alg(k),
		.nonce = nonce ? BYTES_LIT("oFvnlFP1wIhRlYS2jTaXbA") : BYTES_NONE,
		.url = bytes_str(url),
		.kid = kid,
		.jwk = jwk };
	struct err e = { 0 };

	need(jws_write(&h, payload, sign_jws, k, &out, &e), &e);
	struct bytes copy = arena_copy(w->a, buf_bytes(&out));
	if (spoil) { /* a character in the middle of the signature, which stands last */
		char *at = strstr(arena_str(w->a, copy), "\"signature\":\"");
		assert_non_null(at);
		at += 13 + 40;
		*at = *at == 'A' ? 'B' : 'A';
		while (strncmp(at, "{\"", 2) != 0)
			at--;
		return (struct bytes){ (const uint8_t *)at, copy.len };
	}
	return copy;
}

struct bytes jwk_of(struct world *w, const struct key *k)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(JWK_SIZE_MAX);

	jwk_write(k, &out);
	return arena_copy(w->a, buf_bytes(&out));
}

struct bytes kid_of(struct world *w, const char *base, const struct key *k, const char *suffix)
{
	uint8_t thumbprint[THUMBPRINT_SIZE];

	jwk_thumbprint(k, thumbprint);
	struct bytes url = account_url(w->a, bytes_str(base), thumbprint);
	return arena_fmt(w->a, "%.*s%s", BYTES_FMT(url), suffix);
}

static struct receipt make_receipt(struct world *w, const struct recipe *r, const char *name, enum receipt_kind kind)
{
	bool wildcard = strncmp(name, "*.", 2) == 0;
	struct bytes domain = bytes_str(wildcard ? name + 2 : name);
	struct receipt v = { .key_id = w->identity.key_id,
		.perspective = BYTES_LIT("local"),
		.kind = kind,
		.identifier = { .type = IDENTIFIER_DNS, .value = domain },
		.scope = wildcard ? SCOPE_WILDCARD : SCOPE_EXACT,
		.account_url = kid_of(w, BASE, r->first ? r->first : r->account, ""),
		.dnssec = DNSSEC_INSECURE,
		.time_ms = test_seam.wall_ms - 1000,
		.method = CHALLENGE_TYPE_HTTP_01 };

	memcpy(v.instance, w->identity.instance, INSTANCE_SIZE);
	random_bytes(v.id, sizeof v.id);
	jwk_thumbprint(r->account, v.thumbprint);
	if (kind == RECEIPT_CONTROL) {
		v.domain = domain;
		v.token = BYTES_LIT("DGyRejmCefe7v4NfDGDKfADGyRejmCefe7v4NfDGDKf");
	} else {
		v.issuer_domain = BYTES_LIT(CAA_IDENTITY);
		v.node = BYTES_LIT("");
		v.outcome = CAA_NO_RECORDS;
		v.ttl_s = 300;
	}
	return v;
}

struct recipe recipe_new(struct world *w, const char *const *names)
{
	struct recipe r = { .account = w->account,
		.jwk = w->account,
		.csr_key = w->leaf,
		.order_ms = test_seam.wall_ms - 60000,
		.base = BASE,
		.finalize_suffix = "/finalize",
		.new_order_path = "/acme/new-order",
		.kid_suffix = "",
		.new_order_kid_suffix = "" };

	memcpy(r.receipt_key, w->identity.receipt_key, sizeof r.receipt_key);
	random_bytes(r.random, sizeof r.random);
	for (size_t i = 0; i < RECIPE_NAMES && names[i]; i++) {
		r.csr_names[i] = r.order_names[i] = names[i];
		r.receipts[r.n_receipts++] = make_receipt(w, &r, names[i], RECEIPT_CONTROL);
		r.receipts[r.n_receipts++] = make_receipt(w, &r, names[i], RECEIPT_CAA);
	}
	return r;
}

struct recipe recipe_simple(struct world *w)
{
	static const char *const names[] = { "example.org", NULL };

	return recipe_new(w, names);
}

static struct bytes new_order_payload(struct world *w, const struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(8192);

	if (r->new_order_payload)
		return bytes_str(r->new_order_payload);
	buf_add_str(&out, "{\"identifiers\":[");
	for (size_t i = 0; i < RECIPE_NAMES && r->order_names[i]; i++)
		buf_add_fmt(&out, "%s{\"type\":\"dns\",\"value\":\"%s\"}", i ? "," : "", r->order_names[i]);
	buf_add_str(&out, "]");
	if (r->profile)
		buf_add_fmt(&out, ",\"profile\":\"%s\"", r->profile);
	if (r->not_before)
		buf_add_fmt(&out, ",\"notBefore\":\"%s\"", r->not_before);
	if (r->not_after)
		buf_add_fmt(&out, ",\"notAfter\":\"%s\"", r->not_after);
	buf_add_str(&out, "}");
	return arena_copy(w->a, buf_bytes(&out));
}

static void set_order_id(struct recipe *r, struct bytes new_order)
{
	order_id_make(r->order_ms, r->foreign_digest ? BYTES_LIT("another") : new_order, r->order);
	memcpy(r->order + 6, r->random, sizeof r->random);
}

static struct bytes make_finalize(struct world *w, struct recipe *r)
{
	char id[ORDER_ID_LEN + 1], url[256];

	base64url_encode(BYTES_ARRAY(r->order), id);
	snprintf(url, sizeof url, "%s/acme/order/%s%s", r->base, id, r->finalize_suffix);
	if (!r->csr.ptr)
		r->csr = make_csr(w, r->csr_key, r->csr_names, r->break_csr);
	struct bytes payload = bytes_str(r->payload);
	if (!r->payload) {
		char *text = arena_alloc(w->a, BASE64URL_LEN(r->csr.len) + 1);
		base64url_encode(r->csr, text);
		payload = arena_fmt(w->a, "{\"csr\":\"%s\"}", text);
	}
	struct bytes kid = r->header_jwk ? BYTES_NONE : kid_of(w, r->base, r->first ? r->first : r->jwk, r->kid_suffix);
	return make_jws(
	    w, r->account, url, kid, r->header_jwk ? jwk_of(w, r->account) : BYTES_NONE, !r->no_nonce, payload, r->break_finalize);
}

static struct bytes seal_receipt(struct world *w, const struct recipe *r, size_t i)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(RECEIPT_SIZE_MAX);

	receipt_write(&r->receipts[i], BYTES_ARRAY(r->receipt_key), &out);
	assert_true(buf_ok(&out));
	if (r->break_receipt && i == 0)
		out.ptr[out.len / 2] ^= 1;
	return arena_copy(w->a, buf_bytes(&out));
}

size_t recipe_receipts(struct world *w, const struct recipe *r, struct bytes out[2 * RECIPE_NAMES])
{
	for (size_t k = 0; k < r->n_receipts; k++)
		out[k] = seal_receipt(w, r, k);
	return r->n_receipts;
}

struct bytes recipe_body(struct world *w, struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct bytes receipts[2 * RECIPE_NAMES];
	char url[256];

	snprintf(url, sizeof url, "%s%s", r->base, r->new_order_path);
	if (!r->new_order.ptr)
		r->new_order = make_jws(w, r->order_key ? r->order_key : r->account, url,
		    kid_of(w, r->base, r->first ? r->first : r->jwk, r->new_order_kid_suffix), BYTES_NONE, true, new_order_payload(w, r),
		    r->break_new_order);
	set_order_id(r, r->new_order);
	struct issue i = { .new_order = r->new_order, .receipts = receipts };
	i.finalize = make_finalize(w, r);
	i.account_jwk = jwk_of(w, r->jwk);
	if (r->jwk_spaces)
		i.account_jwk = arena_fmt(w->a, " %.*s", BYTES_FMT(i.account_jwk));
	i.n_receipts = recipe_receipts(w, r, receipts);
	issue_write(&i, &out);
	assert_true(buf_ok(&out));
	return arena_copy(w->a, buf_bytes(&out));
}

static enum err_code round_of_one(struct world *w, struct signer_request *q, struct err *e)
{
	struct err why = { 0 };

	arena_reset(w->round);
	enum err_code rc = signer_round(w->s, w->round, q, 1, &why);
	if (rc != ERR_OK) {
		*e = why;
		assert_int_equal(q->code, rc);
	} else if (q->code != ERR_OK) {
		*e = q->why;
	}
	return q->code;
}

enum err_code issue_body(struct world *w, struct bytes body, bool tls, struct issued *ret, struct err *e)
{
	struct signer_request q = { .body = body, .kind = tls ? REQUEST_ISSUE_TLS : REQUEST_ISSUE };

	TRY(round_of_one(w, &q, e));
	if (ret)
		*ret = q.issued;
	return ERR_OK;
}

enum err_code ask_signer(struct world *w, enum request_kind kind, struct bytes body, struct bytes *ret, struct err *e)
{
	struct signer_request q = { .body = body, .kind = kind };

	TRY(round_of_one(w, &q, e));
	if (ret)
		*ret = arena_copy(w->a, q.answer);
	return ERR_OK;
}

enum err_code issue(struct world *w, struct recipe *r, struct issued *ret, struct err *e)
{
	return issue_body(w, recipe_body(w, r), false, ret, e);
}

struct bytes bytes_changed(struct world *w, struct bytes body, struct bytes in)
{
	uint8_t *p = arena_alloc(w->a, body.len);

	memcpy(p, body.ptr, body.len);
	for (size_t i = 0; i + 3 <= in.len; i += 3)
		p[((size_t)in.ptr[i] << 8 | in.ptr[i + 1]) % body.len] ^= in.ptr[i + 2];
	return (struct bytes){ p, body.len };
}

struct issued must_issue(struct world *w, struct recipe *r)
{
	struct issued i = { 0 };
	struct err e = { 0 };

	need(issue(w, r, &i, &e), &e);
	i.certificate = arena_copy(w->a, i.certificate);
	i.serial = arena_copy(w->a, i.serial);
	return i;
}

static enum err_code count_record(void *ctx, const struct record *r, struct err *e)
{
	struct census *c = ctx;
	struct intent i;
	struct result v;

	c->all++;
	c->n[r->type]++;
	if (r->type == LOG_INTENT) {
		TRY(intent_read(r, &i, e));
		if (memcmp(i.order, c->order, sizeof i.order) == 0)
			memcpy(c->serial, i.serial, sizeof i.serial);
	} else if (r->type == LOG_RESULT) {
		TRY(result_read(r, &v, e));
		if (memcmp(v.serial, c->serial, sizeof v.serial) == 0) {
			c->certificates_of_order++;
			c->certificate = arena_copy(c->w->a, v.certificate);
		}
	}
	return ERR_OK;
}

struct census log_census(struct world *w, const uint8_t *order)
{
	struct census c = { .w = w };
	struct err e = { 0 };

	if (order)
		memcpy(c.order, order, sizeof c.order);
	need(signer_log_walk(w->dir, count_record, &c, NULL, &e), &e);
	return c;
}
