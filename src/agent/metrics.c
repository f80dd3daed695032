#include "agent/metrics.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define TEXT_MAX (32u << 20)

enum value { THERE, NOT_AFTER, DUE, LAST_SUCCESS, FAILURES, FAILING_SINCE, NEXT_TRY, SERVED_GOOD };
static const struct {
	const char *name, *help;
	enum value value;
} families[] = {
	{ "chancery_certificate_there", "Whether there is one; 0: it is configured and was never got.", THERE },
	{ "chancery_certificate_not_after_timestamp_seconds", "When the certificate ends.", NOT_AFTER },
	{ "chancery_certificate_due_timestamp_seconds", "When it is renewed.", DUE },
	{ "chancery_certificate_last_success_timestamp_seconds", "When it was last issued and put to use.", LAST_SUCCESS },
	{ "chancery_certificate_failures", "Tries in a row that failed.", FAILURES },
	{ "chancery_certificate_failing_since_timestamp_seconds",
	    "When it failed, or had to wait, for the first time since the last success.", FAILING_SINCE },
	{ "chancery_certificate_next_try_timestamp_seconds", "Before when it is not tried again, as it failed or no CA may be asked.",
	    NEXT_TRY },
	{ "chancery_certificate_served_good", "Whether the last look from outside saw the certificate that is on disk.", SERVED_GOOD },
};

/* False: there is no such value of this one. */
static bool value_of(const struct standing *s, enum value v, int64_t *ret)
{
	switch (v) {
	case THERE:
		*ret = s->item->live;
		return true;
	case NOT_AFTER:
		*ret = s->not_after_s;
		return s->not_after_s != 0;
	case DUE:
		*ret = s->due.at_s;
		return s->not_after_s != 0 && s->kind != STANDING_UNMANAGED;
	case LAST_SUCCESS:
		*ret = s->state.last_success_s;
		return s->state.last_success_s != 0;
	case FAILURES:
		*ret = (int64_t)s->state.failures;
		return true;
	case FAILING_SINCE:
		*ret = s->state.failing_since_s;
		return s->state.failing_since_s != 0;
	case NEXT_TRY:
		*ret = s->state.not_before_s;
		return s->state.not_before_s != 0;
	case SERVED_GOOD:
		*ret = !*s->state.served;
		return s->state.served_s != 0;
	}
	return false;
}

/* A label's value: three characters have a meaning there. */
static void put_label(struct buf *out, const char *name, const char *value)
{
	buf_add_fmt(out, "%s=\"", name);
	for (const char *p = value; *p; p++)
		if (*p == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_fmt(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
	buf_add_str(out, "\"");
}

static void put_sample(struct buf *out, const char *family, const struct standing *s, int64_t value)
{
	buf_add_fmt(out, "%s{", family);
	put_label(out, "name", s->item->name);
	buf_add_str(out, ",");
	put_label(out, "ca", s->ca);
	buf_add_fmt(out, "} %lld\n", (long long)value);
}

void metrics_put(const struct standing *v, size_t n, int64_t now_s, struct buf *out)
{
	int64_t value;

	for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
		buf_add_fmt(out, "# HELP %s %s\n# TYPE %s gauge\n", families[f].name, families[f].help, families[f].name);
		for (size_t i = 0; i < n; i++)
			if (value_of(&v[i], families[f].value, &value))
				put_sample(out, families[f].name, &v[i], value);
	}
	buf_add_fmt(out,
	    "# HELP chancery_last_run_timestamp_seconds When all certificates were last looked at.\n"
	    "# TYPE chancery_last_run_timestamp_seconds gauge\nchancery_last_run_timestamp_seconds %lld\n",
	    (long long)now_s);
}

enum err_code metrics_write(const char *path, const struct standing *v, size_t n, int64_t now_s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(TEXT_MAX);

	metrics_put(v, n, now_s, &text);
	errno = 0;
	if (!buf_ok(&text))
		FAIL(e, NOMEM, "no memory for the metrics");
	return file_write(AT_FDCWD, path, 0644, buf_bytes(&text), e);
}
