/* Where the validator may connect to: any address but those of the special-purpose registries (RFC 6890; IANA's
 * iana-ipv4-special-registry and iana-ipv6-special-registry), unless the configuration names a range that holds it. Else an
 * applicant could have us fetch from the CA's own network, or prove control of a host that is a different one for everybody. */
#ifndef CHANCERY_SERVER_VALIDATOR_ADDRESS_H
#define CHANCERY_SERVER_VALIDATOR_ADDRESS_H

#include "acme/ip_range.h"
#include "base/arena.h"

struct sockaddr;

#define IP_ADDRESS_TEXT_SIZE 46

struct ip_address {
	bool v6;
	uint8_t b[16]; /* network order; IPv4 has the first four */
};

struct address_policy {
	struct ip_range *allowed;
	size_t n_allowed;
};

/* From texts like "10.0.0.0/8" and "fd00::/8"; bits behind the prefix are dropped. CONFIG with the text at fault. */
enum err_code address_policy_read(
    struct arena *a, const struct bytes *ranges, size_t n, struct address_policy *ret, struct err *e) MUST_USE;

enum address_verdict {
	ADDRESS_GLOBAL,
	ADDRESS_RELAXED, /* special, allowed by the configuration: the receipt says so */
	ADDRESS_REFUSED,
};
/* *ret_range (may be NULL) names the special-purpose range, "10.0.0.0/8, private use (RFC 1918)", where it is not GLOBAL.
 * An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is judged by that one. */
enum address_verdict address_judge(const struct address_policy *p, const struct ip_address *a, const char **ret_range);

/* From rdata of A (4 bytes) or AAAA (16). */
bool ip_address_from_rdata(struct bytes rdata, struct ip_address *ret);
bool ip_address_from_text(struct bytes text, struct ip_address *ret);
/* False for another family. */
bool ip_address_from_sockaddr(const struct sockaddr *sa, struct ip_address *ret);
struct sockaddr_storage;
void ip_address_to_sockaddr(const struct ip_address *a, uint16_t port, struct sockaddr_storage *out);
const char *ip_address_text(const struct ip_address *a, char out[IP_ADDRESS_TEXT_SIZE]);
bool ip_address_equal(const struct ip_address *a, const struct ip_address *b);

#endif
