/* The subjectAltName extension, as certificates and requests carry it. Private to the room. */
#ifndef CHANCERY_PKI_SAN_WRITE_H
#define CHANCERY_PKI_SAN_WRITE_H

#include "pki/name.h"

/* A whole Extension (RFC 5280 §4.2.1.6), the names in the order given. */
void san_write(const struct san *names, size_t n_names, bool critical, struct buf *out);

#endif
