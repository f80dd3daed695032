/* What a certificate's public handle is made of. Private to this room. */
#ifndef CHANCERY_CLIENT_CERTIFICATE_H
#define CHANCERY_CLIENT_CERTIFICATE_H

#include <chancery/chancery.h>

struct chancery_certificate {
	char *fullchain, *leaf, *url, *order_url, *account_url;
	size_t leaf_len, fullchain_len;
	int64_t not_before_s, not_after_s;
};

#endif
