#include "os/channel_testing.h"

#include <sys/socket.h>
#include <unistd.h>

const struct message_rule rules[N_RULES] = {
	[ASK] = { "ASK", FRONT, SIGNER, 100, 3, 0, false },
	[ANSWER] = { "ANSWER", SIGNER, FRONT, 200, 0, ASK + 1, false },
	[LIST] = { "LIST", FRONT, SIGNER, 0, 1, 0, false },
	[LISTED] = { "LISTED", SIGNER, FRONT, 50, 0, LIST + 1, false },
	[REFUSED] = { "REFUSED", SIGNER, FRONT, 10, 0, ANSWERS_ANY, false },
	[NOTICE] = { "NOTICE", SIGNER, FRONT, 10, 0, 0, false },
	[GIVE] = { "GIVE", FRONT, SIGNER, 10, 0, 0, true },
	[BIG] = { "BIG", FRONT, SIGNER, CHANNEL_BODY_MAX, 8, 0, false },
	[BIG_DONE] = { "BIG_DONE", SIGNER, FRONT, CHANNEL_BODY_MAX, 0, BIG + 1, false },
	[ELSEWHERE] = { "ELSEWHERE", FRONT, OTHER, 10, 1, 0, false },
};

uint8_t large[CHANNEL_HEADER_LEN + CHANNEL_BODY_MAX + 1];

int pair_make(void **state)
{
	static struct pair p;
	int fds[2];

	assert_int_equal(channel_pair(fds, NULL), ERR_OK);
	p.raw = dup(fds[0]);
	assert_true(p.raw >= 0);
	assert_int_equal(channel_new(fds[0], FRONT, SIGNER, rules, N_RULES, &p.front, NULL), ERR_OK);
	assert_int_equal(channel_new(fds[1], SIGNER, FRONT, rules, N_RULES, &p.signer, NULL), ERR_OK);
	*state = &p;
	return 0;
}

int pair_clear(void **state)
{
	struct pair *p = *state;

	channel_free(p->front);
	channel_free(p->signer);
	close_p(&p->raw);
	return 0;
}

enum err_code say(struct channel *c, uint16_t type, uint32_t id, const char *body)
{
	struct err e = { 0 };
	enum err_code rc = channel_send(c, type, id, bytes_str(body), &e);

	assert_int_equal(e.code, rc);
	return rc;
}

enum err_code hear(struct channel *c, struct message *m)
{
	*m = (struct message){ .type = 99, .fd = -7 };
	enum err_code rc = channel_receive(c, m, NULL);
	assert_true(rc == ERR_OK || (m->type == 99 && m->fd == -7)); /* untouched on failure */
	return rc;
}

void expect(struct channel *c, uint16_t type, uint32_t id, const char *body)
{
	struct message m;

	assert_int_equal(hear(c, &m), ERR_OK);
	assert_int_equal(m.type, type);
	assert_int_equal(m.id, id);
	assert_true(bytes_eq_str(m.body, body));
	assert_int_equal(m.fd, -1);
}

void expect_nothing(struct channel *c)
{
	struct message m;

	assert_int_equal(hear(c, &m), ERR_AGAIN);
}

void send_raw(const struct pair *p, const void *packet, size_t n)
{
	assert_int_equal(send(p->raw, packet, n, MSG_NOSIGNAL), n);
}

void send_as(const struct pair *p, uint16_t type, uint16_t zero, uint32_t id, size_t body)
{
	static uint8_t packet[sizeof large];
	const uint8_t header[] = { (uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(zero >> 8), (uint8_t)zero, (uint8_t)(id >> 24),
		(uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 0, 0, 0, 0, 0 };

	memcpy(packet, header, sizeof header);
	send_raw(p, packet, sizeof header + body);
}
