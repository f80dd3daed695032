/* CRC-32C (RFC 3720 §12.1, polynomial 0x1EDC6F41 reflected): the processor's instruction where there is one, else a table. */
#include "crypto/crc32c.h"

#include "crypto/digest.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t (*chosen)(uint32_t crc, struct bytes in);

uint32_t crc32c_by_table(uint32_t crc, struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		crc = table[(crc ^ in.ptr[i]) & 0xff] ^ (crc >> 8);
	return crc;
}

#if defined(__x86_64__)
static __attribute__((target("sse4.2"))) uint32_t by_instruction(uint32_t crc, struct bytes in)
{
	uint64_t wide = crc;
	size_t i = 0;

	for (; in.len - i >= 8; i += 8) {
		uint64_t word;
		memcpy(&word, in.ptr + i, sizeof word);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; i < in.len; i++)
		crc = __builtin_ia32_crc32qi(crc, in.ptr[i]);
	return crc;
}
#endif

static void choose(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ ((c & 1) ? 0x82f63b78u : 0);
		table[i] = c;
	}
	chosen = crc32c_by_table;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("sse4.2"))
		chosen = by_instruction;
#endif
}

void crc32c_init(void)
{
	/* It fails only for an invalid control object. */
	(void)pthread_once(&once, choose);
}

uint32_t crc32c(uint32_t before, struct bytes in)
{
	crc32c_init();
	return ~chosen(~before, in);
}
