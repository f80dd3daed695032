"""A CA is backed up while it works, and made again from the backup; from nothing but its log too."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading

import jsonschema
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from acme_raw import Client
from harness import running_ca
from log_reader import Audit, Log

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs/schema"
PASSPHRASE = "correct horse battery staple"
SECRETS = ("log.key", "key.pem", "issuer.key", "identity", "tls.pem", "terms.key", "eab")


def checked(name, text):
    value = json.loads(text)
    jsonschema.validate(value, json.loads((SCHEMAS / (name + ".json")).read_text()), format_checker=jsonschema.FormatChecker())
    return value


@pytest.fixture(scope="module")
def ca():
    with running_ca(edit=lambda text: text.replace("signer {\n", 'signer {\n\tsegment-size = "65536"\n')) as ca:
        ca.run("eab", "add", "--json", "--config", ca.config)
        ca.client = Client(ca)
        ca.client.register(contact=["mailto:somebody@example.org"])
        ca.given = {name: ca.client.issue(name) for name in (f"before{i}.example" for i in range(24))}
        yield ca
        if ca.process.poll() is not None:
            ca.start()


@pytest.fixture
def passphrase(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    return file


def back_up(ca, to, *words):
    return checked("backup", ca.run("backup", to, "--json", "--config", ca.config, *words).stdout)


def unseal(data):
    """By docs/protocol/backup.md and nothing else."""
    head, data = data[:48], data[48:]
    assert head[:12] == b"CHNCYSEALED\n" and head[12:16] == bytes([1, 17, 8, 1])
    cipher = AESGCM(Scrypt(salt=head[16:], length=32, n=1 << 17, r=8, p=1).derive(PASSPHRASE.encode()))
    plain, number = b"", 0
    while data:
        chunk, data = data[:65552], data[65552:]
        nonce = bytes(7) + number.to_bytes(4, "big") + bytes([not data])
        plain += cipher.decrypt(nonce, chunk, head)
        number += 1
    return plain


def files_of(path):
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert all(m.isreg() and m.name.startswith("chancery-backup/") for m in members)
        return {m.name.removeprefix("chancery-backup/"): tar.extractfile(m).read() for m in members}


def check_manifest(files, report):
    head, lines = {}, files["MANIFEST"].decode().splitlines()
    assert lines[0] == "chancery backup 1" and list(files)[-1] == "MANIFEST"
    for line in lines[1:8]:
        key, value = line.split(" ", 1)
        head[key] = value
    assert head["instance"] == report["instance"] and head["log"] == str(report["records"]) and head["files"] == str(len(files) - 1)
    assert head["keys"] == ("yes" if report["keys"] else "no")
    sums = dict(reversed(line.split("  ")) for line in lines[8:])
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "MANIFEST"}


def test_without_keys_any_tar_reads_it_and_no_secret_is_in_it(ca, tmp_path):
    report = back_up(ca, tmp_path)
    path = pathlib.Path(report["file"])
    assert path.parent == tmp_path and path.name.startswith("chancery-2") and path.name.endswith("Z.tar")
    assert not report["encrypted"] and not report["keys"] and report["segments"] > 1 and path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "nothing else is left behind"
    files = files_of(path)
    check_manifest(files, report)
    assert {"chancery-ca.conf", "root.pem", "front/store.db", "signer/issuers/main/issuer.pem", "signer/log/00000001.seg"} <= set(files)
    assert not [name for name in files if name.rsplit("/")[-1] in SECRETS]
    assert not [name for name, data in files.items() if b"PRIVATE KEY" in data]
    secrets = [p.read_bytes() for p in (ca.folder / "state").rglob("*") if p.name in SECRETS]
    assert len(secrets) >= 6
    whole = path.read_bytes()
    assert not [s for s in secrets if s in whole]


def test_with_keys_everything_is_encrypted(ca, tmp_path, passphrase):
    report = back_up(ca, tmp_path / "all", "--with-keys", "--passphrase-file", passphrase)
    data = (tmp_path / "all").read_bytes()
    assert report["encrypted"] and report["keys"] and report["size"] == len(data)
    for word in (b"PRIVATE KEY", b"chancery-backup", b"ustar", b"SQLite", b"CHNCYLOG"):
        assert word not in data
    plain = tmp_path / "plain.tar"
    plain.write_bytes(unseal(data))
    files = files_of(plain)
    check_manifest(files, report)
    assert {"signer/issuers/main/key.pem", "signer/log.key", "signer/identity", "signer/eab", "validator/identity", "front/tls.pem"} <= set(files)
    assert not [name for name in files if name.startswith("root/")], "the root's key is none of the server's"
    with pytest.raises(InvalidTag):
        unseal(data[:-1])


def test_the_log_of_a_running_ca_says_that_it_was_backed_up(ca, tmp_path, passphrase):
    one = back_up(ca, tmp_path / "one")
    two = back_up(ca, tmp_path / "two", "--with-keys", "--passphrase-file", passphrase)
    assert two["records"] > one["records"] and one["recorded"] and two["recorded"]
    audits = [e for e in Log(ca.folder / "state/signer/log", open_intents=True).events if isinstance(e, Audit)]
    assert audits[-2:] == [Audit(os.getuid(), b"backup", b"without keys"), Audit(os.getuid(), b"backup", b"with keys")]
    assert 'operator.action action=backup detail="with keys"' in ca.log_text()
    ca.stop()
    assert not back_up(ca, tmp_path / "three")["recorded"], "there is no server"
    ca.start()


def test_a_signer_that_is_down_hinders_no_backup(ca, tmp_path):
    """It is then that one is wanted."""
    pid = ca.pid_of("signer")
    os.kill(pid, signal.SIGSTOP)
    try:
        result = ca.run("backup", tmp_path / "one", "--json", "--config", ca.config)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert not checked("backup", result.stdout)["recorded"] and "no record of this backup" in result.stderr


def edited(ca, folder):
    """The CA's configuration for another state folder, with a port of its own left as it is: the old server is stopped."""
    config = folder / "chancery-ca.conf"
    config.write_text(ca.config.read_text().replace(str(ca.folder), str(folder)))
    return config


def check_owners(state, like):
    for path in state.rglob("*"):
        if path.name.endswith((".idx", "-wal", "-shm")):
            continue
        old = like / path.relative_to(state)
        assert path.stat().st_uid == old.stat().st_uid, path
        assert path.is_dir() or path.name == "root.pem" or path.stat().st_mode & 0o077 == 0, path
        assert not path.is_dir() or path.stat().st_mode & 0o777 == 0o700, path


@pytest.fixture
def elsewhere(ca):
    """A machine that has nothing but a configuration."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-test-"))
    folder.chmod(0o755)
    yield edited(ca, folder)
    shutil.rmtree(folder, ignore_errors=True)


class Moved:
    """The CA with another folder, for as long as this lives."""

    def __init__(self, ca, config):
        self.ca, self.config = ca, config

    def __enter__(self):
        self.was = self.ca.config
        self.ca.stop()
        self.ca.config = self.config
        try:
            self.ca.start()
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ca.stop(expect=None)
        self.ca.config = self.was
        self.ca.start()


def restore(ca, backup, config, *words):
    return checked("restore", ca.run("restore", backup, "--config", config, "--json", *words).stdout)


def test_restored_it_serves_as_before(ca, tmp_path, passphrase, elsewhere):
    back_up(ca, tmp_path / "all", "--with-keys", "--passphrase-file", passphrase)
    report = restore(ca, tmp_path / "all", elsewhere, "--passphrase-file", passphrase)
    assert report["keys"] and report["database"] and report["compared"] and not report["configMade"] and report["left"] == 0
    state = elsewhere.parent / "state"
    check_owners(state, ca.folder / "state")
    Log(state / "signer/log")
    assert sorted(p.name for p in state.iterdir()) == ["front", "root.pem", "signer", "validator"]
    with Moved(ca, elsewhere):
        account = ca.client.post(ca.client.kid).json
        assert account["status"] == "valid" and account["contact"] == ["mailto:somebody@example.org"]
        assert "BEGIN CERTIFICATE" in ca.client.issue("restored.example")
        assert json.loads(ca.run("reconcile", "--json", "--config", elsewhere).stdout)["agree"]
        assert ca.run("eab", "list", "--config", elsewhere).stdout.count("active") == 1


def test_from_the_log_and_the_keys_alone(ca, tmp_path, passphrase, elsewhere):
    """The front's folder is lost; then all that clients were given is found in the log."""
    back_up(ca, tmp_path / "all", "--with-keys", "--passphrase-file", passphrase)
    plain = tmp_path / "plain.tar"
    plain.write_bytes(unseal((tmp_path / "all").read_bytes()))
    state = elsewhere.parent / "state"
    state.mkdir()
    for name, data in files_of(plain).items():
        if name.startswith(("signer/", "validator/", "front/tls")):
            (state / name).parent.mkdir(parents=True, exist_ok=True)
            (state / name).write_bytes(data)
    for who in ("front", "signer", "validator"):
        owner = (ca.folder / "state" / who).stat()
        for path in (state / who, *(state / who).rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o700 if path.is_dir() else 0o600)
    report = json.loads(ca.run("reconcile", "--repair", "--json", "--config", elsewhere).stdout)
    assert report["made"] and report["agree"] and report["database"]["certificates"] >= len(ca.given)
    with Moved(ca, elsewhere):
        assert ca.client.post(ca.client.kid).json["status"] == "valid"
        orders = ca.client.post(ca.client.kid + "/orders").json["orders"]
        chains = {ca.client.post(ca.client.post(url).json["certificate"]).body.decode() for url in orders}
        assert set(ca.given.values()) <= chains
        assert "BEGIN CERTIFICATE" in ca.client.issue("from-the-log.example")


def test_a_database_that_is_older_than_the_log_is_told_and_mended(ca, tmp_path, passphrase, elsewhere):
    """As when the log lies on another disk, and the newest of each is put together."""
    back_up(ca, tmp_path / "old", "--with-keys", "--passphrase-file", passphrase)
    ca.client.issue("between.example")
    back_up(ca, tmp_path / "new", "--with-keys", "--passphrase-file", passphrase)
    for name in ("old", "new"):
        (tmp_path / (name + ".tar")).write_bytes(unseal((tmp_path / name).read_bytes()))
    mixed = files_of(tmp_path / "new.tar")
    mixed["front/store.db"] = files_of(tmp_path / "old.tar")["front/store.db"]
    write_backup(tmp_path / "mixed.tar", mixed)
    report = restore(ca, tmp_path / "mixed.tar", elsewhere)
    assert report["compared"] and report["found"] == report["left"] == 2  # an order that is not valid, and its certificate
    text = ca.run("reconcile", "--config", elsewhere, check=False)
    assert text.returncode == 2 and "reconcile --repair" in text.stdout
    shutil.rmtree(elsewhere.parent / "state")
    report = restore(ca, tmp_path / "mixed.tar", elsewhere, "--repair")
    assert report["found"] == 2 and report["left"] == 0
    with Moved(ca, elsewhere):
        assert "BEGIN CERTIFICATE" in ca.client.issue("mended.example")


def write_backup(path, files, manifest=True):
    """A backup of these files, whose manifest is right."""
    if manifest:
        head = files["MANIFEST"].decode().splitlines()[:8]
        sums = [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in files.items() if name != "MANIFEST"]
        files = {**{k: v for k, v in files.items() if k != "MANIFEST"}, "MANIFEST": ("\n".join(head + sums) + "\n").encode()}
    import io
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo("chancery-backup/" + name)
            info.size, info.mode = len(data), 0o600
            tar.addfile(info, io.BytesIO(data))
    data = path.read_bytes().rstrip(b"\0")  # tarfile pads to 10 KiB, ours ends with two blocks
    path.write_bytes(data + bytes(-len(data) % 512 + 1024))


BROKEN = {
    "a changed byte": (lambda f: f.update({"front/store.db": f["front/store.db"][:-1] + b"X"}), False, "not the ones that its MANIFEST lists"),
    "a file too many": (lambda f: f.update({"signer/more": b"x", "MANIFEST": f.pop("MANIFEST")}), False, "not the ones that its MANIFEST lists"),
    "a file too few": (lambda f: f.pop("root.pem"), False, "not the ones that its MANIFEST lists"),
    "no manifest": (lambda f: f.pop("MANIFEST"), False, "it is cut off"),
    "nothing of a process": (lambda f: f.update({"etc/passwd": b"x"}), True, "which is of no process"),
    "a path that leads away": (lambda f: f.update({"../passwd": b"x"}), True, "whose name chancery-ca would not write"),
    "a damaged log": (lambda f: f.update({"signer/log/00000001.seg": f["signer/log/00000001.seg"][:3000] + b"\xff" * 40 +
                                          f["signer/log/00000001.seg"][3040:]}), True, "the backup's log is not whole: segment 1"),
    "a log with a gap": (lambda f: f.pop("signer/log/00000001.seg"), True, "the backup's log is not whole"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_whole_is_not_put_in_place(ca, tmp_path, elsewhere, case):
    change, manifest, message = BROKEN[case]
    files = files_of(back_up(ca, tmp_path)["file"])
    change(files)
    if manifest:
        files["MANIFEST"] = files.pop("MANIFEST")
    write_backup(tmp_path / "broken.tar", files, manifest)
    result = ca.run("restore", tmp_path / "broken.tar", "--config", elsewhere, check=False)
    assert result.returncode == 2 and message in result.stderr, result.stderr
    state = elsewhere.parent / "state"
    assert not state.exists() or [p.name for p in state.iterdir()] == ["restore.tmp"]


def test_nothing_is_overwritten(ca, tmp_path, passphrase, elsewhere):
    path = tmp_path / "all"
    back_up(ca, path, "--with-keys", "--passphrase-file", passphrase)
    before = path.read_bytes()
    again = ca.run("backup", path, "--config", ca.config, check=False)
    assert again.returncode == 2 and "is there already" in again.stderr and path.read_bytes() == before
    result = ca.run("restore", path, "--config", ca.config, "--passphrase-file", passphrase, check=False)
    assert result.returncode == 2 and "is not empty" in result.stderr
    state = elsewhere.parent / "state"
    state.mkdir()
    (state / "something").write_text("mine")
    result = ca.run("restore", path, "--config", elsewhere, "--passphrase-file", passphrase, check=False)
    assert result.returncode == 2 and 'it has "something"' in result.stderr
    assert [p.name for p in state.iterdir()] == ["something"]


def test_passphrases_are_asked_for_and_kept_closed(ca, tmp_path, passphrase, elsewhere):
    def fails(message, *words):
        result = ca.run(*words, check=False)
        assert result.returncode == 2 and message in result.stderr, result.stdout + result.stderr
        assert PASSPHRASE not in result.stdout + result.stderr

    fails("--with-keys needs --passphrase-file", "backup", tmp_path / "x", "--with-keys", "--config", ca.config)
    passphrase.chmod(0o640)
    fails("others can read it", "backup", tmp_path / "x", "--passphrase-file", passphrase, "--config", ca.config)
    passphrase.chmod(0o600)
    passphrase.write_text("short\n")
    fails("at least 12", "backup", tmp_path / "x", "--passphrase-file", passphrase, "--config", ca.config)
    assert not (tmp_path / "x").exists()
    passphrase.write_text(PASSPHRASE)
    back_up(ca, tmp_path / "all", "--with-keys", "--passphrase-file", passphrase)
    fails("the backup is encrypted: --passphrase-file", "restore", tmp_path / "all", "--config", elsewhere)
    passphrase.write_text("another passphrase")
    fails("the passphrase is not the right one", "restore", tmp_path / "all", "--config", elsewhere, "--passphrase-file", passphrase)
    assert not (elsewhere.parent / "state").exists()


def test_the_configuration_comes_back_too(ca, tmp_path, passphrase):
    """A machine that has nothing at all: here the old place, moved away."""
    back_up(ca, tmp_path / "all", "--with-keys", "--passphrase-file", passphrase)
    ca.stop()
    text = ca.config.read_text()
    away = ca.folder / "away"
    away.mkdir()
    (ca.folder / "state").rename(away / "state")
    ca.config.rename(away / "chancery-ca.conf")
    report = restore(ca, tmp_path / "all", ca.config, "--passphrase-file", passphrase)
    assert report["configMade"] and ca.config.read_text() == text
    shutil.rmtree(away)
    ca.start()
    assert "BEGIN CERTIFICATE" in ca.client.issue("anew.example")


def test_backups_of_a_busy_ca_are_whole(ca, tmp_path, elsewhere):
    """Certificates are made all the time; whatever moment a backup has caught, its log knows all that its database knows."""
    stop, made, failures = threading.Event(), [], []

    def work(number):
        client = Client(ca)
        client.register()
        try:
            while not stop.is_set():
                made.append(client.issue(f"busy{number}-{len(made)}.example"))
        except Exception as e:
            failures.append(repr(e))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        backups = [back_up(ca, tmp_path / f"{i}.tar") for i in range(6)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures and len(made) > 6
    records = [b["records"] for b in backups]
    assert records == sorted(records) and records[0] < records[-1]
    for b in backups:
        shutil.rmtree(elsewhere.parent / "state", ignore_errors=True)
        restore(ca, b["file"], elsewhere)
        result = ca.run("reconcile", "--json", "--config", elsewhere, check=False)
        report = json.loads(result.stdout)
        assert report["alarms"] == 0, report
        # what was logged after the database was copied, and no more than that
        assert {d["what"] for d in report["differences"]} <= {"certificate-missing", "order-missing", "order-differs", "account-missing"}
        report = json.loads(ca.run("reconcile", "--repair", "--json", "--config", elsewhere).stdout)
        assert report["agree"]


def test_a_full_disk_leaves_no_half_backup(ca, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounts a file system")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    try:
        result = ca.run("backup", small, "--config", ca.config, check=False)
        assert result.returncode == 2 and ("No space left" in result.stderr or "full" in result.stderr), result.stderr
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


def test_what_a_hostile_front_leaves_in_its_folder_does_no_harm(ca, tmp_path, passphrase):
    """Links and pipes are not followed, nor waited for; and the copy of the database is made with the front's rights."""
    front = ca.folder / "state/front"
    secret = tmp_path / "secret"
    secret.write_text("for root's eyes only")
    secret.chmod(0o600)
    os.symlink(secret, front / "link.pem")
    os.symlink(tmp_path, front / "folder")
    os.mkfifo(front / "pipe")
    try:
        back_up(ca, tmp_path / "all", "--with-keys", "--passphrase-file", passphrase)
        plain = unseal((tmp_path / "all").read_bytes())
        assert b"for root's eyes only" not in plain and b"front/tls.pem" in plain
        for name in (b"front/link.pem", b"front/folder", b"front/pipe"):
            assert name not in plain
        if os.geteuid() == 0:
            ca.stop()
            database = front / "store.db"
            database.rename(front / "aside")
            os.symlink(secret, database)
            result = ca.run("backup", tmp_path / "more", "--config", ca.config, check=False)
            assert result.returncode == 2 and "the database cannot be copied" in result.stderr, result.stdout + result.stderr
            assert not [p for p in tmp_path.iterdir() if p.name.startswith((".chancery", "more"))], "nothing is left behind"
            database.unlink()
            (front / "aside").rename(database)
            ca.start()
    finally:
        for name in ("link.pem", "folder", "pipe"):
            (front / name).unlink()
