/* Validations as they are, played scenarios to: which questions they ask of whom, how long they wait, what they make of lies, and what they then say. */
#include "server/validator/replay_testing.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"
#include "crypto/digest.h"
#include "jose/jwk.h"
#include "server/validator/validation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START_MS  INT64_C(1795593600000) /* Wed, 25 Nov 2026 08:00:00 GMT */
#define LIST_MAX  8
#define STEPS_MAX 2000

static const uint8_t thumbprint[32] = { 7 };
static struct suffixes *suffixes; /* read once */

/* One validation. */
struct replay {
	struct replay_world w;
	struct identity identity;
	struct settings settings;
	struct bytes ports[LIST_MAX], ranges[LIST_MAX];
	struct validate request;
	enum validation_parts parts;
	bool done;
	enum err_code code;
	const char *detail;
	unsigned redirects;
	struct bytes control, caa;
};

static int64_t played_wall_ms(void)
{
	return START_MS + replay_world->now_ms;
}

static int64_t played_monotonic_ms(void)
{
	return replay_world->now_ms;
}

/* --- settings --- */

static void set_name(struct replay *r, const char *v)
{
	struct bytes name = bytes_str(v);
	bool address = v[strspn(v, "0123456789.")] == 0 || strchr(v, ':');

	r->request.identifier.type = address ? IDENTIFIER_IP : IDENTIFIER_DNS;
	r->request.identifier.wildcard = bytes_starts_with(name, BYTES_LIT("*."));
	r->request.identifier.value = r->request.identifier.wildcard ? bytes_slice(name, 2, name.len) : name;
}

static void set_method(struct replay *r, const char *v)
{
	assert_true(challenge_type_from_name(bytes_str(v), &r->request.method));
}

static void set_account(struct replay *r, const char *v)
{
	r->request.account_url = bytes_str(v);
}

static void set_deadline(struct replay *r, const char *v)
{
	r->settings.validation_deadline = (uint32_t)strtoul(v, NULL, 10);
}

static void set_dnssec(struct replay *r, const char *v)
{
	r->w.dnssec = strcmp(v, "on") == 0;
}

static void set_only(struct replay *r, const char *v)
{
	r->parts = strcmp(v, "caa") == 0 ? VALIDATION_CAA_ALONE : VALIDATION_WHOLE;
}

static size_t read_list(struct replay *r, const char *v, struct bytes *to)
{
	char word[64];
	size_t n = 0;

	for (int len = 0; n < LIST_MAX && sscanf(v, "%63s%n", word, &len) == 1; v += len)
		to[n++] = bytes_str(arena_str(r->w.a, bytes_str(word)));
	return n;
}

static void set_ports(struct replay *r, const char *v)
{
	r->settings.redirect_ports.v = r->ports;
	r->settings.redirect_ports.n = read_list(r, v, r->ports);
}

static void set_allowed(struct replay *r, const char *v)
{
	r->settings.allow_addresses.v = r->ranges;
	r->settings.allow_addresses.n = read_list(r, v, r->ranges);
}

static const struct {
	const char *keyword;
	void (*set)(struct replay *r, const char *v);
} settings[] = { { "name", set_name }, { "method", set_method }, { "account", set_account }, { "deadline", set_deadline },
	{ "dnssec", set_dnssec }, { "only", set_only }, { "redirect-ports", set_ports }, { "allow", set_allowed } };

static void read_settings(struct replay *r)
{
	for (bool found = true; found;) {
		found = false;
		for (size_t i = 0; !found && i < sizeof settings / sizeof *settings; i++) {
			const char *v = script_next(&r->w.p, settings[i].keyword);
			found = v != NULL;
			if (found) {
				settings[i].set(r, v);
				r->w.p.at++;
			}
		}
	}
}

/* --- the validation --- */

static void on_done(void *ctx, const struct validation_result *result)
{
	struct replay *r = ctx;

	r->done = true;
	r->code = result->validated.code;
	r->detail = arena_str(r->w.a, result->validated.detail);
	r->redirects = result->redirects;
	r->control = arena_copy(r->w.a, result->validated.control);
	r->caa = arena_copy(r->w.a, result->validated.caa);
}

static void mint(struct replay *r)
{
	CLEANUP(buf_free_p) struct buf authorization = buf_new(256);
	char token[44], digest_text[BASE64URL_LEN(SHA256_SIZE) + 1];
	uint8_t digest[SHA256_SIZE];

	identity_make(&r->identity);
	token_mint(BYTES_ARRAY(r->identity.receipt_key), clock_wall_ms(), token);
	r->request.token = bytes_str(arena_str(r->w.a, bytes_str(token)));
	memcpy(r->request.thumbprint, thumbprint, sizeof thumbprint);
	key_authorization(r->request.token, thumbprint, &authorization);
	sha256_one(buf_bytes(&authorization), digest);
	base64url_encode(BYTES_ARRAY(digest), digest_text);
	r->w.digest = arena_copy(r->w.a, BYTES_ARRAY(digest));
	r->w.words[0] = (struct replay_words){ arena_copy(r->w.a, buf_bytes(&authorization)), BYTES_LIT("KEY-AUTHORIZATION") };
	r->w.words[1] = (struct replay_words){ r->request.token, BYTES_LIT("TOKEN") };
	r->w.words[2] = (struct replay_words){ bytes_str(arena_str(r->w.a, bytes_str(digest_text))), BYTES_LIT("DIGEST") };
}

static void validate(struct replay *r)
{
	CLEANUP(policy_release_p) struct policy *policy = NULL;
	struct validation *v = NULL;
	struct err e = { 0 };
	unsigned steps = 0;

	assert_int_equal(policy_new(NULL, suffixes, &r->settings, &policy, &e), ERR_OK);
	const struct validation_env env = { .policy = policy, .identity = &r->identity };
	if (validation_start(&env, &r->request, r->parts, on_done, r, &v, &e) != ERR_OK) {
		r->done = true;
		r->code = e.code;
		r->detail = arena_str(r->w.a, bytes_str(e.detail));
	}
	while (!r->done && !r->w.p.fault[0] && replay_step())
		assert_true(++steps < STEPS_MAX);
	if (!r->done) {
		script_differs(&r->w.p, "it has no end");
		validation_cancel(v);
	}
}

/* --- what came of it --- */

static const char *dnssec_name(enum dnssec_status s)
{
	return s == DNSSEC_SECURE ? "secure" : s == DNSSEC_INSECURE ? "insecure" : "off";
}

/* "control secure [relaxed]" */
static void check_control(struct replay *r)
{
	struct receipt c;

	if (receipt_read(r->control, BYTES_ARRAY(r->identity.receipt_key), &c, NULL) != ERR_OK) {
		script_differs(&r->w.p, "there is no receipt of control");
		return;
	}
	assert_true(bytes_eq(c.token, r->request.token) && c.method == r->request.method && c.time_ms == played_wall_ms());
	assert_int_equal(c.scope, r->request.identifier.wildcard ? SCOPE_WILDCARD : SCOPE_EXACT);
	script_expect(&r->w.p, "control %s%s", dnssec_name(c.dnssec), c.relaxed_address ? " relaxed" : "");
}

/* "caa at NAME for TTL s secure", "caa nowhere secure" */
static void check_caa(struct replay *r)
{
	struct receipt c;

	if (receipt_read(r->caa, BYTES_ARRAY(r->identity.receipt_key), &c, NULL) != ERR_OK)
		script_differs(&r->w.p, "there is no receipt of CAA");
	else if (c.outcome == CAA_NO_RECORDS)
		script_expect(&r->w.p, "caa nowhere %s", dnssec_name(c.dnssec));
	else
		script_expect(&r->w.p, "caa at %.*s for %u s %s", BYTES_FMT(c.node), c.ttl_s, dnssec_name(c.dnssec));
}

static void check_line(struct replay *r)
{
	const char *v;

	if ((v = script_next(&r->w.p, "detail")) != NULL) {
		const char *told = replay_told(r->detail);
		if (!strstr(told, v))
			script_differs(&r->w.p, "it says \"%s\"", told);
		r->w.p.at++;
	} else if ((v = script_next(&r->w.p, "after")) != NULL) {
		if (script_ms(v) != r->w.now_ms)
			script_differs(&r->w.p, "it took %lld ms", (long long)r->w.now_ms);
		r->w.p.at++;
	} else if (script_next(&r->w.p, "redirects")) {
		script_expect(&r->w.p, "redirects %u", r->redirects);
	} else if (script_next(&r->w.p, "control")) {
		check_control(r);
	} else if (script_next(&r->w.p, "caa")) {
		check_caa(r);
	} else {
		script_differs(&r->w.p, "nothing is known of such a line");
	}
}

static void check(struct replay *r)
{
	if (r->code != ERR_OK && !script_next(&r->w.p, "result"))
		script_differs(&r->w.p, "it ends with %s: %s", err_name(r->code), replay_told(r->detail));
	script_expect(&r->w.p, "result %s", r->code == ERR_OK ? "ok" : err_name(r->code));
	/* Receipts are made when it is well, and then alone. */
	assert_true(r->code == ERR_OK || (r->control.len == 0 && r->caa.len == 0));
	while (r->w.p.at < r->w.p.script->n && !r->w.p.fault[0])
		check_line(r);
	assert_int_equal(replay_left(), 0);
}

/* --- a whole scenario --- */

static const char *play(struct arena *a, const struct script *s)
{
	struct replay *r = arena_new_obj(a, struct replay);
	struct seam seam_played = seam_libc;

	seam_played.wall_ms = played_wall_ms;
	seam_played.monotonic_ms = played_monotonic_ms;
	*r = (struct replay){ .w = { .a = a, .p = { .script = s }, .dnssec = true },
		.settings = { .caa_identity = BYTES_LIT("ca.example"), .http_port = 80, .tls_port = 443, .validation_deadline = 20 },
		.request = { .account_url = BYTES_LIT("https://ca.example/account/1") } };
	replay_world = &r->w;
	set_ports(r, "80 443");
	seam = &seam_played;
	read_settings(r);
	mint(r);
	validate(r);
	if (!r->w.p.fault[0])
		check(r);
	seam = &seam_libc;
	replay_world = NULL;
	return r->w.p.fault[0] ? arena_str(a, bytes_str(r->w.p.fault)) : NULL;
}

/* --- the tests --- */

static const char *const expects[] = { "?", ">", "result", "detail", "after", "redirects", "control", "caa", NULL };

static bool says_alone(const char *line)
{
	return *line == '?' || *line == '>' || script_after(line, "result");
}

static const struct script_game game = { .folder = SCENARIOS, .expects = expects, .says_alone = says_alone, .play = play };

static void validations_go_as_the_scenarios_say(void **state)
{
	(void)state;
	assert_in_range(script_play_each(&game), 40, 10000);
}

static void each_line_of_a_scenario_counts(void **state)
{
	(void)state;
	assert_in_range(script_spoil_each(&game), 300, 100000);
}

static int set_up(void **state)
{
	(void)state;
	crypto_init();
	return suffixes_open(&suffixes, NULL) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	suffixes_free(suffixes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validations_go_as_the_scenarios_say),
		cmocka_unit_test(each_line_of_a_scenario_counts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
