/* Private to this room. */
#ifndef CHANCERY_CRYPTO_KEY_PRIVATE_H
#define CHANCERY_CRYPTO_KEY_PRIVATE_H

#include "crypto/key_impl.h"

/* Makes a key of a private EVP_PKEY from outside, after a trial signature; may take *pkey over. */
enum err_code key_adopt(EVP_PKEY **pkey, struct key **ret, struct err *e) MUST_USE;

#endif
