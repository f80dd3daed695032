/* What the tests of the channels share: rules, a pair of channels, and a front that keeps to nothing. */
#ifndef CHANCERY_OS_CHANNEL_TESTING_H
#define CHANCERY_OS_CHANNEL_TESTING_H

#include "os/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

enum { FRONT, SIGNER, OTHER };
enum { ASK, ANSWER, LIST, LISTED, REFUSED, NOTICE, GIVE, BIG, BIG_DONE, ELSEWHERE, N_RULES };
extern const struct message_rule rules[N_RULES];

/* Two channels; raw is a duplicate of the front's end, by which a front that was taken over sends what it likes. */
struct pair {
	struct channel *front, *signer;
	int raw;
};
extern uint8_t large[CHANNEL_HEADER_LEN + CHANNEL_BODY_MAX + 1];

int pair_make(void **state);
int pair_clear(void **state);
#define WITH_PAIR(f) cmocka_unit_test_setup_teardown(f, pair_make, pair_clear)

/* channel_send() and channel_receive(), with a look at what they must leave alone. */
enum err_code say(struct channel *c, uint16_t type, uint32_t id, const char *body) MUST_USE;
enum err_code hear(struct channel *c, struct message *m) MUST_USE;
void expect(struct channel *c, uint16_t type, uint32_t id, const char *body);
void expect_nothing(struct channel *c);

void send_raw(const struct pair *p, const void *packet, size_t n);
/* A packet with that header and `body` bytes behind it. */
void send_as(const struct pair *p, uint16_t type, uint16_t zero, uint32_t id, size_t body);

#endif
