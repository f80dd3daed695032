/* Ranges of IP addresses as the configuration writes them: 10.0.0.0/8, fd00::/8. */
#ifndef CHANCERY_ACME_IP_RANGE_H
#define CHANCERY_ACME_IP_RANGE_H

#include "base/err.h"

struct ip_range {
	uint8_t base[16]; /* network order; IPv4 has the first four */
	uint8_t len;      /* 4 or 16 */
	uint8_t bits;     /* of base that count */
};

/* "address/bits"; bits behind the prefix are dropped. An IPv4 range in its IPv6-mapped form is the IPv4 one. CONFIG with what is allowed. */
enum err_code ip_range_parse(struct bytes text, struct ip_range *ret, struct err *e) MUST_USE;
/* Whether the address of 4 or 16 bytes lies in it. An IPv4 address in its IPv6-mapped form (RFC 4291 §2.5.5.2) is the IPv4 one. */
bool ip_range_has(const struct ip_range *r, struct bytes address);
/* As "10.0.0.0/8", for a sentence. Returns out. */
#define IP_RANGE_TEXT_SIZE 52
const char *ip_range_text(const struct ip_range *r, char out[IP_RANGE_TEXT_SIZE]);
/* An address as 4 or 16 bytes; returns how many, 0 for what is no address. */
size_t ip_bytes(struct bytes text, uint8_t out[16]);

#endif
