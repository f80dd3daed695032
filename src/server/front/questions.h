/* What operators ask of the front: certificates, orders and accounts of its database. A thread of its own with the listening socket, one question
 * after the other, so that no client waits for them. docs/protocol/operators.md is normative. */
#ifndef CHANCERY_SERVER_FRONT_QUESTIONS_H
#define CHANCERY_SERVER_FRONT_QUESTIONS_H

#include "server/front/front.h"

#define QUESTION_LINE_MAX   16384
#define QUESTION_ANSWER_MAX (1u << 20)
#define QUESTION_MS         5000  /* for the line, and again for the answer */
#define QUESTION_SCAN_MAX   10000 /* rows that one question looks at; "next" goes on */
#define QUESTION_LIMIT_MAX  500   /* objects of one answer */

struct questions;
/* Takes the listening socket. */
enum err_code questions_start(struct front *f, int *listener, struct questions **ret, struct err *e) MUST_USE;
/* Ends the thread, after the question that it is at. NULL: nothing. */
void questions_stop(struct questions *q);

#endif
