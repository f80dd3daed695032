#include "os/channel.h"

#include "base/seam.h"
#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DROPS_A_CALL 64
#define QUEUE_MAX    (64u << 20) /* bytes that wait for a slow peer; credits keep it far below */

/* A request that has not been answered yet. */
struct open_request {
	uint32_t id;
	uint16_t type;
	bool used;
};

/* Open-addressed, linear probing; a removal moves later ones of the run back, so that there are no tombstones. */
struct open_table {
	struct open_request *v;
	size_t mask; /* slots - 1, a power of two at least twice the credits */
};

struct packet {
	struct packet *next;
	size_t len;
	uint8_t bytes[];
};

struct channel {
	int fd;
	uint8_t self, peer;
	const struct message_rule *rules;
	size_t n_rules;
	struct open_table asked, told; /* requests of ours; requests of the peer's */
	uint16_t *asked_n, *told_n;    /* how many of each type are open */
	struct packet *first, *last;
	size_t queued;
	struct channel_counts counts;
	uint8_t in[CHANNEL_HEADER_LEN + CHANNEL_BODY_MAX];
};

/* --- the table of open requests --- */

static bool table_new(struct open_table *t, size_t credits)
{
	size_t slots = 16;

	while (slots < credits * 2)
		slots *= 2;
	t->v = calloc(slots, sizeof *t->v);
	t->mask = slots - 1;
	return t->v != NULL;
}

static size_t table_home(const struct open_table *t, uint32_t id)
{
	return (id * UINT32_C(2654435761) >> 7) & t->mask;
}

static struct open_request *table_find(const struct open_table *t, uint32_t id)
{
	for (size_t i = table_home(t, id); t->v[i].used; i = (i + 1) & t->mask)
		if (t->v[i].id == id)
			return &t->v[i];
	return NULL;
}

static void table_add(struct open_table *t, uint32_t id, uint16_t type)
{
	size_t i = table_home(t, id);

	while (t->v[i].used)
		i = (i + 1) & t->mask;
	t->v[i] = (struct open_request){ id, type, true };
}

static void table_remove(struct open_table *t, struct open_request *gone)
{
	size_t hole = (size_t)(gone - t->v);

	for (size_t i = (hole + 1) & t->mask; t->v[i].used; i = (i + 1) & t->mask) {
		size_t home = table_home(t, t->v[i].id);
		/* one whose home lies behind the hole (cyclically) stays */
		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->v[hole] = t->v[i];
			hole = i;
		}
	}
	t->v[hole] = (struct open_request){ 0 };
}

/* --- life --- */

static size_t all_credits(const struct message_rule *rules, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += rules[i].credits;
	return sum;
}

enum err_code channel_new(int fd, uint8_t self, uint8_t peer, const struct message_rule *rules, size_t n_rules, struct channel **ret, struct err *e)
{
	struct channel *c = calloc(1, sizeof *c);
	size_t credits = all_credits(rules, n_rules);

	if (!c)
		FAIL(e, NOMEM, "no memory for a channel");
	*c = (struct channel){ .fd = -1, .self = self, .peer = peer, .rules = rules, .n_rules = n_rules };
	c->asked_n = calloc(n_rules, sizeof *c->asked_n);
	c->told_n = calloc(n_rules, sizeof *c->told_n);
	if (!c->asked_n || !c->told_n || !table_new(&c->asked, credits) || !table_new(&c->told, credits)) {
		channel_free(c);
		FAIL(e, NOMEM, "no memory for a channel");
	}
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
		channel_free(c);
		FAIL(e, IO, "a channel's descriptor: %s", strerror(errno));
	}
	c->fd = fd;
	*ret = c;
	return ERR_OK;
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	while (c->first) {
		struct packet *p = c->first;
		c->first = p->next;
		free(p);
	}
	if (c->fd >= 0)
		close(c->fd);
	free(c->asked.v);
	free(c->told.v);
	free(c->asked_n);
	free(c->told_n);
	free(c);
}

int channel_fd(const struct channel *c)
{
	return c->fd;
}

bool channel_wants_write(const struct channel *c)
{
	return c->first != NULL;
}

struct channel_counts channel_counts(const struct channel *c)
{
	return c->counts;
}

/* --- sending --- */

static const struct message_rule *rule_to_send(const struct channel *c, uint16_t type, size_t len, bool with_fd)
{
	const struct message_rule *r = type < c->n_rules ? &c->rules[type] : NULL;

	return r && r->from == c->self && r->to == c->peer && len <= r->body_max && r->carries_fd == with_fd ? r : NULL;
}

/* Whether what we are about to send is in its turn; the table is changed only when it has been sent. */
static enum err_code check_turn(const struct channel *c, const struct message_rule *r, uint16_t type, uint32_t id, struct err *e)
{
	if (r->credits) {
		if (c->asked_n[type] >= r->credits)
			FAIL(e, BUSY, "%u requests %s wait for their answers", r->credits, r->name);
		if (table_find(&c->asked, id))
			FAIL(e, BUG, "a request %s with a number that is open", r->name);
	}
	if (r->answers) {
		const struct open_request *q = table_find(&c->told, id);
		if (!q || (r->answers != ANSWERS_ANY && q->type != r->answers - 1))
			FAIL(e, BUG, "an answer %s to nothing that was asked", r->name);
	}
	return ERR_OK;
}

static void note_sent(struct channel *c, const struct message_rule *r, uint16_t type, uint32_t id)
{
	c->counts.sent++;
	if (r->credits) {
		table_add(&c->asked, id, type);
		c->asked_n[type]++;
	}
	if (r->answers) {
		struct open_request *q = table_find(&c->told, id);
		c->told_n[q->type]--;
		table_remove(&c->told, q);
	}
}

static ssize_t send_packet(int fd, struct bytes header, struct bytes body, int passed)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov[2] = { { (void *)(uintptr_t)header.ptr, header.len }, { (void *)(uintptr_t)body.ptr, body.len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = body.len ? 2 : 1 };
	ssize_t n;

	if (passed >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof control.room;
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &passed, sizeof passed);
	}
	do
		n = seam->sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

static enum err_code enqueue(struct channel *c, struct bytes header, struct bytes body, struct err *e)
{
	size_t len = header.len + body.len;
	struct packet *p = c->queued + len <= QUEUE_MAX ? malloc(sizeof *p + len) : NULL;

	if (!p)
		FAIL(e, BUSY, "the channel's queue is full");
	p->next = NULL;
	p->len = len;
	memcpy(p->bytes, header.ptr, header.len);
	if (body.len)
		memcpy(p->bytes + header.len, body.ptr, body.len);
	if (c->last)
		c->last->next = p;
	else
		c->first = p;
	c->last = p;
	c->queued += len;
	return ERR_OK;
}

static bool is_full(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

static enum err_code send_or_queue(struct channel *c, struct bytes header, struct bytes body, int fd, struct err *e)
{
	if (!c->first) {
		if (send_packet(c->fd, header, body, fd) >= 0)
			return ERR_OK;
		if (!is_full(errno))
			FAIL(e, CLOSED, "the other process is gone: %s", strerror(errno));
	}
	if (fd >= 0) /* a descriptor cannot wait in a queue of bytes: few are sent, and to a child that reads */
		FAIL(e, BUSY, "the channel is full");
	return enqueue(c, header, body, e);
}

static enum err_code send_any(struct channel *c, uint16_t type, uint32_t id, struct bytes body, int fd, struct err *e)
{
	const struct message_rule *r = rule_to_send(c, type, body.len, fd >= 0);
	uint8_t header[CHANNEL_HEADER_LEN] = { (uint8_t)(type >> 8), (uint8_t)type, 0, 0, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
		(uint8_t)(id >> 8), (uint8_t)id };

	if (!r)
		FAIL(e, BUG, "message %u of %zu bytes is not ours to send here", type, body.len);
	TRY(check_turn(c, r, type, id, e));
	TRY(send_or_queue(c, BYTES_ARRAY(header), body, fd, e));
	note_sent(c, r, type, id);
	return ERR_OK;
}

enum err_code channel_send(struct channel *c, uint16_t type, uint32_t id, struct bytes body, struct err *e)
{
	return send_any(c, type, id, body, -1, e);
}

enum err_code channel_send_fd(struct channel *c, uint16_t type, uint32_t id, struct bytes body, int fd, struct err *e)
{
	return send_any(c, type, id, body, fd, e);
}

enum err_code channel_flush(struct channel *c, struct err *e)
{
	while (c->first) {
		struct packet *p = c->first;
		if (send_packet(c->fd, (struct bytes){ p->bytes, p->len }, BYTES_NONE, -1) < 0) {
			if (is_full(errno))
				return ERR_OK;
			FAIL(e, CLOSED, "the other process is gone: %s", strerror(errno));
		}
		c->first = p->next;
		if (!c->first)
			c->last = NULL;
		c->queued -= p->len;
		free(p);
	}
	return ERR_OK;
}

/* --- receiving --- */

/* Takes the one descriptor that may come along; any more are closed. */
static int take_fd(struct msghdr *m, size_t *ret_n)
{
	int kept = -1;

	*ret_n = 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++, (*ret_n)++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

/* Whether a packet is one that this peer may send now; counts what it is not. */
static bool admit(struct channel *c, const struct message *m, size_t n_fds)
{
	const struct message_rule *r = m->type < c->n_rules ? &c->rules[m->type] : NULL;

	if (!r || r->from != c->peer || r->to != c->self || n_fds != r->carries_fd) {
		c->counts.refused_type++;
		return false;
	}
	if (m->body.len > r->body_max) {
		c->counts.refused_size++;
		return false;
	}
	if (r->answers) {
		struct open_request *q = table_find(&c->asked, m->id);
		if (!q || (r->answers != ANSWERS_ANY && q->type != r->answers - 1)) {
			c->counts.refused_turn++;
			return false;
		}
		c->asked_n[q->type]--;
		table_remove(&c->asked, q);
	}
	if (!r->credits)
		return true;
	if (c->told_n[m->type] >= r->credits) {
		c->counts.refused_credit++;
		return false;
	}
	if (table_find(&c->told, m->id)) {
		c->counts.refused_turn++;
		return false;
	}
	table_add(&c->told, m->id, m->type);
	c->told_n[m->type]++;
	return true;
}

/* One packet into c->in; *ret_good is false for one that was refused and counted. */
static enum err_code receive_one(struct channel *c, struct message *ret, bool *ret_good, struct err *e)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { c->in, sizeof c->in };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
	size_t n_fds;
	ssize_t n;

	do
		n = seam->recvmsg(c->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && is_full(errno)) {
		errno = 0;
		return ERR_AGAIN;
	}
	if (n <= 0)
		FAIL(e, CLOSED, "the other process is gone");
	int fd = take_fd(&h, &n_fds);
	struct wire w = wire_of((struct bytes){ c->in, (size_t)n });
	struct message m = { .type = wire_u16(&w), .fd = fd };
	uint16_t zero = wire_u16(&w);
	m.id = wire_u32(&w);
	m.body = w.rest;
	*ret_good = false;
	if (h.msg_flags & MSG_TRUNC)
		c->counts.refused_size++;
	else if (w.failed || zero || (h.msg_flags & MSG_CTRUNC))
		c->counts.refused_type++;
	else
		*ret_good = admit(c, &m, n_fds);
	if (!*ret_good) {
		close_p(&fd);
		return ERR_OK;
	}
	c->counts.received++;
	*ret = m;
	return ERR_OK;
}

enum err_code channel_receive(struct channel *c, struct message *ret, struct err *e)
{
	bool good;

	for (int i = 0; i < DROPS_A_CALL; i++) {
		TRY(receive_one(c, ret, &good, e));
		if (good)
			return ERR_OK;
	}
	return ERR_AGAIN;
}

enum err_code channel_pair(int ret_fds[2], struct err *e)
{
	int pair[2], size = 2 * (CHANNEL_HEADER_LEN + CHANNEL_BODY_MAX);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		FAIL(e, IO, "socketpair: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
			(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* wmem_max may hold it lower; still enough */
	ret_fds[0] = pair[0];
	ret_fds[1] = pair[1];
	return ERR_OK;
}
