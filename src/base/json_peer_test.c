/* Our reader against another one: what jansson refuses we refuse, and what it accepts we accept, but for the limits that are
 * ours (depth, members) and its own (the size of numbers, U+0000). Where two readers of one text differ, an attacker has room. */
#include "base/json.h"

#include "base/json_peer.h"
#include "base/test_support.h"

#define ROUNDS 60000

static uint64_t state_ = 0x9e3779b97f4a7c15u;

static size_t random_below(size_t n)
{
	state_ ^= state_ << 13;
	state_ ^= state_ >> 7;
	state_ ^= state_ << 17;
	return (size_t)(state_ % n);
}

/* A value of at most `depth` levels; what it picks from is chosen so that keys collide and escapes meet. */
static void put_value(struct buf *b, unsigned depth)
{
	static const char *const strings[] = { "\"\"", "\"a\"", "\"b\"", "\"\\u0061\"", "\"a\\/b\"", "\"\xc3\xa9\"", "\"\\u00e9\"",
		"\"\\ud83d\\udd12\"", "\"\xf0\x9f\x94\x92\"", "\"\\\\\\\"\"", "\"some longer text, plain\"", "\"c\"", "\"d\"", "\"e\"" };
	static const char *const others[] = { "0", "-0", "17", "-1.5", "1e3", "2E-2", "true", "false", "null", "[]", "{}", " [ ] ",
		" {\n}\t" };
	size_t n = random_below(4), what = random_below(depth ? 4 : 2);

	if (what == 0)
		buf_add_str(b, strings[random_below(LENGTH(strings))]);
	else if (what == 1)
		buf_add_str(b, others[random_below(LENGTH(others))]);
	else
		buf_add_str(b, what == 2 ? "[" : "{");
	for (size_t i = 0; what > 1 && i < n; i++) {
		if (i)
			buf_add_str(b, random_below(8) ? "," : " , ");
		if (what == 3) {
			buf_add_str(b, strings[random_below(LENGTH(strings))]);
			buf_add_str(b, ":");
		}
		put_value(b, depth - 1);
	}
	if (what > 1)
		buf_add_str(b, what == 2 ? "]" : "}");
}

/* One byte changed, taken out, doubled or cut at. */
static void spoil(struct buf *b)
{
	static const char marks[] = "\"\\{}[]:,0123456789.-+eEutrfn \t\n\x01\x7f\x80\xc3\xe2\xed\xf4\xff/x";

	if (b->len == 0)
		return;
	size_t at = random_below(b->len);
	switch (random_below(4)) {
	case 0:
		b->ptr[at] = (uint8_t)marks[random_below(sizeof marks - 1)];
		break;
	case 1:
		memmove(b->ptr + at, b->ptr + at + 1, b->len - at - 1);
		b->len--;
		break;
	case 2:
		buf_add_u8(b, b->ptr[at]);
		break;
	default:
		b->len = at;
		break;
	}
}

static void both_readers_agree(void **state)
{
	unsigned accepted = 0, refused = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(1 << 16);
		struct err e = { 0 };
		bool own;
		put_value(&b, 5);
		for (size_t k = random_below(3); k > 0; k--)
			spoil(&b);
		assert_true(buf_ok(&b));
		bool ours = json_check(buf_bytes(&b), &e) == ERR_OK, theirs = json_peer_accepts(buf_bytes(&b), &own);
		if (ours != theirs && !own)
			fail_msg("we %s, the other one does not: %.*s: %s", ours ? "accept" : "refuse", BYTES_FMT(buf_bytes(&b)), e.detail);
		accepted += ours;
		refused += !ours;
	}
	assert_true(accepted > ROUNDS / 10 && refused > ROUNDS / 10);
}

/* What both accept reads the same: jansson's own text of a string comes out as our string. */
static void both_read_the_same_strings(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(4096, 65536);

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 4; round++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(1 << 16);
		struct buf theirs CLEANUP(buf_free_p) = buf_new(1 << 16);
		struct bytes ours;
		put_value(&b, 0);
		for (size_t k = random_below(2); k > 0; k--)
			spoil(&b);
		if (json_peer_string(buf_bytes(&b), &theirs)) {
			assert_int_equal(json_string(a, buf_bytes(&b), &ours, NULL), ERR_OK);
			assert_true(bytes_eq(ours, buf_bytes(&theirs)));
		}
		arena_reset(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_readers_agree),
		cmocka_unit_test(both_read_the_same_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
