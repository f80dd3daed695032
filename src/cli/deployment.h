/* What commands tell of a deployment. */
#ifndef CHANCERY_CLI_DEPLOYMENT_H
#define CHANCERY_CLI_DEPLOYMENT_H

#include "agent/deploy.h"

/* A line on standard output; for deploy_job.tell. */
void deployment_tell(void *context, const struct deploy_step *s);
/* The member "deploy", when there are steps. j may be NULL. */
void deployment_put(const struct deploy_job *j, struct json_out *w);

#endif
