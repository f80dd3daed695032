"""CAs by name, chancery.conf, and one CA after the other: whose fault a failure is decides; what is remembered; switching and drills."""
import json
import os
import time

import pytest

import schemas
from harness import free_port, running_ca
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

    def memory(self, name):
        return json.loads((self.folder / "_cas" / f"{name}.json").read_text())

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
    said = json.loads(client("ca", "test", "good", "--json").stdout)
    assert said["account"].startswith("https://") and os.stat(said["key"]).st_mode & 0o777 == 0o600
    assert next(c for c in json.loads(client("ca", "list", "--json").stdout)["cas"] if c["name"] == "good")["stands_by"]
    client.add("away", f"https://localhost:{free_port()}/dir", client.ca.root)
    failed(client("ca", "test", "away", expect=FAILED), "Where it lies: between here and the server")


# --- one after the other ---

@pytest.mark.parametrize("what,override", [
    ("errors", {"/dir": (500, {}, {"type": PROBLEM + "serverInternal", "detail": "on fire"})}),
    ("no directory", {"/dir": (200, {}, b"<html>")}),
    ("limits", {"/order": (429, {"Retry-After": "7200"}, {"type": PROBLEM + "rateLimited", "detail": "too many"})}),
    ("refuses", {"/order": (400, {}, {"type": PROBLEM + "rejectedIdentifier", "detail": "not here"})}),
    ("no account", {"/acct": (403, {}, {"type": PROBLEM + "externalAccountRequired", "detail": "who are you"})}),
    ("caa", {"/order": (403, {}, {"type": PROBLEM + "caa", "detail": "a record forbids it"})}),
])
def test_the_next_is_asked(client, fakes, what, override):
    """What is the CA's fault: the next in line gives the certificate, and what the first did is remembered."""
    fake = fakes(override)
    client.add("first", fake.directory, fake.ca_file)
    result = client.issue("next.example", "--ca", "first", "--ca", "good")
    check_files(client.folder / "next.example" / "live", ["next.example"])
    assert "the next CA in line: good" in result.stdout
    meta = json.loads((client.folder / "next.example" / "live" / "meta.json").read_text())
    assert meta["ca"] == "good" and client.state("next.example")["ca"] == "good"
    memory = client.memory("first")
    assert memory["failures"] == 1 and memory["not_before"] > time.time() and client.memory("good").get("failures", 0) == 0
    if what == "limits":
        assert memory["not_before"] >= time.time() + 7100
        # an account there has told: it is not asked again before, also by a person, and in another run
        seen = len(fake.seen)
        result = client.issue("again.example", "--ca", "first", "--ca", "good")
        assert "first is not asked: not before" in result.stdout and len(fake.seen) == seen
        client.issue("forced.example", "--ca", "first", "--ca", "good", "--force")
        assert len(fake.seen) > seen


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
    assert second.seen == [] and not (client.folder / "_cas" / "good.json").exists()
    assert client.state("ours.example")["failures"] == 1


def test_who_cannot_is_not_asked(client, fakes):
    fake = fakes()
    client.add("plain", fake.directory, fake.ca_file, "--wildcard", "false", "--ip", "false")
    client.add("bound", fake.directory, fake.ca_file, "--eab", "required", "--eab-help", "write to them")
    result = client("issue", "*.who.example", "--ca", "plain", "--ca", "bound", "--challenge", "dns-01", "--hook", "/bin/true", expect=FAILED)
    failed(result, "no CA can be asked now", "plain: it gives no certificates for wildcards", "bound: it needs external account binding: write to them",
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
