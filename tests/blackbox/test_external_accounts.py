"""External account binding (RFC 8555 section 7.3.4) from both ends: the operator makes a key, a client binds its account by it, and the signer
holds the account to what the key is for; through rollovers, deactivation, restarts and the key's end."""
import base64
import hashlib
import hmac
import itertools
import json
import os
import subprocess
import threading

import pytest

from acme_raw import Client, Key, b64
from harness import running_ca

counter = itertools.count(1)
HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def name(below="bound.example.test"):
    return f"n{next(counter)}.{below}"


@pytest.fixture(scope="module")
def ca():
    with running_ca(edit=lambda text: text.replace('#external-accounts = "off"', 'external-accounts = "required"')) as one:
        yield one


def add(ca, *words):
    return json.loads(ca.run("eab", "add", "--json", *words, "--config", ca.config).stdout)


def listed(ca, made):
    keys = json.loads(ca.run("eab", "list", "--json", "--config", ca.config).stdout)["keys"]
    return next(k for k in keys if k["kid"] == made["kid"])


def binding(client, made, alg=None, key=None, secret=None):
    alg = alg or made["alg"]
    protected = b64(json.dumps({"alg": alg, "kid": made["kid"], "url": client.ca.base + "/acme/new-account"}).encode())
    payload = b64(json.dumps((key or client.key).jwk()).encode())
    secret = secret or base64.urlsafe_b64decode(made["key"] + "==")
    return {"protected": protected, "payload": payload, "signature": b64(hmac.new(secret, f"{protected}.{payload}".encode(), HASHES[alg]).digest())}


def bound(ca, made):
    client = Client(ca)
    answer = client.register(externalAccountBinding=binding(client, made))
    assert answer.status == 201, answer.body
    return client


def finalized(client, *names, **more):
    """The answer to finalize, of an order whose authorizations are valid."""
    order = client.order(*names, **more)
    assert order.status == 201, order.body
    for authz in order.json["authorizations"]:
        assert client.solve(authz)["status"] == "valid"
    return client.finalize(order.json, client.csr(*names))


def roll(client, key):
    url = client.ca.base + "/acme/key-change"
    inner = client.jws(url, {"account": client.kid, "oldKey": client.key.jwk()}, key=key, jwk=True, drop=["nonce"])
    answer = client.post(url, inner)
    if answer.status == 200:
        client.key = key
    return answer


def restart(ca):
    ca.stop()
    ca.start()


@pytest.mark.parametrize("alg", HASHES)
def test_a_bound_account_gets_certificates(ca, alg):
    made = add(ca, "--alg", alg)
    client = bound(ca, made)
    client.issue(name())
    assert listed(ca, made)["uses"] == 1 and "lastUsed" in listed(ca, made)


def test_a_longer_key_does_for_every_mac(ca):
    made = add(ca, "--alg", "HS512")
    for alg in HASHES:
        client = Client(ca)
        assert client.register(externalAccountBinding=binding(client, made, alg=alg)).status == 201
    short = add(ca)
    client = Client(ca)
    answer = client.register(externalAccountBinding=binding(client, short, alg="HS512"))
    assert answer.status == 400 and answer.type == "badSignatureAlgorithm", answer.body


def test_nobody_is_bound_without_the_secret(ca):
    made, other = add(ca), add(ca)
    client = Client(ca)
    for wrong in (binding(client, made, secret=bytes(32)), binding(client, {**made, "kid": other["kid"]}),
                  binding(client, {**made, "kid": "0" * 20}), binding(client, {**made, "kid": "no-such-key"})):
        answer = client.register(externalAccountBinding=wrong)
        assert answer.status in (401, 403) and answer.type == "unauthorized", answer.body
    assert client.register(onlyReturnExisting=True).type == "accountDoesNotExist"
    assert listed(ca, made)["uses"] == 0
    assert client.register(externalAccountBinding=binding(client, made)).status == 201


def test_uses_are_accounts(ca):
    made = add(ca, "--uses", "2")
    one = bound(ca, made)
    assert one.register(externalAccountBinding=binding(one, made)).status == 200
    bound(ca, made)
    third = Client(ca)
    answer = third.register(externalAccountBinding=binding(third, made))
    assert answer.type == "unauthorized" and "2 accounts" in answer.json["detail"], answer.body
    assert listed(ca, made)["uses"] == 2 and listed(ca, made)["state"] == "used up"
    one.issue(name())


def test_one_use_is_one_account_however_many_ask(ca):
    made = add(ca, "--uses", "1")
    statuses = []

    def work():
        client = Client(ca)
        statuses.append(client.register(externalAccountBinding=binding(client, made)).status)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(statuses)[0] == 201 and statuses.count(201) == 1, statuses
    assert listed(ca, made)["uses"] == 1


def test_the_scope_holds_through_rollover_and_restart(ca):
    made = add(ca, "--name", ".bound.example.test", "--profile", "tls-server")
    client = bound(ca, made)

    def check():
        client.issue(name())
        order = client.order("elsewhere.example.test")
        if order.status == 201:  # the front may say it at once, the signer always does
            answer = finalized(client, "elsewhere.example.test")
        else:
            answer = order
        assert answer.type == "rejectedIdentifier" and "external account key" in answer.body.decode(), answer.body

    check()
    assert roll(client, Key()).status == 200
    check()
    restart(ca)
    client.nonce = None
    check()
    assert roll(client, Key("RS256")).status == 200
    check()


def test_a_revoked_key_takes_its_accounts_with_it(ca):
    made = add(ca)
    client = bound(ca, made)
    client.issue(name())
    ca.run("eab", "revoke", made["kid"], "--config", ca.config)
    for _ in range(2):
        answer = finalized(client, name())
        assert answer.type == "unauthorized" and "revoked" in answer.json["detail"], answer.body
        late = Client(ca)
        assert late.register(externalAccountBinding=binding(late, made)).type == "unauthorized"
        restart(ca)
        client.nonce = None


def test_a_deactivated_account_is_not_bound_again(ca):
    made = add(ca)
    client = bound(ca, made)
    assert client.post(client.kid, {"status": "deactivated"}).json["status"] == "deactivated"
    again = client.register(externalAccountBinding=binding(client, made))
    assert again.status in (401, 403), again.body
    assert listed(ca, made)["uses"] == 1


def test_certbot_registers_with_what_is_printed(ca, tmp_path):
    text = ca.run("eab", "add", "--name", ".bound.example.test", "--config", ca.config).stdout
    words = next(line for line in text.splitlines() if line.strip().startswith("certbot register")).split()
    host = name()
    folders = ["--config-dir", tmp_path / "c", "--work-dir", tmp_path / "w", "--logs-dir", tmp_path / "l", "--non-interactive"]
    environment = {**os.environ, "HOME": str(tmp_path), "REQUESTS_CA_BUNDLE": str(ca.root)}
    for command in ([*words, "--agree-tos", "--register-unsafely-without-email", *folders],
                    ["certbot", "certonly", "--standalone", "--server", ca.directory, "-d", host, "--http-01-port", ca.web.port, *folders]):
        if "--standalone" in command:
            ca.web.close()  # certbot has the port now
        result = subprocess.run([str(w) for w in command], capture_output=True, text=True, timeout=120, env=environment)
        assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "c" / "live" / host / "fullchain.pem").exists()
