/* The checks before an order: each is told and noted. */
#include "cli/setup.h"

#include "agent/caa_ask.h"
#include "agent/fallback.h"
#include "agent/place.h"
#include "agent/reach.h"
#include "agent/record_try.h"
#include "base/clock.h"
#include "cli/issue_report.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLOCK_EQUAL_S 2 /* less is the time that a question takes */

/* --- telling --- */

static void tell(const struct setup *s, const struct setup_check *c)
{
	if (s->json)
		return;
	if (c->outcome == SETUP_GOOD)
		terminal_good("%s.", c->detail);
	else if (c->outcome == SETUP_WARNING)
		terminal_warn("%s.", c->detail);
	else
		terminal_bad("%s.", c->detail);
	if (*c->hint)
		terminal_say("What to do: %s.", c->hint);
}

/* Strings other than the detail have to live as long as the wizard. True unless it is a failure. */
static bool PRINTF(6, 7)
    note(struct setup *s, enum setup_outcome outcome, const char *check, const char *of, const char *hint, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (size_t n = strlen(text); n > 0 && text[n - 1] == '.'; n--)
		text[n - 1] = 0;
	const char *detail = arena_str(s->arena, bytes_str(text));
	const struct setup_check c = { check, of ? of : "", outcome, detail ? detail : "", hint ? hint : "" };
	tell(s, &c);
	if (s->n_checks < SETUP_CHECKS_MAX)
		s->checks[s->n_checks++] = c;
	return outcome != SETUP_FAILED;
}

static const char *hint_of(struct setup *s, const char *fmt, ...) PRINTF(2, 3);
static const char *hint_of(struct setup *s, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	const char *kept = arena_str(s->arena, bytes_str(text));
	return kept ? kept : "";
}

/* --- the CAs --- */

enum err_code setup_ca_wish(struct setup *s, const char *name, struct ca_wish *ret, struct err *e)
{
	struct given g = { .options = s->given.options, .n_options = s->given.n_options };

	for (size_t i = 0; i < s->given.n; i++)
		if (strcmp(s->given.v[i].option->name, "ca") != 0 && strcmp(s->given.v[i].option->name, "server") != 0)
			TRY(given_add(&g, &s->given.v[i], e));
	TRY(given_add(&g, &(struct given_one){ .option = given_option(&g, BYTES_LIT("ca")), .value = name }, e));
	TRY(config_merge(&s->config, NULL, &g, e));
	return ca_wish_read(&g, &s->config, s->arena, ret, e);
}

const struct setup_directory *setup_directory(struct setup *s, const struct ca_wish *ca)
{
	struct setup_directory *at = s->directories;
	size_t i = 0;

	while (i < CA_WISHES_MAX && at[i].url && strcmp(at[i].url, ca->directory) != 0)
		i++;
	i = i < CA_WISHES_MAX ? i : 0;
	if (at[i].url && strcmp(at[i].url, ca->directory) == 0 && at[i].code == ERR_OK)
		return &at[i];
	at[i] = (struct setup_directory){ .url = ca->directory };
	at[i].code = ca_directory(&s->crew, s->arena, ca, &at[i].d, &at[i].why);
	return &at[i];
}

static const char *directory_hint(struct setup *s, enum err_code code)
{
	char now[RFC3339_SIZE];

	rfc3339_format(clock_wall_ms() / 1000, now);
	if (code == ERR_TLS)
		return hint_of(s,
		    "name the CA that vouches for its TLS certificate by --ca-file PEM, and look at this machine's clock, by which it is %s",
		    now);
	if (code == ERR_DNS)
		return "look at the URL's host name, and at this machine's DNS";
	if (code == ERR_CONNECTION || code == ERR_TIMEOUT)
		return "look whether the server runs there, and at this machine's network";
	return code == ERR_MALFORMED ? "look at the URL: it has to be that of an ACME directory" : "";
}

static bool check_clock(struct setup *s, const struct ca_wish *ca, const struct ca_directory *d, enum setup_outcome bad)
{
	char far[CA_CLOCK_WORDS_MAX];

	if (!d->dated)
		return note(s, SETUP_WARNING, "clock", ca->name, "", "%s does not say what time it is there", ca->name);
	ca_clock_words(d, far);
	if (ca_clock_is_good(d) && d->ahead_s >= -CLOCK_EQUAL_S && d->ahead_s <= CLOCK_EQUAL_S)
		return note(s, SETUP_GOOD, "clock", ca->name, "", "This machine's clock is right, by that of %s", ca->name);
	if (ca_clock_is_good(d))
		return note(s, SETUP_GOOD, "clock", ca->name, "", "This machine's clock is right enough: %s of that of %s", far, ca->name);
	return note(s, bad, "clock", ca->name,
	    hint_of(s,
		"set the clock right, by the network: timedatectl set-ntp true (timedatectl shows how it is); with a wrong clock a new "
		"certificate is %s",
		d->ahead_s < 0 ? "\"not yet valid\" here, and is refused" : "renewed at the wrong time, and others seem to have expired"),
	    "This machine's clock is %s of that of %s", far, ca->name);
}

bool setup_check_ca(struct setup *s, const struct ca_wish *ca, bool stand_by)
{
	const struct setup_directory *at = setup_directory(s, ca);
	enum setup_outcome bad = stand_by ? SETUP_WARNING : SETUP_FAILED;

	if (at->code != ERR_OK)
		return note(s, bad, "directory", ca->name, directory_hint(s, at->code), "%s: %s", ca->name, at->why.detail);
	(void)note(s, SETUP_GOOD, "directory", ca->name, "", "%s answers, and is an ACME server", ca->name);
	return check_clock(s, ca, &at->d, bad);
}

bool setup_is_new_account(const struct ca_wish *ca)
{
	return access(ca->account_key, F_OK) != 0;
}

static bool check_profile(struct setup *s, const struct ca_wish *ca, const struct ca_directory *d, enum setup_outcome bad)
{
	CLEANUP(buf_free_p) struct buf names = buf_new(4096);
	const char *profile = given_value(&s->merged, "profile", NULL);

	for (size_t i = 0; profile && i < d->n_profiles; i++) {
		if (strcmp(d->profiles[i].name, profile) == 0)
			return note(s, SETUP_GOOD, "profile", ca->name, "", "%s has the profile %s", ca->name, profile);
		buf_add_fmt(&names, "%s%s", i ? ", " : "", d->profiles[i].name);
	}
	if (!profile)
		return true;
	return note(s, bad, "profile", ca->name, d->n_profiles ? "take one of them by --profile NAME, or none" : "give no --profile",
	    "%s has no profile %s: it has %.*s%s", ca->name, profile, BYTES_FMT(buf_bytes(&names)), d->n_profiles ? "" : "none");
}

/* What is known of who gets certificates there; the binding is looked at by the directory. */
static bool check_names(struct setup *s, const struct ca_wish *ca, bool stand_by)
{
	const struct fallback_wish w = { .wildcard = s->wildcard, .ip = s->ip, .has_eab = true };
	char why[FALLBACK_WORDS_MAX];

	if (fallback_may_ask(ca->entry, &w, NULL, why))
		return true;
	return note(s, stand_by ? SETUP_WARNING : SETUP_FAILED, "names", ca->name,
	    "take another CA: chancery ca list shows what each gives", "%s will not be asked: %s", ca->name, why);
}

/* What an account there needs. */
static bool check_account(struct setup *s, const struct ca_wish *ca, bool stand_by)
{
	const struct setup_directory *at = setup_directory(s, ca);
	enum setup_outcome bad = stand_by ? SETUP_WARNING : SETUP_FAILED;
	bool good = true;

	if (at->code != ERR_OK)
		return true;
	if (at->d.terms && setup_is_new_account(ca))
		good = note(s, ca->agree ? SETUP_GOOD : bad, "terms", ca->name, ca->agree ? "" : "read them, and agree by --agree-tos",
			   "%s has terms of service, which are %sagreed to: %s", ca->name, ca->agree ? "" : "not ", at->d.terms) &&
		       good;
	if (at->d.external_account && setup_is_new_account(ca) && !ca->eab_kid)
		good = note(s, bad, "external-account", ca->name,
			   hint_of(s, "get a key identifier and a key there (%s), and give them by --eab-kid and --eab-key-file",
			       ca->entry && ca->entry->eab_help ? ca->entry->eab_help
			       : at->d.website                  ? at->d.website
								: "ask its operators"),
			   "%s makes accounts only for those it knows (external account binding)", ca->name) &&
		       good;
	return check_profile(s, ca, &at->d, bad) && good;
}

/* --- places --- */

static bool check_place(struct setup *s, const char *check, const char *path, bool file, const char *good)
{
	struct err e = { 0 };

	if ((file ? place_try_of(path, &e) : place_try(path, &e)) == ERR_OK)
		return note(s, SETUP_GOOD, check, path, "", "%s %s", good, path);
	return note(s, SETUP_FAILED, check, path, "let this user write there, name another place, or run chancery as root", "%s", e.detail);
}

static bool check_copies(struct setup *s, const struct wish *w)
{
	bool good = true;

	for (size_t i = 0; i < w->deploy.n_copies; i++) {
		const struct deploy_copy *c = &w->deploy.copies[i];
		good = check_place(s, "deployment", c->path, true, "A copy for servers can be written to") && good;
		if (c->owner && c->owner[strspn(c->owner, "0123456789")] && !getpwnam(c->owner))
			good = note(s, SETUP_FAILED, "deployment", c->path, "", "The copy %s is to belong to %s, and there is no such user",
			    c->path, c->owner);
		if (c->group && c->group[strspn(c->group, "0123456789")] && !getgrnam(c->group))
			good = note(s, SETUP_FAILED, "deployment", c->path, "",
			    "The copy %s is to belong to the group %s, and there is none", c->path, c->group);
		if ((c->owner || c->group) && geteuid() != 0)
			(void)note(s, SETUP_WARNING, "deployment", c->path, "run chancery as root, or leave owner and group away",
			    "The copy %s is to belong to others, and only root can give files away", c->path);
	}
	return good;
}

static bool check_places(struct setup *s, const struct wish *w)
{
	const char *folder = (const char *)arena_fmt(s->arena, "%s/%s", w->folder, w->name).ptr;
	const char *config = given_flag(&s->cli->given, "no-config") ? NULL : config_path(&s->cli->given, s->arena);

	bool good = folder && check_place(s, "storage", folder, false, "Certificates can be stored in");
	for (size_t i = 0; i < w->n_cas; i++)
		if (setup_is_new_account(&w->cas[i]))
			good = check_place(s, "account", w->cas[i].account_key, true, "An account key can be kept in") && good;
	if (config)
		good = check_place(s, "configuration", config, true, "The configuration can be written to") && good;
	return check_copies(s, w) && good;
}

/* --- what the DNS says of CAs --- */

static bool check_caa(struct setup *s, const struct wish *w, size_t i)
{
	const struct ca_wish *ca = &w->cas[i];
	const struct setup_directory *at = setup_directory(s, ca);
	enum setup_outcome bad = i > 0 ? SETUP_WARNING : SETUP_FAILED;
	struct caa_answer *answer = arena_new_obj(s->arena, struct caa_answer);
	struct err e = { 0 };
	bool good = true;

	if (!answer)
		return true;
	enum err_code rc = caa_ask(&s->crew, w, ca, at->code == ERR_OK ? &at->d : NULL, answer, &e);
	if (rc != ERR_OK)
		return note(s, SETUP_WARNING, "caa", ca->name, "", "CAA records are not looked at: %s", e.detail);
	for (size_t k = 0; k < answer->n; k++)
		good = note(s, bad, "caa", answer->v[k].name, answer->v[k].hint, "%s may not issue for %s: %s", ca->name, answer->v[k].name,
			   answer->v[k].detail) &&
		       good;
	if (answer->n > 0)
		return good;
	if (!answer->known)
		return note(s, SETUP_WARNING, "caa", ca->name, "name a resolver by --resolver ADDRESS",
		    "No resolver says whether CAA records forbid %s to issue", ca->name);
	return note(s, SETUP_GOOD, "caa", ca->name, "", "No CAA record forbids %s to issue", ca->name);
}

/* --- how control is shown --- */

static const char *reach_hint(struct setup *s, const struct wish *w, const char *name, enum err_code code)
{
	bool stateless = given_flag(w->given, "stateless");

	if (code == ERR_DNS)
		return hint_of(s, "set an A or AAAA record of %s to this host's address", name);
	if (code == ERR_CONNECTION)
		return "look at port forwarding and firewalls, and whether the name leads to this host";
	if (code == ERR_INCORRECT_RESPONSE && stateless)
		return "put the lines of `chancery account snippet` into the web server's configuration of port 80, and have it read them";
	if (code == ERR_INCORRECT_RESPONSE)
		return "let the web server there show the answers, or point the name to this host";
	if (code == ERR_NOT_FOUND && stateless)
		return "make the account first: chancery ca test NAME; then chancery account snippet prints what the web server needs";
	return "";
}

static bool check_reach(struct setup *s, const struct wish *w, const char *type, const char *name)
{
	struct err e = { 0 };
	const char *addresses;

	enum err_code rc = reach_try(&s->crew, w, type, name, &addresses, &e);
	if (rc == ERR_OK)
		return note(s, SETUP_GOOD, "control", name, "", "%s: an answer is reached by %s", name, addresses);
	return note(s, SETUP_FAILED, "control", name, reach_hint(s, w, name, rc), "%s", e.detail);
}

static const char *record_hint(const struct wish *w, enum err_code code)
{
	if (code == ERR_DNS)
		return "look at the name server's address, and at what the key may change there";
	if (code == ERR_TIMEOUT)
		return "look whether this is the zone that is delegated, and how its name servers get changes; --propagation gives them more time";
	return w->hook.program && !hook_dialect_is_url(w->hook.dialect)
		   ? "try the hook by hand, as the user that --hook-user says (default: one without any rights)"
		   : "";
}

static bool check_records(struct setup *s, const struct wish *w)
{
	struct record_seen seen = { .servers = 0 };
	struct err e = { 0 };

	if (!s->json)
		terminal_say("A test record is set below _acme-challenge of each name, looked for, and removed ...");
	enum err_code rc = record_try(&s->crew, w, report_interrupted, &seen, &e);
	if (rc == ERR_CLOSED)
		return false;
	if (rc != ERR_OK)
		return note(s, SETUP_FAILED, "control", "dns-01", record_hint(w, rc), "%s", e.detail);
	for (size_t i = 0; i < seen.n_notes; i++)
		(void)note(s, SETUP_WARNING, "control", "dns-01", "", "%s", seen.notes[i]);
	if (seen.servers == 0)
		return note(
		    s, SETUP_WARNING, "control", "dns-01", "", "The test records were taken, and nobody has seen them at a name server");
	return note(s, SETUP_GOOD, "control", "dns-01", "",
	    "Test records were set, seen at the zone's own name servers (%zu answer%s), and removed", seen.servers,
	    seen.servers == 1 ? "" : "s");
}

static bool check_control(struct setup *s, const struct wish *w)
{
	bool good = true, records = false;

	crew_hook_user(&s->crew, given_value(w->given, "hook-user", NULL));
	for (size_t i = 0; i < w->n_names && !report_interrupted(); i++) {
		const char *way = wish_way_of(w, i);
		if (!way)
			good = note(s, SETUP_FAILED, "control", w->names[i],
			    w->names[i][0] == '*' ? "a wildcard needs dns-01" : "an address needs http-01 or tls-alpn-01",
			    "%s: no challenge that was chosen can show control of it", w->names[i]);
		else if (strcmp(way, "dns-01") == 0)
			records = true;
		else
			good = check_reach(s, w, way, w->names[i]) && good;
	}
	return (!records || report_interrupted() || check_records(s, w)) && good;
}

/* --- all of them --- */

static bool check_cas(struct setup *s, const struct wish *w)
{
	bool good = true;

	for (size_t i = 0; i < w->n_cas && !report_interrupted(); i++) {
		good = setup_check_ca(s, &w->cas[i], i > 0) && good;
		good = check_names(s, &w->cas[i], i > 0) && good;
		good = check_account(s, &w->cas[i], i > 0) && good;
	}
	return good;
}

enum err_code setup_check(struct setup *s, bool *ret, struct err *e)
{
	struct err why = { 0 };
	struct wish w;

	s->n_checks = 0;
	memset(s->directories, 0, sizeof s->directories); /* asked anew: the clock may have been set right */
	if (!s->json)
		terminal_say("Before anything is ordered:");
	if (setup_wish(s, &w, &why) != ERR_OK) {
		*ret = note(s, SETUP_FAILED, "options", "", "", "%s", why.detail);
		return ERR_OK;
	}
	bool good = check_cas(s, &w);
	good = check_places(s, &w) && good;
	for (size_t i = 0; i < w.n_cas && !report_interrupted(); i++)
		good = check_caa(s, &w, i) && good;
	good = check_control(s, &w) && good;
	errno = 0;
	if (report_interrupted())
		FAIL(e, CLOSED, "stopped; nothing is changed");
	*ret = good;
	return ERR_OK;
}
