#include "cli/cmd_block.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/ca_config.h"
#include "cli/key_arg.h"
#include "cli/moment.h"
#include "server/blocks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct given_option block_options[] = {
	CONFIG_OPTION,
	{ "reason", "TEXT", false, "Why, for the log and the list: at most 200 bytes." },
	{ "json", NULL, false, "Prints what the signer answers, one JSON object." },
};
static const struct given_option limits_options[] = {
	CONFIG_OPTION,
	{ "json", NULL, false, "Prints what the process that was asked answers, one JSON object." },
};

struct block_answer {
	struct bytes what, value, reason;
	struct json_uint since, uid;
};
static const struct json_field block_fields[] = {
	JSON_FIELD(struct block_answer, what, "what", JSON_STRING, true, 0),
	JSON_FIELD(struct block_answer, value, "value", JSON_STRING, true, 0),
	JSON_FIELD(struct block_answer, reason, "reason", JSON_STRING, true, 0),
	JSON_FIELD(struct block_answer, since, "since", JSON_UINT, true, 0),
	JSON_FIELD(struct block_answer, uid, "uid", JSON_UINT, true, 0),
};
struct list_answer {
	struct bytes blocks;
};
static const struct json_field list_fields[] = { JSON_FIELD(struct list_answer, blocks, "blocks", JSON_ARRAY, true, 0) };
#define FIELDS(f) (f), sizeof(f) / sizeof *(f)

struct work {
	const struct cli *c;
	struct arena *a;
	struct settings settings;
	struct buf request, answer;
};

static enum err_code ask(struct work *w, struct err *e)
{
	TRY(ask_signer(&w->settings, w->a, &w->request, &w->answer, e));
	if (cli_flag(w->c, "json"))
		printf("%.*s", BYTES_FMT(buf_bytes(&w->answer)));
	return ERR_OK;
}

/* --- block, unblock --- */

/* A key also by a file that has it, an account also by its URL. */
static enum err_code value_of(struct work *w, const char *what, const char *text, struct bytes *ret, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	char hex[HEX_LEN(SHA256_SIZE) + 1];
	const char *slash = strrchr(text, '/');

	*ret = bytes_str(strcmp(what, "account") == 0 && slash ? slash + 1 : text);
	if (strcmp(what, "key") != 0)
		return ERR_OK;
	TRY(key_argument(text, digest, e));
	hex_encode(BYTES_ARRAY(digest), hex);
	*ret = arena_copy(w->a, bytes_str(hex));
	return ERR_OK;
}

static enum err_code change(struct work *w, const char *command, struct err *e)
{
	const char *what = w->c->arguments[0], *reason = cli_value(w->c, "reason", NULL);
	struct json_out j = json_out_to(&w->request);
	enum block_kind kind;
	struct bytes value;

	errno = 0;
	if (!block_kind_from_name(bytes_str(what), &kind) || w->c->n_arguments != 2)
		FAIL(e, CONFIG, "%s wants a key, a name, an account or a method, and which: \"%s name bad.example\"", command, command);
	TRY(value_of(w, what, w->c->arguments[1], &value, e));
	json_put_object(&j);
	json_put_member_str(&j, "command", command);
	json_put_member_str(&j, "what", what);
	json_put_member(&j, "value", value);
	if (reason)
		json_put_member_str(&j, "reason", reason);
	json_end_object(&j);
	return ask(w, e);
}

static enum err_code list(struct work *w, struct err *e)
{
	struct json_out j = json_out_to(&w->request);
	struct list_answer v;
	struct bytes *elements;
	size_t n;

	json_put_object(&j);
	json_put_member_str(&j, "command", "block-list");
	json_end_object(&j);
	TRY(ask(w, e));
	if (cli_flag(w->c, "json"))
		return ERR_OK;
	TRY(json_read(w->a, buf_bytes(&w->answer), "the list", FIELDS(list_fields), &v, e));
	TRY(json_elements(w->a, v.blocks, BLOCKS_MAX, &elements, &n, e));
	if (n == 0)
		printf("Nothing is blocked.\n");
	else
		printf("%-8s  %-20s  %6s  %s\n", "WHAT", "SINCE", "BY UID", "VALUE");
	for (size_t i = 0; i < n; i++) {
		struct block_answer b;
		char since[MOMENT_SIZE];
		TRY(json_read(w->a, elements[i], "a block", FIELDS(block_fields), &b, e));
		moment_text((int64_t)b.since.value, since);
		printf("%-8.*s  %-20s  %6u  %.*s%s%.*s%s\n", BYTES_FMT(b.what), since, (unsigned)b.uid.value, BYTES_FMT(b.value),
		    b.reason.len ? " (" : "", BYTES_FMT(b.reason), b.reason.len ? ")" : "");
	}
	return ERR_OK;
}

static enum err_code block(struct work *w, struct err *e)
{
	if (w->c->n_arguments == 1 && strcmp(w->c->arguments[0], "list") == 0)
		return list(w, e);
	TRY(change(w, "block", e));
	if (!cli_flag(w->c, "json"))
		printf("Blocked, and in the log. What was issued before stays valid: chancery-ca revoke ends it.\n");
	return ERR_OK;
}

static enum err_code unblock(struct work *w, struct err *e)
{
	TRY(change(w, "unblock", e));
	if (!cli_flag(w->c, "json"))
		printf("Blocked no more.\n");
	return ERR_OK;
}

/* --- limits --- */

static enum err_code check_limit(const char *name, struct err *e)
{
	CLEANUP(buf_free_p) struct buf names = buf_new(4096);

	for (size_t i = 0; i < settings_rows_n; i++) {
		if (settings_rows[i].kind != SETTINGS_RATE)
			continue;
		if (strcmp(settings_rows[i].option, name) == 0)
			return ERR_OK;
		buf_add_fmt(&names, "%s%s", names.len ? ", " : "", settings_rows[i].option);
	}
	errno = 0;
	FAIL(e, CONFIG, "there is no limit \"%.40s\"; there are %.*s", name, BYTES_FMT(buf_bytes(&names)));
}

struct limit_answer {
	struct bytes what, value;
	struct json_uint count, period, left, next;
};
static const struct json_field limit_fields[] = {
	JSON_FIELD(struct limit_answer, what, "what", JSON_STRING, true, 0),
	JSON_FIELD(struct limit_answer, value, "value", JSON_STRING, true, 0),
	JSON_FIELD(struct limit_answer, count, "count", JSON_UINT, true, 0),
	JSON_FIELD(struct limit_answer, period, "period", JSON_UINT, true, 0),
	JSON_FIELD(struct limit_answer, left, "left", JSON_UINT, true, 0),
	JSON_FIELD(struct limit_answer, next, "next", JSON_UINT, true, 0),
};

static void write_limit(struct work *w, const char *command)
{
	struct json_out j = json_out_to(&w->request);

	json_put_object(&j);
	json_put_member_str(&j, "command", command);
	json_put_member_str(&j, "what", w->c->arguments[1]);
	json_put_member_str(&j, "value", w->c->arguments[2]);
	json_end_object(&j);
}

static enum err_code reset_limit(struct work *w, struct err *e)
{
	write_limit(w, "limits-reset");
	TRY(ask(w, e));
	if (!cli_flag(w->c, "json"))
		printf("Counted anew from now on.\n");
	return ERR_OK;
}

static enum err_code show_limit(struct work *w, struct err *e)
{
	char time[RFC3339_SIZE];
	struct limit_answer r;

	write_limit(w, "limit");
	TRY(ask_front(&w->settings, w->a, &w->request, &w->answer, e));
	if (cli_flag(w->c, "json")) {
		printf("%.*s", BYTES_FMT(buf_bytes(&w->answer)));
		return ERR_OK;
	}
	TRY(json_read(w->a, buf_bytes(&w->answer), "the answer", FIELDS(limit_fields), &r, e));
	rfc3339_format((int64_t)r.next.value, time);
	if (r.count.value == 0)
		printf("%.*s is off.\n", BYTES_FMT(r.what));
	else if (r.left.value > 0)
		printf("%llu of %llu are left.\n", (unsigned long long)r.left.value, (unsigned long long)r.count.value);
	else
		printf("None of %llu is left until %s.\n", (unsigned long long)r.count.value, time);
	return ERR_OK;
}

static enum err_code limits(struct work *w, struct err *e)
{
	bool show = strcmp(w->c->arguments[0], "show") == 0;

	errno = 0;
	if (!show && strcmp(w->c->arguments[0], "reset") != 0)
		FAIL(e, CONFIG, "limits %s: show and reset are known", w->c->arguments[0]);
	TRY(check_limit(w->c->arguments[1], e));
	return show ? show_limit(w, e) : reset_limit(w, e);
}

static int run(struct cli *c, enum err_code (*command)(struct work *w, struct err *e))
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 8u << 20);
	struct work *w = a ? arena_new_obj(a, struct work) : NULL;
	struct err e = { 0 };

	if (!w)
		return EXIT_FAILED;
	*w = (struct work){ .c = c, .a = a, .request = buf_new(ASK_LINE_MAX), .answer = buf_new(ASK_ANSWER_MAX) };
	enum err_code rc = ca_config_read(c, a, &w->settings, &e);
	if (rc == ERR_OK)
		rc = command(w, &e);
	buf_free(&w->request);
	buf_free(&w->answer);
	return rc == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

static int cmd_block(struct cli *c)
{
	return run(c, block);
}

static int cmd_unblock(struct cli *c)
{
	return run(c, unblock);
}

static int cmd_limits(struct cli *c)
{
	return run(c, limits);
}

const struct cli_command block_command = { "block", "key FILE|DIGEST | name RULE | account ID|URL | method TYPE | list",
	"Nothing more is issued for this key, name or account, or on the word of this challenge type, from now on; or lists what is blocked. The server must "
	"run.",
	CLI_OPTIONS(block_options), 1, 2, cmd_block };

const struct cli_command unblock_command = { "unblock", "key FILE|DIGEST | name RULE | account ID|URL | method TYPE",
	"Takes back what block did. The server must run.", CLI_OPTIONS(block_options), 2, 2, cmd_unblock };

const struct cli_command limits_command = { "limits", "show|reset LIMIT WHAT",
	"Shows how a rate limit stands, or counts it anew. WHAT it counts for: an address, an account's id, a domain, names with commas between, or \"ACCOUNT NAME\" for "
	"failed-validations. The server must run.",
	CLI_OPTIONS(limits_options), 3, 3, cmd_limits };
