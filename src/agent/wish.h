/* What is wanted of one certificate, read and checked. Where it was said (command line, chancery.conf, the options kept beside a certificate) does not matter here. */
#ifndef CHANCERY_AGENT_WISH_H
#define CHANCERY_AGENT_WISH_H

#include "agent/ca_wish.h"
#include "agent/deploy.h"
#include "agent/hook.h"
#include "crypto/key.h"
#include "pki/name.h"

#include <chancery/chancery.h>
#include <sys/types.h>

#define WISH_NAMES_MAX 100
#define WISH_KEYS_MAX  2 /* one of each kind */

/* The table, wish.def. */
extern const struct given_option wish_options[];
extern const size_t n_wish_options;

/* A key that a certificate is wanted for; its files have this behind their names: privkey-rsa.pem. "" of the first. */
struct wish_key {
	enum key_type type;
	unsigned bits;
	const char *suffix;
};

struct wish {
	struct arena *arena;
	const struct given *given;
	const char *names[WISH_NAMES_MAX]; /* lower case, no duplicates, in their order */
	struct san sans[WISH_NAMES_MAX];
	size_t n_names;
	const char *name;   /* of the certificate and its folder: the first name without what shells or paths would misread */
	const char *folder; /* where certificates are */
	struct ca_wish cas[CA_WISHES_MAX]; /* in the order in which they are tried */
	size_t n_cas;
	struct wish_key keys[WISH_KEYS_MAX];
	size_t n_keys;
	const char *csr; /* PEM of a request of the user's own; NULL: none */
	struct bytes csr_spki;
	mode_t key_mode;
	const char *key_group; /* NULL: ours */
	uint16_t http_port, tls_port;
	struct hook_wish hook;  /* program NULL: none */
	const char *dns_server; /* NULL: none */
	uint32_t propagation_s; /* for name servers to have the answers; 0: they are not looked at */
	struct deploy_wish deploy;
};

/* CONFIG with what is wrong and what is allowed. name: of the certificate's folder; NULL: made of the first of its names. All that is given must live as long as
 * the wish. */
enum err_code wish_read(struct arena *a, const struct config *c, const struct given *given, const char *name, const char *const *names,
    size_t n_names, struct wish *ret, struct err *e) MUST_USE;
/* What a certificate's folder may be called. */
bool wish_name_is_good(const char *name);
/* The i-th type of challenge by which control of the names may be shown, as it is preferred; NULL behind the last. */
const char *wish_way(const struct wish *w, size_t i);
/* The first of them that can show control of this name, by its index; NULL: none can. */
const char *wish_way_of(const struct wish *w, size_t name);
/* What a type is solved by: the hook, where its dialect knows it. */
bool wish_is_hooked(const struct wish *w, const char *type);

#endif
