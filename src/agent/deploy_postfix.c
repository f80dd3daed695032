#include "agent/deploy_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

/* Words of a line, separated by blanks, commas too. */
static size_t split(struct deploy_run *r, struct bytes line, const char *words[WORDS_MAX])
{
	size_t n = 0, at = 0;

	while (at < line.len && n < WORDS_MAX) {
		size_t begin = at;
		while (at < line.len && !strchr(" \t\r,", line.ptr[at]))
			at++;
		const char *word = at > begin ? arena_str(r->arena, bytes_slice(line, begin, at)) : NULL;
		if (word)
			words[n++] = word;
		at += at == begin || at < line.len;
	}
	return n;
}

static uint16_t port_of(const char *service)
{
	static const struct {
		const char *name;
		uint16_t port;
	} known[] = { { "smtp", 25 }, { "submission", 587 }, { "smtps", 465 }, { "submissions", 465 } };
	const char *colon = strrchr(service, ':'), *text = colon ? colon + 1 : service;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(text, known[i].name) == 0)
			return known[i].port;
	unsigned long n = strtoul(text, NULL, 10);
	return n <= 65535 ? (uint16_t)n : 0;
}

/* "smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes" */
static void take_service(struct deploy_run *r, struct bytes line)
{
	const char *words[WORDS_MAX], *colon;
	size_t n = split(r, line, words);
	bool wrapped = false;

	if (n < 8 || strcmp(words[1], "inet") != 0 || (strcmp(words[7], "smtpd") != 0 && strcmp(words[7], "postscreen") != 0))
		return;
	for (size_t i = 8; i < n; i++)
		wrapped = wrapped || strcmp(words[i], "smtpd_tls_wrappermode=yes") == 0;
	uint16_t port = port_of(words[0]);
	colon = strrchr(words[0], ':');
	struct bytes host = { (const uint8_t *)words[0], colon ? (size_t)(colon - words[0]) : 0 };
	if (host.len > 2 && host.ptr[0] == '[')
		host = bytes_slice(host, 1, host.len - 1);
	const char *address = arena_str(r->arena, host);
	if (port && address)
		deploy_place_add(r, address, port, wrapped ? ENDPOINT_TLS : ENDPOINT_SMTP, deploy_first_name(r->job));
}

static enum deploy_use uses(struct deploy_run *r)
{
	struct bytes text, line;
	const char *words[WORDS_MAX];
	bool found = false;

	if (deploy_run_output(r->job,
		deploy_words_config(
		    r, "-c", DEPLOY_WORDS("postconf", "-x", "-h", "smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file")),
		&text, NULL) != ERR_OK)
		return DEPLOY_UNKNOWN;
	while (bytes_split(text, '\n', &line, &text)) {
		size_t n = split(r, line, words);
		for (size_t i = 0; i < n; i++)
			found = found || deploy_is_ours(r, words[i]);
	}
	if (!found)
		return DEPLOY_USES_NOT;
	if (deploy_run_output(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("postconf", "-M")), &text, NULL) == ERR_OK)
		while (bytes_split(text, '\n', &line, &text))
			take_service(r, line);
	return DEPLOY_USES;
}

static enum err_code test(struct deploy_run *r, struct err *e)
{
	return deploy_run_words(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("postfix", "check")), e);
}

static enum err_code reload(struct deploy_run *r, struct err *e)
{
	enum err_code rc;

	if (deploy_reload_unit(r, DEPLOY_WORDS("postfix", "postfix@-"), &rc, e))
		return rc;
	return deploy_run_words(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("postfix", "reload")), e);
}

const struct deploy_target deploy_postfix = {
	.name = "postfix",
	.lines = "smtpd_tls_chain_files = @/live/privkey.pem, @/live/fullchain.pem\nsmtpd_tls_security_level = may\n",
	.uses = uses,
	.test = test,
	.reload = reload,
};
