/* Nonces (RFC 8555 §6.5, §7.2). */
#include "base/codec.h"
#include "probe/list.h"

static enum err_code ask_nonce(struct probe *p, enum http_client_method method, struct http_client_answer *ret, struct err *e)
{
	return probe_ask(p, &(struct ask){ .judged = true, .method = method, .url = probe_url(p, URL_NEW_NONCE) }, ret, e);
}

/* By the row's `status`: HEAD is answered by 200, GET by 204. */
static enum http_client_method method_of(const struct probe_case *c)
{
	return c->status == 200 ? HTTP_CLIENT_HEAD : HTTP_CLIENT_GET;
}

static enum err_code status(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(ask_nonce(p, method_of(c), &x, e));
	return want_status(&x, c->status, e);
}

static enum err_code field(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(ask_nonce(p, method_of(c), &x, e));
	return c->value ? want_value(&x, c->arg, c->value, e) : want_field(&x, c->arg, NULL, e);
}

static enum err_code form(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct bytes nonce;

	(void)c;
	TRY(ask_nonce(p, HTTP_CLIENT_HEAD, &x, e));
	TRY(want_field(&x, "replay-nonce", &nonce, e));
	if (!base64url_is(nonce))
		FAIL(e, CONFIRM, "the nonce is no base64url: %.*s", (int)(nonce.len < 100 ? nonce.len : 100), (const char *)nonce.ptr);
	return ERR_OK;
}

static enum err_code index_link(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(ask_nonce(p, method_of(c), &x, e));
	return want_link(p, &x, "index", NULL, e);
}

static enum err_code fresh(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x, y;
	struct bytes first, second;

	(void)c;
	TRY(ask_nonce(p, HTTP_CLIENT_HEAD, &x, e));
	TRY(ask_nonce(p, HTTP_CLIENT_HEAD, &y, e));
	TRY(want_field(&x, "replay-nonce", &first, e));
	TRY(want_field(&y, "replay-nonce", &second, e));
	if (bytes_eq(first, second))
		FAIL(e, CONFIRM, "two answers have the same nonce, %.*s", BYTES_FMT(first));
	return ERR_OK;
}

#define SEC  "RFC 8555 §7.2"
#define FORM "RFC 8555 §6.5.1"

static const struct probe_case rows[] = {
	CASE("new-nonce/head-200", SEC, MUST, "HEAD to newNonce is answered by 200.", status, M_STATUS(204), .status = 200),
	CASE("new-nonce/get-204", SEC, MUST, "GET to newNonce is answered by 204.", status, M_STATUS(200), .status = 204),
	CASE("new-nonce/head-nonce", SEC, MUST, "The answer to HEAD has a Replay-Nonce.", field, M_DROP("replay-nonce"), .status = 200,
	    .arg = "replay-nonce"),
	CASE("new-nonce/get-nonce", SEC, MUST, "The answer to GET has a Replay-Nonce.", field, M_DROP("replay-nonce"), .status = 204,
	    .arg = "replay-nonce"),
	CASE("new-nonce/head-no-store", SEC, MUST, "The answer to HEAD has Cache-Control: no-store.", field,
	    M_SET("cache-control", "max-age=60"), .status = 200, .arg = "cache-control", .value = "no-store"),
	CASE("new-nonce/get-no-store", SEC, MUST, "The answer to GET has Cache-Control: no-store.", field, M_SET("cache-control", "public"),
	    .status = 204, .arg = "cache-control", .value = "no-store"),
	CASE("new-nonce/form", FORM, MUST, "A nonce is base64url without padding.", form, M_SET("replay-nonce", "abc+/==")),
	CASE("new-nonce/fresh", FORM, MUST, "A nonce is different in each answer.", fresh, M_SET("replay-nonce", "AAAA")),
	CASE("new-nonce/head-index", "RFC 8555 §7.1", MUST, "The answer to HEAD links to the directory.", index_link, M_DROP("link"),
	    .status = 200),
	CASE("new-nonce/get-index", "RFC 8555 §7.1", MUST, "The answer to GET links to the directory.", index_link,
	    M_SET("link", "<https://x.example/>;rel=\"up\""), .status = 204),
};
CASE_TABLE(nonce_cases, rows);
