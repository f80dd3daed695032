/* The taken-over front's main: started by chancery-ca serve in the place of chancery-ca-front, jailed like it. */
#include "attack.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "jose/jwk.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANDOM_PACKETS 100000

static void write_line(struct attacker *w, const char *verdict, const char *name, const char *why)
{
	char line[1024];
	int n = snprintf(line, sizeof line, "%s %s%s%s\n", verdict, name, *why ? ": " : "", why);

	n = n < (int)sizeof line ? n : (int)sizeof line - 1;
	if (write(w->results, line, (size_t)n) != n)
		_exit(3);
}

void report(struct attacker *w, const char *name, bool ok, const char *why, ...)
{
	char detail[800] = "";
	va_list args;

	va_start(args, why);
	if (!ok)
		(void)vsnprintf(detail, sizeof detail, why, args);
	va_end(args);
	*(ok ? &w->passed : &w->failed) += 1;
	write_line(w, ok ? "ok" : "FAILED", name, detail);
}

void need(struct attacker *w, enum err_code rc, const char *what, const struct err *e)
{
	if (rc == ERR_OK)
		return;
	report(w, what, false, "%s: %s", err_name(rc), e ? e->detail : "");
	write_line(w, "stopped", what, "");
	_exit(4);
}

static void read_issuer(struct attacker *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(16384);

	need(w, file_read(w->child.folder, "key.pem", 16384, &pem, e), "the CA's key, a gift of the test", e);
	need(w, key_private_from_pem(buf_bytes(&pem), &w->issuer, e), "the CA's key, a gift of the test", e);
}

/* Which thumbprint the applicants' web server answers with, for each host name. */
static void write_thumbprints(struct attacker *w)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);
	uint8_t thumbprint[THUMBPRINT_SIZE];
	struct err e = { 0 };

	for (unsigned i = 0; i < ACCOUNT__MAX; i++) {
		jwk_thumbprint(w->account[i], thumbprint);
		buf_add_str(&out, i == ACCOUNT_A ? "A " : "B ");
		base64url_add(&out, BYTES_ARRAY(thumbprint));
		buf_add_u8(&out, '\n');
	}
	need(w, file_write(w->child.folder, "thumbprints", 0600, buf_bytes(&out), &e), "writing the thumbprints", &e);
}

static void prepare(struct attacker *w)
{
	struct key **keys[] = { &w->account[ACCOUNT_A], &w->account[ACCOUNT_B], &w->leaf, &w->leaf2, &w->stranger };
	struct err e = { 0 };

	w->signer.fd = w->validator.fd = w->results = -1;
	if (child_start(PROCESS_FRONT, &w->child, &e) != ERR_OK) {
		child_failed(&w->child, &e);
		exit(1);
	}
	w->results = openat(w->child.folder, "results", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	w->a = arena_new(1u << 20, 16u << 20);
	w->kept = arena_new(1u << 20, 64u << 20);
	if (w->results < 0 || !w->a || !w->kept)
		exit(1);
	need(w, identity_read(w->child.folder, &w->identity, &e), "the validator's identity, a gift of the test", &e);
	read_issuer(w, &e);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		need(w, key_generate(KEY_EC_P256, 0, keys[i], &e), "making a key", &e);
	write_thumbprints(w);
	need(w, child_jail(&w->child, &e), "the front's jail", &e);
	need(w, child_ready(&w->child, &e), "telling the parent", &e);
}

static void hello(struct attacker *w)
{
	struct message m = { 0 };
	struct hello_ok h;

	bool ok = link_ask(w, &w->signer, MESSAGE_HELLO, BYTES_LIT(""), &m) && m.type == MESSAGE_HELLO_OK &&
		  hello_ok_read(m.body, &h, NULL) == ERR_OK && h.n_issuers == 1;
	report(w, "HELLO", ok, "answered with message %u", m.type);
	if (!ok)
		return;
	w->chain = copy_of(w->kept, h.issuers[0].chain);
	bool told = link_receive(w, &w->signer, 5000, &m) && m.type == MESSAGE_CRL_NEW;
	report(w, "the list that there is from the start on", told && w->list.size > 0, "not told of");
	w->signer_said_hello = ok;
}

static void attack(struct attacker *w)
{
	int64_t deadline = clock_monotonic_ms() + 20000;

	while (w->signer.fd < 0 || w->validator.fd < 0) {
		need(w, clock_monotonic_ms() < deadline ? ERR_OK : ERR_TIMEOUT, "channels to signer and validator", NULL);
		serve_parent(w, 100);
	}
	gather_proofs(w);
	attack_before_hello(w);
	hello(w);
	honest_issuance(w, "control: an honest issuance", PROOF_A);
	honest_issuance(w, "control: an honest issuance of another account", PROOF_B);
	attack_evidence(w);
	attack_orders(w);
	attack_accounts(w);
	attack_revocations(w);
	attack_ocsp(w);
	attack_tls(w);
	attack_validator(w);
	attack_channel_signer(w);
	attack_channel_validator(w);
	attack_random(w, RANDOM_PACKETS);
	gather_proofs(w);
	honest_issuance(w, "an honest issuance after it all", PROOF_A);
	revoked_after_it_all(w);
}

int main(void)
{
	static struct attacker w;
	char honest[16];

	prepare(&w);
	attack(&w);
	(void)snprintf(honest, sizeof honest, "%u", w.honest);
	write_line(&w, "done", honest, "");
	for (;;)
		serve_parent(&w, 1000);
}
