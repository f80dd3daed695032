#include "p11/token_impl.h"

#include "crypto/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define URI_SCHEME "pkcs11:"
#define TRIES      3 /* as it is; looked for anew; with the module started anew, as some see a token that came back only then */

enum err_code p11_error(CK_RV rv, const char *what, struct err *e)
{
	errno = 0;
	FAIL(e, NOT_FOUND, "the token does not %s: %s (0x%lx)", what, p11_kit_strerror(rv), rv);
}

/* --- the module --- */

static enum err_code start(struct token_module *m, struct err *e)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

	CK_RV rv = m->f->C_Initialize(&args);
	errno = 0;
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		FAIL(e, CONFIG, "the PKCS#11 module does not start: %s", p11_kit_strerror(rv));
	return ERR_OK;
}

enum err_code token_module_open(const char *path, struct bytes pin, struct token_module **ret, struct err *e)
{
	CLEANUP(token_module_close_p) struct token_module *m = calloc(1, sizeof *m);

	errno = 0;
	if (!m)
		FAIL(e, NOMEM, "no memory for a PKCS#11 module");
	if (pin.len > TOKEN_PIN_MAX)
		FAIL(e, CONFIG, "a PIN has at most %d characters", TOKEN_PIN_MAX);
	(void)mlock(m->pin, sizeof m->pin);
	memcpy(m->pin, pin.ptr, pin.len);
	m->pin_len = pin.len;
	m->f = p11_kit_module_load(path, P11_KIT_MODULE_UNMANAGED);
	if (!m->f)
		FAIL(e, CONFIG, "%s: it cannot be loaded as a PKCS#11 module: %s", path, p11_kit_message());
	TRY(start(m, e));
	*ret = TAKE(m);
	return ERR_OK;
}

void token_module_close(struct token_module *m)
{
	if (!m)
		return;
	while (m->held) {
		struct held_key *k = m->held;
		m->held = k->next;
		free(k);
	}
	if (m->f) {
		(void)m->f->C_Finalize(NULL);
		p11_kit_module_release(m->f);
	}
	crypto_wipe(m->pin, sizeof m->pin);
	free(m);
}

/* --- URIs --- */

bool token_is_uri(struct bytes text)
{
	return bytes_starts_with(text, BYTES_LIT(URI_SCHEME));
}

enum err_code token_uri_check(struct bytes uri, struct err *e)
{
	P11KitUri *u = p11_kit_uri_new();
	char text[TOKEN_URI_MAX + 1];

	errno = 0;
	if (!u)
		FAIL(e, NOMEM, "no memory for a URI");
	(void)snprintf(text, sizeof text, "%.*s", BYTES_FMT(uri));
	bool good = uri.len <= TOKEN_URI_MAX && token_is_uri(uri) && p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, u) == P11_KIT_URI_OK;
	bool pin = good && (p11_kit_uri_get_pin_value(u) || p11_kit_uri_get_pin_source(u));
	p11_kit_uri_free(u);
	if (!good)
		FAIL(e, CONFIG, "a key in a token is named like pkcs11:token=NAME;object=KEY (RFC 7512)");
	if (pin)
		FAIL(e, CONFIG, "no PIN in a URI: it is in the PIN's file");
	return ERR_OK;
}

/* --- signatures --- */

static void forget(struct token_module *m, struct open_key *k)
{
	if (*k->uri)
		(void)m->f->C_CloseSession(k->session);
	*k = (struct open_key){ .uri = "" };
}

static struct open_key *place_of(struct token_module *m, const char *uri)
{
	struct open_key *empty = NULL;

	for (size_t i = 0; i < OPEN_MAX; i++) {
		if (strcmp(m->open[i].uri, uri) == 0)
			return &m->open[i];
		if (!*m->open[i].uri)
			empty = &m->open[i];
	}
	if (!empty) {
		empty = &m->open[0];
		forget(m, empty);
	}
	return empty;
}

/* All sessions end with it. */
static enum err_code restart(struct token_module *m, struct err *e)
{
	for (size_t i = 0; i < OPEN_MAX; i++)
		forget(m, &m->open[i]);
	(void)m->f->C_Finalize(NULL);
	return start(m, e);
}

/* RFC 8017 §9.2: DigestInfo of SHA-256. */
static const uint8_t rsa_prefix[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
	0x04, 0x20 };

static enum err_code sign_once(
    struct token_module *m, const struct open_key *k, enum key_type type, struct bytes digest, uint8_t *sig, size_t *ret_len, struct err *e)
{
	CK_MECHANISM mechanism = { .mechanism = type == KEY_RSA ? CKM_RSA_PKCS : CKM_ECDSA };
	uint8_t data[sizeof rsa_prefix + 64];
	size_t at = type == KEY_RSA ? sizeof rsa_prefix : 0;
	CK_ULONG n = KEY_SIG_SIZE_MAX;

	if (digest.len > 64)
		FAIL(e, BUG, "a digest of %zu bytes", digest.len);
	memcpy(data, rsa_prefix, at);
	memcpy(data + at, digest.ptr, digest.len);
	CK_RV rv = m->f->C_SignInit(k->session, &mechanism, k->key);
	if (rv == CKR_OK)
		rv = m->f->C_Sign(k->session, data, at + digest.len, sig, &n);
	if (rv != CKR_OK)
		return p11_error(rv, "sign", e);
	*ret_len = n;
	return ERR_OK;
}

static enum err_code try_sign(
    struct token_module *m, const char *uri, enum key_type type, struct bytes digest, uint8_t *sig, size_t *ret_len, struct err *e)
{
	struct open_key *k = place_of(m, uri);

	if (!*k->uri) {
		TRY(key_find(m, uri, k, e));
		(void)snprintf(k->uri, sizeof k->uri, "%s", uri);
	}
	enum err_code rc = sign_once(m, k, type, digest, sig, ret_len, e);
	if (rc != ERR_OK)
		forget(m, k);
	return rc;
}

enum err_code token_sign(struct token_module *m, struct bytes uri, enum key_type type, struct bytes digest, uint8_t sig[KEY_SIG_SIZE_MAX],
    size_t *ret_len, struct err *e)
{
	char text[TOKEN_URI_MAX + 1];
	enum err_code rc = ERR_OK;

	TRY(token_uri_check(uri, e));
	(void)snprintf(text, sizeof text, "%.*s", BYTES_FMT(uri));
	for (int i = 0; i < TRIES; i++) {
		if (i == TRIES - 1)
			TRY(restart(m, e));
		rc = try_sign(m, text, type, digest, sig, ret_len, e);
		if (rc != ERR_NOT_FOUND)
			break;
	}
	return rc;
}

static enum err_code sign_held(void *ctx, const struct key *k, struct bytes digest, uint8_t *sig, size_t *ret_len, struct err *e)
{
	const struct held_key *h = ctx;

	return token_sign(h->module, bytes_str(h->uri), key_type(k), digest, sig, ret_len, e);
}

enum err_code token_key(struct token_module *m, struct bytes uri, struct key **ret, struct err *e)
{
	CLEANUP(key_free_p) struct key *public = NULL;
	struct held_key *h = calloc(1, sizeof *h);

	errno = 0;
	if (!h)
		FAIL(e, NOMEM, "no memory for a key");
	h->module = m;
	h->next = m->held;
	m->held = h;
	TRY(token_uri_check(uri, e));
	(void)snprintf(h->uri, sizeof h->uri, "%.*s", BYTES_FMT(uri));
	struct open_key *k = place_of(m, h->uri);
	if (!*k->uri) {
		TRY(key_find(m, h->uri, k, e));
		(void)snprintf(k->uri, sizeof k->uri, "%s", h->uri);
	}
	TRY(key_public(m, k, &public, e));
	return key_elsewhere(key_spki(public), sign_held, h, ret, e);
}
