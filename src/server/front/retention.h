/* Rids the database of what has ended long ago (front.keep). */
#ifndef CHANCERY_SERVER_FRONT_RETENTION_H
#define CHANCERY_SERVER_FRONT_RETENTION_H

/* A worker's job, one at a time. ctx: the front. What fails is told and tried again the next time. */
void retention_run(void *ctx);

#endif
