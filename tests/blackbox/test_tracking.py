"""What becomes of certificates: status, alerts once each, metrics, the daemon that renews them."""
import http.server
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from prometheus_client import parser

import schemas
from dns_responder import Responder
from harness import CLIENT_PROGRAM, Ca, free_port
from test_client import DONE, FAILED, FakeCa, blocks, chancery, make_tls

DAY = 86400


def profile(text):
    """One whose certificates hold for seconds."""
    return text + '\nprofile "seconds" {\n\tlifetime = "30s"\n\tbackdate = "1s"\n}\n'


@pytest.fixture(scope="module")
def ca():
    """Without the readers of running_ca(): they come when what was issued for seconds has expired."""
    dns = Responder()
    port = free_port()
    ca = Ca(http_port=port, dns_port=dns.port, edit=profile)
    try:
        yield ca.start()
        ca.stop()
    finally:
        ca.close()
        dns.close()


class Client:
    def __init__(self, folder, ca):
        self.folder, self.config = folder / "f", folder / "chancery.conf"
        self.ca, self.more = ca, ""
        self.env = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}

    def configure(self, text):
        self.config.write_text(f'''folder = "{self.folder}"
ca-file = "{self.ca.root}"
http-port = "{self.ca.http_port}"
http-address = "127.0.0.1"
timeout = "60"
{text}''')

    def __call__(self, *words, expect=DONE):
        result = chancery(*words, "--config", self.config, env=self.env)
        assert expect is None or result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def status(self, *words, expect=DONE):
        rows = schemas.check("client/status", self("status", "--json", *words, expect=expect).stdout)["certificates"]
        return {row["name"]: row for row in rows}

    def age(self, name, days_left, failures=1):
        """As if it ended in so many days, and renewing it had failed."""
        meta = self.folder / name / "live" / "meta.json"
        said = json.loads(meta.read_text())
        end = int(time.time() + days_left * DAY + 600)
        said["not_after"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
        said["not_before"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end - 90 * DAY))
        meta.write_text(json.dumps(said))
        state = self.folder / name / "state.json"
        now = json.loads(state.read_text())
        now.update({"failures": failures, "message": "the CA says no", "hint": "ask it why", "fault": "server", "last_try": int(time.time()),
                    "not_before": int(time.time()) + 3600})
        if not failures:
            for key in ("message", "hint", "fault", "not_before"):
                now.pop(key)
        state.write_text(json.dumps(now))


@pytest.fixture
def client(tmp_path, ca):
    tmp_path.chmod(0o755)
    c = Client(tmp_path, ca)
    c.configure(f'server = "{ca.directory}"\n')
    return c


# --- status ---

def test_how_they_stand(client, ca):
    client.configure(f'server = "{ca.directory}"\ncertificate "wanted.example" {{\n}}\n')
    client("issue", "good.example")
    client("issue", "bad.example")
    client.age("bad.example", 5)
    (client.folder / "lost.example" / "generations").mkdir(parents=True)
    client("issue", "nobody.example")
    (client.folder / "nobody.example" / "options.json").unlink()
    rows = client.status(expect=FAILED)
    assert {n: r["state"] for n, r in rows.items()} == {"good.example": "good", "bad.example": "failing", "wanted.example": "missing", "nobody.example": "unmanaged"}
    assert rows["wanted.example"]["configured"] and rows["wanted.example"]["why"] == "there is none yet"
    assert rows["bad.example"]["error"]["hint"] == "ask it why" and rows["bad.example"]["failures"] == 1
    assert rows["good.example"]["why"] == "two thirds of its life are over" and rows["good.example"]["due"] < rows["good.example"]["not_after"]
    table = client("status", expect=FAILED).stdout
    for word in ("what to do: ask it why", "tried again from", "nothing says how it is renewed", "(5 days)"):
        assert word in table
    assert max(map(len, table.splitlines())) < 160
    client.age("bad.example", -3)
    assert client.status(expect=FAILED)["bad.example"]["state"] == "expired"


class TlsServer:
    """Shows the certificate of a folder as it was when it started."""

    def __init__(self, live):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(live / "fullchain.pem", live / "privkey.pem")
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                one, _ = self.socket.accept()
                with self.context.wrap_socket(one, server_side=True):
                    pass
            except ssl.SSLError:
                continue
            except OSError:
                return

    def close(self):
        self.socket.close()


def test_what_is_served(client, ca):
    """A server that was not reloaded is found; the certificate stays as it is."""
    client("issue", "served.example")
    server = TlsServer(client.folder / "served.example" / "live")
    try:
        client.configure(f'server = "{ca.directory}"\ndeploy-endpoint = {{"127.0.0.1:{server.port}/served.example"}}\n')
        assert client.status("--served")["served.example"]["served"]["good"]
        client("issue", "served.example", "--force", "--deploy-endpoint", "none")
        path = client.folder / "served.example" / "options.json"
        path.write_text(json.dumps({"names": ["served.example"], "options": []}))
        row = client.status("--served", expect=FAILED)["served.example"]
        assert not row["served"]["good"] and "another certificate than the one on disk is served" in row["served"]["message"]
        assert "served: " in client("status", expect=FAILED).stdout
    finally:
        server.close()
    client.status("--served", expect=FAILED)
    assert not client.status(expect=FAILED)["served.example"]["served"]["good"], "a server that is away is one that serves nothing"


# --- alerts ---

class Webhook:
    def __init__(self, folder):
        outer = self
        make_tls(folder)
        self.seen, self.status = [], 200

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def told(client, ca, tmp_path):
    """A mail program, a webhook and a command that write down what they are told."""
    hook = Webhook(tmp_path)
    mail, command = tmp_path / "mail", tmp_path / "command"
    for path, text in ((tmp_path / "sendmail", f'[ "$*" = "-t -i" ] || exit 1\n{{ cat; echo ==; }} >>{mail}'),
                       (tmp_path / "tell", f'echo "$1 $CHANCERY_NAME $CHANCERY_DAYS $CHANCERY_STATE $CHANCERY_ERROR" >>{command}')):
        path.write_text("#!/bin/sh\n" + text + "\n")
        path.chmod(0o755)
    client.configure(f'''server = "{ca.directory}"
metrics-file = "{tmp_path}/chancery.prom"
alert {{
	mail = "ops@example.org"
	sendmail = "{tmp_path}/sendmail"
	webhook = "{hook.url}"
	webhook-ca-file = "{tmp_path}/tls.pem"
	command = "{tmp_path}/tell 'one word'"
}}
''')
    client("issue", "told.example", "www.told.example")

    def counts():
        return (mail.read_text().count("=="), len(hook.seen), len(command.read_text().splitlines())) if mail.exists() else (0, len(hook.seen), 0)
    counts.hook, counts.mail, counts.command = hook, mail, command
    yield counts
    hook.close()


def test_alerts_once_each(client, told):
    """At 30, 14, 7, 3 and 1 days and at the end, and never about what goes well."""
    client("renew", expect=1)
    assert told() == (0, 0, 0)
    client.age("told.example", 29, failures=0)  # due, and renewed in time: nothing to worry about
    for days, expected in ((31, 0), (29, 1), (28, 1), (13, 2), (8, 2), (6.5, 3), (2.5, 4), (0.5, 5), (0.4, 5), (-1, 6), (-2, 6)):
        client.age("told.example", days)
        client("renew", expect=1)
        client("renew", expect=1)
        assert told() == (expected,) * 3, days
    letters = told.mail.read_text().split("==\n")
    assert "To: ops@example.org\n" in letters[0] and "Subject: The certificate told.example expires in 29 days\n" in letters[0]
    assert "told.example www.told.example" in letters[0] and "the CA says no" in letters[0] and "ask it why" in letters[0]
    assert "has expired" in letters[5]
    assert told.hook.seen[0]["name"] == "told.example" and told.hook.seen[0]["names"] == ["told.example", "www.told.example"]
    assert told.command.read_text().splitlines()[0] == "one word told.example 29 failing the CA says no"
    # another certificate is another matter
    client("renew", "--force")
    client.age("told.example", 2)
    client("renew", expect=1)
    assert told() == (7,) * 3


class Never:
    """A certificate of the configuration whose CA is away, beside one that is there."""

    name = "never.example"

    def __init__(self, client):
        self.client, self.path = client, client.folder / self.name / "state.json"
        client.config.write_text(client.config.read_text() + f'certificate "{self.name}" {{\n\tserver = "https://localhost:{free_port()}/dir"\n}}\n')

    def later(self, days):
        """As if it had failed for the first time so many days ago."""
        now = json.loads(self.path.read_text())
        now["failing_since"] = int(time.time() - days * DAY - 600)
        self.path.write_text(json.dumps(now))


def test_what_was_never_got_is_told(client, ca, told):
    """At the first failure, then 1, 3, 7, 14 and 30 days later, once each; and when it is there, it is one like the others."""
    before = client.config.read_text()
    never = Never(client)
    client("renew", expect=FAILED)
    assert told() == (1, 1, 1)
    client("renew", expect=1)  # it waits
    client("renew", never.name, "--force", expect=FAILED)
    assert told() == (1, 1, 1)
    letter = told.mail.read_text()
    assert "Subject: The certificate never.example is wanted and cannot be got\n" in letter and "Expires: there is none" in letter and "Failed:  " in letter
    assert told.hook.seen[0]["name"] == "never.example" and told.hook.seen[0]["not_after"] == "" and told.hook.seen[0]["error"]
    assert told.command.read_text().startswith("one word never.example 0 failing ")
    for days, expected in ((0.5, 1), (1, 2), (2, 2), (3, 3), (20, 4), (29, 4), (31, 5), (400, 5), (-30, 5)):
        never.later(days)
        client("renew", expect=1)
        client("renew", expect=1)
        assert told() == (expected,) * 3, days
    assert "is wanted and was not got for 1 day\n" in told.mail.read_text()
    row = client.status(expect=FAILED)[never.name]
    assert row["state"] == "failing" and row["configured"] and row["failing_since"] and "not_after" not in row
    assert "it is configured, and was never got" in client("status", expect=FAILED).stdout
    # got at last: it is good, and when it comes to its end, that is told from the beginning
    client.config.write_text(before + f'certificate "{never.name}" {{\n}}\n')
    client("renew", "--force")
    assert told() == (5, 5, 5) and client.status()[never.name]["state"] == "good"
    client.age(never.name, 29)
    client("renew", expect=1)
    assert told() == (6, 6, 6)


def test_what_was_never_tried_is_no_failure(client, told):
    never = Never(client)
    client("renew", "told.example", expect=1)
    assert told() == (0, 0, 0) and client.status()[never.name]["state"] == "missing"


def test_an_alert_that_fails_is_tried_again(client, told):
    client.age("told.example", 2)
    told.hook.status = 503
    result = client("renew", expect=FAILED)
    assert "alert by webhook" in result.stderr and "503" in result.stderr
    told.hook.status = 200
    client("renew", expect=1)
    assert told()[1] == 2
    client("renew", expect=1)
    assert told()[1] == 2


# --- metrics ---

def test_metrics(client, told, tmp_path):
    """The text is what Prometheus reads."""
    client("renew", expect=1)
    text = (tmp_path / "chancery.prom").read_text()
    families = {f.name: f for f in parser.text_string_to_metric_families(text)}
    (sample,) = families["chancery_certificate_not_after_timestamp_seconds"].samples
    assert sample.labels["name"] == "told.example" and time.time() < sample.value < time.time() + 90 * DAY
    assert families["chancery_certificate_failures"].samples[0].value == 0
    assert abs(families["chancery_last_run_timestamp_seconds"].samples[0].value - time.time()) < 60
    client.age("told.example", 20, failures=3)
    client("renew", expect=1)
    families = {f.name: f for f in parser.text_string_to_metric_families((tmp_path / "chancery.prom").read_text())}
    assert families["chancery_certificate_failures"].samples[0].value == 3
    # one that was never got is there as well
    Never(client)
    client("renew", expect=FAILED)
    families = {f.name: {s.labels.get("name"): s.value for s in f.samples} for f in parser.text_string_to_metric_families((tmp_path / "chancery.prom").read_text())}
    assert families["chancery_certificate_there"] == {"told.example": 1, "never.example": 0}
    assert families["chancery_certificate_failures"]["never.example"] == 1
    assert abs(families["chancery_certificate_failing_since_timestamp_seconds"]["never.example"] - time.time()) < 60
    assert families["chancery_certificate_next_try_timestamp_seconds"]["never.example"] > time.time()
    assert "never.example" not in families["chancery_certificate_not_after_timestamp_seconds"]


# --- the daemon ---

class Daemon:
    def __init__(self, client, **environment):
        self.log = open(client.folder.parent / "daemon.log", "ab+")
        self.process = subprocess.Popen([CLIENT_PROGRAM, "daemon", "--config", client.config], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**client.env, **environment})

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        assert code == DONE, self.text()
        assert "Sanitizer" not in self.text()


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def serial(folder):
    return blocks(folder / "live" / "fullchain.pem")[0].serial_number


def test_the_daemon(client, ca):
    """Gets what is configured, renews it again and again, does not let one that fails hold up the others, reads its configuration anew, ends in good order."""
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = client.folder.parent / "notify"
    bell.bind(str(path))
    bell.settimeout(30)
    text = f'server = "{ca.directory}"\ncertificate "a-bad.example" {{\n\tserver = "https://localhost:{free_port()}/dir"\n}}\n'
    client.configure(text + 'certificate "short.example" {\n\tprofile = "seconds"\n}\n')
    daemon = Daemon(client, NOTIFY_SOCKET=str(path))
    try:
        assert bell.recv(100) == b"READY=1"
        short = client.folder / "short.example"
        until(lambda: (short / "live").exists())
        assert bell.recv(100).startswith(b"STATUS=")
        first = serial(short)
        until(lambda: serial(short) != first)
        second = serial(short)
        until(lambda: serial(short) != second)
        assert daemon.text().count("a-bad.example") == 1, "it waits"
        client.configure(text + 'certificate "new.example" {\n}\n')
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: (client.folder / "new.example" / "live").exists())
        client.configure("no such thing\n")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "chancery.conf:" in daemon.text())
        daemon.stop()
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def test_the_daemon_ends_in_the_midst(client, tmp_path):
    """SIGTERM while a CA keeps it waiting: what was begun is given up, and it ends."""
    fake = FakeCa(tmp_path)
    fake.override = {"/authz": (200, {"Retry-After": "40"}, fake.authz(fake.challenge(), name="slow.example"))}
    try:
        client.configure(f'server = "{fake.directory}"\nca-file = "{tmp_path}/tls.pem"\ncertificate "slow.example" {{\n}}\n'.replace("ca-file", "ca-file"))
        client.config.write_text(client.config.read_text().replace(f'ca-file = "{client.ca.root}"\n', "", 1))
        daemon = Daemon(client)
        until(lambda: "/chall" in fake.seen)
        time.sleep(0.5)
        daemon.stop()
    finally:
        fake.close()


def test_the_daemon_goes_on(client, ca, tmp_path):
    """Whatever goes wrong is told, and it is there when it is right again: the same process, which ends when it is told to."""
    folder, names = client.folder, iter(range(100))

    def look(told=None):
        said = len(daemon.text())
        daemon.process.send_signal(signal.SIGHUP)
        if told:
            until(lambda: told in daemon.text()[said:])

    def good(also=""):
        """It gets a certificate that is new in the configuration."""
        name = f"on-{next(names)}.example"
        client.configure(f'server = "{ca.directory}"\n{also}certificate "{name}" {{\n}}\n')
        look()
        until(lambda: (folder / name / "live").exists())
        return folder / name

    daemon = Daemon(client)  # nothing is configured, and nothing is there
    try:
        until(lambda: "There are no certificates in" in daemon.text())
        got = good()
        # configurations: broken, of another kind of file, none
        client.config.write_text('certificate "x" {\n')
        look("chancery.conf:")
        client.config.unlink()
        client.config.mkdir()
        look("chancery.conf")
        client.config.rmdir()
        good()
        # what is remembered
        for file in (*got.glob("state*.json"), *got.glob("*/state*.json")):
            file.write_text("{")
        (folder / "_cas").mkdir(exist_ok=True)
        for file in (folder / "_cas").iterdir():
            file.write_text("no JSON")
        good()
        # what is saved: of a certificate that is in the folder alone
        (got / "options.json").write_text("{")
        look("options.json")
        good()
        # a folder that is none
        aside = folder.rename(folder.with_name("aside"))
        folder.write_text("")
        look(str(folder))
        folder.unlink()
        aside.rename(folder)
        good()
        # a metrics file that cannot be
        client.configure(f'server = "{ca.directory}"\nmetrics-file = "{tmp_path}/none/of/these"\n')
        look("the metrics:")
        good()
        # no CA
        ca.stop()
        client.configure(f'server = "{ca.directory}"\ncertificate "away.example" {{\n}}\n')
        look("away.example")
        until(lambda: (folder / "away.example" / "state.json").exists())
        ca.start()
        for state in folder.glob("_cas/*.json"):
            state.unlink()
        good()
        # many at once
        for _ in range(200):
            daemon.process.send_signal(signal.SIGHUP)
        good()
        daemon.stop()
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def test_the_daemon_outlives_what_is_around_it(client, tmp_path):
    """Its own processes, killed while they wait for a CA; whoever reads what it says."""
    fake = FakeCa(tmp_path)
    fake.override = {"/authz": (200, {"Retry-After": "40"}, fake.authz(fake.challenge(), name="slow.example"))}
    daemon = None
    try:
        client.configure(f'server = "{fake.directory}"\ncertificate "slow.example" {{\n}}\n')
        client.config.write_text(client.config.read_text().replace(f'ca-file = "{client.ca.root}"', f'ca-file = "{tmp_path}/tls.pem"', 1))
        daemon = subprocess.Popen([CLIENT_PROGRAM, "daemon", "--config", client.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=client.env)
        until(lambda: "/chall" in fake.seen)
        children = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
        assert len(children) >= 2
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        text = b""
        while b"has ended" not in text and b"Where it lies" not in text:
            part = os.read(daemon.stdout.fileno(), 4096)
            assert part, text
            text += part
        daemon.stdout.close()
        state = client.folder / "slow.example" / "state.json"
        until(state.exists)
        for _ in range(2):
            for file in (state, *client.folder.glob("**/state@*.json"), *client.folder.glob("_cas/*.json")):
                file.unlink(missing_ok=True)
            fake.seen.clear()
            daemon.send_signal(signal.SIGHUP)
            until(lambda: "/chall" in fake.seen)  # it begins again, though nobody hears of it
            for child in pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            until(state.exists)
        assert daemon.poll() is None
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=30) == DONE
    finally:
        if daemon and daemon.poll() is None:
            daemon.kill()
            daemon.wait()
        fake.close()
