/* What every child process does alike: channel to the parent, settings, folder, jail, readiness. */
#ifndef CHANCERY_SERVER_CHILD_H
#define CHANCERY_SERVER_CHILD_H

#include "os/jail.h"
#include "server/blocked.h"
#include "server/messages.h"
#include "server/settings.h"

#include <poll.h>

struct child {
	enum process self;
	struct channel *parent;
	struct arena *arena; /* of the settings in force */
	struct settings settings;
	int folder; /* data folder; the root directory once in the jail */
	uid_t uid;  /* given with the settings */
	gid_t gid;
	struct jail_layers layers;
	struct blocked *blocked;           /* in force; read by threads, and the same as long as the process lives */
	int blocklists[BLOCKED_FILES_MAX]; /* that came for the next settings */
	size_t n_blocklists;
	int passphrase;       /* a file that opens the signer's keys, or the keyholder's token, read and closed at the start; -1: none */
	uint32_t settings_id; /* of the SETTINGS request to be answered by READY */
	struct event_lines *lines;
};

/* At the start of main(): event sink on stderr, signals (SIGPIPE ignored; SIGTERM and SIGINT ignored too: the parent says stop),
 * channel, waits for SETTINGS and FOLDER (10 s). A failure is told to the parent and by the exit code. */
enum err_code child_start(enum process self, struct child *ret, struct err *e) MUST_USE;
/* Open files up to this many, as far as the hard limit goes: the usual soft limit of 1024 is made for select(2). Before the jail. */
void child_raise_files(uint64_t wanted);
/* Enters the jail that processes.def gives this process. Single-threaded until then. */
enum err_code child_jail(struct child *c, struct err *e) MUST_USE;
/* Answers the SETTINGS request: ready, with the jail's layers in words. */
enum err_code child_ready(struct child *c, struct err *e) MUST_USE;
/* Tells the parent what went wrong: before an end, or with what was refused. */
void child_failed(struct child *c, const struct err *why);
/* Answers a reload that is refused: why, and that the old settings stay in force. */
enum err_code child_keeps_settings(struct child *c, const struct err *why, struct err *e) MUST_USE;
/* Takes new settings from a SETTINGS message into a new arena and swaps them in, and the blocked keys that came before it; on failure the
 * old stay. Answered by
 * child_ready() or child_keeps_settings(). */
enum err_code child_settings(struct child *c, const struct message *m, struct err *e) MUST_USE;
/* Keeps the file of a BLOCKLIST message for the next settings. */
enum err_code child_blocklist(struct child *c, const struct message *m, struct err *e) MUST_USE;
/* Takes what the parent says, one message after the other, until there is no more; *stop is set when the parent is gone: without it there is nobody
 * to serve. */
typedef enum err_code child_hears(void *ctx, const struct message *m, struct err *e);
enum err_code child_serve_parent(struct child *c, child_hears *hear, void *ctx, bool *stop, struct err *e) MUST_USE;
/* The first line of the file `passphrase`, in `room`, which the caller wipes: it is locked in memory. The file is closed. Without a file it is empty.
 * name: of the setting, for the error. */
enum err_code child_read_secret(struct child *c, const char *name, uint8_t *room, size_t size, struct bytes *ret, struct err *e) MUST_USE;
void child_free(struct child *c);

#endif
