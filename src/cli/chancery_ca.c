/* chancery-ca: the operator's program. */
#include "base/codec.h"
#include "base/json.h"
#include "cli/ca_config.h"
#include "cli/cmd_eab.h"
#include "crypto/digest.h"
#include "server/parent/config.h"
#include "server/parent/control.h"
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

static const struct cli_option config_option = CONFIG_OPTION;

/* --- init --- */

static const struct cli_option init_options[] = {
	{ "folder", "DIR", false,
	    "Puts everything below DIR: DIR/chancery-ca.conf, DIR/state, DIR/run. Without it: " CONFIG_PATH ", " STATE_PATH ", " RUN_PATH
	    "." },
	{ "name", "NAME", false, "The CA's name in its certificates (default: Chancery)." },
	{ "base-url", "URL", false, "Under which clients reach the CA (default: https://localhost:14000)." },
	{ "listen", "ADDRESS:PORT", true, "Where to listen; may be given again (default: 127.0.0.1:14000)." },
	{ "tls-name", "NAME", true, "A name of the CA's own TLS certificate (default: the base URL's host)." },
	{ "caa-identity", "NAME", false, "What CAA records call this CA (default: the base URL's host)." },
	{ "key-type", "TYPE", false, "Of root and intermediate: ecdsa-p256 (default), ecdsa-p384 or rsa (3072 bits)." },
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
	static const char *const names[] = { "chancery-front", "chancery-validator", "chancery-signer" };
	static const char *const options[] = { "user-front", "user-validator", "user-signer" };
	unsigned uid = UID_FIRST;

	for (size_t i = 0; i < 3; i++) {
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
	const char *type = cli_value(c, "key-type", "ecdsa-p256");

	if (!key_type_from_name(bytes_str(type), &i.key_type) || i.key_type == KEY_ED25519)
		FAIL(e, CONFIG, "--key-type %s: ecdsa-p256, ecdsa-p384 and rsa are allowed", type);
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

/* --- serve, check-config, status --- */

static int run_serve(struct cli *c)
{
	struct err e = { 0 };

	return serve(cli_value(c, "config", CONFIG_PATH), &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

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

/* What status prints for people: one line a process. */
struct status_process {
	struct bytes state, jail, failure, counts;
	struct json_uint pid, starts;
};
static const struct json_field process_fields[] = {
	JSON_FIELD(struct status_process, state, "state", JSON_STRING, true, 0),
	JSON_FIELD(struct status_process, jail, "jail", JSON_STRING, false, 0),
	JSON_FIELD(struct status_process, failure, "failure", JSON_STRING, false, 0),
	JSON_FIELD(struct status_process, counts, "counts", JSON_OBJECT, false, 0),
	JSON_FIELD(struct status_process, pid, "pid", JSON_UINT, true, 0),
	JSON_FIELD(struct status_process, starts, "starts", JSON_UINT, true, 0),
};
struct status {
	struct bytes version, directory, processes;
	struct json_bool ready;
};
static const struct json_field status_fields[] = {
	JSON_FIELD(struct status, version, "version", JSON_STRING, true, 0),
	JSON_FIELD(struct status, directory, "directory", JSON_STRING, true, 0),
	JSON_FIELD(struct status, processes, "processes", JSON_OBJECT, true, 0),
	JSON_FIELD(struct status, ready, "ready", JSON_BOOL, true, 0),
};

static enum err_code print_counts(struct arena *a, struct bytes counts, struct err *e)
{
	struct json_member *v;
	size_t n;

	if (!counts.ptr)
		return ERR_OK;
	TRY(json_members(a, counts, 64, &v, &n, e));
	for (size_t i = 0; i < n; i++)
		if (v[i].value.ptr[0] != '{' || v[i].value.len > 2)
			printf("            %.*s %.*s\n", BYTES_FMT(v[i].key), BYTES_FMT(v[i].value));
	return ERR_OK;
}

static enum err_code print_status(struct arena *a, struct bytes json, bool *ret_ready, struct err *e)
{
	struct status s = { 0 };
	struct json_member *v;
	size_t n;

	TRY(json_read(a, json, "the server's answer", status_fields, sizeof status_fields / sizeof *status_fields, &s, e));
	TRY(json_members(a, s.processes, 16, &v, &n, e));
	printf("chancery-ca %.*s at %.*s: %s\n", BYTES_FMT(s.version), BYTES_FMT(s.directory), s.ready.value ? "all is well" : "NOT ready");
	for (size_t i = 0; i < n; i++) {
		struct status_process p = { 0 };
		TRY(json_read(a, v[i].value, "a process", process_fields, sizeof process_fields / sizeof *process_fields, &p, e));
		printf("  %-9.*s %-8.*s pid %-7u started %u time%s\n            jail: %.*s\n", BYTES_FMT(v[i].key), BYTES_FMT(p.state),
		    (unsigned)p.pid.value, (unsigned)p.starts.value, p.starts.value == 1 ? "" : "s", BYTES_FMT(p.jail));
		if (p.failure.ptr)
			printf("            failed: %.*s\n", BYTES_FMT(p.failure));
		TRY(print_counts(a, p.counts, e));
	}
	*ret_ready = s.ready.value;
	return ERR_OK;
}

static int run_status(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	CLEANUP(buf_free_p) struct buf out = buf_new(1u << 20);
	struct settings s;
	struct err e = { 0 };
	bool ready = true;

	if (ca_config_read(c, a, &s, &e) != ERR_OK || control_ask(&s, "status", &out, &e) != ERR_OK)
		return cli_fail(c, &e);
	if (cli_flag(c, "json"))
		printf("%.*s", BYTES_FMT(buf_bytes(&out)));
	else if (print_status(a, buf_bytes(&out), &ready, &e) != ERR_OK)
		return cli_fail(c, &e);
	return ready ? EXIT_DONE : EXIT_FAILED;
}

static const struct cli_option status_options[] = {
	CONFIG_OPTION,
	{ "json", NULL, false, "Prints what the server answers, one JSON object." },
};

static const struct cli_command commands[] = {
	{ "init", "", "Makes a new CA: root, intermediate, folders, configuration. Never overwrites anything.", init_options,
	    sizeof init_options / sizeof *init_options, 0, 0, run_init },
	{ "serve", "", "Runs the CA until SIGTERM; SIGHUP reads configuration and TLS certificate again.", &config_option, 1, 0, 0,
	    run_serve },
	{ "check-config", "", "Reads the configuration and tells what is wrong with it.", &config_option, 1, 0, 0, run_check_config },
	{ "status", "", "Asks the running server how it is.", status_options, sizeof status_options / sizeof *status_options, 0, 0,
	    run_status },
	{ "eab", "add | list | expire KID | revoke KID",
	    "External account keys: makes one (add; it can be seen this once), lists them, has one bind no more accounts (expire), or ends it with what its accounts may (revoke). The server must run.",
	    eab_options, EAB_OPTIONS, 1, 2, cmd_eab },
};
static const struct cli_program program = { "chancery-ca", "an ACME (RFC 8555) certificate authority", commands,
	sizeof commands / sizeof *commands };

int main(int argc, char **argv)
{
	crypto_init();
	return cli_main(&program, argc, argv);
}
