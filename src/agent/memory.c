#include "agent/memory.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_WORD_MAX 200
#define ID_SIZE       8

/* What a CA is called, as part of a file's name: of a URL without its scheme. */
static void word_of(const char *name, char ret[FILE_WORD_MAX])
{
	const char *host = strstr(name, "://");

	(void)snprintf(ret, FILE_WORD_MAX, "%s", host ? host + 3 : name);
	for (char *p = ret; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *p))
			*p = '_';
}

/* The same wherever we stand, and whether its key is made already. */
static void account_id(const char *folder, const char *key, char ret[2 * ID_SIZE + 1])
{
	char where[MEMORY_PATH_MAX];
	uint8_t digest[SHA256_SIZE];
	size_t n = strlen(folder);

	if (strncmp(key, folder, n) == 0 && key[n] == '/') {
		(void)snprintf(where, sizeof where, "%s", key + n);
	} else {
		const char *slash = strrchr(key, '/');
		(void)snprintf(where, sizeof where, "%.*s", slash ? (int)(slash - key) + 1 : 1, slash ? key : ".");
		char *absolute = realpath(where, NULL);
		(void)snprintf(where, sizeof where, "%.2000s/%.2000s", absolute ? absolute : "", slash ? slash + 1 : key);
		free(absolute);
	}
	sha256_one(bytes_str(where), digest);
	hex_encode((struct bytes){ digest, ID_SIZE }, ret);
}

static void paths(const char *folder, const char *certificate, const struct ca_wish *ca, struct memory *m)
{
	char word[FILE_WORD_MAX], id[2 * ID_SIZE + 1];
	int n[MEMORY_SCOPES] = { 0 };

	word_of(ca->name, word);
	account_id(folder, ca->account_key, id);
	n[MEMORY_CA] = snprintf(m->of[MEMORY_CA].path, MEMORY_PATH_MAX, "%s/_cas/%s.json", folder, word);
	n[MEMORY_ACCOUNT] = snprintf(m->of[MEMORY_ACCOUNT].path, MEMORY_PATH_MAX, "%s/_cas/%s@%s.json", folder, word, id);
	if (certificate)
		n[MEMORY_CERTIFICATE] =
		    snprintf(m->of[MEMORY_CERTIFICATE].path, MEMORY_PATH_MAX, "%s/%s/state@%s.json", folder, certificate, word);
	for (size_t i = 0; i < MEMORY_SCOPES; i++)
		if (n[i] >= MEMORY_PATH_MAX)
			*m->of[i].path = 0;
}

static void clear_drafts(const char *folder)
{
	char path[MEMORY_PATH_MAX];

	if (snprintf(path, sizeof path, "%s/_cas", folder) < (int)sizeof path)
		file_clear_drafts(AT_FDCWD, path);
}

void memory_open(const char *folder, const char *certificate, const struct ca_wish *ca, void (*tell)(void *context, const char *text),
    void *context, struct memory *ret)
{
	char told[STATE_TEXT_MAX];

	memset(ret, 0, sizeof *ret);
	paths(folder, certificate, ca, ret);
	if (tell)
		clear_drafts(folder);
	for (size_t i = 0; i < MEMORY_SCOPES; i++) {
		if (!*ret->of[i].path)
			continue;
		if (!tell) {
			MAY_FAIL(state_read(ret->of[i].path, &ret->of[i].state, NULL));
			continue;
		}
		state_take(ret->of[i].path, &ret->of[i].state, told);
		if (*told)
			tell(context, told);
	}
}

const struct state *memory_holds(const struct memory *m, bool own, int64_t now_s)
{
	const struct state *found = NULL;

	for (size_t i = 0; i < MEMORY_SCOPES; i++) {
		const struct state *s = &m->of[i].state;
		if (state_waits(s, now_s) && (own || s->asked) && (!found || s->not_before_s > found->not_before_s))
			found = s;
	}
	return found;
}

static void keep(struct memory *m, enum memory_scope scope)
{
	if (*m->of[scope].path)
		MAY_FAIL(state_write(m->of[scope].path, &m->of[scope].state, NULL)); /* what is not remembered is tried once more */
}

static void failed(struct memory *m, enum memory_scope scope, const struct ca_wish *ca, const struct outcome *out, int64_t now_s)
{
	struct state *s = &m->of[scope].state;

	(void)snprintf(s->ca, sizeof s->ca, "%s", ca->name);
	state_failed(s, out, now_s);
	keep(m, scope);
}

void memory_note(struct memory *m, const struct ca_wish *ca, const struct outcome *out, int64_t now_s)
{
	if (out->result == CHANCERY_OK) {
		for (size_t i = 0; i < MEMORY_SCOPES; i++) {
			bool news = i == MEMORY_CA || m->of[i].state.failures > 0;
			state_succeeded(&m->of[i].state, now_s);
			if (news)
				keep(m, (enum memory_scope)i);
		}
		return;
	}
	switch (out->blame.about) {
	case BLAME_NAMES:
		failed(m, MEMORY_CERTIFICATE, ca, out, now_s);
		break;
	case BLAME_ACCOUNT:
		failed(m, MEMORY_ACCOUNT, ca, out, now_s);
		break;
	case BLAME_NETWORK:
	case BLAME_CA:
		failed(m, MEMORY_CA, ca, out, now_s);
		break;
	case BLAME_US:
		break;
	}
}
