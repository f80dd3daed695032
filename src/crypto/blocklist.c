#include "crypto/blocklist.h"

#include "base/codec.h"
#include "base/seam.h"
#include "crypto/digest.h"
#include "crypto/methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 1024 /* of a comment; keys are shorter */
#define CHUNK          65536

enum form { FORM_SPKI, FORM_VALUE, FORM_DEBIAN, FORM__MAX };
#define ENTRY_MAX 32
static const size_t widths[FORM__MAX] = { [FORM_SPKI] = SHA256_SIZE, [FORM_VALUE] = 15, [FORM_DEBIAN] = 10 };

/* Sorted, without gaps: a million keys take 10 to 32 MB and no pointers. */
struct table {
	uint8_t *ptr;
	size_t n;
};

struct blocklist {
	struct table tables[FORM__MAX];
};

enum err_code blocklist_new(struct blocklist **ret, struct err *e)
{
	struct blocklist *b = calloc(1, sizeof *b);

	if (!b)
		FAIL(e, NOMEM, "no memory for a list of blocked keys");
	*ret = b;
	return ERR_OK;
}

static void free_tables(struct table t[FORM__MAX])
{
	for (size_t f = 0; f < FORM__MAX; f++)
		free(t[f].ptr);
}

void blocklist_free(struct blocklist *b)
{
	if (!b)
		return;
	free_tables(b->tables);
	free(b);
}

size_t blocklist_count(const struct blocklist *b)
{
	size_t n = 0;

	for (size_t f = 0; f < FORM__MAX; f++)
		n += b->tables[f].n;
	return n;
}

/* ---- reading ---- */

/* A file read from its beginning, line by line. */
struct lines {
	const char *name;
	int fd;
	uint64_t at;   /* in the file: behind what is in the chunk */
	size_t number; /* of the last line given */
	size_t begin, end;
	bool over;
	uint8_t chunk[CHUNK];
};

/* What is in the chunk goes to its begin, and the file's next bytes behind it. */
static enum err_code fill(struct lines *l, struct err *e)
{
	ssize_t n;

	memmove(l->chunk, l->chunk + l->begin, l->end - l->begin);
	l->end -= l->begin;
	l->begin = 0;
	do
		n = seam->pread(l->fd, l->chunk + l->end, sizeof l->chunk - l->end, (off_t)l->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		FAIL(e, IO, "%s: cannot be read", l->name);
	l->over = n == 0;
	l->end += (size_t)n;
	l->at += (uint64_t)n;
	if (l->at > BLOCKLIST_FILE_MAX)
		FAIL(e, CONFIG, "%s: larger than %u bytes", l->name, BLOCKLIST_FILE_MAX);
	return ERR_OK;
}

/* *ret views into the chunk until the next call; its ptr is NULL at the end. */
static enum err_code next_line(struct lines *l, struct bytes *ret, struct err *e)
{
	const uint8_t *feed;

	*ret = BYTES_NONE;
	while (!(feed = memchr(l->chunk + l->begin, '\n', l->end - l->begin)) && !l->over) {
		if (l->end - l->begin > LINE_MAX_BYTES)
			FAIL(e, CONFIG, "%s:%zu: a line of more than %d bytes", l->name, l->number + 1, LINE_MAX_BYTES);
		TRY(fill(l, e));
	}
	if (!feed && l->begin == l->end)
		return ERR_OK;
	size_t end = feed ? (size_t)(feed - l->chunk) : l->end; /* the last line may have no line feed */
	*ret = (struct bytes){ l->chunk + l->begin, end - l->begin };
	l->begin = feed ? end + 1 : end;
	l->number++;
	return ERR_OK;
}

/* The next key; *ret_form is FORM__MAX at the end. */
static enum err_code next_key(struct lines *l, enum form *ret_form, uint8_t out[ENTRY_MAX], struct err *e)
{
	struct bytes line;

	for (;;) {
		TRY(next_line(l, &line, e));
		*ret_form = FORM__MAX;
		if (!line.ptr)
			return ERR_OK;
		while (line.len > 0 && memchr(" \t\r", line.ptr[line.len - 1], 3))
			line.len--;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		for (unsigned f = 0; f < FORM__MAX; f++)
			if (hex_decode(line, out, widths[f], NULL) == ERR_OK) {
				*ret_form = (enum form)f;
				return ERR_OK;
			}
		errno = 0;
		FAIL(e, CONFIG,
		    "%s:%zu: not 64 hexadecimal digits (SHA-256 of a SubjectPublicKeyInfo), 30 (as in badkeys' list) or 20 (as in Debian's)",
		    l->name, l->number);
	}
}

/* The first pass: how many of each form, on top of those that are there. */
static enum err_code count_keys(struct lines *l, const struct blocklist *b, size_t counts[FORM__MAX], struct err *e)
{
	size_t total = blocklist_count(b);
	uint8_t entry[ENTRY_MAX];
	enum form f;

	for (;;) {
		TRY(next_key(l, &f, entry, e));
		if (f == FORM__MAX)
			return ERR_OK;
		counts[f]++;
		if (++total > BLOCKLIST_ENTRIES_MAX)
			FAIL(e, CONFIG, "%s:%zu: more than %u blocked keys", l->name, l->number, BLOCKLIST_ENTRIES_MAX);
	}
}

/* The second: into tables that have just enough room. */
static enum err_code take_keys(struct lines *l, struct table t[FORM__MAX], const size_t counts[FORM__MAX], struct err *e)
{
	uint8_t entry[ENTRY_MAX];
	size_t left[FORM__MAX];
	enum form f;

	memcpy(left, counts, sizeof left);
	for (;;) {
		TRY(next_key(l, &f, entry, e));
		if (f == FORM__MAX)
			break;
		if (left[f]-- == 0)
			FAIL(e, CONFIG, "%s: changed while it was read", l->name);
		memcpy(t[f].ptr + t[f].n++ * widths[f], entry, widths[f]);
	}
	for (size_t i = 0; i < FORM__MAX; i++)
		if (left[i] > 0)
			FAIL(e, CONFIG, "%s: changed while it was read", l->name);
	return ERR_OK;
}

static int compare(const void *a, const void *b, void *width)
{
	return memcmp(a, b, *(const size_t *)width);
}

/* Lists come sorted, most often: then there is nothing to do. */
static void sort(struct table *t, size_t width)
{
	size_t i = 1;

	while (i < t->n && memcmp(t->ptr + (i - 1) * width, t->ptr + i * width, width) <= 0)
		i++;
	if (i < t->n)
		qsort_r(t->ptr, t->n, width, compare, &width);
}

static bool make_room(struct table t[FORM__MAX], const struct blocklist *b, const size_t counts[FORM__MAX])
{
	for (size_t f = 0; f < FORM__MAX; f++) {
		const struct table *old = &b->tables[f];
		t[f].ptr = malloc((old->n + counts[f]) * widths[f] + 1);
		if (!t[f].ptr)
			return false;
		t[f].n = old->n;
		if (old->n > 0)
			memcpy(t[f].ptr, old->ptr, old->n * widths[f]);
	}
	return true;
}

static enum err_code add(struct blocklist *b, struct lines *l, struct table t[FORM__MAX], struct err *e)
{
	size_t counts[FORM__MAX] = { 0 };

	TRY(count_keys(l, b, counts, e));
	if (!make_room(t, b, counts))
		FAIL(e, NOMEM, "no memory for a list of blocked keys");
	*l = (struct lines){ .name = l->name, .fd = l->fd };
	TRY(take_keys(l, t, counts, e));
	for (size_t f = 0; f < FORM__MAX; f++)
		sort(&t[f], widths[f]);
	return ERR_OK;
}

enum err_code blocklist_add(struct blocklist *b, int fd, const char *name, struct err *e)
{
	struct lines *l = calloc(1, sizeof *l);
	struct table t[FORM__MAX] = { 0 };

	if (!l)
		FAIL(e, NOMEM, "no memory for a list of blocked keys");
	l->name = name;
	l->fd = fd;
	enum err_code rc = add(b, l, t, e);
	free(l);
	/* The ones or the others: what was there before stays when something went wrong. */
	free_tables(rc == ERR_OK ? b->tables : t);
	if (rc == ERR_OK)
		memcpy(b->tables, t, sizeof t);
	return rc;
}

/* ---- asking ---- */

static bool table_has(const struct blocklist *b, enum form f, const uint8_t *entry)
{
	const struct table *t = &b->tables[f];
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = memcmp(entry, t->ptr + middle * widths[f], widths[f]);
		if (c == 0)
			return true;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static bool has_value(const struct blocklist *b, struct bytes value)
{
	uint8_t digest[SHA256_SIZE];

	while (value.len > 0 && value.ptr[0] == 0)
		value = bytes_slice(value, 1, value.len);
	sha256_one(value, digest);
	return table_has(b, FORM_VALUE, digest);
}

/* What `openssl rsa -noout -modulus | sha1sum` says, without its first 20 digits (openssl-vulnkey(1)). */
static bool has_debian(const struct blocklist *b, struct bytes modulus)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[HEX_LEN(KEY_RSA_BITS_MAX / 8)];
	uint8_t digest[SHA1_SIZE];

	for (size_t i = 0; i < modulus.len; i++) {
		text[2 * i] = digits[modulus.ptr[i] >> 4];
		text[2 * i + 1] = digits[modulus.ptr[i] & 15];
	}
	const struct bytes parts[] = { BYTES_LIT("Modulus="), { (const uint8_t *)text, 2 * modulus.len }, BYTES_LIT("\n") };
	sha1(parts, 3, digest);
	return table_has(b, FORM_DEBIAN, digest + SHA1_SIZE - widths[FORM_DEBIAN]);
}

bool blocklist_has(const struct blocklist *b, const struct key *k)
{
	uint8_t digest[SHA256_SIZE];
	struct bytes first, second;

	if (!b)
		return false;
	sha256_one(key_spki(k), digest);
	if (table_has(b, FORM_SPKI, digest))
		return true;
	key_parts(k, &first, &second);
	return has_value(b, first) || (key_type(k) == KEY_RSA && has_debian(b, first));
}
