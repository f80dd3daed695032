#include "server/validator/rrset.h"

#include "crypto/digest.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;

	return bytes_cmp(*x, *y);
}

void rrset_digest(struct bytes *rdata, size_t n, uint8_t out[32])
{
	struct bytes parts[2 * RRSET_RECORDS_MAX];
	uint8_t lengths[RRSET_RECORDS_MAX][4];

	n = n < RRSET_RECORDS_MAX ? n : RRSET_RECORDS_MAX;
	qsort(rdata, n, sizeof *rdata, compare);
	for (size_t i = 0; i < n; i++) {
		for (unsigned k = 0; k < 4; k++)
			lengths[i][k] = (uint8_t)(rdata[i].len >> (24 - 8 * k));
		parts[2 * i] = BYTES_ARRAY(lengths[i]);
		parts[2 * i + 1] = rdata[i];
	}
	sha256(parts, 2 * n, out);
}
