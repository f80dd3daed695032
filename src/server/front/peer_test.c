/* The front's end of a channel, with the test as the validator behind it. */
#include "server/front/peer.h"

#include "base/clock.h"
#include "base/seam.h"
#include "os/process.h"
#include "server/front/tokens.h"

#include <pthread.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	struct peer *peer;
	struct channel *validator;
	int wake;
};

static void connect_world(struct world *w)
{
	int pair[2];

	assert_int_equal(channel_pair(pair, NULL), ERR_OK);
	assert_int_equal(peer_connect(w->peer, pair[0], NULL), ERR_OK);
	if (w->validator)
		channel_free(w->validator);
	assert_int_equal(server_channel_new(pair[1], PROCESS_VALIDATOR, PROCESS_FRONT, &w->validator, NULL), ERR_OK);
}

static struct world world_new(void)
{
	struct world w = { .wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };

	assert_int_equal(peer_new(PROCESS_VALIDATOR, w.wake, &w.peer, NULL), ERR_OK);
	connect_world(&w);
	return w;
}

static void world_free(struct world *w)
{
	peer_free(w->peer);
	channel_free(w->validator);
	close(w->wake);
}

struct outcome {
	unsigned times;
	enum err_code code;
	uint8_t body[64];
	size_t len;
};

static void remember(void *ctx, enum err_code code, const struct message *answer)
{
	struct outcome *o = ctx;

	o->times++;
	o->code = code;
	o->len = answer ? answer->body.len : 0;
	if (answer && o->len <= sizeof o->body)
		memcpy(o->body, answer->body.ptr, o->len);
}

static void no_notice(void *ctx, const struct message *m)
{
	(void)ctx;
	(void)m;
	fail_msg("a notice that nobody sent");
}

static void ask(struct world *w, struct outcome *o, unsigned timeout_ms)
{
	static const uint8_t count[4] = { 0, 0, 0, 1 };

	assert_int_equal(peer_ask(w->peer, MESSAGE_TOKENS_ASK, BYTES_ARRAY(count), timeout_ms, remember, o, NULL), ERR_OK);
}

static void answer_next(struct world *w, struct bytes body)
{
	struct message m;

	assert_int_equal(channel_receive(w->validator, &m, NULL), ERR_OK);
	assert_int_equal(m.type, MESSAGE_TOKENS_ASK);
	assert_int_equal(channel_send(w->validator, MESSAGE_TOKENS, m.id, body, NULL), ERR_OK);
}

static void each_question_gets_its_answer(void **state)
{
	struct world w = world_new();
	struct outcome a = { 0 }, b = { 0 };

	(void)state;
	ask(&w, &a, 10000);
	ask(&w, &b, 10000);
	assert_int_equal(peer_waiting(w.peer), 2);
	answer_next(&w, BYTES_LIT("first"));
	answer_next(&w, BYTES_LIT("second"));
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	assert_int_equal(a.times, 1);
	assert_memory_equal(a.body, "first", 5);
	assert_memory_equal(b.body, "second", 6);
	assert_int_equal(peer_waiting(w.peer), 0);
	world_free(&w);
}

static void a_peer_that_dies_ends_all_questions_and_may_come_back(void **state)
{
	struct world w = world_new();
	struct outcome a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	ask(&w, &a, 10000);
	channel_free(w.validator);
	w.validator = NULL;
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	assert_int_equal(a.times, 1);
	assert_int_equal(a.code, ERR_CLOSED);
	assert_int_equal(peer_ask(w.peer, MESSAGE_TOKENS_ASK, BYTES_LIT("\0\0\0\1"), 1000, remember, &b, NULL), ERR_BUSY);
	assert_int_equal(b.times, 0);
	connect_world(&w);
	ask(&w, &c, 10000);
	answer_next(&w, BYTES_LIT("back"));
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	assert_int_equal(c.code, ERR_OK);
	world_free(&w);
}

static void a_question_ends_at_its_deadline_and_a_late_answer_hurts_nobody(void **state)
{
	struct world w = world_new();
	struct outcome a = { 0 };

	(void)state;
	ask(&w, &a, 0);
	usleep(150000); /* deadlines are looked at every 100 ms */
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	assert_int_equal(a.code, ERR_TIMEOUT);
	answer_next(&w, BYTES_LIT("late"));
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	assert_int_equal(a.times, 1);
	world_free(&w);
}

static void credits_bound_what_waits(void **state)
{
	struct world w = world_new();
	struct outcome o[8] = { { 0 } };
	unsigned asked = 0;

	(void)state;
	while (asked < 8 && peer_ask(w.peer, MESSAGE_TOKENS_ASK, BYTES_LIT("\0\0\0\1"), 10000, remember, &o[asked], NULL) == ERR_OK)
		asked++;
	assert_int_equal(asked, message_rules[MESSAGE_TOKENS_ASK].credits);
	answer_next(&w, BYTES_LIT("x"));
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	assert_int_equal(peer_ask(w.peer, MESSAGE_TOKENS_ASK, BYTES_LIT("\0\0\0\1"), 10000, remember, &o[asked], NULL), ERR_OK);
	world_free(&w);
}

/* A worker that asks while the signer comes back is told to wait; asked before HELLO, the signer would refuse it as unauthorized. */
static void the_signer_is_asked_nothing_before_hello(void **state)
{
	int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), pair[2];
	struct outcome hello = { 0 }, issue = { 0 };
	struct peer *p = NULL;

	(void)state;
	assert_int_equal(peer_new(PROCESS_SIGNER, wake, &p, NULL), ERR_OK);
	for (int lives = 0; lives < 2; lives++) {
		assert_int_equal(channel_pair(pair, NULL), ERR_OK);
		assert_int_equal(peer_connect(p, pair[0], NULL), ERR_OK);
		assert_int_equal(peer_ask(p, MESSAGE_ISSUE, BYTES_LIT("x"), 10000, remember, &issue, NULL), ERR_BUSY);
		assert_int_equal(peer_ask(p, MESSAGE_HELLO, BYTES_LIT(""), 10000, remember, &hello, NULL), ERR_OK);
		assert_int_equal(peer_ask(p, MESSAGE_ISSUE, BYTES_LIT("x"), 10000, remember, &issue, NULL), ERR_OK);
		close(pair[1]);
	}
	peer_free(p);
	close(wake);
}

static void *serve_a_while(void *ctx)
{
	struct world *w = ctx;
	bool writes;

	while (peer_waiting(w->peer) > 0 || peer_counts(w->peer).received == 0) {
		if (wait_fd(peer_fd(w->peer, &writes), false, clock_monotonic_ms() + 50, NULL) == ERR_OK)
			assert_int_equal(peer_serve(w->peer, no_notice, NULL, NULL), ERR_OK);
	}
	return NULL;
}

static void *answer_one(void *ctx)
{
	struct world *w = ctx;

	if (wait_fd(channel_fd(w->validator), false, clock_monotonic_ms() + 5000, NULL) == ERR_OK)
		answer_next(w, BYTES_LIT("answer"));
	return NULL;
}

static void a_call_waits_for_its_answer(void **state)
{
	struct world w = world_new();
	struct arena *a = arena_new(1024, 65536);
	struct message m;
	pthread_t server, validator;

	(void)state;
	assert_int_equal(pthread_create(&validator, NULL, answer_one, &w), 0);
	assert_int_equal(pthread_create(&server, NULL, serve_a_while, &w), 0);
	assert_int_equal(peer_call(w.peer, a, MESSAGE_TOKENS_ASK, BYTES_LIT("\0\0\0\1"), 5000, &m, NULL), ERR_OK);
	assert_true(bytes_eq_str(m.body, "answer"));
	pthread_join(server, NULL);
	pthread_join(validator, NULL);
	arena_free(a);
	world_free(&w);
}

static void tokens_are_stocked_and_never_given_twice(void **state)
{
	struct world w = world_new();
	struct arena *a = arena_new(1024, 65536);
	struct tokens *t = NULL;
	struct bytes got[3];
	char stock[2 * TOKEN_LEN];

	(void)state;
	memset(stock, 'a', TOKEN_LEN);
	memset(stock + TOKEN_LEN, 'b', TOKEN_LEN);
	assert_int_equal(tokens_new(w.peer, &t, NULL), ERR_OK);
	assert_int_equal(tokens_take(t, a, got, 1, NULL), ERR_BUSY); /* and asks */
	answer_next(&w, BYTES_ARRAY(stock));
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	assert_int_equal(tokens_take(t, a, got, 3, NULL), ERR_BUSY); /* takes none when there are too few */
	assert_int_equal(tokens_take(t, a, got, 2, NULL), ERR_OK);
	assert_false(bytes_eq(got[0], got[1]));
	assert_int_equal(got[0].len, TOKEN_LEN);
	assert_int_equal(tokens_take(t, a, got, 1, NULL), ERR_BUSY);
	world_free(&w); /* ends the question that the last take has asked */
	tokens_free(t);
	arena_free(a);
}

static ssize_t broken_recvmsg(int fd, struct msghdr *m, int flags)
{
	(void)fd, (void)m, (void)flags;
	errno = EIO;
	return -1;
}

/* Between two processes that live, nobody makes another one: the front must hear of it. */
static void a_socket_that_fails_is_told(void **state)
{
	struct world w = world_new();
	struct seam s = seam_libc;

	(void)state;
	s.recvmsg = broken_recvmsg;
	seam = &s;
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_IO);
	seam = &seam_libc;
	assert_int_equal(peer_serve(w.peer, no_notice, NULL, NULL), ERR_OK);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_question_gets_its_answer),
		cmocka_unit_test(a_peer_that_dies_ends_all_questions_and_may_come_back),
		cmocka_unit_test(a_question_ends_at_its_deadline_and_a_late_answer_hurts_nobody),
		cmocka_unit_test(credits_bound_what_waits), cmocka_unit_test(the_signer_is_asked_nothing_before_hello),
		cmocka_unit_test(a_call_waits_for_its_answer), cmocka_unit_test(tokens_are_stocked_and_never_given_twice),
		cmocka_unit_test(a_socket_that_fails_is_told) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
