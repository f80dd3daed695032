#include "cli/saved_options.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 100

static bool is_of_one_run(const char *name)
{
	static const char *const names[] = { "folder", "force", "json" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* A renewal may run in another folder: what names a file is kept as an absolute path. */
static void put_value(struct json_out *w, const struct cli_option *o, const char *value)
{
	static const char *const files[] = { "FILE", "PEM", "DIR", "PROGRAM" };
	bool file = false;

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		file = file || strcmp(files[i], o->value) == 0;
	char *absolute = file && strchr(value, '/') ? realpath(value, NULL) : NULL;
	/* A name without a slash is a program in PATH, or a file here. */
	if (file && !absolute && strcmp(o->value, "PROGRAM") != 0)
		absolute = realpath(value, NULL);
	json_put_member_str(w, "value", absolute ? absolute : value);
	free(absolute);
}

void saved_write(const struct cli *c, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_key(&w, "names");
	json_put_array(&w);
	for (size_t i = 0; i < c->n_arguments; i++)
		json_put_string(&w, bytes_str(c->arguments[i]));
	json_end_array(&w);
	json_put_key(&w, "options");
	json_put_array(&w);
	for (size_t i = 0; i < c->n_given; i++) {
		if (is_of_one_run(c->given[i].option->name))
			continue;
		json_put_object(&w);
		json_put_member_str(&w, "option", c->given[i].option->name);
		if (c->given[i].option->value)
			put_value(&w, c->given[i].option, c->given[i].value);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	buf_add_u8(out, '\n');
}

struct saved {
	struct json_strings names;
	struct bytes options;
};
static const struct json_field saved_fields[] = {
	JSON_FIELD(struct saved, names, "names", JSON_STRINGS, true, NAMES_MAX),
	JSON_FIELD(struct saved, options, "options", JSON_ARRAY, true, 0),
};
struct saved_option {
	struct bytes option, value;
};
static const struct json_field option_fields[] = {
	JSON_FIELD(struct saved_option, option, "option", JSON_STRING, true, 64),
	JSON_FIELD(struct saved_option, value, "value", JSON_STRING, false, 4096),
};

static enum err_code give(struct cli *c, const char *name, const char *value, struct err *e)
{
	for (size_t i = 0; i < c->command->n_options; i++) {
		const struct cli_option *o = &c->command->options[i];
		if (strcmp(o->name, name) != 0)
			continue;
		if (!o->value != !value)
			FAIL(e, CONFIG, "its option %s %s a value", name, value ? "has" : "lacks");
		if (c->n_given == OPTION_VALUES_MAX)
			FAIL(e, CONFIG, "it has more than %d options", OPTION_VALUES_MAX);
		c->given[c->n_given].option = o;
		c->given[c->n_given++].value = value ? value : "";
		return ERR_OK;
	}
	FAIL(e, CONFIG, "chancery issue has no option %s", name);
}

static enum err_code take_option(struct arena *a, struct bytes json, struct cli *c, struct err *e)
{
	struct saved_option o = { .option = BYTES_NONE };

	TRY(json_read(a, json, "an option", option_fields, 2, &o, e));
	const char *name = arena_str(a, o.option), *value = o.value.ptr ? arena_str(a, o.value) : NULL;
	if (!name || (o.value.ptr && !value))
		FAIL(e, NOMEM, "no memory for options");
	return give(c, name, value, e);
}

enum err_code saved_read(struct arena *a, struct bytes text, const struct cli_program *program, const struct cli_command *like,
    const char *folder, struct cli *ret, struct err *e)
{
	struct cli c = { .program = program, .command = like };
	struct saved s = { .options = BYTES_NONE };
	struct bytes *v;
	size_t n;

	errno = 0;
	TRY(json_read(a, text, SAVED_FILE, saved_fields, 2, &s, e));
	TRY(json_elements(a, s.options, OPTION_VALUES_MAX, &v, &n, e));
	if (s.names.n == 0)
		FAIL(e, CONFIG, "it has no names");
	c.arguments = arena_array(a, s.names.n, sizeof *c.arguments);
	if (!c.arguments)
		FAIL(e, NOMEM, "no memory for names");
	for (; c.n_arguments < s.names.n; c.n_arguments++) {
		c.arguments[c.n_arguments] = arena_str(a, s.names.v[c.n_arguments]);
		if (!c.arguments[c.n_arguments])
			FAIL(e, NOMEM, "no memory for names");
	}
	for (size_t i = 0; i < n; i++)
		TRY(take_option(a, v[i], &c, e));
	TRY(give(&c, "folder", folder, e));
	*ret = c;
	return ERR_OK;
}
