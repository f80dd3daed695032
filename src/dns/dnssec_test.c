/* DNSSEC against a real name server: Knot DNS signs a zone of ours. Loopback only; left out where knotd is not installed. */
#include "dns/ask_once.h"
#include "dns/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KNOTD    "/usr/sbin/knotd"
#define KEYMGR   "/usr/sbin/keymgr"
#define DNSKEY   48
#define TRIES    200
#define TRY_US   50000
#define TEXT_MAX 65536

struct server {
	pid_t pid;
	uint16_t port;
	char folder[64];
};

static struct {
	bool there;
	struct server signing, altered;
	char ds[512];
} world;

static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(tcp, (struct sockaddr *)&at, len) != 0 || getsockname(tcp, (struct sockaddr *)&at, &len) != 0)
		abort();
	bool both = bind(udp, (struct sockaddr *)&at, len) == 0;
	close(tcp);
	close(udp);
	return both ? ntohs(at.sin_port) : free_port();
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void read_file(const char *folder, const char *name, char out[TEXT_MAX])
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(out, 1, TEXT_MAX - 1, f) : 0;
	out[n] = 0;
	if (f)
		fclose(f);
}

static void start(struct server *s, bool sign)
{
	char text[2048], conf[128];

	s->port = free_port();
	(void)snprintf(text, sizeof text,
	    "server:\n  rundir: \"%s\"\n  listen: 127.0.0.1@%u\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
	    "log:\n  - target: stderr\n    any: error\n"
	    "database:\n  storage: \"%s\"\n"
	    "template:\n  - id: default\n    storage: \"%s\"\n    file: \"zone\"\n    zonefile-sync: 0\n    dnssec-signing: %s\n"
	    "zone:\n  - domain: signed.test\n",
	    s->folder, s->port, s->folder, s->folder, sign ? "on" : "off");
	write_file(s->folder, "knot.conf", text);
	(void)snprintf(conf, sizeof conf, "%s/knot.conf", s->folder);
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(KNOTD, "knotd", "-c", conf, (char *)NULL);
		_exit(127);
	}
	assert_true(s->pid > 0);
}

static struct resolver *make(struct event_base *base, const struct server *s, const char *anchor)
{
	char at[32];
	(void)snprintf(at, sizeof at, "127.0.0.1:%u", s->port);
	struct bytes f = bytes_str(at), a = bytes_str(anchor);
	struct resolver_config c = { .forward = &f, .n_forward = 1, .anchors = &a, .n_anchors = 1 };
	struct resolver *r = NULL;
	struct err e = { 0 };

	if (resolver_new(base, &c, &r, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	return r;
}

static struct asked ask_fresh(const struct server *s, const char *anchor, const char *name, int type)
{
	struct event_base *base = event_base_new();
	struct resolver *r = make(base, s, anchor);
	struct asked a = ask_once(base, r, name, type);

	resolver_free(r);
	event_base_free(base);
	return a;
}

static bool await_server(const struct server *s)
{
	for (int i = 0; i < TRIES; i++) {
		struct asked a = ask_fresh(s, "none", "signed.test", DNSKEY);
		if (a.code == ERR_OK && a.n > 0)
			return true;
		usleep(TRY_US);
	}
	return false;
}

static void read_ds(const struct server *s)
{
	char command[256], line[512];

	(void)snprintf(command, sizeof command, KEYMGR " -c %s/knot.conf signed.test ds", s->folder);
	FILE *p = popen(command, "re");
	assert_non_null(p);
	while (fgets(line, sizeof line, p)) /* the last one: SHA-384, or the SHA-256 one where there is no other */
		(void)snprintf(world.ds, sizeof world.ds, "%.*s", (int)strcspn(line, "\n"), line);
	assert_int_equal(pclose(p), 0);
	assert_non_null(strstr(world.ds, " DS "));
}

/* The signed zone with one address changed: its signature is over another. */
static void alter(const struct server *from, const struct server *to)
{
	static char text[TEXT_MAX];

	for (int i = 0; i < TRIES; i++) { /* knotd writes the file a moment after it serves the zone */
		read_file(from->folder, "zone", text);
		if (strstr(text, "RRSIG"))
			break;
		usleep(TRY_US);
	}
	char *address = strstr(text, "192.0.2.66");
	assert_non_null(address);
	memcpy(address, "192.0.2.99", 10);
	write_file(to->folder, "zone", text);
}

static int start_world(void **state)
{
	struct server *both[] = { &world.signing, &world.altered };

	(void)state;
	world.there = access(KNOTD, X_OK) == 0 && access(KEYMGR, X_OK) == 0;
	if (!world.there)
		return 0;
	for (int i = 0; i < 2; i++) {
		(void)snprintf(both[i]->folder, sizeof both[i]->folder, "/tmp/chancery-dnssec-XXXXXX");
		assert_non_null(mkdtemp(both[i]->folder));
	}
	write_file(world.signing.folder, "zone",
	    "$ORIGIN signed.test.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
	    "good A 192.0.2.7\nbad A 192.0.2.66\nbad CAA 0 issue \"ca.example\"\nalias CNAME good\n");
	start(&world.signing, true);
	assert_true(await_server(&world.signing));
	read_ds(&world.signing);
	alter(&world.signing, &world.altered);
	start(&world.altered, false);
	assert_true(await_server(&world.altered));
	return 0;
}

static int unlink_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void stop(struct server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGTERM);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (s->folder[0])
		nftw(s->folder, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int stop_world(void **state)
{
	(void)state;
	stop(&world.signing);
	stop(&world.altered);
	return 0;
}

static void need_knot(void)
{
	if (!world.there)
		skip();
}

static void signed_answers_are_secure(void **state)
{
	(void)state;
	need_knot();
	struct asked a = ask_fresh(&world.signing, world.ds, "good.signed.test", DNS_TYPE_A);
	assert_string_equal(a.detail, "");
	assert_int_equal(a.n, 1);
	assert_int_equal(a.security, RESOLVER_SECURE);
	a = ask_fresh(&world.signing, world.ds, "alias.signed.test", DNS_TYPE_A);
	assert_string_equal(a.canonical, "good.signed.test");
	assert_int_equal(a.security, RESOLVER_SECURE);
	a = ask_fresh(&world.signing, world.ds, "bad.signed.test", DNS_TYPE_CAA);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.security, RESOLVER_SECURE);
}

static void signed_denials_are_secure(void **state)
{
	(void)state;
	need_knot();
	struct asked a = ask_fresh(&world.signing, world.ds, "good.signed.test", DNS_TYPE_CAA);
	assert_int_equal(a.code, ERR_OK);
	assert_int_equal(a.n, 0);
	assert_int_equal(a.security, RESOLVER_SECURE);
	a = ask_fresh(&world.signing, world.ds, "none.signed.test", DNS_TYPE_A);
	assert_true(a.nxdomain);
	assert_int_equal(a.security, RESOLVER_SECURE);
}

static void without_an_anchor_nothing_is_validated(void **state)
{
	(void)state;
	need_knot();
	assert_int_equal(ask_fresh(&world.signing, "none", "good.signed.test", DNS_TYPE_A).security, RESOLVER_OFF);
	assert_int_equal(ask_fresh(&world.altered, "none", "bad.signed.test", DNS_TYPE_A).code, ERR_OK);
}

static void below_no_anchor_answers_are_insecure(void **state)
{
	(void)state;
	need_knot();
	struct asked a = ask_fresh(&world.signing,
	    "other.test. IN DS 1 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", "good.signed.test", DNS_TYPE_A);
	assert_int_equal(a.code, ERR_OK);
	assert_int_equal(a.security, RESOLVER_INSECURE);
}

static void an_altered_answer_is_bogus_with_its_reason(void **state)
{
	(void)state;
	need_knot();
	struct asked a = ask_fresh(&world.altered, world.ds, "bad.signed.test", DNS_TYPE_A);
	print_message("%s\n", a.detail);
	assert_int_equal(a.code, ERR_DNS);
	assert_int_equal(a.security, RESOLVER_BOGUS);
	assert_int_equal(a.n, 0);
	assert_non_null(strstr(a.detail, "SERVFAIL for A of bad.signed.test (DNSSEC bogus: "));
	assert_non_null(strstr(a.detail, "signature"));
	/* what was left alone is still good */
	assert_int_equal(ask_fresh(&world.altered, world.ds, "good.signed.test", DNS_TYPE_A).security, RESOLVER_SECURE);
}

static void a_key_that_no_anchor_names_is_bogus(void **state)
{
	char ds[sizeof world.ds];

	(void)state;
	need_knot();
	memcpy(ds, world.ds, sizeof ds);
	char *last = ds + strlen(ds) - 1;
	*last = *last == '0' ? '1' : '0';
	struct asked a = ask_fresh(&world.signing, ds, "good.signed.test", DNS_TYPE_A);
	print_message("%s\n", a.detail);
	assert_int_equal(a.code, ERR_DNS);
	assert_int_equal(a.security, RESOLVER_BOGUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signed_answers_are_secure),
		cmocka_unit_test(signed_denials_are_secure),
		cmocka_unit_test(without_an_anchor_nothing_is_validated),
		cmocka_unit_test(below_no_anchor_answers_are_insecure),
		cmocka_unit_test(an_altered_answer_is_bogus_with_its_reason),
		cmocka_unit_test(a_key_that_no_anchor_names_is_bogus),
	};

	return cmocka_run_group_tests(tests, start_world, stop_world);
}
