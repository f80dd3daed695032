"""CAs by name, chancery.conf, and one CA after the other: whose fault a failure is decides; what is remembered; switching and drills."""
import email.utils
import json
import os
import shutil
import subprocess
import time

import pytest

import schemas
from harness import CLIENT_PROGRAM, free_port, running_ca
from test_client import DONE, FAILED, NOTHING_TO_DO, FakeCa, Pebble, blocks, chancery, check_files, failed

PROBLEM = "urn:ietf:params:acme:error:"


@pytest.fixture(scope="module")
def ca():
    with running_ca(http_port=free_port()) as ca:
        yield ca


class Client:
    """chancery with a folder and a configuration of its own; first, second: CAs that are known by these names."""

    def __init__(self, folder, ca):
        self.folder, self.config, self.ca = folder / "f", folder / "chancery.conf", ca
        self.options = ["--http-port", ca.http_port, "--http-address", "127.0.0.1", "--timeout", 60]

    def __call__(self, *words, expect=DONE, more=()):
        result = chancery(*words, "--folder", self.folder, *more, env={**os.environ, "HOME": str(self.folder.parent), "XDG_CONFIG_HOME": str(self.folder.parent)})
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def add(self, name, directory, ca_file, *words):
        self("ca", "add", name, "--directory", directory, "--ca-file", ca_file, *words)

    def issue(self, name, *words, expect=DONE):
        return self("issue", name, *words, *self.options, expect=expect)

    def issuer(self, name):
        return blocks(self.folder / name / "live" / "fullchain.pem")[0].issuer.rfc4514_string()

    def memory(self, name, about="ca", of=None):
        """What is remembered of a CA, of the account there, or of a certificate there; {}: nothing."""
        path = {"ca": self.folder / "_cas" / f"{name}.json", "account": next((self.folder / "_cas").glob(f"{name}@*.json"), None),
                "names": self.folder / str(of) / f"state@{name}.json"}[about]
        return json.loads(path.read_text()) if path and path.exists() else {}

    def state(self, name):
        return json.loads((self.folder / name / "state.json").read_text())


@pytest.fixture
def client(tmp_path, ca):
    c = Client(tmp_path, ca)
    c.add("good", ca.directory, ca.root)
    return c


@pytest.fixture
def fakes(tmp_path):
    made = []

    def make(override=None):
        folder = tmp_path / f"fake{len(made)}"
        folder.mkdir()
        fake = FakeCa(folder, override)
        fake.ca_file = folder / "tls.pem"
        made.append(fake)
        return fake

    yield make
    for fake in made:
        fake.close()


# --- the list ---

def test_those_that_come_with_it(client):
    said = schemas.check("client/ca-list", client("ca", "list", "--json").stdout)["cas"]
    by_name = {c["name"]: c for c in said}
    assert {"letsencrypt", "letsencrypt-staging", "zerossl", "google", "sslcom-ecc", "sslcom-rsa", "actalis", "sectigo", "digicert", "good"} <= set(by_name)
    assert by_name["letsencrypt"]["directory"] == "https://acme-v02.api.letsencrypt.org/directory" and by_name["letsencrypt"]["external_account"] is False
    assert by_name["zerossl"]["external_account"] and not by_name["zerossl"]["own"] and by_name["good"]["own"]
    table = client("ca", "list").stdout
    assert "Let's Encrypt" in table and "needed" in table


def test_adding_and_removing(client, tmp_path):
    client("ca", "add", "zerossl", "--eab-kid", "kid-1", "--eab-key-file", tmp_path / "key")
    by_name = {c["name"]: c for c in json.loads(client("ca", "list", "--json").stdout)["cas"]}
    assert by_name["zerossl"]["external_account_known"] and by_name["zerossl"]["directory"] == "https://acme.zerossl.com/v2/DV90"
    client("ca", "remove", "zerossl")
    by_name = {c["name"]: c for c in json.loads(client("ca", "list", "--json").stdout)["cas"]}
    assert not by_name["zerossl"]["external_account_known"]
    failed(client("ca", "remove", "zerossl", expect=FAILED), "has added no such CA", "good")
    failed(client("ca", "add", "../x", "--directory", "https://x.example/", expect=FAILED), "letters, digits")
    failed(client("ca", "add", "x", "--directory", "http://x.example/", expect=FAILED), "an https URL is allowed")
    failed(client("ca", "add", "x", expect=FAILED), "--directory URL is needed")
    failed(client("ca", "nonsense", expect=FAILED), "list, add, remove, test, switch and drill")
    failed(client.issue("x.example", "--ca", "nobody", expect=FAILED), "there is no CA of this name", "letsencrypt")


def test_an_account_that_stands_by(client):
    assert not next(c for c in json.loads(client("ca", "list", "--json").stdout)["cas"] if c["name"] == "good")["stands_by"]
    assert "an account stands by" in client("ca", "test", "good").stdout
    said = schemas.check("client/ca-test", client("ca", "test", "good", "--json").stdout)
    assert said["clock_good"] and abs(said["clock_ahead_s"]) < 60 and "clock is right by that of the CA" in client("ca", "test", "good").stdout
    assert said["account"].startswith("https://") and os.stat(said["key"]).st_mode & 0o777 == 0o600
    assert next(c for c in json.loads(client("ca", "list", "--json").stdout)["cas"] if c["name"] == "good")["stands_by"]
    client.add("away", f"https://localhost:{free_port()}/dir", client.ca.root)
    failed(client("ca", "test", "away", expect=FAILED), "Where it lies: between here and the server")


def test_a_clock_that_is_wrong(client, fakes):
    fake = fakes({})
    directory = {"newNonce": fake.base + "/nonce", "newAccount": fake.base + "/acct", "newOrder": fake.base + "/order"}
    fake.override["/dir"] = (200, {"Date": email.utils.formatdate(time.time() + 3 * 3600 + 30, usegmt=True)}, directory)
    client.add("late", fake.directory, fake.ca_file)
    told = client("ca", "test", "late").stdout
    assert "clock is wrong by that of the CA: 3 hours behind" in told and "timedatectl set-ntp true" in told
    said = schemas.check("client/ca-test", client("ca", "test", "late", "--json").stdout)
    assert not said["clock_good"] and -10860 < said["clock_ahead_s"] < -10800


# --- one after the other ---

def validated(kind):
    """An authorization that came to nothing."""
    return {"status": "invalid", "identifier": {"type": "dns", "value": "next.example"}, "challenges": [
        {"type": "http-01", "url": "https://localhost/c", "status": "invalid", "token": "dG9rZW4", "error": {"type": PROBLEM + kind, "detail": "the wrong answer"}}]}


@pytest.mark.parametrize("about,override", [
    ("ca", {"/dir": (500, {}, {"type": PROBLEM + "serverInternal", "detail": "on fire"})}),
    ("ca", {"/dir": (200, {}, b"<html>")}),
    ("ca", {"/order": (503, {"Retry-After": "7200"}, {"type": PROBLEM + "rateLimited", "detail": "service busy"})}),
    ("account", {"/order": (429, {"Retry-After": "7200"}, {"type": PROBLEM + "rateLimited", "detail": "too many"})}),
    ("account", {"/acct": (403, {}, {"type": PROBLEM + "externalAccountRequired", "detail": "who are you"})}),
    ("names", {"/order": (400, {}, {"type": PROBLEM + "rejectedIdentifier", "detail": "not here"})}),
    ("names", {"/order": (403, {}, {"type": PROBLEM + "caa", "detail": "a record forbids it"})}),
    ("names", {"/order": (403, {}, {"type": PROBLEM + "compound", "detail": "several", "subproblems": [
        {"type": PROBLEM + "caa", "detail": "no", "identifier": {"type": "dns", "value": "next.example"}},
        {"type": PROBLEM + "rejectedIdentifier", "detail": "no", "identifier": {"type": "dns", "value": "next.example"}}]})}),
    ("account", {"/order": (403, {}, {"type": PROBLEM + "compound", "detail": "several", "subproblems": [
        {"type": PROBLEM + "caa", "detail": "no", "identifier": {"type": "dns", "value": "next.example"}},
        {"type": PROBLEM + "rateLimited", "detail": "no", "identifier": {"type": "dns", "value": "next.example"}}]})}),
    ("names", {"/authz": (200, {}, {"status": "pending", "identifier": {"type": "dns", "value": "next.example"}, "challenges": []})}),
    # step-ca's word for whatever its look at the name has shown; ours for an address that it does not go to, and another CA may
    ("names", {"/authz": (200, {}, validated("rejectedIdentifier"))}),
])
def test_the_next_is_asked(client, fakes, about, override):
    """Another CA may do better: the next in line gives the certificate. What the first did is remembered of whom it is about, and of nobody else."""
    fake = fakes(override)
    client.add("first", fake.directory, fake.ca_file)
    result = client.issue("next.example", "--ca", "first", "--ca", "good")
    check_files(client.folder / "next.example" / "live", ["next.example"])
    assert "the next CA in line: good" in result.stdout
    meta = json.loads((client.folder / "next.example" / "live" / "meta.json").read_text())
    assert meta["ca"] == "good" and client.state("next.example")["ca"] == "good"
    for scope in ("ca", "account", "names"):
        memory = client.memory("first", scope, "next.example")
        assert (memory.get("failures"), memory.get("not_before", 0) > time.time()) == ((1, True) if scope == about else (None, False)), scope
    assert client.memory("good").get("failures", 0) == 0
    # another certificate, by a run that keeps to back-off: the first is asked for it only where all of this was about the names
    seen = len(fake.seen)
    client.config.write_text(f'certificate "more.example" {{\n\tca = {{"first", "good"}}\n\thttp-port = "{client.ca.http_port}"\n\thttp-address = "127.0.0.1"\n}}\n')
    client("renew", "more.example", "--config", client.config)
    assert (len(fake.seen) > seen) == (about == "names")


def test_a_limit_is_the_accounts(client, fakes, tmp_path):
    """It is not asked again before, also by a person and in another run; another account there is; --force asks all the same."""
    fake = fakes({"/order": (429, {"Retry-After": "7200"}, {"type": PROBLEM + "rateLimited", "detail": "too many"})})
    client.add("first", fake.directory, fake.ca_file)
    client.issue("limit.example", "--ca", "first", "--ca", "good")
    assert client.memory("first", "account")["not_before"] >= time.time() + 7100
    seen = len(fake.seen)
    result = client.issue("again.example", "--ca", "first", "--ca", "good")
    assert "first is not asked: not before" in result.stdout and "by this account" in result.stdout and len(fake.seen) == seen
    failed(client.issue("alone.example", "--ca", "first", expect=FAILED), "no CA can be asked now", "too many", "--force asks all the same")
    assert client.state("alone.example").get("failures", 0) == 0, "nothing was tried"
    assert "not asked before" in client("ca", "list").stdout
    client.issue("other.example", "--ca", "first", "--account-key", tmp_path / "other.pem", expect=FAILED)
    assert len(fake.seen) > seen
    seen = len(fake.seen)
    client.issue("forced.example", "--ca", "first", "--ca", "good", "--force")
    assert len(fake.seen) > seen


def test_a_certificate_waits_where_no_ca_may_be_asked(client, fakes):
    """A renewal that has not failed itself: it waits for the CA, which status shows, and is not counted as a failure."""
    fake = fakes({"/order": (429, {"Retry-After": "7200"}, {"type": PROBLEM + "rateLimited", "detail": "too many"})})
    client.add("first", fake.directory, fake.ca_file)
    client.issue("one.example", "--ca", "first", expect=FAILED)
    config = client.config
    config.write_text('certificate "two.example" {\n\tca = {"first"}\n}\n')
    seen = len(fake.seen)
    said = schemas.check("client/renew", client("renew", "--json", "--config", config, expect=NOTHING_TO_DO).stdout)["certificates"]
    assert said[0]["result"] == "waiting" and "too many" in said[0]["message"] and said[0]["until"]
    row, = schemas.check("client/status", client("status", "--json", "--config", config).stdout)["certificates"]
    assert row["state"] == "missing" and row["failures"] == 0 and "too many" in row["waits"] and row["waits_until"] == said[0]["until"]
    out = client("status", "--config", config).stdout
    assert "waits: no CA can be asked now" in out and "`chancery renew two.example --force` tries now" in out
    assert "Waits" in client("renew", "--config", config, expect=NOTHING_TO_DO).stdout and len(fake.seen) == seen
    client("renew", "--force", "--config", config, expect=FAILED)
    assert len(fake.seen) > seen and client.state("two.example")["failures"] == 1


def test_a_name_waits_at_one_ca(client, fakes):
    """status shows at which CA, until when and how to try now."""
    fake = fakes({"/order": (403, {}, {"type": PROBLEM + "caa", "detail": "a record forbids it"})})
    client.add("first", fake.directory, fake.ca_file)
    client.issue("name.example", "--ca", "first", expect=FAILED)
    config = client.config
    config.write_text('certificate "name.example" {\n\tca = {"first"}\n}\n')
    row, = schemas.check("client/status", client("status", "--json", "--config", config, expect=FAILED).stdout)["certificates"]
    assert row["state"] == "failing" and row["error"]["about"] == "names" and row["at"][0]["ca"] == "first" and row["at"][0]["failures"] == 1
    out = client("status", "--config", config, expect=FAILED).stdout
    assert "it is configured, and was never got" in out and "first is not asked for it before" in out and "`chancery renew name.example --force` tries now" in out
    seen = len(fake.seen)
    client("renew", "--config", config, expect=NOTHING_TO_DO)
    assert len(fake.seen) == seen
    client("renew", "--force", "--config", config, expect=FAILED)
    assert len(fake.seen) > seen and client.memory("first", "names", "name.example")["failures"] == 2


def test_memory_survives_what_happens_to_it(client, fakes):
    """A kill, a clock that was set back, a file that is broken."""
    away, slow = fakes({"/dir": (500, {}, {})}), fakes()
    slow.override["/authz"] = (200, {"Retry-After": "60"}, slow.authz(slow.challenge(), name="memory.example"))
    client.add("away", away.directory, away.ca_file)
    client.add("slow", slow.directory, slow.ca_file)
    words = [CLIENT_PROGRAM, "issue", "memory.example", "--ca", "away", "--ca", "slow", "--folder", client.folder, *map(str, client.options)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while "/chall" not in slow.seen and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert client.memory("away")["failures"] == 1
    config = client.config
    config.write_text(f'certificate "clock.example" {{\n\tca = {{"away", "good"}}\n\thttp-port = "{client.ca.http_port}"\n\thttp-address = "127.0.0.1"\n}}\n')
    seen = len(away.seen)
    renew = lambda expect=DONE: client("renew", "--config", config, expect=expect)  # noqa: E731
    path = client.folder / "_cas" / "away.json"
    for change in ({"not_before": int(time.time()) + 500 * 86400, "set_back": int(time.time()) + 499 * 86400}, {"not_before": 2**53}, None):
        path.write_text(json.dumps({**client.memory("away"), **change}) if change else "{ broken")
        result = renew()
        assert len(away.seen) > seen, "it is asked: nothing holds it"
        if change is None or change["not_before"] == 2**53:
            assert "away.json is broken" in result.stdout and (client.folder / "_cas" / "away.json.broken").exists()
        seen = len(away.seen)
        shutil.rmtree(client.folder / "clock.example")
    # that of the certificate itself: told by status, which leaves it, and by the run, which does not
    renew()
    (client.folder / "clock.example" / "state.json").write_text("[")
    assert "what was remembered is forgotten" in client("status", "--config", config).stdout
    schemas.check("client/status", client("status", "--json", "--config", config).stdout)
    assert "state.json is broken" in renew(NOTHING_TO_DO).stdout
    assert "forgotten" not in client("status", "--config", config).stdout


def test_a_ca_that_is_away(client):
    client.add("away", f"https://localhost:{free_port()}/dir", client.ca.root)
    client.issue("away.example", "--ca", "away", "--ca", "good")
    assert client.memory("away")["fault"] == "network"
    seen = client.memory("away")["last_try"]
    # a renewal keeps to the back-off; a person who asks does not have to
    client("renew", "--force")
    assert client.memory("away")["failures"] == 2
    path = client.folder / "away.example" / "live"
    before = os.readlink(path)
    client("renew", expect=NOTHING_TO_DO)
    assert os.readlink(path) == before and client.memory("away")["last_try"] >= seen


@pytest.mark.parametrize("words,why", [
    (["--challenge", "tls-alpn-01", "--tls-port", "{other}", "--tls-address", "127.0.0.1"], "could not validate"),
    (["--challenge", "dns-01", "--hook", "/bin/false"], "the solver failed"),
])
def test_what_is_ours_stays_ours(client, fakes, words, why):
    """The name's or the host's fault: no other CA is asked, and none gets a bad name for it."""
    second = fakes()
    client.add("second", second.directory, second.ca_file)
    words = [w.replace("{other}", str(free_port())) for w in words]
    failed(client("issue", "ours.example", "--ca", "good", "--ca", "second", "--timeout", 60, *words, expect=FAILED), why)
    assert second.seen == [] and not (client.folder / "_cas").exists()
    assert client.state("ours.example")["failures"] == 1


def test_who_cannot_is_not_asked(client, fakes):
    fake = fakes()
    client.add("plain", fake.directory, fake.ca_file, "--wildcard", "false", "--ip", "false")
    client.add("bound", fake.directory, fake.ca_file, "--eab", "required", "--eab-help", "write to them")
    result = client("issue", "*.who.example", "--ca", "plain", "--ca", "bound", "--challenge", "dns-01", "--hook", "/bin/true", expect=FAILED)
    failed(result, "no CA can be asked: plain: it gives no certificates for wildcards", "bound: it needs external account binding: write to them",
           "chancery ca add bound --eab-kid")
    failed(client.issue("127.0.0.1", "--ca", "plain", expect=FAILED), "it gives no certificates for addresses")
    assert fake.seen == []


def test_all_that_failed_is_tried_again_later(client, fakes):
    """Every CA of it has failed: the certificate waits, longer each time, over runs; --force does not."""
    fakes_ = [fakes({"/dir": (500, {}, {})}) for _ in range(2)]
    for i, fake in enumerate(fakes_):
        client.add(f"bad{i}", fake.directory, fake.ca_file)
    client.config.parent.joinpath("chancery").mkdir()
    config = client.config.parent / "chancery.conf"
    config.write_text(f'certificate "waits.example" {{\n\tca = {{"bad0", "bad1"}}\n\thttp-port = "{client.ca.http_port}"\n}}\n')
    run = lambda *words, expect: client("renew", "--config", config, *words, expect=expect)  # noqa: E731
    run(expect=FAILED)
    state = client.state("waits.example")
    assert state["failures"] == 1 and state["not_before"] - state["last_try"] >= 60
    seen = [len(f.seen) for f in fakes_]
    result = run(expect=NOTHING_TO_DO)
    assert "Waits" in result.stdout and [len(f.seen) for f in fakes_] == seen
    said = schemas.check("client/renew", run("--json", expect=NOTHING_TO_DO).stdout)["certificates"]
    assert said[0]["result"] == "waiting"
    run("--force", expect=FAILED)
    assert client.state("waits.example")["failures"] == 2


# --- dry run, switch, drill ---

@pytest.fixture(scope="module")
def pebble(tmp_path_factory):
    p = Pebble(tmp_path_factory.mktemp("pebble"))
    yield p
    p.close()


@pytest.fixture
def two(client, pebble):
    """good validates at one port, pebble at another: each certificate shows control by a hook that serves both."""
    client.add("other", pebble.directory, pebble.ca_file)
    client.options = ["--timeout", 60, "--agree-tos", "--http-address", "127.0.0.1"]
    return client


def test_a_dry_run_changes_nothing(client, fakes):
    result = client.issue("dry.example", "--ca", "good", "--dry-run")
    assert "Nothing is changed here" in result.stdout and not (client.folder / "dry.example" / "live").exists()
    assert list((client.folder / "dry.example" / "generations").iterdir()) == [] and not (client.folder / "dry.example" / "state.json").exists()
    client.issue("dry.example", "--ca", "good")
    before = os.readlink(client.folder / "dry.example" / "live")
    said = schemas.check("client/issue", client.issue("dry.example", "--ca", "good", "--dry-run", "--json").stdout)
    assert said["result"] == "rehearsed" and os.readlink(client.folder / "dry.example" / "live") == before
    # a CA that has an entry for tests is asked by that one
    fake = fakes({"/dir": (500, {}, {})})
    client.add("good-tests", fake.directory, fake.ca_file, "--test", "true")
    client("ca", "add", "good", "--staging", "good-tests")
    client.issue("dry.example", "--ca", "good", "--dry-run", expect=FAILED)
    assert fake.seen


def test_switching(two, pebble):
    """Certificates move one by one; what fails keeps the one that works; the rest of what is wanted stays."""
    for name in ("one.example", "two.example"):
        two("issue", name, "--ca", "good", "--http-port", two.ca.http_port, *two.options)
    old = {n: two.issuer(n) for n in ("one.example", "two.example")}
    # at the other CA's port nobody answers for the second: it keeps what it has
    options = two.folder / "one.example" / "options.json"
    options.write_text(options.read_text().replace(f'"{two.ca.http_port}"', f'"{pebble.http_port}"'))
    result = two("ca", "switch", "--from", "good", "--to", "other", "--dry-run", expect=FAILED)
    assert "would have given" in result.stdout and two.issuer("one.example") == old["one.example"]
    two("ca", "switch", "--from", "good", "--to", "other", expect=FAILED)
    assert "Pebble" in two.issuer("one.example") and two.issuer("two.example") == old["two.example"]
    saved = json.loads(options.read_text())["options"]
    assert {"option": "ca", "value": "other"} in saved and {"option": "ca", "value": "good"} not in saved
    assert "No certificate is of that CA" in two("ca", "switch", "--from", "letsencrypt", "--to", "good", expect=NOTHING_TO_DO).stdout
    failed(two("ca", "switch", "--from", "good", expect=FAILED), "--from NAME and --to NAME")


def test_a_drill(two, pebble):
    """The CA that stands by would give one; nothing is changed, and one that would not is told."""
    two("issue", "drill.example", "--ca", "good", "--ca", "other", "--http-port", two.ca.http_port, *two.options)
    before = os.readlink(two.folder / "drill.example" / "live")
    failed(two("ca", "drill", expect=FAILED), "drill.example")
    options = two.folder / "drill.example" / "options.json"
    options.write_text(options.read_text().replace(f'"{two.ca.http_port}"', f'"{pebble.http_port}"'))
    assert "other would have given the certificate" in two("ca", "drill").stdout
    assert os.readlink(two.folder / "drill.example" / "live") == before


# --- the configuration ---

def write(client, text):
    client.config.write_text(text)
    return ["--config", client.config]


def test_certificates_of_the_configuration(client):
    """What is configured is got by renew, with the defaults; issue NAME means the section; a section that goes is left alone."""
    more = write(client, f'''# defaults
ca = {{"good"}}
http-port = "{client.ca.http_port}"
http-address = "127.0.0.1"

certificate "web" {{
	names = {{"web.example", "www.web.example"}}
	key-type = {{"rsa-2048"}}
}}
certificate "plain.example" {{
}}
''')
    assert "is good: 2 certificates" in client("check-config", *more).stdout
    client("renew", *more)
    check_files(client.folder / "web" / "live", ["web.example", "www.web.example"])
    check_files(client.folder / "plain.example" / "live", ["plain.example"])
    assert not (client.folder / "web" / "options.json").exists()
    client("issue", "web", *more, expect=NOTHING_TO_DO)
    client("issue", "web", "--force", *more)
    # other defaults for what was issued on a command line
    client("issue", "line.example", *more)
    assert json.loads((client.folder / "line.example" / "options.json").read_text())["options"] == []
    client("renew", *more, expect=NOTHING_TO_DO)
    more = write(client, f'ca = {{"good"}}\nhttp-port = "{client.ca.http_port}"\n')
    before = os.readlink(client.folder / "web" / "live")
    client("renew", "--force", *more)
    assert os.readlink(client.folder / "web" / "live") == before


@pytest.mark.parametrize("text,messages", [
    ('certificat "x" {\n}\n', ["chancery.conf:1: no such option 'certificat'", "options that are allowed"]),
    ('ca = {"good"}\n\ncertificate "x.example" {\n\tkey-type = {"dsa"}\n}\n', ['chancery.conf:5: certificate "x.example": --key-type dsa', "ecdsa-p256"]),
    ('certificate "x.example" {\n\tca = {"nobody"}\n}\n', ["there is no CA of this name"]),
    ('certificate "x.example" {\n', ["chancery.conf:1: the brace that is opened here is never closed"]),
    ('authority "mine" {\n\tdirectory = "http://x"\n}\n', ['chancery.conf:2: authority "mine": directory "http://x": an https URL is allowed']),
    ('authority "mine" {\n\ttitle = "x"\n}\n', ["has no directory"]),
    ('stateless = "perhaps"\n', ['chancery.conf:1: stateless = "perhaps": true and false are allowed']),
    ('certificate "../x" {\n\tca = {"good"}\n}\n', ["the name becomes a folder's"]),
    ('alert {\n\tdays = {"soon"}\n}\n', ["numbers from 1 to 365"]),
    ('certificate "a.example" {\n\tca = {"x"}\n}\ncertificate "b.example" {\n\twebroot = "/w"\n\tstateless = "true"\n\tca = {"good"}\n}\n',
     ['certificate "a.example"', 'certificate "b.example": --webroot and --stateless']),
])
def test_what_is_wrong_is_told(client, text, messages):
    more = write(client, text)
    result = client("check-config", *more, expect=FAILED)
    failed(result, *messages)
    said = schemas.check("client/check-config", client("check-config", "--json", *more, expect=FAILED).stdout)
    assert said["result"] == "wrong" and said["messages"]
    # every command says the first of it and does nothing
    failed(client("renew", *more, expect=FAILED), "chancery.conf")


def test_no_configuration_is_one_too(client):
    assert "none is needed" in client("check-config").stdout
    failed(client("check-config", "--config", client.config, expect=FAILED), "No such file")
    schemas.check("client/check-config", client("check-config", "--json").stdout)
