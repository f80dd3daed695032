#include "http/server_impl.h"
#include "http/thread.h"

#include "base/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 1024

const struct http_limits http_limits_default = {
	.loops = 2,
	.workers = 8,
	.queue_max = 512,
	.connections_max = 4096,
	.connections_per_address = 128,
	.handshake_ms = 10000,
	.headers_ms = 10000,
	.body_ms = 20000,
	.write_ms = 20000,
	.idle_ms = 60000,
	.header_bytes = 16384,
	.body_bytes = 65536,
	.requests_per_connection = 1000,
};

static enum err_code check_limits(const struct http_limits *l, struct err *e)
{
	const unsigned wanted[] = { l->loops, l->workers, l->queue_max, l->connections_max, l->connections_per_address, l->handshake_ms,
		l->headers_ms, l->body_ms, l->write_ms, l->idle_ms, l->header_bytes, l->body_bytes, l->requests_per_connection };

	errno = 0;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		if (wanted[i] == 0)
			FAIL(e, CONFIG, "no limit of the HTTP server may be zero");
	if (l->loops > THREADS_MAX || l->workers > THREADS_MAX || l->queue_max > 1u << 20 || l->connections_max > 1u << 20 ||
	    l->header_bytes > 1u << 18)
		FAIL(e, CONFIG, "a limit of the HTTP server is too large");
	return ERR_OK;
}

enum err_code http_server_new(
    const struct http_limits *limits, http_handler *handler, http_problem_fn *problem, void *ctx, struct http_server **ret, struct err *e)
{
	pthread_condattr_t monotonic;
	uint8_t start[3];

	TRY(check_limits(limits, e));
	struct http_server *s = calloc(1, sizeof *s);
	if (!s)
		FAIL(e, NOMEM, "no memory for the HTTP server");
	*s = (struct http_server){ .limits = *limits, .handler = handler, .problem = problem, .ctx = ctx, .refs = 1 };
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->loop_ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
	random_bytes(start, sizeof start);
	s->id_prefix = (uint64_t)(start[0] | 1) << 16 | (uint64_t)start[1] << 8 | start[2];
	s->addresses = address_table_new(limits->connections_max);
	s->loops = calloc(limits->loops, sizeof *s->loops);
	if (!s->addresses || !s->loops) {
		free(s->loops);
		s->loops = NULL;
		http_server_unref(s);
		FAIL(e, NOMEM, "no memory for the HTTP server");
	}
	for (unsigned i = 0; i < limits->loops; i++)
		loop_blank(&s->loops[i], s);
	*ret = s;
	return ERR_OK;
}

static void close_listeners(struct http_server *s)
{
	for (; s->n_listeners > 0; s->n_listeners--)
		close(s->listeners[s->n_listeners - 1].fd);
}

void http_server_unref(struct http_server *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; s->loops && i < s->limits.loops; i++)
		loop_clear(&s->loops[i]);
	free(s->loops);
	workers_free(s->workers);
	close_listeners(s);
	address_table_free(s->addresses);
	tls_context_free(s->tls);
	pthread_cond_destroy(&s->loop_ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

enum err_code http_server_set_tls(struct http_server *s, struct bytes chain_pem, struct bytes key_pem, struct err *e)
{
	SSL_CTX *ctx = NULL;

	TRY(tls_context_new(chain_pem, key_pem, &ctx, e));
	pthread_mutex_lock(&s->lock);
	SSL_CTX *before = s->tls;
	s->tls = ctx;
	pthread_mutex_unlock(&s->lock);
	tls_context_free(before);
	return ERR_OK;
}

SSL_CTX *http_server_tls(struct http_server *s)
{
	pthread_mutex_lock(&s->lock);
	SSL_CTX *ctx = tls_context_ref(s->tls);
	pthread_mutex_unlock(&s->lock);
	return ctx;
}

enum err_code http_server_listen(struct http_server *s, int fd, bool tls, struct err *e)
{
	errno = 0;
	if (s->started || s->n_listeners == HTTP_LISTENERS_MAX)
		FAIL(e, BUG, "a listening socket too late or too many");
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		FAIL(e, IO, "cannot use the listening socket");
	s->listeners[s->n_listeners].fd = fd;
	s->listeners[s->n_listeners++].tls = tls;
	return ERR_OK;
}

enum err_code http_server_start(struct http_server *s, struct err *e)
{
	errno = 0;
	if (s->started)
		FAIL(e, BUG, "the HTTP server is started twice");
	for (unsigned i = 0; i < s->n_listeners; i++)
		if (s->listeners[i].tls && !s->tls)
			FAIL(e, CONFIG, "an HTTPS socket without a certificate");
	s->started = true; /* whatever fails from here on, http_server_stop() clears away */
	TRY(workers_new(s->limits.workers, s->limits.queue_max, &s->workers, e));
	for (unsigned i = 0; i < s->limits.loops; i++)
		TRY(loop_init(&s->loops[i], e));
	for (unsigned i = 0; i < s->limits.loops; i++) {
		pthread_mutex_lock(&s->lock);
		int rc = thread_start(&s->loops[i].thread, "http-loop", loop_main, &s->loops[i]);
		s->loops_running += rc == 0;
		pthread_mutex_unlock(&s->lock);
		if (rc != 0) {
			errno = rc;
			FAIL(e, NOMEM, "cannot start a loop thread");
		}
		s->n_threads++;
	}
	return ERR_OK;
}

enum err_code http_server_run(struct http_server *s, void (*job)(void *ctx), void *ctx, struct err *e)
{
	errno = 0;
	if (!s->workers || !workers_put(s->workers, job, ctx))
		FAIL(e, BUSY, "too many jobs are waiting");
	return ERR_OK;
}

struct http_counts http_server_counts(struct http_server *s)
{
	return (struct http_counts){
		.accepted = atomic_load(&s->accepted),
		.refused_connections = atomic_load(&s->refused_connections),
		.handshakes = atomic_load(&s->handshakes),
		.handshake_failures = atomic_load(&s->handshake_failures),
		.requests = atomic_load(&s->requests),
		.bad_requests = atomic_load(&s->bad_requests),
		.timeouts = atomic_load(&s->timeouts),
		.overloaded = atomic_load(&s->overloaded),
		.open_now = atomic_load(&s->open_now),
	};
}

static struct timespec after_ms(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void tell_loops(struct http_server *s, enum stopping stopping)
{
	atomic_store(&s->stopping, stopping);
	for (unsigned i = 0; i < s->n_threads; i++)
		loop_wake(&s->loops[i]);
}

void http_server_stop(struct http_server *s, unsigned grace_ms)
{
	struct timespec until = after_ms(grace_ms);
	int rc = 0;

	tell_loops(s, STOPPING_GRACE);
	pthread_mutex_lock(&s->lock);
	while (s->loops_running > 0 && rc == 0)
		rc = pthread_cond_timedwait(&s->loop_ended, &s->lock, &until);
	pthread_mutex_unlock(&s->lock);
	tell_loops(s, STOPPING_NOW);
	for (unsigned i = 0; i < s->n_threads; i++)
		pthread_join(s->loops[i].thread, NULL);
	if (s->workers)
		workers_stop(s->workers);
	close_listeners(s);
	/* Requests that are parked still hold the rest, until the last of them is answered. */
	http_server_unref(s);
}

void http_server_hold(struct http_server *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void http_server_drop(struct http_server *s)
{
	http_server_unref(s);
}
