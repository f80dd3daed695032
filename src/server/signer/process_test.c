/* The signer's process as parent and front see it: started, jailed, asked, insulted, restarted, stopped. */
#include "base/clock.h"
#include "base/codec.h"
#include "crypto/digest.h"
#include "os/process.h"
#include "server/signer/operators.h"
#include "server/signer/state.h"
#include "os/sanitized.h"
#include "server/signer/test_revoke.h"
#include "server/signer/test_world.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS     20000
#define NOBODY      65534
#define SETTINGS_ID 7

struct ground {
	struct world w;
	pid_t pid;
	struct channel *parent, *front;
	int front_fd;
	uint32_t id;
	struct crl_new list; /* the newest that it has told of */
};

/* As root the signer takes a user of its own, to whom its folder then belongs. */
static void give_away(struct world *w)
{
	char command[128];

	if (getuid() != 0)
		return;
	snprintf(command, sizeof command, "chown -R %d:%d %s", NOBODY, NOBODY, w->folder);
	assert_int_equal(system(command), 0);
}

static struct message await_any(struct channel *c)
{
	int64_t deadline = clock_monotonic_ms() + WAIT_MS;
	struct err e = { 0 };
	struct message m;

	for (;;) {
		enum err_code rc = channel_receive(c, &m, &e);
		if (rc == ERR_AGAIN) {
			assert_code(wait_fd(channel_fd(c), false, deadline, &e), ERR_OK, &e);
			continue;
		}
		assert_code(rc, ERR_OK, &e);
		return m;
	}
}

static struct message await(struct channel *c, uint16_t type)
{
	struct message m = await_any(c);

	if (m.type != type)
		fail_msg("%s instead of %s: %.*s", message_rules[m.type].name, message_rules[type].name, BYTES_FMT(m.body));
	return m;
}

static void tell(struct channel *c, uint16_t type, uint32_t id, struct bytes body)
{
	struct err e = { 0 };

	assert_code(channel_send(c, type, id, body, &e), ERR_OK, &e);
	while (channel_wants_write(c)) {
		assert_code(wait_fd(channel_fd(c), true, clock_monotonic_ms() + WAIT_MS, &e), ERR_OK, &e);
		assert_code(channel_flush(c, &e), ERR_OK, &e);
	}
}

static void tell_settings(struct ground *g)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);

	wire_put_u64(&out, getuid() == 0 ? NOBODY : getuid());
	wire_put_u64(&out, getuid() == 0 ? NOBODY : getgid());
	settings_write(&g->w.settings, SETTINGS_READER_S, &out);
	tell(g->parent, MESSAGE_SETTINGS_SIGNER, SETTINGS_ID, buf_bytes(&out));
}

static void start_process(struct ground *g)
{
	int program = open(CHANCERY_SIGNER_PROGRAM, O_RDONLY | O_CLOEXEC), pair[2];
	struct err e = { 0 };

	give_away(&g->w);
	assert_true(program >= 0);
	assert_code(channel_pair(pair, &e), ERR_OK, &e);
	assert_code(process_start(program, "chancery-ca-signer", pair[1], &g->pid, &e), ERR_OK, &e);
	close(program);
	close(pair[1]);
	assert_code(server_channel_new(pair[0], PROCESS_PARENT, PROCESS_SIGNER, &g->parent, &e), ERR_OK, &e);
	tell_settings(g);
	assert_code(channel_send_fd(g->parent, MESSAGE_FOLDER_SIGNER, 0, BYTES_LIT(""), g->w.dir, &e), ERR_OK, &e);
}

static void drop_front(struct ground *g)
{
	if (g->front)
		channel_free(g->front);
	g->front = NULL;
}

static void new_front(struct ground *g)
{
	uint8_t peer = PROCESS_FRONT;
	struct err e = { 0 };
	int pair[2];

	drop_front(g);
	assert_code(channel_pair(pair, &e), ERR_OK, &e);
	assert_code(channel_send_fd(g->parent, MESSAGE_PEER_SIGNER, 0, (struct bytes){ &peer, 1 }, pair[1], &e), ERR_OK, &e);
	close(pair[1]);
	g->front_fd = pair[0];
	assert_code(server_channel_new(pair[0], PROCESS_FRONT, PROCESS_SIGNER, &g->front, &e), ERR_OK, &e);
}

/* There is one whenever the signer serves. */
static void await_list(struct ground *g)
{
	struct message m = await(g->front, MESSAGE_CRL_NEW);
	struct err e = { 0 };

	static struct crl_new v[CRL_NEW_MAX];
	size_t n = 0;

	assert_code(crl_new_read(m.body, v, &n, &e), ERR_OK, &e);
	assert_true(n > 0);
	g->list = v[n - 1];
	assert_true(g->list.number > 0 && g->list.size > 0);
}

static void say_hello(struct ground *g, struct bytes checkpoint)
{
	tell(g->front, MESSAGE_HELLO, ++g->id, checkpoint);
	struct message m = await(g->front, MESSAGE_HELLO_OK);
	assert_int_equal(m.id, g->id);
	assert_true(m.body.len > INSTANCE_SIZE);
	assert_memory_equal(m.body.ptr, g->w.identity.instance, INSTANCE_SIZE);
	await_list(g);
	m = await(g->front, MESSAGE_BLOCKS);
	assert_true(bytes_eq(m.body, BYTES_LIT("\1\0\0"))); /* nothing is blocked */
}

static void begin(struct ground *g)
{
	start_process(g);
	struct message m = await(g->parent, MESSAGE_SIGNER_READY);
	assert_int_equal(m.id, SETTINGS_ID);
	const char *layers = arena_str(g->w.a, m.body);
	if (!SANITIZED_ADDRESS) { /* see child_jail() */
		assert_non_null(strstr(layers, "system calls"));
		assert_non_null(strstr(layers, "no new privileges"));
	}
	new_front(g);
}

static void end(struct ground *g)
{
	drop_front(g);
	if (g->parent)
		channel_free(g->parent);
	g->parent = NULL;
}

static int await_exit(struct ground *g)
{
	int status;

	assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
	g->pid = 0;
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	return WEXITSTATUS(status);
}

static void stop(struct ground *g)
{
	tell(g->parent, MESSAGE_STOP_SIGNER, 0, BYTES_LIT(""));
	assert_int_equal(await_exit(g), 0);
	end(g);
}

/* The process has the real clock; so has this world. */
static int setup(void **state)
{
	struct ground *g = calloc(1, sizeof *g);

	world_new_at(&g->w, seam_libc.wall_ms() - 1000);
	world_close(&g->w);
	seam = &seam_libc;
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct ground *g = *state;

	end(g);
	if (g->pid > 0) {
		kill(g->pid, SIGKILL);
		waitpid(g->pid, NULL, 0);
	}
	world_free(&g->w);
	free(g);
	return 0;
}

static struct recipe recipe_now(struct ground *g)
{
	test_seam.wall_ms = seam_libc.wall_ms();
	return recipe_simple(&g->w);
}

static struct bytes ask(struct ground *g, struct recipe *r)
{
	struct err e = { 0 };
	struct issued i;

	tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, r));
	struct message m = await(g->front, MESSAGE_ISSUED);
	assert_int_equal(m.id, g->id);
	assert_code(issued_read(m.body, &i, &e), ERR_OK, &e);
	assert_true(i.chain.len > 0);
	return arena_copy(g->w.a, i.certificate);
}

static void await_refusal(struct ground *g, enum err_code want)
{
	struct message m = await(g->front, MESSAGE_REFUSED);
	struct bytes detail;
	enum err_code code;
	struct err e = { 0 };

	assert_int_equal(m.id, g->id);
	assert_code(problem_read(m.body, &code, &detail, &e), ERR_OK, &e);
	assert_int_equal(code, want);
	assert_true(detail.len > 10);
}

static void fetch(struct ground *g, struct buf *out)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(64);
	struct crl_part part = { 0 };
	struct err e = { 0 };

	while (out->len < g->list.size) {
		struct crl_get get = { .number = g->list.number, .offset = out->len };
		memcpy(get.issuer, g->list.issuer, sizeof get.issuer);
		buf_reset(&body);
		crl_get_write(&get, &body);
		tell(g->front, MESSAGE_CRL_GET, ++g->id, buf_bytes(&body));
		struct message m = await(g->front, MESSAGE_CRL_PART);
		assert_int_equal(m.id, g->id);
		assert_code(crl_part_read(m.body, &part, &e), ERR_OK, &e);
		assert_true(part.number == g->list.number && part.offset == out->len && part.part.len > 0);
		buf_add(out, part.part);
	}
}

static const char *status(struct ground *g)
{
	tell(g->parent, MESSAGE_STATUS_SIGNER, ++g->id, BYTES_LIT(""));
	return arena_str(g->w.a, await(g->parent, MESSAGE_SIGNER_STATUS).body);
}

static void serves_and_stops(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g), bad = recipe_now(g);

	begin(g);
	tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &r));
	await_refusal(g, ERR_UNAUTHORIZED); /* HELLO comes first */
	say_hello(g, BYTES_LIT(""));
	struct bytes first = ask(g, &r);
	bad.break_receipt = true;
	tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &bad));
	await_refusal(g, ERR_CONFIRM);
	tell(g->front, MESSAGE_ISSUE_TLS, ++g->id, BYTES_LIT("no CSR"));
	await_refusal(g, ERR_BAD_CSR);
	const char *json = status(g);
	assert_non_null(strstr(json, "\"issued\":1,"));
	assert_non_null(strstr(json, "\"CONFIRM\":1"));
	assert_non_null(strstr(json, "\"BAD_CSR\":1"));
	assert_non_null(strstr(json, "\"refused_turn\":1"));
	tell_settings(g);
	(void)await(g->parent, MESSAGE_SIGNER_READY);
	assert_true(bytes_eq(ask(g, &r), first));
	tell(g->parent, MESSAGE_STOP_SIGNER, 0, BYTES_LIT(""));
	struct bytes checkpoint = arena_copy(g->w.a, await(g->front, MESSAGE_CHECKPOINT).body);
	assert_int_equal(await_exit(g), 0);
	end(g);
	/* The next one takes the checkpoint back. */
	begin(g);
	say_hello(g, checkpoint);
	assert_true(bytes_eq(ask(g, &r), first));
	stop(g);
}

/* A front that dies, talks nonsense or stops listening ends nothing. */
static void survives_its_front(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g);
	uint8_t junk[4096];

	begin(g);
	for (unsigned i = 0; i < 2000; i++) {
		random_bytes(junk, sizeof junk);
		memset(junk, 0, i % 9); /* sometimes a possible type */
		if (i % 3 == 0)
			junk[1] = (uint8_t)(i % (MESSAGE__MAX + 2));
		if (send(g->front_fd, junk, i % sizeof junk, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			(void)poll(NULL, 0, 1);
	}
	new_front(g);
	say_hello(g, BYTES_LIT("no checkpoint"));
	struct bytes first = ask(g, &r);
	tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &r)); /* and is gone before the answer */
	new_front(g);
	say_hello(g, BYTES_LIT(""));
	assert_true(bytes_eq(ask(g, &r), first));
	assert_int_equal(kill(g->pid, SIGTERM), 0); /* the parent alone says when */
	assert_true(bytes_eq(ask(g, &r), first));
	stop(g);
}

/* Sixty-four at once: the most that the front's credits allow. */
static void ask_a_full_batch(struct ground *g)
{
	bool seen[SIGNER_BATCH_MAX] = { false };

	uint32_t from = g->id + 1;
	for (int i = 0; i < SIGNER_BATCH_MAX; i++) {
		struct recipe r = recipe_now(g);
		tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &r));
	}
	for (int i = 0; i < SIGNER_BATCH_MAX; i++) {
		struct message m = await(g->front, MESSAGE_ISSUED);
		assert_true(m.id >= from && m.id - from < SIGNER_BATCH_MAX && !seen[m.id - from]);
		seen[m.id - from] = true;
	}
}

/* In its jail it makes new segments, and a checkpoint for every thousand records. */
static void serves_full_batches(void **state)
{
	struct ground *g = *state;

	g->w.settings.segment_size = SEGMENT_SIZE_MIN;
	begin(g);
	say_hello(g, BYTES_LIT(""));
	for (int i = 0; i < 7; i++)
		ask_a_full_batch(g);
	uint32_t from = g->id + 1;
	for (int i = 0; i < SIGNER_BATCH_MAX; i++) {
		struct recipe r = recipe_now(g);
		tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &r));
	}
	int checkpoints = 0;
	for (int i = 0; i < SIGNER_BATCH_MAX + 1; i++) {
		struct message m = await_any(g->front);
		checkpoints += m.type == MESSAGE_CHECKPOINT;
		assert_true(m.type == MESSAGE_CHECKPOINT || (m.type == MESSAGE_ISSUED && m.id >= from));
	}
	assert_int_equal(checkpoints, 1);
	assert_non_null(strstr(status(g), "\"issued\":512,"));
	stop(g);
	assert_true(access(world_path(&g->w, "log/00000003.idx"), F_OK) == 0);
	assert_int_equal(log_census(&g->w, NULL).n[LOG_RESULT], 512);
}

/* Killed while it works: what was answered is in the log, and stays the order's one certificate. */
static void survives_being_killed(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g), open[8];

	begin(g);
	say_hello(g, BYTES_LIT(""));
	struct bytes first = ask(g, &r);
	for (size_t i = 0; i < 8; i++) {
		open[i] = recipe_now(g);
		tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &open[i]));
	}
	kill(g->pid, SIGKILL);
	assert_int_equal(await_exit(g), -SIGKILL);
	end(g);
	begin(g);
	say_hello(g, BYTES_LIT(""));
	assert_true(bytes_eq(ask(g, &r), first));
	for (size_t i = 0; i < 8; i++)
		(void)ask(g, &open[i]);
	stop(g);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(log_census(&g->w, open[i].order).certificates_of_order, 1);
}

/* The notice of one certificate, for a front that has lost the answer. */
static void await_revoked(struct ground *g, struct bytes serial, const struct revoked *want)
{
	static struct revoked_new v[REVOKED_NEW_MAX];
	struct message m = await(g->front, MESSAGE_REVOKED_NEW);
	struct err e = { 0 };
	size_t n;

	assert_code(revoked_new_read(m.body, v, &n, &e), ERR_OK, &e);
	assert_int_equal(n, 1);
	assert_memory_equal(v[0].serial, serial.ptr, sizeof v[0].serial);
	assert_int_equal(v[0].time_s, want->time_s);
	assert_int_equal(v[0].reason, want->reason);
}

/* Revoked over the channel: the answer, then the news of it and of a list, then the list in parts; and all of it again after a kill. */
static void gives_lists_out(void **state)
{
	struct ground *g = *state;
	CLEANUP(buf_free_p) struct buf whole = buf_new(CRL_SIZE_MAX);
	struct recipe r = recipe_now(g);
	struct revoked v;
	struct err e = { 0 };
	struct cert c;

	begin(g);
	say_hello(g, BYTES_LIT(""));
	struct bytes certificate = ask(g, &r);
	uint64_t before = g->list.number;
	struct revoke_recipe q = revoke_by_key(&g->w, certificate, g->w.leaf);
	tell(g->front, MESSAGE_REVOKE, ++g->id, revoke_body(&g->w, &q));
	struct message m = await(g->front, MESSAGE_REVOKE_OK);
	assert_int_equal(m.id, g->id);
	assert_code(revoked_read(m.body, &v, &e), ERR_OK, &e);
	assert_code(cert_parse(g->w.a, certificate, &c, &e), ERR_OK, &e);
	await_revoked(g, c.serial, &v);
	await_list(g);
	assert_true(g->list.number > before);
	tell(g->front, MESSAGE_REVOKE, ++g->id, revoke_body(&g->w, &q));
	await_refusal(g, ERR_ALREADY_REVOKED);
	await_revoked(g, c.serial, &v);
	for (int start = 0; start < 2; start++) {
		buf_reset(&whole);
		fetch(g, &whole);
		int64_t time_s;
		assert_true(list_has(buf_bytes(&whole), c.serial, &time_s, NULL));
		assert_int_equal(time_s, v.time_s);
		assert_non_null(strstr(status(g), "\"revoked\":1,"));
		assert_int_equal(kill(g->pid, SIGKILL), 0);
		assert_int_equal(await_exit(g), -SIGKILL);
		end(g);
		begin(g);
		before = g->list.number;
		say_hello(g, BYTES_LIT(""));
		assert_true(g->list.number > before);
		await_revoked(g, c.serial, &v);
	}
	tell(g->front, MESSAGE_CRL_GET, ++g->id, BYTES_LIT("nonsense"));
	await_refusal(g, ERR_MALFORMED);
	stop(g);
}

static void a_shorter_log_ends_it(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g);
	char base[80];

	snprintf(base, sizeof base, "%s.base", g->w.folder);
	copy_folder(g->w.folder, base);
	begin(g);
	say_hello(g, BYTES_LIT(""));
	(void)ask(g, &r);
	tell(g->parent, MESSAGE_STOP_SIGNER, 0, BYTES_LIT(""));
	struct bytes checkpoint = arena_copy(g->w.a, await(g->front, MESSAGE_CHECKPOINT).body);
	assert_int_equal(await_exit(g), 0);
	end(g);
	/* all of the folder is put back; only the front's store knows better */
	remove_folder(g->w.folder);
	copy_folder(base, g->w.folder);
	remove_folder(base);
	close(g->w.dir);
	g->w.dir = open(g->w.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	begin(g);
	tell(g->front, MESSAGE_HELLO, ++g->id, checkpoint);
	assert_int_equal(await_exit(g), EXIT_FAILURE);
}

static void a_start_that_fails_says_why(void **state)
{
	struct ground *g = *state;
	struct bytes detail;
	enum err_code code;
	struct err e = { 0 };

	assert_int_equal(unlink(world_path(&g->w, "issuers/main/" FILE_ISSUER_KEY)), 0);
	start_process(g);
	struct message m = await(g->parent, MESSAGE_SIGNER_FAILED);
	assert_code(problem_read(m.body, &code, &detail, &e), ERR_OK, &e);
	assert_int_equal(code, ERR_CONFIG);
	assert_non_null(strstr(arena_str(g->w.a, detail), FILE_ISSUER_KEY));
	assert_int_equal(await_exit(g), EXIT_FAILURE);
}

/* Without its parent it ends, and leaves a whole log. */
static void ends_with_its_parent(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g);

	begin(g);
	say_hello(g, BYTES_LIT(""));
	(void)ask(g, &r);
	channel_free(g->parent);
	g->parent = NULL;
	assert_int_equal(await_exit(g), 0);
	assert_int_equal(log_census(&g->w, r.order).certificates_of_order, 1);
}

/* --- operators --- */

/* A socket that the test listens on in the parent's place; the signer gets it. */
static struct sockaddr_un open_for_operators(struct ground *g)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof at;
	struct err e = { 0 };

	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* a name of the kernel's choice (unix(7), autobind) */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	memset(at.sun_path + (len - offsetof(struct sockaddr_un, sun_path)), 0,
	    sizeof at.sun_path - (len - offsetof(struct sockaddr_un, sun_path)));
	assert_code(channel_send_fd(g->parent, MESSAGE_LISTENER_OPERATORS, 0, BYTES_LIT(""), fd, &e), ERR_OK, &e);
	return at;
}

static int connect_operator(const struct sockaddr_un *at)
{
	struct timeval patience = { .tv_sec = WAIT_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(at->sun_path + 1));

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, len), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Everything up to the end of the connection. */
static const char *hear(struct ground *g, int fd)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(2u << 20);
	uint8_t part[4096];
	ssize_t n;

	while ((n = recv(fd, part, sizeof part, 0)) > 0)
		buf_add(&out, (struct bytes){ part, (size_t)n });
	assert_int_equal(n, 0);
	close(fd);
	return arena_str(g->w.a, buf_bytes(&out));
}

static const char *ask_operator(struct ground *g, const struct sockaddr_un *at, const char *line)
{
	int fd = connect_operator(at);

	say(fd, line);
	return hear(g, fd);
}

static void operators_are_served_beside_the_front(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g);
	int silent[OPERATORS_CLIENTS_MAX];

	begin(g);
	struct sockaddr_un at = open_for_operators(g);
	say_hello(g, BYTES_LIT(""));
	const char *made = ask_operator(g, &at, "{\"command\":\"eab-add\",\"label\":\"one\"}\n");
	assert_non_null(strstr(made, "\"key\":\""));
	assert_int_equal(made[strlen(made) - 1], '\n');
	const char *kid = strstr(made, "\"kid\":\"") + 7;
	assert_non_null(strstr(ask_operator(g, &at, "nonsense\n"), "{\"error\":"));
	for (size_t i = 0; i < OPERATORS_CLIENTS_MAX; i++) { /* all places are taken by people who say nothing */
		silent[i] = connect_operator(&at);
		say(silent[i], "{");
	}
	(void)ask(g, &r);
	say(silent[0], "\"command\":\"eab-li"); /* in three parts */
	(void)ask(g, &r);
	say(silent[0], "st\"}\n");
	assert_non_null(strstr(hear(g, silent[0]), "\"label\":\"one\""));
	for (size_t i = 1; i < OPERATORS_CLIENTS_MAX; i++)
		assert_string_equal(hear(g, silent[i]), ""); /* their time is over */
	char line[128];
	snprintf(line, sizeof line, "{\"command\":\"eab-revoke\",\"kid\":\"%.20s\"}\n", kid);
	assert_non_null(strstr(ask_operator(g, &at, line), "\"state\":\"revoked\""));
	stop(g);
	begin(g);
	at = open_for_operators(g);
	assert_non_null(strstr(ask_operator(g, &at, "{\"command\":\"eab-list\"}\n"), "\"state\":\"revoked\""));
	stop(g);
	assert_int_equal(log_census(&g->w, NULL).n[LOG_EAB], 2);
}

/* One who does not read its answers, and one who hangs up in the middle. */
static void deaf_operators_end_nothing(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g);

	begin(g);
	struct sockaddr_un at = open_for_operators(g);
	say_hello(g, BYTES_LIT(""));
	for (int i = 0; i < 20; i++) {
		int fd = connect_operator(&at);
		say(fd, i % 2 ? "{\"command\":\"eab-list\"}\n" : "{\"comm");
		close(fd);
	}
	(void)ask(g, &r);
	assert_non_null(strstr(ask_operator(g, &at, "{\"command\":\"eab-list\"}\n"), "\"keys\":[]"));
	stop(g);
}

/* --- blocked keys --- */

static void say_to_file(int fd, const char *text)
{
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void block(struct ground *g, const char *line)
{
	CLEANUP(close_p) int fd = memfd_create("blocked", MFD_CLOEXEC);
	struct err e = { 0 };

	say_to_file(fd, line);
	assert_code(channel_send_fd(g->parent, MESSAGE_BLOCKLIST_SIGNER, 0, BYTES_LIT(""), fd, &e), ERR_OK, &e);
}

static void blocked_keys_come_with_the_settings(void **state)
{
	struct ground *g = *state;
	struct recipe r = recipe_now(g), again = recipe_now(g);
	uint8_t digest[SHA256_SIZE];
	char line[HEX_LEN(SHA256_SIZE) + 1];

	sha256_one(key_spki(g->w.leaf), digest);
	hex_encode(BYTES_ARRAY(digest), line);
	begin(g);
	say_hello(g, BYTES_LIT(""));
	(void)ask(g, &r);
	block(g, line);
	(void)ask(g, &r); /* not in force yet */
	tell_settings(g);
	(void)await(g->parent, MESSAGE_SIGNER_READY);
	tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &again));
	await_refusal(g, ERR_BAD_CSR);
	block(g, "nonsense"); /* refused as a whole: what was in force stays so */
	tell_settings(g);
	(void)await(g->parent, MESSAGE_SIGNER_FAILED);
	(void)await(g->parent, MESSAGE_SIGNER_READY);
	tell(g->front, MESSAGE_ISSUE, ++g->id, recipe_body(&g->w, &again));
	await_refusal(g, ERR_BAD_CSR);
	tell_settings(g); /* without a file nothing is blocked */
	(void)await(g->parent, MESSAGE_SIGNER_READY);
	(void)ask(g, &again);
	stop(g);
}

#define GROUND(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUND(serves_and_stops),
		GROUND(survives_its_front),
		GROUND(serves_full_batches),
		GROUND(survives_being_killed),
		GROUND(gives_lists_out),
		GROUND(a_shorter_log_ends_it),
		GROUND(a_start_that_fails_says_why),
		GROUND(ends_with_its_parent),
		GROUND(operators_are_served_beside_the_front),
		GROUND(deaf_operators_end_nothing),
		GROUND(blocked_keys_come_with_the_settings),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
