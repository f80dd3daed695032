#include "server/front/accept.h"
#include "server/front/chains.h"
#include "server/front/objects.h"

#include "base/codec.h"
#include "base/wire.h"

#include <stdio.h>
#include <string.h>

#define CHAIN_TYPE "application/pem-certificate-chain"

static enum err_code load_certificate(struct acme_request *r, struct store_certificate *ret, struct err *e)
{
	uint8_t serial[STORE_SERIAL];
	struct store_certificate c;

	if (hex_decode(r->id, serial, sizeof serial, NULL) != ERR_OK)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	TRY(store_get_certificate(r->front->store, r->http->arena, serial, &c, e));
	if (memcmp(c.account, r->account, sizeof c.account) != 0)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	*ret = c;
	return ERR_OK;
}

/* 0 is the usual chain; the others are numbered from 1, as in the links. */
static enum err_code which_chain(struct bytes text, size_t n_alternates, size_t *ret, struct err *e)
{
	if (!text.ptr) {
		*ret = 0;
		return ERR_OK;
	}
	if (text.len != 1 || *text.ptr < '1' || (size_t)(*text.ptr - '0') > n_alternates)
		FAIL(e, NOT_FOUND, "there is no such chain of this certificate");
	*ret = (size_t)(*text.ptr - '0');
	return ERR_OK;
}

static enum err_code put_usual(const struct store_certificate *c, struct buf *out, struct err *e)
{
	struct wire w = wire_of(c->chain);

	while (w.rest.len > 0 && !w.failed)
		pem_add(out, "CERTIFICATE", wire_bytes(&w, 16384));
	if (w.failed)
		FAIL(e, STORE, "a certificate's chain in the database is damaged");
	return ERR_OK;
}

static enum err_code put_alternate(struct arena *a, struct bytes pem, struct buf *out, struct err *e)
{
	struct bytes text = pem, der;
	enum err_code rc;

	while ((rc = pem_next(a, &text, "CERTIFICATE", &der, e)) == ERR_OK)
		pem_add(out, "CERTIFICATE", der);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static void link_others(struct acme_request *r, struct reply *ret, size_t shown, size_t n_alternates)
{
	for (size_t i = 0; i <= n_alternates; i++) {
		char suffix[4] = "";
		if (i > 0)
			(void)snprintf(suffix, sizeof suffix, "/%u", (unsigned)i % 10);
		if (i != shown)
			reply_field(ret, "Link",
			    arena_fmt(r->http->arena, "<%.*s/acme/cert/%.*s%s>;rel=\"alternate\"", BYTES_FMT(r->front->settings->base_url),
				BYTES_FMT(r->id), suffix));
	}
}

/* RFC 8555 §7.4.2: the leaf, then each certificate that signs the one before, without the root; and where the chains to other roots
 * are. */
enum err_code post_certificate(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct bytes alternates[CHAINS_MAX];
	struct store_certificate c;
	size_t which;

	TRY(load_certificate(r, &c, e));
	size_t n = chains_for(r->http->arena, r->front->settings, c.chain, alternates);
	TRY(which_chain(r->id2, n, &which, e));
	if (!accept_takes(r->http->accept, CHAIN_TYPE))
		FAIL(e, NOT_ACCEPTABLE, "a certificate is given as " CHAIN_TYPE ", which the request's Accept does not take");
	pem_add(&ret->body, "CERTIFICATE", c.der);
	TRY(which == 0 ? put_usual(&c, &ret->body, e) : put_alternate(r->http->arena, alternates[which - 1], &ret->body, e));
	link_others(r, ret, which, n);
	ret->http.status = 200;
	ret->http.content_type = CHAIN_TYPE;
	return ERR_OK;
}
