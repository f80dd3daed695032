#include "names/idna.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void good_labels_pass(void **state)
{
	static const char *const names[] = { "example.org", "a", "a-b.example", "xn--bcher-kva.example", "www.xn--bcher-kva.example",
		"xn--strae-oqa.example" /* sharp s, which IDNA2003 made ss */, "xn--mgbh0fb.xn--kgbechtv" /* right to left */,
		"xn--wgv71a.xn--zckzah", "xn--nxasmm1c.example" /* final sigma */, "a--b.example", "abc--d.example", "b-" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct err e = { 0 };
		if (idna_check(bytes_str(names[i]), &e) != ERR_OK)
			fail_msg("%s: %s", names[i], e.detail);
	}
}

static void labels_that_lie_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *name;
		enum err_code code;
		const char *reason;
	} rows[] = {
		/* reserved, RFC 5890 §2.3.1 */
		{ "ab--cd.example", ERR_MALFORMED, "only xn-- is in use" },
		{ "example.bq--abc", ERR_MALFORMED, "only xn-- is in use" },
		{ "ab--", ERR_MALFORMED, "reserved" },
		/* no Punycode, or not the one encoding of what it says */
		{ "xn--.example", ERR_MALFORMED, "not the A-label" },
		{ "xn--abc-.example", ERR_MALFORMED, "not the A-label" },
		{ "xn--99999999.example", ERR_MALFORMED, "not the A-label" },
		{ "xn--u-ccb.example", ERR_MALFORMED, "not the A-label" /* u and a combining diaeresis: not NFC */ },
		{ "xn--bcher-KVA.example", ERR_MALFORMED, "not the A-label" },
		/* code points */
		{ "xn--i-7iq.ws", ERR_REJECTED_IDENTIFIER, "RFC 5892" /* a heart */ },
		{ "www.xn--ls8h.la", ERR_REJECTED_IDENTIFIER, "RFC 5892" /* an emoji */ },
		{ "xn--a-ecp.ru", ERR_REJECTED_IDENTIFIER, "RFC 5892" /* compatibility character */ },
		{ "xn--a.example", ERR_REJECTED_IDENTIFIER, "RFC 5892" },
		{ "xn--a-0hc.example", ERR_REJECTED_IDENTIFIER, "RFC 5893" /* a letter and a Hebrew one */ },
		{ "xn--ab-j1t.example", ERR_REJECTED_IDENTIFIER, "in that place" /* zero width non-joiner between letters */ },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		if (idna_check(bytes_str(rows[i].name), &e) != rows[i].code || !strstr(e.detail, rows[i].reason))
			fail_msg("%s: %s \"%s\"", rows[i].name, err_name(e.code), e.detail);
	}
}

/* The longest label, of the code points that take most. */
static void long_labels_are_bounded(void **state)
{
	char label[80] = "xn--";

	(void)state;
	memset(label + 4, '9', 59);
	assert_int_equal(idna_check((struct bytes){ (const uint8_t *)label, 63 }, NULL), ERR_MALFORMED);
	memset(label + 4, 'a', 70);
	assert_int_equal(idna_check((struct bytes){ (const uint8_t *)label, 64 }, NULL), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good_labels_pass), cmocka_unit_test(labels_that_lie_are_refused_with_a_reason),
		cmocka_unit_test(long_labels_are_bounded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
