"""Which names and addresses may be certified: the configuration's policy, as each process reads it for itself."""
import contextlib
import signal
import time

import pytest

from acme_raw import Client
from harness import running_ca

POLICY = {
    "allow-names": '{".example", "www.exact.test", "web-*.pattern.test", "localhost", "example.com", ".co.uk", ".com"}',
    "deny-names": '{"no.example", ".never.example", "secret-*.example"}',
    "allow-ips": '{"127.0.0.0/8", "2001:db8::/32"}',
    "deny-ips": '{"127.0.1.0/24"}',
}


def with_policy(text, policy):
    for option, value in policy.items():
        text = text.replace(f"#{option} = {{}}", f"{option} = {value}")
    return text


def edit(text):
    return with_policy(text.replace('#identifiers = {"dns", "wildcard"}', 'identifiers = {"dns", "wildcard", "ip"}'), POLICY)


@pytest.fixture(scope="module")
def ca():
    with running_ca(edit=edit) as ca:
        yield ca


@pytest.fixture
def client(ca):
    client = Client(ca)
    client.register()
    return client


def ask(client, kind, value):
    return client.post(client.ca.base + "/acme/new-order", {"identifiers": [{"type": kind, "value": value}]})


@pytest.mark.parametrize("kind,value", [("dns", "a.example"), ("dns", "a.b.example"), ("dns", "*.a.example"), ("dns", "www.exact.test"),
                                        ("dns", "web-1.pattern.test"), ("dns", "localhost"), ("dns", "example.com"), ("dns", "a.co.uk"),
                                        ("ip", "127.0.0.1"), ("ip", "2001:db8::1")])
def test_allowed(client, kind, value):
    answer = ask(client, kind, value)
    assert answer.status == 201, answer.body


@pytest.mark.parametrize("kind,value,word", [
    ("dns", "no.example", "deny-names"), ("dns", "a.never.example", "deny-names"), ("dns", "secret-1.example", "deny-names"),
    ("dns", "*.never.example", "deny-names"), ("dns", "exact.test", "allow-names"), ("dns", "a.www.exact.test", "allow-names"),
    ("dns", "web-1.a.pattern.test", "allow-names"), ("dns", "db.pattern.test", "allow-names"), ("dns", "co.uk", "public suffix"),
    ("dns", "*.co.uk", "public suffix"), ("dns", "com", "public suffix"), ("dns", "host.unheard-of", "private-suffixes"),
    ("dns", "xn--a.example", "IDNA"), ("ip", "127.0.1.1", "deny-ips"), ("ip", "10.0.0.1", "allow-ips"), ("ip", "2001:db9::1", "allow-ips")])
def test_refused(client, kind, value, word):
    answer = ask(client, kind, value)
    assert (answer.status, answer.type) in ((400, "rejectedIdentifier"), (400, "malformed")), answer.body
    assert word in answer.json["detail"], answer.json
    assert answer.headers["Replay-Nonce"]


@contextlib.contextmanager
def reloaded(ca, change):
    """The configuration changed, and every process has it."""
    before = ca.config.read_text()

    def load():
        counts = {p: ca.log_text().count(f"child.reloaded child={p}") for p in ("front", "validator", "signer")}
        ca.process.send_signal(signal.SIGHUP)
        for _ in range(400):
            if all(ca.log_text().count(f"child.reloaded child={p}") > n for p, n in counts.items()):
                return
            time.sleep(0.05)
        raise AssertionError("not reloaded:\n" + ca.log_text()[-2000:])

    ca.config.write_text(change(before))
    load()
    try:
        yield
    finally:
        ca.config.write_text(before)
        load()


def test_the_validator_reads_it_for_itself(ca, client):
    """Ordered before a name was denied: no receipt is made for it any more."""
    authz = client.post(client.order("late.example").json["authorizations"][0]).json
    challenge = next(c for c in authz["challenges"] if c["type"] == "http-01")
    ca.web.challenge(challenge["token"], challenge["token"] + "." + client.key.thumbprint())
    with reloaded(ca, lambda text: text.replace('{"no.example"', '{"late.example", "no.example"')):
        client.post(challenge["url"], {})
        for _ in range(200):
            answer = client.post(challenge["url"]).json
            if answer["status"] == "invalid":
                break
            time.sleep(0.05)
        assert answer["status"] == "invalid"
        assert answer["error"]["type"].endswith(":rejectedIdentifier"), answer


def test_the_signer_reads_it_for_itself(ca, client):
    """Validated before a name was denied: no certificate all the same."""
    order = client.order("gone.example").json
    for authz in order["authorizations"]:
        assert client.solve(authz)["status"] == "valid"
    with reloaded(ca, lambda text: text.replace('{"no.example"', '{"gone.example", "no.example"')):
        answer = client.finalize(order, client.csr("gone.example"))
        assert answer.type == "rejectedIdentifier", answer.body
        assert "deny-names" in answer.json["detail"]


def test_what_is_wrong_with_rules_is_told(ca):
    good = ca.config.read_text()
    try:
        for option, value, word in (("allow-names", '{"a..b"}', "label"), ("deny-names", '{"192.0.2.1"}', "a rule is a name"), ("allow-ips", '{"10.0.0.1"}', "10.0.0.0/8")):
            ca.config.write_text(good.replace(f"{option} = {POLICY[option]}", f"{option} = {value}"))
            result = ca.run("check-config", "--config", ca.config, check=False)
            line = next(i for i, text in enumerate(ca.config.read_text().split("\n"), 1) if text.strip().startswith(f"{option} ="))
            assert result.returncode == 2, result
            assert f":{line}: " in result.stderr and word in result.stderr, (option, result.stderr)
    finally:
        ca.config.write_text(good)
