/* Tokens and the objects in them. */
#include "p11/token_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SLOTS_MAX  64
#define ATTRS_MAX  16
#define VALUE_MAX  1024
#define POINT_FORM 0x04 /* uncompressed (SEC 1 §2.3.3) */

static enum err_code find_slot(struct token_module *m, P11KitUri *uri, CK_SLOT_ID *ret, struct err *e)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG n = SLOTS_MAX;
	size_t found = 0;

	CK_RV rv = m->f->C_GetSlotList(CK_TRUE, slots, &n);
	if (rv != CKR_OK)
		return p11_error(rv, "tell its slots", e);
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;
		if (m->f->C_GetTokenInfo(slots[i], &info) != CKR_OK || !p11_kit_uri_match_token_info(uri, &info) ||
		    !(info.flags & CKF_TOKEN_INITIALIZED))
			continue;
		*ret = slots[i];
		found++;
	}
	errno = 0;
	if (found == 0)
		FAIL(e, NOT_FOUND, "the token is not there");
	if (found > 1)
		FAIL(e, CONFIG, "%zu tokens are meant by the URI: say more of the one, its serial for example", found);
	return ERR_OK;
}

static enum err_code log_in(struct token_module *m, CK_SESSION_HANDLE session, struct err *e)
{
	errno = 0;
	if (m->pin_wrong)
		FAIL(e, UNAUTHORIZED, "the PIN was wrong: it is not tried again before the next start, as tokens lock themselves");
	if (m->pin_len == 0)
		return ERR_OK;
	CK_RV rv = m->f->C_Login(session, CKU_USER, m->pin, m->pin_len);
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return ERR_OK;
	if (rv != CKR_PIN_INCORRECT && rv != CKR_PIN_LOCKED && rv != CKR_PIN_LEN_RANGE && rv != CKR_PIN_INVALID)
		return p11_error(rv, "let us log in", e);
	m->pin_wrong = true;
	FAIL(e, UNAUTHORIZED, rv == CKR_PIN_LOCKED ? "the token has locked its PIN" : "the PIN is wrong");
}

/* Objects that the template fits: exactly one. */
static enum err_code find_one(
    struct token_module *m, CK_SESSION_HANDLE session, CK_ATTRIBUTE *v, CK_ULONG n, const char *what, CK_OBJECT_HANDLE *ret, struct err *e)
{
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n_found = 0;

	CK_RV rv = m->f->C_FindObjectsInit(session, v, n);
	if (rv == CKR_OK)
		rv = m->f->C_FindObjects(session, found, 2, &n_found);
	(void)m->f->C_FindObjectsFinal(session);
	if (rv != CKR_OK)
		return p11_error(rv, "find its objects", e);
	errno = 0;
	if (n_found == 0)
		FAIL(e, NOT_FOUND, "the token has no such %s", what);
	if (n_found > 1)
		FAIL(e, CONFIG, "several keys of the token are meant by the URI: say more of the one, its id for example");
	*ret = found[0];
	return ERR_OK;
}

/* The URI's own attributes, but for the class. */
static CK_ULONG template_of(P11KitUri *uri, CK_OBJECT_CLASS *class, CK_ATTRIBUTE v[ATTRS_MAX])
{
	CK_ULONG n_uri = 0, n = 0;
	CK_ATTRIBUTE *of_uri = p11_kit_uri_get_attributes(uri, &n_uri);

	v[n++] = (CK_ATTRIBUTE){ CKA_CLASS, class, sizeof *class };
	for (CK_ULONG i = 0; i < n_uri && n < ATTRS_MAX; i++)
		if (of_uri[i].type != CKA_CLASS)
			v[n++] = of_uri[i];
	return n;
}

static enum err_code find_key(struct token_module *m, P11KitUri *uri, struct open_key *ret, struct err *e)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE v[ATTRS_MAX];
	CK_SLOT_ID slot = 0;

	TRY(find_slot(m, uri, &slot, e));
	CK_RV rv = m->f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &ret->session);
	if (rv != CKR_OK)
		return p11_error(rv, "open a session", e);
	enum err_code rc = log_in(m, ret->session, e);
	if (rc == ERR_OK)
		rc = find_one(m, ret->session, v, template_of(uri, &class, v), "private key", &ret->key, e);
	if (rc != ERR_OK)
		(void)m->f->C_CloseSession(ret->session);
	return rc;
}

enum err_code key_find(struct token_module *m, const char *text, struct open_key *ret, struct err *e)
{
	P11KitUri *uri = p11_kit_uri_new();

	errno = 0;
	if (!uri)
		FAIL(e, NOMEM, "no memory for a URI");
	if (p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) != P11_KIT_URI_OK) {
		p11_kit_uri_free(uri);
		FAIL(e, CONFIG, "the URI cannot be read");
	}
	enum err_code rc = find_key(m, uri, ret, e);
	p11_kit_uri_free(uri);
	return rc;
}

/* --- the public half --- */

static bool get(struct token_module *m, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_TYPE type, uint8_t *room, size_t size,
    struct bytes *ret)
{
	CK_ATTRIBUTE v = { type, room, size };

	if (m->f->C_GetAttributeValue(session, o, &v, 1) != CKR_OK || v.ulValueLen == CK_UNAVAILABLE_INFORMATION || v.ulValueLen > size)
		return false;
	*ret = (struct bytes){ room, v.ulValueLen };
	return true;
}

static struct bytes without_zeros(struct bytes v)
{
	while (v.len > 1 && v.ptr[0] == 0)
		v = bytes_slice(v, 1, v.len);
	return v;
}

static enum err_code rsa_public(struct token_module *m, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE o, struct key **ret, struct err *e)
{
	uint8_t n_room[VALUE_MAX], e_room[16];
	struct bytes n, exponent;

	errno = 0;
	if (!get(m, session, o, CKA_MODULUS, n_room, sizeof n_room, &n) ||
	    !get(m, session, o, CKA_PUBLIC_EXPONENT, e_room, sizeof e_room, &exponent))
		FAIL(e, CONFIG, "the token does not tell the key's modulus");
	return key_from_rsa(without_zeros(n), without_zeros(exponent), ret, e);
}

/* CKA_EC_POINT is the DER OCTET STRING of an uncompressed point (PKCS#11 v2.40, curr. mechanisms §2.3.3); some tokens leave the head out. */
static enum err_code ec_public(struct token_module *m, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE o, struct key **ret, struct err *e)
{
	uint8_t room[VALUE_MAX];
	struct bytes point;

	errno = 0;
	if (!get(m, session, o, CKA_EC_POINT, room, sizeof room, &point))
		FAIL(e, CONFIG, "the token does not tell the key's point");
	if (point.len > 2 && point.ptr[0] == 0x04 && point.ptr[1] == point.len - 2)
		point = bytes_slice(point, 2, point.len);
	size_t width = point.len / 2;
	if ((point.len != 65 && point.len != 97) || point.ptr[0] != POINT_FORM)
		FAIL(e, CONFIG, "the key is on a curve that is not allowed: P-256 and P-384 are");
	return key_from_ec(
	    width == 32 ? KEY_EC_P256 : KEY_EC_P384, bytes_slice(point, 1, 1 + width), bytes_slice(point, 1 + width, point.len), ret, e);
}

/* The public object beside the private one: of the same id, else of the same label. */
static enum err_code find_public(struct token_module *m, const struct open_key *k, CK_OBJECT_HANDLE *ret, struct err *e)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_ID, CKA_LABEL };
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	uint8_t room[VALUE_MAX];
	struct bytes value;

	for (size_t i = 0; i < 2; i++) {
		if (!get(m, k->session, k->key, types[i], room, sizeof room, &value) || value.len == 0)
			continue;
		CK_ATTRIBUTE v[] = { { CKA_CLASS, &class, sizeof class }, { types[i], room, value.len } };
		if (find_one(m, k->session, v, 2, "public key", ret, NULL) == ERR_OK)
			return ERR_OK;
	}
	errno = 0;
	FAIL(e, CONFIG, "the token has no public key of the private one's id or label");
}

enum err_code key_public(struct token_module *m, const struct open_key *k, struct key **ret, struct err *e)
{
	CK_KEY_TYPE type = 0;
	CK_OBJECT_HANDLE public = 0;
	CK_ATTRIBUTE v = { CKA_KEY_TYPE, &type, sizeof type };

	errno = 0;
	if (m->f->C_GetAttributeValue(k->session, k->key, &v, 1) != CKR_OK)
		FAIL(e, NOT_FOUND, "the token does not tell the key's kind");
	if (type == CKK_RSA)
		return rsa_public(m, k->session, k->key, ret, e);
	if (type != CKK_EC)
		FAIL(e, CONFIG, "the key is of a kind that is not allowed: RSA, and ECDSA on P-256 and P-384, are");
	TRY(find_public(m, k, &public, e));
	return ec_public(m, k->session, public, ret, e);
}
