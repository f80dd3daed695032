#include "cli/deployment.h"

#include <stdio.h>
#include <unistd.h>

/* "nginx: its configuration is tested" */
static const char *words(enum deploy_kind k)
{
	switch (k) {
	case DEPLOY_PRE_HOOK:
		return "the pre-hook has run";
	case DEPLOY_INSTALL:
		return "is written";
	case DEPLOY_FIND:
		return "";
	case DEPLOY_TEST:
		return "its configuration is tested";
	case DEPLOY_RELOAD:
		return "it reads the certificate anew";
	case DEPLOY_LOOK:
		return "";
	case DEPLOY_DEPLOY_HOOK:
		return "the deploy-hook has run";
	case DEPLOY_POST_HOOK:
		return "the post-hook has run";
	case DEPLOY_ROLL_BACK:
		return "it has the previous certificate again";
	}
	return "";
}

/* Further lines stand below the first. */
static void put_lines(const char *text)
{
	for (; *text; text++) {
		if (*text != '\n')
			putchar(*text);
		else if (text[1])
			printf("\n      ");
	}
}

void deployment_tell(void *context, const struct deploy_step *s)
{
	bool colour = isatty(STDOUT_FILENO);
	const char *what = *s->detail ? s->detail : words(s->kind);

	(void)context;
	printf("  %s%s%s %s%s%s%s", colour ? s->good ? "\033[32m" : "\033[31m" : "", s->good ? " - " : " ! ", colour ? "\033[0m" : "",
	    s->of, *s->of && *what ? ": " : "", s->good ? "" : deploy_kind_name(s->kind), s->good ? "" : ": ");
	put_lines(what);
	putchar('\n');
	fflush(stdout);
}

void deployment_put(const struct deploy_job *j, struct json_out *w)
{
	if (!j || j->n_steps == 0)
		return;
	json_put_key(w, "deploy");
	json_put_object(w);
	json_put_member_bool(w, "deployed", j->deployed);
	deploy_put(j, w);
	json_end_object(w);
}
