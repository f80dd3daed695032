"""The examples of libchancery, as they are built from its public header and shared object."""
import re
import socket
import ssl
import subprocess
import threading
import time

from dns_responder import Responder
from harness import BUILD, Ca, free_port


def served(port, context):
    """The serial number that a new connection sees, by a whole request; None: nothing is served yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain, server_hostname="embedded.example") as tls:
            tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert tls.recv(1000).endswith(b"hello\n")
            return tls.getpeercert()["serialNumber"]
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionRefusedError, ConnectionResetError):  # nothing to serve with, or not even a listener yet
        return None


def test_a_server_keeps_its_own_certificate(tmp_path):
    """It gets one, and the next before that ends; from the first on, no connection is refused."""
    port, http_port = free_port(), free_port()
    dns = Responder()
    ca = Ca(http_port=http_port, dns_port=dns.port, edit=lambda text: re.sub(r'#?lifetime = "47d"', 'lifetime = "9s"\n\tbackdate = "1s"', text))
    try:
        ca.start()
        changes(ca, port, http_port, tmp_path / "account.pem")
        ca.stop()
    finally:
        ca.close()
        dns.close()


def changes(ca, port, http_port, account):
    context = ssl.create_default_context(cafile=str(ca.root))
    line = [BUILD / "tests" / "example_server", ca.directory, "embedded.example", str(port), str(http_port), account, ca.root]
    process = subprocess.Popen([str(w) for w in line], stderr=subprocess.PIPE, text=True)
    try:
        seen, end = [], time.monotonic() + 60
        while len(set(seen)) < 3 and time.monotonic() < end:
            assert process.poll() is None, process.stderr.read()
            serial = served(port, context)
            assert serial or not seen, "a connection was refused"
            seen += [serial] if serial else []
            time.sleep(0.05)
    finally:
        process.kill()
        said = process.communicate()[1]
    assert len(set(seen)) >= 3, (set(seen), said)
    assert said == "", said
    assert account.stat().st_mode & 0o777 == 0o600


class Patience:
    """Stands where the CA says that it is, and hands on what the CA sends only after `hold_s`; held: from when to when."""

    def __init__(self, port, behind):
        self.hold_s, self.held, self.behind = 0, [], behind
        self.socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.behind))
            threading.Thread(target=self.hand_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.hand_on, args=(server, client, True), daemon=True).start()

    def hand_on(self, source, to, slowly):
        try:
            while data := source.recv(65536):
                if slowly and self.hold_s:
                    begun = time.monotonic()
                    time.sleep(self.hold_s)
                    self.held.append((begun, time.monotonic()))
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.socket.close()


def test_one_thread_serves_while_its_order_waits(tmp_path):
    """A server of one poll() gets its second certificate from a CA that lets it wait for each answer: whoever asks the server meanwhile does not wait."""
    port, http_port, behind = free_port(), free_port(), free_port()
    dns = Responder()

    def edit(text):
        text = re.sub(r'#?lifetime = "47d"', 'lifetime = "27s"\n\tbackdate = "1s"', text)
        return re.sub(r'listen = \{"127.0.0.1:\d+"\}', f'listen = {{"127.0.0.1:{behind}"}}', text)

    ca = Ca(http_port=http_port, dns_port=dns.port, edit=edit)
    between = Patience(ca.port, behind)
    try:
        ca.start()
        waits(ca, between, port, http_port, tmp_path / "account.pem")
        ca.stop()
    finally:
        between.close()
        ca.close()
        dns.close()


def waits(ca, between, port, http_port, account):
    context = ssl.create_default_context(cafile=str(ca.root))
    line = [BUILD / "tests" / "example_loop", ca.directory, "embedded.example", str(port), str(http_port), account, ca.root]
    process = subprocess.Popen([str(w) for w in line], stderr=subprocess.PIPE, text=True)
    try:
        seen, asked, end = [], [], time.monotonic() + 60
        while len(set(seen)) < 2 and time.monotonic() < end:
            assert process.poll() is None, process.stderr.read()
            begun = time.monotonic()
            serial = served(port, context)
            assert serial or not seen, "a connection was refused"
            if serial:
                seen.append(serial)
                asked.append((begun, time.monotonic()))
                between.hold_s = 0.8
            time.sleep(0.02)
    finally:
        process.kill()
        said = process.communicate()[1]
    said = re.sub(r"==\d+==WARNING: ASan doesn't fully support makecontext.*\n", "", said)  # it says so of any, also where it is told of each switch
    assert len(set(seen)) == 2 and said == "", (set(seen), said)
    # Answers of the CA were on hold, and whole requests came and went within that time.
    assert len(between.held) >= 5, between.held
    within = [(a, b) for a, b in asked if any(begun < a and b < end for begun, end in between.held)]
    assert len(within) > 3 * len(between.held), (len(within), len(between.held))
    longest = max(b - a for a, b in asked)
    assert longest < between.hold_s, f"a request took {longest:.2f} s"
