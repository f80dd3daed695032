"""Processes are killed while certificates are issued: nothing that a client was given is ever lost, and nothing is answered before it is on the disk."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from acme_raw import Client, b64, certificates
from harness import free_port, running_ca
from log_reader import Log, NOTE, Wrong, read

ISSUANCES = 60 if os.environ.get("CHANCERY_SMALL") == "1" else 200
THREADS = 6
SECONDS = 300  # a bound for what hangs, not a measure of speed
MESSAGES = pathlib.Path(__file__).resolve().parents[2] / "src/server/messages.def"


class Applicant(threading.Thread):
    """Obtains certificates until there are enough; begins anew whatever failed because a process died."""

    def __init__(self, ca, number, world):
        super().__init__(daemon=True)
        self.client, self.number, self.world = Client(ca), number, world
        self.given, self.orders, self.revoked, self.failures, self.broken = [], [], [], [], None

    def run(self):
        try:
            self.work()
        except BaseException as e:  # what no retry covers
            self.broken = repr(e)

    def work(self):
        tried = 0
        while not self.world.over():
            tried += 1
            try:
                if not self.client.kid:
                    self.client.register()
                self.one(f"crash{self.number}-{tried}.example.test")
            except (OSError, EOFError, AssertionError, ValueError, KeyError) as e:
                self.failures.append(repr(e)[:200])
                time.sleep(0.05)

    def one(self, name):
        client = self.client
        answer = client.order(name)
        assert answer.status == 201, answer.body
        url, order = answer.headers["Location"], answer.json
        self.orders.append(url)
        solved = client.solve(order["authorizations"][0])
        assert solved["status"] == "valid", solved
        client.finalize(order, client.csr(name))
        order = client.wait(url)
        assert order["status"] == "valid", order
        answer = client.post(order["certificate"])
        assert answer.status == 200, answer.body
        self.given.append((name, order["certificate"], answer.body))
        self.world.count()
        if len(self.given) % 3 == 0:
            self.revoke(certificates(answer.body)[0])

    def revoke(self, leaf):
        url = self.client.request("GET", self.client.ca.directory).json["revokeCert"]
        answer = self.client.post(url, {"certificate": b64(leaf.public_bytes(serialization.Encoding.DER)), "reason": 4})
        if answer.status == 200:
            self.revoked.append(leaf.serial_number)


class World:
    def __init__(self, most):
        self.most, self.done, self.lock, self.end = most, 0, threading.Lock(), time.monotonic() + SECONDS

    def count(self):
        with self.lock:
            self.done += 1

    def over(self):
        return self.done >= self.most or time.monotonic() > self.end

    def until(self, n):
        while self.done < n and not self.over():
            time.sleep(0.02)


def ready(ca):
    result = ca.run("status", "--json", "--config", ca.config, check=False)
    status = json.loads(result.stdout) if result.returncode == 0 else {}
    return status if status.get("ready") and status["processes"]["front"].get("counts", {}).get("signer_connected") else None


def wait_new(ca, name, old):
    """Until all is well again, with another process of this name."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        status = ready(ca)
        if status and status["processes"][name]["pid"] != old:
            return
        time.sleep(0.05)
    raise AssertionError(f"the {name} does not come back:\n" + ca.log_text()[-3000:])


def kill_one(ca, name):
    status = ready(ca) or ca.wait_ready()
    pid = status["processes"][name]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_new(ca, name, pid)


def lists_of(leaf):
    """The URLs of all lists of its issuer: as many as there are shards."""
    url = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
    folder, name = url.rsplit("/", 1)
    name = name.removesuffix(".crl").split("-")[0]
    return [f"{folder}/{name}.crl"] + [f"{folder}/{name}-{shard}.crl" for shard in range(1, 16)]


def wait_listed(ca, leaf, serials):
    end = time.monotonic() + 60
    while True:
        missing = set(serials)
        for url in lists_of(leaf):
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    missing -= {entry.serial_number for entry in x509.load_der_x509_crl(answer.read())}
            except urllib.error.HTTPError as e:
                assert e.code == 503  # the front has just begun, and has not fetched it yet
        if not missing:
            return
        assert time.monotonic() < end, f"{len(missing)} of {len(serials)} revoked certificates are on no list:\n" + ca.log_text()[-3000:]
        time.sleep(0.05)


def small_segments(text):
    return text.replace("signer {\n", 'signer {\n\tsegment-size = "65536"\n')


def test_kills_lose_nothing():
    url = f"http://127.0.0.1:{free_port()}"
    with running_ca("--publish-url", url, "--publish-listen", url.removeprefix("http://"), edit=small_segments) as ca:
        world = World(ISSUANCES)
        applicants = [Applicant(ca, n, world) for n in range(THREADS)]
        for a in applicants:
            a.start()
        step = ISSUANCES // 10
        for i in range(6):  # each of the three twice, at moments that come as they come
            world.until(step * (i + 1))
            kill_one(ca, ("front", "validator", "signer")[i % 3])
        world.until(step * 7)
        status = ready(ca) or ca.wait_ready()
        for one in status["processes"].values():  # all but the parent
            os.kill(one["pid"], signal.SIGKILL)
        wait_new(ca, "signer", status["processes"]["signer"]["pid"])
        world.until(step * 8)
        status = ready(ca) or ca.wait_ready()
        for pid in [ca.process.pid] + [one["pid"] for one in status["processes"].values()]:  # and with it
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # a child goes when its parent goes
        ca.process.wait(timeout=20)
        ca.start()
        for a in applicants:
            a.join(timeout=SECONDS)
        assert not any(a.is_alive() for a in applicants) and not [a.broken for a in applicants if a.broken]
        given = [(a.client, *g) for a in applicants for g in a.given]
        assert len(given) >= ISSUANCES, [f for a in applicants for f in a.failures][-10:] + [ca.log_text()[-3000:]]

        # nothing hangs: each order has come to an end or waits for its client
        for a in applicants:
            for url in a.orders:
                assert a.client.wait(url, states=("processing",))["status"] in ("pending", "ready", "valid", "invalid"), url
        for client, name, url, pem in given:
            answer = client.post(url)
            assert (answer.status, answer.body) == (200, pem), (name, answer.status)

        # what was told to be revoked is: on the list, now that all has been killed, and in the log
        revoked = {serial for a in applicants for serial in a.revoked}
        assert revoked
        wait_listed(ca, certificates(given[0][3])[0], revoked)
        ca.stop()

        log = Log(ca.folder / "state/signer/log")
        assert revoked <= {int.from_bytes(serial, "big") for serial in log.revoked}
        serials = set()
        for _, name, _, pem in given:
            leaf = certificates(pem)[0]
            serial = leaf.serial_number.to_bytes(16, "big")
            assert log.results[serial].certificate == leaf.public_bytes(serialization.Encoding.DER), name
            assert not log.intents[serial].tls
            serials.add(serial)
        assert len(serials) == len(given)
        assert len({r.segment for r in log.records}) > 1  # the kills met changes of segments, too


def test_the_log_reader_reads():
    """It would see what it looks for: each byte counts."""
    with running_ca() as ca:
        client = Client(ca)
        client.register()
        client.issue("reader.example.test")
        ca.stop()
        folder = ca.folder / "state/signer/log"
        log = Log(folder)
        assert len(log.results) == 2 and not log.voids and not [r for r in log.records if r.type == NOTE]
        end = log.records[-1].offset + 59 + len(log.records[-1].body)
        path = folder / "00000001.seg"
        whole = path.read_bytes()
        try:
            for at in [*range(0, 104, 7), *(r.offset + d for r in log.records for d in (0, 3, 5, 9, 20, 24, 26, 40, 58, 59 + len(r.body) // 2)), end]:
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
                with pytest.raises(Wrong):
                    Log(folder)
            for record in log.records[1:]:  # one whole record less
                size = 59 + len(record.body)
                path.write_bytes(whole[:record.offset] + whole[record.offset + size:] + bytes(size))
                if record is not log.records[-1]:
                    with pytest.raises(Wrong):
                        read(folder)
        finally:
            path.write_bytes(whole)


# --- what is on the disk before what is told ---

class Trace:
    """strace at a running process. calls: (name, rest of the line, number of the line where it began, and where it ended)."""

    def __init__(self, pid, calls, file):
        self.file = file
        self.process = subprocess.Popen(["strace", "-f", "-tt", "-yy", "-x", "-s", "24", "-e", "trace=" + calls, "-p", str(pid), "-o", str(file)],
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.process.kill()
            self.process.wait()
            pytest.skip("strace may not attach: " + line)

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        calls, begun = [], {}
        for number, line in enumerate(self.file.read_text(errors="replace").splitlines()):
            thread, _, text = line.split(None, 2)
            if text.endswith("<unfinished ...>"):
                begun[thread] = (number, text[:-len("<unfinished ...>")])
                continue
            first = number
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
            if resumed:
                if thread not in begun:
                    continue  # it began before we came
                first, before = begun.pop(thread)
                text = before + resumed.group(1)
            call = re.match(r"(\w+)\((.*)\) += (-?\d+)", text)
            if call:
                calls.append((call.group(1), call.group(2), first, number, int(call.group(3))))
        return calls


def synced_before(calls, told, is_file):
    """Whether the last write to the file before line `told` was followed by a sync of it that was over before."""
    writes = [c for c in calls if c[0] in ("pwrite64", "pwritev", "write") and is_file(c[1]) and c[2] < told]
    if not writes:
        return False
    last = max(c[3] for c in writes)
    assert last < told, "it is told while it is being written"
    return any(c[0] in ("fdatasync", "fsync") and is_file(c[1]) and c[2] > last and c[3] < told and c[4] == 0 for c in calls)


needs_strace = pytest.mark.skipif(not shutil.which("strace") or os.getuid() != 0, reason="needs strace and root")


@needs_strace
def test_the_signer_answers_behind_its_disk(tmp_path):
    issued = re.findall(r"^X\((\w+),", MESSAGES.read_text(), re.M).index("ISSUED")
    with running_ca() as ca:
        client = Client(ca)
        client.register()
        trace = Trace(ca.pid_of("signer"), "pwrite64,pwritev,write,fdatasync,fsync,sendmsg", tmp_path / "signer")
        for i in range(5):
            client.issue(f"durable{i}.example.test")
        calls = trace.end()
        answers = [c for c in calls if c[0] == "sendmsg" and f'iov_base="\\x{issued >> 8:02x}\\x{issued & 255:02x}\\x00\\x00' in c[1]]
        assert len(answers) == 5, calls
        of_log = lambda text: re.match(r"\d+<[^>]*\.seg>", text)
        previous = -1
        for answer in answers:
            assert synced_before(calls, answer[2], of_log), answer
            between = [c for c in calls if previous < c[2] < answer[2] and of_log(c[1])]
            # intents durable, signed, results durable: two writes, two syncs, in turn (docs/protocol/log.md, L1)
            assert [c[0] for c in between if c[0] != "write"][:4] == ["pwrite64", "fdatasync"] * 2, between
            previous = answer[2]
        assert ca.status()["processes"]["signer"]["starts"] == 1


@needs_strace
def test_the_front_answers_behind_its_disk(tmp_path):
    with running_ca() as ca:
        client = Client(ca)
        client.register()
        client.order("first.example.test")  # the connection and a nonce are there: one request, one answer from now on
        port = client.connection.sock.getsockname()[1]
        trace = Trace(ca.pid_of("front"), "pwrite64,pwritev,write,writev,sendto,sendmsg,fdatasync,fsync", tmp_path / "front")
        for i in range(5):
            assert client.order(f"durable{i}.example.test").status == 201
        calls = trace.end()
        answers = [c for c in calls if c[0] in ("write", "writev", "sendto", "sendmsg") and re.match(rf"\d+<TCP:\[[^\]]*->127\.0\.0\.1:{port}\]>", c[1])]
        assert len(answers) == 5, calls
        of_store = lambda text: re.match(r"\d+<[^>]*/store\.db(-wal)?>", text)
        previous = -1
        for answer in answers:
            assert synced_before([c for c in calls if c[2] > previous], answer[2], of_store), answer
            previous = answer[2]
