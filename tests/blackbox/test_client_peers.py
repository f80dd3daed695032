"""The client against CAs that others wrote, each with its manners, and ours: every way to show control of a name, and every command. What a CA has not is told to the user.
In a network of its own, where all CAs have the ports that they look at."""
import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import schemas
from harness import CLIENT_PROGRAM
from peers import KINDS, MAIN, PROGRAMS, Peers, pebble
from test_client import DONE, FAILED, NOTHING_TO_DO, addresses, blocks, chancery, check_files, failed, spki
from test_recursion import own_network


@pytest.fixture(scope="module")
def peers():
    if not own_network():
        pytest.skip("needs a network namespace, and so the rights of root")
    p = Peers()
    try:
        yield p
    finally:
        p.close()


@pytest.fixture(scope="module", params=MAIN if os.environ.get("CHANCERY_SMALL") else KINDS)
def peer(request, peers):
    return peers.get(request.param)


main = pytest.mark.parametrize("peer", MAIN, indirect=True)
programs = pytest.mark.parametrize("peer", PROGRAMS, indirect=True)


class Client:
    def __init__(self, folder, peer, names):
        self.folder, self.peer, self.names = folder / "f", peer, names
        self.at = ["--server", peer.directory, "--ca-file", peer.ca_file]
        self.hook, self.clean = (self.program(folder, n, f'exec {names.command} {verb} _acme-challenge.$CERTBOT_DOMAIN "$CERTBOT_VALIDATION"')
                                 for n, verb in (("hook", "set"), ("clean", "clear")))
        self.HOOK = ["--challenge", "dns-01", "--hook", self.hook, "--hook-clean-up", self.clean, "--hook-user", "root"]

    @staticmethod
    def program(folder, name, text):
        file = folder / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    def __call__(self, *words, expect=DONE, **more):
        result = chancery(*words, "--folder", self.folder, **more)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def issue(self, *words, expect=DONE):
        return self("issue", *words, *self.at, "--agree-tos", "--timeout", 60, "--resolver", "127.0.0.1", expect=expect)

    def account(self, *words, expect=DONE):
        return self("account", *words, *self.at, expect=expect)

    def live(self, name):
        return self.folder / name / "live"

    def leaf(self, name):
        return blocks(self.live(name) / "fullchain.pem")[0]


@pytest.fixture
def client(tmp_path, peer, peers):
    tmp_path.chmod(0o755)
    return Client(tmp_path, peer, peers.names)


@contextlib.contextmanager
def web(answer):
    """A web server at port 80; answer: of the path's last part, None for none."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = answer(self.path.rsplit("/", 1)[1]) if self.path.startswith("/.well-known/acme-challenge/") else None
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 80), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


# --- every way to show control ---

def test_by_a_listener(client):
    client.issue("listener.test", "www.listener.test", "third.listener.test")
    check_files(client.live("listener.test"), ["listener.test", "www.listener.test", "third.listener.test"])


@programs
def test_by_a_web_root(client, tmp_path):
    root = tmp_path / "web"
    challenges = root / ".well-known" / "acme-challenge"
    root.mkdir()
    with web(lambda token: (challenges / token).read_text() if (challenges / token).is_file() else None):
        client.issue("webroot.test", "--webroot", root)
    check_files(client.live("webroot.test"), ["webroot.test"])
    assert list(challenges.iterdir()) == []


@programs
def test_by_a_web_server_that_knows_the_account(client):
    client.issue("first.test")  # makes the account
    thumbprint = re.search(r'\$1\.([-_A-Za-z0-9]{43})"', client.account("snippet", "nginx").stdout)[1]
    with web(lambda token: f"{token}.{thumbprint}"):
        client.issue("stateless.test", "--stateless")
    check_files(client.live("stateless.test"), ["stateless.test"])


@programs
def test_by_tls(client):
    client.issue("tls.test", "www.tls.test", "--challenge", "tls-alpn-01")
    check_files(client.live("tls.test"), ["tls.test", "www.tls.test"])


@programs
def test_by_a_hook(client, peers):
    client.issue("hook.test", "*.hook.test", *client.HOOK)
    check_files(client.live("hook.test"), ["hook.test", "*.hook.test"])
    assert peers.names.txt("_acme-challenge.hook.test") is None


@programs
def test_by_updates(client, peers):
    client.issue("update.test", "*.update.test", "*.www.update.test", "--dns-update", "127.0.0.1")
    check_files(client.live("update.test"), ["update.test", "*.update.test", "*.www.update.test"])
    assert peers.names.txt("_acme-challenge.update.test") is None


@programs
@pytest.mark.parametrize("way", ("http-01", "tls-alpn-01"))
def test_an_address(client, peer, way):
    if peer.name == "chancery-ca":
        failed(client.issue("127.0.0.1", "--challenge", way, expect=FAILED), "has no IP addresses", "does not issue for names of this kind")
    client.issue("127.0.0.1", "--challenge", way, *(["--profile", "addresses"] if peer.name == "chancery-ca" else []))
    assert addresses(blocks(client.live("127.0.0.1") / "fullchain.pem")) == ["127.0.0.1"]


@main
def test_what_the_ca_finds_is_told(client):
    """Somebody else answers: whose fault it is, and where."""
    with web(lambda token: "this is not it"):
        result = client.issue("wrong.test", "--http-port", 81, "--json", expect=FAILED)
    error = json.loads(result.stdout)["error"]
    assert error["fault"] == "name" and "wrong.test: the server could not validate it" in error["message"], error
    assert "no request reached the listener here" in error["hint"] and not client.live("wrong.test").exists()


def test_a_web_server_that_comes_late(peers, tmp_path):
    """A CA that looks once and leaves the challenge open is asked to look again."""
    tmp_path.chmod(0o755)
    client, tries = Client(tmp_path, peers.get("caddy"), peers.names), []
    with web(tries.append):
        result = client.issue("late.test", "--http-port", 81, expect=FAILED)
    failed(result, "late.test: the server could not validate it", "where the name leads")
    assert len(tries) == 6
    good = client.program(tmp_path, "late", f"(sleep 1; {client.hook}) >/dev/null 2>&1 &")
    client.issue("late.test", "--challenge", "dns-01", "--hook", good, "--hook-clean-up", client.clean, "--hook-user", "root", "--propagation", 0)
    check_files(client.live("late.test"), ["late.test"])


# --- every command ---

def test_renewals(client, peer):
    client.issue("one.test", "www.one.test", "--key-type", "ecdsa-p384")
    client.issue("two.test")
    first = client.leaf("one.test")
    client.issue("one.test", "www.one.test", "--key-type", "ecdsa-p384", expect=NOTHING_TO_DO)
    client("renew", expect=NOTHING_TO_DO)
    client("renew", "one.test", "--dry-run")
    assert client.leaf("one.test") == first
    client("renew", "one.test", "--force")
    second = client.leaf("one.test")
    assert second.serial_number != first.serial_number and second.public_key().curve.name == "secp384r1"
    client("reissue", "one.test")
    assert client.leaf("one.test").serial_number != second.serial_number
    check_files(client.live("one.test"), ["one.test", "www.one.test"])
    rows = {r["name"]: r for r in schemas.check("client/status", client("status", "--json").stdout)["certificates"]}
    assert rows["one.test"]["state"] == rows["two.test"]["state"] == "good"
    # when it is due lies in the last part of its life, whoever says when
    life = [time.mktime(time.strptime(rows["two.test"][k], "%Y-%m-%dT%H:%M:%SZ")) for k in ("not_before", "due", "not_after")]
    assert (life[1] - life[0]) / (life[2] - life[0]) > 0.4
    assert "one.test" in client("delete", "one.test", "--yes").stdout and not (client.folder / "one.test").exists()


@programs
def test_a_dry_run(client):
    assert "Nothing is changed here" in client.issue("dry.test", "--dry-run").stdout
    assert not client.live("dry.test").exists()


@main
def test_a_life_of_an_account(client, peer, tmp_path):
    client.issue("account.test", "--contact", "mailto:a@account.test")
    url = client.account("show").stdout.split()[0]
    assert json.loads(client.issue("again.test", "--json").stdout)["account"] == url
    assert "The CA has the contacts" in client.account("update", "--contact", "mailto:b@account.test").stdout
    (key,) = (client.folder / "_accounts").glob("*.pem")
    old = key.read_text()
    if "rollover" in peer.lacks:
        failed(client.account("rollover", expect=FAILED), "not implemented", "this CA cannot do that", "on the CA's side")
        assert key.read_text() == old
    else:
        client.account("rollover")
        assert key.read_text() != old
        client.account("rollover")  # what was prepared is no obstacle to the next
    assert client.account("show").stdout.split()[0] == url
    client("renew", "account.test", "--force")
    # the key, taken elsewhere, finds its account
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_text(key.read_text())
    elsewhere.chmod(0o600)
    assert url in client.account("recover", "--account-key", elsewhere).stdout
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", tmp_path / "none.pem"], check=True, capture_output=True, timeout=60)
    failed(client.account("recover", "--account-key", tmp_path / "none.pem", expect=FAILED), "accountDoesNotExist")
    assert str(key) in client("account", "list").stdout
    client.account("deactivate", "--yes")
    failed(client("renew", "account.test", "--force", expect=FAILED), "account")
    check_files(client.live("account.test"), ["account.test"])


@main
def test_a_rollover_that_is_cut_off(client, peer):
    """The CA has the new key, the disk has the old one under the name that counts: the next renewal is of the same account."""
    if "rollover" in peer.lacks:
        return
    client.issue("cut.test")
    url = client.account("show").stdout.split()[0]
    (key,) = (client.folder / "_accounts").glob("*.pem")
    old = key.read_text()
    client.account("rollover")
    new = key.rename(key.with_name(key.name + ".new"))
    key.write_text(old)
    key.chmod(0o600)
    said = json.loads(client.issue("cut.test", "--force", "--json").stdout)
    assert said["account"] == url and not new.exists() and key.read_text() != old


@main
def test_revocation(client):
    client.issue("revoked.test")
    client.issue("by-key.test")
    assert "Revoked" in client("revoke", "revoked.test", "--yes", "--reason", "superseded").stdout
    failed(client("revoke", "revoked.test", "--yes", expect=FAILED), "alreadyRevoked")
    live = client.live("by-key.test")
    assert "Revoked" in client("revoke", "by-key.test", "--yes", "--reason", "keyCompromise", "--key", live / "privkey.pem").stdout
    check_files(live, ["by-key.test"])


@programs
def test_a_profile(client, peer):
    result = client.issue("profile.test", "--profile", "no-such", expect=FAILED)
    if "profiles" in peer.lacks:
        failed(result, "this CA has no profiles", "leave the profile out")
        return
    failed(result, "profile", "one of the profiles that the CA offers")
    client.issue("profile.test", "--profile", "tiny" if peer.name == "chancery-ca" else "default")


@programs
def test_a_request_of_ones_own(client, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("csr.test"), x509.DNSName("www.csr.test")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, False).sign(key, hashes.SHA256())
    (tmp_path / "csr.pem").write_bytes(csr.public_bytes(serialization.Encoding.PEM))
    client.issue("--csr", tmp_path / "csr.pem")
    assert spki(client.leaf("csr.test").public_key()) == spki(key.public_key()) and not (client.live("csr.test") / "privkey.pem").exists()


@programs
def test_an_rsa_key(client):
    client.issue("key.test", "--key-type", "rsa-2048")
    check_files(client.live("key.test"), ["key.test"])


@main
def test_gone_on_with_after_a_kill(client, tmp_path):
    """kill -9 in the midst: the next run goes on with the same order and key, and no CA minds."""
    mark = tmp_path / "mark"
    stopping = client.program(tmp_path, "stopping", f"if [ ! -e {mark} ]; then touch {mark}; kill -9 $(awk '/^PPid/{{print $2}}' /proc/$PPID/status); sleep 5; fi; exec {client.hook}")
    words = ["stopped.test", "--challenge", "dns-01", "--hook", stopping, "--hook-clean-up", client.clean, "--hook-user", "root"]
    client.issue(*words, expect=-signal.SIGKILL)
    (draft,) = (client.folder / "stopped.test" / "generations").iterdir()
    order, key = json.loads((draft / "order.json").read_text())["order"], (draft / "privkey.pem").read_text()
    assert f"going on with the order {order}" in client.issue(*words).stdout
    assert (client.live("stopped.test") / "privkey.pem").read_text() == key
    check_files(client.live("stopped.test"), ["stopped.test"])


@programs
def test_an_account_that_stands_by(client, peer):
    client("ca", "add", "peer", "--directory", peer.directory, "--ca-file", peer.ca_file)
    if peer.name.startswith("pebble"):
        failed(client("ca", "test", "peer", expect=FAILED), "terms of service that have to be agreed to")
    result = client("ca", "test", "peer", "--agree-tos")
    assert "an account stands by" in result.stdout
    client("issue", "standby.test", "--ca", "peer", "--resolver", "127.0.0.1", "--timeout", 60)
    assert "would have given the certificate" in client("ca", "drill", "--to", "peer").stdout


@programs
def test_the_daemon(client, tmp_path):
    """It gets what is wished for, and ends as it is told to."""
    config = tmp_path / "chancery.conf"
    config.write_text(f'server = "{client.peer.directory}"\nca-file = "{client.peer.ca_file}"\nagree-tos = "true"\nresolver = "127.0.0.1"\n'
                      'certificate "daemon.test" {\n}\ncertificate "both" {\n\tnames = {"one.daemon.test", "two.daemon.test"}\n}\n')
    client("check-config", "--config", config)
    with open(tmp_path / "daemon.log", "wb") as log:
        process = subprocess.Popen([CLIENT_PROGRAM, "daemon", "--config", config, "--folder", client.folder], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 60
            while not (client.live("daemon.test").exists() and client.live("both").exists()):
                assert process.poll() is None and time.monotonic() < end, (tmp_path / "daemon.log").read_text()
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=30)
    assert code == DONE, (tmp_path / "daemon.log").read_text()
    check_files(client.live("both"), ["one.daemon.test", "two.daemon.test"])


# --- what one CA alone does ---

def test_nonces_that_are_never_good(peers, tmp_path):
    """It is given up, and said why."""
    p = pebble(tmp_path, PEBBLE_WFE_NONCEREJECT="100")
    try:
        failed(Client(tmp_path, p, peers.names).issue("nonce.test", expect=FAILED), "(badNonce)", "on the CA's side")
    finally:
        p.close()


def test_external_accounts(peers, tmp_path):
    """Pebble makes accounts only for those that it knows."""
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    p = pebble(tmp_path, settings={"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": secret}})
    try:
        client = Client(tmp_path, p, peers.names)
        key = tmp_path / "eab"

        def give(text):
            key.write_text(text + "\n")
            key.chmod(0o600)
            return ["--eab-kid", "kid-1", "--eab-key-file", key]
        failed(client.issue("eab.test", expect=FAILED), "external account binding", "ask the CA for a key identifier")
        failed(client.issue("eab.test", *give("AAAA" + secret[4:]), expect=FAILED), "account")
        result = client.issue("eab.test", *give(secret))
        assert secret not in result.stdout + result.stderr
        url = client.account("show").stdout.split()[0]
        client.account("rollover")
        assert client.account("show").stdout.split()[0] == url
        client("renew", "eab.test", "--force")
    finally:
        p.close()


def test_chains(peers, tmp_path):
    """Three certificates above the leaf and three roots: each chain can be had by its root's name, and is whole."""
    tmp_path.chmod(0o755)
    client = Client(tmp_path, peers.get("pebble-chains"), peers.names)
    roots = set()
    client.issue("chain.test")
    assert len(blocks(client.live("chain.test") / "fullchain.pem")) == 4
    for i in range(3):
        made = subprocess.run(["curl", "-sS", "--cacert", client.peer.ca_file, f"https://localhost:{client.peer.management}/roots/{i}"], capture_output=True, check=True, timeout=60)
        root = x509.load_pem_x509_certificate(made.stdout).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        client.issue("chain.test", "--force", "--preferred-chain", root)
        assert blocks(client.live("chain.test") / "fullchain.pem")[-1].issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == root
        roots.add(root)
    assert len(roots) == 3


def test_a_short_life(peers, tmp_path):
    """Ten minutes: it is not due at once, and due in time."""
    client = Client(tmp_path, peers.get("caddy-short"), peers.names)
    client.issue("short.test")
    leaf = client.leaf("short.test")
    assert (leaf.not_valid_after - leaf.not_valid_before).total_seconds() < 900
    client("renew", expect=NOTHING_TO_DO)
    (row,) = schemas.check("client/status", client("status", "--json").stdout)["certificates"]
    assert row["not_before"] < row["due"] < row["not_after"]
