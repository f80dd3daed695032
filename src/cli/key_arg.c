#include "cli/key_arg.h"

#include "base/codec.h"
#include "os/file.h"
#include "pki/cert.h"
#include "pki/csr.h"

#include <errno.h>
#include <fcntl.h>

#define FILE_MAX 65536

static enum err_code from_certificate(struct arena *a, struct bytes der, struct bytes *ret, struct err *e)
{
	struct cert c;

	TRY(cert_parse(a, der, &c, e));
	*ret = c.spki;
	return ERR_OK;
}

static enum err_code from_request(struct arena *a, struct bytes der, struct bytes *ret, struct err *e)
{
	struct csr c;

	TRY(csr_parse(a, der, &c, e));
	*ret = c.spki;
	return ERR_OK;
}

static enum err_code from_key(struct arena *a, struct bytes der, struct bytes *ret, struct err *e)
{
	(void)a, (void)e;
	*ret = der;
	return ERR_OK;
}

static const struct {
	const char *label;
	enum err_code (*read)(struct arena *a, struct bytes der, struct bytes *ret, struct err *e);
} kinds[] = {
	{ "CERTIFICATE", from_certificate },
	{ "CERTIFICATE REQUEST", from_request },
	{ "PUBLIC KEY", from_key },
};

static enum err_code from_file(struct arena *a, const char *path, uint8_t ret[SHA256_SIZE], struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(FILE_MAX);
	struct bytes der, spki;

	TRY(file_read(AT_FDCWD, path, FILE_MAX, &pem, e));
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct bytes text = buf_bytes(&pem);
		if (pem_next(a, &text, kinds[i].label, &der, NULL) != ERR_OK)
			continue;
		TRY(kinds[i].read(a, der, &spki, e));
		sha256_one(spki, ret);
		return ERR_OK;
	}
	errno = 0;
	FAIL(e, CONFIG, "%s holds no certificate, request or public key in PEM", path);
}

enum err_code key_argument(const char *text, uint8_t ret[SHA256_SIZE], struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);

	if (hex_decode(bytes_str(text), ret, SHA256_SIZE, NULL) == ERR_OK)
		return ERR_OK;
	if (!a)
		FAIL(e, NOMEM, "no memory");
	enum err_code rc = from_file(a, text, ret, e);
	errno = 0;
	if (rc == ERR_NOT_FOUND)
		FAIL(e, CONFIG,
		    "\"%.100s\" is neither the SHA-256 of a SubjectPublicKeyInfo (%zu hexadecimal digits) nor a file with a key", text,
		    (size_t)HEX_LEN(SHA256_SIZE));
	return rc;
}
