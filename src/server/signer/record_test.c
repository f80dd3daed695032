/* The log's bytes, held to docs/protocol/log.md: written here once more by hand. */
#include "server/signer/record_event.h"

#include "base/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_bytes(struct bytes got, struct bytes want)
{
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.ptr, want.ptr, want.len);
}

static struct segment_head sample_head(void)
{
	struct segment_head h = { .number = 3, .first_sequence = 0x0102030405, .created_ms = 1790000000000 };

	memset(h.instance, 0x11, sizeof h.instance);
	memset(h.previous, 0x22, sizeof h.previous);
	memset(h.salt, 0x33, sizeof h.salt);
	return h;
}

static void head_is_as_documented(void **state)
{
	CLEANUP(buf_free_p) struct buf got = buf_new(256), want = buf_new(256);
	struct segment_head h = sample_head(), back;
	struct err e = { 0 };

	(void)state;
	segment_head_write(&h, &got);
	buf_add_str(&want, "CHNCYLOG");
	wire_put_u32(&want, 1);
	wire_put_fixed(&want, BYTES_ARRAY(h.instance));
	wire_put_u32(&want, 3);
	wire_put_u64(&want, 0x0102030405);
	wire_put_u64(&want, 1790000000000);
	wire_put_fixed(&want, BYTES_ARRAY(h.previous));
	wire_put_fixed(&want, BYTES_ARRAY(h.salt));
	wire_put_u32(&want, 0);
	wire_put_u32(&want, crc32c(0, buf_bytes(&want)));
	assert_bytes(buf_bytes(&got), buf_bytes(&want));
	assert_int_equal(got.len, SEGMENT_HEAD_SIZE);
	assert_int_equal(segment_head_read(buf_bytes(&got), &back, &e), ERR_OK);
	assert_memory_equal(&back, &h, sizeof h);
	for (size_t i = 0; i < got.len; i++) {
		got.ptr[i] ^= 1;
		assert_int_equal(segment_head_read(buf_bytes(&got), &back, &e), ERR_MALFORMED);
		got.ptr[i] ^= 1;
		assert_int_equal(segment_head_read(bytes_slice(buf_bytes(&got), 0, i), &back, &e), ERR_MALFORMED);
	}
}

static void chain_begins_with_the_head(void **state)
{
	CLEANUP(buf_free_p) struct buf head = buf_new(256);
	struct segment_head h = sample_head();
	uint8_t got[SHA256_SIZE], want[SHA256_SIZE];

	(void)state;
	segment_head_write(&h, &head);
	chain_of_head(buf_bytes(&head), got);
	struct bytes parts[2] = { BYTES_LIT("chancery log segment"), buf_bytes(&head) };
	sha256(parts, 2, want);
	assert_memory_equal(got, want, sizeof want);
}

static void record_is_as_documented(void **state)
{
	CLEANUP(buf_free_p) struct buf got = buf_new(256), want = buf_new(256), fields = buf_new(256);
	struct chain c = { .sequence = 41, .time_ms = 5 }, before;
	uint8_t chain[SHA256_SIZE], salt[16] = { 7 };
	uint32_t salt_crc = crc32c(0, BYTES_ARRAY(salt));
	struct record r;
	struct err e = { 0 };

	(void)state;
	memset(c.value, 0x44, sizeof c.value);
	before = c;
	size_t at = record_begin(&got);
	buf_add_str(&got, "body");
	record_end(&got, at, LOG_NOTE, 2, 1790000000000, salt_crc, &c);

	wire_put_u32(&want, 51 + 4);
	wire_put_u64(&fields, 42);
	wire_put_u64(&fields, 1790000000000);
	wire_put_u8(&fields, 6);
	wire_put_u16(&fields, 2);
	struct bytes parts[4] = { BYTES_ARRAY(before.value), buf_bytes(&want), buf_bytes(&fields), BYTES_LIT("body") };
	sha256(parts, 4, chain);
	buf_add(&fields, BYTES_ARRAY(chain));
	buf_add_str(&fields, "body");
	wire_put_u32(&want, crc32c(crc32c(salt_crc, (struct bytes){ want.ptr, 4 }), buf_bytes(&fields)));
	buf_add(&want, buf_bytes(&fields));
	assert_bytes(buf_bytes(&got), buf_bytes(&want));

	assert_true(record_parse(buf_bytes(&got), salt_crc, &r));
	assert_int_equal(r.sequence, 42);
	assert_int_equal(r.position, 2);
	assert_int_equal(r.type, LOG_NOTE);
	assert_int_equal(r.size, got.len);
	assert_bytes(r.body, BYTES_LIT("body"));
	assert_int_equal(record_follow(&r, &before, &e), ERR_OK);
	assert_memory_equal(&before, &c, sizeof c);
	assert_false(record_parse(buf_bytes(&got), salt_crc ^ 1, &r));
	for (size_t i = 0; i < got.len; i++) {
		assert_false(record_parse(bytes_slice(buf_bytes(&got), 0, i), salt_crc, &r));
		for (int bit = 0; bit < 8; bit++) {
			got.ptr[i] ^= (uint8_t)(1 << bit);
			assert_false(record_parse(buf_bytes(&got), salt_crc, &r));
			got.ptr[i] ^= (uint8_t)(1 << bit);
		}
	}
}

static void a_record_must_follow(void **state)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(256);
	struct chain c = { .sequence = 1, .time_ms = 100 }, start = c, other;
	struct record r;
	struct err e = { 0 };

	(void)state;
	size_t at = record_begin(&b);
	record_end(&b, at, LOG_NOTE, 0, 100, 0, &c);
	assert_true(record_parse(buf_bytes(&b), 0, &r));
	other = start, other.sequence = 0;
	assert_int_equal(record_follow(&r, &other, &e), ERR_IO);
	other = start, other.value[0] ^= 1;
	assert_int_equal(record_follow(&r, &other, &e), ERR_IO);
	other = start, other.time_ms = 101;
	assert_int_equal(record_follow(&r, &other, &e), ERR_IO);
	other = start;
	assert_int_equal(record_follow(&r, &other, &e), ERR_OK);
}

static struct record record_of(enum log_type type, const struct buf *b)
{
	return (struct record){ .type = (uint8_t)type, .body = buf_bytes(b) };
}

static void bodies_are_read_as_written(void **state)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(1024);
	struct intent i = { .profile = BYTES_LIT("tls-server"), .evidence = BYTES_LIT("all of it") }, i2;
	struct result v = { .certificate = BYTES_LIT("certificate") }, v2;
	struct voided w = { .reason = BYTES_LIT("why") }, w2;
	struct err e = { 0 };

	(void)state;
	memset(i.order, 1, sizeof i.order);
	memset(i.serial, 2, sizeof i.serial);
	memset(i.csr_digest, 3, sizeof i.csr_digest);
	memset(i.thumbprint, 4, sizeof i.thumbprint);
	memset(i.tbs_digest, 5, sizeof i.tbs_digest);
	intent_write(&i, &b);
	assert_int_equal(b.len, 30 + 16 + 32 + 32 + 4 + 10 + 32 + 4 + 9 + 20);
	struct record r = record_of(LOG_INTENT, &b);
	assert_int_equal(intent_read(&r, &i2, &e), ERR_OK);
	assert_memory_equal(i2.order, i.order, sizeof i.order);
	assert_memory_equal(i2.tbs_digest, i.tbs_digest, sizeof i.tbs_digest);
	assert_bytes(i2.evidence, i.evidence);
	r = record_of(LOG_TLS_INTENT, &b); /* another layout */
	assert_int_not_equal(intent_read(&r, &i2, &e), ERR_OK);
	for (size_t n = 0; n < b.len; n++) {
		r = record_of(LOG_INTENT, &b);
		r.body.len = n; /* older ones end without the issuer */
		assert_int_equal(intent_read(&r, &i2, &e), n + 20 == b.len ? ERR_OK : ERR_MALFORMED);
	}
	buf_reset(&b);
	result_write(&v, &b);
	r = record_of(LOG_RESULT, &b);
	assert_int_equal(result_read(&r, &v2, &e), ERR_OK);
	assert_bytes(v2.certificate, v.certificate);
	buf_add_u8(&b, 0);
	r = record_of(LOG_RESULT, &b);
	assert_int_equal(result_read(&r, &v2, &e), ERR_MALFORMED);
	buf_reset(&b);
	void_write(&w, &b);
	r = record_of(LOG_VOID, &b);
	assert_int_equal(void_read(&r, &w2, &e), ERR_OK);
	assert_bytes(w2.reason, w.reason);
}

/* Writes a body of the type by hand and by its writer; reads it back, and refuses it when it is cut or longer. */
static void holds_event(enum log_type type, const struct buf *got, const struct buf *want, size_t later)
{
	struct record r = record_of(type, got);
	struct err e = { 0 };

	assert_bytes(buf_bytes(got), buf_bytes(want));
	assert_true(log_type_is_event(type));
	assert_int_equal(event_check(&r, &e), ERR_OK);
	for (size_t n = 0; n < got->len; n++) {
		r.body = bytes_slice(buf_bytes(got), 0, n);
		assert_int_equal(event_check(&r, &e), n + later == got->len ? ERR_OK : ERR_MALFORMED);
	}
	uint8_t longer[1024];
	assert_true(got->len < sizeof longer);
	memcpy(longer, got->ptr, got->len);
	longer[got->len] = 0;
	r.body = (struct bytes){ longer, got->len + 1 };
	assert_int_equal(event_check(&r, &e), ERR_MALFORMED);
}

static void audits_are_as_documented(void **state)
{
	CLEANUP(buf_free_p) struct buf got = buf_new(1024), want = buf_new(1024);
	struct audit v = { .uid = 1001, .action = BYTES_LIT("backup"), .detail = BYTES_LIT("with keys") }, back;
	struct err e = { 0 };

	(void)state;
	audit_write(&v, &got);
	wire_put_u32(&want, 1001);
	wire_put_bytes(&want, v.action);
	wire_put_bytes(&want, v.detail);
	assert_bytes(buf_bytes(&got), buf_bytes(&want));
	struct record r = record_of(LOG_AUDIT, &got);
	assert_false(log_type_is_event(LOG_AUDIT));
	assert_int_equal(audit_read(&r, &back, &e), ERR_OK);
	assert_int_equal(back.uid, 1001);
	assert_bytes(back.action, v.action);
	assert_bytes(back.detail, v.detail);
	for (size_t n = 0; n < got.len; n++) {
		r.body = bytes_slice(buf_bytes(&got), 0, n);
		assert_int_equal(audit_read(&r, &back, &e), ERR_MALFORMED);
	}
	v.action = BYTES_LIT("");
	buf_reset(&got);
	audit_write(&v, &got);
	r = record_of(LOG_AUDIT, &got);
	assert_int_equal(audit_read(&r, &back, &e), ERR_MALFORMED);
}

static void revocations_are_as_documented(void **state)
{
	CLEANUP(buf_free_p) struct buf got = buf_new(1024), want = buf_new(1024);
	struct revocation v = { .reason = 4, .time_s = 1790000000, .by = REVOKED_BY_NAMES, .not_after_s = 1790001000 }, back;
	struct err e = { 0 };

	(void)state;
	memset(v.serial, 0x44, sizeof v.serial);
	memset(v.spki_digest, 0x55, sizeof v.spki_digest);
	memset(v.issuer, 0x66, sizeof v.issuer);
	v.evidence = BYTES_LIT("evidence");
	revocation_write(&v, &got);
	wire_put_fixed(&want, BYTES_ARRAY(v.serial));
	wire_put_u8(&want, 4);
	wire_put_u64(&want, 1790000000);
	wire_put_u8(&want, 3);
	wire_put_u64(&want, 1790001000);
	wire_put_fixed(&want, BYTES_ARRAY(v.spki_digest));
	wire_put_bytes(&want, BYTES_LIT("evidence"));
	wire_put_fixed(&want, BYTES_ARRAY(v.issuer));
	holds_event(LOG_REVOKE, &got, &want, 20);
	struct record r = record_of(LOG_REVOKE, &got);
	assert_int_equal(revocation_read(&r, &back, &e), ERR_OK);
	assert_memory_equal(back.serial, v.serial, sizeof v.serial);
	assert_memory_equal(back.spki_digest, v.spki_digest, sizeof v.spki_digest);
	assert_true(back.reason == 4 && back.by == REVOKED_BY_NAMES && back.time_s == v.time_s && back.not_after_s == v.not_after_s);
	assert_true(bytes_eq(back.evidence, v.evidence));
	got.ptr[SERIAL_SIZE + 9] = 5; /* by nobody that there is */
	assert_int_equal(revocation_read(&r, &back, &e), ERR_MALFORMED);
}

static void account_events_are_as_documented(void **state)
{
	static const enum log_type types[] = { LOG_ROLLOVER, LOG_DEACTIVATE, LOG_BIND };
	CLEANUP(buf_free_p) struct buf got = buf_new(1024), want = buf_new(1024);
	struct account_event v = { .kid = BYTES_LIT("kid-1"), .evidence = BYTES_LIT("evidence") }, back;
	struct err e = { 0 };

	(void)state;
	memset(v.account, 1, sizeof v.account);
	memset(v.thumbprint, 2, sizeof v.thumbprint);
	memset(v.new_thumbprint, 3, sizeof v.new_thumbprint);
	for (size_t i = 0; i < 3; i++) {
		buf_reset(&got);
		buf_reset(&want);
		account_event_write(types[i], &v, &got);
		wire_put_fixed(&want, BYTES_ARRAY(v.account));
		if (types[i] == LOG_BIND)
			wire_put_bytes(&want, v.kid);
		else
			wire_put_fixed(&want, BYTES_ARRAY(v.thumbprint));
		if (types[i] == LOG_ROLLOVER)
			wire_put_fixed(&want, BYTES_ARRAY(v.new_thumbprint));
		wire_put_bytes(&want, v.evidence);
		holds_event(types[i], &got, &want, 0);
		struct record r = record_of(types[i], &got);
		assert_int_equal(account_event_read(&r, &back, &e), ERR_OK);
		assert_memory_equal(back.account, v.account, sizeof v.account);
		assert_true(bytes_eq(back.evidence, v.evidence));
		assert_true(types[i] == LOG_BIND ? bytes_eq(back.kid, v.kid) : back.thumbprint[0] == 2);
		assert_int_equal(back.new_thumbprint[31], types[i] == LOG_ROLLOVER ? 3 : 0);
	}
}

static void lists_and_keys_are_as_documented(void **state)
{
	CLEANUP(buf_free_p) struct buf got = buf_new(1024), want = buf_new(1024);
	struct crl_made crl = { .number = 77, .this_update_s = 1790000000, .next_update_s = 1790604800 }, crl_back;
	struct eab_event eab = { .kid = BYTES_LIT("kid-1"), .action = EAB_MADE, .uid = 1000, .detail = BYTES_LIT("{}") }, eab_back;
	struct err e = { 0 };

	(void)state;
	memset(crl.issuer, 6, sizeof crl.issuer);
	memset(crl.digest, 7, sizeof crl.digest);
	crl.shard = 200;
	crl_made_write(&crl, &got);
	wire_put_fixed(&want, BYTES_ARRAY(crl.issuer));
	wire_put_u64(&want, 77);
	wire_put_u64(&want, 1790000000);
	wire_put_u64(&want, 1790604800);
	wire_put_fixed(&want, BYTES_ARRAY(crl.digest));
	wire_put_u8(&want, 200);
	holds_event(LOG_CRL, &got, &want, 1);
	struct record r = record_of(LOG_CRL, &got);
	assert_int_equal(crl_made_read(&r, &crl_back, &e), ERR_OK);
	assert_memory_equal(&crl_back, &crl, sizeof crl);

	buf_reset(&got);
	buf_reset(&want);
	eab_event_write(&eab, &got);
	wire_put_bytes(&want, eab.kid);
	wire_put_u8(&want, 1);
	wire_put_u32(&want, 1000);
	wire_put_bytes(&want, eab.detail);
	holds_event(LOG_EAB, &got, &want, 0);
	r = record_of(LOG_EAB, &got);
	assert_int_equal(eab_event_read(&r, &eab_back, &e), ERR_OK);
	assert_true(eab_back.uid == 1000 && eab_back.action == EAB_MADE && bytes_eq(eab_back.kid, eab.kid));
	assert_true(bytes_eq(eab_back.detail, eab.detail));
}

static void issuers_are_as_documented(void **state)
{
	CLEANUP(buf_free_p) struct buf got = buf_new(1024), want = buf_new(1024);
	struct issuer_event v = { .name = BYTES_LIT("second"),
		.issuer_pem = BYTES_LIT("chain"),
		.root_pem = BYTES_LIT("root"),
		.uid = 1000 },
			    back;
	struct err e = { 0 };

	(void)state;
	issuer_event_write(&v, &got);
	wire_put_bytes(&want, BYTES_LIT("second"));
	wire_put_bytes(&want, BYTES_LIT("chain"));
	wire_put_bytes(&want, BYTES_LIT("root"));
	wire_put_u32(&want, 1000);
	holds_event(LOG_ISSUER, &got, &want, 0);
	struct record r = record_of(LOG_ISSUER, &got);
	assert_int_equal(issuer_event_read(&r, &back, &e), ERR_OK);
	assert_true(bytes_eq_str(back.name, "second") && bytes_eq_str(back.root_pem, "root") && back.uid == 1000);
}

static void blocks_are_as_documented(void **state)
{
	CLEANUP(buf_free_p) struct buf got = buf_new(1024), want = buf_new(1024);
	struct block_event v = { .block = { .kind = BLOCK_NAME,
				     .value = BYTES_LIT("bad.example"),
				     .reason = BYTES_LIT("why"),
				     .uid = 1000 } },
			   back;
	struct err e = { 0 };

	(void)state;
	block_event_write(&v, &got);
	wire_put_u8(&want, 2); /* unblocked */
	wire_put_u8(&want, 2);
	wire_put_bytes(&want, BYTES_LIT("bad.example"));
	wire_put_bytes(&want, BYTES_LIT("why"));
	wire_put_u32(&want, 1000);
	holds_event(LOG_BLOCK, &got, &want, 0);
	struct record r = record_of(LOG_BLOCK, &got);
	assert_int_equal(block_event_read(&r, &back, &e), ERR_OK);
	assert_true(!back.on && back.block.kind == BLOCK_NAME && bytes_eq_str(back.block.value, "bad.example") && back.block.uid == 1000);
	got.ptr[1] = BLOCK__MAX;
	r = record_of(LOG_BLOCK, &got);
	assert_int_equal(block_event_read(&r, &back, &e), ERR_MALFORMED);
}

static void serials_carry_their_time(void **state)
{
	uint8_t a[SERIAL_SIZE], b[SERIAL_SIZE];

	(void)state;
	serial_make(1790000000123, 7, a);
	serial_make(1790000000124, 0, b);
	assert_int_equal(a[0], 2);
	assert_int_equal(serial_shard(a), 7);
	assert_true(serial_time_ms(a) == 1790000000123);
	assert_true(memcmp(a, b, sizeof a) < 0);
	serial_make(1790000000123, 7, b);
	assert_int_not_equal(memcmp(a, b, sizeof a), 0);
	a[0] = 1; /* an older one: random bytes where the shard would be */
	assert_int_equal(serial_shard(a), 0);
}

static void types_have_names(void **state)
{
	(void)state;
	assert_string_equal(log_type_name(LOG_GENESIS), "genesis");
	assert_string_equal(log_type_name(LOG_NOTE), "note");
	assert_null(log_type_name(0));
	assert_string_equal(log_type_name(LOG_EAB), "eab");
	assert_string_equal(log_type_name(LOG_ISSUER), "issuer");
	assert_string_equal(log_type_name(LOG_BLOCK), "block");
	assert_null(log_type_name(17));
}

static int init(void **state)
{
	(void)state;
	crypto_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_is_as_documented),
		cmocka_unit_test(chain_begins_with_the_head),
		cmocka_unit_test(record_is_as_documented),
		cmocka_unit_test(a_record_must_follow),
		cmocka_unit_test(bodies_are_read_as_written),
		cmocka_unit_test(audits_are_as_documented),
		cmocka_unit_test(revocations_are_as_documented),
		cmocka_unit_test(account_events_are_as_documented),
		cmocka_unit_test(lists_and_keys_are_as_documented),
		cmocka_unit_test(issuers_are_as_documented),
		cmocka_unit_test(blocks_are_as_documented),
		cmocka_unit_test(serials_carry_their_time),
		cmocka_unit_test(types_have_names),
	};
	return cmocka_run_group_tests(tests, init, NULL);
}
