"""A front that is wholly taken over attacks the real signer and the real validator: it gets no certificate that honest evidence would not
have brought, and neither of them ends (DESIGN section 2). The attacks are in C, in attacker_front; here stands the world around it."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

import place

place.need_root()
import dns_responder  # noqa: E402  (place knows where it lies)
import harness  # noqa: E402

SECONDS = 80


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Outcome:
    """What is left when the attacker has done its work and the CA has stopped."""


def wait_done(ca, results):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        lines = results.read_text().splitlines() if results.exists() else []
        if lines and lines[-1].split()[0] in ("done", "stopped"):
            return lines
        assert ca.process.poll() is None, "the CA ended:\n" + ca.log_text()[-4000:]
        time.sleep(0.1)
    raise AssertionError("the attacker did not end: " + "\n".join(lines[-3:]) + "\n" + ca.log_text()[-4000:])


def one_shard(text):
    """So that the attacker knows which list its revocations go to."""
    return re.sub(r"(?m)^(\s*)#?crl-shards = .*$", r"\1crl-shards = 1", text, count=1)


def give(ca, name, front):
    """The test, as root, hands the attacker what no front could have."""
    target = front / pathlib.Path(name).name
    shutil.copy(ca.folder / "state" / name, target)
    owner = front.stat()
    os.chown(target, owner.st_uid, owner.st_gid)


@pytest.fixture(scope="module")
def outcome():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-hostile-"))
    front = folder / "ca" / "state" / "front"
    dns, web, ca = dns_responder.Responder(), place.ByHost(front / "thumbprints"), None
    dns.set("caa-forbids.test", "CAA", dns_responder.caa("issue", "ca.other.test"))
    o = Outcome()
    try:
        program = place.copy_build(folder / "programs", {"front": "attacker_front"})
        (folder / "ca").mkdir()
        ca = harness.Ca(http_port=web.port, dns_port=dns.port, program=program, folder=folder / "ca", edit=one_shard)
        give(ca, "validator/identity", front)
        give(ca, "signer/issuers/main/key.pem", front)
        # the attacker is busy with its attacks when it is ready; that it said HELLO tells that the start is over
        ca.start()
        o.before = ca.status()["processes"]
        o.fds_before = {p: descriptors(o.before[p]["pid"]) for p in ("signer", "validator")}
        o.lines = wait_done(ca, front / "results")
        o.after = ca.status()["processes"]
        o.fds_after = {p: descriptors(o.after[p]["pid"]) for p in ("signer", "validator")}
        ca.stop()
        o.log = ca.log_text()
        count = subprocess.run([place.HOSTILE / "log_count", folder / "ca" / "state" / "signer"], capture_output=True, text=True, timeout=60)
        assert count.returncode == 0, count.stderr
        o.records = {line.split()[0]: int(line.split()[1]) for line in count.stdout.splitlines()}
        o.seen = list(web.seen)
        yield o
    finally:
        if ca:
            ca.close()
        web.close()
        dns.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_honest_evidence_is_taken(outcome):
    """The control: without it the refusals below would prove nothing."""
    for name in ("control: an honest issuance", "control: an honest issuance of another account", "an honest issuance after it all",
                 "OCSP: control: one that is revoked and one that is not", "OCSP after it all", "the list after it all"):
        assert f"ok {name}" in outcome.lines


def test_every_attack_is_refused(outcome):
    failed = [line for line in outcome.lines if not line.startswith(("ok ", "done "))]
    assert not failed, "\n".join(failed)
    assert sum(line.startswith("ok ") for line in outcome.lines) > 120


def test_the_log_holds_the_honest_certificates_and_no_other(outcome):
    honest = int(outcome.lines[-1].split()[1])
    assert outcome.records.get("result") == honest + 2, outcome.records  # and the CA's own, which init made, and one of the OCSP key
    assert outcome.records.get("intent") == honest, outcome.records
    assert outcome.records.get("tls-intent", outcome.records.get("tls_intent")) == 1, outcome.records
    assert outcome.records.get("ocsp-intent", outcome.records.get("ocsp_intent")) == 1, outcome.records
    assert "void" not in outcome.records
    # what the attacker's own client asked for, once each; nothing that nobody has signed, no account that nobody's key has bound
    assert outcome.records.get("rollover") == outcome.records.get("deactivate") == 1, outcome.records
    assert outcome.records.get("revoke") == 1 and outcome.records.get("crl") == 2, outcome.records
    assert "bind" not in outcome.records and "eab" not in outcome.records, outcome.records


def test_nobody_ended(outcome):
    for p in ("signer", "validator"):
        assert outcome.after[p]["pid"] == outcome.before[p]["pid"]
        assert outcome.after[p]["starts"] == 1
        assert outcome.after[p]["state"] == "ready"


def test_refusals_are_counted(outcome):
    signer = outcome.after["signer"]["counts"]
    refused, channel = signer["refused"], signer["front_channel"]
    for code in ("CONFIRM", "UNAUTHORIZED", "MALFORMED", "BAD_CSR", "INVALID_PROFILE", "RATE_LIMITED"):
        assert refused.get(code, refused.get(code.lower(), 0)) > 0, refused
    assert signer["refused_turn"] >= 2
    for counts in (channel, outcome.after["validator"]["counts"]["front_channel"]):
        for kind in ("refused_size", "refused_type", "refused_turn", "refused_credit"):
            assert counts[kind] > 0, (kind, counts)


def test_descriptors_do_not_leak(outcome):
    assert outcome.fds_after == outcome.fds_before


def test_the_validator_asked_only_for_minted_tokens(outcome):
    """No path but the one of RFC 8555 section 8.3, and no host but those that were named well."""
    assert outcome.seen
    for host, path in outcome.seen:
        assert host in ("a.test", "b.test", "c.test", "caa-forbids.test"), (host, path)
        token = path.removeprefix("/.well-known/acme-challenge/")
        assert len(token) == 43 and "/" not in token and "." not in token and "?" not in token, path
