"""The examples of libchancery, as they are built from its public header and shared object."""
import re
import socket
import ssl
import subprocess
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
