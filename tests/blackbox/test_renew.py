"""chancery renew and status: what was issued is renewed the way that it was asked for, when it is due or the CA says so."""
import json
import os
import pathlib
import shutil

import pytest

import schemas
from harness import free_port, running_ca
from test_client import DONE, FAILED, NOTHING_TO_DO, blocks, chancery, check_files, failed


@pytest.fixture(scope="module")
def ca():
    edit = lambda text: text + 'profile "tiny" {\n\tlifetime = "10d"\n}\n'
    with running_ca(http_port=free_port(), edit=edit) as ca:
        yield ca


@pytest.fixture
def run(ca, tmp_path):
    """issue with all that it needs; the other commands with the folder alone."""
    def run(command, *words, expect=DONE, **how):
        options = ["--folder", tmp_path / "f"]
        if command in ("issue", "revoke"):
            options += ["--server", ca.base + "/directory", "--ca-file", ca.root, "--timeout", 30]
        if command == "issue":
            options += ["--http-port", ca.http_port, "--http-address", "127.0.0.1"]
        result = chancery(command, *words, *options, **how)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


def leaf(run, name):
    return blocks(run.folder / name / "live" / "cert.pem")[0]


def test_what_is_not_due_stays(run):
    run("issue", "good.example", "www.good.example")
    before = leaf(run, "good.example")
    result = run("renew", expect=NOTHING_TO_DO)
    assert "good.example" in result.stdout and "Nothing to do" in result.stdout
    said = schemas.check("client/renew", run("renew", "--json", expect=NOTHING_TO_DO).stdout)
    assert [c["result"] for c in said["certificates"]] == ["nothing-to-do"]
    assert leaf(run, "good.example") == before


def test_it_is_asked_for_as_before(run, tmp_path):
    """Names, profile and all; from another folder, with paths that were relative."""
    web = tmp_path / "there"
    web.mkdir()
    (web / "tls").mkdir()
    shutil.copy(pathlib.Path(__file__), web / "any")
    run("issue", "again.example", "www.again.example", "--profile", "tiny", "--key-type", "ecdsa-p384", cwd=web)
    before = leaf(run, "again.example")
    run("renew", "again.example", "--force", cwd="/")
    after = leaf(run, "again.example")
    assert after.serial_number != before.serial_number and after.public_key().curve.name == "secp384r1"
    assert (after.not_valid_after - after.not_valid_before).days == 9
    check_files(run.folder / "again.example" / "live", ["again.example", "www.again.example"])
    saved = json.loads((run.folder / "again.example" / "options.json").read_text())
    assert all(o["option"] not in ("force", "folder", "json") for o in saved["options"])
    assert (run.folder / "again.example" / "options.json").stat().st_mode & 0o077 == 0


def test_the_ca_says_when(ca, run):
    """A certificate that is revoked has a window that is past (RFC 9773)."""
    run("issue", "called.example")
    run("issue", "other.example")
    before, other = leaf(run, "called.example"), leaf(run, "other.example")
    run("revoke", "called.example", "--yes", "--reason", "superseded")
    result = run("renew")
    assert "The CA asks for a renewal now" in result.stdout
    assert leaf(run, "called.example") != before and leaf(run, "other.example") == other
    run("renew", expect=NOTHING_TO_DO)


def test_paths_are_absolute(run, tmp_path):
    hook = tmp_path / "hook.sh"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    run("issue", "path.example", cwd=tmp_path)
    saved = json.loads((run.folder / "path.example" / "options.json").read_text())
    given = {o["option"]: o.get("value") for o in saved["options"]}
    assert os.path.isabs(given["ca-file"]) and given["http-address"] == "127.0.0.1"


def test_one_that_fails_stops_no_other(ca, run):
    for name in ("a.example", "b.example", "c.example"):
        run("issue", name)
    (run.folder / "a.example" / "options.json").write_text('{"names": [], "options": []}')
    text = (run.folder / "b.example" / "options.json").read_text()
    (run.folder / "b.example" / "options.json").write_text(text.replace("http-port", "no-such-option"))
    before = leaf(run, "c.example")
    result = run("renew", "--force", expect=FAILED)
    failed(result, "a.example/options.json: it has no names", "b.example/options.json: chancery issue has no option no-such-option")
    assert leaf(run, "c.example") != before
    said = schemas.check("client/renew", run("renew", "--json", expect=FAILED).stdout)
    assert [c["result"] for c in said["certificates"]] == ["failed", "failed", "nothing-to-do"]


def test_a_ca_that_is_away_renews_nothing_that_is_good(ca, run):
    run("issue", "away.example")
    path = run.folder / "away.example" / "options.json"
    path.write_text(path.read_text().replace(ca.base, f"https://localhost:{free_port()}"))
    run("renew", expect=NOTHING_TO_DO)
    run("renew", "--force", expect=FAILED)
    assert leaf(run, "away.example")


def test_status(run):
    run("issue", "one.example", "two.example", "--profile", "tiny")
    out = run("status").stdout.splitlines()
    assert out[0].split() == ["CERTIFICATE", "STATE", "ENDS", "DUE", "CA", "NAMES"] and out[1].split()[:2] == ["one.example", "good"] and "and 1 more" in out[1]
    (row,) = schemas.check("client/status", run("status", "--json").stdout)["certificates"]
    assert row["names"] == ["one.example", "two.example"] and row["state"] == "good" and row["not_before"] < row["due"] < row["not_after"]
    failed(run("status", "none.example", expect=FAILED), "there is no certificate none.example")
    failed(run("renew", "none.example", expect=FAILED), "there is no certificate none.example")


def test_an_empty_folder(run):
    assert "There are no certificates" in run("status").stdout
    assert "There are no certificates" in run("renew", expect=NOTHING_TO_DO).stdout
    assert json.loads(run("status", "--json").stdout) == {"certificates": []}
