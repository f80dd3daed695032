/* A key as operators' folders have it: PEM, or the URI of a key in a token (RFC 7512). */
#ifndef CHANCERY_SERVER_ADMIN_KEY_TEXT_H
#define CHANCERY_SERVER_ADMIN_KEY_TEXT_H

#include "p11/token.h"
#include "server/settings.h"

/* How the token is reached. */
struct token_access {
	const char *module, *pin_file;           /* NULL: none; pin_file may be "credential:NAME", which only a service has: CONFIG */
	const struct settings_list *environment; /* NULL: as it is */
};
/* As the configuration's section keyholder has it; module and pin_file are in the arena. */
enum err_code token_access_of(struct arena *a, const struct settings *s, struct token_access *ret, struct err *e) MUST_USE;

/* A key that is opened; close it after the key's last use. */
struct opened_key {
	struct key *key;
	struct token_module *module; /* NULL: it was PEM */
};
enum err_code key_text_open(
    struct bytes text, struct bytes passphrase, const struct token_access *t, struct opened_key *ret, struct err *e) MUST_USE;
enum err_code key_uri_open(struct bytes uri, const struct token_access *t, struct opened_key *ret, struct err *e) MUST_USE;
void opened_key_close(struct opened_key *k);

#endif
