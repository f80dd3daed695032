#include "server/ca_make.h"

#include "base/clock.h"
#include "base/codec.h"
#include "server/messages.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void make_serial(uint8_t serial[SERIAL_SIZE])
{
	random_bytes(serial, SERIAL_SIZE);
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, always 16 bytes, and none that an issuer gives out */
}

/* Writes, lints and signs. */
static enum err_code sign_ca(const struct key *k, const struct ca_request *r, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf tbs = buf_new(CERT_SIZE_MAX);

	cert_write_ca_tbs(r, &tbs);
	if (!buf_ok(&tbs))
		FAIL(e, NOMEM, "no memory for a certificate");
	TRY(lint_ca_tbs(buf_bytes(&tbs), r, e));
	return cert_sign(k, buf_bytes(&tbs), out, e);
}

enum err_code ca_check_country(struct bytes country, struct err *e)
{
	bool good = country.len == 0 || country.len == 2;

	for (size_t i = 0; good && i < country.len; i++)
		good = country.ptr[i] >= 'A' && country.ptr[i] <= 'Z';
	if (!good)
		FAIL(e, CONFIG, "a country is two capital letters, like DE (ISO 3166-1)");
	return ERR_OK;
}

enum err_code ca_make_root(const struct key *k, const struct ca_root_wish *w, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf name = buf_new(1024);
	uint8_t serial[SERIAL_SIZE];

	make_serial(serial);
	TRY(ca_check_country(w->country, e));
	name_write_ca_of(w->country, w->organization, w->common_name, &name);
	struct ca_request r = { .serial = serial,
		.subject = buf_bytes(&name),
		.issuer_name = buf_bytes(&name),
		.spki = key_spki(k),
		.authority_key_id = BYTES_LIT(""),
		.alg = key_sig_alg(k),
		.not_before_s = w->not_before_s,
		.not_after_s = w->not_before_s + w->years * CA_YEAR_S - 1,
		.path_len = -1 };
	return sign_ca(k, &r, out, e);
}

enum err_code ca_make_issuer(struct arena *a, const struct issuer *root, const struct ca_issuer_wish *w, struct buf *out, struct err *e)
{
	uint8_t serial[SERIAL_SIZE];
	bool named = w->publish_url.len > 0 && root->key_id.len == ISSUER_KEY_SIZE;

	make_serial(serial);
	struct ca_request r = { .serial = serial,
		.subject = w->subject,
		.issuer_name = root->subject,
		.spki = w->spki,
		.authority_key_id = root->key_id,
		.alg = key_sig_alg(root->key),
		.not_before_s = w->not_before_s,
		.not_after_s = w->not_after_s,
		.path_len = 0,
		.purposes = w->purposes,
		.crl_url = named ? crl_url(a, w->publish_url, root->key_id.ptr, 0) : BYTES_LIT(""),
		.ca_issuers_url = named ? ca_issuers_url(a, w->publish_url, root->key_id.ptr) : BYTES_LIT(""),
		.permitted = w->permitted,
		.n_permitted = w->n_permitted };
	if (!r.crl_url.ptr || !r.ca_issuers_url.ptr)
		FAIL(e, NOMEM, "no memory for a certificate");
	if (r.not_after_s > root->not_after_s)
		FAIL(e, CONFIG, "the root's own certificate ends before this one would: fewer years, or a new root");
	return sign_ca(root->key, &r, out, e);
}

enum err_code ca_make_root_list(const struct issuer *root, uint64_t number, int64_t now_s, int64_t days, struct crl_entry *entries,
    size_t n, struct buf *out, struct err *e)
{
	struct crl_request r = { .number = number,
		.this_update_s = now_s,
		.next_update_s = now_s + days * 86400,
		.url = BYTES_LIT(""),
		.of_root = true,
		.entries = entries,
		.n_entries = crl_sort(entries, n) };

	return crl_sign(root, &r, out, e);
}

/* --- constraints --- */

static enum err_code read_range(struct arena *a, const char *text, const char *slash, struct name_constraint *ret, struct err *e)
{
	uint8_t bytes[32] = { 0 };
	char address[64], *end;
	size_t n = (size_t)(slash - text), size;

	memcpy(address, text, n < sizeof address ? n : 0);
	address[n < sizeof address ? n : 0] = '\0';
	size = inet_pton(AF_INET, address, bytes) == 1 ? 4 : inet_pton(AF_INET6, address, bytes) == 1 ? 16 : 0;
	unsigned long bits = strtoul(slash + 1, &end, 10);
	errno = 0;
	if (size == 0 || slash[1] < '0' || slash[1] > '9' || *end || bits > size * 8)
		FAIL(e, CONFIG, "%s: a range of addresses like 10.0.0.0/8 is allowed", text);
	for (size_t i = 0; i < size * 8; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);
		if (i < bits)
			bytes[size + i / 8] |= bit;
		else if (bytes[i / 8] & bit)
			FAIL(e, CONFIG, "%s: the address has bits beyond its prefix", text);
	}
	*ret = (struct name_constraint){ SAN_IP, arena_copy(a, (struct bytes){ bytes, 2 * size }) };
	return ret->value.ptr ? ERR_OK : err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory");
}

enum err_code ca_constraint_read(struct arena *a, const char *text, struct name_constraint *ret, struct err *e)
{
	const char *slash = strchr(text, '/');
	struct bytes name = bytes_str(text);

	if (slash)
		return read_range(a, text, slash, ret, e);
	errno = 0;
	if (name.len == 0 || !san_dns_ok(name) || name.ptr[0] == '*')
		FAIL(e, CONFIG, "%s: a name like example.org, of which everything below is permitted, or a range of addresses is allowed",
		    text);
	*ret = (struct name_constraint){ SAN_DNS, name };
	return ERR_OK;
}
