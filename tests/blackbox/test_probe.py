"""chancery probe: our CA against every requirement, Pebble as a control whose failures are known one by one, and each case against a
mutant of the answer that it looks at: a case that passes whatever the server says is found here.

Needs PEBBLE (the program) and CHANCERY_BUILD (a build folder); fails without them.
"""
import base64
import fnmatch
import json
import pathlib
import re
import subprocess

import pytest

from harness import BUILD, CLIENT_PROGRAM, free_port, running_ca
from test_client import FakeCa, Pebble

HERE = pathlib.Path(__file__).parent
MUTANTS = BUILD / "tests" / "probe_mutants"
PASSED, FAILED, COULD_NOT_RUN = 0, 1, 2


def probe(*words, expect=None):
    result = subprocess.run([str(w) for w in (CLIENT_PROGRAM, "probe", *words)], capture_output=True, text=True, timeout=120)
    for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:"):
        assert word not in result.stderr, result.stderr
    if expect is not None:
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def known(file):
    """id, or pattern with *, -> the reason."""
    lines = [line for line in (HERE / file).read_text().splitlines() if line and not line.startswith("#")]
    rows = dict(re.split(r"\s+", line, maxsplit=1) for line in lines)
    assert len(rows) == len(lines), f"{file}: an id twice"
    assert all(len(reason) > 10 for reason in rows.values()), f"{file}: every row says why"
    return rows


def by_result(report, result):
    return {c["id"]: f"{c['level']}: {c['requirement']} Seen: {c.get('seen')}" for c in report["cases"] if c["result"] == result}


def held_exactly(report, result, file):
    """Each case of this result matches a row, and each case that matches a row has this result, or is skipped. A row with a question mark holds for what
    comes and goes."""
    rows, found = known(file), by_result(report, result)
    sometimes = {row[1:] for row in rows if row.startswith("?")}
    rows = {row for row in rows if not row.startswith("?")}
    found = {i: why for i, why in found.items() if i not in sometimes}
    extra = {i: why for i, why in found.items() if not any(fnmatch.fnmatchcase(i, row) for row in rows)}
    assert not extra, f"{result}, but not in {file}:\n" + as_words(extra)
    for row in rows:
        others = [c["id"] for c in report["cases"] if fnmatch.fnmatchcase(c["id"], row) and c["result"] not in (result, "skipped")]
        assert not others, f"{file}: {row} also stands for {others}"
        assert any(fnmatch.fnmatchcase(i, row) for i in found), f"{file}: {row} stands for nothing"


def as_words(results):
    return "\n".join(f"{i}  {why}" for i, why in results.items())


def settings(text):
    """One address makes many accounts here, and some validations fail on purpose; and whatever a directory can say."""
    for option, value in {"new-accounts-per-address": "off", "failed-validations": "off", "terms-of-service": "https://localhost/terms",
                          "website": "https://localhost/about"}.items():
        text, n = re.subn(rf'#?{option} = "[^"]*"', f'{option} = "{value}"', text)
        assert n == 1, option
    return re.sub(r"#?identifiers = \{.*?\}", 'identifiers = {"dns", "wildcard", "ip"}', text)


@pytest.fixture(scope="module")
def ca():
    """A CA that validates by coming to the port of the suite's listener."""
    port = free_port()
    with running_ca(http_port=port, edit=settings) as made:
        made.probe_port = port
        yield made


@pytest.fixture(scope="module")
def pebble(tmp_path_factory):
    made = Pebble(tmp_path_factory.mktemp("pebble"), PEBBLE_WFE_NONCEREJECT="0", PEBBLE_AUTHZREUSE="0")
    yield made
    made.close()


def names():
    return ("--name", "probe-one.example", "--name", "probe-two.example")


def test_our_own_ca(ca):
    result = probe(ca.directory, "--ca-file", ca.root, "--http-port", ca.probe_port, "--json", *names())
    report = json.loads(result.stdout)
    assert not by_result(report, "failed"), as_words(by_result(report, "failed"))
    assert not by_result(report, "could not run"), as_words(by_result(report, "could not run"))
    assert result.returncode == PASSED
    held_exactly(report, "skipped", "chancery_skipped.txt")
    assert report["passed"] + report["skipped"] == len(report["cases"])


def test_pebble_fails_what_is_known_and_nothing_else(pebble):
    result = probe(pebble.directory, "--ca-file", pebble.ca_file, "--http-port", pebble.http_port, "--json", *names())
    report = json.loads(result.stdout)
    held_exactly(report, "failed", "pebble_failures.txt")
    assert not by_result(report, "could not run"), as_words(by_result(report, "could not run"))
    assert result.returncode == (FAILED if report["failed_must"] else PASSED)


def test_every_case_fails_with_its_mutant(ca):
    """Once as it is, once with the mutant of the answer: what passes before must fail then."""
    result = subprocess.run([str(w) for w in (MUTANTS, ca.directory, ca.root, ca.probe_port, *names()[1::2])], capture_output=True,
                            text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    survived, caught, not_run = map(int, re.search(r"SURVIVED (\d+) CAUGHT (\d+) NOT-RUN (\d+)", result.stdout).groups())
    total = len(json.loads(probe("--list", "--json").stdout)["cases"])
    assert survived == 0 and caught > 0 and caught + not_run == total


# --- a CA that takes nobody without an external account ---

@pytest.fixture(scope="module")
def bound_ca():
    port = free_port()
    with running_ca(http_port=port, edit=lambda text: settings(text).replace('#external-accounts = "off"', 'external-accounts = "required"')) as made:
        made.probe_port = port
        made.eab = json.loads(made.run("eab", "add", "--json", "--config", made.config).stdout)
        yield made


def test_external_accounts(bound_ca, tmp_path):
    key = tmp_path / "eab.key"
    key.write_text(bound_ca.eab["key"] + "\n")
    result = probe(bound_ca.directory, "--ca-file", bound_ca.root, "--http-port", bound_ca.probe_port, "--eab-kid", bound_ca.eab["kid"],
                   "--eab-key-file", key, "--only", "new-account/*", "--only", "directory/external-bool", "--json", *names(), expect=PASSED)
    report = json.loads(result.stdout)
    assert len([c for c in report["cases"] if "external-" in c["id"]]) > 10
    assert not by_result(report, "failed") and not by_result(report, "could not run")
    assert not by_result(report, "skipped"), as_words(by_result(report, "skipped"))


def test_external_accounts_of_pebble(tmp_path):
    """The control: none of these is our own reading of the standard."""
    secret = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
    (tmp_path / "eab.key").write_text(secret)
    made = Pebble(tmp_path, {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"probe": secret}}, PEBBLE_WFE_NONCEREJECT="0")
    try:
        result = probe(made.directory, "--ca-file", made.ca_file, "--http-port", made.http_port, "--eab-kid", "probe", "--eab-key-file",
                       tmp_path / "eab.key", "--only", "new-account/external-*", "--json", *names())
    finally:
        made.close()
    report = json.loads(result.stdout)
    assert report["passed"] == len(report["cases"]) > 10, as_words(by_result(report, "failed"))


def test_external_accounts_against_mutants(bound_ca):
    made = bound_ca.eab
    result = subprocess.run([str(w) for w in (MUTANTS, bound_ca.directory, bound_ca.root, bound_ca.probe_port, "--only", "*/external-*",
                                              "--eab", made["kid"], made["key"], *names()[1::2])], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    survived, caught, not_run = map(int, re.search(r"SURVIVED (\d+) CAUGHT (\d+) NOT-RUN (\d+)", result.stdout).groups())
    assert survived == 0 and not_run == 0 and caught > 10


# --- the command ---

def test_the_table_for_people(ca):
    result = probe(ca.directory, "--ca-file", ca.root, "--http-port", ca.probe_port, "--only", "new-nonce/*", "--only", "directory/get-200", expect=PASSED)
    assert "new-nonce/head-200" in result.stdout and "directory/get-200" in result.stdout and "order/" not in result.stdout
    assert re.search(r"\d+ passed, 0 failed \(0 of them MUST\), 0 skipped, 0 could not run", result.stdout)
    assert "\x1b" not in result.stdout


def test_a_server_that_is_none():
    result = probe(f"https://localhost:{free_port()}/directory", "--http-port", free_port(), "--only", "new-nonce/*", "--json", expect=COULD_NOT_RUN)
    report = json.loads(result.stdout)
    assert report["could_not_run"] == len(report["cases"]) > 0


@pytest.mark.parametrize("directory", [b"not json", b"{}", b"[]", b'{"newNonce": 7, "newAccount": "https://x/", "newOrder": "https://x/"}', b" " * (1 << 21)],
                         ids=["text", "empty", "array", "wrong", "large"])  # without: 2 MiB in the environment of what is started
def test_a_directory_that_is_none(tmp_path, directory):
    """Nothing can be said of such a server but that it is none; what it sends is bounded, and never moves the terminal."""
    ca = FakeCa(tmp_path, {"/dir": (200, {}, directory)})
    try:
        result = probe(ca.directory, "--ca-file", tmp_path / "tls.pem", "--http-port", free_port(), expect=COULD_NOT_RUN)
    finally:
        ca.close()
    assert "0 passed, 0 failed" in result.stdout and ca.seen == ["/dir"]  # asked once, not for each case


def test_a_server_that_answers_all_things_alike(tmp_path):
    """Whoever says 200 to everything passes nothing that is refused elsewhere, and its words come out as text."""
    ca = FakeCa(tmp_path)
    ca.override = {path: (200, {}, b"\x1b[31m{}") for path in ("/acct", "/order")}
    try:
        result = probe(ca.directory, "--ca-file", tmp_path / "tls.pem", "--http-port", free_port(), "--only", "new-account/*", expect=FAILED)
    finally:
        ca.close()
    assert "\x1b" not in result.stdout and " [31m{}" in result.stdout
    for case in ("created-201", "alg-none", "no-nonce", "signature", "payload-no-json"):
        assert not re.search(rf"passed +new-account/{case}\b", result.stdout), case


def test_the_list():
    cases = json.loads(probe("--list", "--json", expect=PASSED).stdout)["cases"]
    text = probe("--list", expect=PASSED).stdout
    assert all(c["id"] in text and c["requirement"] in text for c in cases)
    some = json.loads(probe("--list", "--json", "--only", "order/*", expect=PASSED).stdout)["cases"]
    assert 0 < len(some) < len(cases) and all(c["id"].startswith("order/") for c in some)


@pytest.mark.parametrize("words, told", [
    ([], "directory is needed"),
    (["https://localhost/", "--http-port", "0"], "--http-port 0"),
    (["https://localhost/", "--eab-kid", "x"], "--eab-key-file"),
])
def test_a_command_line_that_cannot_be(words, told):
    assert told in probe(*words, expect=COULD_NOT_RUN).stderr
