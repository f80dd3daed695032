#include "cli/cmd_probe.h"

#include "base/codec.h"
#include "cli/probe_report.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define EAB_FILE_MAX 1024

static void tell(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "    %s\n", line);
}

static bool wanted(const struct cli *c, const struct probe_case *k)
{
	const char *glob;

	for (size_t i = 0; (glob = cli_nth(c, "only", i)) != NULL; i++)
		if (probe_matches(glob, probe_case_id(k)))
			return true;
	return !cli_flag(c, "only");
}

static enum err_code read_port(const struct cli *c, uint16_t *ret, struct err *e)
{
	const char *text = cli_value(c, "http-port", "80");
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno != 0 || *end || *text < '0' || *text > '9' || v < 1 || v > 65535)
		FAIL(e, CONFIG, "--http-port %s: a number from 1 to 65535 is allowed", text);
	*ret = (uint16_t)v;
	return ERR_OK;
}

static enum err_code read_eab(const struct cli *c, struct arena *a, struct buf *text, struct probe_options *o, struct err *e)
{
	const char *path = cli_value(c, "eab-key-file", NULL);

	o->eab_kid = cli_value(c, "eab-kid", NULL);
	if ((o->eab_kid != NULL) != (path != NULL))
		FAIL(e, CONFIG, "--eab-kid and --eab-key-file belong together");
	if (!path)
		return ERR_OK;
	TRY(file_read(AT_FDCWD, path, EAB_FILE_MAX, text, e));
	while (text->len && strchr(" \r\n", text->ptr[text->len - 1]))
		text->len--;
	if (base64url_decode(a, buf_bytes(text), &o->eab_key, NULL) != ERR_OK)
		FAIL(e, CONFIG, "%.200s: this is no key in base64url", path);
	return ERR_OK;
}

static enum err_code read_options(const struct cli *c, struct arena *a, struct buf *secret, struct probe_options *o, struct err *e)
{
	const char *name;

	if (c->n_arguments == 0)
		FAIL(e, CONFIG, "the URL of a server's ACME directory is needed");
	o->directory_url = c->arguments[0];
	o->ca_file = cli_value(c, "ca-file", NULL);
	o->contact = cli_value(c, "contact", NULL);
	for (size_t i = 0; (name = cli_nth(c, "name", i)) != NULL; i++) {
		if (i == PROBE_NAMES_MAX)
			FAIL(e, CONFIG, "--name may be given %d times", PROBE_NAMES_MAX);
		o->names[o->n_names++] = name;
	}
	if (o->n_names == 0)
		o->names[o->n_names++] = "localhost";
	if (cli_flag(c, "verbose"))
		o->tell = tell;
	TRY(read_port(c, &o->http_port, e));
	return read_eab(c, a, secret, o, e);
}

static int list(const struct cli *c, struct probe_report *r)
{
	size_t n;
	const struct probe_case *const *v = probe_cases(&n);

	probe_report_begin(r);
	for (size_t i = 0; i < n; i++)
		if (wanted(c, v[i]))
			probe_report_listed(r, v[i]);
	probe_report_list_end(r);
	return EXIT_DONE;
}

static int run(const struct cli *c, struct probe *p, struct probe_report *r)
{
	size_t n;
	const struct probe_case *const *v = probe_cases(&n);
	struct err seen;

	probe_report_begin(r);
	for (size_t i = 0; i < n; i++) {
		if (!wanted(c, v[i]))
			continue;
		enum probe_result result = probe_run(p, v[i], &seen);
		probe_report_case(r, v[i], result, &seen);
	}
	return probe_report_end(r);
}

int cmd_probe(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	CLEANUP(buf_free_p) struct buf secret = buf_new_secret(EAB_FILE_MAX);
	CLEANUP(probe_free_p) struct probe *p = NULL;
	struct probe_report r = { .json = cli_flag(c, "json") };
	struct probe_options o = { 0 };
	struct err e = { 0 };

	if (cli_flag(c, "list"))
		return list(c, &r);
	enum err_code rc = a ? read_options(c, a, &secret, &o, &e) : ERR_NOMEM;
	if (rc == ERR_OK)
		rc = probe_new(&o, &p, &e);
	if (rc != ERR_OK)
		return cli_fail(c, &e);
	r.server = o.directory_url;
	return run(c, p, &r);
}
