/* A problem document of any bytes: always a failure, and what a person gets to see of it is text. */
#include "client/problem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_text(const char *text, size_t size)
{
	require(memchr(text, 0, size) != NULL);
	for (; *text; text++)
		require((uint8_t)*text >= ' ' && *text != 0x7f);
}

static void check(const struct chancery_error *x)
{
	require(x->n_subs <= FAILURE_SUBS_MAX);
	require_text(x->message, sizeof x->message);
	require_text(x->type, sizeof x->type);
	require_text(x->hint, sizeof x->hint);
	for (size_t i = 0; i < x->n_subs; i++) {
		require_text(x->subs[i].name, sizeof x->subs[i].name);
		require_text(x->subs[i].type, sizeof x->subs[i].type);
		require_text(x->subs[i].detail, sizeof x->subs[i].detail);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	static const int statuses[] = { 0, 400, 403, 429, 500, 503 };
	const struct bytes json = { data, size };

	for (size_t i = 0; a && i < sizeof statuses / sizeof *statuses; i++) {
		struct chancery_error x = { .result = CHANCERY_OK };
		struct err e = { 0 };
		enum err_code rc = problem_document_read(
		    &x, a, json, statuses[i], statuses[i] ? PROBLEM_OF_REQUEST : PROBLEM_OF_VALIDATION, i % 2 ? "asking" : NULL, &e);
		require(rc != ERR_OK);
		(void)failure_finish(&x, rc, "asking", &e);
		require(x.result != CHANCERY_OK);
		check(&x);
		failure_reset(&x);
	}
	(void)problem_code(a, json);
	return 0;
}
