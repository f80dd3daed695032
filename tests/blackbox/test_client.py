"""chancery issue against Pebble, a CA that nobody here wrote and that loses nonces and forgets authorizations on purpose.

Needs PEBBLE (the program) and CHANCERY_BUILD (a build folder holding bin/chancery); fails without them.
"""
import datetime
import fcntl
import functools
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import schemas
from dns_responder import Responder
from harness import BUILD, CLIENT_PROGRAM, free_port

DONE, NOTHING_TO_DO, FAILED = 0, 1, 2


def make_tls(folder):
    """A certificate for localhost that is its own root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(key, hashes.SHA256()))
    (folder / "tls.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


class Pebble:
    """settings: of its configuration; options: of its command line; environment: PEBBLE_..., None for what is not to be there. dns: a name server's port, else it has one
    of its own that knows every name."""

    def __init__(self, folder, settings=None, options=(), dns=None, **environment):
        self.folder = folder
        self.port, self.http_port, self.tls_port, self.management = free_port(), free_port(), free_port(), free_port()
        self.directory = f"https://localhost:{self.port}/dir"
        self.ca_file = folder / "tls.pem"
        self.dns = None if dns else Responder()
        make_tls(folder)
        config = {"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}", "certificate": "tls.pem",
            "privateKey": "tls.key", "httpPort": self.http_port, "tlsPort": self.tls_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": False, "domainBlocklist": ["blocked-domain.example"], "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa", "profiles": {"default": {"description": "d", "validityPeriod": 7776000}}, **(settings or {})}}
        (folder / "pebble.json").write_text(json.dumps(config))
        self.log = open(folder / "pebble.log", "wb")
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "50", "PEBBLE_AUTHZREUSE": "50", **environment}
        self.process = subprocess.Popen(
            [os.environ["PEBBLE"], "-config", "pebble.json", "-dnsserver", f"127.0.0.1:{dns or self.dns.port}", *options], cwd=folder, stdout=self.log,
            stderr=self.log, env={**os.environ, **{k: v for k, v in environment.items() if v is not None}})
        self.wait_ready()

    def wait_ready(self):
        context = ssl.create_default_context(cafile=str(self.ca_file))
        end = time.monotonic() + 20
        while True:
            assert self.process.poll() is None, (self.folder / "pebble.log").read_text()
            try:
                with urllib.request.urlopen(self.directory, context=context, timeout=5) as answer:
                    assert "newOrder" in json.load(answer)
                    return
            except OSError:
                assert time.monotonic() < end, "Pebble did not become ready"
                time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.log.close()
        if self.dns:
            self.dns.close()


@pytest.fixture(scope="module")
def pebble(tmp_path_factory):
    p = Pebble(tmp_path_factory.mktemp("pebble"))
    yield p
    p.close()


def chancery(*words, **settings):
    """The program, run to its end."""
    result = subprocess.run([str(w) for w in (CLIENT_PROGRAM, *words)], capture_output=True, text=True, timeout=120, **settings)
    for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:"):
        assert word not in result.stderr, result.stderr
    return result


@pytest.fixture
def issue(pebble, tmp_path):
    """Runs chancery issue for Pebble, with a listener of its own."""
    def run(*words, listener=True, ca_file=None, server=None, expect=DONE):
        options = ["--server", server or pebble.directory, "--folder", tmp_path / "f", "--agree-tos", "--timeout", 60]
        if ca_file is not False:
            options += ["--ca-file", ca_file or pebble.ca_file]
        if listener:
            options += ["--http-port", pebble.http_port, "--http-address", "127.0.0.1"]
        result = chancery("issue", *words, *options)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


def blocks(path):
    end = "-----END CERTIFICATE-----\n"
    return [x509.load_pem_x509_certificate((b + end).encode()) for b in path.read_text().split(end)[:-1]]


def spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def addresses(chain):
    return [str(a) for a in chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.IPAddress)]


def check_files(live, names):
    """What lies there belongs together, and is for these names."""
    chain = blocks(live / "fullchain.pem")
    key = serialization.load_pem_private_key((live / "privkey.pem").read_bytes(), None)
    assert spki(key.public_key()) == spki(chain[0].public_key())
    assert sorted(chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)) == sorted(names)
    assert (live / "cert.pem").read_text() + (live / "chain.pem").read_text() == (live / "fullchain.pem").read_text()
    assert (live / "privkey.pem").stat().st_mode & 0o777 == 0o600
    assert sorted(json.loads((live / "meta.json").read_text())["names"]) == sorted(names)
    return key


# --- what goes well ---

def test_by_its_own_listener(issue):
    result = issue("own.example.test", "Second.Example.test")
    live = issue.folder / "own.example.test" / "live"
    check_files(live, ["own.example.test", "second.example.test"])
    lines = result.stdout.splitlines()
    for word in ("directory", "account", "order", "is validated", "downloading"):
        assert any(word in line for line in lines), result.stdout
    assert str(live / "privkey.pem") in result.stdout and "expires" in result.stdout
    assert "\x1b" not in result.stdout  # no terminal, no colours
    assert result.stderr == ""


def test_by_a_web_root(issue, pebble, tmp_path):
    web = tmp_path / "web"
    web.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", pebble.http_port), functools.partial(Handler, directory=str(web)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        issue("webroot.example.test", "--webroot", web, listener=False)
    finally:
        server.shutdown()
        server.server_close()
    check_files(issue.folder / "webroot.example.test" / "live", ["webroot.example.test"])
    assert list((web / ".well-known" / "acme-challenge").iterdir()) == []  # cleaned up


def test_by_tls(issue, pebble):
    result = issue("tls.example.test", "--challenge", "tls-alpn-01", "--tls-port", pebble.tls_port, "--tls-address", "127.0.0.1", listener=False)
    check_files(issue.folder / "tls.example.test" / "live", ["tls.example.test"])
    assert "may look at its port 443" in result.stdout


@pytest.mark.parametrize("way", (["--challenge", "tls-alpn-01"], []))
def test_an_address(issue, pebble, way):
    issue("127.0.0.1", *way, "--tls-port", pebble.tls_port, "--tls-address", "127.0.0.1")
    live = issue.folder / "127.0.0.1" / "live"
    assert addresses(blocks(live / "fullchain.pem")) == ["127.0.0.1"] and json.loads((live / "meta.json").read_text())["names"] == ["127.0.0.1"]
    issue("127.0.0.1", *way, "--tls-port", pebble.tls_port, "--tls-address", "127.0.0.1", expect=NOTHING_TO_DO)


def test_a_preferred_chain(tmp_path):
    """Pebble has two roots, and two intermediates' chains to them."""
    p = Pebble(tmp_path, PEBBLE_ALTERNATE_ROOTS="1")
    try:
        context = ssl.create_default_context(cafile=str(p.ca_file))
        roots = []
        for i in (0, 1):
            with urllib.request.urlopen(f"https://localhost:{p.management}/roots/{i}", context=context, timeout=10) as answer:
                root = x509.load_pem_x509_certificate(answer.read())
            roots.append(root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        for wanted, got in ((roots[0], roots[0]), (roots[1], roots[1]), ("No Such Root", roots[0])):
            result = chancery("issue", "chain.example.test", "--server", p.directory, "--ca-file", p.ca_file, "--folder", tmp_path / "f", "--agree-tos", "--force",
                              "--http-port", p.http_port, "--http-address", "127.0.0.1", "--preferred-chain", wanted, "--timeout", 60)
            assert result.returncode == DONE, result.stderr
            top = blocks(tmp_path / "f" / "chain.example.test" / "live" / "fullchain.pem")[-1]
            assert top.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == got
    finally:
        p.close()


def test_what_no_way_shows_control_of(issue):
    failed(issue("*.example.test", expect=FAILED), "*.example.test is a wildcard, which http-01 cannot show control of", "a wildcard needs dns-01")
    failed(issue("a.example.test", "--challenge", "dns-02", expect=FAILED), "--challenge dns-02: http-01, dns-01 and tls-alpn-01 are allowed")


def test_the_example_by_the_shared_library(pebble, tmp_path):
    """Only the public header and libchancery.so: its answers lie in its working folder, which stands for the challenges' path."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return str(tmp_path / pathlib.PurePosixPath(path).name)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", pebble.http_port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        result = subprocess.run([BUILD / "tests" / "example_get", pebble.directory, "example.example.test", pebble.ca_file], cwd=tmp_path,
                                capture_output=True, text=True, timeout=60)
    finally:
        server.shutdown()
        server.server_close()
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("BEGIN CERTIFICATE") == 2 and "BEGIN PRIVATE KEY" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_library_shows_what_its_header_declares():
    header = (pathlib.Path(__file__).parents[2] / "include" / "chancery" / "chancery.h").read_text()
    declared = set(re.findall(r"\b(chancery_\w+)\(", header.split("---- results ----")[1]))
    declared = {name for name in declared if re.search(rf"^CHANCERY_API [^;]*\b{name}\(", header, re.M)}
    symbols = subprocess.run(["nm", "-D", "--defined-only", BUILD / "lib" / "libchancery.so.0"], capture_output=True, text=True, check=True).stdout
    # What sanitizers and the linker add is not ours.
    shown = {line.split()[2] for line in symbols.splitlines() if line.split()[1] in "TDBR" and not re.match(r"_|\.|asan|ubsan", line.split()[2])}
    assert shown == declared


def test_nothing_to_do_then_force(issue):
    issue("again.example.test")
    live = issue.folder / "again.example.test" / "live"
    first = os.readlink(live)
    result = issue("again.example.test", expect=NOTHING_TO_DO)
    assert "Nothing to do" in result.stdout
    assert os.readlink(live) == first
    issue("again.example.test", "more.example.test")  # other names are another certificate
    assert os.readlink(live) != first
    check_files(live, ["again.example.test", "more.example.test"])
    for _ in range(3):
        issue("again.example.test", "--force")
    assert len(list((live.parent / "generations").iterdir())) == 3
    # A key that is not the certificate's makes it no good, whatever its date says.
    (live / "privkey.pem").write_text((next((issue.folder / "_accounts").iterdir())).read_text())
    issue("again.example.test")
    check_files(live, ["again.example.test"])


def test_json(issue):
    result = issue("json.example.test", "--json")
    told = schemas.check("client/issue", result.stdout)
    assert told["result"] == "issued" and told["names"] == ["json.example.test"]
    assert pathlib.Path(told["privkey"]).exists() and pathlib.Path(told["fullchain"]).exists()
    assert told["not_after"].endswith("Z") and told["certificate"].startswith("https://")
    again = schemas.check("client/issue", issue("json.example.test", "--json", expect=NOTHING_TO_DO).stdout)
    assert again["result"] == "nothing-to-do" and again["not_after"] == told["not_after"]


@pytest.mark.parametrize("kind, size", [("ecdsa-p256", 256), ("ecdsa-p384", 384), ("rsa", 2048)])
def test_key_types(issue, kind, size):
    issue(f"{kind}.example.test", "--key-type", kind)
    key = check_files(issue.folder / f"{kind}.example.test" / "live", [f"{kind}.example.test"])
    assert isinstance(key, rsa.RSAPrivateKey if kind == "rsa" else ec.EllipticCurvePrivateKey) and key.key_size == size


def test_account_key_is_kept(issue, tmp_path):
    own = tmp_path / "account.pem"
    first = json.loads(issue("acc1.example.test", "--json", "--account-key", own).stdout)
    assert own.stat().st_mode & 0o777 == 0o600
    second = json.loads(issue("acc2.example.test", "--json", "--account-key", own).stdout)
    other = json.loads(issue("acc3.example.test", "--json", "--contact", "mailto:ops@example.test").stdout)
    assert first["account"] == second["account"] != other["account"]


# --- what goes wrong ---

def failed(result, *words):
    """Progress may have been told; the reason is on stderr, and every word of it is there."""
    for word in words:
        assert word in result.stderr, result.stderr
    return result


def test_a_ca_file_that_does_not_vouch(issue, tmp_path):
    make_tls(tmp_path)
    failed(issue("ca.example.test", ca_file=tmp_path / "tls.pem", expect=FAILED), "getting the directory", "certificate", "on the CA's side", "CA file")
    failed(issue("ca.example.test", ca_file=False, expect=FAILED), "SSL certificate problem", "CA file")
    failed(issue("ca.example.test", ca_file=tmp_path / "none.pem", expect=FAILED), "none.pem", "cannot be read")
    told = json.loads(issue("ca.example.test", "--json", ca_file=tmp_path / "tls.pem", expect=FAILED).stdout)
    assert told["result"] == "failed" and told["error"]["fault"] == "server" and told["error"]["hint"]


def test_an_answer_that_is_refused(issue, pebble):
    """Somebody else's web server answers: the CA's own words about what it saw are passed on."""
    class Wrong(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"this is not the answer")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", pebble.http_port), Wrong)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        result = issue("refused.example.test", "--http-port", free_port(), "--http-address", "127.0.0.1", listener=False, expect=FAILED)
        failed(result, "refused.example.test", "this is not the answer", "(unauthorized)", "where the name leads", "no request reached the listener here")
        told = json.loads(issue("refused.example.test", "--json", "--http-port", free_port(), listener=False, expect=FAILED).stdout)
        assert told["error"]["fault"] == "name" and told["error"]["type"] == "unauthorized"
    finally:
        server.shutdown()
        server.server_close()
    assert not (issue.folder / "refused.example.test" / "live").exists()


def test_nobody_answers(issue):
    failed(issue("silent.example.test", "--http-port", free_port(), listener=False, expect=FAILED), "silent.example.test", "connection refused",
           "no request reached the listener here")


def test_a_name_that_the_ca_refuses(issue):
    failed(issue("blocked-domain.example", "fine.example.test", expect=FAILED), "rejectedIdentifier", "blocked-domain.example is a forbidden domain",
           "in what was asked for")


def test_an_unreachable_server(issue):
    failed(issue("x.example.test", server=f"https://localhost:{free_port()}/dir", expect=FAILED), "getting the directory", "connect",
           "the server is down")
    failed(issue("x.example.test", server="http://localhost/dir", expect=FAILED), "https://")


def test_what_is_no_directory(issue, pebble):
    failed(issue("x.example.test", server=pebble.directory + "x", expect=FAILED), "404")
    failed(issue("x.example.test", server=pebble.directory.replace("/dir", "/nonce-plz"), expect=FAILED), "no ACME directory")


def test_terms_have_to_be_agreed_to(pebble, tmp_path):
    words = ["issue", "terms.example.test", "--server", pebble.directory, "--folder", tmp_path / "f", "--ca-file", pebble.ca_file, "--http-port",
             pebble.http_port]
    failed(chancery(*words), "terms of service", "data:text/plain,Do%20what%20thou%20wilt")
    assert chancery(*words, "--agree-tos").returncode == DONE
    assert chancery(*words, "--force").returncode == DONE  # once is enough


def test_a_port_that_is_taken(issue, pebble):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", pebble.http_port))
        s.listen()
        failed(issue("x.example.test", expect=FAILED), "cannot listen on 127.0.0.1", str(pebble.http_port), "another program listens there")


def test_two_runs_for_one_name(issue, pebble, tmp_path):
    (issue.folder / "lock.example.test").mkdir(parents=True)
    with open(issue.folder / "lock.example.test" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        failed(issue("lock.example.test", expect=FAILED), "another run is busy with")
    issue("lock.example.test")


@pytest.mark.parametrize("words, told", [
    (["*.example.test"], "wildcard"),
    (["192.0.2.1"], "192.0.2.1"),
    (["../../etc"], "../../etc"),
    (["b\u00fccher.example"], "xn--"),
    (["x.example.test", "--key-type", "dsa"], "ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096, ml-dsa-44, ml-dsa-65 and ml-dsa-87"),
    (["x.example.test", "--timeout", "0"], "--timeout 0"),
    (["x.example.test", "--http-port", "70000"], "--http-port 70000"),
    (["x.example.test", "--webroot", "/", "--http-port", "80"], "--webroot"),
    (["x.example.test", "--webroot", "/nowhere/at/all"], "/nowhere/at/all"),
    (["x.example.test", "--http-address", "localhost"], "no numeric IPv4 or IPv6 address"),
    (["x.example.test", "--contact", "ops@example.test"], "mailto:ops@example.org"),
    (["x.example.test", "--account-key", "/proc/self/status"], "no private key"),
    ([], "NAME..."),
])
def test_a_command_line_that_cannot_be(pebble, tmp_path, words, told):
    result = chancery("issue", *words, "--server", pebble.directory, "--folder", tmp_path / "f", "--ca-file", pebble.ca_file, "--agree-tos")
    assert result.returncode == FAILED
    failed(result, told)


def test_a_server_is_needed(tmp_path):
    result = chancery("issue", "x.example.test", "--folder", tmp_path)
    assert result.returncode == FAILED
    failed(result, "a CA is needed", "--server URL")


def test_a_folder_that_cannot_be_written(pebble):
    result = chancery("issue", "x.example.test", "--server", pebble.directory, "--folder", "/proc/nothing")
    assert result.returncode == FAILED
    failed(result, "/proc/nothing")


def test_it_can_be_stopped(pebble, tmp_path):
    """SIGINT while it waits: it ends soon, and takes away what it put into the web root."""
    web = tmp_path / "web"
    web.mkdir()
    ca = SlowCa(tmp_path)
    process = subprocess.Popen([str(CLIENT_PROGRAM), "issue", "fake.example.test", "--server", ca.directory, "--folder", str(tmp_path / "f"),
                                "--ca-file", str(tmp_path / "tls.pem"), "--webroot", str(web)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        challenges = web / ".well-known" / "acme-challenge"
        end = time.monotonic() + 20
        while not (challenges.is_dir() and list(challenges.iterdir()) and ca.polls > 0):
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        ca.close()
    assert process.returncode == FAILED and "stopped" in err, out + err
    assert list(challenges.iterdir()) == []


# --- a CA that does what a test wants: it looks at no signature ---

class FakeCa:
    """override: path -> (status, headers, object or bytes), or a function of the request's number giving one."""

    def __init__(self, folder, override=None):
        outer = self
        make_tls(folder)
        self.override, self.seen, self.polls = override or {}, [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                outer.seen.append(self.path)
                status, headers, body = outer.reply(self.path)
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                nonce = {} if self.path == "/dir" else {"Replay-Nonce": f"n{len(outer.seen)}"}
                for name, value in {**nonce, "Content-Type": "application/json", "Content-Length": str(len(raw)),
                                    **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    try:
                        self.wfile.write(raw)
                    except OSError:
                        pass  # the client had enough

            do_GET = do_POST = do_HEAD = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.base = f"https://localhost:{self.server.server_address[1]}"
        self.directory = self.base + "/dir"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def order(self, status="pending", **more):
        return {"status": status, "authorizations": [self.base + "/authz"], "finalize": self.base + "/finalize", **more}

    def challenge(self, **more):
        return {"type": "http-01", "url": self.base + "/chall", "status": "pending", "token": "dG9rZW4", **more}

    def authz(self, *challenges, status="pending", name="fake.example.test"):
        return {"status": status, "identifier": {"type": "dns", "value": name}, "challenges": list(challenges)}

    def reply(self, path):
        if path in self.override:
            given = self.override[path]
            return given(self.seen.count(path)) if callable(given) else given
        plain = {
            "/dir": (200, {}, {"newNonce": self.base + "/nonce", "newAccount": self.base + "/acct", "newOrder": self.base + "/order"}),
            "/nonce": (200, {}, b""),
            "/acct": (201, {"Location": self.base + "/acct/1"}, {"status": "valid"}),
            "/order": (201, {"Location": self.base + "/order/1"}, self.order()),
            "/authz": (200, {}, self.authz(self.challenge())),
            "/chall": (200, {}, self.challenge(status="processing")),
        }
        return plain.get(path, (404, {}, {"type": "urn:ietf:params:acme:error:malformed", "detail": "no such resource"}))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SlowCa(FakeCa):
    def __init__(self, folder):
        super().__init__(folder)
        self.override["/authz"] = self.later

    def later(self, n):
        self.polls = n - 1
        return 200, {"Retry-After": "30"}, self.authz(self.challenge())


@pytest.fixture
def fake(tmp_path):
    """Runs chancery issue for a CA whose answers are partly the test's; gives (result, CA)."""
    cas = []

    def run(make_override=lambda ca: {}, *words, name="fake.example.test"):
        ca = FakeCa(tmp_path)
        cas.append(ca)
        ca.override = make_override(ca)
        result = chancery("issue", name, "--server", ca.directory, "--folder", tmp_path / "f", "--ca-file", tmp_path / "tls.pem",
                          "--http-port", free_port(), "--http-address", "127.0.0.1", *(words or ("--timeout", "20")))
        assert result.returncode == FAILED, result.stdout
        return result, ca

    yield run
    for ca in cas:
        ca.close()


@pytest.mark.parametrize("token", ["../../etc/passwd", "a/b", "", "a b", "a%2e", "x" * 256, "tok=", None, 7, "a\u0000b"])
def test_a_token_that_is_none(fake, token):
    result, ca = fake(lambda ca: {"/authz": (200, {}, ca.authz(ca.challenge(token=token)))})
    failed(result, "token that is not base64url", "on the CA's side")
    assert "/chall" not in ca.seen


def test_challenges_that_are_not_used_may_look_like_anything(fake):
    strange = [{}, {"type": 7}, {"type": "dns-01", "token": None}, {"type": "quantum-01", "status": {}, "url": []}, {"type": None}, [], "x", None, 3]
    result, ca = fake(lambda ca: {"/authz": (200, {}, {**ca.authz(*strange, ca.challenge()), "expires": None, "more": {"x": [1]}}),
                                  "/chall": (403, {}, {"type": "urn:ietf:params:acme:error:unauthorized", "detail": "seen as far as here"})})
    failed(result, "seen as far as here")
    assert "/chall" in ca.seen


def test_a_challenge_that_is_looked_at_already_is_not_begun_again(fake):
    result, ca = fake(lambda ca: {"/authz": lambda n: (200, {}, ca.authz(ca.challenge(status="processing")) if n == 1 else ca.authz(
        ca.challenge(status="invalid", error={"type": "urn:ietf:params:acme:error:dns", "detail": "nothing there"}), status="invalid"))})
    failed(result, "fake.example.test: the server could not validate it: nothing there (dns)", "where the name leads")
    assert "/chall" not in ca.seen


def test_no_challenge_that_is_known(fake):
    result, _ = fake(lambda ca: {"/authz": (200, {}, ca.authz({"type": "dns-01", "url": ca.base + "/x", "token": "t"}))})
    failed(result, "no challenge for fake.example.test that can be solved here: it offers dns-01")


def test_an_authorization_for_another_name(fake):
    result, _ = fake(lambda ca: {"/authz": (200, {}, ca.authz(ca.challenge(), name="other.example.test"))})
    failed(result, "other.example.test, which was not asked for", "on the CA's side")


@pytest.mark.parametrize("order, told", [
    ({"status": "pending"}, "the server's order"),
    ({"status": "dancing", "authorizations": [], "finalize": "https://localhost/f"}, "dancing"),
    ({"status": "pending", "authorizations": ["http://localhost/a"], "finalize": "https://localhost/f"}, "no https URL"),
    ({"status": "pending", "authorizations": [], "finalize": "file:///etc/passwd"}, "no https URL"),
    ({"status": "invalid", "authorizations": [], "finalize": "https://localhost/f", "error": {"detail": "the reason"}}, "the reason"),
    (b"not json", "the server's order"),
    (b'{"status":"pending"} trailing', "the server's order"),
])
def test_orders_that_are_none(fake, order, told):
    result, _ = fake(lambda ca: {"/order": (201, {"Location": ca.base + "/order/1"}, order)})
    failed(result, told, "on the CA's side")


def test_an_answer_without_end(fake):
    result, _ = fake(lambda ca: {"/order": (201, {"Location": ca.base + "/order/1"}, b" " * (1 << 21))})
    failed(result, "larger than 1048576 bytes")


def test_nonces_lost_for_ever_are_given_up(fake):
    result, ca = fake(lambda ca: {"/acct": (400, {}, {"type": "urn:ietf:params:acme:error:badNonce", "detail": "lost it"})})
    failed(result, "lost it", "(badNonce)")
    assert ca.seen.count("/acct") == 17 and ca.seen.count("/nonce") == 1  # the error's own nonce is used


def test_a_nonce_that_is_none_is_not_used(fake):
    result, ca = fake(lambda ca: {"/nonce": (200, {"Replay-Nonce": "not/base64url"}, b"")})
    failed(result, "no nonce")
    assert "/acct" not in ca.seen


def test_retry_after_is_obeyed(fake):
    """Busy once, by seconds and by a date; then it goes on."""
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2))
    busy = {"type": "urn:ietf:params:acme:error:serverInternal", "detail": "busy"}
    start = time.monotonic()
    result, ca = fake(lambda ca: {"/acct": lambda n: (503, {"Retry-After": "1"}, busy) if n == 1 else (200, {"Location": ca.base + "/acct/1"}, {}),
                                  "/order": lambda n: (503, {"Retry-After": when}, busy) if n == 1 else (403, {}, {"detail": "the end"})})
    failed(result, "the end")
    assert ca.seen.count("/acct") == 2 and ca.seen.count("/order") == 2
    assert time.monotonic() - start >= 2


def test_retry_after_is_obeyed_where_nothing_is_signed(fake):
    """The directory and the nonces have limits too."""
    def busy(good):
        return lambda n: (503, {"Retry-After": "1"}, b"<html>busy</html>") if n == 1 else good
    result, ca = fake(lambda ca: {"/dir": busy(ca.reply("/dir")), "/nonce": busy((200, {}, b"")), "/order": (403, {}, {"detail": "the end"})})
    failed(result, "the end")
    assert ca.seen.count("/dir") == 2 and result.stdout.count("the server is busy: waiting 1 s") == 2
    result, _ = fake(lambda ca: {"/dir": (429, {"Retry-After": "3600"}, b"")})
    failed(result, "HTTP status 429", "(rateLimited)", "try again after 3600 s")


def test_a_wait_past_the_deadline_is_not_begun(fake):
    start = time.monotonic()
    result, _ = fake(lambda ca: {"/order": (429, {"Retry-After": "3600"}, {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "slow down"})})
    failed(result, "slow down", "(rateLimited)", "try again after 3600 s")
    result, _ = fake(lambda ca: {"/authz": (200, {"Retry-After": "900"}, ca.authz(ca.challenge()))}, "--timeout", "5")
    failed(result, "asks to wait 900 s")
    assert time.monotonic() - start < 15


def test_an_authorization_that_expires_meanwhile(fake):
    result, ca = fake(lambda ca: {"/authz": lambda n: (200, {}, ca.authz(ca.challenge(), status="pending" if n == 1 else "expired"))})
    failed(result, "is expired")


@pytest.mark.parametrize("pem, kind, told", [
    (b"nothing", "application/pem-certificate-chain", "no certificate in PEM"),
    (b"nothing", "text/html", "application/pem-certificate-chain"),
])
def test_certificates_that_are_none(fake, pem, kind, told):
    """The order is ready at once, so that no challenge is needed, and processing before it is valid."""
    def override(ca):
        return {"/order": (201, {"Location": ca.base + "/order/1"}, ca.order("ready")),
                "/finalize": (200, {"Retry-After": "1"}, ca.order("processing")),
                "/order/1": (200, {}, ca.order("valid", certificate=ca.base + "/cert")),
                "/cert": (200, {"Content-Type": kind}, pem)}
    result, ca = fake(override)
    failed(result, told)
    assert "/authz" not in ca.seen and "/chall" not in ca.seen


def test_somebody_elses_certificate(fake, tmp_path):
    result, _ = fake(lambda ca: {"/order": (201, {"Location": ca.base + "/order/1"}, ca.order("ready")),
                                 "/finalize": (200, {}, ca.order("valid", certificate=ca.base + "/cert")),
                                 "/cert": (200, {"Content-Type": "application/pem-certificate-chain"}, (tmp_path / "tls.pem").read_bytes())})
    failed(result, "for another key", "the certificate is not used")
    assert not (tmp_path / "f" / "fake.example.test" / "live").exists()


def test_an_order_that_is_not_ready_yet_is_asked_again(fake):
    not_ready = {"type": "urn:ietf:params:acme:error:orderNotReady", "detail": "not yet"}
    result, ca = fake(lambda ca: {"/order": (201, {"Location": ca.base + "/order/1"}, ca.order("ready")), "/order/1": (200, {}, ca.order("ready")),
                                  "/finalize": lambda n: (403, {}, not_ready) if n == 1 else (400, {}, {"detail": "as far as here"})})
    failed(result, "as far as here")
    assert ca.seen.count("/finalize") == 2 and ca.seen.count("/order/1") == 1
