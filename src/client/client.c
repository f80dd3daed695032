/* The public handle of a client and its settings. */
#include "client/client_impl.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "jose/eab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S     600u
#define TIMEOUT_MAX_S 604800u

const char *chancery_version(void)
{
	return CHANCERY_VERSION;
}

/* --- the handle --- */

#define USER_AGENT "libchancery/" CHANCERY_VERSION " (RFC 8555)"

struct chancery_client *chancery_client_new(const char *directory_url)
{
	struct chancery_client *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	crypto_init();
	c->timeout_s = TIMEOUT_S;
	(void)snprintf(c->user_agent, sizeof c->user_agent, "%s", USER_AGENT);
	c->directory_url = strdup(directory_url ? directory_url : "");
	if (c->directory_url)
		return c;
	chancery_client_free(c);
	return NULL;
}

void chancery_client_free(struct chancery_client *client)
{
	if (!client)
		return;
	event_free(client->event);
	failure_reset(&client->error);
	for (size_t i = 0; i < client->n_contacts; i++)
		free(client->contacts[i]);
	chancery_key_free(client->account);
	free(client->directory_url);
	free(client->eab_kid);
	if (client->eab_key)
		crypto_wipe(client->eab_key, strlen(client->eab_key));
	free(client->eab_key);
	free(client->profile);
	free(client->replaces);
	free(client->preferred_chain);
	free(client->resume);
	free(client->account_url);
	free(client->ca_file);
	free(client->ca_pem);
	for (unsigned t = 0; t < CHALLENGE_TYPE__MAX; t++)
		free(client->ways[t].place);
	free(client);
}

const struct chancery_error *chancery_client_error(const struct chancery_client *client)
{
	return client ? &client->error : NULL;
}

enum chancery_result client_usage(struct chancery_client *c, const char *what)
{
	failure_reset(&c->error);
	c->error.result = CHANCERY_USAGE;
	c->error.fault = CHANCERY_FAULT_CALLER;
	(void)snprintf(c->error.message, sizeof c->error.message, "%s", what);
	return CHANCERY_USAGE;
}

enum chancery_result client_nomem(struct chancery_client *c)
{
	failure_reset(&c->error);
	c->error.result = CHANCERY_NOMEM;
	c->error.fault = CHANCERY_FAULT_MACHINE;
	(void)snprintf(c->error.message, sizeof c->error.message, "no memory");
	return CHANCERY_NOMEM;
}

enum chancery_result client_ok(struct chancery_client *c)
{
	failure_reset(&c->error);
	return CHANCERY_OK;
}

bool client_is_busy(struct chancery_client *c)
{
	if (c->busy)
		(void)client_usage(c, "a call on this client is not over yet: let it come to its end, or cancel it");
	return c->busy;
}

enum chancery_result client_set_string(struct chancery_client *c, char **to, const char *value)
{
	if (client_is_busy(c))
		return CHANCERY_USAGE;
	char *copy = value ? strdup(value) : NULL;
	if (value && !copy)
		return client_nomem(c);
	free(*to);
	*to = copy;
	return client_ok(c);
}

static enum chancery_result set_flag(struct chancery_client *c, bool *to, int value)
{
	if (client_is_busy(c))
		return CHANCERY_USAGE;
	*to = value != 0;
	return client_ok(c);
}

enum chancery_result chancery_client_set_account_key(struct chancery_client *client, struct chancery_key *key)
{
	if (!key)
		return client_usage(client, "an account key of NULL");
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	keys_ref(key);
	chancery_key_free(client->account);
	client->account = key;
	return client_ok(client);
}

static bool is_printable(const char *s, size_t max)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return n > 0 && n <= max;
}

enum chancery_result chancery_client_add_contact(struct chancery_client *client, const char *uri)
{
	if (!uri || !strchr(uri, ':') || !is_printable(uri, 512))
		return client_usage(client, "a contact has to be a URI such as mailto:ops@example.org");
	if (client->n_contacts == ENGINE_CONTACTS_MAX)
		return client_usage(client, "more than 8 contacts");
	enum chancery_result rc = client_set_string(client, &client->contacts[client->n_contacts], uri);
	if (rc == CHANCERY_OK)
		client->n_contacts++;
	return rc;
}

enum chancery_result chancery_client_set_terms_agreed(struct chancery_client *client, int agree)
{
	return set_flag(client, &client->terms_agreed, agree);
}

enum chancery_result chancery_client_set_external_account(struct chancery_client *client, const char *kid, const char *hmac_key)
{
	if (!kid != !hmac_key)
		return client_usage(client, "an external account has a kid and a key");
	if (kid && (!is_printable(kid, EAB_KID_LEN_MAX) || !base64url_is(bytes_str(hmac_key)) ||
		       strlen(hmac_key) < BASE64URL_LEN(EAB_SECRET_MIN) || strlen(hmac_key) > BASE64URL_LEN(EAB_SECRET_MAX)))
		return client_usage(client, "an external account's kid is printable, and its key is base64url of 32 to 64 bytes");
	enum chancery_result rc = client_set_string(client, &client->eab_kid, kid);
	return rc == CHANCERY_OK ? client_set_string(client, &client->eab_key, hmac_key) : rc;
}

enum chancery_result chancery_client_set_profile(struct chancery_client *client, const char *profile)
{
	if (profile && !is_printable(profile, 64))
		return client_usage(client, "a profile's name has 1 to 64 characters of printable ASCII");
	return client_set_string(client, &client->profile, profile);
}

enum chancery_result chancery_client_set_replaces(struct chancery_client *client, const char *pem)
{
	return client_set_string(client, &client->replaces, pem);
}

enum chancery_result chancery_client_set_preferred_chain(struct chancery_client *client, const char *issuer)
{
	return client_set_string(client, &client->preferred_chain, issuer);
}

enum chancery_result chancery_client_set_must_staple(struct chancery_client *client, int staple)
{
	return set_flag(client, &client->must_staple, staple);
}

enum chancery_result chancery_client_set_only_existing(struct chancery_client *client, int only)
{
	return set_flag(client, &client->only_existing, only);
}

enum chancery_result chancery_client_set_before_order(struct chancery_client *client, chancery_before_order_fn *before, void *context)
{
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	client->before_order = before;
	client->before_context = context;
	return client_ok(client);
}

enum chancery_result chancery_client_set_order_callback(struct chancery_client *client, chancery_order_fn *order, void *context)
{
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	client->order_made = order;
	client->order_context = context;
	return client_ok(client);
}

enum chancery_result chancery_client_set_resume(struct chancery_client *client, const char *order_url)
{
	return client_set_string(client, &client->resume, order_url);
}

enum chancery_result chancery_client_set_ca_file(struct chancery_client *client, const char *path)
{
	return client_set_string(client, &client->ca_file, path);
}

enum chancery_result chancery_client_set_ca_pem(struct chancery_client *client, const char *pem)
{
	return client_set_string(client, &client->ca_pem, pem);
}

enum chancery_result chancery_client_set_timeout(struct chancery_client *client, uint32_t seconds)
{
	if (seconds < 1 || seconds > TIMEOUT_MAX_S)
		return client_usage(client, "a timeout is of 1 to 604800 seconds");
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	client->timeout_s = seconds;
	return client_ok(client);
}

enum chancery_result chancery_client_set_user_agent(struct chancery_client *client, const char *product)
{
	if (!product || !is_printable(product, 100))
		return client_usage(client, "a user agent has 1 to 100 characters of printable ASCII");
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	(void)snprintf(client->user_agent, sizeof client->user_agent, "%s %s", product, USER_AGENT);
	return client_ok(client);
}

/* Takes the place of the type's way, which keeps its rank. way->place is copied. */
static enum chancery_result set_way(struct chancery_client *c, enum challenge_type type, const struct way *way)
{
	struct way *to = &c->ways[type];
	bool is_new = to->by == SOLVE_NOT;

	enum chancery_result rc = client_set_string(c, &to->place, way->place);
	if (rc != CHANCERY_OK)
		return rc;
	to->by = way->by;
	to->callback = way->callback;
	to->port = way->port;
	memcpy(to->sockets, way->sockets, sizeof to->sockets);
	if (is_new)
		c->order[c->n_ways++] = type;
	return client_ok(c);
}

enum chancery_result chancery_client_set_solver(
    struct chancery_client *client, const char *type, chancery_deploy_fn *deploy, chancery_clean_up_fn *clean_up, void *context)
{
	struct way way = { .by = SOLVE_CALLBACK, .callback = { .deploy = deploy, .clean_up = clean_up, .context = context } };
	enum challenge_type t;

	if (!type || !challenge_type_from_name(bytes_str(type), &t))
		return client_usage(client, "challenges are of the types http-01, dns-01 and tls-alpn-01");
	if (!deploy)
		return client_usage(client, "a solver needs a function that deploys");
	return set_way(client, t, &way);
}

enum chancery_result chancery_client_set_ready(struct chancery_client *client, chancery_ready_fn *ready, void *context)
{
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	client->ready = ready;
	client->ready_context = context;
	return client_ok(client);
}

enum chancery_result chancery_client_use_webroot(struct chancery_client *client, const char *folder)
{
	struct way way = { .by = SOLVE_WEBROOT, .place = (char *)(uintptr_t)folder };

	return folder ? set_way(client, CHALLENGE_TYPE_HTTP_01, &way) : client_usage(client, "a web root of NULL");
}

static int is_there(void *context, const struct chancery_challenge *challenge)
{
	(void)context;
	(void)challenge;
	return 0;
}

enum chancery_result chancery_client_use_stateless(struct chancery_client *client)
{
	return chancery_client_set_solver(client, challenge_type_name(CHALLENGE_TYPE_HTTP_01), is_there, NULL, NULL);
}

static enum chancery_result use_listener(struct chancery_client *c, enum challenge_type type, const char *address, uint16_t port)
{
	struct way way = { .by = SOLVE_LISTENER, .place = (char *)(uintptr_t)address, .port = port };

	return port > 0 ? set_way(c, type, &way) : client_usage(c, "a port of 0");
}

enum chancery_result chancery_client_use_listener(struct chancery_client *client, const char *address, uint16_t port)
{
	return use_listener(client, CHALLENGE_TYPE_HTTP_01, address, port);
}

enum chancery_result chancery_client_use_tls_listener(struct chancery_client *client, const char *address, uint16_t port)
{
	return use_listener(client, CHALLENGE_TYPE_TLS_ALPN_01, address, port);
}

enum chancery_result chancery_client_use_sockets(struct chancery_client *client, const char *type, int ipv4, int ipv6)
{
	struct way way = { .by = SOLVE_SOCKETS, .sockets = { ipv4, ipv6 } };
	enum challenge_type t;

	if (!type || !challenge_type_from_name(bytes_str(type), &t) || t == CHALLENGE_TYPE_DNS_01 || (ipv4 < 0 && ipv6 < 0))
		return client_usage(client, "http-01 and tls-alpn-01 are answered on sockets, of which there is at least one");
	return set_way(client, t, &way);
}

enum chancery_result chancery_client_set_progress(struct chancery_client *client, chancery_progress_fn *progress, void *context)
{
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	client->progress = progress;
	client->progress_context = context;
	return client_ok(client);
}
