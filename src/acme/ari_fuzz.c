/* What names a certificate in a URL or an order (RFC 9773), and ranges of addresses in a configuration. */
#include "acme/ari.h"
#include "acme/ip_range.h"

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
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct bytes in = { data, size };
	char text[IP_RANGE_TEXT_SIZE];
	struct ip_range range, again;
	struct ari_id id;

	if (a && ari_id_read(a, in, &id, NULL) == ERR_OK)
		require(id.key_id.len > 0 && id.key_id.len <= ARI_KEY_ID_MAX && id.serial.len > 0 && id.serial.len <= ARI_SERIAL_MAX);
	if (ip_range_parse(in, &range, NULL) == ERR_OK) {
		require(range.bits <= 8 * range.len && ip_range_has(&range, (struct bytes){ range.base, range.len }));
		require(ip_range_parse(bytes_str(ip_range_text(&range, text)), &again, NULL) == ERR_OK);
		require(again.bits == range.bits && again.len == range.len && memcmp(again.base, range.base, range.len) == 0);
	}
	return 0;
}
