"""The power fails at each point of an account's and an order's way: of what was written since a file's last sync, the disk has what chance left there. After
the next start everything that anybody was told is there, log and database are sound, and the order goes on to its end."""
import collections
import json
import os
import random
import shutil
import sqlite3
import struct

import pytest

from fault import EACH, Issuance, agree, faulty_ca, logged
from acme_raw import Client

STEP = 1 if EACH else 7
SEEDS = (0, 1, 2)  # 0: nothing is there that was not synced
SECTOR = 512
WRITE, TRUNCATE, SYNC_BEGINS, SYNCED, RENAME = range(5)
HEAD = struct.Struct("<QQQQ")
Record = collections.namedtuple("Record", "op inode at data end")  # end: the trace's size behind it


def records(trace):
    data, at = trace.read_bytes(), 0
    while at < len(data):
        op, inode, where, size = HEAD.unpack_from(data, at)
        at += HEAD.size + size
        yield Record(op, inode, where, data[at - size:at], at)


def tree(folder):
    """inode -> path below it, of all files that outlive a start."""
    return {path.stat().st_ino: path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-shm"}


def apply(content, record, part=None):
    if record.op == TRUNCATE:
        del content[record.at:]
        return
    data = record.data if part is None else record.data[:part]
    content.extend(bytes(max(0, record.at + len(data) - len(content))))
    content[record.at:record.at + len(data)] = data


class Disk:
    """What the disk surely has, file by file, and what came after."""

    def __init__(self, base, names):
        self.paths = dict(names)                        # inode -> path
        self.sure = {inode: bytearray((base / path).read_bytes()) if (base / path).exists() else bytearray() for inode, path in names.items()}
        self.there = {inode for inode, path in names.items() if (base / path).exists()}
        self.later, self.begun = collections.defaultdict(list), {}

    def take(self, record):
        inode = record.inode
        self.sure.setdefault(inode, bytearray())
        if record.op == RENAME:
            (folder,) = {path.parent for path in self.paths.values() if path.name == record.data.decode()} or {None}
            for other in [i for i, path in self.paths.items() if path == folder / record.data.decode() and i != inode]:
                self.there.discard(other)
            self.paths[inode] = folder / record.data.decode()
            self.there.add(inode)
        elif record.op == SYNC_BEGINS:
            self.begun[inode] = len(self.later[inode])
        elif record.op == SYNCED:
            n = self.begun.pop(inode, 0)
            for write in self.later[inode][:n]:
                apply(self.sure[inode], write)
            self.later[inode] = self.later[inode][n:]
        else:
            self.later[inode].append(record)
            if inode in self.paths:
                self.there.add(inode)

    def settle(self, base, seed, folder):
        """The folder as it may be now."""
        chance = random.Random(seed)
        shutil.rmtree(folder)
        shutil.copytree(base, folder)
        for path in (folder, *folder.rglob("*")):
            owner = (base / path.relative_to(folder)).stat()
            os.chown(path, owner.st_uid, owner.st_gid)
        for inode in self.there:
            content = bytearray(self.sure[inode])
            for write in self.later[inode] if seed else ():
                fate = chance.randrange(4)  # there, torn, or missing
                if fate < 2:
                    apply(content, write, None if fate == 0 else len(write.data) // SECTOR // 2 * SECTOR)
            self.put(folder / self.paths[inode], content)

    @staticmethod
    def put(path, content):
        new = not path.exists()
        path.write_bytes(content)
        if new:
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o600)


def sound(ca):
    """Before anybody starts: the log holds, the database reads, and has nothing that the log has not."""
    path = ca.folder / "state/front/store.db"
    owner = path.stat()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    for file in path.parent.glob("store.db*"):
        os.chown(file, owner.st_uid, owner.st_gid)


class Told:
    """What the client knows, and how far the trace was then."""

    def __init__(self, trace):
        self.trace, self.facts = trace, []

    def add(self, kind, *fact):
        self.facts.append((self.trace.stat().st_size, kind, *fact))

    def until(self, end):
        return [fact[1:] for fact in self.facts if fact[0] <= end]


class Watched(Issuance):
    """Says what it was told."""

    def __init__(self, client, name, told):
        super().__init__(client, name)
        self.told = told

    def step(self):
        had = self.client.kid, self.url
        super().step()
        if self.client.kid != had[0]:
            self.told.add("account", self.client.kid)
        elif self.url != had[1]:
            self.told.add("order", self.url)
        elif self.pem:
            self.told.add("certificate", self.url, self.pem)

    def go_on(self, order):
        self.told.add("status", self.url, order["status"])
        super().go_on(order)


RANK = {"pending": 0, "ready": 1, "processing": 2, "valid": 3}


def check(ca, client, fact):
    kind, url, *rest = fact
    if kind == "account":
        assert client.post(url, kid=url).status == 200, fact
        return
    order = client.post(url)
    assert order.status == 200, (fact, order.body)
    if kind == "status":
        assert RANK[order.json["status"]] >= RANK[rest[0]], (fact, order.body)
    elif kind == "certificate":
        assert client.post(order.json["certificate"]).body.decode() == rest[0]


@pytest.fixture
def ca():
    with faulty_ca() as ca:
        yield ca


def test_the_power_fails_at_each_point(ca):
    state, trace = ca.folder / "state", ca.program.parents[1] / "libexec/chancery/fault.trace"
    Issuance(client := Client(ca), "before.example.test").run()
    ca.stop()
    base = ca.folder / "base"
    shutil.copytree(state, base)
    for path in (base, *base.rglob("*")):
        owner = (state / path.relative_to(base)).stat()
        os.chown(path, owner.st_uid, owner.st_gid)
    names = tree(state)
    ca.faults.trace()
    ca.start()
    told, client = Told(trace), Client(ca)
    issuance = Watched(client, "power.example.test", told)
    issuance.run()
    ca.process.kill()
    ca.process.wait()
    ca.faults.trace(False)
    names = {**tree(state), **names}
    disk, all_records = Disk(base, names), list(records(trace))
    assert len(all_records) > 20 and {r.op for r in all_records} >= {WRITE, SYNC_BEGINS, SYNCED}
    done = 0
    for n, record in enumerate(all_records):
        disk.take(record)
        if n % STEP and n + 1 != len(all_records):
            continue
        for seed in SEEDS if EACH else (SEEDS[n // STEP % len(SEEDS)],):
            disk.settle(base, seed, state)
            after(ca, client, issuance, told.until(record.end), f"record {n} of {len(all_records)}, seed {seed}")
            done += 1
    print(f"{len(all_records)} records, {done} cuts, {len(told.facts)} facts")
    assert {fact[1] for fact in told.facts} == {"account", "order", "status", "certificate"}


def after(ca, client, issuance, facts, where):
    try:
        sound(ca)
        ca.start()
        ca.run("log", "verify", "--config", ca.config)
        found = json.loads(ca.run("reconcile", "--json", "--config", ca.config, check=False).stdout)
        assert found["alarms"] == 0, found
        client.connection = client.nonce = None
        for fact in facts:
            check(ca, client, fact)
        urls = [fact[1] for fact in facts if fact[0] == "order"]
        again = Issuance(client, issuance.name)
        again.csr, again.url = issuance.csr, urls[-1] if urls else None
        if not any(fact[0] == "account" for fact in facts):
            assert client.register().status in (200, 201)
        pem = again.run()
        assert logged(agree(ca), pem)
        ca.stop()
    except BaseException:
        print(where)
        raise
