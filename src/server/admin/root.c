#include "server/admin/root.h"

#include "base/clock.h"
#include "base/codec.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX     65536
#define SIGNED_MAX  (1u << 20)
#define REVOKED_MAX 1024
#define LINE_MAX    512

struct root {
	int folder;
	struct opened_key opened;
	struct issuer *issuer;
};

static enum err_code open_folder(const char *path, int *ret, struct err *e)
{
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret < 0)
		FAIL(e, CONFIG, "%s: %s", path, strerror(errno));
	return ERR_OK;
}

enum err_code root_create(const struct root_create *r, char fingerprint[96], struct err *e)
{
	CLEANUP(opened_key_close) struct opened_key k = { .key = NULL };
	CLEANUP(buf_free_p) struct buf key_pem = buf_new_secret(PEM_MAX), cert = buf_new(PEM_MAX), pem = buf_new(PEM_MAX);
	CLEANUP(close_p) int folder = -1;
	char cn[CA_NAME_MAX + 16];
	uint8_t digest[SHA256_SIZE];

	if (!*r->name || strlen(r->name) > CA_NAME_MAX)
		FAIL(e, CONFIG, "a CA's name has 1 to %d characters", CA_NAME_MAX);
	if (mkdir(r->folder, 0700) != 0 && errno != EEXIST)
		FAIL(e, CONFIG, "%s: %s", r->folder, strerror(errno));
	TRY(open_folder(r->folder, &folder, e));
	errno = 0;
	if (faccessat(folder, ROOT_KEY_FILE, F_OK, 0) == 0 || faccessat(folder, ROOT_CERT_FILE, F_OK, 0) == 0)
		FAIL(e, CONFIG, "%s has a root already: it is never overwritten", r->folder);
	if (r->key_uri.len > 0)
		TRY(key_uri_open(r->key_uri, &r->token, &k, e));
	else
		TRY(key_generate(r->key_type, CA_RSA_BITS, &k.key, e));
	(void)snprintf(cn, sizeof cn, "%s Root CA", r->name);
	struct ca_root_wish w = { .country = r->country,
		.organization = bytes_str(r->name),
		.common_name = bytes_str(cn),
		.not_before_s = clock_wall_ms() / 1000 - CA_BACKDATE_S,
		.years = r->years };
	TRY(ca_make_root(k.key, &w, &cert, e));
	if (r->key_uri.len > 0)
		buf_add_fmt(&key_pem, "%.*s\n", BYTES_FMT(r->key_uri));
	else
		TRY(key_private_to_pem_with(k.key, r->passphrase, &key_pem, e));
	pem_add(&pem, "CERTIFICATE", buf_bytes(&cert));
	TRY(file_create(folder, ROOT_KEY_FILE, 0400, buf_bytes(&key_pem), e));
	TRY(file_create(folder, ROOT_CERT_FILE, 0444, buf_bytes(&pem), e));
	sha256_one(buf_bytes(&cert), digest);
	for (size_t i = 0; i < sizeof digest; i++)
		(void)snprintf(fingerprint + i * 3, 4, "%02X%s", digest[i], i + 1 < sizeof digest ? ":" : "");
	return ERR_OK;
}

enum err_code root_open(const char *folder, struct bytes passphrase, const struct token_access *t, struct root **ret, struct err *e)
{
	CLEANUP(root_close_p) struct root *r = calloc(1, sizeof *r);
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	CLEANUP(buf_free_p) struct buf pem = buf_new(PEM_MAX), key_pem = buf_new_secret(PEM_MAX);
	struct bytes text, der;

	if (!r || !a)
		FAIL(e, NOMEM, "no memory for a root");
	r->folder = -1;
	TRY(open_folder(folder, &r->folder, e));
	TRY(file_read(r->folder, ROOT_CERT_FILE, PEM_MAX, &pem, e));
	TRY(file_read(r->folder, ROOT_KEY_FILE, PEM_MAX, &key_pem, e));
	text = buf_bytes(&pem);
	if (pem_next(a, &text, "CERTIFICATE", &der, NULL) != ERR_OK)
		FAIL(e, CONFIG, "%s/" ROOT_CERT_FILE " holds no certificate", folder);
	TRY(key_text_open(buf_bytes(&key_pem), passphrase, t, &r->opened, e));
	TRY(issuer_new(der, r->opened.key, &r->issuer, e));
	*ret = TAKE(r);
	return ERR_OK;
}

void root_close(struct root *r)
{
	if (!r)
		return;
	issuer_free(r->issuer);
	opened_key_close(&r->opened);
	close_p(&r->folder);
	free(r);
}

/* --- what it has signed: "SERIAL TIME SUBJECT", and "revoked SERIAL TIME REASON" --- */

static enum err_code read_signed(const struct root *r, struct buf *out, struct err *e)
{
	enum err_code rc = file_read(r->folder, ROOT_SIGNED_FILE, SIGNED_MAX, out, e);

	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code add_line(const struct root *r, const char *line, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SIGNED_MAX);

	TRY(read_signed(r, &text, e));
	buf_add_str(&text, line);
	if (!buf_ok(&text))
		FAIL(e, TOO_LARGE, ROOT_SIGNED_FILE " has grown over %u bytes", SIGNED_MAX);
	return file_write(r->folder, ROOT_SIGNED_FILE, 0600, buf_bytes(&text), e);
}

enum err_code root_sign(
    struct root *r, struct arena *a, const struct ca_issuer_wish *w, const char *subject_text, struct buf *out, struct err *e)
{
	char line[LINE_MAX], time[RFC3339_SIZE], serial[HEX_LEN(CRL_SERIAL_MAX + 1) + 1];
	struct cert c;

	TRY(ca_make_issuer(a, r->issuer, w, out, e));
	TRY(cert_parse(a, buf_bytes(out), &c, e));
	hex_encode(c.serial, serial);
	rfc3339_format(clock_wall_ms() / 1000, time);
	(void)snprintf(line, sizeof line, "%s %s %s\n", serial, time, subject_text);
	return add_line(r, line, e);
}

/* Each revocation that is written down. */
static enum err_code gather_revoked(struct bytes text, struct crl_entry *v, size_t *n, struct err *e)
{
	struct bytes line;

	while (bytes_split(text, '\n', &line, &text)) {
		char serial[64], time[64];
		unsigned reason;
		int64_t time_s;
		char copy[LINE_MAX];
		(void)snprintf(copy, sizeof copy, "%.*s", BYTES_FMT(line));
		if (sscanf(copy, "revoked %63s %63s %u", serial, time, &reason) != 3)
			continue;
		if (*n == REVOKED_MAX)
			FAIL(e, TOO_LARGE, "more than %d certificates of this root are revoked", REVOKED_MAX);
		if (rfc3339_parse(bytes_str(time), &time_s, NULL) != ERR_OK ||
		    hex_decode(bytes_str(serial), v[*n].serial, SERIAL_SIZE, NULL) != ERR_OK || !crl_reason_name(reason))
			FAIL(e, CONFIG, ROOT_SIGNED_FILE ": the line \"%s\" is none of ours", copy);
		v[*n].time_s = time_s;
		v[(*n)++].reason = (uint8_t)reason;
	}
	return ERR_OK;
}

static enum err_code revoke_one(struct root *r, struct arena *a, const struct root_revoked *v, struct err *e)
{
	char line[LINE_MAX], time[RFC3339_SIZE], serial[HEX_LEN(CRL_SERIAL_MAX + 1) + 1];
	CLEANUP(key_free_p) struct key *public_half = NULL;
	struct cert c;

	TRY(cert_parse(a, v->certificate, &c, e));
	TRY(key_from_spki(key_spki(r->issuer->key), &public_half, e));
	if (!bytes_eq(c.issuer_name, r->issuer->subject) || key_verify_x509(public_half, c.alg, c.tbs, c.signature, NULL) != ERR_OK)
		FAIL(e, NOT_FOUND, "this root has not signed that certificate");
	if (c.serial.len != SERIAL_SIZE)
		FAIL(e, CONFIG, "the certificate's serial number has %zu bytes: ours have %d", c.serial.len, SERIAL_SIZE);
	hex_encode(c.serial, serial);
	rfc3339_format(clock_wall_ms() / 1000, time);
	(void)snprintf(line, sizeof line, "revoked %s %s %u\n", serial, time, v->reason);
	return add_line(r, line, e);
}

/* The number that was used last; it is raised before the next one is. */
static enum err_code next_number(struct root *r, uint64_t *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(64);
	char now[32];

	enum err_code rc = file_read(r->folder, ROOT_NUMBER_FILE, 32, &text, e);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND)
		return rc;
	buf_add_u8(&text, 0);
	*ret = (rc == ERR_OK ? strtoull((const char *)text.ptr, NULL, 10) : 0) + 1;
	(void)snprintf(now, sizeof now, "%" PRIu64 "\n", *ret);
	return file_write(r->folder, ROOT_NUMBER_FILE, 0600, bytes_str(now), e);
}

enum err_code root_list(
    struct root *r, struct arena *a, const struct root_revoked *v, size_t n, int64_t days, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SIGNED_MAX);
	struct crl_entry *entries = arena_array(a, REVOKED_MAX, sizeof *entries);
	uint64_t number;
	size_t n_entries = 0;

	if (!entries)
		FAIL(e, NOMEM, "no memory for a revocation list");
	for (size_t i = 0; i < n; i++)
		TRY(revoke_one(r, a, &v[i], e));
	TRY(read_signed(r, &text, e));
	TRY(gather_revoked(buf_bytes(&text), entries, &n_entries, e));
	TRY(next_number(r, &number, e));
	return ca_make_root_list(r->issuer, number, clock_wall_ms() / 1000, days, entries, n_entries, out, e);
}
