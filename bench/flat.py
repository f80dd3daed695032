#!/usr/bin/env python3
"""bench/flat.py [OPTIONS] [BUILD]: what a CA costs that has a long past, beside one that has none.

Makes two CAs of the build (build/release unless named), has bench_fill write a past for one of them, and measures both by turns: start, memory, CPU time for an
issuance, for newOrder on the account with the open orders, for an OCSP answer and for a revocation with its list. Prints a table with the ratios;
the figures of a shared machine drift, so look at these. With --folder the full state is made once and taken again by the next run. acmeload (ACMELOAD in the
environment, else .cache/bin/acmeload, which bench/run builds) issues.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "tests" / "blackbox"))


def options():
    p = argparse.ArgumentParser(prog="bench/flat.py", description="Measures a CA with a long past beside one without.")
    p.add_argument("build", nargs="?", type=pathlib.Path, default=HERE.parent / "build" / "release")
    p.add_argument("--certificates", type=int, default=1000000)
    p.add_argument("--accounts", type=int, default=200000)
    p.add_argument("--open", type=int, default=10000, help="pending orders of one account")
    p.add_argument("--revoked", type=int, default=200000)
    p.add_argument("--shards", type=int, default=256, help="revocation lists of an issuer, of both CAs (crl-shards)")
    p.add_argument("--days", type=int, default=40, help="how long ago the first certificate was issued")
    p.add_argument("--rounds", type=int, default=7, help="0: only makes the full state")
    p.add_argument("--number", type=int, default=300, help="issuances of a round")
    p.add_argument("--folder", type=pathlib.Path, help="where the full state is kept for the next run")
    return p.parse_args()


OPTIONS = options()
os.environ["CHANCERY_BUILD"] = str(OPTIONS.build.resolve())

from acme_raw import Client, certificates  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from filled import fill, holder  # noqa: E402
from harness import Ca, free_port  # noqa: E402
from processes import pss_mib  # noqa: E402
from test_ocsp import REQUEST, ask, request_number  # noqa: E402

ACMELOAD = os.environ.get("ACMELOAD", HERE.parent / ".cache" / "bin" / "acmeload")
SINGLES = 400  # newOrders, OCSP answers of a round
REVOCATIONS = 12


def edit(text):
    text = re.sub(r"#connections-per-address = .*", 'connections-per-address = "5000"', text)
    text = re.sub(r"#crl-shards = .*", f'crl-shards = "{OPTIONS.shards}"', text)
    return re.sub(r"#(new-accounts-per-[a-z]*|orders-per-account|certificates-per-[a-z]*|failed-validations) = .*", r'\1 = "off"', text)


class Measured(Ca):
    """With all that is measured of it. One that is in its folder already is taken as it is."""

    def __init__(self, folder=None):
        old = folder and (folder / "measured.json").exists()
        if old:
            self.__dict__.update(json.loads((folder / "measured.json").read_text()))
            self.folder, self.config, self.root = folder, folder / "chancery-ca.conf", folder / "state" / "root.pem"
            self.program, self.before, self.process = OPTIONS.build / "bin" / "chancery-ca", [], None
            self.open_key = serialization.load_pem_private_key((folder / "open.pem").read_bytes(), None)
        else:
            self.publish, http, dns = free_port(), free_port(), free_port()
            super().__init__("--publish-url", f"http://localhost:{self.publish}", "--publish-listen", f"127.0.0.1:{self.publish}", "--private-suffix", "test",
                             http_port=http, dns_port=dns, edit=edit, folder=folder)
            self.dns_port = dns
        self.figures = {}

    def keep(self):
        names = ("port", "http_port", "tls_port", "dns_port", "publish", "base", "directory")
        (self.folder / "measured.json").write_text(json.dumps({name: getattr(self, name) for name in names}))

    def note(self, what, value):
        self.figures.setdefault(what, []).append(value)

    def processes(self):
        return [self.process.pid, *(p["pid"] for p in self.status()["processes"].values())]

    def cpu_ms(self, pids):
        """Of all threads, in nanoseconds from the scheduler."""
        total = 0
        for pid in pids:
            for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(file.read_text().split()[0])
        return total / 1e6

    @contextlib.contextmanager
    def counted(self, what, number):
        pids = self.processes()
        before = self.cpu_ms(pids)
        yield
        self.note(what, (self.cpu_ms(pids) - before) / number)

    def measure_start(self):
        self.stop()
        begun = time.monotonic()
        self.start()
        self.note("start, s", time.monotonic() - begun)
        self.note("start, CPU ms", self.cpu_ms(self.processes()))
        self.wait_lists()
        self.note("memory after the start, MiB", pss_mib(self.processes()))

    def wait_lists(self):
        """Every list is there and nothing is due."""
        made, since = None, 0
        for _ in range(600):
            counts = self.status()["processes"]["signer"]["counts"]
            now = (counts["crl_number"], counts["crl_lists"])
            made, since = now, since + 1 if now == made else 0
            if since >= 12 and now[1]:
                return
            time.sleep(0.25)
        raise SystemExit("the revocation lists are not made")

    def measure_issuance(self):
        words = [ACMELOAD, "-json", "-dir", self.directory, "-ca", self.root, "-pid", self.process.pid, "-http", f"127.0.0.1:{self.http_port}",
                 "-dns", f"127.0.0.1:{self.dns_port}", "-n", OPTIONS.number, "-c", 16, "-conn", "keep", "-warm", 32, "-suffix", "load.test", "-out",
                 self.folder / "issued"]
        found = json.loads(subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, check=True, timeout=900).stdout)
        self.note("issuance, CPU ms", found["server_cpu_ms_per_issuance"])
        self.note("issuance, p50 ms", found["p50_ms"])

    def measure_orders(self):
        """On the account with the open orders; the other CA has a new one."""
        if hasattr(self, "open_key"):
            client = holder(self)
        else:
            client = Client(self)
            client.register()
        for warm in (True, False):
            with self.counted("newOrder", SINGLES) if not warm else contextlib.nullcontext():
                for _ in range(20 if warm else SINGLES):
                    assert client.order(f"x{random.getrandbits(60)}.load.test").status == 201

    def sample(self, number):
        """Serial numbers from all over the past, and the newest where there are too few."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/state/front/store.db?mode=ro", uri=True)) as db:
            first, last = (int.from_bytes(db.execute(f"SELECT {f}(serial) FROM certificates").fetchone()[0][:7], "big") for f in ("min", "max"))
            places = [random.randint(first, last).to_bytes(7, "big") + os.urandom(9) for _ in range(number)]
            rows = [db.execute("SELECT serial FROM certificates WHERE serial >= ? LIMIT 1", (at,)).fetchone() for at in places]
            rows += db.execute("SELECT serial FROM certificates ORDER BY serial DESC LIMIT ?", (number,)).fetchall()
        return list(dict.fromkeys(int.from_bytes(row[0], "big") for row in rows if row))[:number]

    def measure_ocsp(self):
        (issuer,) = certificates((self.folder / "state/signer/issuers/main/issuer.pem").read_text())
        asked = [request_number(issuer, number) for number in self.sample(SINGLES)]
        with self.counted("OCSP answer", len(asked)):
            for der in asked:
                assert ask(self, "POST", "/ocsp", der, Content_Type=REQUEST)[0] == 200

    def measure_revocations(self):
        """Of certificates that have just been issued, one after the other, each with its list."""
        lines = (self.folder / "issued").read_text().splitlines()
        serials = [json.loads(line)["serial"].zfill(32) for line in lines[:REVOCATIONS]]
        with self.counted("revocation and its list", REVOCATIONS):
            for serial in serials:
                self.run("revoke", serial, "--reason", "superseded", "--yes", "--config", self.config)
                time.sleep(1.3)  # a shard has a new list once a second at most
        self.wait_lists()
        counts = self.status()["processes"]["signer"]["counts"]
        self.note("lists, KiB each", counts["crl_size"] / counts["crl_lists"] / 1024)

    def measure(self):
        self.measure_start()
        self.measure_issuance()
        self.measure_orders()
        self.measure_revocations()
        self.measure_ocsp()
        self.note("memory then, MiB", pss_mib(self.processes()))


def make_full():
    full = Measured(OPTIONS.folder)
    if not hasattr(full, "open_key"):
        begun = time.monotonic()
        print(f"writing the past of {OPTIONS.certificates} certificates", file=sys.stderr, flush=True)
        fill(full, OPTIONS.certificates, OPTIONS.accounts, OPTIONS.open, OPTIONS.revoked, OPTIONS.days)
        print(f"written in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        full.keep()
    return full


def size_gib(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**30


def main():
    if OPTIONS.folder:
        OPTIONS.folder.mkdir(parents=True, exist_ok=True)
    full = make_full()
    if OPTIONS.rounds == 0:
        return
    empty = Measured()
    try:
        for i in range(OPTIONS.rounds):
            for ca in (empty, full) if i % 2 else (full, empty):
                ca.measure()
                ca.stop()
            print(f"round {i + 1}: issuance {empty.figures['issuance, CPU ms'][-1]:.2f}, {full.figures['issuance, CPU ms'][-1]:.2f} ms", file=sys.stderr, flush=True)
        print(f"{datetime.date.today()}, {os.cpu_count()} cores. Full: {OPTIONS.certificates} certificates of {OPTIONS.accounts} accounts in {OPTIONS.days} days, "
              f"{OPTIONS.open} open orders of one account, {OPTIONS.revoked} revoked, {OPTIONS.shards} lists; {size_gib(full.folder / 'state' / 'front'):.1f} GiB of database, "
              f"{size_gib(full.folder / 'state' / 'signer'):.1f} GiB of log. Medians of {OPTIONS.rounds} rounds.\n")
        print("| | empty | full | ratio |\n|---|---:|---:|---:|")
        for what in empty.figures:
            a, b = (statistics.median(ca.figures[what]) for ca in (empty, full))
            print(f"| {what}{'' if ',' in what else ', CPU ms'} | {a:.2f} | {b:.2f} | {b / a:.2f} |")
    finally:
        empty.close()
        if OPTIONS.folder:
            full.stop(expect=None)
        else:
            full.close()


main()
