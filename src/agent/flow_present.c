/* What there is of a certificate, and whether it is due. */
#include "agent/flow_impl.h"

#include "agent/key_file.h"
#include "base/clock.h"
#include "base/json.h"
#include "crypto/digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ASK_AGAIN_S (6 * 3600) /* where the CA does not say when */

struct meta {
	struct json_strings names;
	struct bytes server, not_before, not_after;
};
static const struct json_field meta_fields[] = {
	JSON_FIELD(struct meta, names, "names", JSON_STRINGS, true, WISH_NAMES_MAX),
	JSON_FIELD(struct meta, server, "server", JSON_STRING, true, 2048),
	JSON_FIELD(struct meta, not_before, "not_before", JSON_STRING, true, 64),
	JSON_FIELD(struct meta, not_after, "not_after", JSON_STRING, true, 64),
};

static bool same_names(const struct wish *w, const struct json_strings *names)
{
	size_t found = 0;

	for (size_t i = 0; i < names->n; i++)
		for (size_t k = 0; k < w->n_names; k++)
			found += bytes_eq_str(names->v[i], w->names[k]);
	return names->n == w->n_names && found == w->n_names;
}

/* The public half of a live key. */
static enum err_code live_spki(struct flow *f, const char *file, struct bytes *ret, struct err *e)
{
	const struct keys_wish key = { .slot = "live", .use = KEYS_CERTIFICATE };
	const char *path = (const char *)arena_fmt(f->wish->arena, "%s/%s", f->report->live, file).ptr;

	errno = 0;
	if (!path)
		FAIL(e, NOMEM, "no memory");
	return key_file_open(f->crew, f->wish->arena, path, &key, ret, e);
}

/* Whether key and chain of this kind belong together, and are for these names. */
static bool fits_kind(struct flow *f, const struct wish_key *kind, struct chain *ret)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(STORAGE_FILE_MAX);
	char privkey[FLOW_FILE_MAX], fullchain[FLOW_FILE_MAX];
	CLEANUP(key_free_p) struct key *key = NULL;
	const struct wish *w = f->wish;
	struct bytes spki = w->csr_spki;

	flow_file(STORAGE_PRIVKEY, kind->suffix, privkey);
	flow_file(STORAGE_FULLCHAIN, kind->suffix, fullchain);
	if (storage_read(f->storage, fullchain, &pem, NULL) != ERR_OK || (!w->csr && live_spki(f, privkey, &spki, NULL) != ERR_OK) ||
	    chain_check(w->arena, buf_bytes(&pem), spki, w->sans, w->n_names, 0, ret, NULL) != ERR_OK)
		return false;
	if (w->csr)
		return true;
	/* Another type of key is another certificate. */
	return key_from_spki(spki, &key, NULL) == ERR_OK && key_type(key) == kind->type && (kind->bits == 0 || key_bits(key) == kind->bits);
}

static uint32_t number_of(struct bytes text)
{
	uint8_t digest[SHA256_SIZE];

	sha256_one(text, digest);
	return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 | digest[3];
}

void flow_present(struct flow *f, struct flow_present *ret)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(STORAGE_FILE_MAX);
	struct meta m = { .names = { false, NULL, 0 } };
	struct chain chain;

	*ret = (struct flow_present){ .server = "" };
	if (storage_read(f->storage, STORAGE_META, &text, NULL) != ERR_OK)
		return;
	struct bytes kept = arena_copy(f->wish->arena, buf_bytes(&text));
	if (!kept.ptr || json_read(f->wish->arena, kept, "meta.json", meta_fields, 4, &m, NULL) != ERR_OK)
		return;
	const char *server = arena_str(f->wish->arena, m.server);
	ret->server = server ? server : "";
	ret->there = rfc3339_parse(m.not_before, &ret->not_before_s, NULL) == ERR_OK &&
		     rfc3339_parse(m.not_after, &ret->not_after_s, NULL) == ERR_OK;
	ret->fits = same_names(f->wish, &m.names);
	for (size_t i = f->wish->n_keys; ret->fits && i-- > 0;) /* the first last, whose chain is told */
		ret->fits = fits_kind(f, &f->wish->keys[i], &chain);
	if (!ret->fits)
		return;
	ret->fullchain = chain.fullchain;
	ret->own = number_of(chain.fullchain);
	ret->not_before_s = chain.not_before_s;
	ret->not_after_s = chain.not_after_s;
}

/* RFC 9773: the window of the CA that has issued it, asked for as often as that CA wishes. */
static void ask_window(struct flow *f, const struct flow_present *p, int64_t now_s)
{
	struct chancery_renewal renewal;
	struct outcome out;

	for (size_t i = 0; i < f->wish->n_cas; i++) {
		if (strcmp(f->wish->cas[i].directory, p->server) != 0)
			continue;
		f->state.ask_s = now_s + ASK_AGAIN_S;
		if (ca_renewal(f->crew, f->wish->arena, &f->wish->cas[i], p->fullchain, &renewal, &out, NULL) != ERR_OK ||
		    out.result != CHANCERY_OK)
			return;
		f->state.window_start_s = renewal.start;
		f->state.window_end_s = renewal.end;
		f->state.ask_s = now_s + (renewal.retry_after ? renewal.retry_after : ASK_AGAIN_S);
		(void)snprintf(f->state.explanation, sizeof f->state.explanation, "%s", renewal.explanation);
		return;
	}
}

void flow_due(struct flow *f, const struct flow_present *p, struct due *ret)
{
	int64_t now_s = clock_wall_ms() / 1000;
	struct due_facts facts = { .there = p->there,
		.fits = p->fits,
		.now_s = now_s,
		.not_before_s = p->not_before_s,
		.not_after_s = p->not_after_s,
		.own = p->own };

	due_judge(&facts, ret);
	if (f->how->again && !ret->now && (f->state.ask_s <= now_s || f->state.ask_s > now_s + 30 * 86400)) /* or the clock went back */
		ask_window(f, p, now_s);
	facts.window_start_s = f->state.window_start_s;
	facts.window_end_s = f->state.window_end_s;
	due_judge(&facts, ret);
}
