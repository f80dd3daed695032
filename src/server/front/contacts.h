/* How an account's owner can be reached (RFC 8555 §7.3): mail addresses, checked as far as that can be done without sending a mail. */
#ifndef CHANCERY_SERVER_FRONT_CONTACTS_H
#define CHANCERY_SERVER_FRONT_CONTACTS_H

#include "base/json.h"

#define CONTACTS_MAX      5
#define CONTACTS_TEXT_MAX 4096

/* As a JSON array for the store; none is an empty one. UNSUPPORTED_CONTACT: no mailto: URL; INVALID_CONTACT: not exactly one plain address,
 * or none that mail could reach. */
enum err_code contacts_write(const struct json_strings *contacts, struct buf *out, struct err *e) MUST_USE;

#endif
