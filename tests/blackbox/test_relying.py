"""What those make of it who rely on certificates: OpenSSL, GnuTLS and Go verify chains, lists and OCSP answers of every profile, kind of key and kind of
name, and all of them see within a minute what is revoked; zlint and certtool find nothing wrong in any certificate."""
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

import schemas
from acme_raw import Client, b64, certificates
from dns_responder import Responder
from harness import Ca, Web, free_port
from test_ceremony import ceremony

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER

# The names have a real top level, as zlint knows them all; nobody but our own responder is asked for them.
NAMES = {"dns": ["www.example.org"], "several": ["a.example.org", "b.example.net", "xn--bcher-kva.example.com"], "wildcard": ["*.example.org", "example.org"],
         "ip": [("ip", "127.0.0.1")], "mixed": ["ip.example.org", ("ip", "127.0.0.1"), ("ip", "::1")], "long": ["a" * 63 + "." + "b" * 50 + ".example.org"]}
KEYS = {"p256": lambda: ec.generate_private_key(ec.SECP256R1()), "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa2048": lambda: rsa.generate_private_key(65537, 2048), "rsa4096": lambda: rsa.generate_private_key(65537, 4096)}
PROFILES = """
profile "tls-server" {
	issuers = {"main", "rsa"}
	identifiers = {"dns", "wildcard", "ip"}
	ocsp = true
}
profile "short-lived" {
	issuers = {"main", "rsa"}
}
profile "classic" {
	issuers = {"main", "rsa"}
	ocsp = true
}
profile "staple" {
	issuers = {"main", "rsa"}
	ocsp = true
	must-staple = true
}
profile "client-auth" {
	issuers = {"clients"}
	ocsp = true
}
"""
USAGE = {"client-auth": "client"}
SHORT = {"short-lived"}  # neither list nor responder
WITH_IP = {"tls-server", "short-lived"}
# Of loopback's addresses, the only ones that a test may use, zlint knows that nobody has them.
RESERVED = {"e_ext_san_contains_reserved_ip", "e_subject_contains_reserved_ip", "e_cab_dv_subject_invalid_values"}


def kinds_of(profile):
    kinds = ["dns", "several", "wildcard", "long"]
    return kinds + ["ip", "mixed"] if profile in WITH_IP else kinds


def solve(client, authz_url):
    authz = client.post(authz_url).json
    if not authz.get("wildcard"):
        return client.solve(authz_url)
    (challenge,) = [c for c in authz["challenges"] if c["type"] == "dns-01"]
    digest = b64(hashlib.sha256(f"{challenge['token']}.{client.key.thumbprint()}".encode()).digest()).encode()
    client.ca.dns.set("_acme-challenge." + authz["identifier"]["value"], "TXT", bytes([len(digest)]) + digest)
    client.post(challenge["url"], {})
    return client.wait(authz_url)


def issue(client, names, key, profile):
    answer = client.order(*names, profile=profile)
    assert answer.status == 201, answer.body
    for authz in answer.json["authorizations"]:
        solved = solve(client, authz)
        assert solved["status"] == "valid", solved
    final = client.finalize(answer.json, client.csr(*names, key=key))
    assert final.status == 200, final.body
    order = final.json if final.json["status"] == "valid" else client.wait(answer.headers["Location"])
    return client.post(order["certificate"]).body.decode()


class Issued:
    def __init__(self, folder, profile, key, kind, pem):
        self.profile, self.key, self.kind = profile, key, kind
        self.leaf, self.issuer = certificates(pem)[:2]
        self.file = folder / f"{profile}-{key}-{kind}.pem"
        self.file.write_bytes(self.leaf.public_bytes(PEM))
        self.chain = folder / f"{self.file.stem}-issuer.pem"
        self.chain.write_bytes(self.issuer.public_bytes(PEM))


class World:
    def __init__(self, ca, folder):
        self.ca, self.folder, self.client = ca, folder, Client(ca)
        self.client.register()
        keys = {name: make() for name, make in KEYS.items()}
        self.issued = []
        for profile in re.findall(r'profile "(.*?)"', PROFILES):
            for key in keys:
                for kind in kinds_of(profile) if key == "p256" else ["several"]:
                    pem = issue(self.client, NAMES[kind], keys[key], profile)
                    self.issued.append(Issued(folder, profile, key, kind, pem))

    def root_of(self, one):
        return self.ca.root if one.issuer.issuer == x509.load_pem_x509_certificate(self.ca.root.read_bytes()).subject else self.folder / "root/root.pem"


def replace_profiles(text):
    """Instead of those that init has written."""
    return re.sub(r'(?ms)^profile ".*?^}\n', "", text) + PROFILES


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("relying")
    secret = folder / "secret"
    secret.write_text("a passphrase for tests\n")
    secret.chmod(0o600)
    web, dns, port = Web(), Responder(), free_port()
    web6 = type("Web6", (type(web.server),), {"address_family": socket.AF_INET6})(("::1", web.port), web.server.RequestHandlerClass)
    threading.Thread(target=web6.serve_forever, daemon=True).start()
    ca = Ca("--country", "DE", "--allow-address", "::1/128", "--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}", http_port=web.port, dns_port=dns.port,
            edit=replace_profiles)
    ca.web, ca.dns, ca.publish = web, dns, port
    try:
        ceremony(ca, folder, secret, name="rsa", key_type="rsa", encrypted=False)
        ceremony(ca, folder, secret, name="clients", use="client-auth", encrypted=False)
        ca.start()
        yield World(ca, folder)
    finally:
        ca.close()
        web6.shutdown()
        web6.server_close()
        web.close()
        dns.close()


def run(*words, code=0):
    result = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert code is None or result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}"
    return result.stdout


def groups(world, wanted=lambda one: True):
    """Those that have the same root, issuer and profile."""
    found = {}
    for one in world.issued:
        if wanted(one):
            found.setdefault((world.root_of(one), one.issuer, one.profile), []).append(one)
    return [(root, ones[0].chain, profile, ones) for (root, _, profile), ones in found.items()]


def relying(root, chain, profile, ones, *more, code=0):
    """What Go says of each."""
    said = run(os.environ["RELYING"], "-root", root, "-issuer", chain, "-usage", USAGE.get(profile, "server"), *more, *[one.file for one in ones], code=code)
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in said.splitlines()}


def fetch(world, url):
    for _ in range(100):
        connection = http.client.HTTPConnection("127.0.0.1", world.ca.publish, timeout=20)
        connection.request("GET", "/" + url.split("/", 3)[3])
        answer = connection.getresponse()
        if answer.status != 503:
            return answer.read()
        time.sleep(0.1)
    raise AssertionError(f"{url}: never there")


def list_of(world, one):
    (point,) = one.leaf.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
    file = one.file.with_suffix(".crl.pem")
    file.write_bytes(x509.load_der_x509_crl(fetch(world, point.full_name[0].value)).public_bytes(PEM))
    return file


def responder_of(one):
    (url,) = [d.access_location.value for d in one.leaf.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
              if d.access_method == AuthorityInformationAccessOID.OCSP]
    return url


def test_every_profile_key_and_kind_of_name_is_there(world):
    assert {(one.profile, one.key) for one in world.issued} == {(p, k) for p in ("tls-server", "short-lived", "classic", "staple", "client-auth") for k in KEYS}
    assert {one.kind for one in world.issued} == set(NAMES)
    assert {type(one.issuer.public_key()).__name__ for one in world.issued} == {"_EllipticCurvePublicKey", "_RSAPublicKey"}


def test_zlint_finds_no_error(world):
    files = [one.file for one in world.issued]
    told = [json.loads(line) for line in run(os.environ["ZLINT"], *files).splitlines() if line.startswith("{")]
    assert len(told) == len(files)
    for one, results in zip(world.issued, told):
        wrong = {name for name, result in results.items() if result["result"] in ("error", "fatal")}
        assert wrong <= (RESERVED if one.kind in ("ip", "mixed") else set()), f"{one.file.name}: {wrong}"


def test_certtool_reads_everything(world):
    for one in world.issued:
        said = run("certtool", "--certificate-info", "--infile", one.file)
        assert "Unknown" not in said.replace("Unknown extension 1.3.6.1.5.5.7.1.24", "") and "warning" not in said.lower(), f"{one.file.name}: {said}"


def test_chains(world):
    for root, chain, profile, ones in groups(world):
        purpose = "sslclient" if profile in USAGE else "sslserver"
        said = run("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, "-untrusted", chain, *[one.file for one in ones])
        assert said.count(": OK\n") == len(ones), said
        assert set(relying(root, chain, profile, ones).values()) == {"good"}
        for one in ones:
            both = one.file.with_suffix(".chain.pem")
            both.write_bytes(one.file.read_bytes() + chain.read_bytes())
            use = "1.3.6.1.5.5.7.3.2" if profile in USAGE else "1.3.6.1.5.5.7.3.1"
            assert "The certificate is trusted." in run("certtool", "--verify", "--load-ca-certificate", root, "--verify-purpose", use, "--infile", both)


def openssl_list(world, root, chain, one):
    """1: revoked."""
    result = subprocess.run(["openssl", "verify", "-crl_check", "-CAfile", root, "-untrusted", chain, "-CRLfile", list_of(world, one), one.file],
                            capture_output=True, text=True)
    assert result.returncode == 0 or "certificate revoked" in result.stderr, result.stderr
    return result.returncode != 0


def gnutls_list(world, root, chain, one):
    both = one.file.with_suffix(".both.pem")
    both.write_bytes(one.file.read_bytes() + chain.read_bytes())
    said = run("certtool", "--verify", "--load-ca-certificate", root, "--load-crl", list_of(world, one), "--infile", both, code=None)
    assert ("Chain verification output: Verified. The certificate is trusted." in said) != ("revoked" in said), said
    return "revoked" in said


def openssl_ocsp(root, chain, one):
    said = run("openssl", "ocsp", "-issuer", chain, "-cert", one.file, "-url", responder_of(one), "-CAfile", root, "-no_nonce", code=None)
    assert "Response verify OK" in said and (f"{one.file}: good" in said) != (f"{one.file}: revoked" in said), said
    return f"{one.file}: revoked" in said


def gnutls_ocsp(root, chain, one):
    trust = one.file.with_suffix(".trust.pem")  # it builds no chain here; in TLS it takes the server's
    trust.write_bytes(chain.read_bytes() + root.read_bytes())
    said = run("ocsptool", "--ask=" + responder_of(one), "--no-nonce", f"--load-cert={one.file}", f"--load-issuer={chain}", f"--load-trust={trust}", code=None)
    status = re.search(r"Certificate Status: (\w+)", said)
    assert "Verifying OCSP Response: Success" in said and status and status[1] in ("good", "revoked"), said
    return status[1] == "revoked"


def everybody_says(world, revoked):
    """Each program, by lists and by answers, of one certificate of each profile and issuer."""
    for root, chain, profile, ones in groups(world, lambda one: one.profile not in SHORT):
        one = next(o for o in ones if (o in world.to_revoke) == revoked)
        assert openssl_list(world, root, chain, one) == gnutls_list(world, root, chain, one) == revoked, one.file
        assert openssl_ocsp(root, chain, one) == gnutls_ocsp(root, chain, one) == revoked, one.file
        those = [o for o in ones if (o in world.to_revoke) == revoked]
        for way in ("-crl", "-ocsp"):
            assert set(relying(root, chain, profile, those, way).values()) == {"revoked" if revoked else "good"}


def test_what_is_revoked_is_seen_by_all_within_a_minute(world):
    world.to_revoke = []
    everybody_says(world, False)
    for _, _, _, ones in groups(world, lambda one: one.profile not in SHORT):
        world.to_revoke += ones[::2]
    for one in world.to_revoke:
        answer = world.client.post(world.ca.base + "/acme/revoke-cert", {"certificate": b64(one.leaf.public_bytes(DER)), "reason": 4})
        assert answer.status == 200, answer.body
    end = time.monotonic() + 60
    while True:
        try:
            everybody_says(world, True)
            break
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(1)
    left = [o for o in world.issued if o not in world.to_revoke and o.profile not in SHORT]
    for root, chain, profile, ones in groups(world, lambda one: one in left):
        assert set(relying(root, chain, profile, ones, "-crl", "-ocsp").values()) == {"good"}


def test_must_staple_is_in_the_certificate(world):
    for one in world.issued:
        features = [e.value for e in one.leaf.extensions if e.oid == ExtensionOID.TLS_FEATURE]
        assert len(features) == (one.profile == "staple")


def test_profiles_are_told_to_programs_as_certificates_are(world):
    directory = world.client.request("GET", world.ca.directory)
    assert f'<{world.ca.base}/profiles>;rel="describedby"' in directory.headers.get_all("Link")
    told = {p["name"]: p for p in schemas.check("profiles", world.client.request("GET", world.ca.base + "/profiles").body.decode())["profiles"]}
    assert set(told) == set(directory.json["meta"]["profiles"]) == {one.profile for one in world.issued}
    for one in world.issued:
        profile, extensions = told[one.profile], {e.oid: e.value for e in one.leaf.extensions}
        assert (one.leaf.not_valid_after - one.leaf.not_valid_before).total_seconds() + 1 == profile["lifetime"]
        assert (ExtensionOID.CRL_DISTRIBUTION_POINTS in extensions) == profile["crl"]
        access = {d.access_method for d in extensions.get(ExtensionOID.AUTHORITY_INFORMATION_ACCESS, [])}
        assert (AuthorityInformationAccessOID.OCSP in access, AuthorityInformationAccessOID.CA_ISSUERS in access) == (profile["ocsp"], profile["caIssuers"])
        assert (ExtensionOID.TLS_FEATURE in extensions) == profile["mustStaple"]
        policies = [p.policy_identifier.dotted_string for p in extensions.get(ExtensionOID.CERTIFICATE_POLICIES, [])]
        assert policies == profile["policies"]
        named = [a.value for a in one.leaf.subject]
        assert bool(named) == (profile["commonName"] == "first") or one.kind in ("ip", "long")


def test_what_is_another_cas_is_not_good(world):
    """The verifier itself can say no."""
    (root, chain, profile, ones), *others = groups(world)
    other = next(o for o in others if o[1].read_bytes() != chain.read_bytes())
    assert all(text != "good" for text in relying(other[0], other[1], profile, ones, code=1).values())
    short = [one for one in world.issued if one.profile in SHORT][:1]
    assert relying(world.root_of(short[0]), short[0].chain, "tls-server", short, "-crl", code=1)[str(short[0].file)] == "names no list"
