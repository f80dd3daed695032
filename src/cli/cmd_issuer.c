#include "cli/cmd_issuer.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "cli/ca_config.h"
#include "cli/passphrase.h"
#include "crypto/digest.h"
#include "os/file.h"
#include "pki/cert.h"
#include "pki/csr.h"
#include "server/admin/issuers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 65536

static const struct given_option issuer_options[] = {
	CONFIG_OPTION,
	{ "common-name", "NAME", false, "csr: of the issuing CA, like \"Example Issuing CA 2\" (needed)." },
	{ "country", "CC", false, "csr: two letters of the CA's country; the Baseline Requirements want it." },
	{ "organization", "NAME", false, "csr: of the CA's owner." },
	{ "key-type", "TYPE", false,
	    "csr: ecdsa-p256 (default), ecdsa-p384, rsa (3072 bits), or ml-dsa-44, ml-dsa-65, ml-dsa-87 (OpenSSL 3.5 or newer)." },
	{ "key-uri", "URI", false,
	    "csr, add: a key that is in a token already, like pkcs11:token=NAME;object=KEY; the module is keyholder.module's. No PIN stands in it." },
	PIN_OPTION,
	{ "certificate", "FILE", false, "add: the issuer's certificate and those above it, without the root (PEM, needed)." },
	{ "root", "FILE", false, "add: the root's certificate (PEM, needed)." },
	{ "key", "FILE", false,
	    "add: the private key (PEM) of an issuer that is brought here; without it, the one that issuer csr has made." },
	{ "root-crl", "FILE", false, "add: the root's own list (DER), as chancery-ca root crl makes it." },
	PASSPHRASE_OPTION,
	{ "json", NULL, false, "list: prints one JSON object." },
};

struct work {
	const struct cli *c;
	struct arena *a;
	struct settings settings;
	const char *name;
	struct bytes passphrase;
};

static enum err_code needed(const struct cli *c, const char *option, const char **ret, struct err *e)
{
	*ret = cli_value(c, option, NULL);
	if (!*ret)
		FAIL(e, CONFIG, "issuer %s needs --%s", c->arguments[0], option);
	return ERR_OK;
}

static enum err_code read_named(const char *path, struct buf *out, struct err *e)
{
	struct err why = { 0 };

	if (file_read(AT_FDCWD, path, out->max, out, &why) == ERR_OK)
		return ERR_OK;
	errno = 0;
	FAIL(e, CONFIG, "%s: %s", path, why.sys ? strerror(why.sys) : why.detail);
}

/* By the configuration; the PIN's file by an option too, as a service's credential is not there for us. */
static enum err_code access_of(struct work *w, struct token_access *ret, struct err *e)
{
	TRY(token_access_of(w->a, &w->settings, ret, e));
	ret->pin_file = cli_value(w->c, "pin-file", ret->pin_file);
	return ERR_OK;
}

static enum err_code run_csr(struct work *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf csr = buf_new(CSR_SIZE_MAX), pem = buf_new(FILE_MAX);
	const char *cn, *type = cli_value(w->c, "key-type", "ecdsa-p256");
	struct issuer_request r = { .name = w->name, .passphrase = w->passphrase };
	char hex[HEX_LEN(20) + 1];
	struct csr_ca seen;
	uint8_t id[20];
	struct err why;

	TRY(needed(w->c, "common-name", &cn, e));
	if (key_type_for_certificates(bytes_str(type), &r.key_type, &why) != ERR_OK)
		FAIL(e, CONFIG, "--key-type %s: %s", type, why.detail);
	r.common_name = bytes_str(cn);
	r.country = bytes_str(cli_value(w->c, "country", ""));
	r.organization = bytes_str(cli_value(w->c, "organization", ""));
	r.key_uri = bytes_str(cli_value(w->c, "key-uri", ""));
	TRY(access_of(w, &r.token, e));
	TRY(issuer_request(&w->settings, &r, &csr, e));
	TRY(csr_read_ca(w->a, buf_bytes(&csr), &seen, e));
	cert_key_id(seen.spki, id);
	hex_encode(BYTES_ARRAY(id), hex);
	pem_add(&pem, "CERTIFICATE REQUEST", buf_bytes(&csr));
	printf("%.*s", BYTES_FMT(buf_bytes(&pem)));
	fprintf(stderr,
	    "A request for %s.\n\n  subject  %s\n  key id   %s\n\nNext, at the root: chancery-ca root sign; then here: chancery-ca issuer add %s\n",
	    w->name, seen.text, hex, w->name);
	return ERR_OK;
}

static enum err_code run_add(struct work *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf cert = buf_new(FILE_MAX), root = buf_new(FILE_MAX), list = buf_new(1u << 20);
	CLEANUP(buf_free_p) struct buf key = buf_new_secret(FILE_MAX);
	const char *cert_path, *root_path, *key_path = cli_value(w->c, "key", NULL), *list_path = cli_value(w->c, "root-crl", NULL);
	const char *uri = cli_value(w->c, "key-uri", NULL);
	struct issuer_add r = { .name = w->name, .passphrase = w->passphrase, .uid = (uint32_t)getuid() };

	TRY(needed(w->c, "certificate", &cert_path, e));
	TRY(needed(w->c, "root", &root_path, e));
	TRY(read_named(cert_path, &cert, e));
	TRY(read_named(root_path, &root, e));
	if (key_path)
		TRY(read_named(key_path, &key, e));
	if (list_path)
		TRY(read_named(list_path, &list, e));
	r.issuer_pem = buf_bytes(&cert);
	r.root_pem = buf_bytes(&root);
	r.key_pem = buf_bytes(&key);
	if (uri) {
		r.key_pem = bytes_str(uri);
		TRY(token_uri_check(r.key_pem, e));
	}
	TRY(access_of(w, &r.token, e));
	r.root_list = buf_bytes(&list);
	TRY(issuer_add(&w->settings, &r, e));
	printf(
	    "%s is in place. Name it in a profile's `issuers`, if not every issuer is to sign for it; then start the server.\n", w->name);
	return ERR_OK;
}

static enum err_code run_root_crl(struct work *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf list = buf_new(1u << 20);

	TRY(read_named(w->c->arguments[2], &list, e));
	TRY(issuer_root_list(&w->settings, w->name, buf_bytes(&list), (uint32_t)getuid(), e));
	printf("%s: the root's list is in place; the server publishes it from its next start on\n", w->name);
	return ERR_OK;
}

/* --- list --- */

struct line {
	struct issuer *issuer;
	char key[32], end[RFC3339_SIZE], fingerprint[HEX_LEN(SHA256_SIZE) + 1], id[HEX_LEN(20) + 1];
	const char *use;
	struct bytes profiles;
};

static struct bytes profiles_of(struct work *w, const char *name, uint32_t purposes)
{
	struct bytes all = BYTES_LIT("");

	for (size_t i = 0; i < w->settings.n_profiles; i++) {
		const struct profile *p = &w->settings.profiles[i];
		bool named = p->n_issuers == 0;
		for (size_t k = 0; k < p->n_issuers; k++)
			named = named || bytes_eq_str(p->issuers[k], name);
		if (named && (p->purposes & PROFILE_CLIENT_AUTH ? purposes & CERT_CLIENT_AUTH : purposes & CERT_SERVER_AUTH))
			all = arena_fmt(w->a, "%.*s%s%.*s", BYTES_FMT(all), all.len ? ", " : "", BYTES_FMT(p->name));
	}
	return all;
}

static enum err_code make_line(struct work *w, const struct issuer_seen *s, struct line *l, struct err *e)
{
	uint8_t digest[SHA256_SIZE];

	TRY(issuer_new(s->certificate, NULL, &l->issuer, e));
	(void)snprintf(l->key, sizeof l->key, key_type(l->issuer->key) == KEY_RSA ? "%s-%u" : "%s", key_type_name(key_type(l->issuer->key)),
	    key_bits(l->issuer->key));
	rfc3339_format(l->issuer->not_after_s, l->end);
	sha256_one(s->certificate, digest);
	hex_encode(BYTES_ARRAY(digest), l->fingerprint);
	hex_encode(bytes_slice(l->issuer->key_id, 0, 20), l->id);
	l->use = l->issuer->purposes == CERT_ANY_PURPOSE ? "any" : l->issuer->purposes & CERT_CLIENT_AUTH ? "client-auth" : "server-auth";
	l->profiles = profiles_of(w, s->name, l->issuer->purposes);
	return ERR_OK;
}

static void put_line(struct json_out *j, const char *name, const struct line *l)
{
	json_put_object(j);
	json_put_member_str(j, "name", name);
	json_put_member_str(j, "keyType", l->key);
	json_put_member_str(j, "use", l->use);
	json_put_member_str(j, "notAfter", l->end);
	json_put_member_str(j, "keyId", l->id);
	json_put_member_str(j, "sha256", l->fingerprint);
	json_put_member(j, "profiles", l->profiles);
	json_end_object(j);
}

static enum err_code run_list(struct work *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1u << 20);
	struct issuer_seen v[ISSUERS_MAX];
	struct json_out j = json_out_to(&out);
	bool json = cli_flag(w->c, "json");
	size_t n;

	TRY(issuers_seen(&w->settings, w->a, v, &n, e));
	json_put_object(&j);
	json_put_key(&j, "issuers");
	json_put_array(&j);
	if (!json)
		printf("%-16s %-12s %-12s %-11s %s\n", "NAME", "KEY", "FOR", "UNTIL", "PROFILES");
	for (size_t i = 0; i < n; i++) {
		struct line l = { 0 };
		enum err_code rc = make_line(w, &v[i], &l, e);
		if (rc == ERR_OK && json)
			put_line(&j, v[i].name, &l);
		else if (rc == ERR_OK)
			printf("%-16s %-12s %-12s %-11.10s %.*s\n", v[i].name, l.key, l.use, l.end, BYTES_FMT(l.profiles));
		issuer_free(l.issuer);
		TRY(rc);
	}
	json_end_array(&j);
	json_end_object(&j);
	if (json)
		printf("%.*s\n", BYTES_FMT(buf_bytes(&out)));
	return ERR_OK;
}

static const struct verb {
	const char *name;
	size_t arguments; /* with the verb itself */
	enum err_code (*run)(struct work *w, struct err *e);
} verbs[] = { { "csr", 2, run_csr }, { "add", 2, run_add }, { "root-crl", 3, run_root_crl }, { "list", 1, run_list } };

/* Options that belong to one verb alone say so in their help. */
static enum err_code check_options(const struct cli *c, const struct verb *v, struct err *e)
{
	for (size_t i = 0; i < c->given.n; i++) {
		const char *doc = c->given.v[i].option->doc;
		bool restricted = strncmp(doc, "csr:", 4) == 0 || strncmp(doc, "add:", 4) == 0 || strncmp(doc, "list:", 5) == 0;
		if (restricted && (strncmp(doc, v->name, strlen(v->name)) != 0 || doc[strlen(v->name)] != ':'))
			FAIL(e, CONFIG, "issuer %s has no option --%s", v->name, c->given.v[i].option->name);
	}
	return ERR_OK;
}

static enum err_code run(struct cli *c, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(KEY_PASSPHRASE_MAX);
	struct work w = { .c = c, .a = a, .name = c->n_arguments > 1 ? c->arguments[1] : NULL };
	const struct verb *v = NULL;

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(c->arguments[0], verbs[i].name) == 0)
			v = &verbs[i];
	if (!v)
		FAIL(e, CONFIG, "issuer csr NAME, issuer add NAME, issuer root-crl NAME FILE or issuer list, not \"%s\"", c->arguments[0]);
	if (c->n_arguments != v->arguments)
		FAIL(e, CONFIG,
		    v->arguments == 3   ? "issuer %s needs a NAME and a FILE"
		    : v->arguments == 2 ? "issuer %s needs a NAME"
					: "issuer %s takes no argument",
		    v->name);
	TRY(check_options(c, v, e));
	TRY(ca_config_read(c, a, &w.settings, e));
	TRY(passphrase_read(c, &text, &w.passphrase, e));
	return v->run(&w, e);
}

static int cmd_issuer(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 16u << 20);
	struct err e = { 0 };

	return run(c, a, &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

const struct cli_command issuer_command = { "issuer", "csr NAME | add NAME | root-crl NAME FILE | list",
	"The CA's issuers, with the server stopped (but for list): makes a key and the request for its certificate, puts an issuer in place, or a newer list of its root; lists them.",
	CLI_OPTIONS(issuer_options), 1, 3, cmd_issuer };
