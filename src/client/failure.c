#include "client/failure.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void failure_reset(struct chancery_error *x)
{
	free(x->subs);
	memset(x, 0, sizeof *x);
}

enum err_code failure_note(
    struct chancery_error *x, enum err_code rc, enum chancery_result result, enum chancery_fault fault, const char *hint)
{
	if (x->result != CHANCERY_OK)
		return rc;
	x->result = result;
	x->fault = fault;
	(void)snprintf(x->hint, sizeof x->hint, "%s", hint ? hint : "");
	return rc;
}

void failure_text(struct bytes in, char *out, size_t size)
{
	const uint8_t *p = in.ptr, *end = p ? p + in.len : p;
	size_t at = 0;

	while (p < end) {
		uint32_t c;
		size_t n = utf8_get(p, end, &c);
		bool good = n > 0 && utf8_is_printable(c);
		if (at + (good ? n : 1) >= size)
			break;
		if (good)
			memcpy(out + at, p, n);
		else
			out[at] = n == 1 && (*p == '\n' || *p == '\t') ? ' ' : '?';
		at += good ? n : 1;
		p += n ? n : 1;
	}
	out[at] = 0;
}

/* What a code means where nobody noted more. Anything that is not here is a fault of the machine. */
static const struct {
	enum err_code code;
	enum chancery_result result;
	enum chancery_fault fault;
} meanings[] = {
	{ ERR_NOMEM, CHANCERY_NOMEM, CHANCERY_FAULT_MACHINE },
	{ ERR_CONFIG, CHANCERY_USAGE, CHANCERY_FAULT_CALLER },
	{ ERR_TIMEOUT, CHANCERY_TIMEOUT, CHANCERY_FAULT_SERVER },
	{ ERR_MALFORMED, CHANCERY_PROTOCOL, CHANCERY_FAULT_SERVER },
	{ ERR_TOO_LARGE, CHANCERY_PROTOCOL, CHANCERY_FAULT_SERVER },
};

enum chancery_result failure_finish(struct chancery_error *x, enum err_code rc, const char *doing, const struct err *e)
{
	enum chancery_result result = CHANCERY_SYSTEM;
	enum chancery_fault fault = CHANCERY_FAULT_MACHINE;

	if (rc == ERR_OK) {
		failure_reset(x);
		return CHANCERY_OK;
	}
	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
		if (meanings[i].code == rc) {
			result = meanings[i].result;
			fault = meanings[i].fault;
		}
	(void)failure_note(x, rc, result, fault, NULL);
	if (!x->message[0] && doing && *doing)
		(void)snprintf(x->message, sizeof x->message, "%s: %s", doing, e->detail);
	else if (!x->message[0])
		(void)snprintf(x->message, sizeof x->message, "%s", e->detail);
	return x->result;
}

/* --- the public side --- */

enum chancery_result chancery_error_result(const struct chancery_error *error)
{
	return error ? error->result : CHANCERY_NOMEM;
}

enum chancery_fault chancery_error_fault(const struct chancery_error *error)
{
	return error ? error->fault : CHANCERY_FAULT_MACHINE;
}

const char *chancery_error_message(const struct chancery_error *error)
{
	return error ? error->message : "no memory";
}

const char *chancery_error_hint(const struct chancery_error *error)
{
	return error ? error->hint : "";
}

const char *chancery_error_type(const struct chancery_error *error)
{
	return error ? error->type : "";
}

int chancery_error_http_status(const struct chancery_error *error)
{
	return error ? error->http_status : 0;
}

uint32_t chancery_error_retry_after(const struct chancery_error *error)
{
	return error ? error->retry_after_s : 0;
}

size_t chancery_error_sub_count(const struct chancery_error *error)
{
	return error ? error->n_subs : 0;
}

static const struct failure_sub *sub_at(const struct chancery_error *error, size_t i)
{
	static const struct failure_sub none;

	return error && i < error->n_subs ? &error->subs[i] : &none;
}

const char *chancery_error_sub_name(const struct chancery_error *error, size_t i)
{
	return sub_at(error, i)->name;
}

const char *chancery_error_sub_type(const struct chancery_error *error, size_t i)
{
	return sub_at(error, i)->type;
}

const char *chancery_error_sub_detail(const struct chancery_error *error, size_t i)
{
	return sub_at(error, i)->detail;
}
