"""dns-01 by dynamic updates where _acme-challenge is an alias into another zone, which another name server has: knot has the names, named what they lead to."""
import threading
import time

import pytest

from dns_zones import Recursor, Server, Zones, query, zone_text
from harness import free_port, running_ca
from test_client import DONE, FAILED, chancery, check_files, failed
from test_dns_update import KEY, SECRET
from test_recursion import own_network

HOME, AWAY, LATE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
CHAIN = "".join(f"l{i} CNAME l{i + 1}\n" for i in range(9))
TARGET = "home.acme.away.test"


class Home(Zones):
    """At port 53, with the zone of all as well, which delegates the others."""

    def prepare(self):
        self.port, self.address = 53, f"{HOME}:53"
        super().prepare()
        self.more("test", "home NS ns.home\nns.home A 127.0.0.1\n" + "".join(f"{z} NS ns.{z}\nns.{z} A {AWAY}\n" for z in ("away", "late")))
        self.more("home.test", f"_acme-challenge CNAME {TARGET}.\n_acme-challenge.chain CNAME c1\nc1 CNAME c2.away.test.\n_acme-challenge.nobody CNAME x.nobody.test.\n"
                  f"_acme-challenge.loop CNAME loop1\nloop1 CNAME loop2\nloop2 CNAME loop1\n_acme-challenge.long CNAME l0\n{CHAIN}"
                  "_acme-challenge.late CNAME home.late.test.\nwww CNAME cdn.away.test.\n")

    def more(self, zone, lines):
        file = self.folder / f"{zone}.zone"
        file.write_text(file.read_text().replace("$TTL 0", "$TTL 5") + lines)


class Away(Server):
    """Takes updates by the key; late.test has a second server besides, which is told of nothing."""

    def __init__(self):
        zones = {z: zone_text(z, *more).replace("127.0.0.1", AWAY)
                 for z, more in (("away.test", ("c2 CNAME deep.acme", 'home.acme TXT "mine"')), ("late.test", ("@ NS ns2", f"ns2 A {LATE}")))}
        super().__init__("named", zones, host=AWAY, port=53)

    def begin(self, *words):
        conf = self.folder / "named.conf"
        text = conf.read_text().replace("check-names ignore;", "check-names ignore; allow-update { key updater; };")
        conf.write_text(KEY % SECRET + text)
        super().begin(*words)


@pytest.fixture(scope="module")
def world():
    if not own_network(AWAY):  # named listens at addresses that an interface has
        pytest.skip("needs port 53, and so the rights of root")
    with Home("test", "home.test") as home, Away() as away, Recursor({"test": HOME, "home.test": HOME, "away.test": AWAY, "late.test": AWAY}) as recursor, running_ca(zones=recursor) as ca:
        ca.home, ca.away, ca.recursor = home, away, recursor
        yield ca


@pytest.fixture
def issue(world, tmp_path):
    def run(*words, key=SECRET, expect=DONE, seconds=60):
        options = []
        if key:
            file = tmp_path / "key"
            file.write_text(KEY % key)
            file.chmod(0o600)
            options = ["--tsig-key", file]
        time.sleep(1.1)  # the CA's resolver has forgotten the last answer then
        result = chancery("issue", *words, *options, "--resolver", world.recursor.address, "--server", world.directory, "--ca-file", world.root,
                          "--folder", tmp_path / "f", "--timeout", seconds)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


class Seen:
    """How many TXT records a name had at once, at most."""

    def __init__(self, name):
        self.name, self.most, self.over = name, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.005):
            found = query(53, self.name, 16, host=AWAY)
            self.most = max(self.most, found.answers if found else 0)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def left(name):
    return query(53, name, 16, host=AWAY)


def only_mine():
    found = left(TARGET)
    return found.answers == 1 and b"\x04mine" in found.packet


@pytest.mark.parametrize("server", ("auto", AWAY))
def test_a_name_and_its_wildcard(issue, server):
    """Both answers are there at once, beside what was there before, which stays."""
    with Seen(TARGET) as seen:
        result = issue("home.test", "*.home.test", "--dns-update", server)
    check_files(issue.folder / "home.test" / "live", ["home.test", "*.home.test"])
    assert seen.most == 3 and only_mine()
    assert "does not answer" not in result.stdout and "not found" not in result.stdout


def test_aliases_of_aliases(issue):
    issue("chain.home.test", "--dns-update", "auto")
    check_files(issue.folder / "chain.home.test" / "live", ["chain.home.test"])
    assert left("deep.acme.away.test").answers == 0


def test_no_alias(world, issue):
    """auto is each zone's own primary; a host that is an alias itself says nothing of the zone that its record is in."""
    result = issue("www.home.test", "--dns-update", "auto", key=None)
    check_files(issue.folder / "www.home.test" / "live", ["www.home.test"])
    assert "name server" not in result.stdout
    assert query(53, "_acme-challenge.www.home.test", 16).answers == 0


@pytest.mark.parametrize("name", ("loop.home.test", "long.home.test"))
@pytest.mark.parametrize("server", ("auto", HOME, AWAY))
def test_aliases_without_an_end(issue, name, server):
    start = time.monotonic()
    failed(issue(name, "--dns-update", server, expect=FAILED), f"_acme-challenge.{name} is an alias of aliases that are more than 8, or go round in a circle")
    assert time.monotonic() - start < 20


def test_a_server_that_has_not_got_the_zone(issue):
    failed(issue("home.test", "--dns-update", HOME, expect=FAILED),
           f"the name server {HOME} has no zone that {TARGET}. is in, which _acme-challenge.home.test is an alias of")


def test_a_primary_that_is_not_found(issue):
    """There is no zone nobody.test: what is found is the zone above, whose server takes no update of a name that it knows nothing of by this key."""
    failed(issue("nobody.home.test", "--dns-update", "auto", expect=FAILED), "the name server ns.test. ")


def test_a_wrong_key(issue):
    failed(issue("home.test", "--dns-update", "auto", key=SECRET.replace("MDEy", "MDEz"), expect=FAILED), "the name server ns.away.test.")
    assert only_mine()


@pytest.mark.parametrize("server", ("auto", AWAY))
def test_what_fails_later_is_cleaned_up(world, issue, server):
    """The second name's answer cannot be put anywhere."""
    before = len(world.away.log_text())
    issue("home.test", "loop.home.test", "--dns-update", server, expect=FAILED)
    log = world.away.log_text()[before:]
    assert (log.count(f"adding an RR at '{TARGET}' TXT"), log.count(f"deleting an RR at {TARGET} TXT")) == (1, 1), log
    assert only_mine()


def test_what_is_not_seen_everywhere_is_cleaned_up_in_time(issue):
    """--timeout is for the whole issuance, waiting for name servers too."""
    with Server("nsd", {"late.test": zone_text("late.test", "@ NS ns2", f"ns2 A {LATE}").replace("ns A 127.0.0.1", f"ns A {AWAY}")}, host=LATE, port=53):
        start = time.monotonic()
        result = issue("late.home.test", "--dns-update", "auto", "--propagation", "600", seconds=6, expect=FAILED)
    assert 5 < time.monotonic() - start < 15
    failed(result, "the answers cannot be seen", f"the time of --timeout is over: ns2.late.test. ({LATE}) has no such record at home.late.test.")
    assert "ns.late.test." not in result.stderr
    assert left("home.late.test").answers == 0


def test_a_resolver_that_does_not_answer(world, issue):
    words = ("home.test", "--dns-update", "auto", "--resolver", f"127.0.0.1:{free_port()}", "--server", world.directory, "--ca-file", world.root, "--timeout", 60)
    result = chancery("issue", *words, "--folder", issue.folder)
    assert result.returncode == FAILED
    failed(result, "the primary name server of _acme-challenge.home.test is not found: name a server in the place of auto")
