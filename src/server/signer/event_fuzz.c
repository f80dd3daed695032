/* A record's body, as whoever wrote to the log's files would have it: refused, or read and written again as the same. The input: a byte for the type, then the body; of
 * older records, which end earlier, it is the beginning of what is written. */
#include "server/signer/record_event.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Reads r and writes what it says; false: it is refused. */
static bool again(const struct record *r, struct buf *out)
{
	union {
		struct revocation revocation;
		struct account_event account;
		struct crl_made crl;
		struct eab_event eab;
		struct audit audit;
		struct issuer_event issuer;
		struct block_event block;
		struct intent intent;
		struct result result;
		struct voided voided;
	} v;
	struct err e = { 0 };
	bool good = false;

	memset(&v, 0, sizeof v);
#define CASE(type, read, write, member)                  \
	case type:                                       \
		good = read(r, &v.member, &e) == ERR_OK; \
		if (good)                                \
			write(&v.member, out);           \
		break
	switch (r->type) {
		CASE(LOG_REVOKE, revocation_read, revocation_write, revocation);
		CASE(LOG_CRL, crl_made_read, crl_made_write, crl);
		CASE(LOG_EAB, eab_event_read, eab_event_write, eab);
		CASE(LOG_AUDIT, audit_read, audit_write, audit);
		CASE(LOG_ISSUER, issuer_event_read, issuer_event_write, issuer);
		CASE(LOG_BLOCK, block_event_read, block_event_write, block);
		CASE(LOG_INTENT, intent_read, intent_write, intent);
		CASE(LOG_RESULT, result_read, result_write, result);
		CASE(LOG_VOID, void_read, void_write, voided);
	default:
		good = account_event_read(r, &v.account, &e) == ERR_OK;
		if (good)
			account_event_write((enum log_type)r->type, &v.account, out);
	}
#undef CASE
	require(good || *e.detail);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free_p) struct buf first = buf_new(RECORD_SIZE_MAX), second = buf_new(RECORD_SIZE_MAX);

	if (size < 1 || size > 65536)
		return 0;
	struct record r = { .type = (uint8_t)(data[0]), .body = { data + 1, size - 1 } };
	if (log_type_is_event(r.type))
		(void)(event_check(&r, NULL) == ERR_OK);
	if (!again(&r, &first))
		return 0;
	require(buf_ok(&first) && bytes_starts_with(buf_bytes(&first), r.body));
	r.body = buf_bytes(&first);
	require(again(&r, &second) && bytes_eq(buf_bytes(&first), buf_bytes(&second)));
	return 0;
}
