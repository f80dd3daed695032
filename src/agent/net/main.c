/* chancery-net: all that speaks to a network for chancery. It has no key and no file: signatures and answers to challenges it asks the program for. */
#include "agent/net/op.h"
#include "crypto/digest.h"
#include "os/jail.h"
#include "os/sanitized.h"

static enum err_code jail(const struct child_user *u, struct err *e)
{
	struct jail j = { .root_dir = -1, .keeps_root = true, .uid = u->uid, .gid = u->gid, .network = true };
	struct jail_layers layers = { 0 };

	crypto_init();
	if (SANITIZED_ADDRESS || SANITIZED_THREAD)
		return ERR_OK;
	return jail_enter(&j, &layers, e);
}

int main(void)
{
	static const struct child_row rows[] = {
#define X(name, function) { name, function },
#include "agent/net/op.def"
#undef X
	};
	struct net_state state;

	for (size_t t = 0; t < CHALLENGE_TYPE__MAX; t++)
		state.sockets[t][0] = state.sockets[t][1] = -1;
	return child_main(rows, sizeof rows / sizeof *rows, jail, &state);
}
