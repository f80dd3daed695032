#include "server/front/objects.h"

#include "base/codec.h"
#include "base/wire.h"

#include <string.h>

/* RFC 8555 §7.4.2: the leaf, then each certificate that signs the one before, without the root. */
enum err_code post_certificate(struct acme_request *r, struct reply *ret, struct err *e)
{
	uint8_t serial[STORE_SERIAL];
	struct store_certificate c;

	if (hex_decode(r->id, serial, sizeof serial, NULL) != ERR_OK)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	TRY(store_get_certificate(r->front->store, r->http->arena, serial, &c, e));
	if (memcmp(c.account, r->account, sizeof c.account) != 0)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	pem_add(&ret->body, "CERTIFICATE", c.der);
	struct wire w = wire_of(c.chain);
	while (w.rest.len > 0 && !w.failed)
		pem_add(&ret->body, "CERTIFICATE", wire_bytes(&w, 16384));
	if (w.failed)
		FAIL(e, STORE, "a certificate's chain in the database is damaged");
	ret->http.status = 200;
	ret->http.content_type = "application/pem-certificate-chain";
	return ERR_OK;
}
