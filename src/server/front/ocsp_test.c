/* Answers that are kept, and for how long; the test is the signer, and what it says is not looked into. */
#include "base/clock.h"
#include "server/front/test_publish.h"
#include "server/ocsp_message.h"

#include <openssl/ocsp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CLIENTS   70 /* more than may wait for one answer */
#define WAITING   64
#define TRY_LATER BYTES_LIT("\x30\x03\x0a\x01\x03") /* RFC 6960 §4.2.1 */

/* How the signer answers. */
struct voice {
	int64_t age_s, life_s; /* of the answers */
	enum err_code code;    /* else */
	bool silent;
	uint32_t open[8]; /* questions that are not answered yet */
	unsigned n_open, answers;
};

static void answer(struct world *w, uint32_t id)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct voice *v = w->ctx;
	char text[32];

	if (v->code != ERR_OK) {
		problem_write(v->code, BYTES_LIT("no"), &out);
		assert_int_equal(channel_send(w->signer, MESSAGE_REFUSED, id, buf_bytes(&out), NULL), ERR_OK);
		return;
	}
	(void)snprintf(text, sizeof text, "answer %u", ++v->answers);
	struct ocsp_done d = { .this_update_s = clock_wall_ms() / 1000 - v->age_s, .response = bytes_str(text) };
	d.next_update_s = d.this_update_s + v->life_s;
	memcpy(d.issuer, world_issuer, sizeof d.issuer);
	ocsp_done_write(&d, &out);
	assert_int_equal(channel_send(w->signer, MESSAGE_OCSP_OK, id, buf_bytes(&out), NULL), ERR_OK);
}

static void hear(struct world *w, const struct message *m)
{
	struct voice *v = w->ctx;
	struct ocsp_request q;

	assert_int_equal(m->type, MESSAGE_OCSP);
	assert_int_equal(ocsp_ask_read(m->body, &q, NULL), ERR_OK);
	if (!v->silent) {
		answer(w, m->id);
		return;
	}
	assert_true(v->n_open < sizeof v->open / sizeof *v->open);
	v->open[v->n_open++] = m->id;
}

static struct world *world_that_answers(struct voice *v)
{
	struct world *w = world_new();

	*v = (struct voice){ .life_s = 4 * 86400 };
	w->other = hear;
	w->ctx = v;
	return w;
}

/* An OCSPRequest for a serial number of ours, of that shard. */
static struct bytes question(uint8_t shard, uint8_t last, bool nonce)
{
	static uint8_t room[1024];
	uint8_t serial[SERIAL_SIZE] = { 2, 1, 1, 1, 1, 1, 1, shard, [SERIAL_SIZE - 1] = last };
	static const uint8_t digest[20] = { 7 };
	unsigned char *p = room;
	BIGNUM *n = BN_bin2bn(serial, sizeof serial, NULL);
	ASN1_INTEGER *number = BN_to_ASN1_INTEGER(n, NULL);
	X509_NAME *name = X509_NAME_new();
	ASN1_BIT_STRING *key = ASN1_BIT_STRING_new();
	OCSP_REQUEST *r = OCSP_REQUEST_new();

	assert_int_equal(ASN1_BIT_STRING_set(key, (unsigned char *)(uintptr_t)digest, sizeof digest), 1);
	assert_non_null(OCSP_request_add0_id(r, OCSP_cert_id_new(EVP_sha1(), name, key, number)));
	if (nonce)
		assert_int_equal(OCSP_request_add1_nonce(r, NULL, 16), 1);
	int len = i2d_OCSP_REQUEST(r, &p);
	assert_in_range(len, 1, sizeof room);
	OCSP_REQUEST_free(r);
	ASN1_BIT_STRING_free(key);
	X509_NAME_free(name);
	ASN1_INTEGER_free(number);
	BN_free(n);
	return (struct bytes){ room, (size_t)len };
}

static int post(struct world *w, uint8_t shard, uint8_t last)
{
	return world_send(w, "POST", "/ocsp", "", "application/ocsp-request", question(shard, last, false));
}

/* How many of them have been answered. */
static int answered(const int *fds, int n)
{
	int ready = 0;

	for (int i = 0; i < n; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };
		ready += poll(&p, 1, 0) == 1;
	}
	return ready;
}

static void turn_until_answered(struct world *w, const int *fds, int n, int wanted)
{
	for (int i = 0; answered(fds, n) < wanted; i++) {
		assert_true(i < 500);
		world_turn(w);
	}
}

static void turn_until_asked(struct world *w, unsigned n)
{
	const struct voice *v = w->ctx;

	for (int i = 0; v->n_open < n; i++) {
		assert_true(i < 500);
		world_turn(w);
	}
}

static bool hears(struct world *w, int fd, struct bytes body)
{
	struct buf in;

	turn_until_answered(w, &fd, 1, 1);
	bool same = bytes_eq(world_receive(fd, &in), body);
	buf_free(&in);
	return same;
}

static void asks(struct world *w, uint8_t shard, uint8_t last, const char *body)
{
	assert_true(hears(w, post(w, shard, last), bytes_str(body)));
}

static void an_answer_is_kept_until_half_its_life(void **state)
{
	struct voice v;
	struct world *w = world_that_answers(&v);

	(void)state;
	asks(w, 0, 1, "answer 1");
	asks(w, 0, 1, "answer 1");
	asks(w, 0, 2, "answer 2");
	asks(w, 0, 1, "answer 1");
	v.age_s = v.life_s / 2; /* such ones are given, and not kept */
	asks(w, 0, 3, "answer 3");
	asks(w, 0, 3, "answer 4");
	v.age_s -= 60;
	asks(w, 0, 3, "answer 5");
	asks(w, 0, 3, "answer 5");
	v.age_s = -60; /* nor what is of the future */
	asks(w, 0, 4, "answer 6");
	asks(w, 0, 4, "answer 7");
	world_free(w);
}

static void a_new_list_of_its_shard_ends_it(void **state)
{
	struct voice v;
	struct world *w = world_that_answers(&v);
	struct crl_new n = { .number = 1, .size = 1 };

	(void)state;
	memcpy(n.issuer, world_issuer, sizeof n.issuer);
	asks(w, 0, 1, "answer 1");
	asks(w, 5, 2, "answer 2");
	n.shard = 5;
	publish_lists_are_new(w->front.publish, &n, 1);
	asks(w, 0, 1, "answer 1");
	asks(w, 5, 2, "answer 3");
	n.issuer[0] ^= 1; /* another issuer's */
	publish_lists_are_new(w->front.publish, &n, 1);
	asks(w, 5, 2, "answer 3");
	world_free(w);
}

/* It may say what was so before the revocation: whoever waits gets it, and nobody after them. */
static void an_answer_under_way_when_a_list_comes_is_not_kept(void **state)
{
	struct voice v;
	struct world *w = world_that_answers(&v);
	struct crl_new n = { .number = 1, .size = 1, .shard = 5 };

	(void)state;
	memcpy(n.issuer, world_issuer, sizeof n.issuer);
	v.silent = true;
	int fd = post(w, 5, 1);
	turn_until_asked(w, 1);
	publish_lists_are_new(w->front.publish, &n, 1);
	v.silent = false;
	answer(w, v.open[0]);
	assert_true(hears(w, fd, BYTES_LIT("answer 1")));
	asks(w, 5, 1, "answer 2");
	world_free(w);
}

static void many_wait_for_one_answer_and_too_many_do_not(void **state)
{
	struct voice v;
	struct world *w = world_that_answers(&v);
	int fds[CLIENTS], later = 0, given = 0;

	(void)state;
	v.silent = true;
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = post(w, 0, 1);
	turn_until_asked(w, 1);
	turn_until_answered(w, fds, CLIENTS, CLIENTS - WAITING);
	answer(w, v.open[0]);
	turn_until_answered(w, fds, CLIENTS, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		struct buf in;
		struct bytes body = world_receive(fds[i], &in);
		later += bytes_eq(body, TRY_LATER) && says(&in, "Cache-Control: no-store\r\n");
		given += bytes_eq(body, BYTES_LIT("answer 1"));
		buf_free(&in);
	}
	assert_int_equal(v.n_open, 1);
	assert_int_equal(given, WAITING);
	assert_int_equal(later, CLIENTS - WAITING);
	v.silent = false;
	asks(w, 0, 1, "answer 1");
	world_free(w);
}

static void a_signer_that_cannot_is_asked_again(void **state)
{
	struct voice v;
	struct world *w = world_that_answers(&v);

	(void)state;
	v.code = ERR_BUSY;
	assert_true(hears(w, post(w, 0, 1), TRY_LATER));
	v.code = ERR_OK;
	asks(w, 0, 1, "answer 1");
	world_free(w);
}

static void with_a_nonce_nothing_is_kept(void **state)
{
	struct voice v;
	struct world *w = world_that_answers(&v);
	char body[32];

	(void)state;
	w->settings.ocsp_nonce = true;
	for (unsigned i = 1; i < 40; i++) { /* more than are made at a time */
		(void)snprintf(body, sizeof body, "answer %u", i);
		assert_true(
		    hears(w, world_send(w, "POST", "/ocsp", "", "application/ocsp-request", question(0, 1, true)), bytes_str(body)));
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_kept_until_half_its_life),
		cmocka_unit_test(a_new_list_of_its_shard_ends_it),
		cmocka_unit_test(an_answer_under_way_when_a_list_comes_is_not_kept),
		cmocka_unit_test(many_wait_for_one_answer_and_too_many_do_not),
		cmocka_unit_test(a_signer_that_cannot_is_asked_again),
		cmocka_unit_test(with_a_nonce_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
