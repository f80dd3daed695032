/* The names of a host, from files of its three servers. */
#include "agent/web_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static const char nginx[] = "http{server{listen 443 ssl;server_name b.example a.example;root /tls;ssl_certificate /a.pem;}"
			    "server{listen 80;server_name a.example;root /plain;}}";

static void names_of_three_servers(void **state)
{
	static const char *const texts[WEB_SERVERS] = {
		[WEB_NGINX] = nginx,
		[WEB_APACHE] = "Listen 81\n<VirtualHost *:81>\nServerName a.example\n</VirtualHost>\n",
		[WEB_HAPROXY] = "frontend x\n bind :82\n acl x hdr(host) c.example\n",
	};
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	char folder[] = "/tmp/chancery-host-XXXXXX", paths[WEB_SERVERS][64];
	const char *files[WEB_SERVERS];
	struct web_name *v;
	size_t n;
	bool whole;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (int s = 0; s < WEB_SERVERS; s++) {
		(void)snprintf(paths[s], sizeof paths[s], "%s/%d", folder, s);
		write_file(paths[s], texts[s]);
		files[s] = paths[s];
	}
	assert_int_equal(web_host_names(a, files, &v, &n, &whole, NULL), ERR_OK);
	assert_true(whole);
	assert_int_equal(n, 4);
	assert_string_equal(v[0].name, "a.example");
	assert_true(v[0].server == WEB_NGINX && v[0].plain && v[0].tls && v[0].line == 1);
	assert_string_equal(v[0].root, "/plain");
	assert_string_equal(v[0].certificate, "/a.pem");
	assert_true(v[1].server == WEB_APACHE && v[1].plain && !v[1].tls && !v[1].root && !v[1].certificate);
	assert_string_equal(v[2].name, "b.example");
	assert_string_equal(v[2].root, "/tls");
	assert_string_equal(v[3].name, "c.example");
	assert_string_equal(v[3].file, paths[WEB_HAPROXY]);
	unlink(paths[WEB_APACHE]);
	assert_int_equal(web_host_names(a, files, &v, &n, &whole, NULL), ERR_OK);
	assert_true(n == 3 && !whole);
	unlink(paths[WEB_NGINX]);
	unlink(paths[WEB_HAPROXY]);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_three_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
