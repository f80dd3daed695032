/* What the tests of the jails share: a folder to be jailed in, something outside it, and children that look around. */
#ifndef CHANCERY_OS_JAIL_TESTING_H
#define CHANCERY_OS_JAIL_TESTING_H

#include "os/jail.h"

#include <stdio.h>
#include <unistd.h>

#define ORDINARY_ID 65534 /* nobody */

struct jail_world {
	char inside[64], outside[64]; /* the jail's folder; a file beside it that everybody may read */
	int folder;
	int listener; /* TCP on 127.0.0.1, inherited */
	uint16_t port;
	int abstract;           /* a listening socket of the abstract namespace */
	char abstract_name[32]; /* without the NUL before it */
};

/* For cmocka's groups: *state becomes a struct jail_world. */
int jail_world_make(void **state);
int jail_world_clear(void **state);

/* Runs look in a child; gives waitpid()'s status. */
int jail_child(void (*look)(const struct jail_world *w), const struct jail_world *w);

/* For children: cmocka's assertions are the parent's. */
#define CHECK(x)                                                                               \
	do {                                                                                   \
		if (!(x)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x); \
			_exit(1);                                                              \
		}                                                                              \
	} while (0)

/* Where the tests run as root: becomes an ordinary user, as if started by one. */
void jail_become_ordinary(void);
/* The jail of a process of ours that writes its folder and stays off the network. */
struct jail jail_of(const struct jail_world *w);

#endif
