/* For tests: web servers on the loopback, each a thread that serves one connection after the other. */
#ifndef CHANCERY_SERVER_VALIDATOR_STUB_HTTP_H
#define CHANCERY_SERVER_VALIDATOR_STUB_HTTP_H

#include <stddef.h>
#include <stdint.h>

struct stub_http;

/* Answers a request, given up to its empty line, by stub_http_send(); the connection is closed then. */
typedef void stub_http_serve(struct stub_http *s, const char *request, void *ctx);

/* On a free port of "127.0.0.1" or "::1"; tls: with a certificate of its own making. NULL when it cannot. */
struct stub_http *stub_http_start(const char *address, int tls, stub_http_serve *serve, void *ctx);
void stub_http_stop(struct stub_http *s);
uint16_t stub_http_port(const struct stub_http *s);
unsigned stub_http_connections(const struct stub_http *s);
/* The server's SSL_CTX, to be changed before the first connection comes; NULL on a plain one. */
void *stub_http_context(const struct stub_http *s);
/* Bytes that clients have sent in all: of HTTP, inside of TLS. */
unsigned stub_http_received(const struct stub_http *s);
/* To the present connection. */
void stub_http_send(struct stub_http *s, const void *p, size_t n);
/* A whole answer: "200 OK", further header lines each with CRLF, and a body. */
void stub_http_answer(struct stub_http *s, const char *status, const char *headers, const char *body);
/* Waits until the client goes away or the server stops. */
void stub_http_hang(struct stub_http *s);
/* A listening socket that nobody serves; -1 when there is none to be had. */
int stub_listen(const char *address, uint16_t *ret_port);
/* A port of the loopback on which nothing listens. */
uint16_t stub_free_port(void);

#endif
