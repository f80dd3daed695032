/* Descriptors, full sockets, dead peers. */
#include "os/channel_testing.h"

#include "base/seam.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- descriptors --- */

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void send_raw_with_fds(int to, struct bytes packet, int fd, size_t n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)packet.ptr, packet.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	for (size_t i = 0; i < n_fds; i++)
		memcpy(CMSG_DATA(h) + i * sizeof fd, &fd, sizeof fd);
	assert_int_equal(sendmsg(to, &m, 0), packet.len);
}

static void send_with_fds(const struct pair *p, uint16_t type, int fd, size_t n_fds)
{
	const uint8_t header[] = { (uint8_t)(type >> 8), (uint8_t)type, 0, 0, 0, 0, 0, 77, [CHANNEL_HEADER_LEN - 1] = 0 };

	send_raw_with_fds(p->raw, BYTES_ARRAY(header), fd, n_fds);
}

/* recvmsg gives 0 for it, as it does at the end. */
static void test_descriptors_of_a_last_empty_packet(void **state)
{
	unsigned before = open_descriptors();
	struct channel *c;
	struct message m;
	int fds[2];

	(void)state;
	assert_int_equal(channel_pair(fds, NULL), ERR_OK);
	assert_int_equal(channel_new(fds[1], SIGNER, FRONT, rules, N_RULES, &c, NULL), ERR_OK);
	send_raw_with_fds(fds[0], BYTES_LIT(""), STDERR_FILENO, 2);
	close(fds[0]);
	assert_int_equal(hear(c, &m), ERR_CLOSED);
	channel_free(c);
	assert_int_equal(open_descriptors(), before);
}

static void test_passing_a_descriptor(void **state)
{
	struct pair *p = *state;
	int ends[2];
	struct message m;
	char c = 0;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(channel_send_fd(p->front, GIVE, 0, BYTES_LIT("pipe"), ends[1], NULL), ERR_OK);
	close(ends[1]);
	assert_int_equal(hear(p->signer, &m), ERR_OK);
	assert_true(m.fd >= 0);
	assert_int_equal(fcntl(m.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(m.fd, "x", 1), 1);
	assert_int_equal(read(ends[0], &c, 1), 1);
	close(m.fd);
	close(ends[0]);
}

static void test_descriptors_that_were_not_wanted(void **state)
{
	struct pair *p = *state;
	unsigned before = open_descriptors();

	send_with_fds(p, ASK, STDIN_FILENO, 1);
	send_with_fds(p, GIVE, STDIN_FILENO, 2);
	send_with_fds(p, GIVE, STDIN_FILENO, 8); /* more than we look at */
	send_with_fds(p, N_RULES, STDIN_FILENO, 4);
	expect_nothing(p->signer);
	assert_int_equal(channel_counts(p->signer).refused_type, 4);
	assert_int_equal(open_descriptors(), before);
}

/* --- a full socket --- */

static void fill(struct pair *p, unsigned *ret_sent)
{
	*ret_sent = 0;
	while (!channel_wants_write(p->front)) {
		assert_int_equal(channel_send(p->front, BIG, *ret_sent, (struct bytes){ large, CHANNEL_BODY_MAX }, NULL), ERR_OK);
		++*ret_sent;
	}
}

static void test_queue_and_flush(void **state)
{
	struct pair *p = *state;
	struct message m;
	unsigned n, got = 0;
	int ends[2];

	memset(large, 'L', sizeof large);
	fill(p, &n);
	assert_true(n < 8);
	assert_int_equal(channel_counts(p->front).sent, n - 1);
	assert_int_equal(say(p->front, ASK, 100, "after"), ERR_OK); /* small ones wait their turn */
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(channel_send_fd(p->front, GIVE, 0, BYTES_NONE, ends[1], NULL), ERR_OK);
	close_p(&ends[1]);
	assert_int_equal(channel_flush(p->front, NULL), ERR_OK);
	assert_true(channel_wants_write(p->front));
	while (got < n + 2) {
		enum err_code rc = hear(p->signer, &m);
		if (rc == ERR_AGAIN) {
			assert_int_equal(channel_flush(p->front, NULL), ERR_OK);
			continue;
		}
		assert_int_equal(rc, ERR_OK);
		if (got < n) {
			assert_int_equal(m.type, BIG);
			assert_int_equal(m.id, got);
			assert_int_equal(m.body.len, CHANNEL_BODY_MAX);
			assert_memory_equal(m.body.ptr, large, CHANNEL_BODY_MAX);
		} else if (got == n) {
			assert_int_equal(m.type, ASK);
		} else {
			assert_int_equal(m.type, GIVE);
			assert_int_equal(write(m.fd, "x", 1), 1);
			close(m.fd);
		}
		got++;
	}
	close(ends[0]);
	assert_false(channel_wants_write(p->front));
	assert_int_equal(channel_counts(p->front).sent, n + 2);
}

/* A queue holds as many notices as its maximum; requests and answers have their credits. */
static void test_queue_is_bounded(void **state)
{
	struct pair *p = *state;
	unsigned sent = 0, notices = 0;
	struct err e = { 0 };
	int fd = channel_fd(p->front);

	fill(p, &sent);
	while (channel_send_fd(p->front, GIVE, 0, BYTES_NONE, fd, &e) == ERR_OK)
		notices++;
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(notices, CHANNEL_NOTICES_QUEUED);
	while (channel_send(p->front, BIG, sent, (struct bytes){ large, CHANNEL_BODY_MAX }, &e) == ERR_OK)
		sent++;
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(sent, rules[BIG].credits);
	assert_int_equal(say(p->front, ASK, 1000, ""), ERR_OK);
}

/* A front that asks and never reads: answers wait, and cost it its credits, so that our queue stays bounded. */
static void test_a_peer_that_never_reads(void **state)
{
	struct pair *p = *state;
	struct message m;
	uint32_t id = 0;
	unsigned admitted = 0;

	while (channel_counts(p->signer).refused_credit == 0) {
		send_as(p, BIG, 0, id++, 0);
		if (hear(p->signer, &m) != ERR_OK)
			continue;
		admitted++;
		assert_true(admitted < 100);
		assert_int_equal(channel_send(p->signer, BIG_DONE, m.id, (struct bytes){ large, CHANNEL_BODY_MAX }, NULL), ERR_OK);
		assert_true(!channel_wants_write(p->signer) || channel_send(p->signer, REFUSED, m.id, BYTES_NONE, NULL) == ERR_BUG);
	}
	assert_true(channel_wants_write(p->signer));
	/* it reads, and has its credits again */
	static uint8_t sink[CHANNEL_HEADER_LEN + CHANNEL_BODY_MAX];
	while (recv(p->raw, sink, sizeof sink, MSG_DONTWAIT) > 0)
		assert_int_equal(channel_flush(p->signer, NULL), ERR_OK);
	assert_false(channel_wants_write(p->signer));
	send_as(p, BIG, 0, id, 0);
	assert_int_equal(hear(p->signer, &m), ERR_OK);
	assert_int_equal(channel_counts(p->signer).sent, admitted);
}

/* Nobody can have answered what has not left yet. */
static void test_an_answer_before_its_request_left(void **state)
{
	struct pair *p = *state;
	unsigned n;

	fill(p, &n);
	assert_int_equal(say(p->front, ASK, 500, ""), ERR_OK);
	const uint8_t forged[CHANNEL_HEADER_LEN] = { 0, ANSWER, 0, 0, 0, 0, 500 >> 8, 500 & 0xff };
	assert_int_equal(send(channel_fd(p->signer), forged, sizeof forged, 0), sizeof forged);
	expect_nothing(p->front);
	assert_int_equal(channel_counts(p->front).refused_turn, 1);
}

/* --- the end --- */

static void test_peer_death(void **state)
{
	struct pair *p = *state;
	struct message m;

	assert_int_equal(say(p->signer, NOTICE, 0, "bye"), ERR_OK);
	channel_free(p->signer);
	p->signer = NULL;
	expect(p->front, NOTICE, 0, "bye");
	assert_int_equal(hear(p->front, &m), ERR_CLOSED);
	assert_int_equal(hear(p->front, &m), ERR_CLOSED);
	assert_int_equal(say(p->front, ASK, 1, ""), ERR_CLOSED);
	assert_int_equal(say(p->front, ASK, 1, ""), ERR_CLOSED); /* it was not taken, so its number is free */
}

/* One that dies with our messages unread resets the connection; its last words, why it failed, come all the same. */
static void test_last_words(void **state)
{
	struct pair *p = *state;
	struct message m;

	assert_int_equal(say(p->front, ASK, 1, "never read"), ERR_OK);
	assert_int_equal(say(p->front, LIST, 2, ""), ERR_OK);
	expect(p->signer, ASK, 1, "never read");
	assert_int_equal(say(p->signer, REFUSED, 1, "broken"), ERR_OK);
	assert_int_equal(send(channel_fd(p->signer), "", 0, 0), 0);
	assert_int_equal(say(p->signer, NOTICE, 0, "bye"), ERR_OK);
	channel_free(p->signer);
	p->signer = NULL;
	expect(p->front, REFUSED, 1, "broken");
	expect(p->front, NOTICE, 0, "bye"); /* behind an empty packet */
	assert_int_equal(hear(p->front, &m), ERR_CLOSED);
	assert_int_equal(channel_counts(p->front).refused_size, 1);
}

static void test_death_with_a_queue(void **state)
{
	struct pair *p = *state;
	unsigned n;

	fill(p, &n);
	channel_free(p->signer);
	p->signer = NULL;
	assert_int_equal(channel_flush(p->front, NULL), ERR_CLOSED);
	assert_true(channel_wants_write(p->front)); /* freed with the channel: the sanitizer looks */
}

/* --- what the system does --- */

static unsigned interruptions;
static int receive_error;

static ssize_t interrupted_sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (interruptions > 0 && interruptions--) {
		errno = EINTR;
		return -1;
	}
	return sendmsg(fd, m, flags);
}

static ssize_t interrupted_recvmsg(int fd, struct msghdr *m, int flags)
{
	if (interruptions > 0 && interruptions--) {
		errno = EINTR;
		return -1;
	}
	if (receive_error) {
		errno = receive_error;
		return -1;
	}
	return recvmsg(fd, m, flags);
}

static int put_seam_back(void **state)
{
	seam = &seam_libc;
	receive_error = 0;
	return pair_clear(state);
}

static void test_interruptions_and_errors(void **state)
{
	struct pair *p = *state;
	struct seam s = seam_libc;
	struct message m;

	s.sendmsg = interrupted_sendmsg;
	s.recvmsg = interrupted_recvmsg;
	seam = &s;
	interruptions = 3;
	assert_int_equal(say(p->front, ASK, 1, "x"), ERR_OK);
	interruptions = 3;
	expect(p->signer, ASK, 1, "x");
	assert_int_equal(say(p->front, ASK, 2, "y"), ERR_OK);
	receive_error = ENOMEM; /* for a while: the packet stays where it is */
	assert_int_equal(hear(p->signer, &m), ERR_AGAIN);
	receive_error = ENOBUFS;
	assert_int_equal(hear(p->signer, &m), ERR_AGAIN);
	receive_error = 0;
	expect(p->signer, ASK, 2, "y");
	receive_error = EIO;
	assert_int_equal(hear(p->signer, &m), ERR_IO);
	receive_error = ECONNRESET; /* for ever */
	assert_int_equal(hear(p->signer, &m), ERR_CLOSED);
	seam = &seam_libc;
}

/* --- making channels --- */

static void assert_refused(int fd, const struct message_rule *r, size_t n, enum err_code want)
{
	struct channel *c = NULL;
	struct err e = { 0 };

	assert_int_equal(channel_new(fd, FRONT, SIGNER, r, n, &c, &e), want);
	assert_int_equal(e.code, want);
	assert_null(c);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was the channel's to close */
}

static int seqpacket(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	close(fds[1]);
	return fds[0];
}

static void test_rules_that_contradict_themselves(void **state)
{
	const struct message_rule too_large = { "A", FRONT, SIGNER, CHANNEL_BODY_MAX + 1, 0, 0, false };
	const struct message_rule both = { "A", FRONT, SIGNER, 1, 1, 1, false };
	const struct message_rule beyond = { "A", FRONT, SIGNER, 1, 0, 3, false };
	const struct message_rule no_request[] = { { "A", FRONT, SIGNER, 1, 0, 0, false }, { "B", SIGNER, FRONT, 1, 0, 1, false } };
	int stream[2];

	(void)state;
	assert_refused(seqpacket(), &too_large, 1, ERR_BUG);
	assert_refused(seqpacket(), &both, 1, ERR_BUG);
	assert_refused(seqpacket(), &beyond, 1, ERR_BUG);
	assert_refused(seqpacket(), no_request, 2, ERR_BUG);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	assert_refused(stream[0], rules, N_RULES, ERR_BUG);
	close(stream[1]);
	int small = seqpacket(), size = 4096;
	assert_int_equal(setsockopt(small, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
	assert_refused(small, rules, N_RULES, ERR_CONFIG);
}

/* The claim that channel_pair() makes, also where Linux's own default is all that we get. */
static void test_largest_packet_fits(void **state)
{
	int pair[2], plain[2], size = 0;
	socklen_t len = sizeof size;

	(void)state;
	assert_int_equal(channel_pair(pair, NULL), ERR_OK);
	assert_int_equal(getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	assert_true(size >= 2 * (CHANNEL_BODY_MAX + CHANNEL_HEADER_LEN));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, plain), 0);
	size = 212992 / 2; /* net.core.wmem_default; the kernel doubles what it is given */
	assert_int_equal(setsockopt(plain[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(send(pair[i], large, CHANNEL_BODY_MAX + CHANNEL_HEADER_LEN, 0), CHANNEL_BODY_MAX + CHANNEL_HEADER_LEN);
		assert_int_equal(recv(pair[!i], large, sizeof large, 0), CHANNEL_BODY_MAX + CHANNEL_HEADER_LEN);
	}
	assert_int_equal(send(plain[0], large, CHANNEL_BODY_MAX + CHANNEL_HEADER_LEN, 0), CHANNEL_BODY_MAX + CHANNEL_HEADER_LEN);
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(plain[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(test_passing_a_descriptor),
		WITH_PAIR(test_descriptors_that_were_not_wanted),
		cmocka_unit_test(test_descriptors_of_a_last_empty_packet),
		WITH_PAIR(test_queue_and_flush),
		WITH_PAIR(test_queue_is_bounded),
		WITH_PAIR(test_a_peer_that_never_reads),
		WITH_PAIR(test_an_answer_before_its_request_left),
		WITH_PAIR(test_peer_death),
		WITH_PAIR(test_last_words),
		WITH_PAIR(test_death_with_a_queue),
		cmocka_unit_test_setup_teardown(test_interruptions_and_errors, pair_make, put_seam_back),
		cmocka_unit_test(test_rules_that_contradict_themselves),
		cmocka_unit_test(test_largest_packet_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
