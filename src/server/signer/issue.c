/* A round: events and intents durable -> sign -> results durable -> reply (DESIGN §2, §6). */
#include "server/signer/lists.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What becomes of one request of the round. */
enum job_kind {
	JOB_REFUSED,  /* also: not looked at yet */
	JOB_REPEATED, /* its certificate is in the log already, or will be with this round: same order, same CSR */
	JOB_NEW,
	JOB_EVENT, /* no issuance: what it leaves in the log is in the batch already */
};

struct job {
	enum job_kind kind;
	bool tls;
	struct signer_request *r;
	uint8_t order[ORDER_ID_SIZE];
	uint8_t account[THUMBPRINT_SIZE]; /* its id */
	uint8_t csr_digest[SHA256_SIZE];
	uint8_t serial[SERIAL_SIZE];
	const struct profile *profile;
	const struct ca_issuer *issuer;
	struct bytes evidence; /* what the intent keeps */
	struct bytes tbs;
	struct leaf_request leaf;
	struct bytes certificate;
	uint64_t offset; /* of the RESULT */
	uint32_t segment;
	const struct job *twin; /* of this round, for JOB_REPEATED; NULL: in the log */
};

struct round {
	struct signer *s;
	struct arena *a;
	int64_t now_ms;
	struct job *jobs;
	size_t n, n_new;
	struct err room[2]; /* why nothing may be written now: what is not urgent, what is. Code OK: it may */
};

/* One certificate for an order id, ever (DESIGN §2): known from the log, or of this very round. */
static enum err_code find_earlier(const struct round *w, struct job *j, enum job_kind *ret, struct err *e)
{
	const struct order_done *d = orders_find(w->s->orders, j->order);
	const uint8_t *csr_digest = NULL;

	if (d) {
		csr_digest = d->csr_digest;
		j->segment = d->segment;
		j->offset = d->offset;
	}
	for (const struct job *k = w->jobs; !d && k < j; k++)
		if (k->kind == JOB_NEW && !k->tls && memcmp(k->order, j->order, sizeof j->order) == 0) {
			csr_digest = k->csr_digest;
			j->twin = k;
		}
	errno = 0;
	if (csr_digest && memcmp(csr_digest, j->csr_digest, sizeof j->csr_digest) != 0)
		FAIL(e, UNAUTHORIZED, "a certificate for another CSR has been issued for this order: make a new one");
	*ret = csr_digest ? JOB_REPEATED : JOB_NEW;
	return ERR_OK;
}

/* Writes the TBSCertificate and lints the very bytes that will be signed. */
static enum err_code make_tbs(struct round *w, struct job *j, struct err *e)
{
	struct signer *s = w->s;

	j->leaf.serial = j->serial;
	buf_reset(&s->scratch);
	cert_write_leaf_tbs(j->issuer->issuer, j->profile, &j->leaf, &s->scratch);
	if (!buf_ok(&s->scratch))
		FAIL(e, TOO_LARGE, "the certificate would be larger than %d bytes", CERT_SIZE_MAX);
	j->tbs = arena_copy(w->a, buf_bytes(&s->scratch));
	if (!j->tbs.ptr)
		FAIL(e, NOMEM, "no memory for a certificate");
	return lint_leaf_tbs(w->a, j->tbs, j->issuer->issuer, j->profile, &j->leaf, e);
}

/* Who signs, and what the certificate says beside its names. */
static enum err_code set_leaf(
    struct round *w, struct job *j, const struct csr *csr, enum key_type type, int64_t before_s, int64_t after_s, struct err *e)
{
	struct bytes base = w->s->settings.publish_url;
	uint32_t contents = j->profile->contents;

	TRY(issuers_choose(w->s, j->profile, type, after_s, &j->issuer, e));
	TRY(keyholder_ready(w->s, j->issuer, e));
	serial_make(w->now_ms, signer_shard(w->s), j->serial);
	j->leaf = (struct leaf_request){ .names = csr->names,
		.n_names = csr->n_names,
		.spki = csr->spki,
		.key_type = type,
		.not_before_s = before_s,
		.not_after_s = after_s,
		.crl_url = BYTES_LIT(""),
		.ocsp_url = BYTES_LIT(""),
		.ca_issuers_url = BYTES_LIT("") };
	if (contents & PROFILE_CRL)
		j->leaf.crl_url = signer_crl_url(w->s, w->a, j->issuer, serial_shard(j->serial));
	if (contents & PROFILE_OCSP)
		j->leaf.ocsp_url = ocsp_url(w->a, base);
	if (contents & PROFILE_CA_ISSUERS)
		j->leaf.ca_issuers_url = ca_issuers_url(w->a, base, j->issuer->issuer->key_id.ptr);
	if (!j->leaf.crl_url.ptr || !j->leaf.ocsp_url.ptr || !j->leaf.ca_issuers_url.ptr)
		FAIL(e, NOMEM, "no memory for a certificate");
	return ERR_OK;
}

static enum err_code check_names(const struct evidence *v, const struct csr *csr, struct err *e)
{
	bool same = csr->n_names == v->n_ordered;

	for (size_t i = 0; same && i < csr->n_names; i++)
		same = san_cmp(&csr->names[i], &v->ordered[i]) == 0;
	errno = 0;
	if (!same)
		FAIL(e, BAD_CSR, "the CSR's names are not exactly the order's identifiers (RFC 8555 section 7.4)");
	if (csr->n_names > v->profile->names_max)
		FAIL(e, BAD_CSR, "%zu names, at most %" PRIu32 " are allowed by this profile", csr->n_names, v->profile->names_max);
	return ERR_OK;
}

static enum err_code prepare_order(struct round *w, struct job *j, struct err *e)
{
	struct issue i;
	struct evidence v;
	struct csr csr;
	enum key_type type;
	enum job_kind kind = JOB_REFUSED;

	TRY(issue_read(w->a, j->r->body, &i, e));
	TRY(evidence_read(w->s, w->a, &i, w->now_ms, &v, e));
	memcpy(j->order, v.order, sizeof j->order);
	memcpy(j->account, v.account_id, sizeof j->account);
	memcpy(j->csr_digest, v.csr_digest, sizeof j->csr_digest);
	TRY(find_earlier(w, j, &kind, e));
	if (kind == JOB_NEW) {
		TRY(policy_check(w->s, &v, e));
		TRY(csr_check(w->s, w->a, v.csr_der, v.account, v.profile, &csr, &type, e));
		TRY(check_names(&v, &csr, e));
		TRY(receipts_check(w->s, w->a, &i, &v, &csr, w->now_ms, e));
		j->profile = v.profile;
		j->evidence = j->r->body;
		TRY(set_leaf(w, j, &csr, type, v.not_before_s, v.not_after_s, e));
		TRY(make_tbs(w, j, e));
		TRY(orders_reserve(w->s->orders, j->order, SIGNER_BATCH_MAX, e));
	}
	j->kind = kind;
	return ERR_OK;
}

static bool tls_in_round(const struct round *w, const struct job *j)
{
	for (const struct job *k = w->jobs; k < j; k++)
		if (k->kind == JOB_NEW && k->tls)
			return true;
	return false;
}

static enum err_code prepare_tls(struct round *w, struct job *j, struct err *e)
{
	struct signer *s = w->s;
	int64_t before_s, after_s;
	enum key_type type;
	struct csr csr;

	j->profile = tls_profile(s);
	j->evidence = j->r->body;
	sha256_one(j->r->body, j->csr_digest);
	if (tls_is_repeated(s, j->csr_digest, w->now_ms)) {
		j->segment = s->tls.segment;
		j->offset = s->tls.offset;
		j->kind = JOB_REPEATED;
		return ERR_OK;
	}
	TRY(tls_rate_check(s, w->now_ms, e));
	errno = 0;
	if (tls_in_round(w, j))
		FAIL(e, RATE_LIMITED, "at most one TLS certificate an hour");
	TRY(csr_check(s, w->a, j->r->body, NULL, NULL, &csr, &type, e));
	TRY(tls_names_check(s, w->a, &csr, e));
	TRY(validity_decide(j->profile, w->now_ms, w->now_ms, false, 0, false, 0, &before_s, &after_s, e));
	TRY(set_leaf(w, j, &csr, type, before_s, after_s, e));
	TRY(make_tbs(w, j, e));
	j->kind = JOB_NEW;
	return ERR_OK;
}

static void refuse(struct round *w, struct job *j, enum err_code code)
{
	j->kind = JOB_REFUSED;
	j->r->code = code;
	w->s->counts.refused[code]++;
	event_limited(
	    &w->s->refused_events, EVENT_NOTICE, "issue.refused", EVENT_STR("code", err_name(code)), EVENT_STR("detail", j->r->why.detail));
}

static enum err_code check_room(const struct round *w, bool urgent, struct err *e)
{
	if (w->room[urgent].code != ERR_OK)
		*e = w->room[urgent];
	return w->room[urgent].code;
}

/* What is in the log already may be had again also when nothing new can be made. */
static void prepare_issuance(struct round *w, struct job *j)
{
	enum err_code rc = j->tls ? prepare_tls(w, j, &j->r->why) : prepare_order(w, j, &j->r->why);

	if (rc == ERR_OK && j->kind == JOB_NEW)
		rc = check_room(w, false, &j->r->why);
	if (rc != ERR_OK)
		refuse(w, j, rc);
	else if (j->kind == JOB_NEW)
		w->n_new++;
}

static enum err_code judge_event(struct round *w, struct job *j, struct err *e)
{
	const struct request_row *row = &request_rows[j->r->kind];
	struct signer *s = w->s;

	buf_reset(&s->event);
	TRY(row->prepare(s, w->a, j->r->body, w->now_ms, &s->event, &j->r->answer, e));
	errno = 0;
	if (!buf_ok(&s->event))
		FAIL(e, NOMEM, "no memory for a record of the log");
	return s->event.len > 0 ? check_room(w, row->urgent, e) : ERR_OK;
}

/* A failure is the log's, not the request's. */
static enum err_code prepare_event(struct round *w, struct job *j, struct err *e)
{
	struct signer *s = w->s;
	enum err_code rc = judge_event(w, j, &j->r->why);

	if (rc != ERR_OK) {
		refuse(w, j, rc);
		return ERR_OK;
	}
	j->kind = JOB_EVENT;
	if (s->event.len == 0)
		return ERR_OK;
	return event_append(s, request_rows[j->r->kind].record, buf_bytes(&s->event), w->now_ms, e);
}

/* Urgent events, then the others, then issuances: whoever is deactivated in this round gets nothing more in it. */
static enum err_code prepare(struct round *w, struct err *e)
{
	for (int urgent = 1; urgent >= 0; urgent--)
		for (size_t i = 0; i < w->n; i++) {
			const struct request_row *row = &request_rows[w->jobs[i].r->kind];
			event_set_request(w->jobs[i].r->request);
			if (row->prepare && row->urgent == (urgent == 1))
				TRY(prepare_event(w, &w->jobs[i], e));
		}
	for (size_t i = 0; i < w->n; i++) {
		event_set_request(w->jobs[i].r->request);
		if (!request_rows[w->jobs[i].r->kind].prepare)
			prepare_issuance(w, &w->jobs[i]);
	}
	event_set_request(0);
	return ERR_OK;
}

static enum err_code add_intent(struct round *w, const struct job *j, struct err *e)
{
	struct intent i = { .tls = j->tls, .profile = j->profile->name, .evidence = j->evidence };

	memcpy(i.order, j->order, sizeof i.order);
	memcpy(i.serial, j->serial, sizeof i.serial);
	memcpy(i.csr_digest, j->csr_digest, sizeof i.csr_digest);
	memcpy(i.thumbprint, j->account, sizeof i.thumbprint);
	memcpy(i.issuer, j->issuer->issuer->key_id.ptr, sizeof i.issuer);
	sha256_one(j->tbs, i.tbs_digest);
	intent_write(&i, log_begin(w->s->log));
	return log_end(w->s->log, j->tls ? LOG_TLS_INTENT : LOG_INTENT, w->now_ms, NULL, e);
}

/* A key that does not sign leaves an intent that will never have a result. */
static enum err_code add_void(struct round *w, struct job *j, enum err_code code, struct err *e)
{
	struct voided v = { .reason = bytes_str(err_name(code)) };

	memcpy(v.serial, j->serial, sizeof v.serial);
	memcpy(v.order, j->order, sizeof v.order);
	memcpy(v.issuer, j->issuer->issuer->key_id.ptr, sizeof v.issuer);
	buf_reset(&w->s->event);
	void_write(&v, &w->s->event);
	TRY(event_append(w->s, LOG_VOID, buf_bytes(&w->s->event), w->now_ms, e));
	w->s->counts.voided++;
	refuse(w, j, code);
	return ERR_OK;
}

static enum err_code sign(struct round *w, struct job *j, struct err *e)
{
	buf_reset(&w->s->scratch);
	TRY(cert_sign(j->issuer->issuer->key, j->tbs, &w->s->scratch, e));
	if (!buf_ok(&w->s->scratch))
		FAIL(e, TOO_LARGE, "the certificate would be larger than %d bytes", CERT_SIZE_MAX);
	j->certificate = arena_copy(w->a, buf_bytes(&w->s->scratch));
	if (!j->certificate.ptr)
		FAIL(e, NOMEM, "no memory for a certificate");
	return ERR_OK;
}

static enum err_code add_result(struct round *w, struct job *j, struct err *e)
{
	struct result v = { .certificate = j->certificate };

	memcpy(v.serial, j->serial, sizeof v.serial);
	result_write(&v, log_begin(w->s->log));
	return log_end(w->s->log, LOG_RESULT, w->now_ms, &j->offset, e);
}

static void tell_issued(const struct job *j)
{
	char serial[HEX_LEN(SERIAL_SIZE) + 1], order[BASE64URL_LEN(ORDER_ID_SIZE) + 1];

	hex_encode(BYTES_ARRAY(j->serial), serial);
	base64url_encode(BYTES_ARRAY(j->order), order);
	event(EVENT_INFO, "certificate.issued", EVENT_STR("serial", serial), EVENT_STR("issuer", j->issuer->name),
	    { "profile", j->profile->name }, EVENT_STR("order", j->tls ? "tls" : order));
}

/* The certificate exists durably: from here on it is the order's only one. */
static enum err_code settle(struct round *w, struct job *j, struct err *e)
{
	struct signer *s = w->s;

	j->r->issued.serial = arena_copy(w->a, BYTES_ARRAY(j->serial));
	j->r->issued.certificate = j->certificate;
	j->r->issued.chain = buf_bytes(&j->issuer->chain);
	j->r->issued.not_before_s = j->leaf.not_before_s;
	j->r->issued.not_after_s = j->leaf.not_after_s;
	j->segment = log_position(s->log).segment;
	if (j->tls) {
		struct log_entry n = { .tls = true, .time_ms = w->now_ms, .segment = j->segment, .offset = j->offset };
		memcpy(n.csr_digest, j->csr_digest, sizeof n.csr_digest);
		tls_remember(s, &n);
		s->counts.tls++;
	} else {
		struct order_done d = { .segment = j->segment, .offset = j->offset };
		memcpy(d.order, j->order, sizeof d.order);
		memcpy(d.csr_digest, j->csr_digest, sizeof d.csr_digest);
		orders_add(s->orders, &d);
		s->counts.issued++;
	}
	tell_issued(j);
	if (!j->r->issued.serial.ptr)
		FAIL(e, NOMEM, "no memory for an answer: ask again");
	return ERR_OK;
}

/* The same bytes as before, from the log. */
static enum err_code repeat(struct round *w, struct job *j, struct err *e)
{
	struct record r;
	struct result v;
	struct cert c;

	TRY(log_read(w->s->log, w->a, j->segment, j->offset, &r, e));
	errno = 0;
	if (r.type != LOG_RESULT)
		FAIL(e, IO, "segment %u of the log has no result at offset %" PRIu64, j->segment, j->offset);
	TRY(result_read(&r, &v, e));
	TRY(cert_parse(w->a, v.certificate, &c, e));
	const struct ca_issuer *by = issuers_find(w->s, c.authority_key_id);
	if (!by)
		FAIL(e, CONFIG, "the issuer that has signed this order's certificate is not there any more");
	j->r->issued = (struct issued){ .serial = arena_copy(w->a, BYTES_ARRAY(v.serial)),
		.certificate = v.certificate,
		.chain = buf_bytes(&by->chain),
		.not_before_s = c.not_before_s,
		.not_after_s = c.not_after_s };
	if (!j->r->issued.serial.ptr)
		FAIL(e, NOMEM, "no memory for an answer: ask again");
	return ERR_OK;
}

static void answer(struct round *w, struct job *j)
{
	struct signer_request *r = j->r;
	enum err_code rc = ERR_OK;

	event_set_request(r->request);
	if (j->kind == JOB_EVENT)
		event(EVENT_INFO, "request.recorded", EVENT_STR("record", log_type_name(request_rows[r->kind].record)));
	if (j->kind == JOB_NEW) {
		rc = settle(w, j, &r->why);
	} else if (j->kind == JOB_REPEATED && j->twin && j->twin->kind == JOB_REFUSED) {
		r->why = j->twin->r->why;
		rc = j->twin->r->code;
	} else if (j->kind == JOB_REPEATED) {
		rc = repeat(w, j, &r->why);
		w->s->counts.repeated += rc == ERR_OK;
	}
	if (rc != ERR_OK)
		refuse(w, j, rc);
	event_set_request(0);
	if (j->kind == JOB_REFUSED)
		return;
	r->code = ERR_OK;
}

/* Intents, one sync, signatures, results, one sync. */
static enum err_code make_certificates(struct round *w, struct err *e)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->jobs[i].kind == JOB_NEW)
			TRY(add_intent(w, &w->jobs[i], e));
	TRY(log_commit(w->s->log, e));
	for (size_t i = 0; i < w->n; i++) {
		struct job *j = &w->jobs[i];
		if (j->kind != JOB_NEW)
			continue;
		enum err_code rc = sign(w, j, &j->r->why);
		if (rc == ERR_OK)
			TRY(add_result(w, j, e));
		else
			TRY(add_void(w, j, rc, e));
	}
	TRY(log_commit(w->s->log, e));
	for (size_t i = 0; i < w->n; i++) /* a twin's place in the log is known now */
		if (w->jobs[i].twin) {
			w->jobs[i].segment = log_position(w->s->log).segment;
			w->jobs[i].offset = w->jobs[i].twin->offset;
		}
	return ERR_OK;
}

/* Space is kept free for what is urgent; a new segment is not. */
static enum err_code run(struct round *w, struct err *e)
{
	TRY(signer_place_check(w->s, e));
	if (signer_clock_check(w->s, w->now_ms, &w->room[true]) != ERR_OK)
		w->room[false] = w->room[true];
	else if (signer_space_check(w->s, &w->room[false]) == ERR_OK)
		TRY(log_rotate(w->s->log, w->now_ms, e));
	TRY(prepare(w, e));
	if (w->n_new > 0)
		TRY(make_certificates(w, e));
	else
		TRY(log_commit(w->s->log, e)); /* what the events have left */
	for (size_t i = 0; i < w->n; i++)
		answer(w, &w->jobs[i]);
	return ERR_OK;
}

/* No answer of a failed round may leave: whether its certificates exist is for the next start to find out. */
static void fail_all(struct signer_request *r, size_t n, const struct err *why, enum err_code code)
{
	for (size_t i = 0; i < n; i++) {
		r[i].code = code;
		r[i].issued = (struct issued){ 0 };
		r[i].answer = BYTES_NONE;
		if (why)
			r[i].why = *why;
	}
}

enum err_code signer_round(struct signer *s, struct arena *a, struct signer_request *r, size_t n, struct err *e)
{
	struct round w = { .s = s, .a = a, .now_ms = clock_wall_ms(), .n = n };

	errno = 0;
	fail_all(r, n, NULL, ERR_IO);
	if (log_poisoned(s->log))
		FAIL(e, IO, "the log has failed before: only a new start may go on");
	for (size_t i = 0; i < n; i++)
		if ((unsigned)r[i].kind >= REQUEST__MAX)
			FAIL(e, BUG, "a request of kind %u", (unsigned)r[i].kind);
	if (n > SIGNER_BATCH_MAX)
		FAIL(e, BUG, "%zu requests in a round, at most %d", n, SIGNER_BATCH_MAX);
	w.jobs = arena_array(a, n + 1, sizeof *w.jobs);
	if (!w.jobs)
		FAIL(e, NOMEM, "no memory for a round");
	for (size_t i = 0; i < n; i++)
		w.jobs[i] = (struct job){ .r = &r[i], .tls = r[i].kind == REQUEST_ISSUE_TLS };
	enum err_code rc = run(&w, e);
	if (rc != ERR_OK)
		fail_all(r, n, e, rc);
	return rc;
}
