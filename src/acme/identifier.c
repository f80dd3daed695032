#include "acme/identifier.h"

#include "acme/ip_range.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const char *const challenge_names[CHALLENGE_TYPE__MAX] = {
#define X(code, name, dns, wildcard, ip) [CHALLENGE_TYPE_##code] = (name),
#include "acme/challenge.def"
#undef X
};

const char *challenge_type_name(enum challenge_type t)
{
	return (unsigned)t < CHALLENGE_TYPE__MAX ? challenge_names[t] : "unknown";
}

bool challenge_type_from_name(struct bytes name, enum challenge_type *ret)
{
	for (unsigned i = 0; i < CHALLENGE_TYPE__MAX; i++)
		if (bytes_eq_str(name, challenge_names[i])) {
			*ret = (enum challenge_type)i;
			return true;
		}
	return false;
}

bool challenge_type_covers(enum challenge_type t, enum identifier_type type, bool wildcard)
{
	static const struct {
		bool dns, wildcard, ip;
	} rows[CHALLENGE_TYPE__MAX] = {
#define X(code, name, d, w, i) [CHALLENGE_TYPE_##code] = { .dns = (d), .wildcard = (w), .ip = (i) },
#include "acme/challenge.def"
#undef X
	};

	if ((unsigned)t >= CHALLENGE_TYPE__MAX)
		return false;
	switch (type) {
	case IDENTIFIER_DNS:
		return wildcard ? rows[t].wildcard : rows[t].dns;
	case IDENTIFIER_IP:
		return !wildcard && rows[t].ip;
	case IDENTIFIER__MAX:
		break;
	}
	return false;
}

const char *identifier_type_name(enum identifier_type t)
{
	switch (t) {
	case IDENTIFIER_DNS:
		return "dns";
	case IDENTIFIER_IP:
		return "ip";
	case IDENTIFIER__MAX:
		break;
	}
	return "unknown";
}

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Whether URL readers take a name with this last label for an IPv4 address (WHATWG URL §3.5: all digits, or 0x and hexadecimal ones). */
static bool is_number(struct bytes label)
{
	bool hex = bytes_starts_with(label, BYTES_LIT("0x"));

	for (size_t i = hex ? 2 : 0; i < label.len; i++)
		if ((label.ptr[i] < '0' || label.ptr[i] > '9') && !(hex && label.ptr[i] >= 'a' && label.ptr[i] <= 'f'))
			return false;
	return true;
}

/* One label of a host name (RFC 1123 §2.1, RFC 5890 §2.3.1). */
static enum err_code check_label(struct bytes label, struct err *e)
{
	if (label.len == 0)
		FAIL(e, MALFORMED, "the name has an empty label (two dots, or a dot at an end): write it as in host.example.org");
	if (label.len > 63)
		FAIL(e, MALFORMED, "a label of the name has %zu characters, at most 63 are allowed", label.len);
	for (size_t i = 0; i < label.len; i++)
		if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-')
			FAIL(e, MALFORMED,
			    "the name has a character that is not a-z, 0-9, '-' or '.' "
			    "(an internationalised name is sent in its A-label form, xn--...)");
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		FAIL(e, MALFORMED, "a label of the name begins or ends with '-'");
	return ERR_OK;
}

static enum err_code check_dns(struct bytes name, struct err *e)
{
	if (name.len == 0 || name.len > DNS_NAME_MAX)
		FAIL(e, MALFORMED, "a name has 1 to %d characters, not %zu", DNS_NAME_MAX, name.len);
	struct bytes rest = name, label, tail;
	while (bytes_split(rest, '.', &label, &tail)) {
		TRY(check_label(label, e));
		rest = tail;
	}
	TRY(check_label(rest, e));
	if (is_number(rest))
		FAIL(e, MALFORMED, "the name's last label is a number: an IP address is no identifier of type \"dns\"");
	return ERR_OK;
}

/* RFC 8738 §3: an address has one form, that of RFC 5952 or dotted quads. */
static enum err_code parse_ip(struct arena *a, struct bytes value, struct identifier *ret, struct err *e)
{
	char text[IP_TEXT_MAX + 1], canonical[INET6_ADDRSTRLEN];
	uint8_t raw[16];

	if (value.len == 0 || value.len > IP_TEXT_MAX || memchr(value.ptr, 0, value.len))
		FAIL(e, MALFORMED, "the value is no IP address: write it as 192.0.2.1 or 2001:db8::1");
	memcpy(text, value.ptr, value.len);
	text[value.len] = 0;
	int family = memchr(text, ':', value.len) ? AF_INET6 : AF_INET;
	if (inet_pton(family, text, raw) != 1 || !inet_ntop(family, raw, canonical, sizeof canonical))
		FAIL(e, MALFORMED, "the value is no IP address: write it as 192.0.2.1 or 2001:db8::1");
	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)raw))
		FAIL(e, MALFORMED, "an IPv4 address in IPv6 form: write it as %s", canonical + 7);
	if (!bytes_eq_str(value, canonical))
		FAIL(e, MALFORMED, "the address is not in its canonical form (RFC 8738 section 3): write it as %s", canonical);
	struct bytes copy = arena_copy(a, value);
	if (!copy.ptr)
		FAIL(e, NOMEM, "no memory for an identifier");
	*ret = (struct identifier){ .type = IDENTIFIER_IP, .value = copy };
	return ERR_OK;
}

size_t identifier_ip_bytes(const struct identifier *id, uint8_t out[16])
{
	return id->type == IDENTIFIER_IP ? ip_bytes(id->value, out) : 0;
}

enum err_code identifier_parse(struct arena *a, struct bytes type, struct bytes value, struct identifier *ret, struct err *e)
{
	if (bytes_eq_str(type, "ip"))
		return parse_ip(a, value, ret, e);
	if (!bytes_eq_str(type, "dns"))
		FAIL(e, UNSUPPORTED_IDENTIFIER, "the identifier's type is not one that this CA issues for; \"dns\" and \"ip\" are");
	if (value.len > DNS_NAME_MAX + 2)
		FAIL(e, MALFORMED, "a name has 1 to %d characters, not %zu", DNS_NAME_MAX, value.len);
	uint8_t *p = arena_alloc(a, value.len + 1);
	if (!p)
		FAIL(e, NOMEM, "no memory for an identifier");
	for (size_t i = 0; i < value.len; i++)
		p[i] = (uint8_t)(value.ptr[i] >= 'A' && value.ptr[i] <= 'Z' ? value.ptr[i] + 32 : value.ptr[i]);
	struct bytes name = { p, value.len };
	bool wildcard = bytes_starts_with(name, BYTES_LIT("*."));
	if (wildcard)
		name = bytes_slice(name, 2, name.len);
	TRY(check_dns(name, e));
	*ret = (struct identifier){ .type = IDENTIFIER_DNS, .value = name, .wildcard = wildcard };
	return ERR_OK;
}

int identifier_cmp(const struct identifier *a, const struct identifier *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	int c = bytes_cmp(a->value, b->value);
	return c ? c : (int)a->wildcard - (int)b->wildcard;
}

static int compare(const void *a, const void *b)
{
	return identifier_cmp(a, b);
}

size_t identifier_sort(struct identifier *v, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof *v, compare);
	for (size_t i = 1; i < n; i++)
		if (identifier_cmp(&v[kept], &v[i]) != 0)
			v[++kept] = v[i];
	return kept + 1;
}

enum err_code identifier_from_san(struct arena *a, const struct san *name, struct identifier *ret, struct err *e)
{
	char text[INET6_ADDRSTRLEN];

	if (name->type == SAN_DNS)
		return identifier_parse(a, BYTES_LIT("dns"), name->value, ret, e);
	if ((name->value.len != 4 && name->value.len != 16) ||
	    !inet_ntop(name->value.len == 4 ? AF_INET : AF_INET6, name->value.ptr, text, sizeof text))
		FAIL(e, MALFORMED, "the certificate has an address of %zu bytes", name->value.len);
	return identifier_parse(a, BYTES_LIT("ip"), bytes_str(text), ret, e);
}

struct bytes identifier_display(struct arena *a, const struct identifier *id)
{
	return id->wildcard ? arena_fmt(a, "*.%.*s", BYTES_FMT(id->value)) : id->value;
}

enum err_code identifier_san(struct arena *a, const struct identifier *id, struct san *ret, struct err *e)
{
	uint8_t ip[16];
	struct san san = { .type = SAN_DNS };

	if (id->type == IDENTIFIER_IP)
		san = (struct san){ SAN_IP, arena_copy(a, (struct bytes){ ip, identifier_ip_bytes(id, ip) }) };
	else
		san.value = identifier_display(a, id);
	errno = 0;
	if (!san.value.ptr)
		FAIL(e, NOMEM, "no memory for a name");
	*ret = san;
	return ERR_OK;
}
