"""Keys that may not be used (policy.blocked-keys): read by front and signer, each from the file that the parent has opened, again at each reload."""
import hashlib
import signal
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from acme_raw import Client
from harness import running_ca


def digest(key):
    """The line that blocks it: SHA-256 of the SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def with_list(text):
    return text.replace("policy {\n", 'policy {\n\tblocked-keys = {"blocked"}\n', 1)


@pytest.fixture(scope="module")
def ca():
    with running_ca() as one:
        (one.folder / "blocked").write_text("# nothing yet\n")
        one.config.write_text(with_list(one.config.read_text()))
        reload(one)
        yield one


def reload(ca, word="child.reloaded", times=3):
    """SIGHUP, and the events that tell that it is done: by each of the three processes, or by the parent that it was refused."""
    want = ca.log_text().count(word) + times
    ca.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while ca.log_text().count(word) < want:
        assert time.monotonic() < end, ca.log_text()[-3000:]
        time.sleep(0.02)


def block(ca, *lines):
    (ca.folder / "blocked").write_text("\n".join(lines) + "\n")
    reload(ca)


def finalize(client, key, name):
    order = client.order(name)
    assert order.status == 201, order.body
    for authz in order.json["authorizations"]:
        client.solve(authz)
    return client.finalize(order.json, client.csr(name, key=key))


def test_a_certificate_s_key_is_refused(ca):
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    client = Client(ca)
    assert client.register().status == 201
    block(ca, "# two", digest(key), "", "0" * 20)
    answer = finalize(client, key, "blocked1.example.test")
    assert answer.status == 400 and answer.type == "badCSR" and "blocked" in answer.json["detail"], answer.body
    assert finalize(client, other, "blocked2.example.test").status == 200
    block(ca)
    assert finalize(client, key, "blocked3.example.test").status == 200


def test_an_account_s_key_gets_nothing(ca):
    """The account was made before its key became known."""
    client = Client(ca)
    assert client.register().status == 201
    order = client.order("blocked4.example.test")
    for authz in order.json["authorizations"]:
        client.solve(authz)
    block(ca, digest(client.key.private))
    answer = client.finalize(order.json, client.csr("blocked4.example.test"))
    assert answer.status in (400, 401, 403) and answer.type in ("badPublicKey", "unauthorized"), answer.body
    block(ca)


def test_a_bad_list_is_told_with_its_line_and_changes_nothing(ca):
    key = ec.generate_private_key(ec.SECP256R1())
    client = Client(ca)
    assert client.register().status == 201
    block(ca, digest(key))
    (ca.folder / "blocked").write_text(f"{digest(key)}\n\nxyz\n")
    result = ca.run("check-config", "--config", ca.config, check=False)
    assert result.returncode == 2 and "blocked:3: " in result.stderr, result.stderr
    reload(ca, "reload.refused", 1)
    assert finalize(client, key, "blocked5.example.test").type == "badCSR"
    (ca.folder / "blocked").unlink()
    result = ca.run("check-config", "--config", ca.config, check=False)
    assert result.returncode == 2 and "blocked: No such file" in result.stderr, result.stderr
    reload(ca, "reload.refused", 1)
    assert finalize(client, key, "blocked6.example.test").type == "badCSR"
    block(ca)
