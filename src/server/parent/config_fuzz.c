/* The configuration file: by libconfuse and our own checks. Through a memory file, for libconfuse reads by name. */
#include "server/parent/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 22);
	CLEANUP(buf_free_p) struct buf messages = buf_new(65536);
	CLEANUP(close_p) int fd = memfd_create("config", MFD_CLOEXEC);
	struct settings s;
	char path[64];

	/* an include reads other files, whose content is not the fuzzer's */
	struct bytes in = { data, size }, word = BYTES_LIT("include");
	for (size_t i = 0; i + word.len <= in.len; i++)
		if (bytes_eq(bytes_slice(in, i, i + word.len), word))
			return 0;
	if (!a || fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	MAY_FAIL(config_read(a, path, &s, &messages, NULL));
	return 0;
}
