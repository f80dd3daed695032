/* A backup is a stranger's file until its passphrase, or its manifest, has said otherwise. Sums of heads are made right, so that what stands behind
 * them is reached. */
#include "server/admin/archive.h"
#include "server/admin/restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_sums(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK) {
		unsigned sum = 0;
		if (!bytes_starts_with((struct bytes){ data + at, TAR_BLOCK }, BYTES_LIT(ARCHIVE_TOP)))
			continue;
		memset(data + at + 148, ' ', 8);
		for (size_t i = 0; i < TAR_BLOCK; i++)
			sum += data[at + i];
		for (size_t i = 0; i < 6; i++)
			data[at + 148 + i] = (uint8_t)('0' + (sum >> (15 - 3 * i) & 7));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free_p) struct buf config = buf_new(1u << 20);
	CLEANUP(close_p) int fd = memfd_create("backup", 0);
	uint8_t *copy = malloc(size + 1);
	struct restore r = { .passphrase = BYTES_LIT("") };
	struct manifest m;
	char path[64];

	if (fd < 0 || !copy)
		abort();
	memcpy(copy, data, size);
	mend_sums(copy, size);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	r.from = path;
	if (write(fd, copy, size) == (ssize_t)size)
		MAY_FAIL(restore_check(&r, &m, &config, NULL));
	MAY_FAIL(manifest_check((struct bytes){ copy, size }, BYTES_LIT(""), &m, NULL));
	free(copy);
	return 0;
}
