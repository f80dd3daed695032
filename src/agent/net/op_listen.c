#include "agent/net/op.h"

#include <errno.h>

struct listen_json {
	struct bytes type;
	struct json_uint family;
};
static const struct json_field listen_fields[] = {
	JSON_FIELD(struct listen_json, type, "type", JSON_STRING, true, 32),
	JSON_FIELD(struct listen_json, family, "family", JSON_UINT, true, 0),
};

/* A socket that listens, for challenges of this type; family 0: IPv4, 1: IPv6. Without a descriptor: none any more. */
enum err_code op_listen(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	struct listen_json j = { .type = BYTES_NONE };
	struct net_state *s = c->context;
	enum challenge_type type;

	(void)answer;
	TRY(json_read(a, json, "a socket", listen_fields, 2, &j, e));
	errno = 0;
	if (!challenge_type_from_name(j.type, &type) || j.family.value > 1)
		FAIL(e, MALFORMED, "a socket for no challenge");
	int *slot = &s->sockets[type][j.family.value];
	close_p(slot);
	*slot = *fd;
	*fd = -1;
	return ERR_OK;
}
