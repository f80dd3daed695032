/* What a client takes (RFC 9110 §12.5.1). */
#ifndef CHANCERY_SERVER_FRONT_ACCEPT_H
#define CHANCERY_SERVER_FRONT_ACCEPT_H

#include "base/bytes.h"

/* Whether an Accept field takes the media type "type/subtype". Without a field, or with an empty one, everything is taken. */
bool accept_takes(struct bytes field, const char *type);

#endif
