/* A peer that says whatever it likes on a channel, between things that we say to it. The input is a list of steps: one byte
 * what to do, two bytes a length, that many bytes. Whatever comes, each packet is either received or counted as refused, no
 * descriptor stays behind, what is received keeps to the rules, and a dead peer is told as such. */
#include "os/channel.h"

#include "base/wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRONT, SIGNER };
enum { STEP_PACKET, STEP_PACKET_FDS, STEP_SEND, STEP_RECEIVE };

static const struct message_rule rules[] = {
	{ "ASK", FRONT, SIGNER, 16, 2, 0, false },
	{ "ANSWER", SIGNER, FRONT, 16, 0, 1, false },
	{ "LIST", FRONT, SIGNER, 0, 1, 0, false },
	{ "REFUSED", SIGNER, FRONT, 8, 0, ANSWERS_ANY, false },
	{ "NOTICE", FRONT, SIGNER, 32, 0, 0, false },
	{ "GIVE", FRONT, SIGNER, 4, 0, 0, true },
	{ "COUNTER", SIGNER, FRONT, 8, 2, 0, false },
	{ "COUNTERED", FRONT, SIGNER, 8, 0, 7, false },
};
#define N_RULES (sizeof rules / sizeof *rules)

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool send_packet(int fd, struct bytes packet, unsigned n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)packet.ptr, packet.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		/* Not the socket itself: it would stay open until the kernel has got round to it. */
		static const int passed = STDERR_FILENO;
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(h) + i * sizeof passed, &passed, sizeof passed);
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static uint64_t judged(const struct channel *c)
{
	struct channel_counts n = channel_counts(c);

	return n.received + n.refused_size + n.refused_type + n.refused_turn + n.refused_credit;
}

/* Until nothing is there; the last return code. */
static enum err_code receive_all(struct channel *c)
{
	struct message m;
	enum err_code rc;
	uint64_t before;

	do {
		before = judged(c);
		while ((rc = channel_receive(c, &m, NULL)) == ERR_OK) {
			must(m.type < N_RULES && rules[m.type].from == FRONT && rules[m.type].to == SIGNER);
			must(m.body.len <= rules[m.type].body_max && (m.fd >= 0) == rules[m.type].carries_fd);
			close_p(&m.fd);
		}
	} while (rc == ERR_AGAIN && judged(c) > before);
	return rc;
}

static void do_send(struct channel *c, struct bytes args)
{
	struct wire w = wire_of(args);
	uint16_t type = wire_u16(&w);
	uint32_t id = wire_u32(&w);
	enum err_code rc = channel_send(c, type, id, w.rest, NULL);

	must(rc == ERR_OK || rc == ERR_BUSY || rc == ERR_BUG);
	must(rc != ERR_OK || (type < N_RULES && rules[type].from == SIGNER));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire w = wire_of((struct bytes){ data, size });
	unsigned before = open_descriptors();
	struct channel *c;
	uint64_t sent = 0, sent_with_bytes = 0; /* the latter: up to the last packet that was not empty */
	int pair[2];

	must(channel_pair(pair, NULL) == ERR_OK);
	must(channel_new(pair[1], SIGNER, FRONT, rules, N_RULES, &c, NULL) == ERR_OK);
	while (w.rest.len >= 3) {
		unsigned step = wire_u8(&w), len = wire_u16(&w);
		struct bytes args = wire_fixed(&w, len < w.rest.len ? len : w.rest.len);
		bool packet = step % 4 == STEP_PACKET || step % 4 == STEP_PACKET_FDS;
		if (packet && send_packet(pair[0], args, step % 4 == STEP_PACKET_FDS ? 1 + step / 4 % 8 : 0)) {
			sent++;
			sent_with_bytes = args.len > 0 ? sent : sent_with_bytes;
		} else if (step % 4 == STEP_SEND) {
			do_send(c, args);
		} else if (step % 4 == STEP_RECEIVE) {
			must(receive_all(c) == ERR_AGAIN);
		}
	}
	close(pair[0]);
	must(receive_all(c) == ERR_CLOSED);
	must(judged(c) <= sent && judged(c) >= sent_with_bytes); /* behind the last byte, empty packets look like the end */
	channel_free(c);
	must(open_descriptors() == before);
	return 0;
}
