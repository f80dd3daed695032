#include "os/landlock.h"

#include "base/attrs.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h of the build machine may be older than the kernel that we run on: the ABI is stable, so it stands here. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif
#define RULESET_VERSION 1u
#define RULE_PATH       1

#define FS_EXECUTE          (UINT64_C(1) << 0)
#define FS_WRITE            (UINT64_C(1) << 1)
#define FS_READ             (UINT64_C(1) << 2)
#define FS_READ_DIR         (UINT64_C(1) << 3)
#define FS_REMOVE_DIR       (UINT64_C(1) << 4)
#define FS_REMOVE           (UINT64_C(1) << 5)
#define FS_MAKE_DIR         (UINT64_C(1) << 7)
#define FS_MAKE_REG         (UINT64_C(1) << 8)
#define FS_ALL_ABI1         ((UINT64_C(1) << 13) - 1)
#define FS_REFER            (UINT64_C(1) << 13) /* ABI 2 */
#define FS_TRUNCATE         (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL            (UINT64_C(1) << 15) /* ABI 5 */
#define NET_BIND            (UINT64_C(1) << 0)  /* ABI 4 */
#define NET_CONNECT         (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* ABI 6 */
#define SCOPE_SIGNAL        (UINT64_C(1) << 1)

struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

static uint64_t handled_fs(long abi)
{
	return FS_ALL_ABI1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) | (abi >= 5 ? FS_IOCTL : 0);
}

static uint64_t allowed_fs(long abi, bool writable)
{
	uint64_t allowed = FS_READ | FS_READ_DIR;

	if (writable)
		allowed |= FS_WRITE | FS_REMOVE | FS_REMOVE_DIR | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE;
	return allowed & handled_fs(abi);
}

/* False: none of it is there, or the kernel refuses. */
static bool add_path(int rules, const char *path, uint64_t allowed)
{
	CLEANUP(close_p) int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct path_rule below = { .allowed = allowed, .parent = folder };

	return folder >= 0 && syscall(SYS_landlock_add_rule, rules, RULE_PATH, &below, 0) == 0;
}

static bool add_paths(int rules, long abi, enum landlock_files files)
{
	static const char *const system[] = { "/etc", "/usr", "/lib", "/lib64", "/run" };
	bool any = false;

	if (files != LANDLOCK_SYSTEM)
		return add_path(rules, ".", allowed_fs(abi, files == LANDLOCK_HERE_WRITABLE));
	for (size_t i = 0; i < sizeof system / sizeof *system; i++)
		any = add_path(rules, system[i], allowed_fs(abi, false)) || any;
	return any;
}

void landlock_restrict(enum landlock_files files, bool network, bool *ret_files, bool *ret_tcp)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, RULESET_VERSION);
	struct ruleset r = { .fs = handled_fs(abi),
		.net = !network && abi >= 4 ? NET_BIND | NET_CONNECT : 0,
		.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0 };

	*ret_files = *ret_tcp = false;
	if (abi < 1)
		return;
	size_t size = abi >= 6 ? sizeof r : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	CLEANUP(close_p) int rules = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (rules < 0 || !add_paths(rules, abi, files) || syscall(SYS_landlock_restrict_self, rules, 0) != 0)
		return;
	*ret_files = true;
	*ret_tcp = r.net != 0;
}
