"""The operator's guide, docs/guide.md: every command in it is run, in its order, on a CA in a folder of its own. What belongs to the system is
played: packages are there, the service manager starts and stops the server (tests/package does both for real)."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from acme_raw import Client, certificates
from dns_responder import Responder
from harness import CA_PROGRAM, Web, free_port

SOFTHSM = next(p for p in map(pathlib.Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")) if p.exists())
GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guide.md"

CHANCERY = """#!/bin/sh
case $1 in
init) shift; exec {program} init --folder {folder} --allow-address 127.0.0.0/8 --http-port {http} --resolver 127.0.0.1:{dns} --trust-anchor none "$@" ;;
root|help) exec {program} "$@" ;;
*) exec {program} "$@" --config {folder}/chancery-ca.conf ;;
esac
"""
RUNUSER = r"""#!/bin/sh
[ "$1 $2 $3" = "-u chancery-keyholder --" ] && shift 3
[ $(id -u) = 0 ] || exec "$@"
user=$(sed -n 's/^#*user-keyholder = "\(.*\)"/\1/p' {folder}/chancery-ca.conf)
exec setpriv --reuid "$user" --clear-groups "$@"
"""
SYSTEMCTL = """#!/bin/sh
stop() {{ [ ! -f {folder}/pid ] || {{ kill $(cat {folder}/pid); while kill -0 $(cat {folder}/pid) 2>/dev/null; do sleep 0.1; done; rm {folder}/pid; }}; }}
start() {{
	setsid {program} serve --config {folder}/chancery-ca.conf >>{folder}/serve.log 2>&1 </dev/null &
	echo $! >{folder}/pid
	for i in $(seq 300); do {program} status --json --config {folder}/chancery-ca.conf 2>/dev/null | grep -q '"signer_connected":true' && return 0; sleep 0.1; done
	tail {folder}/serve.log >&2; return 1
}}
case $1 in
start) start ;; stop) stop ;; restart) stop; start ;; reload) kill -HUP $(cat {folder}/pid); sleep 1 ;; *) exit 1 ;;
esac
"""


def sections():
    """(heading, its commands)."""
    found, blocks = [], re.split(r"(?m)^## ", GUIDE.read_text())[1:]
    for block in blocks:
        heading, text = block.split("\n", 1)
        found.append((heading, re.findall(r"(?ms)^```sh\n(.*?)^```$", text)))
    return found


class Machine:
    """What the guide takes for granted: paths, a network name, programs."""

    def __init__(self, folder):
        self.folder, self.state = folder, folder / "state"
        self.web, self.dns = Web(), Responder()
        self.port, self.publish = free_port(), free_port()
        self.bin = folder / "bin"
        for name in ("bin", "usb", "root"):
            (folder / name).mkdir()
        (folder / "root/secret").write_text("a passphrase for tests\n")
        (folder / "root/secret").chmod(0o600)
        for name, value in (("pin", "471108150815"), ("so-pin", "12345678")):
            (folder / "root" / name).write_text(value + "\n")
            (folder / "root" / name).chmod(0o600)
        (folder / "softhsm/tokens").mkdir(parents=True)
        (folder / "softhsm/tokens").chmod(0o777)
        (folder / "softhsm/softhsm2.conf").write_text(f"directories.tokendir = {folder}/softhsm/tokens\nlog.level = ERROR\n")
        values = {"program": CA_PROGRAM, "folder": folder, "http": self.web.port, "dns": self.dns.port}
        self.program("chancery-ca", CHANCERY.format(**values))
        self.program("systemctl", SYSTEMCTL.format(**values))
        self.program("runuser", RUNUSER.format(**values))
        self.program("apt", "#!/bin/sh\n[ $1 = install ]\n")
        self.program("build-deb", "#!/bin/sh\n")
        self.serial = None
        self.base, self.root = f"https://localhost:{self.port}", self.state / "root.pem"
        self.directory = self.base + "/directory"

    def program(self, name, text):
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def here(self, command):
        """The guide's paths and names, as they are on this machine."""
        for there, here in (("/var/lib/chancery", self.state), ("/etc/chancery", self.folder), ("/media/usb", self.folder / "usb"),
                            ("/root/ceremony", self.folder / "root/ceremony"), ("/root/secret", self.folder / "root/secret"),
                            ("/root/pin", self.folder / "root/pin"), ("/root/so-pin", self.folder / "root/so-pin"),
                            ("/etc/softhsm", self.folder / "softhsm"), ("/usr/lib/softhsm/libsofthsm2.so", SOFTHSM),
                            ("packaging/build-deb", self.bin / "build-deb"), ("https://ca.example.org", self.base),
                            ("http://pki.example.org", f"http://localhost:{self.publish}"), ("0.0.0.0:443", f"127.0.0.1:{self.port}"),
                            ("0.0.0.0:80", f"127.0.0.1:{self.publish}")):
            command = command.replace(there, str(here))
        return command

    def run(self, block):
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", self.here(block)], cwd=self.folder, capture_output=True, text=True, timeout=120,
                                env=dict(os.environ, PATH=f"{self.bin}:{os.environ['PATH']}", SERIAL=self.serial or "",
                                         SOFTHSM2_CONF=str(self.folder / "softhsm/softhsm2.conf")), stdin=subprocess.DEVNULL)
        assert result.returncode == 0, f"{block}\n{result.stdout}{result.stderr}"
        return result.stdout

    def issue(self, name):
        client = Client(self)
        assert client.register().status == 201
        return client.issue(name)

    def close(self):
        if (self.folder / "pid").exists():
            os.kill(int((self.folder / "pid").read_text()), signal.SIGTERM)
            time.sleep(1)
        self.web.close()
        self.dns.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def machine():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="guide-"))
    folder.chmod(0o755)  # the processes' users must get there
    m = Machine(folder)
    try:
        yield m
    finally:
        m.close()


def test_every_command_works(machine):
    said = {}
    for heading, blocks in sections():
        if heading == "Find":
            machine.serial = f"{certificates(machine.issue('www.example.org'))[0].serial_number:032x}"
            machine.issue("mail.example.org")
        if heading == "Revoke one, revoke many":
            machine.issue("third.example.org")
        said[heading] = [machine.run(block) for block in blocks]
        if heading == "A new issuer in the old one's place":
            chain = certificates(machine.issue("new.example.org"))
            assert "Example Issuing CA 2027" in chain[1].subject.rfc4514_string()
        if heading == "Keys in an HSM":
            assert "Example Issuing CA 2028" in certificates(machine.issue("token.example.org"))[1].subject.rfc4514_string()
    # Some of it is what the guide promises.
    assert "www.example.org" in said["Find"][0] and "fails" not in said["Find"][1]
    assert "Revoked: 1." in said["Revoke one, revoke many"][0]
    assert re.search(r"third.example.org", said["Revoke one, revoke many"][1]) and "Revoked: 4." in said["Revoke one, revoke many"][1]
    assert ".bad.example.org" in said["Stop something at once"][0]
    assert "The log is whole" in said["Watch"][0]
    assert "agree" in said["Back up, restore"][1]


def test_the_guide_has_the_tasks():
    headings = [heading for heading, _ in sections()]
    for task in ("Install", "ceremony", "HSM", "new issuer", "Revoke", "restore", "Upgrade"):
        assert any(task in heading for heading in headings), task
