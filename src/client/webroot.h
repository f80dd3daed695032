/* http-01 by files below a web server's folder. Private to this room. */
#ifndef CHANCERY_CLIENT_WEBROOT_H
#define CHANCERY_CLIENT_WEBROOT_H

#include "base/err.h"

#include <chancery/chancery.h>

struct webroot;

/* CONFIG when the folder is not there or cannot be written to. */
enum err_code webroot_new(const char *folder, struct webroot **ret, struct err *e) MUST_USE;
void webroot_free(struct webroot *w);
DEFINE_CLEANUP(struct webroot *, webroot_free);
/* chancery_deploy_fn and chancery_clean_up_fn; the context is the webroot. */
chancery_deploy_fn webroot_deploy;
chancery_clean_up_fn webroot_clean_up;
/* Why the last deploy failed; "" when it did not. */
const char *webroot_tell(void *context);

#endif
