/* Starting our own executables by descriptor, with nothing inherited but what is listed. */
#ifndef CHANCERY_OS_PROCESS_H
#define CHANCERY_OS_PROCESS_H

#include "base/err.h"

#include <sys/types.h>

#define PROCESS_CHANNEL_FD 3 /* where a child finds its channel to the parent */

/* fork and fexecve: the child has 0 as /dev/null, 1 and 2 as ours, PROCESS_CHANNEL_FD = channel_fd, and nothing else; an empty
 * environment but for LC_ALL=C and TZ=UTC; default signal actions and an empty mask; it gets SIGKILL when we die. */
enum err_code process_start(int executable_fd, const char *name, int channel_fd, pid_t *ret_pid, struct err *e) MUST_USE;

/* Opens an executable beside our own: in the build tree (our own folder's ../libexec/chancery/NAME when we run from there),
 * else at compiled_folder/NAME. Never by PATH or environment. NOT_FOUND names the places looked at. */
enum err_code process_find(const char *name, const char *compiled_folder, int *ret_fd, struct err *e) MUST_USE;

/* The same for a script, which the kernel wants by its path. */
enum err_code process_find_path(const char *name, const char *compiled_folder, char ret_path[4096], struct err *e) MUST_USE;

/* The path of a data file: beside our own executable (../share/chancery/NAME), else compiled_folder/NAME. False: at neither place. */
bool process_find_data(const char *name, const char *compiled_folder, char ret_path[4096]);

/* Waits until fd is readable (or writable) or the deadline passes; TIMEOUT then. deadline_ms on the monotonic clock. */
enum err_code wait_fd(int fd, bool for_write, int64_t deadline_ms, struct err *e) MUST_USE;

/* READY=1, RELOADING=1, STOPPING=1 or STATUS=... to systemd, when it asked for it (NOTIFY_SOCKET); nothing else. Own 30 lines
 * of protocol instead of libsystemd. */
void service_notify(const char *state);

#endif
