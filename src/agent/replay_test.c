/* Renewals as they are, run after run, played scenarios to: what a run asks which CA, when it does not, what it remembers and how the certificate stands. The
 * processes of a run are the scenario's, and so is the clock; files are files. */
#include "agent/ca_call.h"
#include "agent/flow.h"
#include "agent/keys.h"
#include "agent/standing.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/script_testing.h"
#include "base/seam.h"
#include "client/chain_testing.h"
#include "crypto/digest.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME    "www.example.org"
#define START_S INT64_C(1795593600) /* Wed, 25 Nov 2026 08:00:00 GMT */

static const char *const results[] = { "ok", "usage", "nomem", "system", "callback", "network", "protocol", "refused", "validation",
	"timeout" };
static const char *const ends[] = { [FLOW_ISSUED] = "issued",
	[FLOW_NOTHING] = "nothing",
	[FLOW_WAITING] = "waiting",
	[FLOW_REHEARSED] = "rehearsed",
	[FLOW_DEPLOYED] = "deployed",
	[FLOW_FAILED] = "failed",
	[FLOW_UNDEPLOYED] = "undeployed" };

/* Made once. */
static struct key *leaf_key, *ca_key;

struct replay {
	struct arena *a;
	struct script_player p;
	char folder[64];
	int64_t now_s;
	uint16_t chance;
	struct wish wish;
	struct flow_report report;
};
static struct replay *played; /* for what knows no context */

static int64_t played_wall_ms(void)
{
	return played->now_s * 1000;
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

/* What a back-off has of chance is a number of 16 bits, and the scenario's (linked by --wrap). */
void __real_random_bytes(void *out, size_t n);
void __wrap_random_bytes(void *out, size_t n);
void __wrap_random_bytes(void *out, size_t n)
{
	if (n == sizeof played->chance && played)
		memcpy(out, &played->chance, n);
	else
		__real_random_bytes(out, n);
}

/* --- the processes of a run, in whose place the scenario is: crew.c, keys.c, ca_call.c and issue_call.c are not linked --- */

static enum err_code nobody(struct peer **ret)
{
	*ret = NULL;
	return ERR_OK;
}

enum err_code crew_net(struct crew *c, struct peer **ret, struct err *e)
{
	(void)c;
	(void)e;
	return nobody(ret);
}

enum err_code crew_poster(struct crew *c, struct peer **ret, struct err *e)
{
	(void)c;
	(void)e;
	return nobody(ret);
}

enum err_code crew_keys(struct crew *c, struct peer **ret, struct err *e)
{
	(void)c;
	(void)e;
	return nobody(ret);
}

enum err_code crew_hooks(struct crew *c, struct peer **ret, struct err *e)
{
	(void)c;
	(void)e;
	return nobody(ret);
}

enum err_code crew_runner(struct crew *c, struct peer **ret, struct err *e)
{
	(void)c;
	(void)e;
	return nobody(ret);
}

void crew_hook_user(struct crew *c, const char *user)
{
	(void)c;
	(void)user;
}

void crew_close(struct crew *c)
{
	(void)c;
}

enum err_code crew_net_call(struct crew *c, struct arena *a, const struct peer_call *call, struct bytes *ret, struct err *e)
{
	(void)c;
	(void)a;
	(void)call;
	(void)ret;
	FAIL(e, BUG, "nobody is there to be asked");
}

enum err_code keys_open(struct peer *keys, struct arena *a, const struct keys_wish *w, int fd, struct bytes *ret_spki, struct err *e)
{
	(void)keys;
	(void)a;
	(void)w;
	(void)fd;
	(void)e;
	*ret_spki = key_spki(leaf_key);
	return ERR_OK;
}

enum err_code keys_make(struct peer *keys, struct arena *a, const struct keys_wish *w, int fd, struct bytes *ret_spki, struct err *e)
{
	return keys_open(keys, a, w, fd, ret_spki, e);
}

enum err_code keys_sign_by(
    struct peer *keys, struct arena *a, const char *slot, struct bytes message, struct bytes *ret_signature, struct err *e)
{
	(void)keys;
	(void)a;
	(void)message;
	(void)ret_signature;
	FAIL(e, BUG, "nothing is signed by %s", slot);
}

enum err_code keys_pkcs12(struct peer *keys, struct arena *a, const char *slot, struct bytes chain, const char *name, struct bytes password,
    int fd, struct err *e)
{
	(void)name;
	(void)password;
	(void)fd;
	return keys_sign_by(keys, a, slot, chain, NULL, e);
}

enum err_code ca_wish_put_file(const struct ca_wish *w, struct json_out *json, struct err *e)
{
	(void)json;
	FAIL(e, BUG, "%s is not asked by anybody", w->name);
}

enum err_code ca_wish_put(const struct ca_wish *w, struct json_out *json, struct err *e)
{
	return ca_wish_put_file(w, json, e);
}

enum err_code ca_asked(void *context, struct arena *a, const char *what, struct bytes json, struct json_out *answer, struct err *e)
{
	(void)context;
	(void)a;
	(void)json;
	(void)answer;
	FAIL(e, BUG, "nobody asks for %s", what);
}

enum err_code ca_account(struct crew *c, struct arena *a, const struct ca_wish *w, const char *verb, struct bytes next,
    const char **ret_url, struct outcome *out, struct err *e)
{
	(void)c;
	(void)a;
	(void)next;
	(void)ret_url;
	(void)out;
	FAIL(e, BUG, "%s: account %s", w->name, verb);
}

enum err_code ca_revoke(struct crew *c, struct arena *a, const struct ca_wish *w, struct bytes pem, enum chancery_reason reason,
    struct bytes key, struct outcome *out, struct err *e)
{
	(void)reason;
	return ca_account(c, a, w, "revoke", bytes_eq(pem, key) ? pem : key, NULL, out, e);
}

enum err_code issue_put_update(const struct wish *w, struct tsig_key *tsig, struct json_out *j, struct err *e)
{
	(void)tsig;
	(void)j;
	FAIL(e, BUG, "%s: no DNS is changed", w->name);
}

void issue_put_resolvers(const struct wish *w, struct json_out *j)
{
	(void)w;
	(void)j;
}

enum err_code issue_hand_sockets(struct crew *crew, struct arena *a, const struct wish *w, const char *type, struct err *e)
{
	(void)crew;
	(void)a;
	FAIL(e, BUG, "%s: no socket for %s", w->name, type);
}

/* --- what a CA is asked, and says --- */

/* What is behind the words of a line, as a time from now; `otherwise` where they are not in it. */
static int64_t span_behind(const char *line, const char *words, int64_t otherwise)
{
	const char *at = strstr(line, words);
	char text[32];

	if (!at || sscanf(at + strlen(words), "%31s", text) != 1)
		return otherwise;
	return script_span_s(text);
}

/* "< fails refused rateLimited 429 retry-after 2h"; the type is - where there is none. Whether that is what it says. */
static bool take_failure(struct replay *r, struct outcome *out)
{
	const char *failure = script_next(&r->p, "< fails");
	char result[16], type[64];
	int status;

	*out = (struct outcome){ .result = CHANCERY_OK, .message = "", .hint = "", .type = "", .solver = "" };
	if (!failure || sscanf(failure, "%15s %63s %d", result, type, &status) != 3)
		return false;
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		if (strcmp(results[i], result) == 0)
			out->result = (enum chancery_result)i;
	assert_int_not_equal(out->result, CHANCERY_OK);
	out->fault = out->result == CHANCERY_NETWORK ? CHANCERY_FAULT_NETWORK : CHANCERY_FAULT_SERVER;
	out->http_status = status;
	out->type = strcmp(type, "-") == 0 ? "" : arena_str(r->a, bytes_str(type));
	out->message = "the scenario has it fail";
	out->retry_after_s = (uint32_t)span_behind(failure, "retry-after ", 0);
	out->blame = blame_judge(out->result, out->fault, status, out->type, NULL, 0);
	r->p.at++;
	return true;
}

/* "< window 20d 22d retry-after 6h": from the scenario's beginning on. */
enum err_code ca_renewal(struct crew *c, struct arena *a, const struct ca_wish *w, struct bytes pem, struct chancery_renewal *ret,
    struct outcome *out, struct err *e)
{
	struct replay *r = played;
	char start[32], end[32];

	(void)c;
	(void)a;
	(void)e;
	assert_true(bytes_starts_with(pem, BYTES_LIT("-----BEGIN CERTIFICATE-----")));
	script_expect(&r->p, "> renewal-info %s", w->name);
	if (take_failure(r, out))
		return ERR_OK;
	const char *window = script_next(&r->p, "< window");
	if (!window || sscanf(window, "%31s %31s", start, end) != 2) {
		script_differs(&r->p, "no answer follows");
		return ERR_OK;
	}
	*ret = (struct chancery_renewal){ .start = START_S + script_span_s(start),
		.end = START_S + script_span_s(end),
		.retry_after = (uint32_t)span_behind(window, "retry-after ", 0),
		.explanation = "" };
	r->p.at++;
	return ERR_OK;
}

static void give(struct replay *r, const struct issue_call *c, int64_t life_s, struct issued *ret)
{
	const struct chain_testing t = { r->a, r->now_s };
	struct bytes der[2];

	der[1] = chain_testing_ca(&t, "Issuer", "Root", ca_key, ca_key);
	der[0] = chain_testing_leaf(&t, der[1], ca_key, c->wish->sans, c->wish->n_names, leaf_key, r->now_s - 3600 + life_s);
	*ret = (struct issued){ .fullchain = chain_testing_pem(&t, der, 2),
		.certificate_url = "https://ca.test/cert/1",
		.order_url = "https://ca.test/order/1",
		.account_url = "https://ca.test/account/1" };
}

/* "< certificate 90d": so long from begin to end, and begun an hour ago. */
enum err_code issue_call(const struct issue_call *c, struct arena *a, struct issued *ret, struct outcome *out, struct err *e)
{
	struct replay *r = played;

	(void)a;
	script_expect(&r->p, "> order %s%s", c->ca->name, c->replaces.ptr ? " replaces" : "");
	TRY(c->order_made(c->context, "https://ca.test/order/1", e));
	if (take_failure(r, out))
		return ERR_OK;
	const char *life = script_next(&r->p, "< certificate");
	if (!life) {
		script_differs(&r->p, "no answer follows");
		FAIL(e, BUG, "the scenario has no answer");
	}
	give(r, c, script_span_s(life), ret);
	r->p.at++;
	return ERR_OK;
}

/* --- runs --- */

static int say_nothing(void *context, enum chancery_step step, const char *text)
{
	(void)context;
	(void)step;
	(void)text;
	return 0;
}

/* "run", "run by-hand", "run forced" */
static void run(struct replay *r, const char *how)
{
	const struct flow_wish f = { .again = strcmp(how, "by-hand") != 0, .force = strcmp(how, "forced") == 0 };
	const struct flow_watch watch = { .progress = say_nothing };
	struct crew crew = { .net = NULL };

	r->p.at++;
	flow_run(&crew, &r->wish, &f, &watch, &r->report);
}

/* --- what came of it --- */

static const char *when(struct replay *r, int64_t at_s)
{
	return script_span(r->a, at_s - START_S);
}

/* "ends issued" */
static void check_end(struct replay *r, const char *v)
{
	(void)v;
	if (!r->report.live)
		script_differs(&r->p, "%s", r->report.outcome.message);
	script_expect(&r->p, "ends %s", ends[r->report.end]);
}

/* "due 60d WHY": counted from the scenario's beginning; "due 60d..62d WHY": in this time. */
static void check_due(struct replay *r, const char *v)
{
	const struct due *d = &r->report.due;
	char from[32], to[32];

	if (sscanf(v, "%31[^. ]..%31s", from, to) == 2 && d->at_s >= START_S + script_span_s(from) &&
	    d->at_s <= START_S + script_span_s(to))
		script_expect(&r->p, "due %s..%s %s", from, to, d->why);
	else
		script_expect(&r->p, "due %s %s", when(r, d->at_s), d->why);
}

/* "until 3h": the run says until when there is nothing to be tried. */
static void check_until(struct replay *r, const char *v)
{
	(void)v;
	script_expect(&r->p, "until %s", when(r, r->report.waits_until_s));
}

/* "standing good 2 failures": what `chancery list` would show, from the files alone. */
static void check_standing(struct replay *r, const char *v)
{
	const char *names[] = { NAME };
	struct config c = { .folder = r->folder };
	struct inventory_item item = { .name = NAME, .names = names, .n_names = 1, .configured = true };
	struct standing s;
	char live[128];

	(void)v;
	(void)snprintf(live, sizeof live, "%s/" NAME "/live", r->folder);
	item.live = access(live, F_OK) == 0;
	standing_of(&c, r->a, &item, r->now_s, &s);
	if (s.wrong)
		script_differs(&r->p, "%s", s.wrong);
	if (s.state.failures > 0)
		script_expect(&r->p, "standing %s %llu failures", standing_name(s.kind), (unsigned long long)s.state.failures);
	else
		script_expect(&r->p, "standing %s", standing_name(s.kind));
}

/* --- what happens between them --- */

static void pass(struct replay *r, const char *v)
{
	r->now_s += script_span_s(v);
	r->p.at++;
}

/* "spoil state.json": of the folder of the certificate. */
static void spoil_file(struct replay *r, const char *v)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/" NAME "/%s", r->folder, v);
	FILE *f = fopen(path, "w");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	(void)fputs("{\"failures\":", f);
	(void)fclose(f);
	r->p.at++;
}

static void set_cas(struct replay *r, const char *v)
{
	char name[32];

	r->wish.n_cas = 0;
	for (int n = 0; r->wish.n_cas < CA_WISHES_MAX && sscanf(v, "%31s%n", name, &n) == 1; v += n)
		r->wish.cas[r->wish.n_cas++] = (struct ca_wish){ .name = arena_str(r->a, bytes_str(name)),
			.directory = (const char *)arena_fmt(r->a, "https://%s.test/directory", name).ptr,
			.account_key = (const char *)arena_fmt(r->a, "%s/_accounts/%s.pem", r->folder, name).ptr };
	r->p.at++;
}

static void set_chance(struct replay *r, const char *v)
{
	r->chance = (uint16_t)strtoul(v, NULL, 10);
	r->p.at++;
}

static void set_key(struct replay *r, const char *v)
{
	r->wish.keys[0].type = strcmp(v, "rsa") == 0 ? KEY_RSA : KEY_EC_P256;
	r->p.at++;
}

static const struct {
	const char *keyword;
	void (*f)(struct replay *r, const char *v);
} lines[] = { { "cas", set_cas }, { "chance", set_chance }, { "key", set_key }, { "run", run }, { "ends", check_end }, { "due", check_due },
	{ "until", check_until }, { "standing", check_standing }, { "pass", pass }, { "clock", pass }, { "spoil", spoil_file } };

static void step(struct replay *r)
{
	const char *v;

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if ((v = script_next(&r->p, lines[i].keyword)) != NULL) {
			lines[i].f(r, v);
			return;
		}
	script_differs(&r->p, "nothing of the kind happens");
}

/* --- a whole scenario --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void begin(struct replay *r)
{
	static const struct given nothing;

	strcpy(r->folder, "/tmp/renewal_replay.XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	r->now_s = START_S;
	r->wish = (struct wish){ .arena = r->a,
		.given = &nothing,
		.names = { NAME },
		.sans = { { SAN_DNS, BYTES_LIT(NAME) } },
		.n_names = 1,
		.name = NAME,
		.folder = r->folder,
		.keys = { { .type = KEY_EC_P256, .suffix = "" } },
		.n_keys = 1,
		.key_mode = 0600 };
}

static const char *play(struct arena *a, const struct script *s)
{
	struct replay r = { .a = a, .p = { .script = s } };
	struct seam seam_played = seam_libc;

	seam_played.wall_ms = played_wall_ms;
	seam_played.fsync = no_sync;
	seam_played.fdatasync = no_sync;
	begin(&r);
	played = &r;
	seam = &seam_played;
	while (r.p.at < s->n && !r.p.fault[0])
		step(&r);
	seam = &seam_libc;
	played = NULL;
	assert_int_equal(nftw(r.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	return r.p.fault[0] ? arena_str(a, bytes_str(r.p.fault)) : NULL;
}

/* --- the tests --- */

static const char *const expects[] = { ">", "ends", "due", "until", "standing", NULL };

/* An outcome may be told or not. */
static bool says_alone(const char *line)
{
	return *line == '>';
}

static const struct script_game game = { .folder = SCENARIOS, .expects = expects, .says_alone = says_alone, .play = play };

static void renewals_go_as_the_scenarios_say(void **state)
{
	(void)state;
	assert_in_range(script_play_each(&game), 15, 10000);
}

static void each_line_of_a_scenario_counts(void **state)
{
	(void)state;
	assert_in_range(script_spoil_each(&game), 150, 100000);
}

static int set_up(void **state)
{
	(void)state;
	crypto_init();
	return key_generate(KEY_EC_P256, 0, &leaf_key, NULL) == ERR_OK && key_generate(KEY_EC_P256, 0, &ca_key, NULL) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	key_free(leaf_key);
	key_free(ca_key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renewals_go_as_the_scenarios_say),
		cmocka_unit_test(each_line_of_a_scenario_counts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
