"""The Debian packages, in a Debian 12 of their own that systemd runs: built by one command, installed, started by the unit, used, removed."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
# What a package may leave behind: caches, logs and the package manager's own notes.
NOTES = re.compile(r"/(var/(lib/(dpkg|apt|systemd|misc)|log|cache|backups)|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|root|run|tmp|dev|proc|sys)(/|$)|/etc/\.pwd\.lock$|/etc/machine-id$|/packages(/|$)")


def mirror():
    """Where this system takes its own packages from."""
    for file in (*pathlib.Path("/etc/apt/sources.list.d").glob("*.sources"), pathlib.Path("/etc/apt/sources.list"),
                 *pathlib.Path("/etc/apt/sources.list.d").glob("*.list")):
        found = re.search(r"^URIs:\s*(\S+)|^deb\s+(?:\[[^]]*\]\s+)?(\S+)", file.read_text() if file.exists() else "", re.M)
        if found:
            return found[1] or found[2]
    return "http://deb.debian.org/debian"


class Machine:
    def __init__(self, folder, packages):
        self.root = folder / "root"
        depends = set()
        for file in packages:
            text = subprocess.run(["dpkg-deb", "-f", file, "Depends"], capture_output=True, text=True, check=True).stdout
            depends |= {re.split(r"[ (:]", d.strip())[0] for d in text.split(",") if d.strip()}
        depends -= {file.name.split("_")[0] for file in packages}
        wanted = sorted(depends | {"systemd", "iproute2", "procps", "ca-certificates"})
        made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(wanted)}", "bookworm", self.root, mirror()],
                              capture_output=True, text=True)
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
        (self.root / "packages").mkdir()
        for file in packages:
            shutil.copy(file, self.root / "packages")
        self.boot = subprocess.Popen(["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", HERE / "boot.sh",
                                      self.root, "/lib/systemd/systemd", "--system"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=open(folder / "boot.log", "w"))
        self.first = None
        for _ in range(600):
            children = pathlib.Path(f"/proc/{self.boot.pid}/task/{self.boot.pid}/children").read_text().split() if self.boot.poll() is None else []
            assert self.boot.poll() is None, (folder / "boot.log").read_text()
            if children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
                self.first = children[0]
                if self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)
        raise AssertionError("systemd did not come up: " + (folder / "boot.log").read_text())

    def run(self, *words, check=True):
        result = subprocess.run(["nsenter", "-t", self.first, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd=/", *map(str, words)],
                                capture_output=True, text=True, env=ENVIRONMENT, timeout=120, stdin=subprocess.DEVNULL)
        if check:
            assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result

    def files(self):
        listed = self.run("find", "/", "-xdev", "-printf", "%p\\n").stdout.splitlines()
        return {name for name in listed if not NOTES.match(name)}

    def install(self):
        return self.run("sh", "-c", "dpkg -i /packages/*.deb 2>&1").stdout

    def close(self):
        self.boot.send_signal(signal.SIGKILL)
        self.boot.wait()


@pytest.fixture(scope="module")
def machine():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-package-"))
    one = None
    try:
        built = subprocess.run([CHECKOUT / "packaging" / "build-deb", folder / "deb"], capture_output=True, text=True)
        assert built.returncode == 0, built.stdout + built.stderr
        packages = [file for file in (folder / "deb").glob("*.deb") if "-dbgsym_" not in file.name]
        assert {file.name.split("_")[0] for file in packages} == {"chancery-ca", "chancery", "libchancery0", "libchancery-dev"}
        one = Machine(folder, packages)
        yield one
    finally:
        if one:
            one.close()
        shutil.rmtree(folder, ignore_errors=True)


def unit(machine):
    return pathlib.Path(str(machine.root) + "/lib/systemd/system/chancery-ca.service").read_text()


# The tests below are one story, in their order.

def test_it_installs_and_waits_for_a_ca(machine):
    machine.before = machine.files()
    assert "chancery-ca init" in machine.install()
    assert machine.run("systemctl", "is-enabled", "chancery-ca").stdout.strip() == "enabled"
    assert machine.run("systemctl", "is-active", "chancery-ca", check=False).stdout.strip() == "inactive"
    assert machine.run("systemctl", "--failed", "--no-legend").stdout.strip() == ""
    assert machine.run("systemctl", "is-enabled", "chancery-renew.timer", check=False).stdout.strip() == "disabled"
    for process in ("front", "validator", "signer", "keyholder"):
        machine.run("getent", "passwd", f"chancery-{process}")


def test_the_unit_is_sound(machine):
    assert machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/chancery-ca.service").stderr.strip() == ""
    for page in re.findall(r"man:([a-z.-]+)\((\d)\)", unit(machine)):
        machine.run("test", "-e", f"/usr/share/man/man{page[1]}/{page[0]}.{page[1]}.gz")
    told = machine.run("systemd-analyze", "security", "--no-pager", "chancery-ca", check=False).stdout
    exposure = float(re.search(r"Overall exposure level for chancery-ca.service: ([0-9.]+)", told)[1])
    assert exposure < 4.5, told


def test_the_clients_timer(machine):
    for name in ("chancery-renew.service", "chancery-renew.timer"):
        assert machine.run("systemd-analyze", "verify", "--man=no", f"/lib/systemd/system/{name}").stderr.strip() == ""
    machine.run("systemctl", "enable", "--now", "chancery-renew.timer")
    assert "chancery-renew.service" in machine.run("systemctl", "list-timers", "--no-pager", "--no-legend").stdout
    machine.run("systemctl", "start", "chancery-renew.service")  # nothing is there to be renewed, and that is no failure
    assert machine.run("systemctl", "show", "-p", "Result", "--value", "chancery-renew.service").stdout.strip() == "success"
    machine.run("systemctl", "disable", "--now", "chancery-renew.timer")
    machine.run("rm", "-f", "/var/lib/systemd/timers/stamp-chancery-renew.timer")  # when it ran last: systemd keeps it


def test_the_unit_starts_it(machine):
    machine.run("chancery-ca", "init", "--name", "Package", "--http-port", "5080", "--allow-address", "127.0.0.0/8")
    # Whether device nodes of its own can be made depends on the machine that this test runs on.
    machine.run("sh", "-c", "mkdir -p /run/systemd/system/chancery-ca.service.d && printf '[Service]\\nPrivateDevices=no\\n' >/run/systemd/system/chancery-ca.service.d/test.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "chancery-ca")
    status = json.loads(machine.run("chancery-ca", "status", "--json").stdout)
    assert status["ready"] and status["findings"] == []
    for process in ("front", "signer"):
        assert "network namespace" in status["processes"][process]["jail"] and "Landlock" in status["processes"][process]["jail"]
    assert "READY" not in machine.run("systemctl", "show", "-p", "StatusText", "chancery-ca").stdout


def test_the_client_gets_a_certificate(machine):
    said = machine.run("chancery", "issue", "localhost", "--server", "https://localhost:14000/directory", "--ca-file", "/var/lib/chancery/root.pem",
                       "--folder", "/tmp/client", "--http-port", "5080")
    assert said.returncode == 0
    machine.run("test", "-s", "/tmp/client/localhost/live/fullchain.pem")


def test_reload_restart_and_stop(machine):
    pid = machine.run("systemctl", "show", "-p", "MainPID", "--value", "chancery-ca").stdout.strip()
    machine.run("systemctl", "reload", "chancery-ca")
    assert machine.run("systemctl", "show", "-p", "MainPID", "--value", "chancery-ca").stdout.strip() == pid
    machine.run("systemctl", "restart", "chancery-ca")
    assert json.loads(machine.run("chancery-ca", "status", "--json").stdout)["ready"]
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", "chancery-ca")
    for _ in range(100):
        again = machine.run("systemctl", "show", "-p", "MainPID", "--value", "chancery-ca").stdout.strip()
        if again not in ("0", pid) and machine.run("chancery-ca", "status", check=False).returncode == 0:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("it was not started again")


def test_the_other_packages(machine):
    assert machine.run("sh", "-c", "ls /usr/lib/*/pkgconfig/libchancery.pc").stdout.strip()
    assert machine.run("chancery", "--version").stdout.startswith("chancery ")
    for program in ("chancery", "chancery-ca"):
        machine.run("bash", "-c", f". /usr/share/bash-completion/completions/{program} && complete -p {program}")


def test_purging_keeps_a_cas_keys(machine):
    said = machine.run("sh", "-c", "dpkg --purge chancery-ca 2>&1").stdout
    assert "/var/lib/chancery" in said and "are left" in said
    machine.run("test", "-e", "/var/lib/chancery/signer/log.key")
    assert machine.run("systemctl", "is-active", "chancery-ca", check=False).stdout.strip() == "inactive"
    assert machine.run("pgrep", "chancery-ca", check=False).returncode == 1


def test_nothing_is_left_without_them(machine):
    machine.install()
    machine.run("systemctl", "stop", "chancery-ca")
    machine.run("rm", "-rf", "/var/lib/chancery", "/etc/chancery/chancery-ca.conf", "/run/systemd/system/chancery-ca.service.d")
    machine.run("sh", "-c", "dpkg --purge chancery-ca chancery libchancery-dev libchancery0 2>&1")
    assert machine.files() - machine.before == set()
    assert "chancery" not in machine.run("getent", "passwd").stdout
