/* Keys in tokens, by PKCS#11 (v2.40): a module is loaded, tokens and keys in it are named by URIs (RFC 7512). A token may go and come back: each
 * signature finds it anew when it has to. Not for several threads. */
#ifndef CHANCERY_P11_TOKEN_H
#define CHANCERY_P11_TOKEN_H

#include "crypto/key.h"

#define TOKEN_URI_MAX 1024
#define TOKEN_PIN_MAX 256

struct token_module;
/* pin: a copy is kept, in memory that is not swapped, until the end; empty: nobody logs in. CONFIG: there is no such module, or it does not start. */
enum err_code token_module_open(const char *path, struct bytes pin, struct token_module **ret, struct err *e) MUST_USE;
void token_module_close(struct token_module *m);
DEFINE_CLEANUP(struct token_module *, token_module_close);

/* Whether a key's text is a URI and no PEM. */
bool token_is_uri(struct bytes text);
/* CONFIG unless it is a URI of PKCS#11 without a PIN in it. */
enum err_code token_uri_check(struct bytes uri, struct err *e) MUST_USE;

/* The key that the URI names, to sign with: a private key, and its public half beside it. The module must outlive it. NOT_FOUND: no such token or
 * key; CONFIG: several, or of a kind that is not allowed. */
enum err_code token_key(struct token_module *m, struct bytes uri, struct key **ret, struct err *e) MUST_USE;

/* One signature, as key_elsewhere() wants it. NOT_FOUND: the token or key is not there now. UNAUTHORIZED: the PIN is wrong; then it is never
 * tried again, as tokens lock themselves. */
enum err_code token_sign(struct token_module *m, struct bytes uri, enum key_type type, struct bytes digest, uint8_t sig[KEY_SIG_SIZE_MAX],
    size_t *ret_len, struct err *e) MUST_USE;

#endif
