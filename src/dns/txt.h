/* TXT rdata (RFC 1035 §3.3.14). */
#ifndef CHANCERY_DNS_TXT_H
#define CHANCERY_DNS_TXT_H

#include "base/arena.h"
#include "base/err.h"

/* Its character-strings one after the other, in the arena. MALFORMED when there is none or the last one is cut. */
enum err_code txt_read(struct arena *a, struct bytes rdata, struct bytes *ret, struct err *e) MUST_USE;

#endif
