#include "cli/cmd_log.h"

#include "base/codec.h"
#include "base/json.h"
#include "cli/ca_config.h"
#include "cli/moment.h"
#include "server/admin/log_verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OUT_MAX (1u << 20)

static const struct given_option log_options[] = {
	CONFIG_OPTION,
	{ "checkpoint", "FILE", false,
	    "verify: a checkpoint that was kept elsewhere, a copy of the signer's file \"checkpoint\" of some day: the log must be the one that it was made of, "
	    "and not shorter (default: the signer's own)." },
	{ "type", "TYPE", true, "list: only records of this type, like intent or revoke." },
	{ "operators", NULL, false, "list: only what operators did." },
	{ "since", "TIME", false, "list: from this time on: 2026-11-25T08:00:00Z, or how long ago, like 7d." },
	{ "until", "TIME", false, "list: before this time." },
	{ "json", NULL, false, "Prints one JSON object." },
};

/* --- verify --- */

static void put_summary(const struct log_summary *s, struct buf *out)
{
	struct json_out w = json_out_to(out);
	char chain[HEX_LEN(SHA256_SIZE) + 1], instance[HEX_LEN(INSTANCE_SIZE) + 1];

	hex_encode(BYTES_ARRAY(s->chain), chain);
	hex_encode(BYTES_ARRAY(s->end.instance), instance);
	json_put_object(&w);
	json_put_member_str(&w, "instance", instance);
	json_put_member_bool(&w, "running", s->running);
	json_put_member_uint(&w, "records", s->records);
	json_put_member_uint(&w, "segments", s->end.segments);
	json_put_member_uint(&w, "bytes", s->end.bytes);
	json_put_member_uint(&w, "torn", s->end.torn);
	json_put_member_uint(&w, "first", (uint64_t)s->first_ms / 1000);
	json_put_member_uint(&w, "last", (uint64_t)s->last_ms / 1000);
	json_put_member_str(&w, "chain", chain);
	if (s->checkpoint.sequence) {
		json_put_member_uint(&w, "checkpoint", s->checkpoint.sequence);
		json_put_member_uint(&w, "checkpointMade", (uint64_t)s->checkpoint.made_ms / 1000);
	}
	json_put_key(&w, "types");
	json_put_object(&w);
	for (unsigned i = 0; i < 256; i++)
		if (s->of_type[i])
			json_put_member_uint(&w, log_type_name(i), s->of_type[i]);
	json_end_object(&w);
	json_end_object(&w);
}

static void print_summary(const struct log_summary *s)
{
	char first[MOMENT_SIZE], last[MOMENT_SIZE], made[MOMENT_SIZE], chain[HEX_LEN(SHA256_SIZE) + 1];

	moment_text(s->first_ms / 1000, first);
	moment_text(s->last_ms / 1000, last);
	hex_encode(BYTES_ARRAY(s->chain), chain);
	printf("The log is whole: %llu records in %u segment%s, %llu bytes, from %s to %s.\n", (unsigned long long)s->records,
	    (unsigned)s->end.segments, s->end.segments == 1 ? "" : "s", (unsigned long long)s->end.bytes, first, last);
	if (s->checkpoint.sequence) {
		moment_text(s->checkpoint.made_ms / 1000, made);
		printf("The checkpoint of %s, at record %llu, is of this log.\n", made, (unsigned long long)s->checkpoint.sequence);
	} else {
		printf("There is no checkpoint yet: whether the log has lost its end, nobody can tell.\n");
	}
	if (s->end.torn)
		printf("Behind the last record are %llu bytes of one that %s.\n", (unsigned long long)s->end.torn,
		    s->running ? "is being written" : "never became durable; the next start cuts them off");
	printf("The last record's chain value: %s\n\n", chain);
	for (unsigned i = 0; i < 256; i++)
		if (s->of_type[i])
			printf("  %-12s %12llu\n", log_type_name(i), (unsigned long long)s->of_type[i]);
}

static enum err_code run_verify(const struct cli *c, const struct settings *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(OUT_MAX);
	struct log_summary sum;

	TRY(log_verify(s, cli_value(c, "checkpoint", NULL), NULL, &sum, e));
	if (!cli_flag(c, "json")) {
		print_summary(&sum);
		return ERR_OK;
	}
	put_summary(&sum, &out);
	printf("%.*s\n", BYTES_FMT(buf_bytes(&out)));
	return ERR_OK;
}

/* --- list --- */

struct listing {
	bool json, any_type, operators;
	bool types[256];
	int64_t since_ms, until_ms;
	uint64_t told; /* the last record that was told: all may begin anew */
	size_t n;
	struct arena *a;
	struct buf out;
};

static void begin(void *ctx)
{
	(void)ctx; /* what was told is told: listing.told */
}

static bool by_operator(const struct record *r, const struct log_fact *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (r->type == LOG_REVOKE && strcmp(v[i].name, "by") == 0)
			return bytes_eq_str(v[i].value, "operator");
	return log_type_by_operator(r->type);
}

static void print_record(struct listing *l, const struct record *r, const struct log_fact *v, size_t n)
{
	char when[MOMENT_SIZE];

	moment_text(r->time_ms / 1000, when);
	printf("%10llu  %s  %-10s", (unsigned long long)r->sequence, when, log_type_name(r->type));
	for (size_t i = 0; i < n; i++) {
		struct json_out w = json_out_to(&l->out);
		buf_reset(&l->out);
		json_put_string(&w, v[i].value); /* what clients and operators wrote may hold anything */
		struct bytes text = buf_bytes(&l->out);
		bool plain = v[i].value.len > 0 && text.len == v[i].value.len + 2 && !memchr(text.ptr, ' ', text.len);
		text = plain ? bytes_slice(text, 1, text.len - 1) : text;
		printf("  %s=%.*s", v[i].name, BYTES_FMT(text));
	}
	printf("\n");
}

static void put_record(struct listing *l, const struct record *r, const struct log_fact *v, size_t n)
{
	struct json_out w = json_out_to(&l->out);

	buf_reset(&l->out);
	json_put_object(&w);
	json_put_member_uint(&w, "record", r->sequence);
	json_put_member_uint(&w, "time", (uint64_t)r->time_ms / 1000);
	json_put_member_str(&w, "type", log_type_name(r->type));
	for (size_t i = 0; i < n; i++)
		json_put_member(&w, v[i].name, v[i].value);
	json_end_object(&w);
	printf("%s\n  %.*s", l->n ? "," : "", BYTES_FMT(buf_bytes(&l->out)));
}

static enum err_code tell(void *ctx, const struct record *r, struct err *e)
{
	struct log_fact v[LOG_FACTS_MAX];
	struct listing *l = ctx;
	size_t n;

	if (r->sequence <= l->told || r->time_ms < l->since_ms || r->time_ms >= l->until_ms || (!l->any_type && !l->types[r->type]))
		return ERR_OK;
	arena_reset(l->a);
	TRY(log_tell(l->a, r, v, &n, e));
	if (l->operators && !by_operator(r, v, n))
		return ERR_OK;
	if (l->json)
		put_record(l, r, v, n);
	else
		print_record(l, r, v, n);
	l->told = r->sequence;
	l->n++;
	return ERR_OK;
}

static bool type_from_name(const char *name, unsigned *ret)
{
	for (unsigned i = 0; i < 256; i++)
		if (log_type_name(i) && strcmp(log_type_name(i), name) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

static enum err_code unknown_type(const char *name, struct err *e)
{
	char names[400] = "";

	for (unsigned i = 0; i < 256; i++)
		if (log_type_name(i))
			(void)snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names ? ", " : "", log_type_name(i));
	errno = 0;
	FAIL(e, CONFIG, "there are no records of type \"%.40s\"; there are %s", name, names);
}

static enum err_code read_filter(const struct cli *c, struct listing *l, struct err *e)
{
	const char *name;
	unsigned type;
	int64_t since_s, until_s;

	l->json = cli_flag(c, "json");
	l->operators = cli_flag(c, "operators");
	l->any_type = !cli_nth(c, "type", 0);
	for (size_t i = 0; (name = cli_nth(c, "type", i)); i++) {
		if (!type_from_name(name, &type))
			return unknown_type(name, e);
		l->types[type] = true;
	}
	TRY(moment_option(c, "since", 0, &since_s, e));
	TRY(moment_option(c, "until", INT64_MAX / 1000, &until_s, e));
	l->since_ms = since_s * 1000;
	l->until_ms = until_s * 1000;
	return ERR_OK;
}

static enum err_code run_list(const struct cli *c, const struct settings *s, struct err *e)
{
	struct listing l = { .a = arena_new(16384, 1u << 20), .out = buf_new(OUT_MAX) };
	struct log_watch watch = { begin, tell, &l };
	struct log_summary sum;

	enum err_code rc = l.a ? read_filter(c, &l, e) : err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory");
	if (rc == ERR_OK && l.json)
		printf("{\"records\": [");
	if (rc == ERR_OK)
		rc = log_verify(s, NULL, &watch, &sum, e);
	if (rc == ERR_OK && l.json)
		printf("%s]}\n", l.n ? "\n" : "");
	arena_free(l.a);
	buf_free(&l.out);
	return rc;
}

static int cmd_log(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	const char *verb = c->arguments[0];
	struct settings s;
	struct err e = { 0 };

	enum err_code rc = ca_config_read(c, a, &s, &e);
	if (rc == ERR_OK && strcmp(verb, "verify") == 0)
		rc = run_verify(c, &s, &e);
	else if (rc == ERR_OK && strcmp(verb, "list") == 0)
		rc = run_list(c, &s, &e);
	else if (rc == ERR_OK)
		rc = err_set(&e, ERR_CONFIG, __FILE__, __LINE__, "log %s: verify and list are known", verb);
	return rc == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

const struct cli_command log_command = { "log", "verify | list",
	"The signer's log: checks every record, link and certificate and the checkpoint (verify), or tells what its records say (list). As root or the files' "
	"owner; also while the server runs.",
	CLI_OPTIONS(log_options), 1, 1, cmd_log };
