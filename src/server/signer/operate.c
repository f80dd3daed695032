/* What operators ask of the running signer. A line of JSON in, one out; docs/protocol/operators.md. */
#include "server/signer/operate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIELD(member, name, kind, required, max) JSON_FIELD(struct operator_request, member, name, kind, required, max)
static const struct json_field request_fields[] = {
	FIELD(command, "command", JSON_STRING, true, 32),
	FIELD(label, "label", JSON_STRING, false, EAB_LABEL_MAX),
	FIELD(alg, "alg", JSON_STRING, false, 16),
	FIELD(lifetime, "lifetime", JSON_UINT, false, 0),
	FIELD(uses, "uses", JSON_UINT, false, 0),
	FIELD(names, "names", JSON_STRINGS, false, EAB_NAMES_MAX),
	FIELD(profiles, "profiles", JSON_STRINGS, false, EAB_PROFILES_MAX),
	FIELD(kid, "kid", JSON_STRING, false, 64),
	FIELD(after, "after", JSON_STRING, false, 64),
	FIELD(action, "action", JSON_STRING, false, AUDIT_ACTION_MAX),
	FIELD(detail, "detail", JSON_STRING, false, AUDIT_DETAIL_MAX),
	FIELD(what, "what", JSON_STRING, false, LIMIT_NAME_MAX),
	FIELD(value, "value", JSON_STRING, false, BLOCK_VALUE_MAX),
	FIELD(reason, "reason", JSON_STRING, false, BLOCK_REASON_MAX),
	FIELD(serials, "serials", JSON_STRINGS, false, REVOKE_AT_ONCE),
};
static const struct {
	const char *name;
	operator_command *run;
} commands[] = {
	{ "eab-add", operate_eab_add },
	{ "eab-list", operate_eab_list },
	{ "eab-expire", operate_eab_expire },
	{ "eab-revoke", operate_eab_revoke },
	{ "revoke", operate_revoke },
	{ "block", operate_block },
	{ "unblock", operate_unblock },
	{ "block-list", operate_block_list },
	{ "limits-reset", operate_limits_reset },
	{ "audit", operate_audit },
};
#define COMMANDS (sizeof commands / sizeof *commands)

/* Into the same chain as what is done here. */
static enum err_code log_audit(struct signer *s, uint32_t uid, struct bytes action, struct bytes detail, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(AUDIT_ACTION_MAX + AUDIT_DETAIL_MAX + 64);
	struct audit v = { .uid = uid, .action = action, .detail = detail };
	char who[16];

	audit_write(&v, &body);
	if (!buf_ok(&body))
		FAIL(e, NOMEM, "no memory for a record of the log");
	TRY(signer_add_event(s, LOG_AUDIT, buf_bytes(&body), e));
	(void)snprintf(who, sizeof who, "%u", (unsigned)uid);
	event(EVENT_NOTICE, "operator.action", { "action", v.action }, { "detail", v.detail }, EVENT_STR("uid", who));
	return ERR_OK;
}

/* What an operator does elsewhere. */
enum err_code operate_audit(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	(void)a;
	if (!r->action.ptr || r->action.len == 0)
		FAIL(e, CONFIG, "action says what was done: 1 to %d characters", AUDIT_ACTION_MAX);
	TRY(log_audit(s, r->uid, r->action, r->detail.ptr ? r->detail : BYTES_LIT(""), e));
	json_put_member_uint(w, "record", log_position(s->log).chain.sequence);
	return ERR_OK;
}

/* The limits are the front's; what an operator does to them stands in the log before the front hears it. */
enum err_code operate_limits_reset(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	if (!r->what.ptr || !r->value.ptr || r->what.len == 0 || r->value.len == 0)
		FAIL(e, CONFIG, "what names the limit, value what it counts for");
	if (s->news.n_resets == RESETS_MAX)
		FAIL(e, BUSY, "too many at once: try again in a moment");
	struct bytes detail = arena_fmt(a, "%.*s %.*s", BYTES_FMT(r->what), BYTES_FMT(r->value));
	if (!detail.ptr)
		FAIL(e, NOMEM, "no memory");
	TRY(log_audit(s, r->uid, BYTES_LIT("limits-reset"), detail, e));
	struct limits_reset *n = &s->news.resets[s->news.n_resets++];
	(void)snprintf(n->limit, sizeof n->limit, "%.*s", BYTES_FMT(r->what));
	(void)snprintf(n->key, sizeof n->key, "%.*s", BYTES_FMT(r->value));
	json_put_member_uint(w, "record", log_position(s->log).chain.sequence);
	return ERR_OK;
}

static enum err_code unknown_command(struct err *e)
{
	CLEANUP(buf_free_p) struct buf names = buf_new(1024);

	for (size_t i = 0; i < COMMANDS; i++)
		buf_add_fmt(&names, "%s%s", i ? ", " : "", commands[i].name);
	FAIL(e, CONFIG, "unknown command; there are %.*s", BYTES_FMT(buf_bytes(&names)));
}

static enum err_code operate(struct signer *s, struct arena *a, struct bytes line, uint32_t uid, struct json_out *w, struct err *e)
{
	struct operator_request r = { .command = BYTES_NONE };

	TRY(json_read(a, line, "the request", request_fields, sizeof request_fields / sizeof *request_fields, &r, e));
	r.uid = uid;
	for (size_t i = 0; i < COMMANDS; i++)
		if (bytes_eq_str(r.command, commands[i].name))
			return commands[i].run(s, a, &r, w, e);
	return unknown_command(e);
}

enum err_code signer_operate(struct signer *s, struct bytes line, uint32_t uid, struct buf *answer, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 8u << 20);
	struct json_out w = json_out_to(answer);
	struct err why = { 0 };

	if (!a)
		FAIL(e, NOMEM, "no memory for an operator's request");
	errno = 0;
	json_put_object(&w);
	enum err_code rc = operate(s, a, line, uid, &w, &why);
	if (log_poisoned(s->log)) {
		*e = why;
		return rc != ERR_OK ? rc : ERR_IO;
	}
	if (rc != ERR_OK) {
		buf_reset(answer);
		w = json_out_to(answer);
		json_put_object(&w);
		json_put_member_str(&w, "error", why.detail);
	}
	json_end_object(&w);
	return ERR_OK;
}

void signer_news(struct signer *s, bool all, struct signer_news *ret)
{
	struct news *n = &s->news;
	uint64_t from = all ? 0 : n->told;

	if (n->n_revoked - from > REVOKED_NEW_MAX)
		from = n->n_revoked - REVOKED_NEW_MAX;
	ret->blocks = n->blocks || all;
	ret->n_revoked = 0;
	for (; from < n->n_revoked; from++)
		ret->revoked[ret->n_revoked++] = n->revoked[from % REVOKED_NEW_MAX];
	memcpy(ret->resets, n->resets, n->n_resets * sizeof *n->resets);
	ret->n_resets = n->n_resets;
	n->told = n->n_revoked;
	n->n_resets = 0;
	n->blocks = false;
}

bool signer_blocks_part(struct signer *s, size_t *at, struct buf *out)
{
	if (*at > 0 && *at >= blocks_count(s->blocks))
		return false;
	blocks_write(s->blocks, at, out);
	return true;
}
