/* The fourth step: how control of the names is shown, and whether it would work. */
#include "cli/setup.h"

#include "agent/httpreq.h"
#include "agent/key_file.h"
#include "agent/snippet.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum way { WAY_LISTENER, WAY_WEBROOT, WAY_STATELESS, WAY_TLS, WAY_UPDATE, WAY_HOOK, WAY_SERVICE, WAYS };

const char *setup_hosted_root(const struct setup *s)
{
	for (size_t i = 0; i < s->n_hosted; i++)
		if (s->hosted[i].root && s->n_names && strcmp(s->hosted[i].name, s->names[0]) == 0)
			return s->hosted[i].root;
	return NULL;
}

/* --- files --- */

struct file_question {
	struct terminal_question q;
	const char *option;
	int mode;    /* of access(2) */
	bool folder; /* it has to be one; else none */
	bool secret; /* nobody else may read it */
};

/* NULL, or what is wrong with it. */
static const char *wrong(const struct file_question *q, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return strerror(errno);
	if (q->folder != (S_ISDIR(st.st_mode) != 0))
		return q->folder ? "this is no folder" : "this is a folder";
	if (q->secret && (st.st_mode & 077) != 0)
		return "others can read it: chmod 600";
	return access(path, q->mode) == 0 ? NULL : strerror(errno);
}

static enum err_code ask_file(struct setup *s, const struct file_question *q, struct err *e)
{
	const char *path, *why;

	for (;;) {
		TRY(terminal_ask(s->arena, &q->q, &path, e));
		if (strcmp(path, "-") == 0 && q->q.fallback && strcmp(q->q.fallback, "-") == 0)
			return setup_set(s, q->option, NULL, e);
		why = wrong(q, path);
		if (!why)
			return setup_set(s, q->option, path, e);
		terminal_bad("%s: %s.", path, why);
	}
}

/* --- a web server that answers by itself --- */

/* The account's key is needed for what the web server answers. Made here, it is taken away again when no order is made. */
static enum err_code need_account(struct setup *s, struct ca_wish *ca, struct err *e)
{
	const struct keys_wish key = { .slot = "account", .use = KEYS_ACCOUNT, .type = KEY_EC_P256 };
	const char *accounts = ca_wish_account_folder(s->config.folder, s->arena);
	bool made = setup_is_new_account(ca);

	if (made && !s->new_key_folders && accounts)
		s->new_key_folders = access(s->config.folder, F_OK) != 0 ? s->config.folder : access(accounts, F_OK) != 0 ? accounts : NULL;
	TRY(ca_wish_make_account_folder(ca, s->config.folder, s->arena, e));
	TRY(key_file_need(&s->crew, s->arena, ca->account_key, &key, &ca->account, e));
	if (made)
		s->new_key = ca->account_key;
	return ERR_OK;
}

static enum err_code ask_stateless(struct setup *s, struct err *e)
{
	static const struct terminal_choice servers[] = { { "nginx", "", NULL }, { "apache", "", NULL }, { "haproxy", "", NULL } };
	const struct terminal_question which = {
		.text = "Which web server?",
		.help =
		    "The one that answers at port 80 of the names. Each needs other lines in its configuration; what they say is the same."
	};
	const struct terminal_question done = { .text = "Press Enter when the web server has read them:",
		.fallback = "Enter",
		.help =
		    "Put the lines where the comment says, test the configuration (nginx -t, apachectl configtest, haproxy -c -f FILE), and reload the "
		    "server. They stay there: the account's key alone makes the answers good, and the lines have only its fingerprint." };
	char thumbprint[CHANCERY_THUMBPRINT_SIZE];
	const char *text, *line;
	struct ca_wish ca;
	size_t at;

	TRY(setup_set(s, "stateless", "", e));
	TRY(setup_ca_wish(s, given_value(&s->given, "server", given_nth(&s->given, "ca", 0)), &ca, e));
	TRY(terminal_choose(
	    s->arena, &which, servers, 3, s->n_hosted && s->hosted[0].server < 3 ? (size_t)s->hosted[0].server : 0, &at, e));
	TRY(need_account(s, &ca, e));
	TRY(snippet_thumbprint(ca.account, thumbprint, e));
	TRY(snippet_of(s->arena, servers[at].name, thumbprint, &text, e));
	terminal_say("These lines let %s answer by itself:", servers[at].name);
	terminal_lines(text);
	return terminal_ask(s->arena, &done, &line, e);
}

/* --- the DNS --- */

static enum err_code ask_update(struct setup *s, struct err *e)
{
	const struct terminal_question server = { .text = "The zone's primary name server (HOST or HOST:PORT):",
		.fallback = given_value(&s->cli->given, "dns-update", "auto"),
		.help =
		    "The name server where the zone is changed, like ns1.example.org or 192.0.2.53:53; \"auto\" is the one that the zone's SOA record names. It has to allow updates (RFC 2136) of TXT records "
		    "at _acme-challenge: of BIND update-policy, of Knot an acl with action update." };
	const struct file_question key = {
		.q = { .text = "File with its TSIG key (\"-\": it takes updates from this address):",
		    .fallback = "-",
		    .help = "The file that tsig-keygen writes, with the key that the name server knows too, readable by its owner alone." },
		.option = "tsig-key",
		.mode = R_OK,
		.secret = true
	};
	const char *value;

	TRY(terminal_ask(s->arena, &server, &value, e));
	TRY(setup_set(s, "dns-update", value, e));
	return ask_file(s, &key, e);
}

/* Of root alone: others run it as who they are. */
static enum err_code ask_hook_user(struct setup *s, struct err *e)
{
	const struct terminal_question q = { .text = "As which user is it run (\"-\": one without any rights)?",
		.fallback = given_value(&s->given, "hook-user", "-"),
		.help =
		    "A hook runs apart from chancery, which is root now: as chancery-hook where there is such a user, else as one that can do nothing but "
		    "run it. It has to be able to read the hook and its key for the DNS. \"root\" is possible." };
	const char *user;

	for (;;) {
		TRY(terminal_ask(s->arena, &q, &user, e));
		if (strcmp(user, "-") == 0)
			return setup_set(s, "hook-user", NULL, e);
		if (user[strspn(user, "0123456789")] == 0 || getpwnam(user))
			return setup_set(s, "hook-user", user, e);
		terminal_bad("There is no user \"%.60s\".", user);
	}
}

static enum err_code ask_hook(struct setup *s, struct err *e)
{
	const struct file_question program = {
		.q = { .text = "The program:",
		    .help = "The path of a program that sets a TXT record and removes it, as it was written for another ACME client." },
		.option = "hook",
		.mode = X_OK
	};
	const char *names = hook_dialect_names(s->arena, false, ", ");
	const struct terminal_question dialect = { .text = "Written for which client?",
		.fallback = "certbot",
		.help = (const char *)arena_fmt(s->arena,
		    "How the program is asked, by which words and variables; chancery(1) has the list. There are %s. A script of acme.sh's dnsapi is of acme.sh.",
		    names)
			    .ptr };
	const char *value;
	enum hook_dialect d;

	TRY(ask_file(s, &program, e));
	for (;;) {
		TRY(terminal_ask(s->arena, &dialect, &value, e));
		if (!hook_dialect_from_name(value, &d) || hook_dialect_is_url(d))
			terminal_bad("\"%.40s\" is no client whose programs are known: %s.", value, names);
		else
			break;
	}
	TRY(setup_set(s, "hook-dialect", value, e));
	return geteuid() == 0 ? ask_hook_user(s, e) : ERR_OK;
}

static enum err_code ask_service(struct setup *s, struct err *e)
{
	const struct terminal_question url = {
		.text = "The service's URL:",
		.help =
		    "A service that speaks lego's httpreq: chancery POSTs {\"fqdn\", \"value\"} to URL/present and URL/cleanup. http or https, and no password in it."
	};
	const struct file_question login = {
		.q = { .text = "File with its user and password (\"-\" for none):",
		    .fallback = "-",
		    .help = "Two lines, HTTPREQ_USERNAME=... and HTTPREQ_PASSWORD=..., in a file that only its owner can read." },
		.option = "hook-login",
		.mode = R_OK,
		.secret = true
	};
	struct err why = { 0 };
	const char *value;

	for (;;) {
		TRY(terminal_ask(s->arena, &url, &value, e));
		if (httpreq_check(value, &why) == ERR_OK)
			break;
		terminal_bad("%s.", why.detail);
	}
	TRY(setup_set(s, "hook", value, e));
	TRY(setup_set(s, "hook-dialect", "httpreq", e));
	return ask_file(s, &login, e);
}

/* --- the ways --- */

static enum err_code ask_way(struct setup *s, enum way way, struct err *e)
{
	static const char *const types[] = { "http-01", "http-01", "http-01", "tls-alpn-01", "dns-01", "dns-01", "dns-01" };
	const struct file_question root = {
		.q = { .text = "The folder that the web server shows:",
		    .fallback = setup_hosted_root(s),
		    .help = "Its document root: a file in FOLDER/.well-known/acme-challenge/ has to be seen at "
			    "http://NAME/.well-known/acme-challenge/. The test behind this question looks whether it is." },
		.option = "webroot",
		.mode = W_OK,
		.folder = true
	};

	TRY(setup_set(s, "challenge", types[way], e));
	switch (way) {
	case WAY_WEBROOT:
		return ask_file(s, &root, e);
	case WAY_STATELESS:
		return ask_stateless(s, e);
	case WAY_UPDATE:
		return ask_update(s, e);
	case WAY_HOOK:
		return ask_hook(s, e);
	case WAY_SERVICE:
		return ask_service(s, e);
	case WAY_LISTENER:
	case WAY_TLS:
	case WAYS:
		break;
	}
	return ERR_OK;
}

#define OF(way) (1u << (way))
/* What an earlier answer set, or the command line, and this way does not need: kept is for which ways it stays. */
static enum err_code forget_ways(struct setup *s, enum way way, struct err *e)
{
	static const struct {
		const char *option;
		unsigned kept;
	} options[] = { { "webroot", 0 }, { "stateless", 0 }, { "dns-update", 0 }, { "tsig-key", 0 }, { "hook", 0 }, { "hook-dialect", 0 },
		{ "hook-login", 0 }, { "hook-clean-up", OF(WAY_HOOK) }, { "hook-user", OF(WAY_HOOK) },
		{ "hook-timeout", OF(WAY_HOOK) | OF(WAY_SERVICE) }, { "hook-ca-file", OF(WAY_SERVICE) }, { "http-port", OF(WAY_LISTENER) },
		{ "http-address", OF(WAY_LISTENER) }, { "tls-port", OF(WAY_TLS) }, { "tls-address", OF(WAY_TLS) } };

	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if ((options[i].kept & OF(way)) == 0)
			TRY(setup_set(s, options[i].option, NULL, e));
	return ERR_OK;
}

/* What the command line says of a way that was left comes back with it. */
static enum err_code remember(struct setup *s, enum way way, struct err *e)
{
	static const char *const options[][2] = { { "http-port", "http-address" }, { "tls-port", "tls-address" } };
	const char *value;

	for (size_t i = 0; i < 2 && (way == WAY_LISTENER || way == WAY_TLS); i++)
		if ((value = given_value(&s->cli->given, options[way == WAY_TLS][i], NULL)) != NULL)
			TRY(setup_set(s, options[way == WAY_TLS][i], value, e));
	return ERR_OK;
}

static enum err_code choose_way(struct setup *s, struct err *e)
{
	const char *wild = s->wildcard ? "a wildcard needs DNS" : NULL, *address = s->ip ? "an address needs HTTP or TLS" : NULL;
	const char *one =
	    !wild && given_nth(&s->given, "ca", 1) ? "a web server answers for the account of one CA, and here are two" : wild;
	const struct terminal_choice ways[WAYS] = {
		[WAY_LISTENER] = { "http", "chancery answers by itself at port 80 while it works", wild },
		[WAY_WEBROOT] = { "webroot", "the web server at port 80 shows files from a folder", wild },
		[WAY_STATELESS] = { "stateless", "the web server at port 80 answers by some lines in its configuration", one },
		[WAY_TLS] = { "tls", "chancery answers by itself at port 443 while it works", wild },
		[WAY_UPDATE] = { "dns-update", "a name server of your own takes updates (RFC 2136)", address },
		[WAY_HOOK] = { "hook", "a program of yours sets a DNS record, written for any of ten clients", address },
		[WAY_SERVICE] = { "httpreq", "a service at a URL sets a DNS record, as lego asks one", address },
	};
	const struct terminal_question q = { .text = "Number or name:",
		.help =
		    "The CA looks whether the names are yours: at port 80 or 443 of every name, or for a TXT record in their zone. Ports have to be open to the "
		    "whole Internet; with the DNS nothing has to be reached, and it is the only way for wildcards. Whatever you take is tried before "
		    "anything is ordered." };
	size_t at;

	TRY(terminal_choose(s->arena, &q, ways, WAYS,
	    s->wildcard            ? WAY_UPDATE
	    : setup_hosted_root(s) ? WAY_WEBROOT
				   : WAY_LISTENER,
	    &at, e));
	TRY(forget_ways(s, (enum way)at, e));
	TRY(remember(s, (enum way)at, e));
	return ask_way(s, (enum way)at, e);
}

enum err_code setup_control(struct setup *s, struct err *e)
{
	static const struct terminal_choice next[] = { { "again", "try once more", NULL },
		{ "change", "another way to show control", NULL }, { "go-on", "all the same: the order would probably fail", NULL } };
	const struct terminal_question q = {
		.text = "Number or name:",
		.help =
		    "What is marked by ! would make the order fail, and failures count against the limits of the CA. Mend it, and try again."
	};
	bool good;
	size_t at;

	TRY(choose_way(s, e));
	for (;;) {
		TRY(setup_check(s, &good, e));
		if (good)
			return ERR_OK;
		terminal_say("Not everything is as it has to be. What now?");
		TRY(terminal_choose(s->arena, &q, next, sizeof next / sizeof *next, 0, &at, e));
		if (at == 2)
			return ERR_OK;
		if (at == 1)
			TRY(choose_way(s, e));
	}
}
