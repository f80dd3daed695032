/* What the tests of this room share: cmocka in the order it wants, and spans in assertions. */
#ifndef CHANCERY_BASE_TEST_SUPPORT_H
#define CHANCERY_BASE_TEST_SUPPORT_H

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* A span against a string literal, which may have NULs in it. */
#define ASSERT_TEXT(got, want)                                               \
	do {                                                                 \
		struct bytes got_ = (got), want_ = BYTES_LIT(want);          \
		assert_non_null(got_.ptr);                                   \
		assert_int_equal(got_.len, want_.len);                       \
		if (want_.len)                                               \
			assert_memory_equal(got_.ptr, want_.ptr, want_.len); \
	} while (0)

/* A detail must say at least this. */
#define ASSERT_SAYS(e, part)                                                      \
	do {                                                                      \
		if (!strstr((e).detail, part))                                    \
			fail_msg("\"%s\" does not say \"%s\"", (e).detail, part); \
	} while (0)

#endif
