/* How an operator names a certificate: by its serial number in hexadecimal, with or without colons, or by a file that holds it. */
#ifndef CHANCERY_CLI_SERIAL_ARG_H
#define CHANCERY_CLI_SERIAL_ARG_H

#include "base/err.h"
#include "pki/cert.h"

/* CONFIG, with what is allowed, for neither. A file has the certificate first (PEM). */
enum err_code serial_argument(const char *text, uint8_t ret[SERIAL_SIZE], struct err *e) MUST_USE;

#endif
