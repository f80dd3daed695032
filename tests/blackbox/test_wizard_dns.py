"""chancery setup where name servers and web servers have their ports: in a network of our own. dns-01 by each way is tried before an order, and so is a web server that
answers by itself."""
import http.server
import json
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

import schemas
from dns_zones import Server, query
from harness import CLIENT_PROGRAM, free_port, running_ca
from test_client import DONE, FAILED, chancery, check_files
from test_propagation import SECOND, Primary, second
from test_recursion import own_network
from test_stateless import apache, nginx, up
from test_wizard import Terminal, command_of

TXT = 16


@pytest.fixture(scope="module")
def world():
    if not own_network():
        pytest.skip("needs a network namespace, and so the rights of root")
    with Primary("test", "one.test", "behind.test", "half.test", "alias.test", "elsewhere.test", "web.test") as zones, running_ca(zones=zones, http_port=80) as ca:
        ca.zones = zones
        yield ca


@pytest.fixture
def home(tmp_path, world):
    folder, env = tmp_path / "f", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    assert chancery("ca", "add", "ours", "--directory", world.directory, "--ca-file", world.root, "--folder", folder, env=env).returncode == DONE
    return tmp_path, folder, env


@pytest.fixture
def unasked(home):
    def run(*words, expect):
        result = chancery("setup", *words, "--yes", "--ca", "ours", "--resolver", "127.0.0.1", "--folder", home[1], "--no-config", env=home[2])
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        result.text, result.stdout = result.stdout, " ".join(result.stdout.split())
        return result
    return run


@pytest.fixture
def terminal(home):
    """At the fourth step for these names."""
    base, folder, env = home
    made = []

    def start(names, *words):
        t = Terminal(env, CLIENT_PROGRAM, "setup", "--folder", folder, "--config", base / "chancery.conf", "--resolver", "127.0.0.1", "--ca", "ours", *words)
        made.append(t)
        t.say(r"blanks between", names)
        t.say(r"e-mail", "")
        t.until(r"The certificate's key, new for each")
        t.say(r"Number or name: \[1\]", "")
        t.until(r"4/5  How is control")
        return t
    yield start
    for t in made:
        t.close()


def left(name, host="127.0.0.1"):
    return query(53, f"_acme-challenge.{name}", TXT, host=host).answers


def program(folder, name, text):
    path = folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def hook(world, folder):
    """As acme clients' hooks are; it knows what it was asked."""
    return program(folder, "hook", f'echo "$@" >>{folder}/asked\ncase $1 in\npresent) exec {world.zones.command} set "$2" "$3" ;;\n'
                                   f'cleanup) exec {world.zones.command} clear "$2" "$3" ;;\nesac\n')


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, said["fqdn"]))
        change = self.server.zones.set_txt if self.path == "/present" else self.server.zones.clear_txt
        change(said["fqdn"], said["value"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def service(world):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.zones, server.asked, server.url = world.zones, [], f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


# --- a test before an order, by each way ---

@pytest.mark.parametrize("way", ("dns-update", "hook", "httpreq"))
def test_a_test_record_and_then_an_order(world, home, terminal, unasked, service, tmp_path, way):
    """A name and its wildcard: two records at one place, seen at the zone's own server, and removed."""
    names = [f"{way}.one.test", f"*.{way}.one.test"]
    t = terminal(" ".join(names))
    t.until(r"http +- a wildcard needs DNS")
    t.say(r"Number or name: \[5\]", way)
    if way == "dns-update":
        t.say(r"HOST or HOST:PORT\):", "127.0.0.1")
        t.say(r"\[-\]", "")
        words = ["--dns-update", "127.0.0.1"]
    elif way == "hook":
        path = hook(world, tmp_path)
        t.say(r"The program:", tmp_path)
        t.told(f"{tmp_path}: this is a folder.")
        t.say(r"The program:", path)
        t.say(r"Written for which client\? \[certbot\]", "httpreq")
        t.told('"httpreq" is no client whose programs are known')
        t.say(r"Written for which client\? \[certbot\]", "lego")
        t.say(r"one without any rights\)\? \[-\]", "nobody-of-this-name")
        t.until(r'! There is no user "nobody-of-this-name"')
        t.say(r"one without any rights\)\? \[-\]", "root")
        words = ["--hook", path, "--hook-dialect", "lego", "--hook-user", "root"]
    else:
        t.say(r"The service's URL:", "nonsense")
        t.until(r"! ")
        t.say(r"The service's URL:", service.url)
        t.say(r"user and password \(\"-\" for none\): \[-\]", "")
        words = ["--hook", service.url, "--hook-dialect", "httpreq"]
    t.told("+ Test records were set, seen at the zone's own name servers (2 answers), and removed")
    assert left(f"{way}.one.test") == 0 and not (home[1] / f"{way}.one.test").exists()
    t.say(r"Order it now\?", "")
    t.say(r"Write it to chancery.conf", "")
    assert t.ended() == DONE
    assert "--challenge dns-01" in " ".join(command_of(t.text())) and {str(w) for w in words} <= set(command_of(t.text()))
    said = schemas.check("client/setup", unasked(*names, *words, "--json", expect=DONE).text)
    assert [c["outcome"] for c in said["checks"] if c["check"] == "control"] == ["good"] and said["order"]["result"] == "nothing-to-do"
    if way == "hook":
        asked = (tmp_path / "asked").read_text().splitlines()
        assert [line.split()[0] for line in asked] == ["present", "present", "cleanup", "cleanup"] * 3, "two tests, and the order"
    if way == "httpreq":
        assert [path for path, _ in service.asked] == ["/present", "/present", "/cleanup", "/cleanup"] * 3
    check_files(home[1] / f"{way}.one.test" / "live", names)
    assert left(f"{way}.one.test") == 0


def test_a_name_server_that_is_behind(world, home, unasked, terminal):
    """The update is taken, and the zone's second server does not get it: a CA that asks it refuses."""
    with Server("nsd", {"behind.test": second()}, host=SECOND, port=53):
        result = unasked("late.behind.test", "--dns-update", "127.0.0.1", "--propagation", "2", expect=FAILED)
        assert f"! the time of --propagation is over: ns2.behind.test. ({SECOND}) has no such record at _acme-challenge.late.behind.test" in result.stdout
        assert "nothing is ordered" in result.stderr and not (home[1] / "late.behind.test").exists()
        # Ctrl-C while it waits
        t = terminal("ctrl.behind.test", "--propagation", "600")
        t.say(r"Number or name: \[1\]", "dns-update")
        t.say(r"HOST or HOST:PORT\):", "127.0.0.1")
        t.say(r"\[-\]", "")
        end = time.monotonic() + 20
        while left("ctrl.behind.test") == 0:
            assert time.monotonic() < end, t.text()
            time.sleep(0.05)
        t.keys("C-c")
        assert t.ended() == FAILED
        assert "stopped; nothing is changed" in t.text()
    assert left("late.behind.test") == left("ctrl.behind.test") == 0


def test_a_hook_that_keeps_one_value(world, home, unasked, tmp_path):
    """It replaces the record of a name by that of its wildcard: seen before the CA does."""
    path = program(tmp_path, "one", f'case $1 in\npresent) {world.zones.command} clear "$2"; exec {world.zones.command} set "$2" "$3" ;;\n'
                                    f'cleanup) exec {world.zones.command} clear "$2" ;;\nesac\n')
    words = ["--hook", path, "--hook-dialect", "lego", "--hook-user", "root", "--propagation", "2"]
    result = unasked("kept.one.test", "*.kept.one.test", *words, expect=FAILED)
    assert re.search(r'! the time of --propagation is over: ns.one.test. \(127.0.0.1\) has "[-_\w]{43}" at _acme-challenge.kept.one.test', result.stdout)
    assert left("kept.one.test") == 0
    unasked("kept.one.test", *words, expect=DONE)


def test_a_hook_that_fails(unasked, tmp_path):
    path = program(tmp_path, "fails", "echo the key of the zone is not known >&2\nexit 3\n")
    result = unasked("fails.one.test", "--hook", path, "--hook-dialect", "lego", "--hook-user", "root", expect=FAILED)
    assert "! " in result.stdout and "present ended with exit code 3: the key of the zone is not known" in result.stdout and "nothing is ordered" in result.stderr


def test_updates_that_are_refused(unasked):
    result = unasked("www.nowhere.test.example", "--dns-update", "127.0.0.1", expect=FAILED)
    assert "has no zone that _acme-challenge.www.nowhere.test.example is in" in result.stdout and "look at the name server's address" in result.stdout
    result = unasked("www.one.test", "--dns-update", f"127.0.0.1:{free_port()}", expect=FAILED)
    assert "does not answer at port" in result.stdout


def test_nobody_has_seen_it(unasked):
    """A server that does not answer is a warning, as one that is not to be looked at is."""
    result = unasked("www.half.test", "--dns-update", "127.0.0.1", expect=DONE)
    assert "* the name server ns2.half.test. (127.0.0.4) does not answer" in result.stdout and "seen at the zone's own name servers (1 answer)" in result.stdout
    result = unasked("blind.one.test", "--dns-update", "127.0.0.1", "--propagation", "0", expect=DONE)
    assert "* The test records were taken, and nobody has seen them at a name server" in result.stdout


# --- a web server that answers by itself ---

@pytest.mark.parametrize("server", (nginx, apache))
def test_a_web_server_that_answers_by_itself(world, home, terminal, tmp_path, server):
    """The snippet is printed, and tried once the web server has it; without it, it is told."""
    name = f"{server.__name__}.web.test"
    world.zones.add_host(name)
    folder = tmp_path / "server"
    folder.mkdir()
    t = terminal(name)
    t.say(r"Number or name: \[1\]", "stateless")
    t.say(r"Which web server\? \[1\]", server.__name__)
    t.say(r"Press Enter when the web server has read them: \[Enter\]", "")
    t.told(f"! {name} leads to 127.0.0.1, where port 80 does not answer")
    text = t.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "w")
    lines = re.search(r"answer by itself:\n((?:    [^\n]*\n)+)", text).group(1)
    process = subprocess.Popen([str(w) for w in server(folder, 80, "".join(line[4:] + "\n" for line in lines.splitlines()))], stderr=subprocess.PIPE, text=True)
    try:
        up(process, 80)
        t.say(r"Number or name: \[1\]", "again")
        t.told(f"+ {name}: an answer is reached by 127.0.0.1")
        t.say(r"Order it now\?", "")
        t.say(r"Write it to chancery.conf", "")
        assert t.ended() == DONE
        check_files(home[1] / name / "live", [name])
        assert "--stateless" in command_of(t.text()) and 'stateless = "true"' in (home[0] / "chancery.conf").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def test_a_web_server_with_another_accounts_lines(world, home, unasked, tmp_path):
    name = "other.web.test"
    world.zones.add_host(name)
    result = unasked(name, "--stateless", expect=FAILED)
    assert "make the account first: chancery ca test NAME" in result.stdout
    assert chancery("ca", "test", "ours", "--folder", home[1], env=home[2]).returncode == DONE
    snippet = chancery("account", "snippet", "nginx", "--ca", "ours", "--folder", home[1], env=home[2]).stdout
    folder = tmp_path / "server"
    folder.mkdir()
    mark = re.search(r"\$1\.([-_\w]{43})", snippet).group(1)
    process = subprocess.Popen([str(w) for w in nginx(folder, 80, snippet.replace(mark, "x" * 43))], stderr=subprocess.PIPE, text=True)
    try:
        up(process, 80)
        result = unasked(name, "--stateless", expect=FAILED)
        assert "somebody else answers at port 80" in result.stdout and "chancery account snippet" in result.stdout
        assert not pathlib.Path(home[1] / name).exists()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
