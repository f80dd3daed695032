/* chancery-runner: runs the user's programs, as the user that they are to have: no shell, a deadline, bounded output. */
#include "agent/child.h"
#include "agent/run.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define WORDS_MAX 1024

struct run_json {
	struct json_strings argv, env;
	struct json_uint timeout_s;
	struct bytes input;
};
static const struct json_field run_fields[] = {
	JSON_FIELD(struct run_json, argv, "argv", JSON_STRINGS, true, WORDS_MAX),
	JSON_FIELD(struct run_json, env, "env", JSON_STRINGS, true, WORDS_MAX),
	JSON_FIELD(struct run_json, timeout_s, "timeout_s", JSON_UINT, true, 0),
	JSON_FIELD(struct run_json, input, "input", JSON_STRING, false, 0),
};

static enum err_code texts(struct arena *a, const struct json_strings *in, const char ***ret, struct err *e)
{
	const char **v = arena_array(a, in->n + 1, sizeof *v);

	for (size_t i = 0; v && i < in->n; i++)
		TRY(talk_text(a, in->v[i], &v[i], e));
	errno = 0;
	if (!v)
		FAIL(e, NOMEM, "no memory to run a program");
	*ret = v;
	return ERR_OK;
}

static enum err_code op_run(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(run_result_free) struct run_result result = { .code = -1 };
	struct run_json j = { .timeout_s = { false, 0 } };
	struct run_request r = { .argv = NULL };
	const char **argv, **env;

	(void)c;
	(void)fd;
	TRY(json_read(a, json, "a program", run_fields, sizeof run_fields / sizeof *run_fields, &j, e));
	TRY(texts(a, &j.argv, &argv, e));
	TRY(texts(a, &j.env, &env, e));
	errno = 0;
	if (j.argv.n == 0)
		FAIL(e, MALFORMED, "no program is named");
	r = (struct run_request){ .argv = argv, .env = env, .timeout_s = (uint32_t)j.timeout_s.value };
	TRY(talk_bytes(a, j.input, &r.input, e));
	TRY(run_program(&r, &result, e));
	json_put_member_uint(answer, "code", (uint64_t)result.code);
	struct bytes out = buf_bytes(&result.out), err = buf_bytes(&result.err);
	talk_put_bytes(answer, "out", out.ptr ? out : BYTES_LIT(""));
	talk_put_bytes(answer, "err", err.ptr ? err : BYTES_LIT(""));
	return ERR_OK;
}

/* Another user, with its groups and its home. Programs may need all that this user may: no other wall stands around them. */
static enum err_code jail(const struct child_user *u, struct err *e)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!u->given || u->uid == 0)
		return ERR_OK;
	const struct passwd *p = getpwuid(u->uid);
	bool groups = p ? initgroups(p->pw_name, u->gid) == 0 : setgroups(0, NULL) == 0;
	if (!groups || setresgid(u->gid, u->gid, u->gid) != 0 || setresuid(u->uid, u->uid, u->uid) != 0 || setuid(0) == 0)
		FAIL(e, CONFIG, "cannot become user %u: %s", (unsigned)u->uid, strerror(errno));
	(void)setenv("HOME", p ? p->pw_dir : "/", 1);
	(void)setenv("USER", p ? p->pw_name : "", 1);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the change of user sets it anew */
	return ERR_OK;
}

int main(void)
{
	static const struct child_row rows[] = { { "run", op_run } };

	return child_main(rows, sizeof rows / sizeof *rows, jail, NULL);
}
