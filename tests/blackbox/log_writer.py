"""Writes an issuance log anew with some bodies changed: what somebody who has the disk, and not log.key, can do. docs/protocol/log.md."""
import struct

from log_reader import HEAD, RECORD_HEAD, crc32c, sha256


def rewrite(folder, changed):
    """changed: sequence -> body. Checksums and chain are right again, in every segment."""
    chain = bytes(32)
    for path in sorted(folder.glob("*.seg")):
        data = path.read_bytes()
        head = data[:48] + chain + data[80:100]
        head += struct.pack(">I", crc32c(head))
        salt, chain, at, out = head[80:96], sha256(b"chancery log segment", head), HEAD, head
        while at < len(data) and data[at:at + 4] != bytes(4):
            size = 8 + struct.unpack(">I", data[at:at + 4])[0]
            record = data[at:at + size]
            body = changed.get(struct.unpack(">Q", record[8:16])[0], record[RECORD_HEAD:])
            length, middle = struct.pack(">I", RECORD_HEAD - 8 + len(body)), record[8:27]
            chain = sha256(chain, length, middle, body)
            out += length + struct.pack(">I", crc32c(salt + length + middle + chain + body)) + middle + chain + body
            at += size
        path.write_bytes(out + bytes(max(0, len(data) - len(out))))
