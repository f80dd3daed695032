/* Requirements that are the same on many resources: checks × resources, each pair a case with its own id and mutant. */
#include "probe/list.h"

#include <pthread.h>
#include <stdio.h>

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

/* --- the table --- */

/* Resources whose good request is a success. */
#define GOOD (EVERY & ~(SET(ON_FINALIZE) | SET(ON_REVOKE_CERT) | SET(ON_KEY_CHANGE)))
/* Those that belong to one account. */
#define OWNED \
	(SET(ON_ACCOUNT) | SET(ON_ORDERS) | SET(ON_ORDER) | SET(ON_AUTHZ) | SET(ON_CHALLENGE) | SET(ON_FINALIZE) | SET(ON_CERTIFICATE))

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

static void make_rows(void)
{
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		for (unsigned s = 0; s < ON__MAX && n_made < ROWS_MAX; s++)
			if (checks[i].on & SET(s))
				make_row(&checks[i], (enum subject)s);
}

const struct probe_case *matrix_cases(size_t *ret_n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_rows);
	*ret_n = n_made;
	return made;
}
