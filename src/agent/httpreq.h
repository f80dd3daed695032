/* lego's httpreq: dns-01 is solved by a service that is told by HTTP which record to set. */
#ifndef CHANCERY_AGENT_HTTPREQ_H
#define CHANCERY_AGENT_HTTPREQ_H

#include "agent/crew.h"

/* Whether it is a URL that can be asked: http or https, and no password in it, as everybody could read that. CONFIG with what is wrong. */
enum err_code httpreq_check(const char *url, struct err *e) MUST_USE;

struct httpreq {
	const char *url;     /* what "/present" and "/cleanup" come behind */
	const char *login;   /* file, its owner's alone, with HTTPREQ_USERNAME=... and HTTPREQ_PASSWORD=...; NULL: none */
	const char *ca_file; /* who may vouch for the service; NULL: the system's */
	uint32_t timeout_s;
};
/* POSTs the object to URL/action, by a network process that no CA speaks to: it gets the password. CONNECTION with the status when that is not 2xx. */
enum err_code httpreq_call(const struct httpreq *h, struct crew *crew, const char *action, struct bytes object, struct err *e) MUST_USE;

#endif
