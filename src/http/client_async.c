#include "http/client_async.h"

#include "base/clock.h"
#include "http/client_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_MAX 8 /* of one step: the timer, a connection or two, libcurl's own resolver */
/* libcurl asks to be called again at once so often at most in one step; the rest is the next one's. */
#define ROUNDS_MAX 16

struct http_async {
	int epoll, timer;
	CURLM *multi; /* NULL: nothing is connected */
	struct http_exchange x;
	bool begun, over;
	CURLcode rc;
	int64_t curl_at_ms, alarm_ms; /* HTTP_ASYNC_NEVER */
};

enum err_code http_async_new(struct http_async **ret, struct err *e)
{
	CLEANUP(http_async_free_p) struct http_async *h = calloc(1, sizeof *h);
	struct epoll_event timer = { .events = EPOLLIN };

	if (!h)
		FAIL(e, NOMEM, "no memory for an HTTP client");
	h->curl_at_ms = h->alarm_ms = HTTP_ASYNC_NEVER;
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	timer.data.fd = h->timer;
	if (h->epoll < 0 || h->timer < 0 || epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->timer, &timer) != 0)
		FAIL(e, IO, "no descriptor to wait for events with");
	*ret = TAKE(h);
	return ERR_OK;
}

void http_async_free(struct http_async *h)
{
	if (!h)
		return;
	http_async_drop(h);
	http_async_disconnect(h);
	close_p(&h->epoll);
	close_p(&h->timer);
	free(h);
}

int http_async_fd(const struct http_async *h)
{
	return h->epoll;
}

/* --- time --- */

static void set_timer(struct http_async *h)
{
	int64_t at = h->curl_at_ms < h->alarm_ms ? h->curl_at_ms : h->alarm_ms;
	struct itimerspec t = { .it_value = { 0 } }; /* disarms it */

	if (at != HTTP_ASYNC_NEVER) {
		at = at > 0 ? at : 1;
		t.it_value = (struct timespec){ at / 1000, at % 1000 * 1000000 };
	}
	(void)timerfd_settime(h->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

void http_async_alarm(struct http_async *h, int64_t at_ms)
{
	h->alarm_ms = at_ms;
	set_timer(h);
}

/* CURLMOPT_TIMERFUNCTION */
static int take_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
	struct http_async *h = ctx;

	(void)multi;
	h->curl_at_ms = timeout_ms < 0 ? HTTP_ASYNC_NEVER : clock_monotonic_ms() + timeout_ms;
	return 0;
}

/* --- sockets --- */

/* CURLMOPT_SOCKETFUNCTION */
static int take_socket(CURL *curl, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct http_async *h = ctx;
	struct epoll_event event = { .data.fd = fd };

	(void)curl;
	(void)socket_ctx;
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
	if (epoll_ctl(h->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
		return 0;
	return errno == ENOENT && epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -1;
}

static enum err_code connectable(struct http_async *h, struct err *e)
{
	if (h->multi)
		return ERR_OK;
	h->multi = curl_multi_init();
	if (!h->multi || curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, take_socket) != CURLM_OK ||
	    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) != CURLM_OK ||
	    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, take_timeout) != CURLM_OK ||
	    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) != CURLM_OK)
		FAIL(e, NOMEM, "no memory for an HTTP client");
	return ERR_OK;
}

void http_async_disconnect(struct http_async *h)
{
	struct sigpipe sigpipe;

	sigpipe_block(&sigpipe);
	if (h->multi)
		(void)curl_multi_cleanup(h->multi);
	sigpipe_restore(&sigpipe);
	h->multi = NULL;
	h->curl_at_ms = HTTP_ASYNC_NEVER;
	set_timer(h);
}

/* --- a request --- */

static enum err_code begin(struct http_async *h, struct http_client *c, struct arena *a, const struct http_client_request *r, struct err *e)
{
	TRY(connectable(h, e));
	TRY(http_exchange_open(c, a, r, &h->x, e));
	/* A host that is still being looked up would else be waited for when the request ends before. */
	if (curl_easy_setopt(c->curl, CURLOPT_QUICK_EXIT, 1L) != CURLE_OK || curl_multi_add_handle(h->multi, c->curl) != CURLM_OK)
		FAIL(e, NOMEM, "no memory for a request");
	h->begun = true;
	set_timer(h);
	return ERR_OK;
}

enum err_code http_async_begin(
    struct http_async *h, struct http_client *c, struct arena *a, const struct http_client_request *r, struct err *e)
{
	if (h->begun)
		FAIL(e, BUG, "a request is on its way already");
	enum err_code rc = begin(h, c, a, r, e);
	if (rc != ERR_OK)
		http_exchange_close(&h->x);
	return rc;
}

static void tell_sockets(struct http_async *h)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t expirations;
	int running, n = epoll_wait(h->epoll, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++) {
		unsigned got = events[i].events;
		int what = (got & EPOLLIN ? CURL_CSELECT_IN : 0) | (got & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (got & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		if (events[i].data.fd == h->timer)
			(void)!read(h->timer, &expirations, sizeof expirations);
		else
			(void)curl_multi_socket_action(h->multi, events[i].data.fd, what, &running);
	}
}

static void tell_time(struct http_async *h)
{
	int running;

	for (unsigned i = 0; i < ROUNDS_MAX && h->curl_at_ms <= clock_monotonic_ms(); i++) {
		h->curl_at_ms = HTTP_ASYNC_NEVER;
		(void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
}

bool http_async_step(struct http_async *h)
{
	struct sigpipe sigpipe;
	int left;

	sigpipe_block(&sigpipe);
	tell_sockets(h);
	if (h->multi)
		tell_time(h);
	for (CURLMsg *m; h->multi && (m = curl_multi_info_read(h->multi, &left)) != NULL;)
		if (m->msg == CURLMSG_DONE) {
			h->over = true;
			h->rc = m->data.result;
		}
	sigpipe_restore(&sigpipe);
	set_timer(h);
	return h->over || !h->begun;
}

/* From here on the client's handle is its own again. */
static void end(struct http_async *h)
{
	struct sigpipe sigpipe;

	sigpipe_block(&sigpipe);
	(void)curl_multi_remove_handle(h->multi, h->x.client->curl);
	sigpipe_restore(&sigpipe);
	h->begun = h->over = false;
}

enum err_code http_async_take(struct http_async *h, struct http_client_answer *ret, struct err *e)
{
	if (!h->begun || !h->over)
		FAIL(e, BUG, "no request is over");
	enum err_code rc = http_exchange_take(&h->x, h->rc, ret, e);
	end(h);
	http_exchange_close(&h->x);
	return rc;
}

void http_async_drop(struct http_async *h)
{
	if (!h->begun)
		return;
	end(h);
	http_exchange_close(&h->x);
}
