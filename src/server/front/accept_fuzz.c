/* Small things that clients say to the front: what they take (Accept), and how an account's owner is reached. */
#include "server/front/accept.h"
#include "server/front/contacts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_contacts(struct bytes in)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(4 * CONTACTS_TEXT_MAX);
	struct bytes v[CONTACTS_MAX + 2], rest = in, line;
	struct json_strings contacts = { true, v, 0 };

	while (contacts.n < CONTACTS_MAX + 1 && bytes_split(rest, '\n', &line, &rest))
		v[contacts.n++] = line;
	v[contacts.n++] = rest;
	if (contacts_write(&contacts, &out, NULL) == ERR_OK && (!buf_ok(&out) || contacts.n > CONTACTS_MAX))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };

	(void)accept_takes(in, "application/pem-certificate-chain");
	(void)accept_takes(in, "text/html");
	check_contacts(in);
	return 0;
}
