/* Lists of any bytes: refused with the number of a line, or taken, and then asked. */
#include "crypto/blocklist.h"
#include "crypto/digest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blocklist *b CLEANUP(blocklist_free_p) = NULL;
	static struct key *key;
	struct err e = { 0 };

	if (!key) {
		crypto_init();
		check(key_generate(KEY_EC_P256, 0, &key, NULL) == ERR_OK);
	}
	int fd = memfd_create("blocklist", MFD_CLOEXEC);
	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	check(blocklist_new(&b, NULL) == ERR_OK);
	enum err_code rc = blocklist_add(b, fd, "list", &e);
	check(close(fd) == 0);
	check(rc == ERR_OK || (rc == ERR_CONFIG && strncmp(e.detail, "list:", 5) == 0));
	check(rc == ERR_OK ? blocklist_count(b) <= size / 20 + 1 : blocklist_count(b) == 0);
	check(!blocklist_has(b, key));
	return 0;
}
