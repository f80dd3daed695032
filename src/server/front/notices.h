/* What operators have done at the signer, as the front hears of it. */
#ifndef CHANCERY_SERVER_FRONT_NOTICES_H
#define CHANCERY_SERVER_FRONT_NOTICES_H

#include "server/front/front.h"

/* BLOCKS, REVOKED_NEW, LIMITS_RESET; false: another message. */
bool notice_take(struct front *f, const struct message *m);

#endif
