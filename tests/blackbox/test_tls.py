"""The groups that the ACME port negotiates, and ML-DSA keys: where the OpenSSL that the programs load has them (3.5), and the words that say that it has
not."""
import ctypes
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess

import pytest

from acme_raw import Client
from dns_responder import Responder
from harness import CA_PROGRAM, Ca, free_port, running_ca
from test_client import DONE, FAILED, chancery

GROUPS = {"X25519MLKEM768": 0x11ec, "x25519": 0x001d, "secp256r1": 0x0017, "secp384r1": 0x0018, "secp521r1": 0x0019, "ffdhe2048": 0x0100}
ML_DSA = {"ml-dsa-44": (0x11, 1312, 2420), "ml-dsa-65": (0x12, 1952, 3309), "ml-dsa-87": (0x13, 2592, 4627)}  # last arc, key, signature (RFC 9881)

@pytest.fixture(scope="module")
def ca():
    with running_ca() as ca:
        yield ca


def libcrypto():
    """The one that our programs load."""
    said = subprocess.run(["ldd", CA_PROGRAM], capture_output=True, text=True, check=True).stdout
    return pathlib.Path(re.search(r"libcrypto\.so\.3 => (\S+)", said)[1])


def new_openssl():
    library = ctypes.CDLL(str(libcrypto()))
    library.OpenSSL_version_num.restype = ctypes.c_ulong
    return library.OpenSSL_version_num() >= 0x30500000


def lacks_ml_dsa(said):
    assert re.search(r"this OpenSSL \([0-9.]+[^)]*\) has no ML-DSA: 3\.5 or newer does", said), said


@pytest.mark.parametrize("host,published,hsts", [("acme.example", "crl.example", "max-age=31536000"), ("acme.example", "acme.example", None),
                                                 ("192.0.2.1", None, None), ("localhost", None, None)])
def test_hsts(host, published, hsts):
    """Where it makes sense: not for what is no name of ours, nor where the host must go on serving lists without TLS."""
    port = free_port()
    options = ["--publish-url", f"http://{published}:{port}", "--publish-listen", f"127.0.0.1:{port}"] if published else []
    ca = Ca(*options, edit=lambda text: text.replace("https://localhost", f"https://{host}"))
    try:
        ca.start()
        connection = http.client.HTTPSConnection("127.0.0.1", ca.port, timeout=20, context=ssl._create_unverified_context())
        for path, status in (("/directory", 200), ("/terms/none", 404), ("/nothing", 404)):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.getheader("Strict-Transport-Security")) == (status, hsts), path
    finally:
        ca.close()


# --- groups ---

def extension(number, content):
    return struct.pack("!HH", number, len(content)) + content


def sized(content, form="!H"):
    return struct.pack(form, len(content)) + content


def chosen_group(port, *groups):
    """Which of these groups the server takes: it is shown no key of any, and must ask for one (RFC 8446 4.1.4). None: it takes none of them."""
    codes = b"".join(struct.pack("!H", GROUPS[g]) for g in groups)
    signatures = b"".join(struct.pack("!H", s) for s in (0x0403, 0x0503, 0x0804))
    extensions = (extension(43, sized(b"\x03\x04", "!B")) + extension(10, sized(codes)) + extension(13, sized(signatures)) + extension(51, sized(b"")))
    hello = b"\x03\x03" + os.urandom(32) + sized(os.urandom(32), "!B") + sized(b"\x13\x01\x13\x02") + b"\x01\x00" + sized(extensions)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(b"\x16\x03\x01" + sized(b"\x01" + struct.pack("!I", len(hello))[1:] + hello))
        with s.makefile("rb") as answer:
            kind, length = struct.unpack("!BxxH", answer.read(5))
            record = answer.read(length)
    if kind == 21:
        assert record == b"\x02\x28", record  # fatal, handshake_failure
        return None
    assert kind == 22 and record[0] == 2, record
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    assert record[6:38] == retry, record
    at = 39 + record[38] + 3 + 2
    found = {}
    while at < len(record):
        number, length = struct.unpack("!HH", record[at:at + 4])
        found[number] = record[at + 4:at + 4 + length]
        at += 4 + length
    return {v: k for k, v in GROUPS.items()}[struct.unpack("!H", found[51])[0]]


def test_groups(ca):
    """Ours is the order; the hybrid one is first where OpenSSL has it."""
    assert chosen_group(ca.port, "secp521r1", "secp384r1", "secp256r1", "x25519") == "x25519"
    assert chosen_group(ca.port, "secp384r1", "secp256r1") == "secp256r1"
    assert chosen_group(ca.port, "secp384r1") == "secp384r1"
    assert chosen_group(ca.port, "secp521r1", "ffdhe2048") is None
    assert chosen_group(ca.port, "x25519", "X25519MLKEM768") == ("X25519MLKEM768" if new_openssl() else "x25519")
    assert chosen_group(ca.port, "X25519MLKEM768") == ("X25519MLKEM768" if new_openssl() else None)


# --- ML-DSA ---

def der(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + struct.pack("!H", size)) + content


def unsigned_request(name, kind):
    """A CSR with an ML-DSA key that nobody has, and what is no signature by it."""
    arc, key_size, signature_size = ML_DSA[kind]
    algorithm = der(0x30, der(6, bytes.fromhex("6086480165030403"), bytes([arc])))
    names = der(0x30, der(6, bytes.fromhex("551d11")), der(4, der(0x30, der(0x82, name.encode()))))
    attribute = der(0x30, der(6, bytes.fromhex("2a864886f70d01090e")), der(0x31, der(0x30, names)))
    info = der(0x30, der(2, b"\0"), der(0x30), der(0x30, algorithm, der(3, b"\0", os.urandom(key_size))), der(0xa0, attribute))
    return der(0x30, info, algorithm, der(3, b"\0", os.urandom(signature_size)))


def with_ml_dsa(text):
    """The configuration with a first profile that takes such keys too."""
    types = ", ".join(f'"{k}"' for k in ("ecdsa-p256", *ML_DSA))
    text, n = re.subn(r"#key-types = {.*}", f"key-types = {{{types}}}", text, count=1)
    assert n == 1
    return text


def openssl(folder, *words):
    """Debian's program, with the libraries that our programs load."""
    result = subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60,
                            env={**os.environ, "LD_LIBRARY_PATH": str(libcrypto().parent)})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def issue(ca, folder, name, kind, expect):
    result = chancery("issue", name, "--key-type", kind, "--server", ca.directory, "--ca-file", ca.root, "--folder", folder / "f", "--timeout", 60,
                      "--http-port", ca.http_port, "--http-address", "127.0.0.1")
    assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def check_whole_chains(folder):
    """A CA whose root and issuer are ML-DSA gives certificates of each of its kinds; OpenSSL verifies every chain."""
    dns = Responder()
    ca = Ca("--key-type", "ml-dsa-87", http_port=free_port(), dns_port=dns.port, edit=with_ml_dsa)
    try:
        ca.start()
        for kind in ("ecdsa-p256", *ML_DSA):
            issue(ca, folder, f"{kind}.example", kind, DONE)
            live = folder / "f" / f"{kind}.example" / "live"
            openssl(folder, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca.root, "-untrusted", live / "chain.pem", live / "cert.pem")
            told = openssl(folder, "x509", "-in", live / "cert.pem", "-noout", "-text")
            assert "Signature Algorithm: ML-DSA-87" in told and (kind.upper() if kind in ML_DSA else "prime256v1") in told, told
            public = openssl(folder, "pkey", "-in", live / "privkey.pem", "-pubout")
            assert public == openssl(folder, "x509", "-in", live / "cert.pem", "-noout", "-pubkey")
        found = json.loads(ca.run("certificates", "--json", "--key-type", "ml-dsa-44", "--config", ca.config).stdout)
        assert [c["names"] for c in found["certificates"]] == [["ml-dsa-44.example"]], found
        ca.run("log", "verify", "--config", ca.config)
        ca.stop()
        ca.start()  # what was written is read again
        issue(ca, folder, "again.example", "ml-dsa-65", DONE)
        ca.stop()
    finally:
        ca.close()
        dns.close()


def test_ml_dsa(ca, tmp_path):
    """Root, issuer and certificates, or clear words at each place where somebody asks for it."""
    if new_openssl():
        check_whole_chains(tmp_path)
        return
    words = ["init", "--folder", tmp_path / "ca", "--base-url", "https://localhost", "--listen", "127.0.0.1:1", "--key-type", "ml-dsa-65"]
    result = ca.run(*words, check=False)
    assert result.returncode != 0 and not (tmp_path / "ca" / "state").exists()
    lacks_ml_dsa(result.stderr)
    other = tmp_path / "other.conf"
    other.write_text(with_ml_dsa(ca.config.read_text()))
    result = ca.run("check-config", "--config", other, check=False)
    assert result.returncode != 0
    lacks_ml_dsa(result.stdout + result.stderr)
    lacks_ml_dsa(issue(ca, tmp_path, "x.example", "ml-dsa-44", FAILED))


@pytest.mark.parametrize("kind", ML_DSA)
def test_ml_dsa_request(ca, kind):
    """A CSR that is signed by nobody, of a size that no other key has: refused for what is wrong with it."""
    client = Client(ca)
    client.register()
    order = client.order("csr.example")
    for url in order.json["authorizations"]:
        client.solve(url)
    answer = client.finalize(order.json, unsigned_request("csr.example", kind))
    assert answer.status == 400 and answer.type == "badCSR", answer.body
    if new_openssl():
        assert "this profile takes" in answer.json["detail"] or "signature is not by the key" in answer.json["detail"], answer.body
    else:
        lacks_ml_dsa(answer.json["detail"])
