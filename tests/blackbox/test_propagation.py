"""With dns-01 the CA is told to look when all name servers of the zone have the answer: in a network of our own, where name servers have their port."""
import threading
import time

import pytest

from dns_zones import Recursor, Server, Zones, zone_text
from harness import free_port, running_ca
from test_client import DONE, FAILED, chancery, check_files, failed
from test_recursion import BELOW, own_network

SECOND, ALIASED, NOBODY, RECURSOR = "127.0.0.2", "127.0.0.3", "127.0.0.4", BELOW


class Primary(Zones):
    """Takes updates at 127.0.0.1, port 53, and is the resolver too. behind.test has a second server, half.test one that never answers, alias.test names that lead elsewhere."""

    def prepare(self):
        self.port, self.address = 53, "127.0.0.1:53"
        super().prepare()
        self.more("behind.test", f"@ NS ns2\nns2 A {SECOND}")
        self.more("half.test", f"@ NS ns2\nns2 A {NOBODY}")
        self.more("alias.test", "_acme-challenge.led CNAME led.behind.test.\n_acme-challenge.out CNAME out.elsewhere.test.\n"
                                f"_acme-challenge.cut NS ns.cut\nns.cut A {ALIASED}")
        elsewhere = self.folder / "elsewhere.test.zone"
        elsewhere.write_text(elsewhere.read_text().replace("127.0.0.1", ALIASED))

    def more(self, zone, lines):
        file = self.folder / f"{zone}.zone"
        file.write_text(file.read_text() + lines + "\n")


def second(**records):
    """What the second server has of behind.test: it is told by nobody."""
    return zone_text("behind.test", f"@ NS ns2\nns2 A {SECOND}", *(f"{n} TXT {v}" for n, v in records.items()))


@pytest.fixture(scope="module")
def world():
    if not own_network():
        pytest.skip("needs a network namespace, and so the rights of root")
    with Primary("test", "one.test", "behind.test", "half.test", "alias.test", "elsewhere.test") as zones, running_ca(zones=zones) as ca:
        ca.zones = zones
        yield ca


@pytest.fixture
def issue(world, tmp_path):
    def run(*words, expect=DONE, resolver="127.0.0.1"):
        result = chancery("issue", *words, "--dns-update", "127.0.0.1", "--resolver", resolver, "--server", world.directory, "--ca-file", world.root,
                          "--folder", tmp_path / "f", "--timeout", 60)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


def test_they_have_it_at_once(issue):
    start = time.monotonic()
    result = issue("www.one.test", "*.www.one.test")
    check_files(issue.folder / "www.one.test" / "live", ["www.one.test", "*.www.one.test"])
    assert "name server" not in result.stdout and time.monotonic() - start < 10


def test_one_is_behind_and_stays(world, issue):
    with Server("nsd", {"behind.test": second()}, host=SECOND, port=53):
        result = failed(issue("late.behind.test", "--propagation", "3", expect=FAILED), "the answers cannot be seen",
                        f"ns2.behind.test. ({SECOND}) has no such record at _acme-challenge.late.behind.test")
        assert "ns.behind.test." not in result.stderr and "waiting until every name server" in result.stdout
    assert not list((issue.folder / "late.behind.test").glob("live"))


def test_one_has_something_else(world, issue):
    with Server("nsd", {"behind.test": second(**{"_acme-challenge.old": "of-last-year"})}, host=SECOND, port=53):
        failed(issue("old.behind.test", "--propagation", "2", expect=FAILED), 'has "of-last-year" at')


def test_one_is_behind_and_catches_up(world, issue):
    """Whoever waits sees it come: the secondary is given what the primary has."""
    with Server("nsd", {"behind.test": second()}, host=SECOND, port=53) as nsd:
        def catch_up():
            for _ in range(100):
                text = world.zones.txt("_acme-challenge.soon.behind.test.")
                if text:
                    time.sleep(2)
                    nsd.replace("behind.test", zone_text("behind.test", f"@ NS ns2\nns2 A {SECOND}", f'_acme-challenge.soon TXT "{text}"', serial=2),
                                "_acme-challenge.soon.behind.test", 16)
                    return
                time.sleep(0.1)
        thread = threading.Thread(target=catch_up)
        thread.start()
        result = issue("soon.behind.test", "--propagation", "30")
        thread.join()
    assert "waiting until every name server" in result.stdout


def test_nobody_looks(world, issue):
    with Server("nsd", {"behind.test": second()}, host=SECOND, port=53):
        result = issue("unseen.behind.test", "--propagation", "0")
        assert "name server" not in result.stdout


def test_a_server_that_does_not_answer(issue):
    assert f"ns2.half.test. ({NOBODY}) does not answer" in issue("www.half.test").stdout


def test_a_zone_whose_servers_are_not_found(issue):
    assert "are not found" in issue("closed.one.test", resolver=f"127.0.0.1:{free_port()}").stdout


@pytest.fixture
def hooked(world, issue):
    """A hook that changes nothing: what counts here is where it is looked for."""
    hook = issue.folder.parent / "hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)

    def run(name, resolver="127.0.0.1"):
        result = chancery("issue", name, "--hook", hook, "--hook-user", "root", "--propagation", "2", "--resolver", resolver, "--server", world.directory,
                          "--ca-file", world.root, "--folder", issue.folder, "--timeout", 60)
        assert result.returncode == FAILED, result.stdout
        return result
    return run


@pytest.mark.parametrize("host,where", [("led", "led.behind.test"), ("out", "out.elsewhere.test")])
def test_behind_an_alias(hooked, host, where):
    with Server("nsd", {"behind.test": second()}, host=SECOND, port=53), Server("nsd", {"elsewhere.test": zone_text("elsewhere.test")}, host=ALIASED, port=53):
        failed(hooked(f"{host}.alias.test"), f"has no such record at {where}")


def test_a_zone_of_the_records_own(hooked):
    """The servers of the zone above only say who has it; a resolver finds them."""
    zone = "_acme-challenge.cut.alias.test"
    text = f"$ORIGIN {zone}.\n$TTL 5\n@ SOA ns.cut.alias.test. hostmaster 1 3600 600 86400 0\n@ NS ns.cut.alias.test.\n@ TXT mine\n"
    with Server("nsd", {zone: text}, host=ALIASED, port=53), Recursor({"test": "127.0.0.1"}, host=RECURSOR, port=53):
        failed(hooked("cut.alias.test", resolver=RECURSOR), f'ns.cut.alias.test. ({ALIASED}) has "mine" at {zone}')


@pytest.mark.parametrize("value", ["-1", "x", "4000"])
def test_what_cannot_be(issue, value):
    failed(issue("www.one.test", "--propagation", value, expect=FAILED), "--propagation", "1 to 3600")
