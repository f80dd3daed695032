/* Subject alternative names (RFC 5280 §4.2.1.6) of the two types that ACME certifies. */
#ifndef CHANCERY_PKI_NAME_H
#define CHANCERY_PKI_NAME_H

#include "base/arena.h"
#include "base/err.h"

enum san_type { SAN_DNS, SAN_IP };

struct san {
	enum san_type type;
	struct bytes value; /* DNS: lower-case A-labels without a final dot, perhaps with a leading "*."; IP: 4 or 16 bytes */
};

int san_cmp(const struct san *a, const struct san *b);
/* Sorts in place and drops duplicates; returns the new count. */
size_t san_sort(struct san *v, size_t n);
/* Whether a dNSName is what a certificate may carry: 1..253 characters, labels of 1..63 of a-z 0-9 - not at a label's edge, at
 * least one label, the last not all digits, an optional leading "*." and no other "*". Case was folded before. */
bool san_dns_ok(struct bytes name);
/* Whether an iPAddress is what a certificate may carry: 4 or 16 bytes, and none of 4 in the form of 16 (RFC 4291 §2.5.5.2), which
 * would be a second way to write it. */
bool san_ip_ok(struct bytes address);

#endif
