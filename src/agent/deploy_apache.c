#include "agent/deploy_target.h"

static enum deploy_use uses(struct deploy_run *r)
{
	const char *main_file = r->wish->config ? r->wish->config : web_main_file(WEB_APACHE);
	struct web_config c;

	if (!main_file || web_config_read(r->arena, WEB_APACHE, main_file, &web_files_disk, &c, NULL) != ERR_OK)
		return DEPLOY_UNKNOWN;
	return deploy_uses_web(r, &c);
}

/* Debian's apachectl is apache2ctl too; both give what they do not know to the server. */
static const char *control(struct deploy_run *r)
{
	return deploy_program(r->job, DEPLOY_WORDS("apachectl", "apache2ctl", "httpd", "apache2"));
}

static enum err_code test(struct deploy_run *r, struct err *e)
{
	return deploy_run_words(r->job, deploy_words_config(r, "-f", DEPLOY_WORDS(control(r), "-t")), e);
}

static enum err_code reload(struct deploy_run *r, struct err *e)
{
	enum err_code rc;

	if (deploy_reload_unit(r, DEPLOY_WORDS("apache2", "httpd"), &rc, e))
		return rc;
	return deploy_run_words(r->job, deploy_words_config(r, "-f", DEPLOY_WORDS(control(r), "-k", "graceful")), e);
}

const struct deploy_target deploy_apache = {
	.name = "apache",
	.lines = "SSLCertificateFile    @/live/fullchain.pem\nSSLCertificateKeyFile @/live/privkey.pem\n",
	.uses = uses,
	.test = test,
	.reload = reload,
};
