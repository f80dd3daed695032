#include "server/front/contacts.h"

#include <string.h>
#include <strings.h>

#define ADDRESS_MAX 254 /* RFC 5321 §4.5.3.1.3, without the angle brackets */
#define LOCAL_MAX   64
#define LABEL_MAX   63

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 5322's atext, without what means something in a URL: '%', '&', '#', '/', '?' (RFC 6068 §2 would have them encoded). */
static bool is_local(uint8_t c)
{
	return is_alnum(c) || (c && strchr("!$'*+-=^_`{|}~", c) != NULL);
}

static bool is_domain(uint8_t c)
{
	return is_alnum(c) || c == '-';
}

/* Words with single dots between them. */
static bool is_dotted(struct bytes text, bool (*allowed)(uint8_t c), size_t word_max)
{
	size_t word = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '.' ? word == 0 : !allowed(text.ptr[i]))
			return false;
		word = text.ptr[i] == '.' ? 0 : word + 1;
		if (word > word_max)
			return false;
	}
	return word > 0;
}

/* "If a server rejects [...] more than one addr-spec [...] or hfields": invalidContact (RFC 8555 §7.3). */
static enum err_code check_contact(struct bytes url, struct err *e)
{
	static const char scheme[] = "mailto:";
	struct bytes local, domain;

	if (url.len < sizeof scheme - 1 || strncasecmp((const char *)url.ptr, scheme, sizeof scheme - 1) != 0)
		FAIL(e, UNSUPPORTED_CONTACT, "a contact is a mailto: URL; other kinds are not supported here");
	struct bytes address = bytes_slice(url, sizeof scheme - 1, url.len);
	for (size_t i = 0; i < address.len; i++)
		if (memchr(",?%&", address.ptr[i], 4))
			FAIL(e, INVALID_CONTACT, "a mailto: contact has exactly one plain address and no header fields");
	if (address.len > ADDRESS_MAX || !bytes_split(address, '@', &local, &domain) || local.len > LOCAL_MAX ||
	    !is_dotted(local, is_local, LOCAL_MAX) || !is_dotted(domain, is_domain, LABEL_MAX))
		FAIL(e, INVALID_CONTACT, "the contact is not a mail address, name@example.org, of at most %d characters", ADDRESS_MAX);
	return ERR_OK;
}

enum err_code contacts_write(const struct json_strings *contacts, struct buf *out, struct err *e)
{
	struct json_out w = json_out_to(out);

	if (contacts->n > CONTACTS_MAX)
		FAIL(e, INVALID_CONTACT, "an account has at most %d contacts", CONTACTS_MAX);
	json_put_array(&w);
	for (size_t i = 0; i < contacts->n; i++) {
		TRY(check_contact(contacts->v[i], e));
		json_put_string(&w, contacts->v[i]);
	}
	json_end_array(&w);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for contacts");
	return ERR_OK;
}
