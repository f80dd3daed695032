/* The CA's own TLS identity: the CSR that the signer's fixed template takes, and the file that the front serves with. Made by init
 * first and by the front ever after. */
#ifndef CHANCERY_SERVER_TLS_IDENTITY_H
#define CHANCERY_SERVER_TLS_IDENTITY_H

#include "pki/csr.h"
#include "server/messages.h"
#include "server/settings.h"

#define TLS_IDENTITY_FILE "tls.pem" /* in the front's folder: key, certificate, chain; replaced in one step */
#define TLS_IDENTITY_MAX  65536

/* A CSR for the configured names. */
enum err_code tls_identity_csr(
    struct arena *a, const struct settings_list *names, const struct key *k, struct buf *out, struct err *e) MUST_USE;
/* The file's content; a secret buffer. */
enum err_code tls_identity_pem(const struct key *k, const struct issued *issued, struct buf *out, struct err *e) MUST_USE;

#endif
