"""Certificates as they are downloaded: the usual chain, chains to other roots, and what a client's Accept says."""
import datetime
import json
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from acme_raw import Client, certificates
from harness import running_ca

PEM = serialization.Encoding.PEM


def ca_certificate(subject, key, issuer, issuer_key, key_id=None):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=300))
               .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
               .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
               .add_extension(key_id or x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False))
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Another CA's root that has signed our issuer too, a chain that is nobody's, and a CA that is told of both."""
    folder = tmp_path_factory.mktemp("chains")
    folder.chmod(0o755)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other Root")])
    root = ca_certificate(name, key.public_key(), name, key)
    (folder / "other-root.pem").write_bytes(root.public_bytes(PEM))
    (folder / "useless.pem").write_bytes(root.public_bytes(PEM))

    def edit(text):
        state = text.split('state-folder = "')[1].split('"')[0]
        issuer = x509.load_pem_x509_certificate(open(f"{state}/signer/issuers/main/issuer.pem", "rb").read())
        key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        cross = ca_certificate(issuer.subject, issuer.public_key(), name, key, key_id)
        (folder / "cross.pem").write_bytes(cross.public_bytes(PEM))
        return text.replace("#alternate-chains = {}", f'alternate-chains = {{"{folder}/useless.pem", "{folder}/cross.pem"}}')

    with running_ca(edit=edit) as ca:
        ca.folder_of_chains = folder
        client = Client(ca)
        client.register()
        order = issue(client, "a.example")
        yield ca, client, order["certificate"]


def issue(client, name):
    answer = client.order(name)
    order = answer.json
    for authz in order["authorizations"]:
        client.solve(authz)
    return client.finalize(order, client.csr(name)).json


def links(answer, rel):
    return [value.split(">")[0][1:] for value in answer.headers.get_all("Link") if value.endswith(f'rel="{rel}"')]


def test_each_chain_names_the_others(world):
    ca, client, url = world
    usual = client.post(url)
    assert links(usual, "alternate") == [url + "/1"]
    other = client.post(url + "/1")
    assert other.headers["Content-Type"] == "application/pem-certificate-chain"
    assert links(other, "alternate") == [url]
    assert links(other, "index") == [ca.directory]
    first, second = certificates(usual.body), certificates(other.body)
    assert first[0] == second[0] and len(second) == 2
    assert second[1].subject == first[1].subject and second[1].issuer != first[1].issuer


def test_both_chains_verify_to_their_roots(world, tmp_path):
    ca, client, url = world
    for suffix, root in (("", ca.root), ("/1", ca.folder_of_chains / "other-root.pem")):
        leaf, *above = certificates(client.post(url + suffix).body)
        (tmp_path / "leaf").write_bytes(leaf.public_bytes(PEM))
        (tmp_path / "above").write_bytes(b"".join(c.public_bytes(PEM) for c in above))
        result = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-untrusted", tmp_path / "above",
                                 tmp_path / "leaf"], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_no_other_chains(world):
    _, client, url = world
    for suffix in ("/0", "/2", "/01", "/x", "/1/1"):
        answer = client.post(url + suffix)
        assert (answer.status, answer.type) == (404, "malformed"), suffix


def test_a_chain_of_another_issuer_is_told_once(world):
    ca, _, _ = world
    assert ca.log_text().count("chain.useless") == 1


def test_accept(world):
    _, client, url = world
    for accept, status in (("application/pem-certificate-chain", 200), ("*/*", 200), ("text/html, application/*;q=0.5", 200),
                           ("application/pkix-cert", 406), ("*/*, application/pem-certificate-chain;q=0", 406)):
        answer = client.request("POST", url, json.dumps(client.jws(url, None)),
                                {"Content-Type": "application/jose+json", "Accept": accept})
        assert answer.status == status, (accept, answer.body)
        if status == 406:
            assert answer.type == "malformed" and answer.headers["Replay-Nonce"]
