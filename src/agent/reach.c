#include "agent/reach.h"

#include "agent/issue_call.h"
#include "agent/key_file.h"
#include "agent/snippet.h"
#include "base/codec.h"
#include "client/webroot.h"
#include "crypto/digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REACH_MS 120000

/* A challenge of our own. */
struct trial {
	struct crew *crew;
	const struct wish *wish;
	char token[BASE64URL_LEN(16) + 1], text[BASE64URL_LEN(16) + CHANCERY_THUMBPRINT_SIZE + 2], digest[BASE64URL_LEN(SHA256_SIZE) + 1];
	struct chancery_challenge c;
};

static enum err_code ask(const struct trial *t, bool own, const char **ret, struct err *e)
{
	static const struct json_field fields[] = { { "addresses", JSON_STRINGS, true, 0, 64 } };
	CLEANUP(buf_free_p) struct buf json = buf_new(16384), text = buf_new(4096);
	struct json_out j = json_out_to(&json);
	struct json_strings addresses = { false, NULL, 0 };
	struct arena *a = t->wish->arena;
	struct bytes answer;

	json_put_object(&j);
	json_put_member_str(&j, "type", t->c.type);
	json_put_member_str(&j, "name", t->c.name);
	json_put_member_str(&j, "token", t->c.token);
	json_put_member_str(&j, "text", t->c.key_authorization);
	json_put_member_uint(&j, "port", strcmp(t->c.type, "http-01") == 0 ? t->wish->http_port : t->wish->tls_port);
	json_put_member_bool(&j, "own", own);
	issue_put_resolvers(t->wish, &j);
	json_end_object(&j);
	TRY(crew_net_call(
	    t->crew, a, &(struct peer_call){ .name = "reach", .json = buf_bytes(&json), .fd = -1, .timeout_ms = REACH_MS }, &answer, e));
	TRY(json_read(a, answer, "addresses", fields, 1, &addresses, e));
	for (size_t i = 0; i < addresses.n; i++)
		buf_add_fmt(&text, "%s%.*s", i ? ", " : "", BYTES_FMT(addresses.v[i]));
	*ret = arena_str(a, buf_bytes(&text));
	errno = 0;
	if (!*ret)
		FAIL(e, NOMEM, "no memory");
	return ERR_OK;
}

/* --- what answers --- */

static enum err_code by_hook(const struct trial *t, const char **ret, struct err *e)
{
	CLEANUP(hook_free_p) struct hook *hook = NULL;

	TRY(hook_new(&t->wish->hook, t->crew, &hook, e));
	int code = hook_deploy(hook, &t->c);
	errno = 0;
	if (code != 0)
		FAIL(e, CONFIG, "%s", code > 0 ? "the hook declines" : hook_failure(hook));
	enum err_code rc = ask(t, false, ret, e);
	hook_clean_up(hook, &t->c);
	return rc;
}

/* Folders that the answer needs below a web root, the inner one first. */
struct below {
	const char *path[2];
	bool was_there[2];
};

static void look_below(const struct trial *t, const char *folder, struct below *ret)
{
	static const char *const names[] = { ".well-known/acme-challenge", ".well-known" };

	for (size_t i = 0; i < 2; i++) {
		ret->path[i] = (const char *)arena_fmt(t->wish->arena, "%s/%s", folder, names[i]).ptr;
		ret->was_there[i] = !ret->path[i] || access(ret->path[i], F_OK) == 0;
	}
}

static void clean_below(const struct below *b)
{
	for (size_t i = 0; i < 2; i++)
		if (!b->was_there[i])
			(void)rmdir(b->path[i]);
}

static enum err_code by_webroot(const struct trial *t, const char *folder, const char **ret, struct err *e)
{
	CLEANUP(webroot_free_p) struct webroot *root = NULL;
	struct below below;

	look_below(t, folder, &below);
	TRY(webroot_new(folder, &root, e));
	errno = 0;
	if (webroot_deploy(root, &t->c) != 0)
		FAIL(e, CONFIG, "%s", webroot_tell(root));
	enum err_code rc = ask(t, false, ret, e);
	webroot_clean_up(root, &t->c);
	clean_below(&below);
	return rc;
}

/* --- the challenge --- */

static void name_challenge(struct trial *t, const char *thumbprint)
{
	uint8_t digest[SHA256_SIZE];

	(void)snprintf(t->text, sizeof t->text, "%s.%s", t->token, thumbprint);
	sha256_one(bytes_str(t->text), digest);
	base64url_encode(BYTES_ARRAY(digest), t->digest);
	t->c.key_authorization = t->text;
	t->c.digest = t->digest;
}

static enum err_code account_thumbprint(const struct trial *t, char ret[CHANCERY_THUMBPRINT_SIZE], struct err *e)
{
	struct bytes spki;

	TRY(key_file_account(t->crew, t->wish->arena, t->wish->cas[0].account_key, 0, &spki, e));
	return snippet_thumbprint(spki, ret, e);
}

static void make_challenge(struct trial *t)
{
	char other[BASE64URL_LEN(32) + 1];
	uint8_t random[48];

	random_bytes(random, sizeof random);
	base64url_encode((struct bytes){ random, 16 }, t->token);
	base64url_encode((struct bytes){ random + 16, 32 }, other);
	t->c.token = t->token;
	name_challenge(t, other);
}

enum err_code reach_try(
    struct crew *crew, const struct wish *w, const char *type, const char *name, const char **ret_addresses, struct err *e)
{
	struct trial t = { .crew = crew, .wish = w, .c = { .type = type, .name = name } };
	const char *folder = given_value(w->given, "webroot", NULL);
	char thumbprint[CHANCERY_THUMBPRINT_SIZE];

	make_challenge(&t);
	if (wish_is_hooked(w, type))
		return by_hook(&t, ret_addresses, e);
	if (strcmp(type, "http-01") == 0 && given_flag(w->given, "stateless")) {
		TRY(account_thumbprint(&t, thumbprint, e));
		name_challenge(&t, thumbprint);
		return ask(&t, false, ret_addresses, e);
	}
	if (strcmp(type, "http-01") == 0 && folder)
		return by_webroot(&t, folder, ret_addresses, e);
	TRY(issue_hand_sockets(crew, w->arena, w, type, e));
	return ask(&t, true, ret_addresses, e);
}
