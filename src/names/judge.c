#include "names/judge.h"

#include "names/idna.h"

enum err_code names_judge(const struct names_policy *p, const struct identifier *id, struct err *e)
{
	if (id->type == IDENTIFIER_DNS)
		TRY(idna_check(id->value, e));
	TRY(suffix_judge(p->suffixes, &p->private, id, e));
	return name_policy_judge(&p->rules, id, e);
}
