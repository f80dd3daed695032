#include "server/tls_identity.h"

#include "base/codec.h"
#include "pki/cert.h"

enum err_code tls_identity_csr(struct arena *a, const struct settings_list *names, const struct key *k, struct buf *out, struct err *e)
{
	struct san *san = arena_array(a, names->n + 1, sizeof *san);

	if (!san)
		FAIL(e, NOMEM, "no memory for a CSR");
	for (size_t i = 0; i < names->n; i++)
		san[i] = (struct san){ SAN_DNS, names->v[i] };
	return csr_write(k, san, san_sort(san, names->n), out, e);
}

enum err_code tls_identity_pem(const struct key *k, const struct issued *issued, struct buf *out, struct err *e)
{
	struct wire w = wire_of(issued->chain);

	TRY(key_private_to_pem(k, out, e));
	pem_add(out, "CERTIFICATE", issued->certificate);
	while (w.rest.len > 0 && !w.failed)
		pem_add(out, "CERTIFICATE", wire_bytes(&w, CERT_SIZE_MAX));
	if (w.failed || !buf_ok(out))
		FAIL(e, MALFORMED, "the signer's chain is damaged");
	return ERR_OK;
}
