#include "agent/reach.h"

#include "agent/issue_call.h"
#include "base/codec.h"
#include "client/webroot.h"

#include <errno.h>
#include <string.h>

#define REACH_MS 60000

static bool is_tried(const struct wish *w, const char *name)
{
	const char *type = given_nth(w->given, "challenge", 0);

	return strncmp(name, "*.", 2) != 0 && (!type || strcmp(type, "http-01") == 0) && !w->hook.program && !w->dns_server &&
	       !given_flag(w->given, "stateless");
}

static enum err_code ask(struct crew *crew, struct arena *a, const struct wish *w, const char *name, const struct chancery_challenge *c,
    bool own, const char **ret, struct err *e)
{
	static const struct json_field fields[] = { { "addresses", JSON_STRINGS, true, 0, 64 } };
	CLEANUP(buf_free_p) struct buf json = buf_new(4096), text = buf_new(4096);
	struct json_out j = json_out_to(&json);
	struct json_strings addresses = { false, NULL, 0 };
	struct bytes answer;

	json_put_object(&j);
	json_put_member_str(&j, "name", name);
	json_put_member_str(&j, "token", c->token);
	json_put_member_str(&j, "text", c->key_authorization);
	json_put_member_uint(&j, "port", w->http_port);
	json_put_member_bool(&j, "own", own);
	json_end_object(&j);
	TRY(crew_net_call(
	    crew, a, &(struct peer_call){ .name = "reach", .json = buf_bytes(&json), .fd = -1, .timeout_ms = REACH_MS }, &answer, e));
	TRY(json_read(a, answer, "addresses", fields, 1, &addresses, e));
	for (size_t i = 0; i < addresses.n; i++)
		buf_add_fmt(&text, "%s%.*s", i ? ", " : "", BYTES_FMT(addresses.v[i]));
	*ret = arena_str(a, buf_bytes(&text));
	errno = 0;
	if (!*ret)
		FAIL(e, NOMEM, "no memory");
	return ERR_OK;
}

enum err_code reach_try(
    struct crew *crew, struct arena *a, const struct wish *w, const char *name, const char **ret_addresses, struct err *e)
{
	CLEANUP(webroot_free_p) struct webroot *root = NULL;
	const char *folder = given_value(w->given, "webroot", NULL);
	char token[BASE64URL_LEN(16) + 1], text[2 * sizeof token + 8];
	uint8_t random[16];

	errno = 0;
	if (!is_tried(w, name))
		FAIL(e, NOT_FOUND, "nothing is tried for %.100s", name);
	random_bytes(random, sizeof random);
	base64url_encode(BYTES_ARRAY(random), token);
	(void)snprintf(text, sizeof text, "%s.test", token);
	const struct chancery_challenge c = { .type = "http-01", .name = name, .token = token, .key_authorization = text };
	if (!folder) {
		TRY(issue_hand_sockets(crew, a, w, "http-01", e));
		return ask(crew, a, w, name, &c, true, ret_addresses, e);
	}
	TRY(webroot_new(folder, &root, e));
	if (webroot_deploy(root, &c) != 0)
		FAIL(e, CONFIG, "%s", webroot_tell(root));
	enum err_code rc = ask(crew, a, w, name, &c, false, ret_addresses, e);
	webroot_clean_up(root, &c);
	return rc;
}
