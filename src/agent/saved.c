#include "agent/saved.h"

#include "agent/wish.h"
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 100

static bool is_wish(const char *name)
{
	for (size_t i = 0; i < n_wish_options; i++)
		if (strcmp(wish_options[i].name, name) == 0)
			return true;
	return false;
}

char *saved_absolute(const struct given_option *o, const char *value)
{
	static const char *const files[] = { "FILE", "PEM", "DIR", "PROGRAM" };
	bool file = false;

	for (size_t i = 0; o->value && i < sizeof files / sizeof *files; i++)
		file = file || strcmp(files[i], o->value) == 0;
	char *absolute = file && strchr(value, '/') ? realpath(value, NULL) : NULL;
	/* A name without a slash is a program in PATH, or a file here. */
	if (file && !absolute && strcmp(o->value, "PROGRAM") != 0)
		absolute = realpath(value, NULL);
	return absolute ? absolute : strdup(value);
}

static void put_value(struct json_out *w, const struct given_option *o, const char *value)
{
	char *absolute = saved_absolute(o, value);

	json_put_member_str(w, "value", absolute ? absolute : value);
	free(absolute);
}

void saved_write(const struct given *g, const char *const *names, size_t n_names, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_strs(&w, "names", names, n_names);
	json_put_key(&w, "options");
	json_put_array(&w);
	for (size_t i = 0; i < g->n; i++) {
		if (!is_wish(g->v[i].option->name) || g->v[i].file)
			continue; /* what the configuration says stays there */
		json_put_object(&w);
		json_put_member_str(&w, "option", g->v[i].option->name);
		if (g->v[i].option->value)
			put_value(&w, g->v[i].option, g->v[i].value);
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

static enum err_code give(struct given *g, const char *name, const char *value, struct err *e)
{
	const struct given_option *o = given_option(g, bytes_str(name));

	if (!o)
		FAIL(e, CONFIG, "chancery issue has no option %s", name);
	if (!o->value != !value)
		FAIL(e, CONFIG, "its option %s %s a value", name, value ? "has" : "lacks");
	return given_add(g, &(struct given_one){ .option = o, .value = value ? value : "" }, e);
}

static enum err_code take_option(struct arena *a, struct bytes json, struct given *g, struct err *e)
{
	struct saved_option o = { .option = BYTES_NONE };

	TRY(json_read(a, json, "an option", option_fields, 2, &o, e));
	const char *name = arena_str(a, o.option), *value = o.value.ptr ? arena_str(a, o.value) : NULL;
	if (!name || (o.value.ptr && !value))
		FAIL(e, NOMEM, "no memory for options");
	return give(g, name, value, e);
}

enum err_code saved_read(struct arena *a, struct bytes text, struct given *g, const char ***ret_names, size_t *ret_n, struct err *e)
{
	struct saved s = { .options = BYTES_NONE };
	struct bytes *v, kept = arena_copy(a, text);
	size_t n;

	errno = 0;
	if (!kept.ptr)
		FAIL(e, NOMEM, "no memory for options");
	TRY(json_read(a, kept, SAVED_FILE, saved_fields, 2, &s, e));
	TRY(json_elements(a, s.options, GIVEN_MAX, &v, &n, e));
	if (s.names.n == 0)
		FAIL(e, CONFIG, "it has no names");
	const char **names = arena_array(a, s.names.n, sizeof *names);
	for (size_t i = 0; names && i < s.names.n; i++) {
		names[i] = arena_str(a, s.names.v[i]);
		if (!names[i])
			FAIL(e, NOMEM, "no memory for names");
	}
	if (!names)
		FAIL(e, NOMEM, "no memory for names");
	for (size_t i = 0; i < n; i++)
		TRY(take_option(a, v[i], g, e));
	*ret_names = names;
	*ret_n = s.names.n;
	return ERR_OK;
}
