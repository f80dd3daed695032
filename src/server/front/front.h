/* The front: faces the network, holds nonces and the database, and no key that anybody would want. What it may decide about
 * certificates is nothing: the signer checks all of it again. */
#ifndef CHANCERY_SERVER_FRONT_H
#define CHANCERY_SERVER_FRONT_H

#include "http/server.h"
#include "names/judge.h"
#include "server/blocks.h"
#include "server/child.h"
#include "server/front/keys.h"
#include "server/front/limits.h"
#include "server/front/nonce.h"
#include "server/front/peer.h"
#include "server/front/tokens.h"
#include "server/store/store.h"

#include <stdatomic.h>

struct front {
	struct child child;
	_Atomic(struct settings *) settings; /* the ones in force; the control loop changes them */
	struct suffixes *suffixes;
	_Atomic(const struct names_policy *) names; /* of the settings in force */
	struct blocks *blocks;                      /* what operators have blocked, as the signer says */
	struct limits *limits;
	atomic_bool limits_saving;
	atomic_bool dropping, ending; /* what has ended is being dropped; the process is about to end */
	_Atomic uint64_t dropped;
	struct store *store;
	struct http_server *http;
	struct nonces *nonces;
	struct keys *keys;
	struct key_rules *key_rules;
	struct terms *terms;
	struct tokens *tokens;
	struct peer *validator, *signer;
	struct validations *validations;
	atomic_uint rechecking;     /* orders whose CAA is being looked at again */
	atomic_bool finalize_later; /* orders are in processing that the signer could not take */
	struct publish *publish;    /* NULL: nothing is published */
	struct admin *admin;        /* NULL: nobody monitors */
	struct questions *questions;
	_Atomic bool signer_hello;       /* the signer has answered HELLO on its present channel */
	_Atomic int64_t tls_not_after_s; /* of our own certificate; 0: none */
	_Atomic int64_t tls_not_before_s;
	_Atomic uint64_t problems[ERR__MAX];
	_Atomic uint64_t issued;
};

#endif
