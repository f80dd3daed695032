/* A deployment of what is wanted of one certificate. */
#ifndef CHANCERY_AGENT_DEPLOY_JOB_H
#define CHANCERY_AGENT_DEPLOY_JOB_H

#include "agent/wish.h"

/* All but `tell`; the wish, the crew and the storage must live as long. The generation that is live now is the one to go back to. */
void deploy_begin(struct deploy_job *j, const struct wish *w, struct crew *crew, struct storage *s);

#endif
