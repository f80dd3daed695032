/* Exchanges with the server: nonces, signing, and the place where a test's mutants change answers. */
#include "base/codec.h"
#include "probe/probe_impl.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS      20000
#define REQUEST_MAX     (512 * 1024)
#define BAD_NONCE_TRIES 8
/* Not ours to have: base64url that no server of this world gave out. */
#define UNKNOWN_NONCE "Y2hhbmNlcnktcHJvYmUtbmV2ZXItZ2l2ZW4tb3V0"

static void keep_nonce(struct probe *p, const struct http_client_answer *x)
{
	if (x->replay_nonce.ptr && x->replay_nonce.len < sizeof p->nonce && base64url_is(x->replay_nonce)) {
		memcpy(p->nonce, x->replay_nonce.ptr, x->replay_nonce.len);
		p->nonce[x->replay_nonce.len] = 0;
	}
}

static void tell(struct probe *p, const struct http_client_request *r, const struct http_client_answer *x)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS" };
	char line[1024];

	if (!p->options.tell)
		return;
	size_t shown = x->body.len < 400 ? x->body.len : 400;
	int n = snprintf(line, sizeof line, "%s %.300s: %d %.*s", methods[r->method], r->url, x->status, (int)shown,
	    x->body.ptr ? (const char *)x->body.ptr : "");
	for (int i = 0; i < n && i < (int)sizeof line; i++)
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
			line[i] = ' ';
	p->options.tell(p->options.tell_ctx, line);
}

static enum err_code exchange(struct probe *p, const struct http_client_request *r, struct http_client_answer *ret, struct err *e)
{
	enum err_code rc = http_client_do(p->http, p->scratch, r, ret, e);

	if (rc != ERR_OK)
		return rc;
	tell(p, r, ret);
	keep_nonce(p, ret);
	return ERR_OK;
}

enum err_code probe_nonce(struct probe *p, const char **ret, struct err *e)
{
	struct http_client_answer x;

	if (!p->nonce[0]) {
		if (!p->urls[URL_NEW_NONCE])
			FAIL(e, CONFIG, "the directory has no newNonce, so no request can be signed");
		TRY(exchange(p,
		    &(struct http_client_request){ .method = HTTP_CLIENT_HEAD, .url = p->urls[URL_NEW_NONCE], .timeout_ms = TIMEOUT_MS },
		    &x, e));
		if (!p->nonce[0])
			FAIL(e, CONFIG, "newNonce gives no nonce");
	}
	const char *copy = arena_str(p->scratch, bytes_str(p->nonce));
	if (!copy)
		FAIL(e, NOMEM, "no memory for a nonce");
	p->nonce[0] = 0;
	*ret = copy;
	return ERR_OK;
}

/* A nonce that the server has seen already. */
static enum err_code used_nonce(struct probe *p, const struct ask *r, const char **ret, struct err *e)
{
	struct http_client_answer x;
	struct ask first = *r;

	TRY(probe_nonce(p, ret, e));
	first.defect = DEFECT_NONE;
	first.judged = false;
	first.nonce = *ret;
	return probe_ask(p, &first, &x, e);
}

static enum err_code nonce_for(struct probe *p, const struct ask *r, const char **ret, struct err *e)
{
	*ret = r->nonce;
	if (r->nonce || r->defect == DEFECT_NO_NONCE)
		return ERR_OK;
	if (r->defect == DEFECT_NONCE_UNKNOWN) {
		*ret = UNKNOWN_NONCE;
		return ERR_OK;
	}
	if (r->defect == DEFECT_NONCE_FORM) {
		*ret = "not/base64url+=";
		return ERR_OK;
	}
	return r->defect == DEFECT_NONCE_USED ? used_nonce(p, r, ret, e) : probe_nonce(p, ret, e);
}

static bool is_bad_nonce(struct probe *p, const struct http_client_answer *x)
{
	return x->status >= 400 && bytes_eq(member_of(p, x->body, "type"), BYTES_LIT("\"urn:ietf:params:acme:error:badNonce\""));
}

/* Whether a server that loses nonces may be asked once more. */
static bool nonce_is_ours(const struct ask *r)
{
	return !r->nonce && r->defect != DEFECT_NO_NONCE && r->defect != DEFECT_NONCE_UNKNOWN && r->defect != DEFECT_NONCE_USED &&
	       r->defect != DEFECT_NONCE_FORM;
}

static enum err_code send(struct probe *p, const struct ask *r, struct http_client_answer *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(REQUEST_MAX);
	struct http_client_request q = {
		.method = r->method, .url = r->url, .accept = r->accept, .more = r->more, .timeout_ms = TIMEOUT_MS
	};
	const char *nonce;

	if (r->method == HTTP_CLIENT_POST) {
		q.content_type = r->content_type ? r->content_type : "application/jose+json";
		if (r->as) {
			TRY(nonce_for(p, r, &nonce, e));
			TRY(probe_sign(p, r, nonce, &body, e));
		}
		q.body = body.len ? buf_bytes(&body) : BYTES_LIT("");
	}
	return exchange(p, &q, ret, e);
}

enum err_code probe_ask(struct probe *p, const struct ask *r, struct http_client_answer *ret, struct err *e)
{
	if (!r->url)
		FAIL(e, NOT_FOUND, "the server has no such resource");
	for (int n = 0;; n++) {
		TRY(send(p, r, ret, e));
		if (n == BAD_NONCE_TRIES || !r->as || !nonce_is_ours(r) || !is_bad_nonce(p, ret))
			break;
	}
	if (ret->status == 429)
		FAIL(e, BUSY, "the server limits rates: %.200s",
		    ret->body.ptr ? (const char *)arena_fmt(p->scratch, "%.*s", BYTES_FMT(ret->body)).ptr : "");
	if (!r->judged)
		return ERR_OK;
	p->judged++;
	if (p->change && p->mutant && (p->mutant->nth == 0 || p->mutant->nth == p->judged))
		p->change(p->mutant, p->scratch, ret);
	return ERR_OK;
}
