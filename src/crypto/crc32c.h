/* The portable half of crc32c(), named so that a test can hold it against the other. Private to this room. */
#ifndef CHANCERY_CRYPTO_CRC32C_H
#define CHANCERY_CRYPTO_CRC32C_H

#include "base/bytes.h"

/* Fills the table; crc32c() does it by itself. */
void crc32c_init(void);
/* The register before and after, without the complements that crc32c() adds. */
uint32_t crc32c_by_table(uint32_t crc, struct bytes in);

#endif
