"""The jails, from inside: in the place of each child stands a program that enters the very jail of that child and tries what it must not be
able to do. Three set-ups (DESIGN section 2): root from a checkout below another user's 0700 home, an ordinary user, an installed prefix."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

import place

place.need_root()
import harness  # noqa: E402  (place knows where it lies)

ORDINARY = 54321  # a user that nobody has
PROBES = {child: f"probe_{child}" for child in place.CHILDREN}
RESULT = re.compile(r"\S+ \S+ (front|validator|signer) probe\.result name=(\"[^\"]*\"|\S+) allowed=(yes|no)")

FILES = {"root directory", "Landlock files", "Landlock files and TCP"}
TCP = {"network namespace", "Landlock files and TCP"}
# what is tried -> the layers of which one is enough to refuse it; an empty set: refused whatever the kernel grants
REFUSED = {
    "read /etc/passwd": FILES, "read /proc": FILES, "write elsewhere": FILES, "read root/root.key": FILES, "read signer/issuers/main/key.pem": FILES,
    "read signer/identity": FILES, "read validator/identity": FILES, "read front/tls.pem": FILES, "connect operators' socket": {"root directory"},
    "hold another directory": set(), "setuid 0": set(), "setgid 0": set(), "setgroups": set(), "be root": set(), "change root": set(),
    "mount": set(), "new privileges": set(), "core limit": set(), "dumpable": set(), "escape by a user namespace": FILES,
    "ptrace the parent": {"user", "Landlock files", "Landlock files and TCP"}, "signal the parent": {"user"}, "fork": {"no new processes"},
}
NO_NETWORK = {"connect TCP": TCP, "send UDP": {"network namespace"}, "listen TCP": TCP, "connect abstract socket": {"network namespace"}}


class Aims:
    """Listeners that a jailed process is to miss: TCP, UDP and an abstract socket, outside of every namespace of ours."""

    def __init__(self):
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.name = f"chancery-probe-{os.getpid()}-{os.urandom(4).hex()}"
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0" + self.name)
        self.abstract.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.tcp.accept()[0].close()

    def write(self, state, run):
        text = (f"tcp {self.tcp.getsockname()[1]}\nudp {self.udp.getsockname()[1]}\nabstract {self.name}\n"
                f"state {state}\nrun {run}\n")
        for child in place.CHILDREN:
            target = state / child / "probe"
            target.write_text(text)
            owner = (state / child).stat()
            os.chown(target, owner.st_uid, owner.st_gid)

    def close(self):
        for s in (self.tcp, self.udp, self.abstract):
            s.close()


def home_of_another(folder):
    """A checkout below a 0700 home that is not root's; the CA's folders lie there too."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, ORDINARY, ORDINARY)
    return place.copy_build(home / "checkout", PROBES), home / "ca", []


def ordinary_user(folder):
    program = place.copy_build(folder / "programs", PROBES)
    ca = folder / "ca"
    ca.mkdir()
    os.chown(ca, ORDINARY, ORDINARY)
    return program, ca, ["setpriv", "--reuid", str(ORDINARY), "--regid", str(ORDINARY), "--clear-groups"]


def installed(folder):
    return place.install(folder / "root", PROBES), folder / "ca", []


def accepted(port):
    """The front has no network and still takes connections: its listening socket was opened outside."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.settimeout(10)
        return s.recv(16)


def wait_for(ca, pattern, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if re.search(pattern, ca.log_text()):
            return
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} in\n{ca.log_text()[-4000:]}")


@pytest.fixture(scope="module", params=[home_of_another, ordinary_user, installed], ids=["root from a 0700 home", "ordinary user", "installed"])
def jails(request):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-jails-"))
    folder.chmod(0o755)
    aims, ca = Aims(), None
    try:
        program, ca_folder, before = request.param(folder)
        ca_folder.mkdir(exist_ok=True)
        ca = harness.Ca(program=program, folder=ca_folder, before=before)
        aims.write(ca.folder / "state", ca.folder / "run")
        ca.start(wait=False)
        wait_for(ca, "chancery-ca is ready")
        ca.real_uids = {child: real_uid(pid) for child, pid in re.findall(r"^  (\w+) +pid (\d+)", ca.log_text(), re.M)}
        ca.greeting = accepted(ca.port)
        status = json.loads(ca.run("status", "--json", "--config", ca.config, check=False).stdout)
        ca.processes = status["processes"]
        wait_for(ca, r"child\.ended child=signer")
        ca.as_root = not before
        ca.results = results_of(ca)
        yield ca
    finally:
        if ca:
            end(ca)
        aims.close()
        shutil.rmtree(folder, ignore_errors=True)


def real_uid(pid):
    with contextlib.suppress(OSError):
        return int(re.search(r"Uid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
    return None


def results_of(ca):
    found = {}
    for child, name, allowed in RESULT.findall(ca.log_text()):
        found.setdefault(child, {}).setdefault(name.strip('"'), allowed == "yes")
    return found


def end(ca):
    """The signer's probe dies again and again, so that the end of the parent may come while a child is starting."""
    ca.process.send_signal(signal.SIGTERM)
    try:
        ca.process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        ca.process.kill()
        ca.process.wait()


def layers(ca, child):
    return set(ca.processes[child]["jail"].split(", "))


def check_refused(ca, child, table):
    held, wrong = layers(ca, child), []
    for name, by in table.items():
        if name not in ca.results[child]:
            continue
        if ca.results[child][name] and (not by or by & held):
            wrong.append(name)
    assert not wrong, f"{child} ({', '.join(sorted(held))}) was allowed: {wrong}"


@pytest.mark.parametrize("child", place.CHILDREN)
def test_nothing_outside_is_reached(jails, child):
    assert len(jails.results[child]) >= 25, jails.results
    check_refused(jails, child, REFUSED)


@pytest.mark.parametrize("child", ("front", "signer"))
def test_no_network(jails, child):
    check_refused(jails, child, NO_NETWORK)


def test_the_validator_reaches_hosts_and_changes_nothing(jails):
    of = jails.results["validator"]
    assert of["connect TCP"] and of["send UDP"]
    assert not (of["write own folder"] and layers(jails, "validator") & {"Landlock files", "Landlock files and TCP"})


def test_what_a_child_needs_is_there(jails):
    for child in place.CHILDREN:
        assert jails.results[child]["read own folder"]
    for child in ("front", "signer"):
        assert jails.results[child]["write own folder"]
    assert jails.greeting == b"hello"
    assert jails.results["front"]["accept"]


def test_as_root_every_child_is_its_own_user(jails):
    if not jails.as_root:
        assert set(jails.real_uids.values()) == {ORDINARY}
        return
    uids = jails.real_uids
    assert 0 not in uids.values() and None not in uids.values()
    assert len(set(uids.values())) == 3, uids
    for child in place.CHILDREN:
        assert {"root directory", "user", "no new privileges", "no core dumps"} <= layers(jails, child)


def test_the_signer_opens_no_socket(jails):
    """seccomp ends it: SIGSYS is signal 31. What it needs, it may do; elsewhere it reads nothing."""
    assert re.search(r'child\.ended child=signer how="signal 31"', jails.log_text())
    of = jails.results["signer"]
    assert "open a socket" not in of
    assert of["read own folder under seccomp"] and of["write own folder under seccomp"]
    assert not (of["read elsewhere under seccomp"] and layers(jails, "signer") & FILES)


def test_outside_of_a_jail_the_tries_succeed():
    """The control: a try that could never succeed would prove no jail."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-jails-"))
    aims, ca, outside = Aims(), None, pathlib.Path("/tmp/chancery-probe-written")
    try:
        program = place.copy_build(folder / "programs", {"front": "probe_loose"})
        (folder / "ca").mkdir()
        ca = harness.Ca(program=program, folder=folder / "ca")
        aims.write(ca.folder / "state", ca.folder / "run")
        ca.start(wait=False)
        wait_for(ca, "chancery-ca is ready")
        refused = [name for name, allowed in results_of(ca)["front"].items() if not allowed]
        assert not refused
        assert (ca.folder / "state" / "validator" / "written").exists()
    finally:
        if ca:
            end(ca)
        aims.close()
        outside.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
