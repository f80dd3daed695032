/* How an operator names a key: by the SHA-256 of its SubjectPublicKeyInfo in hexadecimal, or by a file in PEM that has it: a certificate, a request,
 * a public key. */
#ifndef CHANCERY_CLI_KEY_ARG_H
#define CHANCERY_CLI_KEY_ARG_H

#include "base/err.h"
#include "crypto/digest.h"

/* CONFIG, with what is allowed. */
enum err_code key_argument(const char *text, uint8_t ret[SHA256_SIZE], struct err *e) MUST_USE;

#endif
