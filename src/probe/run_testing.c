/* probe_mutants URL CA-FILE HTTP-PORT NAME...: runs every case against a server, once as it is and once with its mutant. A case that passes
 * must fail with its mutant. One line for each that does not; the last line is "SURVIVED n CAUGHT n NOT-RUN n". Used by
 * tests/blackbox/test_probe.py. */
#include "probe/mutant_testing.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct probe_options o = { 0 };
	struct probe *p;
	struct err e = { 0 };
	size_t n, survived = 0, caught = 0, not_run = 0;

	if (argc < 5)
		return 2;
	o.directory_url = argv[1];
	o.ca_file = argv[2];
	o.http_port = (uint16_t)strtoul(argv[3], NULL, 10);
	for (int i = 4; i < argc && o.n_names < PROBE_NAMES_MAX; i++)
		o.names[o.n_names++] = argv[i];
	if (probe_new(&o, &p, &e) != ERR_OK) {
		printf("%s\n", e.detail);
		return 2;
	}
	const struct probe_case *const *v = probe_cases(&n);
	for (size_t i = 0; i < n; i++) {
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
