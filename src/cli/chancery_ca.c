/* chancery-ca: the operator's program. */
#include "base/codec.h"
#include "cli/ca_config.h"
#include "cli/cmd_backup.h"
#include "cli/cmd_block.h"
#include "cli/cmd_eab.h"
#include "cli/cmd_find.h"
#include "cli/cmd_issuer.h"
#include "cli/cmd_log.h"
#include "cli/cmd_root.h"
#include "cli/cmd_reconcile.h"
#include "cli/cmd_revoke.h"
#include "cli/cmd_show.h"
#include "cli/cmd_status.h"
#include "crypto/digest.h"
#include "server/parent/config.h"
#include "server/parent/init.h"
#include "server/parent/serve.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_PATH "/var/lib/chancery"
#define RUN_PATH   "/run/chancery"
#define VALUES_MAX 32
/* Where numeric users are looked for when the system has no users of our names: above those that adduser gives out. */
#define UID_FIRST 59610

static const struct given_option config_option = CONFIG_OPTION;

/* --- init --- */

static const struct given_option init_options[] = {
	{ "folder", "DIR", false,
	    "Puts everything below DIR: DIR/chancery-ca.conf, DIR/state, DIR/run. Without it: " CONFIG_PATH ", " STATE_PATH ", " RUN_PATH
	    "." },
	{ "name", "NAME", false, "The CA's name in its certificates (default: Chancery)." },
	{ "country", "CC", false, "Two letters of the CA's country for its certificates; public CAs must have it." },
	{ "base-url", "URL", false, "Under which clients reach the CA (default: https://localhost:14000)." },
	{ "listen", "ADDRESS:PORT", true, "Where to listen; may be given again (default: 127.0.0.1:14000)." },
	{ "tls-name", "NAME", true, "A name of the CA's own TLS certificate (default: the base URL's host)." },
	{ "caa-identity", "NAME", false, "What CAA records call this CA (default: the base URL's host)." },
	{ "key-type", "TYPE", false,
	    "Of root and intermediate: ecdsa-p256 (default), ecdsa-p384, rsa (3072 bits), or ml-dsa-44, ml-dsa-65, ml-dsa-87 (OpenSSL 3.5 or newer)." },
	{ "http-port", "PORT", false, "Where http-01 looks (default: 80)." },
	{ "tls-port", "PORT", false, "Where tls-alpn-01 looks (default: 443)." },
	{ "publish-url", "URL", false, "The http URL under which revocation lists are served (default: none are)." },
	{ "publish-listen", "ADDRESS:PORT", true, "Where to serve them; may be given again (default: 127.0.0.1:14080)." },
	{ "private-suffix", "NAME", true,
	    "A top level outside the public DNS under which names may be certified, like internal (default: the base URL's host, if that is "
	    "localhost)." },
	{ "allow-address", "CIDR", true, "A special-purpose range where hosts may be validated, like 10.0.0.0/8." },
	{ "resolver", "ADDRESS[:PORT]", true, "A recursive resolver to forward to (default: own recursion)." },
	{ "trust-anchor", "DS", true, "A DNSSEC trust anchor: builtin (default), none, or a DS record." },
};

/* The configuration values that init was given, and room for what it makes of them. */
struct init_values {
	struct config_value v[VALUES_MAX];
	size_t n;
	struct arena *arena;
};

static void set_value(struct init_values *values, const char *section, const char *option, struct bytes text)
{
	if (values->n < VALUES_MAX)
		values->v[values->n++] = (struct config_value){ section, option, text };
}

/* A string as the configuration's syntax wants it: quotes and backslashes escaped. */
static struct bytes quoted(struct arena *a, const char *value)
{
	struct buf out = buf_new(8192);

	buf_add_u8(&out, '"');
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_add_u8(&out, '\\');
		buf_add_u8(&out, (uint8_t)*p);
	}
	buf_add_u8(&out, '"');
	struct bytes text = arena_copy(a, buf_bytes(&out));
	buf_free(&out);
	return text;
}

static void set_string(struct init_values *values, const char *section, const char *option, const char *value)
{
	if (value)
		set_value(values, section, option, quoted(values->arena, value));
}

static void set_list(
    struct init_values *values, const struct cli *c, const char *from, const char *section, const char *option, const char *fallback)
{
	struct bytes list = BYTES_LIT("");
	const char *value = cli_nth(c, from, 0);

	if (!value && !fallback)
		return;
	for (size_t i = 0; i == 0 || (value = cli_nth(c, from, i)); i++)
		list = arena_fmt(values->arena, "%.*s%s%.*s", BYTES_FMT(list), i ? ", " : "",
		    BYTES_FMT(quoted(values->arena, value ? value : fallback)));
	set_value(values, section, option, arena_fmt(values->arena, "{%.*s}", BYTES_FMT(list)));
}

/* Users for the three processes: by our names where the system has them, else numbers that nobody has. */
static void set_users(struct init_values *values)
{
	static const char *const names[] = { "chancery-front", "chancery-validator", "chancery-signer", "chancery-keyholder" };
	static const char *const options[] = { "user-front", "user-validator", "user-signer", "user-keyholder" };
	unsigned uid = UID_FIRST;

	for (size_t i = 0; i < 4; i++) {
		if (getpwnam(names[i]))
			continue;
		while (getpwuid(uid))
			uid++;
		set_string(values, "", options[i], (const char *)arena_fmt(values->arena, "%u", uid++).ptr);
	}
}

/* "https://ca.example.org:443" gives "ca.example.org". */
static const char *host_of(struct arena *a, const char *url)
{
	const char *from = strstr(url, "://");

	from = from ? from + 3 : url;
	return arena_str(a, (struct bytes){ (const uint8_t *)from, strcspn(from, ":/") });
}

static void gather(const struct cli *c, struct init_values *values, const char *state, const char *run)
{
	const char *url = cli_value(c, "base-url", "https://localhost:14000"), *host = host_of(values->arena, url);

	set_string(values, "", "base-url", url);
	set_string(values, "", "caa-identity", cli_value(c, "caa-identity", host));
	set_string(values, "", "state-folder", state);
	set_string(values, "", "run-folder", run);
	if (getuid() == 0)
		set_users(values);
	set_list(values, c, "listen", "front", "listen", "127.0.0.1:14000");
	set_list(values, c, "tls-name", "front", "tls-names", host);
	set_string(values, "validator", "http-port", cli_value(c, "http-port", NULL));
	set_string(values, "validator", "tls-port", cli_value(c, "tls-port", NULL));
	set_string(values, "publish", "base-url", cli_value(c, "publish-url", NULL));
	if (cli_value(c, "publish-url", NULL))
		set_list(values, c, "publish-listen", "publish", "listen", "127.0.0.1:14080");
	set_list(values, c, "private-suffix", "policy", "private-suffixes", strcmp(host, "localhost") == 0 ? "localhost" : NULL);
	set_list(values, c, "allow-address", "validator", "allow-addresses", NULL);
	set_list(values, c, "resolver", "validator", "resolver", NULL);
	set_list(values, c, "trust-anchor", "validator", "trust-anchors", NULL);
}

static void tell(const struct init *i, const struct init_result *r)
{
	printf("A new CA, \"%s\".\n\n"
	       "  configuration     %s\n"
	       "  root certificate  %s\n"
	       "  its SHA-256       %s\n\n"
	       "Who is to trust this CA needs the root certificate. On Debian:\n"
	       "  cp %s /usr/local/share/ca-certificates/chancery-root.crt && update-ca-certificates\n"
	       "A single program usually takes it by an option, as in: curl --cacert %s\n\n"
	       "Back up, encrypted and away from this machine:\n"
	       "  %s   then remove it here: it is needed only to make another intermediate\n"
	       "  %s/signer   keys and the log of everything issued\n\n"
	       "Next: chancery-ca serve --config %s\n",
	    i->name, i->config, r->root_path, r->fingerprint, r->root_path, r->root_path, r->root_key_path, i->state_folder, i->config);
}

/* The folder's absolute path; it is made when it is not there. */
static enum err_code absolute_folder(const char *folder, char out[PATH_MAX], struct err *e)
{
	if ((mkdir(folder, 0755) != 0 && errno != EEXIST) || !realpath(folder, out))
		FAIL(e, CONFIG, "%s: %s", folder, strerror(errno));
	return ERR_OK;
}

static enum err_code init_paths(const struct cli *c, struct arena *a, struct init *i, struct err *e)
{
	const char *folder = cli_value(c, "folder", NULL);
	char path[PATH_MAX];

	i->config = CONFIG_PATH;
	i->state_folder = STATE_PATH;
	i->run_folder = RUN_PATH;
	if (!folder) {
		if (mkdir(CHANCERY_SYSCONF "/chancery", 0755) != 0 && errno != EEXIST)
			FAIL(e, CONFIG, CHANCERY_SYSCONF "/chancery: %s; --folder DIR puts everything elsewhere", strerror(errno));
		return ERR_OK;
	}
	TRY(absolute_folder(folder, path, e));
	i->config = (const char *)arena_fmt(a, "%s/chancery-ca.conf", path).ptr;
	i->state_folder = (const char *)arena_fmt(a, "%s/state", path).ptr;
	i->run_folder = (const char *)arena_fmt(a, "%s/run", path).ptr;
	if (!i->config || !i->state_folder || !i->run_folder)
		FAIL(e, NOMEM, "no memory");
	return ERR_OK;
}

static enum err_code do_init(const struct cli *c, struct arena *a, struct err *e)
{
	struct init i = { .name = cli_value(c, "name", "Chancery") };
	struct init_values values = { .arena = a };
	struct init_result result;
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	struct err why;
	const char *type = cli_value(c, "key-type", "ecdsa-p256");

	i.country = bytes_str(cli_value(c, "country", ""));
	if (key_type_for_certificates(bytes_str(type), &i.key_type, &why) != ERR_OK)
		FAIL(e, CONFIG, "--key-type %s: %s", type, why.detail);
	TRY(init_paths(c, a, &i, e));
	gather(c, &values, i.state_folder, i.run_folder);
	config_write(values.v, values.n, &text);
	i.text = buf_bytes(&text);
	TRY(ca_init(&i, &result, e));
	tell(&i, &result);
	return ERR_OK;
}

static int run_init(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct err e = { 0 };

	umask(022);
	if (!a)
		return EXIT_FAILED;
	return do_init(c, a, &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

static const struct cli_command init_command = { "init", "",
	"Makes a new CA: root, intermediate, folders, configuration. Never overwrites anything.", CLI_OPTIONS(init_options), 0, 0,
	run_init };

/* --- serve, check-config --- */

static int run_serve(struct cli *c)
{
	struct err e = { 0 };

	return serve(cli_value(c, "config", CONFIG_PATH), &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

static const struct cli_command serve_command = { "serve", "",
	"Runs the CA until SIGTERM; SIGHUP reads configuration and TLS certificate again.", &config_option, 1, 0, 0, run_serve };

static int run_check_config(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct settings s;
	struct err e = { 0 };

	if (ca_config_read(c, a, &s, &e) != ERR_OK || config_check_files(&s, &e) != ERR_OK)
		return cli_fail(c, &e);
	printf("%s: good\n", cli_value(c, "config", CONFIG_PATH));
	return EXIT_DONE;
}

static const struct cli_command check_config_command = { "check-config", "", "Reads the configuration and tells what is wrong with it.",
	&config_option, 1, 0, 0, run_check_config };

static const struct cli_command *const commands[] = { &init_command, &serve_command, &check_config_command, &status_command, &root_command,
	&issuer_command, &eab_command, &certificates_command, &orders_command, &accounts_command, &revoke_command, &block_command,
	&unblock_command, &limits_command, &show_command, &log_command, &backup_command, &restore_command, &reconcile_command };
static const struct cli_program program = { "chancery-ca", "an ACME (RFC 8555) certificate authority", commands,
	sizeof commands / sizeof *commands, NULL, 0 };

int main(int argc, char **argv)
{
	crypto_init();
	return cli_main(&program, argc, argv);
}
