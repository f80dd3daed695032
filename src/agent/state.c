#include "agent/state.h"

#include "base/codec.h"
#include "base/json.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define SIZE_MAX_FILE   65536
#define BACK_OFF_MOST_S (6 * 3600)
/* A CA that asks for more is not believed. */
#define RETRY_AFTER_MOST_S (7 * 86400)
#define CLOCK_SLACK_S      60
#define TIME_MOST_S        253402300799 /* the year 9999 */

/* --- the file --- */

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{ "last_try", offsetof(struct state, last_try_s) },
	{ "last_success", offsetof(struct state, last_success_s) },
	{ "failures", offsetof(struct state, failures) },
	{ "not_before", offsetof(struct state, not_before_s) },
	{ "set_back", offsetof(struct state, set_back_s) },
	{ "asked", offsetof(struct state, asked) },
	{ "failing_since", offsetof(struct state, failing_since_s) },
	{ "window_start", offsetof(struct state, window_start_s) },
	{ "window_end", offsetof(struct state, window_end_s) },
	{ "ask", offsetof(struct state, ask_s) },
	{ "served_at", offsetof(struct state, served_s) },
	{ "alerted_days", offsetof(struct state, alerted_days) },
};
static const struct {
	const char *name;
	size_t offset, size;
} texts[] = {
	{ "message", offsetof(struct state, message), STATE_TEXT_MAX },
	{ "hint", offsetof(struct state, hint), STATE_TEXT_MAX },
	{ "type", offsetof(struct state, type), STATE_TEXT_MAX },
	{ "fault", offsetof(struct state, fault), 32 },
	{ "about", offsetof(struct state, about), 32 },
	{ "ca", offsetof(struct state, ca), STATE_TEXT_MAX },
	{ "explanation", offsetof(struct state, explanation), STATE_TEXT_MAX },
	{ "served", offsetof(struct state, served), STATE_TEXT_MAX },
	{ "alerted", offsetof(struct state, alerted), 64 },
};
#define NUMBERS (sizeof numbers / sizeof *numbers)
#define TEXTS   (sizeof texts / sizeof *texts)

struct values {
	struct json_uint numbers[NUMBERS];
	struct bytes texts[TEXTS];
};

static enum err_code parse(struct arena *a, struct bytes json, struct values *ret, struct err *e)
{
	struct json_field fields[NUMBERS + TEXTS];

	for (size_t i = 0; i < NUMBERS; i++)
		fields[i] = (struct json_field){ numbers[i].name, JSON_UINT, false,
			offsetof(struct values, numbers) + i * sizeof(struct json_uint), 0 };
	for (size_t i = 0; i < TEXTS; i++)
		fields[NUMBERS + i] =
		    (struct json_field){ texts[i].name, JSON_STRING, false, offsetof(struct values, texts) + i * sizeof(struct bytes), 0 };
	return json_read(a, json, "the state", fields, NUMBERS + TEXTS, ret, e);
}

/* All numbers are 64 bits wide. */
static void *at(struct state *s, size_t offset)
{
	return (char *)s + offset;
}

static enum err_code take(const struct values *v, struct state *ret, struct err *e)
{
	for (size_t i = 0; i < NUMBERS; i++) {
		errno = 0;
		if (v->numbers[i].value > TIME_MOST_S)
			FAIL(e, MALFORMED, "%s: a number that is too large", numbers[i].name);
		memcpy(at(ret, numbers[i].offset), &v->numbers[i].value, sizeof v->numbers[i].value);
	}
	for (size_t i = 0; i < TEXTS; i++)
		(void)snprintf(at(ret, texts[i].offset), texts[i].size, "%.*s", BYTES_FMT(v->texts[i]));
	return ERR_OK;
}

enum err_code state_read(const char *path, struct state *ret, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	CLEANUP(buf_free_p) struct buf text = buf_new(SIZE_MAX_FILE);
	struct values v = { .texts = { BYTES_NONE } };
	struct state s = { .failures = 0 };

	*ret = s;
	errno = 0;
	if (!a)
		FAIL(e, NOMEM, "no memory for the state");
	enum err_code rc = file_read(AT_FDCWD, path, SIZE_MAX_FILE, &text, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	TRY(rc);
	TRY(parse(a, buf_bytes(&text), &v, e));
	TRY(take(&v, &s, e));
	*ret = s;
	return ERR_OK;
}

void state_take(const char *path, struct state *ret, char told[STATE_TEXT_MAX])
{
	struct err e = { 0 };
	char aside[4200];

	*told = 0;
	enum err_code rc = state_read(path, ret, &e);
	if (rc == ERR_OK)
		return;
	bool broken = rc == ERR_MALFORMED || rc == ERR_TOO_LARGE;
	(void)snprintf(aside, sizeof aside, "%s.broken", path);
	if (broken && rename(path, aside) == 0)
		(void)snprintf(told, STATE_TEXT_MAX, "%.200s is broken (%.100s), and forgotten: it is %.150s now", path, e.detail, aside);
	else
		(void)snprintf(told, STATE_TEXT_MAX, "%.200s cannot be read, and is forgotten: %.200s", path, e.detail);
}

enum err_code state_write(const char *path, const struct state *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SIZE_MAX_FILE);
	struct json_out j = json_out_to(&text);
	struct state copy = *s;

	json_put_object(&j);
	for (size_t i = 0; i < NUMBERS; i++) {
		uint64_t value;
		memcpy(&value, at(&copy, numbers[i].offset), sizeof value);
		if (value != 0)
			json_put_member_uint(&j, numbers[i].name, value);
	}
	for (size_t i = 0; i < TEXTS; i++)
		if (*(const char *)at(&copy, texts[i].offset))
			json_put_member_str(&j, texts[i].name, at(&copy, texts[i].offset));
	json_end_object(&j);
	buf_add_u8(&text, '\n');
	errno = 0;
	if (!buf_ok(&text))
		FAIL(e, NOMEM, "no memory for the state");
	TRY(file_make_folder_of(path, e));
	return file_write(AT_FDCWD, path, 0644, buf_bytes(&text), e);
}

/* --- what happens --- */

void state_succeeded(struct state *s, int64_t now_s)
{
	s->last_try_s = s->last_success_s = now_s;
	s->failures = s->asked = 0;
	s->not_before_s = s->set_back_s = s->failing_since_s = 0;
	*s->message = *s->hint = *s->type = *s->fault = *s->about = 0;
}

static int64_t back_off_s(uint64_t failures, int64_t first_s)
{
	int64_t wait_s = first_s;
	uint16_t chance;

	for (uint64_t i = 1; i < failures && wait_s < BACK_OFF_MOST_S; i++)
		wait_s *= 2;
	if (wait_s > BACK_OFF_MOST_S)
		wait_s = BACK_OFF_MOST_S;
	random_bytes(&chance, sizeof chance);
	return wait_s + wait_s * chance / 65536 / 4;
}

static void set_back(struct state *s, int64_t until_s, int64_t now_s)
{
	s->not_before_s = until_s;
	s->set_back_s = now_s;
	if (!s->failing_since_s)
		s->failing_since_s = now_s;
}

void state_failed(struct state *s, const struct outcome *out, int64_t now_s)
{
	int64_t asked_s = out->retry_after_s < RETRY_AFTER_MOST_S ? out->retry_after_s : RETRY_AFTER_MOST_S;

	s->last_try_s = now_s;
	s->failures++;
	int64_t wait_s = back_off_s(s->failures, out->blame.first_s);
	set_back(s, now_s + (wait_s > asked_s ? wait_s : asked_s), now_s);
	s->asked = out->retry_after_s > 0 || strcmp(out->type, "rateLimited") == 0;
	(void)snprintf(s->message, sizeof s->message, "%s", out->message);
	(void)snprintf(s->hint, sizeof s->hint, "%s", out->hint);
	(void)snprintf(s->type, sizeof s->type, "%s", out->type);
	(void)snprintf(s->fault, sizeof s->fault, "%s", outcome_fault_name(out->fault));
	(void)snprintf(s->about, sizeof s->about, "%s", blame_about_name(out->blame.about));
}

void state_wait(struct state *s, int64_t until_s, const char *why, int64_t now_s)
{
	set_back(s, until_s, now_s);
	(void)snprintf(s->message, sizeof s->message, "%s", why);
	*s->hint = 0;
}

bool state_waits(const struct state *s, int64_t now_s)
{
	int64_t decided_s = s->not_before_s - (s->set_back_s ? s->set_back_s : s->last_try_s), left_s = s->not_before_s - now_s;

	return left_s > 0 && left_s <= decided_s + CLOCK_SLACK_S && left_s <= RETRY_AFTER_MOST_S + BACK_OFF_MOST_S;
}
