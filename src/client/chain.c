#include "client/chain.h"

#include "base/clock.h"
#include "base/codec.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Read by libcrypto, where the CA's side has a reader of its own: a client meets every algorithm that CAs sign with. */
#define CERTIFICATE_MAX 65536

struct certificates {
	X509 *v[CHAIN_MOST];
	struct bytes der[CHAIN_MOST];
	size_t n;
};

static void certificates_free(struct certificates *c)
{
	for (size_t i = 0; i < c->n; i++)
		X509_free(c->v[i]);
	ERR_clear_error();
}

static void names_free(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
}

static enum err_code read_all(struct arena *a, struct bytes pem, struct certificates *ret, struct err *e)
{
	struct bytes rest = pem, der;

	if (pem.len > CHAIN_PEM_MAX)
		FAIL(e, MALFORMED, "the server sends a chain of %zu bytes", pem.len);
	for (;;) {
		enum err_code rc = pem_next(a, &rest, "CERTIFICATE", &der, e);
		if (rc == ERR_NOT_FOUND)
			break;
		TRY(rc);
		const unsigned char *p = der.ptr;
		if (ret->n == CHAIN_MOST)
			FAIL(e, MALFORMED, "the server sends a chain of more than %d certificates", CHAIN_MOST);
		X509 *x = der.len <= CERTIFICATE_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;
		if (x)
			ret->v[ret->n++] = x;
		if (!x || p != der.ptr + der.len)
			FAIL(e, MALFORMED, "certificate %zu of the server's chain cannot be read", ret->n + !x);
		ret->der[ret->n - 1] = der;
	}
	if (ret->n == 0)
		FAIL(e, MALFORMED, "the server sends no certificate in PEM");
	return ERR_OK;
}

static enum err_code check_key(X509 *leaf, struct bytes spki, struct err *e)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
	bool same = n > 0 && bytes_eq((struct bytes){ der, (size_t)n }, spki);

	OPENSSL_free(der);
	if (!same)
		FAIL(e, MALFORMED, "the server's certificate is for another key than ours");
	return ERR_OK;
}

static bool has_name(const GENERAL_NAMES *names, const struct san *name)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type != (name->type == SAN_IP ? GEN_IPADD : GEN_DNS))
			continue;
		struct bytes value = { ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) };
		if (name->type == SAN_IP ? bytes_eq(value, name->value)
					 : value.len == name->value.len &&
					       strncasecmp((const char *)value.ptr, (const char *)name->value.ptr, value.len) == 0)
			return true;
	}
	return false;
}

static enum err_code check_names(const X509 *leaf, const struct san *names, size_t n, struct err *e)
{
	CLEANUP(names_free) GENERAL_NAMES *have = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);

	for (size_t i = 0; i < n; i++)
		if (!have || !has_name(have, &names[i]))
			FAIL(e, MALFORMED, "the server's certificate does not name %s%.*s",
			    names[i].type == SAN_IP ? "an address that was asked for" : "",
			    names[i].type == SAN_IP ? 0 : (int)names[i].value.len, (const char *)names[i].value.ptr);
	return ERR_OK;
}

static enum err_code check_signatures(const struct certificates *c, struct err *e)
{
	for (size_t i = 0; i + 1 < c->n; i++) {
		EVP_PKEY *key = X509_get0_pubkey(c->v[i + 1]);
		if (X509_NAME_cmp(X509_get_issuer_name(c->v[i]), X509_get_subject_name(c->v[i + 1])) != 0 || !key ||
		    X509_verify(c->v[i], key) != 1)
			FAIL(e, MALFORMED, "certificate %zu of the server's chain is not signed by certificate %zu", i + 1, i + 2);
	}
	return ERR_OK;
}

static bool unix_time(const ASN1_TIME *t, int64_t *ret)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	return civil_to_unix((struct civil){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec }, ret);
}

static enum err_code write_chain(struct arena *a, const struct certificates *c, struct chain *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(2 * CHAIN_PEM_MAX);

	for (size_t i = 0; i < c->n; i++) {
		pem_add(&out, "CERTIFICATE", c->der[i]);
		if (i == 0)
			ret->leaf_len = out.len;
	}
	ret->fullchain = buf_ok(&out) ? arena_copy(a, buf_bytes(&out)) : BYTES_NONE;
	if (!ret->fullchain.ptr)
		FAIL(e, NOMEM, "no memory for the chain");
	return ERR_OK;
}

enum err_code chain_check(struct arena *a, struct bytes pem, struct bytes spki, const struct san *names, size_t n_names, int64_t now_s,
    struct chain *ret, struct err *e)
{
	CLEANUP(certificates_free) struct certificates c = { .n = 0 };
	struct chain chain = { 0 };

	TRY(read_all(a, pem, &c, e));
	TRY(check_key(c.v[0], spki, e));
	TRY(check_names(c.v[0], names, n_names, e));
	TRY(check_signatures(&c, e));
	if (!unix_time(X509_get0_notBefore(c.v[0]), &chain.not_before_s) || !unix_time(X509_get0_notAfter(c.v[0]), &chain.not_after_s))
		FAIL(e, MALFORMED, "the server's certificate has a validity that cannot be read");
	if (now_s && chain.not_after_s <= now_s)
		FAIL(e, MALFORMED, "the server's certificate has expired already");
	TRY(write_chain(a, &c, &chain, e));
	if (X509_NAME_get_text_by_NID(X509_get_issuer_name(c.v[c.n - 1]), NID_commonName, chain.top_issuer, sizeof chain.top_issuer) < 0)
		chain.top_issuer[0] = 0;
	*ret = chain;
	return ERR_OK;
}

/* "base64url(keyIdentifier).base64url(serial)": the serial number's content octets, with a leading zero where it has one. */
static void write_id(const X509 *x, char id[CHAIN_ID_SIZE])
{
	const ASN1_OCTET_STRING *key_id = X509_get0_authority_key_id((X509 *)(uintptr_t)x);
	unsigned char *der = NULL;
	int n = i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &der);

	id[0] = 0;
	if (key_id && ASN1_STRING_length(key_id) <= 32 && n > 2 && n <= 2 + 21) {
		struct bytes key = { ASN1_STRING_get0_data(key_id), (size_t)ASN1_STRING_length(key_id) };
		base64url_encode(key, id);
		id[BASE64URL_LEN(key.len)] = '.';
		base64url_encode((struct bytes){ der + 2, (size_t)n - 2 }, id + BASE64URL_LEN(key.len) + 1);
	}
	OPENSSL_free(der);
}

enum err_code chain_first(struct arena *a, struct bytes pem, struct bytes *ret_der, char ret_id[CHAIN_ID_SIZE], struct err *e)
{
	struct bytes rest = pem, der;

	if (pem.len > CHAIN_PEM_MAX || pem_next(a, &rest, "CERTIFICATE", &der, NULL) != ERR_OK || der.len > CERTIFICATE_MAX)
		FAIL(e, CONFIG, "there is no certificate in PEM");
	const unsigned char *p = der.ptr;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	if (!x || p != der.ptr + der.len) {
		X509_free(x);
		ERR_clear_error();
		FAIL(e, CONFIG, "the certificate cannot be read");
	}
	write_id(x, ret_id);
	X509_free(x);
	*ret_der = der;
	return ERR_OK;
}
