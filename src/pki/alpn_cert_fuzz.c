/* Certificates of any bytes as an answer to tls-alpn-01: one that is taken has the name and the digest in it. */
#include "crypto/digest.h"
#include "pki/alpn_cert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct san names[] = { { SAN_DNS, BYTES_LIT("example.org") }, { SAN_IP, BYTES_LIT("\xc0\0\2\1") } };
	struct bytes in = { data, size };
	uint8_t digest[ALPN_DIGEST_SIZE];

	crypto_init();
	sha256_one(BYTES_LIT("token.thumbprint"), digest);
	for (size_t i = 0; i < 2; i++) {
		struct err e = { 0 };
		enum err_code rc = alpn_cert_check(in, &names[i], digest, &e);
		if (rc == ERR_OK ? !memmem(data, size, digest, sizeof digest) : (rc != ERR_UNAUTHORIZED || !e.detail[0]))
			abort();
	}
	return 0;
}
