#include "agent/net/acme.h"

#include <errno.h>

struct account_json {
	struct bytes ca, verb, next;
};
static const struct json_field account_fields[] = {
	JSON_FIELD(struct account_json, ca, "ca", JSON_OBJECT, true, 0),
	JSON_FIELD(struct account_json, verb, "verb", JSON_STRING, true, 32),
	JSON_FIELD(struct account_json, next, "next", JSON_STRING, false, 4096),
};

static enum chancery_result do_verb(const struct acme *m, struct bytes verb, struct chancery_key *next)
{
	if (bytes_eq_str(verb, "update"))
		return chancery_client_update_account(m->client);
	if (bytes_eq_str(verb, "rollover"))
		return chancery_client_change_account_key(m->client, next);
	if (bytes_eq_str(verb, "deactivate"))
		return chancery_client_deactivate_account(m->client);
	return CHANCERY_OK; /* "open", "recover" */
}

/* "open" makes an account where there is none; all else is about one that is there. */
static enum chancery_result prepare(const struct acme *m, struct bytes verb)
{
	return chancery_client_set_only_existing(m->client, !bytes_eq_str(verb, "open"));
}

static enum err_code run(struct acme *m, const struct account_json *j, struct remote_key *next, struct json_out *answer, struct err *e)
{
	const char *url = "";

	TRY(acme_key(m->child, m->arena, "next-account", j->next, next, e));
	enum chancery_result rc = prepare(m, j->verb);
	if (rc == CHANCERY_OK)
		rc = chancery_client_open_account(m->client, &url);
	const char *kept = arena_str(m->arena, bytes_str(url));
	errno = 0;
	if (!kept)
		FAIL(e, NOMEM, "no memory for an account");
	if (rc == CHANCERY_OK)
		rc = do_verb(m, j->verb, next->key);
	if (rc != CHANCERY_OK)
		acme_put_error(m, NULL, answer);
	else
		json_put_member_str(answer, "url", kept);
	return ERR_OK;
}

enum err_code op_account(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(acme_close) struct acme m = { .client = NULL };
	struct account_json j = { .ca = BYTES_NONE };
	struct remote_key next = { .key = NULL };

	(void)fd;
	TRY(json_read(a, json, "an account's request", account_fields, 3, &j, e));
	TRY(acme_open(c, a, j.ca, &m, e));
	enum err_code rc = run(&m, &j, &next, answer, e);
	chancery_key_free(next.key);
	return rc;
}
