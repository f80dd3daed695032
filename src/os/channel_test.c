/* Who may say what, how much and how often. */
#include "base/event.h"
#include "os/channel_testing.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the ordinary way --- */

static void test_ask_and_answer(void **state)
{
	struct pair *p = *state;

	expect_nothing(p->signer);
	assert_int_equal(say(p->front, ASK, 7, "question"), ERR_OK);
	assert_int_equal(say(p->front, LIST, 0xfffffffe, ""), ERR_OK);
	expect(p->signer, ASK, 7, "question");
	expect(p->signer, LIST, 0xfffffffe, "");
	expect_nothing(p->signer);
	assert_int_equal(say(p->signer, NOTICE, 0, "news"), ERR_OK);
	assert_int_equal(say(p->signer, LISTED, 0xfffffffe, "list"), ERR_OK);
	assert_int_equal(say(p->signer, ANSWER, 7, "answer"), ERR_OK);
	expect(p->front, NOTICE, 0, "news");
	expect(p->front, LISTED, 0xfffffffe, "list");
	expect(p->front, ANSWER, 7, "answer");
	assert_int_equal(channel_counts(p->front).sent, 2);
	assert_int_equal(channel_counts(p->front).received, 3);
	assert_int_equal(channel_counts(p->signer).sent, 3);
	assert_int_equal(channel_counts(p->signer).received, 2);
	assert_false(channel_wants_write(p->front));
}

static void test_packet_on_the_wire(void **state)
{
	struct pair *p = *state;
	const uint8_t want[] = { 0, ASK, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 'x' };
	uint8_t got[32];

	event_set_request(0x1234);
	assert_int_equal(say(p->front, ASK, 0x01020304, "x"), ERR_OK);
	event_set_request(0);
	assert_int_equal(recv(channel_fd(p->signer), got, sizeof got, 0), sizeof want);
	assert_memory_equal(got, want, sizeof want);
}

static void test_the_request_goes_along(void **state)
{
	struct pair *p = *state;
	struct message m;

	event_set_request(UINT64_MAX - 1);
	assert_int_equal(say(p->front, ASK, 1, ""), ERR_OK);
	event_set_request(0);
	assert_int_equal(hear(p->signer, &m), ERR_OK);
	assert_true(m.request == UINT64_MAX - 1);
}

static void test_descriptors_are_closed_on_exec(void **state)
{
	struct pair *p = *state;

	assert_int_equal(fcntl(channel_fd(p->front), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(channel_fd(p->front), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

/* --- the sender's side of the rules --- */

static void test_what_we_may_not_send(void **state)
{
	struct pair *p = *state;
	int fd = channel_fd(p->front);

	assert_int_equal(say(p->front, N_RULES, 1, ""), ERR_BUG);
	assert_int_equal(say(p->front, ANSWER, 1, ""), ERR_BUG);    /* the other's */
	assert_int_equal(say(p->front, ELSEWHERE, 1, ""), ERR_BUG); /* not to this one */
	assert_int_equal(say(p->front, LIST, 1, "body"), ERR_BUG);  /* too long */
	assert_int_equal(say(p->front, GIVE, 1, ""), ERR_BUG);      /* without its descriptor */
	assert_int_equal(channel_send_fd(p->front, ASK, 1, BYTES_NONE, fd, NULL), ERR_BUG);
	assert_int_equal(say(p->signer, ANSWER, 1, ""), ERR_BUG); /* nobody asked */
	assert_int_equal(say(p->signer, REFUSED, 1, ""), ERR_BUG);
	expect_nothing(p->front);
	expect_nothing(p->signer);
	assert_int_equal(channel_counts(p->front).sent, 0);
}

static void test_credits(void **state)
{
	struct pair *p = *state;

	for (uint32_t id = 1; id <= 3; id++)
		assert_int_equal(say(p->front, ASK, id, ""), ERR_OK);
	assert_int_equal(say(p->front, ASK, 4, ""), ERR_BUSY);
	assert_int_equal(say(p->front, LIST, 4, ""), ERR_OK); /* each type has its own */
	for (uint32_t id = 1; id <= 3; id++)
		expect(p->signer, ASK, id, "");
	assert_int_equal(say(p->front, ASK, 4, ""), ERR_BUSY); /* read is not answered */
	assert_int_equal(say(p->signer, REFUSED, 2, "no"), ERR_OK);
	assert_int_equal(say(p->front, ASK, 4, ""), ERR_BUSY); /* sent is not heard */
	expect(p->front, REFUSED, 2, "no");
	assert_int_equal(say(p->front, ASK, 2, "again"), ERR_OK);
	assert_int_equal(say(p->front, ASK, 4, ""), ERR_BUSY);
	expect(p->signer, LIST, 4, "");
	expect(p->signer, ASK, 2, "again");
}

static void test_one_answer_each(void **state)
{
	struct pair *p = *state;

	assert_int_equal(say(p->front, ASK, 5, ""), ERR_OK);
	assert_int_equal(say(p->front, ASK, 5, ""), ERR_BUG); /* our own number twice */
	assert_int_equal(say(p->front, LIST, 5, ""), ERR_BUG);
	expect(p->signer, ASK, 5, "");
	assert_int_equal(say(p->signer, LISTED, 5, ""), ERR_BUG); /* it asked for something else */
	assert_int_equal(say(p->signer, ANSWER, 5, ""), ERR_OK);
	assert_int_equal(say(p->signer, ANSWER, 5, ""), ERR_BUG);
	assert_int_equal(say(p->signer, REFUSED, 5, ""), ERR_BUG);
	expect(p->front, ANSWER, 5, "");
	expect_nothing(p->front);
}

/* --- the receiver's side: a front that keeps to nothing --- */

static void test_refused_size(void **state)
{
	struct pair *p = *state;

	send_raw(p, "", 0); /* which recvmsg() tells like the end */
	send_raw(p, "\0", 1);
	send_raw(p, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", CHANNEL_HEADER_LEN - 1);
	send_as(p, ASK, 0, 1, 101);
	send_as(p, LIST, 0, 1, 1);
	send_as(p, BIG, 0, 1, CHANNEL_BODY_MAX + 1);
	send_as(p, ASK, 0, 2, 100);
	struct message m;
	assert_int_equal(hear(p->signer, &m), ERR_OK);
	assert_int_equal(m.id, 2);
	assert_int_equal(m.body.len, 100);
	assert_int_equal(channel_counts(p->signer).refused_size, 6);
	assert_int_equal(channel_counts(p->signer).received, 1);
}

static void test_refused_type(void **state)
{
	struct pair *p = *state;

	send_as(p, N_RULES, 0, 1, 0);
	send_as(p, 0xffff, 0, 1, 0);
	send_as(p, ANSWER, 0, 1, 0); /* the signer's own */
	send_as(p, ELSEWHERE, 0, 1, 0);
	send_as(p, ASK, 1, 1, 0); /* a header of some later day */
	send_as(p, ASK, 0x8000, 1, 0);
	send_as(p, GIVE, 0, 1, 0); /* without the descriptor */
	send_as(p, LIST, 0, 3, 0);
	expect(p->signer, LIST, 3, "");
	assert_int_equal(channel_counts(p->signer).refused_type, 7);
}

static void test_refused_turn_and_credit(void **state)
{
	struct pair *p = *state;

	for (uint32_t id = 1; id <= 3; id++)
		send_as(p, ASK, 0, id, 0);
	send_as(p, ASK, 0, 2, 0);  /* a number that is open */
	send_as(p, LIST, 0, 2, 0); /* for another type too */
	send_as(p, ASK, 0, 4, 0);  /* beyond its credits */
	send_as(p, LIST, 0, 9, 0);
	for (uint32_t id = 1; id <= 3; id++)
		expect(p->signer, ASK, id, "");
	expect(p->signer, LIST, 9, "");
	assert_int_equal(channel_counts(p->signer).refused_turn, 2);
	assert_int_equal(channel_counts(p->signer).refused_credit, 1);
	assert_int_equal(say(p->signer, ANSWER, 4, ""), ERR_BUG); /* what was dropped is not open */
	assert_int_equal(say(p->signer, ANSWER, 2, ""), ERR_OK);
	send_as(p, ASK, 0, 4, 0);
	expect(p->signer, ASK, 4, "");
}

static void test_answers_to_nothing(void **state)
{
	int fds[2];
	struct pair p;

	(void)state;
	/* here it is the answering side that was taken over */
	assert_int_equal(channel_pair(fds, NULL), ERR_OK);
	assert_int_equal(channel_new(fds[0], FRONT, SIGNER, rules, N_RULES, &p.front, NULL), ERR_OK);
	p.raw = fds[1];
	assert_int_equal(say(p.front, ASK, 1, ""), ERR_OK);
	send_as(&p, ANSWER, 0, 2, 0);
	send_as(&p, LISTED, 0, 1, 0); /* not what was asked */
	send_as(&p, REFUSED, 0, 3, 0);
	send_as(&p, ANSWER, 0, 1, 0);
	send_as(&p, ANSWER, 0, 1, 0);  /* twice */
	send_as(&p, REFUSED, 0, 1, 0); /* and taken back */
	expect(p.front, ANSWER, 1, "");
	expect_nothing(p.front);
	assert_int_equal(channel_counts(p.front).refused_turn, 5);
	channel_free(p.front);
	close(p.raw);
}

static void test_a_flood_gives_way(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < 100; i++)
		send_as(p, N_RULES, 0, 1, 0);
	send_as(p, ASK, 0, 1, 0);
	expect_nothing(p->signer); /* 64 dropped, then others have their turn */
	assert_int_equal(channel_counts(p->signer).refused_type, 64);
	expect(p->signer, ASK, 1, "");
	assert_int_equal(channel_counts(p->signer).refused_type, 100);
}

/* Open requests come and go in every order, with numbers that meet in one slot of the table. */
static void test_many_open_requests(void **state)
{
	enum { CREDITS = 500, ROUNDS = 20000 };
	static const struct message_rule many[] = { { "ASK", FRONT, SIGNER, 0, CREDITS, 0, false },
		{ "ANSWER", SIGNER, FRONT, 0, 0, 1, false } };
	static uint32_t open[CREDITS];
	struct channel *front, *signer;
	int fds[2];
	size_t n = 0;
	uint32_t next = 0, random = 12345;

	(void)state;
	assert_int_equal(channel_pair(fds, NULL), ERR_OK);
	assert_int_equal(channel_new(fds[0], FRONT, SIGNER, many, 2, &front, NULL), ERR_OK);
	assert_int_equal(channel_new(fds[1], SIGNER, FRONT, many, 2, &signer, NULL), ERR_OK);
	for (int i = 0; i < ROUNDS; i++) {
		random = random * 1103515245 + 12345;
		bool ask = n == 0 || (n < CREDITS && (random >> 16) % 100 < 60);
		if (ask) {
			open[n] = next++ << 20;                    /* multiples of 2^20: few different slots */
			if (say(front, 0, open[n], "") == ERR_BUG) /* that number is open still */
				continue;
			expect(signer, 0, open[n++], "");
			continue;
		}
		size_t k = (random >> 16) % n;
		assert_int_equal(say(signer, 1, open[k], ""), ERR_OK);
		expect(front, 1, open[k], "");
		open[k] = open[--n];
	}
	while (n > 0) {
		assert_int_equal(say(signer, 1, open[--n], ""), ERR_OK);
		expect(front, 1, open[n], "");
	}
	assert_int_equal(
	    channel_counts(signer).refused_turn + channel_counts(front).refused_turn + channel_counts(signer).refused_credit, 0);
	channel_free(front);
	channel_free(signer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(test_ask_and_answer),
		WITH_PAIR(test_packet_on_the_wire),
		WITH_PAIR(test_the_request_goes_along),
		WITH_PAIR(test_descriptors_are_closed_on_exec),
		WITH_PAIR(test_what_we_may_not_send),
		WITH_PAIR(test_credits),
		WITH_PAIR(test_one_answer_each),
		WITH_PAIR(test_refused_size),
		WITH_PAIR(test_refused_type),
		WITH_PAIR(test_refused_turn_and_credit),
		cmocka_unit_test(test_answers_to_nothing),
		WITH_PAIR(test_a_flood_gives_way),
		cmocka_unit_test(test_many_open_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
