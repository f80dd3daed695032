/* The first three steps: names, CA, account and keys. */
#include "cli/setup.h"

#include "acme/identifier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOSTED_SHOWN 40

/* --- answers --- */

enum err_code setup_set(struct setup *s, const char *option, const char *value, struct err *e)
{
	struct given before = s->given;
	const struct given_option *o = given_option(&s->given, bytes_str(option));

	s->given.n = 0;
	for (size_t i = 0; i < before.n; i++)
		if (before.v[i].option != o)
			TRY(given_add(&s->given, &before.v[i], e));
	return value && o ? given_add(&s->given, &(struct given_one){ .option = o, .value = value }, e) : ERR_OK;
}

enum err_code setup_add(struct setup *s, const char *option, const char *value, struct err *e)
{
	return given_add(&s->given, &(struct given_one){ .option = given_option(&s->given, bytes_str(option)), .value = value }, e);
}

enum err_code setup_add_name(struct setup *s, const char *text, struct err *e)
{
	struct identifier id;
	struct err why = { 0 };

	errno = 0;
	if (identifier_parse(s->arena, BYTES_LIT("ip"), bytes_str(text), &id, NULL) != ERR_OK &&
	    identifier_parse(s->arena, BYTES_LIT("dns"), bytes_str(text), &id, &why) != ERR_OK)
		FAIL(e, CONFIG, "\"%.100s\": %.200s", text, why.detail);
	const char *name = arena_str(s->arena, identifier_display(s->arena, &id));
	if (!name)
		FAIL(e, NOMEM, "no memory");
	for (size_t i = 0; i < s->n_names; i++)
		if (strcmp(s->names[i], name) == 0)
			return ERR_OK;
	if (s->n_names == WISH_NAMES_MAX)
		FAIL(e, CONFIG, "a certificate has at most %d names", WISH_NAMES_MAX);
	s->names[s->n_names++] = name;
	s->wildcard = s->wildcard || id.wildcard;
	s->ip = s->ip || id.type == IDENTIFIER_IP;
	return ERR_OK;
}

/* --- 1: names --- */

static enum err_code take_words(struct setup *s, const char *line, struct err *e)
{
	char *copy = arena_str(s->arena, bytes_str(line)), *save = NULL;

	s->n_names = 0;
	s->wildcard = s->ip = false;
	for (char *word = copy ? strtok_r(copy, " ,", &save) : NULL; word; word = strtok_r(NULL, " ,", &save)) {
		size_t digits = strspn(word, "0123456789");
		unsigned long number = 0;
		if (!word[digits] && sscanf(word, "%4lu", &number) == 1 && number >= 1 && number <= s->n_hosted)
			TRY(setup_add_name(s, s->hosted[number - 1].name, e));
		else
			TRY(setup_add_name(s, word, e));
	}
	errno = 0;
	if (s->n_names == 0)
		FAIL(e, CONFIG, "a certificate needs a name");
	if (s->wildcard && s->ip)
		FAIL(e, CONFIG,
		    "a wildcard is shown by the DNS alone, and an address never: take two certificates, or say two ways by chancery issue --challenge");
	return ERR_OK;
}

static const char *joined(struct setup *s)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(32768);

	for (size_t i = 0; i < s->n_names; i++)
		buf_add_fmt(&out, "%s%s", i ? " " : "", s->names[i]);
	return buf_ok(&out) && s->n_names ? arena_str(s->arena, buf_bytes(&out)) : NULL;
}

static void put_hosted(const struct setup *s)
{
	static const char *const servers[] = { [WEB_NGINX] = "nginx", [WEB_APACHE] = "Apache", [WEB_HAPROXY] = "HAProxy" };

	terminal_say("This host's web servers are configured for:");
	for (size_t i = 0; i < s->n_hosted && i < HOSTED_SHOWN; i++)
		printf("  %2zu  %-36s %s%s\n", i + 1, s->hosted[i].name, servers[s->hosted[i].server],
		    s->hosted[i].certificate ? ", has a certificate" : "");
	if (s->n_hosted > HOSTED_SHOWN)
		terminal_say("And %zu more, which can be typed.", s->n_hosted - HOSTED_SHOWN);
}

enum err_code setup_names(struct setup *s, struct err *e)
{
	const struct terminal_question q = { .text =
						 s->n_hosted ? "Numbers or names, with blanks between:" : "The names, with blanks between:",
		.fallback = joined(s),
		.help =
		    "The names that people and programs type to come here, like example.org www.example.org. All of them get into one "
		    "certificate, and each must lead to this host or to a DNS that you may change. *.example.org stands for every name one level "
		    "below example.org, not for example.org itself. Few CAs give certificates for addresses." };
	const char *line;

	if (s->n_hosted)
		put_hosted(s);
	else
		terminal_say("www.example.org, *.example.org for all names below it, or an address.");
	for (;;) {
		struct err why = { 0 };
		TRY(terminal_ask(s->arena, &q, &line, e));
		if (take_words(s, line, &why) == ERR_OK)
			return ERR_OK;
		terminal_bad("%s.", why.detail);
	}
}

/* --- 2: the CA --- */

static const char *why_not(const struct setup *s, const struct ca *c)
{
	if (s->wildcard && c->wildcard == CA_NO)
		return "gives no certificates for wildcards";
	if (s->ip && c->ip == CA_NO)
		return "gives no certificates for addresses";
	return NULL;
}

static const char *describe(const struct setup *s, const struct ca *c)
{
	char days[32] = "";

	if (c->lifetime_days)
		(void)snprintf(days, sizeof days, "%u days", c->lifetime_days);
	const char *text = (const char *)arena_fmt(s->arena, "%s%s%s%s%s%s", c->title ? c->title : c->directory, *days ? ", " : "", days,
	    c->eab && strcmp(c->eab, "required") == 0 ? ", needs an account there" : "", c->ip == CA_YES ? ", addresses too" : "",
	    c->test == CA_YES && !(c->title && strstr(c->title, "for tests")) ? "; for tests" : "")
			       .ptr;
	return text ? text : "";
}

/* What it says of itself, and the list says of it. */
static void tell_directory(const struct setup *s, const struct ca_wish *ca, const struct ca_directory *d)
{
	CLEANUP(buf_free_p) struct buf names = buf_new(4096);

	if (d->website)
		terminal_say("Its web page: %s", d->website);
	if (d->terms)
		terminal_say("Its terms of service: %s", d->terms);
	if (d->external_account)
		terminal_say("It needs to know you: an account there, and a key of it (external account binding).");
	for (size_t i = 0; i < d->n_profiles; i++)
		buf_add_fmt(&names, "%s%s", i ? ", " : "", d->profiles[i].name);
	if (names.len > 0)
		terminal_say("Its profiles: %.*s", BYTES_FMT(buf_bytes(&names)));
	terminal_say("%s", d->renewal_info ? "It says when each certificate is to be renewed."
					   : "It does not say when certificates are to be renewed: chancery goes by their age.");
	if (ca->entry && ca->entry->note)
		terminal_say("%s.", ca->entry->note);
	(void)s;
}

/* What external account binding needs. It is kept with the CA when the order is made. */
static enum err_code ask_binding(struct setup *s, const struct ca_wish *ca, const struct ca_directory *d, struct err *e)
{
	const char *where = ca->entry && ca->entry->eab_help ? ca->entry->eab_help : d->website ? d->website : "ask its operators";
	const struct terminal_question kid = { .text = "Key identifier (kid):",
		.help = "A line of letters and digits that the CA shows with the key, on its page for ACME or external account binding." };
	const struct terminal_question key = { .text = "File with the key in its first line (mode 0600):",
		.help =
		    "The CA's key (HMAC, base64url), in a file that only you can read, as it is a secret: umask 077; cat >eab.key, paste it, and "
		    "press Ctrl-D, in another window. It is read when the account is made." };
	const char *kid_text, *file;
	size_t at = 0;

	terminal_say("%s makes accounts only for those it knows. It gives a key identifier and a key for that: %s.", ca->name, where);
	TRY(terminal_ask(s->arena, &kid, &kid_text, e));
	for (;;) {
		struct stat st;
		TRY(terminal_ask(s->arena, &key, &file, e));
		if (stat(file, &st) != 0 || access(file, R_OK) != 0)
			terminal_bad("%s: %s.", file, strerror(errno));
		else if (st.st_mode & 077)
			terminal_bad("%s: others can read it: chmod 600 %s", file, file);
		else
			break;
	}
	while (ca->entry && at < s->config.cas.n && strcmp(s->config.cas.v[at].name, ca->entry->name) != 0)
		at++;
	if (!ca->entry || at == s->config.cas.n) {
		TRY(setup_set(s, "eab-kid", kid_text, e));
		return setup_set(s, "eab-key-file", file, e);
	}
	s->bound[at] = true;
	TRY(ca_set(s->arena, &s->config.cas.v[at], "eab-kid", kid_text, e));
	return ca_set(s->arena, &s->config.cas.v[at], "eab-key-file", file, e);
}

/* Looks at what was chosen, and asks what it needs. *ret_taken: it is to be that. */
static enum err_code meet(struct setup *s, const char *name, bool stand_by, bool *ret_taken, struct err *e)
{
	const struct terminal_question all_the_same = { .text = "Take it all the same?",
		.help = "y takes this CA, though an order would fail as long as this is so; n asks again for a CA." };
	struct err why = { 0 };
	struct ca_wish ca;

	*ret_taken = true;
	if (setup_ca_wish(s, name, &ca, &why) != ERR_OK) {
		terminal_bad("%s.", why.detail);
		*ret_taken = false;
		return ERR_OK;
	}
	bool good = setup_check_ca(s, &ca, stand_by);
	const struct setup_directory *at = setup_directory(s, &ca);
	if (at->code == ERR_OK)
		tell_directory(s, &ca, &at->d);
	if (!good || at->code != ERR_OK)
		TRY(terminal_yes(s->arena, &all_the_same, false, ret_taken, e));
	bool listed = ca.entry && ca.entry->eab && strcmp(ca.entry->eab, "required") == 0;
	if (*ret_taken && (at->d.external_account || listed) && !ca.eab_kid && setup_is_new_account(&ca))
		return ask_binding(s, &ca, &at->d, e);
	return ERR_OK;
}

#define OTHER "other"
#define NONE  "none"

static enum err_code ask_directory(struct setup *s, const char **ret, struct err *e)
{
	const struct terminal_question q = { .text = "Its directory, an https URL:",
		.help = "The URL that the CA gives for ACME clients; it often ends with /directory. A CA of your own has one too." };

	for (;;) {
		TRY(terminal_ask(s->arena, &q, ret, e));
		if (ca_list_find(&s->config.cas, *ret) || strncmp(*ret, "https://", 8) == 0)
			return ERR_OK;
		terminal_bad("\"%.100s\" is no https URL.", *ret);
	}
}

/* The list, with one's own URL behind it; for a stand-by with none before it. */
static enum err_code choose_ca(struct setup *s, const struct terminal_question *q, const char *but, const char **ret, struct err *e)
{
	struct terminal_choice v[CA_LIST_MAX + 2];
	bool taken = false;

	while (!taken) {
		size_t n = 0, at;
		if (but)
			v[n++] = (struct terminal_choice){ NONE, "no other CA is asked", NULL };
		for (size_t i = 0; i < s->config.cas.n; i++)
			if (!but || strcmp(but, s->config.cas.v[i].name) != 0)
				v[n++] = (struct terminal_choice){ s->config.cas.v[i].name, describe(s, &s->config.cas.v[i]),
					why_not(s, &s->config.cas.v[i]) };
		v[n++] = (struct terminal_choice){ OTHER, "another one, by its ACME directory", NULL };
		TRY(terminal_choose(s->arena, q, v, n, 0, &at, e));
		*ret = v[at].name;
		if (strcmp(*ret, OTHER) == 0)
			TRY(ask_directory(s, ret, e));
		if (but && strcmp(*ret, NONE) == 0) {
			*ret = NULL;
			return ERR_OK;
		}
		TRY(meet(s, *ret, but != NULL, &taken, e));
	}
	return ERR_OK;
}

/* The profiles that the CA has; which of them a CA that stands by has not is told. */
static enum err_code ask_profile(struct setup *s, const char *first, const char *second, struct err *e)
{
	struct terminal_choice v[CA_PROFILES_MAX + 1];
	struct ca_wish ca, other;
	size_t n = 0, at;

	TRY(setup_ca_wish(s, first, &ca, e));
	const struct setup_directory *d = setup_directory(s, &ca), *stands = NULL;
	if (second) {
		TRY(setup_ca_wish(s, second, &other, e));
		stands = setup_directory(s, &other);
	}
	TRY(setup_set(s, "profile", NULL, e));
	if (d->code != ERR_OK || d->d.n_profiles < 2)
		return ERR_OK;
	v[n++] = (struct terminal_choice){ "default", "what the CA takes without a wish", NULL };
	for (size_t i = 0; i < d->d.n_profiles; i++) {
		bool known = !stands || stands->code != ERR_OK;
		for (size_t k = 0; stands && k < stands->d.n_profiles; k++)
			known = known || strcmp(stands->d.profiles[k].name, d->d.profiles[i].name) == 0;
		v[n++] = (struct terminal_choice){ d->d.profiles[i].name, d->d.profiles[i].doc,
			known ? NULL : (const char *)arena_fmt(s->arena, "%s, which stands by, has no such profile", second).ptr };
	}
	terminal_say("The kind of certificate, as %s calls them:", first);
	const struct terminal_question q = { .text = "Number or name:",
		.help = "Profiles differ in how long a certificate holds and what is in it. The CA says of each what stands beside it." };
	TRY(terminal_choose(s->arena, &q, v, n, 0, &at, e));
	return at ? setup_set(s, "profile", v[at].name, e) : ERR_OK;
}

/* One that the command line says. */
static enum err_code given_ca(struct setup *s, const char *name, bool stand_by, struct err *e)
{
	bool taken;

	terminal_say("%s, as the command line says.", name);
	TRY(meet(s, name, stand_by, &taken, e));
	errno = 0;
	if (!taken)
		FAIL(e, CLOSED, "stopped; nothing is changed");
	return ERR_OK;
}

static enum err_code given_cas(struct setup *s, struct err *e)
{
	const char *url = given_value(&s->given, "server", NULL), *name;

	if (url)
		TRY(given_ca(s, url, false, e));
	for (size_t i = 0; (name = given_nth(&s->given, "ca", i)) != NULL; i++)
		TRY(given_ca(s, name, i > 0, e));
	return ERR_OK;
}

enum err_code setup_ca(struct setup *s, struct err *e)
{
	const struct terminal_question which = { .text = "Number or name:",
		.help =
		    "Who vouches for your names. All of the list are trusted by browsers, but those for tests, whose limits are wide: good for a first "
		    "try. \"other\" takes the URL of any CA that speaks ACME, one of your own too." };
	const struct terminal_question stands = {
		.text = "Number or name:",
		.help =
		    "When the first CA is down, or refuses for a reason that is its own, the next renewal need not wait for it: this one is asked then."
	};
	const char *first, *second = NULL;

	if (given_flag(&s->cli->given, "ca") || given_flag(&s->cli->given, "server"))
		return given_cas(s, e);
	TRY(setup_set(s, "ca", NULL, e));
	TRY(setup_set(s, "eab-kid", NULL, e));
	TRY(setup_set(s, "eab-key-file", NULL, e));
	TRY(choose_ca(s, &which, NULL, &first, e));
	if (given_flag(&s->given, "eab-kid")) {
		terminal_say(
		    "No second CA is asked for: the key belongs to this one. `chancery ca add` gives it a name, and then there may be more.");
	} else {
		terminal_say("A second CA stands by: it is asked when the first one is down or refuses.");
		TRY(choose_ca(s, &stands, first, &second, e));
	}
	TRY(ask_profile(s, first, second, e));
	TRY(setup_set(s, "ca", first, e));
	return second ? setup_add(s, "ca", second, e) : ERR_OK;
}

/* --- 3: account and keys --- */

static enum err_code ask_mail(struct setup *s, struct err *e)
{
	const char *mail, *known = given_nth(&s->given, "contact", 0);
	const struct terminal_question q = { .text = "An e-mail address where the CA may reach you (\"-\" for none):",
		.fallback = known ? known : "-",
		.help =
		    "Some CAs write when something is wrong with your certificates; many do not keep it any more. It is told to the CA alone, when the "
		    "account is made." };

	for (;;) {
		TRY(terminal_ask(s->arena, &q, &mail, e));
		if (strcmp(mail, "-") == 0)
			return setup_set(s, "contact", NULL, e);
		const char *address = strncmp(mail, "mailto:", 7) == 0 ? mail + 7 : mail, *at = strchr(address, '@');
		if (at && at > address && at[1] && !strpbrk(address, " ,?&"))
			return setup_set(s, "contact", (const char *)arena_fmt(s->arena, "mailto:%s", address).ptr, e);
		terminal_bad("\"%.80s\" is no e-mail address. An address has an @: ops@example.org.", mail);
	}
}

/* *needed is set when the CA has terms, and there is no account yet. */
static enum err_code tell_terms(struct setup *s, const char *name, bool *needed, struct err *e)
{
	struct ca_wish ca;

	TRY(setup_ca_wish(s, name, &ca, e));
	const struct setup_directory *d = setup_directory(s, &ca);
	if (d->code == ERR_OK && !d->d.terms) {
		terminal_say("%s has no terms of service to agree to.", name);
	} else if (!setup_is_new_account(&ca)) {
		terminal_say("There is an account key for %s already: its terms were agreed to.", name);
	} else {
		terminal_say("The terms of service of %s: %s", name, d->code == ERR_OK ? d->d.terms : "on its web page");
		*needed = true;
	}
	return ERR_OK;
}

/* Of all CAs together. */
static enum err_code ask_terms(struct setup *s, struct err *e)
{
	const struct terminal_question q = {
		.text = "Do you agree to the terms of service?",
		.help =
		    "The CA makes an account only for who agrees to its terms. Read them at the URL above; y tells the CA that you agree."
	};
	bool agree = given_flag(&s->given, "agree-tos"), needed = false;
	const char *name = given_value(&s->given, "server", NULL);

	if (name)
		TRY(tell_terms(s, name, &needed, e));
	for (size_t i = 0; (name = given_nth(&s->given, "ca", i)) != NULL; i++)
		TRY(tell_terms(s, name, &needed, e));
	while (needed) {
		TRY(terminal_yes(s->arena, &q, agree, &agree, e));
		if (agree)
			break;
		terminal_bad("Without it the CA makes no account. \"back\" takes another CA; Ctrl-C ends.");
	}
	return setup_set(s, "agree-tos", agree ? "" : NULL, e);
}

enum err_code setup_account(struct setup *s, struct err *e)
{
	static const struct terminal_choice keys[] = { { "ecdsa-p256", "small and fast; every client of the last ten years", NULL },
		{ "ecdsa-p384", "larger", NULL }, { "rsa-2048", "for very old clients", NULL },
		{ "both", "ECDSA and RSA, for servers that can show either", NULL } };
	const struct terminal_question q = { .text = "Number or name:",
		.help =
		    "The private key stays on this machine, and each certificate gets a new one. ecdsa-p256 is right for nearly everybody; \"both\" makes two "
		    "certificates, and the server has to be told of both." };
	size_t at;

	TRY(ask_mail(s, e));
	TRY(ask_terms(s, e));
	terminal_say("The certificate's key, new for each certificate:");
	TRY(terminal_choose(s->arena, &q, keys, sizeof keys / sizeof *keys, 0, &at, e));
	TRY(setup_set(s, "key-type", at == 3 ? "ecdsa-p256" : keys[at].name, e));
	return at == 3 ? setup_add(s, "key-type", "rsa-2048", e) : ERR_OK;
}
