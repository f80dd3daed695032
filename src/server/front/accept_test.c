#include "server/front/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void the_most_exact_range_decides(void **state)
{
	static const struct {
		const char *field;
		bool taken;
	} cases[] = {
		{ "", true },
		{ "*/*", true },
		{ "application/*", true },
		{ "application/pem-certificate-chain", true },
		{ "Application/PEM-Certificate-Chain;q=0.5", true },
		{ "text/html, application/pem-certificate-chain", true },
		{ "text/html;q=0.9,*/*;q=0.1", true },
		{ "text/html", false },
		{ "application/pkix-cert", false },
		{ "application/pem-certificate-chainx", false },
		{ "application/pem-certificate-chain;q=0", false },
		{ "*/*, application/pem-certificate-chain;q=0.000", false },
		{ "application/pem-certificate-chain, */*;q=0", true },
		{ "text/*", false },
		{ "*/json", false },
	};

	(void)state;
	assert_true(accept_takes(BYTES_NONE, "application/pem-certificate-chain"));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (accept_takes(bytes_str(cases[i].field), "application/pem-certificate-chain") != cases[i].taken)
			fail_msg("Accept: %s", cases[i].field);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_most_exact_range_decides) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
