/* One DNS message, asked for CAA of example.org: bounded work and memory, and nothing read past its end. */
#include "dns/packet.h"
#include "dns/txt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned types[] = { DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_TXT, DNS_TYPE_CAA };
	struct packet_answer answer;

	for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
		CLEANUP(arena_free_p) struct arena *a = arena_new(8192, 512u << 10);
		size_t bytes = 0;
		if (!a)
			return 0;
		if (packet_read(a, (struct bytes){ data, size }, BYTES_LIT("example.org"), types[t], &answer, NULL) != ERR_OK)
			continue;
		for (size_t i = 0; i < answer.n_records; i++) {
			struct bytes text = BYTES_LIT("");
			bytes += answer.records[i].len;
			if (txt_read(a, answer.records[i], &text, NULL) == ERR_OK && text.len >= answer.records[i].len)
				abort();
		}
		if (answer.n_records > PACKET_RECORDS_MAX || bytes > 3 * size || answer.canonical.len > 1024)
			abort();
	}
	return 0;
}
