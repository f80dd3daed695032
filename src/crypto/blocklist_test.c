#include "crypto/blocklist.h"

#include "base/codec.h"
#include "base/seam.h"
#include "crypto/digest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A file in memory, positioned at its end: the list reads from the beginning all the same. */
static int file_of(struct bytes content)
{
	int fd = memfd_create("blocklist", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content.ptr, content.len), content.len);
	return fd;
}

static enum err_code add(struct blocklist *b, struct bytes content, struct err *e)
{
	int fd = file_of(content);
	enum err_code rc = blocklist_add(b, fd, "list", e);

	close(fd);
	return rc;
}

static struct blocklist *list_of(const char *content)
{
	struct blocklist *b = NULL;
	struct err e;

	assert_int_equal(blocklist_new(&b, NULL), ERR_OK);
	if (add(b, bytes_str(content), &e) != ERR_OK)
		fail_msg("%s", e.detail);
	return b;
}

static struct key *rsa_of(const char *modulus_hex, struct bytes exponent)
{
	uint8_t n[KEY_RSA_BITS_MAX / 8];
	size_t len = strlen(modulus_hex) / 2;
	struct key *k = NULL;

	assert_int_equal(hex_decode(bytes_str(modulus_hex), n, len, NULL), ERR_OK);
	assert_int_equal(key_from_rsa((struct bytes){ n, len }, exponent, &k, NULL), ERR_OK);
	return k;
}

/* Two keys that Debian's OpenSSL made in its weak years, as the test suites of other programs have them: the first with its line of
 * openssl-blacklist. */
static const char *const debian_moduli[] = {
	"d673252af6723c3f72529403eab7c30def3c52f97e799825f4a70191c616adcf1ece1113f1625971074c492c592025fd"
	"eadbdb146a081826bdf0d77c3c913dcf1b6f0b3b78f5108d2e493ad0eee8ca5c021711adc13d358e61133870fcd19c8e"
	"5c22403959782aa82e72aee53a3d491e3912ce27b27e1a85ea69c19a527d28f7934c9823b7e56fdd657dac83fdc65bb2"
	"2a98d843df73238919781b714c81a5e2afec71f5c54aa2a27c590ad94c03c1062d50efcffac743e3c8a3ae056846a1d7"
	"56eb862bf4224169d467c35215ade0afcc11e85fe629afb802c4786ff2e9c929bccf502b3d3b8876c6a11785cc398b38"
	"9f1d86bdd9cb0bd4ec13956ec3fa270d",
	"c096530c4c4a343fc388ff8b6e14c88b617485966dd0f757f3decb2f03dfdfe6f518e0948f5387059bd5aa124f26d38f"
	"139dd6ebc234360561689758e9b14e03f714508167374cbf64e24e26c3cd95ed5a5d04e3c404be157bb8090e9ada9cdc"
	"53ef7e806c1e77b5f10242150a24e9adf991088daf20a75beb54bc91fe43dd8755447fd3abdefb9f1c987a8b04198245"
	"04e213f8dd26a9c6b7ed2f2103d8422720f7a7400ce34743e4ce40440c69013efea2a39790fcdfccbb424da1d824adfe"
	"58071ed76d41af836e4093ea60f5719e250fa214f8631153a81eefc17d82e3f819da57691ed9602550074fdea73ac9e5"
	"cfe10f6b91adc31b402c3e370b03a559",
};

#define F4 BYTES_LIT("\x01\x00\x01")

static void keys_of_debian_are_found(void **state)
{
	static const char *const lists[] = {
		"8df20e6961a16398b85a\nb7ead9492dfd921fc4f9\n0000000000000000000f\n",
		"# blacklist\n\nB7EAD9492DFD921FC4F9  \r\n\t\n8df20e6961a16398b85a",
		"31c152529eb033a010f8c272fd8d42\n8df20e6961a16398b85a\n",
	};
	struct key *first CLEANUP(key_free_p) = rsa_of(debian_moduli[0], F4), *second CLEANUP(key_free_p) = rsa_of(debian_moduli[1], F4);
	struct key *other_exponent CLEANUP(key_free_p) = rsa_of(debian_moduli[1], BYTES_LIT("\x01\x00\x03"));
	struct key *fresh CLEANUP(key_free_p) = NULL;

	(void)state;
	assert_int_equal(key_generate(KEY_RSA, 2048, &fresh, NULL), ERR_OK);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct blocklist *b CLEANUP(blocklist_free_p) = list_of(lists[i]);
		assert_true(blocklist_has(b, first));
		assert_true(blocklist_has(b, second));
		/* Whoever has one private key of a modulus has all. */
		assert_true(blocklist_has(b, other_exponent));
		assert_false(blocklist_has(b, fresh));
		assert_false(blocklist_has(NULL, first));
	}
}

/* A key of each type by each form that it has, among many others and alone. */
static void every_form_finds_its_key(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct key *k CLEANUP(key_free_p) = NULL, *other CLEANUP(key_free_p) = NULL;
		struct bytes first, second;
		uint8_t digest[SHA256_SIZE];
		char spki[65], value[65];
		assert_int_equal(key_generate((enum key_type)t, 2048, &k, NULL), ERR_OK);
		assert_int_equal(key_generate((enum key_type)t, 2048, &other, NULL), ERR_OK);
		key_parts(k, &first, &second);
		sha256_one(key_spki(k), digest);
		hex_encode(BYTES_ARRAY(digest), spki);
		while (first.ptr[0] == 0)
			first = bytes_slice(first, 1, first.len);
		sha256_one(first, digest);
		hex_encode(BYTES_ARRAY(digest), value);
		value[30] = '\0';
		for (size_t n = 0; n <= 1000; n += 500) {
			struct buf text CLEANUP(buf_free_p) = buf_new(1 << 20);
			for (size_t i = 0; i < n; i++) /* unsorted */
				buf_add_fmt(&text, "%064zx\n%030zx\n%020zx\n", i * 0x9e3779b9 % 1000, i * 0x9e3779b9 % 1000, i * 7 % 1000);
			for (unsigned form = 0; form < 2; form++) {
				struct blocklist *b = list_of("");
				size_t len = text.len;
				assert_int_equal(add(b, buf_bytes(&text), NULL), ERR_OK);
				assert_false(blocklist_has(b, k));
				buf_add_fmt(&text, "%s\n", form ? value : spki);
				assert_int_equal(add(b, buf_bytes(&text), NULL), ERR_OK);
				assert_true(blocklist_has(b, k));
				assert_false(blocklist_has(b, other));
				assert_int_equal(blocklist_count(b), n * 6 + 1);
				text.len = len;
				blocklist_free(b);
			}
		}
	}
}

/* The value's leading zero bytes do not count, as in badkeys, which hashes numbers. */
static void values_have_no_leading_zeros(void **state)
{
	uint8_t x[32] = { 0, 0, 0x5a, [31] = 7 }, digest[SHA256_SIZE];
	struct key *k CLEANUP(key_free_p) = NULL;
	char text[65];

	(void)state;
	assert_int_equal(key_from_raw(KEY_ED25519, BYTES_ARRAY(x), &k, NULL), ERR_OK);
	sha256_one((struct bytes){ x + 2, 30 }, digest);
	hex_encode(BYTES_ARRAY(digest), text);
	text[30] = '\0';
	struct blocklist *b CLEANUP(blocklist_free_p) = list_of(text);
	assert_true(blocklist_has(b, k));
}

static void bad_lines_are_named(void **state)
{
	static const struct {
		const char *content, *why;
	} rows[] = {
		{ "8df20e6961a16398b85a\n8df20e6961a16398b85\n",
		    "list:2: not 64 hexadecimal digits (SHA-256 of a SubjectPublicKeyInfo), 30 " },
		{ "8df20e6961a16398b85g", "list:1: not 64" }, { "\n\n# x\n 8df20e6961a16398b85a", "list:4: not 64" },
		{ "8df20e6961a16398b85a # x", "list:1: not 64" }, { "8d:f2:0e:69:61:a1:63", "list:1: not 64" },
		{ "a3853d0c563765e504c18df20e6961a16398b85a", "list:1: not 64" }, /* a whole SHA-1 */
	};
	struct key *k CLEANUP(key_free_p) = rsa_of(debian_moduli[0], F4);
	struct blocklist *b CLEANUP(blocklist_free_p) = list_of("8df20e6961a16398b85a");

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err e = { 0 };
		assert_int_equal(add(b, bytes_str(rows[i].content), &e), ERR_CONFIG);
		if (strncmp(e.detail, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("row %zu: %s", i, e.detail);
	}
	/* A line that never ends, also in a comment. */
	static char endless[70000];
	struct err e;
	memset(endless, '#', sizeof endless - 1);
	assert_int_equal(add(b, bytes_str(endless), &e), ERR_CONFIG);
	assert_string_equal(e.detail, "list:1: a line of more than 1024 bytes");
	/* What was there is there still. */
	assert_int_equal(blocklist_count(b), 1);
	assert_true(blocklist_has(b, k));
}

/* Lines lie across the borders of what is read at once. */
static void large_files_are_read_whole(void **state)
{
	enum { N = 100000 };
	struct buf text CLEANUP(buf_free_p) = buf_new(8 << 20);
	struct key *k CLEANUP(key_free_p) = rsa_of(debian_moduli[0], F4);

	(void)state;
	for (size_t i = 0; i < N; i++) {
		if (i % 1000 == 0)
			buf_add_fmt(&text, "# %.*s\n", (int)(i / 1000),
			    "------------------------------------------------------------------"
			    "----------------------------------");
		buf_add_fmt(&text, i == N / 2 ? "8df20e6961a16398b85a\n" : "%020zx\n", i);
	}
	assert_true(buf_ok(&text));
	struct blocklist *b CLEANUP(blocklist_free_p) = list_of("");
	assert_int_equal(add(b, buf_bytes(&text), NULL), ERR_OK);
	assert_int_equal(blocklist_count(b), N);
	assert_true(blocklist_has(b, k));
}

static unsigned calls, failing, at_most;

static ssize_t failing_pread(int fd, void *p, size_t n, off_t at)
{
	if (++calls == failing) {
		errno = EIO;
		return -1;
	}
	/* Now and then interrupted, never more than a few bytes. */
	if (calls % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	return seam_libc.pread(fd, p, n < at_most ? n : at_most, at);
}

static void reading_may_fail_at_any_time(void **state)
{
	struct seam breaking = seam_libc;
	struct key *k CLEANUP(key_free_p) = rsa_of(debian_moduli[0], F4);
	unsigned total = 0;

	(void)state;
	breaking.pread = failing_pread;
	at_most = 7;
	seam = &breaking;
	for (failing = 0; failing <= total; failing++) {
		struct blocklist *b CLEANUP(blocklist_free_p) = NULL;
		struct err e;
		assert_int_equal(blocklist_new(&b, NULL), ERR_OK);
		calls = 0;
		enum err_code rc = add(b, BYTES_LIT("# x\n8df20e6961a16398b85a\n\n31c152529eb033a010f8c272fd8d42"), &e);
		total = failing == 0 ? calls : total;
		assert_int_equal(rc, failing == 0 ? ERR_OK : ERR_IO);
		assert_int_equal(blocklist_count(b), failing == 0 ? 2 : 0);
		assert_int_equal(blocklist_has(b, k), failing == 0);
	}
	seam = &seam_libc;
	assert_true(total > 10);
}

/* The second pass finds more, fewer or other keys than the first. */
static const char *contents[2];

static ssize_t changing_pread(int fd, void *p, size_t n, off_t at)
{
	static unsigned pass;

	(void)fd;
	(void)n;
	if (at > 0)
		return 0;
	const char *content = contents[pass++ % 2];
	memcpy(p, content, strlen(content));
	return (ssize_t)strlen(content);
}

static void a_changing_file_is_seen(void **state)
{
	static const char *const second[] = { "", "8df20e6961a16398b85a\n8df20e6961a16398b85b\n", "31c152529eb033a010f8c272fd8d42\n" };
	struct seam changing = seam_libc;

	(void)state;
	changing.pread = changing_pread;
	seam = &changing;
	contents[0] = "8df20e6961a16398b85a\n";
	for (size_t i = 0; i < sizeof second / sizeof second[0]; i++) {
		struct blocklist *b CLEANUP(blocklist_free_p) = NULL;
		struct err e;
		contents[1] = second[i];
		assert_int_equal(blocklist_new(&b, NULL), ERR_OK);
		assert_int_equal(blocklist_add(b, -1, "list", &e), ERR_CONFIG);
		assert_string_equal(e.detail, "list: changed while it was read");
		assert_int_equal(blocklist_count(b), 0);
	}
	seam = &seam_libc;
}

/* A file without an end. */
static ssize_t endless_pread(int fd, void *p, size_t n, off_t at)
{
	(void)fd;
	(void)at; /* lines of comments */
	memset(p, '#', n);
	for (size_t i = 0; i < n; i += 500)
		((char *)p)[i] = '\n';
	return (ssize_t)n;
}

static void a_file_has_an_end(void **state)
{
	struct blocklist *b CLEANUP(blocklist_free_p) = list_of("");
	struct seam endless = seam_libc;
	struct err e;

	(void)state;
	endless.pread = endless_pread;
	seam = &endless;
	assert_int_equal(blocklist_add(b, -1, "list", &e), ERR_CONFIG);
	seam = &seam_libc;
	assert_string_equal(e.detail, "list: larger than 268435456 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_debian_are_found),
		cmocka_unit_test(every_form_finds_its_key),
		cmocka_unit_test(values_have_no_leading_zeros),
		cmocka_unit_test(bad_lines_are_named),
		cmocka_unit_test(large_files_are_read_whole),
		cmocka_unit_test(reading_may_fail_at_any_time),
		cmocka_unit_test(a_changing_file_is_seen),
		cmocka_unit_test(a_file_has_an_end),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
