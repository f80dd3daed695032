#include "cli/cmd_backup.h"

#include "base/codec.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/ca_config.h"
#include "cli/passphrase.h"
#include "crypto/seal.h"
#include "os/file.h"
#include "server/admin/backup.h"
#include "server/admin/reconcile.h"
#include "server/admin/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_TEXT_MAX (1u << 20)

static const struct given_option backup_options[] = {
	CONFIG_OPTION,
	{ "with-keys", NULL, false,
	    "With all private keys and secrets, so that a CA can be made of this file alone. It is encrypted, and needs --passphrase-file." },
	PASSPHRASE_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
static const struct given_option restore_options[] = {
	{ "config", "FILE", false, "The configuration (default: " CONFIG_PATH "). The backup's own is put there if there is none." },
	PASSPHRASE_OPTION,
	{ "repair", NULL, false, "Makes the database right by the log, when it is older." },
	{ "json", NULL, false, "Prints one JSON object." },
};

static void put_manifest(struct json_out *w, const struct manifest *m)
{
	char instance[HEX_LEN(INSTANCE_SIZE) + 1], made[RFC3339_SIZE];

	hex_encode(BYTES_ARRAY(m->instance), instance);
	rfc3339_format(m->made_s, made);
	json_put_member_str(w, "instance", instance);
	json_put_member_str(w, "made", made);
	json_put_member_bool(w, "keys", m->keys);
	json_put_member_bool(w, "database", m->database);
	json_put_member_uint(w, "records", m->log_sequence);
	json_put_member_uint(w, "files", m->files);
}

static void finish(struct json_out *w)
{
	json_end_object(w);
	printf("%.*s\n", BYTES_FMT(buf_bytes(w->out)));
}

/* --- backup --- */

/* NOT_FOUND: no server runs. */
static enum err_code ask_for_record(const struct settings *s, const struct cli *c, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, ASK_ANSWER_MAX);
	CLEANUP(buf_free_p) struct buf line = buf_new(ASK_LINE_MAX), answer = buf_new(ASK_ANSWER_MAX);
	struct json_out w = json_out_to(&line);

	if (!a)
		FAIL(e, NOMEM, "no memory");
	json_put_object(&w);
	json_put_member_str(&w, "command", "audit");
	json_put_member_str(&w, "action", "backup");
	json_put_member_str(&w, "detail", cli_flag(c, "with-keys") ? "with keys" : "without keys");
	json_end_object(&w);
	return ask_signer(s, a, &line, &answer, e);
}

/* Into the log of a server that runs, before anything is copied. A signer that cannot write now is the very time for a backup: then only
 * the operator is told. */
static bool record(const struct settings *s, const struct cli *c)
{
	struct err why = { 0 };

	enum err_code rc = ask_for_record(s, c, &why);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND)
		fprintf(stderr, "chancery-ca: note: the signer's log has no record of this backup: %s\n", why.detail);
	return rc == ERR_OK;
}

static void tell_backup(const struct cli *c, const struct backup_report *r, bool recorded)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(16384);
	struct json_out w = json_out_to(&out);

	if (!cli_flag(c, "json")) {
		printf("%s\n%llu bytes, %llu files, the log up to record %llu%s%s\n", r->path, (unsigned long long)r->size,
		    (unsigned long long)r->manifest.files, (unsigned long long)r->manifest.log_sequence,
		    r->manifest.database ? "" : "; there is no database", r->sealed ? "; encrypted" : "");
		if (!r->manifest.keys)
			printf("No key and no secret is in it: keep those of %s elsewhere.\n", "front/, validator/ and signer/");
		return;
	}
	json_put_object(&w);
	json_put_member_str(&w, "file", r->path);
	json_put_member_uint(&w, "size", r->size);
	json_put_member_bool(&w, "encrypted", r->sealed);
	json_put_member_uint(&w, "segments", r->segments);
	json_put_member_bool(&w, "recorded", recorded);
	put_manifest(&w, &r->manifest);
	finish(&w);
}

static enum err_code run_backup(const struct cli *c, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(SEAL_PASS_MAX + 1);
	struct backup_request q = {
		.config = cli_value(c, "config", CONFIG_PATH), .to = c->arguments[0], .keys = cli_flag(c, "with-keys")
	};
	struct backup_report *r = arena_new_obj(a, struct backup_report);
	struct settings s;

	if (!r)
		FAIL(e, NOMEM, "no memory");
	TRY(ca_config_read(c, a, &s, e));
	TRY(passphrase_read(c, &text, &q.passphrase, e));
	if (q.keys && q.passphrase.len == 0)
		FAIL(e, CONFIG, "--with-keys needs --passphrase-file FILE: keys leave this machine encrypted, or not at all");
	q.settings = &s;
	bool recorded = record(&s, c);
	TRY(backup(&q, r, e));
	tell_backup(c, r, recorded);
	return ERR_OK;
}

static int cmd_backup(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	return run_backup(c, a, &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

/* --- restore --- */

/* The configuration that there is, or the backup's own. */
static enum err_code settle_config(const struct cli *c, struct bytes text, bool *ret_made, struct err *e)
{
	const char *path = cli_value(c, "config", CONFIG_PATH);

	*ret_made = access(path, F_OK) != 0;
	return *ret_made ? file_create(AT_FDCWD, path, 0644, text, e) : ERR_OK;
}

static uint64_t sum(const uint64_t counts[DIFFERENCE__MAX])
{
	uint64_t n = 0;

	for (size_t i = 0; i < DIFFERENCE__MAX; i++)
		n += counts[i];
	return n;
}

static void tell_restore(const struct cli *c, const struct settings *s, const struct manifest *m, bool config_made, bool compared,
    const struct reconcile_report *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(16384);
	struct json_out w = json_out_to(&out);
	uint64_t found = sum(r->found), left = sum(r->left);
	const char *config = cli_value(c, "config", CONFIG_PATH);

	if (cli_flag(c, "json")) {
		json_put_object(&w);
		json_put_member(&w, "stateFolder", s->state_folder);
		json_put_member_str(&w, "config", config);
		json_put_member_bool(&w, "configMade", config_made);
		put_manifest(&w, m);
		json_put_member_bool(&w, "compared", compared);
		json_put_member_uint(&w, "found", found);
		json_put_member_uint(&w, "left", left);
		finish(&w);
		return;
	}
	printf("Restored to %.*s: %llu files, the log up to record %llu.\n", BYTES_FMT(s->state_folder), (unsigned long long)m->files,
	    (unsigned long long)m->log_sequence);
	if (config_made)
		printf("The configuration is %s.\n", config);
	if (!m->keys)
		printf(
		    "No key and no secret was in the backup: put those of front/, validator/ and signer/ back before the server starts.\n");
	if (!compared)
		printf("There is no database: chancery-ca reconcile --repair --config %s makes it from the log.\n", config);
	else if (left > 0)
		printf("Log and database differ (%llu differences): chancery-ca reconcile --repair --config %s\n", (unsigned long long)left,
		    config);
	else
		printf("Log and database agree%s.\n", found ? " now" : "");
	if (m->keys && compared && left == 0)
		printf("Next: chancery-ca serve --config %s\n", config);
}

static enum err_code run_restore(const struct cli *c, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(SEAL_PASS_MAX + 1), config = buf_new(CONFIG_TEXT_MAX);
	struct reconcile_report *report = arena_new_obj(a, struct reconcile_report);
	struct restore r = { .from = c->arguments[0] };
	bool config_made, repair = cli_flag(c, "repair");
	struct manifest m;
	struct settings s;

	if (!report)
		FAIL(e, NOMEM, "no memory");
	TRY(passphrase_read(c, &text, &r.passphrase, e));
	TRY(restore_check(&r, &m, &config, e));
	TRY(settle_config(c, buf_bytes(&config), &config_made, e));
	enum err_code rc = ca_config_read(c, a, &s, e);
	if (rc == ERR_OK)
		rc = restore_put(&r, &s, &m, e);
	if (rc != ERR_OK && config_made)
		(void)unlink(cli_value(c, "config", CONFIG_PATH)); /* as if nothing had been tried */
	TRY(rc);
	bool compare = m.database || repair;
	if (compare)
		TRY(reconcile(&s, repair, report, e));
	tell_restore(c, &s, &m, config_made, compare, report);
	return ERR_OK;
}

static int cmd_restore(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct err e = { 0 };

	umask(022);
	if (!a)
		return EXIT_FAILED;
	return run_restore(c, a, &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

const struct cli_command backup_command = { "backup", "FILE|DIR",
	"Puts everything that this CA is made of into one file, also while the server runs: database, log, certificates, configuration, and with "
	"--with-keys all secrets. As root or the files' owner.",
	CLI_OPTIONS(backup_options), 1, 1, cmd_backup };

const struct cli_command restore_command = { "restore", "FILE",
	"Makes a CA from its backup where there is none, after everything in it was checked. Never overwrites anything. As root or whoever is to own "
	"the files.",
	CLI_OPTIONS(restore_options), 1, 1, cmd_restore };
