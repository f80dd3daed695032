#include "cli/diagnose.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>

#define DAY_S INT64_C(86400)

struct report {
	struct arena *a;
	struct bytes status; /* JSON */
	int64_t now_s;
	struct finding *v;
	size_t n;
};

static void add(struct report *r, enum finding_severity severity, struct bytes what, const char *remedy)
{
	if (r->n < FINDINGS_MAX && what.ptr)
		r->v[r->n++] = (struct finding){ severity, what, bytes_str(remedy) };
}

/* The number at a path; false: there is none. */
static bool number(struct arena *a, struct bytes object, const char *path, int64_t *ret)
{
	struct bytes text = json_find(a, object, path);
	int64_t v = 0;

	if (text.len == 0 || text.len > 18)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		v = v * 10 + (text.ptr[i] - '0');
	}
	*ret = v;
	return true;
}

static struct bytes text_at(struct arena *a, struct bytes object, const char *path)
{
	struct bytes text = json_find(a, object, path), v = BYTES_LIT("");

	return text.ptr && json_string(a, text, &v, NULL) == ERR_OK ? v : BYTES_LIT("");
}

static struct bytes day_of(struct arena *a, int64_t unix_s)
{
	char text[RFC3339_SIZE];

	rfc3339_format(unix_s, text);
	return arena_fmt(a, "%.10s", text);
}

/* --- the rules, one function each --- */

static void check_processes(struct report *r)
{
	struct json_member *v;
	size_t n = 0;

	if (json_members(r->a, json_find(r->a, r->status, "processes"), JSON_MEMBERS_MAX, &v, &n, NULL) != ERR_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		struct bytes state = text_at(r->a, v[i].value, "state"), failure = text_at(r->a, v[i].value, "failure");
		if (bytes_eq_str(state, "ready"))
			continue;
		add(r, FINDING_ERROR,
		    failure.len ? arena_fmt(r->a, "the %.*s is %.*s: %.*s", BYTES_FMT(v[i].key), BYTES_FMT(state), BYTES_FMT(failure))
				: arena_fmt(r->a, "the %.*s is %.*s", BYTES_FMT(v[i].key), BYTES_FMT(state)),
		    "It is started again by itself; the server's log says why it ended.");
	}
}

static void check_links(struct report *r)
{
	struct bytes signer = json_find(r->a, r->status, "processes.front.counts.signer_connected");
	struct bytes validator = json_find(r->a, r->status, "processes.validator.counts.front");

	if (bytes_eq_str(signer, "false"))
		add(r, FINDING_ERROR, BYTES_LIT("front and signer do not talk to each other: nothing is issued"),
		    "Look for signer.no_hello and front.gone in the log; a log that is shorter than the newest checkpoint stops the signer.");
	if (bytes_eq_str(validator, "false"))
		add(r, FINDING_ERROR, BYTES_LIT("front and validator do not talk to each other: nothing is validated"),
		    "Look for peer.lost in the log.");
}

static void check_tls(struct report *r)
{
	int64_t end_s;

	if (!number(r->a, r->status, "processes.front.counts.tls_not_after_s", &end_s) || end_s > r->now_s + 7 * DAY_S)
		return;
	add(r, FINDING_ERROR,
	    arena_fmt(r->a, end_s < r->now_s ? "the CA's own TLS certificate ended on %.*s" : "the CA's own TLS certificate ends on %.*s",
		BYTES_FMT(day_of(r->a, end_s))),
	    "It is renewed by itself: look for tls.not_renewed in the log.");
}

/* A new issuer takes a ceremony, and everybody who pins the old one must hear of it. */
static void check_issuers(struct report *r)
{
	struct json_member *v;
	size_t n = 0;
	struct bytes issuers = json_find(r->a, r->status, "processes.signer.counts.issuers_not_after_s");

	if (!issuers.ptr || json_members(r->a, issuers, JSON_MEMBERS_MAX, &v, &n, NULL) != ERR_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		int64_t end_s;
		const char *name = arena_str(r->a, v[i].key);
		if (!name || !number(r->a, issuers, name, &end_s) || end_s > r->now_s + 120 * DAY_S)
			continue;
		add(r, end_s < r->now_s + 7 * DAY_S ? FINDING_ERROR : FINDING_WARNING,
		    arena_fmt(r->a, "the certificate of the issuer %s ends on %.*s; it signs nothing that lasts longer", name,
			BYTES_FMT(day_of(r->a, end_s))),
		    "Make a new issuer: chancery-ca issuer csr, root sign, issuer add.");
	}
}

/* Past a list's nextUpdate careful relying parties take no certificate of the issuer (RFC 5280 §6.3.3). */
static void check_lists(struct report *r)
{
	int64_t end_s;

	if (number(r->a, r->status, "processes.signer.counts.crl_ends_s", &end_s) && end_s > 0 && end_s < r->now_s + DAY_S)
		add(r, FINDING_ERROR,
		    arena_fmt(r->a, "a revocation list ends on %.*s and has not been made anew", BYTES_FMT(day_of(r->a, end_s))),
		    "It is made by itself after signer.crl-interval: look for crl.failed in the log, and at the space of its disk.");
	if (number(r->a, r->status, "processes.signer.counts.root_crl_ends_s", &end_s) && end_s > 0 && end_s < r->now_s + 30 * DAY_S)
		add(r, end_s < r->now_s + 7 * DAY_S ? FINDING_ERROR : FINDING_WARNING,
		    arena_fmt(r->a, "a root's revocation list ends on %.*s", BYTES_FMT(day_of(r->a, end_s))),
		    "Make a newer one where the root is, and bring it here: chancery-ca root crl, issuer root-crl.");
}

static void check_token(struct report *r)
{
	struct bytes failure = text_at(r->a, r->status, "processes.keyholder.counts.failure");

	if (failure.len > 0)
		add(r, FINDING_ERROR, arena_fmt(r->a, "the token does not sign: %.*s", BYTES_FMT(failure)),
		    "Orders that want it wait. Look at the token and at keyholder's settings; after a wrong PIN correct the file and restart the server.");
}

static void check_blocks(struct report *r)
{
	int64_t n;

	if (number(r->a, r->status, "processes.signer.counts.blocked", &n) && n > 900)
		add(r, FINDING_WARNING, arena_fmt(r->a, "%lld keys, names, accounts and methods are blocked; 1024 can be", (long long)n),
		    "Unblock what is over, or put names into policy.deny-names and keys into files of policy.blocked-keys.");
}

static void check_space(struct report *r)
{
	int64_t free_bytes, reserve;

	if (!number(r->a, r->status, "processes.signer.counts.free_bytes", &free_bytes) ||
	    !number(r->a, r->status, "processes.signer.counts.reserve_bytes", &reserve) || free_bytes >= 2 * reserve)
		return;
	add(r, free_bytes < reserve ? FINDING_ERROR : FINDING_WARNING,
	    arena_fmt(r->a,
		free_bytes < reserve ? "the log's disk has %lld MiB left, less than the reserve of %lld: nothing is issued, only revoked"
				     : "the log's disk has %lld MiB left; below the reserve of %lld nothing is issued",
		(long long)(free_bytes >> 20), (long long)(reserve >> 20)),
	    "Free space on the disk of state-folder/signer; nothing in log/ may be removed.");
}

static void check_clock(struct report *r)
{
	int64_t log_s;

	if (number(r->a, r->status, "processes.signer.counts.log_time_s", &log_s) && log_s > r->now_s + 1)
		add(r, FINDING_ERROR,
		    arena_fmt(r->a, "the clock stands %lld s before the log's last record: nothing is issued until it has passed that",
			(long long)(log_s - r->now_s)),
		    "Set the clock right. If the records' times are wrong (the clock was ahead once), wait, or restore from a backup made before.");
}

static void check_load(struct report *r)
{
	int64_t n;

	if (number(r->a, r->status, "processes.front.counts.overloaded", &n) && n > 0)
		add(r, FINDING_WARNING, arena_fmt(r->a, "%lld requests were refused because the queue was full", (long long)n),
		    "More front.workers help when the machine has processors left; else it has more to do than it can.");
	if (number(r->a, r->status, "processes.front.counts.connections_refused", &n) && n > 0)
		add(r, FINDING_WARNING, arena_fmt(r->a, "%lld connections were refused", (long long)n),
		    "front.connections-max and front.connections-per-address bound them.");
}

static void check_trust(struct report *r)
{
	int64_t n;

	if (number(r->a, r->status, "processes.signer.counts.checkpoints_ignored", &n) && n > 0)
		add(r, FINDING_WARNING, arena_fmt(r->a, "%lld checkpoints came that this signer has not signed", (long long)n),
		    "The front's database is not this CA's, or somebody has changed it: chancery-ca reconcile tells more.");
}

size_t diagnose(struct arena *a, struct bytes status, int64_t now_s, struct finding v[FINDINGS_MAX])
{
	static void (*const rules[])(struct report *) = { check_processes, check_links, check_tls, check_issuers, check_lists, check_token,
		check_blocks, check_space, check_clock, check_trust, check_load };
	struct report r = { .a = a, .status = status, .now_s = now_s, .v = v };

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		rules[i](&r);
	return r.n;
}
