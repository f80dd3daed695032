/* The executable itself, started and spoken to as the parent and a front do it, in its jail. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "jose/jwk.h"
#include "os/process.h"
#include "server/identity.h"
#include "server/messages.h"
#include "server/receipt.h"
#include "server/settings.h"
#include "server/validator/stub_http.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOME_USER 65534 /* when the test runs as root */
#define WAIT_MS   20000

static const uint8_t thumbprint[32] = { 1, 2, 3 };

struct program {
	char folder[64];
	int dir;
	pid_t pid;
	struct identity identity;
	struct channel *parent, *front;
	struct stub_http *http, *tls;
	struct buf body; /* what the web servers answer */
	bool redirect;   /* the plain one sends to the other */
};

static void serve(struct stub_http *s, const char *request, void *ctx)
{
	struct program *p = ctx;
	char location[128];

	(void)request;
	if (p->redirect && s == p->http) {
		(void)snprintf(location, sizeof location, "Location: https://localhost:%u/\r\n", stub_http_port(p->tls));
		stub_http_answer(s, "308 Permanent Redirect", location, "");
		return;
	}
	buf_add_u8(&p->body, 0);
	p->body.len--;
	stub_http_answer(s, "200 OK", "", (const char *)p->body.ptr);
}

static struct message receive(struct channel *c)
{
	struct message m;
	struct err e = { 0 };
	int64_t deadline = clock_monotonic_ms() + WAIT_MS;

	for (;;) {
		enum err_code rc = channel_receive(c, &m, &e);
		if (rc == ERR_OK)
			return m;
		if (rc != ERR_AGAIN)
			fail_msg("the channel: %s", e.detail);
		assert_int_equal(wait_fd(channel_fd(c), false, deadline, &e), ERR_OK);
	}
}

static void send_settings(struct program *p, uint32_t id, uint16_t port)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);
	char tls[8];
	(void)snprintf(tls, sizeof tls, "%u", stub_http_port(p->tls));
	struct bytes anchors = BYTES_LIT("builtin"), redirect = bytes_str(tls),
		     allowed[] = { BYTES_LIT("127.0.0.0/8"), BYTES_LIT("::1/128") }, private = BYTES_LIT("localhost");
	struct settings s = { .base_url = BYTES_LIT("https://localhost:14000"),
		.caa_identity = BYTES_LIT("ca.example"),
		.log_format = BYTES_LIT("text"),
		.http_port = port,
		.tls_port = stub_http_port(p->tls),
		.policy_private_suffixes = { &private, 1 },
		.redirect_ports = { &redirect, 1 },
		.allow_addresses = { allowed, 2 },
		.trust_anchors = { &anchors, 1 },
		.validation_deadline = 10 };
	uint64_t user = getuid() == 0 ? SOME_USER : getuid();

	wire_put_u64(&out, user);
	wire_put_u64(&out, user);
	settings_write(&s, SETTINGS_READER_V, &out);
	assert_true(buf_ok(&out));
	assert_int_equal(channel_send(p->parent, MESSAGE_SETTINGS_VALIDATOR, id, buf_bytes(&out), NULL), ERR_OK);
}

static void connect_front(struct program *p)
{
	int fds[2];
	uint8_t who = PROCESS_FRONT;

	if (p->front)
		channel_free(p->front);
	assert_int_equal(channel_pair(fds, NULL), ERR_OK);
	assert_int_equal(channel_send_fd(p->parent, MESSAGE_PEER_VALIDATOR, 0, (struct bytes){ &who, 1 }, fds[1], NULL), ERR_OK);
	close(fds[1]);
	assert_int_equal(server_channel_new(fds[0], PROCESS_FRONT, PROCESS_VALIDATOR, &p->front, NULL), ERR_OK);
}

static void give_folder(struct program *p)
{
	(void)snprintf(p->folder, sizeof p->folder, "/tmp/chancery-validator-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	p->dir = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dir >= 0);
	identity_make(&p->identity);
	assert_int_equal(identity_create(p->dir, &p->identity, NULL), ERR_OK);
	if (getuid() == 0)
		assert_int_equal(fchown(p->dir, SOME_USER, SOME_USER), 0);
}

static int start_program(void **state)
{
	struct program *p = calloc(1, sizeof *p);
	int fds[2], executable = open(VALIDATOR_PROGRAM, O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };

	p->body = buf_new(65536);
	p->http = stub_http_start("127.0.0.1", 0, serve, p);
	p->tls = stub_http_start("127.0.0.1", 1, serve, p);
	assert_non_null(p->http);
	assert_non_null(p->tls);
	give_folder(p);
	assert_int_equal(channel_pair(fds, NULL), ERR_OK);
	assert_int_equal(process_start(executable, "chancery-ca-validator", fds[1], &p->pid, &e), ERR_OK);
	close(fds[1]);
	close(executable);
	assert_int_equal(server_channel_new(fds[0], PROCESS_PARENT, PROCESS_VALIDATOR, &p->parent, NULL), ERR_OK);
	send_settings(p, 1, stub_http_port(p->http));
	assert_int_equal(channel_send_fd(p->parent, MESSAGE_FOLDER_VALIDATOR, 0, BYTES_LIT(""), p->dir, NULL), ERR_OK);
	struct message m = receive(p->parent);
	if (m.type != MESSAGE_VALIDATOR_READY)
		fail_msg("not ready: %.*s", BYTES_FMT(m.body));
	connect_front(p);
	*state = p;
	return 0;
}

/* A clean end: no complaint of a sanitizer either, for that changes the exit code. */
static int stop_program(void **state)
{
	struct program *p = *state;
	int status = 0;

	assert_int_equal(channel_send(p->parent, MESSAGE_STOP_VALIDATOR, 0, BYTES_LIT(""), NULL), ERR_OK);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	channel_free(p->parent);
	channel_free(p->front);
	stub_http_stop(p->http);
	stub_http_stop(p->tls);
	assert_int_equal(unlinkat(p->dir, "identity", 0), 0);
	close(p->dir);
	assert_int_equal(rmdir(p->folder), 0);
	buf_free(&p->body);
	free(p);
	return 0;
}

static void take_token(struct program *p, char out[TOKEN_LEN + 1])
{
	CLEANUP(buf_free_p) struct buf b = buf_new(4);

	wire_put_u32(&b, 3);
	assert_int_equal(channel_send(p->front, MESSAGE_TOKENS_ASK, 7, buf_bytes(&b), NULL), ERR_OK);
	struct message m = receive(p->front);
	assert_int_equal(m.type, MESSAGE_TOKENS);
	assert_int_equal(m.body.len, 3 * TOKEN_LEN);
	memcpy(out, m.body.ptr, TOKEN_LEN);
	out[TOKEN_LEN] = 0;
}

static void ask(struct program *p, uint32_t id, const char *token)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(2048);
	struct validate v = { .method = CHALLENGE_TYPE_HTTP_01,
		.identifier = { .type = IDENTIFIER_DNS, .value = BYTES_LIT("localhost") },
		.token = bytes_str(token),
		.account_url = BYTES_LIT("https://localhost:14000/acme/acct/x") };

	memcpy(v.thumbprint, thumbprint, sizeof thumbprint);
	validate_write(&v, &b);
	assert_int_equal(channel_send(p->front, MESSAGE_VALIDATE, id, buf_bytes(&b), NULL), ERR_OK);
}

static struct validated receive_validated(struct program *p, uint32_t id)
{
	struct message m = receive(p->front);
	struct validated v;

	assert_int_equal(m.type, MESSAGE_VALIDATED);
	assert_int_equal(m.id, id);
	assert_int_equal(validated_read(m.body, &v, NULL), ERR_OK);
	return v;
}

static void localhost_is_validated_in_the_jail(void **state)
{
	struct program *p = *state;
	char token[TOKEN_LEN + 1];
	struct receipt control, caa;
	struct err e = { 0 };

	take_token(p, token);
	buf_reset(&p->body);
	key_authorization(bytes_str(token), thumbprint, &p->body);
	ask(p, 8, token);
	struct validated v = receive_validated(p, 8);
	if (v.code != ERR_OK)
		fail_msg("%s: %.*s", err_name(v.code), BYTES_FMT(v.detail));
	assert_int_equal(receipt_read(v.control, BYTES_ARRAY(p->identity.receipt_key), &control, &e), ERR_OK);
	assert_int_equal(receipt_read(v.caa, BYTES_ARRAY(p->identity.receipt_key), &caa, &e), ERR_OK);
	assert_int_equal(control.kind, RECEIPT_CONTROL);
	assert_true(bytes_eq_str(control.domain, "localhost"));
	assert_true(control.relaxed_address);
	assert_int_equal(control.dnssec, DNSSEC_INSECURE);
	assert_int_equal(caa.kind, RECEIPT_CAA);
	assert_int_equal(caa.outcome, CAA_NO_RECORDS);
	assert_true(bytes_eq_str(caa.issuer_domain, "ca.example"));
	assert_memory_equal(caa.instance, p->identity.instance, INSTANCE_SIZE);
}

/* TLS in the jail: what OpenSSL wants of files must have been read before. */
static void an_https_redirect_is_followed_in_the_jail(void **state)
{
	struct program *p = *state;
	char token[TOKEN_LEN + 1];

	take_token(p, token);
	buf_reset(&p->body);
	key_authorization(bytes_str(token), thumbprint, &p->body);
	p->redirect = true;
	ask(p, 40, token);
	struct validated v = receive_validated(p, 40);
	p->redirect = false;
	if (v.code != ERR_OK)
		fail_msg("%s: %.*s", err_name(v.code), BYTES_FMT(v.detail));
	assert_int_equal(stub_http_connections(p->tls), 1);
}

static void a_wrong_answer_is_told_with_its_place(void **state)
{
	struct program *p = *state;
	char token[TOKEN_LEN + 1];

	take_token(p, token);
	buf_reset(&p->body);
	buf_add_str(&p->body, "<html>it works</html>");
	ask(p, 9, token);
	struct validated v = receive_validated(p, 9);
	assert_int_equal(v.code, ERR_INCORRECT_RESPONSE);
	assert_non_null(memmem(v.detail.ptr, v.detail.len, "<html>it works</html>", 21));
	assert_non_null(memmem(v.detail.ptr, v.detail.len, "127.0.0.1 port", 14));
}

static void a_token_of_others_is_refused(void **state)
{
	struct program *p = *state;

	ask(p, 10, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	assert_int_equal(receive_validated(p, 10).code, ERR_UNAUTHORIZED);
}

static void new_settings_and_a_new_front_are_taken(void **state)
{
	struct program *p = *state;
	char token[TOKEN_LEN + 1];

	take_token(p, token);
	send_settings(p, 20, stub_free_port());
	assert_int_equal(receive(p->parent).type, MESSAGE_VALIDATOR_READY);
	connect_front(p);
	ask(p, 21, token);
	struct validated v = receive_validated(p, 21);
	assert_int_equal(v.code, ERR_CONNECTION);
	assert_non_null(memmem(v.detail.ptr, v.detail.len, "Connection refused", 18));
	send_settings(p, 22, 0); /* no port: the old stay */
	assert_int_equal(receive(p->parent).type, MESSAGE_VALIDATOR_FAILED);
	assert_int_equal(receive(p->parent).type, MESSAGE_VALIDATOR_READY);
}

static void status_is_one_json_object(void **state)
{
	struct program *p = *state;

	assert_int_equal(channel_send(p->parent, MESSAGE_STATUS_VALIDATOR, 30, BYTES_LIT(""), NULL), ERR_OK);
	struct message m = receive(p->parent);
	assert_int_equal(m.type, MESSAGE_VALIDATOR_STATUS);
	assert_non_null(memmem(m.body.ptr, m.body.len, "\"tokens\":", 9));
	assert_int_equal(json_check(m.body, NULL), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(localhost_is_validated_in_the_jail),
		cmocka_unit_test(an_https_redirect_is_followed_in_the_jail),
		cmocka_unit_test(a_wrong_answer_is_told_with_its_place),
		cmocka_unit_test(a_token_of_others_is_refused),
		cmocka_unit_test(new_settings_and_a_new_front_are_taken),
		cmocka_unit_test(status_is_one_json_object),
	};

	return cmocka_run_group_tests(tests, start_program, stop_program);
}
