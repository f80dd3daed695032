"""A store that cannot write: the client gets a problem document, nothing is half-written, and all goes on when there is room again."""
import os
import subprocess
import tempfile

import pytest

from acme_raw import Client
from dns_responder import Responder
from harness import Ca, Web


@pytest.fixture
def small_disk():
    """A file system of its own for the CA's state."""
    folder = tempfile.mkdtemp(prefix="chancery-disk-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        os.rmdir(folder)


def fill(folder):
    """Takes every byte that is free."""
    with open(os.path.join(folder, "filler"), "wb", buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                continue


def test_a_full_disk_is_told_and_outlived(small_disk):
    assert os.geteuid() == 0, "this test mounts a file system: run it as root"
    web, dns = Web(), Responder()
    os.mkdir(os.path.join(small_disk, "ca"))
    ca = Ca(http_port=web.port, dns_port=dns.port, folder=os.path.join(small_disk, "ca"),
            edit=lambda text: text.replace('#segment-size = "67108864"', 'segment-size = "65536"').replace('#reserve = "67108864"', 'reserve = "65536"'))
    ca.web = web
    try:
        ca.start()
        client = Client(ca)
        assert client.register().status == 201
        client.issue("before.example")
        fill(small_disk)
        # the first orders may still find room in what the database has; then it is full
        refused = None
        for i in range(400):
            answer = client.order(f"full{i}.example")
            if answer.status != 201:
                refused = answer
                break
        assert refused is not None, "the disk never filled up"
        assert refused.status == 500 and refused.type == "serverInternal", refused.body
        assert "Location" not in refused.headers
        assert client.post(client.kid).status == 200, "reading goes on"
        os.unlink(os.path.join(small_disk, "filler"))
        assert "BEGIN CERTIFICATE" in client.issue("after.example")
        assert ca.status()["processes"]["front"]["starts"] == 1
        ca.stop()
    finally:
        ca.close()
        web.close()
        dns.close()
