/* For the server's black-box tests: a server in this process on loopback, and clients by raw socket and by OpenSSL.
 * Everything here fails the test by cmocka's asserts. */
#ifndef CHANCERY_HTTP_SERVER_TESTING_H
#define CHANCERY_HTTP_SERVER_TESTING_H

#include "http/server.h"

#include <openssl/types.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* --- the server --- */

struct tested {
	struct http_server *server; /* NULL after the test has stopped it itself */
	int plain, tls;             /* ports */
};
/* Limits that suit tests: two loops, two workers, everything else generous. */
struct http_limits testing_limits(void);
/* Listens on two ports of loopback, with a certificate for "first". */
void tested_start(struct tested *t, const struct http_limits *limits);
/* Answers what is parked, stops and frees. */
void tested_stop(struct tested *t);

/* A self-made P-256 certificate and its key as PEM; both are NUL-terminated and allocated. */
void testing_identity(const char *name, char **ret_chain, char **ret_key);
void testing_set_tls(struct tested *t, const char *name);

/* The handler knows these paths: /echo gives the body back, /about says what the request is made of, /park keeps it for
 * park_answer(), /block holds its worker until block_release(), /where says where it runs (/where-slow: on
 * a worker always), /big gives BIG_SIZE bytes, /bad answers what must not be sent. */
#define BIG_SIZE 4000000
/* Waits until this many are parked. */
void park_wait(unsigned n);
/* Answers the oldest one, with this body, from the calling thread. */
void park_answer(const char *body);
void block_wait(unsigned n);
void block_release(void);

/* How often the server raised an error event; tests that provoke one take it from here. */
unsigned testing_errors(void);

/* --- clients --- */

#define CLIENT_ROOM (BIG_SIZE + 65536)
struct client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	char *in; /* CLIENT_ROOM, NUL-terminated */
	size_t len;
	char *body; /* of the last answer */
};
struct answer {
	int status; /* 0: the connection ended, or was reset, without one */
	char head[4096];
	char *body; /* the client's, until its next answer; NUL-terminated */
	size_t body_len;
};

void client_plain(struct client *c, int port);
/* alpn in wire format or NULL; versions 0: OpenSSL's own. False when the handshake fails. */
bool client_tls(struct client *c, int port, const char *alpn, int min_version, int max_version);
void client_send(struct client *c, const char *text);
/* Sends as far as the peer takes it; false once it does not. */
bool client_try_send(struct client *c, const char *text);
/* The next answer; head_only: to HEAD, or an interim one. */
void client_receive(struct client *c, struct answer *ret, bool head_only);
/* send and receive */
void client_ask(struct client *c, const char *text, struct answer *ret);
/* Whether the server ends the connection now, without another byte (over TLS: with close_notify). */
bool client_sees_end(struct client *c);
/* Closes; with a reset when `rude`. */
void client_close(struct client *c, bool rude);

/* The value of a field of the head, in storage of the thread; NULL when it is not there. */
const char *answer_field(const struct answer *a, const char *name);

/* Polls the condition up to ten seconds. */
#define WAIT_UNTIL(condition)                                                           \
	do {                                                                            \
		for (int wait_ms_ = 0; wait_ms_ < 10000 && !(condition); wait_ms_ += 5) \
			testing_sleep_ms(5);                                            \
		assert_true(condition);                                                 \
	} while (0)
void testing_sleep_ms(unsigned ms);

#endif
