"""What the tests start gets nowhere but to loopback, whoever resolves for this machine."""
import socket
import subprocess
import sys

import pytest

import network

ASK = "import socket; s = socket.socket(socket.AF_INET{six}, socket.SOCK_DGRAM); s.connect(('{address}', 53)); s.send(b'x')"

pytestmark = pytest.mark.skipif(network.shared(), reason="the network of this machine was asked for")


def test_there_is_loopback_alone():
    with open("/proc/net/route") as f:
        assert f.read().splitlines()[1:] == []


@pytest.mark.parametrize("address", ("192.0.2.1", "2001:db8::1"))
def test_a_program_gets_nowhere(address):
    result = subprocess.run([sys.executable, "-c", ASK.format(six="6" if ":" in address else "", address=address)], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1 and "unreachable" in result.stderr, result.stderr


def test_a_program_gets_to_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)"
        assert subprocess.run([sys.executable, "-c", words], timeout=20).returncode == 0
