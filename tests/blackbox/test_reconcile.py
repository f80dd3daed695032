"""The signer's log against the front's database: what differs is found, both ways, and the database is made again from the log."""
import json
import os
import pathlib
import re
import sqlite3

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from acme_raw import Client, Key, b64, certificates
from dns_responder import Responder
from harness import Ca, Web, running_ca

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs/schema"
SERIAL = "0102030405060708090a0b0c0d0e0f10"


def reconcile(ca, *words):
    """The report, and whether the program is content with it."""
    result = ca.run("reconcile", "--json", "--config", ca.config, *words, check=False)
    assert result.returncode in (0, 2) and result.stdout, result.stdout + result.stderr
    report = json.loads(result.stdout)
    jsonschema.validate(report, json.loads((SCHEMAS / "reconcile.json").read_text()))
    assert report["agree"] == (result.returncode == 0) == (report["left"] == 0)
    return report


def found(report):
    return {d["what"]: d["found"] for d in report["differences"]}


def revoke(client, pem, reason=4):
    url = client.request("GET", client.ca.directory).json["revokeCert"]
    leaf = certificates(pem)[0]
    answer = client.post(url, {"certificate": b64(leaf.public_bytes(serialization.Encoding.DER)), "reason": reason})
    assert answer.status == 200, answer.body
    return leaf


def change_key(client):
    url = client.request("GET", client.ca.directory).json["keyChange"]
    fresh = Key()
    protected = b64(json.dumps({"alg": fresh.alg, "url": url, "jwk": fresh.jwk()}).encode())
    payload = b64(json.dumps({"account": client.kid, "oldKey": client.key.jwk()}).encode())
    inner = {"protected": protected, "payload": payload, "signature": b64(fresh.sign(f"{protected}.{payload}".encode()))}
    answer = client.post(url, inner)
    assert answer.status == 200, answer.body
    client.key = fresh


def certid(leaf):
    """RFC 9773 section 4.1."""
    key_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return b64(key_id) + "." + b64(leaf.serial_number.to_bytes(16, "big"))


class World:
    """A CA with a bit of everything in its log."""

    def __init__(self, ca):
        self.ca = ca
        self.eab = json.loads(ca.run("eab", "add", "--json", "--config", ca.config).stdout)
        self.plain, self.rolled, self.gone = Client(ca), Client(ca), Client(ca)
        for client in (self.plain, self.rolled, self.gone):
            assert client.register(contact=["mailto:somebody@example.org"]).status == 201
        self.first = self.plain.issue("one.example")
        self.second = self.plain.issue("two.example", "three.example")
        self.revoked = revoke(self.plain, self.second)
        self.replaced = certificates(self.first)[0]
        self.renewed = self.renew("one.example", self.replaced)
        self.rolled.issue("rolled.example")
        self.former = self.rolled.key
        change_key(self.rolled)
        change_key(self.rolled)
        self.last = self.rolled.issue("again.example")
        self.gone.issue("gone.example")
        assert self.gone.post(self.gone.kid, {"status": "deactivated"}).status == 200

    def renew(self, name, old):
        answer = self.plain.order(name, replaces=certid(old))
        assert answer.status == 201, answer.body
        for authz in answer.json["authorizations"]:
            assert self.plain.solve(authz)["status"] == "valid"
        final = self.plain.finalize(answer.json, self.plain.csr(name))
        assert final.json["status"] == "valid", final.body
        self.order = answer.headers["Location"]
        return self.plain.post(final.json["certificate"]).body.decode()

    @property
    def database(self):
        return self.ca.folder / "state/front/store.db"


def sql(world, *statements):
    """Something happens to the database behind the server's back."""
    with sqlite3.connect(world.database) as db:
        for statement, *values in statements:
            assert db.execute(statement, values).rowcount > 0, statement
    db.close()
    give(world.database.parent)


def give(folder):
    """To the folder's owner, what root has written there."""
    s = folder.stat()
    for path in folder.iterdir():
        os.chown(path, s.st_uid, s.st_gid)


@pytest.fixture(scope="module")
def world():
    with running_ca(edit=lambda text: text.replace('#external-accounts = "off"', 'external-accounts = "optional"')) as ca:
        w = World(ca)
        yield w
        if ca.process.poll() is not None:
            ca.start()


@pytest.fixture
def stopped(world):
    """The world with its server stopped, and its database as it was when the test is over."""
    world.ca.stop()
    kept = world.database.read_bytes()
    assert not world.database.with_name("store.db-wal").exists()
    yield world
    world.ca.stop()
    for path in world.database.parent.glob("store.db*"):
        path.unlink()
    world.database.write_bytes(kept)
    give(world.database.parent)
    world.ca.start()


def test_beside_the_running_server(world):
    report = reconcile(world.ca)
    assert report["agree"] and report["running"] and report["found"] == 0
    assert report["log"]["certificates"] == 6 and report["log"]["revoked"] == 1 and report["log"]["accounts"] == 3
    assert report["database"]["certificates"] == 6
    refused = world.ca.run("reconcile", "--repair", "--config", world.ca.config, check=False)
    assert refused.returncode == 2 and "stop the server first" in refused.stderr
    text = world.ca.run("reconcile", "--config", world.ca.config).stdout
    assert "Log and database agree." in text and "The server runs" in text


def second_issuer(ca):
    """An RSA issuer beside the first: RSA keys are certified by it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Second Issuing CA")])
    root_key = serialization.load_pem_private_key((ca.folder / "state/root/root.key").read_bytes(), None)
    root = x509.load_pem_x509_certificate(ca.root.read_bytes())
    main = ca.folder / "state/signer/issuers/main"
    first = certificates((main / "issuer.pem").read_text())[0]
    key = rsa.generate_private_key(65537, 3072)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(root.subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(first.not_valid_before).not_valid_after(first.not_valid_after)
                   .add_extension(x509.BasicConstraints(True, 0), True)
                   .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                       root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value), False)
                   .sign(root_key, hashes.SHA256()))
    (ca.folder / "second.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (ca.folder / "second.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (ca.folder / "second.key").chmod(0o600)
    ca.run("issuer", "add", "second", "--config", ca.config, "--certificate", ca.folder / "second.pem", "--root", main / "root.pem",
           "--key", ca.folder / "second.key")
    return certificate


def test_each_certificate_gets_its_own_issuers_chain_back():
    web, dns = Web(), Responder()
    ca = Ca(http_port=web.port, dns_port=dns.port)
    ca.web = web
    try:
        issuer = second_issuer(ca)
        ca.start()
        client = Client(ca)
        client.register()
        given = [client.issue("ecdsa.example")]
        order = client.order("rsa.example")
        for authz in order.json["authorizations"]:
            assert client.solve(authz)["status"] == "valid"
        final = client.finalize(order.json, client.csr("rsa.example", key=rsa.generate_private_key(65537, 2048)))
        given.append(client.post(final.json["certificate"]).body.decode())
        assert certificates(given[1])[1] == issuer and certificates(given[0])[1] != issuer
        assert reconcile(ca)["agree"]
        ca.stop()
        for path in (ca.folder / "state/front").glob("store.db*"):
            path.unlink()
        assert reconcile(ca, "--repair")["agree"]
        ca.start()
        orders = client.post(client.kid + "/orders").json["orders"]
        assert sorted(client.post(client.post(url).json["certificate"]).body.decode() for url in orders) == sorted(given)
        ca.stop()
    finally:
        ca.close()
        web.close()
        dns.close()


SERIAL_OF = "(SELECT serial FROM certificates ORDER BY serial LIMIT 1)"
CASES = {
    "certificate lost": ([("DELETE FROM certificates WHERE serial = " + SERIAL_OF,)], {"certificate-missing": 1}),
    "other bytes": ([("UPDATE certificates SET der = zeroblob(500) WHERE serial = " + SERIAL_OF,)], {"certificate-differs": 1}),
    "another's": ([("UPDATE certificates SET account = zeroblob(32) WHERE serial = " + SERIAL_OF,)], {"certificate-differs": 1}),
    "no chain": ([("UPDATE certificates SET chain = x'' WHERE serial = " + SERIAL_OF,)], {"chain-differs": 1}),
    "revocation lost": ([("UPDATE certificates SET revoked_s = NULL, reason = NULL WHERE revoked_s IS NOT NULL",)], {"revocation-missing": 1}),
    "another reason": ([("UPDATE certificates SET reason = 1 WHERE revoked_s IS NOT NULL",)], {"revocation-differs": 1}),
    "another time": ([("UPDATE certificates SET revoked_s = revoked_s + 1 WHERE revoked_s IS NOT NULL",)], {"revocation-differs": 1}),
    "replacement lost": ([("UPDATE certificates SET replaced_by = NULL WHERE replaced_by IS NOT NULL",)], {"replacement-differs": 1}),
    "order lost": ([("DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)",)], {"order-missing": 1}),
    "order not ended": ([("UPDATE orders SET state = 2, serial = NULL WHERE id = (SELECT max(id) FROM orders)",)], {"order-differs": 1}),
    "order of others": ([("UPDATE orders SET new_order = x'7b7d' WHERE id = (SELECT max(id) FROM orders)",)], {"order-differs": 1}),
    "accounts lost": ([("DELETE FROM accounts",), ("DELETE FROM account_keys",)], {"account-missing": 3}),
    "deactivation lost": ([("UPDATE accounts SET state = 0 WHERE state = 1",)], {"account-ended": 1}),
    "old key": ([("UPDATE accounts SET jwk = x'7b7d' WHERE id = (SELECT account FROM account_keys LIMIT 1)",)], {"account-key": 1}),
    "history lost": ([("DELETE FROM account_keys WHERE state = 1",)], {"key-history": 2}),
    "everything": ([("DELETE FROM " + table,) for table in ("accounts", "account_keys", "orders", "authzs", "certificates")],
                   {"certificate-missing": 6, "order-missing": 6, "account-missing": 3}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_lost_comes_back(stopped, case):
    statements, expected = CASES[case]
    sql(stopped, *statements)
    report = reconcile(stopped.ca)
    assert found(report) == expected and not report["agree"] and not report["running"] and report["alarms"] == 0
    assert {d["what"] for d in report["listed"]} == set(expected)
    report = reconcile(stopped.ca, "--repair")
    assert found(report) == expected and report["left"] == 0
    again = reconcile(stopped.ca, "--repair")
    assert again["found"] == 0
    stopped.ca.start()
    check_service(stopped)


def check_service(world):
    """What clients see is what they saw before."""
    plain = world.plain
    assert plain.post(plain.kid).json["status"] == "valid"
    order = plain.post(world.order).json
    assert order["status"] == "valid" and order["identifiers"] == [{"type": "dns", "value": "one.example"}]
    assert order["replaces"] == certid(world.replaced)
    assert plain.post(order["certificate"]).body.decode() == world.renewed
    authz = plain.post(order["authorizations"][0]).json
    assert authz["identifier"]["value"] == "one.example" and authz["challenges"][0]["type"] == "http-01"
    again = plain.order("one.example", replaces=certid(world.replaced))
    assert (again.status, again.type) == (409, "alreadyReplaced")
    url = plain.request("GET", plain.ca.directory).json["revokeCert"]
    answer = plain.post(url, {"certificate": b64(world.revoked.public_bytes(serialization.Encoding.DER))})
    assert answer.type == "alreadyRevoked"
    assert world.rolled.post(world.rolled.kid).status == 200
    assert world.rolled.post(world.rolled.kid, key=world.former).type in ("unauthorized", "malformed")
    taken = Client(world.ca, world.former).register()
    assert taken.status != 201 and taken.headers.get("Location") != world.rolled.kid
    assert world.gone.post(world.gone.kid).type == "unauthorized"
    assert Client(world.ca, world.gone.key).register().type == "unauthorized"
    assert reconcile(world.ca)["agree"]


def test_from_nothing_but_the_log(stopped):
    """No database at all: its making anew is reported, and everything that clients were given is there again."""
    for path in stopped.database.parent.glob("store.db*"):
        path.unlink()
    missing = stopped.ca.run("reconcile", "--config", stopped.ca.config, check=False)
    assert missing.returncode == 2 and "there is no such file" in missing.stderr and "--repair" in missing.stderr
    report = reconcile(stopped.ca, "--repair")
    assert report["made"] and report["left"] == 0 and report["database"] == {"certificates": 6, "orders": 6, "accounts": 3}
    owner = stopped.database.parent.stat()
    for path in stopped.database.parent.glob("store.db*"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (owner.st_uid, 0), path
    text = stopped.ca.run("reconcile", "--config", stopped.ca.config).stdout
    assert "Log and database agree." in text
    stopped.ca.start()
    check_service(stopped)
    account = stopped.plain.post(stopped.plain.kid).json
    assert "contact" not in account, "the log does not know contacts"
    assert "BEGIN CERTIFICATE" in stopped.plain.issue("after.example")
    assert reconcile(stopped.ca)["agree"]


ALARMS = {
    "certificate that was never signed": (
        [("INSERT INTO certificates SELECT x'" + SERIAL + "', order_id, account, not_before_s, not_after_s, der, chain, replaced_by, revoked_s, reason"
          " FROM certificates LIMIT 1",)], "certificate-unknown"),
    "order of such a one": ([("UPDATE orders SET serial = x'" + SERIAL + "' WHERE id = (SELECT max(id) FROM orders)",)], "order-unknown"),
    "revoked by nobody": ([("UPDATE certificates SET revoked_s = 1, reason = 0 WHERE serial = " + SERIAL_OF,)], "revocation-unknown"),
    "deactivated by nobody": ([("UPDATE accounts SET state = 1 WHERE state = 0",)], "account-unlogged"),
    "bound by nobody": ([("UPDATE accounts SET eab_kid = x'6b6964' WHERE state = 1",)], "account-unlogged"),
}


@pytest.mark.parametrize("case", ALARMS)
def test_what_the_signer_never_did_is_an_alarm(stopped, case):
    statements, expected = ALARMS[case]
    before = {path.name: path.read_bytes() for path in stopped.database.parent.glob("tls.pem")}
    sql(stopped, *statements)
    report = reconcile(stopped.ca)
    assert expected in found(report) and report["alarms"] >= 1
    result = stopped.ca.run("reconcile", "--config", stopped.ca.config, check=False)
    assert result.returncode == 2 and re.search(f"^! {expected} ", result.stdout, re.M)
    assert before == {path.name: path.read_bytes() for path in stopped.database.parent.glob("tls.pem")}


def test_an_unknown_certificate_is_never_removed(stopped):
    """It is the evidence of what happened."""
    sql(stopped, *ALARMS["certificate that was never signed"][0])
    report = reconcile(stopped.ca, "--repair")
    assert not report["agree"] and report["alarms"] == 1
    with sqlite3.connect(stopped.database) as db:
        assert db.execute("SELECT count(*) FROM certificates WHERE serial = x'" + SERIAL + "'").fetchone() == (1,)
    db.close()


def test_a_changed_byte_of_the_log_is_named(stopped):
    (segment,) = (stopped.ca.folder / "state/signer/log").glob("*.seg")
    kept = segment.read_bytes()
    data = bytearray(kept)
    data[2000] ^= 1
    segment.write_bytes(data)
    try:
        for words in ((), ("--repair",)):
            result = stopped.ca.run("reconcile", "--config", stopped.ca.config, *words, check=False)
            assert result.returncode == 2 and "segment 1" in result.stderr, result.stderr
    finally:
        segment.write_bytes(kept)


def test_a_link_in_the_fronts_folder_leads_nowhere(stopped, tmp_path):
    """Whoever has taken the front over cannot have root write where the link points to."""
    if os.geteuid() != 0:
        pytest.skip("only root has more rights than the front")
    target = tmp_path / "target.db"
    for path in stopped.database.parent.glob("store.db*"):
        path.unlink()
    os.symlink(target, stopped.database)
    tmp_path.chmod(0o755)
    result = stopped.ca.run("reconcile", "--repair", "--config", stopped.ca.config, check=False)
    assert result.returncode == 2 and not target.exists(), result.stdout
