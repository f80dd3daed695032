/* An issuance from its first request to its last. */
#include "base/clock.h"
#include "base/codec.h"
#include "client/certificate.h"
#include "client/chain.h"
#include "client/client_impl.h"
#include "client/http01_listener.h"
#include "client/tls_alpn01_listener.h"
#include "client/webroot.h"
#include "pki/cert.h"
#include "pki/csr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What an issuance holds, to be given back whatever happens. */
struct issue {
	struct work *w;
	struct identifier *names;
	size_t n_names;
	struct webroot *webroot;
	struct http01_listener *listener;
	struct tls_alpn01_listener *tls_listener;
	struct solvers solvers;
};

static void issue_close(struct issue *i)
{
	webroot_free(i->webroot);
	http01_listener_free(i->listener);
	tls_alpn01_listener_free(i->tls_listener);
}

/* A DNS name, or an address. */
static enum err_code read_name(struct issue *i, const char *text, struct identifier *ret, struct err *e)
{
	struct err why = { 0 };

	if (identifier_parse(i->w->s.arena, BYTES_LIT("ip"), bytes_str(text), ret, NULL) == ERR_OK ||
	    identifier_parse(i->w->s.arena, BYTES_LIT("dns"), bytes_str(text), ret, &why) == ERR_OK)
		return ERR_OK;
	FAIL(e, CONFIG, "\"%.100s\": %.200s", text, why.detail);
}

/* What no way that is set could ever show control of, is told before anybody is asked. */
static enum err_code check_ways(struct issue *i, const struct identifier *id, struct err *e)
{
	const struct chancery_client *c = i->w->client;

	for (size_t k = 0; k < c->n_ways; k++)
		if (challenge_type_covers(c->order[k], id->type, id->wildcard))
			return ERR_OK;
	if (c->n_ways == 0)
		FAIL(e, CONFIG, "nothing is set that solves challenges");
	(void)err_set(e, ERR_CONFIG, __FILE__, __LINE__, "%.*s is %s, which %s cannot show control of",
	    BYTES_FMT(identifier_display(i->w->s.arena, id)), id->type == IDENTIFIER_IP ? "an address" : "a wildcard",
	    challenge_type_name(c->order[0]));
	return failure_note(i->w->s.error, ERR_CONFIG, CHANCERY_USAGE, CHANCERY_FAULT_CALLER,
	    id->type == IDENTIFIER_IP ? "an address needs http-01 or tls-alpn-01" : "a wildcard needs dns-01, or name each host");
}

static enum err_code read_names(struct issue *i, const char *const *names, size_t n, struct err *e)
{
	if (n < 1 || n > ENGINE_NAMES_MAX)
		FAIL(e, CONFIG, "a certificate has 1 to %d names, not %zu", ENGINE_NAMES_MAX, n);
	i->names = arena_array(i->w->s.arena, n, sizeof *i->names);
	if (!i->names)
		FAIL(e, NOMEM, "no memory for %zu names", n);
	for (size_t k = 0; k < n; k++) {
		TRY(read_name(i, names[k], &i->names[k], e));
		TRY(check_ways(i, &i->names[k], e));
	}
	i->n_names = identifier_sort(i->names, n);
	return ERR_OK;
}

static enum err_code open_listener(struct issue *i, enum challenge_type type, const struct way *way, struct solver *ret, struct err *e)
{
	bool given = way->by == SOLVE_SOCKETS;

	if (type == CHALLENGE_TYPE_HTTP_01) {
		TRY(given ? http01_listener_on(way->sockets, &i->listener, e)
			  : http01_listener_new(way->place, way->port, &i->listener, e));
		*ret = (struct solver){ http01_listener_deploy, http01_listener_clean_up, i->listener, http01_listener_tell };
	} else {
		TRY(given ? tls_alpn01_listener_on(way->sockets, &i->tls_listener, e)
			  : tls_alpn01_listener_new(way->place, way->port, &i->tls_listener, e));
		*ret =
		    (struct solver){ tls_alpn01_listener_deploy, tls_alpn01_listener_clean_up, i->tls_listener, tls_alpn01_listener_tell };
	}
	return ERR_OK;
}

static enum err_code open_solver(struct issue *i, enum challenge_type type, struct err *e)
{
	const struct way *way = &i->w->client->ways[type];
	struct solver *to = &i->solvers.of[type];

	switch (way->by) {
	case SOLVE_NOT:
		return ERR_OK;
	case SOLVE_CALLBACK:
		*to = way->callback;
		return ERR_OK;
	case SOLVE_WEBROOT:
		TRY(webroot_new(way->place, &i->webroot, e));
		*to = (struct solver){ webroot_deploy, webroot_clean_up, i->webroot, webroot_tell };
		return ERR_OK;
	case SOLVE_LISTENER:
	case SOLVE_SOCKETS:
		return open_listener(i, type, way, to, e);
	}
	FAIL(e, BUG, "a solver of kind %d", (int)way->by);
}

static enum err_code open_solvers(struct issue *i, struct err *e)
{
	const struct chancery_client *c = i->w->client;

	i->solvers.n = c->n_ways;
	memcpy(i->solvers.order, c->order, sizeof c->order);
	i->solvers.ready = c->ready;
	i->solvers.ready_context = c->ready_context;
	for (size_t k = 0; k < c->n_ways; k++)
		TRY(open_solver(i, c->order[k], e));
	return ERR_OK;
}

static enum err_code issue_open(struct issue *i, const char *const *names, size_t n, struct err *e)
{
	if (!i->w->client->account)
		FAIL(e, CONFIG, "no account key is set");
	TRY(read_names(i, names, n, e));
	return open_solvers(i, e);
}

static enum err_code write_csr(struct issue *i, const struct chancery_key *key, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf info = buf_new(CSR_SIZE_MAX);
	struct san *names = arena_array(i->w->s.arena, i->n_names, sizeof *names);
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t sig_len;

	if (!names)
		FAIL(e, NOMEM, "no memory for a request");
	for (size_t k = 0; k < i->n_names; k++)
		TRY(identifier_san(i->w->s.arena, &i->names[k], &names[k], e));
	csr_write_info(key_spki(key->key), names, san_sort(names, i->n_names), i->w->client->must_staple, &info);
	if (!buf_ok(&info))
		FAIL(e, CONFIG, "a request for %zu names is too large", i->n_names);
	TRY(session_sign(&i->w->s, key, SIG_FORM_X509, buf_bytes(&info), "the certificate's key", sig, &sig_len, e));
	cert_write_signed(buf_bytes(&info), key_sig_alg(key->key), (struct bytes){ sig, sig_len }, out);
	if (!buf_ok(out))
		FAIL(e, CONFIG, "a request for %zu names is too large", i->n_names);
	return ERR_OK;
}

static char *copy(struct bytes in)
{
	return strndup((const char *)in.ptr, in.len);
}

static enum err_code give(
    const struct issue *i, const struct order *o, const struct chain *chain, struct chancery_certificate **ret, struct err *e)
{
	struct chancery_certificate *c = calloc(1, sizeof *c);

	if (!c)
		FAIL(e, NOMEM, "no memory for the certificate");
	*c = (struct chancery_certificate){
		.fullchain = copy(chain->fullchain),
		.leaf = copy(bytes_slice(chain->fullchain, 0, chain->leaf_len)),
		.url = strdup(o->certificate),
		.order_url = strdup(o->url),
		.account_url = strdup(i->w->s.account_url),
		.leaf_len = chain->leaf_len,
		.fullchain_len = chain->fullchain.len,
		.not_before_s = chain->not_before_s,
		.not_after_s = chain->not_after_s,
	};
	if (!c->fullchain || !c->leaf || !c->url || !c->order_url || !c->account_url) {
		chancery_certificate_free(c);
		FAIL(e, NOMEM, "no memory for the certificate");
	}
	*ret = c;
	return ERR_OK;
}

static enum err_code check_chain(
    struct issue *i, const struct san *names, struct bytes spki, struct bytes pem, struct chain *ret, struct err *e)
{
	enum err_code rc = chain_check(i->w->s.arena, pem, spki, names, i->n_names, clock_wall_ms() / 1000, ret, e);

	if (rc != ERR_MALFORMED)
		return rc;
	return failure_note(
	    i->w->s.error, rc, CHANCERY_PROTOCOL, CHANCERY_FAULT_SERVER, "the certificate is not used; tell the CA's operators");
}

/* The chain that is preferred, where one of the alternates is it; one that cannot be had is not missed. */
static enum err_code prefer(
    struct issue *i, const struct san *names, struct bytes spki, const struct download *first, struct chain *chain, struct err *e)
{
	const char *wanted = i->w->client->preferred_chain;
	struct download other;
	struct chain c;

	for (size_t k = 0; wanted && strcmp(chain->top_issuer, wanted) != 0 && k < first->n_alternates; k++) {
		TRY(order_download(&i->w->s, first->alternates[k], &other, e));
		TRY(check_chain(i, names, spki, other.pem, &c, e));
		if (strcmp(c.top_issuer, wanted) == 0)
			*chain = c;
	}
	return ERR_OK;
}

static enum err_code download(struct issue *i, const struct order *o, struct bytes spki, struct chancery_certificate **ret, struct err *e)
{
	struct san *names = arena_array(i->w->s.arena, i->n_names, sizeof *names);
	struct download first;
	struct chain chain;

	if (!names)
		FAIL(e, NOMEM, "no memory for the certificate");
	for (size_t k = 0; k < i->n_names; k++)
		TRY(identifier_san(i->w->s.arena, &i->names[k], &names[k], e));
	TRY(session_tell(&i->w->s, e, CHANCERY_STEP_CERTIFICATE, "downloading the certificate"));
	TRY(order_download(&i->w->s, o->certificate, &first, e));
	session_doing(&i->w->s, "looking at the certificate %.300s", o->certificate);
	TRY(check_chain(i, names, spki, first.pem, &chain, e));
	TRY(prefer(i, names, spki, &first, &chain, e));
	return give(i, o, &chain, ret, e);
}

static int ask_before_order(void *arg)
{
	const struct work *w = arg;
	const struct session *s = &w->s;

	return w->client->before_order(w->client->before_context, s->account_url, s->directory.caa, s->directory.n_caa);
}

static enum err_code before_order(struct issue *i, struct err *e)
{
	int rc = 0;

	if (i->w->client->before_order)
		TRY(session_call(&i->w->s, SESSION_CALL_ASK, ask_before_order, i->w, &rc, e));
	return rc == 0 ? ERR_OK : session_stopped(&i->w->s, "stopped as asked, before an order was made", NULL, e);
}

struct made {
	const struct chancery_client *client;
	const char *url;
};

static int tell_order_made(void *arg)
{
	const struct made *m = arg;

	return m->client->order_made(m->client->order_context, m->url);
}

/* An order of an earlier run, or a new one; whoever wants to know its URL is told before anything is done with it. */
static enum err_code begin_order(struct issue *i, const struct order_wish *wish, struct order *ret, struct err *e)
{
	const struct chancery_client *c = i->w->client;
	struct session *s = &i->w->s;

	enum err_code rc = c->resume ? order_resume(s, c->resume, i->names, i->n_names, ret, e) : ERR_NOT_FOUND;
	if (rc == ERR_OK)
		return session_tell(s, e, CHANCERY_STEP_ORDER, "going on with the order %s", ret->url);
	if (c->resume && s->error->result == CHANCERY_NETWORK)
		return rc; /* it may well be there */
	failure_reset(s->error);
	TRY(before_order(i, e));
	TRY(order_new(s, i->names, i->n_names, wish, ret, e));
	TRY(session_tell(s, e, CHANCERY_STEP_ORDER, "order %s", ret->url));
	struct made made = { c, ret->url };
	int stop = 0;
	if (c->order_made)
		TRY(session_call(s, SESSION_CALL_ASK, tell_order_made, &made, &stop, e));
	return stop == 0 ? ERR_OK : session_stopped(s, "stopped as asked", NULL, e);
}

/* What is asked for: a key's request, which is made when it is time, or one that is there. */
struct request {
	const struct chancery_key *key; /* NULL: csr is there */
	struct bytes csr, spki;
};

static enum err_code run(struct issue *i, const struct request *r, struct chancery_certificate **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf csr = buf_new(CSR_SIZE_MAX);
	struct session *s = &i->w->s;
	struct order_wish wish = { .profile = i->w->client->profile };
	char replaces[CHAIN_ID_SIZE] = "";
	struct bytes der;
	struct order o;

	if (i->w->client->replaces)
		TRY(chain_first(s->arena, bytes_str(i->w->client->replaces), &der, replaces, e));
	TRY(work_account(i->w, e));
	if (*replaces && s->directory.renewal_info)
		wish.replaces = replaces;
	TRY(begin_order(i, &wish, &o, e));
	/* An order may be ready at once: its authorizations were valid before (RFC 8555 §7.1.3). */
	if (o.state == ORDER_PENDING)
		TRY(authz_solve_all(s, &o, i->names, i->n_names, &i->solvers, e));
	TRY(session_tell(s, e, CHANCERY_STEP_FINALIZE, "asking for the certificate"));
	if (r->key)
		TRY(write_csr(i, r->key, &csr, e));
	TRY(order_finalize(s, &o, r->key ? buf_bytes(&csr) : r->csr, e));
	return download(i, &o, r->spki, ret, e);
}

static enum chancery_result run_issue(struct chancery_client *c, struct operation *o, struct chancery_certificate **ret)
{
	enum chancery_result rc = client_run(c, o);

	if (rc == CHANCERY_OK)
		*ret = o->certificate;
	return rc;
}

static enum err_code issue(struct work *w, struct operation *o, struct err *e)
{
	CLEANUP(issue_close) struct issue i = { .w = w };
	const struct request r = { .key = o->key, .spki = key_spki(o->key->key) };

	TRY(issue_open(&i, o->names, o->n_names, e));
	return run(&i, &r, &o->certificate, e);
}

static enum chancery_result issue_of(
    struct chancery_client *c, const char *const *names, size_t n_names, struct chancery_key *key, struct operation *ret)
{
	if (!key || !names)
		return client_usage(c, "an argument of NULL");
	for (size_t k = 0; k < n_names && k < ENGINE_NAMES_MAX; k++)
		if (!names[k])
			return client_usage(c, "a name of NULL");
	*ret = (struct operation){ .run = issue, .names = names, .n_names = n_names, .key = key };
	return CHANCERY_OK;
}

enum chancery_result chancery_client_issue(
    struct chancery_client *client, const char *const *names, size_t n_names, struct chancery_key *key, struct chancery_certificate **ret)
{
	struct operation o;

	if (!ret)
		return client_usage(client, "an argument of NULL");
	enum chancery_result rc = issue_of(client, names, n_names, key, &o);
	return rc == CHANCERY_OK ? run_issue(client, &o, ret) : rc;
}

enum chancery_result chancery_client_begin_issue(
    struct chancery_client *client, const char *const *names, size_t n_names, struct chancery_key *key)
{
	struct operation o;
	enum chancery_result rc = issue_of(client, names, n_names, key, &o);

	return rc == CHANCERY_OK ? client_begin(client, &o) : rc;
}

/* --- a request of the caller's own --- */

static const char *name_of(struct arena *a, const struct san *n)
{
	char text[INET6_ADDRSTRLEN];

	if (n->type == SAN_DNS)
		return arena_str(a, n->value);
	return inet_ntop(n->value.len == 4 ? AF_INET : AF_INET6, n->value.ptr, text, sizeof text) ? arena_str(a, bytes_str(text)) : NULL;
}

static enum err_code names_of(struct arena *a, const struct csr *csr, const char ***ret, struct err *e)
{
	const char **names = arena_array(a, csr->n_names + 1, sizeof *names);

	for (size_t k = 0; names && k < csr->n_names; k++) {
		names[k] = name_of(a, &csr->names[k]);
		if (!names[k])
			FAIL(e, NOMEM, "no memory for names");
	}
	if (!names)
		FAIL(e, NOMEM, "no memory for names");
	*ret = names;
	return ERR_OK;
}

static enum err_code read_request(
    struct arena *a, const char *pem, struct request *ret, const char ***ret_names, size_t *ret_n, struct err *e)
{
	struct bytes text = bytes_str(pem), der;
	struct err why = { 0 };
	struct csr csr;

	if (pem_next(a, &text, "CERTIFICATE REQUEST", &der, NULL) != ERR_OK)
		FAIL(e, CONFIG, "this is no certificate signing request in PEM");
	if (csr_parse(a, der, &csr, &why) != ERR_OK)
		FAIL(e, CONFIG, "the certificate signing request: %.280s", why.detail);
	TRY(names_of(a, &csr, ret_names, e));
	*ret_n = csr.n_names;
	*ret = (struct request){ .csr = der, .spki = csr.spki };
	return ERR_OK;
}

static enum err_code issue_csr(struct work *w, struct operation *o, struct err *e)
{
	CLEANUP(issue_close) struct issue i = { .w = w };
	const char **names = NULL;
	struct request r;
	size_t n = 0;

	TRY(read_request(w->s.arena, o->pem, &r, &names, &n, e));
	TRY(issue_open(&i, names, n, e));
	return run(&i, &r, &o->certificate, e);
}

enum chancery_result chancery_client_issue_csr(struct chancery_client *client, const char *pem, struct chancery_certificate **ret)
{
	struct operation o = { .run = issue_csr, .pem = pem };

	return pem && ret ? run_issue(client, &o, ret) : client_usage(client, "an argument of NULL");
}

enum chancery_result chancery_client_begin_issue_csr(struct chancery_client *client, const char *pem)
{
	const struct operation o = { .run = issue_csr, .pem = pem };

	return pem ? client_begin(client, &o) : client_usage(client, "an argument of NULL");
}
