#include "names/idna.h"

#include <errno.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 63

static void free_text(uint8_t **p)
{
	idn2_free(*p);
}

/* What the registration protocol of RFC 5891 §4 says of the label: decoded, its code points judged, encoded again, compared. */
static enum err_code check_a_label(const char *label, struct err *e)
{
	uint8_t *again CLEANUP(free_text) = NULL;
	int rc = idn2_register_u8(NULL, (const uint8_t *)label, &again, 0);

	switch (rc) {
	case IDN2_OK:
		return ERR_OK;
	case IDN2_MALLOC:
		FAIL(e, NOMEM, "no memory for a name's check");
	case IDN2_DISALLOWED:
	case IDN2_UNASSIGNED:
		FAIL(e, REJECTED_IDENTIFIER, "the label \"%s\" has a character that IDNA2008 does not allow in names (RFC 5892)", label);
	case IDN2_CONTEXTJ:
	case IDN2_CONTEXTJ_NO_RULE:
	case IDN2_CONTEXTO:
	case IDN2_CONTEXTO_NO_RULE:
	case IDN2_LEADING_COMBINING:
		FAIL(e, REJECTED_IDENTIFIER,
		    "the label \"%s\" has a character that IDNA2008 does not allow in that place (RFC 5891, 4.2.3)", label);
	case IDN2_BIDI:
		FAIL(e, REJECTED_IDENTIFIER,
		    "the label \"%s\" mixes directions of writing in a way that IDNA2008 does not allow (RFC 5893)", label);
	default:
		FAIL(e, MALFORMED, "the label \"%s\" is not the A-label of any internationalised label (RFC 5890, 2.3.2.1): %s", label,
		    idn2_strerror(rc));
	}
}

static enum err_code check_label(struct bytes label, struct err *e)
{
	char text[LABEL_MAX + 1];

	if (label.len < 4 || label.ptr[2] != '-' || label.ptr[3] != '-')
		return ERR_OK;
	if (label.len > LABEL_MAX)
		FAIL(e, MALFORMED, "a label of the name has %zu characters, at most %d are allowed", label.len, LABEL_MAX);
	memcpy(text, label.ptr, label.len);
	text[label.len] = 0;
	if (!bytes_starts_with(label, BYTES_LIT("xn--")))
		FAIL(e, MALFORMED,
		    "the label \"%s\" has hyphens in its third and fourth place, which are reserved: only xn-- is in use (RFC 5890, 2.3.1)",
		    text);
	return check_a_label(text, e);
}

enum err_code idna_check(struct bytes name, struct err *e)
{
	struct bytes label, tail;

	errno = 0;
	while (bytes_split(name, '.', &label, &tail)) {
		TRY(check_label(label, e));
		name = tail;
	}
	return check_label(name, e);
}
