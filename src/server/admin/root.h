/* A root's own folder, away from every CA: root.key, root.pem, `signed` (a line for each certificate that it signed), `number` (of its
 * newest list). Its ceremonies are offline commands; no process of a server ever sees it. */
#ifndef CHANCERY_SERVER_ADMIN_ROOT_H
#define CHANCERY_SERVER_ADMIN_ROOT_H

#include "server/admin/key_text.h"
#include "server/ca_make.h"

#define ROOT_KEY_FILE    "root.key"
#define ROOT_CERT_FILE   "root.pem"
#define ROOT_SIGNED_FILE "signed"
#define ROOT_NUMBER_FILE "number"

struct root_create {
	const char *folder;   /* made; CONFLICT when it has a root already */
	struct bytes country; /* may be empty */
	const char *name;     /* of the organization; the common name is NAME Root CA */
	enum key_type key_type;
	int64_t years;
	struct bytes passphrase; /* empty: the key is not encrypted */
	struct bytes key_uri;    /* of a key in a token, which is there already; empty: one is made, in a file */
	struct token_access token;
};
/* fingerprint: SHA-256 of the certificate, for people. */
enum err_code root_create(const struct root_create *r, char fingerprint[96], struct err *e) MUST_USE;

struct root;
/* CONFIG when key and certificate do not belong together; UNAUTHORIZED for a wrong passphrase. */
enum err_code root_open(
    const char *folder, struct bytes passphrase, const struct token_access *t, struct root **ret, struct err *e) MUST_USE;
void root_close(struct root *r);
DEFINE_CLEANUP(struct root *, root_close);

/* The certificate (DER) of an intermediate; it is in `signed` before it is given out. */
enum err_code root_sign(
    struct root *r, struct arena *a, const struct ca_issuer_wish *w, const char *subject_text, struct buf *out, struct err *e) MUST_USE;

/* One of the root's certificates that is revoked. */
struct root_revoked {
	struct bytes certificate; /* DER */
	uint8_t reason;           /* enum crl_reason */
};
/* The root's next list (DER): what was revoked before, and these. NOT_FOUND for a certificate that it has not signed. */
enum err_code root_list(
    struct root *r, struct arena *a, const struct root_revoked *v, size_t n, int64_t days, struct buf *out, struct err *e) MUST_USE;

#endif
