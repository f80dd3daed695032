/* chancery.conf and cas.conf, whatever they say: read, or every fault told by a line. */
#include "agent/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct given_option options[] = { { "config", "FILE", false, "" }, { "folder", "DIR", false, "" } };

static void read_all(const char *path)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 16u << 20);
	CLEANUP(buf_free_p) struct buf messages = buf_new(1u << 20);
	const struct given g = { .options = options,
		.n_options = 2,
		.v = { { &options[0], path, NULL, 0 }, { &options[1], "/nonexistent", NULL, 0 } },
		.n = 2 };
	struct config c;

	enum err_code rc = config_load(&g, a, &c, &messages, NULL);
	if ((rc != ERR_OK && messages.len == 0) || (rc == ERR_OK && c.n_certs > CONFIG_CERTS_MAX))
		abort();
	for (size_t i = 0; rc == ERR_OK && i < c.n_certs; i++)
		if (c.certs[i].n_names == 0 || !*c.certs[i].name)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(close_p) int fd = memfd_create("config", MFD_CLOEXEC);
	struct bytes in = { data, size }, word = BYTES_LIT("include");
	char path[64];

	/* An include reads other files, whose content is not the fuzzer's. */
	for (size_t i = 0; i + word.len <= in.len; i++)
		if (bytes_eq(bytes_slice(in, i, i + word.len), word))
			return 0;
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	read_all(path);
	return 0;
}
