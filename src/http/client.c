#include "http/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 20000L

struct http_client {
	CURL *curl;
	char *ca_file, *ca_pem, *user_agent;
	char reason[CURL_ERROR_SIZE];
};

/* What a request in flight gathers. */
struct gathered {
	struct arena *arena;
	struct buf body;
	struct http_client_answer *answer;
	bool too_large, nomem;
};

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
	struct gathered *g = ctx;
	size_t len = size * n;

	if (len > g->body.max - g->body.len) {
		g->too_large = true;
		return 0;
	}
	buf_add(&g->body, (struct bytes){ (const uint8_t *)p, len });
	g->nomem = !buf_ok(&g->body);
	return g->nomem ? 0 : len;
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
static void keep_field(struct gathered *g, struct bytes name, struct bytes value)
{
	struct http_client_answer *x = g->answer;

	if (!x->fields)
		x->fields = arena_array(g->arena, HTTP_CLIENT_FIELDS_MAX, sizeof *x->fields);
	char *lower = arena_str(g->arena, name);
	g->nomem = g->nomem || !x->fields || !lower;
	if (g->nomem || x->n_fields == HTTP_CLIENT_FIELDS_MAX || value.len > HTTP_CLIENT_HEADER_MAX)
		return;
	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	value = arena_copy(g->arena, value);
	g->nomem = !value.ptr;
	x->fields[x->n_fields++] = (struct http_client_field){ bytes_str(lower), value };
}

static size_t take_header(char *p, size_t size, size_t n, void *ctx)
{
	struct gathered *g = ctx;
	struct bytes line = { (const uint8_t *)p, size * n }, name, value;
	const struct {
		const char *name;
		struct bytes *to;
	} kept[] = {
		{ "content-type", &g->answer->content_type },
		{ "location", &g->answer->location },
		{ "replay-nonce", &g->answer->replay_nonce },
		{ "retry-after", &g->answer->retry_after },
	};

	/* A status line begins another answer: what came before was an interim one (100 Continue) or a proxy's. */
	if (bytes_starts_with(line, BYTES_LIT("HTTP/")))
		*g->answer = (struct http_client_answer){ 0 };
	if (!bytes_split(line, ':', &name, &value))
		return line.len;
	value = trimmed(value);
	keep_field(g, name, value);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (name.len == strlen(kept[i].name) && strncasecmp((const char *)name.ptr, kept[i].name, name.len) == 0 &&
		    value.len <= HTTP_CLIENT_HEADER_MAX) {
			*kept[i].to = arena_copy(g->arena, value);
			g->nomem = g->nomem || !kept[i].to->ptr;
		}
	return g->nomem ? 0 : line.len;
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

static enum err_code set_request(
    struct http_client *c, const struct http_client_request *r, struct gathered *g, struct curl_slist *headers, struct err *e)
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
	ok = ok && curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->reason) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_WRITEDATA, g) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK;
	ok = ok && curl_easy_setopt(h, CURLOPT_HEADERDATA, g) == CURLE_OK;
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

/* libcurl's code in our terms. The text is its own: it names host, port and the verifier's reason. */
static enum err_code failure(struct http_client *c, const struct gathered *g, CURLcode rc, struct err *e)
{
	const char *why = reason_of(c, rc);

	if (g->too_large)
		FAIL(e, TOO_LARGE, "the answer is larger than %u bytes", HTTP_CLIENT_BODY_MAX);
	if (g->nomem || rc == CURLE_OUT_OF_MEMORY)
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
	if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_SSL_ISSUER_ERROR)
		FAIL(e, TLS, "%.250s", why);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		FAIL(e, TIMEOUT, "%.200s", why);
	FAIL(e, CONNECTION, "%.250s", why);
}

/* OpenSSL writes to sockets without MSG_NOSIGNAL, and libcurl would ignore SIGPIPE for the whole process meanwhile. So it is
 * blocked in this thread alone, and one that came is taken away. */
static CURLcode perform(CURL *curl)
{
	static const struct timespec now = { 0, 0 };
	sigset_t pipe, before, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	bool was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
	(void)pthread_sigmask(SIG_BLOCK, &pipe, &before);
	CURLcode rc = curl_easy_perform(curl);
	while (!was_pending && sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
		continue;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
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

static void free_headers(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

enum err_code http_client_do(
    struct http_client *c, struct arena *a, const struct http_client_request *r, struct http_client_answer *ret, struct err *e)
{
	struct http_client_answer answer = { 0 };
	struct gathered g = { .arena = a, .body = buf_new(HTTP_CLIENT_BODY_MAX), .answer = &answer };
	CLEANUP(free_headers) struct curl_slist *headers = NULL;
	long status = 0;

	if (!add_headers(&headers, r))
		FAIL(e, NOMEM, "no memory for a request");
	curl_easy_reset(c->curl); /* keeps the connection */
	c->reason[0] = 0;
	TRY(set_request(c, r, &g, headers, e));
	CURLcode rc = perform(c->curl);
	answer.body = arena_copy(a, rc == CURLE_OK ? buf_bytes(&g.body) : BYTES_LIT(""));
	g.nomem = g.nomem || !answer.body.ptr;
	buf_free(&g.body);
	if (rc != CURLE_OK || g.nomem)
		return failure(c, &g, rc, e);
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	*ret = answer;
	return ERR_OK;
}
