"""What relying parties fetch: revocation lists by shard, CA certificates by AIA; caching; all over plain HTTP."""
import http.client
import re
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from acme_raw import Client, b64, certificates
from harness import free_port, running_ca

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def setting(name, value):
    return lambda text: re.sub(rf"(?m)^(\s*)#?{name} = .*$", rf"\g<1>{name} = {value}", text, count=1)


@pytest.fixture(scope="module")
def ca():
    port = free_port()
    with running_ca("--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}", edit=setting("crl-shards", 4)) as running:
        running.publish = port
        running.client = Client(running)
        running.client.register()
        yield running


def ask(ca, url, method="GET", **fields):
    path = url[len(f"http://localhost:{ca.publish}"):] if url.startswith("http") else url
    connection = http.client.HTTPConnection("127.0.0.1", ca.publish, timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def crl_url(certificate):
    (point,) = certificate.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
    (name,) = point.full_name
    return name.value


def issuer_url(certificate):
    (url,) = [d.access_location.value for d in certificate.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
              if d.access_method == AuthorityInformationAccessOID.CA_ISSUERS]
    return url


def fetch_list(ca, url):
    """Just after a start a list may not be made yet: 503 says so, and when to come again."""
    status, headers, body = ask(ca, url)
    end = time.monotonic() + 20
    while status == 503 and headers["Retry-After"] and time.monotonic() < end:
        time.sleep(0.1)
        status, headers, body = ask(ca, url)
    assert status == 200 and headers["Content-Type"] == "application/pkix-crl"
    return x509.load_der_x509_crl(body)


def revoke(ca, certificate, **more):
    answer = ca.client.post(ca.base + "/acme/revoke-cert", {"certificate": b64(certificate.public_bytes(DER)), **more})
    assert answer.status == 200, answer.body


def wait_listed(ca, certificate, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        entry = fetch_list(ca, crl_url(certificate)).get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry:
            return entry
        time.sleep(0.1)
    raise AssertionError("it does not stand in its list")


def one(ca, name):
    return certificates(ca.client.issue(name))


def test_the_list_is_the_one_that_the_certificate_names(ca):
    urls = set()
    for i in range(12):
        leaf, issuer = one(ca, f"shard{i}.example")
        url = crl_url(leaf)
        urls.add(url)
        crl = fetch_list(ca, url)
        assert crl.is_signature_valid(issuer.public_key())
        idp = crl.extensions.get_extension_for_oid(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
        assert idp.critical and [n.value for n in idp.value.full_name] == [url]
    assert 1 < len(urls) <= 4


def test_revoked_in_its_own_shard_alone(ca):
    leaf, issuer = one(ca, "revoked.example")
    number = fetch_list(ca, crl_url(leaf)).extensions.get_extension_for_oid(ExtensionOID.CRL_NUMBER).value.crl_number
    revoke(ca, leaf, reason=4)
    entry = wait_listed(ca, leaf)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.superseded
    crl = fetch_list(ca, crl_url(leaf))
    assert crl.extensions.get_extension_for_oid(ExtensionOID.CRL_NUMBER).value.crl_number > number
    base = crl_url(leaf).rsplit("/", 1)[0] + "/" + crl_url(leaf).rsplit("/", 1)[1].split("-")[0].removesuffix(".crl")
    shards = [f"{base}.crl"] + [f"{base}-{n}.crl" for n in (1, 2, 3)]
    assert [u for u in shards if fetch_list(ca, u).get_revoked_certificate_by_serial_number(leaf.serial_number)] == [crl_url(leaf)]


def test_the_chain_is_completed_by_aia(ca, tmp_path):
    leaf, _ = one(ca, "aia.example")
    status, headers, body = ask(ca, issuer_url(leaf))
    assert status == 200 and headers["Content-Type"] == "application/pkix-cert"
    (tmp_path / "issuer.pem").write_bytes(x509.load_der_x509_certificate(body).public_bytes(PEM))
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(PEM))
    (tmp_path / "crl.pem").write_bytes(fetch_list(ca, crl_url(leaf)).public_bytes(PEM))
    told = subprocess.run(["openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", ca.root, "-untrusted", tmp_path / "issuer.pem",
                           "-CRLfile", tmp_path / "crl.pem", tmp_path / "leaf.pem"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    root = x509.load_pem_x509_certificate(ca.root.read_bytes())
    key_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    status, _, body = ask(ca, f"/ca/{key_id}.cer")
    assert status == 200 and x509.load_der_x509_certificate(body) == root


def test_caching(ca):
    leaf, _ = one(ca, "cache.example")
    for url in (crl_url(leaf), issuer_url(leaf)):
        status, headers, body = ask(ca, url)
        assert status == 200 and headers["ETag"] and headers["Last-Modified"] and headers["Expires"]
        assert re.fullmatch(r"public, max-age=\d+, must-revalidate", headers["Cache-Control"])
        head_status, head, nothing = ask(ca, url, "HEAD")
        assert head_status == 200 and nothing == b"" and int(head["Content-Length"]) == len(body) and head["ETag"] == headers["ETag"]
        assert ask(ca, url, If_None_Match=headers["ETag"])[0] == 304
        assert ask(ca, url, If_None_Match='"other"')[0] == 200


def test_what_is_not_there(ca):
    leaf, _ = one(ca, "nothing.example")
    base = crl_url(leaf).split("/crl/")[1][:40]
    for path in ("/", "/crl/", f"/crl/{base}-01.crl", f"/crl/{'00' * 20}.crl", f"/ca/{'00' * 20}.cer", "/ca/x.cer", "/directory"):
        status, headers, body = ask(ca, path)
        assert status == 404 and headers["Content-Type"] == "text/plain" and body, path
    assert ask(ca, f"/crl/{base}-4.crl")[0] in (404, 503)  # in its first minute a signer may still make it
    status, headers, _ = ask(ca, crl_url(leaf), "POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"


def test_lists_go_on_when_there_are_fewer_shards(ca):
    """What certificates name is served as long as they may be asked about, and over restarts; numbers do not fall."""
    leaves = [one(ca, f"fewer{i}.example")[0] for i in range(8)]
    numbers = {u: fetch_list(ca, u).extensions.get_extension_for_oid(ExtensionOID.CRL_NUMBER).value.crl_number for u in map(crl_url, leaves)}
    ca.stop()
    ca.config.write_text(setting("crl-shards", 1)(ca.config.read_text()))
    ca.start()
    ca.client.connection = ca.client.nonce = None
    for leaf in leaves:
        revoke(ca, leaf)
    for leaf in leaves:
        assert wait_listed(ca, leaf)
    for url, number in numbers.items():
        assert fetch_list(ca, url).extensions.get_extension_for_oid(ExtensionOID.CRL_NUMBER).value.crl_number > number
    assert all("-" not in crl_url(one(ca, f"one{i}.example")[0]) for i in range(4))
