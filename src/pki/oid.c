#include "pki/oid.h"

#include "base/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CONTENT_MAX 32 /* octets of an identifier that is looked at: the longest known has 10 */

static const struct {
	const char *name, *hex;
	size_t len; /* of hex */
} table[OID__MAX] = {
#define X(code, text, octets) [OID_##code] = { (text), (octets), sizeof(octets) - 1 },
#include "pki/oid.def"
#undef X
};

const char *oid_hex(enum oid o)
{
	return (unsigned)o < OID__MAX ? table[o].hex : NULL;
}

const char *oid_name(enum oid o)
{
	return (unsigned)o < OID__MAX ? table[o].name : NULL;
}

static bool is(const char *hex, size_t len, enum oid o)
{
	return table[o].len == len && memcmp(hex, table[o].hex, len) == 0;
}

enum oid oid_from(struct bytes content)
{
	char hex[HEX_LEN(CONTENT_MAX) + 1];

	if (!content.ptr || content.len > CONTENT_MAX)
		return OID_UNKNOWN;
	hex_encode(content, hex);
	for (unsigned i = OID_UNKNOWN + 1; i < OID__MAX; i++)
		if (is(hex, HEX_LEN(content.len), (enum oid)i))
			return (enum oid)i;
	return OID_UNKNOWN;
}

bool oid_is(struct bytes content, enum oid o)
{
	char hex[HEX_LEN(CONTENT_MAX) + 1];

	if (!content.ptr || HEX_LEN(content.len) != table[o].len)
		return false;
	hex_encode(content, hex);
	return is(hex, HEX_LEN(content.len), o);
}

/* The dotted form (X.690 §8.19). Arcs past 64 bits and truncated ones end it with "?". */
static void dotted(struct bytes content, char *out, size_t size)
{
	size_t at = 0, i = 0;

	out[0] = '\0';
	while (i < content.len && at + 24 < size) {
		uint64_t arc = 0;
		bool more = true, first = i == 0;
		for (; more && i < content.len && arc >> 57 == 0; i++) {
			arc = arc << 7 | (content.ptr[i] & 0x7fu);
			more = content.ptr[i] & 0x80;
		}
		if (more) {
			(void)snprintf(out + at, size - at, "%s?", first ? "" : ".");
			return;
		}
		/* The first two arcs share a number: 40 * first + second, the first at most 2 (§8.19.4). */
		uint64_t root = arc < 80 ? arc / 40 : 2;
		int n = first ? snprintf(out + at, size - at, "%" PRIu64 ".%" PRIu64, root, arc - root * 40)
			      : snprintf(out + at, size - at, ".%" PRIu64, arc);
		if (n < 0)
			return;
		at += (size_t)n;
	}
}

void oid_text(struct bytes content, char out[OID_TEXT_SIZE])
{
	char numbers[OID_TEXT_SIZE / 2 + 16];
	enum oid o = oid_from(content);

	dotted(content, numbers, sizeof numbers);
	if (o != OID_UNKNOWN)
		(void)snprintf(out, OID_TEXT_SIZE, "%s (%s)", table[o].name, numbers);
	else
		(void)snprintf(out, OID_TEXT_SIZE, "%s", numbers[0] ? numbers : "?");
}
