/* CAA rdata as a zone sends it: no input is read past its end, and what is permitted names us. */
#include "dns/caa.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes rdata = { data, size };
	struct caa_request r = { .issuer_domain = BYTES_LIT("ca.example"),
		.account_url = BYTES_LIT("https://ca.example/acme/acct/1"),
		.method = BYTES_LIT("http-01") };
	struct caa_record record;
	struct caa_issue issue;
	struct err e = { 0 };

	if (caa_record_read(rdata, &record, &e) != ERR_OK) {
		if (caa_permits(BYTES_LIT("example.org"), &rdata, 1, &r, &e) == ERR_OK)
			abort();
		return 0;
	}
	if (record.tag.len + record.value.len + 2 != size)
		abort();
	if (caa_issue_read(record.value, &issue)) {
		struct bytes tag, value;
		size_t n = 0;
		while (caa_parameter_next(&issue.parameters, &tag, &value))
			if (++n > size)
				abort();
	}
	bool permits = caa_permits(BYTES_LIT("example.org"), &rdata, 1, &r, &e) == ERR_OK;
	if (permits && bytes_eq_str(record.tag, "issue") && !memmem(data, size, ".", 1))
		abort();
	r.wildcard = true;
	if (caa_permits(BYTES_LIT("example.org"), &rdata, 1, &r, &e) == ERR_OK && !permits)
		abort();
	return 0;
}
