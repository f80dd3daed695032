/* Every body that one of our processes reads from another, which may be in an attacker's hands. */
#include "server/blocks.h"
#include "server/messages.h"
#include "server/ocsp_message.h"
#include "server/receipt.h"
#include "server/settings.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A path names the list that it is made of. */
static void check_path(struct arena *a, struct bytes in)
{
	uint8_t issuer[ISSUER_KEY_SIZE], shard;

	if (crl_path_read(in, issuer, &shard))
		require(bytes_ends_with(crl_url(a, BYTES_LIT("http://ca.test"), issuer, shard), in));
}

/* What can be blocked has one form, and is blocked when it was added, until it is removed; the list says the same when it was written and read. */
static void check_blocks(struct arena *a, struct bytes in)
{
	struct blocks *b = blocks_new(), *other = blocks_new();
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct bytes value, again;
	size_t at = 0;

	for (unsigned k = BLOCK_KEY; b && other && k < BLOCK__MAX; k++) {
		const enum block_kind kind = (enum block_kind)k;
		if (block_check(a, kind, in, &value, NULL) != ERR_OK)
			continue;
		require(block_check(a, kind, value, &again, NULL) == ERR_OK && bytes_eq(value, again));
		const struct block one = { .kind = kind, .value = value, .reason = BYTES_LIT(""), .uid = 1 };
		require(blocks_add(b, &one, NULL) == ERR_OK && blocks_add(b, &one, NULL) == ERR_OK && blocks_has(b, kind, value));
	}
	if (b && other && blocks_count(b) > 0) {
		blocks_write(b, &at, &out);
		require(blocks_read(other, buf_bytes(&out), NULL) == ERR_OK && blocks_count(other) == blocks_count(b));
		const struct block first = blocks_at(b, 0);
		require(blocks_has(other, first.kind, first.value) && blocks_remove(b, first.kind, first.value));
	}
	blocks_free(b);
	blocks_free(other);
}

/* Settings that were read are written as they were, but for booleans, which have one form. */
static void check_settings(struct arena *a, struct bytes in, unsigned reader)
{
	CLEANUP(buf_free_p) struct buf once = buf_new(CHANNEL_BODY_MAX), again = buf_new(CHANNEL_BODY_MAX);
	struct settings s;

	if (in.len > CHANNEL_BODY_MAX || settings_read(a, in, reader, &s, NULL) != ERR_OK)
		return;
	settings_write(&s, reader, &once);
	require(buf_bytes(&once).len == in.len && settings_read(a, buf_bytes(&once), reader, &s, NULL) == ERR_OK);
	settings_write(&s, reader, &again);
	require(bytes_eq(buf_bytes(&once), buf_bytes(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[RECEIPT_KEY_SIZE];
	struct arena *a = arena_new(4096, 1u << 22);
	struct bytes in = { data, size };
	struct validate validate;
	struct validated validated;
	struct issue issue;
	struct issued issued;
	struct receipt receipt;
	struct bytes detail;
	static struct crl_new lists[CRL_NEW_MAX];
	static struct revoked_new revoked_new[REVOKED_NEW_MAX];
	size_t n;
	enum err_code code;
	struct blocks *blocks = blocks_new();

	MAY_FAIL(validate_read(in, &validate, NULL));
	MAY_FAIL(validated_read(in, &validated, NULL));
	MAY_FAIL(issue_read(a, in, &issue, NULL));
	MAY_FAIL(issued_read(in, &issued, NULL));
	MAY_FAIL(problem_read(in, &code, &detail, NULL));
	MAY_FAIL(receipt_read(in, BYTES_ARRAY(key), &receipt, NULL));
	MAY_FAIL(account_evidence_read(in, &(struct account_evidence){ 0 }, NULL));
	MAY_FAIL(revoke_read(a, in, &(struct revoke){ 0 }, NULL));
	MAY_FAIL(revoked_read(in, &(struct revoked){ 0 }, NULL));
	MAY_FAIL(blocks_read(blocks, in, NULL));
	blocks_free(blocks);
	MAY_FAIL(sign_read(in, &(struct sign){ .type = 0 }, NULL));
	MAY_FAIL(ocsp_ask_read(in, &(struct ocsp_request){ .n_ids = 0 }, NULL));
	MAY_FAIL(ocsp_done_read(in, &(struct ocsp_done){ .this_update_s = 0 }, NULL));
	MAY_FAIL(limits_reset_read(in, &(struct limits_reset){ .limit = "" }, NULL));
	MAY_FAIL(revoked_new_read(in, revoked_new, &n, NULL));
	MAY_FAIL(crl_new_read(in, lists, &n, NULL));
	MAY_FAIL(crl_get_read(in, &(struct crl_get){ 0 }, NULL));
	MAY_FAIL(crl_part_read(in, &(struct crl_part){ 0 }, NULL));
	MAY_FAIL(hello_ok_read(in, &(struct hello_ok){ .n_issuers = 0 }, NULL));
	MAY_FAIL(token_check(BYTES_ARRAY(key), 1795593600000, in, NULL));
	check_path(a, in);
	check_blocks(a, in);
	for (unsigned reader = SETTINGS_READER_F; reader <= SETTINGS_READER_K; reader *= 2)
		check_settings(a, in, reader);
	arena_free(a);
	return 0;
}
