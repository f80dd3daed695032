#include "os/channel.h"

#include "base/event.h"
#include "base/seam.h"
#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DROPS_A_CALL 64
#define FDS_SEEN_MAX 4  /* descriptors of one packet that we look at; the kernel drops the rest and says so */
#define SKB_OVERHEAD 32 /* what af_unix takes off SO_SNDBUF before it compares with a packet's size */

/* A request that has not been answered yet. A queued one of ours has not left, so nobody can have answered it. A queued
 * answer of ours still costs the peer its credit: one that never reads cannot make us hold more than its credits. */
enum request_state { REQUEST_NONE, REQUEST_OPEN, REQUEST_QUEUED };
struct open_request {
	uint32_t id;
	uint16_t type;
	uint8_t state;
};

/* Open-addressed, linear probing; a removal moves later ones of the run back, so that there are no tombstones. */
struct open_table {
	struct open_request *v;
	size_t mask; /* slots - 1, a power of two at least twice the credits */
};

struct packet {
	struct packet *next;
	uint32_t id;
	uint16_t type;
	int fd; /* ours, a duplicate of the sender's; -1: none */
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
	unsigned notices_queued;
	struct channel_counts counts;
	size_t in_max;
	uint8_t in[]; /* one packet, as large as the rules let the peer send */
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
	for (size_t i = table_home(t, id); t->v[i].state != REQUEST_NONE; i = (i + 1) & t->mask)
		if (t->v[i].id == id)
			return &t->v[i];
	return NULL;
}

/* The credits were checked, so there is room. */
static void table_add(struct open_table *t, uint32_t id, uint16_t type, enum request_state state)
{
	size_t i = table_home(t, id);

	while (t->v[i].state != REQUEST_NONE)
		i = (i + 1) & t->mask;
	t->v[i] = (struct open_request){ id, type, (uint8_t)state };
}

static void table_remove(struct open_table *t, struct open_request *gone)
{
	size_t hole = (size_t)(gone - t->v);

	for (size_t i = (hole + 1) & t->mask; t->v[i].state != REQUEST_NONE; i = (i + 1) & t->mask) {
		const struct open_request one = t->v[i];
		/* one whose home lies behind the hole (cyclically) stays */
		if (((i - table_home(t, one.id)) & t->mask) >= ((i - hole) & t->mask)) {
			t->v[hole] = one;
			hole = i;
		}
	}
	t->v[hole] = (struct open_request){ 0 };
}

/* Whether r may answer a request of this type. */
static bool answers_type(const struct message_rule *r, uint16_t type)
{
	return r->answers == ANSWERS_ANY || r->answers - 1 == type;
}

/* --- life --- */

static bool rule_is_sound(const struct message_rule *rules, size_t n, const struct message_rule *r)
{
	if (r->body_max > CHANNEL_BODY_MAX || (r->credits && r->answers))
		return false;
	return r->answers == 0 || r->answers == ANSWERS_ANY || (r->answers <= n && rules[r->answers - 1].credits > 0);
}

/* What goes one way: how many requests may be open, and how large a packet is at most. */
static void size_up(const struct channel *c, uint8_t from, uint8_t to, size_t *ret_credits, size_t *ret_packet)
{
	*ret_credits = 0;
	*ret_packet = CHANNEL_HEADER_LEN;
	for (size_t i = 0; i < c->n_rules; i++) {
		const struct message_rule *r = &c->rules[i];
		if (r->from != from || r->to != to)
			continue;
		*ret_credits += r->credits;
		if (*ret_packet < CHANNEL_HEADER_LEN + r->body_max)
			*ret_packet = CHANNEL_HEADER_LEN + r->body_max;
	}
}

static bool socket_holds(int fd, size_t packet)
{
	int size = 0;
	socklen_t len = sizeof size;

	return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) == 0 && size >= 0 && (size_t)size >= packet + SKB_OVERHEAD;
}

static enum err_code prepare_socket(int fd, size_t packet, struct err *e)
{
	int type = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof type;

	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
		FAIL(e, IO, "a channel's descriptor: %s", strerror(errno));
	errno = 0;
	if (type != SOCK_SEQPACKET)
		FAIL(e, BUG, "a channel over a socket that keeps no packets apart");
	if (!socket_holds(fd, packet))
		FAIL(e, CONFIG, "a socket's send buffer holds no message of %zu bytes: raise net.core.wmem_max", packet);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		FAIL(e, IO, "a channel's descriptor: %s", strerror(errno));
	return ERR_OK;
}

enum err_code channel_new(
    int fd, uint8_t self, uint8_t peer, const struct message_rule *rules, size_t n_rules, struct channel **ret, struct err *e)
{
	struct channel sizes = { .fd = fd, .self = self, .peer = peer, .rules = rules, .n_rules = n_rules };
	CLEANUP(close_p) int owned = fd;
	size_t ours, theirs, out_max;

	errno = 0;
	for (size_t i = 0; i < n_rules; i++)
		if (n_rules >= ANSWERS_ANY || !rule_is_sound(rules, n_rules, &rules[i]))
			FAIL(e, BUG, "the rule for message %s contradicts itself", rules[i].name);
	size_up(&sizes, self, peer, &ours, &out_max);
	size_up(&sizes, peer, self, &theirs, &sizes.in_max);
	TRY(prepare_socket(fd, out_max, e));
	CLEANUP(channel_free_p) struct channel *c = malloc(sizeof *c + sizes.in_max);
	if (!c)
		FAIL(e, NOMEM, "no memory for a channel");
	*c = sizes;
	owned = -1;
	c->asked_n = calloc(n_rules + 1, sizeof *c->asked_n);
	c->told_n = calloc(n_rules + 1, sizeof *c->told_n);
	if (!c->asked_n || !c->told_n || !table_new(&c->asked, ours) || !table_new(&c->told, theirs))
		FAIL(e, NOMEM, "no memory for a channel");
	*ret = TAKE(c);
	return ERR_OK;
}

static void packet_free(struct packet *p)
{
	close_p(&p->fd);
	free(p);
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	while (c->first) {
		struct packet *p = c->first;
		c->first = p->next;
		packet_free(p);
	}
	close_p(&c->fd);
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

/* Whether what we are about to send is in its turn; the tables are changed only when it has been sent or queued. */
static enum err_code check_turn(const struct channel *c, const struct message_rule *r, uint16_t type, uint32_t id, struct err *e)
{
	errno = 0;
	if (r->credits) {
		if (c->asked_n[type] >= r->credits)
			FAIL(e, BUSY, "%u requests %s wait for their answers", r->credits, r->name);
		if (table_find(&c->asked, id))
			FAIL(e, BUG, "a request %s with a number that is open", r->name);
	}
	if (r->answers) {
		const struct open_request *q = table_find(&c->told, id);
		if (!q || q->state != REQUEST_OPEN || !answers_type(r, q->type))
			FAIL(e, BUG, "an answer %s to nothing that was asked", r->name);
	}
	return ERR_OK;
}

static void forget_told(struct channel *c, uint32_t id)
{
	struct open_request *q = table_find(&c->told, id);

	c->told_n[q->type]--;
	table_remove(&c->told, q);
}

static void note_taken(struct channel *c, const struct message_rule *r, uint16_t type, uint32_t id, bool queued)
{
	if (!queued)
		c->counts.sent++;
	if (r->credits) {
		table_add(&c->asked, id, type, queued ? REQUEST_QUEUED : REQUEST_OPEN);
		c->asked_n[type]++;
	} else if (r->answers && queued) {
		table_find(&c->told, id)->state = REQUEST_QUEUED;
	} else if (r->answers) {
		forget_told(c, id);
	} else if (queued) {
		c->notices_queued++;
	}
}

/* A queued packet has reached the socket. */
static void note_left(struct channel *c, const struct packet *p)
{
	const struct message_rule *r = &c->rules[p->type];

	c->counts.sent++;
	if (r->credits)
		table_find(&c->asked, p->id)->state = REQUEST_OPEN;
	else if (r->answers)
		forget_told(c, p->id);
	else
		c->notices_queued--;
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

/* ETOOMANYREFS: too many descriptors on their way; like a full buffer, that passes when the peer reads. */
static bool is_full(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS;
}

static enum err_code send_failed(struct err *e)
{
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == ECONNREFUSED)
		FAIL(e, CLOSED, "the other process is gone");
	FAIL(e, IO, "a message could not be sent: %s", strerror(errno));
}

/* Requests and answers are bounded by credits, so the queue is full only for notices. */
static enum err_code enqueue(struct channel *c, const struct packet *head, struct bytes header, struct bytes body, struct err *e)
{
	const struct message_rule *r = &c->rules[head->type];
	size_t len = header.len + body.len;

	errno = 0;
	if (!r->credits && !r->answers && c->notices_queued >= CHANNEL_NOTICES_QUEUED)
		FAIL(e, BUSY, "%u messages wait for the other process to read", c->notices_queued);
	struct packet *p = malloc(sizeof *p + len);
	if (!p)
		FAIL(e, BUSY, "no memory to queue a message");
	*p = (struct packet){ .id = head->id, .type = head->type, .fd = -1, .len = len };
	if (head->fd >= 0 && (p->fd = fcntl(head->fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		free(p);
		FAIL(e, BUSY, "no descriptor to queue a message: %s", strerror(errno));
	}
	memcpy(p->bytes, header.ptr, header.len);
	if (body.len)
		memcpy(p->bytes + header.len, body.ptr, body.len);
	if (c->last)
		c->last->next = p;
	else
		c->first = p;
	c->last = p;
	return ERR_OK;
}

static void put_be(uint64_t v, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static void put_header(uint16_t type, uint32_t id, uint8_t out[CHANNEL_HEADER_LEN])
{
	put_be(type, 2, out);
	put_be(0, 2, out + 2);
	put_be(id, 4, out + 4);
	put_be(event_request(), 8, out + 8);
}

static enum err_code send_any(struct channel *c, uint16_t type, uint32_t id, struct bytes body, int fd, struct err *e)
{
	const struct message_rule *r = rule_to_send(c, type, body.len, fd >= 0);
	uint8_t header[CHANNEL_HEADER_LEN];

	put_header(type, id, header);
	errno = 0;
	if (!r)
		FAIL(e, BUG, "message %u of %zu bytes is not ours to send here", type, body.len);
	TRY(check_turn(c, r, type, id, e));
	bool queued = c->first != NULL;
	if (!queued && send_packet(c->fd, BYTES_ARRAY(header), body, fd) < 0) {
		if (!is_full(errno))
			return send_failed(e);
		queued = true;
	}
	if (queued)
		TRY(enqueue(c, &(struct packet){ .id = id, .type = type, .fd = fd }, BYTES_ARRAY(header), body, e));
	note_taken(c, r, type, id, queued);
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
		if (send_packet(c->fd, (struct bytes){ p->bytes, p->len }, BYTES_NONE, p->fd) < 0)
			return is_full(errno) ? ERR_OK : send_failed(e);
		c->first = p->next;
		if (!c->first)
			c->last = NULL;
		note_left(c, p);
		packet_free(p);
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

/* Whether an answer of the peer's belongs to something that we asked; then that is answered. */
static bool admit_answer(struct channel *c, const struct message_rule *r, uint32_t id)
{
	struct open_request *q = table_find(&c->asked, id);

	if (!q || q->state != REQUEST_OPEN || !answers_type(r, q->type)) {
		c->counts.refused_turn++;
		return false;
	}
	c->asked_n[q->type]--;
	table_remove(&c->asked, q);
	return true;
}

static bool admit_request(struct channel *c, const struct message_rule *r, uint16_t type, uint32_t id)
{
	if (table_find(&c->told, id)) {
		c->counts.refused_turn++;
		return false;
	}
	if (c->told_n[type] >= r->credits) {
		c->counts.refused_credit++;
		return false;
	}
	table_add(&c->told, id, type, REQUEST_OPEN);
	c->told_n[type]++;
	return true;
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
	if (r->answers)
		return admit_answer(c, r, m->id);
	return r->credits ? admit_request(c, r, m->type, m->id) : true;
}

/* recvmsg gives 0 at the end and for an empty packet alike. */
static bool at_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	int left = 0;

	if (poll(&p, 1, 0) < 0 || !(p.revents & (POLLRDHUP | POLLHUP)))
		return false;
	return ioctl(fd, FIONREAD, &left) != 0 || left <= 0;
}

/* ret_n is 0 for an empty packet. */
static enum err_code receive_packet(struct channel *c, struct msghdr *h, size_t *ret_n, struct err *e)
{
	bool again = true;
	ssize_t n;

	do {
		n = seam->recvmsg(c->fd, h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		/* A peer that died with our messages unread: told once, before what it said last, which we want to hear. */
		if (n < 0 && errno == ECONNRESET && again)
			again = false;
		else if (n >= 0 || errno != EINTR)
			break;
	} while (true);
	/* Where the kernel has no memory now, the packet stays where it is. */
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOMEM || errno == ENOBUFS))
		return ERR_AGAIN;
	if (n < 0 && errno != ECONNRESET && errno != ENOTCONN)
		FAIL(e, IO, "a message could not be received: %s", strerror(errno));
	errno = 0;
	if (n < 0 || (n == 0 && h->msg_controllen == 0 && at_end(c->fd))) /* an empty packet may have brought descriptors */
		FAIL(e, CLOSED, "the other process is gone");
	*ret_n = (size_t)n;
	return ERR_OK;
}

/* *ret_good is false for a packet that was refused and counted. */
static enum err_code receive_one(struct channel *c, struct message *ret, bool *ret_good, struct err *e)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS_SEEN_MAX * sizeof(int))];
	} control;
	struct iovec iov = { c->in, c->in_max };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
	size_t n_fds, n = 0;

	TRY(receive_packet(c, &h, &n, e));
	CLEANUP(close_p) int fd = take_fd(&h, &n_fds);
	struct wire w = wire_of((struct bytes){ c->in, n });
	struct message m = { .type = wire_u16(&w), .fd = fd };
	uint16_t zero = wire_u16(&w);
	m.id = wire_u32(&w);
	m.request = wire_u64(&w);
	m.body = w.rest;
	*ret_good = false;
	if (w.failed || (h.msg_flags & MSG_TRUNC))
		c->counts.refused_size++;
	else if (zero || (h.msg_flags & MSG_CTRUNC))
		c->counts.refused_type++;
	else
		*ret_good = admit(c, &m, n_fds);
	if (!*ret_good)
		return ERR_OK;
	c->counts.received++;
	*ret = m;
	fd = -1; /* the receiver's now */
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
	CLEANUP(close_p) int a = pair[0];
	CLEANUP(close_p) int b = pair[1];
	for (int i = 0; i < 2; i++) {
		/* net.core.wmem_max may hold an ordinary user to less; Linux's own 212992 is enough for one packet */
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
			(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
		if (!socket_holds(pair[i], CHANNEL_HEADER_LEN + CHANNEL_BODY_MAX))
			FAIL(e, CONFIG, "a socket's send buffer holds no message of %d bytes: raise net.core.wmem_max", CHANNEL_BODY_MAX);
	}
	ret_fds[0] = pair[0];
	ret_fds[1] = pair[1];
	a = b = -1;
	return ERR_OK;
}
