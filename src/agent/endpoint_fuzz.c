/* Places as a person writes them: of a server that shows a certificate, of a name server and its key, of a service that solves challenges. */
#include "agent/endpoint.h"
#include "agent/fuzz_testing.h"
#include "agent/httpreq.h"
#include "agent/tsig_key.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_key(void)
{
	struct tsig_key k;
	struct err e = { 0 };

	if (tsig_key_read("key", &k, &e) == ERR_OK) {
		require(*k.name && strlen(k.name) < sizeof k.name && strncmp(k.algorithm, "hmac-", 5) == 0);
		require(k.secret.len > 1 && k.secret.ptr[k.secret.len - 1] == 0);
		tsig_key_free(&k);
	} else {
		require(*e.detail);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	const char *text = a ? arena_str(a, (struct bytes){ data, size }) : NULL;
	struct endpoint at;

	if (!text || size > 8192)
		return 0;
	if (endpoint_parse(a, text, &at, NULL) == ERR_OK) {
		require(*at.host && at.port != 0 && !strpbrk(at.host, "/[] \n"));
		require(at.name || endpoint_is_address(at.host));
	}
	if (httpreq_check(text, NULL) == ERR_OK)
		require(strncmp(text, "http", 4) == 0 && !strpbrk(text, "?# \n"));
	fuzz_file_is(data, size);
	check_key();
	return 0;
}
