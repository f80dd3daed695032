/* The public handle of a client, and an issuance from its first request to its last. */
#include "acme/identifier.h"
#include "base/clock.h"
#include "client/chain.h"
#include "client/engine.h"
#include "client/http01_listener.h"
#include "client/tls_alpn01_listener.h"
#include "client/webroot.h"
#include "crypto/digest.h"
#include "pki/cert.h"
#include "pki/csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S     600u
#define TIMEOUT_MAX_S 604800u
#define ARENA_MAX     (16u << 20)

enum solve_by { SOLVE_NOT, SOLVE_CALLBACK, SOLVE_WEBROOT, SOLVE_LISTENER };

/* How challenges of one type are solved. */
struct way {
	enum solve_by by;
	struct solver callback; /* SOLVE_CALLBACK */
	char *place;            /* the web root, or the listener's address (NULL: all) */
	uint16_t port;
};

struct chancery_client {
	struct chancery_error error;
	char *directory_url, *ca_file;
	char user_agent[160];
	struct chancery_key *account;
	char *contacts[ENGINE_CONTACTS_MAX];
	size_t n_contacts;
	bool terms_agreed;
	uint32_t timeout_s;
	struct way ways[CHALLENGE_TYPE__MAX];
	enum challenge_type order[CHALLENGE_TYPE__MAX]; /* as they were set */
	size_t n_ways;
	chancery_ready_fn *ready;
	void *ready_context;
	chancery_progress_fn *progress;
	void *progress_context;
};

struct chancery_certificate {
	char *fullchain, *leaf, *url, *order_url, *account_url;
	size_t leaf_len, fullchain_len;
	int64_t not_before_s, not_after_s;
};

const char *chancery_version(void)
{
	return CHANCERY_VERSION;
}

/* --- the handle --- */

#define USER_AGENT "libchancery/" CHANCERY_VERSION " (RFC 8555)"

struct chancery_client *chancery_client_new(const char *directory_url)
{
	struct chancery_client *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	crypto_init();
	c->timeout_s = TIMEOUT_S;
	(void)snprintf(c->user_agent, sizeof c->user_agent, "%s", USER_AGENT);
	c->directory_url = strdup(directory_url ? directory_url : "");
	if (c->directory_url)
		return c;
	chancery_client_free(c);
	return NULL;
}

void chancery_client_free(struct chancery_client *client)
{
	if (!client)
		return;
	failure_reset(&client->error);
	for (size_t i = 0; i < client->n_contacts; i++)
		free(client->contacts[i]);
	chancery_key_free(client->account);
	free(client->directory_url);
	free(client->ca_file);
	for (unsigned t = 0; t < CHALLENGE_TYPE__MAX; t++)
		free(client->ways[t].place);
	free(client);
}

const struct chancery_error *chancery_client_error(const struct chancery_client *client)
{
	return client ? &client->error : NULL;
}

static enum chancery_result usage(struct chancery_client *c, const char *what)
{
	failure_reset(&c->error);
	c->error.result = CHANCERY_USAGE;
	c->error.fault = CHANCERY_FAULT_CALLER;
	(void)snprintf(c->error.message, sizeof c->error.message, "%s", what);
	return CHANCERY_USAGE;
}

static enum chancery_result nomem(struct chancery_client *c)
{
	failure_reset(&c->error);
	c->error.result = CHANCERY_NOMEM;
	c->error.fault = CHANCERY_FAULT_MACHINE;
	(void)snprintf(c->error.message, sizeof c->error.message, "no memory");
	return CHANCERY_NOMEM;
}

static enum chancery_result ok(struct chancery_client *c)
{
	failure_reset(&c->error);
	return CHANCERY_OK;
}

/* Replaces a string that the handle owns; value may be NULL. */
static enum chancery_result set_string(struct chancery_client *c, char **to, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	if (value && !copy)
		return nomem(c);
	free(*to);
	*to = copy;
	return ok(c);
}

enum chancery_result chancery_client_set_account_key(struct chancery_client *client, struct chancery_key *key)
{
	if (!key)
		return usage(client, "an account key of NULL");
	keys_ref(key);
	chancery_key_free(client->account);
	client->account = key;
	return ok(client);
}

static bool is_printable(const char *s, size_t max)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return n > 0 && n <= max;
}

enum chancery_result chancery_client_add_contact(struct chancery_client *client, const char *uri)
{
	if (!uri || !strchr(uri, ':') || !is_printable(uri, 512))
		return usage(client, "a contact has to be a URI such as mailto:ops@example.org");
	if (client->n_contacts == ENGINE_CONTACTS_MAX)
		return usage(client, "more than 8 contacts");
	enum chancery_result rc = set_string(client, &client->contacts[client->n_contacts], uri);
	if (rc == CHANCERY_OK)
		client->n_contacts++;
	return rc;
}

enum chancery_result chancery_client_set_terms_agreed(struct chancery_client *client, int agree)
{
	client->terms_agreed = agree != 0;
	return ok(client);
}

enum chancery_result chancery_client_set_ca_file(struct chancery_client *client, const char *path)
{
	return set_string(client, &client->ca_file, path);
}

enum chancery_result chancery_client_set_timeout(struct chancery_client *client, uint32_t seconds)
{
	if (seconds < 1 || seconds > TIMEOUT_MAX_S)
		return usage(client, "a timeout is of 1 to 604800 seconds");
	client->timeout_s = seconds;
	return ok(client);
}

enum chancery_result chancery_client_set_user_agent(struct chancery_client *client, const char *product)
{
	if (!product || !is_printable(product, 100))
		return usage(client, "a user agent has 1 to 100 characters of printable ASCII");
	(void)snprintf(client->user_agent, sizeof client->user_agent, "%s %s", product, USER_AGENT);
	return ok(client);
}

/* Takes the place of the type's way, which keeps its rank. way->place is copied. */
static enum chancery_result set_way(struct chancery_client *c, enum challenge_type type, const struct way *way)
{
	struct way *to = &c->ways[type];
	bool is_new = to->by == SOLVE_NOT;

	if (set_string(c, &to->place, way->place) != CHANCERY_OK)
		return CHANCERY_NOMEM;
	to->by = way->by;
	to->callback = way->callback;
	to->port = way->port;
	if (is_new)
		c->order[c->n_ways++] = type;
	return ok(c);
}

enum chancery_result chancery_client_set_solver(
    struct chancery_client *client, const char *type, chancery_deploy_fn *deploy, chancery_clean_up_fn *clean_up, void *context)
{
	struct way way = { .by = SOLVE_CALLBACK, .callback = { .deploy = deploy, .clean_up = clean_up, .context = context } };
	enum challenge_type t;

	if (!type || !challenge_type_from_name(bytes_str(type), &t))
		return usage(client, "challenges are of the types http-01, dns-01 and tls-alpn-01");
	if (!deploy)
		return usage(client, "a solver needs a function that deploys");
	return set_way(client, t, &way);
}

enum chancery_result chancery_client_set_ready(struct chancery_client *client, chancery_ready_fn *ready, void *context)
{
	client->ready = ready;
	client->ready_context = context;
	return ok(client);
}

enum chancery_result chancery_client_use_webroot(struct chancery_client *client, const char *folder)
{
	struct way way = { .by = SOLVE_WEBROOT, .place = (char *)(uintptr_t)folder };

	return folder ? set_way(client, CHALLENGE_TYPE_HTTP_01, &way) : usage(client, "a web root of NULL");
}

static enum chancery_result use_listener(struct chancery_client *c, enum challenge_type type, const char *address, uint16_t port)
{
	struct way way = { .by = SOLVE_LISTENER, .place = (char *)(uintptr_t)address, .port = port };

	return port > 0 ? set_way(c, type, &way) : usage(c, "a port of 0");
}

enum chancery_result chancery_client_use_listener(struct chancery_client *client, const char *address, uint16_t port)
{
	return use_listener(client, CHALLENGE_TYPE_HTTP_01, address, port);
}

enum chancery_result chancery_client_use_tls_listener(struct chancery_client *client, const char *address, uint16_t port)
{
	return use_listener(client, CHALLENGE_TYPE_TLS_ALPN_01, address, port);
}

enum chancery_result chancery_client_set_progress(struct chancery_client *client, chancery_progress_fn *progress, void *context)
{
	client->progress = progress;
	client->progress_context = context;
	return ok(client);
}

/* --- certificates --- */

void chancery_certificate_free(struct chancery_certificate *certificate)
{
	if (!certificate)
		return;
	free(certificate->fullchain);
	free(certificate->leaf);
	free(certificate->url);
	free(certificate->order_url);
	free(certificate->account_url);
	free(certificate);
}

static const char *with_len(const char *s, size_t len, size_t *ret_len)
{
	if (ret_len)
		*ret_len = len;
	return s;
}

const char *chancery_certificate_fullchain(const struct chancery_certificate *certificate, size_t *ret_len)
{
	return with_len(certificate->fullchain, certificate->fullchain_len, ret_len);
}

const char *chancery_certificate_leaf(const struct chancery_certificate *certificate, size_t *ret_len)
{
	return with_len(certificate->leaf, certificate->leaf_len, ret_len);
}

const char *chancery_certificate_chain(const struct chancery_certificate *certificate, size_t *ret_len)
{
	return with_len(certificate->fullchain + certificate->leaf_len, certificate->fullchain_len - certificate->leaf_len, ret_len);
}

int64_t chancery_certificate_not_before(const struct chancery_certificate *certificate)
{
	return certificate->not_before_s;
}

int64_t chancery_certificate_not_after(const struct chancery_certificate *certificate)
{
	return certificate->not_after_s;
}

const char *chancery_certificate_url(const struct chancery_certificate *certificate)
{
	return certificate->url;
}

const char *chancery_certificate_order_url(const struct chancery_certificate *certificate)
{
	return certificate->order_url;
}

const char *chancery_certificate_account_url(const struct chancery_certificate *certificate)
{
	return certificate->account_url;
}

/* --- issuing --- */

/* What an issuance holds, to be given back whatever happens. */
struct issue {
	struct chancery_client *client;
	struct session s;
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
	http_client_free(i->s.http);
	arena_free(i->s.arena);
	arena_free(i->s.scratch);
}

/* A DNS name, or an address. */
static enum err_code read_name(struct issue *i, const char *text, struct identifier *ret, struct err *e)
{
	struct err why = { 0 };

	if (identifier_parse(i->s.arena, BYTES_LIT("ip"), bytes_str(text), ret, NULL) == ERR_OK ||
	    identifier_parse(i->s.arena, BYTES_LIT("dns"), bytes_str(text), ret, &why) == ERR_OK)
		return ERR_OK;
	FAIL(e, CONFIG, "\"%.100s\": %.200s", text, why.detail);
}

/* What no way that is set could ever show control of, is told before anybody is asked. */
static enum err_code check_ways(struct issue *i, const struct identifier *id, struct err *e)
{
	const struct chancery_client *c = i->client;

	for (size_t k = 0; k < c->n_ways; k++)
		if (challenge_type_covers(c->order[k], id->type, id->wildcard))
			return ERR_OK;
	if (c->n_ways == 0)
		FAIL(e, CONFIG, "nothing is set that solves challenges");
	(void)err_set(e, ERR_CONFIG, __FILE__, __LINE__, "%.*s is %s, which %s cannot show control of",
	    BYTES_FMT(identifier_display(i->s.arena, id)), id->type == IDENTIFIER_IP ? "an address" : "a wildcard",
	    challenge_type_name(c->order[0]));
	return failure_note(&i->client->error, ERR_CONFIG, CHANCERY_USAGE, CHANCERY_FAULT_CALLER,
	    id->type == IDENTIFIER_IP ? "an address needs http-01 or tls-alpn-01" : "a wildcard needs dns-01, or name each host");
}

static enum err_code read_names(struct issue *i, const char *const *names, size_t n, struct err *e)
{
	if (n < 1 || n > ENGINE_NAMES_MAX)
		FAIL(e, CONFIG, "a certificate has 1 to %d names, not %zu", ENGINE_NAMES_MAX, n);
	i->names = arena_array(i->s.arena, n, sizeof *i->names);
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
	if (type == CHALLENGE_TYPE_HTTP_01) {
		TRY(http01_listener_new(way->place, way->port, &i->listener, e));
		*ret = (struct solver){ http01_listener_deploy, http01_listener_clean_up, i->listener, http01_listener_tell };
	} else {
		TRY(tls_alpn01_listener_new(way->place, way->port, &i->tls_listener, e));
		*ret =
		    (struct solver){ tls_alpn01_listener_deploy, tls_alpn01_listener_clean_up, i->tls_listener, tls_alpn01_listener_tell };
	}
	return ERR_OK;
}

static enum err_code open_solver(struct issue *i, enum challenge_type type, struct err *e)
{
	const struct way *way = &i->client->ways[type];
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
		return open_listener(i, type, way, to, e);
	}
	FAIL(e, BUG, "a solver of kind %d", (int)way->by);
}

static enum err_code open_solvers(struct issue *i, struct err *e)
{
	const struct chancery_client *c = i->client;

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
	struct chancery_client *c = i->client;

	i->s.error = &c->error;
	i->s.account = c->account;
	i->s.progress = c->progress;
	i->s.progress_context = c->progress_context;
	i->s.deadline_ms = clock_monotonic_ms() + (int64_t)c->timeout_s * 1000;
	i->s.arena = arena_new(16384, ARENA_MAX);
	i->s.scratch = arena_new(16384, ARENA_MAX);
	if (!i->s.arena || !i->s.scratch)
		FAIL(e, NOMEM, "no memory for an issuance");
	if (!c->account)
		FAIL(e, CONFIG, "no account key is set");
	TRY(read_names(i, names, n, e));
	TRY(http_client_new(c->ca_file, c->user_agent, &i->s.http, e));
	return open_solvers(i, e);
}

static enum err_code write_csr(struct issue *i, const struct chancery_key *key, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf info = buf_new(CSR_SIZE_MAX);
	struct san *names = arena_array(i->s.arena, i->n_names, sizeof *names);
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t sig_len;

	if (!names)
		FAIL(e, NOMEM, "no memory for a request");
	for (size_t k = 0; k < i->n_names; k++)
		TRY(identifier_san(i->s.arena, &i->names[k], &names[k], e));
	csr_write_info(key_spki(key->key), names, san_sort(names, i->n_names), &info);
	if (!buf_ok(&info))
		FAIL(e, CONFIG, "a request for %zu names is too large", i->n_names);
	enum err_code rc = keys_sign(key, SIG_FORM_X509, buf_bytes(&info), sig, &sig_len, e);
	if (rc != ERR_OK && key->sign)
		return failure_note(
		    &i->client->error, rc, CHANCERY_CALLBACK, CHANCERY_FAULT_CALLER, "look at what signs for the certificate's key");
	TRY(rc);
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
		.account_url = strdup(i->s.account_url),
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

static enum err_code download(
    struct issue *i, const struct order *o, const struct chancery_key *key, struct chancery_certificate **ret, struct err *e)
{
	struct san *names = arena_array(i->s.arena, i->n_names, sizeof *names);
	struct bytes pem;
	struct chain chain;

	if (!names)
		FAIL(e, NOMEM, "no memory for the certificate");
	for (size_t k = 0; k < i->n_names; k++)
		TRY(identifier_san(i->s.arena, &i->names[k], &names[k], e));
	TRY(session_tell(&i->s, e, CHANCERY_STEP_CERTIFICATE, "downloading the certificate"));
	TRY(order_download(&i->s, o, &pem, e));
	session_doing(&i->s, "looking at the certificate %.300s", o->certificate);
	enum err_code rc = chain_check(i->s.arena, pem, key_spki(key->key), names, i->n_names, clock_wall_ms() / 1000, &chain, e);
	if (rc == ERR_MALFORMED)
		return failure_note(&i->client->error, rc, CHANCERY_PROTOCOL, CHANCERY_FAULT_SERVER,
		    "the certificate is not used; tell the CA's operators");
	TRY(rc);
	return give(i, o, &chain, ret, e);
}

static enum err_code run(struct issue *i, const struct chancery_key *key, struct chancery_certificate **ret, struct err *e)
{
	struct chancery_client *c = i->client;
	struct account_wish wish = { .n_contacts = c->n_contacts, .terms_agreed = c->terms_agreed };
	CLEANUP(buf_free_p) struct buf csr = buf_new(CSR_SIZE_MAX);
	struct order o;

	for (size_t k = 0; k < c->n_contacts; k++)
		wish.contacts[k] = c->contacts[k];
	TRY(session_tell(&i->s, e, CHANCERY_STEP_DIRECTORY, "directory %s", c->directory_url));
	TRY(session_open(&i->s, c->directory_url, e));
	TRY(account_open(&i->s, &wish, e));
	TRY(session_tell(&i->s, e, CHANCERY_STEP_ACCOUNT, "account %s", i->s.account_url));
	TRY(order_new(&i->s, i->names, i->n_names, &o, e));
	TRY(session_tell(&i->s, e, CHANCERY_STEP_ORDER, "order %s", o.url));
	/* An order may be ready at once: its authorizations were valid before (RFC 8555 §7.1.3). */
	if (o.state == ORDER_PENDING)
		TRY(authz_solve_all(&i->s, &o, i->names, i->n_names, &i->solvers, e));
	TRY(session_tell(&i->s, e, CHANCERY_STEP_FINALIZE, "asking for the certificate"));
	TRY(write_csr(i, key, &csr, e));
	TRY(order_finalize(&i->s, &o, buf_bytes(&csr), e));
	return download(i, &o, key, ret, e);
}

enum chancery_result chancery_client_issue(
    struct chancery_client *client, const char *const *names, size_t n_names, struct chancery_key *key, struct chancery_certificate **ret)
{
	CLEANUP(issue_close) struct issue i = { .client = client };
	struct err e = { 0 };

	if (!key || !ret || !names)
		return usage(client, "an argument of NULL");
	failure_reset(&client->error);
	enum err_code rc = issue_open(&i, names, n_names, &e);
	if (rc == ERR_OK)
		rc = run(&i, key, ret, &e);
	return failure_finish(&client->error, rc, i.s.doing, &e);
}
