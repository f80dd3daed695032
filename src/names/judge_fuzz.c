/* A name, and perhaps a private suffix behind a newline: whatever passes has a registered domain within it, is none of the list's
 * suffixes by itself, and is the same name when it is asked for again. */
#include "names/idna.h"
#include "names/judge.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct suffixes *list;
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 1 << 16);
	struct bytes name = { data, size }, private = BYTES_NONE;
	struct identifier id;

	if (!a || (!list && suffixes_open(&list, NULL) != ERR_OK))
		return 0;
	(void)bytes_split(name, '\n', &name, &private);
	struct names_policy p = { .suffixes = list, .private = { &private, private.ptr ? 1 : 0 } };
	struct bytes domain = registered_domain(list, &p.private, name);
	require(domain.len <= name.len && bytes_ends_with(name, domain));
	MAY_FAIL(idna_check(name, NULL)); /* here of any bytes; it must only not crash */
	if (identifier_parse(a, BYTES_LIT("dns"), name, &id, NULL) != ERR_OK || names_judge(&p, &id, NULL) != ERR_OK)
		return 0;
	domain = registered_domain(list, &p.private, id.value);
	require(domain.len > 0 && bytes_eq(registered_domain(list, &p.private, domain), domain));
	require(names_judge(&p, &id, NULL) == ERR_OK);
	return 0;
}
