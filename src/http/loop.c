/* A loop thread: accepts, polls, wakes for answers, watches deadlines. */
#include "http/server_impl.h"

#include "base/clock.h"
#include "base/event.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICK_MS         200 /* how exactly deadlines are kept */
#define LINGER_MS       2000
#define ACCEPT_PAUSE_MS 100
#define PATIENCE_MS     1000 /* when all places are taken: with whom nothing goes on so long */

static _Thread_local const struct loop *running; /* whose thread this is; NULL: nobody's */

static struct timeval timeval_ms(long ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

/* --- phases and deadlines --- */

/* 0: none. */
static unsigned phase_ms(const struct http_limits *limits, enum phase phase)
{
	switch (phase) {
	case PHASE_HANDSHAKE:
		return limits->handshake_ms;
	case PHASE_IDLE:
		return limits->idle_ms;
	case PHASE_HEAD:
		return limits->headers_ms;
	case PHASE_BODY:
		return limits->body_ms;
	case PHASE_WRITING:
		return limits->write_ms;
	case PHASE_LINGERING:
		return LINGER_MS;
	case PHASE_HANDLING:
	case PHASE_GONE:
	case PHASE_DEAD:
	case PHASE__MAX:
		return 0;
	}
	return 0;
}

static bool phase_may(enum phase from, enum phase to)
{
	static const bool may[PHASE__MAX][PHASE__MAX] = {
		[PHASE_HANDSHAKE] = { [PHASE_IDLE] = true, [PHASE_DEAD] = true },
		[PHASE_IDLE] = { [PHASE_HEAD] = true, [PHASE_WRITING] = true, [PHASE_DEAD] = true },
		[PHASE_HEAD] = { [PHASE_BODY] = true, [PHASE_WRITING] = true, [PHASE_DEAD] = true },
		[PHASE_BODY] = { [PHASE_HANDLING] = true, [PHASE_WRITING] = true, [PHASE_DEAD] = true },
		[PHASE_HANDLING] = { [PHASE_WRITING] = true, [PHASE_GONE] = true },
		[PHASE_WRITING] = { [PHASE_IDLE] = true, [PHASE_LINGERING] = true, [PHASE_DEAD] = true },
		[PHASE_LINGERING] = { [PHASE_DEAD] = true },
		[PHASE_GONE] = { [PHASE_DEAD] = true },
	};
	return may[from][to];
}

static void list_add(struct loop *l, struct conn *c, enum phase phase)
{
	unsigned ms = phase_ms(&l->server->limits, phase);

	TAILQ_INSERT_TAIL(&l->conns[phase], c, in_phase);
	c->phase = phase;
	c->deadline_ms = ms ? clock_monotonic_ms() + ms : INT64_MAX;
}

void loop_enter(struct loop *l, struct conn *c, enum phase to)
{
	if (!phase_may(c->phase, to)) {
		struct err e;
		errno = 0;
		err_set(&e, ERR_BUG, __FILE__, __LINE__, "a connection goes from phase %d to %d", c->phase, to);
		event_error(EVENT_ERROR, "http.phase", &e);
	}
	TAILQ_REMOVE(&l->conns[c->phase], c, in_phase);
	list_add(l, c, to);
}

static void tick_on(struct loop *l)
{
	const struct timeval period = timeval_ms(TICK_MS);

	if (l->n_conns > 0 && !event_pending(&l->tick, EV_TIMEOUT, NULL))
		event_add(&l->tick, &period);
}

void loop_adopt(struct loop *l, struct conn *c)
{
	list_add(l, c, c->phase);
	l->n_conns++;
	tick_on(l);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	int64_t now = clock_monotonic_ms();
	struct conn *c;

	(void)fd;
	(void)what;
	for (unsigned phase = 0; phase < PHASE__MAX; phase++) {
		/* Timing out takes it off this list, or renews its deadline. */
		while ((c = TAILQ_FIRST(&l->conns[phase])) && c->deadline_ms <= now)
			conn_timed_out(c);
	}
	tick_on(l);
	loop_tidy(l);
}

/* --- accepting --- */

static void listeners_on(struct loop *l)
{
	for (unsigned i = 0; i < l->server->n_listeners; i++)
		event_add(&l->listeners[i].event, NULL);
}

static void listeners_off(struct loop *l)
{
	for (unsigned i = 0; i < l->server->n_listeners; i++)
		event_del(&l->listeners[i].event);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	if (atomic_load(&l->server->stopping) == STOPPING_NO)
		listeners_on(l);
}

/* Out of descriptors or memory: a listening socket that stays readable would have us spin. */
static void accept_pause(struct loop *l)
{
	const struct timeval pause = timeval_ms(ACCEPT_PAUSE_MS);
	struct err e;

	err_set(&e, ERR_IO, __FILE__, __LINE__, "cannot accept a connection");
	event_error(EVENT_WARNING, "http.accept_paused", &e);
	listeners_off(l);
	event_add(&l->accept_again, &pause);
}

static int64_t waited_ms(const struct loop *l, const struct conn *c, int64_t now_ms)
{
	return now_ms - (c->deadline_ms - phase_ms(&l->server->limits, c->phase));
}

/* When all places are taken, whoever has kept us waiting longest gives his up, first of all who has not even ended his handshake. So connections
 * that only take places keep nobody out for long; whoever does what he came for is quicker. NULL: all of them are at work. */
static struct conn *least_wanted(const struct loop *l)
{
	static const enum phase waiting[] = { PHASE_HANDSHAKE, PHASE_HEAD, PHASE_BODY, PHASE_IDLE };
	int64_t now = clock_monotonic_ms();

	for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
		struct conn *c = TAILQ_FIRST(&l->conns[waiting[i]]);
		if (c && waited_ms(l, c, now) >= PATIENCE_MS)
			return c;
	}
	return TAILQ_FIRST(&l->conns[PHASE_HANDSHAKE]);
}

static bool make_room(struct loop *l)
{
	struct conn *c = least_wanted(l);

	atomic_fetch_add_explicit(&l->server->refused_connections, 1, memory_order_relaxed);
	if (c)
		conn_drop(c, c->phase != PHASE_IDLE);
	return c != NULL;
}

static bool admit(struct loop *l, const uint8_t address[16])
{
	struct http_server *s = l->server;

	if (!address_table_take(s->addresses, address, s->limits.connections_per_address)) {
		atomic_fetch_add_explicit(&s->refused_connections, 1, memory_order_relaxed);
		return false;
	}
	if (atomic_fetch_add(&s->open_now, 1) < s->limits.connections_max || make_room(l))
		return true;
	atomic_fetch_sub(&s->open_now, 1);
	address_table_give(s->addresses, address);
	return false;
}

/* Every loop polls the same listening sockets and takes one connection at a time, so that the one that has time gets it. */
static void on_acceptable(evutil_socket_t listening, short what, void *arg)
{
	static const int on = 1;
	struct loop_listener *from = arg;
	struct loop *l = from->loop;
	struct sockaddr_storage from_address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof from_address;
	uint8_t address[16];

	(void)what;
	int fd = accept4(listening, (struct sockaddr *)&from_address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			accept_pause(l);
		return; /* the other loop was first, or the client has gone already */
	}
	address_mapped((const struct sockaddr *)&from_address, address);
	if (!admit(l, address)) {
		close(fd);
		return;
	}
	atomic_fetch_add_explicit(&l->server->accepted, 1, memory_order_relaxed);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	conn_new(l, fd, from->tls, address);
	loop_tidy(l);
}

/* --- waking --- */

void loop_wake(struct loop *l)
{
	const uint64_t one = 1;

	/* Cannot fail but for 2^64 - 2 wake-ups; polled edge-triggered, so that nobody need read it. */
	if (write(l->wake_fd, &one, sizeof one) < 0)
		return;
}

void loop_give_back(struct loop *l, struct request *r)
{
	struct request *first = atomic_load_explicit(&l->answered, memory_order_relaxed);

	do
		r->next = first;
	while (!atomic_compare_exchange_weak_explicit(&l->answered, &first, r, memory_order_release, memory_order_relaxed));
	/* Whoever finds the stack empty wakes the loop, which looks by itself at the end of each callback; it will see what the others push meanwhile. */
	if (!first && l != running)
		loop_wake(l);
}

/* All answered requests, the oldest first. */
static struct request *take_answered(struct loop *l)
{
	struct request *last = atomic_exchange_explicit(&l->answered, NULL, memory_order_acquire), *first = NULL;

	while (last) {
		struct request *before = last->next;
		last->next = first;
		first = last;
		last = before;
	}
	return first;
}

/* STOPPING_GRACE: what has not begun ends now. */
static void end_idle(struct loop *l)
{
	struct conn *c;

	listeners_off(l);
	while ((c = TAILQ_FIRST(&l->conns[PHASE_HANDSHAKE])))
		conn_drop(c, false);
	while ((c = TAILQ_FIRST(&l->conns[PHASE_IDLE])))
		conn_end(c);
}

/* Once through: a client that sends requests without end must not keep the loop from the others. */
static void answered_on(struct loop *l)
{
	struct request *next, *r = take_answered(l);

	for (; r; r = next) {
		next = r->next;
		conn_answered(r);
	}
}

void loop_tidy(struct loop *l)
{
	int stopping = atomic_load_explicit(&l->server->stopping, memory_order_acquire);

	if (atomic_load_explicit(&l->answered, memory_order_relaxed))
		answered_on(l);
	if (atomic_load_explicit(&l->answered, memory_order_relaxed))
		loop_wake(l);
	conn_bury(l);
	if (stopping == STOPPING_NOW || (stopping == STOPPING_GRACE && l->n_conns == 0))
		event_base_loopbreak(l->base);
}

static void on_woken(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	answered_on(l);
	if (atomic_load_explicit(&l->server->stopping, memory_order_acquire))
		end_idle(l);
	loop_tidy(l);
}

/* --- life --- */

void loop_blank(struct loop *l, struct http_server *s)
{
	l->server = s;
	l->wake_fd = -1;
	for (unsigned i = 0; i < PHASE__MAX; i++)
		TAILQ_INIT(&l->conns[i]);
}

enum err_code loop_init(struct loop *l, struct err *e)
{
	struct http_server *s = l->server;
	struct event_config *config = event_config_new();

	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* One thread uses it; others wake it by the eventfd alone. */
	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		l->base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	if (!l->base || l->wake_fd < 0)
		FAIL(e, IO, "cannot make an event loop");
	event_assign(&l->woken, l->base, l->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_woken, l);
	evtimer_assign(&l->tick, l->base, on_tick, l);
	evtimer_assign(&l->accept_again, l->base, on_accept_again, l);
	for (unsigned i = 0; i < s->n_listeners; i++) {
		struct loop_listener *to = &l->listeners[i];
		to->loop = l;
		to->tls = s->listeners[i].tls;
		event_assign(&to->event, l->base, s->listeners[i].fd, EV_READ | EV_PERSIST, on_acceptable, to);
	}
	if (event_add(&l->woken, NULL) != 0)
		FAIL(e, IO, "cannot poll an eventfd");
	listeners_on(l);
	return ERR_OK;
}

void *loop_main(void *arg)
{
	struct loop *l = arg;
	struct http_server *s = l->server;
	struct conn *c;

	running = l;
	event_base_dispatch(l->base);
	running = NULL;
	for (unsigned phase = 0; phase < PHASE_GONE; phase++)
		while ((c = TAILQ_FIRST(&l->conns[phase])))
			conn_drop(c, true);
	conn_bury(l);
	pthread_mutex_lock(&s->lock);
	s->loops_running--;
	pthread_cond_signal(&s->loop_ended);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void loop_clear(struct loop *l)
{
	struct request *r, *next;
	struct conn *c;

	answered_on(l); /* what was answered when the thread had ended already */
	for (unsigned phase = 0; phase < PHASE_DEAD; phase++)
		while ((c = TAILQ_FIRST(&l->conns[phase])))
			conn_drop(c, true);
	conn_bury(l);
	for (r = l->free_requests; r; r = next) {
		next = r->next;
		request_free(r);
	}
	if (l->base)
		event_base_free(l->base);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
}
