"""OCSP: what a responder says of each certificate, by GET and POST, and what OpenSSL, GnuTLS and python3-cryptography make of it."""
import base64
import datetime
import http.client
import re
import subprocess
import time
import urllib.parse

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

import log_reader
from acme_raw import Client, b64, certificates
from harness import free_port, running_ca

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
REQUEST = "application/ocsp-request"


@pytest.fixture(scope="module")
def ca():
    port = free_port()
    with running_ca("--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}") as running:
        running.publish = port
        running.client = Client(running)
        running.client.register()
        yield running


def ask(ca, method, path, body=None, **fields):
    connection = http.client.HTTPConnection("127.0.0.1", ca.publish, timeout=20)
    connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in fields.items()})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def request(leaf, issuer, algorithm=None, nonce=None):
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, algorithm or hashes.SHA1())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(DER)


def request_number(issuer, number):
    """As for a certificate of this issuer with this serial number."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    leaf = (x509.CertificateBuilder().subject_name(issuer.subject).issuer_name(issuer.subject).public_key(key.public_key())
            .serial_number(number).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    return request(leaf, issuer)


def post(ca, der):
    status, headers, body = ask(ca, "POST", "/ocsp", der, Content_Type=REQUEST)
    assert status == 200 and headers["Content-Type"] == "application/ocsp-response"
    return ocsp.load_der_ocsp_response(body)


def get_path(der, safe=""):
    """RFC 6960 appendix A.1 has every character escaped that is not plain; some clients leave slashes."""
    return "/ocsp/" + urllib.parse.quote(base64.b64encode(der).decode(), safe=safe)


def verify(answer, issuer):
    """The responder is certified by the issuer for that, and has signed it."""
    (responder,) = answer.certificates
    assert responder.issuer == issuer.subject
    issuer.public_key().verify(responder.signature, responder.tbs_certificate_bytes, ec.ECDSA(responder.signature_hash_algorithm))
    extensions = responder.extensions
    assert list(extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert extensions.get_extension_for_oid(ExtensionOID.OCSP_NO_CHECK)
    responder.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm))
    assert answer.next_update <= responder.not_valid_after
    assert datetime.timedelta(hours=8) <= answer.next_update - answer.this_update <= datetime.timedelta(days=10)
    return answer


def one(ca, name):
    return certificates(ca.client.issue(name))[:2]


def revoke(ca, leaf, reason):
    answer = ca.client.post(ca.base + "/acme/revoke-cert", {"certificate": b64(leaf.public_bytes(DER)), "reason": reason})
    assert answer.status == 200, answer.body


def wait_revoked(ca, der):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = post(ca, der)
        if answer.certificate_status == ocsp.OCSPCertStatus.REVOKED:
            return answer
        time.sleep(0.1)
    raise AssertionError("it is not answered as revoked")


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()], ids=["sha1", "sha256"])
def test_good_by_post_and_get(ca, algorithm):
    leaf, issuer = one(ca, f"good-{algorithm.name}.example")
    der = request(leaf, issuer, algorithm)
    answer = verify(post(ca, der), issuer)
    assert answer.certificate_status == ocsp.OCSPCertStatus.GOOD and answer.serial_number == leaf.serial_number
    slashes = request(leaf, issuer, algorithm, nonce=b"\xff" * 24)  # an ignored nonce, for the base64 form to have slashes
    for der in (der, slashes):
        status, headers, body = ask(ca, "GET", get_path(der))
        assert status == 200 and ocsp.load_der_ocsp_response(body).certificate_status == ocsp.OCSPCertStatus.GOOD
        status, _, plain = ask(ca, "GET", get_path(der, safe="/"))
        assert status == 200 and plain == body, "slashes as they are, from the cache"
    assert "%2F" in get_path(slashes) and ask(ca, "GET", "/crl%2Fx")[0] == 404


def test_revoked_and_stays_so(ca):
    leaf, issuer = one(ca, "revoked.example")
    der = request(leaf, issuer)
    assert post(ca, der).certificate_status == ocsp.OCSPCertStatus.GOOD
    revoke(ca, leaf, 4)
    answer = verify(wait_revoked(ca, der), issuer)
    assert answer.revocation_reason == x509.ReasonFlags.superseded
    assert answer.revocation_time <= answer.this_update
    for _ in range(3):
        assert post(ca, request(leaf, issuer, hashes.SHA256())).certificate_status == ocsp.OCSPCertStatus.REVOKED
        assert post(ca, der).certificate_status == ocsp.OCSPCertStatus.REVOKED


def test_never_issued_is_unknown(ca):
    leaf, issuer = one(ca, "unknown.example")
    for number in (5, leaf.serial_number + 1, leaf.serial_number ^ (1 << 70), 2 ** 158):
        answer = verify(post(ca, request_number(issuer, number)), issuer)
        assert answer.certificate_status == ocsp.OCSPCertStatus.UNKNOWN and answer.serial_number == number


def test_another_issuers_is_not_answered(ca):
    leaf, issuer = one(ca, "foreign.example")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    foreign = (x509.CertificateBuilder().subject_name(issuer.subject).issuer_name(issuer.subject).public_key(key.public_key())
               .serial_number(7).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    assert post(ca, request(leaf, foreign)).response_status == ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_bad_requests(ca):
    for body in (b"", b"nonsense", b"\x30\x80", bytes(8000)):
        assert post(ca, body).response_status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    for path in ("/ocsp/", "/ocsp/%00", "/ocsp/MAA=A", "/ocsp/////", "/ocsp/%3"):
        status, _, body = ask(ca, "GET", path)
        assert status == 400 or ocsp.load_der_ocsp_response(body).response_status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST, path
    assert ask(ca, "POST", "/ocsp", bytes(100000), Content_Type=REQUEST)[0] == 413
    assert ask(ca, "POST", "/ocsp", b"x", Content_Type="text/plain")[0] == 415
    assert ask(ca, "GET", "/ocsp")[0] == 400
    assert ask(ca, "GET", "/ocspx")[0] == 404
    assert ask(ca, "POST", "/ca/x", b"x")[0] == 405


def test_caching(ca):
    leaf, issuer = one(ca, "cached.example")
    path = get_path(request(leaf, issuer))
    status, headers, body = ask(ca, "GET", path)
    assert status == 200
    assert {"public", "no-transform", "must-revalidate"} < {p.strip() for p in headers["Cache-Control"].split(",")}
    assert headers["Last-Modified"] and headers["Expires"]
    assert ask(ca, "GET", path)[2] == body
    status, again, nothing = ask(ca, "GET", path, If_None_Match=headers["ETag"])
    assert status == 304 and nothing == b"" and again["ETag"] == headers["ETag"]
    status, head, nothing = ask(ca, "HEAD", path)
    assert status == 200 and nothing == b"" and head["Content-Length"] == str(len(body))


def test_nonce_is_ignored_by_default(ca):
    leaf, issuer = one(ca, "nonce.example")
    answer = verify(post(ca, request(leaf, issuer, nonce=b"0123456789abcdef")), issuer)
    assert not [e for e in answer.extensions if e.oid == x509.OCSPNonce.oid]


@pytest.fixture(scope="module")
def nonces():
    """A CA that repeats nonces."""
    port = free_port()
    edit = lambda text: re.sub(r"(?m)^(\s*)#?ocsp-nonce = .*$", r"\1ocsp-nonce = true", text, count=1)
    with running_ca("--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}", edit=edit) as running:
        running.publish = port
        running.client = Client(running)
        running.client.register()
        yield running


def test_a_nonce_is_repeated_where_it_is_wanted(nonces):
    leaf, issuer = one(nonces, "nonce.example")
    kept = post(nonces, request(leaf, issuer))
    for nonce in (b"0", b"0123456789abcdef", bytes(range(32))):
        status, headers, body = ask(nonces, "POST", "/ocsp", request(leaf, issuer, nonce=nonce), Content_Type=REQUEST)
        answer = verify(ocsp.load_der_ocsp_response(body), issuer)
        assert answer.certificate_status == ocsp.OCSPCertStatus.GOOD
        assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
        assert status == 200 and headers["Cache-Control"] == "no-store"
    for nonce in (None, bytes(33), bytes(128)):  # RFC 9654 §2.1: a long one is left out; then it is the answer that is kept
        answer = post(nonces, request(leaf, issuer, nonce=nonce))
        assert answer.public_bytes(DER) == kept.public_bytes(DER)
    assert post(nonces, request(leaf, issuer, nonce=bytes(129))).response_status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_after_a_restart_it_says_the_same_by_another_key(nonces):
    good, issuer = one(nonces, "stays-good.example")
    bad, _ = one(nonces, "stays-revoked.example")
    revoke(nonces, bad, 5)
    before = wait_revoked(nonces, request(bad, issuer))
    nonces.stop()
    nonces.start()
    after = verify(post(nonces, request(bad, issuer)), issuer)
    assert after.certificate_status == ocsp.OCSPCertStatus.REVOKED
    assert (after.revocation_time, after.revocation_reason) == (before.revocation_time, before.revocation_reason)
    assert verify(post(nonces, request(good, issuer)), issuer).certificate_status == ocsp.OCSPCertStatus.GOOD
    assert after.certificates[0].serial_number != before.certificates[0].serial_number  # its key was in memory alone


def test_foreign_verifiers(ca, tmp_path):
    leaf, issuer = one(ca, "verifiers.example")
    other, _ = one(ca, "verifiers2.example")
    for name, certificate in (("leaf", leaf), ("other", other), ("issuer", issuer)):
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(PEM))
    (tmp_path / "root.pem").write_bytes(ca.root.read_bytes())
    url = f"http://localhost:{ca.publish}/ocsp"

    def says(*command):
        return subprocess.run(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60).stdout

    def openssl():
        return says("openssl", "ocsp", "-issuer", "issuer.pem", "-cert", "leaf.pem", "-sha256", "-cert", "other.pem", "-url", url,
                    "-no_nonce", "-CAfile", "root.pem", "-verify_other", "issuer.pem")

    def gnutls():
        return says("ocsptool", "--ask=" + url, "--no-nonce", "--load-cert=leaf.pem", "--load-issuer=issuer.pem", "--load-trust=root.pem")

    said = openssl()
    assert "Response verify OK" in said and "leaf.pem: good" in said and "other.pem: good" in said, said
    said = gnutls()
    assert "Success" in said and "Certificate Status: good" in said, said
    revoke(ca, leaf, 1)
    wait_revoked(ca, request(leaf, issuer))
    said = openssl()
    assert "Response verify OK" in said and "leaf.pem: revoked" in said and "other.pem: good" in said, said
    said = gnutls()
    assert "Certificate Status: revoked" in said, said


def test_the_responders_certificate_is_in_the_log(ca):
    leaf, issuer = one(ca, "logged.example")
    (responder,) = post(ca, request(leaf, issuer)).certificates
    values = [log_reader.meaning(r) for r in log_reader.read(ca.folder / "state" / "signer" / "log") if r.type in (log_reader.OCSP_INTENT, log_reader.RESULT)]
    (intent,) = [v for v in values if isinstance(v, log_reader.Intent) and int.from_bytes(v.serial, "big") == responder.serial_number]
    (result,) = [v for v in values if isinstance(v, log_reader.Result) and v.serial == intent.serial]
    assert result.certificate == responder.public_bytes(DER)
    assert post(ca, request(responder, issuer)).certificate_status == ocsp.OCSPCertStatus.GOOD
