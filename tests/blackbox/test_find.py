"""What operators find in the database of a CA that runs: certificates, orders, accounts."""
import json
import socket

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import schemas
from acme_raw import Client, b64, certificates
from harness import running_ca


def serial_of(pem):
    return f"{certificates(pem)[0].serial_number:032x}"


class World:
    def __init__(self, ca):
        self.ca, self.one, self.two = ca, Client(ca), Client(ca)
        assert self.one.register(contact=["mailto:one@example.org"]).status == 201
        assert self.two.register().status == 201
        self.serials = {name: serial_of(self.one.issue(f"{name}.find.example", f"also-{name}.find.example")) for name in "ab"}
        order = self.two.order("c.find.example").json
        for authz in order["authorizations"]:
            self.two.solve(authz)
        key = rsa.generate_private_key(65537, 2048)
        final = self.two.finalize(order, self.two.csr("c.find.example", key=key))
        self.c = self.two.post(final.json["certificate"]).body.decode()
        self.serials["c"] = serial_of(self.c)
        leaf = certificates(self.c)[0].public_bytes(serialization.Encoding.DER)
        assert self.two.post(ca.base + "/acme/revoke-cert", {"certificate": b64(leaf), "reason": 4}).status == 200
        self.pending = self.one.order("pending.find.example").headers["Location"]

    def command(self, *words, check=True):
        return self.ca.run(*words, "--config", self.ca.config, check=check)

    def find(self, what, *words):
        return schemas.check(what, self.command(what, *words, "--json").stdout)[what]

    def names(self, *words):
        """Which of a, b, c."""
        known = {serial: name for name, serial in self.serials.items()}
        return {known[c["serial"]] for c in self.find("certificates", *words)}


@pytest.fixture(scope="module")
def world():
    with running_ca() as ca:
        yield World(ca)


QUERIES = [
    ([], {"a", "b", "c"}),
    (["--name", "a.find.example"], {"a"}),
    (["--name", ".find.example"], {"a", "b", "c"}),
    (["--name", "also-*.find.example"], {"a", "b"}),
    (["--name", "nothing.example"], set()),
    (["--account", "ONE"], {"a", "b"}),
    (["--account", "TWO"], {"c"}),
    (["--issuer", "main"], {"a", "b", "c"}),
    (["--key-type", "rsa"], {"c"}),
    (["--key-type", "ecdsa-p256"], {"a", "b"}),
    (["--method", "http-01"], {"a", "b", "c"}),
    (["--method", "dns-01"], set()),
    (["--validated-since", "1h"], {"a", "b", "c"}),
    (["--validated-until", "1h"], set()),
    (["--issued-since", "1h"], {"a", "b", "c"}),
    (["--issued-until", "1h"], set()),
    (["--expires-within", "60d"], {"a", "b", "c"}),
    (["--expires-within", "30d"], set()),
    (["--expired"], set()),
    (["--revoked"], {"c"}),
    (["--valid"], {"a", "b"}),
    (["--valid", "--name", "a.find.example", "--account", "ONE"], {"a"}),
]


@pytest.mark.parametrize("words, expected", QUERIES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_certificates(world, words, expected):
    words = [{"ONE": world.one.kid, "TWO": world.two.kid.rsplit("/", 1)[1]}.get(w, w) for w in words]
    assert world.names(*words) == expected


def test_one_certificate(world, tmp_path):
    (found,) = world.find("certificates", world.serials["c"])
    assert found["names"] == ["c.find.example"] and found["keyType"] == "rsa" and found["keyBits"] == 2048 and found["issuer"] == "main"
    assert found["reason"] == 4 and found["revoked"] and world.two.kid.endswith(found["account"])
    assert [(v["name"], v["method"]) for v in found["validations"]] == [("c.find.example", "http-01")]
    file = tmp_path / "cert.pem"
    file.write_text(world.c)
    assert world.find("certificates", file) == [found]
    assert world.find("certificates", "02" * 16) == []


def test_pages(world):
    """The newest first, as many as are wanted; the rest when all are."""
    first = json.loads(world.command("certificates", "--limit", 1, "--json").stdout)
    assert [c["serial"] for c in first["certificates"]] == [world.serials["c"]] and first["more"]
    everything = json.loads(world.command("certificates", "--limit", 0, "--json").stdout)
    assert [c["serial"] for c in everything["certificates"]] == [world.serials[n] for n in "cba"] and not everything["more"]
    assert "there may be more" in world.command("certificates", "--limit", 2).stdout


def test_orders(world):
    assert {o["state"] for o in world.find("orders")} == {"valid", "pending"}
    (order,) = world.find("orders", "--state", "pending")
    assert world.pending.endswith(order["id"]) and order["names"] == ["pending.find.example"] and world.one.kid.endswith(order["account"])
    assert len(world.find("orders", "--account", world.one.kid)) == 3
    (order,) = world.find("orders", "--name", "c.find.example")
    assert order["serial"] == world.serials["c"] and order["profile"] == "tls-server"


def test_accounts(world):
    assert {a["url"] for a in world.find("accounts")} == {world.one.kid, world.two.kid}
    (account,) = world.find("accounts", "--contact", "one@")
    assert account["url"] == world.one.kid and account["contacts"] == ["mailto:one@example.org"]
    assert world.find("accounts", world.two.kid)[0]["url"] == world.two.kid
    assert world.find("accounts", "--state", "deactivated") == []


def test_for_people(world):
    text = world.command("certificates").stdout
    assert text.splitlines()[0].split() == ["SERIAL", "ENDS", "STATUS", "ISSUER", "NAMES"]
    assert "superseded" in text and "a.find.example" in text and text.endswith("3 certificates\n")
    assert world.command("orders", "--state", "ready").stdout == "There are no such orders.\n"
    assert "mailto:one@example.org" in world.command("accounts").stdout


@pytest.mark.parametrize("words, says", [
    (["certificates", "--name", "a..b"], "a rule is a name"),
    (["certificates", "--issuer", "nobody"], "there is no issuer"),
    (["certificates", "--key-type", "dsa"], "keys are ecdsa-p256"),
    (["certificates", "--method", "dns-02"], "a method is http-01"),
    (["certificates", "--expires-within", "soon"], "a time like 30d"),
    (["certificates", "--limit", "-1"], "--limit is a number"),
    (["certificates", "00ff"], "neither a serial number"),
    (["orders", "--state", "lost"], "an order is pending"),
    (["accounts", "me"], "an account is named by its id"),
])
def test_clear_errors(world, words, says):
    result = world.command(*words, check=False)
    assert result.returncode == 2 and says in result.stderr


def ask(world, line):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(world.ca.folder / "run/front.sock"))
        s.sendall(line)
        answer = b""
        while part := s.recv(65536):
            answer += part
        return answer


def test_the_socket_takes_what_comes(world):
    assert b"error" in ask(world, b"nonsense\n")
    assert b"there are certificates, orders, accounts and limit" in ask(world, b'{"command": "drop"}\n')
    try:
        assert ask(world, b"x" * 20000 + b"\n") == b""
    except ConnectionError:  # it was still being sent
        pass
    assert b"before" in ask(world, b'{"command": "orders", "before": "AA"}\n')
    assert world.names() == {"a", "b", "c"}


def test_without_a_server():
    with running_ca() as ca:
        ca.stop()
        result = ca.run("certificates", "--config", ca.config, check=False)
        assert result.returncode == 2 and "no server" in result.stderr
        ca.start()
