#include "attack.h"

#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS 20000
#define FDS_MAX   16

void link_open(struct link *l, int fd)
{
	if (l->fd >= 0)
		close(l->fd);
	*l = (struct link){ .fd = fd, .next_id = 1 };
}

struct bytes packet_of(struct arena *a, uint16_t type, uint32_t id, struct bytes body)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(2 * PACKET_MAX);

	wire_put_u16(&out, type);
	wire_put_u16(&out, 0);
	wire_put_u32(&out, id);
	wire_put_u64(&out, UINT64_MAX); /* the request, for logs */
	wire_put_fixed(&out, body);
	return copy_of(a, buf_bytes(&out));
}

static ssize_t send_once(int fd, struct bytes packet, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)packet.ptr, packet.len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		h.msg_control = control.room;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool link_try_packet(struct link *l, struct bytes packet)
{
	return send_once(l->fd, packet, NULL, 0) >= 0;
}

bool link_send_packet(struct attacker *w, struct link *l, struct bytes packet, const int *fds, size_t n_fds)
{
	int64_t deadline = clock_monotonic_ms() + ANSWER_MS;

	while (send_once(l->fd, packet, fds, n_fds) < 0) {
		struct pollfd p = { .fd = l->fd, .events = POLLOUT };
		if (errno != EAGAIN || clock_monotonic_ms() > deadline)
			return false;
		serve_parent(w, 0);
		(void)poll(&p, 1, 50);
	}
	return true;
}

bool link_send_as(struct attacker *w, struct link *l, uint16_t type, uint32_t id, struct bytes body)
{
	return link_send_packet(w, l, packet_of(w->a, type, id, body), NULL, 0);
}

uint32_t link_send(struct attacker *w, struct link *l, uint16_t type, struct bytes body)
{
	uint32_t id = l->next_id++;

	return link_send_as(w, l, type, id, body) ? id : 0;
}

/* The newest of all. */
static void note_lists(struct attacker *w, struct bytes body)
{
	static struct crl_new v[CRL_NEW_MAX];
	size_t n = 0;

	if (crl_new_read(body, v, &n, NULL) != ERR_OK)
		return;
	for (size_t i = 0; i < n; i++)
		if (v[i].number > w->list.number)
			w->list = v[i];
}

bool link_receive(struct attacker *w, struct link *l, int wait_ms, struct message *ret)
{
	static uint8_t in[PACKET_MAX];
	int64_t deadline = clock_monotonic_ms() + wait_ms;

	for (;;) {
		ssize_t n = recv(l->fd, in, sizeof in, MSG_DONTWAIT);
		if (n >= CHANNEL_HEADER_LEN) {
			struct wire wire = wire_of((struct bytes){ in, (size_t)n });
			*ret = (struct message){ .type = wire_u16(&wire), .fd = -1 };
			(void)wire_u16(&wire);
			ret->id = wire_u32(&wire);
			ret->request = wire_u64(&wire);
			ret->body = wire.rest;
			if (ret->type == MESSAGE_CRL_NEW)
				note_lists(w, ret->body);
			return true;
		}
		int64_t left = deadline - clock_monotonic_ms();
		if (n >= 0 || (errno != EAGAIN && errno != EINTR) || left <= 0)
			return false;
		struct pollfd p[2] = { { .fd = l->fd, .events = POLLIN }, { .fd = channel_fd(w->child.parent), .events = POLLIN } };
		(void)poll(p, 2, (int)left);
		if (p[1].revents)
			serve_parent(w, 0);
	}
}

bool link_ask(struct attacker *w, struct link *l, uint16_t type, struct bytes body, struct message *ret)
{
	uint32_t id = link_send(w, l, type, body);

	while (id && link_receive(w, l, ANSWER_MS, ret))
		if (ret->id == id && ret->type != MESSAGE_CHECKPOINT)
			return true;
	return false;
}

void said_add(struct attacker *w, struct said *s, const struct message *m)
{
	struct issued i;

	if (m->type == MESSAGE_CRL_NEW || m->type == MESSAGE_BLOCKS)
		return; /* no answer to anything */
	if (m->type == MESSAGE_REFUSED) {
		s->refused++;
	} else if (m->type == MESSAGE_ISSUED || m->type == MESSAGE_ISSUED_TLS) {
		s->issued++;
		s->strange = s->strange || m->type == MESSAGE_ISSUED_TLS || issued_read(m->body, &i, NULL) != ERR_OK ||
			     !bytes_eq(i.certificate, w->issued_certificate);
	} else {
		s->other++;
	}
}

/* The signer answers the requests of a round in their order, and the validator what it refuses at once: an answer to one last
 * request of the same kind comes after all others. It is asked until it is answered, for it may be beyond the credits itself. */
bool link_settle(struct attacker *w, struct link *l, struct said *ret)
{
	bool signer = l == &w->signer;
	uint16_t type = signer ? MESSAGE_ISSUE : MESSAGE_TOKENS_ASK;
	struct said s = { 0 };
	struct message m;

	for (int attempt = 0; attempt < 5; attempt++) {
		uint32_t id = 0xfffff000u + (uint32_t)attempt;
		while (link_receive(w, l, 0, &m))
			said_add(w, &s, &m);
		if (!link_send_as(w, l, type, id, BYTES_LIT("")))
			return false;
		while (link_receive(w, l, 2000, &m)) {
			if (m.id == id && m.type != MESSAGE_CHECKPOINT) {
				*ret = s;
				return true;
			}
			said_add(w, &s, &m);
		}
	}
	return false;
}

/* --- the parent --- */

static void answer_status(struct attacker *w, uint32_t id)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(4096);
	struct json_out j = json_out_to(&out);

	json_put_object(&j);
	json_put_member_bool(&j, "signer_connected", w->signer_said_hello);
	json_put_member_uint(&j, "passed", w->passed);
	json_put_member_uint(&j, "failed", w->failed);
	json_end_object(&j);
	MAY_FAIL(channel_send(w->child.parent, MESSAGE_FRONT_STATUS, id, buf_bytes(&out), NULL));
}

void serve_parent(struct attacker *w, int wait_ms)
{
	struct pollfd p = { .fd = channel_fd(w->child.parent), .events = POLLIN };
	struct message m;
	enum err_code rc;

	if (wait_ms)
		(void)poll(&p, 1, wait_ms);
	while ((rc = channel_receive(w->child.parent, &m, NULL)) == ERR_OK) {
		if (m.type == MESSAGE_PEER_FRONT && m.body.len == 1)
			link_open(m.body.ptr[0] == PROCESS_SIGNER ? &w->signer : &w->validator, m.fd);
		else if (m.type == MESSAGE_STATUS_FRONT)
			answer_status(w, m.id);
		else if (m.type == MESSAGE_STOP_FRONT)
			w->stopping = true;
		else if (m.fd >= 0)
			close(m.fd);
	}
	if (rc == ERR_CLOSED)
		w->stopping = true;
	if (w->stopping)
		_exit(0);
}
