#include "server/front/contacts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static enum err_code write_one(const char *url, struct buf *out)
{
	struct bytes v = bytes_str(url);
	struct json_strings contacts = { true, &v, 1 };
	struct err e = { 0 };

	return contacts_write(&contacts, out, &e);
}

static void good_ones(void **state)
{
	static const char *const urls[] = { "mailto:a@b", "mailto:admin@example.org", "mailto:o'hara+x.y_z-1@mail.example.org",
		"MailTo:A@B.C", "mailto:1@2.3", "mailto:a@xn--bcher-kva.example" };

	(void)state;
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		CLEANUP(buf_free_p) struct buf out = buf_new(CONTACTS_TEXT_MAX), want = buf_new(CONTACTS_TEXT_MAX);
		assert_int_equal(write_one(urls[i], &out), ERR_OK);
		buf_add_fmt(&want, "[\"%s\"]", urls[i]);
		assert_true(bytes_eq(buf_bytes(&out), buf_bytes(&want)));
	}
}

static void bad_ones(void **state)
{
	static const struct {
		const char *url;
		enum err_code code;
	} bad[] = {
		{ "", ERR_UNSUPPORTED_CONTACT },
		{ "mailto", ERR_UNSUPPORTED_CONTACT },
		{ "a@b.example", ERR_UNSUPPORTED_CONTACT },
		{ "tel:+12025551212", ERR_UNSUPPORTED_CONTACT },
		{ " mailto:a@b.example", ERR_UNSUPPORTED_CONTACT },
		{ "mailto:", ERR_INVALID_CONTACT },
		{ "mailto:a", ERR_INVALID_CONTACT },
		{ "mailto:@b", ERR_INVALID_CONTACT },
		{ "mailto:a@", ERR_INVALID_CONTACT },
		{ "mailto:a@b@c", ERR_INVALID_CONTACT },
		{ "mailto:.a@b", ERR_INVALID_CONTACT },
		{ "mailto:a.@b", ERR_INVALID_CONTACT },
		{ "mailto:a..b@c", ERR_INVALID_CONTACT },
		{ "mailto:a@.b", ERR_INVALID_CONTACT },
		{ "mailto:a@b.", ERR_INVALID_CONTACT },
		{ "mailto:a@b..c", ERR_INVALID_CONTACT },
		{ "mailto:a@b_c", ERR_INVALID_CONTACT },
		{ "mailto:a@[192.0.2.1]", ERR_INVALID_CONTACT },
		{ "mailto:\"a\"@b", ERR_INVALID_CONTACT },
		{ "mailto:A <a@b>", ERR_INVALID_CONTACT },
		{ "mailto:a@b,c@d", ERR_INVALID_CONTACT },
		{ "mailto:a@b?subject=x", ERR_INVALID_CONTACT },
		{ "mailto:a%40b@c", ERR_INVALID_CONTACT },
		{ "mailto:a@b\r\nBcc: c@d", ERR_INVALID_CONTACT },
		{ "mailto:\303\244@b.example", ERR_INVALID_CONTACT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CLEANUP(buf_free_p) struct buf out = buf_new(CONTACTS_TEXT_MAX);
		if (write_one(bad[i].url, &out) != bad[i].code)
			fail_msg("%s", bad[i].url);
	}
}

/* name@label.label... with a local part and a first label of these lengths. */
static enum err_code write_long(size_t local, size_t label, size_t labels)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CONTACTS_TEXT_MAX), url = buf_new(CONTACTS_TEXT_MAX);

	buf_add_str(&url, "mailto:");
	for (size_t i = 0; i < local; i++)
		buf_add_u8(&url, 'a');
	for (size_t k = 0; k < labels; k++) {
		buf_add_u8(&url, k == 0 ? '@' : '.');
		for (size_t i = 0; i < label; i++)
			buf_add_u8(&url, 'b');
	}
	buf_add_u8(&url, 0);
	return write_one((const char *)url.ptr, &out);
}

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(write_long(64, 63, 2), ERR_OK);
	assert_int_equal(write_long(65, 63, 2), ERR_INVALID_CONTACT);
	assert_int_equal(write_long(64, 64, 2), ERR_INVALID_CONTACT);
	assert_int_equal(write_long(62, 63, 3), ERR_OK); /* 254 in all */
	assert_int_equal(write_long(63, 63, 3), ERR_INVALID_CONTACT);
}

static void number(void **state)
{
	struct bytes v[CONTACTS_MAX + 1];
	CLEANUP(buf_free_p) struct buf out = buf_new(CONTACTS_TEXT_MAX);
	struct json_strings contacts = { true, v, CONTACTS_MAX + 1 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i <= CONTACTS_MAX; i++)
		v[i] = BYTES_LIT("mailto:a@b.example");
	assert_int_equal(contacts_write(&contacts, &out, &e), ERR_INVALID_CONTACT);
	contacts.n = CONTACTS_MAX;
	assert_int_equal(contacts_write(&contacts, &out, &e), ERR_OK);
	buf_free(&out);
	out = buf_new(CONTACTS_TEXT_MAX);
	contacts.n = 0;
	assert_int_equal(contacts_write(&contacts, &out, &e), ERR_OK);
	assert_true(bytes_eq_str(buf_bytes(&out), "[]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good_ones), cmocka_unit_test(bad_ones), cmocka_unit_test(lengths),
		cmocka_unit_test(number) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
