"""Rate limits as clients meet them: what is counted, what is given back, what a restart keeps. Every case has names of its own."""
import http.client
import itertools
import signal
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from acme_raw import Client, Key
from harness import running_ca

counter = itertools.count(1)

RATES = {"new-accounts-per-address": "8/1d", "new-accounts-per-range": "40/1d", "orders-per-account": "12/1d", "certificates-per-domain": "3/7d",
         "certificates-per-names": "2/7d", "failed-validations": "2/1h"}


def limited(text):
    for option, rate in RATES.items():
        before, found, after = text.partition(f'#{option} = "')
        assert found, option
        text = before + f'{option} = "{rate}"' + after[after.index('"') + 1:]
    return text


@pytest.fixture(scope="module")
def ca():
    with running_ca(edit=limited) as one:
        yield one


class From(Client):
    """A client at an address of its own."""

    def __init__(self, ca, address):
        super().__init__(ca)
        self.address = address

    def request(self, *what, **how):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection("localhost", self.ca.port, context=self.tls, timeout=60, source_address=(self.address, 0))
        return super().request(*what, **how)


def address():
    """One that no other case counts for: neither host nor range."""
    return f"127.{next(counter)}.0.1"


@pytest.fixture
def client(ca):
    one = From(ca, address())
    assert one.register().status == 201
    return one


def domain():
    return f"domain{next(counter)}.test"


def refused(answer, limit, *words, seconds):
    """429 with the limit's name, what was counted, when to come again, and a nonce to come with (RFC 8555, 6.5 and 6.6)."""
    assert (answer.status, answer.type) == (429, "rateLimited"), answer.body
    for word in (limit, *words):
        assert word in answer.json["detail"], answer.json["detail"]
    assert 0 < int(answer.headers["Retry-After"]) <= seconds, answer.headers["Retry-After"]
    assert answer.headers["Replay-Nonce"]


def prepared(client, *names):
    """An order that only waits to be finalized."""
    answer = client.order(*names)
    assert answer.status == 201, answer.body
    for authz in answer.json["authorizations"]:
        assert client.solve(authz)["status"] == "valid"
    return client.post(answer.headers["Location"]).json, answer.headers["Location"]


def status_of(ca):
    return ca.status()["processes"]["front"]["counts"]["limits"]


def test_new_accounts_of_an_address_and_of_its_range(ca):
    host = f"127.{next(counter)}.7."
    before = status_of(ca)["refused"]
    for _ in range(8):
        one = From(ca, host + "1")
        assert one.register().status == 201
    refused(From(ca, host + "1").register(), "new-accounts-per-address", host + "1:", "8 in 1 day", seconds=86400 // 8)
    # an account that exists is no new one, and is found
    assert one.register(onlyReturnExisting=True).status == 200
    assert one.register().status == 200
    # what is refused for another reason counts nothing
    assert From(ca, host + "2").register(contact=["tel:1"]).type == "unsupportedContact"
    for number in range(2, 6):
        for _ in range(8):
            assert From(ca, host + str(number)).register().status == 201
    refused(From(ca, host + "9").register(), "new-accounts-per-range", host + "0/24", "40 in 1 day", seconds=86400 // 40)
    after = status_of(ca)["refused"]
    assert after["new-accounts-per-address"] == before["new-accounts-per-address"] + 1
    assert after["new-accounts-per-range"] == before["new-accounts-per-range"] + 1


def test_orders_of_an_account(ca, client):
    for _ in range(5):  # refused for their names: they count nothing
        assert client.order("co.uk").type == "rejectedIdentifier"
    for _ in range(12):
        assert client.order("www." + domain()).status == 201
    refused(client.order("www." + domain()), "orders-per-account", "this account", "12 in 1 day", seconds=86400 // 12)
    other = From(ca, address())
    other.register()
    assert other.order("www." + domain()).status == 201


def test_certificates_of_a_registered_domain(ca, client):
    mine = domain()
    for n in range(3):
        client.issue(f"host{n}.{mine}", f"host{n}.www.{mine}")  # two names of one domain are one certificate
    refused(client.order("other." + mine), "certificates-per-domain", f"with names of {mine}:", "3 in 7 days", seconds=7 * 86400 // 3)
    refused(client.order("www." + domain(), mine), "certificates-per-domain", f"with names of {mine}:", seconds=7 * 86400 // 3)
    client.issue("www." + domain())


def test_orders_without_a_certificate_cost_a_domain_nothing(ca, client):
    """Else whoever makes orders for another's domain, without showing control of it, could lock it out."""
    theirs = domain()
    for n in range(6):
        assert client.order(f"host{n}.{theirs}").status == 201
    owner = From(ca, address())
    owner.register()
    owner.issue("www." + theirs)


def test_the_limit_holds_at_finalize_too(ca, client):
    mine = domain()
    orders = [prepared(client, f"host{n}.{mine}") for n in range(4)]
    for n in range(3):
        answer = client.finalize(orders[n][0], client.csr(f"host{n}.{mine}"))
        assert answer.status == 200, answer.body
    refused(client.finalize(orders[3][0], client.csr(f"host3.{mine}")), "certificates-per-domain", mine, seconds=7 * 86400 // 3)
    assert client.post(orders[3][1]).json["status"] == "ready"  # for when it is possible again


def test_certificates_for_the_same_names(ca, client):
    mine, other = domain(), domain()
    names = ["a." + mine, "b." + other]
    client.issue(*names)
    client.issue(*reversed(names))
    refused(client.order(*names), "certificates-per-names", "this set of names", "2 in 7 days", seconds=7 * 86400 // 2)
    client.issue("a." + mine)


def test_what_the_signer_refuses_is_given_back(ca, client):
    mine = domain()
    own = ec.generate_private_key(ec.SECP256R1())
    client_of_key = From(ca, client.address)
    client_of_key.key = Key()
    client_of_key.register()
    order, _ = prepared(client_of_key, "www." + mine)
    for _ in range(4):  # the account's own key is no key for a certificate: the order stays ready
        answer = client_of_key.finalize(order, client_of_key.csr("www." + mine, key=client_of_key.key.private))
        assert answer.type in ("badCSR", "badPublicKey"), answer.body
    answer = client_of_key.finalize(order, client_of_key.csr("www." + mine, key=own))
    assert answer.status == 200, answer.body


def test_failed_validations_of_a_name(ca, client):
    mine = "www." + domain()
    early = client.order(mine).json["authorizations"][0]
    for _ in range(2):
        authz = client.order(mine).json["authorizations"][0]
        challenge = next(c for c in client.post(authz).json["challenges"] if c["type"] == "http-01")
        client.post(challenge["url"], {})
        assert client.wait(authz)["status"] == "invalid"
    refused(client.order(mine), "failed-validations", f"failed validations of {mine}:", "2 in 1 hour", seconds=1800)
    challenge = next(c for c in client.post(early).json["challenges"] if c["type"] == "http-01")
    refused(client.post(challenge["url"], {}), "failed-validations", mine, seconds=1800)
    assert client.post(early).json["status"] == "pending"
    # of this name, for this account
    client.issue("other." + mine)
    other = From(ca, address())
    other.register()
    other.issue(mine)


def test_a_restart_forgives_nobody(ca, client):
    mine = domain()
    for n in range(3):
        client.issue(f"host{n}.{mine}")
    keys = status_of(ca)["keys"]
    ca.stop()
    ca.start()
    client.connection = client.nonce = None
    refused(client.order("other." + mine), "certificates-per-domain", mine, seconds=7 * 86400 // 3)
    assert status_of(ca)["keys"] >= keys
    client.issue("www." + domain())


def reload(ca):
    word = "child.reloaded child=front"
    before = ca.log_text().count(word)
    ca.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while ca.log_text().count(word) == before:
        assert time.monotonic() < end, ca.log_text()[-3000:]
        time.sleep(0.02)


def test_new_rates_hold_from_a_reload_on(ca, client):
    mine = domain()
    client.issue("a." + mine)
    before = ca.config.read_text()
    try:
        ca.config.write_text(before.replace('certificates-per-domain = "3/7d"', 'certificates-per-domain = "1/30d"')
                             .replace("#deny-names = {}", 'deny-names = {"*.denied.test"}'))
        reload(ca)
        refused(client.order("b." + mine), "certificates-per-domain", "1 in 30 days", seconds=30 * 86400)
        answer = client.order("www.denied.test", "fine." + domain())
        assert answer.type == "rejectedIdentifier", answer.body
        assert [s["identifier"]["value"] for s in answer.json["subproblems"]] == ["www.denied.test"]
        assert "deny-names" in answer.json["subproblems"][0]["detail"]
    finally:
        ca.config.write_text(before)
        reload(ca)
    client.issue("b." + mine)


@pytest.mark.parametrize("name,kind,word", [
    ("co.uk", "rejectedIdentifier", "public suffix"), ("com", "rejectedIdentifier", "public suffix"), ("host.lan", "rejectedIdentifier", "private-suffixes"),
    ("1.0.0.10.in-addr.arpa", "rejectedIdentifier", "reverse zones"), ("xn--ls8h.test", "rejectedIdentifier", "IDNA2008"),
    ("ab--cd.test", "malformed", "reserved"), ("xn--99999999.test", "malformed", "A-label")])
def test_names_that_nobody_can_own(client, name, kind, word):
    answer = client.order(name)
    assert (answer.status, answer.type) == (400, kind), answer.body
    assert word in answer.json["detail"]
