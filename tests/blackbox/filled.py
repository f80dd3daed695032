"""A CA with a long past: what bench_fill (bench/fill.c) makes of one that has not started yet."""
import os
import shutil
import subprocess

from cryptography.hazmat.primitives import serialization

from acme_raw import Client
from harness import BUILD

PROGRAM = BUILD / "bench" / "bench_fill"


def fill(ca, certificates, accounts, open_orders, revoked, days=40):
    """In the place of the state that `init` made. Sets ca.open_key: whose the open orders are."""
    shutil.rmtree(ca.folder / "state")
    key = ca.folder / "open.pem"
    words = [PROGRAM, ca.config, certificates, accounts, open_orders, revoked, days, key]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("front", "signer"):  # what is new there belongs to the process whose folder it is
        folder = ca.folder / "state" / name
        owner = folder.stat().st_uid
        for place, _, files in os.walk(folder):
            for file in files:
                os.chown(os.path.join(place, file), owner, -1)
    ca.open_key = serialization.load_pem_private_key(key.read_bytes(), None)
    return dict(pair.split("=") for pair in done.stdout.split())


def holder(ca):
    """A client of the account that has the open orders."""
    client = Client(ca)
    client.key.private = ca.open_key
    client.register(onlyReturnExisting=True)
    assert client.kid, "the account of the open orders is not there"
    return client
