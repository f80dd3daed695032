/* Gets a certificate by libchancery and prints it. The answers to challenges go into files of the working folder, which a web
 * server has to show as http://NAME/.well-known/acme-challenge/TOKEN.
 *
 *	cc -std=c99 get.c $(pkg-config --cflags --libs libchancery) -o get
 *	./get https://ca.example.org/directory www.example.org [CA-FILE]
 *
 * A real program keeps the account's key; this one makes a new account each time. */
#include <chancery/chancery.h>

#include <stdio.h>

static int deploy(void *context, const struct chancery_challenge *challenge)
{
	FILE *f = fopen(challenge->token, "w"); /* base64url alone: safe as a name */

	(void)context;
	if (!f)
		return -1;
	fputs(challenge->key_authorization, f);
	return fclose(f);
}

static void clean_up(void *context, const struct chancery_challenge *challenge)
{
	(void)context;
	(void)remove(challenge->token);
}

static int progress(void *context, enum chancery_step step, const char *text)
{
	(void)context;
	fprintf(stderr, "[%d] %s\n", (int)step, text);
	return 0;
}

static int tell(const struct chancery_error *error)
{
	fprintf(stderr, "failed: %s\n", chancery_error_message(error));
	if (*chancery_error_hint(error))
		fprintf(stderr, "what to do: %s\n", chancery_error_hint(error));
	return 1;
}

static int issue(struct chancery_client *client, const char *name, struct chancery_key *key)
{
	struct chancery_certificate *certificate;
	char *pem;
	size_t len;

	if (chancery_client_issue(client, &name, 1, key, &certificate) != CHANCERY_OK)
		return tell(chancery_client_error(client));
	fputs(chancery_certificate_fullchain(certificate, NULL), stdout);
	if (chancery_key_to_pem(key, &pem, &len) == CHANCERY_OK) {
		fwrite(pem, 1, len, stdout);
		chancery_secret_free(pem, len);
	}
	chancery_certificate_free(certificate);
	return 0;
}

int main(int argc, char **argv)
{
	struct chancery_key *account = NULL, *key = NULL;
	struct chancery_client *client;
	int rc = 1;

	if (argc < 3) {
		fprintf(stderr, "usage: %s DIRECTORY-URL NAME [CA-FILE]\n", argv[0]);
		return 1;
	}
	client = chancery_client_new(argv[1]);
	if (client && chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &account) == CHANCERY_OK &&
	    chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &key) == CHANCERY_OK &&
	    chancery_client_set_account_key(client, account) == CHANCERY_OK && chancery_client_set_terms_agreed(client, 1) == CHANCERY_OK &&
	    chancery_client_set_solver(client, "http-01", deploy, clean_up, NULL) == CHANCERY_OK &&
	    chancery_client_set_progress(client, progress, NULL) == CHANCERY_OK &&
	    chancery_client_set_ca_file(client, argc > 3 ? argv[3] : NULL) == CHANCERY_OK)
		rc = issue(client, argv[2], key);
	chancery_client_free(client);
	chancery_key_free(account);
	chancery_key_free(key);
	return rc;
}
