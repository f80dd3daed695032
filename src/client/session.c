#include "client/session.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "client/problem.h"
#include "client/retry_after.h"
#include "jose/jwk.h"
#include "jose/jws.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A server that loses every second nonce (Pebble can be told to) still has to be got along with: sixteen in a row are then one
 * request in 65,536. */
#define BAD_NONCE_TRIES    16
#define BUSY_TRIES         5
#define TRANSPORT_TRIES    3
#define REQUEST_TIMEOUT_MS 60000
#define REQUEST_SIZE_MAX   (512 * 1024)

void session_doing(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->doing, sizeof s->doing, fmt, ap);
	va_end(ap);
}

enum err_code session_stopped(struct session *s, const char *why, const char *hint, struct err *e)
{
	(void)err_set(e, ERR_CRYPTO, __FILE__, __LINE__, "%s", why);
	return failure_note(s->error, ERR_CRYPTO, CHANCERY_CALLBACK, CHANCERY_FAULT_CALLER, hint);
}

struct news {
	const struct session *s;
	enum chancery_step step;
	const char *text;
};

static int tell(void *arg)
{
	const struct news *n = arg;

	return n->s->progress(n->s->progress_context, n->step, n->text);
}

enum err_code session_tell(struct session *s, struct err *e, enum chancery_step step, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!s->progress)
		return ERR_OK;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	struct news news = { s, step, text };
	int rc = 0;
	TRY(session_call(s, SESSION_CALL_TELL, tell, &news, &rc, e));
	return rc == 0 ? ERR_OK : session_stopped(s, "stopped as asked", NULL, e);
}

enum err_code session_url(struct session *s, struct bytes url, const char *what, const char **ret, struct err *e)
{
	bool good = url.len <= SESSION_URL_MAX && bytes_starts_with(url, BYTES_LIT("https://"));

	for (size_t i = 0; good && i < url.len; i++)
		good = url.ptr[i] > ' ' && url.ptr[i] < 0x7f;
	if (!good)
		FAIL(e, MALFORMED, "the server gives no https URL as %s", what);
	const char *copy = arena_str(s->arena, url);
	if (!copy)
		FAIL(e, NOMEM, "no memory for a URL");
	*ret = copy;
	return ERR_OK;
}

/* --- waiting --- */

static int64_t left_ms(const struct session *s)
{
	return s->deadline_ms - clock_monotonic_ms();
}

static enum err_code pass_deadline(struct session *s, uint32_t ms, struct err *e)
{
	if (left_ms(s) <= 0)
		(void)err_set(e, ERR_TIMEOUT, __FILE__, __LINE__, "the time given for it is over");
	else
		(void)err_set(e, ERR_TIMEOUT, __FILE__, __LINE__, "the server asks to wait %u s, which is longer than the time given",
		    (ms + 999) / 1000);
	s->error->retry_after_s = (ms + 999) / 1000;
	return failure_note(s->error, ERR_TIMEOUT, CHANCERY_TIMEOUT, CHANCERY_FAULT_SERVER, "try again later, or give it more time");
}

enum err_code session_call(struct session *s, enum session_call_kind kind, int (*f)(void *arg), void *arg, int *ret, struct err *e)
{
	const struct session_call c = { kind, f, arg };
	enum err_code rc = s->io.call(s->io.ctx, &c, s->deadline_ms, ret, e);

	return rc == ERR_TIMEOUT ? pass_deadline(s, 0, e) : rc;
}

enum err_code session_sign(struct session *s, const struct chancery_key *k, enum sig_form form, struct bytes message, const char *what,
    uint8_t *sig, size_t *ret_len, struct err *e)
{
	struct keys_signature g = { .key = k, .message = message };
	char hint[100];
	int failed = 0;

	if (k->sign)
		TRY(session_call(s, SESSION_CALL_ASK, keys_ask, &g, &failed, e));
	enum err_code rc =
	    failed ? err_set(e, ERR_CRYPTO, __FILE__, __LINE__, "the key's own signer failed") : keys_take(&g, form, sig, ret_len, e);
	(void)snprintf(hint, sizeof hint, "look at what signs for %s", what);
	return rc != ERR_OK && k->sign ? failure_note(s->error, rc, CHANCERY_CALLBACK, CHANCERY_FAULT_CALLER, hint) : rc;
}

/* Whose wish a wait is. */
enum wait { WAIT_ASKED, WAIT_OWN };

static enum err_code wait_for(struct session *s, enum wait kind, uint32_t ms, const char *why, struct err *e)
{
	int64_t end = clock_monotonic_ms() + ms;

	if (end > s->deadline_ms && kind == WAIT_ASKED)
		return pass_deadline(s, ms, e);
	if (end > s->deadline_ms)
		end = s->deadline_ms; /* the next request finds it passed */
	if (ms >= 1000)
		TRY(session_tell(s, e, CHANCERY_STEP_WAIT, "%s: waiting %u s", why, ms / 1000));
	for (;;) {
		if (clock_monotonic_ms() >= end)
			return ERR_OK;
		TRY(s->io.wait(s->io.ctx, end, e));
		/* A signal may be the user's wish to stop: the caller's callback knows. */
		if (clock_monotonic_ms() < end)
			TRY(session_tell(s, e, CHANCERY_STEP_WAIT, "%s", why));
	}
}

/* How long the server asks to wait; 0: it does not. */
static uint32_t asked_wait_s(const struct http_client_answer *a)
{
	struct bytes date = BYTES_NONE;

	for (size_t i = 0; i < a->n_fields; i++)
		if (bytes_eq_str(a->fields[i].name, "date"))
			date = a->fields[i].value;
	return retry_after_parse(a->retry_after, date, clock_wall_ms() / 1000);
}

enum err_code session_pause(struct session *s, const struct http_client_answer *last, unsigned n, const char *why, struct err *e)
{
	static const uint32_t pauses_ms[] = { 200, 300, 500, 1000, 2000, 3000, 5000 };
	const unsigned most = sizeof pauses_ms / sizeof *pauses_ms - 1;
	uint32_t asked_s = asked_wait_s(last);

	return asked_s ? wait_for(s, WAIT_ASKED, asked_s * 1000, why, e) : wait_for(s, WAIT_OWN, pauses_ms[n < most ? n : most], why, e);
}

/* --- plain requests --- */

/* Notes what a failure of the transport means. */
static enum err_code transport_failed(struct session *s, enum err_code rc)
{
	if (rc == ERR_TLS)
		return failure_note(s->error, rc, CHANCERY_NETWORK, CHANCERY_FAULT_SERVER,
		    "the server's TLS certificate is not trusted: name the CA that vouches for it by a CA file, and look at the URL's host name");
	if (rc == ERR_DNS)
		return failure_note(
		    s->error, rc, CHANCERY_NETWORK, CHANCERY_FAULT_NETWORK, "look at the URL's host name and at this machine's DNS");
	if (rc == ERR_CONNECTION)
		return failure_note(s->error, rc, CHANCERY_NETWORK, CHANCERY_FAULT_NETWORK,
		    "look whether the server runs there, and at this machine's network");
	if (rc == ERR_TIMEOUT)
		return failure_note(s->error, rc, left_ms(s) <= 0 ? CHANCERY_TIMEOUT : CHANCERY_NETWORK, CHANCERY_FAULT_NETWORK,
		    "the server does not answer: try again later");
	return rc; /* the code says it all */
}

static enum err_code transport(struct session *s, struct http_client_request *r, struct http_client_answer *ret, struct err *e)
{
	int64_t left = left_ms(s);

	if (left <= 0)
		return pass_deadline(s, 0, e);
	r->timeout_ms = left < REQUEST_TIMEOUT_MS ? (uint32_t)left : REQUEST_TIMEOUT_MS;
	TRY(s->io.exchange(s->io.ctx, s->scratch, r, ret, e));
	/* "the client MUST ignore invalid Replay-Nonce values" (RFC 8555 §6.5.1) */
	if (ret->replay_nonce.ptr && ret->replay_nonce.len <= SESSION_NONCE_MAX && base64url_is(ret->replay_nonce))
		(void)snprintf(s->nonce, sizeof s->nonce, "%.*s", BYTES_FMT(ret->replay_nonce));
	return ERR_OK;
}

/* How often each kind of failure was met in one request. */
struct tries {
	unsigned nonce, busy, transport;
};

/* After an answer that is no success: whether to try again, having waited as the server wishes. */
static enum err_code try_again(struct session *s, const struct http_client_answer *a, struct tries *t, bool *ret_again, struct err *e)
{
	uint32_t wait_s = asked_wait_s(a);

	*ret_again = false;
	/* The error's own answer carries the nonce to use (RFC 8555 §6.5). */
	if (problem_code(s->scratch, a->body) == ERR_BAD_NONCE && ++t->nonce <= BAD_NONCE_TRIES) {
		*ret_again = true;
		return ERR_OK;
	}
	if ((a->status != 503 && a->status != 429) || !wait_s || ++t->busy > BUSY_TRIES || (int64_t)wait_s * 1000 > left_ms(s))
		return ERR_OK;
	TRY(wait_for(s, WAIT_ASKED, wait_s * 1000, "the server is busy", e));
	*ret_again = true;
	return ERR_OK;
}

/* A request that nobody signs. t: what is left of the patience with it. */
static enum err_code ask(struct session *s, struct http_client_request *r, struct tries t, struct http_client_answer *ret, struct err *e)
{
	struct http_client_answer answer;
	bool again = true;

	while (again) {
		enum err_code rc = transport(s, r, &answer, e);
		if (rc != ERR_OK)
			return transport_failed(s, rc);
		again = false;
		if (answer.status >= 400)
			TRY(try_again(s, &answer, &t, &again, e));
	}
	s->error->retry_after_s = asked_wait_s(&answer);
	if (answer.status >= 400)
		return problem_document_read(s->error, s->scratch, answer.body, answer.status, PROBLEM_OF_REQUEST, s->doing, e);
	*ret = answer;
	return ERR_OK;
}

static enum err_code take_nonce(struct session *s, char out[SESSION_NONCE_MAX + 1], struct err *e)
{
	struct http_client_request r = { .method = HTTP_CLIENT_HEAD, .url = s->directory.new_nonce };
	struct http_client_answer answer;

	if (!s->nonce[0]) {
		TRY(ask(s, &r, (struct tries){ 0 }, &answer, e));
		if (!s->nonce[0])
			FAIL(e, MALFORMED, "the server gives no nonce at %.150s (HTTP status %d)", r.url, answer.status);
	}
	memcpy(out, s->nonce, sizeof s->nonce);
	s->nonce[0] = 0; /* good for one request */
	return ERR_OK;
}

/* --- the directory --- */

struct directory_json {
	struct bytes new_nonce, new_account, new_order, revoke_cert, key_change, renewal_info, meta;
};
static const struct json_field directory_fields[] = {
	JSON_FIELD(struct directory_json, new_nonce, "newNonce", JSON_STRING, true, SESSION_URL_MAX),
	JSON_FIELD(struct directory_json, new_account, "newAccount", JSON_STRING, true, SESSION_URL_MAX),
	JSON_FIELD(struct directory_json, new_order, "newOrder", JSON_STRING, true, SESSION_URL_MAX),
	JSON_FIELD(struct directory_json, revoke_cert, "revokeCert", JSON_ANY, false, 0),
	JSON_FIELD(struct directory_json, key_change, "keyChange", JSON_ANY, false, 0),
	JSON_FIELD(struct directory_json, renewal_info, "renewalInfo", JSON_ANY, false, 0),
	JSON_FIELD(struct directory_json, meta, "meta", JSON_ANY, false, 0),
};
struct meta_json {
	struct bytes terms, external, caa, profiles;
};
static const struct json_field meta_fields[] = {
	JSON_FIELD(struct meta_json, terms, "termsOfService", JSON_ANY, false, 0),
	JSON_FIELD(struct meta_json, external, "externalAccountRequired", JSON_ANY, false, 0),
	JSON_FIELD(struct meta_json, caa, "caaIdentities", JSON_ANY, false, 0),
	JSON_FIELD(struct meta_json, profiles, "profiles", JSON_ANY, false, 0),
};

/* What is no list of names is none: it is for a look ahead, and an order needs it not. */
static enum err_code read_caa(struct session *s, struct bytes json, struct directory *d, struct err *e)
{
	struct bytes *v;
	size_t n;

	if (json.len == 0 || json.ptr[0] != '[' || json_elements(s->scratch, json, SESSION_CAA_MAX, &v, &n, NULL) != ERR_OK)
		return ERR_OK;
	for (size_t i = 0; i < n; i++) {
		struct bytes text = problem_string(s->scratch, v[i]);
		char name[256];
		if (text.len == 0 || text.len >= sizeof name)
			continue;
		failure_text(text, name, sizeof name);
		d->caa[d->n_caa] = arena_str(s->arena, bytes_str(name));
		if (!d->caa[d->n_caa++])
			FAIL(e, NOMEM, "no memory for the directory");
	}
	return ERR_OK;
}

static enum err_code read_meta(struct session *s, struct bytes meta, struct directory *d, struct err *e)
{
	struct meta_json m = { 0 };
	char terms[SESSION_URL_MAX + 1];

	if (meta.len == 0 || meta.ptr[0] != '{')
		return ERR_OK;
	TRY(json_read(s->scratch, meta, "the directory's meta", meta_fields, sizeof meta_fields / sizeof *meta_fields, &m, e));
	struct bytes text = problem_string(s->scratch, m.terms);
	if (text.len) {
		failure_text(text, terms, sizeof terms); /* shown, never fetched */
		d->terms = arena_str(s->arena, bytes_str(terms));
		if (!d->terms)
			FAIL(e, NOMEM, "no memory for the directory");
	}
	d->external_account = bytes_eq_str(m.external, "true");
	d->has_profiles = m.profiles.len > 0 && m.profiles.ptr[0] == '{';
	return read_caa(s, m.caa, d, e);
}

/* What is not there is not needed for a certificate; what is there has to be right. */
static enum err_code optional_url(struct session *s, struct bytes value, const char *what, const char **ret, struct err *e)
{
	struct bytes text = problem_string(s->scratch, value);

	*ret = NULL;
	return text.ptr ? session_url(s, text, what, ret, e) : ERR_OK;
}

static enum err_code read_directory(struct session *s, struct bytes body, struct err *e)
{
	struct directory_json j = { 0 };
	struct directory d = { 0 };

	TRY(json_read(
	    s->scratch, body, "the server's directory", directory_fields, sizeof directory_fields / sizeof *directory_fields, &j, e));
	TRY(session_url(s, j.new_nonce, "newNonce", &d.new_nonce, e));
	TRY(session_url(s, j.new_account, "newAccount", &d.new_account, e));
	TRY(session_url(s, j.new_order, "newOrder", &d.new_order, e));
	TRY(optional_url(s, j.revoke_cert, "revokeCert", &d.revoke_cert, e));
	TRY(optional_url(s, j.key_change, "keyChange", &d.key_change, e));
	TRY(optional_url(s, j.renewal_info, "renewalInfo", &d.renewal_info, e));
	TRY(read_meta(s, j.meta, &d, e));
	s->directory = d;
	return ERR_OK;
}

enum err_code session_open(struct session *s, const char *directory_url, struct err *e)
{
	struct http_client_request r = { .method = HTTP_CLIENT_GET, .url = directory_url };
	struct http_client_answer answer;

	session_doing(s, "getting the directory %.300s", directory_url);
	if (strncmp(directory_url, "https://", 8) != 0 || strlen(directory_url) > SESSION_URL_MAX)
		FAIL(e, CONFIG, "the directory's URL has to begin with https://");
	arena_reset(s->scratch);
	TRY(ask(s, &r, (struct tries){ 0 }, &answer, e));
	enum err_code rc = answer.status == 200
			       ? read_directory(s, answer.body, e)
			       : err_set(e, ERR_MALFORMED, __FILE__, __LINE__, "the server answers with HTTP status %d", answer.status);
	if (rc == ERR_MALFORMED)
		(void)failure_note(s->error, rc, CHANCERY_PROTOCOL, CHANCERY_FAULT_CALLER, "this is no ACME directory: look at the URL");
	return rc;
}

enum err_code session_get(struct session *s, const char *url, struct http_client_answer *ret, struct err *e)
{
	struct http_client_request r = { .method = HTTP_CLIENT_GET, .url = url };
	struct http_client_answer answer;

	arena_reset(s->scratch);
	TRY(ask(s, &r, (struct tries){ .busy = BUSY_TRIES }, &answer, e)); /* who asks waits elsewhere */
	if (answer.status < 200 || answer.status >= 300)
		FAIL(e, MALFORMED, "the server answers with HTTP status %d", answer.status);
	*ret = answer;
	return ERR_OK;
}

/* --- signed requests --- */

static enum err_code sign_account(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	struct session *s = ctx;

	return session_sign(s, s->account, SIG_FORM_JOSE, message, "the account key", sig, ret_len, e);
}

static enum err_code write_request(struct session *s, const char *url, struct bytes payload, struct buf *out, struct err *e)
{
	char nonce[SESSION_NONCE_MAX + 1];
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX);
	struct jws_header h = { .alg = key_sig_alg(s->account->key), .url = bytes_str(url) };

	TRY(take_nonce(s, nonce, e));
	h.nonce = bytes_str(nonce);
	if (s->account_url) {
		h.kid = bytes_str(s->account_url);
	} else {
		jwk_write(s->account->key, &jwk);
		if (!buf_ok(&jwk))
			FAIL(e, NOMEM, "no memory for the account's key");
		h.jwk = buf_bytes(&jwk);
	}
	return jws_write(&h, payload, sign_account, s, out, e);
}

static enum err_code post_once(
    struct session *s, const char *url, struct bytes payload, const char *accept, struct http_client_answer *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(REQUEST_SIZE_MAX);

	arena_reset(s->scratch);
	TRY(write_request(s, url, payload, &body, e));
	struct http_client_request r = {
		.method = HTTP_CLIENT_POST, .url = url, .body = buf_bytes(&body), .content_type = "application/jose+json", .accept = accept
	};
	return transport(s, &r, ret, e);
}

static bool is_transport(enum err_code rc)
{
	return rc == ERR_CONNECTION || rc == ERR_TIMEOUT || rc == ERR_DNS;
}

enum err_code session_post(
    struct session *s, const char *url, struct bytes payload, const char *accept, struct http_client_answer *ret, struct err *e)
{
	struct tries t = { 0 };
	struct http_client_answer answer;
	bool again = true;

	while (again) {
		enum err_code rc = post_once(s, url, payload, accept, &answer, e);
		/* A POST-as-GET changes nothing, so it may be sent twice. */
		if (is_transport(rc) && s->error->result == CHANCERY_OK && payload.len == 0 && ++t.transport < TRANSPORT_TRIES) {
			TRY(wait_for(s, WAIT_OWN, 1000 * t.transport, "the connection failed", e));
			continue;
		}
		if (rc != ERR_OK)
			return transport_failed(s, rc);
		if (answer.status >= 200 && answer.status < 300) {
			*ret = answer;
			return ERR_OK;
		}
		TRY(try_again(s, &answer, &t, &again, e));
	}
	s->error->retry_after_s = asked_wait_s(&answer);
	if (answer.status < 400)
		FAIL(e, MALFORMED, "the server answers with HTTP status %d", answer.status);
	return problem_document_read(s->error, s->scratch, answer.body, answer.status, PROBLEM_OF_REQUEST, s->doing, e);
}
