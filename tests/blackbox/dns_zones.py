"""Real name servers for tests, on loopback: zones that change while they are served (Zones, by knot), and zones as files, signed or broken on
purpose, by knot, nsd and named (Server). Whoever resolves through them asks them alone, as a forwarder would be asked."""
import collections
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

KNOTD, KNOTC, KEYMGR = "/usr/sbin/knotd", "/usr/sbin/knotc", "/usr/sbin/keymgr"


def free_port():
    """A port that is free for TCP and UDP, below the range that outgoing connections are given."""
    for _ in range(500):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 10000
        with contextlib.ExitStack() as stack:
            try:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    s = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


Found = collections.namedtuple("Found", "rcode answers truncated packet")


def dotted(name):
    return name.rstrip(".") + "."


def query(port, name, kind, timeout=1.0, host="127.0.0.1"):
    """One question over UDP, None when nothing comes."""
    packet = struct.pack("!HHHHHH", int.from_bytes(os.urandom(2), "big"), 0x0100, 1, 0, 0, 0)
    packet += b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"
    packet += struct.pack("!HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            s.connect((host, port))
            s.send(packet)
            answer = s.recv(4096)
        except OSError:
            return None
    _, flags, _, answers, _, _ = struct.unpack("!HHHHHH", answer[:12])
    return Found(flags & 15, answers, bool(flags & 0x0200), answer)


class Program:
    """A name server in the foreground, in a folder of its own, ended by its process id. also: further addresses of named."""

    def __init__(self, host="127.0.0.1", port=None, also=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-dns-"))
        self.host, self.also, self.port = host, also, port or free_port()
        self.address = f"{host}:{self.port}"
        self.process = None

    def begin(self, *words):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(list(map(str, words)), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def await_zone(self, zone, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            found = query(self.port, zone, 6, host=self.host)
            if found and found.rcode == 0 and found.answers:
                return
            time.sleep(0.05)
        raise AssertionError(f"{self.process.args[0]} does not serve {zone}:\n" + self.log_text())

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# One change at a time, also from several processes: knot has one transaction for each zone.
TXT_COMMAND = """#!/bin/sh
# txt set NAME VALUE; txt clear NAME [VALUE]: a TXT record of the running server, for the hooks of clients.
set -eu
what=$1 name=${2%.}. value=${3-}
zone=
for z in ZONES; do
	case ".$name" in
	*".$z") [ ${#z} -le ${#zone} ] || zone=$z ;;
	esac
done
[ -n "$zone" ] || { echo "no zone here holds $name" >&2; exit 1; }
knot() { KNOTC -c "FOLDER/knot.conf" "$@" >/dev/null; }
exec 9>FOLDER/lock
flock 9
knot zone-begin "$zone"
case $what in
set) knot zone-set "$zone" "$name" 0 TXT "\\"$value\\"" || true ;; # there already: as wanted
clear) knot zone-unset "$zone" "$name" TXT ${value:+"\\"$value\\""} || true ;;
esac
knot zone-commit "$zone"
"""


class Zones(Program):
    """Knot with zones whose records a test sets. Changes are seen at once: every TTL is 0. With signed=True knot signs; `anchors` are
    the DS records to trust. A resolver that forwards here gets REFUSED for what is in no zone: so serve the top level, as here "test".

    `command`: an executable for clients' hooks, `command set NAME VALUE`, `command clear NAME [VALUE]`. Clients that speak RFC 2136 (lego:
    rfc2136) may send their updates to `address`, without a key."""

    def __init__(self, *zones, signed=False, hosts=()):
        super().__init__()
        self.zones = [dotted(z) for z in zones or ("test",)]
        self.signed = signed
        self.lock = threading.Lock()
        self.conf = self.folder / "knot.conf"
        self.command = self.folder / "txt"
        try:
            self.prepare()
            self.begin(KNOTD, "-c", self.conf)
            for zone in self.zones:
                self.await_zone(zone)
            self.anchors = [line for z in self.zones for line in self.ds(z)] if signed else []
            for name in hosts:
                self.add_host(name)
        except BaseException:
            self.close()
            raise

    def prepare(self):
        f = self.folder
        self.conf.write_text(
            f'server:\n  rundir: "{f}"\n  listen: 127.0.0.1@{self.port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n'
            f'log:\n  - target: stderr\n    any: warning\ndatabase:\n  storage: "{f}"\ncontrol:\n  listen: "{f}/knot.sock"\n'
            'acl:\n  - id: all\n    address: 127.0.0.1\n    action: update\n'
            f'template:\n  - id: default\n    storage: "{f}"\n    file: "%s.zone"\n    zonefile-sync: -1\n    acl: all\n'
            f'    dnssec-signing: {"on" if self.signed else "off"}\n'
            "zone:\n" + "".join(f"  - domain: {z}\n" for z in self.zones))
        for zone in self.zones:
            (f / f"{zone.rstrip('.')}.zone").write_text(
                f"$ORIGIN {zone}\n$TTL 0\n@ SOA ns hostmaster 1 3600 600 86400 0\n@ NS ns\nns A 127.0.0.1\n")
        text = TXT_COMMAND.replace("ZONES", " ".join(self.zones)).replace("KNOTC", KNOTC).replace("FOLDER", str(f))
        self.command.write_text(text)
        self.command.chmod(0o755)

    def ds(self, zone):
        out = subprocess.run([KEYMGR, "-c", self.conf, zone, "ds"], capture_output=True, text=True, timeout=20, check=True).stdout
        return [line.replace(" DS ", " IN DS ") for line in out.splitlines() if " 13 2 " in line]  # SHA-256

    def zone_of(self, name):
        found = [z for z in self.zones if ("." + dotted(name)).endswith("." + z)]
        if not found:
            raise ValueError(f"no zone here holds {name}")
        return max(found, key=len)

    def control(self, *words):
        result = subprocess.run([KNOTC, "-c", self.conf, *words], capture_output=True, text=True, timeout=20)
        said = result.stdout + result.stderr
        # A record that is there already, or one that is not there any more: as wanted.
        if result.returncode != 0 and "such record already exists" not in said and "no such" not in said:
            raise AssertionError(f"knotc {words}: {said}")

    def change(self, name, *words):
        """One zone-set or zone-unset: words follow the record's name."""
        zone = self.zone_of(name)
        with self.lock, open(self.folder / "lock", "w") as shared:
            subprocess.run(["flock", str(shared.fileno())], pass_fds=[shared.fileno()], check=True)
            self.control("zone-begin", zone)
            try:
                self.control(words[0], zone, dotted(name), *words[1:])
            except AssertionError:
                self.control("zone-abort", zone)
                raise
            self.control("zone-commit", zone)

    def add(self, name, kind, rdata, ttl=0):
        """A record more, rdata in presentation form."""
        self.change(name, "zone-set", str(ttl), kind, rdata)

    def remove(self, name, kind=None):
        """All records of the name, or those of the type; fine when there are none."""
        self.change(name, "zone-unset", *([kind] if kind else []))

    def add_host(self, name, address="127.0.0.1"):
        self.add(name, "AAAA" if ":" in address else "A", address)

    def set_txt(self, name, value):
        """Beside those that the name has: a name and its wildcard are validated at one place (RFC 8555 section 8.4)."""
        self.change(name, "zone-set", "0", "TXT", f'"{value}"')

    def txt(self, name):
        """The first TXT record's text, None when there is none."""
        result = subprocess.run([KNOTC, "-c", self.conf, "zone-read", self.zone_of(name), dotted(name), "TXT"], capture_output=True, text=True, timeout=20)
        return result.stdout.split('"')[1] if result.returncode == 0 and '"' in result.stdout else None

    def clear_txt(self, name, value=None):
        self.change(name, "zone-unset", "TXT", *([f'"{value}"'] if value else []))


# --- zones as files ---

class Signer:
    """A zone's key, by BIND's tools; `ds` is what the parent zone, or whoever trusts it, has to know."""

    def __init__(self, zone):
        self.zone = dotted(zone)
        self.folder = tempfile.TemporaryDirectory(prefix="chancery-sign-")
        key = self.run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", zone).strip()
        self.ds = self.run("dnssec-dsfromkey", "-2", key + ".key").strip()

    def run(self, *words):
        result = subprocess.run(words, cwd=self.folder.name, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, (words, result.stdout + result.stderr)
        return result.stdout

    def sign(self, text, *options):
        """The zone's text with signatures. options: of dnssec-signzone (-s and -e for their time)."""
        pathlib.Path(self.folder.name, "zone").write_text(text)
        # -S -z: with the one key that lies there; -P: what is signed badly on purpose is not verified here.
        self.run("dnssec-signzone", "-q", "-S", "-z", "-P", "-O", "full", "-o", self.zone, *options, "zone")
        return pathlib.Path(self.folder.name, "zone.signed").read_text()


def zone_text(zone, *records, serial=1):
    """A zone of one name server, with these lines."""
    head = f"$ORIGIN {dotted(zone)}\n$TTL 5\n@ SOA ns hostmaster {serial} 3600 600 86400 0\n@ NS ns\nns A 127.0.0.1\n"
    return head + "".join(line + "\n" for line in records)


def knot_words(server):
    conf = server.folder / "knot.conf"
    conf.write_text(
        f'server:\n  rundir: "{server.folder}"\n  listen: {server.host}@{server.port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n'
        f'log:\n  - target: stderr\n    any: warning\ndatabase:\n  storage: "{server.folder}"\n'
        f'template:\n  - id: default\n    storage: "{server.folder}"\n    file: "%s.zone"\n    zonefile-sync: -1\n    journal-content: none\n'
        "    zonefile-load: whole\n    semantic-checks: off\nzone:\n" + "".join(f"  - domain: {z}\n" for z in server.zones))
    return KNOTD, "-c", conf


def nsd_words(server):
    f, conf = server.folder, server.folder / "nsd.conf"
    conf.write_text(
        f'server:\n  ip-address: {server.host}@{server.port}\n  server-count: 1\n  username: ""\n  chroot: ""\n  zonesdir: "{f}"\n  database: ""\n'
        f'  pidfile: "{f}/nsd.pid"\n  xfrdfile: ""\n  xfrdir: "{f}"\n  zonelistfile: "{f}/zone.list"\n  cookie-secret-file: ""\n'
        "  minimal-responses: no\nremote-control:\n  control-enable: no\n"
        + "".join(f'zone:\n  name: {z}\n  zonefile: "{z}.zone"\n' for z in server.zones))
    return "/usr/sbin/nsd", "-d", "-c", conf


def named_words(server):
    f, conf = server.folder, server.folder / "named.conf"
    conf.write_text(
        f'options {{ directory "{f}"; listen-on port {server.port} {{ {"; ".join([server.host, *server.also])}; }}; listen-on-v6 {{ none; }}; recursion no;\n'
        f'  pid-file "{f}/named.pid"; session-keyfile "{f}/session.key"; managed-keys-directory "{f}"; dnssec-validation no;\n'
        "  notify no; allow-query { any; }; check-integrity no; };\ncontrols { };\n"
        + "".join(f'zone "{z}" {{ type primary; file "{z}.zone"; check-names ignore; }};\n' for z in server.zones))
    return "/usr/sbin/named", "-g", "-n", "1", "-c", conf


SERVERS = {"knot": knot_words, "nsd": nsd_words, "named": named_words}


class Server(Program):
    """One of SERVERS with zones from text: {name: text}. Every text is served as it is, however wrong its signatures are."""

    def __init__(self, kind, zones, **where):
        super().__init__(**where)
        self.zones = list(zones)
        try:
            for zone, text in zones.items():
                (self.folder / f"{zone}.zone").write_text(text)
            self.begin(*SERVERS[kind](self))
            for zone in zones:
                self.await_zone(zone)
        except BaseException:
            self.close()
            raise

    def replace(self, zone, text, name, kind):
        """Another text for the zone, served when this returns: the name then has a record of this type, which it had not."""
        file = self.folder / f"{zone}.zone"
        later = file.stat().st_mtime + 2  # the servers look at seconds
        file.write_text(text)
        os.utime(file, (later, later))
        self.process.send_signal(signal.SIGHUP)
        end, in_a_row = time.monotonic() + 20, 0
        while time.monotonic() < end:
            found = query(self.port, name, kind, host=self.host)
            in_a_row = in_a_row + 1 if found and (found.answers or found.truncated) else 0
            if in_a_row == 10:  # for a moment nsd's old process and its new one answer side by side
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.process.args[0]} has not taken the new {zone}:\n" + self.log_text())


class Recursor(Program):
    """named as a resolver that remembers little. below: {zone: the address of who has it and what is below it}."""

    anchors = ()

    def __init__(self, below, **where):
        super().__init__(**where)
        conf = self.folder / "named.conf"
        conf.write_text(
            f'options {{ directory "{self.folder}"; listen-on port {self.port} {{ {self.host}; }}; listen-on-v6 {{ none; }}; recursion yes; allow-recursion {{ any; }};\n'
            f'  pid-file "{self.folder}/named.pid"; session-keyfile "{self.folder}/session.key"; managed-keys-directory "{self.folder}";\n'
            "  max-cache-ttl 1; max-ncache-ttl 0; dnssec-validation no; }; controls { };\n"
            + "".join(f'zone "{zone}" {{ type static-stub; server-addresses {{ {address}; }}; }};\n' for zone, address in below.items()))
        self.begin("/usr/sbin/named", "-g", "-n", "1", "-c", conf)
        try:
            self.await_zone(list(below)[0])
        except BaseException:
            self.close()
            raise
