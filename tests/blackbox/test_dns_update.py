"""chancery issue with dns-01 by dynamic updates (RFC 2136) of a real name server (knot), signed (TSIG) and not."""
import socket
import struct
import threading

import pytest

import dns_zones
from harness import free_port, running_ca
from test_client import DONE, FAILED, chancery, check_files, failed

SECRET = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
KEY = 'key "updater" {\n\talgorithm hmac-sha256;\n\tsecret "%s";\n};\n'


class Signed(dns_zones.Zones):
    """Takes updates of signed.test by the key alone."""

    def prepare(self):
        super().prepare()
        text = self.conf.read_text()
        text = text.replace("acl:\n", f"key:\n  - id: updater\n    algorithm: hmac-sha256\n    secret: {SECRET}\nacl:\n  - id: keyed\n    key: updater\n"
                            "    action: update\n", 1)
        self.conf.write_text(text.replace("  - domain: signed.test.\n", "  - domain: signed.test.\n    acl: keyed\n"))


@pytest.fixture(scope="module")
def world():
    with Signed("test", "signed.test", "open.test") as zones, running_ca(zones=zones) as ca:
        ca.zones = zones
        yield ca


@pytest.fixture
def issue(world, tmp_path):
    def run(*words, key=SECRET, expect=DONE):
        options = []
        if key:
            file = tmp_path / "key"
            file.write_text(KEY % key)
            file.chmod(0o600)
            options = ["--tsig-key", file]
        result = chancery("issue", *words, *options, "--server", world.base + "/directory", "--ca-file", world.root, "--folder", tmp_path / "f", "--timeout", 60)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


def server(world):
    return f"127.0.0.1:{world.zones.port}"


def left(world, name):
    found = dns_zones.query(world.zones.port, name, 16)
    return found.answers


def test_a_name_and_its_wildcard_signed(world, issue):
    issue("www.signed.test", "*.www.signed.test", "--dns-update", server(world))
    check_files(issue.folder / "www.signed.test" / "live", ["www.signed.test", "*.www.signed.test"])
    assert left(world, "_acme-challenge.www.signed.test") == 0


def test_what_was_there_stays(world, issue):
    world.zones.set_txt("_acme-challenge.kept.open.test", "mine")
    issue("kept.open.test", "--dns-update", server(world), key=None)
    assert left(world, "_acme-challenge.kept.open.test") == 1


def test_an_alias_into_another_zone_of_the_server(world, issue):
    """The server says so itself: no resolver is asked."""
    world.zones.set_txt("led.signed.test", "mine")
    world.zones.add("_acme-challenge.led.test", "CNAME", "led.signed.test.")
    issue("led.test", "*.led.test", "--dns-update", server(world))
    check_files(issue.folder / "led.test" / "live", ["led.test", "*.led.test"])
    assert left(world, "led.signed.test") == 1


class Loses:
    """Stands before the name server, and loses its answers to updates as far as it is to."""

    def __init__(self, port, losing):
        self.port_behind, self.losing, self.updates = port, losing, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, client.makefile("rb") as said, socket.create_connection(("127.0.0.1", self.port_behind), 5) as behind, behind.makefile("rb") as answered:
                head = said.read(2)
                packet = said.read(struct.unpack("!H", head)[0])
                behind.sendall(head + packet)
                head = answered.read(2)
                answer = head + answered.read(struct.unpack("!H", head)[0])
                if packet[2] >> 3 & 15 == 5:  # an update
                    self.updates += 1
                    if self.updates <= self.losing:
                        continue
                client.sendall(answer)


def test_an_answer_that_is_lost(world, issue):
    """The record may be there: it is taken away."""
    loses = Loses(world.zones.port, 1)
    failed(issue("lost.open.test", "--dns-update", f"127.0.0.1:{loses.port}", key=None, expect=FAILED), "the name server 127.0.0.1 does not take an update")
    loses.listener.close()
    assert loses.updates == 2 and left(world, "_acme-challenge.lost.open.test") == 0


def test_without_the_key(world, issue):
    result = issue("refused.signed.test", "--dns-update", server(world), key=None, expect=FAILED)
    failed(result, "The solver: the name server 127.0.0.1 refuses the update", "look at the key")


def test_a_wrong_key(world, issue):
    result = issue("refused.signed.test", "--dns-update", server(world), key=SECRET.replace("MDEy", "MDEz"), expect=FAILED)
    failed(result, "the name server 127.0.0.1")
    assert SECRET not in result.stdout + result.stderr


def test_a_zone_that_is_not_there(world, issue):
    failed(issue("www.elsewhere.example", "--dns-update", server(world), expect=FAILED), "has no zone that _acme-challenge.www.elsewhere.example is in")


def test_nobody_answers(issue):
    failed(issue("www.signed.test", "--dns-update", f"127.0.0.1:{free_port()}", expect=FAILED), "does not answer at port")


@pytest.mark.parametrize("text, mode, told", (
    ("nonsense", 0o600, "it is no TSIG key as tsig-keygen writes one"),
    ((KEY % SECRET).replace("hmac-sha256", "hmac-md5"), 0o600, "the algorithm hmac-md5 is not known: hmac-sha256"),
    (KEY % SECRET, 0o644, "others can read it (mode 0644): chmod 600"),
))
def test_a_key_that_is_none(world, issue, tmp_path, text, mode, told):
    file = tmp_path / "other"
    file.write_text(text)
    file.chmod(mode)
    failed(issue("www.signed.test", "--dns-update", server(world), "--tsig-key", file, key=None, expect=FAILED), told)


def test_words_that_cannot_be(world, issue, tmp_path):
    failed(issue("www.signed.test", expect=FAILED), "--tsig-key signs updates: say of which server by --dns-update SERVER")
    for bad in ("", ":53", "ns:0", "ns:99999", "ns:x"):
        failed(issue("www.signed.test", "--dns-update", bad, expect=FAILED), "a name server is written HOST, HOST:PORT or [ADDRESS]:PORT")
