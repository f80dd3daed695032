#include "server/validator/method.h"

const struct method *method_of(enum challenge_type t)
{
	static const struct method *const methods[CHALLENGE_TYPE__MAX] = {
#define X(code, name, dns, wildcard, ip) [CHALLENGE_TYPE_##code] = &method_##code,
#include "acme/challenge.def"
#undef X
	};

	return methods[t];
}
