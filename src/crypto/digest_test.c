#include "crypto/digest.h"

#include "base/codec.h"
#include "crypto/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is_hex(const uint8_t *got, size_t len, const char *want)
{
	char text[2 * 64 + 1];

	assert_true(len <= 64);
	hex_encode((struct bytes){ got, len }, text);
	assert_string_equal(text, want);
}

static void sha256_gives_fips_180_values(void **state)
{
	uint8_t out[SHA256_SIZE];

	(void)state;
	sha256_one(BYTES_LIT("abc"), out);
	is_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_one(BYTES_NONE, out);
	is_hex(out, sizeof out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256(NULL, 0, out);
	is_hex(out, sizeof out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void sha256_joins_its_parts(void **state)
{
	const struct bytes parts[] = { BYTES_LIT("a"), BYTES_NONE, BYTES_LIT("b"), BYTES_LIT(""), BYTES_LIT("c") };
	uint8_t out[SHA256_SIZE];

	(void)state;
	sha256(parts, 5, out);
	is_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231 §4.2 to §4.8, without case 5 (truncation). */
static void hmac_gives_rfc_4231_values(void **state)
{
	static const struct {
		const char *key, *data, *mac;
	} cases[] = {
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
		    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
		{ "0102030405060708090a0b0c0d0e0f10111213141516171819",
		    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t key[64], data[64], out[SHA256_SIZE];
		size_t nk = strlen(cases[i].key) / 2, nd = strlen(cases[i].data) / 2;
		assert_int_equal(hex_decode(bytes_str(cases[i].key), key, nk, NULL), ERR_OK);
		assert_int_equal(hex_decode(bytes_str(cases[i].data), data, nd, NULL), ERR_OK);
		const struct bytes parts[] = { { data, nd / 2 }, { data + nd / 2, nd - nd / 2 } };
		hmac_sha256((struct bytes){ key, nk }, parts, 2, out);
		is_hex(out, sizeof out, cases[i].mac);
	}
}

static void hmac_takes_keys_longer_than_a_block(void **state)
{
	uint8_t key[131], out[SHA256_SIZE];
	struct bytes data = BYTES_LIT("Test Using Larger Than Block-Size Key - Hash Key First");

	(void)state;
	memset(key, 0xaa, sizeof key);
	hmac_sha256(BYTES_ARRAY(key), &data, 1, out);
	is_hex(out, sizeof out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	data = BYTES_LIT("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
			 "hashed before being used by the HMAC algorithm.");
	hmac_sha256(BYTES_ARRAY(key), &data, 1, out);
	is_hex(out, sizeof out, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* RFC 4231 §4.2 and §4.7: the longer digests, a key within a block and one beyond it. */
static void hmac_gives_rfc_4231_values_of_longer_digests(void **state)
{
	static const struct {
		enum mac_alg alg;
		const char *short_key, *long_key;
	} cases[] = {
		{ MAC_HS384, "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
		    "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952" },
		{ MAC_HS512,
		    "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
		    "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t key[131], out[MAC_SIZE_MAX];
		struct bytes data = BYTES_LIT("Hi There");
		memset(key, 0x0b, 20);
		hmac(cases[i].alg, (struct bytes){ key, 20 }, &data, 1, out);
		is_hex(out, mac_size(cases[i].alg), cases[i].short_key);
		memset(key, 0xaa, sizeof key);
		data = BYTES_LIT("Test Using Larger Than Block-Size Key - Hash Key First");
		hmac(cases[i].alg, BYTES_ARRAY(key), &data, 1, out);
		is_hex(out, mac_size(cases[i].alg), cases[i].long_key);
	}
}

static void mac_names_are_jose_s(void **state)
{
	enum mac_alg alg;

	(void)state;
	for (unsigned i = 0; i < MAC__MAX; i++) {
		assert_true(mac_alg_from_jose(bytes_str(mac_alg_jose((enum mac_alg)i)), &alg));
		assert_int_equal(alg, i);
	}
	assert_false(mac_alg_from_jose(BYTES_LIT("ES256"), &alg));
	assert_false(mac_alg_from_jose(BYTES_LIT("none"), &alg));
}

static void crc32c_gives_the_check_value(void **state)
{
	uint8_t zeros[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c(0, BYTES_LIT("123456789")), 0xe3069283u);
	assert_int_equal(crc32c(0, BYTES_NONE), 0);
	assert_int_equal(crc32c(0, BYTES_ARRAY(zeros)), 0x8a9136aau); /* RFC 3720 §B.4 */
	assert_int_equal(crc32c(crc32c(0, BYTES_LIT("1234")), BYTES_LIT("56789")), 0xe3069283u);
}

static void crc32c_is_the_same_by_table_and_by_instruction(void **state)
{
	uint8_t data[80];

	(void)state;
	crc32c_init();
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 37 + 11);
	for (size_t from = 0; from < 9; from++)
		for (size_t len = 0; from + len <= sizeof data; len++) {
			struct bytes in = { data + from, len };
			assert_int_equal(crc32c(7, in), (uint32_t)~crc32c_by_table(~7u, in));
		}
}

static void equal_looks_at_length_and_content(void **state)
{
	(void)state;
	assert_true(crypto_equal(BYTES_LIT("same"), BYTES_LIT("same")));
	assert_false(crypto_equal(BYTES_LIT("same"), BYTES_LIT("sane")));
	assert_false(crypto_equal(BYTES_LIT("same"), BYTES_LIT("sam")));
	assert_true(crypto_equal(BYTES_NONE, BYTES_LIT("")));
}

static void wipe_overwrites(void **state)
{
	uint8_t secret[16], zeros[16] = { 0 };

	(void)state;
	memset(secret, 0x5a, sizeof secret);
	crypto_wipe(secret, sizeof secret);
	assert_memory_equal(secret, zeros, sizeof zeros);
}

/* FIPS 197 appendix C.1. */
static void block_cipher_is_aes_128_both_ways(void **state)
{
	uint8_t key[16], block[16], out[16], back[16];
	struct block_cipher *c CLEANUP(block_cipher_free_p) = NULL;

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		key[i] = (uint8_t)i;
		block[i] = (uint8_t)(i * 0x11);
	}
	assert_int_equal(block_cipher_new(key, &c, NULL), ERR_OK);
	for (int again = 0; again < 3; again++) {
		block_cipher_encrypt(c, block, out);
		is_hex(out, sizeof out, "69c4e0d86a7b0430d8cdb78070b4c55a");
		block_cipher_decrypt(c, out, back);
		assert_memory_equal(back, block, sizeof back);
	}
	memcpy(out, block, sizeof out);
	block_cipher_encrypt(c, out, out);
	is_hex(out, sizeof out, "69c4e0d86a7b0430d8cdb78070b4c55a");
}

static void sha256_comes_piece_by_piece_too(void **state)
{
	CLEANUP(sha256_run_free_p) struct sha256_run *r = sha256_run_new();
	uint8_t pieces[SHA256_SIZE], whole[SHA256_SIZE];

	(void)state;
	sha256_one(BYTES_LIT("abcdef"), whole);
	for (int again = 0; again < 2; again++) {
		sha256_run_add(r, BYTES_LIT("ab"));
		sha256_run_add(r, BYTES_LIT(""));
		sha256_run_add(r, BYTES_LIT("cdef"));
		sha256_run_end(r, pieces);
		assert_memory_equal(pieces, whole, sizeof whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_gives_fips_180_values),
		cmocka_unit_test(sha256_joins_its_parts),
		cmocka_unit_test(sha256_comes_piece_by_piece_too),
		cmocka_unit_test(hmac_gives_rfc_4231_values),
		cmocka_unit_test(hmac_takes_keys_longer_than_a_block),
		cmocka_unit_test(hmac_gives_rfc_4231_values_of_longer_digests),
		cmocka_unit_test(mac_names_are_jose_s),
		cmocka_unit_test(crc32c_gives_the_check_value),
		cmocka_unit_test(crc32c_is_the_same_by_table_and_by_instruction),
		cmocka_unit_test(equal_looks_at_length_and_content),
		cmocka_unit_test(wipe_overwrites),
		cmocka_unit_test(block_cipher_is_aes_128_both_ways),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
