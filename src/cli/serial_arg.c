#include "cli/serial_arg.h"

#include "base/codec.h"
#include "os/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FILE_MAX 65536

/* Every program writes serial numbers in its own way: 02:0a:.., 020A.., 0x020a.. */
static bool from_hex(const char *text, uint8_t ret[SERIAL_SIZE])
{
	char digits[HEX_LEN(SERIAL_SIZE)];
	size_t n = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	for (; *text; text++) {
		if (*text == ':')
			continue;
		if (n == sizeof digits)
			return false;
		digits[n++] = (char)tolower((unsigned char)*text);
	}
	return n == sizeof digits && hex_decode((struct bytes){ (const uint8_t *)digits, n }, ret, SERIAL_SIZE, NULL) == ERR_OK;
}

static enum err_code from_file(struct arena *a, const char *path, uint8_t ret[SERIAL_SIZE], struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(FILE_MAX);
	struct bytes text, der;
	struct cert c;

	TRY(file_read(AT_FDCWD, path, FILE_MAX, &pem, e));
	text = buf_bytes(&pem);
	errno = 0;
	if (pem_next(a, &text, "CERTIFICATE", &der, NULL) != ERR_OK || cert_parse(a, der, &c, NULL) != ERR_OK)
		FAIL(e, CONFIG, "%s holds no certificate in PEM", path);
	if (c.serial.len != SERIAL_SIZE)
		FAIL(e, CONFIG, "%s: the certificate is not this CA's: its serial number has %zu bytes, not %d", path, c.serial.len,
		    SERIAL_SIZE);
	memcpy(ret, c.serial.ptr, SERIAL_SIZE);
	return ERR_OK;
}

enum err_code serial_argument(const char *text, uint8_t ret[SERIAL_SIZE], struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);

	if (from_hex(text, ret))
		return ERR_OK;
	if (!a)
		FAIL(e, NOMEM, "no memory");
	enum err_code rc = from_file(a, text, ret, e);
	errno = 0;
	if (rc == ERR_NOT_FOUND)
		FAIL(e, CONFIG, "\"%.100s\" is neither a serial number (%zu hexadecimal digits) nor a file with a certificate", text,
		    (size_t)HEX_LEN(SERIAL_SIZE));
	return rc;
}
