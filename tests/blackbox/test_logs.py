"""Logs: one request is followed by its number through front, validator and signer."""
import json
import re

import pytest

from acme_raw import Client, certificates
from harness import running_ca


def json_log(text):
    return re.sub(r"^#?\s*log-format = .*$", 'log-format = "json"', text, count=1, flags=re.M)


@pytest.fixture(scope="module")
def ca():
    with running_ca(edit=json_log) as running:
        yield running


def lines(ca):
    return [json.loads(line) for line in ca.log_text().splitlines() if line.startswith("{")]


def of_request(ca, answer):
    return [line for line in lines(ca) if line.get("request") == answer.headers["X-Request-Id"]]


def test_each_signed_request_is_told(ca):
    client = Client(ca)
    answer = client.register()
    (line,) = of_request(ca, answer)
    assert (line["process"], line["event"], line["method"], line["path"], line["status"]) == ("front", "request.done", "POST", "/acme/new-account", "201")
    assert line["location"] == client.kid and line["address"] == "127.0.0.1"


def test_a_refusal_says_why(ca):
    client = Client(ca)
    client.register()
    answer = client.order("not_a_name..")
    (line,) = of_request(ca, answer)
    assert (line["event"], line["status"], line["problem"]) == ("request.refused", str(answer.status), answer.json["type"].rsplit(":", 1)[1])
    assert line["detail"] == answer.json["detail"]


def test_a_validation_belongs_to_the_challenge(ca):
    client = Client(ca)
    client.register()
    order = client.order("logs.example").json
    challenge = next(c for c in client.post(order["authorizations"][0]).json["challenges"] if c["type"] == "http-01")
    ca.web.challenge(challenge["token"], challenge["token"] + "." + client.key.thumbprint())
    answer = client.post(challenge["url"], {})
    assert client.wait(order["authorizations"][0])["status"] == "valid"
    told = {(line["process"], line["event"]) for line in of_request(ca, answer)}
    assert told == {("validator", "validation.valid"), ("front", "request.done")}


def test_an_issuance_is_told_by_the_signer_too(ca):
    client = Client(ca)
    client.register()
    order = client.order("issued.example").json
    assert client.solve(order["authorizations"][0])["status"] == "valid"
    answer = client.finalize(order, client.csr("issued.example"))
    told = of_request(ca, answer)
    assert {(line["process"], line["event"]) for line in told} == {("signer", "certificate.issued"), ("front", "request.done")}
    (issued,) = [line for line in told if line["process"] == "signer"]
    assert order["finalize"].split("/")[-2] == issued["order"]
    certificate = certificates(client.post(answer.json["certificate"]).body)[0]
    assert int(issued["serial"], 16) == certificate.serial_number


def test_nonces_and_the_directory_are_not(ca):
    client = Client(ca)
    answer = client.request("GET", ca.directory)
    assert answer.headers["X-Request-Id"] and of_request(ca, answer) == []


def test_it_can_be_switched_off():
    with running_ca(edit=lambda text: re.sub(r"^#?\s*log-requests = .*$", "log-requests = false", text, count=1, flags=re.M)) as ca:
        Client(ca).register()
        assert "request.done" not in ca.log_text()
