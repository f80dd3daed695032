#include "server/parent/control.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/json.h"
#include "server/parent/operators.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS   2000
#define COMMAND_MAX 64
#define ANSWER_MAX  CHANNEL_BODY_MAX /* three statuses, and what goes round them */

/* Somebody who asks: an operator's connection, or the front. */
struct client {
	int fd; /* -1: free, or the front */
	bool is_front;
	uint32_t front_id; /* of its question */
	char command[COMMAND_MAX];
	size_t len;
	bool asked;
	int64_t deadline_ms;
	bool waits[PROCESS__MAX];
	struct buf status[PROCESS__MAX];
};

struct control {
	const struct settings *settings;
	struct family *family;
	struct operators_socket socket;
	struct client clients[CONTROL_CLIENTS_MAX];
};

static const struct {
	enum process who;
	enum message_type status;
} asked_of[] = { { PROCESS_FRONT, MESSAGE_STATUS_FRONT }, { PROCESS_VALIDATOR, MESSAGE_STATUS_VALIDATOR },
	{ PROCESS_SIGNER, MESSAGE_STATUS_SIGNER }, { PROCESS_KEYHOLDER, MESSAGE_STATUS_KEYHOLDER } };
#define ASKED (sizeof asked_of / sizeof *asked_of)

enum err_code control_new(const struct settings *s, struct family *f, struct control **ret, struct err *e)
{
	struct control *c = calloc(1, sizeof *c);

	if (!c)
		FAIL(e, NOMEM, "no memory for the operators' socket");
	c->settings = s;
	c->family = f;
	c->socket.fd = -1;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	enum err_code rc = operators_listen(s, SOCKET_CONTROL, &c->socket, e);
	if (rc != ERR_OK) {
		control_free(c);
		return rc;
	}
	*ret = c;
	return ERR_OK;
}

static void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	for (size_t i = 0; i < PROCESS__MAX; i++)
		buf_free(&client->status[i]);
	*client = (struct client){ .fd = -1 };
}

static bool is_free(const struct client *client)
{
	return client->fd < 0 && !client->is_front;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		client_close(&c->clients[i]);
	operators_close(&c->socket);
	free(c);
}

size_t control_poll(struct control *c, struct pollfd *fds)
{
	bool room = false;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &c->clients[i];
		room = room || is_free(client);
		fds[1 + i] = (struct pollfd){ .fd = client->asked ? -1 : client->fd, .events = POLLIN };
	}
	fds[0] = (struct pollfd){ .fd = room ? c->socket.fd : -1, .events = POLLIN };
	return CONTROL_FDS;
}

/* --- status --- */

static void put_child(struct json_out *w, const struct member *m, const struct buf *status)
{
	static const char *const states[] = { "down", "starting", "ready", "stopping" };

	json_put_key(w, process_name(m->who));
	json_put_object(w);
	json_put_member_str(w, "state", states[m->state]);
	json_put_member_uint(w, "pid", (uint64_t)m->pid);
	json_put_member_str(w, "jail", m->layers);
	json_put_member_uint(w, "starts", m->starts);
	if (*m->failure)
		json_put_member_str(w, "failure", m->failure);
	if (status->len && json_check(buf_bytes(status), NULL) == ERR_OK) {
		json_put_key(w, "counts");
		json_put_raw(w, buf_bytes(status));
	}
	json_end_object(w);
}

static bool everything_ready(const struct control *c)
{
	for (size_t i = 0; i < ASKED; i++) {
		const struct member *m = &c->family->members[asked_of[i].who];
		if (!m->absent && m->state != MEMBER_READY)
			return false;
	}
	return true;
}

static void send_answer(struct control *c, const struct client *client, struct bytes text)
{
	struct channel *front = c->family->members[PROCESS_FRONT].channel;

	if (!client->is_front) {
		if (send(client->fd, text.ptr, text.len, MSG_NOSIGNAL) != (ssize_t)text.len)
			event(EVENT_WARNING, "control.not_answered", EVENT_STR("command", client->command));
	} else if (front) {
		MAY_FAIL(channel_send(front, MESSAGE_METRICS, client->front_id, text, NULL)); /* it may be another one by now */
	}
}

static void answer(struct control *c, struct client *client)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(ANSWER_MAX);
	struct json_out w = json_out_to(&out);

	json_put_object(&w);
	json_put_member_str(&w, "version", CHANCERY_VERSION);
	json_put_member(&w, "directory", c->settings->base_url);
	json_put_member_bool(&w, "ready", everything_ready(c));
	json_put_key(&w, "processes");
	json_put_object(&w);
	for (size_t i = 0; i < ASKED; i++)
		if (!c->family->members[asked_of[i].who].absent)
			put_child(&w, &c->family->members[asked_of[i].who], &client->status[asked_of[i].who]);
	json_end_object(&w);
	json_end_object(&w);
	buf_add_u8(&out, '\n');
	send_answer(c, client, buf_bytes(&out));
	client_close(client);
}

static bool waits_for_some(const struct client *client)
{
	for (size_t i = 0; i < PROCESS__MAX; i++)
		if (client->waits[i])
			return true;
	return false;
}

/* A status question's number is the client's place, so that the answer finds it. */
static void ask_children(struct control *c, struct client *client)
{
	client->asked = true;
	client->deadline_ms = clock_monotonic_ms() + ANSWER_MS;
	for (size_t i = 0; i < ASKED; i++) {
		struct member *m = &c->family->members[asked_of[i].who];
		uint32_t id = (uint32_t)(client - c->clients) << 24 | (++m->next_id & 0xffffff);
		client->status[m->who] = buf_new(65536);
		client->waits[m->who] =
		    m->channel && channel_send(m->channel, (uint16_t)asked_of[i].status, id, BYTES_NONE, NULL) == ERR_OK;
	}
}

/* In a place that an operator would have; where none is free, an empty answer says so. */
void control_front_asks(struct control *c, uint32_t id)
{
	struct client asker = { .fd = -1, .is_front = true, .front_id = id };

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (is_free(&c->clients[i])) {
			c->clients[i] = asker;
			ask_children(c, &c->clients[i]);
			return;
		}
	send_answer(c, &asker, BYTES_NONE);
}

void control_child_status(struct control *c, enum process who, uint32_t id, struct bytes json)
{
	struct client *client = id >> 24 < CONTROL_CLIENTS_MAX ? &c->clients[id >> 24] : NULL;

	if (!client || is_free(client) || !client->waits[who])
		return;
	client->waits[who] = false;
	buf_add(&client->status[who], json);
}

void control_child_gone(struct control *c, enum process who)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->clients[i].waits[who] = false;
}

/* --- connections --- */

static void log_asker(const struct client *client)
{
	struct ucred who = { 0 };
	socklen_t len = sizeof who;
	char uid[16], pid[16];

	(void)getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	(void)snprintf(uid, sizeof uid, "%u", (unsigned)who.uid);
	(void)snprintf(pid, sizeof pid, "%d", (int)who.pid);
	event(EVENT_INFO, "control.asked", EVENT_STR("command", client->command), EVENT_STR("uid", uid), EVENT_STR("pid", pid));
}

static void read_command(struct control *c, struct client *client)
{
	ssize_t n = recv(client->fd, client->command + client->len, sizeof client->command - 1 - client->len, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_close(client);
		return;
	}
	client->len += (size_t)n;
	char *end = memchr(client->command, '\n', client->len);
	if (!end) {
		if (client->len == sizeof client->command - 1)
			client_close(client);
		return;
	}
	*end = 0;
	log_asker(client);
	if (strcmp(client->command, "status") == 0) {
		ask_children(c, client);
		return;
	}
	static const char unknown[] = "{\"error\":\"unknown command; status is known\"}\n";
	if (send(client->fd, unknown, sizeof unknown - 1, MSG_NOSIGNAL) < 0)
		errno = 0; /* it has gone: nothing more to say to it */
	client_close(client);
}

static void take_client(struct control *c)
{
	int fd = accept4(c->socket.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (is_free(&c->clients[i])) {
			c->clients[i] = (struct client){ .fd = fd, .deadline_ms = clock_monotonic_ms() + ANSWER_MS };
			return;
		}
	close(fd);
}

void control_serve(struct control *c)
{
	int64_t now_ms = clock_monotonic_ms();

	take_client(c);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &c->clients[i];
		if (is_free(client))
			continue;
		if (!client->asked)
			read_command(c, client);
		if (!is_free(client) && client->asked && (!waits_for_some(client) || client->deadline_ms <= now_ms))
			answer(c, client);
		else if (!is_free(client) && !client->asked && client->deadline_ms <= now_ms)
			client_close(client);
	}
}

/* --- the asking side --- */

enum err_code control_ask(const struct settings *s, const char *command, struct buf *out, struct err *e)
{
	char line[COMMAND_MAX];
	int n = snprintf(line, sizeof line, "%s\n", command);

	if (n < 0 || (size_t)n >= sizeof line)
		FAIL(e, CONFIG, "a command has at most %d characters", COMMAND_MAX - 2);
	return operators_ask(s, SOCKET_CONTROL, (struct bytes){ (const uint8_t *)line, (size_t)n }, out, e);
}
