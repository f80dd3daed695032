#include "agent/deploy_target.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8

static const struct bytes nothing = { (const uint8_t *)"", 0 };

/* --- what doveconf prints: "name = value", and "name {" until "}" --- */

static struct bytes trim(struct bytes text)
{
	while (text.len && strchr(" \t", text.ptr[0]))
		text = bytes_slice(text, 1, text.len);
	while (text.len && strchr(" \t\r", text.ptr[text.len - 1]))
		text.len--;
	return text;
}

/* One listener of a login service, as it is without settings of its own. */
struct listener {
	const char *protocol, *name;
	uint16_t port;
	enum endpoint_start start;
	const char *address; /* NULL: as for all */
};

struct dovecot {
	struct deploy_run *run;
	struct listener listeners[4];
	struct bytes blocks[DEPTH_MAX];
	size_t depth;
	const char *listen; /* of all listeners; the first */
	struct bytes protocols;
	bool uses;
};

static bool has_word(struct bytes text, const char *word)
{
	static const char between[] = " \t\r\n\"";
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.len; i++)
		if (memcmp(text.ptr + i, word, n) == 0 && (i == 0 || strchr(between, text.ptr[i - 1])) &&
		    (i + n == text.len || strchr(between, text.ptr[i + n])))
			return true;
	return false;
}

/* "*, ::" is all; else the first. */
static const char *first_address(const struct dovecot *d, struct bytes value)
{
	size_t n = 0;

	while (n < value.len && !strchr(", ", value.ptr[n]))
		n++;
	const char *text = arena_str(d->run->arena, bytes_slice(value, 0, n));
	return !text || strcmp(text, "*") == 0 ? "" : text;
}

static void take_listener(struct dovecot *d, struct bytes block, struct bytes name, struct bytes value)
{
	struct bytes kind, which;

	if (!bytes_split(block, ' ', &kind, &which) || !bytes_eq_str(kind, "inet_listener"))
		return;
	for (size_t i = 0; i < sizeof d->listeners / sizeof *d->listeners; i++) {
		struct listener *l = &d->listeners[i];
		const char *text = bytes_eq_str(trim(which), l->name) ? arena_str(d->run->arena, value) : NULL;
		if (text && bytes_eq_str(name, "port"))
			l->port = (uint16_t)strtoul(text, NULL, 10);
		if (text && bytes_eq_str(name, "address"))
			l->address = first_address(d, value);
		if (text && bytes_eq_str(name, "ssl"))
			l->start = strcmp(text, "yes") == 0 ? ENDPOINT_TLS : l->start;
	}
}

static void take_setting(struct dovecot *d, struct bytes name, struct bytes value)
{
	/* "ssl_cert = </path" of 2.3, "ssl_server_cert_file = /path" of 2.4; local_name { } may have its own. */
	if (bytes_eq_str(name, "ssl_cert") || bytes_eq_str(name, "ssl_alt_cert") || bytes_eq_str(name, "ssl_server_cert_file")) {
		const char *path = arena_str(d->run->arena, trim(bytes_slice(value, value.len && value.ptr[0] == '<', value.len)));
		d->uses = d->uses || (path && deploy_is_ours(d->run, path));
	}
	if (d->depth == 0 && bytes_eq_str(name, "listen"))
		d->listen = first_address(d, value);
	if (d->depth > 0 && d->depth <= DEPTH_MAX)
		take_listener(d, d->blocks[d->depth - 1], name, value);
}

static void take_line(struct dovecot *d, struct bytes line)
{
	struct bytes name, value;

	line = trim(line);
	if (bytes_eq_str(line, "}")) {
		d->depth -= d->depth > 0;
	} else if (bytes_ends_with(line, BYTES_LIT("{"))) {
		if (d->depth < DEPTH_MAX)
			d->blocks[d->depth] = trim(bytes_slice(line, 0, line.len - 1));
		d->depth++;
	} else if (bytes_split(line, '=', &name, &value)) {
		take_setting(d, trim(name), trim(value));
	}
}

/* --- the target --- */

static enum deploy_use uses(struct deploy_run *r)
{
	struct dovecot d = { .run = r,
		.listeners = { { "imap", "imap", 143, ENDPOINT_IMAP, NULL }, { "imap", "imaps", 993, ENDPOINT_TLS, NULL },
		    { "pop3", "pop3", 110, ENDPOINT_POP3, NULL }, { "pop3", "pop3s", 995, ENDPOINT_TLS, NULL } },
		.listen = "",
		.protocols = nothing };
	struct bytes text, line;

	if (deploy_run_output(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("doveconf", "-n")), &text, NULL) != ERR_OK)
		return DEPLOY_UNKNOWN;
	bool whole = text.len < RUN_OUTPUT_MAX;
	while (bytes_split(text, '\n', &line, &text))
		take_line(&d, line);
	if (!d.uses)
		return whole ? DEPLOY_USES_NOT : DEPLOY_UNKNOWN;
	/* -n leaves out what is as it always is. */
	if (deploy_run_output(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("doveconf", "-h", "protocols")), &d.protocols, NULL) !=
	    ERR_OK)
		d.protocols = nothing;
	for (size_t i = 0; i < sizeof d.listeners / sizeof *d.listeners; i++) {
		const struct listener *l = &d.listeners[i];
		if (l->port && has_word(d.protocols, l->protocol))
			deploy_place_add(r, l->address ? l->address : d.listen, l->port, l->start, deploy_first_name(r->job));
	}
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
