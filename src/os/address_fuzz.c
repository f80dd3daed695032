/* An address and a port as a person writes them: what is read is written, and read again as the same. */
#include "os/address.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t defaults[] = { 0, ADDRESS_DNS_PORT };
	struct bytes in = { data, size }, host, port;
	struct address first, again;
	struct err e = { 0 };

	for (size_t i = 0; i < 2; i++) {
		if (address_parse(in, defaults[i], &first, &e) != ERR_OK) {
			require(*e.detail);
			continue;
		}
		require(first.port != 0 && first.len <= sizeof first.at && strlen(first.host) <= ADDRESS_HOST_MAX);
		require(address_parse(bytes_str(first.text), defaults[i], &again, NULL) == ERR_OK);
		require(again.port == first.port && strcmp(again.host, first.host) == 0 && strcmp(again.text, first.text) == 0);
	}
	if (address_split(in, &host, &port))
		require(host.len + port.len <= in.len);
	return 0;
}
