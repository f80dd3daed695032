#include "probe/mutant_testing.h"

#include "base/codec.h"
#include "probe/probe_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX (1u << 20)

static bool is_named(const struct http_client_field *f, const char *name)
{
	return f->name.len == strlen(name) && strncasecmp((const char *)f->name.ptr, name, f->name.len) == 0;
}

static void set_field(const struct mutant *m, struct arena *a, struct http_client_answer *x)
{
	struct http_client_field *v = arena_array(a, HTTP_CLIENT_FIELDS_MAX + 1, sizeof *v);
	struct bytes value = m->op == MUTANT_SET_FIELD ? bytes_str(m->to) : BYTES_NONE;
	size_t n = 0;

	if (!v)
		abort();
	for (size_t i = 0; i < x->n_fields; i++)
		if (!is_named(&x->fields[i], m->at))
			v[n++] = x->fields[i];
	if (value.ptr)
		v[n++] = (struct http_client_field){ bytes_str(m->at), value };
	x->fields = v;
	x->n_fields = n;
	if (strcmp(m->at, "content-type") == 0)
		x->content_type = value;
	if (strcmp(m->at, "location") == 0)
		x->location = value;
	if (strcmp(m->at, "replay-nonce") == 0)
		x->replay_nonce = value;
	if (strcmp(m->at, "retry-after") == 0)
		x->retry_after = value;
}

/* --- members --- */

static void put_changed(struct arena *a, struct bytes json, const char *path, const char *to, struct json_out *w);

static void put_object(struct arena *a, struct bytes json, const char *path, const char *to, struct json_out *w)
{
	size_t n = 0, len = strcspn(path, ".[");
	struct json_member *v = NULL;
	bool found = false;
	const char *rest = path[len] == '.' ? path + len + 1 : path + len;

	if (json.len && json.ptr[0] == '{' && json_members(a, json, 64, &v, &n, NULL) != ERR_OK)
		n = 0;
	json_put_object(w);
	for (size_t i = 0; i < n; i++) {
		bool here = bytes_eq(v[i].key, (struct bytes){ (const uint8_t *)path, len });
		found = found || here;
		if (here && !*rest && !to)
			continue;
		json_put_key(w, arena_str(a, v[i].key));
		if (here)
			put_changed(a, v[i].value, rest, to, w);
		else
			json_put_raw(w, v[i].value);
	}
	if (!found && to) {
		json_put_key(w, arena_str(a, (struct bytes){ (const uint8_t *)path, len }));
		put_changed(a, BYTES_NONE, rest, to, w);
	}
	json_end_object(w);
}

static void put_array(struct arena *a, struct bytes json, const char *path, const char *to, struct json_out *w)
{
	char *end;
	size_t n = 0, at = strtoul(path + 1, &end, 10);
	struct bytes *v = NULL;
	const char *rest = end[0] == ']' && end[1] == '.' ? end + 2 : end + 1;

	if (json.len && json.ptr[0] == '[' && json_elements(a, json, 256, &v, &n, NULL) != ERR_OK)
		n = 0;
	json_put_array(w);
	for (size_t i = 0; i < n; i++) {
		if (i == at && !*rest && !to)
			continue;
		if (i == at)
			put_changed(a, v[i], rest, to, w);
		else
			json_put_raw(w, v[i]);
	}
	if (at >= n && to)
		put_changed(a, BYTES_NONE, rest, to, w);
	json_end_array(w);
}

static void put_changed(struct arena *a, struct bytes json, const char *path, const char *to, struct json_out *w)
{
	if (!*path)
		json_put_raw(w, bytes_str(to));
	else if (*path == '[')
		put_array(a, json, path, to, w);
	else
		put_object(a, json, path, to, w);
}

static void change_member(const struct mutant *m, struct arena *a, struct http_client_answer *x)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(BODY_MAX);
	struct json_out w = json_out_to(&out);

	put_changed(a, x->body, m->at, m->op == MUTANT_SET_MEMBER ? m->to : NULL, &w);
	x->body = buf_ok(&out) ? arena_copy(a, buf_bytes(&out)) : x->body;
}

/* --- chains --- */

static void change_chain(const struct mutant *m, struct arena *a, struct http_client_answer *x)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(BODY_MAX);
	struct bytes rest = x->body, der[8];
	size_t n = 0;

	while (n < 8 && pem_next(a, &rest, "CERTIFICATE", &der[n], NULL) == ERR_OK)
		n++;
	if (m->op == MUTANT_PEM_ALONE && n > 1)
		n = 1;
	if (m->op == MUTANT_PEM_SWAP && n > 1) {
		struct bytes first = der[0];
		der[0] = der[1];
		der[1] = first;
	}
	for (size_t i = 0; i < n; i++) {
		size_t from = out.len;
		pem_add(&out, "CERTIFICATE", der[i]);
		if (m->op == MUTANT_PEM_SPOIL && i == 0 && out.len > from + 120)
			memcpy(out.ptr + from + 40, "AAAAAAAAAAAAAAAAAAAAAAAA", 24);
	}
	x->body = buf_ok(&out) ? arena_copy(a, buf_bytes(&out)) : x->body;
}

void mutant_apply(const struct mutant *m, struct arena *a, struct http_client_answer *x)
{
	switch (m->op) {
	case MUTANT_NONE:
		break;
	case MUTANT_STATUS:
		x->status = m->status;
		break;
	case MUTANT_SET_FIELD:
	case MUTANT_DROP_FIELD:
		set_field(m, a, x);
		break;
	case MUTANT_SET_MEMBER:
	case MUTANT_DROP_MEMBER:
		change_member(m, a, x);
		break;
	case MUTANT_BODY:
		x->body = bytes_str(m->to);
		break;
	case MUTANT_PEM_SWAP:
	case MUTANT_PEM_SPOIL:
	case MUTANT_PEM_ALONE:
		change_chain(m, a, x);
		break;
	}
}

enum probe_result mutant_run(struct probe *p, const struct probe_case *c, struct err *ret_seen)
{
	p->change = mutant_apply;
	p->mutant = &c->mutant;
	enum probe_result result = probe_run(p, c, ret_seen);
	p->change = NULL;
	p->mutant = NULL;
	return result;
}
