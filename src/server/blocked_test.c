#include "server/blocked.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A file without a name that has this line. */
static int file_of(const char *text)
{
	int fd = memfd_create("blocked", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static void line_of(const struct key *k, char out[HEX_LEN(SHA256_SIZE) + 2])
{
	uint8_t digest[SHA256_SIZE];

	sha256_one(key_spki(k), digest);
	hex_encode(BYTES_ARRAY(digest), out);
	strcat(out, "\n");
}

static void what_is_read_takes_the_place_of_what_was(void **state)
{
	struct key *one CLEANUP(key_free_p) = NULL, *two CLEANUP(key_free_p) = NULL;
	struct blocked *b CLEANUP(blocked_free_p) = NULL;
	char line[2][HEX_LEN(SHA256_SIZE) + 2];

	(void)state;
	crypto_init();
	assert_int_equal(key_generate(KEY_EC_P256, 0, &one, NULL), ERR_OK);
	assert_int_equal(key_generate(KEY_EC_P256, 0, &two, NULL), ERR_OK);
	line_of(one, line[0]);
	line_of(two, line[1]);
	int fds[] = { file_of(line[0]), file_of(line[1]), file_of("nonsense\n") };
	assert_int_equal(blocked_new(&b, NULL), ERR_OK);
	assert_false(blocked_has(NULL, one));
	assert_false(blocked_has(b, one));
	assert_int_equal(blocked_read(b, fds, 2, NULL), ERR_OK);
	assert_true(blocked_has(b, one) && blocked_has(b, two));
	assert_int_equal(blocked_read(b, fds + 1, 2, NULL), ERR_CONFIG);
	assert_true(blocked_has(b, one));
	assert_int_equal(blocked_read(b, fds + 1, 1, NULL), ERR_OK);
	assert_true(!blocked_has(b, one) && blocked_has(b, two));
	assert_int_equal(blocked_read(b, NULL, 0, NULL), ERR_OK);
	assert_true(!blocked_has(b, one) && !blocked_has(b, two));
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_takes_the_place_of_what_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
