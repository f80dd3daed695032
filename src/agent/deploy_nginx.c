#include "agent/deploy_target.h"

static enum deploy_use uses(struct deploy_run *r)
{
	struct web_files files;
	struct web_config c;
	struct bytes text;
	const char *main_file = r->wish->config;

	/* What nginx itself would read, unless that is more than is kept of a program's output. */
	if (deploy_run_output(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("nginx", "-T", "-q")), &text, NULL) == ERR_OK &&
	    text.len < RUN_OUTPUT_MAX && web_files_dump(r->arena, text, &files, &main_file))
		return web_config_read(r->arena, WEB_NGINX, main_file, &files, &c, NULL) == ERR_OK ? deploy_uses_web(r, &c)
												   : DEPLOY_UNKNOWN;
	if (!main_file)
		main_file = web_main_file(WEB_NGINX);
	if (!main_file || web_config_read(r->arena, WEB_NGINX, main_file, &web_files_disk, &c, NULL) != ERR_OK)
		return DEPLOY_UNKNOWN;
	return deploy_uses_web(r, &c);
}

static enum err_code test(struct deploy_run *r, struct err *e)
{
	return deploy_run_words(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("nginx", "-t", "-q")), e);
}

static enum err_code reload(struct deploy_run *r, struct err *e)
{
	enum err_code rc;

	if (deploy_reload_unit(r, DEPLOY_WORDS("nginx", "openresty"), &rc, e))
		return rc;
	return deploy_run_words(r->job, deploy_words_config(r, "-c", DEPLOY_WORDS("nginx", "-s", "reload")), e);
}

const struct deploy_target deploy_nginx = {
	.name = "nginx",
	.lines = "ssl_certificate     @/live/fullchain.pem;\nssl_certificate_key @/live/privkey.pem;\n",
	.uses = uses,
	.test = test,
	.reload = reload,
};
