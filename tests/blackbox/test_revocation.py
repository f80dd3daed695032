"""Revocation (RFC 8555 section 7.6): who may, with which reason, and what relying parties are told."""
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from acme_raw import Client, Key, b64, certificates
from harness import free_port, running_ca

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


@pytest.fixture(scope="module")
def ca():
    port = free_port()
    with running_ca("--publish-url", f"http://127.0.0.1:{port}", "--publish-listen", f"127.0.0.1:{port}") as ca:
        ca.publish = f"http://127.0.0.1:{port}"
        yield ca


@pytest.fixture
def client(ca):
    client = Client(ca)
    client.register()
    return client


def revoke(client, certificate, reason=None, **how):
    payload = {"certificate": b64(certificate.public_bytes(DER))}
    if reason is not None:
        payload["reason"] = reason
    url = client.request("GET", client.ca.directory).json["revokeCert"]
    return client.post(url, payload, **how)


def by_key(key):
    """post() arguments for a request that the certificate's own key signs."""
    signer = Key("ES256")
    signer.private = key
    return {"key": signer, "jwk": True}


def fetch(ca, certificate):
    url = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
    assert url.startswith(ca.publish + "/crl/")
    for _ in range(100):
        try:
            opened = urllib.request.urlopen(url, timeout=10)
            break
        except urllib.error.HTTPError as e:  # just started: the list is on its way
            assert e.code == 503, e
            time.sleep(0.05)
    with opened as answer:
        return answer.read()


def listed(ca, certificate):
    """Its entry on the list that it names, once it is there."""
    for _ in range(200):
        entry = x509.load_der_x509_crl(fetch(ca, certificate)).get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None:
            return entry
        time.sleep(0.05)
    raise AssertionError("it never came onto the list")


def reason_of(entry):
    found = [e.value.reason for e in entry.extensions if isinstance(e.value, x509.CRLReason)]
    return found[0].name if found else None


def refused(answer, status, kind, word):
    assert (answer.status, answer.type) == (status, kind), answer.body
    assert word in answer.json["detail"], answer.json


def leaf(client, *names):
    return certificates(client.issue(*names))[0]


@pytest.mark.parametrize("reason,told", [(None, None), (0, None), (1, "key_compromise"), (3, "affiliation_changed"), (4, "superseded"),
                                         (5, "cessation_of_operation")])
def test_by_the_account(ca, client, reason, told):
    certificate = leaf(client, "account.example")
    answer = revoke(client, certificate, reason)
    assert answer.status == 200 and not answer.body, answer.body
    assert answer.headers["Replay-Nonce"]
    assert reason_of(listed(ca, certificate)) == told


def test_by_the_certificates_key(ca, client):
    certificate = leaf(client, "key.example")
    stranger = Client(ca)
    refused(revoke(stranger, certificate, 1, **by_key(ec.generate_private_key(ec.SECP256R1()))), 403, "unauthorized", "not the certificate's")
    assert revoke(stranger, certificate, 1, **by_key(client.certificate_key)).status == 200
    assert reason_of(listed(ca, certificate)) == "key_compromise"


def test_a_compromised_key_gets_nothing_more(client):
    certificate = leaf(client, "once.example")
    key = client.certificate_key
    assert revoke(client, certificate, 1, **by_key(key)).status == 200
    order = client.order("once.example").json
    for authz in order["authorizations"]:
        client.solve(authz)
    answer = client.finalize(order, client.csr("once.example", key=key))
    assert answer.type == "badCSR", answer.body


def test_by_an_account_that_controls_all_names(ca, client):
    certificate = leaf(client, "sold.example", "kept.example")
    other = Client(ca)
    other.register()
    refused(revoke(other, certificate), 403, "unauthorized", "not this account's")
    leaf(other, "sold.example")
    assert revoke(other, certificate).status != 200  # one of two names
    leaf(other, "kept.example")
    assert revoke(other, certificate).status == 200
    listed(ca, certificate)


def test_once_is_enough(client):
    certificate = leaf(client, "twice.example")
    assert revoke(client, certificate, 4).status == 200
    refused(revoke(client, certificate, 4), 400, "alreadyRevoked", "")
    refused(revoke(client, certificate), 400, "alreadyRevoked", "")


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 9, 10, 11, 4294967297])
def test_reasons_that_are_not_the_clients(client, reason):
    certificate = leaf(client, "reason.example")
    refused(revoke(client, certificate, reason), 400, "badRevocationReason", "4")
    assert revoke(client, certificate, 4).status == 200


def test_what_is_not_ours(ca, client):
    other_ca = x509.load_pem_x509_certificate(ca.root.read_bytes())
    refused(revoke(client, other_ca), 404, "malformed", "not issued")
    url = client.request("GET", ca.directory).json["revokeCert"]
    for payload in ({"certificate": "AAAA"}, {"certificate": "!"}, {}, {"certificate": 1}, {"certificate": "", "reason": "4"}):
        answer = client.post(url, payload)
        assert (answer.status, answer.type) == (400, "malformed"), (payload, answer.body)


def test_openssl_sees_it(ca, client, tmp_path):
    chain = certificates(client.issue("seen.example"))
    revoked, good = chain[0], leaf(client, "good.example")
    assert revoke(client, revoked, 4).status == 200
    listed(ca, revoked)
    (tmp_path / "issuer.pem").write_bytes(chain[1].public_bytes(PEM))
    for certificate, word in ((revoked, "certificate revoked"), (good, "OK")):
        (tmp_path / "list.der").write_bytes(fetch(ca, certificate))
        verified = subprocess.run(["openssl", "crl", "-inform", "DER", "-in", tmp_path / "list.der", "-CAfile", tmp_path / "issuer.pem", "-out",
                                   tmp_path / "list.pem"], capture_output=True, text=True)
        assert "verify OK" in verified.stderr
        (tmp_path / "leaf.pem").write_bytes(certificate.public_bytes(PEM))
        result = subprocess.run(["openssl", "verify", "-crl_check", "-CRLfile", tmp_path / "list.pem", "-CAfile", ca.root, "-untrusted",
                                 tmp_path / "issuer.pem", tmp_path / "leaf.pem"], capture_output=True, text=True)
        assert word in result.stdout + result.stderr, result.stdout + result.stderr


def test_ari_says_at_once(client):
    certificate = leaf(client, "ari.example")
    assert revoke(client, certificate).status == 200
    from test_ari import ask, certificate_id, window
    import datetime
    assert window(ask(client, certificate_id(certificate)))[1] < datetime.datetime.utcnow()


def test_it_is_known_after_a_restart(ca, client):
    certificate = leaf(client, "restart.example")
    assert revoke(client, certificate, 5).status == 200
    listed(ca, certificate)
    before = x509.load_der_x509_crl(fetch(ca, certificate))
    ca.stop()
    ca.start()
    again = Client(ca, client.key)
    again.kid = client.kid
    refused(revoke(again, certificate), 400, "alreadyRevoked", "")
    after = x509.load_der_x509_crl(fetch(ca, certificate))
    assert after.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    number = lambda crl: crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number  # noqa: E731
    assert number(after) >= number(before)
