#include "server/front/peer.h"

#include "base/clock.h"
#include "base/event.h"
#include "server/status.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUESTIONS_MAX      2048
#define DEADLINES_EVERY_MS 100 /* how often the table is gone through for deadlines */

struct question {
	uint32_t id; /* slot number and, above it, a count of its uses; 0: free */
	int64_t deadline_ms;
	peer_done *done;
	void *ctx;
};

struct peer {
	enum process who;
	int wake;
	pthread_mutex_t lock; /* guards everything below; never held while done is called */
	struct channel *channel;
	bool greeted; /* the signer refuses whatever comes before HELLO */
	struct question questions[QUESTIONS_MAX];
	uint16_t free_slots[QUESTIONS_MAX];
	size_t n_free;
	uint32_t uses;
	int64_t deadlines_looked_ms;
	struct channel_counts before; /* of the channels that are gone */
};

enum err_code peer_new(enum process who, int wake, struct peer **ret, struct err *e)
{
	struct peer *p = calloc(1, sizeof *p);

	if (!p)
		FAIL(e, NOMEM, "no memory for a peer");
	p->who = who;
	p->wake = wake;
	pthread_mutex_init(&p->lock, NULL);
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		p->free_slots[p->n_free++] = (uint16_t)i;
	*ret = p;
	return ERR_OK;
}

/* With the lock held: takes the question out of the table. */
static struct question take_question(struct peer *p, size_t slot)
{
	struct question q = p->questions[slot];

	p->questions[slot] = (struct question){ 0 };
	p->free_slots[p->n_free++] = (uint16_t)slot;
	return q;
}

/* Ends every question whose deadline has passed at now_ms; with now_ms < 0 every one. */
static void end_questions(struct peer *p, int64_t now_ms, enum err_code code)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		struct question q = { 0 };
		pthread_mutex_lock(&p->lock);
		if (p->questions[i].id && (now_ms < 0 || p->questions[i].deadline_ms <= now_ms))
			q = take_question(p, i);
		pthread_mutex_unlock(&p->lock);
		if (q.id)
			q.done(q.ctx, code, NULL);
	}
}

static void disconnect(struct peer *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->channel) {
		channel_counts_add(&p->before, channel_counts(p->channel));
		channel_free(p->channel);
		p->channel = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	end_questions(p, -1, ERR_CLOSED);
}

void peer_free(struct peer *p)
{
	if (!p)
		return;
	disconnect(p);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

enum err_code peer_connect(struct peer *p, int fd, struct err *e)
{
	struct channel *c;

	disconnect(p);
	TRY(server_channel_new(fd, PROCESS_FRONT, p->who, &c, e));
	pthread_mutex_lock(&p->lock);
	p->channel = c;
	p->greeted = p->who != PROCESS_SIGNER;
	pthread_mutex_unlock(&p->lock);
	return ERR_OK;
}

static enum err_code send_locked(struct peer *p, enum message_type type, struct bytes body, struct question q, struct err *e)
{
	if (!p->channel || p->n_free == 0 || !(p->greeted || type == MESSAGE_HELLO))
		FAIL(e, BUSY, "the %s is not there or has too much to do", process_name(p->who));
	size_t slot = p->free_slots[p->n_free - 1];
	q.id = (uint32_t)(slot + 1) | (++p->uses & 0xfffff) << 12;
	enum err_code rc = channel_send(p->channel, (uint16_t)type, q.id, body, e);
	if (rc != ERR_OK)
		return rc == ERR_CLOSED ? ERR_BUSY : rc;
	p->n_free--;
	p->questions[slot] = q;
	p->greeted = true;
	return ERR_OK;
}

enum err_code peer_ask(
    struct peer *p, enum message_type type, struct bytes body, unsigned timeout_ms, peer_done *done, void *ctx, struct err *e)
{
	struct question q = { .deadline_ms = clock_monotonic_ms() + timeout_ms, .done = done, .ctx = ctx };

	pthread_mutex_lock(&p->lock);
	enum err_code rc = send_locked(p, type, body, q, e);
	bool queued = rc == ERR_OK && channel_wants_write(p->channel);
	pthread_mutex_unlock(&p->lock);
	if (queued && write(p->wake, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		return rc; /* the eventfd's counter is full: the loop is awake anyway */
	return rc;
}

/* A semaphore and not a condition variable, whose waiter would find its mutex held by whoever wakes it. */
struct waiting {
	sem_t ended;
	enum err_code code;
	struct arena *arena;
	struct message answer;
};

static void call_done(void *ctx, enum err_code code, const struct message *answer)
{
	struct waiting *w = ctx;

	w->code = code;
	if (answer) {
		w->answer = *answer;
		w->answer.body = arena_copy(w->arena, answer->body);
		if (!w->answer.body.ptr)
			w->code = ERR_NOMEM;
	}
	sem_post(&w->ended);
}

enum err_code peer_call(
    struct peer *p, struct arena *a, enum message_type type, struct bytes body, unsigned timeout_ms, struct message *ret, struct err *e)
{
	struct waiting w = { .arena = a };

	sem_init(&w.ended, 0, 0);
	enum err_code rc = peer_ask(p, type, body, timeout_ms, call_done, &w, e);
	while (rc == ERR_OK && sem_wait(&w.ended) != 0)
		; /* interrupted by a signal: the answer is still to come */
	sem_destroy(&w.ended);
	TRY(rc);
	if (w.code != ERR_OK)
		return err_set(
		    e, w.code, __FILE__, __LINE__, "no answer from the %s to %s", process_name(p->who), message_rules[type].name);
	*ret = w.answer;
	return ERR_OK;
}

int peer_fd(struct peer *p, bool *ret_wants_write)
{
	pthread_mutex_lock(&p->lock);
	int fd = p->channel ? channel_fd(p->channel) : -1;
	*ret_wants_write = p->channel && channel_wants_write(p->channel);
	pthread_mutex_unlock(&p->lock);
	return fd;
}

/* One message under the lock; its question, where it answers one, is taken out. */
static enum err_code receive(struct peer *p, struct message *m, struct question *q, struct err *e)
{
	*q = (struct question){ 0 };
	pthread_mutex_lock(&p->lock);
	enum err_code rc = p->channel ? channel_receive(p->channel, m, e) : ERR_AGAIN;
	if (rc == ERR_OK && message_rules[m->type].answers) {
		size_t slot = (m->id & 0xfff) - 1;
		if (slot < QUESTIONS_MAX && p->questions[slot].id == m->id)
			*q = take_question(p, slot);
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* A dead peer shows itself on receiving. */
static enum err_code flush(struct peer *p, struct err *e)
{
	enum err_code rc = ERR_OK;

	pthread_mutex_lock(&p->lock);
	if (p->channel && channel_wants_write(p->channel))
		rc = channel_flush(p->channel, e);
	pthread_mutex_unlock(&p->lock);
	return rc == ERR_CLOSED ? ERR_OK : rc;
}

enum err_code peer_serve(struct peer *p, peer_notice *notice, void *ctx, struct err *e)
{
	struct message m;
	struct question q;
	enum err_code rc;

	TRY(flush(p, e));
	while ((rc = receive(p, &m, &q, e)) == ERR_OK) {
		if (q.id)
			q.done(q.ctx, ERR_OK, &m);
		else if (!message_rules[m.type].answers)
			notice(ctx, &m);
	}
	if (rc != ERR_AGAIN && rc != ERR_CLOSED)
		return rc;
	if (rc == ERR_CLOSED) {
		event(EVENT_WARNING, "peer.lost", EVENT_STR("peer", process_name(p->who)));
		disconnect(p);
	}
	int64_t now_ms = clock_monotonic_ms();
	if (now_ms - p->deadlines_looked_ms >= DEADLINES_EVERY_MS) {
		p->deadlines_looked_ms = now_ms;
		end_questions(p, now_ms, ERR_TIMEOUT);
	}
	return ERR_OK;
}

struct channel_counts peer_counts(struct peer *p)
{
	pthread_mutex_lock(&p->lock);
	struct channel_counts c = p->before;
	if (p->channel)
		channel_counts_add(&c, channel_counts(p->channel));
	pthread_mutex_unlock(&p->lock);
	return c;
}

size_t peer_waiting(struct peer *p)
{
	pthread_mutex_lock(&p->lock);
	size_t n = QUESTIONS_MAX - p->n_free;
	pthread_mutex_unlock(&p->lock);
	return n;
}
