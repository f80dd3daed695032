"""RFC 8555 on the wire: what each resource answers, and what each wrong request is told. One CA for all of it."""
import base64
import datetime
import http.client
import ipaddress
import itertools
import json
import os
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from acme_raw import Answer, Client, Key, b64, certificates, challenge_of, check_signed, number
from dns_responder import caa
from harness import running_ca

counter = itertools.count(1)


def name():
    return f"host{next(counter)}.example.test"


@pytest.fixture(scope="module")
def ca():
    with running_ca() as one:
        yield one


@pytest.fixture(scope="module")
def client(ca):
    one = Client(ca)
    assert one.register().status == 201
    return one


def spki(of):
    return of.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def refused(answer, status, kind, *words):
    """A problem document of exactly this type; its detail says something of use."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.body
    assert (answer.status, answer.type) == (status, kind), answer.body
    assert len(answer.json["detail"]) > 10
    for word in words:
        assert word in answer.json["detail"], answer.json["detail"]
    return answer.json


# --- directory and nonces ---

def test_directory(ca, client):
    answer = client.request("GET", ca.directory)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    directory = answer.json
    for field, path in (("newNonce", "new-nonce"), ("newAccount", "new-account"), ("newOrder", "new-order")):
        assert directory[field] == f"{ca.base}/acme/{path}"
    assert directory["meta"]["caaIdentities"] == ["localhost"]
    assert "termsOfService" not in directory["meta"]
    assert "externalAccountRequired" not in directory["meta"]
    # RFC 8555 section 7.1: also by POST-as-GET
    assert client.post(ca.directory).json == directory


@pytest.mark.parametrize("method,status", [("HEAD", 200), ("GET", 204)])
def test_new_nonce(ca, client, method, status):
    answer = client.request(method, ca.base + "/acme/new-nonce")
    assert answer.status == status and answer.body == b""
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'<{ca.directory}>;rel="index"' in answer.headers["Link"]
    nonce = answer.headers["Replay-Nonce"]
    assert len(base64.urlsafe_b64decode(nonce + "==")) >= 16
    assert client.request(method, ca.base + "/acme/new-nonce").headers["Replay-Nonce"] != nonce


def test_every_post_gives_a_nonce(ca, client):
    seen = set()
    for answer in (client.order(name()), client.order("not a name"), client.post(ca.base + "/acme/order/AAAA"), client.post(ca.base + "/nowhere"),
                   client.send(ca.base + "/acme/new-order", {}), client.send(ca.base + "/acme/new-order", {}, content_type="text/plain")):
        seen.add(answer.headers["Replay-Nonce"])
        assert f'<{ca.directory}>;rel="index"' in answer.headers.get_all("Link")
    assert len(seen) == 6


def test_a_nonce_counts_once(ca, client):
    url = ca.base + "/acme/new-order"
    nonce = client.fresh_nonce()
    first = client.send(url, client.jws(url, {"identifiers": [{"type": "dns", "value": name()}]}, header={"nonce": nonce}))
    assert first.status == 201
    again = client.send(url, client.jws(url, {"identifiers": [{"type": "dns", "value": name()}]}, header={"nonce": nonce}))
    refused(again, 400, "badNonce")
    fresh = again.headers["Replay-Nonce"]
    assert client.send(url, client.jws(url, {"identifiers": [{"type": "dns", "value": name()}]}, header={"nonce": fresh})).status == 201


def test_a_nonce_of_another_server(ca, client):
    url = ca.base + "/acme/new-order"
    with running_ca() as other:
        foreign = Client(other).fresh_nonce()
    for nonce in (foreign, b64(bytes(16)), b64(b"x" * 16), b64(b"short"), b64(os.urandom(64))):
        refused(client.send(url, client.jws(url, {"identifiers": []}, header={"nonce": nonce})), 400, "badNonce")


# --- accounts ---

def test_new_account(ca):
    client = Client(ca)
    refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
    made = client.register(contact=["mailto:admin@example.org"], termsOfServiceAgreed=True)
    assert made.status == 201
    location = made.headers["Location"]
    assert location.startswith(ca.base + "/acme/")
    assert made.json["status"] == "valid" and made.json["contact"] == ["mailto:admin@example.org"]
    for payload in ({}, {"onlyReturnExisting": True}, {"contact": ["mailto:other@example.org"]}):
        again = client.register(**payload)
        assert (again.status, again.headers["Location"]) == (200, location)
        assert again.json["contact"] == ["mailto:admin@example.org"]
    read = client.post(location)
    assert read.status == 200 and read.json == made.json


@pytest.mark.parametrize("contact,kind", [
    ("tel:+12025551212", "unsupportedContact"), ("https://example.org", "unsupportedContact"), ("admin@example.org", "unsupportedContact"),
    ("mailto:a@b.example,c@d.example", "invalidContact"), ("mailto:a@b.example?subject=x", "invalidContact"),
    ("mailto:nobody", "invalidContact"), ("mailto:@b.example", "invalidContact"), ("mailto:", "invalidContact"),
    ("mailto:a@" + "b" * 300, "invalidContact"), ("mailto:a\u00e4@b.example", "invalidContact"),
])
def test_bad_contacts(ca, contact, kind):
    client = Client(ca)
    refused(client.register(contact=[contact]), 400, kind)
    refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")


def test_one_account_does_not_read_another(ca, client):
    other = Client(ca)
    other.register()
    refused(client.post(other.kid), 403, "unauthorized")


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256", "EdDSA"])
def test_each_account_key_issues(ca, alg):
    client = Client(ca, Key(alg))
    assert client.register().status == 201
    assert client.issue(name()).count("BEGIN CERTIFICATE") == 2


# --- the resources ---

def test_post_as_get_of_everything(ca, client):
    host = name()
    made = client.order(host)
    assert made.status == 201
    url, order = made.headers["Location"], made.json
    assert order["status"] == "pending" and order["identifiers"] == [{"type": "dns", "value": host}]
    assert order["expires"].endswith("Z") and "certificate" not in order and "error" not in order
    assert client.post(url).json == order
    authz_url = order["authorizations"][0]
    authz = client.post(authz_url)
    assert authz.status == 200 and authz.json["status"] == "pending" and authz.json["identifier"] == {"type": "dns", "value": host}
    assert "wildcard" not in authz.json
    challenge = challenge_of(authz.json)
    assert challenge["status"] == "pending" and len(challenge["token"]) >= 22
    client.ca.web.challenge(challenge["token"], challenge["token"] + "." + client.key.thumbprint())
    read = client.post(challenge["url"])
    assert read.status == 200 and read.json == challenge
    assert f'<{authz_url}>;rel="up"' in read.headers.get_all("Link")
    time.sleep(1)  # reading never begins a validation
    assert client.post(challenge["url"]).json["status"] == "pending"
    assert not [path for host, path in ca.web.seen if path.endswith(challenge["token"])]
    assert client.post(challenge["url"], {}).status == 200
    assert client.wait(authz_url)["status"] == "valid"
    valid = client.post(challenge["url"]).json
    assert valid["status"] == "valid" and valid["validated"]
    assert client.post(url).json["status"] == "ready"
    done = client.finalize(order, client.csr(host))
    assert done.status == 200 and done.headers["Location"] == url
    order = client.wait(url)
    certificate = client.post(order["certificate"])
    assert certificate.status == 200 and certificate.headers["Content-Type"] == "application/pem-certificate-chain"
    assert f'<{ca.directory}>;rel="index"' in certificate.headers.get_all("Link")


def test_the_certificate(ca, client):
    names = [name(), name().upper(), name()]
    made = client.order(*names)
    for authz in made.json["authorizations"]:
        assert client.solve(authz)["status"] == "valid"
    assert client.finalize(made.json, client.csr(*names, common_name=names[0])).status == 200
    text = client.post(client.wait(made.headers["Location"])["certificate"]).body
    assert b"\n\n" not in text and text.endswith(b"-----END CERTIFICATE-----\n")  # RFC 8555 erratum 5983
    leaf, issuer = certificates(text)
    root = x509.load_pem_x509_certificate(ca.root.read_bytes())
    check_signed(leaf, issuer)
    check_signed(issuer, root)
    extension = leaf.extensions.get_extension_for_class
    assert sorted(extension(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)) == sorted(n.lower() for n in names)
    assert len(list(extension(x509.SubjectAlternativeName).value)) == 3
    assert spki(leaf) == spki(client.certificate_key)
    life = leaf.not_valid_after - leaf.not_valid_before + datetime.timedelta(seconds=1)  # the last second counts (RFC 5280 section 4.1.2.5)
    assert life == datetime.timedelta(days=47)
    assert leaf.not_valid_before < datetime.datetime.utcnow() < leaf.not_valid_after
    assert list(extension(x509.ExtendedKeyUsage).value) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    assert not extension(x509.BasicConstraints).value.ca
    assert leaf.serial_number.bit_length() >= 64 and leaf.serial_number.bit_length() < 160


def test_other_methods_and_paths(ca, client):
    order = client.order(name())
    paths = [order.headers["Location"], order.json["authorizations"][0], order.json["finalize"], ca.base + "/acme/new-account", ca.base + "/acme/new-order", client.kid]
    for url in paths:
        for method in ("GET", "PUT", "DELETE"):
            answer = client.request(method, url)
            if method == "GET":
                refused(answer, 405, "malformed")
            assert answer.status == 405 and answer.headers["Allow"] == "POST, OPTIONS", (method, url)
    for path in ("/", "/acme", "/acme/", "/acme/order/", "/acme/order/a/b", "/directory/", "//directory", "/acme/order/x/finalize/", "/.well-known/acme"):
        refused(client.request("GET", ca.base + path), 404, "malformed")
        refused(client.post(ca.base + path), 404, "malformed")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/jose", "application/jose+jsonx", ""])
def test_the_content_type(ca, client, kind):
    url = ca.base + "/acme/new-order"
    jws = client.jws(url, {"identifiers": [{"type": "dns", "value": name()}]})
    refused(client.send(url, jws, content_type=kind), 415, "malformed", "application/jose+json")
    assert client.send(url, jws, content_type="application/jose+json; charset=utf-8").status == 201


def test_another_accounts_objects_are_not_told_from_missing_ones(ca, client):
    host = name()
    made = client.order(host)
    chall = client.post(made.json["authorizations"][0]).json["challenges"][0]["url"]
    ready = client.order(name())
    client.solve(ready.json["authorizations"][0])
    other = Client(ca)
    other.register()
    mine = other.order(name())
    pem = other.issue(name())
    assert pem
    certificate = None
    own = client.order(name())
    client.solve(own.json["authorizations"][0])
    client.finalize(own.json, client.csr(own.json["identifiers"][0]["value"]))
    certificate = client.wait(own.headers["Location"])["certificate"]
    swap = lambda url, part: url.replace(url.split("/")[part], b64(os.urandom(len(base64.urlsafe_b64decode(url.split("/")[part] + "==")))))
    for url, missing, payload in (
            (made.headers["Location"], swap(made.headers["Location"], 5), None),
            (made.json["authorizations"][0], swap(made.json["authorizations"][0], 5), None),
            (chall, swap(chall, 5), None), (chall, swap(chall, 5), {}),
            (ready.json["finalize"], swap(ready.json["finalize"], 5), {"csr": b64(other.csr(ready.json["identifiers"][0]["value"]))}),
            (certificate, certificate.rsplit("/", 1)[0] + "/01" + os.urandom(15).hex(), None)):
        found = refused(other.post(url, payload), 404, "malformed")
        assert refused(other.post(missing, payload), 404, "malformed") == found, url
    assert client.post(chall).json["status"] == "pending"
    assert client.post(ready.headers["Location"]).json["status"] == "ready"
    assert mine.status == 201


# --- orders ---

def test_identifiers(ca, client):
    host = name()
    made = client.order(host, host.upper(), host)
    assert made.status == 201
    assert made.json["identifiers"] == [{"type": "dns", "value": host}] and len(made.json["authorizations"]) == 1
    new = lambda payload: client.post(ca.base + "/acme/new-order", payload)
    refused(new({"identifiers": [{"type": "ip", "value": "127.0.0.1"}]}), 400, "unsupportedIdentifier", "dns")
    refused(client.order("127.0.0.1"), 400, "malformed")
    refused(client.order(*(name() for _ in range(101))), 400, "malformed", "100")
    assert len(client.order(*(name() for _ in range(100))).json["authorizations"]) == 100
    for identifiers in ([], {}, "x", None, ["a.example"], [{"type": "dns"}], [{"value": "a.example"}], [{"type": "dns", "value": 7}]):
        refused(new({"identifiers": identifiers}), 400, "malformed")
    for bad in ("", ".", "a..example", ".a.example", "a.example.", "a b.example", "a_b.example", "-a.example", "a-.example", "x" * 64 + ".example",
                "a." * 127 + "toolong", "b\u00fccher.example", "*", "*.*.example", "a.*.example", "a.example\n", "http://a.example", "a.example:80"):
        refused(client.order(bad), 400, "malformed")
    refused(new({"identifiers": [{"type": "dns", "value": name()}], "notAfter": "2040-01-01T00:00:00Z"}), 400, "malformed", "notAfter")
    refused(new({"identifiers": [{"type": "dns", "value": name()}], "profile": "nobody"}), 400, "invalidProfile", "tls-server")
    assert new({"identifiers": [{"type": "dns", "value": name()}], "profile": "tls-server", "unknown": [{}]}).status == 201


def test_subproblems(ca, client):
    good, long = name(), "x" * 64 + ".example"
    problem = refused(client.post(ca.base + "/acme/new-order", {"identifiers": [
        {"type": "dns", "value": long}, {"type": "dns", "value": good}, {"type": "ip", "value": "127.0.0.1"}, {"type": "dns", "value": "a_b.example"}]}), 400, "compound")
    found = {s["identifier"]["value"]: (s["identifier"]["type"], s["type"].rsplit(":", 1)[1]) for s in problem["subproblems"]}
    assert found == {long: ("dns", "malformed"), "127.0.0.1": ("ip", "unsupportedIdentifier"), "a_b.example": ("dns", "malformed")}
    assert all(s["detail"] for s in problem["subproblems"])
    problem = refused(client.order(good, long), 400, "malformed")
    assert [s["identifier"]["value"] for s in problem["subproblems"]] == [long]


def test_finalize(ca, client):
    host = name()
    made = client.order(host)
    refused(client.finalize(made.json, client.csr(host)), 403, "orderNotReady", "pending")
    assert client.solve(made.json["authorizations"][0])["status"] == "valid"
    csr = client.csr(host)
    assert client.finalize(made.json, csr).status == 200
    first = client.wait(made.headers["Location"])
    # asked again, with the same CSR: a client whose answer was lost gets it; with another: no second certificate, and no pretence
    again = client.finalize(made.json, csr)
    assert again.status == 200 and again.json == first
    refused(client.finalize(made.json, client.csr(host)), 403, "orderNotReady")
    assert client.post(made.headers["Location"]).json == first


def test_finalize_by_many_at_once(ca, client):
    """Of several CSRs for one order that come together one is certified; who sent it is told so, all others are refused."""
    for _ in range(4):
        host = name()
        made = client.order(host)
        assert client.solve(made.json["authorizations"][0])["status"] == "valid"
        answers = []

        def one():
            other = Client(ca, client.key)
            other.kid = client.kid
            csr = other.csr(host)
            answers.append((other.finalize(made.json, csr), spki(other.certificate_key)))
        threads = [threading.Thread(target=one) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(timeout=60)
        order = client.wait(made.headers["Location"])
        assert order["status"] == "valid", (order, [a.body for a, _ in answers])
        key = spki(certificates(client.post(order["certificate"]).body)[0])
        assert len(answers) == 6
        for answer, of in answers:
            if of == key:
                assert answer.status == 200, answer.body
            else:
                assert answer.status == 403 and answer.type in ("orderNotReady", "unauthorized"), answer.body


def broken_signature(der):
    return der[:-1] + bytes([der[-1] ^ 1])


def csr_with(client, host, key=None, names=None, extra=(), san=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(san or [x509.DNSName(n) for n in names or [host]]), critical=False)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_bad_csrs(ca, client):
    host = name()
    made = client.order(host)
    assert client.solve(made.json["authorizations"][0])["status"] == "valid"
    good = csr_with(client, host)
    make = lambda **how: b64(csr_with(client, host, **how))
    table = {
        "another name": (make(names=["other.example"]), "badCSR"),
        "one name more": (make(names=[host, "other.example"]), "badCSR"),
        "a wildcard more": (make(names=[host, "*." + host]), "badCSR"),
        "a mail address more": (make(san=[x509.DNSName(host), x509.RFC822Name("a@example.org")]), "badCSR"),
        "a URI more": (make(san=[x509.DNSName(host), x509.UniformResourceIdentifier("https://" + host)]), "badCSR"),
        "an address more": (make(san=[x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), "badCSR"),
        "another common name": (b64(client.csr(host, common_name="other.example")), "badCSR"),
        "no names": (b64(client.csr()), "badCSR"),
        "a CA": (make(extra=[x509.BasicConstraints(True, None)]), "badCSR"),
        "must-staple": (make(extra=[x509.TLSFeature([x509.TLSFeatureType.status_request])]), "badCSR"),
        "code signing": (make(extra=[x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING])]), "badCSR"),
        "the account's key": (make(key=client.key.private), "badCSR"),
        "RSA-1024": (make(key=rsa.generate_private_key(65537, 1024)), "badCSR"),
        "RSA with exponent 3": (make(key=rsa.generate_private_key(3, 2048)), "badCSR"),
        "P-521": (make(key=ec.generate_private_key(ec.SECP521R1())), "badCSR"),
        "secp256k1": (make(key=ec.generate_private_key(ec.SECP256K1())), "badCSR"),
        "a broken signature": (b64(broken_signature(good)), "badCSR"),
        "bytes behind it": (b64(good + b"\0"), "badCSR"),
        "cut": (b64(good[:-1]), "badCSR"),
        "no DER": (b64(b"not DER at all"), "badCSR"),
        "PEM": (b64(b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.b64encode(good)), "badCSR"),
        "empty": ("", "badCSR"),
        "padded": (base64.urlsafe_b64encode(good + b"\0" * ((1 - len(good)) % 3)).decode(), "badCSR"),
        "not base64url": ("+/+/", "badCSR"),
        "no string": (17, "malformed"),
    }
    assert table["padded"][0].endswith("=")
    for what, (csr, kind) in table.items():
        answer = client.post(made.json["finalize"], {"csr": csr})
        assert answer.type == kind, (what, answer.body)
        refused(answer, 400, kind)
        assert client.post(made.headers["Location"]).json["status"] == "ready", what
    refused(client.post(made.json["finalize"], {}), 400, "malformed", "csr")
    done = client.post(made.json["finalize"], {"csr": b64(good)})
    assert done.status == 200 and "error" not in client.wait(made.headers["Location"])


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 3072)], ids=["P-384", "RSA-3072"])
def test_other_certificate_keys(ca, client, key):
    host = name()
    made = client.order(host)
    client.solve(made.json["authorizations"][0])
    assert client.finalize(made.json, csr_with(client, host, key=key)).status == 200
    pem = client.post(client.wait(made.headers["Location"])["certificate"]).body
    assert spki(certificates(pem)[0]) == spki(key)


# --- validation ---

def validate(client, host, answer=None):
    """Orders, answers the challenge by answer(path of the challenge, key authorization), returns the order's URL and the decided authorization."""
    made = client.order(host)
    assert made.status == 201, made.body
    url = made.json["authorizations"][0]
    challenge = challenge_of(client.post(url).json)
    path, authorization = "/.well-known/acme-challenge/" + challenge["token"], challenge["token"] + "." + client.key.thumbprint()
    if answer:
        answer(path, authorization)
    assert client.post(challenge["url"], {}).status == 200
    return made.headers["Location"], client.wait(url), path


def fails(client, host, kind, *words, answer=None):
    order, authz, path = validate(client, host, answer)
    assert authz["status"] == "invalid", authz
    (challenge,) = authz["challenges"]
    error = challenge["error"]
    assert challenge["status"] == "invalid" and error["type"] == "urn:ietf:params:acme:error:" + kind, error
    for word in words:
        assert word in error["detail"], error["detail"]
    order = client.post(order).json
    assert order["status"] == "invalid"
    refused(client.finalize(order, client.csr(host)), 403, "orderNotReady", "invalid")
    assert client.post(challenge["url"], {}).json["status"] == "invalid"  # it does not begin again
    return path


def good_answer(client):
    return lambda path, authorization: client.ca.web.answers.__setitem__(path, authorization)


def redirect(where, status=302):
    def handle(handler):
        handler.send_response(status)
        handler.send_header("Location", where)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return handle


def test_http_answers(ca, client):
    host = name()
    fails(client, host, "incorrectResponse", "404", f"http://{host}:{ca.web.port}/", "127.0.0.1", "nothing here")
    wrong = lambda text: lambda path, authorization: ca.web.answers.__setitem__(path, text if isinstance(text, str) else text(authorization))
    fails(client, name(), "incorrectResponse", "wrong content", answer=wrong("wrong content"))
    fails(client, name(), "incorrectResponse", "empty", answer=wrong(""))
    fails(client, name(), "incorrectResponse", answer=wrong(lambda a: a + "x"))
    fails(client, name(), "incorrectResponse", answer=wrong(lambda a: " " + a))
    fails(client, name(), "incorrectResponse", "another account", answer=wrong(lambda a: a.split(".")[0] + "." + Key().thumbprint()))
    fails(client, name(), "incorrectResponse", answer=wrong("x" * 100000))
    _, authz, _ = validate(client, name(), wrong(lambda a: a + "\r\n \t\n"))  # RFC 8555 section 8.3: white space behind it does not count
    assert authz["status"] == "valid"


def test_nobody_listens(ca, client):
    host = name()
    ca.dns.set(host, "A", bytes([127, 0, 0, 77]))
    fails(client, host, "connection", "127.0.0.77", f"port {ca.web.port}", "refused")


def test_dns_failures(ca, client):
    host = name()
    ca.dns.missing.add(host)
    fails(client, host, "dns", "NXDOMAIN", host)
    host = name()
    ca.dns.broken.update({(host, 1), (host, 28)})
    fails(client, host, "dns", "SERVFAIL", host)
    host = name()
    ca.dns.set(host, "A")
    fails(client, host, "dns", "no A and no AAAA", host)
    host = name()
    ca.dns.set(host, "A", bytes([10, 1, 2, 3]))
    fails(client, host, "rejectedIdentifier", "10.1.2.3", "private")


@pytest.mark.parametrize("records,words", [
    ([caa("issue", ";")], ["does not name this CA"]),
    ([caa("issue", "ca.example")], ["ca.example", "localhost"]),
    ([caa("issue", "ca.example"), caa("issue", "other.example; a=b")], ["does not name this CA"]),
    ([caa("issue", "localhost"), caa("surprise", "x", 128)], ["critical", "surprise"]),
    ([caa("issue", "localhost; validationmethods=dns-01")], ["http-01"]),
    ([caa("issue", "localhost; accounturi=https://localhost/acme/acct/someone")], ["account"]),
])
@pytest.mark.parametrize("at", ["name", "parent"])
def test_caa_forbids(ca, client, records, words, at):
    parent = name()
    host = "deep.below." + parent
    ca.dns.set(host if at == "name" else parent, "CAA", *records)
    fails(client, host, "caa", host if at == "name" else parent, *words, answer=good_answer(client))


@pytest.mark.parametrize("records", [
    [caa("issue", "localhost")], [caa("issue", "ca.example"), caa("issue", "localhost")], [caa("issue", "LOCALHOST; validationmethods=dns-01,http-01")],
    [caa("iodef", "mailto:a@example.org")], [caa("surprise", "x")], [caa("issuewild", ";"), caa("issue", "localhost")], "account",
], ids=str)
def test_caa_permits(ca, client, records):
    host = name()
    ca.dns.set(host, "CAA", *([caa("issue", "localhost; accounturi=" + client.kid)] if records == "account" else records))
    _, authz, _ = validate(client, host, good_answer(client))
    assert authz["status"] == "valid", authz


def test_caa_must_be_answered(ca, client):
    host = name()
    ca.dns.broken.add((host, 257))
    fails(client, host, "dns", "CAA", "SERVFAIL", answer=good_answer(client))


def test_redirects_are_followed(ca, client):
    first, second = name(), name()
    at = lambda host, path: f"http://{host}:{ca.web.port}{path}"

    def answer(path, authorization):
        ca.web.answers[path] = redirect(at(first, "/one"), 301)
        ca.web.answers["/one"] = redirect(at(second, "/two?x=y"), 307)
        ca.web.answers["/two?x=y"] = authorization
    _, authz, _ = validate(client, name(), answer)
    assert authz["status"] == "valid", authz
    assert (f"{second}:{ca.web.port}", "/two?x=y") in ca.web.seen


def test_redirects_that_are_not_followed(ca, client):
    inside = name()
    ca.dns.set(inside, "A", bytes([10, 9, 8, 7]))
    to = lambda where: lambda path, authorization: ca.web.answers.__setitem__(path, redirect(where))
    fails(client, name(), "connection", inside, "10.9.8.7", "private", answer=to(f"http://{inside}:{ca.web.port}/x"))
    fails(client, name(), "connection", "port", str(ca.port), answer=to(f"http://name.example:{ca.port}/x"))
    fails(client, name(), "connection", "DNS name", answer=to(f"http://127.0.0.1:{ca.web.port}/x"))
    fails(client, name(), "connection", "http and https", answer=to("ftp://a.example/x"))
    fails(client, name(), "connection", "user", answer=to(f"http://a:b@{inside}:{ca.web.port}/x"))

    def loop(path, authorization):
        ca.web.answers[path] = redirect(path)
    path = fails(client, name(), "connection", "redirect", answer=loop)
    assert 2 <= len([p for _, p in ca.web.seen if p == path]) <= 12


# --- requests that are wrong ---

class Wrong:
    """Makes one wrong request. sign(): a JWS over exactly these texts."""

    def __init__(self, client):
        self.client, self.url = client, client.ca.base + "/acme/new-order"
        self.payload = {"identifiers": [{"type": "dns", "value": "wrong.example.test"}]}

    def header(self, **change):
        h = {"alg": self.client.key.alg, "nonce": self.client.fresh_nonce(), "url": self.url, "kid": self.client.kid, **change}
        return {k: v for k, v in h.items() if v is not None}

    def sign(self, header, payload=None, key=None, payload_text=None, header_text=None):
        header = header_text or b64(header if isinstance(header, bytes) else json.dumps(header).encode())
        payload = self.payload if payload is None else payload
        payload = payload_text or b64(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        return {"protected": header, "payload": payload, "signature": b64((key or self.client.key).sign(f"{header}.{payload}".encode()))}

    def good(self, **change):
        return self.sign(self.header(**change))

    def text(self, jws=None):
        return json.dumps(jws or self.good())

    def with_jwk(self, jwk, alg="ES256", signature=None, **more):
        self.url = self.client.ca.base + "/acme/new-account"
        jws = self.sign(self.header(alg=alg, kid=None, jwk=jwk, **more), {})
        return {**jws, "signature": b64(signature)} if signature else jws


def spoil(text, at=-1):
    """Another character, whose unused bits are not zero: base64url that a strict reader refuses."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:at] + letters[letters.index(text[at]) ^ 1]


def flip(data, at, bit=0x80):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


def changed(jws, **members):
    return {**jws, **members}


def unsigned(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rsa_jwk(bits, e=65537):
    return {"kty": "RSA", "n": number(int.from_bytes(os.urandom(bits // 8), "big") | 1 | 1 << (bits - 1)), "e": number(e)}


def small_rsa(w):
    key = Key("RS256")
    key.private = rsa.generate_private_key(65537, 1024)
    w.url = w.client.ca.base + "/acme/new-account"
    return w.sign(w.header(alg="RS256", kid=None, jwk=key.jwk()), {}, key=key)


def two_signatures(w):
    j = w.good()
    return {"payload": j["payload"], "signatures": [{"protected": j["protected"], "signature": j["signature"]}]}


def twice(w, member):
    """The JWS's text with one member twice."""
    text = w.text()
    return text[:-1] + f', "{member}": {json.dumps(json.loads(text)[member])}}}'


def der_signature(w):
    j = w.good()
    return changed(j, signature=b64(w.client.key.der_signature(f"{j['protected']}.{j['payload']}".encode())))


def flipped(w, member, at, bit):
    j = w.good()
    return changed(j, **{member: b64(flip(unsigned(j[member]), at, bit))})


def padded(w, member):
    j = w.sign(w.header(), json.dumps(w.payload).encode().ljust(100)) if member == "payload" else w.good()
    return changed(j, **{member: j[member] + "=" * (-len(j[member]) % 4 or 1)})


def with_other_url(w, url):
    return w.good(url=url)


def off_curve(w):
    return w.with_jwk({"kty": "EC", "crv": "P-256", "x": b64(b"\x11" * 32), "y": b64(b"\x22" * 32)})


def wide(w, size):
    n = w.client.key.private.public_key().public_numbers()
    return w.with_jwk({"kty": "EC", "crv": "P-256", "x": b64(n.x.to_bytes(40, "big")[-size:] if size < 32 else n.x.to_bytes(size, "big")), "y": number(n.y, 32)})


def on(w, path):
    w.url = w.client.ca.base + path
    return w


def raw_header(w, change):
    return w.sign(change(json.dumps(w.header())).encode())


M, U, A, K, N = (400, "malformed"), (403, "unauthorized"), (400, "badSignatureAlgorithm"), (400, "badPublicKey"), (400, "accountDoesNotExist")
WRONG = {
    "both jwk and kid": (M, lambda w: w.good(jwk=w.client.key.jwk()), "exactly one"),
    "neither jwk nor kid": (M, lambda w: w.good(kid=None), "exactly one"),
    "wrong url": (U, lambda w: w.good(url=w.client.ca.base + "/acme/new-account"), "url"),
    "url of another host": (U, lambda w: w.good(url=w.url.replace("localhost", "127.0.0.1")), "url"),
    "url with a query": (U, lambda w: w.good(url=w.url + "?a=b"), "url"),
    "no url": (M, lambda w: w.good(url=None), "url"),
    "url no string": (M, lambda w: w.good(url=[w.url]), "url"),
    "ES384 with a P-256 key": (A, lambda w: changed(w.good(alg="ES384"), signature=b64(b"\1" * 96)), "ES384"),
    "ES384 with a P-256 key and its signature": (M, lambda w: w.good(alg="ES384"), "signature"),
    "RS256 with a P-256 key": (A, lambda w: changed(w.good(alg="RS256"), signature=b64(b"\1" * 256)), "RS256"),
    "alg none": (A, lambda w: changed(w.good(alg="none"), signature=""), "ES256"),
    "alg None": (A, lambda w: w.good(alg="None")),
    "alg es256": (A, lambda w: w.good(alg="es256")),
    "alg HS256": (A, lambda w: w.good(alg="HS256")),
    "alg RS1": (A, lambda w: w.good(alg="RS1")),
    "alg ES512": (A, lambda w: w.good(alg="ES512")),
    "no alg": (M, lambda w: w.good(alg=None), "alg"),
    "unprotected header": (M, lambda w: changed(w.good(), header={"kid": w.client.kid}), "unprotected"),
    "empty unprotected header": (M, lambda w: changed(w.good(), header={}), "unprotected"),
    "general form": (M, two_signatures),
    "both forms": (M, lambda w: changed(w.good(), signatures=[]), "flattened"),
    "compact form": (M, lambda w: ".".join(w.good().values())),
    "padded protected": (M, lambda w: padded(w, "protected")),
    "padded payload": (M, lambda w: padded(w, "payload"), "payload"),
    "padded signature": (M, lambda w: padded(w, "signature"), "signature"),
    "trailing bits of payload": (M, lambda w: w.sign(w.header(), payload_text=spoil(b64(b'{"identifiers":[]}xx'))), "payload"),
    "trailing bits of protected": (M, lambda w: (lambda t: w.sign(None, header_text=spoil(b64(t + b" " * ((2 - len(t)) % 3)))))(json.dumps(w.header()).encode()), "protected"),
    "trailing bits of signature": (M, lambda w: (lambda j: changed(j, signature=spoil(j["signature"])))(w.good()), "signature"),
    "white space in protected": (M, lambda w: (lambda t: w.sign(None, header_text=t[:8] + "\n" + t[8:]))(b64(json.dumps(w.header()).encode())), "protected"),
    "white space in payload": (M, lambda w: w.sign(w.header(), payload_text=" " + b64(json.dumps(w.payload).encode())), "payload"),
    "plain base64 letters": (M, lambda w: w.sign(w.header(), payload_text="+/+/"), "payload"),
    "duplicate protected": (M, lambda w: twice(w, "protected"), "protected"),
    "duplicate signature": (M, lambda w: twice(w, "signature"), "signature"),
    "duplicate unknown member": (M, lambda w: w.text()[:-1] + ', "x": 1, "x": 2}'),
    "duplicate in protected": (M, lambda w: raw_header(w, lambda t: t[:-1] + ', "url": ' + json.dumps(w.url) + "}"), "url"),
    "duplicate written otherwise": (M, lambda w: raw_header(w, lambda t: t[:-1] + ', "\\u0075rl": "x"}')),
    "duplicate in payload": (M, lambda w: w.sign(w.header(), b'{"identifiers":[{"type":"dns","value":"a.example"}],"identifiers":[]}'), "identifiers"),
    "trailing bytes": (M, lambda w: w.text() + "x"),
    "a second object": (M, lambda w: w.text() + "{}"),
    "trailing NUL": (M, lambda w: w.text() + "\0"),
    "trailing bytes in protected": (M, lambda w: raw_header(w, lambda t: t + "{}")),
    "trailing bytes in payload": (M, lambda w: w.sign(w.header(), json.dumps(w.payload).encode() + b"]")),
    "DER signature": (M, der_signature, "64"),
    "truncated signature": (M, lambda w: (lambda j: changed(j, signature=b64(unsigned(j["signature"])[:-1])))(w.good()), "signature"),
    "empty signature": (M, lambda w: changed(w.good(), signature=""), "signature"),
    "no signature": (M, lambda w: {k: v for k, v in w.good().items() if k != "signature"}, "signature"),
    "signature of zeros": (U, lambda w: changed(w.good(), signature=b64(bytes(64)))),
    "first bit of the signature": (U, lambda w: flipped(w, "signature", 0, 0x80)),
    "first bit of s": (U, lambda w: flipped(w, "signature", 32, 0x80)),
    "last bit of the signature": (U, lambda w: flipped(w, "signature", 63, 0x01)),
    "a bit of the payload": (U, lambda w: flipped(w, "payload", 30, 0x02)),
    "high bit in the JSON": (M, lambda w: flip(w.text().encode(), 30)),
    "high bit in base64url": (M, lambda w: (lambda j: json.dumps(changed(j, protected=j["protected"][:9] + "\u00e4" + j["protected"][10:]), ensure_ascii=False).encode())(w.good())),
    "signed by another key": (U, lambda w: w.sign(w.header(), key=Key())),
    "RSA-1024": (K, small_rsa, "2048"),
    "RSA-1024, a long signature": (K, lambda w: w.with_jwk(rsa_jwk(1024), "RS256", bytes(255) + b"\1"), "2048"),
    "RSA-8192": (K, lambda w: w.with_jwk(rsa_jwk(8192), "RS256", bytes(1023) + b"\1")),
    "RSA-8192, a short signature": (K, lambda w: w.with_jwk(rsa_jwk(8192), "RS256", bytes(511) + b"\1"), "4096"),
    "RSA exponent even": (K, lambda w: w.with_jwk(rsa_jwk(2048, 65538), "RS256", bytes(255) + b"\1"), "even"),
    "RSA exponent 3": (K, lambda w: w.with_jwk(rsa_jwk(2048, 3), "RS256", bytes(255) + b"\1"), "65537"),
    "RSA exponent 1": (K, lambda w: w.with_jwk(rsa_jwk(2048, 1), "RS256", bytes(255) + b"\1"), "65537"),
    "RSA modulus with leading zeros": (K, lambda w: w.with_jwk({**rsa_jwk(2048), "n": b64(b"\0" + b"\x81" * 256)}, "RS256", bytes(255) + b"\1")),
    "EC point off the curve": (K, off_curve, "curve"),
    "EC x too short": (K, lambda w: wide(w, 31), "32"),
    "EC x too long": (K, lambda w: wide(w, 33), "32"),
    "EC without y": (M, lambda w: w.with_jwk({k: v for k, v in Key().jwk().items() if k != "y"}), "y"),
    "EC curve P-521": (K, lambda w: w.with_jwk({**Key().jwk(), "crv": "P-521"}), "P-256"),
    "kty oct": (K, lambda w: w.with_jwk({"kty": "oct", "k": "AAAA"})),
    "kty unknown": (K, lambda w: w.with_jwk({"kty": "XY"})),
    "private key in the jwk": (K, lambda w: w.with_jwk({**Key().jwk(), "d": b64(bytes(31) + b"\1")}), "private"),
    "jwk no object": (M, lambda w: w.with_jwk("x"), "jwk"),
    "jwk with a duplicate": (M, lambda w: (lambda k: on(w, "/acme/new-account").sign(json.dumps(w.header(kid=None, jwk=k)).replace('"kty": "EC"', '"kty": "EC", "kty": "EC"').encode(), {}))(w.client.key.jwk())),
    "crit": (M, lambda w: w.good(crit=["exp"], exp=1), "crit"),
    "empty crit": (M, lambda w: w.good(crit=[]), "crit"),
    "b64 false": (M, lambda w: w.good(b64=False, crit=["b64"]), "b64"),
    "no nonce": (M, lambda w: w.good(nonce=None), "nonce"),
    "nonce not base64url": (M, lambda w: w.good(nonce="+++/"), "nonce"),
    "nonce empty": (M, lambda w: w.good(nonce=""), "nonce"),
    "nonce padded": (M, lambda w: w.good(nonce=b64(bytes(16)) + "=="), "nonce"),
    "kid of another host": (N, lambda w: w.good(kid=w.client.kid.replace("localhost", "other.example"))),
    "kid of an unknown account": (N, lambda w: w.good(kid=w.client.kid.rsplit("/", 1)[0] + "/" + b64(os.urandom(32)))),
    "kid that is no account": (N, lambda w: w.good(kid=w.url)),
    "kid with more behind": (N, lambda w: w.good(kid=w.client.kid + "/")),
    "kid no string": (M, lambda w: w.good(kid=1), "kid"),
    "jwk on newOrder": (M, lambda w: w.good(kid=None, jwk=w.client.key.jwk()), "kid"),
    "kid on newAccount": (M, lambda w: on(w, "/acme/new-account").good(), "jwk"),
    "payload an array": (M, lambda w: w.sign(w.header(), b"[]")),
    "payload a string": (M, lambda w: w.sign(w.header(), b'"x"')),
    "payload null": (M, lambda w: w.sign(w.header(), b"null")),
    "payload not JSON": (M, lambda w: w.sign(w.header(), b"{identifiers}")),
    "payload empty": (M, lambda w: w.sign(w.header(), b""), "payload"),
    "payload of white space": (M, lambda w: w.sign(w.header(), b"   ")),
    "payload no string": (M, lambda w: changed(w.good(), payload={}), "payload"),
    "payload absent": (M, lambda w: {k: v for k, v in w.good().items() if k != "payload"}, "payload"),
    "body empty": (M, lambda w: b""),
    "body an array": (M, lambda w: "[" + w.text() + "]"),
    "body a string": (M, lambda w: '"x"'),
    "body with a BOM": (M, lambda w: b"\xef\xbb\xbf" + w.text().encode()),
    "body in UTF-16": (M, lambda w: w.text().encode("utf-16")),
    "body cut": (M, lambda w: w.text()[:-1]),
    "deep nesting": (M, lambda w: w.text()[:-1] + ', "x": ' + "[" * 20000 + "]" * 20000 + "}"),
    "deep nesting in protected": (M, lambda w: raw_header(w, lambda t: t[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + "}")),
    "deep nesting in payload": (M, lambda w: w.sign(w.header(), b'{"identifiers": ' + b"[" * 10000 + b"]" * 10000 + b"}")),
    "many members": (M, lambda w: w.text()[:-1] + "".join(f', "x{i}": 0' for i in range(1000)) + "}"),
    "invalid UTF-8": (M, lambda w: w.text().encode()[:-1] + b', "x": "\xc3\x28"}'),
    "invalid UTF-8 in payload": (M, lambda w: w.sign(w.header(), b'{"identifiers": [], "x": "\xff"}')),
    "overlong UTF-8 in protected": (M, lambda w: w.sign(json.dumps(w.header()).encode()[:-1] + b', "x": "\xc0\xaf"}')),
    "lone surrogate": (M, lambda w: w.sign(w.header(), b'{"identifiers": [], "x": "\\ud800"}')),
    "NUL in a name": (M, lambda w: w.sign(w.header(), b'{"identifiers": [{"type": "dns", "value": "a.example\\u0000.b"}]}')),
    "payload where none may be": (M, lambda w: on(w, "/acme/order/" + b64(bytes(38))).good(), "POST-as-GET"),
}


@pytest.mark.parametrize("what", WRONG, ids=lambda s: s.replace(" ", "-"))
def test_wrong_request(ca, client, what):
    (status, kind), make, *words = WRONG[what]
    w = Wrong(client)
    jws = make(w)
    answer = client.send(w.url, jws)
    problem = refused(answer, status, kind, *words)
    assert "Replay-Nonce" in answer.headers
    assert ("algorithms" in problem) == (kind == "badSignatureAlgorithm")
    if "algorithms" in problem:
        assert sorted(problem["algorithms"]) == ["ES256", "ES384", "EdDSA", "RS256"]
    assert all(0x20 <= ord(c) for c in problem["detail"])


@pytest.mark.parametrize("size", [65537, 1 << 20, 1 << 40])
def test_a_body_that_is_too_large(ca, client, size):
    """It is refused by its announced size: the client need not send it."""
    connection = http.client.HTTPSConnection("localhost", ca.port, context=client.tls, timeout=30)
    connection.putrequest("POST", "/acme/new-order")
    connection.putheader("Content-Type", "application/jose+json")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    response = connection.getresponse()
    refused(Answer(response.status, response.headers, response.read()), 413, "malformed")
    connection.close()


def test_the_largest_body(ca, client):
    assert client.send(ca.base + "/acme/new-order", b"x" * 65536).status == 400
    refused(client.send(ca.base + "/acme/new-order", b"x" * 65537), 413, "malformed")


def test_the_server_lives_on(ca, client):
    """The last: after all of it."""
    assert client.issue(name()).count("BEGIN CERTIFICATE") == 2
    status = ca.status()
    assert all(p["starts"] == 1 for p in status["processes"].values()), status
