"""What the validator sees of real servers: name servers with signed and with broken zones, a web server, TLS servers, through a whole CA."""
import base64
import contextlib
import datetime
import hashlib
import ipaddress
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from acme_raw import Client, b64, certificates, challenge_of
from dns_zones import SERVERS, Server, Signer, Zones, free_port, query, zone_text
from harness import running_ca
from log_reader import Log, receipts

TXT, CAA = 16, 257


def with_addresses(text):
    """A configuration whose profile takes IP addresses too."""
    return re.sub(r'#?identifiers = \{.*?\}', 'identifiers = {"dns", "wildcard", "ip"}', text)


def registered(ca):
    one = Client(ca)
    assert one.register().status == 201
    return one


def receipts_of(ca, certificate):
    """The receipts that the log has for this certificate."""
    serial = certificate.serial_number.to_bytes(16, "big")
    return receipts(Log(ca.folder / "state" / "signer" / "log", open_intents=True).intents[serial])


class Attempt:
    """One order of one identifier, to be validated by one method. prepare(token, key authorization): what the applicant does first."""

    def __init__(self, client, name, kind, prepare):
        self.client, self.name = client, name
        answer = client.order(name)
        assert answer.status == 201, answer.body
        self.order, self.url = answer.json, answer.headers["Location"]
        authz = self.order["authorizations"][0]
        challenge = challenge_of(client.post(authz).json, kind)
        prepare(challenge["token"], challenge["token"] + "." + client.key.thumbprint())
        client.post(challenge["url"], {})
        self.authz = client.wait(authz)
        self.challenge = challenge_of(self.authz, kind)

    def receipts(self):
        """Of the certificate that comes of it."""
        assert self.authz["status"] == "valid", self.challenge
        answer = self.client.finalize(self.order, self.client.csr(self.name))
        assert answer.status == 200, answer.body
        order = answer.json if answer.json["status"] == "valid" else self.client.wait(self.url)
        pem = self.client.post(order["certificate"]).body.decode()
        return receipts_of(self.client.ca, certificates(pem)[0])

    def refused(self, kind, *words):
        assert self.authz["status"] == "invalid", self.authz
        error = self.challenge["error"]
        assert error["type"] == "urn:ietf:params:acme:error:" + kind, error
        for word in words:
            assert word in error["detail"], error["detail"]
        assert error["detail"].isprintable()


def digest(key_authorization):
    return b64(hashlib.sha256(key_authorization.encode()).digest())


# --- DNS, by each of the three servers ---

ADDRESS = "web A 127.0.0.1"
PERMITS = 'web CAA 0 issue "localhost"'
BIG = ['web CAA 0 iodef "mailto:' + "x" * 200 + f'{i}@example.org"' for i in range(20)]


def without(text, kind):
    """The zone's text less the records of this type and the signatures over them."""
    return "\n".join(line for line in text.split("\n") if f"\t{kind} " not in line and f"\tRRSIG\t{kind} " not in line
                     and not re.search(rf"\sIN\s+{kind}\s|\sRRSIG\s+{kind}\s", line)) + "\n"


class Tree:
    """The zone test, signed, and zones below it, good and broken; `zones` is what a server is to serve. Their names say what they are."""

    def __init__(self):
        self.good = Signer("good.test")
        self.zones, delegations = {}, []

        def add(label, text, ds=None):
            self.zones[label + ".test"] = text
            delegations.append(f"{label} NS ns")
            if ds:
                delegations.append(ds)

        def signed(label, *records, options=(), change=lambda text: text, ds=None):
            signer = self.good if label == "good" else Signer(label + ".test")
            add(label, change(signer.sign(zone_text(label + ".test", *records), *options)), ds or signer.ds)

        signed("good", ADDRESS, PERMITS)
        signed("expired", ADDRESS, PERMITS, options=("-s", "20200101000000", "-e", "20200201000000"))
        signed("future", ADDRESS, PERMITS, options=("-s", "20400101000000", "-e", "20410101000000"))
        signed("wrongds", ADDRESS, PERMITS, ds=Signer("wrongds.test").ds)
        signed("altered", ADDRESS, 'web CAA 0 issue "zzzzzzzzz"', '_acme-challenge.web TXT "zzzzzzzzz"',
               change=lambda text: text.replace("zzzzzzzzz", "localhost"))
        signed("nodenial", ADDRESS, change=lambda text: without(text, "NSEC"))
        signed("large", ADDRESS, PERMITS, *BIG)
        add("stripped", zone_text("stripped.test", ADDRESS, PERMITS), Signer("stripped.test").ds)
        add("insecure", zone_text("insecure.test", ADDRESS, PERMITS))
        top = Signer("test")
        self.zones["test"] = top.sign(zone_text("test", *delegations))
        self.anchors = [top.ds]


@pytest.fixture(scope="module")
def tree():
    return Tree()


class World:
    pass


@pytest.fixture(scope="module", params=list(SERVERS))
def world(tree, request):
    """A CA that asks this server and trusts the key of test."""
    one = World()
    with Server(request.param, tree.zones) as one.server:
        one.server.anchors = tree.anchors
        with running_ca(zones=one.server) as one.ca:
            one.client, one.tree, one.serial = registered(one.ca), tree, 1
            yield one


def over_http(world, name):
    return Attempt(world.client, name, "http-01", world.ca.web.challenge)


def test_a_signed_zone_is_secure(world):
    control, caa = over_http(world, "web.good.test").receipts()
    assert (control.identifier, control.scope, control.method, control.relaxed) == ("web.good.test", "exact", "http-01", True)
    assert (caa.node, caa.outcome) == ("web.good.test", "permitted")
    assert control.dnssec == caa.dnssec == "secure"


def test_an_unsigned_delegation_is_insecure_and_the_receipts_say_so(world):
    control, caa = over_http(world, "web.insecure.test").receipts()
    assert control.dnssec == caa.dnssec == "insecure"
    assert (caa.node, caa.outcome) == ("web.insecure.test", "permitted")


@pytest.mark.parametrize("name,question,reason", [
    ("web.expired.test", "", "signature expired"),
    ("web.future.test", "", "signature before inception date"),
    ("web.wrongds.test", "", "no keys have a DS"),
    ("web.stripped.test", "", "DNSKEY"),
    ("web.altered.test", "CAA: SERVFAIL for CAA of web.altered.test", "signature verification failed"),
    ("web.nodenial.test", "CAA: SERVFAIL for CAA of web.nodenial.test", ""),
])
def test_a_bogus_answer_is_refused_with_its_reason(world, name, question, reason):
    over_http(world, name).refused("dns", question, "DNSSEC bogus: ", reason)
    Attempt(world.client, name, "dns-01", lambda *_: None).refused("dns", "DNSSEC bogus: ")


def publish(world, label, *records):
    """Signs good.test anew, with records more, and has the server take it."""
    world.serial += 1
    text = world.tree.good.sign(zone_text("good.test", ADDRESS, PERMITS, *records, serial=world.serial))
    world.server.replace("good.test", text, f"{label}.good.test", TXT)


def test_dns_01_of_a_wildcard_in_a_signed_zone(world):
    control, caa = Attempt(world.client, "*.wild.good.test", "dns-01",
                           lambda _, auth: publish(world, "_acme-challenge.wild", f'_acme-challenge.wild TXT "{digest(auth)}"')).receipts()
    assert (control.identifier, control.scope, control.method, control.domain) == ("wild.good.test", "wildcard", "dns-01", "wild.good.test")
    assert control.dnssec == caa.dnssec == "secure" and not control.relaxed
    value = digest(control.token + "." + world.client.key.thumbprint()).encode()
    rdata = bytes([len(value)]) + value
    assert control.seen == hashlib.sha256(len(rdata).to_bytes(4, "big") + rdata).digest()
    assert (caa.scope, caa.node, caa.outcome) == ("wildcard", "", "none")


def test_dns_01_through_a_cname_into_an_unsigned_zone(world):
    """A zone of its own for challenges; its answers are no better than its signatures."""
    def prepare(_, auth):
        world.serial += 1
        world.server.replace("insecure.test", zone_text("insecure.test", ADDRESS, PERMITS, f'c TXT "{digest(auth)}"', serial=world.serial),
                             "c.insecure.test", TXT)
        publish(world, "_acme-challenge.led", "_acme-challenge.led CNAME c.insecure.test.")
    control, caa = Attempt(world.client, "led.good.test", "dns-01", prepare).receipts()
    assert (control.dnssec, caa.dnssec) == ("insecure", "secure")


def test_truncated_answers_are_asked_for_by_tcp(world):
    def prepare(_, auth):
        others = [f'_acme-challenge.many TXT "{"x" * 200}{i}"' for i in range(40)]
        publish(world, "_acme-challenge.many", *others, f'_acme-challenge.many TXT "{digest(auth)}"')
        assert query(world.server.port, "_acme-challenge.many.good.test", TXT).truncated
    control, _ = Attempt(world.client, "many.good.test", "dns-01", prepare).receipts()
    assert control.dnssec == "secure"
    assert query(world.server.port, "web.large.test", CAA).truncated
    _, caa = over_http(world, "web.large.test").receipts()
    assert (caa.node, caa.outcome, caa.dnssec) == ("web.large.test", "permitted", "secure")


# --- one zone that changes, a web server, TLS servers ---

@pytest.fixture(scope="module")
def zones():
    with Zones("test", signed=True, hosts=("web.test", "tls.test")) as one:
        yield one


class Nginx:
    """nginx as an applicant runs it: a folder of challenges over HTTP, and a server that sends all to HTTPS."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-nginx-"))
        self.folder.chmod(0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.challenges = self.folder / "www" / ".well-known" / "acme-challenge"
        self.challenges.mkdir(parents=True)
        f = self.folder
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=old", "-days", "1",
                        "-keyout", f / "key.pem", "-out", f / "cert.pem"], check=True, capture_output=True)
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = " ".join(f"{kind}_temp_path {f}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (f / "nginx.conf").write_text(
            f"daemon off; {user} pid {f}/pid; error_log {f}/log; worker_processes 1; events {{ worker_connections 64; }}\n"
            f"http {{ access_log off; default_type text/plain; {temporary}\n"
            f"  server {{ listen 127.0.0.1:{self.port}; listen [::1]:{self.port}; root {f}/www; }}\n"
            f"  server {{ listen 127.0.0.1:{self.port}; server_name secure.test; return 301 https://$host:{self.tls_port}$request_uri; }}\n"
            f"  server {{ listen 127.0.0.1:{self.tls_port} ssl; ssl_certificate {f}/cert.pem; ssl_certificate_key {f}/key.pem; root {f}/www; }}\n}}\n")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", f / "nginx.conf", "-p", f, "-e", f / "log"], stdin=subprocess.DEVNULL)
        await_port(self.port, self.process)

    def challenge(self, token, key_authorization):
        (self.challenges / token).write_text(key_authorization)

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        shutil.rmtree(self.folder, ignore_errors=True)


def await_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args[0]} does not listen")


@pytest.fixture(scope="module")
def nginx():
    with contextlib.closing(Nginx()) as one:
        yield one


@pytest.fixture(scope="module")
def ca(zones, nginx):
    def edit(text):
        # Each test validates for itself.
        text = re.sub(r'#?authz-reuse = ".*?"', 'authz-reuse = "false"', text)
        return re.sub(r"#?redirect-ports = \{.*?\}", f'redirect-ports = {{"{nginx.tls_port}"}}', with_addresses(text))
    port = free_port()
    with running_ca("--allow-address", "::1/128", zones=zones, http_port=nginx.port, tls_port=port, edit=edit) as one:
        one.tls_port = port
        yield one


@pytest.fixture(scope="module")
def client(ca):
    return registered(ca)


@pytest.mark.parametrize("name", ["web.test", ("ip", "127.0.0.1"), ("ip", "::1")])
def test_http_01_from_nginx(client, nginx, name):
    found = Attempt(client, name, "http-01", nginx.challenge).receipts()
    control = found[0]
    assert (control.identifier, control.method, control.relaxed) == (name if isinstance(name, str) else name[1], "http-01", True)
    assert control.dnssec == ("secure" if isinstance(name, str) else "off")
    assert len(found) == (2 if isinstance(name, str) else 1)  # an address has no CAA
    assert control.seen == hashlib.sha256((control.token + "." + client.key.thumbprint()).encode()).digest()


def test_http_01_by_way_of_https(client, zones, nginx):
    zones.add_host("secure.test")
    assert Attempt(client, "secure.test", "http-01", nginx.challenge).receipts()[0].method == "http-01"


def test_http_01_of_what_nginx_does_not_have(client, nginx):
    Attempt(client, ("ip", "127.0.0.1"), "http-01", lambda *_: None).refused("incorrectResponse", "127.0.0.1", "404 Not Found")
    Attempt(client, "web.test", "http-01", lambda token, auth: nginx.challenge(token, auth[:-1] + "_")).refused("incorrectResponse", "another account's key")


def test_a_special_address_is_no_identifier(client):
    Attempt(client, ("ip", "10.1.2.3"), "http-01", lambda *_: None).refused("rejectedIdentifier", "10.0.0.0/8")
    Attempt(client, ("ip", "64:ff9b::a01:203"), "http-01", lambda *_: None).refused("rejectedIdentifier", "10.0.0.0/8")


def test_dns_01_is_asked_anew(client, zones):
    """A record of an hour ago hides nothing: the same name, again and again."""
    at = "_acme-challenge.fresh.test"
    Attempt(client, "fresh.test", "dns-01", lambda *_: None).refused("dns", "NXDOMAIN for TXT", "due is a TXT record")
    zones.add(at, "TXT", '"old\\"\\007"', ttl=3600)
    Attempt(client, "fresh.test", "dns-01", lambda *_: None).refused("incorrectResponse", "found 1 TXT record, which is not the expected", "\"old' \"")
    control, caa = Attempt(client, "fresh.test", "dns-01", lambda _, auth: zones.add(at, "TXT", f'"{digest(auth)}"', ttl=3600)).receipts()
    assert control.dnssec == caa.dnssec == "secure"
    zones.clear_txt(at)


# --- tls-alpn-01 by openssl s_server ---

def der(tag, *content):
    body = b"".join(content)
    size = len(body).to_bytes(3, "big").lstrip(b"\0") or b"\0"
    return bytes([tag]) + (bytes([0x80 | len(size)]) if len(body) > 127 else b"") + size + body


def oid(text):
    return x509.ObjectIdentifier(text), {"2.5.29.17": "0603551d11", "1.3.6.1.5.5.7.1.31": "06082b0601050507011f",
                                         "1.3.6.1.5.5.7.1.30.1": "06092b0601050507011e01"}[text]


def extension(which, value, critical=False):
    return der(0x30, bytes.fromhex(oid(which)[1]), b"\x01\x01\xff" if critical else b"", der(4, value))


def names(*those):
    """subjectAltName: names, or addresses."""
    return extension("2.5.29.17", der(0x30, *(der(0x82, n.encode()) if isinstance(n, str) else der(0x87, n.packed) for n in those)))


def acme(key_authorization, critical=True, which="1.3.6.1.5.5.7.1.31", change=0):
    value = bytearray(hashlib.sha256(key_authorization.encode()).digest())
    value[0] ^= change
    return extension(which, der(4, bytes(value)), critical)


def certificate(*extensions, signer=None):
    """Any extensions, as often as you like, which the usual libraries do not let one have. Returns the PEM of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    now = datetime.datetime.now(datetime.timezone.utc)
    times = [der(0x17, (now + datetime.timedelta(days=d)).strftime("%y%m%d%H%M%SZ").encode()) for d in (-1, 1)]
    tbs = der(0x30, der(0xa0, b"\x02\x01\x02"), b"\x02\x01\x01", algorithm, der(0x30), der(0x30, *times), der(0x30), spki,
              der(0xa3, der(0x30, *extensions)))
    signature = (signer or key).sign(tbs, ec.ECDSA(hashes.SHA256()))
    whole = der(0x30, tbs, algorithm, der(3, b"\0", signature))
    pem = "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(whole).decode() + "-----END CERTIFICATE-----\n"
    return pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(), whole


@contextlib.contextmanager
def s_server(port, pem, *options):
    with tempfile.TemporaryDirectory(prefix="chancery-alpn-") as folder:
        file = pathlib.Path(folder, "both.pem")
        file.write_text(pem)
        process = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", file, "-key", file, "-quiet", *options],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_port(port, process)
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdin.close()


ALPN = ("-alpn", "acme-tls/1")


def over_tls(ca, client, name, make, *options):
    """make(key authorization): the extensions, or (extensions, more for certificate())."""
    seen = []
    with contextlib.ExitStack() as stack:
        def prepare(_, auth):
            made = make(auth)
            extensions, more = made if isinstance(made, tuple) else (made, {})
            pem, whole = certificate(*extensions, **more)
            seen.append(hashlib.sha256(whole).digest())
            stack.enter_context(s_server(ca.tls_port, pem, *options))
        attempt = Attempt(client, name, "tls-alpn-01", prepare)
    attempt.seen = seen[0]
    return attempt


@pytest.mark.parametrize("name", ["tls.test", ("ip", "127.0.0.1"), ("ip", "::1")])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_alpn_01_from_openssl(ca, client, name, version):
    its = name if isinstance(name, str) else ipaddress.ip_address(name[1])
    attempt = over_tls(ca, client, name, lambda auth: [names(its), acme(auth)], *ALPN, version)
    control = attempt.receipts()[0]
    assert (control.identifier, control.method, control.relaxed) == (str(its), "tls-alpn-01", True)
    assert control.seen == attempt.seen
    assert control.dnssec == ("secure" if isinstance(name, str) else "off")


MINE = "tls.test"


@pytest.mark.parametrize("make,options,kind,reason", [
    (lambda auth: [names(MINE), acme(auth)], (), "incorrectResponse", "has not chosen the protocol acme-tls/1"),
    (lambda auth: [names(MINE), acme(auth)], ("-alpn", "h2,http/1.1"), "tls", "no application protocol"),
    (lambda auth: [names(MINE), acme(auth)], (*ALPN, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "tls", "TLS 1.2 or newer"),
    (lambda auth: [names(MINE, "www.tls.test"), acme(auth)], ALPN, "incorrectResponse", "more names than the one"),
    (lambda auth: [names("other.test"), acme(auth)], ALPN, "incorrectResponse", 'is for "other.test"'),
    (lambda auth: [names(ipaddress.ip_address("127.0.0.1")), acme(auth)], ALPN, "incorrectResponse", "is for the address 7f000001"),
    (lambda auth: [acme(auth)], ALPN, "incorrectResponse", "no subjectAltName"),
    (lambda auth: [names(MINE), acme(auth, critical=False)], ALPN, "incorrectResponse", "not critical"),
    (lambda auth: [names(MINE), acme(auth), acme(auth)], ALPN, "incorrectResponse", "more than one acmeIdentifier"),
    (lambda auth: [names(MINE), acme(auth, change=1)], ALPN, "incorrectResponse", "due is the key authorization's digest"),
    (lambda auth: [names(MINE), acme(auth, which="1.3.6.1.5.5.7.1.30.1")], ALPN, "incorrectResponse", "early draft"),
    (lambda auth: [names(MINE)], ALPN, "incorrectResponse", "no acmeIdentifier"),
    (lambda auth: ([names(MINE), acme(auth)], {"signer": ec.generate_private_key(ec.SECP256R1())}), ALPN, "incorrectResponse", "not signed with its own key"),
], ids=["no ALPN", "another protocol", "TLS 1.1", "two names", "another name", "an address", "no name", "not critical", "two digests", "another digest",
        "a draft", "no digest", "not self-signed"])
def test_tls_alpn_01_refuses(ca, client, make, options, kind, reason):
    over_tls(ca, client, MINE, make, *options).refused(kind, "tls-alpn-01 for tls.test (127.0.0.1 port ", reason)


def test_tls_alpn_01_where_nobody_listens(client):
    Attempt(client, MINE, "tls-alpn-01", lambda *_: None).refused("connection", "Connection refused")


# --- web servers and zones that mean harm ---

@pytest.fixture(scope="module")
def hard():
    """A CA with little time for each validation, so that what never ends ends soon."""
    def edit(text):
        text = re.sub(r'#?authz-reuse = ".*?"', 'authz-reuse = "false"', text)
        return re.sub(r'#?deadline = ".*?"', 'deadline = "2s"', text)
    with running_ca(edit=edit) as one:
        one.dns.ttl = 0
        yield one


@pytest.fixture(scope="module")
def victim(hard):
    return registered(hard)


def memory_of(ca):
    """The most that the validator has ever held, in KiB."""
    text = pathlib.Path("/proc", str(ca.pid_of("validator")), "status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1))


def answer_by(ca, serve):
    """prepare() for an Attempt: serve(handler) answers the challenge."""
    return lambda token, auth: ca.web.answers.update({"/.well-known/acme-challenge/" + token: lambda handler: serve(handler, auth)})


def test_400_mib_are_not_read(hard, victim):
    sent = []

    def serve(handler, auth):
        handler.send_response(200)
        handler.send_header("Content-Length", str(400 << 20))
        handler.end_headers()
        block, total = auth.encode().ljust(1 << 16), 0
        with contextlib.suppress(OSError):
            while total < 400 << 20:
                total += handler.wfile.write(block)
        sent.append(total)
        handler.close_connection = True
    Attempt(victim, "warm.example.test", "http-01", answer_by(hard, serve)).refused("incorrectResponse", "more than 65536 bytes")
    before = memory_of(hard)
    for n in range(10):
        Attempt(victim, f"big{n}.example.test", "http-01", answer_by(hard, serve)).refused("incorrectResponse", "more than 65536 bytes")
    assert memory_of(hard) - before < 16384
    assert max(sent) < 32 << 20  # what the kernel's buffers took


def drip(part):
    """One byte after the other: a header that never ends, or a body."""
    def serve(handler, auth):
        handler.close_connection = True
        with contextlib.suppress(OSError):
            if part == "body":
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(auth)))
                handler.end_headers()
            for byte in (auth if part == "body" else "HTTP/1.1 200 OK\r\nX: " + "x" * 1000).encode():
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.2)
    return serve


@pytest.mark.parametrize("part", ["header", "body"])
def test_one_byte_at_a_time_is_not_waited_for(hard, victim, part):
    Attempt(victim, f"{part}.example.test", "http-01", answer_by(hard, drip(part))).refused("connection", "answer takes too long")


def redirect(to):
    def serve(handler, _):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return serve


@pytest.mark.parametrize("to,reason", [
    ("http://r.example.test:22/", "its port is not one that this CA validates at"),
    ("http://127.0.0.1/", "its host must be a DNS name"),
    ("http://[64:ff9b::7f00:1]/", "its host must be a DNS name"),
    ("http://inside.example.test/", "10.1.2.3 is in 10.0.0.0/8"),
    ("http://mapped.example.test/", "::ffff:10.1.2.3 is in 10.0.0.0/8"),
    ("http://nat64.example.test/", "64:ff9b::a01:203 is in 10.0.0.0/8"),
    ("http://cloud.example.test/latest/meta-data", "169.254.169.254 is in 169.254.0.0/16"),
])
def test_redirects_lead_nowhere_inside(hard, victim, to, reason):
    hard.dns.set("inside.example.test", "A", bytes([10, 1, 2, 3]))
    hard.dns.set("cloud.example.test", "A", bytes([169, 254, 169, 254]))
    for name, address in (("mapped", "::ffff:10.1.2.3"), ("nat64", "64:ff9b::10.1.2.3")):
        hard.dns.set(f"{name}.example.test", "A")
        hard.dns.set(f"{name}.example.test", "AAAA", socket.inet_pton(socket.AF_INET6, address))
    Attempt(victim, "r.example.test", "http-01", answer_by(hard, redirect(to))).refused("connection", reason)


def test_a_loop_of_redirects_ends(hard, victim):
    before = len(hard.web.seen)

    def serve(handler, auth):
        redirect(handler.path)(handler, auth)
    Attempt(victim, "loop.example.test", "http-01", answer_by(hard, serve)).refused("connection", "one more redirect after 10")
    assert len(hard.web.seen) - before == 11


def test_a_second_answer_of_dns_changes_nothing(hard, victim):
    """DNS rebinding: the address that was judged is the one that is connected to, whatever is answered next; and each hop is judged anew."""
    outside, inside, asked = bytes([127, 0, 0, 1]), bytes([10, 1, 2, 3]), []

    def answer():
        asked.append(1)
        return [outside if len(asked) == 1 else inside]
    hard.dns.records["bind.example.test", 1] = answer
    attempt = Attempt(victim, "bind.example.test", "http-01", hard.web.challenge)
    assert attempt.authz["status"] == "valid" and len(asked) == 1, attempt.challenge
    asked.clear()
    hop = answer_by(hard, redirect(f"http://bind.example.test:{hard.web.port}/next"))
    hard.web.answers["/next"] = "never"
    Attempt(victim, "bind.example.test", "http-01", hop).refused("connection", "10.1.2.3 is in 10.0.0.0/8")
    assert len(asked) == 2 and "/next" not in [path for _, path in hard.web.seen]
