#include <chancery/chancery.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A server that takes connections and says nothing, ever: what is begun goes on until somebody ends it. (Whole orders, event-driven, are the black-box tests'.) */
struct world {
	int listener;
	struct chancery_client *client;
	struct chancery_key *key;
	const char *name;
	int told, later;
	uintptr_t callback_stack;
	enum chancery_result nested;
	bool cancel;
};

static int64_t now_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int told(void *context, enum chancery_step step, const char *text)
{
	struct world *w = context;

	(void)step;
	(void)text;
	w->callback_stack = (uintptr_t)__builtin_frame_address(0);
	w->told++;
	w->nested = chancery_client_step(w->client);
	if (w->cancel)
		chancery_client_cancel(w->client);
	return w->later ? CHANCERY_LATER : 0;
}

static int set_up(void **state)
{
	static struct world w;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof at;
	char url[64];

	w = (struct world){ .name = "a.example.org" };
	w.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(w.listener, (const struct sockaddr *)&at, len) != 0 || listen(w.listener, 8) != 0 ||
	    getsockname(w.listener, (struct sockaddr *)&at, &len) != 0)
		return -1;
	(void)snprintf(url, sizeof url, "https://127.0.0.1:%u/directory", ntohs(at.sin_port));
	w.client = chancery_client_new(url);
	assert_int_equal(chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &w.key), CHANCERY_OK);
	assert_int_equal(chancery_client_set_account_key(w.client, w.key), CHANCERY_OK);
	assert_int_equal(chancery_client_use_stateless(w.client), CHANCERY_OK);
	assert_int_equal(chancery_client_set_progress(w.client, told, &w), CHANCERY_OK);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	chancery_client_free(w->client);
	chancery_key_free(w->key);
	(void)close(w->listener);
	return 0;
}

static void begin(struct world *w)
{
	assert_int_equal(chancery_client_begin_issue(w->client, &w->name, 1, w->key), CHANCERY_OK);
}

static bool readable(struct world *w, int timeout_ms)
{
	struct pollfd p = { .fd = chancery_client_fd(w->client), .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* As a program would: only when the descriptor says so. */
static enum chancery_result go_on(struct world *w, int for_ms)
{
	int64_t end = now_ms() + for_ms;
	enum chancery_result rc = CHANCERY_PENDING;

	while (rc == CHANCERY_PENDING && now_ms() < end)
		if (readable(w, (int)(end - now_ms())))
			rc = chancery_client_step(w->client);
	return rc;
}

static void assert_says(struct world *w, const char *text)
{
	const char *message = chancery_error_message(chancery_client_error(w->client));

	if (!strstr(message, text))
		fail_msg("\"%s\" does not say \"%s\"", message, text);
}

static void it_ends_with_its_deadline(void **state)
{
	struct world *w = *state;
	int64_t begun = now_ms();

	assert_int_equal(chancery_client_set_timeout(w->client, 1), CHANCERY_OK);
	assert_false(readable(w, 0));
	begin(w);
	assert_true(readable(w, 0));
	assert_int_equal(go_on(w, 5000), CHANCERY_TIMEOUT);
	assert_in_range(now_ms() - begun, 900, 3000);
	assert_false(readable(w, 50));
	/* And another on the same handle */
	int fd = chancery_client_fd(w->client);
	begin(w);
	assert_int_equal(chancery_client_fd(w->client), fd);
	assert_int_equal(go_on(w, 5000), CHANCERY_TIMEOUT);
}

static void a_step_does_not_wait(void **state)
{
	struct world *w = *state;

	begin(w);
	int64_t begun = now_ms();
	for (int i = 0; i < 200; i++)
		assert_int_equal(chancery_client_step(w->client), CHANCERY_PENDING);
	assert_in_range(now_ms() - begun, 0, 1500);
	assert_int_equal(go_on(w, 100), CHANCERY_PENDING);
	assert_int_equal(w->told, 1);
}

static void callbacks_are_on_the_callers_stack(void **state)
{
	struct world *w = *state;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	begin(w);
	assert_int_equal(chancery_client_step(w->client), CHANCERY_PENDING);
	assert_true(w->callback_stack > here - 65536 && w->callback_stack < here + 65536);
	assert_int_equal(w->nested, CHANCERY_USAGE);
}

static void cancelled_it_is_over_at_once(void **state)
{
	struct world *w = *state;

	begin(w);
	chancery_client_cancel(w->client); /* before the first step */
	assert_int_equal(w->told, 0);
	assert_says(w, "cancelled");
	assert_int_equal(chancery_error_result(chancery_client_error(w->client)), CHANCERY_CALLBACK);
	begin(w);
	assert_int_equal(go_on(w, 100), CHANCERY_PENDING);
	int64_t begun = now_ms();
	chancery_client_cancel(w->client);
	assert_in_range(now_ms() - begun, 0, 500);
	assert_says(w, "cancelled");
	assert_int_equal(chancery_client_step(w->client), CHANCERY_USAGE);
	chancery_client_cancel(w->client); /* nothing goes on */
	w->cancel = true;
	begin(w);
	assert_int_equal(go_on(w, 1000), CHANCERY_CALLBACK);
	assert_says(w, "cancelled");
}

static void freed_while_it_goes_on(void **state)
{
	struct world *w = *state;

	begin(w);
	assert_int_equal(go_on(w, 100), CHANCERY_PENDING); /* the rest is tear_down()'s */
}

static void what_is_not_allowed_meanwhile(void **state)
{
	struct world *w = *state;
	struct chancery_certificate *certificate = NULL;
	struct chancery_renewal renewal;
	const char *url;

	begin(w);
	assert_int_equal(chancery_client_step(w->client), CHANCERY_PENDING);
	const enum chancery_result refused[] = {
		chancery_client_begin_issue(w->client, &w->name, 1, w->key),
		chancery_client_begin_open_account(w->client),
		chancery_client_issue(w->client, &w->name, 1, w->key, &certificate),
		chancery_client_open_account(w->client, &url),
		chancery_client_take_certificate(w->client, &certificate),
		chancery_client_take_renewal(w->client, &renewal),
		chancery_client_set_account_key(w->client, w->key),
		chancery_client_add_contact(w->client, "mailto:a@example.org"),
		chancery_client_set_only_existing(w->client, 1),
		chancery_client_set_terms_agreed(w->client, 1),
		chancery_client_set_external_account(w->client, NULL, NULL),
		chancery_client_set_ca_file(w->client, NULL),
		chancery_client_set_ca_pem(w->client, NULL),
		chancery_client_set_timeout(w->client, 5),
		chancery_client_set_user_agent(w->client, "a/1"),
		chancery_client_set_ready(w->client, NULL, NULL),
		chancery_client_use_stateless(w->client),
		chancery_client_use_listener(w->client, NULL, 80),
		chancery_client_set_profile(w->client, "a"),
		chancery_client_set_replaces(w->client, NULL),
		chancery_client_set_preferred_chain(w->client, NULL),
		chancery_client_set_must_staple(w->client, 1),
		chancery_client_set_before_order(w->client, NULL, NULL),
		chancery_client_set_order_callback(w->client, NULL, NULL),
		chancery_client_set_resume(w->client, NULL),
		chancery_client_set_progress(w->client, NULL, NULL),
	};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (refused[i] != CHANCERY_USAGE)
			fail_msg("call %zu was let through", i);
	assert_says(w, "not over yet");
	assert_int_equal(chancery_client_resolve(w->client, 0), CHANCERY_USAGE);
	assert_says(w, "nothing waits for");
	/* And it goes on as if nothing had been said. */
	assert_int_equal(go_on(w, 100), CHANCERY_PENDING);
	assert_int_equal(chancery_error_result(chancery_client_error(w->client)), CHANCERY_OK);
}

static void what_is_not_allowed_before(void **state)
{
	struct world *w = *state;
	struct chancery_certificate *certificate = NULL;
	struct chancery_renewal renewal;
	const char *none = NULL;

	assert_int_equal(chancery_client_step(w->client), CHANCERY_USAGE);
	assert_int_equal(chancery_client_resolve(w->client, 0), CHANCERY_USAGE);
	assert_int_equal(chancery_client_take_certificate(w->client, &certificate), CHANCERY_USAGE);
	assert_int_equal(chancery_client_take_renewal(w->client, &renewal), CHANCERY_USAGE);
	assert_int_equal(chancery_client_begin_issue(w->client, &none, 1, w->key), CHANCERY_USAGE);
	assert_int_equal(chancery_client_begin_issue(w->client, &w->name, 1, NULL), CHANCERY_USAGE);
	assert_int_equal(chancery_client_begin_issue_csr(w->client, NULL), CHANCERY_USAGE);
	assert_int_equal(chancery_client_begin_renewal(w->client, NULL), CHANCERY_USAGE);
	assert_int_equal(chancery_client_begin_revoke(w->client, NULL, CHANCERY_UNSPECIFIED, NULL), CHANCERY_USAGE);
	assert_int_equal(chancery_client_begin_change_account_key(w->client, NULL), CHANCERY_USAGE);
	chancery_client_cancel(w->client);
}

static void later_is_not_for_what_is_only_told(void **state)
{
	struct world *w = *state;

	w->later = 1;
	begin(w);
	assert_int_equal(go_on(w, 1000), CHANCERY_CALLBACK);
	assert_says(w, "stopped as asked");
}

static void names_are_copied_and_judged(void **state)
{
	struct world *w = *state;
	char name[] = "no name at all";
	const char *names[] = { name };

	assert_int_equal(chancery_client_begin_issue(w->client, names, 1, w->key), CHANCERY_OK);
	memset(name, 'x', sizeof name - 1);
	names[0] = NULL;
	assert_int_equal(go_on(w, 1000), CHANCERY_USAGE);
	assert_says(w, "no name at all");
	assert_int_equal(chancery_client_begin_issue(w->client, names, 0, w->key), CHANCERY_OK);
	assert_int_equal(go_on(w, 1000), CHANCERY_USAGE);
	assert_says(w, "1 to 100 names");
}

static void nobody_there(void **state)
{
	struct world *w = *state;

	(void)close(w->listener);
	w->listener = -1;
	begin(w);
	assert_int_equal(go_on(w, 5000), CHANCERY_NETWORK);
	assert_int_equal(chancery_error_fault(chancery_client_error(w->client)), CHANCERY_FAULT_NETWORK);
}

/* The handle is as it was, and works as soon as there is one again. */
static void no_descriptor_is_left(void **state)
{
	struct world *w = *state;
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)w->listener + 1, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int fd = chancery_client_fd(w->client);
	enum chancery_result rc = chancery_client_begin_issue(w->client, &w->name, 1, w->key);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(rc, CHANCERY_SYSTEM);
	assert_int_equal(chancery_error_fault(chancery_client_error(w->client)), CHANCERY_FAULT_MACHINE);
	assert_says(w, "no descriptor");
	begin(w);
	assert_int_equal(go_on(w, 100), CHANCERY_PENDING);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_ends_with_its_deadline),
		TEST(a_step_does_not_wait),
		TEST(callbacks_are_on_the_callers_stack),
		TEST(cancelled_it_is_over_at_once),
		TEST(freed_while_it_goes_on),
		TEST(what_is_not_allowed_meanwhile),
		TEST(what_is_not_allowed_before),
		TEST(later_is_not_for_what_is_only_told),
		TEST(names_are_copied_and_judged),
		TEST(nobody_there),
		TEST(no_descriptor_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
