/* The bounds of http-01; the method itself is in the table of method.h. */
#ifndef CHANCERY_SERVER_VALIDATOR_HTTP01_H
#define CHANCERY_SERVER_VALIDATOR_HTTP01_H

#include "server/validator/method.h"

#define HTTP01_REDIRECTS_MAX 10

#endif
