"""Orders and what belongs to them: challenge types, wildcards, addresses, profiles, wishes (RFC 8555 sections 7.4 and 7.5, RFC 8738)."""
import datetime
import hashlib
import itertools
import threading

import pytest
from cryptography import x509

from acme_raw import Client, b64, certificates, challenge_of
from harness import running_ca

counter = itertools.count(1)

# The first is the default. The other two differ in all that a profile may say of identifiers and challenges.
PROFILES = """
profile "short" {
	lifetime = 2d
	doc = "Two days."
	identifiers = {"dns", "wildcard", "ip"}
}
profile "web" {
	challenges = {"http-01", "tls-alpn-01"}
	identifiers = {"dns", "wildcard"}
	names = 2
	authz-lifetime = 3d
}
profile "hosts" {
	identifiers = {"ip"}
}
profile "dns" {
	challenges = {"dns-01"}
}
profile "brief" {
	authz-lifetime = 7h
}
"""


def name():
    return f"o{next(counter)}.example.test"


def with_profiles(text):
    lines, kept, inside = text.split("\n"), [], False
    for line in lines:
        inside = inside or line.startswith("profile ")
        if not inside:
            kept.append(line)
        inside = inside and line != "}"
    return "\n".join(kept) + PROFILES


@pytest.fixture(scope="module")
def ca():
    with running_ca(edit=with_profiles) as one:
        yield one


@pytest.fixture(scope="module")
def client(ca):
    one = Client(ca)
    assert one.register().status == 201
    return one


def refused(answer, status, kind, *words):
    assert (answer.status, answer.type) == (status, kind), answer.body
    for word in words:
        assert word in answer.json["detail"], answer.json["detail"]
    return answer.json


def offered(client, order):
    return {client.post(url).json["identifier"]["value"]: sorted(c["type"] for c in client.post(url).json["challenges"])
            for url in order["authorizations"]}


# --- what is offered ---

def test_the_directory_names_the_profiles(ca, client):
    profiles = client.request("GET", ca.directory).json["meta"]["profiles"]
    assert list(profiles) == ["short", "web", "hosts", "dns", "brief"]
    assert profiles["short"] == "Two days." and all(isinstance(doc, str) and doc for doc in profiles.values())


def test_every_challenge_that_covers_is_offered(ca, client):
    host = name()
    made = client.order(host, "*." + host, ("ip", "127.0.0.1"), ("ip", "2001:db8::1"))
    assert made.status == 201, made.body
    order = made.json
    assert {(i["type"], i["value"]) for i in order["identifiers"]} == {("dns", host), ("dns", "*." + host), ("ip", "127.0.0.1"), ("ip", "2001:db8::1")}
    seen, tokens = {}, []
    for url in order["authorizations"]:
        authz = client.post(url).json
        assert authz["status"] == "pending"
        seen[(authz["identifier"]["type"], authz["identifier"]["value"], authz.get("wildcard"))] = [c["type"] for c in authz["challenges"]]
        tokens += [c["token"] for c in authz["challenges"]]
    assert seen == {("dns", host, None): ["http-01", "dns-01", "tls-alpn-01"], ("dns", host, True): ["dns-01"],
                    ("ip", "127.0.0.1", None): ["http-01", "tls-alpn-01"], ("ip", "2001:db8::1", None): ["http-01", "tls-alpn-01"]}
    assert len(set(tokens)) == 8  # RFC 8555 section 8: a token identifies its challenge


def test_a_profile_says_what_may_be_asked(ca, client):
    host = name()
    assert offered(client, client.order(host, profile="web").json) == {host: ["http-01", "tls-alpn-01"]}
    refused(client.order("*." + host, profile="web"), 400, "rejectedIdentifier", "dns-01")
    refused(client.order(("ip", "127.0.0.1"), profile="web"), 400, "unsupportedIdentifier", "web", "dns")
    refused(client.order(host, profile="hosts"), 400, "unsupportedIdentifier", "IP addresses")
    refused(client.order(name(), name(), name(), profile="web"), 400, "malformed", "1 to 2")
    assert client.order(("ip", "127.0.0.1"), profile="hosts").status == 201


def test_addresses_have_one_form(ca, client):
    refused(client.order(("ip", "2001:DB8::1")), 400, "malformed", "2001:db8::1")
    refused(client.order(("ip", "127.0.0.01")), 400, "malformed")
    refused(client.order(("ip", "*.127.0.0.1")), 400, "malformed")


def test_wildcards_have_one_star(ca, client):
    for bad in ("*", "*.*.example.test", "a.*.example.test", "w*.example.test"):
        refused(client.order(bad), 400, "malformed")


# --- profile and wishes ---

def test_the_order_names_its_profile(ca, client):
    assert client.order(name()).json["profile"] == "short"
    made = client.order(name(), profile="web")
    assert made.json["profile"] == "web" and client.post(made.headers["Location"]).json["profile"] == "web"
    problem = refused(client.order(name(), profile="nobody"), 400, "invalidProfile")
    for word in ('"short"', '"web"', '"hosts"'):
        assert word in problem["detail"]
    refused(client.order(name(), profile=""), 400, "invalidProfile")


def stamp(seconds):
    return (datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_wishes(ca, client):
    host, before, after = name(), stamp(-600), stamp(7200)
    made = client.order(host, notBefore=before, notAfter=after)
    assert made.status == 201, made.body
    assert (made.json["notBefore"], made.json["notAfter"]) == (before, after)
    order = client.post(made.headers["Location"]).json
    assert (order["notBefore"], order["notAfter"]) == (before, after)
    assert client.solve(order["authorizations"][0])["status"] == "valid"
    done = client.finalize(order, client.csr(host))
    assert done.status == 200, done.body
    assert (done.json["notBefore"], done.json["notAfter"]) == (before, after)
    leaf = certificates(client.post(done.json["certificate"]).body)[0]
    assert leaf.not_valid_before.strftime("%Y-%m-%dT%H:%M:%SZ") == before
    assert leaf.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ") == after
    plain = client.order(name()).json
    assert "notBefore" not in plain and "notAfter" not in plain


@pytest.mark.parametrize("wish,word", [
    ({"notAfter": "2040-01-01T00:00:00Z"}, "notAfter"), ({"notAfter": "2020-01-01T00:00:00Z"}, "notAfter"),
    ({"notBefore": "2020-01-01T00:00:00Z"}, "notBefore"), ({"notBefore": "2040-01-01T00:00:00Z"}, "notBefore"),
    ({"notBefore": "soon"}, "notBefore"), ({"notAfter": ""}, "notAfter"), ({"notAfter": "2026-13-01T00:00:00Z"}, "notAfter"),
])
def test_wishes_that_the_profile_does_not_grant(ca, client, wish, word):
    refused(client.order(name(), **wish), 400, "malformed", word)


# --- issuance ---

def test_an_order_of_name_and_address(ca, client):
    host = name()
    names = [host, ("ip", "127.0.0.1")]
    made = client.order(*names)
    for url in made.json["authorizations"]:
        assert client.solve(url)["status"] == "valid"
    refused(client.finalize(made.json, client.csr(host)), 400, "badCSR")
    refused(client.finalize(made.json, client.csr(host, ("ip", "127.0.0.2"))), 400, "badCSR")
    done = client.finalize(made.json, client.csr(*names))
    assert done.status == 200 and done.json["status"] == "valid", done.body
    leaf = certificates(client.post(done.json["certificate"]).body)[0]
    sans = leaf.extensions.get_extension_for_oid(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert sorted(str(s.value) for s in sans) == sorted([host, "127.0.0.1"])


def solve_by_dns(client, url):
    """Answers dns-01, with the record set beside what is there."""
    authz = client.post(url).json
    challenge = challenge_of(authz, "dns-01")
    authorization = f'{challenge["token"]}.{client.key.thumbprint()}'
    text = b64(hashlib.sha256(authorization.encode()).digest()).encode()
    client.ca.dns.set("_acme-challenge." + authz["identifier"]["value"], "TXT", bytes([len(text)]) + text)
    assert client.post(challenge["url"], {}).status == 200
    return client.wait(url)


def test_a_wildcard_and_its_name(ca, client):
    host = name()
    names = [host, "*." + host]
    made = client.order(*names)
    wild = {client.post(url).json.get("wildcard", False): url for url in made.json["authorizations"]}
    assert set(wild) == {True, False}
    for url in wild.values():
        valid = solve_by_dns(client, url)
        assert valid["status"] == "valid" and valid["identifier"]["value"] == host, valid
    refused(client.finalize(made.json, client.csr(host)), 400, "badCSR")
    done = client.finalize(made.json, client.csr(*names))
    assert done.status == 200 and done.json["status"] == "valid", done.body
    leaf = certificates(client.post(done.json["certificate"]).body)[0]
    sans = leaf.extensions.get_extension_for_oid(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert sorted(s.value for s in sans) == sorted(names)
    assert client.order("*." + host).json["authorizations"] == [wild[True]]
    assert client.order(host, profile="web").json["status"] == "pending"  # dns-01 is not among its challenges


def test_a_name_only_in_the_common_name_counts(ca, client):
    host = name()
    made = client.order(host)
    client.solve(made.json["authorizations"][0])
    done = client.finalize(made.json, client.csr(common_name=host))  # RFC 8555 section 7.4
    assert done.status == 200 and done.headers["Location"] == made.headers["Location"], done.body


# --- authorizations that serve more than one order ---

def valid_authz(client, host, **more):
    made = client.order(host, **more)
    url = made.json["authorizations"][0]
    assert client.solve(url)["status"] == "valid"
    return url


def test_a_valid_authorization_is_used_again(ca, client):
    host, other = name(), name()
    url = valid_authz(client, host)
    made = client.order(host)
    assert made.status == 201 and made.json["status"] == "ready" and made.json["authorizations"] == [url]
    done = client.finalize(made.json, client.csr(host))
    assert done.status == 200 and done.json["status"] == "valid", done.body
    mixed = client.order(host, other)
    assert mixed.json["status"] == "pending" and url in mixed.json["authorizations"]
    (fresh,) = [u for u in mixed.json["authorizations"] if u != url]
    assert client.solve(fresh)["status"] == "valid"
    assert client.post(mixed.headers["Location"]).json["status"] == "ready"
    done = client.finalize(mixed.json, client.csr(host, other))
    assert done.status == 200 and done.json["status"] == "valid", done.body


def test_it_serves_its_account_its_very_name_and_profiles_that_allow_its_method(ca, client):
    host = name()
    url = valid_authz(client, host)
    stranger = Client(ca)
    assert stranger.register().status == 201
    assert stranger.order(host).json["status"] == "pending"
    assert client.order("*." + host).json["status"] == "pending"
    assert client.order("www." + host).json["status"] == "pending"
    assert client.order(host, profile="web").json["authorizations"] == [url]
    assert client.order(host, profile="dns").json["status"] == "pending"  # it was shown by http-01
    assert client.order(host, profile="brief").json["status"] == "pending"  # it would not outlive the order there


def test_the_end_of_a_valid_authorization_is_its_profiles(ca, client):
    ends = lambda of, **more: parsed(client.post(valid_authz(client, of, **more)).json["expires"]) - datetime.datetime.utcnow()
    assert abs(ends(name()) - datetime.timedelta(days=10)) < datetime.timedelta(minutes=1)
    assert abs(ends(name(), profile="web") - datetime.timedelta(days=3)) < datetime.timedelta(minutes=1)
    pending = client.order(name()).json
    assert client.post(pending["authorizations"][0]).json["expires"] == pending["expires"]


def parsed(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def test_deactivation(ca, client):
    host = name()
    url = valid_authz(client, host)
    first, second = client.order(host), client.order(host, name())
    assert first.json["status"] == "ready"
    for wrong in ({"status": "valid"}, {"status": "revoked"}, {"status": ""}, {"status": 7}, {}):
        refused(client.post(url, wrong), 400, "malformed")
    assert client.post(url).json["status"] == "valid"
    stranger = Client(ca)
    assert stranger.register().status == 201
    refused(stranger.post(url, {"status": "deactivated"}), 404, "malformed")
    for _ in range(2):
        answer = client.post(url, {"status": "deactivated"})
        assert answer.status == 200 and answer.json["status"] == "deactivated"
    for made in (first, second):
        assert client.post(made.headers["Location"]).json["status"] == "invalid"
    refused(client.finalize(first.json, client.csr(host)), 403, "orderNotReady")
    assert client.order(host).json["status"] == "pending"


def test_deactivation_of_what_is_pending_or_over(ca, client):
    made = client.order(name())
    url = made.json["authorizations"][0]
    challenge = challenge_of(client.post(url).json)
    assert client.post(url, {"status": "deactivated"}).json["status"] == "deactivated"
    assert client.post(challenge["url"], {}).json["status"] == "pending"
    assert client.post(url).json["status"] == "deactivated"
    assert client.post(made.headers["Location"]).json["status"] == "invalid"
    made = client.order(name())
    url = made.json["authorizations"][0]
    client.post(challenge_of(client.post(url).json)["url"], {})
    assert client.wait(url)["status"] == "invalid"
    refused(client.post(url, {"status": "deactivated"}), 400, "malformed", "invalid")


def test_deactivation_while_it_is_validated(ca, client):
    made, url, authz, gate = gated(client)
    assert client.post(url, {"status": "deactivated"}).json["status"] == "deactivated"
    gate.open.set()
    assert client.wait(challenge_of(authz)["url"], states=("processing",))["status"] == "pending"
    assert client.post(url).json["status"] == "deactivated"


def new_authz(client, kind, value):
    return client.post(client.request("GET", client.ca.directory).json["newAuthz"], {"identifier": {"type": kind, "value": value}})


def test_pre_authorization(ca, client):
    host = name()
    made = new_authz(client, "dns", host.upper())
    assert made.status == 201, made.body
    url = made.headers["Location"]
    assert made.json["status"] == "pending" and made.json["identifier"] == {"type": "dns", "value": host}
    assert sorted(c["type"] for c in made.json["challenges"]) == ["dns-01", "http-01", "tls-alpn-01"]
    assert client.post(url).json == made.json
    assert client.solve(url)["status"] == "valid"
    again = new_authz(client, "dns", host)
    assert (again.status, again.headers["Location"], again.json["status"]) == (200, url, "valid")
    order = client.order(host)
    assert order.json["status"] == "ready" and order.json["authorizations"] == [url]
    assert client.finalize(order.json, client.csr(host)).json["status"] == "valid"
    assert new_authz(client, "ip", "127.0.0.3").status == 201
    refused(new_authz(client, "dns", "*." + host), 400, "malformed", "wildcard")
    refused(new_authz(client, "dns", "a_b.example.test"), 400, "malformed")
    refused(new_authz(client, "email", "a@example.test"), 400, "unsupportedIdentifier")


def test_an_accounts_key_is_no_certificates(ca, client):
    host, other = name(), Client(ca)
    assert other.register().status == 201
    valid_authz(client, host)
    order = client.order(host).json
    for key in (client.key, other.key):
        refused(client.finalize(order, client.csr(host, key=key.private)), 400, "badCSR", "account")
    assert client.finalize(order, client.csr(host)).json["status"] == "valid"


# --- one validation of an authorization at a time ---

class Gate:
    """A challenge's answer that is given when the test says so."""

    def __init__(self, body):
        self.asked, self.open, self.times = threading.Event(), threading.Event(), 0
        self.body = body.encode()

    def __call__(self, handler):
        self.times += 1
        self.asked.set()
        self.open.wait(15)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body)


def gated(client):
    """A pending authorization whose http-01 is being validated until the gate opens."""
    made = client.order(name())
    url = made.json["authorizations"][0]
    authz = client.post(url).json
    challenge = challenge_of(authz)
    gate = Gate(challenge["token"] + "." + client.key.thumbprint())
    client.ca.web.challenge(challenge["token"], gate)
    assert client.post(challenge["url"], {}).status == 200
    assert gate.asked.wait(10)
    return made, url, authz, gate


def test_parallel_challenges_validate_once(ca, client):
    made, url, authz, gate = gated(client)
    now = client.post(url)
    assert challenge_of(now.json)["status"] == "processing" and now.headers["Retry-After"]
    order = client.post(made.headers["Location"])
    assert order.json["status"] == "pending" and order.headers["Retry-After"]
    # the same one again, and the others: each is told how things stand, and nothing more begins
    for challenge in authz["challenges"] * 2:
        answer = client.post(challenge["url"], {})
        assert answer.status == 200, answer.body
        assert answer.json["status"] == ("processing" if challenge["type"] == "http-01" else "pending"), answer.body
        assert ("Retry-After" in answer.headers) == (challenge["type"] == "http-01")
    gate.open.set()
    valid = client.wait(url)
    assert valid["status"] == "valid" and [c["type"] for c in valid["challenges"]] == ["http-01"]
    assert gate.times == 1
    for challenge in authz["challenges"]:  # nothing begins afterwards either
        assert client.post(challenge["url"], {}).status == 200
    assert client.post(url).json == valid
    order = client.post(made.headers["Location"])
    assert order.json["status"] == "ready" and "Retry-After" not in order.headers


def test_one_failed_challenge_ends_the_authorization(ca, client):
    made = client.order(name())
    url = made.json["authorizations"][0]
    authz = client.post(url).json
    client.post(challenge_of(authz)["url"], {})
    ended = client.wait(url)
    assert ended["status"] == "invalid" and [c["type"] for c in ended["challenges"]] == ["http-01"]
    assert client.post(challenge_of(authz, "dns-01")["url"], {}).json["status"] == "pending"
    assert client.post(url).json == ended
    assert client.post(made.headers["Location"]).json["status"] == "invalid"


def test_finalization_by_twenty_gives_one_certificate(ca, client):
    host = name()
    made = client.order(host)
    assert client.solve(made.json["authorizations"][0])["status"] == "valid"
    csr, answers = client.csr(host), []

    def one():
        other = Client(ca, client.key)
        other.kid = client.kid
        answers.append(other.finalize(made.json, csr))
    threads = [threading.Thread(target=one) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=60)
    assert [a.status for a in answers] == [200] * 20, [a.body for a in answers]
    assert len({a.json["certificate"] for a in answers}) == 1


def test_one_nonce_twenty_times_succeeds_once(ca, client):
    url, nonce, answers = ca.base + "/acme/new-order", client.fresh_nonce(), []

    def one():
        other = Client(ca, client.key)
        other.kid = client.kid
        other.nonce = nonce
        answers.append(other.send(url, other.jws(url, {"identifiers": [{"type": "dns", "value": name()}]})))
    threads = [threading.Thread(target=one) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=60)
    assert sorted(a.type or a.status for a in answers if a.status != 201) == ["badNonce"] * 19
    assert len(answers) == 20
