"""chancery setup: driven in a real terminal (tmux), and without one."""
import os
import pathlib
import re
import subprocess
import tempfile
import time

import pytest

from harness import CLIENT_PROGRAM, free_port, running_ca
from test_client import DONE, FAILED, NOTHING_TO_DO, chancery, check_files, failed
from test_hooks import serve


@pytest.fixture(scope="module")
def ca():
    with running_ca(http_port=free_port()) as ca:
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
    """80 columns, 24 lines."""

    def __init__(self, env, *words):
        self.socket = tempfile.mktemp(prefix="chancery-tmux-", dir="/tmp")
        self.env = {**env, "TERM": "screen"}
        self.code = pathlib.Path(self.socket + ".code")
        # tmux itself may lose how a program ended
        shell = f"trap : INT; \"$@\"; echo $? >{self.code}; sleep 600"
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "-s", "w", "sh", "-c", shell, "sh", *[str(w) for w in words])

    def tmux(self, *words):
        return subprocess.run(["tmux", "-f", "/dev/null", "-S", self.socket, *words], env=self.env, check=True, capture_output=True, text=True, timeout=30).stdout

    def text(self):
        return self.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "w")

    def until(self, pattern, seconds=40):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end, f"{pattern} does not come:\n{self.text()}"
            time.sleep(0.05)

    def say(self, pattern, line):
        """Answers the question that is asked last."""
        end = time.monotonic() + 40
        while not re.search(pattern + r"[^\n]*$", self.text().rstrip()):
            assert time.monotonic() < end, f"{pattern} is not asked:\n{self.text()}"
            time.sleep(0.05)
        if line:
            self.tmux("send-keys", "-t", "w", "-l", line)
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
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, capture_output=True, timeout=30)
        self.code.unlink(missing_ok=True)


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


def test_all_of_it(terminal, home, ca):
    """Five steps, with steps back; the certificate is there, the configuration says the same, and so does the command."""
    base, folder, _ = home
    t = terminal("setup", "--folder", folder, "--config", base / "chancery.conf", "--http-port", ca.http_port, "--http-address", "127.0.0.1")
    t.until(r"1/5  Which names\?")
    t.say(r"names, with blanks between", "bad_name..example")
    t.until(r"! \"bad_name..example\"")
    t.say(r"blanks between.*", "localhost")
    t.until(r"2/5  Which certificate authority\?")
    t.say(r"Number or name: \[1\]", "back")
    t.say(r"\[localhost\]", "")
    t.say(r"Number or name: \[1\]", "99")
    t.until(r"A number from 1 to")
    t.say(r"Number or name: \[1\]", "ours")
    t.until(r"A second CA stands by")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"3/5  Account and keys")
    t.say(r"e-mail address", "nonsense")
    t.until(r"An address has an @")
    t.say(r"e-mail address", "ops@example.org")
    t.say(r"terms of service", "y")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"4/5  How is control")
    t.say(r"Number or name: \[1\]", "http")
    t.until(r"\+ localhost: an answer is reached by 127.0.0.1")
    t.until(r"5/5  The order")
    t.say(r"Order it now\?", "")
    t.say(r"Write it to chancery.conf", "y")
    assert t.ended() == DONE
    text = t.text()
    check_files(folder / "localhost" / "live", ["localhost"])
    assert "Done: the certificate is there." in text and 'certificate "localhost" {' in text
    config = base / "chancery.conf"
    assert chancery("check-config", "--config", config, env=home[2]).returncode == DONE
    assert 'ca = {"ours"}' in config.read_text() and 'contact = {"mailto:ops@example.org"}' in config.read_text()
    # what it printed is a command that does the same
    words = re.search(r"The same by a command:\s+(chancery issue [^\n]*(?:\n  [^\n]+)*?)\n  Renewal", text).group(1).split()
    result = chancery(*words[1:], env=home[2])
    assert result.returncode == NOTHING_TO_DO, result.stdout + result.stderr
    # and the section is what renew goes by
    assert chancery("renew", "--config", config, env=home[2]).returncode == NOTHING_TO_DO


def test_nothing_is_wider_than_the_terminal(terminal, home, ca):
    base, folder, _ = home
    t = terminal("setup", "--folder", folder)
    t.say(r"blanks between", "*.wide.example")
    t.until(r"Number or name: \[1\]")
    screen = t.tmux("capture-pane", "-p", "-S", "-", "-t", "w")
    joined = t.text()
    assert max(map(len, joined.splitlines())) <= 80, "a line was broken by the terminal"
    assert "Let's Encrypt" in screen
    t.say(r"Number or name: \[1\]", "ours")
    t.say(r"Number or name: \[1\]", "")
    t.say(r"e-mail", "")
    t.say(r"terms of service", "y")
    t.say(r"Number or name: \[1\]", "")
    t.until(r"4/5")
    t.say(r"Number or name", "http")
    t.until(r"http: a wildcard needs DNS")


def test_ctrl_c_changes_nothing(terminal, home):
    _, folder, _ = home
    before = sorted(folder.rglob("*"))
    t = terminal("setup", "--folder", folder)
    t.say(r"blanks between", "stopped.example")
    t.until(r"2/5")
    t.keys("C-c")
    t.ended()
    t = terminal("setup", "--folder", folder)
    t.until(r"1/5")
    t.keys("C-d")
    assert t.ended() == FAILED
    assert "stopped; nothing is changed" in t.text() and sorted(folder.rglob("*")) == before


def test_without_a_word_at_a_terminal(terminal, home):
    t = terminal()
    t.until(r"1/5  Which names\?")
    t.keys("C-c")
    t.ended()


# --- what would fail is told before an order ---

def unasked(home, *words, expect):
    result = chancery("setup", *words, "--yes", "--folder", home[1], "--config", home[0] / "chancery.conf", env=home[2])
    result.stdout = " ".join(result.stdout.split())
    assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def orders(home):
    return list(home[1].glob("*/live"))


def test_a_name_that_leads_nowhere(home, ca):
    result = unasked(home, "nowhere.invalid", "--ca", "ours", "--http-port", ca.http_port, "--http-address", "127.0.0.1", expect=FAILED)
    assert "! nowhere.invalid has no address in the DNS" in result.stdout and "set an A or AAAA record" in result.stdout
    assert "nothing is ordered" in result.stderr and not orders(home)


def test_somebody_else_answers(home, ca, tmp_path):
    """A web root that is not the one of the web server there."""
    (tmp_path / "served").mkdir()
    (tmp_path / "other").mkdir()
    port = free_port()
    server = serve(tmp_path / "served", port)
    try:
        result = unasked(home, "localhost", "--webroot", tmp_path / "other", "--ca", "ours", expect=FAILED)
        assert "somebody else answers" in result.stdout or "does not answer" in result.stdout
    finally:
        server.shutdown()
        server.server_close()
    assert not orders(home)


def test_a_port_that_is_taken(home, tmp_path):
    port = free_port()
    server = serve(tmp_path, port)
    try:
        result = unasked(home, "localhost", "--ca", "ours", "--http-port", port, "--http-address", "127.0.0.1", expect=FAILED)
        assert "another program listens there" in result.stdout and not orders(home)
    finally:
        server.shutdown()
        server.server_close()


def test_without_a_terminal(home, ca):
    words = ["localhost", "--ca", "ours", "--http-port", ca.http_port, "--http-address", "127.0.0.1"]
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
