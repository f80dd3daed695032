#include "server/admin/manifest.h"

#include "base/codec.h"

#include <inttypes.h>
#include <string.h>

#define FIRST "chancery backup 1\n"

void manifest_write_head(const struct manifest *m, struct buf *out)
{
	char instance[HEX_LEN(INSTANCE_SIZE) + 1], made[RFC3339_SIZE];

	hex_encode(BYTES_ARRAY(m->instance), instance);
	rfc3339_format(m->made_s, made);
	buf_add_fmt(out, FIRST "instance %s\nmade %s\nprogram %s\nkeys %s\ndatabase %s\nlog %" PRIu64 "\nfiles %" PRIu64 "\n", instance,
	    made, CHANCERY_VERSION, m->keys ? "yes" : "no", m->database ? "yes" : "no", m->log_sequence, m->files);
}

void manifest_write_file(const struct tar_entry *t, const uint8_t digest[SHA256_SIZE], struct buf *out)
{
	char hex[HEX_LEN(SHA256_SIZE) + 1];

	hex_encode((struct bytes){ digest, SHA256_SIZE }, hex);
	buf_add_fmt(out, "%s  %s\n", hex, t->path);
}

/* The rest of the line "NAME value", which must be the next one. */
static bool next_value(struct bytes *text, const char *name, struct bytes *ret)
{
	struct bytes line, key;

	return bytes_split(*text, '\n', &line, text) && bytes_split(line, ' ', &key, ret) && bytes_eq_str(key, name);
}

static bool get_flag(struct bytes v, bool *ret)
{
	*ret = bytes_eq_str(v, "yes");
	return *ret || bytes_eq_str(v, "no");
}

static bool get_number(struct bytes v, uint64_t *ret)
{
	uint64_t n = 0;

	if (v.len == 0 || v.len > 18)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] < '0' || v.ptr[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(v.ptr[i] - '0');
	}
	*ret = n;
	return true;
}

static bool read_head(struct bytes *text, struct manifest *m)
{
	struct bytes v, unused;

	if (!bytes_starts_with(*text, BYTES_LIT(FIRST)))
		return false;
	*text = bytes_slice(*text, sizeof FIRST - 1, text->len);
	return next_value(text, "instance", &v) && hex_decode(v, m->instance, sizeof m->instance, NULL) == ERR_OK &&
	       next_value(text, "made", &v) && rfc3339_parse(v, &m->made_s, NULL) == ERR_OK && next_value(text, "program", &unused) &&
	       next_value(text, "keys", &v) && get_flag(v, &m->keys) && next_value(text, "database", &v) && get_flag(v, &m->database) &&
	       next_value(text, "log", &v) && get_number(v, &m->log_sequence) && next_value(text, "files", &v) && get_number(v, &m->files);
}

enum err_code manifest_check(struct bytes text, struct bytes lines, struct manifest *ret, struct err *e)
{
	struct manifest m = { .files = 0 };

	if (!read_head(&text, &m))
		FAIL(e, MALFORMED, "the backup's " MANIFEST_NAME " is not one that this program knows");
	if (!bytes_eq(text, lines))
		FAIL(e, MALFORMED, "the backup's files are not the ones that its " MANIFEST_NAME " lists: it was changed or damaged");
	*ret = m;
	return ERR_OK;
}
