"""Accounts (RFC 8555 section 7.3): their resource, terms, external accounts, keys, list of orders; and what every answer carries."""
import base64
import hashlib
import hmac
import html
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import ssl
import threading
import time
import urllib.parse

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from acme_raw import Answer, Client, Key, b64
from harness import running_ca

counter = itertools.count(1)


def name():
    return f"account{next(counter)}.example.test"


@pytest.fixture(scope="module")
def ca():
    with running_ca() as one:
        yield one


@pytest.fixture(scope="module")
def client(ca):
    one = Client(ca)
    assert one.register().status == 201
    return one


def refused(answer, status, kind, *words):
    """A problem document of exactly this type; its detail says something of use."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.body
    assert (answer.status, answer.type) == (status, kind), answer.body
    for word in words:
        assert word in answer.json["detail"], answer.json["detail"]
    return answer.json


def put(section, line):
    """A change of the configuration: one more line in a section, or above all of them."""
    return lambda text: text.replace(f"{section} {{\n", f"{section} {{\n\t{line}\n", 1) if section else f"{line}\n{text}"


# --- what every answer carries ---

def raw(ca, data):
    """Bytes on a connection of their own; the answer."""
    context = ssl.create_default_context(cafile=str(ca.root))
    with socket.create_connection(("localhost", ca.port), timeout=30) as plain, context.wrap_socket(plain, server_hostname="localhost") as s:
        s.sendall(data)
        response = http.client.HTTPResponse(s)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def test_every_error_gives_a_fresh_nonce(ca, client):
    host = f"Host: localhost:{ca.port}\r\n"
    answers = [client.request("GET", ca.base + "/nowhere"), client.request("GET", ca.base + "/acme/new-order"), client.request("DELETE", ca.directory),
               client.request("POST", ca.directory, "x", {"Content-Type": "text/plain"}),
               raw(ca, f"GET /a b HTTP/1.1\r\n{host}\r\n".encode()), raw(ca, b"GET / HTTP/1.1\r\n\r\n"), raw(ca, f"GET / HTTP/3.0\r\n{host}\r\n".encode()),
               raw(ca, f"POST /acme/new-order HTTP/1.1\r\n{host}Content-Length: 70000\r\n\r\n".encode())]
    assert [a.status for a in answers] == [404, 405, 405, 415, 400, 400, 505, 413]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Link"] == f'<{ca.directory}>;rel="index"'
        used = client.send(ca.base + "/acme/new-order", client.jws(ca.base + "/acme/new-order", {"identifiers": []}, header={"nonce": answer.headers["Replay-Nonce"]}))
        assert used.type == "malformed" and "identifiers" in used.json["detail"], used.body  # as far as its payload: the nonce was good
    assert len({a.headers["Replay-Nonce"] for a in answers}) == len(answers)


EXPOSED = "Link, Location, Replay-Nonce, Retry-After, X-Request-Id"


def test_pages_of_all_origins(ca, client):
    order = client.order(name())
    for answer in (client.request("GET", ca.directory), client.request("HEAD", ca.base + "/acme/new-nonce"), order, client.post(order.headers["Location"]),
                   client.request("GET", ca.base + "/nowhere"), client.send(ca.base + "/acme/new-order", {}),
                   raw(ca, b"GET / HTTP/1.1\r\n\r\n"), client.request("GET", ca.directory, headers={"Origin": "https://page.example"})):
        assert answer.headers["Access-Control-Allow-Origin"] == "*" and answer.headers["Access-Control-Expose-Headers"] == EXPOSED
    ask = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for url, methods in ((ca.base + "/acme/new-order", "POST, OPTIONS"), (ca.directory, "GET, HEAD, POST, OPTIONS"), (client.kid, "POST, OPTIONS")):
        answer = client.request("OPTIONS", url, headers=ask)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == "*" and answer.headers["Access-Control-Allow-Methods"] == methods == answer.headers["Allow"]
        assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type" and int(answer.headers["Access-Control-Max-Age"]) > 0
    plain = client.request("OPTIONS", ca.directory)
    assert plain.status == 204 and plain.headers["Allow"] and "Access-Control-Allow-Methods" not in plain.headers
    refused(client.request("OPTIONS", ca.base + "/nowhere", headers=ask), 404, "malformed")


@pytest.mark.parametrize("origins,allowed", [('{"https://good.example", "https://other.example:8443"}', True), ("{}", False)])
def test_pages_of_some_origins(origins, allowed):
    with running_ca(edit=put("front", f"cors-origins = {origins}")) as ca:
        client = Client(ca)
        for origin in ("https://good.example", "https://bad.example", "https://good.example.bad.example", "null", None):
            headers = {"Origin": origin} if origin else {}
            good = allowed and origin == "https://good.example"
            for answer in (client.request("GET", ca.directory, headers=headers), client.request("GET", ca.base + "/nowhere", headers=headers),
                           client.request("OPTIONS", ca.base + "/acme/new-order", headers=headers)):
                assert answer.headers.get("Access-Control-Allow-Origin") == (origin if good else None)
                assert answer.headers.get("Vary") == ("Origin" if allowed else None)
        assert ("Access-Control-Allow-Methods" in client.request("OPTIONS", ca.directory, headers={"Origin": "https://good.example"}).headers) == allowed


# --- the account's resource ---

def test_the_account_object(ca):
    client = Client(ca)
    made = client.register(contact=["mailto:a@b.example"])
    assert made.status == 201
    assert made.json == {"status": "valid", "contact": ["mailto:a@b.example"], "orders": client.kid + "/orders"}
    for payload in (None, {}):
        assert client.post(client.kid, payload).json == made.json


def test_contacts_are_updated(ca):
    client = Client(ca)
    client.register(contact=["mailto:a@b.example"])
    many = [f"mailto:admin{i}@example.org" for i in range(5)]
    assert client.post(client.kid, {"contact": many}).json["contact"] == many
    # RFC 8555 section 7.3.2: "The server MUST ignore any updates to ..."
    answer = client.post(client.kid, {"orders": "https://x.example", "termsOfServiceAgreed": True, "status": "valid", "externalAccountBinding": {}, "x": [1]})
    assert answer.status == 200 and answer.json == client.post(client.kid).json == {"status": "valid", "contact": many, "orders": client.kid + "/orders"}
    assert client.post(client.kid, {"status": "revoked"}).json["status"] == "valid"
    for contact, kind in (("tel:+12025551212", "unsupportedContact"), ("mailto:a@b.example?cc=c@d.example", "invalidContact"), ("mailto:a@b.example,c@d.example", "invalidContact"),
                          ("mailto:a@b@c", "invalidContact"), ("mailto:a..b@c.example", "invalidContact"), ("mailto:a@b..example", "invalidContact"), ("mailto:a@.example", "invalidContact"),
                          ("mailto:a@b_c.example", "invalidContact"), ("mailto:" + "a" * 65 + "@b.example", "invalidContact"), ("mailto:a b@c.example", "invalidContact"), ("", "unsupportedContact")):
        refused(client.post(client.kid, {"contact": ["mailto:good@example.org", contact]}), 400, kind)
    refused(client.post(client.kid, {"contact": many + ["mailto:six@example.org"]}), 400, "invalidContact", "5")
    refused(client.post(client.kid, {"contact": "mailto:a@b.example"}), 400, "malformed", "contact")
    refused(client.post(client.kid, {"contact": [1]}), 400, "malformed", "contact")
    refused(client.post(client.kid, b"[]"), 400, "malformed")
    assert client.post(client.kid).json["contact"] == many
    assert client.post(client.kid, {"contact": ["MAILTO:o'hara+x@example.org"]}).json["contact"] == ["MAILTO:o'hara+x@example.org"]
    assert "contact" not in client.post(client.kid, {"contact": []}).json
    assert client.register().json == client.post(client.kid).json


def test_an_account_sees_itself_alone(ca, client):
    other = Client(ca)
    other.register(contact=["mailto:secret@example.org"])
    for url in (other.kid, other.kid + "/orders", ca.base + "/acme/acct/" + b64(bytes(32)), ca.base + "/acme/acct/x", ca.base + "/acme/acct/x/orders"):
        problem = refused(client.post(url), 403, "unauthorized")
        assert "secret" not in json.dumps(problem)
    refused(client.post(other.kid, {"contact": []}), 403, "unauthorized")
    refused(client.post(other.kid, {"status": "deactivated"}), 403, "unauthorized")
    assert other.post(other.kid).json["contact"] == ["mailto:secret@example.org"]


def test_many_new_accounts_of_one_key(ca):
    """Twenty at once: one account, made once."""
    key, answers = Key(), []
    clients = [Client(ca, key) for _ in range(20)]
    for c in clients:
        c.fresh_nonce()
    start = threading.Barrier(len(clients))

    def register(c, i):
        start.wait()
        answers.append(c.register(contact=[f"mailto:n{i}@example.org"]))
    threads = [threading.Thread(target=register, args=(c, i)) for i, c in enumerate(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(a.status for a in answers) == [200] * 19 + [201]
    assert len({a.headers["Location"] for a in answers}) == 1
    assert len({json.dumps(a.json) for a in answers}) == 1  # also who came second is told what is stored


# --- its orders ---

def pages(client, url):
    """Follows Link: rel="next" to the end; the lists."""
    found = []
    while url:
        answer = client.post(url)
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/json" and list(answer.json) == ["orders"]
        found.append(answer.json["orders"])
        links = [m.group(1) for m in (re.fullmatch(r'<([^>]*)>;rel="next"', link) for link in answer.headers.get_all("Link")) if m]
        assert len(links) <= 1
        url = links[0] if links else None
    return found


def test_the_list_of_orders():
    with running_ca(edit=put("front", "orders-page = 4")) as ca:
        client = Client(ca)
        client.register()
        url = client.post(client.kid).json["orders"]
        assert pages(client, url) == [[]]
        orders = [client.order(name()).headers["Location"] for _ in range(11)]
        client.issue("valid.example.test")
        found = pages(client, url)
        assert [len(p) for p in found] == [4, 4, 4]
        assert [u for p in found for u in p][1:] == orders[::-1]
        assert client.post(found[0][0]).json["status"] == "valid"
        failed = client.order("failed.example.test")
        authz = client.post(failed.json["authorizations"][0]).json
        (challenge,) = [c for c in authz["challenges"] if c["type"] == "http-01"]
        client.post(challenge["url"], {})
        assert client.wait(failed.headers["Location"])["status"] == "invalid"
        assert pages(client, url) == found
        # the cursor belongs to the URL that is signed, and there is one kind of it
        following = client.post(url).headers.get_all("Link")
        (cursor,) = [m.group(1) for m in (re.search(r"(\?cursor=[^>]*)>", link) for link in following) if m]
        for query in ("?cursor=", "?cursor=x", cursor + "A", cursor + "&x=1", "?x=1", "?%63ursor=" + cursor[8:], cursor.replace("cursor", "Cursor"), cursor + cursor.replace("?", "&")):
            refused(client.post(url + query), 400, "malformed", "next")
        for signed, sent in ((url, url + cursor), (url + cursor, url), (url + cursor, url + cursor[:-1] + ("A" if cursor[-1] != "A" else "B"))):
            refused(client.send(sent, client.jws(signed, None)), 403, "unauthorized", "url")
        refused(client.post(client.kid + "?cursor=1"), 403, "unauthorized", "url")  # where no query may be, as before
        refused(client.post(url, {}), 400, "malformed", "POST-as-GET")
        other = Client(ca)
        other.register()
        refused(other.post(url + cursor), 403, "unauthorized")
        assert pages(other, other.kid + "/orders" + cursor) == [[]]
        assert client.request("GET", url).status == 405


# --- terms of service ---

def reload(ca, edit):
    before = ca.log_text().count("child.reloaded child=front")
    ca.config.write_text(edit(ca.config.read_text()))
    ca.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while ca.log_text().count("child.reloaded child=front") == before:
        assert time.monotonic() < end, ca.log_text()
        time.sleep(0.02)


def page(client, url, form=None):
    body = urllib.parse.urlencode(form) if form is not None else None
    return client.request("POST" if body is not None else "GET", url, body, {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {})


def test_terms_that_change():
    first, second, third = ("https://ca.example.org/terms?v=1", "https://ca.example.org/terms?v=2&x='y'", "https://ca.example.org/terms/3")
    with running_ca(edit=put("front", f'terms-of-service = "{first}"')) as ca:
        client, careless = Client(ca), Client(ca)
        answer = client.register()
        assert refused(answer, 403, "userActionRequired", first)["instance"] == first
        assert f'<{first}>;rel="terms-of-service"' in answer.headers.get_all("Link")
        refused(client.register(termsOfServiceAgreed=False), 403, "userActionRequired")
        refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")  # whoever asks for this agrees to nothing
        made = client.register(termsOfServiceAgreed=True)
        assert made.status == 201 and made.json["termsOfServiceAgreed"] is True
        assert client.register().status == 200 and client.register(onlyReturnExisting=True).status == 200
        assert careless.register(termsOfServiceAgreed=True).status == 201
        old = client.order(name())
        assert old.status == 201
        reload(ca, lambda t: t.replace(first, second))
        answers = [client.order(name()), client.post(old.headers["Location"]), client.post(old.json["finalize"], {"csr": "AA"}), client.post(old.json["authorizations"][0])]
        for answer in answers:
            problem = refused(answer, 403, "userActionRequired")
            assert problem["instance"].startswith(ca.base + "/terms/") and problem["instance"] == answers[0].json["instance"]
            assert f'<{second}>;rel="terms-of-service"' in answer.headers.get_all("Link")
            assert "Replay-Nonce" in answer.headers
        link = answers[0].json["instance"]
        # what goes on without them
        assert client.post(client.kid).json["termsOfServiceAgreed"] is False
        assert client.post(client.kid, {"contact": ["mailto:a@b.example"]}).status == 200
        assert client.post(client.kid + "/orders").status == 200 and client.post(ca.directory).status == 200
        assert client.post(client.kid, {"termsOfServiceAgreed": True}).json["termsOfServiceAgreed"] is False  # section 7.3.3: a person agrees
        assert client.register(termsOfServiceAgreed=True).json["termsOfServiceAgreed"] is False
        # the page, also after a restart
        ca.stop()
        ca.start()
        client.connection = careless.connection = None
        client.nonce = careless.nonce = None
        shown = page(client, link)
        assert shown.status == 200 and shown.headers["Content-Type"] == "text/html; charset=utf-8"
        assert html.escape(second, quote=True).replace("&amp;", "&#38;").replace("&#x27;", "&#39;") in shown.body.decode() and "'y'" not in shown.body.decode()
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"] and "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]
        assert shown.headers["Referrer-Policy"] == "no-referrer" and shown.headers["Cache-Control"] == "no-store" and shown.headers["X-Content-Type-Options"] == "nosniff"
        assert "script" not in shown.body.decode().lower()
        assert "Access-Control-Allow-Origin" not in shown.headers and "Replay-Nonce" not in shown.headers and "Link" not in shown.headers
        for form in ({}, {"terms": first}, {"terms": second + "x"}, {"terms": second[:-1]}, {"x": second}):
            assert "<form" in page(client, link, form).body.decode()
        assert "<form" in client.request("POST", link, urllib.parse.urlencode({"terms": second}), {"Content-Type": "text/plain"}).body.decode()
        refused(client.order(name()), 403, "userActionRequired")
        for wrong in (link[:-1], link[:-1] + ("A" if link[-1] != "A" else "B"), link + "A", ca.base + "/terms/x", ca.base + "/terms/" + b64(bytes(48))):
            for form in (None, {"terms": second}):
                answer = page(client, wrong, form)
                assert answer.status == 404 and "<form" not in answer.body.decode()
        assert client.request("PUT", link, "").headers["Allow"] == "GET, HEAD, POST, OPTIONS"
        agreed = page(client, link, {"terms": second})
        assert agreed.status == 200 and "Thank you" in agreed.body.decode()
        assert "<form" not in page(client, link).body.decode()
        assert client.order(name()).status == 201 and client.post(old.headers["Location"]).status == 200
        assert client.post(client.kid).json["termsOfServiceAgreed"] is True
        # another's agreement is not one's own
        problem = refused(careless.order(name()), 403, "userActionRequired")
        assert problem["instance"] != link
        # an old page names old terms: it is shown anew
        reload(ca, lambda t: t.replace(second, third))
        answer = page(careless, problem["instance"], {"terms": second})
        assert "<form" in answer.body.decode() and third in answer.body.decode()
        refused(careless.order(name()), 403, "userActionRequired")
        # who need not agree again
        reload(ca, put("front", 'terms-agree-again = "false"'))
        assert careless.order(name()).status == 201 and careless.post(careless.kid).json["termsOfServiceAgreed"] is True
        assert "script" not in ca.log_text() and link.rsplit("/", 1)[1] not in ca.log_text()


# --- external accounts ---

def binding(client, secret, kid="unknown", alg="HS256", key=None, url=None, **header):
    protected = b64(json.dumps({"alg": alg, "kid": kid, "url": url or client.ca.base + "/acme/new-account", **header}).encode())
    payload = b64(json.dumps((key or client.key).jwk()).encode())
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(alg, hashlib.sha256)
    return {"protected": protected, "payload": payload, "signature": b64(hmac.new(secret, f"{protected}.{payload}".encode(), digest).digest())}


def test_external_accounts_off(ca):
    client = Client(ca)
    assert "externalAccountRequired" not in client.request("GET", ca.directory).json["meta"]
    made = client.register(externalAccountBinding=binding(client, bytes(32)))
    assert made.status == 201 and "externalAccountBinding" not in made.json


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_external_accounts_that_are_wrong(mode):
    with running_ca(edit=put("", f'external-accounts = "{mode}"')) as ca:
        client = Client(ca)
        assert client.request("GET", ca.directory).json["meta"].get("externalAccountRequired") == (True if mode == "required" else None)
        wrong = [binding(client, bytes(32), key=Key()), binding(client, bytes(32), url=ca.base + "/acme/new-order"), binding(client, bytes(32), nonce="AAAA"),
                 {**binding(client, bytes(32)), "signature": "AAAA"}, {}]
        for one in wrong:
            refused(client.register(externalAccountBinding=one), 400, "malformed")
        refused(client.register(externalAccountBinding=binding(client, bytes(32), alg="RS256")), 400, "badSignatureAlgorithm")
        refused(client.register(externalAccountBinding="x"), 400, "malformed")
        refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
        bare = client.register()
        if mode == "required":
            refused(bare, 403, "externalAccountRequired", "externalAccountBinding")
            refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
        else:
            assert bare.status == 201 and "externalAccountBinding" not in bare.json


def eab(ca, *words):
    """An external account key that the operator makes: its id and secret."""
    made = json.loads(ca.run("eab", "--json", "--config", ca.config, *words, "add").stdout)
    return made["kid"], base64.urlsafe_b64decode(made["key"] + "=" * (-len(made["key"]) % 4))


def test_external_accounts_that_are_right():
    with running_ca(edit=put("", 'external-accounts = "required"')) as ca:
        for alg in ("HS256", "HS384", "HS512"):
            kid, secret = eab(ca, "--alg", alg)
            client = Client(ca)
            one = binding(client, secret, kid, alg)
            made = client.register(externalAccountBinding=one, contact=["mailto:a@b.example"])
            assert made.status == 201 and made.json["externalAccountBinding"] == one
            assert client.post(client.kid).json == made.json
            again = client.register()  # an account that is there needs no binding
            assert again.status == 200 and again.json == made.json
        assert client.issue("bound.example.test")
        kid, secret = eab(ca, "--uses", "1")
        first, second = Client(ca), Client(ca)
        refused(first.register(externalAccountBinding=binding(first, secret[:-1] + bytes([secret[-1] ^ 1]), kid)), 403, "unauthorized")
        refused(first.register(externalAccountBinding=binding(first, secret, "00" * 10)), 403, "unauthorized", "kid")
        refused(first.register(externalAccountBinding=binding(first, secret, kid), contact=["tel:1"]), 400, "unsupportedContact")
        assert first.register(externalAccountBinding=binding(first, secret, kid)).status == 201  # what was refused has used nothing up
        refused(second.register(externalAccountBinding=binding(second, secret, kid)), 403, "unauthorized")
        refused(second.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
        ca.run("eab", "--config", ca.config, "revoke", kid)
        answer = first.order("revoked.example.test")
        if answer.status == 201:
            for authz in answer.json["authorizations"]:
                assert first.solve(authz)["status"] == "valid"
            answer = first.finalize(answer.json, first.csr("revoked.example.test"))
        assert answer.status == 403, answer.body


# --- the end of an account ---

def test_deactivation(ca):
    client, other = Client(ca), Client(ca)
    client.register(contact=["mailto:a@b.example"])
    other.register()
    order = client.order(name())
    answer = client.post(client.kid, {"status": "deactivated", "contact": ["tel:1"]})
    assert answer.status == 200 and answer.json["status"] == "deactivated"
    # RFC 8555 section 7.3.6: 401, for everything
    for url, payload in ((client.kid, None), (client.kid, {"status": "valid"}), (client.kid, {"status": "deactivated"}), (client.kid + "/orders", None), (order.headers["Location"], None),
                         (order.json["authorizations"][0], None), (order.json["finalize"], {"csr": "AA"}), (ca.base + "/acme/new-order", {"identifiers": []}), (ca.directory, None),
                         (ca.base + "/acme/key-change", {})):
        answer = client.post(url, payload)
        refused(answer, 401, "unauthorized", "deactivated")
        assert "WWW-Authenticate" in answer.headers and "Replay-Nonce" in answer.headers
    for payload in ({}, {"onlyReturnExisting": True}, {"termsOfServiceAgreed": True}):
        refused(client.register(**payload), 401, "unauthorized", "deactivated")
    # nobody else is told
    refused(client.send(client.kid, client.jws(client.kid, None, key=Key())), 403, "unauthorized")
    refused(other.post(client.kid), 403, "unauthorized")
    assert other.issue(name())


def test_deactivation_by_many_at_once(ca):
    client = Client(ca)
    client.register()
    answers = at_once(lambda c: c.post(client.kid, {"status": "deactivated"}), [twin(client) for _ in range(8)])
    assert {a.status for a in answers} <= {200, 401} and 200 in {a.status for a in answers}
    refused(client.post(client.kid), 401, "unauthorized")


# --- another key ---

def twin(client):
    other = Client(client.ca, client.key)
    other.kid = client.kid
    other.fresh_nonce()
    return other


def at_once(call, clients):
    answers, start = [None] * len(clients), threading.Barrier(len(clients))

    def run(i, c):
        start.wait()
        answers[i] = call(c)
    threads = [threading.Thread(target=run, args=(i, c)) for i, c in enumerate(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def key_change(client, new, signer=None, old_key=None, account=None, header=None, drop=()):
    """The inner JWS of RFC 8555 section 7.3.5."""
    url = client.ca.base + "/acme/key-change"
    protected = {"alg": new.alg, "jwk": new.jwk(), "url": url, **(header or {})}
    for member in drop:
        protected.pop(member)
    protected = b64(json.dumps(protected).encode())
    payload = b64(json.dumps({"account": account or client.kid, "oldKey": old_key or client.key.jwk()}).encode())
    return {"protected": protected, "payload": payload, "signature": b64((signer or new).sign(f"{protected}.{payload}".encode()))}


def roll(client, new, **how):
    return client.post(client.ca.base + "/acme/key-change", key_change(client, new, **how))


def test_key_change(ca):
    assert Client(ca).request("GET", ca.directory).json["keyChange"] == ca.base + "/acme/key-change"
    client = Client(ca)
    client.register(contact=["mailto:a@b.example"])
    before, host = name(), name()
    chain = client.issue(before)
    old_order = client.order(host)
    first = client.key
    # one that is validated by the first key and finalized by the last; its wishes are signed by the first
    (profile, *_) = client.request("GET", ca.directory).json["meta"]["profiles"]
    early = name()
    early_order = client.post(ca.base + "/acme/new-order", {"identifiers": [{"type": "dns", "value": early}], "profile": profile})
    assert early_order.status == 201 and client.solve(early_order.json["authorizations"][0])["status"] == "valid"
    for alg in ("ES384", "RS256", "EdDSA"):
        old, new = client.key, Key(alg)
        account = client.post(client.kid).json
        answer = roll(client, new)
        assert answer.status == 200 and answer.json == account
        for answer in (client.post(client.kid), roll(client, new)):
            assert answer.type in ("unauthorized", "badSignatureAlgorithm"), answer.body
        refused(client.register(), 403, "unauthorized", "key change")
        refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
        client.key = new
        assert client.post(client.kid).json == account
        kid = client.kid
        for payload in ({}, {"onlyReturnExisting": True}):
            found = client.register(**payload)
            assert (found.status, found.headers["Location"]) == (200, kid) and found.json == account
        # a key of before is nobody's again, also not this account's
        answer = roll(client, old)
        refused(answer, 409, "malformed")
        answer = roll(client, first)
        refused(answer, 409, "malformed")
    # section 7.3.5: "Changing an account's key should not have any other impact on the account"
    assert old_order.headers["Location"] in client.post(client.kid + "/orders").json["orders"]
    for authz in old_order.json["authorizations"]:
        assert client.solve(authz)["status"] == "valid"
    done = client.finalize(old_order.json, client.csr(host))
    assert done.status == 200, done.body
    assert client.wait(old_order.headers["Location"])["status"] == "valid"
    done = client.finalize(early_order.json, client.csr(early))
    assert done.status == 200 and client.wait(early_order.headers["Location"])["status"] == "valid", done.body
    assert client.issue(name()) and client.issue(before)
    assert chain


def test_a_key_change_outlives_restarts():
    with running_ca() as ca:
        client = Client(ca)
        client.register()
        kid, old = client.kid, client.key
        new = Key()
        assert roll(client, new).status == 200
        ca.stop()
        ca.start()
        client.connection = client.nonce = None
        refused(client.post(kid), 403, "unauthorized")
        client.key = new
        assert client.post(kid).status == 200 and client.issue("restarted.example.test")
        client.key = old
        refused(client.register(), 403, "unauthorized", "key change")


def test_key_changes_to_keys_that_are_taken(ca):
    client, other = Client(ca), Client(ca)
    client.register()
    other.register()
    answer = roll(client, other.key)
    refused(answer, 409, "malformed")
    assert answer.headers["Location"] == other.kid and "Replay-Nonce" in answer.headers
    answer = roll(client, client.key)
    refused(answer, 409, "malformed")
    assert answer.headers["Location"] == client.kid
    third = Key()
    assert roll(other, third).status == 200
    answer = roll(client, third)
    refused(answer, 409, "malformed")
    assert answer.headers["Location"] == other.kid
    refused(roll(client, other.key), 409, "malformed")  # the one that it had
    assert client.post(client.kid).status == 200


def test_wrong_key_changes(ca):
    client, other = Client(ca), Client(ca)
    client.register()
    other.register()
    new = Key()
    url = ca.base + "/acme/key-change"
    wrong = [
        (roll(client, new, account=other.kid), 400, "malformed"),
        (roll(client, new, account=client.kid + "/"), 400, "malformed"),
        (roll(client, new, old_key=other.key.jwk()), 400, "malformed"),
        (roll(client, new, old_key=new.jwk()), 400, "malformed"),
        (roll(client, new, header={"url": ca.base + "/acme/new-account"}), 400, "malformed"),
        (roll(client, new, header={"nonce": "AAAA"}), 400, "malformed"),
        (roll(client, new, header={"kid": client.kid}), 400, "malformed"),
        (roll(client, new, drop=("jwk",), header={"kid": client.kid}), 400, "malformed"),
        (roll(client, new, drop=("jwk",)), 400, "malformed"),
        (roll(client, new, drop=("url",)), 400, "malformed"),
        (roll(client, new, header={"alg": "HS256"}), 400, "badSignatureAlgorithm"),
        (roll(client, new, signer=client.key), 403, "unauthorized"),
        (client.post(url, {}), 400, "malformed"),
        (client.post(url, b"x"), 400, "malformed"),
        (client.post(url, {"account": client.kid, "oldKey": client.key.jwk()}), 400, "malformed"),
        (client.post(url), 400, "malformed"),
        (client.post(url, key_change(client, new), jwk=True), 400, "malformed"),
    ]
    for answer, status, kind in wrong:
        refused(answer, status, kind)
    weak = Key("RS256")
    weak.private = close_primes()
    refused(roll(client, weak), 400, "badPublicKey", "near")
    refused(client.send(url, client.jws(url, key_change(client, new), key=other.key)), 403, "unauthorized")
    # another account's request around the same inner one
    refused(other.post(url, key_change(client, new)), 400, "malformed")
    # nothing came of any of it
    assert client.post(client.kid).status == 200
    fresh = Client(ca, new)
    refused(fresh.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
    assert fresh.register().status == 201


def test_key_changes_by_many_at_once(ca):
    """To one key: whoever is heard while the old key holds is told yes. To different keys: one is the account's, and its sender was told."""
    client = Client(ca)
    client.register()
    new = Key()
    answers = at_once(lambda c: roll(c, new), [twin(client) for _ in range(8)])
    assert 200 in {a.status for a in answers}
    for a in answers:  # 409: the old key was still good when the request was read, and the new one is the account's
        assert a.status in (200, 403) or (a.status == 409 and a.headers["Location"] == client.kid), a.body
    client.key = new
    assert client.post(client.kid).status == 200
    keys = [Key() for _ in range(8)]
    twins = [twin(client) for _ in keys]
    chosen = dict(zip(map(id, twins), keys))
    answers = at_once(lambda c: roll(c, chosen[id(c)]), twins)
    (won,) = [i for i, a in enumerate(answers) if a.status == 200]
    for i, a in enumerate(answers):
        client.key = keys[i]
        if i == won:
            assert client.post(client.kid).status == 200
        else:
            refused(a, 403, "unauthorized")
            refused(client.post(client.kid), 403, "unauthorized")
            refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")  # the keys that lost are nobody's
        client.kid = twins[0].kid


# --- weak keys ---

def close_primes():
    """An RSA key whose primes are near each other: Fermat's method finds them at once."""
    p, q = (3 << 1022) + 1037, (3 << 1022) + 1697
    d = pow(65537, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q)).private_key()


def test_weak_account_keys(ca):
    client = Client(ca, Key("RS256"))
    client.key.private = close_primes()
    refused(client.register(), 400, "badPublicKey", "near")
    refused(client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")


# --- keys that may not be an account's ---

def spki_digest(key):
    return hashlib.sha256(key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def test_blocked_keys_and_the_ca_s_own(tmp_path):
    bad, good = Key(), Key()
    blocked = tmp_path / "blocked"
    blocked.write_text(spki_digest(bad.private) + "\n")
    with running_ca(edit=put("policy", f'blocked-keys = {{"{blocked}"}}')) as ca:
        own = Key()
        own.private = serialization.load_pem_private_key((ca.folder / "state/signer/issuers/main/key.pem").read_bytes(), None)
        own.alg = {"secp256r1": "ES256", "secp384r1": "ES384"}[own.private.curve.name]
        client = Client(ca, good)
        assert client.register().status == 201
        for key, word in ((bad, "blocked"), (own, "CA itself")):
            stranger = Client(ca, key)
            refused(stranger.register(), 400, "badPublicKey", word)
            refused(stranger.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
            refused(roll(client, key), 400, "badPublicKey", word)
        assert client.post(client.kid).status == 200


# --- when the database forgets what the signer knows ---

def forget(ca, act):
    """Acts, and puts the front's database back to where it was before: as if the front had died when the signer had answered."""
    ca.stop()
    folder, kept = ca.folder / "state" / "front", ca.folder / "kept"
    shutil.copytree(folder, kept)
    ca.start()
    result = act()
    ca.stop()
    for file in folder.glob("store.db*"):
        file.unlink()
    for file in kept.glob("store.db*"):
        shutil.copy2(file, folder / file.name)
        os.chown(folder / file.name, folder.stat().st_uid, folder.stat().st_gid)
    shutil.rmtree(kept)
    ca.start()
    return result


def fresh(client):
    client.connection = client.nonce = None
    return client


def test_what_the_signer_knows_already_is_done_again():
    with running_ca(edit=put("", 'external-accounts = "optional"')) as ca:
        client, ending, new = Client(ca), Client(ca), Key()
        client.register()
        ending.register()
        kid, secret = eab(ca, "--uses", "1")
        bound = Client(ca)

        def act():
            assert roll(fresh(client), new).status == 200
            assert fresh(ending).post(ending.kid, {"status": "deactivated"}).status == 200
            assert bound.register(externalAccountBinding=binding(bound, secret, kid)).status == 201
        forget(ca, act)
        refused(fresh(bound).register(onlyReturnExisting=True), 400, "accountDoesNotExist")
        assert bound.register(externalAccountBinding=binding(bound, secret, kid)).status == 201  # its one use is this account's
        assert bound.issue("bound.example.test")
        assert fresh(client).post(client.kid).status == 200  # the old key, still
        refused(roll(client, Key()), 403, "unauthorized")    # but only to the key that the signer knows
        assert roll(client, new).status == 200
        client.key = new
        assert client.post(client.kid).status == 200 and client.issue("rolled.example.test")
        assert fresh(ending).post(ending.kid, {"status": "deactivated"}).status == 200
        refused(ending.post(ending.kid), 401, "unauthorized")
