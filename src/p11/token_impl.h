/* What the room's files share. */
#ifndef CHANCERY_P11_TOKEN_IMPL_H
#define CHANCERY_P11_TOKEN_IMPL_H

#include "p11/token.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#define OPEN_MAX 16

/* A key that was found, ready to sign. */
struct open_key {
	char uri[TOKEN_URI_MAX + 1]; /* "": a free place */
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
};

/* A key of token_key(). */
struct held_key {
	struct held_key *next;
	struct token_module *module;
	char uri[TOKEN_URI_MAX + 1];
};

struct token_module {
	CK_FUNCTION_LIST *f;
	uint8_t pin[TOKEN_PIN_MAX];
	size_t pin_len;
	bool pin_wrong;
	struct open_key open[OPEN_MAX];
	struct held_key *held;
};

/* What a return value says, with what it was for. NOT_FOUND for those after which the token is looked for anew. */
enum err_code p11_error(CK_RV rv, const char *what, struct err *e);

/* token_object.c: a session on the token, logged in, and the private key in it. */
enum err_code key_find(struct token_module *m, const char *uri, struct open_key *ret, struct err *e) MUST_USE;
/* Its public half. */
enum err_code key_public(struct token_module *m, const struct open_key *k, struct key **ret, struct err *e) MUST_USE;

#endif
