/* http-01 against web servers on the loopback that do what an applicant's server may do, by mistake or on purpose. */
#include "server/validator/http01.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "server/validator/stub_http.h"
#include "server/validator/world.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN    WORLD_TOKEN
#define PATH     "/.well-known/acme-challenge/"
#define KEY_AUTH WORLD_KEY_AUTH
#define WAIT_MS  WORLD_WAIT_MS

struct fixture {
	struct world w;
	struct stub_http *http, *tls;
	/* what the server does */
	const char *status, *headers, *body, *raw;
	unsigned redirects_left;
	bool hang_first, hang_in_body, flood;
	char location[512];
	char request[8192]; /* the last one */
	struct world_control c;
};

static void flood_header(struct stub_http *s)
{
	stub_http_send(s, "HTTP/1.1 200 OK\r\n", 17);
	for (int i = 0; i < 1000; i++)
		stub_http_send(s, "X-Long: 0123456789012345678901234567890123456789\r\n", 50);
	stub_http_send(s, "\r\n", 2);
}

static void serve(struct stub_http *s, const char *request, void *ctx)
{
	struct fixture *f = ctx;
	char headers[700];

	(void)snprintf(f->request, sizeof f->request, "%s", request);
	if (f->hang_first) {
		stub_http_hang(s);
	} else if (f->hang_in_body) {
		stub_http_send(s, "HTTP/1.1 200 OK\r\nContent-Length: 87\r\n\r\nevaG", 43);
		stub_http_hang(s);
	} else if (f->flood) {
		flood_header(s);
	} else if (f->raw) {
		stub_http_send(s, f->raw, strlen(f->raw));
	} else if (f->redirects_left > 0) {
		f->redirects_left--;
		(void)snprintf(headers, sizeof headers, "Location: %s\r\n", f->location);
		stub_http_answer(s, "302 Found", headers, "moved");
	} else {
		stub_http_answer(s, f->status, f->headers, f->body);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->status = "200 OK";
	f->headers = "";
	f->body = KEY_AUTH;
	f->c.arena = arena_new(4096, 1u << 20);
	f->http = stub_http_start("127.0.0.1", 0, serve, f);
	f->tls = stub_http_start("127.0.0.1", 1, serve, f);
	assert_non_null(f->http);
	assert_non_null(f->tls);
	world_start(&f->w, stub_http_port(f->http), 20);
	f->w.policy->redirect_ports[0] = stub_http_port(f->tls);
	f->w.policy->n_redirect_ports = 1;
	stub_dns_address(f->w.dns, "host.test", "127.0.0.1");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_stop(&f->w);
	stub_http_stop(f->http);
	stub_http_stop(f->tls);
	arena_free(f->c.arena);
	free(f);
	return 0;
}

static struct identifier dns(const char *name)
{
	return (struct identifier){ .value = bytes_str(name) };
}

static enum err_code run_identifier(struct fixture *f, struct identifier id)
{
	return world_control(&f->w, &f->c, CHALLENGE_TYPE_HTTP_01, id);
}

static enum err_code run(struct fixture *f, const char *name)
{
	return run_identifier(f, dns(name));
}

static void start(struct fixture *f, const char *name, int deadline_ms)
{
	world_start_control(&f->w, &f->c, CHALLENGE_TYPE_HTTP_01, dns(name), deadline_ms);
}

#define has(f, text)                                                                           \
	do {                                                                                   \
		if (!strstr((f)->c.result.why.detail, (text)))                                 \
			fail_msg("\"%s\" is not in \"%s\"", (text), (f)->c.result.why.detail); \
	} while (0)

static void is_ok(struct fixture *f)
{
	if (run(f, "host.test") != ERR_OK)
		fail_msg("%s", f->c.result.why.detail);
}

static void the_key_authorization_is_control(void **state)
{
	struct fixture *f = *state;
	uint8_t seen[32];
	char host[64];

	setenv("http_proxy", "http://127.0.0.1:1", 1); /* nothing of the environment counts */
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	is_ok(f);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	sha256_one(BYTES_LIT(KEY_AUTH), seen);
	assert_memory_equal(f->c.result.seen, seen, 32);
	assert_true(f->c.result.relaxed_address);
	assert_int_equal(f->c.result.dnssec, DNSSEC_OFF);
	(void)snprintf(host, sizeof host, "Host: host.test:%u\r\n", stub_http_port(f->http));
	assert_non_null(strstr(f->request, "GET " PATH TOKEN " HTTP/1.1\r\n"));
	assert_non_null(strstr(f->request, host));
	assert_non_null(strstr(f->request, "User-Agent: chancery-ca validator\r\n"));
	assert_null(strcasestr(f->request, "cookie"));
	assert_null(strcasestr(f->request, "authorization"));
}

static void white_space_behind_it_is_ignored(void **state)
{
	struct fixture *f = *state;

	f->body = KEY_AUTH " \t\r\n\n";
	is_ok(f);
	f->body = "\n" KEY_AUTH;
	assert_int_equal(run(f, "host.test"), ERR_INCORRECT_RESPONSE);
}

static void other_answers_are_no_control(void **state)
{
	static const struct {
		const char *status, *body, *reason;
	} cases[] = {
		{ "404 Not Found", "<html>none</html>", "the answer was 404 Not Found, its beginning: \"<html>none</html>\"" },
		{ "500 Oops", "", "the answer was 500 Oops" },
		{ "206 Partial Content", KEY_AUTH, "the answer was 206" },
		{ "303 See Other", KEY_AUTH, "the answer was 303" },
		{ "401 Unauthorized", "no", "the answer was 401" },
		{ "200 OK", "", "the answer is empty" },
		{ "200 OK", " \n", "the answer is empty" },
		{ "200 OK", "<html>it works</html>", "is not the key authorization, its beginning: \"<html>it works</html>\"" },
		{ "200 OK", TOKEN, "is not the key authorization" },
		{ "200 OK", KEY_AUTH "x", "is not the key authorization" },
		{ "200 OK", TOKEN ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "another account's key" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		f->status = cases[i].status;
		f->body = cases[i].body;
		assert_int_equal(run(f, "host.test"), ERR_INCORRECT_RESPONSE);
		has(f, cases[i].reason);
		has(f, "http-01 at http://host.test:");
		has(f, "(127.0.0.1 port ");
	}
}

/* For an answer: it lives until the web server has ended, which may be at it still when the validator has read enough. */
static char *text_of(struct fixture *f, size_t n)
{
	char *text = arena_alloc(f->c.arena, n + 1);

	assert_non_null(text);
	text[n] = 0;
	return text;
}

static void no_more_than_a_hundred_characters_are_repeated(void **state)
{
	struct fixture *f = *state;
	const size_t n = 299;
	char *body = text_of(f, n);

	memset(body, 'x', n);
	memcpy(body, "a\nb\033[31m\"q\"", 11);
	f->body = body;
	assert_int_equal(run(f, "host.test"), ERR_INCORRECT_RESPONSE);
	has(f, "\"a b [31m'q'xxx");
	has(f, "xxx...\"");
	const char *x = strchr(f->c.result.why.detail, 'x');
	assert_true(strspn(x, "x") < 100);
}

static void large_answers_are_cut_off(void **state)
{
	struct fixture *f = *state;
	char *body = text_of(f, FETCH_BODY_MAX + 199);

	memset(body, ' ', FETCH_BODY_MAX + 199);
	memcpy(body, KEY_AUTH, strlen(KEY_AUTH));
	body[FETCH_BODY_MAX] = 0;
	f->body = body;
	is_ok(f); /* exactly at the limit */
	body[FETCH_BODY_MAX] = ' ';
	body[FETCH_BODY_MAX + 1] = 0;
	assert_int_equal(run(f, "host.test"), ERR_INCORRECT_RESPONSE);
	has(f, "more than 65536 bytes");
	f->status = "404 Not Found";
	assert_int_equal(run(f, "host.test"), ERR_INCORRECT_RESPONSE);
	has(f, "404 Not Found");
	f->flood = true;
	assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
	has(f, "header is too large");
}

static void what_is_no_http_is_told(void **state)
{
	static const char *const raws[] = { "SSH-2.0-OpenSSH_9.2\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 87\r\n\r\nevaG",
		"HTTP/9.9 200 OK\r\n\r\n" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof raws / sizeof *raws; i++) {
		f->raw = raws[i];
		assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
		has(f, "no usable answer: ");
	}
}

static void redirect_to(struct fixture *f, const char *location, unsigned times)
{
	(void)snprintf(f->location, sizeof f->location, "%s", location);
	f->redirects_left = times;
}

static void redirects_are_followed_with_names_looked_up_again(void **state)
{
	struct fixture *f = *state;
	char url[128];

	stub_dns_address(f->w.dns, "other.test", "127.0.0.1");
	(void)snprintf(url, sizeof url, "http://OTHER.test:%u/x/../y?q=1#fragment", stub_http_port(f->http));
	redirect_to(f, url, 1);
	is_ok(f);
	assert_int_equal(f->c.result.redirects, 1);
	assert_non_null(strstr(f->request, "GET /y?q=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(f->request, "Host: other.test:"));
	assert_true(stub_dns_asked(f->w.dns, "other.test", 1) > 0);
	redirect_to(f, "/relative", 1);
	is_ok(f);
	assert_non_null(strstr(f->request, "GET /relative HTTP/1.1\r\n"));
	redirect_to(f, "//other.test:1/", 0);
	(void)snprintf(f->location, sizeof f->location, "//other.test:%u/z", stub_http_port(f->http));
	f->redirects_left = 1;
	is_ok(f);
}

static void an_https_hop_needs_no_certificate(void **state)
{
	struct fixture *f = *state;
	char url[128];

	(void)snprintf(url, sizeof url, "https://host.test:%u/secure", stub_http_port(f->tls));
	redirect_to(f, url, 1);
	is_ok(f);
	assert_int_equal(stub_http_connections(f->tls), 1);
	(void)snprintf(url, sizeof url, "https://host.test:%u/secure", stub_http_port(f->http)); /* where no TLS is spoken */
	redirect_to(f, url, 1);
	assert_int_equal(run(f, "host.test"), ERR_TLS);
	has(f, "the TLS handshake failed");
	has(f, "https://host.test:");
}

static void ten_redirects_and_no_more(void **state)
{
	struct fixture *f = *state;

	redirect_to(f, "/again", 10);
	is_ok(f);
	assert_int_equal(f->c.result.redirects, 10);
	redirect_to(f, "/again", 11);
	assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
	has(f, "one more redirect after 10");
	unsigned before = stub_http_connections(f->http);
	redirect_to(f, PATH TOKEN, 1000); /* a loop */
	assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
	assert_int_equal(stub_http_connections(f->http) - before, 11);
}

static void redirects_that_lead_elsewhere_are_refused(void **state)
{
	static const struct {
		const char *location, *reason;
	} cases[] = {
		{ "ftp://host.test/x", "only http and https" },
		{ "gopher://host.test/x", "only http and https" },
		{ "file:///etc/passwd", "only http and https" },
		{ "javascript:alert(1)", "is not followed" },
		{ "http://host.test:22/", "its port is not one" },
		{ "https://host.test/", "its port is not one" }, /* 443 is not in this policy */
		{ "http://127.0.0.1:%u/", "its host must be a DNS name" },
		{ "http://127.1:%u/", "its host must be a DNS name" },
		{ "http://2130706433:%u/", "its host must be a DNS name" },
		{ "http://0x7f000001:%u/", "its host must be a DNS name" },
		{ "http://0x%61:%u/", "its host must be a DNS name" },
		{ "http://[::1]:%u/", "its host must be a DNS name" },
		{ "http://[::ffff:127.0.0.1]:%u/", "its host must be a DNS name" },
		{ "http://host.test.:%u/", "its host must be a DNS name" },
		{ "http://ho_st.test:%u/", "its host must be a DNS name" },
		{ "http://user@host.test:%u/", "it has a user name" },
		{ "http://user:pass@host.test:%u/", "it has a user name" },
		{ "http://*.test:%u/", "is not followed" },
		{ "http://h\xc3\xb6st.test:%u/", "is not followed" },
		{ "http://host.test:%u/a b", "it is no URL" },
		{ "http://host.test:99999/", "is not followed" },
		{ "http:///", "is not followed" },
		{ "http://inside.test:%u/", "10.1.2.3 is in 10.0.0.0/8" },
		{ "http://metadata.test:%u/", "169.254.169.254 is in 169.254.0.0/16" },
		{ "http://mapped.test:%u/", "::ffff:10.1.2.3 is in 10.0.0.0/8" },
		{ "http://nowhere.test:%u/", "NXDOMAIN for A and AAAA of nowhere.test" },
		{ "", "without a Location" },
	};
	struct fixture *f = *state;

	stub_dns_address(f->w.dns, "inside.test", "10.1.2.3");
	stub_dns_address(f->w.dns, "metadata.test", "169.254.169.254");
	stub_dns_address(f->w.dns, "mapped.test", "::ffff:10.1.2.3");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char url[256], number[8];
		const char *mark = strstr(cases[i].location, "%u");
		(void)snprintf(number, sizeof number, "%u", stub_http_port(f->http));
		(void)snprintf(url, sizeof url, "%.*s%s%s", mark ? (int)(mark - cases[i].location) : 200, cases[i].location,
		    mark ? number : "", mark ? mark + 2 : "");
		redirect_to(f, url, 1);
		unsigned before = stub_http_connections(f->http);
		enum err_code code = run(f, "host.test");
		if (code != ERR_CONNECTION && code != ERR_DNS)
			fail_msg("%s: %s %s", url, err_name(code), f->c.result.why.detail);
		has(f, cases[i].reason);
		assert_int_equal(stub_http_connections(f->http) - before, 1);
	}
}

static struct identifier ip(const char *text)
{
	return (struct identifier){ IDENTIFIER_IP, bytes_str(text), false };
}

/* RFC 8738 §4: the Host field has the address itself; nothing is resolved. */
static void addresses_are_fetched_from_by_their_own(void **state)
{
	struct fixture *f = *state;
	struct stub_http *v6 = stub_http_start("::1", 0, serve, f);
	char host[64];

	assert_int_equal(run_identifier(f, ip("127.0.0.1")), ERR_OK);
	(void)snprintf(host, sizeof host, "Host: 127.0.0.1:%u\r\n", stub_http_port(f->http));
	assert_non_null(strstr(f->request, host));
	assert_int_equal(f->c.result.dnssec, DNSSEC_OFF);
	assert_true(f->c.result.relaxed_address);
	f->status = "404 Not Found";
	assert_int_equal(run_identifier(f, ip("127.0.0.1")), ERR_INCORRECT_RESPONSE);
	has(f, "http-01 at http://127.0.0.1:");
	f->status = "200 OK";
	assert_int_equal(stub_dns_asked(f->w.dns, "127.0.0.1", 0), 0);
	if (!v6)
		skip();
	f->w.policy->http_port = stub_http_port(v6);
	assert_int_equal(run_identifier(f, ip("::1")), ERR_OK);
	(void)snprintf(host, sizeof host, "Host: [::1]:%u\r\n", stub_http_port(v6));
	assert_non_null(strstr(f->request, host));
	stub_http_stop(v6);
}

static void an_address_redirects_to_itself_or_to_names(void **state)
{
	static const struct {
		const char *location;
		enum err_code code;
		const char *reason;
	} cases[] = {
		{ "/relative", ERR_OK, "" },
		{ "http://127.0.0.1:%u/", ERR_OK, "" },
		{ "http://127.1:%u/", ERR_OK, "" }, /* curl reads it as the same */
		{ "http://host.test:%u/", ERR_OK, "" },
		{ "http://127.0.0.2:%u/", ERR_CONNECTION, "its host must be a DNS name, or the validated address" },
		{ "http://[::ffff:127.0.0.1]:%u/", ERR_CONNECTION, "or the validated address" },
		{ "http://[::1]:%u/", ERR_CONNECTION, "or the validated address" },
		{ "http://127.0.0.1:22/", ERR_CONNECTION, "its port is not one" },
		{ "http://user@127.0.0.1:%u/", ERR_CONNECTION, "it has a user name" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char url[128];
		const char *mark = strstr(cases[i].location, "%u");
		if (mark)
			(void)snprintf(
			    url, sizeof url, "%.*s%u/", (int)(mark - cases[i].location), cases[i].location, stub_http_port(f->http));
		redirect_to(f, mark ? url : cases[i].location, 1);
		if (run_identifier(f, ip("127.0.0.1")) != cases[i].code || !strstr(f->c.result.why.detail, cases[i].reason))
			fail_msg("%s: %s", cases[i].location, f->c.result.why.detail);
	}
}

static void special_addresses_are_no_identifiers(void **state)
{
	static const char *const texts[] = { "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "64:ff9b::a00:1", "2002:a00:1::1",
		"fd00::1" };
	struct fixture *f = *state;

	f->w.policy->addresses.n_allowed = 0;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_int_equal(run_identifier(f, ip(texts[i])), ERR_REJECTED_IDENTIFIER);
		has(f, "this CA does not connect to ");
	}
	assert_int_equal(stub_http_connections(f->http), 0);
}

static void redirects_must_say_one_thing(void **state)
{
	struct fixture *f = *state;

	f->status = "301 Moved Permanently";
	assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
	has(f, "redirect (301) without a Location");
	f->headers = "Location: /a\r\nlocation: /b\r\n";
	assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
	has(f, "several Locations");
	char *headers = text_of(f, 3999);
	memset(headers, 'a', 3999);
	memcpy(headers, "Location: /", 11);
	memcpy(headers + 3990, "\r\n", 3);
	f->headers = headers;
	assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
	has(f, "more than 2048 characters");
}

/* An interim answer's Location is not the answer's. */
static void interim_answers_say_nothing(void **state)
{
	struct fixture *f = *state;

	f->raw = "HTTP/1.1 103 Early Hints\r\nLocation: ftp://x/\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 87\r\n\r\n" KEY_AUTH;
	is_ok(f);
}

static void the_other_family_is_tried_once(void **state)
{
	struct fixture *f = *state;

	stub_dns_address(f->w.dns, "both.test", "::1"); /* nothing listens there */
	stub_dns_address(f->w.dns, "both.test", "127.0.0.1");
	if (run(f, "both.test") != ERR_OK)
		fail_msg("%s", f->c.result.why.detail);
	f->status = "404 Not Found"; /* an answer is an answer: no second try */
	unsigned before = stub_http_connections(f->http);
	assert_int_equal(run(f, "both.test"), ERR_INCORRECT_RESPONSE);
	assert_int_equal(stub_http_connections(f->http) - before, 1);
	f->w.policy->http_port = stub_free_port();
	assert_int_equal(run(f, "both.test"), ERR_CONNECTION);
	has(f, "127.0.0.1 port");
	has(f, "cannot connect: Connection refused");
	has(f, "(and to ::1: ");
	assert_int_equal(run(f, "host.test"), ERR_CONNECTION);
	has(f, "Connection refused");
}

static void ipv6_is_preferred(void **state)
{
	struct fixture *f = *state;
	struct stub_http *v6 = stub_http_start("::1", 0, serve, f);

	if (!v6)
		skip();
	stub_dns_address(f->w.dns, "both.test", "::1");
	stub_dns_address(f->w.dns, "both.test", "127.0.0.1");
	f->w.policy->http_port = stub_http_port(v6);
	assert_int_equal(run(f, "both.test"), ERR_OK);
	assert_int_equal(stub_http_connections(v6), 1);
	stub_http_stop(v6);
}

static void special_addresses_are_never_connected_to(void **state)
{
	struct fixture *f = *state;

	f->w.policy->addresses.n_allowed = 0;
	assert_int_equal(run(f, "host.test"), ERR_REJECTED_IDENTIFIER);
	has(f, "127.0.0.1 is in 127.0.0.0/8, loopback");
	assert_int_equal(stub_http_connections(f->http), 0);
	stub_dns_address(f->w.dns, "mixed.test", "10.0.0.1");
	stub_dns_address(f->w.dns, "mixed.test", "127.0.0.1");
	f->w.policy->addresses.n_allowed = 2;
	assert_int_equal(run(f, "mixed.test"), ERR_OK); /* the one that may be is taken */
}

static void dns_failures_are_told(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "none.test"), ERR_DNS);
	has(f, "NXDOMAIN for A and AAAA of none.test");
	stub_dns_caa(f->w.dns, "empty.test", 0, "issue", "ca.example");
	assert_int_equal(run(f, "empty.test"), ERR_DNS);
	has(f, "empty.test has no A and no AAAA record");
	stub_dns_behave(f->w.dns, "fail.test", 1, STUB_SERVFAIL);
	stub_dns_behave(f->w.dns, "fail.test", 28, STUB_SERVFAIL);
	assert_int_equal(run(f, "fail.test"), ERR_DNS);
	has(f, "SERVFAIL for A of fail.test");
	stub_dns_behave(f->w.dns, "half.test", 28, STUB_SERVFAIL);
	stub_dns_address(f->w.dns, "half.test", "127.0.0.1");
	assert_int_equal(run(f, "half.test"), ERR_OK);
}

static void late(struct fixture *f, const char *name, enum err_code code, const char *reason)
{
	start(f, name, 600);
	assert_false(world_run(&f->w, &f->c.done, 600));
	f->c.result.why = (struct err){ 0 };
	method_HTTP_01.late(f->c.method, &f->c.result.why);
	method_HTTP_01.cancel(f->c.method);
	assert_int_equal(f->c.result.why.code, code);
	has(f, reason);
}

static void one_that_takes_too_long_tells_where_it_stands(void **state)
{
	struct fixture *f = *state;

	f->hang_first = true;
	late(f, "host.test", ERR_CONNECTION, ": the answer takes too long");
	f->hang_first = false;
	f->hang_in_body = true;
	late(f, "host.test", ERR_CONNECTION, "the rest of the answer takes too long");
	stub_dns_behave(f->w.dns, "silent.test", 1, STUB_SILENT);
	late(f, "silent.test", ERR_DNS, "A and AAAA of silent.test take too long");
}

/* A listener that accepts nobody: the kernel connects, and then nothing comes. */
static void a_tls_handshake_that_hangs_is_told(void **state)
{
	struct fixture *f = *state;
	uint16_t port = 0;
	int listener = stub_listen("127.0.0.1", &port);
	char url[64];

	assert_true(listener >= 0);
	f->w.policy->redirect_ports[0] = port;
	(void)snprintf(url, sizeof url, "https://host.test:%u/", port);
	redirect_to(f, url, 1);
	start(f, "host.test", WAIT_MS);
	assert_false(world_run(&f->w, &f->c.done, 300));
	method_HTTP_01.late(f->c.method, &f->c.result.why);
	method_HTTP_01.cancel(f->c.method);
	assert_int_equal(f->c.result.why.code, ERR_TLS);
	has(f, "the TLS handshake takes too long");
	redirect_to(f, url, 1);
	start(f, "host.test", 500); /* curl's own limit */
	assert_true(world_run(&f->w, &f->c.done, 2000));
	assert_int_equal(f->c.result.why.code, ERR_TLS);
	has(f, "the TLS handshake failed: no answer in time");
	close(listener);
}

#define CROWD 8

/* A listener whose queue is full takes no more connections: the kernel says nothing to those who knock. */
static int make_deaf(uint16_t port, int crowd[CROWD])
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 0) != 0) {
		close_p(&fd);
		return -1;
	}
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(crowd[i], (struct sockaddr *)&at, sizeof at);
	}
	return fd;
}

static void a_silent_address_gives_way_to_the_next(void **state)
{
	struct fixture *f = *state;
	int crowd[CROWD], deaf = make_deaf(stub_http_port(f->http), crowd);

	if (deaf < 0)
		skip();
	stub_dns_address(f->w.dns, "slow.test", "::1");
	stub_dns_address(f->w.dns, "slow.test", "127.0.0.1");
	start(f, "slow.test", 1000); /* half of it for the first */
	int64_t begin_ms = clock_monotonic_ms();
	assert_true(world_run(&f->w, &f->c.done, 2000));
	if (f->c.result.why.code != ERR_OK)
		fail_msg("%s", f->c.result.why.detail);
	assert_true(clock_monotonic_ms() - begin_ms > 300);
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	close(deaf);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_key_authorization_is_control),
		T(white_space_behind_it_is_ignored),
		T(other_answers_are_no_control),
		T(no_more_than_a_hundred_characters_are_repeated),
		T(large_answers_are_cut_off),
		T(what_is_no_http_is_told),
		T(redirects_are_followed_with_names_looked_up_again),
		T(an_https_hop_needs_no_certificate),
		T(ten_redirects_and_no_more),
		T(redirects_that_lead_elsewhere_are_refused),
		T(addresses_are_fetched_from_by_their_own),
		T(an_address_redirects_to_itself_or_to_names),
		T(special_addresses_are_no_identifiers),
		T(redirects_must_say_one_thing),
		T(interim_answers_say_nothing),
		T(the_other_family_is_tried_once),
		T(ipv6_is_preferred),
		T(special_addresses_are_never_connected_to),
		T(dns_failures_are_told),
		T(one_that_takes_too_long_tells_where_it_stands),
		T(a_tls_handshake_that_hangs_is_told),
		T(a_silent_address_gives_way_to_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
