#include "pki/test_support.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"
#include "crypto/digest.h"

#include <stdio.h>
#include <unistd.h>

int64_t test_now_s = TEST_NOW_S;

static struct seam still;
static struct key *keys[2][KEY__MAX];
static struct arena *memory;
static char folder[64];

static struct bytes domain_validated = { (const uint8_t *)"2.23.140.1.2.1", 14 };
const struct profile test_profile = { .name = { (const uint8_t *)"tls-server", 10 },
	.lifetime_s = 90 * DAY_S,
	.backdate_s = 3600,
	.names_max = 100,
	.key_types = ~0u,
	.rsa_bits_max = KEY_RSA_BITS_MAX,
	.key_usage = PROFILE_DIGITAL_SIGNATURE | PROFILE_KEY_ENCIPHERMENT,
	.purposes = PROFILE_SERVER_AUTH,
	.contents = PROFILE_CRL,
	.policies = &domain_validated,
	.n_policies = 1 };

static int64_t still_wall_ms(void)
{
	return test_now_s * 1000;
}

int test_setup(void **state)
{
	(void)state;
	crypto_init();
	still = seam_libc;
	still.wall_ms = still_wall_ms;
	seam = &still;
	memory = arena_new(65536, 16 << 20);
	return memory ? 0 : -1;
}

int test_teardown(void **state)
{
	char command[128];

	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++)
		for (unsigned i = 0; i < 2; i++)
			if (keys[i][t]) {
				key_free(keys[i][t]);
				keys[i][t] = NULL;
			}
	arena_free(memory);
	seam = &seam_libc;
	if (!folder[0])
		return 0;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static struct key *made(unsigned i, enum key_type t)
{
	if (!keys[i][t])
		assert_int_equal(key_generate(t, 2048, &keys[i][t], NULL), ERR_OK);
	return keys[i][t];
}

struct key *test_key(enum key_type t)
{
	return made(0, t);
}

struct key *test_other_key(enum key_type t)
{
	return made(1, t);
}

struct bytes test_hex(const char *hex)
{
	size_t n = 0;
	char *packed = arena_alloc(memory, strlen(hex) + 1);
	uint8_t *out = arena_alloc(memory, strlen(hex) / 2 + 1);

	assert_non_null(packed);
	assert_non_null(out);
	for (; *hex; hex++)
		if (*hex != ' ')
			packed[n++] = *hex;
	assert_int_equal(hex_decode((struct bytes){ (const uint8_t *)packed, n }, out, n / 2, NULL), ERR_OK);
	return (struct bytes){ out, n / 2 };
}

struct bytes test_file(const char *path)
{
	char whole[256];
	static uint8_t content[65536];

	snprintf(whole, sizeof whole, "../../tests/corpus/pki/%s", path);
	FILE *f = fopen(whole, "rb");
	if (!f)
		fail_msg("no file %s", whole);
	size_t n = fread(content, 1, sizeof content, f);
	fclose(f);
	struct bytes copy = arena_copy(memory, (struct bytes){ content, n });
	assert_non_null(copy.ptr);
	return copy;
}

static void sign_ca(struct ca_request *r, const struct key *signer, struct buf *out)
{
	struct buf tbs CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct err e;

	r->alg = key_sig_alg(signer);
	cert_write_ca_tbs(r, &tbs);
	assert_true(buf_ok(&tbs));
	if (cert_sign(signer, buf_bytes(&tbs), out, &e) != ERR_OK)
		fail_msg("%s", e.detail);
}

void chain_make(enum key_type root, enum key_type ca, struct chain *ret)
{
	struct buf root_name CLEANUP(buf_free_p) = buf_new(256), ca_name CLEANUP(buf_free_p) = buf_new(256);
	struct key *root_key = test_other_key(root), *ca_key = test_key(ca);
	uint8_t serial[SERIAL_SIZE] = { 1, 2, 3 }, root_id[20];
	struct err e;

	ret->root = buf_new(CERT_SIZE_MAX);
	ret->intermediate = buf_new(CERT_SIZE_MAX);
	name_write_ca(BYTES_LIT("Example & Söhne"), BYTES_LIT("Example Root R1"), &root_name);
	name_write_ca(BYTES_NONE, BYTES_LIT("Example CA E1"), &ca_name);
	struct ca_request r = { .serial = serial,
		.subject = buf_bytes(&root_name),
		.issuer_name = buf_bytes(&root_name),
		.spki = key_spki(root_key),
		.not_before_s = test_now_s - DAY_S,
		.not_after_s = test_now_s + (int64_t)9000 * DAY_S - 1,
		.path_len = -1 };
	sign_ca(&r, root_key, &ret->root);
	serial[0] = 0x7f;
	cert_key_id(key_spki(root_key), root_id);
	r.subject = buf_bytes(&ca_name);
	r.spki = key_spki(ca_key);
	r.authority_key_id = BYTES_ARRAY(root_id);
	r.not_after_s = test_now_s + (int64_t)1000 * DAY_S - 1;
	r.path_len = 0;
	r.purposes = CERT_SERVER_AUTH;
	sign_ca(&r, root_key, &ret->intermediate);
	ret->issuer = NULL;
	if (issuer_new(buf_bytes(&ret->intermediate), ca_key, &ret->issuer, &e) != ERR_OK)
		fail_msg("%s", e.detail);
}

void chain_free(struct chain *c)
{
	buf_free(&c->root);
	buf_free(&c->intermediate);
	issuer_free(c->issuer);
}

void leaf_make(enum key_type t, struct leaf_request *ret)
{
	static const uint8_t serial[SERIAL_SIZE] = { 0x5a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xff };
	static const uint8_t ip4[4] = { 192, 0, 2, 1 }, ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	static struct san names[4];

	names[0] = (struct san){ SAN_DNS, BYTES_LIT("*.example.org") };
	names[1] = (struct san){ SAN_DNS, BYTES_LIT("example.org") };
	names[2] = (struct san){ SAN_IP, BYTES_ARRAY(ip4) };
	names[3] = (struct san){ SAN_IP, BYTES_ARRAY(ip6) };
	*ret = (struct leaf_request){ .serial = serial,
		.names = names,
		.n_names = san_sort(names, 4),
		.spki = key_spki(test_other_key(t)),
		.key_type = t,
		.not_before_s = test_now_s - 3600,
		.not_after_s = test_now_s - 3600 + 90 * DAY_S - 1,
		.crl_url = BYTES_LIT(TEST_CRL_URL) };
}

void test_write(const char *name, struct bytes in)
{
	char path[128];

	if (!folder[0]) {
		strcpy(folder, "/tmp/chancery-pki-XXXXXX");
		assert_non_null(mkdtemp(folder));
	}
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(in.ptr, 1, in.len, f), in.len);
	assert_int_equal(fclose(f), 0);
}

void test_write_pem(const char *name, const char *label, struct bytes der)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(65536);

	pem_add(&b, label, der);
	assert_true(buf_ok(&b));
	test_write(name, buf_bytes(&b));
}

const char *test_run(const char *command)
{
	static char said[16384];
	char whole[1024];

	snprintf(whole, sizeof whole, "cd %s && ( %s ) 2>&1", folder, command);
	FILE *f = popen(whole, "r");
	assert_non_null(f);
	size_t n = fread(said, 1, sizeof said - 1, f);
	said[n] = '\0';
	int status = pclose(f);
	if (status != 0)
		fail_msg("%s: ended with %d:\n%s", command, status, said);
	return said;
}

struct bytes test_openssl_csr(const char *options)
{
	char command[900];

	test_write("none", BYTES_LIT("")); /* so that there is the folder */
	snprintf(command, sizeof command,
	    "openssl req -new -nodes -batch -keyout /dev/null -outform DER %s 2>/dev/null | od -An -v -tx1 | tr -d ' \\n'", options);
	return test_hex(test_run(command));
}
