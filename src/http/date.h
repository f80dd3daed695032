/* Times as HTTP writes them, read: IMF-fixdate and the two obsolete forms (RFC 9110 §5.6.7). */
#ifndef CHANCERY_HTTP_DATE_H
#define CHANCERY_HTTP_DATE_H

#include "base/attrs.h"
#include "base/bytes.h"

/* Unix seconds. now_s decides the century of the form that has two digits. False: it is none. */
bool http_date_read(struct bytes value, int64_t now_s, int64_t *ret) MUST_USE;

#endif
