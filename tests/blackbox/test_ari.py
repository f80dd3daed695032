"""Renewal information (RFC 9773): what a client is told about when to renew."""
import datetime
import signal
import threading
import time

import pytest
from cryptography import x509

from acme_raw import Client, b64, certificates
from harness import running_ca


@pytest.fixture(scope="module")
def ca():
    with running_ca("--private-suffix", "example", edit=lambda t: t.replace('#renewal-explanation = ""', 'renewal-explanation = "https://ca.example/why"')) as ca:
        yield ca


@pytest.fixture
def client(ca):
    client = Client(ca)
    client.register()
    return client


def certificate_id(certificate):
    key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    serial = certificate.serial_number
    return f"{b64(key)}.{b64(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


def ask(client, ident):
    url = client.request("GET", client.ca.directory).json["renewalInfo"]
    return client.request("GET", f"{url}/{ident}")


def moment(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def window(answer):
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    found = answer.json["suggestedWindow"]
    start, end = moment(found["start"]), moment(found["end"])
    assert start < end
    return start, end


def test_the_window_lies_two_thirds_into_the_lifetime(client):
    leaf = certificates(client.issue("a.example"))[0]
    answer = ask(client, certificate_id(leaf))
    start, end = window(answer)
    lifetime = leaf.not_valid_after - leaf.not_valid_before
    middle = leaf.not_valid_before + lifetime * 2 / 3
    assert start < middle < end
    assert abs((end - start) / lifetime - 0.02) < 0.001
    assert answer.headers["Retry-After"] == "21600"
    assert "explanationURL" not in answer.json
    assert ask(client, certificate_id(leaf)).json == answer.json  # the same whenever it is asked


def test_whoever_is_to_renew_soon_asks_more_often(client):
    soon = (datetime.datetime.utcnow() + datetime.timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = client.order("soon.example", notAfter=soon)
    assert client.solve(made.json["authorizations"][0])["status"] == "valid"
    done = client.finalize(made.json, client.csr("soon.example"))
    leaf = certificates(client.post(done.json["certificate"]).body)[0]
    assert ask(client, certificate_id(leaf)).headers["Retry-After"] == "3600"


def test_names_of_no_certificate(client):
    good = certificate_id(certificates(client.issue("b.example"))[0])
    key, serial = good.split(".")
    for ident, status in ((f"{key}.{serial[:-2]}AA", 404), (f"{b64(bytes(20))}.{serial}", 404), (f"{key}.AIdlQyE", 404), (key, 400), (f"{key}.", 400),
                          (f"{good}=", 400), (f"{good}.x", 400), ("%2e", 400)):
        answer = ask(client, ident)
        assert (answer.status, answer.type) == (status, "malformed"), (ident, answer.body)


def test_an_incident_moves_the_window_into_the_past(ca, client):
    leaf = certificates(client.issue("c.example"))[0]
    ident = certificate_id(leaf)
    _, end = window(ask(client, ident))
    assert end > datetime.datetime.utcnow()
    text = ca.config.read_text()
    span = [t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in (leaf.not_valid_before, leaf.not_valid_before + datetime.timedelta(minutes=10))]
    ca.config.write_text(text + f'incident "drill" {{ issued-from = "{span[0]}" issued-until = "{span[1]}" explanation = "https://ca.example/drill" }}\n')
    try:
        ca.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            answer = ask(client, ident)
            start, end = window(answer)
            if end < datetime.datetime.utcnow():
                break
            time.sleep(0.05)
        assert end < datetime.datetime.utcnow()
        assert answer.json["explanationURL"] == "https://ca.example/drill"
        assert int(answer.headers["Retry-After"]) <= 3600
    finally:
        ca.config.write_text(text)
        ca.process.send_signal(signal.SIGHUP)


# --- orders that say what they replace (section 5) ---

def replace(client, ident, *names):
    return client.order(*names, replaces=ident)


def test_an_order_says_what_it_replaces(client):
    ident = certificate_id(certificates(client.issue("r.example", "s.example"))[0])
    made = replace(client, ident, "s.example", "t.example")  # one name in common is enough
    assert made.status == 201 and made.json["replaces"] == ident
    assert client.post(made.headers["Location"]).json["replaces"] == ident
    again = replace(client, ident, "s.example")
    assert (again.status, again.type) == (409, "alreadyReplaced"), again.body
    # an order that came to nothing is no replacement
    assert client.post(made.json["authorizations"][-1], {"status": "deactivated"}).status == 200
    assert client.post(made.headers["Location"]).json["status"] == "invalid"
    made = replace(client, ident, "s.example")
    assert made.status == 201 and made.json["status"] == "ready"
    done = client.finalize(made.json, client.csr("s.example"))
    assert done.status == 200 and done.json["replaces"] == ident, done.body
    assert replace(client, ident, "s.example").type == "alreadyReplaced"
    assert "replaces" not in client.order("s.example").json


def test_what_cannot_be_replaced(ca, client):
    ident = certificate_id(certificates(client.issue("u.example"))[0])
    key, serial = ident.split(".")
    stranger = Client(ca)
    stranger.register()
    for answer in (replace(client, ident, "v.example"), replace(stranger, ident, "u.example"), replace(client, key, "u.example"),
                   replace(client, f"{key}.{serial[:-2]}AA", "u.example"), replace(client, f"{b64(bytes(20))}.{serial}", "u.example"),
                   replace(client, "", "u.example"), replace(client, 7, "u.example")):
        assert (answer.status, answer.type) == (400, "malformed"), answer.body
        assert "replaces" in answer.json["detail"]
    assert replace(client, ident, "u.example").status == 201


def test_parallel_replacements_agree(client, ca):
    ident, answers = certificate_id(certificates(client.issue("w.example"))[0]), []

    def one():
        other = Client(ca, client.key)
        other.kid = client.kid
        answers.append(replace(other, ident, "w.example"))
    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=60)
    assert sorted(a.type or "made" for a in answers) == ["alreadyReplaced"] * 7 + ["made"], [a.body for a in answers]


def test_renewals_that_are_due_are_spared_the_limits():
    def edit(text):
        return text.replace('#certificates-per-names = "off"', 'certificates-per-names = "1/7d"') + INCIDENT
    with running_ca("--private-suffix", "example", edit=edit) as limited:
        assert 'certificates-per-names = "1/7d"' in limited.config.read_text()
        client = Client(limited)
        client.register()
        first = certificate_id(certificates(client.issue("x.example"))[0])
        assert client.order("x.example").type == "rateLimited"
        made = replace(client, first, "x.example")
        assert made.status == 201, made.body
        done = client.finalize(made.json, client.csr("x.example"))
        assert done.status == 200, done.body
        assert client.order("x.example").type == "rateLimited"
    with running_ca("--private-suffix", "example", edit=lambda text: edit(text).replace(INCIDENT, "")) as limited:
        client = Client(limited)
        client.register()
        first = certificate_id(certificates(client.issue("x.example"))[0])
        assert replace(client, first, "x.example").type == "rateLimited"  # nobody has told it to renew yet


INCIDENT = 'incident "drill" { issued-from = "2020-01-01T00:00:00Z" issued-until = "2090-01-01T00:00:00Z" }\n'
