"""Clients that nobody here wrote, through a certificate's and an account's whole life: each kind of challenge that they know, a wildcard,
renewal, revocation with what relying parties see of it, key rollover, an account's update and end."""
import os
import pathlib
import subprocess
import time
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import free_port, running_ca

# Each method: what the client's listener or hook needs, and names for it.
HTTP, DNS, ALPN = "http-01", "dns-01", "tls-alpn-01"


class Failed(AssertionError):
    pass


class Client:
    """One foreign client with a folder of its own. ways: whether it can revoke by the certificate's key too."""

    ways = (False, True)

    def __init__(self, ca, folder):
        self.ca, self.folder = ca, folder
        self.txt = folder / "txt"
        self.txt.mkdir()
        ca.dns.txt_folder = self.txt
        self.roots = folder / "roots.pem"
        self.roots.write_text(ca.root.read_text())

    def run(self, words, check=True, **environment):
        environment = {**os.environ, "HOME": str(self.folder), **{k: str(v) for k, v in environment.items()}}
        result = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, cwd=self.folder, env=environment)
        if check and result.returncode != 0:
            raise Failed(f"{words}\n{result.stdout}\n{result.stderr}\n--- the CA:\n{self.ca.log_text()[-3000:]}")
        return result

    def script(self, name, text):
        path = self.folder / name
        path.write_text("#!/bin/sh\nset -eu\n" + text)
        path.chmod(0o755)
        return path

    def close(self):
        pass


class Certbot(Client):
    methods = (HTTP, DNS)

    def certbot(self, *words):
        return self.run(["certbot", *words, "--non-interactive", "--server", self.ca.directory, "--config-dir", self.folder / "c",
                         "--work-dir", self.folder / "w", "--logs-dir", self.folder / "l"], REQUESTS_CA_BUNDLE=self.roots)

    def register(self):
        self.certbot("register", "--agree-tos", "-m", "a@example.org", "--no-eff-email")

    def how(self, method):
        if method == HTTP:
            return ["--standalone", "--http-01-port", self.ca.http_port]
        add = self.script("add.sh", f'printf "%s\\n" "$CERTBOT_VALIDATION" >>"{self.txt}/_acme-challenge.$CERTBOT_DOMAIN"\n')
        end = self.script("end.sh", f'rm -f "{self.txt}/_acme-challenge.$CERTBOT_DOMAIN"\n')
        return ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", add, "--manual-cleanup-hook", end]

    def issue(self, method, *names):
        self.certbot("certonly", "--force-renewal", "--cert-name", "one", *self.how(method), *[w for n in names for w in ("-d", n)])
        return self.folder / "c" / "live" / "one" / "fullchain.pem"

    def renew(self):
        self.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
        return self.folder / "c" / "live" / "one" / "fullchain.pem"

    def revoke(self, by_key):
        live = self.folder / "c" / "live" / "one"
        key = ["--key-path", live / "privkey.pem"] if by_key else []
        self.certbot("revoke", "--cert-path", live / "cert.pem", "--reason", "superseded", "--no-delete-after-revoke", *key)
        return 4

    def update(self):
        self.certbot("update_account", "-m", "b@example.org", "--no-eff-email")

    def deactivate(self):
        self.certbot("unregister")


class Lego(Client):
    methods = (HTTP, DNS, ALPN)
    ways = (False,)

    def lego(self, how, names, *words):
        return self.run(["lego", "--accept-tos", "--server", self.ca.directory, "--email", "a@example.org", "--path", self.folder / "lego", *how,
                         *[w for n in names for w in ("--domains", n)], *words], LEGO_CA_CERTIFICATES=self.ca.root,
                        EXEC_PATH=self.folder / "exec.sh", EXEC_PROPAGATION_TIMEOUT="5", EXEC_POLLING_INTERVAL="1")

    def register(self):
        """With the first certificate."""

    def how(self, method):
        if method == HTTP:
            return ["--http", "--http.port", f"127.0.0.1:{self.ca.http_port}"]
        if method == ALPN:
            return ["--tls", "--tls.port", f"127.0.0.1:{self.ca.tls_port}"]
        self.script("exec.sh", f"""name=${{2%.}}
case $1 in
present) printf '%s\\n' "$3" >>"{self.txt}/$name" ;;
cleanup) rm -f "{self.txt}/$name" ;;
esac
""")
        return ["--dns", "exec", "--dns.disable-cp", "--dns.resolvers", f"127.0.0.1:{self.ca.dns.port}"]

    def issue(self, method, *names):
        self.last = self.how(method), names
        self.lego(*self.last, "run")
        return self.folder / "lego" / "certificates" / (names[0].replace("*", "_") + ".crt")

    def renew(self):
        self.lego(*self.last, "renew", "--days", "4000", "--no-random-sleep")
        return self.folder / "lego" / "certificates" / (self.last[1][0].replace("*", "_") + ".crt")

    def revoke(self, by_key):
        self.lego([], self.last[1], "revoke")
        return 0


class Uacme(Client):
    methods = (HTTP, DNS, ALPN)

    def __init__(self, ca, folder):
        super().__init__(ca, folder)
        self.alpn = None
        self.conf = folder / "u"
        self.hook = self.script("hook.sh", f"""name=_acme-challenge.$3
case $1:$2 in
begin:{HTTP}) [ -e want.{HTTP} ] || exit 1; mkdir -p webroot; printf %s "$5" >"webroot/$4" ;;
begin:{DNS}) [ -e want.{DNS} ] || exit 1; printf '%s\\n' "$5" >>"{self.txt}/$name" ;;
begin:{ALPN}) [ -e want.{ALPN} ] || exit 1; UACME_UALPN_SOCK={folder}/ualpn.sock; export UACME_UALPN_SOCK; printf 'auth %s %s\\n' "$3" "$5" | timeout 5 python3 {folder}/talk.py ;;
*:{DNS}) rm -f "{self.txt}/$name" ;;
*) : ;;
esac
""")

    def uacme(self, *words):
        # It knows the system's roots alone: in a mount namespace of its own, ours stand in their place.
        return self.run(["unshare", "--mount", "sh", "-c", f"mount --bind '{self.roots}' /etc/ssl/certs/ca-certificates.crt && exec \"$@\"", "sh",
                         "uacme", "-y", "-a", self.ca.directory, "-c", self.conf, *words])

    def register(self):
        self.uacme("new", "a@example.org")

    def start_ualpn(self):
        """uacme's own responder, which answers acme-tls/1 alone; its socket takes `auth NAME DIGEST`."""
        (self.folder / "talk.py").write_text(f"""import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("{self.folder}/ualpn.sock")
s.sendall(sys.stdin.buffer.read())
sys.exit(0 if s.recv(100).startswith(b"OK") else 1)
""")
        self.alpn = subprocess.Popen(["ualpn", "-b", f"127.0.0.1@{self.ca.tls_port}", "-c", f"127.0.0.1@{free_port()}", "-s",
                                      self.folder / "ualpn.sock", "-v", "-v"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        for _ in range(100):
            if (self.folder / "ualpn.sock").exists():
                return
            time.sleep(0.05)
        raise Failed("ualpn did not start")

    def issue(self, method, *names):
        for other in self.methods:
            (self.folder / f"want.{other}").unlink(missing_ok=True)
        (self.folder / f"want.{method}").touch()
        if method == ALPN and not self.alpn:
            self.start_ualpn()
        self.last = names
        (self.folder / "webroot").mkdir(exist_ok=True)
        self.ca.web.serve_folder(self.folder / "webroot")
        self.uacme("-h", self.hook, "-f", "issue", *names)
        return self.conf / names[0] / "cert.pem"

    def renew(self):
        self.uacme("-h", self.hook, "-f", "issue", *self.last)
        return self.conf / self.last[0] / "cert.pem"

    def revoke(self, by_key):
        key = [self.conf / "private" / self.last[0] / "key.pem"] if by_key else []
        self.uacme("-r", "1" if by_key else "4", "revoke", self.conf / self.last[0] / "cert.pem", *key)
        return 1 if by_key else 4

    def update(self):
        self.uacme("update", "b@example.org")

    def rollover(self):
        self.uacme("newkey")

    def deactivate(self):
        self.uacme("deactivate")

    def close(self):
        if self.alpn:
            self.alpn.terminate()
            self.alpn.wait()


class Dehydrated(Client):
    methods = (HTTP, DNS, ALPN)
    ways = (False,) # it looks for an account of the key that it is given

    def __init__(self, ca, folder):
        super().__init__(ca, folder)
        self.webroot = folder / "webroot"
        self.webroot.mkdir()
        hook = self.script("hook.sh", f"""case ${{1-}} in
deploy_challenge)
	case $CHALLENGETYPE in
	{DNS}) printf '%s\\n' "$4" >>"{self.txt}/_acme-challenge.$2" ;;
	{ALPN}) # a responder with dehydrated's own certificate, for as long as the challenge is open
		setsid openssl s_server -accept 127.0.0.1:{ca.tls_port} -alpn acme-tls/1 -cert "{folder}/alpn-certs/$2.crt.pem" \\
			-key "{folder}/alpn-certs/$2.key.pem" -quiet </dev/zero >/dev/null 2>&1 3>&- & echo $! >"{folder}/alpn.pid"
		for i in 1 2 3 4 5 6 7 8 9 10; do openssl s_client -connect 127.0.0.1:{ca.tls_port} </dev/null >/dev/null 2>&1 && break; sleep 0.2; done ;;
	esac ;;
clean_challenge)
	case $CHALLENGETYPE in
	{DNS}) rm -f "{self.txt}/_acme-challenge.$2" ;;
	{ALPN}) kill "$(cat "{folder}/alpn.pid")" ;;
	esac ;;
esac
""")
        (folder / "config").write_text(f"CA={ca.directory}\nWELLKNOWN={self.webroot}\nBASEDIR={folder}\nCURL_OPTS='--cacert {ca.root}'\n"
                                       f"CONTACT_EMAIL=a@example.org\nHOOK={hook}\nOCSP_FETCH=no\n")

    def dehydrated(self, *words):
        return self.run(["dehydrated", "--config", self.folder / "config", *words])

    def register(self):
        self.dehydrated("--register", "--accept-terms")

    def issue(self, method, *names):
        self.ca.web.serve_folder(self.webroot)
        # A folder for each: dehydrated takes up a CSR of the same second, whatever names it has.
        self.certificate = self.folder / "certs" / f"{method}-{names[0].removeprefix('*.')}"
        self.last = ["--alias", self.certificate.name, "--challenge", method, "--domain", " ".join(names)]
        self.method = method
        self.cron("--force")
        return self.certificate / "fullchain.pem"

    def cron(self, *words):
        # The hook is told the type by the environment, as dehydrated itself tells it only which arguments there are.
        self.run(["dehydrated", "--config", self.folder / "config", "--cron", *words, *self.last], CHALLENGETYPE=self.method)

    def renew(self):
        self.cron("--force")
        return self.certificate / "fullchain.pem"

    def revoke(self, by_key):
        self.dehydrated("--revoke", self.certificate / "cert.pem")
        return 0

    def update(self):
        text = (self.folder / "config").read_text()
        (self.folder / "config").write_text(text.replace("a@example.org", "b@example.org"))
        self.dehydrated("--account")

    def deactivate(self):
        self.dehydrated("--deactivate")


CLIENTS = {c.__name__.lower(): c for c in (Certbot, Lego, Uacme, Dehydrated)}


@pytest.fixture
def world(request, tmp_path):
    """A CA that publishes, and the client; clients with listeners of their own get the ports that the validator looks at."""
    kind, own_listener = request.param
    tls_port, crl_port = free_port(), free_port()
    with running_ca("--publish-url", f"http://127.0.0.1:{crl_port}", "--publish-listen", f"127.0.0.1:{crl_port}", "--private-suffix", "example",
                    tls_port=tls_port) as ca:
        if own_listener:
            ca.web.close()
            ca.web.close = lambda: None
        client = CLIENTS[kind](ca, tmp_path)
        try:
            yield client
        finally:
            client.close()


def each(*kinds):
    return pytest.mark.parametrize("world", [(k, k in ("certbot", "lego")) for k in kinds or CLIENTS], indirect=True, ids=kinds or list(CLIENTS))


def leaf(fullchain):
    return x509.load_pem_x509_certificate(pathlib.Path(fullchain).read_bytes())


def names_of(certificate):
    return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName))


def verify(world, fullchain, *words):
    return world.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", world.ca.root, "-untrusted", fullchain, *words, fullchain],
                     check=False)


def check(world, fullchain, *names):
    certificate = leaf(fullchain)
    assert names_of(certificate) == set(names)
    result = verify(world, fullchain)
    assert result.returncode == 0, result.stdout + result.stderr
    return certificate


def revocation_of(world, certificate):
    """What the list says that the certificate itself names, after OpenSSL has verified the list; None: it is not on it."""
    url = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "application/pkix-crl"
        der = answer.read()
    path = world.folder / "list.crl"
    path.write_bytes(der)
    result = world.run(["openssl", "crl", "-inform", "DER", "-in", path, "-CAfile", issuer_of(world), "-noout"], check=False)
    assert "verify OK" in result.stdout + result.stderr, result.stdout + result.stderr
    return x509.load_der_x509_crl(der).get_revoked_certificate_by_serial_number(certificate.serial_number)


def issuer_of(world):
    return world.ca.folder / "state" / "signer" / "issuers" / "main" / "issuer.pem"


def wait_revoked(world, certificate):
    for _ in range(200):
        found = revocation_of(world, certificate)
        if found is not None:
            return found
        time.sleep(0.1)
    raise Failed("the certificate never came onto the list")


@each()
def test_each_challenge_and_renewal(world):
    world.register()
    for method in world.methods:
        name = method.replace("-", "") + ".example"
        first = check(world, world.issue(method, name), name)
        second = check(world, world.renew(), name)
        assert first.serial_number != second.serial_number


@each()
def test_wildcard_beside_its_base(world):
    world.register()
    check(world, world.issue(DNS, "wild.example", "*.wild.example"), "wild.example", "*.wild.example")


@each()
def test_revocation(world):
    """By the account, and by the certificate's own key where the client knows how; the list that the certificate names tells it."""
    world.register()
    for by_key in world.ways:
        fullchain = world.issue(HTTP, "gone.example")
        certificate = check(world, fullchain, "gone.example")
        assert revocation_of(world, certificate) is None
        reason = world.revoke(by_key)
        entry = wait_revoked(world, certificate)
        told = [e.value.reason for e in entry.extensions if isinstance(e.value, x509.CRLReason)]
        assert told == {0: [], 1: [x509.ReasonFlags.key_compromise], 4: [x509.ReasonFlags.superseded]}[reason]
        (world.folder / "list.pem").write_text(world.run(["openssl", "crl", "-inform", "DER", "-in", world.folder / "list.crl"]).stdout)
        (world.folder / "leaf.pem").write_text(certificate.public_bytes(serialization.Encoding.PEM).decode())
        result = world.run(["openssl", "verify", "-crl_check", "-CRLfile", world.folder / "list.pem", "-CAfile", world.ca.root, "-untrusted", issuer_of(world),
                            world.folder / "leaf.pem"], check=False)
        assert "certificate revoked" in result.stdout + result.stderr


@each("certbot", "uacme", "dehydrated")
def test_account_update_and_end(world):
    world.register()
    world.update()
    world.issue(HTTP, "before.example")
    world.deactivate()
    with pytest.raises(Failed):
        world.issue(HTTP, "after.example")


@each("uacme")
def test_rollover(world):
    world.register()
    world.issue(HTTP, "old.example")
    world.rollover()
    check(world, world.issue(HTTP, "new.example"), "new.example")
    # what the old key got can be revoked by the new one: it is the same account
    world.last = ("old.example",)
    old = leaf(world.conf / "old.example" / "cert.pem")
    world.revoke(False)
    wait_revoked(world, old)
