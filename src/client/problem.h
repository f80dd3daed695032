/* The server's problem documents (RFC 7807, RFC 8555 §6.7), made into what a person can act on. Private to this room. */
#ifndef CHANCERY_CLIENT_PROBLEM_H
#define CHANCERY_CLIENT_PROBLEM_H

#include "client/failure.h"

/* Where the problem stood: in the answer to a request, or in a challenge or order that failed. */
enum problem_place { PROBLEM_OF_REQUEST, PROBLEM_OF_VALIDATION };

/* Takes the document apart into x, leniently: a member that is missing or of another type is as good as absent, text that is no
 * JSON object counts as "no reason given". Message: "doing: detail". doing NULL leaves it away. status: the HTTP status, 0
 * where the problem stood in an object. Returns the code of its type (SERVER_INTERNAL when unknown), never ERR_OK. */
enum err_code problem_document_read(struct chancery_error *x, struct arena *a, struct bytes json, int status, enum problem_place place,
    const char *doing, struct err *e) MUST_USE;

/* The document's code alone. */
enum err_code problem_code(struct arena *a, struct bytes json);

/* A JSON value's string; absent when it is something else, or not there. For members that nobody vouches for. */
struct bytes problem_string(struct arena *a, struct bytes value);

#endif
