"""CAA looked at again before a certificate is made, once the last look is hours ago (RFC 8659; Baseline Requirements section 3.2.2.8)."""
import contextlib
import os
import signal
import sqlite3
import threading
import time

import pytest

from acme_raw import Client
from dns_responder import caa
from harness import running_ca


@pytest.fixture(scope="module")
def ca():
    with running_ca() as one:
        yield one


@pytest.fixture(scope="module")
def client(ca):
    one = Client(ca)
    assert one.register().status == 201
    return one


def age(ca, hours):
    """All looks at CAA were so many hours earlier."""
    ca.stop()
    with contextlib.closing(sqlite3.connect(ca.folder / "state" / "front" / "store.db")) as db, db:
        db.execute("UPDATE authzs SET caa_s = caa_s - ?", (hours * 3600,))
    ca.dns.seen.clear()
    ca.start()


def ready(client, *names):
    made = client.order(*names)
    for url in made.json["authorizations"]:
        assert client.solve(url)["status"] == "valid"
    order = client.post(made.headers["Location"]).json
    assert order["status"] == "ready"
    return made.headers["Location"], order


def asked(ca):
    return {name for name, kind in ca.dns.seen if kind == 257}


def test_a_recent_look_is_enough(ca, client):
    url, order = ready(client, "fresh.recent.test")
    age(ca, 6)
    assert client.finalize(order, client.csr("fresh.recent.test")).json["status"] == "valid"
    assert asked(ca) == set()


def test_an_old_look_is_taken_again(ca, client):
    names = [f"n{i}.old.test" for i in range(20)]
    url, order = ready(client, *names)
    age(ca, 8)
    done = client.finalize(order, client.csr(*names))
    assert done.status == 200 and done.json["status"] == "valid", done.body
    assert done.headers["Location"] == url and done.headers["Replay-Nonce"]
    assert set(names) <= asked(ca)
    ca.dns.seen.clear()
    again = client.order(*names)  # the new receipts are kept: nothing is asked twice
    assert again.json["status"] == "ready"
    assert client.finalize(again.json, client.csr(*names)).json["status"] == "valid"
    assert asked(ca) == set()


def test_only_names_whose_look_is_old_are_asked(ca, client):
    ready(client, "a.mixed.test")
    age(ca, 8)
    url, order = ready(client, "a.mixed.test", "b.mixed.test")
    ca.dns.seen.clear()
    assert client.finalize(order, client.csr("a.mixed.test", "b.mixed.test")).json["status"] == "valid"
    assert "a.mixed.test" in asked(ca) and "b.mixed.test" not in asked(ca)


def test_what_is_forbidden_by_now(ca, client):
    names = [f"n{i}.turned.test" for i in range(4)]
    url, order = ready(client, *names)
    age(ca, 8)
    for name in names[:2]:
        ca.dns.set(name, "CAA", caa("issue", "other.example"))
    answer = client.finalize(order, client.csr(*names))
    assert (answer.status, answer.type) == (403, "caa"), answer.body
    found = {s["identifier"]["value"]: s["type"].rsplit(":", 1)[1] for s in answer.json["subproblems"]}
    assert found == {name: "caa" for name in names[:2]}
    order = client.post(url).json
    assert order["status"] == "invalid" and order["error"]["type"].endswith(":caa"), order
    again = client.finalize(order, client.csr(*names))
    assert (again.status, again.type) == (403, "orderNotReady")


def test_what_cannot_be_seen_may_be_seen_later(ca, client):
    url, order = ready(client, "broken.later.test")
    age(ca, 8)
    ca.dns.broken.add(("broken.later.test", 257))
    answer = client.finalize(order, client.csr("broken.later.test"))
    assert answer.type == "dns", answer.body
    assert client.post(url).json["status"] == "ready"
    ca.dns.broken.clear()
    for _ in range(100):  # the resolver keeps a failure for some seconds
        done = client.finalize(order, client.csr("broken.later.test"))
        if done.status == 200:
            break
        assert done.type == "dns", done.body
        time.sleep(0.2)
    assert done.json["status"] == "valid"


def test_a_validator_that_dies_is_no_end(ca, client):
    url, order = ready(client, "dies.test")
    age(ca, 8)
    pid = ca.pid_of("validator")
    os.kill(pid, signal.SIGSTOP)  # it takes the question and answers nothing
    answers = []

    def one():
        other = Client(ca, client.key)
        other.kid = client.kid
        answers.append(other.finalize(order, other.csr("dies.test")))
    thread = threading.Thread(target=one)
    thread.start()
    for _ in range(200):
        if ca.status()["processes"]["front"]["counts"]["validations_waiting"]:
            break
    os.kill(pid, signal.SIGKILL)
    thread.join(timeout=60)
    (answer,) = answers
    assert answer.status == 503 and answer.headers["Retry-After"], answer.body
    ca.wait_ready()
    assert client.post(url).json["status"] == "ready"
    for _ in range(50):
        done = client.finalize(order, client.csr("dies.test"))
        if done.status != 503:
            break
    assert done.status == 200 and done.json["status"] == "valid", done.body
