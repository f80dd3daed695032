"""Disks that are full or read-only, a database or a log that is gone: a clear refusal, nothing unaccounted for, and work goes on when all is back."""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization

from acme_raw import Client, certificates
from harness import running_ca
from log_reader import Log

CLONE_NEWNS = 0x00020000
WAIT = 60  # seconds: a bound for what hangs


@pytest.fixture(scope="module", autouse=True)
def own_mounts():
    """Whatever is mounted here is seen by nobody else, and gone with this process."""
    assert os.geteuid() == 0, "these tests mount file systems: run them as root"
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def edit(text):
    return text.replace("signer {\n", 'signer {\n\tsegment-size = "65536"\n\treserve = "65536"\n').replace("log-requests", "#log-requests")


@pytest.fixture
def ca():
    with running_ca(edit=edit) as ca:
        ca.client = Client(ca)
        ca.client.register()
        ca.given = [ca.client.issue("before.example")]
        yield ca
        if ca.process.poll() is not None:
            ca.start()


@contextlib.contextmanager
def disk_under(ca, folder, size):
    """The CA is stopped for a moment, and then this folder of its state is a file system of its own."""
    path = ca.folder / "state" / folder
    ca.stop()
    owner = path.stat()
    kept = path.with_name(path.name + ".kept")
    shutil.copytree(path, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700,uid={owner.st_uid},gid={owner.st_gid}", "tmpfs", path], check=True)
    try:
        for file in kept.iterdir():
            shutil.copy(file, path)
            os.chown(path / file.name, owner.st_uid, owner.st_gid)
            os.chmod(path / file.name, 0o600)
        ca.start()
        yield path
        ca.stop()
    finally:
        ca.stop(expect=None)
        subprocess.run(["mount", "-o", "remount,rw", path], check=True)
        (path / "filler").unlink(missing_ok=True)
        for file in path.iterdir():
            shutil.copy(file, kept)
        subprocess.run(["umount", "--lazy", path], check=True)
    for file in kept.iterdir():
        shutil.copy(file, path)
        os.chown(path / file.name, owner.st_uid, owner.st_gid)
        os.chmod(path / file.name, 0o600)
    shutil.rmtree(kept)
    ca.start()


def fill(folder):
    with open(folder / "filler", "wb", buffering=0) as f:
        for size in (1 << 16, 4096, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                continue


def until(what, *arguments):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        found = what(*arguments)
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what.__name__} did not come true")


def status(ca):
    result = ca.run("status", "--json", "--config", ca.config, check=False)
    return json.loads(result.stdout) if result.stdout else None


def failure(ca, who):
    """What the process ended with, as an operator sees it."""
    report = status(ca)
    process = report["processes"][who] if report else {}
    return process.get("failure") if process.get("state") != "ready" else None


def starts(ca, who):
    return status(ca)["processes"][who]["starts"]


def prepared(client, name):
    """An order with everything but its end: URL, order, CSR."""
    answer = client.order(name)
    assert answer.status == 201, answer.body
    for authz in answer.json["authorizations"]:
        assert client.solve(authz)["status"] == "valid"
    return answer.headers["Location"], answer.json, client.csr(name)


def finish(ca, url, order, csr):
    """The order's certificate, in the end."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            now = ca.client.post(url).json
            if now["status"] == "ready":
                ca.client.finalize(order, csr)
            if now["status"] == "valid":
                return ca.client.post(now["certificate"]).body.decode()
            assert now["status"] != "invalid", now
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.1)
    raise AssertionError("the order does not get valid")


def check_accounts(ca):
    """Whatever clients were given is in the log, once, and log and database agree."""
    log = Log(ca.folder / "state/signer/log", open_intents=True)
    logged = [result.certificate for result in log.results.values()]
    for pem in ca.given:
        leaf = certificates(pem)[0].public_bytes(serialization.Encoding.DER)
        assert logged.count(leaf) == 1
    result = ca.run("reconcile", "--json", "--config", ca.config, check=False)
    assert json.loads(result.stdout)["agree"], result.stdout


def read_only(ca, who, path):
    """Between the end of a process and its next start, when nothing is open for writing."""
    for _ in range(200):
        report = status(ca)
        pid = report["processes"][who]["pid"] if report else 0
        if pid:
            os.kill(pid, signal.SIGKILL)
        for _ in range(60):
            if subprocess.run(["mount", "-o", "remount,ro", path], capture_output=True).returncode == 0:
                return
            time.sleep(0.002)
    raise AssertionError("the file system stays busy")


def test_the_logs_disk_is_full(ca):
    with disk_under(ca, "signer/log", "16m") as path:
        url, order, csr = prepared(ca.client, "full.example")
        fill(path)
        answer = ca.client.finalize(order, csr)
        assert answer.status in (200, 500, 503) and "certificate" not in answer.json, answer.body
        assert ca.client.post(ca.client.kid).status == 200, "what needs no log goes on"
        text = ca.run("status", "--config", ca.config, check=False).stdout
        assert "the log's disk has 0 MiB left" in text and "Free space" in text
        (path / "filler").unlink()
        ca.given.append(finish(ca, url, order, csr))
        assert starts(ca, "signer") == 1, "it has not even ended"
        ca.given.append(ca.client.issue("after.example"))
        check_accounts(ca)
    check_accounts(ca)


def test_the_logs_disk_is_read_only(ca):
    with disk_under(ca, "signer/log", "16m") as path:
        url, order, csr = prepared(ca.client, "readonly.example")
        read_only(ca, "signer", path)
        assert "ead-only" in until(failure, ca, "signer")
        answer = ca.client.finalize(order, csr)
        assert "certificate" not in (answer.json if answer.status == 200 else {}), answer.body
        assert "ead-only" in ca.run("status", "--config", ca.config, check=False).stdout
        subprocess.run(["mount", "-o", "remount,rw", path], check=True)
        until(lambda: failure(ca, "signer") is None)
        ca.given.append(finish(ca, url, order, csr))
        check_accounts(ca)
    check_accounts(ca)


def test_the_databases_disk_is_full(ca):
    with disk_under(ca, "front", "6m") as path:
        url, order, csr = prepared(ca.client, "full.example")
        fill(path)
        refused = None
        for i in range(400):
            answer = ca.client.order(f"full{i}.example")
            if answer.status != 201:
                refused = answer
                break
        assert refused and (refused.status, refused.type) == (500, "serverInternal"), refused and refused.body
        assert ca.client.post(ca.client.kid).status == 200, "reading goes on"
        ca.client.finalize(order, csr)
        (path / "filler").unlink()
        ca.given.append(finish(ca, url, order, csr))
        ca.given.append(ca.client.issue("after.example"))
        assert starts(ca, "front") == 1
        check_accounts(ca)
    check_accounts(ca)


def test_the_databases_disk_is_read_only(ca):
    with disk_under(ca, "front", "16m") as path:
        read_only(ca, "front", path)
        why = until(failure, ca, "front")
        assert "readonly" in why or "ead-only" in why or "unable to open" in why, why
        subprocess.run(["mount", "-o", "remount,rw", path], check=True)
        ca.wait_ready(WAIT)
        ca.given.append(ca.client.issue("after.example"))
        check_accounts(ca)
    check_accounts(ca)


def repair(ca):
    return json.loads(ca.run("reconcile", "--repair", "--json", "--config", ca.config).stdout)


GONE = "the database store.db is gone"


def refuses_to_start(ca, *words):
    ca.start(wait=False)
    assert ca.process.wait(timeout=WAIT) == 2
    text = ca.log_text()[-3000:]
    for word in words:
        assert word in text, text


def test_the_database_is_gone_while_it_is_open(ca):
    (ca.folder / "state/front/store.db").unlink()
    why = until(lambda: (failure(ca, "front") or "") if GONE in (failure(ca, "front") or "") else None)
    assert "reconcile --repair" in why
    assert GONE in ca.run("status", "--config", ca.config, check=False).stdout
    assert "was removed while it was open" in ca.log_text()
    ca.stop(expect=None)
    report = repair(ca)
    assert report["made"] and report["agree"] and report["database"]["certificates"] == 1
    ca.start()
    ca.given.append(ca.client.issue("after.example"))
    check_accounts(ca)


def test_the_database_is_replaced_while_it_is_open(ca):
    """By an old copy, say: the front does not go on with the one that nobody can see any more."""
    path = ca.folder / "state/front/store.db"
    pid = ca.pid_of("front")
    other = path.with_name("other")
    shutil.copy(path, other)
    os.chown(other, path.stat().st_uid, path.stat().st_gid)
    other.rename(path)
    until(lambda: "was replaced while it was open" in ca.log_text())
    ca.wait_ready(WAIT)
    assert ca.pid_of("front") != pid


def test_the_database_is_gone_before_the_start(ca):
    ca.stop()
    for path in (ca.folder / "state/front").glob("store.db*"):
        path.unlink()
    refuses_to_start(ca, GONE, "put it back from a backup", "reconcile --repair")
    assert not list((ca.folder / "state/front").glob("store.db*")), "no empty one was made"
    assert repair(ca)["made"]
    ca.start()
    ca.given.append(ca.client.issue("after.example"))
    check_accounts(ca)


MISSING = {
    "log": ('the signer\'s folder "log" cannot be opened (No such file or directory): put it back from the newest backup',),
    "log/00000001.seg": ("the log has no segment 1: put it back from the newest backup",),
    "log/last": ("the log is shorter than its checkpoint", "Put the newer log back"),
    "log.key": ("log.key cannot be looked at (No such file or directory): put it back from a backup with keys",),
    "identity": ("identity cannot be looked at (No such file or directory): put it back from a backup with keys",),
    "issuers/main/key.pem": ("issuer main: key.pem cannot be looked at",),
}


def test_parts_of_the_signers_folder_are_gone_before_the_start(ca):
    segments = ca.folder / "state/signer/log"
    while not (segments / "00000002.seg").exists():
        ca.given.append(ca.client.issue(f"more{len(ca.given)}.example"))
    ca.given.append(ca.client.issue("in-the-last.example"))
    ca.stop()
    signer, aside = ca.folder / "state/signer", ca.folder / "aside"
    for name, words in MISSING.items():
        if name == "log/last":
            name = str(max(segments.glob("*.seg")).relative_to(signer))
        (signer / name).rename(aside)
        refuses_to_start(ca, *words, "the signer did not start")
        if name in ("log", "log/00000001.seg"):
            assert ca.run("reconcile", "--repair", "--config", ca.config, check=False).returncode == 2, "nothing is made of half a log"
        if (signer / name).exists():
            (signer / name).unlink()
        aside.rename(signer / name)
    ca.start()
    ca.given.append(ca.client.issue("after.example"))
    check_accounts(ca)


@pytest.mark.parametrize("name", ("log", "log/00000001.seg"))
def test_the_log_is_moved_away_while_it_is_written(ca, name):
    """What would be signed now would be in no log: nobody gets it."""
    url, order, csr = prepared(ca.client, "gone.example")
    path, aside = ca.folder / "state/signer" / name, ca.folder / "state/signer/aside"
    path.rename(aside)
    answer = ca.client.finalize(order, csr)
    assert "certificate" not in (answer.json if answer.status == 200 else {}), answer.body
    until(lambda: "while it was" in ca.log_text())
    until(lambda: "put it back from the newest backup" in (failure(ca, "signer") or ""))
    assert ca.client.post(ca.client.kid).status == 200
    aside.rename(path)
    until(lambda: failure(ca, "signer") is None)
    ca.given.append(finish(ca, url, order, csr))
    check_accounts(ca)


def test_an_older_log_than_the_database_has_seen_is_refused(ca):
    """The signer's folder comes from an old copy, with its checkpoint; the database's, which is stored each minute, is newer."""
    signer = ca.folder / "state/signer"
    ca.stop()
    old = ca.folder / "old"
    shutil.copytree(signer, old)
    ca.start()
    ca.given.append(ca.client.issue("lost.example"))
    ca.stop()
    newer = ca.folder / "newer"
    signer.rename(newer)
    shutil.copytree(old, signer)
    owner = newer.stat()
    for path in (signer, *signer.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    with sqlite3.connect(ca.folder / "state/front/store.db") as db:
        db.execute("INSERT INTO checkpoints (id, body) SELECT max(id) + 1, ? FROM checkpoints", [(newer / "checkpoint").read_bytes()])
    db.close()
    report = json.loads(ca.run("reconcile", "--json", "--config", ca.config, check=False).stdout)
    assert report["alarms"] == 2, "a certificate, and its order, that this log knows nothing of"
    ca.start(wait=False)
    assert ca.process.wait(timeout=60) == 2
    said = ca.log_text()
    assert "the signer did not start: the log is shorter than its checkpoint" in said and "Put the newer log back" in said
    shutil.rmtree(signer)
    newer.rename(signer)
    ca.start()
    ca.given.append(ca.client.issue("after.example"))
    check_accounts(ca)
