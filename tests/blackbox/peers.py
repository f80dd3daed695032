"""CAs that others wrote, beside ours, in a network of the test's own, where names below "test" lead to 127.0.0.1 and all validate at ports 80 and 443."""
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request

from dns_zones import Zones
from harness import Ca, free_port
from test_client import Pebble


class Names(Zones):
    """All names below test, at the port that Caddy asks; it takes dynamic updates."""

    def prepare(self):
        self.port, self.address = 53, "127.0.0.1:53"
        super().prepare()
        file = self.folder / "test.zone"
        file.write_text(file.read_text() + "* A 127.0.0.1\n")


class Caddy:
    """Caddy's acme_server. It validates at ports 80 and 443 and asks the system's resolver, at port 53: so it needs a network of its own and a resolv.conf, which is
    put there in a mount namespace. options: lines of its block. Needs CADDY (the program)."""

    def __init__(self, folder, *options):
        self.folder, self.port = folder, free_port()
        self.directory = f"https://127.0.0.1:{self.port}/acme/local/directory"
        self.ca_file = folder / "storage" / "pki" / "authorities" / "local" / "root.crt"
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        block = "".join(f"\t\t{line}\n" for line in ("resolvers 127.0.0.1:53", *options))
        (folder / "Caddyfile").write_text(
            f"{{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tstorage file_system {folder}/storage\n\tdefault_sni 127.0.0.1\n}}\n"
            f"https://127.0.0.1:{self.port} {{\n\tbind 127.0.0.1\n\ttls internal\n\tacme_server {{\n{block}\t}}\n}}\n")
        self.log = open(folder / "caddy.log", "wb")
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", 'mount --bind resolv.conf /etc/resolv.conf && exec "$0" run --config Caddyfile --adapter caddyfile', os.environ["CADDY"]], cwd=folder,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder)})
        self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + 60
        while True:
            assert self.process.poll() is None and time.monotonic() < end, "Caddy did not become ready:\n" + (self.folder / "caddy.log").read_text()
            try:
                with urllib.request.urlopen(self.directory, context=ssl.create_default_context(cafile=self.ca_file), timeout=5):
                    return
            except OSError:
                time.sleep(0.05)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Ours(Ca):
    def __init__(self, **more):
        edit = lambda text: text + 'profile "tiny" {\n\tlifetime = "10d"\n}\nprofile "addresses" {\n\tidentifiers = {"ip"}\n}\n'
        super().__init__(http_port=80, tls_port=443, dns_port=53, edit=edit, **more)
        self.ca_file = self.root


AT_ONCE = {"retryAfter": {"authz": 0, "order": 0}}
PORTS = {"httpPort": 80, "tlsPort": 443}


def pebble(folder, options=(), settings=None, **environment):
    return Pebble(folder, {**AT_ONCE, **PORTS, **(settings or {})}, options, dns=53, **{"PEBBLE_WFE_NONCEREJECT": "5", **environment})


# What each is started by, and what it can; each way of Pebble's to be difficult once.
KINDS = {
    "chancery-ca": lambda folder: Ours().start(),
    # as it is without any word, but for the length of its sleep: 5 % of nonces and every second authorization lost, times to wait in both forms
    "pebble": lambda folder: Pebble(folder, PORTS, dns=53, PEBBLE_VA_NOSLEEP=None, PEBBLE_VA_SLEEPTIME="1", PEBBLE_WFE_NONCEREJECT=None, PEBBLE_AUTHZREUSE=None),
    "pebble-nonces": lambda folder: pebble(folder, PEBBLE_WFE_NONCEREJECT="50"),
    "pebble-strict": lambda folder: pebble(folder, ["-strict"]),
    "pebble-reuse": lambda folder: pebble(folder, PEBBLE_AUTHZREUSE="100"),
    "pebble-fresh": lambda folder: pebble(folder, PEBBLE_AUTHZREUSE="0"),
    "pebble-chains": lambda folder: pebble(folder, PEBBLE_CHAIN_LENGTH="3", PEBBLE_ALTERNATE_ROOTS="2"),
    "caddy": Caddy,
    "caddy-short": lambda folder: Caddy(folder, "lifetime 10m"),
}
# Three programs, for what each does its own way: to look at names, and what it has and has not.
PROGRAMS = ("chancery-ca", "pebble", "caddy")
# What these are difficult in concerns everything that is signed. What the others are difficult in is seen in an issuance and in renewals.
MAIN = (*PROGRAMS, "pebble-nonces", "pebble-strict")
# What step-ca, which Caddy is as a CA, has not.
LACKS = {"caddy": {"rollover", "renewal information", "profiles"}, "caddy-short": {"rollover", "renewal information", "profiles"}}


class Peers:
    """Each is started when it is first asked for."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-peers-"))
        self.folder.chmod(0o755)
        self.names = Names("test")
        self.running = {}

    def get(self, name):
        if name not in self.running:
            folder = self.folder / name
            folder.mkdir()
            self.running[name] = peer = KINDS[name](folder)
            peer.name, peer.lacks = name, LACKS.get(name, set())
        return self.running[name]

    def close(self):
        for peer in self.running.values():
            peer.close()
        self.names.close()
        shutil.rmtree(self.folder, ignore_errors=True)
