/* The grammar of issue and issuewild values (RFC 8659 §4.2). */
#include "dns/caa.h"

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static struct bytes skip_space(struct bytes in)
{
	size_t i = 0;

	while (i < in.len && (in.ptr[i] == ' ' || in.ptr[i] == '\t'))
		i++;
	return bytes_slice(in, i, in.len);
}

/* label, and a parameter's tag: (ALPHA / DIGIT) *( *("-") (ALPHA / DIGIT)). 0 when there is none. */
static size_t label_len(struct bytes in)
{
	size_t i = 0, last = 0;

	for (; i < in.len && (is_alnum(in.ptr[i]) || in.ptr[i] == '-'); i++)
		if (in.ptr[i] != '-')
			last = i + 1;
	return last == i && i > 0 && in.ptr[0] != '-' ? i : 0;
}

/* issuer-domain-name = label *("." label) */
static bool take_domain(struct bytes *in, struct bytes *ret)
{
	size_t at = label_len(*in);

	while (at > 0 && at < in->len && in->ptr[at] == '.') {
		size_t n = label_len(bytes_slice(*in, at + 1, in->len));
		if (n == 0)
			return false;
		at += 1 + n;
	}
	*ret = bytes_slice(*in, 0, at);
	*in = bytes_slice(*in, at, in->len);
	return at > 0;
}

/* parameter = tag *WSP "=" *WSP value, value = *(%x21-3A / %x3C-7E) */
static bool take_parameter(struct bytes *in, struct bytes *ret_tag, struct bytes *ret_value)
{
	struct bytes rest = skip_space(*in);
	size_t n = label_len(rest);

	*ret_tag = bytes_slice(rest, 0, n);
	rest = skip_space(bytes_slice(rest, n, rest.len));
	if (n == 0 || rest.len == 0 || rest.ptr[0] != '=')
		return false;
	rest = skip_space(bytes_slice(rest, 1, rest.len));
	for (n = 0; n < rest.len && rest.ptr[n] > ' ' && rest.ptr[n] < 0x7f && rest.ptr[n] != ';'; n++)
		;
	*ret_value = bytes_slice(rest, 0, n);
	*in = skip_space(bytes_slice(rest, n, rest.len));
	return true;
}

bool caa_parameter_next(struct bytes *parameters, struct bytes *ret_tag, struct bytes *ret_value)
{
	if (!take_parameter(parameters, ret_tag, ret_value))
		return false;
	*parameters = bytes_slice(*parameters, 1, parameters->len); /* the semicolon */
	return true;
}

/* [parameters *WSP]: one or more, semicolons between them. */
static bool parameters_hold(struct bytes in)
{
	struct bytes tag, value;

	if (skip_space(in).len == 0)
		return true;
	for (;;) {
		if (!take_parameter(&in, &tag, &value))
			return false;
		if (in.len == 0)
			return true;
		if (in.ptr[0] != ';')
			return false;
		in = bytes_slice(in, 1, in.len);
	}
}

bool caa_issue_read(struct bytes value, struct caa_issue *ret)
{
	struct bytes rest = skip_space(value), domain = BYTES_NONE, parameters = BYTES_LIT("");

	if (rest.len > 0 && rest.ptr[0] != ';' && !take_domain(&rest, &domain))
		return false;
	rest = skip_space(rest);
	if (rest.len > 0) {
		if (rest.ptr[0] != ';')
			return false;
		parameters = bytes_slice(rest, 1, rest.len);
	}
	if (!parameters_hold(parameters))
		return false;
	*ret = (struct caa_issue){ .domain = domain, .parameters = parameters };
	return true;
}
