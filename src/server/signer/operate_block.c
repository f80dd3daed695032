/* What operators block: at once, and until they unblock it. */
#include "server/signer/operate.h"

#include "base/clock.h"

#include <stdio.h>

/* A start takes what its log says, even what would be refused now. */
enum err_code block_take(struct signer *s, const struct record *r, struct err *e)
{
	struct block_event v;

	TRY(block_event_read(r, &v, e));
	s->news.blocks = true;
	if (v.on)
		return blocks_add(s->blocks, &v.block, e);
	(void)blocks_remove(s->blocks, v.block.kind, v.block.value);
	return ERR_OK;
}

static void put_block(struct json_out *w, const struct block *v)
{
	json_put_member_str(w, "what", block_kind_name(v->kind));
	json_put_member(w, "value", v->value);
	json_put_member(w, "reason", v->reason);
	json_put_member_uint(w, "since", (uint64_t)v->since_ms / 1000);
	json_put_member_uint(w, "uid", v->uid);
}

static enum err_code read_block(struct arena *a, const struct operator_request *r, struct block *ret, struct err *e)
{
	*ret = (struct block){ .uid = r->uid, .reason = r->reason.ptr ? r->reason : BYTES_LIT(""), .since_ms = clock_wall_ms() };
	if (!r->what.ptr || !block_kind_from_name(r->what, &ret->kind))
		FAIL(e, CONFIG, "a key, a name, an account or a method can be blocked");
	return block_check(a, ret->kind, r->value.ptr ? r->value : BYTES_LIT(""), &ret->value, e);
}

static enum err_code change(struct signer *s, const struct block *v, bool on, struct json_out *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(1024);
	struct block_event n = { .on = on, .block = *v };
	char who[16];

	block_event_write(&n, &body);
	if (!buf_ok(&body))
		FAIL(e, NOMEM, "no memory for a record of the log");
	TRY(signer_add_event(s, LOG_BLOCK, buf_bytes(&body), e));
	(void)snprintf(who, sizeof who, "%u", (unsigned)v->uid);
	event(EVENT_NOTICE, on ? "block.added" : "block.removed", EVENT_STR("what", block_kind_name(v->kind)), { "value", v->value },
	    { "reason", v->reason }, EVENT_STR("uid", who));
	put_block(w, v);
	return ERR_OK;
}

enum err_code operate_block(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	struct block v;

	TRY(read_block(a, r, &v, e));
	if (blocks_has(s->blocks, v.kind, v.value))
		FAIL(e, CONFLICT, "it is blocked already");
	if (blocks_count(s->blocks) == BLOCKS_MAX)
		FAIL(e, BUSY,
		    "%d keys, names, accounts and methods are blocked, which is the most: unblock some, or put names into the policy and keys "
		    "into its files",
		    BLOCKS_MAX);
	return change(s, &v, true, w, e);
}

enum err_code operate_unblock(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	struct block v;

	TRY(read_block(a, r, &v, e));
	if (!blocks_has(s->blocks, v.kind, v.value))
		FAIL(e, NOT_FOUND, "it is not blocked: block list tells what is");
	return change(s, &v, false, w, e);
}

enum err_code operate_block_list(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	(void)a, (void)r, (void)e;
	json_put_key(w, "blocks");
	json_put_array(w);
	for (size_t i = 0; i < blocks_count(s->blocks); i++) {
		struct block v = blocks_at(s->blocks, i);
		json_put_object(w);
		put_block(w, &v);
		json_end_object(w);
	}
	json_end_array(w);
	return ERR_OK;
}
