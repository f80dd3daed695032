/* Orders that outlive a run: which one is made is kept beside its key, in the draft, so that a run which was stopped is gone on with. */
#include "agent/flow_impl.h"

#include "base/json.h"

#include <errno.h>
#include <string.h>

struct order_json {
	struct json_strings names;
	struct bytes server, order;
};
static const struct json_field order_fields[] = {
	JSON_FIELD(struct order_json, names, "names", JSON_STRINGS, true, WISH_NAMES_MAX),
	JSON_FIELD(struct order_json, server, "server", JSON_STRING, true, 2048),
	JSON_FIELD(struct order_json, order, "order", JSON_STRING, true, 2048),
};

/* Several orders at once, another's key, or a key with a plan of its own: those begin anew. */
static bool can_resume(const struct flow *f)
{
	return f->wish->n_keys == 1 && !f->wish->csr && !given_flag(f->wish->given, "reuse-key") && !given_flag(f->wish->given, "next-key");
}

enum err_code flow_keep_order(void *context, const char *url, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	struct json_out j = json_out_to(&text);
	const struct flow *f = context;

	errno = 0;
	if (!can_resume(f))
		return ERR_OK;
	json_put_object(&j);
	json_put_member_strs(&j, "names", f->wish->names, f->wish->n_names);
	json_put_member_str(&j, "server", f->ca.directory);
	json_put_member_str(&j, "order", url);
	json_end_object(&j);
	if (!buf_ok(&text))
		FAIL(e, NOMEM, "no memory for the order");
	/* A disk that cannot even take this will not take the certificate. */
	return storage_put_file(f->storage, f->draft, STORAGE_ORDER, 0600, buf_bytes(&text), e);
}

static bool same_names(const struct wish *w, const struct json_strings *names)
{
	if (names->n != w->n_names)
		return false;
	for (size_t i = 0; i < names->n; i++)
		if (!bytes_eq_str(names->v[i], w->names[i]))
			return false;
	return true;
}

bool flow_resume(struct flow *f)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	struct order_json j = { .server = BYTES_NONE };
	char id[STORAGE_ID_SIZE];

	if (!can_resume(f) || f->how->rehearsal || storage_find_draft(f->storage, id, NULL) != ERR_OK ||
	    storage_read_file(f->storage, id, STORAGE_ORDER, &text, NULL) != ERR_OK)
		return false;
	struct bytes kept = arena_copy(f->wish->arena, buf_bytes(&text));
	if (!kept.ptr || json_read(f->wish->arena, kept, STORAGE_ORDER, order_fields, 3, &j, NULL) != ERR_OK ||
	    !bytes_eq_str(j.server, f->ca.directory) || !same_names(f->wish, &j.names))
		return false;
	f->resume = arena_str(f->wish->arena, j.order);
	if (f->resume)
		memcpy(f->draft, id, sizeof id);
	return f->resume != NULL;
}
