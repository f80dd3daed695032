#include "server/front/terms.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>

#define KEY_SIZE   32
#define MAC_SIZE   16
#define TOKEN_SIZE (STORE_ACCOUNT_ID + MAC_SIZE)

struct terms {
	uint8_t key[KEY_SIZE];
};

static enum err_code load_key(int folder, struct terms *t, struct err *e)
{
	CLEANUP(buf_free_p) struct buf file = buf_new_secret(KEY_SIZE + 1);

	enum err_code rc = file_read(folder, TERMS_KEY_FILE, KEY_SIZE, &file, e);
	if (rc == ERR_NOT_FOUND) {
		random_bytes(t->key, sizeof t->key);
		return file_create(folder, TERMS_KEY_FILE, 0600, BYTES_ARRAY(t->key), e);
	}
	TRY(rc);
	if (file.len != sizeof t->key)
		FAIL(e, CONFIG, "the file " TERMS_KEY_FILE " has %zu bytes, not %zu: remove it, and another is made", file.len,
		    sizeof t->key);
	memcpy(t->key, file.ptr, sizeof t->key);
	return ERR_OK;
}

enum err_code terms_new(int folder, struct terms **ret, struct err *e)
{
	struct terms *t = calloc(1, sizeof *t);

	if (!t)
		FAIL(e, NOMEM, "no memory for the terms' key");
	enum err_code rc = load_key(folder, t, e);
	if (rc != ERR_OK)
		terms_free(t);
	else
		*ret = t;
	return rc;
}

void terms_free(struct terms *t)
{
	if (!t)
		return;
	crypto_wipe(t, sizeof *t);
	free(t);
}

static bool agrees(const struct settings *s, const uint8_t tag[TERMS_TAG_SIZE])
{
	uint8_t present[TERMS_TAG_SIZE];

	terms_tag(s->terms_of_service, present);
	return memcmp(present, tag, sizeof present) == 0;
}

bool terms_agreed(const struct settings *s, const struct store_account *account)
{
	uint8_t tag[TERMS_TAG_SIZE];

	terms_tag(account->terms_url, tag);
	return s->terms_agree_again ? agrees(s, tag) : account->terms_agreed;
}

static void token_mac(const struct terms *t, const uint8_t account[STORE_ACCOUNT_ID], uint8_t out[MAC_SIZE])
{
	struct bytes parts[] = { BYTES_LIT("chancery terms page"), { account, STORE_ACCOUNT_ID } };
	uint8_t whole[SHA256_SIZE];

	hmac_sha256(BYTES_ARRAY(t->key), parts, 2, whole);
	memcpy(out, whole, MAC_SIZE);
}

struct bytes terms_page_url(struct acme_request *r, const uint8_t account[STORE_ACCOUNT_ID])
{
	uint8_t raw[TOKEN_SIZE];
	char token[BASE64URL_LEN(TOKEN_SIZE) + 1];

	memcpy(raw, account, STORE_ACCOUNT_ID);
	token_mac(r->front->terms, account, raw + STORE_ACCOUNT_ID);
	base64url_encode(BYTES_ARRAY(raw), token);
	return front_url(r, TERMS_PATH "%s", token);
}

enum err_code terms_check(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;

	if (s->terms_of_service.len == 0 || !s->terms_agree_again || agrees(s, r->terms))
		return ERR_OK;
	ret->more.terms = s->terms_of_service;
	ret->more.instance = terms_page_url(r, r->account);
	FAIL(e, USER_ACTION_REQUIRED, "the terms of service have changed: a person must read and accept them at the URL in \"instance\"");
}

/* Whose page it is; an authority by itself, so its MAC is compared in constant time. */
static bool read_token(const struct terms *t, struct bytes token, uint8_t ret_account[STORE_ACCOUNT_ID])
{
	uint8_t raw[TOKEN_SIZE], mac[MAC_SIZE];

	if (base64url_decode_fixed(token, raw, sizeof raw, NULL) != ERR_OK)
		return false;
	token_mac(t, raw, mac);
	memcpy(ret_account, raw, STORE_ACCOUNT_ID);
	return crypto_equal(BYTES_ARRAY(mac), (struct bytes){ raw + STORE_ACCOUNT_ID, MAC_SIZE });
}

/* --- the page --- */

static void put_escaped(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		if (memchr("&<>\"'", c, 5))
			buf_add_fmt(out, "&#%u;", c);
		else
			buf_add_u8(out, c);
	}
}

/* Without script, style or anything from elsewhere; what it leads to is not told where it was, as its URL is a secret. */
static void put_page(struct reply *ret, int status, const char *heading, const char *words, struct bytes terms, bool form)
{
	struct buf *out = &ret->body;

	buf_add_fmt(out,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
	    "<title>%s</title>\n<h1>%s</h1>\n<p>%s</p>\n",
	    heading, heading, words);
	if (terms.len) {
		buf_add_str(out, "<p><a rel=\"noreferrer\" href=\"");
		put_escaped(out, terms);
		buf_add_str(out, "\">");
		put_escaped(out, terms);
		buf_add_str(out, "</a></p>\n");
	}
	if (form) {
		buf_add_str(out, "<form method=\"post\"><input type=\"hidden\" name=\"terms\" value=\"");
		put_escaped(out, terms);
		buf_add_str(out, "\"><button>I agree to these terms of service</button></form>\n");
	}
	buf_add_str(out, "</html>\n");
	ret->page = true;
	ret->http.status = status;
	ret->http.content_type = "text/html; charset=utf-8";
	reply_field(
	    ret, "Content-Security-Policy", BYTES_LIT("default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"));
	reply_field(ret, "X-Content-Type-Options", BYTES_LIT("nosniff"));
	reply_field(ret, "Referrer-Policy", BYTES_LIT("no-referrer"));
}

static uint8_t form_byte(struct bytes text, size_t *at)
{
	uint8_t byte;

	if (text.ptr[*at] == '%' && *at + 2 < text.len && hex_decode(bytes_slice(text, *at + 1, *at + 3), &byte, 1, NULL) == ERR_OK) {
		*at += 2;
		return byte;
	}
	return text.ptr[*at] == '+' ? ' ' : text.ptr[*at];
}

/* Whether the form names exactly these terms: what was on the page may have changed since. */
static bool form_names(struct bytes body, struct bytes terms)
{
	struct bytes name = BYTES_LIT("terms=");
	size_t n = 0;

	if (!bytes_starts_with(body, name))
		return false;
	struct bytes value = bytes_slice(body, name.len, body.len);
	for (size_t i = 0; i < value.len; i++, n++)
		if (n >= terms.len || form_byte(value, &i) != terms.ptr[n])
			return false;
	return n == terms.len;
}

static enum err_code agree(struct acme_request *r, const uint8_t *account, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	struct bytes type = r->http->content_type, head = type, parameters;

	if (type.ptr)
		(void)bytes_split(type, ';', &head, &parameters);
	if (!head.ptr || !bytes_eq_str(head, "application/x-www-form-urlencoded") || !form_names(r->http->body, s->terms_of_service)) {
		put_page(ret, 200, "Terms of service", "These are the terms now. Read them; with the button you agree for your account.",
		    s->terms_of_service, true);
		return ERR_OK;
	}
	enum err_code rc = store_set_terms(r->front->store, account, s->terms_of_service, e);
	keys_forget(r->front->keys, account);
	TRY(rc);
	put_page(ret, 200, "Thank you", "You have agreed to the terms of service. Your ACME client can go on.", s->terms_of_service, false);
	return ERR_OK;
}

/* RFC 8555 §7.3.3: what "instance" leads to. */
enum err_code terms_page(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	uint8_t id[STORE_ACCOUNT_ID];
	struct store_account account;

	enum err_code rc = ERR_NOT_FOUND;
	if (read_token(r->front->terms, r->id, id))
		rc = store_get_account(r->front->store, r->http->arena, id, &account, e);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND)
		return rc;
	if (rc != ERR_OK || account.state != ACCOUNT_VALID)
		put_page(ret, 404, "Not found", "There is no such page. Take the link from your ACME client's message whole.", BYTES_NONE,
		    false);
	else if (s->terms_of_service.len == 0)
		put_page(ret, 200, "Terms of service", "There is nothing to agree to.", BYTES_NONE, false);
	else if (bytes_eq(account.terms_url, s->terms_of_service))
		put_page(ret, 200, "Terms of service", "You have agreed to these terms of service.", s->terms_of_service, false);
	else if (r->http->method == HTTP_POST)
		return agree(r, id, ret, e);
	else
		put_page(ret, 200, "Terms of service", "The terms have changed. Read them; with the button you agree for your account.",
		    s->terms_of_service, true);
	return ERR_OK;
}
