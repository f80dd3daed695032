"""Reads the issuance log by docs/protocol/log.md and nothing else: what the signer's own code believes is not believed here.

As a program: log_reader.py FOLDER; checks everything and counts the records."""
import collections
import hashlib
import pathlib
import struct
import sys

GENESIS, INTENT, RESULT, VOID, TLS_INTENT, NOTE = 1, 2, 3, 4, 5, 6
OCSP_INTENT = 16
REVOKE, ROLLOVER, DEACTIVATE, BIND, CRL, EAB = 7, 8, 9, 10, 11, 12
AUDIT, BLOCK = 14, 15
HEAD, RECORD_HEAD = 104, 59

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)

Record = collections.namedtuple("Record", "segment offset sequence time type position body")
Intent = collections.namedtuple("Intent", "tls order serial csr_digest thumbprint profile tbs_digest evidence issuer")
Result = collections.namedtuple("Result", "serial certificate")
Void = collections.namedtuple("Void", "serial order reason issuer")
Control = collections.namedtuple("Control", "identifier scope method dnssec domain token relaxed seen")
Caa = collections.namedtuple("Caa", "identifier scope method dnssec issuer node rrset ttl outcome")
Revoke = collections.namedtuple("Revoke", "serial reason time by not_after spki_digest evidence issuer")
Rollover = collections.namedtuple("Rollover", "account thumbprint new_thumbprint evidence")
Deactivate = collections.namedtuple("Deactivate", "account thumbprint evidence")
Bind = collections.namedtuple("Bind", "account kid evidence")
Crl = collections.namedtuple("Crl", "issuer number this_update next_update digest shard")
Eab = collections.namedtuple("Eab", "kid action uid detail")
Audit = collections.namedtuple("Audit", "uid action detail")
Block = collections.namedtuple("Block", "on kind value reason uid")


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = TABLE[(c ^ b) & 0xFF] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class Wrong(Exception):
    pass


def check(good, what):
    if not good:
        raise Wrong(what)


class Fields:
    """A body, field by field."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def fixed(self, n):
        check(self.at + n <= len(self.data), "a body that is too short")
        self.at += n
        return self.data[self.at - n:self.at]

    def bytes(self):
        return self.fixed(self.number(4))

    def number(self, size):
        return int.from_bytes(self.fixed(size), "big")

    def later(self, n):
        """A field that older records end without: zeros."""
        return self.fixed(n) if self.at < len(self.data) else bytes(n)

    def end(self):
        check(self.at == len(self.data), "a body that is too long")


def read(folder):
    """All records of the log in `folder`, checked: heads, checksums, sequence, times, positions, chain."""
    folder = pathlib.Path(folder)
    numbers = sorted(int(p.stem) for p in folder.glob("*.seg"))
    check(numbers and numbers == list(range(1, len(numbers) + 1)), f"segments {numbers}")
    sequence, time, chain, instance, records = 0, 0, bytes(32), None, []
    for number in numbers:
        data = (folder / f"{number:08}.seg").read_bytes()
        head = data[:HEAD]
        magic, version, whose, this, first, _, previous, salt, reserved, checksum = struct.unpack(">8sI16sIQQ32s16sII", head)
        check((magic, version, this, reserved) == (b"CHNCYLOG", 1, number, 0), f"head of segment {number}")
        check(checksum == crc32c(head[:100]), f"checksum of the head of segment {number}")
        check(instance in (None, whose), f"segment {number} is another CA's")
        check(first == sequence + 1 and previous == chain, f"segment {number} does not continue the one before")
        instance, chain, at = whose, sha256(b"chancery log segment", head), HEAD
        while at < len(data):
            where = f"segment {number} at {at}"
            length = struct.unpack(">I", data[at:at + 4].ljust(4, b"\0"))[0]
            if length == 0:
                check(number == numbers[-1] and not any(data[at:]), f"{where}: no record, yet not the end")
                break
            record = data[at:at + 8 + length]
            check(len(record) == 8 + length and length >= RECORD_HEAD - 8, f"{where}: cut")
            _, checksum, this, when, kind, position, link = struct.unpack(">IIQQBH32s", record[:RECORD_HEAD])
            body = record[RECORD_HEAD:]
            check(checksum == crc32c(salt + record[:4] + record[8:]), f"{where}: checksum")
            check(this == sequence + 1, f"{where}: record {this} behind {sequence}")
            check(when >= time, f"{where}: time goes back")
            check(position == 0 or position == records[-1].position + 1, f"{where}: position {position}")
            chain = sha256(chain, record[:4], record[8:27], body)
            check(link == chain, f"{where}: chain")
            sequence, time = this, when
            records.append(Record(number, at, this, when, kind, position, body))
            at += 8 + length
    check(records and records[0].type == GENESIS and sum(r.type == GENESIS for r in records) == 1, "genesis")
    return records


def meaning(record):
    """The record's body as one of the tuples above; None for GENESIS and NOTE."""
    f = Fields(record.body)
    if record.type == INTENT:
        value = Intent(False, f.fixed(30), f.fixed(16), f.fixed(32), f.fixed(32), f.bytes(), f.fixed(32), f.bytes(), f.later(20))
    elif record.type in (TLS_INTENT, OCSP_INTENT):
        value = Intent(True, bytes(30), f.fixed(16), f.fixed(32), bytes(32), f.bytes(), f.fixed(32), f.bytes(), f.later(20))
    elif record.type == RESULT:
        value = Result(f.fixed(16), f.bytes())
    elif record.type == VOID:
        value = Void(f.fixed(16), f.fixed(30), f.bytes(), f.later(20))
    elif record.type == REVOKE:
        value = Revoke(f.fixed(16), f.number(1), f.number(8), f.number(1), f.number(8), f.fixed(32), f.bytes(), f.later(20))
    elif record.type == ROLLOVER:
        value = Rollover(f.fixed(32), f.fixed(32), f.fixed(32), f.bytes())
    elif record.type == DEACTIVATE:
        value = Deactivate(f.fixed(32), f.fixed(32), f.bytes())
    elif record.type == BIND:
        value = Bind(f.fixed(32), f.bytes(), f.bytes())
    elif record.type == CRL:
        value = Crl(f.fixed(20), f.number(8), f.number(8), f.number(8), f.fixed(32), f.later(1))
    elif record.type == EAB:
        value = Eab(f.bytes(), f.number(1), f.number(4), f.bytes())
    elif record.type == AUDIT:
        value = Audit(f.number(4), f.bytes(), f.bytes())
    elif record.type == BLOCK:
        value = Block({1: True, 2: False}[f.number(1)], ("key", "name", "account", "method")[f.number(1) - 1], f.bytes(), f.bytes(), f.number(4))
    else:
        return None
    f.end()
    return value


def receipt(data):
    """A receipt (docs/protocol/receipts.md) as Control or Caa; nobody here has the key to check its MAC."""
    f = Fields(data)
    check(f.bytes() == b"chancery receipt" and f.number(1) == 1, "no receipt of version 1")
    f.fixed(4 + 16)
    check(f.bytes() == b"local", "another perspective")
    f.fixed(16)
    kind, _, identifier, scope, _ = f.number(1), f.number(1), f.bytes().decode(), f.number(1), f.bytes()
    f.fixed(32)
    dnssec, _, method = ("off", "insecure", "secure")[f.number(1)], f.number(8), f.bytes().decode()
    head = identifier, {1: "exact", 2: "wildcard"}[scope], method, dnssec
    if kind == 1:
        value = Control(*head, f.bytes().decode(), f.bytes().decode(), f.number(1) == 1, f.fixed(32))
    else:
        check(kind == 2, f"kind {kind} of receipt")
        value = Caa(*head, f.bytes().decode(), f.bytes().decode(), f.fixed(32), f.number(4), {1: "none", 2: "permitted"}[f.number(1)])
    f.fixed(32)
    f.end()
    return value


def receipts(intent):
    """Those that a certificate rests on: the end of its evidence, the body of ISSUE (docs/protocol/channels.md)."""
    f = Fields(intent.evidence)
    f.bytes(), f.bytes(), f.bytes()
    found = [receipt(f.bytes()) for _ in range(f.number(2))]
    f.end()
    return found


class Log:
    """The log with its invariants checked. open_intents: may the last ones wait for their results (of a signer that runs)?"""

    def __init__(self, folder, open_intents=False):
        self.records = read(folder)
        self.intents, self.results, self.voids = {}, {}, {}
        self.revoked, self.lists, self.events = {}, [], []
        orders = set()
        for record in self.records:
            value = meaning(record)
            if isinstance(value, Intent):
                check(value.serial not in self.intents, f"serial {value.serial.hex()} is announced twice")
                self.intents[value.serial] = value
            elif isinstance(value, Revoke):
                check(value.serial in self.results, f"record {record.sequence} revokes what there is not")
                earlier = self.revoked.get(value.serial)
                check(not earlier or (value.by, value.reason) == (1, 1) and earlier.reason != 1 and value.time == earlier.time,
                      f"record {record.sequence} revokes once more")
                self.revoked[value.serial] = value
            elif isinstance(value, Crl):
                check(value.number == record.sequence, f"record {record.sequence}: a list of number {value.number}")
                self.lists.append(value)
            elif isinstance(value, (Rollover, Deactivate, Bind, Eab, Audit, Block)):
                self.events.append(value)
            elif value:
                check(value.serial in self.intents, f"record {record.sequence} without an intent")
                check(value.serial not in self.results and value.serial not in self.voids, f"record {record.sequence} ends what has ended")
                intent = self.intents[value.serial]
                if isinstance(value, Void):
                    check(value.order == intent.order, f"record {record.sequence} voids another order")
                    self.voids[value.serial] = value
                else:
                    check(int.from_bytes(value.serial[1:7], "big") == record.time, f"record {record.sequence}: another time than its serial's")
                    check(intent.tls or intent.order not in orders, f"record {record.sequence}: a second certificate of one order")
                    check(sha256(tbs_of(value.certificate)) == intent.tbs_digest, f"record {record.sequence} is not what was announced")
                    orders.add(intent.order)
                    self.results[value.serial] = value
        waiting = self.intents.keys() - self.results.keys() - self.voids.keys()
        check(open_intents or not waiting, f"{len(waiting)} intents without result or void")


def tbs_of(certificate):
    """The first element of the outer SEQUENCE, with its head."""
    def element(at):
        size, head = certificate[at + 1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(certificate[at + 2:at + head], "big")
        return at + head, size
    inner, _ = element(0)
    content, size = element(inner)
    return certificate[inner:content + size]


if __name__ == "__main__":
    log = Log(sys.argv[1], open_intents=True)
    print(f"{len(log.records)} records, {len(log.intents)} intents, {len(log.results)} results, {len(log.voids)} voids: all is well")
