/* What a hook prints, and the words of its command line: what is told of a failure is one line of text, whatever the program has said. The input: a byte for the dialect,
 * one for the exit code, what is printed, and behind a NUL what is printed as errors. */
#include "agent/hook.h"
#include "agent/runner.h"
#include "agent/words.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes printed, complained;
static int code;

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* In the place of runner.c and crew.c, which are not linked. */
enum err_code runner_run(struct peer *runner, const struct run_request *r, struct run_result *ret, struct err *e)
{
	(void)runner;
	(void)e;
	require(r->argv[0] && r->timeout_s > 0);
	*ret = (struct run_result){ .code = code, .out = buf_new(RUN_OUTPUT_MAX), .err = buf_new(RUN_OUTPUT_MAX) };
	buf_add(&ret->out, printed);
	buf_add(&ret->err, complained);
	return ERR_OK;
}

static enum err_code nobody(struct peer **ret)
{
	*ret = NULL;
	return ERR_OK;
}

enum err_code crew_hooks(struct crew *c, struct peer **ret, struct err *e)
{
	(void)c;
	(void)e;
	return nobody(ret);
}

enum err_code crew_poster(struct crew *c, struct peer **ret, struct err *e)
{
	(void)c;
	(void)ret;
	FAIL(e, CONNECTION, "nobody is asked");
}

static void check_words(struct bytes text)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	const char *line = arena_str(a, text), **argv;
	size_t n = 0;

	if (!line || words_split(a, line, &argv, NULL) != ERR_OK)
		return;
	while (argv[n])
		require(strlen(argv[n++]) <= text.len);
	require(n > 0 && n <= WORDS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "www.example.org" };
	const struct chancery_challenge challenge = { .type = "dns-01",
		.name = "www.example.org",
		.token = "token",
		.key_authorization = "token.thumbprint",
		.record = "_acme-challenge.www.example.org",
		.digest = "digest" };
	struct hook_wish wish = { .program = "/bin/hook", .names = names, .n_names = 1, .timeout_s = 1 };
	struct crew crew = { .net = NULL };
	CLEANUP(hook_free_p) struct hook *h = NULL;

	if (size < 2 || size > RUN_OUTPUT_MAX)
		return 0;
	wish.dialect = (enum hook_dialect)(data[0] % HOOK__MAX);
	code = data[1];
	printed = (struct bytes){ data + 2, size - 2 };
	complained = BYTES_LIT("");
	struct bytes out, err;
	if (bytes_split(printed, 0, &out, &err)) {
		printed = out;
		complained = err;
	}
	check_words(printed);
	if (hook_dialect_is_url(wish.dialect))
		wish.program = "https://solver.example";
	if (hook_new(&wish, &crew, &h, NULL) != ERR_OK)
		return 0;
	int rc = hook_deploy(h, &challenge);
	require(rc == 0 || *hook_failure(h) || rc == CHANCERY_DECLINE);
	for (const char *p = hook_failure(h); *p; p++)
		require((uint8_t)*p >= ' ' && *p != 0x7f);
	if (rc == 0)
		hook_clean_up(h, &challenge);
	return 0;
}
