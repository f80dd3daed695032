/* Configurations as distributions and people write them, read without a disk. */
#include "agent/web_config.h"

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct file {
	const char *path, *text;
};

static size_t find(void *ctx, struct arena *a, const char *pattern, const char **paths, size_t max)
{
	size_t n = 0;

	(void)a;
	for (const struct file *f = ctx; f->path && n < max; f++)
		if (fnmatch(pattern, f->path, FNM_PATHNAME) == 0)
			paths[n++] = f->path;
	return n;
}

static bool load(void *ctx, struct arena *a, const char *path, size_t max, struct bytes *ret)
{
	(void)a;
	(void)max;
	for (const struct file *f = ctx; f->path; f++)
		if (strcmp(f->path, path) == 0) {
			*ret = bytes_str(f->text);
			return true;
		}
	return false;
}

static void add_strings(struct buf *out, const char *what, const struct web_strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_add_fmt(out, "%s%s", i ? "," : what, s->v[i]);
}

/* "names a,b; listen 443 tls, 80; certificates x; root y" a line. */
static void describe(const struct web_config *c, struct buf *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct web_site *s = &c->sites[i];
		buf_add_fmt(out, "%u:", s->line);
		add_strings(out, " ", &s->names);
		for (size_t k = 0; k < s->n_listens; k++)
			buf_add_fmt(
			    out, "%s%s:%u%s", k ? "," : " at ", s->listens[k].address, s->listens[k].port, s->listens[k].tls ? "+" : "");
		if (s->root)
			buf_add_fmt(out, " root %s", s->root);
		add_strings(out, " cert ", &s->certificates);
		add_strings(out, " key ", &s->keys);
		buf_add_u8(out, '\n');
	}
	buf_add_u8(out, 0);
}

static struct web_config reads(struct arena *a, enum web_server server, struct file *files, bool whole, const char *expected)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1u << 20);
	struct web_files from = { find, load, files };
	struct web_config c;
	struct err e = { 0 };

	if (web_config_read(a, server, files[0].path, &from, &c, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	describe(&c, &out);
	assert_string_equal((const char *)out.ptr, expected);
	assert_int_equal(c.whole, whole);
	return c;
}

/* --- nginx --- */

static const char debian_nginx[] =
    "user www-data;\nworker_processes auto;\npid /run/nginx.pid;\ninclude /etc/nginx/modules-enabled/*.conf;\n\nevents {\n\tworker_connections 768;\n}\n"
    "http {\n\tsendfile on;\n\tinclude /etc/nginx/mime.types;\n\tssl_protocols TLSv1.2 TLSv1.3; # no older\n\taccess_log /var/log/nginx/access.log;\n"
    "\tgzip on;\n\t# gzip_types text/plain;\n\tlog_format main '$remote_addr - \"$request\" ; { '\n\t\t'$status';\n"
    "\tinclude /etc/nginx/conf.d/*.conf;\n\tinclude sites-enabled/*;\n}\n";

static void nginx_as_debian_has_it(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	struct file files[] = {
		{ "/etc/nginx/nginx.conf", debian_nginx },
		{ "/etc/nginx/mime.types", "types {\n text/html html htm;\n image/svg+xml svg;\n}\n" },
		{ "/etc/nginx/sites-enabled/default",
		    "server {\n\tlisten 80 default_server;\n\tlisten [::]:80 default_server;\n\troot /var/www/html;\n\tindex index.html;\n\tserver_name _;\n"
		    "\tlocation / {\n\t\ttry_files $uri $uri/ =404;\n\t}\n\tlocation ~ \\.php$ {\n\t\tinclude snippets/none.conf;\n\t}\n}\n" },
		{ "/etc/nginx/sites-enabled/shop",
		    "upstream app { server 127.0.0.1:3000; server unix:/run/app.sock; }\n"
		    "map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n"
		    "server {\n\tserver_name Shop.example.org www.shop.example.org;\n\tlisten 443 ssl http2; listen [::]:443 ssl; listen 443 quic;\n"
		    "\tssl_certificate /etc/chancery/client/shop.example.org/live/fullchain.pem;\n"
		    "\tssl_certificate_key /etc/chancery/client/shop.example.org/live/privkey.pem;\n"
		    "\tssl_certificate ssl/rsa.pem; ssl_certificate_key ssl/rsa.key;\n"
		    "\tlocation / { proxy_pass http://app; proxy_set_header Host $host; }\n"
		    "\tlocation /static { root /srv/static; }\n}\n"
		    "server {\n\tif ($host = shop.example.org) {\n\t\treturn 301 https://$host$request_uri;\n\t}\n\tlisten 80;\n"
		    "\tserver_name .example.net ~^(?<user>.+)\\.example\\.com$ \"quoted.example\";\n\treturn 404;\n}\n" },
		{ NULL, NULL },
	};

	(void)state;
	struct web_config c = reads(a, WEB_NGINX, files, false,
	    "1: at :80 root /var/www/html\n"
	    "3: shop.example.org,www.shop.example.org at :443+ cert /etc/chancery/client/shop.example.org/live/fullchain.pem,"
	    "/etc/nginx/ssl/rsa.pem key /etc/chancery/client/shop.example.org/live/privkey.pem,/etc/nginx/ssl/rsa.key\n"
	    "12: example.net,*.example.net,quoted.example at :80\n");
	assert_string_equal(c.pid_file, "/run/nginx.pid");
	assert_string_equal(c.sites[1].file, "/etc/nginx/sites-enabled/shop");
}

static void nginx_inherits(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	struct file files[] = {
		{ "/n/nginx.conf",
		    "http{root /srv;ssl_certificate /a.pem;ssl_certificate_key /a.key;server{server_name a.example;listen 10.0.0.1:443 ssl;}"
		    "server{server_name b.example;location / {root /b;}ssl_certificate /b.pem;}server{server_name c.example;"
		    "ssl on;listen localhost:8443;location / {root /c;}root /d;content_by_lua_block { local x = { a = '}' } } }}"
		    "stream{server{listen 993 ssl;ssl_certificate /mail.pem;}}" },
		{ NULL, NULL },
	};

	(void)state;
	reads(a, WEB_NGINX, files, true,
	    "1: a.example at 10.0.0.1:443+ root /srv cert /a.pem key /a.key\n"
	    "1: b.example at :80 root /b cert /b.pem key /a.key\n"
	    "1: c.example at localhost:8443+ root /d cert /a.pem key /a.key\n"
	    "1: at :993+ cert /mail.pem\n");
}

static void what_nginx_prints(void **state)
{
	static const char text[] = "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n"
				   "# configuration file /etc/nginx/nginx.conf:\nhttp { include conf.d/*.conf; }\n\n"
				   "# configuration file /etc/nginx/conf.d/a.conf:\nserver { server_name a.example; }\n\n";
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	struct web_files files;
	struct web_config c;
	const char *first;

	(void)state;
	assert_true(web_files_dump(a, BYTES_LIT("") /* nothing */, &files, &first) == false);
	assert_true(web_files_dump(a, bytes_str(text), &files, &first));
	assert_string_equal(first, "/etc/nginx/nginx.conf");
	assert_int_equal(web_config_read(a, WEB_NGINX, first, &files, &c, NULL), ERR_OK);
	assert_true(c.n == 1 && c.whole);
	assert_string_equal(c.sites[0].names.v[0], "a.example");
}

static void what_depends_on_variables(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	struct file files[] = {
		{ "/n/nginx.conf",
		    "http { server { listen 443 ssl; server_name a.example; ssl_certificate /certs/${ssl_server_name}.pem; } }" },
		{ NULL, NULL },
	};

	(void)state;
	reads(a, WEB_NGINX, files, false, "1: a.example at :443+\n");
}

/* --- Apache --- */

static void apache_as_debian_has_it(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	struct file files[] = {
		{ "/etc/apache2/apache2.conf",
		    "# comment \\\nDefaultRuntimeDir ${APACHE_RUN_DIR}\nPidFile /run/apache2/apache2.pid\nTimeout 300\nErrorLog ${APACHE_LOG_DIR}/error.log\n"
		    "IncludeOptional mods-enabled/*.load\nInclude ports.conf\n<Directory />\n\tOptions FollowSymLinks\n</Directory>\n"
		    "LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O\" combined\nIncludeOptional sites-enabled/*.conf\n" },
		{ "/etc/apache2/ports.conf", "Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n" },
		{ "/etc/apache2/sites-enabled/000-default.conf",
		    "<VirtualHost *:80>\n\tServerAdmin webmaster@localhost\n\tDocumentRoot /var/www/html\n</VirtualHost>\n" },
		{ "/etc/apache2/sites-enabled/shop.conf",
		    "Define root /srv/shop\n<IfModule mod_ssl.c>\n<VirtualHost _default_:443 [::1]:8443>\n\tServerName https://Shop.example.org:443\n"
		    "\tServerAlias www.shop.example.org \\\n\t\t*.shop.example.org\n\tDocumentRoot \"${root}/public html\"\n\tsslengine on\n"
		    "\tSSLCertificateFile \"/etc/chancery/client/shop.example.org/live/fullchain.pem\"\n"
		    "\tSSLCertificateKeyFile ssl/shop.key\n</VirtualHost>\n</IfModule>\n<VirtualHost *>\nServerName any.example\n</VirtualHost>\n" },
		{ NULL, NULL },
	};

	(void)state;
	struct web_config c = reads(a, WEB_APACHE, files, true,
	    "1: at :80,:443+\n"
	    "1: at :80 root /var/www/html\n"
	    "3: shop.example.org,www.shop.example.org,*.shop.example.org at :443+,::1:8443+ root /srv/shop/public html "
	    "cert /etc/chancery/client/shop.example.org/live/fullchain.pem key /etc/apache2/ssl/shop.key\n"
	    "13: any.example at :80,:443\n");
	assert_string_equal(c.pid_file, "/run/apache2/apache2.pid");
}

static void apache_without_hosts(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	struct file files[] = {
		{ "/etc/httpd/conf/httpd.conf",
		    "ServerRoot \"/etc/httpd\"\nServerName www.example.org:80\nListen 0.0.0.0:80\nDocumentRoot \"/var/www/html\"\nInclude conf.d/\n"
		    "<Macro site $name>\n<VirtualHost *:443>\nServerName $name\n</VirtualHost>\n</Macro>\nUse site a.example\n" },
		{ "/etc/httpd/conf.d/ssl.conf", "SSLCertificateFile /etc/pki/tls/certs/localhost.crt\nSSLCertificateKeyFile ${key}/x\n" },
		{ NULL, NULL },
	};

	(void)state;
	reads(a, WEB_APACHE, files, false, "2: www.example.org at :80 root /var/www/html cert /etc/pki/tls/certs/localhost.crt\n");
}

/* --- HAProxy --- */

static void haproxy_frontends(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	struct file files[] = {
		{ "/etc/haproxy/haproxy.cfg",
		    "global\n\tlog /dev/log local0\n\tstats socket /run/haproxy/admin.sock mode 660\n\tpidfile /run/haproxy.pid\n\tmaster-worker\n"
		    "\tcrt-base /etc/ssl/private\ndefaults\n\tmode http\n\terrorfile 400 /etc/haproxy/errors/400.http\nfrontend web # all of it\n"
		    "\tbind :80\n\tbind ipv4@0.0.0.0:443,[::]:443 ssl crt shop.pem crt /etc/haproxy/certs/ alpn h2,http/1.1\n\tbind unix@/run/x.sock\n"
		    "\tacl shop hdr(host) -i Shop.example.org www.shop.example.org\n\tacl big hdr(host) -m end -f /etc/haproxy/names\n"
		    "\tuse_backend b if { req.hdr(host),lower x.example } || { path /y }\n\thttp-request redirect scheme https unless { ssl_fc }\n"
		    "\tdefault_backend b\nbackend b\n\tserver s1 127.0.0.1:8080 check\nlisten mail\n\tmode tcp\n"
		    "\tbind 10.0.0.1:993 name \"a b\" ssl crt-list /etc/haproxy/list\n" },
		{ "/etc/haproxy/list", "# comment\n/m/one.pem [alpn h2 ssl-min-ver TLSv1.2] a.example !b.example\ntwo.pem\n\n" },
		{ NULL, NULL },
	};

	(void)state;
	struct web_config c = reads(a, WEB_HAPROXY, files, true,
	    "10: shop.example.org,www.shop.example.org,x.example at :80,:443+ cert /etc/ssl/private/shop.pem,/etc/haproxy/certs/\n"
	    "21: at 10.0.0.1:993+ cert /m/one.pem,/etc/ssl/private/two.pem\n");
	assert_string_equal(c.pid_file, "/run/haproxy.pid");
	assert_true(c.master_worker);
}

/* --- bounds --- */

static void what_includes_itself(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	struct file files[] = { { "/n/a", "server { server_name a.example; } include /n/a; include /n/a;" }, { NULL, NULL } };
	struct web_files from = { find, load, files };
	struct web_config c;

	(void)state;
	assert_int_equal(web_config_read(a, WEB_NGINX, "/n/a", &from, &c, NULL), ERR_OK);
	assert_false(c.whole);
	assert_true(c.n > 10 && c.n <= WEB_SITES_MAX);
	files[0].text = "Include a\nInclude a\nServerName a.example\n";
	assert_int_equal(web_config_read(a, WEB_APACHE, "/n/a", &from, &c, NULL), ERR_OK);
	assert_false(c.whole);
}

static void what_is_too_deep_or_broken(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	static char deep[20000];
	struct file files[] = { { "/n/a", deep }, { NULL, NULL } };
	struct web_files from = { find, load, files };
	struct web_config c;
	struct err e = { 0 };

	(void)state;
	memset(deep, '{', sizeof deep - 1);
	assert_int_equal(web_config_read(a, WEB_NGINX, "/n/a", &from, &c, NULL), ERR_OK);
	assert_false(c.whole);
	files[0].text = "}}} server { listen 80 ssl; server_name 'a.example";
	assert_int_equal(web_config_read(a, WEB_NGINX, "/n/a", &from, &c, NULL), ERR_OK);
	assert_int_equal(web_config_read(a, WEB_NGINX, "/n/b", &from, &c, &e), ERR_NOT_FOUND);
	assert_string_equal(e.detail, "/n/b cannot be read");
}

static void files_of_the_disk(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20);
	char folder[] = "/tmp/chancery-web-XXXXXX", path[64], included[64];
	struct web_config c;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/nginx.conf", folder);
	(void)snprintf(included, sizeof included, "%s/a.conf", folder);
	FILE *f = fopen(path, "w");
	fputs("http { include *.conf; include none*; }", f); /* itself too: a bound ends it */
	fclose(f);
	f = fopen(included, "w");
	fputs("server { server_name a.example; }", f);
	fclose(f);
	assert_int_equal(web_config_read(a, WEB_NGINX, path, &web_files_disk, &c, NULL), ERR_OK);
	assert_true(c.n >= 1);
	assert_string_equal(c.sites[0].file, included);
	unlink(path);
	unlink(included);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nginx_as_debian_has_it),
		cmocka_unit_test(nginx_inherits),
		cmocka_unit_test(what_nginx_prints),
		cmocka_unit_test(what_depends_on_variables),
		cmocka_unit_test(apache_as_debian_has_it),
		cmocka_unit_test(apache_without_hosts),
		cmocka_unit_test(haproxy_frontends),
		cmocka_unit_test(what_includes_itself),
		cmocka_unit_test(what_is_too_deep_or_broken),
		cmocka_unit_test(files_of_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
