/* Identifiers (RFC 8555 §7.1.3): normalised once, here, at the edge. */
#ifndef CHANCERY_ACME_IDENTIFIER_H
#define CHANCERY_ACME_IDENTIFIER_H

#include "base/arena.h"
#include "base/err.h"
#include "pki/name.h"

#define DNS_NAME_MAX 253
#define IP_TEXT_MAX  39

enum identifier_type { IDENTIFIER_DNS, IDENTIFIER_IP, IDENTIFIER__MAX };

struct identifier {
	enum identifier_type type;
	struct bytes value; /* DNS: lower-case A-labels, no final dot, without the "*." of a wildcard; IP: the canonical text */
	bool wildcard;      /* never with IP */
};

enum challenge_type {
#define X(code, name, dns, wildcard, ip) CHALLENGE_TYPE_##code,
#include "acme/challenge.def"
#undef X
	CHALLENGE_TYPE__MAX
};
const char *challenge_type_name(enum challenge_type t);
bool challenge_type_from_name(struct bytes name, enum challenge_type *ret);
/* Whether a challenge of this type shows control of such an identifier. */
bool challenge_type_covers(enum challenge_type t, enum identifier_type type, bool wildcard);

const char *identifier_type_name(enum identifier_type t);
/* From what a client sent. UNSUPPORTED_IDENTIFIER for another type; MALFORMED for what is no name: the reason says what is
 * allowed (characters outside a DNS name, empty or long labels, a final dot, an IP address given as a name, U-labels: the
 * client sends A-labels, RFC 8555 §7.1.3; an address in another form than RFC 8738 §3 wants: the detail has the right one). */
enum err_code identifier_parse(struct arena *a, struct bytes type, struct bytes value, struct identifier *ret, struct err *e) MUST_USE;
int identifier_cmp(const struct identifier *a, const struct identifier *b);
/* Sorts in place and drops duplicates; returns the new count. */
size_t identifier_sort(struct identifier *v, size_t n);
/* An address as 4 or 16 bytes, returns how many; 0 for another type. */
size_t identifier_ip_bytes(const struct identifier *id, uint8_t out[16]);
/* As it stands in a certificate; the value is in the arena, or the identifier's own. */
enum err_code identifier_san(struct arena *a, const struct identifier *id, struct san *ret, struct err *e) MUST_USE;
/* The reverse: a certificate's name as the identifier that an authorization has. MALFORMED for an address of another size than 4 or 16 bytes, and for
 * what identifier_parse() refuses. */
enum err_code identifier_from_san(struct arena *a, const struct san *name, struct identifier *ret, struct err *e) MUST_USE;
/* "*.example.org" for a wildcard, else the value. */
struct bytes identifier_display(struct arena *a, const struct identifier *id);

#endif
