/* Object identifiers by name. Private to the room. */
#ifndef CHANCERY_PKI_OID_H
#define CHANCERY_PKI_OID_H

#include "base/bytes.h"

enum oid {
	OID_UNKNOWN,
#define X(code, name, hex) OID_##code,
#include "pki/oid.def"
#undef X
	OID__MAX
};

/* From the content octets of an OBJECT IDENTIFIER. */
enum oid oid_from(struct bytes content);
/* Where one alone is looked for, which is not OID_UNKNOWN. */
bool oid_is(struct bytes content, enum oid o);
/* Its content octets in lower-case hex, as der_put_oid() takes them; NULL for OID_UNKNOWN. */
const char *oid_hex(enum oid o);
/* As its standard calls it; NULL for OID_UNKNOWN. */
const char *oid_name(enum oid o);

/* For people: "basicConstraints (2.5.29.19)", or the dotted form alone. Always NUL-terminated; cut off where it would be longer. */
#define OID_TEXT_SIZE 96
void oid_text(struct bytes content, char out[OID_TEXT_SIZE]);

#endif
