#include "server/parent/config_check.h"

#include "base/arena.h"
#include "base/clock.h"
#include "acme/policy.h"
#include "crypto/key.h"
#include "os/address.h"
#include "pki/crl.h"
#include "pki/ocsp.h"
#include "server/messages.h"
#include "server/parent/config_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLICY_TEXT_MAX 64
#define SECONDS_MAX     (10 * 366 * 86400ull)

enum err_code config_seconds(const char *text, uint64_t *ret, struct err *e)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 0, 1 } };
	char *end;

	errno = 0;
	unsigned long long n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	for (size_t i = 0; n > 0 && n <= SECONDS_MAX && i < sizeof units / sizeof *units; i++)
		if (*end == units[i].unit && (!*end || !end[1]) && n * units[i].seconds <= SECONDS_MAX) {
			*ret = n * units[i].seconds;
			return ERR_OK;
		}
	FAIL(e, CONFIG, "a duration is a number and a unit: 90s, 10m, 8h or 47d (at most ten years)");
}

static enum err_code number_between(const char *value, unsigned long long least, unsigned long long most, struct err *e)
{
	char *end = NULL;
	unsigned long long n = *value >= '0' && *value <= '9' && strlen(value) < 19 ? strtoull(value, &end, 10) : 0;

	if (!end || *end || n < least || n > most)
		FAIL(e, CONFIG, "a number from %llu to %llu is allowed", least, most);
	return ERR_OK;
}

enum err_code config_rate(const char *text, struct settings_rate *ret, struct err *e)
{
	char count[16];
	const char *slash = strchr(text, '/');
	uint64_t period_s;

	if (strcmp(text, "off") == 0) {
		*ret = (struct settings_rate){ 0 };
		return ERR_OK;
	}
	size_t n = slash ? (size_t)(slash - text) : sizeof count;
	if (n > 0 && n < sizeof count) {
		memcpy(count, text, n);
		count[n] = 0;
		if (number_between(count, 1, 1000000000, NULL) == ERR_OK && config_seconds(slash + 1, &period_s, NULL) == ERR_OK) {
			*ret = (struct settings_rate){ strtoull(count, NULL, 10), period_s };
			return ERR_OK;
		}
	}
	FAIL(e, CONFIG, "a rate is how many in how long, as in 50/7d or 10/3h; \"off\" is no limit");
}

static enum err_code check_port(const char *value, struct err *e)
{
	return number_between(value, 1, 65535, e);
}

static enum err_code check_listen(const char *value, struct err *e)
{
	struct address address;

	return address_parse(bytes_str(value), 0, &address, e);
}

static enum err_code check_resolver(const char *value, struct err *e)
{
	struct address address;

	return address_parse(bytes_str(value), ADDRESS_DNS_PORT, &address, e);
}

static enum err_code check_cidr(const char *value, struct err *e)
{
	struct ip_range range;

	return ip_range_parse(bytes_str(value), &range, e);
}

static enum err_code check_rule(const char *value, struct err *e)
{
	return name_rule_check(bytes_str(value), e);
}

static enum err_code check_base_url(const char *value, struct err *e)
{
	struct bytes v = bytes_str(value), rest = bytes_slice(v, 8, v.len);

	bool plain = rest.len > 0;
	for (size_t i = 0; i < rest.len; i++)
		plain = plain && rest.ptr[i] > ' ' && rest.ptr[i] < 127 && !strchr("/?#@\"<>\\", rest.ptr[i]);
	if (!bytes_starts_with(v, BYTES_LIT("https://")) || !plain || v.len > 512)
		FAIL(e, CONFIG,
		    "an https URL of host and perhaps port, without a path and without a slash at its end: https://ca.example.org");
	return ERR_OK;
}

static enum err_code check_domain(const char *value, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 4096);
	struct identifier id;
	struct err why = { 0 };

	if (!a)
		FAIL(e, NOMEM, "no memory");
	if (identifier_parse(a, BYTES_LIT("dns"), bytes_str(value), &id, &why) != ERR_OK || id.wildcard)
		FAIL(e, CONFIG, "a domain name like ca.example.org is due%s%s", *why.detail ? ": " : "", why.detail);
	return ERR_OK;
}

/* What may stand in a URL (RFC 3986 §2): these go into header fields and pages as they are. */
static bool is_url_text(const char *value)
{
	for (; *value; value++)
		if (*value <= ' ' || *value > '~' || strchr("\"<>\\^`{|}", *value))
			return false;
	return true;
}

static enum err_code check_url(const char *value, struct err *e)
{
	struct bytes v = bytes_str(value);

	if (v.len > 1024 || !is_url_text(value))
		FAIL(e, CONFIG, "a URL has at most 1024 characters, and is ASCII without spaces: others are written as %%20");
	if (v.len && !bytes_starts_with(v, BYTES_LIT("https://")) && !bytes_starts_with(v, BYTES_LIT("http://")))
		FAIL(e, CONFIG, "an http or https URL, or empty for none");
	return ERR_OK;
}

static enum err_code check_format(const char *value, struct err *e)
{
	if (strcmp(value, "text") != 0 && strcmp(value, "json") != 0)
		FAIL(e, CONFIG, "text or json is allowed");
	return ERR_OK;
}

static enum err_code check_filled(const char *value, struct err *e)
{
	if (!*value)
		FAIL(e, CONFIG, "it may not be empty");
	return ERR_OK;
}

static enum err_code check_connections(const char *value, struct err *e)
{
	return number_between(value, 1, 1000000, e);
}

static enum err_code check_workers(const char *value, struct err *e)
{
	return number_between(value, 1, 256, e);
}

static enum err_code check_names(const char *value, struct err *e)
{
	return number_between(value, 1, 100, e);
}

static enum err_code check_duration(const char *value, struct err *e)
{
	uint64_t s;

	return config_seconds(value, &s, e);
}

static enum err_code check_order_lifetime(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s < 60 || s > 8 * 3600)
		FAIL(e, CONFIG, "one minute to eight hours is allowed: a CAA answer may be no older at issuance");
	return ERR_OK;
}

static enum err_code check_keep(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s < 86400)
		FAIL(e, CONFIG, "one day or more is allowed");
	return ERR_OK;
}

static enum err_code check_crl_lifetime(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s < 3600 || s > CRL_UPDATE_MAX_S)
		FAIL(e, CONFIG, "one hour to ten days is allowed (Baseline Requirements 7.2)");
	return ERR_OK;
}

static enum err_code check_ocsp_lifetime(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s < OCSP_LIFETIME_MIN_S || s > OCSP_LIFETIME_MAX_S)
		FAIL(e, CONFIG, "eight hours to ten days is allowed (Baseline Requirements 4.9.10)");
	return ERR_OK;
}

static enum err_code check_crl_interval(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s < 60)
		FAIL(e, CONFIG, "one minute or more is allowed");
	return ERR_OK;
}

static enum err_code check_deadline(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s > 100)
		FAIL(e, CONFIG, "1s to 100s is allowed");
	return ERR_OK;
}

static enum err_code check_backdate(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s > 48 * 3600)
		FAIL(e, CONFIG, "at most 48h is allowed (Baseline Requirements 7.1.2.7)");
	return ERR_OK;
}

static enum err_code check_rate(const char *value, struct err *e)
{
	struct settings_rate rate;

	return config_rate(value, &rate, e);
}

static enum err_code check_bool(const char *value, struct err *e)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		FAIL(e, CONFIG, "true or false is allowed");
	return ERR_OK;
}

static enum err_code check_external(const char *value, struct err *e)
{
	if (strcmp(value, "off") != 0 && strcmp(value, "optional") != 0 && strcmp(value, "required") != 0)
		FAIL(e, CONFIG, "off, optional or required is allowed");
	return ERR_OK;
}

/* Without a path of its own: what is served below it is ours to name. Certificates carry it, and lists are signed: no TLS (RFC 5280
 * §8 warns of the circle that https makes). */
static enum err_code check_publish_url(const char *value, struct err *e)
{
	struct bytes v = bytes_str(value), rest = bytes_slice(v, 7, v.len);

	bool plain = rest.len > 0;
	for (size_t i = 0; i < rest.len; i++)
		plain = plain && rest.ptr[i] > ' ' && rest.ptr[i] < 127 && !strchr("/?#@\"<>\\", rest.ptr[i]);
	if (v.len && (!bytes_starts_with(v, BYTES_LIT("http://")) || !plain || v.len > 256))
		FAIL(e, CONFIG, "an http URL of host and perhaps port, without a path: http://pki.example.org; or empty for none");
	return ERR_OK;
}

static enum err_code check_origin(const char *value, struct err *e)
{
	size_t scheme = strncmp(value, "https://", 8) == 0 ? 8 : strncmp(value, "http://", 7) == 0 ? 7 : 0;
	const char *host = value + scheme;

	/* As browsers write it, or it would never be theirs: small letters, no path. */
	if (strcmp(value, "*") != 0 && (scheme == 0 || !*host || host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.:[]")]))
		FAIL(e, CONFIG, "* or an origin like https://console.example.org or https://console.example.org:8443, without a path");
	return ERR_OK;
}

static enum err_code check_page(const char *value, struct err *e)
{
	return number_between(value, 1, 1000, e);
}

static enum err_code check_rsa_bits(const char *value, struct err *e)
{
	return number_between(value, KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX, e);
}

static enum err_code check_authz_lifetime(const char *value, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(value, &s, e));
	if (s < 60 || s > 398 * 86400)
		FAIL(e, CONFIG, "one minute to 398 days is allowed");
	return ERR_OK;
}

static enum err_code check_challenges(const char *value, struct err *e)
{
	char all[256] = "";

	for (unsigned i = 0; i < CHALLENGE_TYPE__MAX; i++) {
		strncat(all, i ? ", " : "", sizeof all - strlen(all) - 1);
		strncat(all, challenge_type_name((enum challenge_type)i), sizeof all - strlen(all) - 1);
	}
	if (!config_profile_bit("challenges", value))
		FAIL(e, CONFIG, "there is no such challenge type; there are %s", all);
	return ERR_OK;
}

static enum err_code check_identifiers(const char *value, struct err *e)
{
	if (!config_profile_bit("identifiers", value))
		FAIL(e, CONFIG, "dns, wildcard and ip are allowed");
	return ERR_OK;
}

static enum err_code check_key_usage(const char *value, struct err *e)
{
	if (!config_profile_bit("key-usage", value))
		FAIL(e, CONFIG, "digital-signature and key-encipherment are allowed");
	return ERR_OK;
}

static enum err_code check_purposes(const char *value, struct err *e)
{
	if (!config_profile_bit("extended-key-usage", value))
		FAIL(e, CONFIG, "server-auth and client-auth are allowed");
	return ERR_OK;
}

static enum err_code check_common_name(const char *value, struct err *e)
{
	if (strcmp(value, "none") != 0 && strcmp(value, "first") != 0)
		FAIL(e, CONFIG, "none and first are allowed");
	return ERR_OK;
}

/* "2.23.140.1.2.1": two numbers or more, of which the first is at most 2, and the second below 40 where the first is not 2. */
static enum err_code check_policy(const char *value, struct err *e)
{
	unsigned long long arc[2] = { 0 }, v = 0;
	const char *p = value;
	bool good = true;
	size_t n = 0;
	char *end;

	if (strcmp(value, "none") == 0)
		return ERR_OK;
	do {
		good = *p >= '0' && *p <= '9' && (*p != '0' || p[1] == '.' || !p[1]);
		v = good ? strtoull(p, &end, 10) : 0;
		good = good && v <= UINT32_MAX && (!*end || *end == '.');
		if (n < 2)
			arc[n] = v;
		n++;
		p = good && *end ? end + 1 : NULL;
	} while (p);
	if (!good || n < 2 || strlen(value) > POLICY_TEXT_MAX || arc[0] > 2 || (arc[0] < 2 && arc[1] > 39))
		FAIL(e, CONFIG, "an object identifier like 2.23.140.1.2.1 is allowed, or none");
	return ERR_OK;
}

static enum err_code check_shards(const char *value, struct err *e)
{
	return number_between(value, 1, SHARDS_MAX, e);
}

static enum err_code check_issuer_name(const char *value, struct err *e)
{
	if (!settings_is_issuer_name(value))
		FAIL(e, CONFIG, ISSUER_NAME_RULE, ISSUER_NAME_MAX);
	return ERR_OK;
}

static enum err_code check_ready(const char *value, struct err *e)
{
	if (*value && !config_profile_is_ready(value))
		FAIL(e, CONFIG, "there is no such ready profile; there are tls-server, short-lived, classic and client-auth");
	return ERR_OK;
}

static enum err_code check_key_types(const char *value, struct err *e)
{
	enum key_type t;

	return key_type_for_certificates(bytes_str(value), &t, e);
}

static enum err_code check_time(const char *value, struct err *e)
{
	int64_t s;

	if (rfc3339_parse(bytes_str(value), &s, NULL) != ERR_OK)
		FAIL(e, CONFIG, "a time in UTC like 2026-11-25T08:00:00Z is due");
	return ERR_OK;
}

static enum err_code check_any(const char *value, struct err *e)
{
	(void)value;
	(void)e;
	return ERR_OK;
}

static enum err_code check_path(const char *value, struct err *e)
{
	if (*value && (*value != '/' || strlen(value) > 1024))
		FAIL(e, CONFIG, "a whole path is due, like /usr/lib/softhsm/libsofthsm2.so; or empty for none");
	return ERR_OK;
}

static enum err_code check_variable(const char *value, struct err *e)
{
	const char *equals = strchr(value, '=');

	if (!equals || equals == value || strncmp(value, "LD_", 3) == 0)
		FAIL(e, CONFIG, "a variable is written NAME=VALUE; none of the loader's (LD_)");
	return ERR_OK;
}

static enum err_code check_segment(const char *value, struct err *e)
{
	return number_between(value, 65536, 1u << 30, e);
}

static enum err_code check_reserve(const char *value, struct err *e)
{
	return number_between(value, 0, 1ull << 40, e);
}

static const struct {
	const char *section, *option;
	enum err_code (*check)(const char *value, struct err *e);
} checks[] = {
	{ "", "base-url", check_base_url },
	{ "", "caa-identity", check_domain },
	{ "", "state-folder", check_filled },
	{ "", "run-folder", check_filled },
	{ "", "log-format", check_format },
	{ "", "user-front", check_filled },
	{ "", "user-validator", check_filled },
	{ "", "user-signer", check_filled },
	{ "", "operators-group", check_filled },
	{ "front", "listen", check_listen },
	{ "front", "tls-names", check_domain },
	{ "front", "terms-of-service", check_url },
	{ "front", "website", check_url },
	{ "front", "connections-max", check_connections },
	{ "front", "connections-per-address", check_connections },
	{ "front", "workers", check_workers },
	{ "front", "order-lifetime", check_order_lifetime },
	{ "", "external-accounts", check_external },
	{ "", "log-requests", check_bool },
	{ "front", "terms-agree-again", check_bool },
	{ "front", "authz-reuse", check_bool },
	{ "front", "keep", check_keep },
	{ "front", "orders-page", check_page },
	{ "front", "cors-origins", check_origin },
	{ "front", "alternate-chains", check_filled },
	{ "front", "renewal-explanation", check_url },
	{ "admin", "listen", check_listen },
	{ "publish", "listen", check_listen },
	{ "publish", "base-url", check_publish_url },
	{ "publish", "ocsp-nonce", check_bool },
	{ "policy", "allow-names", check_rule },
	{ "policy", "deny-names", check_rule },
	{ "policy", "private-suffixes", check_domain },
	{ "policy", "allow-ips", check_cidr },
	{ "policy", "deny-ips", check_cidr },
	{ "policy", "blocked-keys", check_filled },
	{ "limits", "new-accounts-per-address", check_rate },
	{ "limits", "new-accounts-per-range", check_rate },
	{ "limits", "orders-per-account", check_rate },
	{ "limits", "certificates-per-domain", check_rate },
	{ "limits", "certificates-per-names", check_rate },
	{ "limits", "failed-validations", check_rate },
	{ "validator", "http-port", check_port },
	{ "validator", "tls-port", check_port },
	{ "validator", "redirect-ports", check_port },
	{ "validator", "allow-addresses", check_cidr },
	{ "validator", "resolver", check_resolver },
	{ "validator", "trust-anchors", check_filled },
	{ "validator", "deadline", check_deadline },
	{ "signer", "segment-size", check_segment },
	{ "signer", "reserve", check_reserve },
	{ "incident", "issued-from", check_time },
	{ "incident", "issued-until", check_time },
	{ "incident", "explanation", check_url },
	{ "profile", "lifetime", check_duration },
	{ "profile", "backdate", check_backdate },
	{ "profile", "names", check_names },
	{ "profile", "doc", check_any },
	{ "profile", "authz-lifetime", check_authz_lifetime },
	{ "profile", "challenges", check_challenges },
	{ "profile", "identifiers", check_identifiers },
	{ "profile", "key-types", check_key_types },
	{ "profile", "rsa-bits-max", check_rsa_bits },
	{ "profile", "key-usage", check_key_usage },
	{ "profile", "extended-key-usage", check_purposes },
	{ "profile", "common-name", check_common_name },
	{ "profile", "policies", check_policy },
	{ "profile", "must-staple", check_bool },
	{ "profile", "crl", check_bool },
	{ "profile", "ocsp", check_bool },
	{ "profile", "ca-issuers", check_bool },
	{ "profile", "issuers", check_issuer_name },
	{ "profile", "ready", check_ready },
	{ "", "user-keyholder", check_filled },
	{ "keyholder", "module", check_path },
	{ "keyholder", "pin-file", check_any },
	{ "keyholder", "environment", check_variable },
	{ "signer", "passphrase-file", check_any },
	{ "signer", "crl-shards", check_shards },
	{ "signer", "crl-lifetime", check_crl_lifetime },
	{ "signer", "ocsp-lifetime", check_ocsp_lifetime },
	{ "signer", "crl-interval", check_crl_interval },
};

enum err_code config_check(const char *section, const char *option, const char *value, struct err *e)
{
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		if (strcmp(checks[i].section, section) == 0 && strcmp(checks[i].option, option) == 0)
			return checks[i].check(value, e);
	FAIL(e, BUG, "the option %s has no check", option);
}
