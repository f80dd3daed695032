/* Commands in one value: how they are taken apart, and what is refused because no shell reads it. */
#include "agent/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void splits(const char *text, const char *joined)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	CLEANUP(buf_free_p) struct buf out = buf_new(4096);
	const char **argv;
	struct err e = { 0 };

	if (words_split(a, text, &argv, &e) != ERR_OK)
		fail_msg("%s: %s", text, e.detail);
	for (size_t i = 0; argv[i]; i++)
		buf_add_fmt(&out, "[%s]", argv[i]);
	buf_add_u8(&out, 0);
	assert_string_equal((const char *)out.ptr, joined);
}

static void refuses(const char *text, const char *why)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	const char **argv = NULL;
	struct err e = { 0 };

	assert_int_equal(words_split(a, text, &argv, &e), ERR_CONFIG);
	if (!strstr(e.detail, why))
		fail_msg("%s: %s", text, e.detail);
	assert_null(argv);
}

static void how_words_are_split(void **state)
{
	(void)state;
	splits("systemctl reload nginx", "[systemctl][reload][nginx]");
	splits("  a\tb\n c  ", "[a][b][c]");
	splits("cp 'a b' \"c d\"", "[cp][a b][c d]");
	splits("say ''  \"\"", "[say][][]");
	splits("say don\\'t a\\ b", "[say][don't][a b]");
	splits("say \"a \\\" b \\\\ c \\n\"", "[say][a \" b \\ c \\n]");
	splits("say 'a \\ b'", "[say][a \\ b]");
	splits("one' 'word", "[one word]");
	splits("/opt/it --name=~/x [1] {a,b} ? # !", "[/opt/it][--name=~/x][[1]][{a,b}][?][#][!]");
	splits("sh -c 'cat \"$RENEWED_LINEAGE\"/*.pem | mail -s \"$1\" x > /dev/null &'",
	    "[sh][-c][cat \"$RENEWED_LINEAGE\"/*.pem | mail -s \"$1\" x > /dev/null &]");
}

static void what_asks_for_a_shell(void **state)
{
	static const char *const texts[] = { "a | b", "a && b", "a; b", "a > b", "a < b", "a $HOME", "a `b`", "(a)", "cp *.pem /x" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		refuses(texts[i], "outside quotes, and no shell reads it");
	splits("a \\$HOME \\*", "[a][$HOME][*]");
}

static void what_is_no_command(void **state)
{
	char many[4 * WORDS_MAX + 16] = "";

	(void)state;
	refuses("", "names no program");
	refuses("  \n", "names no program");
	refuses("'' a", "names no program");
	refuses("a 'b", "a ' in it is not closed");
	refuses("a \"b\\\"", "a \" in it is not closed");
	for (size_t i = 0; i <= WORDS_MAX; i++)
		strncat(many, "a ", sizeof many - strlen(many) - 1);
	refuses(many, "more than 64 words");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_words_are_split),
		cmocka_unit_test(what_asks_for_a_shell),
		cmocka_unit_test(what_is_no_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
