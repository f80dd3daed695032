#include "server/validator/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define USER_AGENT   "chancery-ca validator"
#define LOCATION_MAX 4096
#define REASON_MAX   64

struct fetcher {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
};

struct fetch {
	struct fetcher *fetcher;
	CURL *easy;
	struct curl_slist *connect_to;
	struct ip_address address;
	uint16_t port;
	int twin; /* of the connection's socket: tells whether it is connected, which curl's times do not always; -1: none yet */
	fetch_done *done;
	void *ctx;
	char error[CURL_ERROR_SIZE];
	size_t header_bytes;
	struct buf reason, location, body;
	bool https, has_location, locations_differ, more, header_flood, strange_address;
};

/* --- the loop --- */

static void finish(struct fetch *t, CURLcode rc);

static void take_finished(struct fetcher *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct fetch *t = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode rc = m->data.result;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		finish(t, rc);
	}
}

static void on_socket_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct fetcher *f = ctx;
	int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0), running;

	(void)curl_multi_socket_action(f->multi, fd, mask, &running);
	take_finished(f);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct fetcher *f = ctx;
	int running;

	(void)fd;
	(void)what;
	(void)curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished(f);
}

/* curl says what it wants to know of a socket; the event lives with the socket, in curl's own table. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
	struct fetcher *f = ctx;
	struct event *before = of_socket, *ev = NULL;

	(void)easy;
	if (before)
		event_free(before);
	if (what != CURL_POLL_REMOVE) {
		short bits = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
		ev = event_new(f->base, fd, bits, on_socket_ready, f);
		if (!ev || event_add(ev, NULL) != 0)
			return -1;
	}
	(void)curl_multi_assign(f->multi, fd, ev);
	return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct fetcher *f = ctx;
	struct timeval tv = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };

	(void)multi;
	return timeout_ms < 0 ? event_del(f->timer) : event_add(f->timer, &tv);
}

enum err_code fetcher_new(struct event_base *base, struct fetcher **ret, struct err *e)
{
	CLEANUP(fetcher_free_p) struct fetcher *f = calloc(1, sizeof *f);
	CURLMcode rc = CURLM_OK;

	errno = 0;
	if (!f || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		FAIL(e, NOMEM, "libcurl does not start");
	f->base = base;
	f->multi = curl_multi_init();
	f->timer = event_new(base, -1, 0, on_timer, f);
	if (!f->multi || !f->timer)
		FAIL(e, NOMEM, "libcurl does not start");
	rc = rc ? rc : curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	rc = rc ? rc : curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	rc = rc ? rc : curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	rc = rc ? rc : curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	rc = rc ? rc : curl_multi_setopt(f->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	if (rc != CURLM_OK)
		FAIL(e, SERVER_INTERNAL, "libcurl: %s", curl_multi_strerror(rc));
	*ret = TAKE(f);
	return ERR_OK;
}

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	if (f->multi)
		(void)curl_multi_cleanup(f->multi);
	if (f->timer)
		event_free(f->timer);
	free(f);
	curl_global_cleanup();
}

/* --- what curl asks and gives --- */

/* The last gate before the network: no connection but to the address that was judged. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct fetch *t = ctx;
	struct ip_address a;
	in_port_t port = 0;
	const void *raw = &to->addr;

	if (to->family == AF_INET)
		port = ((const struct sockaddr_in *)raw)->sin_port;
	else if (to->family == AF_INET6)
		port = ((const struct sockaddr_in6 *)raw)->sin6_port;
	if (purpose != CURLSOCKTYPE_IPCXN || !ip_address_from_sockaddr(&to->addr, &a) || !ip_address_equal(&a, &t->address) ||
	    ntohs(port) != t->port) {
		t->strange_address = true;
		return CURL_SOCKET_BAD;
	}
	int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	if (fd >= 0) {
		close_p(&t->twin);
		t->twin = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static struct bytes trim(struct bytes v)
{
	while (v.len > 0 && (v.ptr[0] == ' ' || v.ptr[0] == '\t'))
		v = bytes_slice(v, 1, v.len);
	while (v.len > 0 && v.ptr[v.len - 1] <= ' ')
		v.len--;
	return v;
}

static void on_location(struct fetch *t, struct bytes value)
{
	if (t->has_location && !bytes_eq(buf_bytes(&t->location), value))
		t->locations_differ = true;
	if (!t->has_location)
		buf_add(&t->location, value);
	t->has_location = true;
}

/* A status line begins a new answer: what an interim one (1xx) said is forgotten. */
static void on_status_line(struct fetch *t, struct bytes line)
{
	struct bytes version, rest, code, reason = BYTES_LIT("");

	buf_reset(&t->reason);
	buf_reset(&t->location);
	t->has_location = t->locations_differ = false;
	if (bytes_split(trim(line), ' ', &version, &rest) && bytes_split(rest, ' ', &code, &reason))
		buf_add(&t->reason, bytes_slice(reason, 0, REASON_MAX));
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct fetch *t = ctx;
	struct bytes line = { (const uint8_t *)p, size * n }, name, value;

	t->header_bytes += line.len;
	if (t->header_bytes > FETCH_HEADER_MAX) {
		t->header_flood = true;
		return 0;
	}
	if (bytes_starts_with(line, BYTES_LIT("HTTP/")))
		on_status_line(t, line);
	else if (bytes_split(line, ':', &name, &value) && name.len == 8 && strncasecmp((const char *)name.ptr, "location", 8) == 0)
		on_location(t, trim(value));
	return line.len;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct fetch *t = ctx;
	struct bytes in = { (const uint8_t *)p, size * n };
	size_t room = FETCH_BODY_MAX - t->body.len;

	t->more = in.len > room;
	buf_add(&t->body, bytes_slice(in, 0, room));
	return t->more || !buf_ok(&t->body) ? 0 : in.len;
}

/* --- one fetch --- */

static void fetch_free(struct fetch *t)
{
	if (t->easy) {
		(void)curl_multi_remove_handle(t->fetcher->multi, t->easy); /* harmless when it was never added */
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->connect_to);
	close_p(&t->twin);
	buf_free(&t->reason);
	buf_free(&t->location);
	buf_free(&t->body);
	free(t);
}
DEFINE_CLEANUP(struct fetch *, fetch_free);

void fetch_cancel(struct fetch *t)
{
	if (t)
		fetch_free(t);
}

static bool is_connected(const struct fetch *t)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;

	return t->twin >= 0 && getpeername(t->twin, (struct sockaddr *)&peer, &len) == 0;
}

static bool is_secured(const struct fetch *t)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &us) == CURLE_OK && us > 0;
}

enum fetch_phase fetch_phase(const struct fetch *t)
{
	if (!is_connected(t))
		return FETCH_CONNECTING;
	if (t->https && !is_secured(t))
		return FETCH_IN_HANDSHAKE;
	return t->header_bytes > 0 ? FETCH_READING : FETCH_WAITING;
}

static enum fetch_end end_of(const struct fetch *t, CURLcode rc)
{
	switch ((int)rc) { /* of its hundred codes these are the ones that a transfer of ours can end with */
	case CURLE_OK:
		return FETCH_ANSWERED;
	case CURLE_WRITE_ERROR:
		return t->more ? FETCH_ANSWERED : t->header_flood ? FETCH_BROKEN : FETCH_OURS;
	case CURLE_COULDNT_CONNECT:
		return t->strange_address ? FETCH_OURS : FETCH_NOT_CONNECTED;
	case CURLE_OPERATION_TIMEDOUT: /* only connecting has a limit here */
		return is_connected(t) ? FETCH_TLS : FETCH_NOT_CONNECTED;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
	case CURLE_PEER_FAILED_VERIFICATION:
		return FETCH_TLS;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
	case CURLE_COULDNT_RESOLVE_HOST: /* it never has to */
		return FETCH_OURS;
	default:
		return FETCH_BROKEN;
	}
}

/* Never calls the asker from within curl: take_finished() is outside of it. */
static void finish(struct fetch *t, CURLcode rc)
{
	struct fetch_answer a = { .end = end_of(t, rc), .why = *t->error ? t->error : curl_easy_strerror(rc) };
	long status = 0, sys = 0;
	char timeout[] = "no answer in time";

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &sys);
	if (a.end == FETCH_NOT_CONNECTED)
		a.why = rc == CURLE_OPERATION_TIMEDOUT ? timeout : sys ? strerror((int)sys) : a.why;
	if (rc == CURLE_OPERATION_TIMEDOUT)
		a.why = timeout;
	if (t->header_flood)
		a.why = "the answer's header is too large";
	a.status = (unsigned)status;
	a.reason = buf_bytes(&t->reason);
	a.location = t->has_location ? buf_bytes(&t->location) : BYTES_NONE;
	if (t->has_location && !a.location.ptr)
		a.location = BYTES_LIT("");
	a.locations_differ = t->locations_differ;
	a.body = buf_bytes(&t->body);
	a.more = t->more;
	(void)curl_multi_remove_handle(t->fetcher->multi, t->easy);
	t->done(t->ctx, &a);
	fetch_free(t);
}

#define SET(option, value) (rc = rc != CURLE_OK ? rc : curl_easy_setopt(t->easy, option, value))

static CURLcode set_target(struct fetch *t, const struct fetch_request *r)
{
	char at[IP_ADDRESS_TEXT_SIZE], to[IP_ADDRESS_TEXT_SIZE + 16];
	CURLcode rc = CURLE_OK;

	(void)ip_address_text(&r->address, at);
	(void)snprintf(to, sizeof to, r->address.v6 ? "::[%s]:%u" : "::%s:%u", at, r->port);
	t->connect_to = curl_slist_append(NULL, to);
	if (!t->connect_to)
		return CURLE_OUT_OF_MEMORY;
	SET(CURLOPT_URL, r->url);
	SET(CURLOPT_CONNECT_TO, t->connect_to);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, t);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_ms);
	return rc;
}

static CURLcode set_limits(struct fetch *t)
{
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https"); /* and FOLLOWLOCATION 0: none */
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	SET(CURLOPT_BUFFERSIZE, 16384L);
	/* An https hop proves nothing by its certificate: the applicant may be here to get the first one (RFC 8555 §8.3). */
	SET(CURLOPT_SSL_VERIFYPEER, 0L);
	SET(CURLOPT_SSL_VERIFYHOST, 0L);
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	return rc;
}

static CURLcode set_callbacks(struct fetch *t)
{
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	return rc;
}

enum err_code fetch_start(struct fetcher *f, const struct fetch_request *r, fetch_done *done, void *ctx, struct fetch **ret, struct err *e)
{
	CLEANUP(fetch_free_p) struct fetch *t = calloc(1, sizeof *t);

	errno = 0;
	if (!t)
		FAIL(e, NOMEM, "no memory for a fetch");
	*t = (struct fetch){ .fetcher = f,
		.address = r->address,
		.port = r->port,
		.twin = -1,
		.done = done,
		.ctx = ctx,
		.https = strncmp(r->url, "https:", 6) == 0,
		.reason = buf_new(REASON_MAX),
		.location = buf_new(LOCATION_MAX),
		.body = buf_new(FETCH_BODY_MAX) };
	t->easy = curl_easy_init();
	if (!t->easy)
		FAIL(e, NOMEM, "no memory for a fetch");
	CURLcode rc = set_target(t, r);
	rc = rc != CURLE_OK ? rc : set_limits(t);
	rc = rc != CURLE_OK ? rc : set_callbacks(t);
	if (rc != CURLE_OK)
		FAIL(e, SERVER_INTERNAL, "libcurl does not take an option: %s", curl_easy_strerror(rc));
	CURLMcode added = curl_multi_add_handle(f->multi, t->easy);
	if (added != CURLM_OK)
		FAIL(e, SERVER_INTERNAL, "libcurl does not take a fetch: %s", curl_multi_strerror(added));
	*ret = TAKE(t);
	return ERR_OK;
}
