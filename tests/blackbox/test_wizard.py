"""chancery setup: driven in a real terminal (tmux), and without one."""
import email.utils
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import time

import pytest

import schemas
from dns_responder import caa
from harness import CLIENT_PROGRAM, free_port, running_ca
from test_accounts import put
from test_client import DONE, FAILED, NOTHING_TO_DO, FakeCa, chancery, check_files, failed
from test_hooks import serve

TERMS = "https://ca.example.org/terms-of-service"


@pytest.fixture(scope="module")
def ca():
    with running_ca(http_port=free_port(), tls_port=free_port(), edit=put("front", f'terms-of-service = "{TERMS}"')) as ca:
        yield ca


@pytest.fixture
def home(tmp_path, ca):
    """A home with the CA in its list."""
    folder = tmp_path / "f"
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    result = chancery("ca", "add", "ours", "--directory", ca.directory, "--ca-file", ca.root, "--title", "Our own CA", "--lifetime-days", "47", "--ip",
                      "false", "--folder", folder, env=env)
    assert result.returncode == DONE, result.stderr
    home = pathlib.Path(tmp_path)
    return home, folder, env


class Terminal:
    """80 columns, 24 lines, where nothing else is said."""

    def __init__(self, env, *words, columns=80):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-tmux-", dir="/tmp"))  # a socket's path is short
        self.socket = self.folder / "socket"
        self.env = {**env, "TERM": "screen"}
        self.code = self.folder / "code"
        # tmux itself may lose how a program ended
        shell = f"trap : INT; \"$@\"; echo $? >{self.code}; sleep 600"
        self.tmux("new-session", "-d", "-x", columns, "-y", "24", "-s", "w", "sh", "-c", shell, "sh", *[str(w) for w in words])

    def tmux(self, *words):
        return subprocess.run(["tmux", "-f", "/dev/null", "-S", str(self.socket), *map(str, words)], env=self.env, check=True, capture_output=True, text=True, timeout=30).stdout

    def text(self):
        return self.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "w")

    def until(self, pattern, seconds=40):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end, f"{pattern} does not come:\n{self.text()}"
            time.sleep(0.05)

    def told(self, words, seconds=40):
        """Wherever its lines end."""
        end = time.monotonic() + seconds
        while words not in " ".join(self.text().split()):
            assert time.monotonic() < end, f"{words} is not told:\n{self.text()}"
            time.sleep(0.05)

    def say(self, pattern, line):
        """Answers the question that is asked last."""
        end = time.monotonic() + 40
        while not re.search(pattern + r"[^\n]*$", self.text().rstrip()):
            assert time.monotonic() < end, f"{pattern} is not asked:\n{self.text()}"
            time.sleep(0.05)
        if line:
            self.tmux("send-keys", "-t", "w", "-l", str(line))
        self.tmux("send-keys", "-t", "w", "Enter")

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "w", *keys)

    def ended(self):
        """The exit code, as a shell has it."""
        end = time.monotonic() + 40
        while not (self.code.exists() and self.code.read_text().endswith("\n")):
            assert time.monotonic() < end, f"it does not end:\n{self.text()}"
            time.sleep(0.05)
        return int(self.code.read_text())

    def close(self):
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], check=False, capture_output=True, timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def terminal(home, ca):
    _, folder, env = home
    made = []

    def start(*words):
        t = Terminal(env, CLIENT_PROGRAM, *words)
        made.append(t)
        return t
    yield start
    for t in made:
        t.close()


def at(ca):
    """Where it validates, and whom it asks."""
    return ["--http-port", ca.http_port, "--http-address", "127.0.0.1", "--tls-port", ca.tls_port, "--tls-address", "127.0.0.1",
            "--resolver", f"127.0.0.1:{ca.dns.port}"]


def to_control(t, name, which="ours"):
    """The first three steps, by what stands in brackets but the CA."""
    t.say(r"blanks between", name)
    t.say(r"Number or name: \[1\]", which)
    t.until(r"A second CA stands by")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"The kind of certificate")
    t.say(r"Number or name: \[1\]", "")
    t.say(r"e-mail", "")
    t.until(r"The terms of service of ours|its terms were agreed to")
    if "The terms of service of ours" in t.text():
        t.say(r"terms of service\?", "y")
    t.until(r"The certificate's key, new for each")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"4/5  How is control")


def command_of(text):
    """The command that it prints, as a shell reads it."""
    command = re.findall(r"The same by a command:\n  (chancery issue (?:[^\n]*\\\n)*[^\n]*)\n", text)[-1]
    return shlex.split(command.replace("\\\n", " "))


def test_all_of_it(terminal, home, ca):
    """Five steps, with steps back; the certificate is there, the configuration says the same, and so does the command."""
    base, folder, _ = home
    t = terminal("setup", "--folder", folder, "--config", base / "chancery.conf", *at(ca))
    t.until(r"1/5  Which names\?")
    t.say(r"names, with blanks between", "bad_name..example")
    t.until(r"! \"bad_name..example\"")
    t.say(r"blanks between.*", "a.example *.a.example 192.0.2.1")
    t.until(r"! a wildcard is shown by the DNS alone, and an address never")
    t.say(r"blanks between.*", "all.example")
    t.until(r"2/5  Which certificate authority\?")
    t.say(r"Number or name: \[1\]", "back")
    t.say(r"\[all.example\]", "")
    t.say(r"Number or name: \[1\]", "99")
    t.until(r'! "99" is none of them: a number from 1 to')
    t.say(r"Number or name: \[1\]", "ours")
    # what the CA says of itself
    t.until(r"\+ ours answers, and is an ACME server")
    t.until(r"\+ This machine's clock is right")
    t.until(r"Its terms of service: " + TERMS)
    t.until(r"Its profiles: [^\n]*classic")
    t.until(r"It says when each certificate is to be renewed")
    t.until(r"A second CA stands by")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"classic +TLS servers, 90 days")
    t.say(r"Number or name: \[1\]", "classic")
    t.until(r"3/5  Account and keys")
    t.say(r"e-mail address", "nonsense")
    t.until(r"An address has an @")
    t.say(r"e-mail address", "ops@example.org")
    t.until(r"The terms of service of ours: " + TERMS)
    t.say(r"agree to the terms of service\? \[y/N\]", "perhaps")
    t.until(r'! "perhaps" is neither y nor n')
    t.say(r"agree to the terms of service\? \[y/N\]", "")
    t.until(r"! Without it the CA makes no account")
    t.say(r"agree to the terms of service\? \[y/N\]", "y")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"4/5  How is control")
    t.say(r"Number or name: \[1\]", "http")
    t.until(r"\+ No CAA record forbids ours to issue")
    t.until(r"\+ all.example: an answer is reached by 127.0.0.1")
    t.until(r"5/5  The order")
    assert not folder.joinpath("_accounts").exists() and not folder.joinpath("all.example").exists(), "nothing is left before the order"
    t.say(r"Order it now\?", "")
    t.say(r"Write it to chancery.conf", "y")
    assert t.ended() == DONE
    text = t.text()
    check_files(folder / "all.example" / "live", ["all.example"])
    assert "Done: the certificate is there." in text and 'certificate "all.example" {' in text
    config = base / "chancery.conf"
    assert chancery("check-config", "--config", config, env=home[2]).returncode == DONE
    for line in ('ca = {"ours"}', 'contact = {"mailto:ops@example.org"}', 'profile = "classic"', 'agree-tos = "true"'):
        assert line in config.read_text()
    # what it printed is a command that does the same
    result = chancery(*command_of(text)[1:], env=home[2])
    assert result.returncode == NOTHING_TO_DO, result.stdout + result.stderr
    # and the section is what renew goes by
    assert chancery("renew", "--config", config, env=home[2]).returncode == NOTHING_TO_DO


@pytest.mark.parametrize("columns", (80, 60))
def test_nothing_is_wider_than_the_terminal(home, ca, columns):
    """Every question is explained, and nothing is broken by the terminal: tmux joins lines that were."""
    _, folder, env = home
    t = Terminal(env, CLIENT_PROGRAM, "setup", "--folder", folder, *at(ca), columns=columns)
    helps, server = [], f"127.0.0.1:{free_port()}"

    def explained(pattern, words, answer):
        t.say(pattern, "?")
        t.told(words)
        helps.append(words)
        t.say(pattern, answer)

    try:
        explained(r"blanks between:", "get into one certificate", "*.wide.example")
        explained(r"Number or name: \[1\]", "Who vouches for your names", "ours")
        t.until(r"A second CA stands by")
        explained(r"Number or name: \[1\]", "the next renewal need not wait", "")
        t.until(r"The kind of certificate")
        explained(r"Number or name: \[1\]", "Profiles differ in how long", "")
        explained(r"none\): \[-\]", "Some CAs write when something is wrong", "")
        explained(r"terms of service\? \[y/N\]", "only for who agrees to its terms", "y")
        t.until(r"The certificate's key, new for each")
        explained(r"Number or name: \[1\]", "The private key stays on this machine", "")
        t.until(r"4/5")
        t.say(r"Number or name", "http")
        t.until(r"http: a wildcard needs DNS")
        explained(r"Number or name: \[5\]", "The CA looks whether the names are yours", "dns-update")
        explained(r"HOST:PORT\):\s+\[auto\]", "the zone is changed", server)
        explained(r"this\s+address\):\s+\[-\]", "The file that tsig-keygen writes", "/no/such/key")
        t.told("/no/such/key: No such file or directory")
        t.say(r"this\s+address\):\s+\[-\]", "")
        explained(r"Number or name: \[1\]", "failures count against the limits", "change")
        t.say(r"Number or name: \[5\]", "httpreq")
        explained(r"The service's URL:", "speaks lego's httpreq", "ftp://x")
        t.until(r"! [^\n]*https?")
        t.say(r"The service's URL:", "back")
        t.until(r"3/5 [^$]*3/5 ")
        # what was typed may be as long as it likes, and so may a word
        wide = [line for line in t.text().splitlines() if len(line) > columns and " " in line.strip() and not line.endswith((server, "/no/such/key"))]
        assert not wide, f"the terminal had to break {wide}"
        assert "Let's Encrypt" in t.text() and len(helps) == 12
    finally:
        t.close()


def test_ctrl_c_changes_nothing(terminal, home, ca):
    """At any question, also when an account key had to be made for what the web server is to answer."""
    _, folder, _ = home
    before = sorted(folder.rglob("*"))
    for stop in range(4):
        t = terminal("setup", "--folder", folder, *at(ca))
        if stop == 0:
            t.until(r"1/5")
        elif stop == 1:
            t.say(r"blanks between", "stopped.example")
            t.until(r"2/5")
        else:
            to_control(t, "stopped.example")
            t.say(r"Number or name: \[1\]", "stateless" if stop == 2 else "http")
            if stop == 2:
                t.say(r"Which web server\? \[1\]", "apache")
                t.until(r"Press Enter when")
                assert re.search(r"ErrorDocument 200 \"%\{env:MATCH_TOKEN\}\.[-_\w]{43}\"", t.text())
                assert len(list(folder.glob("_accounts/*.pem"))) == 1
            else:
                t.until(r"Order it now\?")
        t.keys("C-c")
        assert t.ended() == FAILED
        assert "stopped; nothing is changed" in t.text() and sorted(folder.rglob("*")) == before, stop
    t = terminal("setup", "--folder", folder)
    t.until(r"1/5")
    t.keys("C-d")
    assert t.ended() == FAILED
    assert "stopped; nothing is changed" in t.text() and sorted(folder.rglob("*")) == before


def test_ctrl_c_while_a_ca_is_waited_for(terminal, home, fakes, ca):
    fake = fakes("slow")
    answer = fake.override["/dir"]
    fake.override["/dir"] = lambda _: time.sleep(3) or answer
    t = terminal("setup", "--folder", home[1], *at(ca))
    t.say(r"blanks between", "slow.example")
    t.say(r"Number or name: \[1\]", "slow")
    end = time.monotonic() + 20
    while "/dir" not in fake.seen:
        assert time.monotonic() < end
        time.sleep(0.05)
    t.keys("C-c")
    assert t.ended() == FAILED and "stopped; nothing is changed" in t.text()


def test_without_a_word_at_a_terminal(terminal, home):
    t = terminal()
    t.until(r"1/5  Which names\?")
    t.keys("C-c")
    t.ended()


def test_tls_at_its_port(terminal, home, ca):
    base, folder, _ = home
    t = terminal("setup", "--folder", folder, "--config", base / "chancery.conf", *at(ca))
    to_control(t, "tls.example")
    t.say(r"Number or name: \[1\]", "tls")
    t.until(r"\+ tls.example: an answer is reached by 127.0.0.1")
    t.say(r"Order it now\?", "")
    t.say(r"Write it to chancery.conf", "n")
    assert t.ended() == DONE
    check_files(folder / "tls.example" / "live", ["tls.example"])
    assert not (base / "chancery.conf").exists() and "--challenge tls-alpn-01" in " ".join(command_of(t.text()))


def test_another_way_when_one_would_fail(terminal, home, ca, tmp_path):
    """A web root that the web server does not show; then the port itself."""
    base, folder, _ = home
    (tmp_path / "served").mkdir()
    (tmp_path / "other").mkdir()
    t = terminal("setup", "--folder", folder, "--config", base / "chancery.conf", *at(ca))
    server = serve(tmp_path / "served", ca.http_port)
    try:
        to_control(t, "another.example")
        t.say(r"Number or name: \[1\]", "webroot")
        t.say(r"The folder that the web server shows:", tmp_path / "missing")
        t.told("missing: No such file or directory")
        t.say(r"The folder that the web server shows:", tmp_path / "other")
        t.until(r"! another.example leads to 127.0.0.1, where")
        t.say(r"Number or name: \[1\]", "change")
        t.say(r"Number or name: \[1\]", "tls")
        t.until(r"\+ another.example: an answer is reached")
        t.until(r"5/5")
        assert not list((tmp_path / "other").iterdir()), "what was tried is taken away, folders too"
        t.keys("C-c")
        t.ended()
    finally:
        server.shutdown()
        server.server_close()


# --- what the CA says ---

@pytest.fixture
def fakes(tmp_path, home):
    """CAs that say what they like, in the list by their names."""
    made = []

    def make(name, *words, meta=None, **headers):
        folder = tmp_path / name
        folder.mkdir()
        fake = FakeCa(folder)
        made.append(fake)
        directory = {"newNonce": fake.base + "/nonce", "newAccount": fake.base + "/acct", "newOrder": fake.base + "/order", "meta": meta or {}}
        fake.override["/dir"] = (200, headers, directory)
        result = chancery("ca", "add", name, "--directory", fake.directory, "--ca-file", folder / "tls.pem", *words, "--folder", home[1], env=home[2])
        assert result.returncode == DONE, result.stderr
        return fake
    yield make
    for fake in made:
        fake.close()


def test_a_clock_that_is_wrong(terminal, home, fakes, ca):
    """Told when the CA is chosen, and again before an order, which is not made."""
    fake = fakes("tomorrow", Date=email.utils.formatdate(time.time() + 7200, usegmt=True))
    fakes("yesterday", Date=email.utils.formatdate(time.time() - 3 * 86400, usegmt=True))
    fakes("near", Date=email.utils.formatdate(time.time() - 100, usegmt=True))
    t = terminal("setup", "--folder", home[1], *at(ca))
    t.say(r"blanks between", "clock.example")
    t.say(r"Number or name: \[1\]", "tomorrow")
    t.until(r"! This machine's clock is (2 hours|119 minutes) behind of that of tomorrow")
    t.told("What to do: set the clock right, by the network: timedatectl set-ntp true")
    t.told('"not yet valid" here')
    t.say(r"Take it all the same\? \[y/N\]", "")
    t.say(r"Number or name: \[1\]", "yesterday")
    t.until(r"clock is 3 days ahead of that of yesterday")
    t.say(r"Take it all the same\? \[y/N\]", "n")
    t.say(r"Number or name: \[1\]", "near")
    t.until(r"\+ This machine's clock is right enough: \d+ seconds ahead")
    t.keys("C-c")
    t.ended()
    result = unasked(home, "clock.example", "--ca", "tomorrow", *at(ca), expect=FAILED)
    assert "! This machine's clock is" in result.stdout and "nothing is ordered" in result.stderr
    assert "/order" not in fake.seen and "/acct" not in fake.seen


def test_an_account_there_is_needed(terminal, home, fakes, ca, tmp_path):
    """The directory says so, whatever the list says; the key's file is looked at, and kept with the CA when the order is made, not before."""
    fake = fakes("known-only", "--eab-help", "its front desk", meta={"externalAccountRequired": True, "termsOfService": TERMS})
    key = tmp_path / "eab.key"
    key.write_text("c2VjcmV0LW9mLXRoZS1DQS0xMjM0NTY3ODkwMTIzNDU2Nzg5MA\n")
    key.chmod(0o644)
    result = unasked(home, "eab.example", "--ca", "known-only", "--agree-tos", *at(ca), expect=FAILED)
    assert "known-only makes accounts only for those it knows" in result.stdout and "its front desk" in result.stdout
    before = (home[1] / "cas.conf").read_text()

    def answer(t):
        t.say(r"blanks between", "eab.example")
        t.say(r"Number or name: \[1\]", "known-only")
        t.told("It gives a key identifier and a key for that: its front desk.")
        t.say(r"Key identifier \(kid\):", "kid-7")
        t.say(r"File with the key", key)
    t = terminal("setup", "--folder", home[1], *at(ca))
    answer(t)
    t.told("others can read it: chmod 600")
    key.chmod(0o600)
    t.say(r"File with the key", key)
    t.until(r"A second CA stands by")
    t.keys("C-c")
    t.ended()
    assert (home[1] / "cas.conf").read_text() == before
    t = terminal("setup", "--folder", home[1], "--no-config", *at(ca))
    answer(t)
    t.say(r"Number or name: \[1\]", "")
    t.say(r"e-mail", "")
    t.say(r"terms of service\?", "y")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"4/5")
    t.say(r"Number or name: \[1\]", "http")
    t.say(r"Order it now\?", "")
    t.say(r"Write it to chancery.conf, too\? \[y/N\]", "")
    assert t.ended() == FAILED  # this CA validates nothing
    assert "/acct" in fake.seen and 'eab-kid = "kid-7"' in (home[1] / "cas.conf").read_text()


def test_profiles_as_the_ca_says_them(terminal, home, fakes, ca):
    """Those that a CA which stands by has not cannot be taken."""
    fakes("many", meta={"profiles": {"first": "Thirty days", "second": "A week\u001b[31m", "third": "https://ca.example.org/third"}, "website": "https://many.example"})
    fakes("few", meta={"profiles": {"second": "A week"}})
    t = terminal("setup", "--folder", home[1], *at(ca))
    t.say(r"blanks between", "profile.example")
    t.say(r"Number or name: \[1\]", "many")
    t.until(r"Its web page: https://many.example")
    t.until(r"It does not say when certificates are to be renewed")
    t.say(r"Number or name: \[1\]", "few")
    t.until(r"first +- few, which stands by, has no such profile")
    t.until(r"second +A week\?\[31m")
    t.say(r"Number or name: \[1\]", "third")
    t.until(r"! third: few, which stands by, has no such profile")
    t.say(r"Number or name: \[1\]", "second")
    t.say(r"e-mail", "")
    t.until(r"many has no terms of service to agree to")
    t.keys("C-c")
    t.ended()
    result = unasked(home, "profile.example", "--ca", "many", "--profile", "nonsense", *at(ca), expect=FAILED)
    assert "! many has no profile nonsense: it has first, second, third" in result.stdout


def test_a_ca_that_cannot_be_asked(terminal, home, fakes, ca):
    port = free_port()
    for name, url in (("away", f"https://localhost:{port}/dir"), ("lost", "https://localhost:1/dir")):
        chancery("ca", "add", name, "--directory", url, "--ca-file", ca.root, "--folder", home[1], env=home[2])
    fakes("page").override["/dir"] = (200, {}, b"<html>")
    chancery("ca", "add", "distrusted", "--directory", ca.directory, "--folder", home[1], env=home[2])
    t = terminal("setup", "--folder", home[1], *at(ca))
    t.say(r"blanks between", "away.example")
    for name, words in (("away", "look whether the server runs there"), ("page", "it has to be that of an ACME directory"), ("distrusted", "and look at this machine's clock")):
        t.say(r"Number or name: \[1\]", name)
        t.told(words)
        t.say(r"Take it all the same\? \[y/N\]", "")
    t.say(r"Number or name: \[1\]", "other")
    t.say(r"Its directory, an https URL:", "http://x.example/dir")
    t.until(r"is no https URL")
    t.keys("C-c")
    t.ended()
    # one that stands by may be away
    result = unasked(home, "away.example", "--ca", "ours", "--ca", "away", "--agree-tos", *at(ca), expect=DONE)
    assert "* away: " in result.stdout and "look whether the server runs there" in result.stdout


# --- what would fail is told before an order ---

def unasked(home, *words, expect, config=True):
    result = chancery("setup", *words, "--yes", "--folder", home[1], *(["--config", home[0] / "chancery.conf"] if config else []), env=home[2])
    result.text, result.stdout = result.stdout, " ".join(result.stdout.split())
    assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def orders(home):
    return list(home[1].glob("*/live"))


def test_a_name_that_leads_nowhere(home, ca):
    ca.dns.missing.add("nowhere.example")
    result = unasked(home, "nowhere.example", "--ca", "ours", "--agree-tos", *at(ca), expect=FAILED)
    assert "! nowhere.example has no address in the DNS" in result.stdout and "set an A or AAAA record" in result.stdout
    assert "nothing is ordered" in result.stderr and not orders(home)


@pytest.mark.parametrize("way", ("http-01", "tls-alpn-01"))
def test_an_address(home, ca, way):
    """It needs no DNS. This CA has no profile for addresses, which its entry in the list says; by its URL nothing is known, and the order is refused."""
    result = unasked(home, "127.0.0.1", "--ca", "ours", "--agree-tos", "--challenge", way, *at(ca), expect=FAILED)
    assert "+ 127.0.0.1: an answer is reached by 127.0.0.1" in result.stdout and "! ours will not be asked: it gives no certificates for addresses" in result.stdout
    words = ("--server", ca.directory, "--ca-file", ca.root, "--agree-tos", "--challenge", way, *at(ca))
    result = unasked(home, "127.0.0.1", *words, expect=FAILED)
    assert "+ 127.0.0.1: an answer is reached by 127.0.0.1" in result.stdout and "! " not in result.stdout and "unsupportedIdentifier" in result.stderr
    result = unasked(home, "127.0.0.1", "*.star.example", *words, expect=FAILED)
    assert "! *.star.example: no challenge that was chosen can show control of it" in result.stdout and "a wildcard needs dns-01" in result.stdout


def test_somebody_else_answers(home, ca, tmp_path):
    """A web root that is not the one of the web server there; what TLS shows is of another program."""
    (tmp_path / "served").mkdir()
    (tmp_path / "other").mkdir()
    port = free_port()
    server = serve(tmp_path / "served", port)
    try:
        result = unasked(home, "localhost", "--webroot", tmp_path / "other", "--ca", "ours", "--agree-tos", expect=FAILED)
        assert "somebody else answers" in result.stdout or "does not answer" in result.stdout
    finally:
        server.shutdown()
        server.server_close()
    assert not orders(home) and not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("way", (["--http-port"], ["--challenge", "tls-alpn-01", "--tls-port"]))
def test_a_port_that_is_taken(home, ca, tmp_path, way):
    port = free_port()
    server = serve(tmp_path, port)
    try:
        result = unasked(home, "localhost", "--ca", "ours", "--agree-tos", *way, port, "--http-address", "127.0.0.1", "--tls-address", "127.0.0.1", expect=FAILED)
        assert "another program listens there" in result.stdout and not orders(home)
    finally:
        server.shutdown()
        server.server_close()


def test_terms_are_agreed_to_or_nothing_is_ordered(home, ca):
    result = unasked(home, "terms.example", "--ca", "ours", *at(ca), expect=FAILED)
    assert f"! ours has terms of service, which are not agreed to: {TERMS}" in result.stdout and "--agree-tos" in result.stdout and not orders(home)
    assert "which are agreed to" in unasked(home, "terms.example", "--ca", "ours", "--agree-tos", *at(ca), expect=DONE).stdout


def test_caa_records_that_forbid(terminal, home, ca, fakes):
    """Of the CA: nothing is ordered. Of the one that stands by: a warning. Both with the record to add."""
    fakes("second", meta={"caaIdentities": ["second.example"]})
    ca.dns.set("forbidden.example", "CAA", caa("issue", "another.example"))
    ca.dns.set("first.example", "CAA", caa("issue", "localhost"))
    ca.dns.set("bound.example", "CAA", caa("issue", "localhost; accounturi=https://localhost/acme/acct/some"))
    result = unasked(home, "www.forbidden.example", "ok.example", "--ca", "ours", "--agree-tos", *at(ca), expect=FAILED)
    assert "! ours may not issue for www.forbidden.example" in result.stdout and 'add the record forbidden.example. CAA 0 issue "localhost"' in result.stdout
    assert "issue for ok.example" not in result.stdout and not orders(home)
    # which account it will be is not known yet
    assert "No CAA record forbids" in unasked(home, "bound.example", "--ca", "ours", "--agree-tos", *at(ca), expect=FAILED).stdout
    t = terminal("setup", "--folder", home[1], *at(ca))
    t.say(r"blanks between", "first.example")
    t.say(r"Number or name: \[1\]", "ours")
    t.until(r"A second CA stands by")
    t.say(r"Number or name: \[1\]", "second")
    t.until(r"The kind of certificate")
    t.say(r"Number or name: \[1\]", "")
    t.say(r"e-mail", "")
    t.told("There is an account key for ours already: its terms were agreed to. second has no terms of service to agree to.")
    t.until(r"The certificate's key, new for each")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"4/5")
    t.until(r"stateless +- a web server answers for the account of one CA")
    t.say(r"Number or name: \[1\]", "http")
    t.until(r"\+ No CAA record forbids ours to issue")
    t.until(r"\* second may not issue for first.example")
    t.told('add the record first.example. CAA 0 issue "second.example"')
    t.until(r"5/5")
    t.keys("C-c")
    t.ended()


def read_only(home, folder, *words):
    """The program where this folder cannot be written to, by nobody."""
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    result = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", folder, CLIENT_PROGRAM, *map(str, words)], env=home[2], capture_output=True, text=True, timeout=120)
    result.stdout = " ".join(result.stdout.split())
    return result


@pytest.mark.skipif(os.getuid() != 0, reason="mounts in a namespace of its own")
def test_places_that_cannot_be_written_to(home, ca, tmp_path):
    """Each is told with its path and the user, before an order; what can be written to is left as it was."""
    places = {what: tmp_path / what for what in ("storage", "account", "config", "copy")}
    for place in places.values():
        place.mkdir()
    (places["storage"] / "deep").mkdir()
    words = ["setup", "places.example", "--yes", "--agree-tos", "--server", ca.directory, "--ca-file", ca.root, *at(ca), "--config", places["config"] / "chancery.conf",
             "--account-key", places["account"] / "key.pem", "--folder", places["storage"] / "deep" / "below", "--deploy-copy", f"both={places['copy']}/both.pem"]
    for what, place in places.items():
        result = read_only(home, place, *words)
        assert result.returncode == FAILED and "nothing is ordered" in result.stderr
        told = re.findall(r"! (?:writing into|making the folder) (\S+): the user root cannot: Read-only file system", result.stdout)
        assert told == [str(place / "deep" / "below" if what == "storage" else place)], result.stdout + result.stderr
        assert not orders(home) and [f for p in places.values() for f in p.rglob("*") if f.name != "deep"] == []
    result = chancery(*words, "--deploy-copy", f"cert={places['copy']}/cert.pem:no-such-user:no-such-group", env=home[2])
    assert result.returncode == FAILED
    assert "is to belong to no-such-user, and there is no such user" in " ".join(result.stdout.split()) and "no-such-group, and there is none" in " ".join(result.stdout.split())


def test_as_json(home, ca):
    """One object, whatever comes; its schema is published."""
    words = ["json.example", "--ca", "ours", *at(ca), "--json"]
    said = schemas.check("client/setup", unasked(home, *words, expect=FAILED).text)
    assert said["result"] == "failed" and "order" not in said and [c["check"] for c in said["checks"] if c["outcome"] == "failed"] == ["terms"]
    words.append("--agree-tos")
    said = schemas.check("client/setup", unasked(home, *words, expect=DONE).text)
    assert said["result"] == "done" and said["order"]["result"] == "issued" and said["names"] == ["json.example"]
    assert {c["check"] for c in said["checks"]} == {"directory", "clock", "terms", "storage", "account", "configuration", "caa", "control"}
    assert {c["outcome"] for c in said["checks"]} == {"good"}
    assert said["configuration"]["written"] and said["configuration"]["section"] in (home[0] / "chancery.conf").read_text()
    check_files(home[1] / "json.example" / "live", ["json.example"])
    command = shlex.split(said["command"])
    assert command[:3] == ["chancery", "issue", "json.example"] and "--json" not in command
    assert chancery(*command[1:], env=home[2]).returncode == NOTHING_TO_DO
    # a section that is there stays, and that is said
    said = schemas.check("client/setup", unasked(home, *words, expect=DONE).text)
    assert said["order"]["result"] == "nothing-to-do" and not said["configuration"]["written"] and "already" in said["configuration"]["error"]
    said = schemas.check("client/setup", unasked(home, *words, "--no-config", expect=DONE).text)
    assert not said["configuration"]["written"] and "error" not in said["configuration"]
    said = schemas.check("client/setup", unasked(home, "--ca", "ours", "--json", expect=FAILED).text)
    assert "needs names" in said["error"] and said["checks"] == []
    said = schemas.check("client/setup", unasked(home, "json.example", "--ca", "nobody", "--json", expect=FAILED).text)
    assert [(c["check"], c["outcome"]) for c in said["checks"]] == [("options", "failed")]
    result = chancery("setup", *words, "--folder", home[1], env=home[2], stdin=subprocess.DEVNULL)
    assert result.returncode == FAILED and "setup --json asks nothing" in schemas.check("client/setup", result.stdout)["error"]


def test_as_json_when_the_order_fails(home, ca, fakes):
    """The CA validates nothing: the order's own object tells."""
    fakes("nothing")
    said = schemas.check("client/setup", unasked(home, "fails.example", "--ca", "nothing", *at(ca), "--json", "--timeout", 5, expect=FAILED).text)
    assert said["result"] == "failed" and said["order"]["result"] == "failed" and not said["configuration"]["written"]
    assert {c["outcome"] for c in said["checks"] if c["check"] != "caa"} == {"good"}


def test_without_a_terminal(home, ca):
    words = ["localhost", "--ca", "ours", "--agree-tos", "--http-port", ca.http_port, "--http-address", "127.0.0.1", "--resolver", f"127.0.0.1:{ca.dns.port}"]
    result = unasked(home, *words, expect=DONE)
    check_files(home[1] / "localhost" / "live", ["localhost"])
    config = home[0] / "chancery.conf"
    assert 'certificate "localhost" {' in config.read_text() and "says now" in result.stdout
    before = config.read_text()
    # a section that is there is a person's
    assert "has a certificate \"localhost\" already" in unasked(home, *words, expect=DONE).stdout
    assert config.read_text() == before
    failed(chancery("setup", "localhost", env=home[2], stdin=subprocess.DEVNULL), "setup asks at a terminal")
    failed(unasked(home, expect=FAILED), "needs names")
    # what is wrong there is not touched
    config.write_text("broken\n")
    failed(unasked(home, "localhost", *words[1:], expect=FAILED), "chancery.conf:")
    assert config.read_text() == "broken\n"


@pytest.mark.skipif(os.getuid() != 0, reason="mounts in a namespace of its own")
def test_names_of_the_web_server(home, ca, tmp_path):
    """What nginx of this host is configured for is offered; here with sites of the test's, which nobody else sees."""
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "site.conf").write_text("server {\n\tlisten 80;\n\tserver_name offered.example www.offered.example;\n\troot /var/www/html;\n}\n")
    t = Terminal(home[2], "unshare", "-m", "sh", "-c", f"mount --bind {sites} /etc/nginx/sites-enabled && exec {CLIENT_PROGRAM} setup --folder {home[1]}")
    try:
        t.until(r"This host's web servers are configured for")
        t.until(r"offered\.example +nginx")
        number = re.search(r"(\d+)  www\.offered\.example", t.text()).group(1)
        t.say(r"Numbers or names", number)
        t.say(r"Number or name: \[1\]", "back")
        t.until(r"\[www\.offered\.example\]")
    finally:
        t.close()
