#include "cli/cmd_root.h"

#include "base/clock.h"
#include "base/codec.h"
#include "cli/confirm.h"
#include "cli/passphrase.h"
#include "os/file.h"
#include "pki/csr.h"
#include "server/admin/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX    65536
#define YEARS_MAX   50
#define DAYS_MAX    366
#define REVOKED_MAX 32

static const struct given_option root_options[] = {
	{ "folder", "DIR", false, "The root's own folder (needed)." },
	{ "name", "NAME", false, "create: the CA's name; the root's is NAME Root CA." },
	{ "country", "CC", false, "create: two letters of the CA's country; the Baseline Requirements want it." },
	{ "key-type", "TYPE", false,
	    "create: ecdsa-p384 (default), ecdsa-p256, rsa (3072 bits), or ml-dsa-44, ml-dsa-65, ml-dsa-87 (OpenSSL 3.5 or newer)." },
	{ "years", "N", false, "create, sign: how long the certificate holds (default: 20 for a root, 5 for an issuer)." },
	PASSPHRASE_OPTION,
	{ "key-uri", "URI", false,
	    "create: a key that is in a token already, like pkcs11:token=NAME;object=KEY, instead of one in a file. No PIN stands in it." },
	{ "module", "FILE", false, "The PKCS#11 module of the token that holds the root's key." },
	PIN_OPTION,
	{ "csr", "FILE", false, "sign: the issuer's request, as chancery-ca issuer csr has made it." },
	{ "use", "USE", false, "sign: server-auth (default) or client-auth: for whose certificates the issuer is." },
	{ "permit", "NAME", true,
	    "sign: a name like example.org, below which the issuer may certify, or a range of addresses; without any, everything." },
	{ "publish-url", "URL", false, "sign: the CA's publish.base-url, where the root's list and certificate are served." },
	{ "revoke", "FILE", true, "crl: a certificate (PEM) of this root that is revoked from now on." },
	{ "reason", "REASON", false, "crl: why: unspecified (default), keyCompromise, superseded, cessationOfOperation." },
	{ "days", "N", false, "crl: until when the next list will be there (default: 365)." },
	{ "out", "FILE", false, "sign, crl: where the certificate (PEM) or the list (DER) is written." },
	{ "force", NULL, false, "sign, crl: replaces the file that --out names." },
	YES_OPTION,
};

struct work {
	const struct cli *c;
	struct arena *a;
	const char *folder;
	struct bytes passphrase;
};

static enum err_code number(const struct cli *c, const char *option, long fallback, long most, long *ret, struct err *e)
{
	const char *text = cli_value(c, option, NULL);
	char *end;

	*ret = fallback;
	if (!text)
		return ERR_OK;
	*ret = strtol(text, &end, 10);
	errno = 0;
	if (*text < '1' || *text > '9' || *end || *ret > most)
		FAIL(e, CONFIG, "--%s %s: a number from 1 to %ld is allowed", option, text, most);
	return ERR_OK;
}

static enum err_code needed(const struct cli *c, const char *option, const char **ret, struct err *e)
{
	*ret = cli_value(c, option, NULL);
	if (!*ret)
		FAIL(e, CONFIG, "root %s needs --%s", c->arguments[0], option);
	return ERR_OK;
}

static enum err_code read_named(const char *path, struct buf *out, struct err *e)
{
	struct err why = { 0 };

	if (file_read(AT_FDCWD, path, FILE_MAX, out, &why) == ERR_OK)
		return ERR_OK;
	errno = 0;
	FAIL(e, CONFIG, "%s: %s", path, why.sys ? strerror(why.sys) : why.detail);
}

/* DER, or the first PEM block with this label. */
static enum err_code read_der(struct work *w, const char *path, const char *label, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(FILE_MAX);

	TRY(read_named(path, &text, e));
	*ret = arena_copy(w->a, buf_bytes(&text));
	if (!ret->ptr)
		FAIL(e, NOMEM, "no memory for %s", path);
	if (ret->len > 0 && ret->ptr[0] == 0x30)
		return ERR_OK;
	struct bytes pem = *ret;
	if (pem_next(w->a, &pem, label, ret, NULL) != ERR_OK)
		FAIL(e, CONFIG, "%s holds no %s", path, label);
	return ERR_OK;
}

static enum err_code write_out(const struct cli *c, const char *path, struct bytes content, struct err *e)
{
	struct err why = { 0 };
	enum err_code rc =
	    cli_flag(c, "force") ? file_write(AT_FDCWD, path, 0644, content, &why) : file_create(AT_FDCWD, path, 0644, content, &why);

	errno = 0;
	if (rc == ERR_CONFLICT)
		FAIL(e, CONFIG, "%s is there already: another --out, or --force", path);
	if (rc != ERR_OK)
		FAIL(e, CONFIG, "%s: %s", path, why.sys ? strerror(why.sys) : why.detail);
	return ERR_OK;
}

static struct token_access access_of(const struct cli *c)
{
	return (struct token_access){ .module = cli_value(c, "module", NULL), .pin_file = cli_value(c, "pin-file", NULL) };
}

static enum err_code run_create(struct work *w, struct err *e)
{
	const char *type = cli_value(w->c, "key-type", "ecdsa-p384"), *name;
	struct root_create r = { .folder = w->folder, .passphrase = w->passphrase };
	char fingerprint[96];
	long years;
	struct err why;

	TRY(needed(w->c, "name", &name, e));
	TRY(number(w->c, "years", ROOT_YEARS, YEARS_MAX, &years, e));
	if (key_type_for_certificates(bytes_str(type), &r.key_type, &why) != ERR_OK)
		FAIL(e, CONFIG, "--key-type %s: %s", type, why.detail);
	r.name = name;
	r.country = bytes_str(cli_value(w->c, "country", ""));
	r.years = years;
	r.key_uri = bytes_str(cli_value(w->c, "key-uri", ""));
	r.token = access_of(w->c);
	TRY(root_create(&r, fingerprint, e));
	printf("A new root, \"%s Root CA\".\n\n"
	       "  certificate  %s/" ROOT_CERT_FILE "\n"
	       "  its SHA-256  %s\n"
	       "  key          %s/" ROOT_KEY_FILE ", %s\n\n"
	       "Keep this folder away from every network. Next: chancery-ca issuer csr at the CA, then chancery-ca root sign here.\n",
	    name, w->folder, fingerprint, w->folder, w->passphrase.len ? "encrypted" : "NOT encrypted: --passphrase-file FILE encrypts it");
	return ERR_OK;
}

static enum err_code gather_permits(struct work *w, struct name_constraint v[CA_PERMIT_MAX], size_t *ret_n, struct err *e)
{
	size_t n = 0;

	for (const char *text; (text = cli_nth(w->c, "permit", n)); n++) {
		if (n == CA_PERMIT_MAX)
			FAIL(e, CONFIG, "--permit: at most %d are allowed", CA_PERMIT_MAX);
		TRY(ca_constraint_read(w->a, text, &v[n], e));
	}
	*ret_n = n;
	return ERR_OK;
}

static void show_request(const struct csr_ca *csr, const struct cli *c, long years)
{
	uint8_t id[20];
	char hex[HEX_LEN(sizeof id) + 1];

	cert_key_id(csr->spki, id);
	hex_encode(BYTES_ARRAY(id), hex);
	fprintf(stderr, "An issuing CA's certificate is asked for:\n\n  subject  %s\n  key id   %s\n  for      %s, %ld years\n", csr->text,
	    hex, cli_value(c, "use", "server-auth"), years);
	for (size_t i = 0; cli_nth(c, "permit", i); i++)
		fprintf(stderr, "  %s  %s\n", i ? "       " : "permits", cli_nth(c, "permit", i));
	fprintf(stderr, "\nCompare the key id with what chancery-ca issuer csr has printed.\n");
}

static enum err_code run_sign(struct work *w, struct err *e)
{
	CLEANUP(root_close_p) struct root *root = NULL;
	CLEANUP(buf_free_p) struct buf cert = buf_new(CERT_SIZE_MAX), pem = buf_new(FILE_MAX);
	const char *path, *out, *use = cli_value(w->c, "use", "server-auth"), *url = cli_value(w->c, "publish-url", "");
	struct name_constraint permits[CA_PERMIT_MAX];
	struct ca_issuer_wish wish = { .publish_url = bytes_str(url), .permitted = permits };
	struct csr_ca csr;
	struct bytes der;
	long years;

	TRY(needed(w->c, "csr", &path, e));
	TRY(needed(w->c, "out", &out, e));
	TRY(number(w->c, "years", ISSUER_YEARS, YEARS_MAX, &years, e));
	TRY(gather_permits(w, permits, &wish.n_permitted, e));
	wish.purposes = strcmp(use, "server-auth") == 0 ? CERT_SERVER_AUTH : strcmp(use, "client-auth") == 0 ? CERT_CLIENT_AUTH : 0;
	if (!wish.purposes)
		FAIL(e, CONFIG, "--use %s: server-auth and client-auth are allowed", use);
	if (*url && strncmp(url, "http://", 7) != 0)
		FAIL(e, CONFIG, "--publish-url %s: an http URL is allowed, as certificates and lists are fetched by plain HTTP", url);
	TRY(read_der(w, path, "CERTIFICATE REQUEST", &der, e));
	TRY(csr_read_ca(w->a, der, &csr, e));
	struct token_access token = access_of(w->c);
	TRY(root_open(w->folder, w->passphrase, &token, &root, e));
	show_request(&csr, w->c, years);
	TRY(confirm(w->c, "Sign it?", e));
	wish.subject = csr.subject;
	wish.spki = csr.spki;
	wish.not_before_s = clock_wall_ms() / 1000 - CA_BACKDATE_S;
	wish.not_after_s = wish.not_before_s + years * CA_YEAR_S - 1;
	TRY(root_sign(root, w->a, &wish, csr.text, &cert, e));
	pem_add(&pem, "CERTIFICATE", buf_bytes(&cert));
	TRY(write_out(w->c, out, buf_bytes(&pem), e));
	printf("%s\n", out);
	return ERR_OK;
}

static enum err_code reason_of(const char *text, uint8_t *ret, struct err *e)
{
	for (unsigned n = 0; n < 16; n++)
		if (crl_reason_name(n) && strcmp(crl_reason_name(n), text) == 0) {
			*ret = (uint8_t)n;
			return ERR_OK;
		}
	FAIL(e, CONFIG, "--reason %s: unspecified, keyCompromise, superseded and cessationOfOperation are allowed", text);
}

static enum err_code run_crl(struct work *w, struct err *e)
{
	CLEANUP(root_close_p) struct root *root = NULL;
	CLEANUP(buf_free_p) struct buf list = buf_new(1u << 20);
	struct root_revoked revoked[REVOKED_MAX];
	const char *out;
	uint8_t reason;
	size_t n = 0;
	long days;

	TRY(needed(w->c, "out", &out, e));
	TRY(number(w->c, "days", ROOT_LIST_DAYS, DAYS_MAX, &days, e));
	TRY(reason_of(cli_value(w->c, "reason", "unspecified"), &reason, e));
	for (const char *path; n < REVOKED_MAX && (path = cli_nth(w->c, "revoke", n)); n++) {
		revoked[n].reason = reason;
		TRY(read_der(w, path, "CERTIFICATE", &revoked[n].certificate, e));
	}
	struct token_access token = access_of(w->c);
	TRY(root_open(w->folder, w->passphrase, &token, &root, e));
	if (n > 0)
		TRY(confirm(w->c, "Revoke for good?", e));
	TRY(root_list(root, w->a, revoked, n, days, &list, e));
	TRY(write_out(w->c, out, buf_bytes(&list), e));
	printf("%s\n", out);
	return ERR_OK;
}

static const struct verb {
	const char *name;
	enum err_code (*run)(struct work *w, struct err *e);
} verbs[] = { { "create", run_create }, { "sign", run_sign }, { "crl", run_crl } };

/* Options that belong to some verbs alone say so in their help. */
static enum err_code check_options(const struct cli *c, struct err *e)
{
	for (size_t i = 0; i < c->given.n; i++) {
		const char *doc = c->given.v[i].option->doc, *colon = strchr(doc, ':');
		bool restricted = colon && (strncmp(doc, "create", 6) == 0 || strncmp(doc, "sign", 4) == 0 || strncmp(doc, "crl", 3) == 0);
		const char *found = strstr(doc, c->arguments[0]);
		if (restricted && (!found || found > colon))
			FAIL(e, CONFIG, "root %s has no option --%s", c->arguments[0], c->given.v[i].option->name);
	}
	return ERR_OK;
}

static enum err_code run(struct cli *c, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(KEY_PASSPHRASE_MAX);
	struct work w = { .c = c, .a = a };

	if (!a)
		FAIL(e, NOMEM, "no memory");
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(c->arguments[0], verbs[i].name) == 0) {
			TRY(check_options(c, e));
			TRY(needed(c, "folder", &w.folder, e));
			TRY(passphrase_read(c, &text, &w.passphrase, e));
			return verbs[i].run(&w, e);
		}
	FAIL(e, CONFIG, "root create, root sign or root crl, not \"%s\"", c->arguments[0]);
}

static int cmd_root(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 16u << 20);
	struct err e = { 0 };

	return run(c, a, &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

const struct cli_command root_command = { "root", "create | sign | crl",
	"A root's ceremonies, on a machine of its own, away from every network: makes a root, has it sign an issuer's request, makes its revocation list.",
	CLI_OPTIONS(root_options), 1, 1, cmd_root };
