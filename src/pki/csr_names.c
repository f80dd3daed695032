/* The names of a request: folded, checked and joined. */
#include "pki/csr_impl.h"

#include "pki/der.h"

#include <arpa/inet.h>
#include <string.h>

#define SHOWN_MAX 60

/* What a peer sent, made fit for a detail that is shown to it: printable ASCII, cut off where it is long. */
static void show(struct bytes in, char out[SHOWN_MAX + 4])
{
	size_t n = in.len < SHOWN_MAX ? in.len : SHOWN_MAX;

	for (size_t i = 0; i < n; i++) {
		char c = (char)in.ptr[i];
		out[i] = c >= ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?';
	}
	memcpy(out + n, "...", 4);
	if (n == in.len)
		out[n] = '\0';
}

static bool is_ascii(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.ptr[i] >= 0x80)
			return false;
	return true;
}

static bool ends_in_number(struct bytes in)
{
	return in.len > 0 && in.ptr[in.len - 1] >= '0' && in.ptr[in.len - 1] <= '9';
}

/* Domain names compare without regard to case (RFC 4343): they are folded here, once. */
static enum err_code fold(struct arena *a, struct bytes in, struct bytes *ret, struct err *e)
{
	uint8_t *p = arena_alloc(a, in.len + 1);

	if (!p)
		FAIL(e, NOMEM, "no memory for a CSR's names");
	for (size_t i = 0; i < in.len; i++)
		p[i] = (uint8_t)(in.ptr[i] >= 'A' && in.ptr[i] <= 'Z' ? in.ptr[i] + ('a' - 'A') : in.ptr[i]);
	*ret = (struct bytes){ p, in.len };
	return ERR_OK;
}

/* Why a name is refused, in words that help. */
static enum err_code refuse_dns(struct bytes name, const char *where, struct err *e)
{
	char shown[SHOWN_MAX + 4];

	show(name, shown);
	if (name.len == 0)
		FAIL(e, BAD_CSR, "a name in the CSR's %s is empty", where);
	if (name.ptr[name.len - 1] == '.')
		FAIL(e, BAD_CSR, "the name \"%s\" in the CSR's %s ends in a dot: write it without", shown, where);
	if (!is_ascii(name))
		FAIL(e, BAD_CSR,
		    "the name \"%s\" in the CSR's %s is not ASCII: an internationalised name is sent in its A-label form, "
		    "xn--...",
		    shown, where);
	if (ends_in_number(name))
		FAIL(e, BAD_CSR,
		    "\"%s\" in the CSR's %s is no DNS name: its last label is a number, or it is malformed; an IP address "
		    "goes into the subjectAltName as iPAddress",
		    shown, where);
	FAIL(e, BAD_CSR,
	    "\"%s\" in the CSR's %s is no DNS name: it takes up to 253 characters, in labels of 1 to 63 of a-z, 0-9 and "
	    "'-' (not at a label's edge), perhaps behind one leading \"*.\"",
	    shown, where);
}

static enum err_code dns_name(struct arena *a, struct bytes in, const char *where, struct san *ret, struct err *e)
{
	struct bytes folded;

	if (in.len == 0 || in.len > 255)
		return refuse_dns(in, where, e);
	TRY(fold(a, in, &folded, e));
	if (!san_dns_ok(folded))
		return refuse_dns(folded, where, e);
	*ret = (struct san){ SAN_DNS, folded };
	return ERR_OK;
}

/* GeneralName's choices by tag number (RFC 5280 §4.2.1.6). */
static const char *const choices[] = { "an otherName", "an rfc822Name", "a dNSName", "an x400Address", "a directoryName", "an ediPartyName",
	"a uniformResourceIdentifier", "an iPAddress", "a registeredID" };

static enum err_code general_name(struct arena *a, struct der *d, struct san *ret, struct err *e)
{
	int tag = der_peek(d);

	if (tag == DER_CONTEXT(2))
		return dns_name(a, der_get(d, tag), "subjectAltName", ret, e);
	if (tag != DER_CONTEXT(7)) {
		size_t n = (size_t)tag & 0x1f;
		FAIL(e, BAD_CSR, "the CSR's subjectAltName has %s: only dNSName and iPAddress are certified here",
		    (tag & 0x80) && n < sizeof choices / sizeof *choices ? choices[n] : "an unknown kind of name");
	}
	struct bytes address = der_get(d, tag);
	if (!d->failed && address.len != 4 && address.len != 16)
		FAIL(e, BAD_CSR, "an iPAddress in the CSR's subjectAltName has %zu bytes: an address has 4 or 16", address.len);
	if (!d->failed && !san_ip_ok(address))
		FAIL(e, BAD_CSR, "an iPAddress in the CSR's subjectAltName is an IPv4 address in IPv6 form: write it with its 4 bytes");
	*ret = (struct san){ SAN_IP, address };
	return ERR_OK;
}

/* Whether the text is an address, which then is in *ret as a SAN has it. */
static bool address_from_text(struct bytes in, uint8_t address[16], struct san *ret)
{
	char text[INET6_ADDRSTRLEN];
	int family = memchr(in.ptr, ':', in.len) ? AF_INET6 : AF_INET;

	if (in.len == 0 || in.len >= sizeof text || memchr(in.ptr, 0, in.len))
		return false;
	memcpy(text, in.ptr, in.len);
	text[in.len] = '\0';
	*ret = (struct san){ SAN_IP, { address, family == AF_INET ? 4 : 16 } };
	return inet_pton(family, text, address) == 1;
}

/* A DNS name that stands here alone counts (RFC 8555 §7.4). An address does not: its place is the iPAddress (RFC 8738 §3), but
 * clients often repeat one of them here. */
static enum err_code read_common_name(struct arena *a, struct bytes cn, struct san *names, size_t *n, struct err *e)
{
	uint8_t bytes[16];
	struct san address;
	char shown[SHOWN_MAX + 4];

	if (!address_from_text(cn, bytes, &address)) {
		TRY(dns_name(a, cn, "commonName (leave the subject empty if it is no name to certify)", &names[*n], e));
		++*n;
		return ERR_OK;
	}
	for (size_t i = 0; i < *n; i++)
		if (san_cmp(&names[i], &address) == 0)
			return ERR_OK;
	show(cn, shown);
	FAIL(e, BAD_CSR,
	    "the CSR's commonName is the IP address %s, which its subjectAltName has not: put it there as iPAddress, and leave the "
	    "subject empty",
	    shown);
}

static size_t count(struct bytes general_names)
{
	struct der d = der_of(general_names);
	size_t n = 0;

	while (der_more(&d)) {
		(void)der_get_element(&d);
		n++;
	}
	return n;
}

enum err_code csr_read_names(struct arena *a, struct bytes general_names, struct bytes common_name, struct csr *c, struct err *e)
{
	struct der d = der_of(general_names);
	size_t n = 0, total = count(general_names) + (common_name.ptr ? 1 : 0);

	if (total == 0)
		FAIL(e, BAD_CSR, "the CSR names nothing: put the DNS names and IP addresses into the subjectAltName");
	/* One more for a common name that most likely repeats a name. */
	if (total > CSR_NAMES_MAX + 1)
		FAIL(e, BAD_CSR, "the CSR has more than %d names", CSR_NAMES_MAX);
	struct san *v = arena_array(a, total, sizeof *v);
	if (!v)
		FAIL(e, NOMEM, "no memory for a CSR's names");
	while (der_more(&d)) {
		TRY(general_name(a, &d, &v[n], e));
		if (!d.failed)
			n++;
	}
	TRY(der_end(&d, ERR_BAD_CSR, "the CSR's subjectAltName", e));
	if (common_name.ptr)
		TRY(read_common_name(a, common_name, v, &n, e));
	n = san_sort(v, n);
	if (n > CSR_NAMES_MAX)
		FAIL(e, BAD_CSR, "the CSR has more than %d names", CSR_NAMES_MAX);
	c->names = v;
	c->n_names = n;
	return ERR_OK;
}
