/* probe_mutants URL CA-FILE HTTP-PORT [--only GLOB] [--eab KID KEY] NAME...: runs every case against a server, once as it is and once with
 * its mutant. A case that passes must fail with its mutant. One line for each that does not; the last line is
 * "SURVIVED n CAUGHT n NOT-RUN n". Used by tests/blackbox/test_probe.py. */
#include "base/codec.h"
#include "probe/mutant_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct words {
	struct probe_options options;
	const char *only;
};

static void read_words(struct arena *a, char **v, struct words *w)
{
	struct err e = { 0 };

	for (; *v; v++) {
		if (strcmp(*v, "--only") == 0 && v[1]) {
			w->only = *++v;
		} else if (strcmp(*v, "--eab") == 0 && v[1] && v[2]) {
			w->options.eab_kid = *++v;
			if (base64url_decode(a, bytes_str(*++v), &w->options.eab_key, &e) != ERR_OK)
				printf("%s\n", e.detail);
		} else if (w->options.n_names < PROBE_NAMES_MAX) {
			w->options.names[w->options.n_names++] = *v;
		}
	}
}

int main(int argc, char **argv)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	struct words w = { .only = "*" };
	struct probe *p;
	struct err e = { 0 };
	size_t n, survived = 0, caught = 0, not_run = 0;

	if (argc < 5 || !a)
		return 2;
	w.options.directory_url = argv[1];
	w.options.ca_file = argv[2];
	w.options.http_port = (uint16_t)strtoul(argv[3], NULL, 10);
	read_words(a, argv + 4, &w);
	if (probe_new(&w.options, &p, &e) != ERR_OK) {
		printf("%s\n", e.detail);
		return 2;
	}
	const struct probe_case *const *v = probe_cases(&n);
	for (size_t i = 0; i < n; i++) {
		if (!probe_matches(w.only, v[i]->id))
			continue;
		if (probe_run(p, v[i], &e) != PROBE_PASSED) {
			not_run++;
			continue;
		}
		enum probe_result result = mutant_run(p, v[i], &e);
		caught += result == PROBE_FAILED;
		survived += result != PROBE_FAILED;
		if (result != PROBE_FAILED)
			printf("%s %s with its mutant: %s\n", v[i]->id, probe_result_name(result), e.detail);
	}
	printf("SURVIVED %zu CAUGHT %zu NOT-RUN %zu\n", survived, caught, not_run);
	probe_free(p);
	return survived ? 1 : 0;
}
