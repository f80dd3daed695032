"""External account keys, from the operator's side: made, listed and ended at the signer's socket by `chancery-ca eab`."""
import base64
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from harness import CA_PROGRAM, Ca


@pytest.fixture
def ca():
    ca = Ca(edit=lambda text: text.replace('#external-accounts = "off"', 'external-accounts = "optional"')).start()
    yield ca
    ca.close()


def eab(ca, *words, check=True):
    return ca.run("eab", *words, "--config", ca.config, check=check)


def add(ca, *words):
    return json.loads(eab(ca, "add", "--json", *words).stdout)


def keys(ca):
    return json.loads(eab(ca, "list", "--json").stdout)["keys"]


def restart(ca):
    ca.stop()
    ca.start()


def ask(ca, line, wait=5):
    """One line to the signer's socket; what comes back until the end."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(wait)
        s.connect(str(ca.folder / "run" / "signer.sock"))
        s.sendall(line)
        answer = b""
        while part := s.recv(65536):
            answer += part
        return answer


def test_a_key_is_made_listed_and_revoked(ca):
    text = eab(ca, "add", "--label", "lab", "--expires", "30d", "--uses", "3", "--name", ".lab.example", "--profile", "tls-server").stdout
    kid, key = re.search(r"^kid: ([0-9a-f]{20})\nkey: ([A-Za-z0-9][A-Za-z0-9_-]{42})\n", text).groups()
    assert f"--eab-kid {kid} --eab-hmac-key {key}" in text and ca.directory in text
    (one,) = keys(ca)
    assert one["kid"] == kid and one["label"] == "lab" and one["state"] == "active"
    assert one["usesMax"] == 3 and one["uses"] == 0 and one["expires"] - one["created"] == 30 * 86400
    assert one["names"] == [".lab.example"] and one["profiles"] == ["tls-server"] and one["createdBy"] == os.getuid()
    table = eab(ca, "list").stdout
    assert kid in table and "0/3" in table and ".lab.example" in table and key not in table
    assert "binds no more accounts" in eab(ca, "expire", kid).stdout
    assert keys(ca)[0]["state"] == "expired"
    assert "revoked" in eab(ca, "revoke", kid).stdout
    assert keys(ca)[0]["state"] == "revoked"


def test_each_alg_has_a_key_of_its_size(ca):
    for alg, size in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
        made = add(ca, "--alg", alg)
        assert len(base64.urlsafe_b64decode(made["key"] + "==")) == size and made["alg"] == alg
    assert "--eab-hmac-alg HS512" in eab(ca, "add", "--alg", "HS512").stdout


def test_keys_outlive_the_server(ca):
    kept, ended = add(ca, "--label", "kept"), add(ca)
    file = (ca.folder / "state" / "signer" / "eab")
    old = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    eab(ca, "revoke", ended["kid"])
    restart(ca)
    assert [(k["kid"], k["state"]) for k in keys(ca)] == [(kept["kid"], "active"), (ended["kid"], "revoked")]
    ca.stop()  # an old copy of the file brings no key back: the log says what was revoked
    file.write_bytes(old)
    ca.start()
    assert keys(ca)[1]["state"] == "revoked"


def test_a_damaged_file_stops_the_start(ca):
    add(ca)
    ca.stop()
    file = ca.folder / "state" / "signer" / "eab"
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)
    ca.start(wait=False)
    assert ca.process.wait(timeout=30) != 0
    assert '"eab" is damaged' in ca.log_text().replace('\\"', '"')


def test_secrets_are_nowhere_else(ca):
    made = [add(ca, "--label", "secret"), add(ca, "--alg", "HS512")]
    eab(ca, "list")
    eab(ca, "revoke", made[0]["kid"])
    restart(ca)
    for k in made:
        raw = base64.urlsafe_b64decode(k["key"] + "==")
        for file in ca.folder.rglob("*"):
            if file.is_file() and file.name != "eab":
                content = file.read_bytes()
                assert raw not in content and k["key"].encode() not in content, file
        for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert k["key"].encode() not in process.read_bytes()
            except OSError:
                pass


def test_what_is_wrong_is_said(ca):
    for words, sentence in (
            (["add", "--alg", "ES256"], "HS256, HS384 or HS512"),
            (["add", "--expires", "soon"], "--expires"),
            (["add", "--uses", "0"], "--uses"),
            (["add", "--uses", "-1"], "--uses"),
            (["add", "--profile", "nope"], 'no profile "nope"'),
            (["add", "--name", "not a name"], "a rule is a name"),
            (["add", "--name", "10.0.0.0/99"], "10.0.0.0/99"),
            (["add", "--label", "two\nlines"], "one line"),
            (["add", "x"], "no argument"),
            (["list", "--uses", "3"], "no option --uses"),
            (["revoke"], "needs a KID"),
            (["revoke", "0" * 20], "no external account key"),
            (["remove"], "eab add, eab list, eab expire KID or eab revoke KID")):
        result = eab(ca, *words, check=False)
        assert result.returncode == 2 and sentence in result.stderr, (words, result.stderr)
    assert keys(ca) == []


def test_a_server_that_is_off_is_said(ca):
    ca.stop()
    result = eab(ca, "list", check=False)
    assert result.returncode == 2 and "no server answers" in result.stderr
    assert not (ca.folder / "run" / "signer.sock").exists()


def test_that_nobody_asks_is_said():
    ca = Ca().start()
    try:
        assert "external-accounts is off" in eab(ca, "add").stderr
    finally:
        ca.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_others_may_not_ask(ca):
    path = ca.folder / "run" / "signer.sock"
    assert path.stat().st_mode & 0o777 == 0o660 and path.stat().st_uid == 0
    nobody = pwd.getpwnam("nobody")
    stranger = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    ask_as = ["python3", "-c", "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
              "s.sendall(b'{\"command\":\"eab-list\"}\\n'); print(s.recv(65536).decode())", path]
    result = subprocess.run(ask_as, capture_output=True, text=True, **stranger)
    assert result.returncode != 0 and "PermissionError" in result.stderr
    # by the program itself, from where that user may reach it and its configuration
    with tempfile.TemporaryDirectory(prefix="chancery-test-") as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(CA_PROGRAM, folder)
        config = pathlib.Path(folder) / "chancery-ca.conf"
        config.write_text(re.sub(r'run-folder = "[^"]*"', f'run-folder = "{ca.folder / "run"}"', ca.config.read_text()))
        result = subprocess.run([program, "eab", "add", "--config", config], capture_output=True, text=True, **stranger)
        assert result.returncode == 2 and "operators' group may ask" in result.stderr
    assert keys(ca) == []
    os.chown(path, 0, nobody.pw_gid)  # now they are of the operators' group
    result = subprocess.run(ask_as, capture_output=True, text=True, **stranger)
    assert json.loads(result.stdout) == {"keys": [], "more": False}


def test_nonsense_and_silence_hold_nobody_up(ca):
    for line in (b"\n", b"{}\n", b"[]\n", b"\xff\xfe\n", b'{"command":"stop"}\n', b'{"command":"eab-add"\n', b'{"command":1}\n'):
        assert json.loads(ask(ca, line))["error"]
    path = str(ca.folder / "run" / "signer.sock")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for s in silent:
        s.connect(path)
        s.sendall(b'{"command":')
    # all places are taken, and the signer goes on: the front's requests do not wait for them
    assert ca.status()["processes"]["signer"]["counts"]["front"] is True
    for s in silent:
        s.settimeout(20)
        assert s.recv(100) == b""  # put out when their time was over
        s.close()
    assert json.loads(ask(ca, b'{"command":"eab-list"}\n')) == {"keys": [], "more": False}
    with pytest.raises(OSError):
        for _ in range(100):  # a line without an end
            ask(ca, b"x" * 20000)


def test_many_operators_at_once_each_get_their_own(ca):
    made = []

    def work():
        for _ in range(5):
            made.append(add(ca)["kid"])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(made)) == 15 and {k["kid"] for k in keys(ca)} == set(made)
