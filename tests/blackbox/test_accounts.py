"""Accounts (RFC 8555 section 7.3): their resource, terms, external accounts, keys, list of orders; and what every answer carries."""
import http.client
import itertools
import json
import re
import socket
import ssl

import pytest

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


EXPOSED = "Link, Location, Replay-Nonce, Retry-After"


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
