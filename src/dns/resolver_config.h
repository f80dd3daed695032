/* Inside the resolver: libunbound's options, all of them said, none of them read from a file of the machine. */
#ifndef CHANCERY_DNS_RESOLVER_CONFIG_H
#define CHANCERY_DNS_RESOLVER_CONFIG_H

#include "dns/resolver.h"

#include <unbound.h>

/* Sets up a context that has not been asked yet; a fresh one is small, as there may be several. *ret_validating: there are trust
 * anchors. CONFIG with the value at fault. */
enum err_code resolver_configure(
    struct ub_ctx *ctx, const struct resolver_config *c, bool fresh, bool *ret_validating, struct err *e) MUST_USE;

#endif
