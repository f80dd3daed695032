/* Every body that one of our processes reads from another, which may be in an attacker's hands. */
#include "server/blocks.h"
#include "server/messages.h"
#include "server/ocsp_message.h"
#include "server/receipt.h"
#include "server/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	struct settings settings;
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
	MAY_FAIL(settings_read(a, in, SETTINGS_READER_F, &settings, NULL));
	arena_free(a);
	return 0;
}
