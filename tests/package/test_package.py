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


def main_pid(machine):
    return machine.run("systemctl", "show", "-p", "MainPID", "--value", "chancery-daemon").stdout.strip()


CLIENTS = ("net", "keys", "hook")
LIVE = "/etc/chancery/client/localhost/live"


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
    assert machine.run("systemctl", "is-enabled", "chancery-daemon.service", check=False).stdout.strip() == "disabled"
    for process in ("front", "validator", "signer", "keyholder", *CLIENTS):
        assert machine.run("getent", "passwd", f"chancery-{process}").stdout.rstrip().endswith(":/nonexistent:/usr/sbin/nologin")


def test_what_the_client_brings(machine):
    for program in ("net", "keys", "runner", "probe", "acme-sh"):
        assert machine.run("stat", "-c", "%U:%G %a", f"/usr/lib/chancery/chancery-{program}").stdout.strip() == "root:root 755"
    for page in ("man1/chancery.1", "man5/chancery.conf.5"):
        machine.run("test", "-s", f"/usr/share/man/{page}.gz")
    assert re.fullmatch(r"chancery \d+\.\d+\.\d+\n", machine.run("chancery", "--version").stdout)
    assert "letsencrypt" in machine.run("chancery", "ca", "list").stdout
    assert machine.run("chancery", "check-config").stdout.startswith("There is no configuration")
    assert "There are no certificates" in machine.run("chancery", "status").stdout


def test_the_unit_is_sound(machine):
    assert machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/chancery-ca.service").stderr.strip() == ""
    for page in re.findall(r"man:([a-z.-]+)\((\d)\)", unit(machine)):
        machine.run("test", "-e", f"/usr/share/man/man{page[1]}/{page[0]}.{page[1]}.gz")
    told = machine.run("systemd-analyze", "security", "--no-pager", "chancery-ca", check=False).stdout
    exposure = float(re.search(r"Overall exposure level for chancery-ca.service: ([0-9.]+)", told)[1])
    assert exposure < 4.5, told


def test_the_clients_timer(machine):
    for name in ("chancery-renew.service", "chancery-renew.timer", "chancery-daemon.service"):
        assert machine.run("systemd-analyze", "verify", "--man=no", f"/lib/systemd/system/{name}").stderr.strip() == ""
    machine.run("systemctl", "enable", "--now", "chancery-renew.timer")
    assert "chancery-renew.service" in machine.run("systemctl", "list-timers", "--no-pager", "--no-legend").stdout
    machine.run("systemctl", "start", "chancery-renew.service")  # nothing is there to be renewed, and that is no failure
    assert machine.run("systemctl", "show", "-p", "Result", "--value", "chancery-renew.service").stdout.strip() == "success"
    machine.install()  # an upgrade to the same version
    assert machine.run("systemctl", "is-active", "chancery-renew.timer").stdout.strip() == "active"
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
    """As root, with all that is the package's own choice; each of its processes is a user of its own, and the files are root's."""
    machine.run("chancery", "issue", "localhost", "--server", "https://localhost:14000/directory", "--ca-file", "/var/lib/chancery/root.pem", "--http-port", "5080",
                "--deploy-hook", "sh -c 'ps -eo user:32,comm >/root/seen'")
    who = dict(reversed(line.split(maxsplit=1)) for line in machine.run("cat", "/root/seen").stdout.splitlines() if "chancery" in line.split()[1])
    assert (who["chancery"], who["chancery-net"], who["chancery-keys"]) == ("root", "chancery-net", "chancery-keys"), who
    assert machine.run("stat", "-Lc", "%U %a", f"{LIVE}/privkey.pem").stdout.split() == ["root", "600"]
    assert machine.run("stat", "-c", "%U %a", "/etc/chancery/client/_accounts").stdout.split() == ["root", "700"]
    machine.run("sh", "-c", f"openssl verify -CAfile /var/lib/chancery/root.pem -untrusted {LIVE}/chain.pem {LIVE}/cert.pem")


def test_the_timer_and_the_daemon_renew_nothing_that_is_good(machine):
    before = machine.run("readlink", LIVE).stdout
    machine.run("systemctl", "start", "chancery-renew.service")
    assert machine.run("systemctl", "show", "-p", "Result", "--value", "chancery-renew.service").stdout.strip() == "success"
    assert machine.run("chancery", "renew", check=False).returncode == 1  # which the unit takes as success
    machine.run("systemctl", "start", "chancery-renew.timer")
    machine.run("systemctl", "start", "chancery-daemon")  # done when it says that it is ready
    assert machine.run("systemctl", "is-active", "chancery-renew.timer", check=False).stdout.strip() == "inactive"  # one of the two is enough
    machine.run("systemctl", "reload", "chancery-daemon")
    assert machine.run("systemctl", "is-active", "chancery-daemon").stdout.strip() == "active"
    assert machine.run("readlink", LIVE).stdout == before
    # what is wanted anew is got by it
    machine.run("sh", "-c", "printf 'server = \"https://localhost:14000/directory\"\\nca-file = \"/var/lib/chancery/root.pem\"\\nhttp-port = \"5080\"\\n"
                "certificate \"two\" {\\n\\tnames = {\"localhost\"}\\n}\\n' >/etc/chancery/chancery.conf")
    machine.run("systemctl", "reload", "chancery-daemon")
    for _ in range(300):
        if machine.run("test", "-s", "/etc/chancery/client/two/live/fullchain.pem", check=False).returncode == 0:
            break
        time.sleep(0.1)
    else:
        raise AssertionError(machine.run("journalctl", "--no-pager", "-u", "chancery-daemon").stdout)
    assert machine.run("systemctl", "--failed", "--no-legend").stdout.strip() == ""


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


def test_purging_keeps_certificates_and_accounts(machine):
    """While the daemon runs: it is ended, with its processes, and what is the owner's stays as it is."""
    listed = "cd /etc/chancery && find . -type f ! -name .lock ! -name state.json ! -path './chancery-ca*' -exec sha256sum {} + | sort"
    before = machine.run("sh", "-c", listed).stdout
    assert "privkey.pem" in before and "_accounts" in before and "chancery.conf" in before
    old = main_pid(machine)
    machine.install()  # an upgrade to the same version: the daemon is begun anew
    assert "0" != old != main_pid(machine) != "0"
    machine.run("sh", "-c", "dpkg --purge chancery 2>&1")
    assert machine.run("sh", "-c", listed).stdout == before
    assert not set(machine.run("ps", "-eo", "comm").stdout.split()) & {"chancery", "chancery-net", "chancery-keys", "chancery-runner", "chancery-runne"}
    for process in CLIENTS:
        assert machine.run("getent", "passwd", f"chancery-{process}", check=False).returncode != 0
    assert machine.run("systemctl", "--failed", "--no-legend").stdout.strip() == ""
    # and is taken up again
    machine.install()
    assert "localhost" in machine.run("chancery", "status").stdout


def test_purging_keeps_a_cas_keys(machine):
    said = machine.run("sh", "-c", "dpkg --purge chancery-ca 2>&1").stdout
    assert "/var/lib/chancery" in said and "are left" in said
    machine.run("test", "-e", "/var/lib/chancery/signer/log.key")
    assert machine.run("systemctl", "is-active", "chancery-ca", check=False).stdout.strip() == "inactive"
    assert machine.run("pgrep", "chancery-ca", check=False).returncode == 1


def test_nothing_is_left_without_them(machine):
    machine.install()
    machine.run("systemctl", "stop", "chancery-ca")
    machine.run("rm", "-rf", "/var/lib/chancery", "/etc/chancery/chancery-ca.conf", "/etc/chancery/chancery.conf", "/etc/chancery/client", "/run/systemd/system/chancery-ca.service.d")
    machine.run("sh", "-c", "dpkg --purge chancery-ca chancery libchancery-dev libchancery0 2>&1")
    assert machine.files() - machine.before == set()
    assert "chancery" not in machine.run("getent", "passwd").stdout
