#include "server/validator/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

struct address_range {
	struct ip_address base;
	unsigned bits;
};

/* Where the IPv4 address stands in an IPv6 one that only carries it; 0: it carries none. */
struct special {
	struct address_range range;
	unsigned embedded_at;
	const char *name;
};

#define V4(a, b, c, d, bits, name)                           \
	{                                                    \
		{ { false, { a, b, c, d } }, bits }, 0, name \
	}
#define V6(bits, at, name, ...)                               \
	{                                                     \
		{ { true, { __VA_ARGS__ } }, bits }, at, name \
	}

/* Also those that the registry calls globally reachable (AS112, AMT): nobody is identified by an address that is many hosts.
 * The first that holds an address counts; so the rows that look inside stand before the wide ones. */
static const struct special specials[] = {
	V4(0, 0, 0, 0, 8, "0.0.0.0/8, this network (RFC 791)"),
	V4(10, 0, 0, 0, 8, "10.0.0.0/8, private use (RFC 1918)"),
	V4(100, 64, 0, 0, 10, "100.64.0.0/10, shared address space (RFC 6598)"),
	V4(127, 0, 0, 0, 8, "127.0.0.0/8, loopback (RFC 1122)"),
	V4(169, 254, 0, 0, 16, "169.254.0.0/16, link local (RFC 3927)"),
	V4(172, 16, 0, 0, 12, "172.16.0.0/12, private use (RFC 1918)"),
	V4(192, 0, 0, 0, 24, "192.0.0.0/24, IETF protocol assignments (RFC 6890)"),
	V4(192, 0, 2, 0, 24, "192.0.2.0/24, documentation (RFC 5737)"),
	V4(192, 31, 196, 0, 24, "192.31.196.0/24, AS112 (RFC 7535)"),
	V4(192, 52, 193, 0, 24, "192.52.193.0/24, AMT (RFC 7450)"),
	V4(192, 88, 99, 0, 24, "192.88.99.0/24, 6to4 relay anycast (RFC 7526)"),
	V4(192, 168, 0, 0, 16, "192.168.0.0/16, private use (RFC 1918)"),
	V4(192, 175, 48, 0, 24, "192.175.48.0/24, AS112 (RFC 7534)"),
	V4(198, 18, 0, 0, 15, "198.18.0.0/15, benchmarking (RFC 2544)"),
	V4(198, 51, 100, 0, 24, "198.51.100.0/24, documentation (RFC 5737)"),
	V4(203, 0, 113, 0, 24, "203.0.113.0/24, documentation (RFC 5737)"),
	V4(224, 0, 0, 0, 4, "224.0.0.0/4, multicast (RFC 5771)"),
	V4(255, 255, 255, 255, 32, "255.255.255.255/32, limited broadcast (RFC 919)"),
	V4(240, 0, 0, 0, 4, "240.0.0.0/4, reserved (RFC 1112)"),
	V6(128, 0, "::1/128, loopback (RFC 4291)", [15] = 1),
	V6(128, 0, "::/128, unspecified (RFC 4291)", 0),
	V6(96, 12, "::ffff:0:0/96, IPv4-mapped (RFC 4291)", [10] = 0xff, [11] = 0xff),
	V6(96, 12, "64:ff9b::/96, IPv4/IPv6 translation (RFC 6052)", 0, 0x64, 0xff, 0x9b),
	V6(48, 0, "64:ff9b:1::/48, local IPv4/IPv6 translation (RFC 8215)", 0, 0x64, 0xff, 0x9b, 0, 1),
	V6(64, 0, "100::/64, discard only (RFC 6666)", 1),
	V6(32, 0, "2001::/32, Teredo (RFC 4380)", 0x20, 0x01),
	V6(23, 0, "2001::/23, IETF protocol assignments (RFC 2928)", 0x20, 0x01),
	V6(32, 0, "2001:db8::/32, documentation (RFC 3849)", 0x20, 0x01, 0x0d, 0xb8),
	V6(16, 2, "2002::/16, 6to4 (RFC 3056)", 0x20, 0x02),
	V6(48, 0, "2620:4f:8000::/48, AS112 (RFC 7534)", 0x26, 0x20, 0x00, 0x4f, 0x80),
	V6(20, 0, "3fff::/20, documentation (RFC 9637)", 0x3f, 0xff),
	V6(16, 0, "5f00::/16, segment routing (RFC 9602)", 0x5f),
	V6(7, 0, "fc00::/7, unique local (RFC 4193)", 0xfc),
	V6(10, 0, "fe80::/10, link local (RFC 4291)", 0xfe, 0x80),
	V6(10, 0, "fec0::/10, site local (RFC 3879)", 0xfe, 0xc0),
	V6(8, 0, "ff00::/8, multicast (RFC 4291)", 0xff),
};

static const struct address_range global_unicast = { { true, { 0x20 } }, 3 };

static bool in_range(const struct ip_address *a, const struct address_range *r)
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;

	if (a->v6 != r->base.v6 || memcmp(a->b, r->base.b, whole) != 0)
		return false;
	return rest == 0 || ((a->b[whole] ^ r->base.b[whole]) >> (8 - rest)) == 0;
}

static bool is_allowed(const struct address_policy *p, const struct ip_address *a)
{
	for (size_t i = 0; i < p->n_allowed; i++)
		if (ip_range_has(&p->allowed[i], (struct bytes){ a->b, a->v6 ? 16 : 4 }))
			return true;
	return false;
}

static const struct special *find_special(const struct ip_address *a)
{
	/* IANA has given out 2000::/3 alone; the rest of the space is nobody's (RFC 4291 §2.4). */
	static const struct special unassigned = { .name = "not within 2000::/3, the global unicast addresses (RFC 4291)" };

	for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
		if (in_range(a, &specials[i].range))
			return &specials[i];
	return a->v6 && !in_range(a, &global_unicast) ? &unassigned : NULL;
}

enum address_verdict address_judge(const struct address_policy *p, const struct ip_address *a, const char **ret_range)
{
	const struct special *s = find_special(a);

	if (s && s->embedded_at) {
		struct ip_address inside = { .v6 = false };
		memcpy(inside.b, a->b + s->embedded_at, 4);
		const struct special *in_v4 = find_special(&inside);
		if (in_v4 && is_allowed(p, &inside)) {
			if (ret_range)
				*ret_range = in_v4->name;
			return ADDRESS_RELAXED;
		}
		s = in_v4;
	}
	if (!s)
		return ADDRESS_GLOBAL;
	if (ret_range)
		*ret_range = s->name;
	return is_allowed(p, a) ? ADDRESS_RELAXED : ADDRESS_REFUSED;
}

bool ip_address_from_rdata(struct bytes rdata, struct ip_address *ret)
{
	if (rdata.len != 4 && rdata.len != 16)
		return false;
	*ret = (struct ip_address){ .v6 = rdata.len == 16 };
	memcpy(ret->b, rdata.ptr, rdata.len);
	return true;
}

bool ip_address_from_text(struct bytes text, struct ip_address *ret)
{
	uint8_t raw[16];

	return ip_address_from_rdata((struct bytes){ raw, ip_bytes(text, raw) }, ret);
}

bool ip_address_from_sockaddr(const struct sockaddr *sa, struct ip_address *ret)
{
	const void *raw = sa;

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = raw;
		return ip_address_from_rdata((struct bytes){ (const uint8_t *)&in->sin_addr, 4 }, ret);
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = raw;
		return ip_address_from_rdata((struct bytes){ in->sin6_addr.s6_addr, 16 }, ret);
	}
	return false;
}

void ip_address_to_sockaddr(const struct ip_address *a, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	*out = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	memcpy(&v4.sin_addr, a->b, 4);
	memcpy(&v6.sin6_addr, a->b, 16);
	if (a->v6)
		memcpy(out, &v6, sizeof v6);
	else
		memcpy(out, &v4, sizeof v4);
}

const char *ip_address_text(const struct ip_address *a, char out[IP_ADDRESS_TEXT_SIZE])
{
	if (!inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->b, out, IP_ADDRESS_TEXT_SIZE))
		out[0] = 0;
	return out;
}

bool ip_address_equal(const struct ip_address *a, const struct ip_address *b)
{
	return a->v6 == b->v6 && memcmp(a->b, b->b, a->v6 ? 16 : 4) == 0;
}

enum err_code address_policy_read(struct arena *a, const struct bytes *ranges, size_t n, struct address_policy *ret, struct err *e)
{
	struct ip_range *v = arena_array(a, n ? n : 1, sizeof *v);

	errno = 0;
	if (!v)
		FAIL(e, NOMEM, "no memory for address ranges");
	for (size_t i = 0; i < n; i++)
		if (ip_range_parse(ranges[i], &v[i], NULL) != ERR_OK)
			FAIL(e, CONFIG, "\"%.*s\" is no address range: write address/bits, as in 10.0.0.0/8 or fd00::/8",
			    BYTES_FMT(ranges[i]));
	*ret = (struct address_policy){ .allowed = v, .n_allowed = n };
	return ERR_OK;
}
