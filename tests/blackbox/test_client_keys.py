"""Keys of chancery's certificates: kinds, two at once, kept, prepared, whose file it is, PKCS #12, and what the process that has them signs."""
import grp
import hashlib
import json
import os
import pathlib
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from harness import SANITIZED, free_port, running_ca
from test_client import DONE, FAILED, NOTHING_TO_DO, blocks, chancery, failed, spki


@pytest.fixture(scope="module")
def ca():
    with running_ca(http_port=free_port()) as ca:
        yield ca


@pytest.fixture
def issue(ca, tmp_path):
    def run(*words, expect=DONE):
        result = chancery("issue", *words, "--server", ca.base + "/directory", "--ca-file", ca.root, "--folder", tmp_path / "f", "--timeout", 60,
                          "--http-port", ca.http_port, "--http-address", "127.0.0.1")
        assert expect is None or result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


def pair(live, suffix=""):
    """The key of a certificate, which is held against it."""
    key = serialization.load_pem_private_key((live / f"privkey{suffix}.pem").read_bytes(), None)
    chain = blocks(live / f"fullchain{suffix}.pem")
    assert spki(key.public_key()) == spki(chain[0].public_key())
    assert (live / f"cert{suffix}.pem").read_text() + (live / f"chain{suffix}.pem").read_text() == (live / f"fullchain{suffix}.pem").read_text()
    return key


@pytest.mark.parametrize("kind,size", [("ecdsa-p384", 384), ("rsa", 2048), ("rsa-3072", 3072)])
def test_kinds(issue, kind, size):
    issue(f"{kind}.example", "--key-type", kind)
    assert pair(issue.folder / f"{kind}.example" / "live").key_size == size


def test_one_of_each_kind(issue):
    """One folder, one switch, two certificates; each stays good by itself, and another kind is another certificate."""
    words = ("both.example", "--key-type", "ecdsa-p256", "--key-type", "rsa-2048")
    issue(*words)
    live = issue.folder / "both.example" / "live"
    assert isinstance(pair(live), ec.EllipticCurvePrivateKey) and isinstance(pair(live, "-rsa"), rsa.RSAPrivateKey)
    assert blocks(live / "cert.pem")[0].serial_number != blocks(live / "cert-rsa.pem")[0].serial_number
    issue(*words, expect=NOTHING_TO_DO)
    before = os.readlink(live)
    (live / "privkey-rsa.pem").write_text((live / "privkey.pem").read_text())
    issue(*words)
    assert os.readlink(live) != before
    pair(live)
    pair(live, "-rsa")
    issue("both.example", "--key-type", "ecdsa-p384")
    assert pair(live).key_size == 384 and not (live / "privkey-rsa.pem").exists()
    failed(issue("both.example", "--key-type", "ecdsa-p256", "--key-type", "ecdsa-p384", expect=FAILED), "are of one kind")


def test_a_key_that_stays(issue):
    live = issue.folder / "same.example" / "live"
    issue("same.example", "--reuse-key")
    first, serial = pair(live), blocks(live / "cert.pem")[0].serial_number
    issue("same.example", "--reuse-key", "--force")
    assert spki(pair(live).public_key()) == spki(first.public_key()) and blocks(live / "cert.pem")[0].serial_number != serial
    issue("same.example", "--force")
    assert spki(pair(live).public_key()) != spki(first.public_key())


def tlsa(folder):
    return json.loads((folder / "live" / "meta.json").read_text())["tlsa"]


def record_of(path):
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    return "3 1 1 " + hashlib.sha256(spki(key.public_key())).hexdigest()


def test_a_key_that_is_prepared(issue):
    """What is published of the next key is true of the next certificate, and was so since the one before."""
    folder = issue.folder / "next.example"
    issue("next.example", "--next-key")
    for _ in range(3):
        now, coming = tlsa(folder)
        assert [now, coming] == [record_of(folder / "live" / "privkey.pem"), record_of(folder / "next-privkey.pem")]
        issue("next.example", "--next-key", "--force")
        assert tlsa(folder)[0] == coming
        pair(folder / "live")
    # stopped right behind the switch: the prepared key is the live one, and the one after it waits
    os.rename(folder / "next-privkey.pem", folder / "next-privkey.new")
    os.link(folder / "live" / "privkey.pem", folder / "next-privkey.pem")
    coming = tlsa(folder)[1]
    issue("next.example", "--next-key", "--force")
    assert tlsa(folder)[0] == coming and not (folder / "next-privkey.new").exists()
    failed(issue("next.example", "--next-key", "--reuse-key", expect=FAILED), "take one")


def test_a_prepared_key_outlives_a_failure(issue):
    """Whatever stops an issuance, the key that was published stays the next one."""
    folder = issue.folder / "failing.example"
    issue("failing.example", "--next-key")
    coming = tlsa(folder)[1]
    issue("failing.example", "--next-key", "--force", "--challenge", "tls-alpn-01", "--tls-port", free_port(), "--tls-address", "127.0.0.1",
          "--profile", "no-such-profile", expect=FAILED)
    assert record_of(folder / "next-privkey.pem") == coming
    issue("failing.example", "--next-key", "--force")
    assert tlsa(folder)[0] == coming


@pytest.mark.skipif(os.getuid() != 0, reason="needs several groups")
def test_whose_the_key_is(issue):
    issue("group.example", "--key-group", "daemon", "--key-mode", "0640", "--pkcs12")
    for name in ("privkey.pem", "cert.p12"):
        st = (issue.folder / "group.example" / "live" / name).stat()
        assert stat.S_IMODE(st.st_mode) == 0o640 and st.st_gid == grp.getgrnam("daemon").gr_gid
    failed(issue("group.example", "--force", "--key-group", "no-such-group", expect=FAILED), "there is no such group")
    failed(issue("group.example", "--key-mode", "0644", expect=FAILED), "a private key is nobody else's to read")


def test_pkcs12(issue, tmp_path):
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    issue("p12.example", "--pkcs12", "--pkcs12-password-file", password, "--key-type", "ecdsa-p256", "--key-type", "rsa-2048")
    live = issue.folder / "p12.example" / "live"
    for suffix in ("", "-rsa"):
        key, leaf, more = pkcs12.load_key_and_certificates((live / f"cert{suffix}.p12").read_bytes(), b"correct horse")
        chain = blocks(live / f"fullchain{suffix}.pem")
        assert spki(key.public_key()) == spki(pair(live, suffix).public_key()) and [leaf, *more] == chain
        assert stat.S_IMODE((live / f"cert{suffix}.p12").stat().st_mode) == 0o600
    openssl = ["openssl", "pkcs12", "-in", live / "cert.p12", "-noout", "-passin"]
    assert subprocess.run([*openssl, f"file:{password}"], capture_output=True, timeout=60, check=False).returncode == 0
    assert subprocess.run([*openssl, "pass:wrong"], capture_output=True, timeout=60, check=False).returncode != 0
    password.chmod(0o644)
    failed(issue("p12.example", "--force", "--pkcs12", "--pkcs12-password-file", password, expect=FAILED), "others can read it", "chmod 600")
    pair(live)


def test_the_processes(ca, issue, tmp_path):
    """While a hook runs: who is who, and which of them has which library and which file."""
    seen = tmp_path / "seen"
    hook = tmp_path / "hook"
    hook.write_text(f"""#!/bin/sh
for p in /proc/[0-9]*; do
  name=$(cat $p/comm 2>/dev/null)
  case $name in chancery|chancery-net|chancery-keys)
    echo "$name ${{p#/proc/}} $(awk '/^PPid|^Uid/{{print $2}}' $p/status | tr '\\n' ' ') $(grep -c libcurl $p/maps)" >>{seen} ;;
  esac
done
exit 1
""")
    hook.chmod(0o755)
    issue("who.example", "--challenge", "dns-01", "--hook", hook, *(["--hook-user", "root"] if os.getuid() == 0 else []), expect=FAILED)
    # Other tests run theirs beside it, and one may have ended while it was looked at.
    lines = [words for words in map(str.split, seen.read_text().splitlines()) if len(words) == 5]
    main = next(pid for name, pid, parent, *_ in lines if name == "chancery" and parent == str(os.getpid()))
    rows = {name: (uid, curl != "0") for name, pid, parent, uid, curl in lines if main in (pid, parent)}
    assert rows["chancery"] == (str(os.getuid()), False), rows
    assert not rows["chancery-keys"][1] and rows["chancery-net"][1], rows
    if os.getuid() == 0 and not SANITIZED:  # such builds have no jails
        assert len({uid for uid, _ in rows.values()}) == 3, rows


# --- requests of one's own, must-staple ---

def openssl(*words, **more):
    result = subprocess.run(["openssl", *map(str, words)], capture_output=True, timeout=60, check=False, **more)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


def test_a_request_of_ones_own(issue, tmp_path):
    """The key stays where it is; the names are those of the request; it is renewed with the same."""
    key, csr = tmp_path / "own.key", tmp_path / "own.csr"
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", csr, "-subj", "/CN=own.example", "-addext",
            "subjectAltName=DNS:own.example,DNS:www.own.example")
    issue("--csr", csr)
    live = issue.folder / "own.example" / "live"
    own = serialization.load_pem_private_key(key.read_bytes(), None)
    leaf = blocks(live / "fullchain.pem")[0]
    assert spki(leaf.public_key()) == spki(own.public_key()) and not (live / "privkey.pem").exists()
    issue("--csr", csr, expect=NOTHING_TO_DO)
    result = chancery("renew", "--force", "--folder", issue.folder)
    assert result.returncode == DONE, result.stderr
    renewed = blocks(live / "fullchain.pem")[0]
    assert renewed.serial_number != leaf.serial_number and spki(renewed.public_key()) == spki(own.public_key())
    failed(issue("other.example", "--csr", csr, expect=FAILED), "its names are others")
    failed(issue("--csr", csr, "--key-type", "rsa", expect=FAILED), "--key-type is about a key and a request of ours")
    failed(issue("--csr", key, expect=FAILED), "no certificate signing request")
    failed(issue(expect=FAILED), "a certificate needs a name")


def test_must_staple(ca, issue, tmp_path):
    """It is asked for in the request, as the key's process agrees; a CA that gives no such certificate says so."""
    issue("plain.example")
    result = issue("staple.example", "--must-staple", expect=None)
    if result.returncode == DONE:
        assert "TLS Feature" in openssl("x509", "-in", issue.folder / "staple.example" / "live" / "cert.pem", "-noout", "-text")
    else:
        failed(result, "must-staple")


# --- a run that was stopped ---

def test_an_order_is_gone_on_with(ca, issue, tmp_path):
    """kill -9 in the midst: the next run goes on with the same order and the same key."""
    tmp_path.chmod(0o755)
    txt = tmp_path / "txt"
    txt.mkdir()
    ca.dns.txt_folder = txt
    hook, mark = tmp_path / "hook", tmp_path / "mark"
    hook.write_text(f"""#!/bin/sh
if [ ! -e {mark} ]; then touch {mark}; kill -9 $(awk '/^PPid/{{print $2}}' /proc/$PPID/status); sleep 5; fi
echo "$CERTBOT_VALIDATION" >{txt}/_acme-challenge.$CERTBOT_DOMAIN
""")
    hook.chmod(0o755)
    words = ["stopped.example", "--challenge", "dns-01", "--hook", hook, *(["--hook-user", "root"] if os.getuid() == 0 else [])]
    first = issue(*words, expect=None)
    assert first.returncode == -9, first.stderr
    (draft,) = (issue.folder / "stopped.example" / "generations").iterdir()
    order = json.loads((draft / "order.json").read_text())["order"]
    key = (draft / "privkey.pem").read_text()
    second = issue(*words)
    assert f"going on with the order {order}" in second.stdout
    assert (issue.folder / "stopped.example" / "live" / "privkey.pem").read_text() == key
    assert json.loads((issue.folder / "stopped.example" / "live" / "meta.json").read_text())["order"] == order
    # an order that is over is left, and another made
    mark.unlink()
    words[0] = "over.example"
    assert issue(*words, expect=None).returncode == -9
    (draft,) = (issue.folder / "over.example" / "generations").iterdir()
    text = (draft / "order.json").read_text()
    (draft / "order.json").write_text(text.replace("/order/", "/order/no-such-"))
    assert "going on" not in issue(*words).stdout
    pair(issue.folder / "over.example" / "live")
