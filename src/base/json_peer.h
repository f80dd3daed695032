/* jansson behind a door of its own, for json_peer_test.c: its names and ours would clash in one file. */
#ifndef CHANCERY_BASE_JSON_PEER_H
#define CHANCERY_BASE_JSON_PEER_H

#include "base/bytes.h"

/* Whether jansson takes the text. *ret_own is set when it refuses for a limit that we do not have: the size of a number, or
 * U+0000. */
bool json_peer_accepts(struct bytes text, bool *ret_own);
/* Whether jansson takes the text and it is a string, whose content goes to *out. */
bool json_peer_string(struct bytes text, struct buf *out);

#endif
