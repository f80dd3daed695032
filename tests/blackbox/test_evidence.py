"""What the log has of a certificate, told and verified; and a log that somebody has touched."""
import base64
import json
import os
import random
import re
import struct
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import log_reader
import schemas
from acme_raw import Client, Key, b64, certificates
from harness import free_port, running_ca
from log_writer import rewrite

CHECKS = {"log", "intent", "issuer", "finalize", "order", "new-order", "csr", "names", "receipts", "mac", "lint"}


def serial_of(pem):
    return f"{certificates(pem)[0].serial_number:032x}"


def change_key(client):
    fresh, url = Key(), client.ca.base + "/acme/key-change"
    protected = b64(json.dumps({"alg": fresh.alg, "url": url, "jwk": fresh.jwk()}).encode())
    payload = b64(json.dumps({"account": client.kid, "oldKey": client.key.jwk()}).encode())
    inner = {"protected": protected, "payload": payload, "signature": b64(fresh.sign(f"{protected}.{payload}".encode()))}
    assert client.post(url, inner).status == 200
    client.key = fresh


class World:
    def __init__(self, ca):
        self.ca = ca
        self.client = Client(ca)
        self.client.register()
        self.plain = self.client.issue("one.example", "two.example")
        self.revoked = self.client.issue("gone.example")
        leaf = certificates(self.revoked)[0].public_bytes(serialization.Encoding.DER)
        assert self.client.post(ca.base + "/acme/revoke-cert", {"certificate": b64(leaf), "reason": 4}).status == 200
        order = self.client.order("rolled.example").json
        for authz in order["authorizations"]:
            assert self.client.solve(authz)["status"] == "valid"
        change_key(self.client)
        final = self.client.finalize(order, self.client.csr("rolled.example"))
        assert final.json["status"] == "valid", final.body
        self.rolled = self.client.post(final.json["certificate"]).body.decode()
        self.eab = json.loads(ca.run("eab", "add", "--json", "--config", ca.config).stdout)["kid"]

    @property
    def log(self):
        return self.ca.folder / "state/signer/log"

    def command(self, *words, check=True):
        return self.ca.run(*words, "--config", self.ca.config, check=check)

    def show(self, what, check=True):
        result = self.command("show", what, "--json", check=check)
        assert result.returncode in (0, 2) and result.stdout, result.stderr
        return schemas.check("show", result.stdout)


@pytest.fixture(scope="module")
def world():
    port = free_port()
    with running_ca("--publish-url", f"http://127.0.0.1:{port}", "--publish-listen", f"127.0.0.1:{port}") as ca:
        ca.publish = f"http://127.0.0.1:{port}"
        yield World(ca)
        if ca.process.poll() is not None:
            ca.start()


@pytest.fixture
def stopped(world):
    """The world with its server stopped; the signer's files afterwards as they were."""
    world.ca.stop()
    signer = world.log.parent
    owner = signer.stat()
    kept = {path: path.read_bytes() for path in signer.rglob("*") if path.is_file()}
    yield world
    for path in world.log.iterdir():
        path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)
        os.chown(path, owner.st_uid, owner.st_gid)
    world.ca.start()


def payload_of(request):
    return json.loads(base64.urlsafe_b64decode(json.loads(request)["payload"] + "=="))


def outcomes(shown):
    return {c["what"]: c["outcome"] for c in shown["checks"]}


def test_a_certificate_and_all_that_it_rests_on(world):
    shown = world.show(serial_of(world.plain))
    assert outcomes(shown) == dict.fromkeys(CHECKS, "holds")
    assert x509.load_pem_x509_certificate(shown["certificate"].encode()) == certificates(world.plain)[0]
    assert shown["names"] == ["one.example", "two.example"] and not shown["own"] and "revoked" not in shown
    assert shown["accountUrl"] == world.client.kid and world.client.kid.endswith(shown["account"])
    assert payload_of(shown["newOrder"])["identifiers"] == [{"type": "dns", "value": n} for n in ("one.example", "two.example")]
    assert x509.load_der_x509_csr(base64.urlsafe_b64decode(payload_of(shown["finalize"])["csr"] + "==")).is_signature_valid
    assert sorted((r["kind"], r["name"]) for r in shown["receipts"]) == [
        (kind, name) for kind in ("caa", "control") for name in ("one.example", "two.example")]
    assert all((r["method"], r["dnssec"], r["perspective"]) == ("http-01", "off", "local") for r in shown["receipts"])
    assert shown["issuer"] == "main" and shown["profile"] == "tls-server"


def test_by_file_and_in_other_spellings(world, tmp_path):
    serial = serial_of(world.plain)
    file = tmp_path / "cert.pem"
    file.write_text(world.plain)
    for spelling in (file, ":".join(re.findall("..", serial.upper())), "0x" + serial):
        assert world.show(spelling)["serial"] == serial


def test_for_people(world):
    text = world.command("show", serial_of(world.revoked), "--evidence").stdout
    assert "gone.example" in text and re.search(r"revoked +20..-..-.. ..:..:..Z, superseded, by its account", text)
    assert re.search(r"control +gone.example by http-01 at", text) and "answer's SHA-256" in text
    assert text.count("\n  holds") == len(CHECKS) and "fails" not in text


def test_a_revoked_one(world):
    revoked = world.show(serial_of(world.revoked))["revoked"]
    assert revoked["reason"] == "superseded" and revoked["by"] == "its account"


def test_an_order_of_the_key_before_the_rollover(world):
    assert outcomes(world.show(serial_of(world.rolled))) == dict.fromkeys(CHECKS, "holds")


def test_the_certificate_of_the_ca_itself(world):
    (serial,) = [i.serial.hex() for i in log_reader.Log(world.log, open_intents=True).intents.values() if i.tls][:1]
    shown = world.show(serial)
    assert shown["own"] and "account" not in shown
    assert outcomes(shown) == dict.fromkeys({"log", "intent", "issuer", "csr", "names", "lint"}, "holds")


def test_a_key_for_ocsp_answers(world, tmp_path):
    issuer = tmp_path / "issuer.pem"
    issuer.write_text(world.plain.split("-----END CERTIFICATE-----\n", 1)[1])
    leaf = tmp_path / "leaf.pem"
    leaf.write_text(world.plain)
    said = subprocess.run(["openssl", "ocsp", "-issuer", issuer, "-cert", leaf, "-url", world.ca.publish + "/ocsp", "-CAfile", world.ca.root, "-no_nonce"],
                          capture_output=True, text=True)
    assert "leaf.pem: good" in said.stdout, said.stdout + said.stderr
    (serial,) = [r["serial"] for r in json.loads(world.command("log", "list", "--type", "ocsp-intent", "--json").stdout)["records"]]
    shown = world.show(serial)
    assert shown["own"] and outcomes(shown) == dict.fromkeys({"log", "intent", "issuer"}, "holds")


@pytest.mark.parametrize("what, says", [
    ("02" * 16, "the log has no certificate of this serial number"),
    ("02" * 15, "neither a serial number"),
    ("/etc/hostname", "holds no certificate"),
])
def test_what_there_is_not(world, what, says):
    result = world.command("show", what, check=False)
    assert result.returncode == 2 and says in result.stderr


def test_a_profile_that_is_gone_is_said_and_no_failure(stopped):
    text = stopped.ca.config.read_text()
    changed = text + '\nprofile "another" { }\n' if "profile " not in text else text
    changed = re.sub(r'profile "tls-server"', 'profile "renamed"', changed)
    try:
        stopped.ca.config.write_text(changed)
        shown = stopped.show(serial_of(stopped.plain))
        assert outcomes(shown)["lint"] == "unknown"
    finally:
        stopped.ca.config.write_text(text)


def evidence_fields(body):
    """INTENT's evidence, and where it stands in the body: (offset, length)."""
    f = log_reader.Fields(body)
    f.fixed(30 + 16 + 32 + 32), f.bytes(), f.fixed(32)
    at = f.at + 4
    return at, len(f.bytes())


def spoil_at(body, at):
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]


def spoil_signature(body, request):
    """In the request's signature, a character of base64url that stays one."""
    at, _ = evidence_fields(body)
    f = log_reader.Fields(body)
    f.at = at
    texts = [f.bytes() for _ in range(2)]
    start = body.index(texts[request], at)
    mark = texts[request].index(b'"signature": "') + len(b'"signature": "') + 5
    old = texts[request][mark:mark + 1]
    return body[:start + mark] + (b"A" if old != b"A" else b"B") + body[start + mark + 1:]


def spoil_finalize(body):
    return spoil_signature(body, 0)


def spoil_new_order(body):
    return spoil_signature(body, 1)


def spoil_receipt(body):
    at, size = evidence_fields(body)
    return spoil_at(body, at + size - 1)  # the last receipt's MAC


def drop_receipts(body):
    at, size = evidence_fields(body)
    f = log_reader.Fields(body[at:at + size])
    f.bytes(), f.bytes(), f.bytes()
    evidence = body[at:at + f.at] + bytes(2)
    return body[:at - 4] + struct.pack(">I", len(evidence)) + evidence + body[at + size:]


def spoil_csr_digest(body):
    return spoil_at(body, 30 + 16)


def spoil_certificate(body):
    return spoil_at(body, len(body) - 1)  # its signature


@pytest.mark.parametrize("kind, spoil, fails", [
    (log_reader.INTENT, spoil_finalize, {"finalize"}),
    (log_reader.INTENT, spoil_new_order, {"order", "new-order"}),
    (log_reader.INTENT, spoil_receipt, {"mac"}),
    (log_reader.INTENT, drop_receipts, {"receipts"}),
    (log_reader.INTENT, spoil_csr_digest, {"csr"}),
    (log_reader.RESULT, spoil_certificate, {"issuer"}),
])
def test_evidence_that_does_not_hold(stopped, kind, spoil, fails):
    """Whoever writes the log anew with a right chain, and takes the checkpoint away, still cannot make evidence."""
    serial = bytes.fromhex(serial_of(stopped.plain))
    (record,) = [r for r in log_reader.read(stopped.log) if r.type == kind and log_reader.meaning(r).serial == serial]
    rewrite(stopped.log, {record.sequence: spoil(record.body)})
    (stopped.log.parent / "checkpoint").unlink()
    assert stopped.command("log", "verify").returncode == 0
    result = stopped.command("show", serial.hex(), "--json", check=False)
    shown = schemas.check("show", result.stdout)
    assert {what for what, outcome in outcomes(shown).items() if outcome == "fails"} == fails and result.returncode == 2


def test_verify(world):
    before = log_reader.read(world.log)  # it goes on being written
    sum_ = schemas.check("log-verify", world.command("log", "verify", "--json").stdout)
    records = log_reader.read(world.log)
    assert len(before) - 5 <= sum_["records"] <= len(records) and sum_["running"] and sum_["types"]["genesis"] == 1
    assert "The log is whole" in world.command("log", "verify").stdout


def test_verify_by_a_checkpoint_that_was_kept(stopped, tmp_path):
    kept = tmp_path / "checkpoint"
    kept.write_bytes((stopped.log.parent / "checkpoint").read_bytes())
    assert schemas.check("log-verify", stopped.command("log", "verify", "--checkpoint", kept, "--json").stdout)["checkpoint"]
    records = log_reader.read(stopped.log)
    (audit,) = [r for r in records if r.type == log_reader.EAB]
    rewrite(stopped.log, {audit.sequence: audit.body.replace(stopped.eab.encode(), b"0" * 20)})
    (stopped.log.parent / "checkpoint").unlink()
    assert "There is no checkpoint" in stopped.command("log", "verify").stdout
    result = stopped.command("log", "verify", "--checkpoint", kept, check=False)
    assert result.returncode == 2 and "written anew" in result.stderr


def test_a_log_that_was_cut(stopped):
    segment = stopped.log / "00000001.seg"
    last = log_reader.read(stopped.log)[-1]
    data = segment.read_bytes()
    segment.write_bytes(data[:last.offset] + bytes(len(data) - last.offset))
    result = stopped.command("log", "verify", check=False)
    assert result.returncode == 2
    assert f"it ends with record {last.sequence - 1} in segment 1, the checkpoint has seen record {last.sequence}" in result.stderr


def test_every_changed_byte_is_found_and_its_record_named(stopped):
    segment = stopped.log / "00000001.seg"
    data, records, dice = segment.read_bytes(), log_reader.read(stopped.log), random.Random(5)
    for record in records:
        size = log_reader.RECORD_HEAD + len(record.body)
        at = record.offset + dice.randrange(size)
        segment.write_bytes(spoil_at(data, at))
        result = stopped.command("log", "verify", check=False)
        assert result.returncode == 2, f"byte {at} of record {record.sequence}"
        named = re.search(r"segment 1 of the log is damaged at offset (\d+)", result.stderr)
        if named:
            assert int(named[1]) == record.offset, result.stderr
        else:  # nothing durable follows the last batch, so that only the checkpoint knows
            assert f"it ends with record {record.sequence - 1}" in result.stderr, (record.sequence, result.stderr)


def test_list(world):
    everything = schemas.check("log-list", world.command("log", "list", "--json").stdout)["records"]
    assert [r["record"] for r in everything] == list(range(1, len(everything) + 1))
    assert {"genesis", "intent", "result", "revoke", "rollover", "crl", "eab"} <= {r["type"] for r in everything}
    (revoked,) = [r for r in everything if r["type"] == "revoke"]
    assert (revoked["serial"], revoked["reason"], revoked["by"]) == (serial_of(world.revoked), "superseded", "account")
    operators = json.loads(world.command("log", "list", "--operators", "--json").stdout)["records"]
    assert [(r["type"], r["kid"], r["action"], r["uid"]) for r in operators] == [("eab", world.eab, "made", str(os.getuid()))]
    text = world.command("log", "list", "--type", "eab", "--type", "rollover", "--since", "1h").stdout
    assert re.search(rf"^ +\d+  20..-..-.. ..:..:..Z  eab +kid={world.eab}  action=made", text, re.M) and "rollover" in text
    assert json.loads(world.command("log", "list", "--until", "1h", "--json").stdout)["records"] == []


@pytest.mark.parametrize("words, says", [
    (["list", "--type", "nothing"], "there are genesis, intent"),
    (["list", "--since", "yesterday"], "a time like 2026"),
    (["burn"], "verify and list are known"),
])
def test_clear_errors(world, words, says):
    result = world.command("log", *words, check=False)
    assert result.returncode == 2 and says in result.stderr
