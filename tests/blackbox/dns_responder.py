"""A DNS server for tests: A 127.0.0.1 for every name, what a test sets, and an empty NOERROR for all else; UDP and TCP on loopback."""
import pathlib
import socket
import socketserver
import struct
import threading

TYPES = {"A": 1, "AAAA": 28, "CAA": 257, "TXT": 16, "CNAME": 5}


def caa(tag, value, flags=0):
    """CAA rdata (RFC 8659 section 4.1)."""
    return bytes([flags, len(tag)]) + tag.encode() + value.encode()


def read_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin1").lower())
        at += packet[at] + 1
    return ".".join(labels), at + 1


class Responder:
    """records: (name, type) -> list of rdata, or a function that gives one; missing: names that do not exist; broken: (name, type) that fail with SERVFAIL;
    txt_folder: a folder where the file NAME has a TXT record on each line, for hooks that are programs of their own."""

    txt_folder = None

    def __init__(self):
        self.records, self.missing, self.broken, self.seen, self.ttl = {}, set(), set(), [], 60
        outer = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                data, sock = self.request
                sock.sendto(outer.answer(data), self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self):
                head = self.rfile.read(2)
                while len(head) == 2:
                    reply = outer.answer(self.rfile.read(struct.unpack("!H", head)[0]))
                    self.wfile.write(struct.pack("!H", len(reply)) + reply)
                    head = self.rfile.read(2)

        class UdpServer(socketserver.ThreadingUDPServer):
            daemon_threads = True
            max_packet_size = 4096

        class TcpServer(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        for _ in range(50):
            self.udp = UdpServer(("127.0.0.1", 0), Udp)
            self.port = self.udp.server_address[1]
            try:
                self.tcp = TcpServer(("127.0.0.1", self.port), Tcp)
                break
            except OSError:
                self.udp.server_close()
        self.udp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for server in (self.udp, self.tcp):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def set(self, name, kind, *rdata):
        self.records[name.lower(), TYPES[kind]] = list(rdata)

    def txt_of(self, name):
        file = pathlib.Path(self.txt_folder) / name
        lines = file.read_text().split() if "/" not in name and file.is_file() else []
        return [bytes([len(line)]) + line.encode() for line in lines]

    def answer(self, packet):
        ident, flags = struct.unpack("!HH", packet[:4])
        name, at = read_name(packet, 12)
        kind, _ = struct.unpack("!HH", packet[at:at + 4])
        self.seen.append((name, kind))
        found = self.records.get((name, kind))
        found = found() if callable(found) else found
        if found is None and kind == TYPES["TXT"] and self.txt_folder:
            found = self.txt_of(name)
        if found is None and kind == 1 and name:
            found = [bytes([127, 0, 0, 1])]
        rcode = 2 if (name, kind) in self.broken else 3 if name in self.missing else 0
        found = [] if rcode or found is None else found
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, self.ttl, len(r)) + r for r in found)
        head = struct.pack("!HHHHHH", ident, 0x8180 | (flags & 0x0100) | rcode, 1, len(found), 0, 0)
        return head + packet[12:at + 4] + body

    def close(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()


def start():
    """For tests that set nothing: a responder's address."""
    return f"127.0.0.1:{Responder().port}"
