#include "server/front/tls.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "os/file.h"
#include "pki/cert.h"
#include "server/tls_identity.h"

#include <stdlib.h>
#include <string.h>

#define ISSUE_MS 10000

/* Whether the certificate has exactly the configured names. */
static bool names_fit(struct front *f, const struct cert *c)
{
	const struct settings_list *names = &f->settings->tls_names;
	size_t found = 0;

	for (size_t i = 0; i < c->n_names; i++)
		for (size_t k = 0; k < names->n; k++)
			found += c->names[i].type == SAN_DNS && bytes_eq(c->names[i].value, names->v[k]);
	return found == names->n && c->n_names == names->n;
}

static enum err_code tls_use(struct front *f, struct bytes pem, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct bytes text = pem, der;
	struct cert c;

	if (!a)
		FAIL(e, NOMEM, "no memory for the TLS certificate");
	TRY(pem_next(a, &text, "CERTIFICATE", &der, e));
	TRY(cert_parse(a, der, &c, e));
	TRY(http_server_set_tls(f->http, pem, pem, e));
	atomic_store(&f->tls_not_before_s, c.not_before_s);
	atomic_store(&f->tls_not_after_s, names_fit(f, &c) ? c.not_after_s : 0);
	return ERR_OK;
}

enum err_code tls_load(struct front *f, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(TLS_IDENTITY_MAX);

	TRY(file_read(f->child.folder, TLS_IDENTITY_FILE, TLS_IDENTITY_MAX, &pem, e));
	return tls_use(f, buf_bytes(&pem), e);
}

bool tls_due(struct front *f, int64_t now_s)
{
	int64_t from = atomic_load(&f->tls_not_before_s), to = atomic_load(&f->tls_not_after_s);

	return to == 0 || now_s >= to - (to - from) / 3;
}

static enum err_code renew(struct front *f, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf csr = buf_new(CSR_SIZE_MAX), pem = buf_new_secret(TLS_IDENTITY_MAX);
	CLEANUP(key_free_p) struct key *k = NULL;
	struct message answer;
	struct issued issued;

	TRY(key_generate(KEY_EC_P256, 0, &k, e));
	TRY(tls_identity_csr(a, &f->settings->tls_names, k, &csr, e));
	TRY(peer_call(f->signer, a, MESSAGE_ISSUE_TLS, buf_bytes(&csr), ISSUE_MS, &answer, e));
	TRY(issued_answer(&answer, &issued, e));
	TRY(tls_identity_pem(k, &issued, &pem, e));
	TRY(file_write(f->child.folder, TLS_IDENTITY_FILE, 0600, buf_bytes(&pem), e));
	return tls_use(f, buf_bytes(&pem), e);
}

void tls_renew(void *front)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 1u << 20);
	struct front *f = front;
	struct err e = { 0 };

	if (!a || renew(f, a, &e) != ERR_OK)
		event_error(EVENT_WARNING, "tls.not_renewed", &e);
	else
		event(EVENT_NOTICE, "tls.renewed", EVENT_STR("file", TLS_IDENTITY_FILE));
}
