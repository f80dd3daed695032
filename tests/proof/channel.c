/* How os/channel.c receives: any packet of up to 272 bytes (16 of header and 256 of body), with any descriptors, whatever requests are open. */
#include "os/channel.c"

#include <__fc_builtin.h>

#define BODY_MAX 256
#define SLOTS    16

static const struct message_rule rules[] = {
	{ "ASK", 0, 1, BODY_MAX, 4, 0, false },
	{ "ANSWER", 1, 0, BODY_MAX, 0, 1, false },
	{ "COUNTER", 1, 0, 16, 4, 0, false },
	{ "COUNTERED", 0, 1, 16, 0, 3, false },
	{ "REFUSED", 0, 1, 16, 0, ANSWERS_ANY, false },
	{ "NOTICE", 0, 1, BODY_MAX, 0, 0, false },
	{ "GIVE", 0, 1, 0, 0, 0, true },
};
#define N_RULES (sizeof rules / sizeof *rules)

/* The kernel: what it writes is within what it was given. */
static ssize_t receive(int fd, struct msghdr *m, int flags)
{
	int n = Frama_C_interval(-1, (int)m->msg_iov->iov_len);

	(void)fd;
	(void)flags;
	Frama_C_make_unknown(m->msg_iov->iov_base, m->msg_iov->iov_len);
	m->msg_flags = Frama_C_interval(0, 1) ? MSG_TRUNC : Frama_C_interval(0, 1) ? MSG_CTRUNC : 0;
	struct cmsghdr *h = m->msg_control;
	h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)Frama_C_interval(1, FDS_SEEN_MAX));
	h->cmsg_level = Frama_C_interval(0, 1);
	h->cmsg_type = Frama_C_interval(1, 2);
	Frama_C_make_unknown((char *)CMSG_DATA(h), FDS_SEEN_MAX * sizeof(int));
	m->msg_controllen = Frama_C_interval(0, 1) ? h->cmsg_len : 0;
	errno = Frama_C_interval(1, 133);
	return n;
}

static const struct seam kernel = { .recvmsg = receive };
const struct seam *seam = &kernel;

static void fill(struct open_table *t, struct open_request *v)
{
	t->v = v;
	t->mask = SLOTS - 1;
	for (size_t i = 0; i < SLOTS; i++)
		v[i] = (struct open_request){ Frama_C_unsigned_int_interval(0, UINT32_MAX), (uint16_t)Frama_C_interval(0, N_RULES - 1),
			(uint8_t)Frama_C_interval(REQUEST_NONE, REQUEST_QUEUED) };
}

int main(void)
{
	static struct open_request asked[SLOTS], told[SLOTS];
	static uint16_t asked_n[N_RULES], told_n[N_RULES];
	struct channel *c = malloc(sizeof *c + CHANNEL_HEADER_LEN + BODY_MAX);
	struct message m;

	if (!c)
		return 0;
	*c = (struct channel){ .fd = 3,
		.self = 1,
		.peer = 0,
		.rules = rules,
		.n_rules = N_RULES,
		.asked_n = asked_n,
		.told_n = told_n,
		.in_max = CHANNEL_HEADER_LEN + BODY_MAX };
	Frama_C_make_unknown((char *)asked_n, sizeof asked_n);
	Frama_C_make_unknown((char *)told_n, sizeof told_n);
	fill(&c->asked, asked);
	fill(&c->told, told);
	(void)channel_receive(c, &m, NULL);
	return 0;
}
