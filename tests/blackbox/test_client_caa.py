"""chancery looks at a name's CAA records before it orders: what forbids is told with the record to add, what is not known stops nothing."""
import contextlib
import json
import socket
import time

import pytest

from dns_responder import Responder, TYPES, caa
from harness import free_port, running_ca
from test_client import DONE, FAILED, chancery, check_files, failed


@pytest.fixture(scope="module")
def ca():
    with running_ca(http_port=free_port()) as ca:
        yield ca


@pytest.fixture(scope="module")
def other():
    """A CA that CAA records call by another name; its responder is its own."""
    with running_ca("--caa-identity", "other.example", http_port=free_port()) as ca:
        yield ca


@pytest.fixture
def client(ca, tmp_path):
    def run(*words, expect=DONE, resolver=True):
        more = ["--resolver", f"127.0.0.1:{ca.dns.port}"] if resolver is True else ["--resolver", resolver]
        result = chancery("issue", *words, *more, "--folder", tmp_path / "f", "--timeout", 60)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    run.asked = lambda name: (name, TYPES["CAA"]) in ca.dns.seen
    return run


def at(ca):
    return "--server", ca.directory, "--ca-file", ca.root, "--http-port", ca.http_port, "--http-address", "127.0.0.1"


FORBIDDEN = [
    ("www.forbidden.example", "forbidden.example", [caa("issue", "ca.example")], 'forbidden.example. CAA 0 issue "localhost"'),
    ("nobody.example", "nobody.example", [caa("issue", ";")], 'nobody.example. CAA 0 issue "localhost"'),
    ("method.example", "method.example", [caa("issue", "localhost; validationmethods=dns-01")], "does not allow the method http-01"),
    ("account.example", "account.example", [caa("issue", "localhost; accounturi=https://localhost/acme/acct/x")], "is for another account than https://"),
]


@pytest.mark.parametrize("name,where,records,said", FORBIDDEN)
def test_what_is_forbidden_is_told_before_an_order(ca, client, name, where, records, said):
    ca.dns.set(where, "CAA", *records)
    result = failed(client(name, *at(ca), expect=FAILED), where, said, f'add the record {where}. CAA 0 issue "localhost"')
    assert "order " not in result.stdout + result.stderr, result.stdout
    assert not list((client.folder / name).glob("generations/*"))


def test_as_json(ca, client):
    ca.dns.set("json.example", "CAA", caa("issue", "ca.example"))
    said = json.loads(client("json.example", *at(ca), "--json", expect=FAILED).stdout)
    assert said["error"]["type"] == "caa" and said["error"]["fault"] == "name", said


@pytest.mark.parametrize("name,records", [
    ("named.example", [caa("issue", "ca.example"), caa("issue", "LOCALHOST; validationmethods=http-01")]),
    ("talk.example", [caa("iodef", "mailto:a@example.org")]), ("wild.example", [caa("issuewild", ";"), caa("issue", "localhost")]),
])
def test_what_permits(ca, client, name, records):
    ca.dns.set(name, "CAA", *records)
    client(name, *at(ca))
    assert client.asked(name)
    check_files(client.folder / name / "live", [name])


def test_a_wildcard_has_a_property_of_its_own(ca, client):
    ca.dns.set("star.example", "CAA", caa("issue", "localhost"), caa("issuewild", "ca.example"))
    failed(client("*.star.example", *at(ca)[:4], "--dns-update", f"127.0.0.1:{free_port()}", expect=FAILED),
           'add the record star.example. CAA 0 issuewild "localhost"')


def test_the_next_ca_is_asked(ca, other, client, tmp_path):
    pem = tmp_path / "both.pem"
    pem.write_text(ca.root.read_text() + other.root.read_text())
    ca.dns.set("next.example", "CAA", caa("issue", "other.example"))
    other.dns.set("next.example", "CAA", caa("issue", "other.example"))
    for name, one in (("first", ca), ("second", other)):
        assert chancery("ca", "add", name, "--directory", one.directory, "--ca-file", pem, "--folder", client.folder).returncode == DONE
    result = client("next.example", "--ca", "first", "--ca", "second", *at(other)[4:])
    assert "does not name this CA" in result.stdout and "the next CA in line: second" in result.stdout
    assert json.loads((client.folder / "next.example" / "live" / "meta.json").read_text())["ca"] == "second"
    # nobody asked the first: it is not kept from other names
    assert not (client.folder / "_cas" / "first.json").exists() and (client.folder / "_cas" / "second.json").exists()


def test_what_the_list_says_counts_too(ca, client):
    """The CA's entry has another name for it than its directory: one of them is enough."""
    ca.dns.set("list.example", "CAA", caa("issue", "named-in-the-list.example"))
    chancery("ca", "add", "listed", "--directory", ca.directory, "--ca-file", ca.root, "--caa", "named-in-the-list.example", "--folder", client.folder)
    result = client("list.example", "--ca", "listed", *at(ca)[4:], expect=FAILED)
    assert "order " in result.stdout, "the CA judges, which does not know this name"


@pytest.mark.parametrize("what", ["fails", "closed", "silent"])
def test_what_is_not_known_stops_nothing(ca, client, what):
    """The CA judges, which asks a resolver that knows."""
    name = f"{what}.unknown.example"
    with contextlib.closing(Responder()) as dns, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        dns.broken.add((name, TYPES["CAA"]))
        port = {"fails": dns.port, "closed": free_port(), "silent": silent.getsockname()[1]}[what]
        start = time.monotonic()
        client(name, f"b.{name}", *at(ca), resolver=f"127.0.0.1:{port}")
        assert time.monotonic() - start < 10
        assert what != "fails" or (name, TYPES["CAA"]) in dns.seen
    check_files(client.folder / name / "live", [name, f"b.{name}"])


def test_a_critical_property_is_the_cas_to_judge(ca, client):
    ca.dns.set("critical.example", "CAA", caa("issue", "localhost"), caa("surprise", "x", 128))
    result = client("critical.example", *at(ca), expect=FAILED)
    assert "order " in result.stdout + result.stderr
    failed(result, "critical", "surprise")


def test_a_resolver_is_an_address(client):
    failed(client("x.example", "--server", "https://localhost/", resolver="dns.example", expect=FAILED), "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT")
