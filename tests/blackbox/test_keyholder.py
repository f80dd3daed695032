"""Issuers' keys in a token (SoftHSM2): the module runs in the keyholder. The token goes and comes back, hangs, is slow; its PIN is nowhere."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from acme_raw import Client, b64, certificates
from dns_responder import Responder
from harness import BUILD, CA_PROGRAM, Ca, Web, free_port

SOFTHSM = next(p for p in map(pathlib.Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")) if p.exists())
SHIM = BUILD / "token" / "token_shim.so"
PIN, PASSPHRASE = "471108150815", "a passphrase for tests"
PEM = serialization.Encoding.PEM


def run(*words, code=0, **how):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **how)
    assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout + result.stderr


class Token:
    """Tokens of SoftHSM2 in a folder."""

    def __init__(self, folder):
        self.folder, self.tokens = folder, folder / "tokens"
        self.tokens.mkdir(parents=True)
        folder.chmod(0o755)
        self.conf = folder / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = dict(os.environ, SOFTHSM2_CONF=str(self.conf))
        run("softhsm2-util", "--init-token", "--free", "--label", "chancery", "--pin", PIN, "--so-pin", "12345678", env=self.environment)
        self.pin = folder / "pin"
        self.pin.write_text(PIN + "\n")
        self.pin.chmod(0o600)
        self.control = folder / "control"
        self.control.write_text("0\n")

    def make(self, label, kind, number):
        run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "chancery", "--login", "--pin", PIN, "--keypairgen", "--key-type", kind, "--label", label,
            "--id", number, env=self.environment)

    def give(self, uid):
        for path in (self.tokens, *self.tokens.rglob("*")):
            os.chown(path, uid, -1)

    def uri(self, label):
        return f"pkcs11:token=chancery;object={label};type=private"


class World:
    def __init__(self, folder):
        self.folder, self.token = folder, Token(folder / "token")
        self.token.make("issuer", "EC:prime256v1", "01")
        self.token.make("rsa", "rsa:3072", "02")
        self.token.make("root", "EC:secp384r1", "03")
        self.token.make("other", "EC:prime256v1", "04")
        self.shim = shutil.copy(SHIM, folder)  # the checkout may be below a folder that the keyholder's user cannot enter
        self.secret = folder / "secret"
        self.secret.write_text(PASSPHRASE + "\n")
        self.secret.chmod(0o600)
        self.web, self.dns, port = Web(), Responder(), free_port()
        self.ca = Ca("--country", "DE", "--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}", http_port=self.web.port,
                     dns_port=self.dns.port, edit=self.configure)
        self.ca.web, self.ca.publish = self.web, port
        self.root = folder / "root"

    def configure(self, text):
        values = {"module": f'"{self.shim}"', "pin-file": f'"{self.token.pin}"',
                  "environment": f'{{"SOFTHSM2_CONF={self.token.conf}", "SHIM_MODULE={SOFTHSM}", "SHIM_CONTROL={self.token.control}"}}'}
        for name, value in values.items():
            assert re.search(rf"(?m)^\s*#?{name} = ", text), name
            text = re.sub(rf"(?m)^(\s*)#?{name} = .*$", lambda m: f"{m[1]}{name} = {value}", text, count=1)
        return text

    def keyholder_uid(self):
        found = re.search(r'(?m)^\s*user-keyholder = "?([^"\n]+)"?', self.ca.config.read_text())
        if os.getuid() != 0:
            return os.getuid()
        return int(found[1]) if found[1].isdigit() else __import__("pwd").getpwnam(found[1]).pw_uid

    def program(self, *words, code=0):
        return run(CA_PROGRAM, *words, code=code)

    def ceremony(self):
        """A root in the token, and two issuers in it."""
        t = self.token
        token = ["--module", SOFTHSM, "--pin-file", t.pin]
        os.environ["SOFTHSM2_CONF"] = str(t.conf)
        self.program("root", "create", "--folder", self.root, "--name", "Token", "--country", "DE", "--key-uri", t.uri("root"), *token)
        assert (self.root / "root.key").read_text() == t.uri("root") + "\n"
        for name in ("issuer", "rsa"):
            csr = subprocess.run([CA_PROGRAM, "issuer", "csr", name, "--config", self.ca.config, "--common-name", f"Token {name}", "--organization", "Token",
                                  "--country", "DE", "--key-uri", t.uri(name)], capture_output=True, text=True)
            assert csr.returncode == 0, csr.stderr
            (self.folder / f"{name}.csr").write_text(csr.stdout)
            self.program("root", "sign", "--folder", self.root, "--csr", self.folder / f"{name}.csr", "--out", self.folder / f"{name}.pem", "--publish-url",
                         f"http://localhost:{self.ca.publish}", "--yes", *token)
            self.program("root", "crl", "--folder", self.root, "--out", self.folder / "root.crl", "--force", *token)
            self.program("issuer", "add", name, "--config", self.ca.config, "--certificate", self.folder / f"{name}.pem", "--root", self.root / "root.pem",
                         "--root-crl", self.folder / "root.crl")
        del os.environ["SOFTHSM2_CONF"]
        text = self.ca.config.read_text()
        self.ca.config.write_text(re.sub(r'(?ms)^profile ".*?^}\n', "", text)
                                  + 'profile "token" {\n\tissuers = {"issuer", "rsa"}\n\tocsp = true\n}\nprofile "file" {\n\tissuers = {"main"}\n}\n')
        t.give(self.keyholder_uid())
        self.ca.start()

    def client(self):
        client = Client(self.ca)
        assert client.register().status == 201
        return client

    def order(self, client, name, profile="token", key=None):
        """Finalized; the order's URL and how it is then."""
        answer = client.order(name, profile=profile)
        assert answer.status == 201, answer.body
        for authz in answer.json["authorizations"]:
            assert client.solve(authz)["status"] == "valid"
        final = client.finalize(answer.json, client.csr(name, key=key))
        return answer.headers["Location"], final

    def issue(self, name, profile="token", key=None):
        client = self.client()
        _, final = self.order(client, name, profile, key)
        assert final.status == 200 and final.json["status"] == "valid", final.body
        return certificates(client.post(final.json["certificate"]).body)

    def close(self):
        try:
            self.ca.close()
        finally:
            self.web.close()
            self.dns.close()


@pytest.fixture(scope="module")
def world():
    with tempfile.TemporaryDirectory(prefix="keyholder-") as folder:  # not pytest's own: the keyholder's user reads below it
        os.chmod(folder, 0o755)
        w = World(pathlib.Path(folder))
        try:
            w.ceremony()
            yield w
        finally:
            w.close()


def keyholder(world):
    return world.ca.status()["processes"]["keyholder"]


def verify(world, leaf, issuer):
    (world.folder / "leaf.pem").write_bytes(leaf.public_bytes(PEM))
    (world.folder / "chain.pem").write_bytes(issuer.public_bytes(PEM))
    run("openssl", "verify", "-x509_strict", "-CAfile", world.root / "root.pem", "-untrusted", world.folder / "chain.pem", world.folder / "leaf.pem")


def test_the_token_signs(world):
    from cryptography.hazmat.primitives.asymmetric import rsa
    leaf, issuer = world.issue("one.example")[:2]
    assert issuer.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "Token issuer"
    verify(world, leaf, issuer)
    leaf, issuer = world.issue("two.example", key=rsa.generate_private_key(65537, 2048))[:2]
    assert issuer.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "Token rsa"
    verify(world, leaf, issuer)
    assert keyholder(world)["state"] == "ready" and keyholder(world)["counts"]["signatures"] > 2


def crl_of(certificate):
    url = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
    with urllib.request.urlopen(url, timeout=10) as answer:
        return x509.load_der_x509_crl(answer.read())


def test_of_a_roots_lists_the_newest_is_served(world):
    issuer = world.issue("rooted.example")[1]
    assert crl_of(issuer).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2  # the other issuer's is number 1


def test_lists_and_ocsp_answers_are_by_the_token_too(world):
    leaf, issuer = world.issue("listed.example")[:2]
    (world.folder / "l.pem").write_bytes(leaf.public_bytes(PEM))
    (world.folder / "i.pem").write_bytes(issuer.public_bytes(PEM))
    command = ["openssl", "ocsp", "-issuer", world.folder / "i.pem", "-cert", world.folder / "l.pem", "-url", f"http://localhost:{world.ca.publish}/ocsp",
               "-CAfile", world.root / "root.pem", "-no_nonce"]
    assert f"{world.folder}/l.pem: good" in run(*command)
    world.ca.run("revoke", world.folder / "l.pem", "--reason", "superseded", "--config", world.ca.config)
    end = time.monotonic() + 60
    while f"{world.folder}/l.pem: revoked" not in run(*command):
        assert time.monotonic() < end
        time.sleep(0.5)
    crl = crl_of(leaf)
    assert crl.is_signature_valid(issuer.public_key()) and crl.get_revoked_certificate_by_serial_number(leaf.serial_number)


def test_the_pin_is_nowhere(world):
    world.issue("pin.example")
    assert PIN not in world.ca.log_text()
    for process in ("keyholder", "signer", "front", "validator"):
        pid = world.ca.pid_of(process)
        for name in ("cmdline", "environ"):
            try:
                assert PIN.encode() not in pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
            except PermissionError:
                pass
    for path in world.ca.folder.rglob("*"):
        if path.is_file():
            assert PIN.encode() not in path.read_bytes(), path


def test_the_modules_process_has_a_user_of_its_own_and_no_rights(world):
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{world.ca.pid_of('keyholder')}/status").read_text().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    if os.getuid() == 0:
        uid = str(world.keyholder_uid())
        assert status["Uid"].split() == [uid] * 4 and status["Groups"].strip() == "" and int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        others = {int(m) for m in re.findall(r'(?m)^#*user-(?:front|validator|signer) = "(\d+)"', world.ca.config.read_text())}
        assert len(others) == 3 and world.keyholder_uid() not in others


def wait_valid(client, url, seconds=40):
    end = time.monotonic() + seconds
    while client.post(url).json["status"] != "valid":
        assert time.monotonic() < end, client.post(url).body
        time.sleep(0.3)
    return client.post(url).json


def test_the_token_goes_and_comes_back(world):
    client = world.client()
    away = world.token.tokens.with_name("away")
    world.token.tokens.rename(away)
    try:
        url, final = world.order(client, "lost.example")
        assert final.status == 200 and final.json["status"] == "processing", final.body
        assert world.issue("meanwhile.example", "file")  # keys in files go on
    finally:
        away.rename(world.token.tokens)
    leaf, issuer = certificates(client.post(wait_valid(client, url)["certificate"]).body)[:2]
    verify(world, leaf, issuer)


def test_a_token_that_hangs_holds_up_nobody_else(world):
    client, other = world.client(), world.client()
    starts = keyholder(world)["starts"]
    world.token.control.write_text("600000\n")
    try:
        url, final = world.order(client, "hangs.example")
        assert final.json["status"] == "processing", final.body
        for i in range(3):
            assert world.issue(f"file{i}.example", "file")
        assert other.order("waits.example").status == 201
        end = time.monotonic() + 40
        while keyholder(world)["starts"] == starts:  # it is given up, and started anew
            assert time.monotonic() < end
            time.sleep(0.5)
    finally:
        world.token.control.write_text("0\n")
    wait_valid(client, url)


def test_a_slow_token_is_only_slow(world):
    world.token.control.write_text("10\n")
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda i: world.issue(f"slow{i}.example"), range(16)))
    finally:
        world.token.control.write_text("0\n")
    assert len({chain[0].serial_number for chain in got}) == 16


def test_a_keyholder_that_is_killed(world):
    os.kill(world.ca.pid_of("keyholder"), signal.SIGKILL)
    client = world.client()
    url, final = world.order(client, "killed.example")
    if final.json["status"] != "valid":
        wait_valid(client, url)


def test_what_was_announced_and_not_signed_is_void(world):
    from log_reader import Log
    log = Log(world.ca.folder / "state/signer/log", open_intents=True)
    assert len(log.voids) >= 1 and len(log.voids) < 20  # one for what hung and was lost, not one for each try


def test_another_key_than_the_certificates(world):
    csr = subprocess.run([CA_PROGRAM, "issuer", "csr", "wrong", "--config", world.ca.config, "--common-name", "x", "--key-uri", world.token.uri("other")],
                         capture_output=True, text=True, env=dict(os.environ, SOFTHSM2_CONF=str(world.token.conf)))
    assert csr.returncode == 2 and "stop the server first" in csr.stderr
    world.ca.stop()
    try:
        os.environ["SOFTHSM2_CONF"] = str(world.token.conf)
        said = world.program("issuer", "add", "wrong", "--config", world.ca.config, "--certificate", world.folder / "issuer.pem", "--root",
                             world.root / "root.pem", "--key-uri", world.token.uri("other"), code=2)
        assert "not the one of the certificate" in said
        for uri, says in ((world.token.uri("nothing"), "no such private key"), ("pkcs11:token=elsewhere;object=x", "the token is not there"),
                          ("pkcs11:token=chancery;object=issuer?pin-value=1234", "no PIN in a URI"), ("http://x", "a key in a token is named like")):
            assert says in world.program("issuer", "csr", "other", "--config", world.ca.config, "--common-name", "x", "--key-uri", uri, code=2)
    finally:
        del os.environ["SOFTHSM2_CONF"]
        world.token.give(world.keyholder_uid())
        world.ca.start()
    assert world.issue("after.example")


def test_a_wrong_pin_is_tried_once(world):
    world.ca.stop()
    world.token.pin.write_text("999999\n")
    try:
        world.ca.start()
        client = world.client()
        _, final = world.order(client, "wrongpin.example")
        assert final.json["status"] == "processing"
        time.sleep(6)  # the order is tried again meanwhile
        tries = [line for line in world.ca.log_text().splitlines() if " keyholder token.not_signed " in line and "the PIN is wrong" in line]
        assert len(tries) == 1  # the next is refused without the token, which would lock itself
        found = [f["what"] for f in world.ca.status()["findings"]]
        assert any("the token does not sign: the PIN was wrong" in what for what in found), found
        assert "the PIN was wrong: it is not tried again before the next start" in world.ca.log_text()
    finally:
        world.token.pin.write_text(PIN + "\n")
        world.ca.stop()
        world.ca.start()
    assert world.issue("rightpin.example")


def test_a_module_that_is_none():
    web, dns = Web(), Responder()
    ca = Ca(http_port=web.port, dns_port=dns.port, edit=lambda t: re.sub(r"(?m)^(\s*)#?module = .*$", r'\1module = "/nonexistent.so"', t))
    try:
        result = ca.run("serve", "--config", ca.config, check=False)
        assert result.returncode == 2 and "cannot be loaded as a PKCS#11 module" in result.stderr
    finally:
        ca.close()
        web.close()
        dns.close()
