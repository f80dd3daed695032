#include "http/client_impl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 20000L

static void init_once(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool ready(struct http_client *c, const char *ca_file, const char *user_agent)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, init_once);
	c->curl = curl_easy_init();
	c->user_agent = strdup(user_agent);
	c->ca_file = ca_file ? strdup(ca_file) : NULL;
	return c->curl && c->user_agent && (c->ca_file || !ca_file);
}

enum err_code http_client_new(const char *ca_file, const char *user_agent, struct http_client **ret, struct err *e)
{
	CLEANUP(http_client_free_p) struct http_client *c = calloc(1, sizeof *c);

	if (!c || !ready(c, ca_file, user_agent))
		FAIL(e, NOMEM, "no memory for an HTTP client");
	*ret = TAKE(c);
	return ERR_OK;
}

enum err_code http_client_set_ca(struct http_client *c, struct bytes pem, struct err *e)
{
	char *copy = strndup((const char *)pem.ptr, pem.len);

	if (!copy)
		FAIL(e, NOMEM, "no memory for an HTTP client");
	free(c->ca_pem);
	c->ca_pem = copy;
	return ERR_OK;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	free(c->ca_file);
	free(c->ca_pem);
	free(c->user_agent);
	free(c);
}

/* --- what comes back --- */

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
	struct http_exchange *x = ctx;
	size_t len = size * n;

	if (len > x->body.max - x->body.len) {
		x->too_large = true;
		return 0;
	}
	buf_add(&x->body, (struct bytes){ (const uint8_t *)p, len });
	x->nomem = !buf_ok(&x->body);
	return x->nomem ? 0 : len;
}

static struct bytes trimmed(struct bytes v)
{
	while (v.len && (v.ptr[0] == ' ' || v.ptr[0] == '\t'))
		v = bytes_slice(v, 1, v.len);
	while (v.len && strchr(" \t\r\n", v.ptr[v.len - 1]))
		v.len--;
	return v;
}

/* What is too long, or one too many, is left out. */
static void keep_field(struct http_exchange *x, struct bytes name, struct bytes value)
{
	struct http_client_answer *to = &x->answer;

	if (!to->fields)
		to->fields = arena_array(x->arena, HTTP_CLIENT_FIELDS_MAX, sizeof *to->fields);
	char *lower = arena_str(x->arena, name);
	x->nomem = x->nomem || !to->fields || !lower;
	if (x->nomem || to->n_fields == HTTP_CLIENT_FIELDS_MAX || value.len > HTTP_CLIENT_HEADER_MAX)
		return;
	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	value = arena_copy(x->arena, value);
	x->nomem = !value.ptr;
	to->fields[to->n_fields++] = (struct http_client_field){ bytes_str(lower), value };
}

struct bytes *http_client_answer_member(struct http_client_answer *a, struct bytes name)
{
	const struct {
		const char *name;
		struct bytes *member;
	} kept[] = {
		{ "content-type", &a->content_type },
		{ "location", &a->location },
		{ "replay-nonce", &a->replay_nonce },
		{ "retry-after", &a->retry_after },
	};

	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (name.len == strlen(kept[i].name) && strncasecmp((const char *)name.ptr, kept[i].name, name.len) == 0)
			return kept[i].member;
	return NULL;
}

static size_t take_header(char *p, size_t size, size_t n, void *ctx)
{
	struct http_exchange *x = ctx;
	struct bytes line = { (const uint8_t *)p, size * n }, name, value;

	/* A status line begins another answer: what came before was an interim one (100 Continue) or a proxy's. */
	if (bytes_starts_with(line, BYTES_LIT("HTTP/")))
		x->answer = (struct http_client_answer){ 0 };
	if (!bytes_split(line, ':', &name, &value))
		return line.len;
	value = trimmed(value);
	keep_field(x, name, value);
	struct bytes *member = http_client_answer_member(&x->answer, name);
	if (member && value.len <= HTTP_CLIENT_HEADER_MAX) {
		*member = arena_copy(x->arena, value);
		x->nomem = x->nomem || !member->ptr;
	}
	return x->nomem ? 0 : line.len;
}

/* --- the request --- */

static bool set_method(CURL *h, const struct http_client_request *r)
{
	switch (r->method) {
	case HTTP_CLIENT_GET:
		return true;
	case HTTP_CLIENT_HEAD:
		return curl_easy_setopt(h, CURLOPT_NOBODY, 1L) == CURLE_OK;
	case HTTP_CLIENT_POST:
		return curl_easy_setopt(h, CURLOPT_POST, 1L) == CURLE_OK &&
		       curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)r->body.len) == CURLE_OK &&
		       curl_easy_setopt(h, CURLOPT_POSTFIELDS, (const char *)r->body.ptr) == CURLE_OK;
	case HTTP_CLIENT_PUT:
		return curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, "PUT") == CURLE_OK;
	case HTTP_CLIENT_DELETE:
		return curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, "DELETE") == CURLE_OK;
	case HTTP_CLIENT_OPTIONS:
		return curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, "OPTIONS") == CURLE_OK;
	}
	return false;
}

static enum err_code set_request(struct http_client *c, const struct http_client_request *r, struct http_exchange *x, struct err *e)
{
	CURL *h = c->curl;
	bool ok = curl_easy_setopt(h, CURLOPT_URL, r->url) == CURLE_OK;

	ok = ok && curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, r->plain_http ? "https,http" : "https") == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_USERAGENT, c->user_agent) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->reason) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_WRITEDATA, x) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_HEADERDATA, x) == CURLE_OK;
	if (c->ca_file)
		ok = ok && curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file) == CURLE_OK &&
		     curl_easy_setopt(h, CURLOPT_CAPATH, NULL) == CURLE_OK;
	if (c->ca_pem) {
		struct curl_blob blob = { c->ca_pem, strlen(c->ca_pem), CURL_BLOB_NOCOPY };
		ok = ok && curl_easy_setopt(h, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK &&
		     curl_easy_setopt(h, CURLOPT_CAPATH, NULL) == CURLE_OK;
	}
	if (r->user && r->password)
		ok = ok && curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
		     curl_easy_setopt(h, CURLOPT_USERNAME, r->user) == CURLE_OK &&
		     curl_easy_setopt(h, CURLOPT_PASSWORD, r->password) == CURLE_OK;
	ok = ok && set_method(h, r);
	if (!ok)
		FAIL(e, NOMEM, "libcurl does not take a setting for %.200s", r->url);
	return ERR_OK;
}

static const char *reason_of(const struct http_client *c, CURLcode rc)
{
	return c->reason[0] ? c->reason : curl_easy_strerror(rc);
}

/* A server that went away during the handshake, whose certificate has no fault then: curl tells it by words alone. */
static bool was_cut(const char *why)
{
	return strstr(why, "reset by peer") || strstr(why, "SSL_ERROR_SYSCALL") || strstr(why, "unexpected eof");
}

/* libcurl's code in our terms. The text is its own: it names host, port and the verifier's reason. */
static enum err_code failure(const struct http_exchange *x, CURLcode rc, struct err *e)
{
	const struct http_client *c = x->client;
	const char *why = reason_of(c, rc);

	if (x->too_large)
		FAIL(e, TOO_LARGE, "the answer is larger than %u bytes", HTTP_CLIENT_BODY_MAX);
	if (x->nomem || rc == CURLE_OUT_OF_MEMORY)
		FAIL(e, NOMEM, "no memory for the answer");
	if (rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_URL_MALFORMAT)
		FAIL(e, CONFIG, "this is no https URL");
	if (rc == CURLE_SSL_CACERT_BADFILE)
		FAIL(e, CONFIG, "the CA file %.150s cannot be read, or holds no certificate",
		    c->ca_file  ? c->ca_file
		    : c->ca_pem ? "that is given"
				: "of the system");
	if (rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_RESOLVE_PROXY)
		FAIL(e, DNS, "%.200s", why);
	if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_ISSUER_ERROR || (rc == CURLE_SSL_CONNECT_ERROR && !was_cut(why)))
		FAIL(e, TLS, "%.250s", why);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		FAIL(e, TIMEOUT, "%.200s", why);
	FAIL(e, CONNECTION, "%.250s", why);
}

void sigpipe_block(struct sigpipe *s)
{
	sigset_t pipe, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	s->was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
	(void)pthread_sigmask(SIG_BLOCK, &pipe, &s->before);
}

void sigpipe_restore(const struct sigpipe *s)
{
	static const struct timespec now = { 0, 0 };
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (!s->was_pending && sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
		continue;
	(void)pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}

static CURLcode perform(CURL *curl)
{
	struct sigpipe sigpipe;

	sigpipe_block(&sigpipe);
	CURLcode rc = curl_easy_perform(curl);
	sigpipe_restore(&sigpipe);
	return rc;
}

static bool add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[256];

	(void)snprintf(line, sizeof line, "%s: %s", name, value);
	return add_line(list, line);
}

static bool add_headers(struct curl_slist **list, const struct http_client_request *r)
{
	bool ok = true;

	if (r->content_type && *r->content_type)
		ok = add_header(list, "Content-Type", r->content_type);
	else if (r->content_type)
		ok = add_line(list, "Content-Type:"); /* libcurl then sends none of its own */
	ok = ok && (!r->accept || add_header(list, "Accept", r->accept));
	for (size_t i = 0; ok && r->more && r->more[i]; i++)
		ok = add_line(list, r->more[i]);
	return ok;
}

enum err_code http_exchange_open(
    struct http_client *c, struct arena *a, const struct http_client_request *r, struct http_exchange *x, struct err *e)
{
	*x = (struct http_exchange){ .client = c, .arena = a, .body = buf_new(HTTP_CLIENT_BODY_MAX) };
	if (!add_headers(&x->headers, r))
		FAIL(e, NOMEM, "no memory for a request");
	curl_easy_reset(c->curl); /* keeps the connection */
	c->reason[0] = 0;
	return set_request(c, r, x, e);
}

enum err_code http_exchange_take(struct http_exchange *x, CURLcode rc, struct http_client_answer *ret, struct err *e)
{
	long status = 0;

	x->answer.body = arena_copy(x->arena, rc == CURLE_OK ? buf_bytes(&x->body) : BYTES_LIT(""));
	x->nomem = x->nomem || !x->answer.body.ptr;
	if (rc != CURLE_OK || x->nomem)
		return failure(x, rc, e);
	(void)curl_easy_getinfo(x->client->curl, CURLINFO_RESPONSE_CODE, &status);
	x->answer.status = (int)status;
	*ret = x->answer;
	return ERR_OK;
}

void http_exchange_close(struct http_exchange *x)
{
	curl_slist_free_all(x->headers);
	buf_free(&x->body);
	*x = (struct http_exchange){ 0 };
}

enum err_code http_client_do(
    struct http_client *c, struct arena *a, const struct http_client_request *r, struct http_client_answer *ret, struct err *e)
{
	CLEANUP(http_exchange_close) struct http_exchange x;

	TRY(http_exchange_open(c, a, r, &x, e));
	return http_exchange_take(&x, perform(c->curl), ret, e);
}
