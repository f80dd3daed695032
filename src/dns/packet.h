/* Reads the answer section of one DNS message (RFC 1035 §4): the records of a type at the end of the CNAMEs. Bounded: it never
 * looks behind the message, and names are read backward only, so that no message keeps it busy. */
#ifndef CHANCERY_DNS_PACKET_H
#define CHANCERY_DNS_PACKET_H

#include "base/arena.h"
#include "base/err.h"

#define PACKET_RECORDS_MAX 256

enum { DNS_TYPE_A = 1, DNS_TYPE_CNAME = 5, DNS_TYPE_TXT = 16, DNS_TYPE_AAAA = 28, DNS_TYPE_CAA = 257 };
enum { DNS_RCODE_NOERROR = 0, DNS_RCODE_SERVFAIL = 2, DNS_RCODE_NXDOMAIN = 3 };

struct packet_answer {
	unsigned rcode;
	struct bytes *records; /* rdata, in the arena */
	size_t n_records;
	uint32_t ttl_s;         /* the least of those looked at; 0: there was none */
	struct bytes canonical; /* in the arena; empty when name has no CNAME */
};
/* name: lower case without a final dot. MALFORMED for what is cut, truncated (TC) or has too many records. */
enum err_code packet_read(
    struct arena *a, struct bytes packet, struct bytes name, unsigned type, struct packet_answer *ret, struct err *e) MUST_USE;

#endif
