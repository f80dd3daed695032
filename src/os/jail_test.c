/* Each test enters a jail in a child of its own and tries to do what it forbids. As root both ways in are tried, that of root
 * and that of an ordinary user; as an ordinary user only the latter. */
#include "os/jail.h"
#include "os/jail_testing.h"
#include "os/no_processes.h"
#include "os/sanitized.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define LANDLOCK_SCOPES_ABI 6

static bool as_root; /* this child took root's way */

static struct jail_layers enter(struct jail j)
{
	struct jail_layers l;
	struct err e = { 0 };

	if (!as_root)
		jail_become_ordinary();
	CHECK(geteuid() == 0 || !as_root);
	if (jail_enter(&j, &l, &e) != ERR_OK) {
		fprintf(stderr, "jail_enter: %s\n", e.detail);
		_exit(2);
	}
	CHECK(!as_root || (l.root && l.user));
	CHECK(l.no_new_privs && l.undumpable);
	return l;
}

static long landlock_abi(void)
{
	return syscall(444, NULL, (size_t)0, 1u);
}

/* --- what no jail allows --- */

static void look_at_files(const struct jail_world *w)
{
	struct jail_layers l = enter(jail_of(w));

	if (!l.root && !l.landlock_fs)
		return; /* nothing was granted, and nothing was claimed */
	CHECK(open("/etc/passwd", O_RDONLY) < 0);
	CHECK(open(w->outside, O_RDONLY) < 0);
	CHECK(open("../outside", O_RDONLY) < 0);
	CHECK(open("/proc/self/status", O_RDONLY) < 0);
	CHECK(openat(w->folder, "../outside", O_RDONLY) < 0); /* by a descriptor from before */
	CHECK(!l.root || chdir("..") == 0);
	CHECK(open("file", O_RDONLY) >= 0);
	CHECK(!l.root || open("/file", O_RDONLY) >= 0);
}

static void look_at_writing(const struct jail_world *w)
{
	enter(jail_of(w));
	CHECK(mkdir("folder", 0700) == 0);
	CHECK(open("folder/new", O_WRONLY | O_CREAT | O_TRUNC, 0600) >= 0);
	CHECK(rename("folder/new", "new") == 0 || landlock_abi() == 1);
	CHECK(link("file", "link") == 0);
	CHECK(unlink("link") == 0);
	CHECK((unlink("new") == 0 || unlink("folder/new") == 0) && rmdir("folder") == 0);
}

static void look_at_reading_only(const struct jail_world *w)
{
	struct jail j = jail_of(w);

	j.writable = false;
	struct jail_layers l = enter(j);
	CHECK(open("file", O_RDONLY) >= 0);
	if (!l.landlock_fs)
		return;
	CHECK(open("file", O_WRONLY) < 0 && errno == EACCES);
	CHECK(open("new", O_WRONLY | O_CREAT, 0600) < 0);
	CHECK(unlink("file") < 0);
	CHECK(mkdir("folder", 0700) < 0);
}

static void look_at_user(const struct jail_world *w)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	struct jail_layers l = enter(jail_of(w));

	CHECK(setuid(0) < 0 && seteuid(0) < 0 && setgid(0) < 0);
	CHECK(geteuid() != 0 && (!as_root || geteuid() == ORDINARY_ID));
	CHECK(syscall(SYS_capget, &h, caps) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(caps[i].effective == 0 && caps[i].permitted == 0 && caps[i].inheritable == 0);
	for (unsigned long c = 0; l.root && c < 64; c++)
		CHECK(prctl(PR_CAPBSET_READ, c, 0, 0, 0) <= 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(chroot("/") < 0);
	CHECK(unshare(CLONE_NEWUSER) < 0);
}

static void look_at_cores(const struct jail_world *w)
{
	struct rlimit r;

	enter(jail_of(w));
	CHECK(getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_cur == 0 && r.rlim_max == 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static void look_at_processes(const struct jail_world *w)
{
	char *const argv[] = { (char[]){ "x" }, NULL };
	struct jail_layers l = enter(jail_of(w));
	pthread_t thread;

	CHECK(chmod("file", 0700) == 0);
	CHECK(execv("file", argv) < 0 && errno != ENOEXEC);
	CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
	if (!l.no_processes)
		return;
	CHECK(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == EPERM);
	CHECK(fork() < 0 && errno == EPERM);
}

/* --- the network --- */

static int connect_tcp(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(close_p) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&at, sizeof at);
}

static int connect_abstract(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path + 1, name, strlen(name));
	return connect(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
}

static int bind_tcp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(close_p) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (struct sockaddr *)&at, sizeof at);
}

static void look_at_no_network(const struct jail_world *w)
{
	CHECK(connect_tcp(w->port) == 0 && connect_abstract(w->abstract_name) == 0); /* from outside it is no art */
	struct jail_layers l = enter(jail_of(w));
	if (l.network_ns || l.landlock_tcp)
		CHECK(connect_tcp(w->port) < 0);
	if (l.landlock_tcp)
		CHECK(bind_tcp() < 0 && errno == EACCES);
	if (l.network_ns || (l.landlock_fs && landlock_abi() >= LANDLOCK_SCOPES_ABI))
		CHECK(connect_abstract(w->abstract_name) < 0);
}

static void look_at_network(const struct jail_world *w)
{
	struct jail j = jail_of(w);

	j.network = true;
	j.writable = false;
	struct jail_layers l = enter(j);
	CHECK(!l.network_ns && !l.landlock_tcp);
	CHECK(connect_tcp(w->port) == 0);
	if (!l.landlock_fs || landlock_abi() < LANDLOCK_SCOPES_ABI)
		return;
	CHECK(connect_abstract(w->abstract_name) < 0 && errno == EPERM);
	CHECK(kill(getppid(), 0) < 0 && errno == EPERM);
}

/* The socket belongs to the network in which it was made. */
static void look_at_listener(const struct jail_world *w)
{
	enter(jail_of(w));
	for (char c = 0; c != 'q';) {
		struct pollfd p = { .fd = w->listener, .events = POLLIN };
		CHECK(poll(&p, 1, 10000) == 1);
		CLEANUP(close_p) int fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
		CHECK(fd >= 0);
		CHECK(read(fd, &c, 1) >= 0); /* connections of other tests are there too, and closed */
		CHECK(c != 'q' || write(fd, "a", 1) == 1);
	}
}

/* --- running them both ways --- */

static void run_both(const struct jail_world *w, void (*look)(const struct jail_world *w))
{
	for (int root = 0; root <= (geteuid() == 0); root++) {
		as_root = root;
		int status = jail_child(look, w);
		if (status != 0)
			fail_msg("as %s: status %#x", root ? "root" : "an ordinary user", (unsigned)status);
	}
}

#define TEST_BOTH(name)                           \
	static void test_##name(void **state)     \
	{                                         \
		run_both(*state, look_at_##name); \
	}
TEST_BOTH(files)
TEST_BOTH(writing)
TEST_BOTH(reading_only)
TEST_BOTH(user)
TEST_BOTH(cores)
TEST_BOTH(processes)
TEST_BOTH(no_network)
TEST_BOTH(network)

static void test_inherited_listener(void **state)
{
	const struct jail_world *w = *state;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(w->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int root = 0; root <= (geteuid() == 0); root++) {
		as_root = root;
		int status;
		char c = 0;
		pid_t pid = fork();
		if (pid == 0) {
			look_at_listener(w);
			_exit(0);
		}
		CLEANUP(close_p) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
		assert_int_equal(write(fd, "q", 1), 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(read(fd, &c, 1), 1);
		assert_int_equal(c, 'a');
	}
}

/* --- what goes wrong --- */

static void look_without_namespaces(const struct jail_world *w)
{
	jail_become_ordinary();
	/* a kernel that grants no user namespace, and no process to try it in */
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (!no_processes_restrict())
		return;
	struct jail_layers l = enter(jail_of(w));
	CHECK(!l.root && !l.network_ns);
	CHECK(open("file", O_RDONLY) >= 0); /* at least we are in the folder */
	if (l.landlock_fs)
		CHECK(open("/etc/passwd", O_RDONLY) < 0 && open("../outside", O_RDONLY) < 0);
	if (l.landlock_tcp)
		CHECK(connect_tcp(w->port) < 0 && errno == EACCES);
}

static void test_goes_on_without_namespaces(void **state)
{
	as_root = false;
	assert_int_equal(jail_child(look_without_namespaces, *state), 0);
}

static void expect_refusal(struct jail j)
{
	struct jail_layers l = { .seccomp = true };
	struct err e = { 0 };

	CHECK(jail_enter(&j, &l, &e) == ERR_CONFIG && e.code == ERR_CONFIG && e.detail[0]);
	CHECK(l.seccomp && !l.no_new_privs); /* outputs untouched */
}

static void drop_one(unsigned capability)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	CHECK(syscall(SYS_capget, &h, caps) == 0);
	for (int i = 0; i < 2; i++)
		caps[i].inheritable = 0;
	caps[0].effective &= ~(1u << capability);
	caps[0].permitted &= ~(1u << capability);
	CHECK(syscall(SYS_capset, &h, caps) == 0);
}

static void look_as_user_zero(const struct jail_world *w)
{
	struct jail j = jail_of(w);

	j.uid = 0;
	expect_refusal(j);
	j = jail_of(w);
	j.gid = 0;
	expect_refusal(j);
}

static void look_without_folder(const struct jail_world *w)
{
	struct jail j = jail_of(w);

	j.root_dir = open("file", O_PATH);
	expect_refusal(j);
}

static void look_without_chroot(const struct jail_world *w)
{
	drop_one(CAP_SYS_CHROOT);
	expect_refusal(jail_of(w));
}

static void look_without_setuid(const struct jail_world *w)
{
	drop_one(CAP_SETUID);
	expect_refusal(jail_of(w));
}

/* (uid_t)-1 means "leave it" to setresuid(2): root would stay root. */
static void look_with_no_user(const struct jail_world *w)
{
	struct jail j = jail_of(w);

	j.uid = (uid_t)-1;
	expect_refusal(j);
}

static void test_root_fails_closed(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(jail_child(look_as_user_zero, *state), 0);
	assert_int_equal(jail_child(look_without_folder, *state), 0);
	assert_int_equal(jail_child(look_without_chroot, *state), 0);
	if (!SANITIZED_THREAD) /* its own thread keeps the capability: libc ends a process whose threads become different users */
		assert_int_equal(jail_child(look_without_setuid, *state), 0);
	assert_int_equal(jail_child(look_with_no_user, *state), 0);
}

/* --- the parent's death --- */

static void jailed_child(const struct jail_world *w, int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter(jail_of(w));
	CHECK(write(ready, "r", 1) == 1);
	for (;;)
		pause();
}

/* A change of user takes back the signal that process_start() asked for: the jail asks again. */
static void test_dies_with_its_parent(void **state)
{
	for (int root = 0; root <= (geteuid() == 0); root++) {
		as_root = root;
		int ends[2], status;
		char c;
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		pid_t parent = fork();
		if (parent == 0) {
			if (!root)
				jail_become_ordinary();
			if (fork() == 0)
				jailed_child(*state, ends[1]);
			close(ends[1]);
			for (;;)
				pause();
		}
		close(ends[1]);
		ssize_t started = read(ends[0], &c, 1);
		kill(parent, SIGKILL);
		assert_int_equal(waitpid(parent, &status, 0), parent);
		assert_int_equal(started, 1);
		struct pollfd p = { .fd = ends[0], .events = POLLIN };
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(read(ends[0], &c, 1), 0);
		close(ends[0]);
	}
}

/* --- words --- */

static void assert_described(struct jail_layers l, const char *words)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(400);

	buf_add_str(&out, "jail: ");
	jail_describe(&l, &out);
	buf_add_u8(&out, 0);
	assert_true(buf_ok(&out));
	assert_string_equal((const char *)out.ptr + 6, words);
}

static void test_describe(void **state)
{
	(void)state;
	assert_described((struct jail_layers){ 0 }, "none");
	assert_described((struct jail_layers){ .landlock_fs = true }, "Landlock files");
	assert_described(
	    (struct jail_layers){
		.root = true, .user = true, .network_ns = true, .landlock_fs = true, .landlock_tcp = true, .no_new_privs = true },
	    "root directory, user, network namespace, Landlock files and TCP, no new privileges");
	assert_described((struct jail_layers){ .no_processes = true, .seccomp = true, .undumpable = true },
	    "no new processes, system calls, no core dumps");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_reading_only),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_cores),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_no_network),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_inherited_listener),
		cmocka_unit_test(test_goes_on_without_namespaces),
		cmocka_unit_test(test_root_fails_closed),
		cmocka_unit_test(test_dies_with_its_parent),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, jail_world_make, jail_world_clear);
}
