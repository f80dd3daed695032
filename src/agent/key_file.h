/* Private keys in files: opened or made here, read and written in the process that has the keys. */
#ifndef CHANCERY_AGENT_KEY_FILE_H
#define CHANCERY_AGENT_KEY_FILE_H

#include "agent/crew.h"
#include "agent/keys.h"

/* The key of a file; its public half is in the arena. NOT_FOUND: there is no such file; CONFIG: it is none. */
enum err_code key_file_open(
    struct crew *c, struct arena *a, const char *path, const struct keys_wish *w, struct bytes *ret_spki, struct err *e) MUST_USE;
/* The same; where there is none, one is made, whole or not at all, mode 0600. Another run may be faster: then it is its key. */
enum err_code key_file_need(
    struct crew *c, struct arena *a, const char *path, const struct keys_wish *w, struct bytes *ret_spki, struct err *e) MUST_USE;
/* The key of an account that is there, in the slot "account": NOT_FOUND says how to get one. may: enum sign_may. */
enum err_code key_file_account(
    struct crew *c, struct arena *a, const char *path, unsigned may, struct bytes *ret_spki, struct err *e) MUST_USE;

#endif
