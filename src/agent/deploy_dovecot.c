#include "agent/deploy_target.h"

#include <string.h>

static bool says(struct bytes text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.len; i++)
		if (memcmp(text.ptr + i, word, n) == 0)
			return true;
	return false;
}

/* "ssl_cert = </path" of 2.3, "ssl_server_cert_file = /path" of 2.4; every one, as local_name { } may have its own. */
static bool names_ours(struct deploy_run *r, struct bytes line)
{
	struct bytes name, value;

	if (!bytes_split(line, '=', &name, &value) || (!says(name, "ssl_cert") && !says(name, "ssl_server_cert_file")))
		return false;
	while (value.len && strchr(" \t<", value.ptr[0]))
		value = bytes_slice(value, 1, value.len);
	while (value.len && strchr(" \t\r", value.ptr[value.len - 1]))
		value.len--;
	const char *path = arena_str(r->arena, value);
	return path && deploy_is_ours(r, path);
}

static enum deploy_use uses(struct deploy_run *r)
{
	struct bytes text, line, protocols = BYTES_LIT("");
	bool found = false;

	if (deploy_run_output(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("doveconf", "-n")), &text, NULL) != ERR_OK)
		return DEPLOY_UNKNOWN;
	bool whole = text.len < RUN_OUTPUT_MAX;
	while (bytes_split(text, '\n', &line, &text))
		found = names_ours(r, line) || found;
	if (!found)
		return whole ? DEPLOY_USES_NOT : DEPLOY_UNKNOWN;
	if (deploy_run_output(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("doveconf", "-h", "protocols")), &protocols, NULL) !=
	    ERR_OK)
		return DEPLOY_USES;
	/* At a port of their own, as everywhere since RFC 8314; who listens elsewhere says so (deploy-endpoint). */
	if (says(protocols, "imap"))
		deploy_place_add(r, "", 993, ENDPOINT_TLS, deploy_first_name(r->job));
	if (says(protocols, "pop3"))
		deploy_place_add(r, "", 995, ENDPOINT_TLS, deploy_first_name(r->job));
	return DEPLOY_USES;
}

static enum err_code test(struct deploy_run *r, struct err *e)
{
	return deploy_run_words(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("doveconf", "-n")), e);
}

static enum err_code reload(struct deploy_run *r, struct err *e)
{
	enum err_code rc;

	if (deploy_reload_unit(r, DEPLOY_WORDS("dovecot"), &rc, e))
		return rc;
	return deploy_run_words(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("doveadm", "reload")), e);
}

const struct deploy_target deploy_dovecot = {
	.name = "dovecot",
	.lines = "ssl_cert = <@/live/fullchain.pem\nssl_key = <@/live/privkey.pem\n",
	.uses = uses,
	.test = test,
	.reload = reload,
};
