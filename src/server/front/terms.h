/* Terms of service that change (RFC 8555 §7.3.3): who has agreed to which, and the page where a person agrees to the present ones. The
 * page's URL carries the account and a MAC, so that only whoever was told of it can speak for the account there. */
#ifndef CHANCERY_SERVER_FRONT_TERMS_H
#define CHANCERY_SERVER_FRONT_TERMS_H

#include "server/front/request.h"

#define TERMS_PATH "/terms/" /* what follows is a secret between the account and us */

#define TERMS_KEY_FILE "terms.key" /* in the front's folder: links that were given out outlive a restart */

struct terms;
/* Reads the key, or makes it. */
enum err_code terms_new(int folder, struct terms **ret, struct err *e) MUST_USE;
void terms_free(struct terms *t);

/* Whether the account has agreed to terms that hold now. */
bool terms_agreed(const struct settings *s, const struct store_account *account);
/* USER_ACTION_REQUIRED when the account that has signed must agree first; ret's problem then leads to the page. */
enum err_code terms_check(struct acme_request *r, struct reply *ret, struct err *e) MUST_USE;

/* The URL of an account's page; ptr NULL without memory. */
struct bytes terms_page_url(struct acme_request *r, const uint8_t account[STORE_ACCOUNT_ID]);

#endif
