/* Requirements that are the same on many resources: checks × resources, each pair a case with its own id and mutant. */
#include "probe/list.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ROWS_MAX 400
#define EVERY    (SET(ON__MAX) - 1)

struct check {
	const char *name, *section;
	enum probe_level level;
	const char *must; /* without the resource */
	unsigned on;      /* set of enum subject */
	struct probe_case row;
};

/* --- what is looked at --- */

/* RFC 8555 §6.3: GET to what is not the directory, newNonce or a certificate's renewal information. */
static enum err_code no_get(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	TRY(probe_ask(p, &GET(.judged = true, .url = r.url), &x, e));
	return want_problem(p, &x, 405, "malformed", e);
}

static enum err_code other_type(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	r.content_type = c->value;
	TRY(probe_ask(p, &r, &x, e));
	return want_status(&x, 415, e);
}

static enum err_code other_url(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	r.signed_url = probe_directory_url(p);
	TRY(probe_ask(p, &r, &x, e));
	return want_problem(p, &x, 0, "unauthorized", e);
}

static enum err_code somebody_else(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	TRY(probe_other(p, &r.as, e));
	TRY(probe_ask(p, &r, &x, e));
	return want_problem(p, &x, 0, NULL, e);
}

/* The nonce of a badNonce problem is good for the next try. */
static enum err_code nonce_of_problem(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct bytes nonce;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	r.defect = DEFECT_NONCE_UNKNOWN;
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_problem(p, &x, 0, "badNonce", e));
	return want_field(&x, "replay-nonce", &nonce, e);
}

static enum err_code index_link(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_success(&x, e));
	return want_link(p, &x, "index", NULL, e);
}

static enum err_code algorithms(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct bytes *v;
	struct ask r;
	size_t n;

	TRY(subject_ask(p, c->on, &r, e));
	r.defect = DEFECT_ALG_UNKNOWN;
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_elements(p, &x, "algorithms", &v, &n, e));
	for (size_t i = 0; i < n; i++)
		if (bytes_eq_str(v[i], "\"ES256\""))
			return ERR_OK;
	FAIL(e, CONFIRM, "\"algorithms\" has no ES256, which every server implements");
}

static enum err_code unknown_kid(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	r.kid = (const char *)arena_fmt(probe_arena(p), "%s-of-nobody", r.as->url).ptr;
	TRY(probe_ask(p, &r, &x, e));
	return want_problem(p, &x, 0, "accountDoesNotExist", e);
}

/* RFC 7807 §3.1: the status that the document tells is the answer's. */
static enum err_code want_own_status(struct probe *p, const struct http_client_answer *x, struct err *e)
{
	struct bytes v = member_of(p, x->body, "status");
	struct bytes due = arena_fmt(probe_arena(p), "%d", x->status);

	if (v.ptr && !bytes_eq(v, due))
		FAIL(e, CONFIRM, "the document's status is %.*s, the answer's %d", (int)(v.len < 20 ? v.len : 20), (const char *)v.ptr,
		    x->status);
	return ERR_OK;
}

static enum err_code problem_member(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	r.defect = DEFECT_SIGNATURE_OTHER;
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_problem(p, &x, 0, NULL, e));
	return strcmp(c->arg, "status") == 0 ? want_own_status(p, &x, e) : want_kind(p, &x, c->arg, c->value, e);
}

static enum err_code problem_field(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, c->on, &r, e));
	r.defect = DEFECT_SIGNATURE_OTHER;
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_problem(p, &x, 0, NULL, e));
	return c->value ? want_link(p, &x, c->value, NULL, e) : want_field(&x, c->arg, NULL, e);
}

static enum err_code is_json(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(subject_good(p, c->on, &x, e));
	struct bytes kind = x.content_type, parameters;
	(void)bytes_split(kind, ';', &kind, &parameters);
	if (!kind.ptr || !bytes_eq_str(kind, "application/json") || !member_of(p, x.body, "").ptr)
		FAIL(e, CONFIRM, "the content type is %.*s", BYTES_FMT(x.content_type));
	return ERR_OK;
}

/* --- the table --- */

/* Resources whose good request is a success. */
#define GOOD (EVERY & ~(SET(ON_FINALIZE) | SET(ON_REVOKE_CERT) | SET(ON_KEY_CHANGE)))
/* One that is signed by a key and one that is signed by an account. */
#define BOTH_KINDS (SET(ON_NEW_ACCOUNT) | SET(ON_NEW_ORDER))
#define SPOILT(what, ...)                                          \
	{                                                          \
		.run = case_problem, .defect = (what), __VA_ARGS__ \
	}
/* Those that belong to one account. */
#define OWNED \
	(SET(ON_ACCOUNT) | SET(ON_ORDERS) | SET(ON_ORDER) | SET(ON_AUTHZ) | SET(ON_CHALLENGE) | SET(ON_FINALIZE) | SET(ON_CERTIFICATE))

static const struct check jws_checks[] = {
	{ "alg-none", "RFC 8555 §6.2", MUST, "The algorithm none is refused.", BOTH_KINDS, SPOILT(DEFECT_ALG_NONE, M_STATUS(201)) },
	{ "alg-mac", "RFC 8555 §6.2", MUST, "A MAC in the place of a signature is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_ALG_HS256, M_STATUS(200)) },
	{ "alg-unknown", "RFC 8555 §6.2", MUST, "An algorithm that the server does not have is refused with 400 and badSignatureAlgorithm.",
	    BOTH_KINDS, SPOILT(DEFECT_ALG_UNKNOWN, M_TYPE("malformed"), .status = 400, .type = "badSignatureAlgorithm") },
	{ "alg-unknown-list", "RFC 8555 §6.2", MUST, "badSignatureAlgorithm lists the algorithms that the server has.", BOTH_KINDS,
	    { .run = algorithms, M_LOSE("algorithms") } },
	{ "alg-of-another-key", "RFC 7518 §3.4", MUST, "ES384 by a key of P-256 is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_ALG_OTHER, M_STATUS(200)) },
	{ "no-alg", "RFC 8555 §6.2", MUST, "A protected header without alg is refused.", BOTH_KINDS, SPOILT(DEFECT_NO_ALG, M_STATUS(201)) },
	{ "no-nonce", "RFC 8555 §6.5.2", MUST, "A protected header without a nonce is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_NO_NONCE, M_STATUS(200)) },
	{ "nonce-form", "RFC 8555 §6.5.2", MUST, "A nonce that is no base64url is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_NONCE_FORM, M_STATUS(200)) },
	{ "no-url", "RFC 8555 §6.4", MUST, "A protected header without url is refused.", BOTH_KINDS, SPOILT(DEFECT_NO_URL, M_STATUS(200)) },
	{ "signature-der", "RFC 7518 §3.4", MUST, "An ECDSA signature in X.509's form is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_SIGNATURE_DER, M_STATUS(200)) },
	{ "signature-empty", "RFC 8555 §6.2", MUST, "An empty signature is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_SIGNATURE_EMPTY, M_STATUS(200)) },
	{ "payload-other", "RFC 8555 §6.2", MUST, "Another payload than the one that was signed is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_PAYLOAD_OTHER, M_STATUS(200)) },
	{ "padding", "RFC 8555 §6.1", MUST, "Base64url with padding is refused.", BOTH_KINDS, SPOILT(DEFECT_PADDED, M_STATUS(200)) },
	{ "unprotected", "RFC 8555 §6.2", MUST, "An unprotected header is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_UNPROTECTED, M_STATUS(200)) },
	{ "several-signatures", "RFC 8555 §6.2", MUST, "The general serialisation, with several signatures, is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_GENERAL, M_STATUS(200)) },
	{ "compact", "RFC 8555 §6.2", MUST, "The compact serialisation is refused.", BOTH_KINDS, SPOILT(DEFECT_COMPACT, M_STATUS(200)) },
	{ "unencoded", "RFC 8555 §6.2", MUST, "An unencoded payload (b64 false) is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_B64, M_STATUS(200)) },
	{ "detached", "RFC 8555 §6.2", MUST, "A detached payload is refused.", BOTH_KINDS, SPOILT(DEFECT_DETACHED, M_STATUS(200)) },
	{ "crit", "RFC 7515 §4.1.11", MUST, "A critical header member that the server does not know is refused.", BOTH_KINDS,
	    SPOILT(DEFECT_CRIT, M_STATUS(200)) },
	{ "not-json", "RFC 8555 §6.2", MUST, "A body that is no JSON is refused as malformed.", BOTH_KINDS,
	    SPOILT(DEFECT_NOT_JSON, M_TYPE("serverInternal"), .type = "malformed") },
	{ "no-body", "RFC 8555 §6.2", MUST, "A POST without a body is refused as malformed.", BOTH_KINDS,
	    SPOILT(DEFECT_EMPTY, M_TYPE("serverInternal"), .type = "malformed") },
	{ "no-key", "RFC 8555 §6.2", MUST, "A protected header with neither jwk nor kid is refused.", BOTH_KINDS,
	    { .run = case_problem, .by = BY_NEITHER, M_STATUS(200) } },
	{ "unknown-kid", "RFC 8555 §6.7", SHOULD, "A kid that names no account is answered by accountDoesNotExist.",
	    SET(ON_NEW_ORDER) | SET(ON_ACCOUNT), { .run = unknown_kid, M_TYPE("malformed") } },
	{ "no-content-type", "RFC 8555 §6.2", MUST, "A POST without a content type is refused with 415.", BOTH_KINDS,
	    { .run = other_type, .value = "", M_STATUS(200) } },
	{ "problem-detail", "RFC 8555 §6.7", SHOULD, "A problem says in \"detail\" what is wrong.", BOTH_KINDS,
	    { .run = problem_member, .arg = "detail", .value = "string", M_LOSE("detail") } },
	{ "problem-status", "RFC 7807 §3.1", MUST, "A problem's \"status\" is the answer's.", BOTH_KINDS,
	    { .run = problem_member, .arg = "status", M_JSON("status", "200") } },
	{ "problem-nonce", "RFC 8555 §6.5", SHOULD, "Also an error has a Replay-Nonce.", BOTH_KINDS,
	    { .run = problem_field, .arg = "replay-nonce", M_DROP("replay-nonce") } },
	{ "problem-index", "RFC 8555 §7.1", SHOULD, "Also an error links to the directory by \"index\".", BOTH_KINDS,
	    { .run = problem_field, .value = "index", M_DROP("link") } },
};

static const struct check checks[] = {
	{ "no-get", "RFC 8555 §6.3", MUST, "GET is refused with 405 and the problem malformed.", EVERY, { .run = no_get, M_STATUS(404) } },
	{ "content-type", "RFC 8555 §6.2", MUST, "Another type than application/jose+json is refused with 415.", EVERY,
	    { .run = other_type, .value = "application/json", M_STATUS(400) } },
	{ "bad-nonce", "RFC 8555 §6.5", MUST, "A nonce that the server did not give is refused with 400 and the problem badNonce.", EVERY,
	    { .run = case_problem, .defect = DEFECT_NONCE_UNKNOWN, .type = "badNonce", .status = 400, M_TYPE("malformed") } },
	{ "bad-nonce-gives-one", "RFC 8555 §6.5.1", MUST, "The problem badNonce comes with a fresh nonce.", EVERY,
	    { .run = nonce_of_problem, M_DROP("replay-nonce") } },
	{ "url-mismatch", "RFC 8555 §6.4", MUST, "A request that was signed for another URL is refused with unauthorized.", EVERY,
	    { .run = other_url, M_TYPE("malformed") } },
	{ "signature", "RFC 8555 §6.2", MUST, "A signature by another key is refused.", EVERY,
	    { .run = case_problem, .defect = DEFECT_SIGNATURE_OTHER, M_STATUS(200) } },
	{ "jwk-and-kid", "RFC 8555 §6.2", MUST, "A request with both jwk and kid is refused.", EVERY,
	    { .run = case_problem, .by = BY_BOTH, M_STATUS(200) } },
	{ "jwk-alone", "RFC 8555 §6.2", MUST, "A request by an account is signed by kid: one with a jwk is refused.",
	    EVERY & ~(SET(ON_NEW_ACCOUNT) | SET(ON_REVOKE_CERT)), { .run = case_problem, .by = BY_JWK, M_STATUS(201) } },
	{ "somebody-else", "RFC 8555 §10.5", MUST, "Another account is refused.", OWNED & ~SET(ON_CERTIFICATE),
	    { .run = somebody_else, M_STATUS(200) } },
	{ "nonce", "RFC 8555 §6.5", MUST, "Every success has a Replay-Nonce.", GOOD,
	    { .run = case_field, .arg = "replay-nonce", M_DROP("replay-nonce") } },
	{ "used-nonce", "RFC 8555 §6.5", MUST, "A nonce is good for one request: then it is refused with badNonce.", GOOD,
	    { .run = case_problem, .defect = DEFECT_NONCE_USED, .type = "badNonce", M_STATUS(200) } },
	{ "json", "RFC 8555 §7.1", SHOULD, "A resource is JSON, and says application/json.", GOOD & ~SET(ON_CERTIFICATE),
	    { .run = is_json, M_SET("content-type", "text/plain") } },
	{ "index", "RFC 8555 §7.1", MUST, "Every answer but the directory's links to the directory by \"index\".", GOOD,
	    { .run = index_link, M_DROP("link") } },
};

/* --- rows of it --- */

static struct probe_case made[ROWS_MAX];
static char ids[ROWS_MAX][64];
static size_t n_made;

static void make_row(const struct check *k, enum subject s)
{
	struct probe_case *c = &made[n_made];

	*c = k->row;
	(void)snprintf(ids[n_made], sizeof ids[n_made], "%s/%s", subject_name(s), k->name);
	c->id = ids[n_made];
	c->section = k->section;
	c->level = k->level;
	c->must = k->must;
	c->on = s;
	c->needs |= subject_needs(s);
	n_made++;
}

static void make_rows_of(const struct check *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned s = 0; s < ON__MAX && n_made < ROWS_MAX; s++)
			if (v[i].on & SET(s))
				make_row(&v[i], (enum subject)s);
}

static void make_rows(void)
{
	make_rows_of(jws_checks, sizeof jws_checks / sizeof *jws_checks);
	make_rows_of(checks, sizeof checks / sizeof *checks);
}

const struct probe_case *matrix_cases(size_t *ret_n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_rows);
	*ret_n = n_made;
	return made;
}
