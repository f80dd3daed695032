#include "agent/wish.h"

#include "acme/identifier.h"
#include "agent/httpreq.h"
#include "agent/talk.h"
#include "base/codec.h"
#include "os/address.h"
#include "os/file.h"
#include "pki/csr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

const struct given_option wish_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/wish.def"
#undef X
};
const size_t n_wish_options = sizeof wish_options / sizeof *wish_options;

static enum err_code key_type_of(const char *name, struct wish_key *ret, struct err *e)
{
	static const struct {
		const char *name;
		struct wish_key key;
	} types[] = {
		{ "ecdsa-p256", { KEY_EC_P256, 0, "-ecdsa" } },
		{ "ecdsa-p384", { KEY_EC_P384, 0, "-ecdsa" } },
		{ "rsa", { KEY_RSA, 2048, "-rsa" } },
		{ "rsa-2048", { KEY_RSA, 2048, "-rsa" } },
		{ "rsa-3072", { KEY_RSA, 3072, "-rsa" } },
		{ "rsa-4096", { KEY_RSA, 4096, "-rsa" } },
		{ "ml-dsa-44", { KEY_ML_DSA_44, 0, "-mldsa" } },
		{ "ml-dsa-65", { KEY_ML_DSA_65, 0, "-mldsa" } },
		{ "ml-dsa-87", { KEY_ML_DSA_87, 0, "-mldsa" } },
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].name, name) == 0) {
			*ret = types[i].key;
			return ERR_OK;
		}
	FAIL(e, CONFIG,
	    "--key-type %s: ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096, ml-dsa-44, ml-dsa-65 and ml-dsa-87 are allowed", name);
}

static enum err_code read_key_types(const struct given *g, struct wish *w, struct err *e)
{
	const char *name = given_nth(g, "key-type", 0);

	if (!name)
		name = "ecdsa-p256";
	for (size_t i = 0; name; name = given_nth(g, "key-type", ++i)) {
		errno = 0;
		if (i == WISH_KEYS_MAX)
			FAIL(e, CONFIG, "--key-type is given more than twice: there is one certificate for each kind of key");
		TRY(key_type_of(name, &w->keys[i], e));
		if (i > 0 && strcmp(w->keys[0].suffix, w->keys[i].suffix) == 0)
			FAIL(e, CONFIG, "--key-type %s and %s are of one kind: two of ECDSA, RSA and ML-DSA are possible together",
			    given_nth(g, "key-type", 0), name);
		w->n_keys = i + 1;
	}
	w->keys[0].suffix = "";
	return ERR_OK;
}

/* Who may read the key beside its owner: nobody but a group. */
static enum err_code read_key_file(const struct given *g, struct wish *w, struct err *e)
{
	const char *mode = given_value(g, "key-mode", "0600");
	char *end;

	unsigned long v = strtoul(mode, &end, 8);
	errno = 0;
	if (!*mode || *end || (v & ~0660ul) != 0 || (v & 0400) == 0)
		FAIL(e, CONFIG, "--key-mode %s: 0600, 0640, 0660, 0400 and 0440 are allowed: a private key is nobody else's to read", mode);
	w->key_mode = (mode_t)v;
	w->key_group = given_value(g, "key-group", NULL);
	if (given_flag(g, "reuse-key") && given_flag(g, "next-key"))
		FAIL(e, CONFIG, "--reuse-key and --next-key are two answers to one question: take one");
	if (given_flag(g, "pkcs12-password-file") && !given_flag(g, "pkcs12"))
		FAIL(e, CONFIG, "--pkcs12-password-file is of a file that --pkcs12 asks for");
	return ERR_OK;
}

static enum err_code read_name(struct wish *w, const char *text, struct err *e)
{
	struct err why = { 0 };
	struct identifier id;
	struct san san;

	if (identifier_parse(w->arena, BYTES_LIT("ip"), bytes_str(text), &id, NULL) != ERR_OK &&
	    identifier_parse(w->arena, BYTES_LIT("dns"), bytes_str(text), &id, &why) != ERR_OK)
		FAIL(e, CONFIG, "\"%.100s\": %.200s", text, why.detail);
	TRY(identifier_san(w->arena, &id, &san, e));
	const char *name = arena_str(w->arena, identifier_display(w->arena, &id));
	if (!name)
		FAIL(e, NOMEM, "no memory");
	for (size_t k = 0; k < w->n_names; k++)
		if (strcmp(w->names[k], name) == 0)
			return ERR_OK;
	if (w->n_names == WISH_NAMES_MAX)
		FAIL(e, CONFIG, "a certificate has at most %d names", WISH_NAMES_MAX);
	w->sans[w->n_names] = san;
	w->names[w->n_names++] = name;
	return ERR_OK;
}

/* No star, as shells expand it, and no colon, which separates paths. */
static enum err_code name_folder(struct wish *w, struct err *e)
{
	char *name = arena_str(w->arena, bytes_str(w->names[0]));

	if (!name)
		FAIL(e, NOMEM, "no memory");
	for (char *p = name; *p; p++)
		*p = *p == '*' ? '_' : *p == ':' ? '-' : *p;
	w->name = name;
	return ERR_OK;
}

bool wish_is_hooked(const struct wish *w, const char *type)
{
	return w->hook.program && hook_dialect_solves(w->hook.dialect, type);
}

const char *wish_way(const struct wish *w, size_t i)
{
	if (i == 0 && !given_flag(w->given, "challenge"))
		return w->hook.program || w->dns_server ? "dns-01" : "http-01";
	return given_nth(w->given, "challenge", i);
}

const char *wish_way_of(const struct wish *w, size_t name)
{
	bool wildcard = strncmp(w->names[name], "*.", 2) == 0;
	enum identifier_type of = w->sans[name].type == SAN_DNS ? IDENTIFIER_DNS : IDENTIFIER_IP;
	enum challenge_type t;
	const char *way;

	for (size_t i = 0; (way = wish_way(w, i)) != NULL; i++)
		if (challenge_type_from_name(bytes_str(way), &t) && challenge_type_covers(t, of, wildcard))
			return way;
	return NULL;
}

static enum err_code check_challenges(const struct wish *w, struct err *e)
{
	const char *type;
	enum challenge_type t;

	for (size_t i = 0; (type = given_nth(w->given, "challenge", i)) != NULL; i++) {
		if (!challenge_type_from_name(bytes_str(type), &t))
			FAIL(e, CONFIG, "--challenge %s: http-01, dns-01 and tls-alpn-01 are allowed", type);
		if (t == CHALLENGE_TYPE_DNS_01 && !w->dns_server && !wish_is_hooked(w, type))
			FAIL(e, CONFIG, "dns-01 needs what changes the DNS: --dns-update SERVER or --hook PROGRAM");
	}
	return ERR_OK;
}

/* Options that say nothing, or two ways for one thing. */
static enum err_code check_hook(const struct given *g, const struct wish *w, struct err *e)
{
	if (!given_flag(g, "hook") && (given_flag(g, "hook-dialect") || given_flag(g, "hook-clean-up") || given_flag(g, "hook-timeout")))
		FAIL(e, CONFIG, "--hook-dialect, --hook-clean-up and --hook-timeout say how a hook is run: name it by --hook PROGRAM");
	if (given_flag(g, "hook-clean-up") && w->hook.dialect != HOOK_CERTBOT)
		FAIL(e, CONFIG, "--hook-clean-up is of certbot's dialect: the hook itself is asked to clean up in the others");
	const char *type;
	for (size_t i = 0; hook_dialect_is_chain(w->hook.dialect) && (type = given_nth(g, "challenge", i)) != NULL; i++)
		if (!hook_dialect_solves(w->hook.dialect, type))
			FAIL(e, CONFIG,
			    "--challenge %s: a hook of dialect dehydrated-chain is run once for all names, and does not know this type",
			    type);
	if (hook_dialect_is_chain(w->hook.dialect) && w->dns_server)
		FAIL(e, CONFIG, "--dns-update and a hook of dialect dehydrated-chain, which is run once for all names: take one");
	if (hook_dialect_is_url(w->hook.dialect) && w->hook.program)
		TRY(httpreq_check(w->hook.program, e));
	if (!hook_dialect_is_url(w->hook.dialect) && (w->hook.login || w->hook.ca_file))
		FAIL(e, CONFIG, "--hook-login and --hook-ca-file are of the dialects httpreq and httpreq-raw: other hooks are programs");
	if (w->hook.dialect == HOOK_ACME_SH && w->hook.program && !strchr(w->hook.program, '/'))
		FAIL(e, CONFIG, "--hook %s: acme.sh's scripts are named by their path, like /path/to/dns_xxx.sh", w->hook.program);
	if (!w->dns_server && given_flag(g, "tsig-key"))
		FAIL(e, CONFIG, "--tsig-key signs updates: say of which server by --dns-update SERVER");
	if (w->dns_server && given_flag(g, "hook") && hook_dialect_solves(w->hook.dialect, "dns-01") &&
	    !hook_dialect_solves(w->hook.dialect, "http-01"))
		FAIL(e, CONFIG, "--dns-update and a hook of this dialect both solve dns-01: take one");
	return ERR_OK;
}

static enum err_code check_resolvers(const struct given *g, struct err *e)
{
	struct address at;
	const char *text;
	size_t n = 0;

	for (; (text = given_nth(g, "resolver", n)) != NULL; n++)
		TRY(address_parse(bytes_str(text), ADDRESS_DNS_PORT, &at, e));
	errno = 0;
	if (n > TALK_RESOLVERS_MAX)
		FAIL(e, CONFIG, "at most %d resolvers are asked", TALK_RESOLVERS_MAX);
	return ERR_OK;
}

static enum err_code read_hook(const struct given *g, struct wish *w, struct err *e)
{
	const char *dialect = given_value(g, "hook-dialect", "certbot");
	unsigned long timeout, propagation = 0;

	if (!hook_dialect_from_name(dialect, &w->hook.dialect))
		FAIL(e, CONFIG, "--hook-dialect %s: %s are known", dialect, hook_dialect_names(w->arena, true, " and "));
	w->dns_server = given_value(g, "dns-update", NULL);
	TRY(given_number(g, "hook-timeout", "300", 86400, &timeout, e));
	w->hook.program = given_value(g, "hook", NULL);
	w->hook.clean_up = given_value(g, "hook-clean-up", NULL);
	w->hook.login = given_value(g, "hook-login", NULL);
	w->hook.ca_file = given_value(g, "hook-ca-file", NULL);
	w->hook.names = w->names;
	w->hook.n_names = w->n_names;
	w->hook.timeout_s = (uint32_t)timeout;
	if (strcmp(given_value(g, "propagation", ""), "0") != 0)
		TRY(given_number(g, "propagation", "120", 3600, &propagation, e));
	w->propagation_s = (uint32_t)propagation;
	TRY(check_resolvers(g, e));
	return check_hook(g, w, e);
}

static enum err_code name_of(struct arena *a, const struct san *n, const char **ret, struct err *e)
{
	char text[INET6_ADDRSTRLEN];

	if (n->type == SAN_DNS)
		*ret = arena_str(a, n->value);
	else
		*ret = inet_ntop(n->value.len == 4 ? AF_INET : AF_INET6, n->value.ptr, text, sizeof text) ? arena_str(a, bytes_str(text))
													  : NULL;
	errno = 0;
	if (!*ret)
		FAIL(e, NOMEM, "no memory");
	return ERR_OK;
}

/* A request of the user's own says the names; those that are given have to be the same. */
static enum err_code read_csr(const struct given *g, struct wish *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(4 * CSR_SIZE_MAX);
	const char *path = given_value(g, "csr", NULL), *name;
	size_t named = w->n_names;
	struct bytes text, der;
	struct err why = { 0 };
	struct csr csr;

	if (!path)
		return ERR_OK;
	TRY(file_read(AT_FDCWD, path, pem.max, &pem, e));
	text = buf_bytes(&pem);
	errno = 0;
	if (pem_next(w->arena, &text, "CERTIFICATE REQUEST", &der, NULL) != ERR_OK)
		FAIL(e, CONFIG, "--csr %.200s: this is no certificate signing request in PEM", path);
	if (csr_parse(w->arena, der, &csr, &why) != ERR_OK)
		FAIL(e, CONFIG, "--csr %.150s: %.160s", path, why.detail);
	w->csr = arena_str(w->arena, buf_bytes(&pem));
	w->csr_spki = csr.spki;
	for (size_t i = 0; i < csr.n_names; i++) {
		TRY(name_of(w->arena, &csr.names[i], &name, e));
		TRY(read_name(w, name, e));
	}
	errno = 0;
	if (!w->csr)
		FAIL(e, NOMEM, "no memory");
	if (w->n_names != csr.n_names || (named > 0 && named != csr.n_names))
		FAIL(e, CONFIG, "--csr %.200s: its names are others than those that are given; it alone says enough", path);
	return ERR_OK;
}

static enum err_code check_csr(const struct given *g, struct err *e)
{
	static const char *const of_our_key[] = { "key-type", "reuse-key", "next-key", "key-group", "key-mode", "pkcs12", "must-staple" };

	errno = 0;
	for (size_t i = 0; given_flag(g, "csr") && i < sizeof of_our_key / sizeof *of_our_key; i++)
		if (given_flag(g, of_our_key[i]))
			FAIL(e, CONFIG, "--%s is about a key and a request of ours, and --csr brings another", of_our_key[i]);
	return ERR_OK;
}

bool wish_name_is_good(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");

	/* A wildcard's folder begins with "_."; what begins otherwise so is ours. */
	return n > 0 && !name[n] && n < 250 && *name != '.' && (*name != '_' || name[1] == '.');
}

enum err_code wish_read(struct arena *a, const struct config *c, const struct given *given, const char *name, const char *const *names,
    size_t n_names, struct wish *ret, struct err *e)
{
	struct wish *w = ret; /* the hook's wish views the names, so it is filled in its place */
	unsigned long port, tls_port;

	*w = (struct wish){ .arena = a, .given = given, .folder = c->folder, .name = name };
	TRY(ca_wishes_read(given, c, a, w->cas, &w->n_cas, e));
	if ((given_flag(given, "webroot") || given_flag(given, "stateless")) &&
	    (given_flag(given, "http-port") || given_flag(given, "http-address")))
		FAIL(e, CONFIG, "--webroot and --stateless let a web server answer, so --http-port and --http-address say nothing");
	if (given_flag(given, "webroot") && given_flag(given, "stateless"))
		FAIL(e, CONFIG, "--webroot and --stateless are two ways for one thing: take one");
	for (size_t i = 0; i < n_names; i++)
		TRY(read_name(w, names[i], e));
	TRY(check_csr(given, e));
	TRY(read_csr(given, w, e));
	errno = 0;
	if (w->n_names == 0)
		FAIL(e, CONFIG, "a certificate needs a name: NAME..., or --csr FILE");
	if (!name)
		TRY(name_folder(w, e));
	TRY(read_key_types(given, w, e));
	TRY(read_key_file(given, w, e));
	TRY(read_hook(given, w, e));
	TRY(check_challenges(w, e));
	TRY(given_number(given, "http-port", "80", 65535, &port, e));
	TRY(given_number(given, "tls-port", "443", 65535, &tls_port, e));
	TRY(deploy_read(a, given, &w->deploy, e));
	w->http_port = (uint16_t)port;
	w->tls_port = (uint16_t)tls_port;
	return ERR_OK;
}
