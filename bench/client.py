#!/usr/bin/env python3
"""bench/client.py [BUILD]: what a client costs its host: chancery beside certbot, lego and uacme, as far as those are installed.

Starts a throw-away CA of the build (build/release unless named). By turns, each client is started for its version, and gets a new certificate by http-01
with an account that it has already (uacme by a hook, as it has no listener). Prints medians: time and CPU of a
start, CPU of an issuance (with all its children), the most memory of all its processes together (sampled: what each has alone, and shared files once), and
the size of its programs. ROUNDS in the environment changes how many.
"""
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parent / "build" / "release").resolve()
os.environ["CHANCERY_BUILD"] = str(BUILD)
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "tests" / "blackbox"))

from processes import children  # noqa: E402
from dns_responder import Responder  # noqa: E402
from harness import Ca, Web  # noqa: E402
from test_client_faults import unlimited  # noqa: E402
from test_clients import HTTP, Certbot, Client, Lego, Uacme  # noqa: E402

MAPPING = re.compile(r"(?m)^[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+) \S+ \d+ *(.*)\n((?:\w+: .*\n)+)")
ROUNDS = int(os.environ.get("ROUNDS", 9))


class Watch:
    """The most memory that the descendants of this process have at once, but for those that run already: the CA."""

    def __init__(self):
        self.most_kib, self.done = 0, False
        self.before = set(children(os.getpid()))
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done = True
        self.thread.join()

    def run(self):
        while not self.done:
            self.most_kib = max(self.most_kib, self.memory_kib())
            time.sleep(0.002)

    def below(self, pid):
        for child in children(pid):
            if child not in self.before:
                yield child
                yield from self.below(child)

    def memory_kib(self):
        """Of all of them together: what each has alone, and each page of a file once, as if nothing else ran on the machine."""
        alone, files = 0, {}
        for pid in self.below(os.getpid()):
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps").read_text()
            except OSError:
                continue  # it has just ended
            for offset, path, figures in MAPPING.findall(text):
                kib = {k: int(v) for k, v in re.findall(r"(?m)^(\w+): +(\d+) kB", figures)}
                alone += kib["Private_Dirty"]
                clean = kib["Rss"] - kib["Private_Dirty"]
                files[path, offset] = max(files.get((path, offset), 0), clean)
        return alone + sum(files.values())


class Chancery(Client):
    program = BUILD / "bin" / "chancery"

    def issue(self, _method, name):
        self.run([self.program, "issue", name, "--force", "--server", self.ca.directory, "--ca-file", self.ca.root, "--folder", self.folder / "f",
                  "--http-port", self.ca.http_port, "--http-address", "127.0.0.1", "--resolver", "127.0.0.1:9"])

    def register(self):
        """With the first certificate."""


def cpu_s():
    times = os.times()
    return times.children_user + times.children_system


def start_of(program):
    wall, cpu = time.monotonic(), cpu_s()
    for _ in range(10):
        subprocess.run([program, "--version"], capture_output=True, check=False, timeout=60)
    return (time.monotonic() - wall) * 100, (cpu_s() - cpu) * 100


def size_mib(programs, draft):
    """As packages have them: without what debuggers read."""
    total = 0
    for p in programs:
        if pathlib.Path(p).read_bytes()[:4] == b"\x7fELF":
            subprocess.run(["strip", "-o", draft, p], check=True, timeout=60)
            p = draft
        total += pathlib.Path(p).stat().st_size
    return total / 2**20


def round_of(client, name, i):
    client.ca.dns.txt_folder = client.txt
    before = cpu_s()
    with Watch() as watch:
        client.issue(HTTP, f"{name}-{i}.bench.example")
    return (cpu_s() - before) * 1000, watch.most_kib / 1024


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-bench-"))
    dns = Responder()
    web = Web()
    ca = Ca(http_port=web.port, dns_port=dns.port, edit=unlimited)
    ca.dns, ca.web = dns, web
    rows = {}
    try:
        ca.start()
        measure(ca, folder, rows)
        ca.stop()
    finally:
        ca.close()
        dns.close()
        shutil.rmtree(folder)
    print(f"{'':12}{'start ms':>10}{'CPU ms':>10}{'issue CPU ms':>14}{'memory MiB':>12}{'programs MiB':>14}")
    for name, (wall, cpu, issue, memory, size) in rows.items():
        print(f"{name:12}{wall:10.1f}{cpu:10.1f}{issue:14.0f}{memory:12.1f}{size:14.1f}")


def measure(ca, folder, rows):
    kinds = {"uacme": Uacme, "chancery": Chancery, "certbot": Certbot, "lego": Lego}
    for name, kind in kinds.items():
        program = str(Chancery.program) if name == "chancery" else shutil.which(name)
        if not program:
            print(f"{name} is not installed")
            continue
        (folder / name).mkdir()
        client = kind(ca, folder / name)
        programs = [program] + ([BUILD / "libexec" / "chancery" / f"chancery-{p}" for p in ("acme-sh", "keys", "net", "runner")] if name == "chancery" else [])
        client.register()
        starts = [start_of(program) for _ in range(ROUNDS)]
        if name == "uacme":
            (client.folder / f"want.{HTTP}").touch()
        else:
            ca.web.close()  # they listen there themselves
        one = [round_of(client, name, i) for i in range(ROUNDS + 1)]
        rows[name] = (*(statistics.median(v) for v in zip(*starts)), *(statistics.median(v[i] for v in one[1:]) for i in (0, 1)), size_mib(programs, folder / "stripped"))


if __name__ == "__main__":
    main()
