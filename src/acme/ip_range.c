#include "acme/ip_range.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(struct bytes address)
{
	return address.len == 16 && memcmp(address.ptr, mapped, sizeof mapped) == 0;
}

size_t ip_bytes(struct bytes text, uint8_t out[16])
{
	char host[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof host || memchr(text.ptr, 0, text.len))
		return 0;
	memcpy(host, text.ptr, text.len);
	host[text.len] = 0;
	if (inet_pton(AF_INET, host, out) == 1)
		return 4;
	return inet_pton(AF_INET6, host, out) == 1 ? 16 : 0;
}

/* One to three digits, no more than `most`. */
static bool read_bits(struct bytes text, unsigned most, uint8_t *ret)
{
	unsigned n = 0;

	if (text.len < 1 || text.len > 3)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = n * 10 + (unsigned)(text.ptr[i] - '0');
	}
	*ret = (uint8_t)n;
	return n <= most;
}

static void clear_host_bits(struct ip_range *r)
{
	for (unsigned i = r->bits; i < r->len * 8u; i++)
		r->base[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
}

enum err_code ip_range_parse(struct bytes text, struct ip_range *ret, struct err *e)
{
	struct bytes host, bits;
	struct ip_range r = { .len = 0 };

	errno = 0;
	if (bytes_split(text, '/', &host, &bits))
		r.len = (uint8_t)ip_bytes(host, r.base);
	if (r.len == 0 || !read_bits(bits, r.len * 8u, &r.bits))
		FAIL(e, CONFIG, "an address range is address/bits: 10.0.0.0/8 or fd00::/8; one address is 192.0.2.1/32 or 2001:db8::1/128");
	if (is_mapped((struct bytes){ r.base, r.len }) && r.bits >= 96) {
		memmove(r.base, r.base + sizeof mapped, 4);
		r.len = 4;
		r.bits = (uint8_t)(r.bits - 96);
	}
	clear_host_bits(&r);
	*ret = r;
	return ERR_OK;
}

bool ip_range_has(const struct ip_range *r, struct bytes address)
{
	if (is_mapped(address))
		address = bytes_slice(address, sizeof mapped, address.len);
	if (address.len != r->len)
		return false;
	unsigned whole = r->bits / 8, rest = r->bits % 8;
	if (memcmp(address.ptr, r->base, whole) != 0)
		return false;
	return rest == 0 || ((address.ptr[whole] ^ r->base[whole]) >> (8 - rest)) == 0;
}

const char *ip_range_text(const struct ip_range *r, char out[IP_RANGE_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(r->len == 4 ? AF_INET : AF_INET6, r->base, host, sizeof host);
	(void)snprintf(out, IP_RANGE_TEXT_SIZE, "%s/%u", host, r->bits);
	return out;
}
