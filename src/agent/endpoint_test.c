/* Endpoints as people write them. */
#include "agent/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void reads(const char *text, const char *host, unsigned port, enum endpoint_start start, const char *name)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct endpoint p;
	struct err e = { 0 };

	if (endpoint_parse(a, text, &p, &e) != ERR_OK)
		fail_msg("%s: %s", text, e.detail);
	assert_string_equal(p.text, text);
	assert_string_equal(p.host, host);
	assert_int_equal(p.port, port);
	assert_int_equal(p.start, start);
	if (name)
		assert_string_equal(p.name, name);
	else
		assert_null(p.name);
}

static void what_is_read(void **state)
{
	(void)state;
	reads("example.org", "example.org", 443, ENDPOINT_TLS, "example.org");
	reads("example.org:8443", "example.org", 8443, ENDPOINT_TLS, "example.org");
	reads("https://example.org/", "example.org", 443, ENDPOINT_TLS, "example.org");
	reads("127.0.0.1:8443/a.example", "127.0.0.1", 8443, ENDPOINT_TLS, "a.example");
	reads("127.0.0.1", "127.0.0.1", 443, ENDPOINT_TLS, NULL);
	reads("[::1]:25/x", "::1", 25, ENDPOINT_TLS, "x");
	reads("[2001:db8::1]", "2001:db8::1", 443, ENDPOINT_TLS, NULL);
	reads("smtp://mail.example", "mail.example", 25, ENDPOINT_SMTP, "mail.example");
	reads("submission://mail.example", "mail.example", 587, ENDPOINT_SMTP, "mail.example");
	reads("smtps://mail.example", "mail.example", 465, ENDPOINT_TLS, "mail.example");
	reads("imap://[::1]:1143/mail.example", "::1", 1143, ENDPOINT_IMAP, "mail.example");
	reads("pop3://10.0.0.1", "10.0.0.1", 110, ENDPOINT_POP3, NULL);
}

static void what_is_not(void **state)
{
	static const char *const texts[] = { "", ":443", "a:0", "a:65536", "a:x", "a:", "a:1:2", "[::1", "[::1]x", "ftp://a", "a b",
		"a/b/c", "\x01", "a:-1", "a:+1", "[]:1", "exam]ple", "a[:1" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
		struct endpoint p;
		if (endpoint_parse(a, texts[i], &p, NULL) != ERR_CONFIG)
			fail_msg("%s was read", texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read),
		cmocka_unit_test(what_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
