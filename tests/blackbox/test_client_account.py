"""chancery account, revoke, and what an order may wish for, against chancery-ca; the library's own calls by its shared object."""
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import schemas
from harness import BUILD, free_port, running_ca
from test_client import DONE, FAILED, blocks, chancery, check_files, failed

PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def ca():
    edit = lambda text: text + 'profile "tiny" {\n\tlifetime = "10d"\n}\n'
    with running_ca(http_port=free_port(), edit=edit) as ca:
        yield ca


@pytest.fixture
def client(ca, tmp_path):
    def run(command, *words, expect=DONE, folder="f"):
        options = ["--server", ca.base + "/directory", "--ca-file", ca.root, "--folder", tmp_path / folder, "--timeout", 60]
        if command == "issue":
            options += ["--http-port", ca.http_port, "--http-address", "127.0.0.1"]
        result = chancery(command, *words, *options)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


def account_of(client):
    return schemas.check("client/account", client("account", "show", "--json").stdout)["account"]


def key_file(client):
    (path,) = (client.folder / "_accounts").glob("*.pem")
    return path


def in_database(ca, kid):
    accounts = json.loads(ca.run("accounts", kid.rsplit("/", 1)[1], "--json", "--config", ca.config).stdout)["accounts"]
    assert len(accounts) == 1
    return accounts[0]


def test_contacts_key_and_end(ca, client):
    client("issue", "life.example", "--contact", "mailto:first@example.org")
    url = account_of(client)
    assert in_database(ca, url)["contacts"] == ["mailto:first@example.org"]
    assert "The CA has the contacts" in client("account", "update", "--contact", "mailto:a@example.org", "--contact", "mailto:b@example.org").stdout
    assert in_database(ca, url)["contacts"] == ["mailto:a@example.org", "mailto:b@example.org"]
    client("account", "update")
    assert in_database(ca, url)["contacts"] == []
    old = key_file(client).read_text()
    client("account", "rollover")
    assert key_file(client).read_text() != old and key_file(client).stat().st_mode & 0o777 == 0o600
    assert account_of(client) == url
    client("issue", "after-rollover.example")
    failed(client("account", "deactivate", expect=FAILED), "--yes")
    assert "The account is over" in client("account", "deactivate", "--yes").stdout
    assert in_database(ca, url)["state"] == "deactivated"
    assert client("issue", "never.example", expect=FAILED).returncode == FAILED


def test_a_rollover_that_was_cut_off(ca, client):
    """The CA has the new key, the disk does not yet; or the CA never heard of it."""
    client("issue", "cut.example")
    url, key = account_of(client), key_file(client)
    before = key.read_text()
    client("account", "rollover")
    after = key.read_text()
    key.write_text(before)  # as if the rename had not come
    new = key.with_name(key.name + ".new")
    new.write_text(after)
    new.chmod(0o600)
    client("account", "rollover")
    assert key.read_text() == after and not new.exists() and account_of(client) == url
    fresh = ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    new.write_bytes(fresh)
    new.chmod(0o600)
    client("account", "rollover")
    assert key.read_bytes() == fresh and account_of(client) == url


def test_no_account(client):
    failed(client("account", "show", expect=FAILED), "there is no account key at")
    failed(client("account", "rename", expect=FAILED), "list, show, recover, update, rollover, deactivate and snippet are known")


def revoked(ca, path):
    serial = f"{blocks(path)[0].serial_number:032x}"
    (found,) = json.loads(ca.run("certificates", serial, "--json", "--config", ca.config).stdout)["certificates"]
    return found.get("reason") if "revoked" in found else None


def test_revoke(ca, client, tmp_path):
    client("issue", "revoke.example")
    live = client.folder / "revoke.example" / "live"
    failed(client("revoke", "revoke.example", expect=FAILED), "--yes")
    failed(client("revoke", "revoke.example", "--yes", "--reason", "hold", expect=FAILED), "--reason hold: unspecified, keyCompromise")
    assert revoked(ca, live / "cert.pem") is None
    assert "Revoked" in client("revoke", "revoke.example", "--yes", "--reason", "superseded").stdout
    assert revoked(ca, live / "cert.pem") == 4
    said = schemas.check("client/revoke", client("revoke", "revoke.example", "--yes", "--json", expect=FAILED).stdout)
    assert said["error"]["type"] == "alreadyRevoked"
    client("issue", "by-key.example")
    live = client.folder / "by-key.example" / "live"
    client("revoke", live / "fullchain.pem", "--yes", "--reason", "keyCompromise", "--key", live / "privkey.pem", folder="somebody-else")
    assert revoked(ca, live / "cert.pem") == 1
    failed(client("revoke", "nothing.example", "--yes", expect=FAILED), "nothing.example")
    failed(client("revoke", live / "privkey.pem", "--yes", expect=FAILED), "there is no certificate in PEM")


def lifetime(path):
    leaf = blocks(path)[0]
    return (leaf.not_valid_after - leaf.not_valid_before).total_seconds() + 1


def test_a_profile(client):
    client("issue", "tiny.example", "--profile", "tiny")
    assert lifetime(client.folder / "tiny.example" / "live" / "cert.pem") == 10 * 86400
    result = client("issue", "huge.example", "--profile", "huge", expect=FAILED)
    failed(result, "there is no such profile", "invalidProfile", "in what was asked for", "one of the profiles that the CA offers")


def test_a_renewal_says_what_it_replaces(ca, client):
    client("issue", "again.example")
    live = client.folder / "again.example" / "live"
    first = f"{blocks(live / 'cert.pem')[0].serial_number:032x}"
    client("issue", "again.example", "--force")
    (found,) = json.loads(ca.run("certificates", first, "--json", "--config", ca.config).stdout)["certificates"]
    assert found["replacedBy"] == json.loads((live / "meta.json").read_text())["order"].rsplit("/", 1)[1]
    # One that the CA does not take as replaced, as it is so already, does not stop anything.
    (generation,) = [g for g in (client.folder / "again.example" / "generations").iterdir() if f"{blocks(g / 'cert.pem')[0].serial_number:032x}" == first]
    (client.folder / "again.example" / "live").unlink()
    (client.folder / "again.example" / "live").symlink_to(f"generations/{generation.name}")
    result = client("issue", "again.example", "--force")
    assert "does not take the order as a replacement" in result.stdout


def test_external_accounts(tmp_path_factory, tmp_path):
    port = free_port()
    edit = lambda text: re.sub(r"(?m)^(\s*)#?external-accounts = .*$", r'\1external-accounts = "required"', text, count=1)
    with running_ca(http_port=port, edit=edit) as ca:
        made = json.loads(ca.run("eab", "add", "--label", "x", "--json", "--config", ca.config).stdout)
        kid, key = made["kid"], made["key"]
        file = tmp_path / "eab"
        file.write_text(key + "\n")
        file.chmod(0o600)

        def issue(*words, expect=DONE):
            result = chancery("issue", "eab.example", "--server", ca.base + "/directory", "--ca-file", ca.root, "--folder", tmp_path / "f", "--http-port", port,
                              "--http-address", "127.0.0.1", "--timeout", 60, *words)
            assert result.returncode == expect, result.stdout + result.stderr
            return result

        failed(issue(expect=FAILED), "external account binding", "ask the CA for a key identifier")
        failed(issue("--eab-kid", kid, expect=FAILED), "--eab-kid and --eab-key-file go together")
        file.chmod(0o644)
        failed(issue("--eab-kid", kid, "--eab-key-file", file, expect=FAILED), "others can read it")
        file.chmod(0o600)
        issue("--eab-kid", kid, "--eab-key-file", file)
        issue("--force")  # the account is there


# --- the library ---

ASK_RENEWAL = """
import ctypes, json, sys
library, directory, ca_file, pem = sys.argv[1:]
class Renewal(ctypes.Structure):
    _fields_ = [("start", ctypes.c_int64), ("end", ctypes.c_int64), ("retry_after", ctypes.c_uint32), ("explanation", ctypes.c_char * 512)]
lib = ctypes.CDLL(library)
lib.chancery_client_new.restype = ctypes.c_void_p
handle, got = ctypes.c_void_p(lib.chancery_client_new(directory.encode())), Renewal()
lib.chancery_client_set_ca_file(handle, ca_file.encode())
result = lib.chancery_client_renewal(handle, open(pem, "rb").read(), ctypes.byref(got))
nothing = lib.chancery_client_renewal(handle, b"nothing", ctypes.byref(got))
lib.chancery_client_free(handle)
print(json.dumps([result, nothing, got.start, got.end, got.retry_after, got.explanation.decode()]))
"""


def test_renewal_information(ca, client):
    """By the shared library, as any program asks; one with a sanitizer in it wants that loaded first."""
    client("issue", "ari.example")
    pem, library = client.folder / "ari.example" / "live" / "cert.pem", BUILD / "lib" / "libchancery.so"
    wanted = re.search(r"lib[at]san\.so\S*", subprocess.run(["ldd", library], capture_output=True, text=True).stdout)
    environment = {"LD_PRELOAD": wanted[0], "ASAN_OPTIONS": "detect_leaks=0"} if wanted else {}
    said = subprocess.run([sys.executable, "-c", ASK_RENEWAL, library, ca.base + "/directory", ca.root, pem], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})
    assert said.returncode == 0, said.stderr
    result, nothing, start, end, retry_after, explanation = json.loads(said.stdout)
    leaf = x509.load_pem_x509_certificate(pem.read_bytes())
    assert (result, nothing) == (0, 1)  # CHANCERY_OK, CHANCERY_USAGE
    assert time.time() < start < end < leaf.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert 60 <= retry_after <= 86400 and explanation == ""


# --- the rest of a life ---

def test_accounts_are_listed_and_recovered(ca, client, tmp_path):
    """A key from elsewhere finds its account and makes none; those that there are, are listed without asking anybody."""
    added = chancery("ca", "add", "ours", "--directory", ca.directory, "--ca-file", ca.root, "--folder", client.folder)
    assert added.returncode == DONE, added.stderr
    listed = lambda: schemas.check("client/account", chancery("account", "list", "--json", "--folder", client.folder).stdout)["accounts"]  # noqa: E731
    assert listed() == []
    client("issue", "listed.example")
    (one,) = listed()
    assert one["ca"] == "ours" and one["key"] == str(key_file(client))
    url = account_of(client)
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_text(key_file(client).read_text())
    result = client("account", "recover", "--account-key", elsewhere, folder="other")
    assert url in result.stdout and "has an account of this key" in result.stdout
    stranger = tmp_path / "stranger.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", stranger], check=True, capture_output=True, timeout=60)
    failed(client("account", "recover", "--account-key", stranger, expect=FAILED), "accountDoesNotExist")
    assert chancery("ca", "remove", "ours", "--folder", client.folder).returncode == DONE
    (one,) = listed()
    assert one == {"ca": f"localhost_{ca.port}", "key": str(key_file(client))}


def test_reissue_and_delete(client):
    client("issue", "again.example", "--key-type", "ecdsa-p384")
    folder = client.folder
    first = blocks(folder / "again.example" / "live" / "fullchain.pem")[0]
    result = chancery("reissue", "again.example", "--folder", folder)
    assert result.returncode == DONE, result.stderr
    second = blocks(folder / "again.example" / "live" / "fullchain.pem")[0]
    assert second.serial_number != first.serial_number and second.public_key().curve.name == "secp384r1"
    failed(chancery("reissue", "nobody.example", "--folder", folder), "there is no certificate nobody.example")
    failed(chancery("delete", "again.example", "--folder", folder, stdin=subprocess.DEVNULL), "must be confirmed")
    said = schemas.check("client/delete", chancery("delete", "again.example", "--yes", "--json", "--folder", folder).stdout)["deleted"]
    assert not (folder / "again.example").exists()
    check_files(pathlib.Path(said[0]["kept"]) / "live", ["again.example"])
    assert "again.example" not in chancery("status", "--folder", folder).stdout
    client("issue", "again.example")  # it may come back
