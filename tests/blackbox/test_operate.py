"""What operators do to a CA that runs: revoke, block, switch a challenge type off, count a limit anew. Each is in the signer's log, with who did it."""
import hashlib
import json
import os
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import log_reader
import schemas
from acme_raw import Client, certificates
from harness import free_port, running_ca


@pytest.fixture(scope="module")
def ca():
    def edit(text):
        assert '#orders-per-account = "3000/3h"' in text
        return text.replace('#orders-per-account = "3000/3h"', 'orders-per-account = "40/3h"')
    port = free_port()
    with running_ca("--publish-url", f"http://127.0.0.1:{port}", "--publish-listen", f"127.0.0.1:{port}", edit=edit) as ca:
        yield ca


@pytest.fixture
def client(ca):
    client = Client(ca)
    assert client.register().status == 201
    return client


def command(ca, *words, check=True):
    return ca.run(*words, "--config", ca.config, check=check)


def serial_of(pem):
    return f"{certificates(pem)[0].serial_number:032x}"


def refused(ca, *words):
    result = command(ca, *words, check=False)
    assert result.returncode == 2
    return result.stderr


def soon(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def is_listed(pem):
    """Whether the list that the certificate names has it."""
    leaf = certificates(pem)[0]
    url = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return x509.load_der_x509_crl(answer.read()).get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
    except urllib.error.HTTPError as e:
        if e.code == 503:  # just started: there is no list yet
            return False
        raise


def blocked(ca, what, value, *words):
    class Blocked:
        def __enter__(self):
            return schemas.check("block", command(ca, "block", what, value, "--json", *words).stdout)

        def __exit__(self, *_):
            schemas.check("block", command(ca, "unblock", what, value, "--json").stdout)
    return Blocked()


# --- revoke ---

def test_one_certificate_is_revoked_by_its_number(ca, client):
    pem = client.issue("one.example")
    serial = serial_of(pem)
    done = schemas.check("revoke", command(ca, "revoke", serial, "--reason", "privilegeWithdrawn", "--detail", "it was sold", "--json").stdout)
    assert done["certificates"] == [{"serial": serial, "outcome": "revoked"}]
    soon(lambda: is_listed(pem))
    shown = json.loads(command(ca, "show", serial, "--json").stdout)["revoked"]
    assert (shown["reason"], shown["by"]) == ("privilegeWithdrawn", "an operator")
    (record,) = [r for r in json.loads(command(ca, "log", "list", "--operators", "--type", "revoke", "--json").stdout)["records"] if r["serial"] == serial]
    assert json.loads(record["detail"]) == {"uid": os.getuid(), "detail": "it was sold"}
    again = schemas.check("revoke", command(ca, "revoke", serial, "--reason", "superseded", "--json").stdout)
    assert again["certificates"][0]["outcome"] == "already" and again["revoked"] == 0


def test_the_database_hears_of_it(ca, client):
    pem = client.issue("heard.example")
    command(ca, "revoke", serial_of(pem), "--reason", "superseded")
    soon(lambda: json.loads(command(ca, "reconcile", "--json", check=False).stdout)["agree"])


def test_a_client_hears_that_it_is_revoked_already(ca, client):
    pem = client.issue("twice.example")
    command(ca, "revoke", serial_of(pem), "--reason", "superseded")
    from acme_raw import b64
    der = certificates(pem)[0].public_bytes(serialization.Encoding.DER)
    assert client.post(ca.base + "/acme/revoke-cert", {"certificate": b64(der)}).type == "alreadyRevoked"


def test_several_want_a_confirmation(ca, client):
    serials = [serial_of(client.issue(f"several{i}.example")) for i in range(2)]
    assert "must be confirmed" in refused(ca, "revoke", *serials, "--reason", "superseded")
    assert command(ca, "revoke", *serials, "--reason", "superseded", "--yes").stdout.startswith("Revoked: 2.")


def test_by_file_and_what_is_not_ours(ca, client, tmp_path):
    file = tmp_path / "cert.pem"
    file.write_text(client.issue("file.example"))
    assert command(ca, "revoke", file, "--reason", "keyCompromise").stdout.startswith("Revoked: 1.")
    result = command(ca, "revoke", "02" * 16, "--reason", "superseded", check=False)
    assert result.returncode == 2 and "not of this CA" in result.stdout
    order = client.order("file.example").json
    for authz in order["authorizations"]:
        client.solve(authz)
    key = client.certificate_key
    answer = client.finalize(order, client.csr("file.example", key=key))
    assert answer.type == "badCSR" and "compromised" in answer.json["detail"]  # closed for good


QUERIES = [
    ("account", lambda w: ["--account", w.client.kid], {"a", "b"}),
    ("account by id", lambda w: ["--account", w.client.kid.rsplit("/", 1)[1]], {"a", "b"}),
    ("name", lambda w: ["--name", "b.query.example"], {"b"}),
    ("names below", lambda w: ["--name", ".query.example"], {"a", "b", "c"}),
    ("pattern", lambda w: ["--name", "*.query.example"], {"a", "b", "c"}),
    ("key", lambda w: ["--key", w.key], {"c"}),
    ("two at once", lambda w: ["--account", w.client.kid, "--name", "a.query.example"], {"a"}),
    ("method", lambda w: ["--method", "http-01", "--name", ".query.example"], {"a", "b", "c"}),
    ("another method", lambda w: ["--method", "dns-01", "--name", ".query.example"], set()),
    ("profile", lambda w: ["--profile", "tls-server", "--name", ".query.example"], {"a", "b", "c"}),
    ("issuer", lambda w: ["--issuer", "main", "--name", ".query.example"], {"a", "b", "c"}),
    ("since", lambda w: ["--issued-since", "1h", "--name", ".query.example"], {"a", "b", "c"}),
    ("until", lambda w: ["--issued-until", "1h", "--name", ".query.example"], set()),
    ("validated", lambda w: ["--validated-since", "1h", "--name", ".query.example"], {"a", "b", "c"}),
    ("validated before", lambda w: ["--validated-until", "1h", "--name", ".query.example"], set()),
]


class World:
    def __init__(self, ca, folder):
        self.ca, self.client, self.other = ca, Client(ca), Client(ca)
        self.client.register(), self.other.register()
        self.serials = {name: serial_of(self.client.issue(f"{name}.query.example")) for name in "ab"}
        self.serials["c"] = serial_of(self.other.issue("c.query.example"))
        gone = serial_of(self.client.issue("gone.query.example"))
        command(ca, "revoke", gone, "--reason", "superseded")
        self.key = folder / "key.pem"
        self.key.write_bytes(self.other.certificate_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture(scope="module")
def world(ca, tmp_path_factory):
    return World(ca, tmp_path_factory.mktemp("query"))


@pytest.mark.parametrize("words, expected", [pytest.param(q[1], q[2], id=q[0]) for q in QUERIES])
def test_a_dry_run_tells_which_ones(world, words, expected):
    found = schemas.check("revoke", command(world.ca, "revoke", *words(world), "--dry-run", "--json").stdout)
    assert found["dryRun"] and found["revoked"] == 0
    assert {c["serial"] for c in found["certificates"]} == {world.serials[name] for name in expected}
    assert all(c["outcome"] == "selected" for c in found["certificates"])


def test_a_search_is_shown_and_asked_about(ca, client):
    pem = client.issue("asked.example")
    serial = serial_of(pem)
    result = command(ca, "revoke", "--account", client.kid, "--reason", "cessationOfOperation", check=False)
    assert result.returncode == 2 and "must be confirmed" in result.stderr and serial in result.stdout and "asked.example" in result.stdout
    assert command(ca, "revoke", "--account", client.kid, "--reason", "cessationOfOperation", "--yes").stdout.rstrip().endswith("within seconds.")
    soon(lambda: is_listed(pem))


@pytest.mark.parametrize("words, says", [
    (["--reason", "superseded"], "which ones?"),
    (["02" * 16], "--reason is needed"),
    (["02" * 16, "--reason", "certificateHold"], "a reason is one of unspecified, keyCompromise"),
    (["02" * 16, "--name", "a.example", "--reason", "superseded"], "not both"),
    (["--name", "a..b", "--dry-run"], "a rule is a name"),
    (["--issuer", "nobody", "--dry-run"], "there is no issuer"),
    (["--account", "short", "--dry-run"], "an account's URL"),
    (["--method", "email-reply-00", "--dry-run"], "http-01, dns-01"),
    (["--key", "/etc/hostname", "--dry-run"], "holds no certificate, request or public key"),
])
def test_what_cannot_be_revoked_so(ca, words, says):
    assert says in refused(ca, "revoke", *words)


# --- block ---

def test_a_blocked_name(ca, client):
    ready = client.order("later.blocked.example").json
    for authz in ready["authorizations"]:
        assert client.solve(authz)["status"] == "valid"
    with blocked(ca, "name", ".Blocked.example", "--reason", "in court") as entry:
        assert entry["value"] == ".blocked.example"
        soon(lambda: client.order("a.blocked.example").type == "rejectedIdentifier")
        assert "operator has blocked" in client.order("a.blocked.example").json["detail"]
        assert client.order("blocked.example").status == 201
        listed = schemas.check("block-list", command(ca, "block", "list", "--json").stdout)["blocks"]
        assert [(b["what"], b["value"], b["reason"], b["uid"]) for b in listed] == [("name", ".blocked.example", "in court", os.getuid())]
        assert ".blocked.example (in court)" in command(ca, "block", "list").stdout
        assert "blocked already" in refused(ca, "block", "name", ".blocked.example")
        answer = client.finalize(ready, client.csr("later.blocked.example"))  # the signer's own word
        assert "operator has blocked" in answer.body.decode()
    soon(lambda: client.order("a.blocked.example").status == 201)
    assert "Nothing is blocked" in command(ca, "block", "list").stdout
    assert "it is not blocked" in refused(ca, "unblock", "name", ".blocked.example")


def test_a_blocked_account(ca, client):
    other = Client(ca)
    other.register()
    with blocked(ca, "account", client.kid):
        soon(lambda: client.post(client.kid).type == "unauthorized")
        assert other.post(other.kid).status == 200
    soon(lambda: client.post(client.kid).status == 200)


def test_a_blocked_key_is_in_no_certificate_and_speaks_for_no_account(ca, client, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "key.pem"
    file.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    order = client.order("key.example").json
    for authz in order["authorizations"]:
        client.solve(authz)
    stranger = Client(ca)
    stranger.key.private = key
    with blocked(ca, "key", file) as entry:
        assert entry["value"] == hashlib.sha256(spki).hexdigest()
        soon(lambda: stranger.register().type == "badPublicKey")
        answer = client.finalize(order, client.csr("key.example", key=key))
        assert answer.type == "badCSR" and "operator has blocked" in answer.json["detail"]
    soon(lambda: stranger.register().status == 201)


def test_a_challenge_type_that_is_switched_off(ca, client):
    waiting = client.post(client.order("waiting.example").json["authorizations"][0]).json
    ready = client.order("ready.example").json
    for authz in ready["authorizations"]:
        client.solve(authz)
    with blocked(ca, "method", "http-01"):
        soon(lambda: {c["type"] for c in client.post(client.order("off.example").json["authorizations"][0]).json["challenges"]}
             == {"dns-01", "tls-alpn-01"})
        (challenge,) = [c for c in waiting["challenges"] if c["type"] == "http-01"]
        answer = client.post(challenge["url"], {})
        assert answer.type == "unauthorized" and "switched http-01 off" in answer.json["detail"]
        assert client.order("ready.example").json["status"] == "pending"  # what it showed counts no more
        answer = client.finalize(ready, client.csr("ready.example"))
        assert "switched http-01 off" in answer.body.decode()
        with blocked(ca, "method", "tls-alpn-01"), blocked(ca, "method", "dns-01"):
            soon(lambda: client.order("none.example").type == "rejectedIdentifier")
    soon(lambda: client.order("ready.example").json["status"] == "ready")


def test_blocks_outlive_a_restart(ca, client):
    with blocked(ca, "name", "restart.example"):
        ca.stop()
        ca.start()
        soon(lambda: client.order("restart.example").type == "rejectedIdentifier")


def test_a_front_that_comes_back_knows(ca, client):
    import signal
    with blocked(ca, "name", "front.example"):
        os.kill(ca.pid_of("front"), signal.SIGKILL)
        ca.wait_ready()
        soon(lambda: client.order("front.example").type == "rejectedIdentifier")


@pytest.mark.parametrize("words, says", [
    (["name", "192.0.2.1"], "an address is blocked as a range"),
    (["name", "a..b"], "a rule is a name"),
    (["key", "00ff"], "neither the SHA-256"),
    (["account", "me"], "an account is named by its id"),
    (["method", "dns-02"], "there are http-01"),
    (["city", "Berlin"], "wants a key, a name, an account or a method"),
])
def test_what_cannot_be_blocked(ca, words, says):
    assert says in refused(ca, "block", *words)


def test_every_action_is_in_the_log_with_who_did_it(ca):
    log = log_reader.Log(ca.folder / "state/signer/log", open_intents=True)
    blocks = [e for e in log.events if isinstance(e, log_reader.Block)]
    assert blocks and all(b.uid == os.getuid() for b in blocks)
    assert len([b for b in blocks if b.on]) == len([b for b in blocks if not b.on])


# --- limits ---

def test_a_limit_is_counted_anew(ca, client):
    def full():
        answer = client.order("many.example")
        return answer.type == "rateLimited"
    for _ in range(60):
        if full():
            break
    assert full()
    what = ("orders-per-account", client.kid.rsplit("/", 1)[1])
    state = schemas.check("limits-show", command(ca, "limits", "show", *what, "--json").stdout)
    assert state["left"] == 0 and state["count"] > 0 and time.time() < state["next"] <= time.time() + state["period"]
    assert "None of" in command(ca, "limits", "show", *what).stdout
    schemas.check("limits-reset", command(ca, "limits", "reset", "orders-per-account", client.kid.rsplit("/", 1)[1], "--json").stdout)
    soon(lambda: client.order("many.example").status == 201)
    assert schemas.check("limits-show", command(ca, "limits", "show", *what, "--json").stdout)["left"] == state["count"] - 1
    assert f"{state['count'] - 1} of {state['count']} are left" in command(ca, "limits", "show", *what).stdout
    assert json.loads(command(ca, "log", "list", "--type", "audit", "--json").stdout)["records"][-1]["action"] == "limits-reset"


def test_limits_that_there_are_not(ca):
    assert "there are new-accounts-per-address" in refused(ca, "limits", "reset", "nothing", "x")
    assert "account" in refused(ca, "limits", "show", "orders-per-account", "x")
    assert "there are new-accounts-per-address" in refused(ca, "limits", "show", "nothing", "x")
    assert "show and reset are known" in refused(ca, "limits", "raise", "orders-per-account", "x")
