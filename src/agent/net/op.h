/* The operations of the network process. Each is one function: json is one object, answer takes members of one object (agent/child.h). What it needs of keys,
 * files or the user's programs it asks the program for (child_ask()). */
#ifndef CHANCERY_AGENT_NET_OP_H
#define CHANCERY_AGENT_NET_OP_H

#include "acme/identifier.h"
#include "agent/child.h"

/* What the process keeps between operations: child.context. */
struct net_state {
	int sockets[CHALLENGE_TYPE__MAX][2]; /* that listen for the next issuance, by challenge type; -1: none */
};

#define X(name, function) child_op function;
#include "agent/net/op.def"
#undef X

#endif
