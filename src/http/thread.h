/* Threads of ours: named, and without signals, which are the main thread's (also SIGPIPE, which OpenSSL's writes can raise). */
#ifndef CHANCERY_HTTP_THREAD_H
#define CHANCERY_HTTP_THREAD_H

#include "base/attrs.h"

#include <pthread.h>

/* 0 or an errno. name: at most 15 characters. */
int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *arg), void *arg) MUST_USE;

#endif
