#include "os/no_processes.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCH AUDIT_ARCH_RISCV64
#endif

#ifdef OUR_ARCH /* little-endian ones, where clone's flags are its first argument */

#define DENIED_MOST 64
#define X32_BIT     0x40000000 /* the second set of numbers of x86-64 */

/* Starting and tracing processes; ways to a new namespace or mount, which an ordinary user gets with a user namespace; parts of
 * the kernel that we never need and that have let many out of their jails. */
static const uint32_t denied[] = {
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_unshare,
	SYS_setns,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_init_module,
	SYS_finit_module,
	SYS_kexec_load,
	SYS_personality,
#ifdef SYS_fork
	SYS_fork,
	SYS_vfork,
#endif
#ifdef SYS_userfaultfd
	SYS_userfaultfd,
#endif
#ifdef SYS_io_uring_setup
	SYS_io_uring_setup,
#endif
#ifdef SYS_open_tree
	SYS_open_tree,
	SYS_move_mount,
	SYS_fsopen,
	SYS_fsmount,
#endif
};

#define LOAD(field)           BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define JUMP(how, k, yes, no) BPF_JUMP(BPF_JMP | (how) | BPF_K, (k), (yes), (no))
#define RETURN(k)             BPF_STMT(BPF_RET | BPF_K, (k))
#define REFUSE(error)         RETURN(SECCOMP_RET_ERRNO | (error))

static const struct sock_filter head[] = {
	LOAD(arch),
	JUMP(BPF_JEQ, OUR_ARCH, 1, 0),
	RETURN(SECCOMP_RET_KILL_PROCESS), /* the numbers of another machine, by which the list below would be passed */
	LOAD(nr),
#ifdef __x86_64__
	JUMP(BPF_JGE, X32_BIT, 0, 1),
	REFUSE(ENOSYS),
#endif
};

static const struct sock_filter tail[] = {
#ifdef SYS_clone3
	/* its flags lie in memory, where a filter cannot look; libc then takes clone() */
	JUMP(BPF_JEQ, SYS_clone3, 0, 1),
	REFUSE(ENOSYS),
#endif
	JUMP(BPF_JEQ, SYS_clone, 0, 3),
	LOAD(args[0]),
	JUMP(BPF_JSET, CLONE_THREAD, 1, 0),
	REFUSE(EPERM),
	RETURN(SECCOMP_RET_ALLOW),
};

#define COUNT(a) (sizeof(a) / sizeof *(a))
_Static_assert(COUNT(denied) <= DENIED_MOST, "room for the whole list");

bool no_processes_restrict(void)
{
	struct sock_filter code[COUNT(head) + 2 * DENIED_MOST + COUNT(tail)];
	unsigned short n = 0;

	for (size_t i = 0; i < COUNT(head); i++)
		code[n++] = head[i];
	for (size_t i = 0; i < COUNT(denied); i++) {
		code[n++] = (struct sock_filter)JUMP(BPF_JEQ, denied[i], 0, 1);
		code[n++] = (struct sock_filter)REFUSE(EPERM);
	}
	for (size_t i = 0; i < COUNT(tail); i++)
		code[n++] = tail[i];
	struct sock_fprog whole = { .len = n, .filter = code };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole, 0, 0) == 0;
}

#else

bool no_processes_restrict(void)
{
	return false;
}

#endif
