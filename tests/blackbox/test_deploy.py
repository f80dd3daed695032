"""Deployments: a new certificate is put to use in real servers, seen from outside, and the previous one put back where that fails. Instances of this test's own, on
ports and in folders of its own."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import textwrap
import threading
import time

import pytest

import schemas
from harness import CLIENT_PROGRAM, free_port, running_ca
from test_client import DONE, FAILED, NOTHING_TO_DO, blocks, chancery, failed

MODULES = pathlib.Path("/usr/lib/apache2/modules")


@pytest.fixture(scope="module")
def ca():
    with running_ca(http_port=free_port()) as ca:
        yield ca


@pytest.fixture
def run(ca, tmp_path):
    def run(command, *words, expect=DONE, **how):
        options = ["--folder", run.folder]
        if command == "issue":
            options += ["--server", ca.base + "/directory", "--ca-file", ca.root, "--timeout", 60, "--http-port", ca.http_port, "--http-address", "127.0.0.1"]
        result = chancery(command, *words, *options, **how)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    run.root = ca.root
    return run


def live(run, name):
    return blocks(run.folder / name / "live" / "cert.pem")[0]


# --- looking from outside ---

class ShuttingDown(Exception):
    """Dovecot gives up what a login process has taken before authentication was ready for it, when it is told to reload meanwhile: by "* BYE Shutting down" or, where TLS comes
    first, by an end without a word ("disconnected before auth was ready" in its log; 2.3.19: about one connection in fifty reloads, at either port). Mail programs connect again."""


def greeted(line):
    if line in (b"", b"* BYE Shutting down\r\n"):
        raise ShuttingDown(line)
    assert line.startswith(b"* OK"), line


def starttls(s, protocol):
    f = s.makefile("rwb", buffering=0)
    if protocol == "smtp":
        assert f.readline().startswith(b"220"), "no greeting"
        f.write(b"EHLO test\r\n")
        while f.readline()[3:4] == b"-":
            pass
        f.write(b"STARTTLS\r\n")
        assert f.readline().startswith(b"220")
    elif protocol == "imap":
        greeted(f.readline())
        f.write(b"a STARTTLS\r\n")
        assert f.readline().startswith(b"a OK")


def ask(run, port, name, protocol):
    try:
        return ask_once(run, port, name, protocol)
    except ShuttingDown:
        return ask_once(run, port, name, protocol)


def ask_once(run, port, name, protocol):
    """One request, verified as a browser does; the certificate's serial number."""
    context = ssl.create_default_context(cafile=run.root)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        starttls(s, protocol)
        with context.wrap_socket(s, server_hostname=name) as t:
            if protocol == "https":
                t.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while part := t.recv(65536):
                    answer += part
                assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
            elif protocol == "imaps":
                greeted(t.recv(1000))
            elif protocol == "smtp":
                t.sendall(b"EHLO test\r\n")
                assert t.recv(1000).startswith(b"250")
            return int(t.getpeercert()["serialNumber"], 16)


def soon(run, port, name, serial):
    """Workers change over in a moment."""
    end = time.monotonic() + 10
    while ask(run, port, name, "https") != serial:
        assert time.monotonic() < end
        time.sleep(0.05)


@contextlib.contextmanager
def load(*request):
    """Requests one after the other by two clients; at the end none must have failed. Gives the list of serial numbers."""
    serials, failures, stop = [], [], threading.Event()

    def client():
        while not stop.is_set():
            try:
                serials.append(ask(*request))
            except Exception as e:  # every kind of failure is one
                failures.append(repr(e))
            time.sleep(0.005)

    threads = [threading.Thread(target=client) for _ in range(2)]
    for t in threads:
        t.start()
    def reach(n):
        end = time.monotonic() + 20
        while len(serials) < n and not failures and time.monotonic() < end:
            time.sleep(0.02)

    try:
        reach(10)
        yield serials
        reach(len(serials) + 20)
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not failures, failures[:5]
    assert len(serials) >= 30


def up(port, process=None):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process is None or process.poll() is None, "the server has ended"
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


# --- servers ---

class Server:
    """config: the file or folder that names it; lines(): what chancery says that it needs goes in."""
    protocol = "https"
    process = None

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        folder.chmod(0o755)
        self.write("")

    def start(self):
        self.process = subprocess.Popen([str(w) for w in self.command()], stdin=subprocess.DEVNULL, stdout=open(self.folder / "out", "ab"), stderr=subprocess.STDOUT)
        up(self.port, self.process)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)


class Nginx(Server):
    name = "nginx"

    def write(self, lines):
        self.config = self.folder / "nginx.conf"
        temporary = "".join(f"{what}_temp_path {self.folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.config.write_text(f"daemon off;\nworker_processes 2;\npid {self.folder}/pid;\nerror_log {self.folder}/log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}"
                               f"include {self.folder}/site*.conf;\n}}\n")
        ssl_ = " ssl" if lines else ""
        (self.folder / "site.conf").write_text(f"server {{\nlisten 127.0.0.1:{self.port}{ssl_};\nserver_name nginx.example;\n{lines}\nreturn 200 hello;\n}}\n")

    def command(self):
        return ["/usr/sbin/nginx", "-c", self.config]

    def spoil(self):
        self.config.write_text(self.config.read_text() + "nonsense here;\n")


class Apache(Server):
    name = "apache"

    def write(self, lines):
        self.config = self.folder / "apache.conf"
        (self.folder / "htdocs").mkdir(exist_ok=True)
        (self.folder / "htdocs" / "index.html").write_text("hello\n")
        modules = "".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so\n" for m in ("mpm_event", "authz_core", "dir", "ssl"))
        self.config.write_text(f"{modules}ServerName localhost\nServerRoot {self.folder}\nPidFile {self.folder}/pid\nErrorLog {self.folder}/log\nListen 127.0.0.1:{self.port}\n"
                               f"DefaultRuntimeDir {self.folder}\nUser nobody\nGroup nogroup\nThreadsPerChild 8\nStartServers 2\nMinSpareThreads 8\nMaxSpareThreads 32\nMaxRequestWorkers 64\n"
                               f"<VirtualHost 127.0.0.1:{self.port}>\nServerName apache.example\nDocumentRoot {self.folder}/htdocs\n"
                               + (f"SSLEngine on\n{lines}" if lines else "") + "</VirtualHost>\n")

    def command(self):
        return ["/usr/sbin/apache2", "-f", self.config, "-DFOREGROUND"]

    def spoil(self):
        self.config.write_text(self.config.read_text() + "Nonsense here\n")


class Haproxy(Server):
    name = "haproxy"
    master = "\tmaster-worker\n"

    def write(self, lines):
        self.config = self.folder / "haproxy.cfg"
        bind = lines.replace(":443", f"127.0.0.1:{self.port}") or f"bind 127.0.0.1:{self.port}\n"
        self.config.write_text(f"global\n{self.master}\tpidfile {self.folder}/pid\ndefaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 5s\n\ttimeout server 5s\n"
                               f"frontend one\n\t{bind}\thttp-request return status 200 content-type text/plain string hello\n")

    def command(self):
        return ["/usr/sbin/haproxy", "-f", self.config]

    def spoil(self):
        self.config.write_text(self.config.read_text() + "\tnonsense here\n")


class HaproxyAlone(Haproxy):
    """Without a master: a new process takes over."""
    master = "\tdaemon\n"

    def start(self):
        subprocess.run([str(w) for w in self.command()], check=True, timeout=20)
        up(self.port)

    def stop(self):
        for pid in (self.folder / "pid").read_text().split() if (self.folder / "pid").exists() else ():
            os.kill(int(pid), signal.SIGTERM)


class Postfix(Server):
    name, protocol = "postfix", "smtp"

    def write(self, lines):
        self.config = self.folder / "etc"
        self.config.mkdir(exist_ok=True)
        for part in ("queue", "data"):
            (self.folder / part).mkdir(exist_ok=True)
        shutil.chown(self.folder / "data", "postfix")
        (self.config / "main.cf").write_text(
            f"compatibility_level = 3.6\nconfig_directory = {self.config}\nqueue_directory = {self.folder}/queue\ndata_directory = {self.folder}/data\n"
            "command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\nsetgid_group = postdrop\nmyhostname = postfix.example\n"
            f"mydestination =\nalias_maps =\nalias_database =\ninet_interfaces = 127.0.0.1\nmaillog_file = {self.folder}/log\nmaillog_file_prefixes = {self.folder}\n"
            f"smtpd_peername_lookup = no\nsmtpd_client_connection_rate_limit = 0\nsmtpd_client_connection_count_limit = 0\nsmtpd_relay_restrictions = reject\n"
            f"smtp_tls_security_level = none\n{lines}")
        (self.config / "master.cf").write_text(
            f"127.0.0.1:{self.port} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
            "rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n"
            "flush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n"
            "discard unix - - n - - discard\nlocal unix - n n - - local\nanvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\nscache unix - - n - 1 scache\n"
            "postlog unix-dgram n - n - 1 postlogd\n")

    def start(self):
        result = subprocess.run(["/usr/sbin/postfix", "-c", self.config, "start"], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr
        self.process = True
        up(self.port)

    def stop(self):
        if self.process:
            subprocess.run(["/usr/sbin/postfix", "-c", self.config, "stop"], capture_output=True, timeout=60)

    def spoil(self):
        (self.config / "main.cf").write_text((self.config / "main.cf").read_text() + "mail_owner = nobody-of-this-name\n")


class Dovecot(Server):
    """One server for each port: a login process takes one connection, and those to the TLS port were seen to wait for a minute while the other one was under load."""
    name, protocol = "dovecot", "imap"

    def write(self, lines):
        self.config = self.folder / "dovecot.conf"
        other = "imap" if self.protocol == "imaps" else "imaps"
        ports = (f"inet_listener {self.protocol} {{\nport = {self.port}\naddress = 127.0.0.1\n{'ssl = yes' if self.protocol == 'imaps' else ''}\n}}\n"
                 f"inet_listener {other} {{\nport = 0\n}}\n")
        self.config.write_text(f"base_dir = {self.folder}/run\nstate_dir = {self.folder}/state\nlog_path = {self.folder}/log\nprotocols = imap\nlisten = 127.0.0.1\n"
                               f"service imap-login {{\nprocess_min_avail = 1\n{ports}}}\nservice stats {{\nclient_limit = 100\n}}\n"
                               + (f"ssl = yes\n{lines}" if lines else "ssl = no\n") + "disable_plaintext_auth = no\npassdb {\ndriver = static\nargs = password=x\n}\n")

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.config]

    def spoil(self):
        self.config.write_text(self.config.read_text() + "nonsense = here\n")


class DovecotTls(Dovecot):
    protocol = "imaps"


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs to be root")
ALL = (Nginx, Apache, Haproxy, pytest.param(Postfix, marks=needs_root), pytest.param(Dovecot, marks=needs_root), pytest.param(DovecotTls, marks=needs_root))


@pytest.fixture
def serve():
    servers = []

    def serve(kind):
        # Not below tmp_path: workers that are not root must get there.
        servers.append(kind(pathlib.Path(tempfile.mkdtemp(prefix="chancery-deploy-"))))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def needed(told, name):
    """The lines that a person is told to put into the configuration."""
    said = told.split(f" !  {name}: find: ")[1].splitlines()
    assert "needs these lines" in said[0]
    return "".join(line.strip() + "\n" for line in said[1:] if line.startswith("      "))


def issued(run, server, name, *more, start=True):
    """As a person does it: asks for a deployment, is told what is missing, writes it, starts the server, deploys."""
    result = run("issue", name, "--deploy", server.name, "--deploy-config", server.config, "--deploy-wait", 20, *more, expect=FAILED)
    assert "does not use the certificate" in result.stderr and "nothing was reloaded" in result.stderr
    server.write(needed(result.stdout, server.name))
    if start:
        server.start()
        told = run("deploy", name).stdout
        assert "serves the new certificate" in told and "Deployed." in told, told


# --- the new certificate is served, and nobody notices ---

@pytest.mark.parametrize("kind", ALL)
def test_it_is_served_and_no_request_fails(run, serve, kind):
    server, name = serve(kind), f"{kind.name}.example"
    issued(run, server, name)
    old = live(run, name).serial_number
    request = (run, server.port, name, server.protocol)
    assert ask(*request) == old
    with load(*request) as serials:
        told = run("renew", name, "--force").stdout
        new = live(run, name).serial_number
        assert new != old and ": serves the new certificate" in told, told
        assert ask(*request) == new
    assert set(serials) == {old, new}


def test_haproxy_without_a_master(run, serve):
    server = serve(HaproxyAlone)
    issued(run, server, "haproxy.example")
    old = ask(run, server.port, "haproxy.example", "https")
    run("renew", "--force")
    assert old != ask(run, server.port, "haproxy.example", "https") == live(run, "haproxy.example").serial_number
    mode = (run.folder / "haproxy.example" / "haproxy.pem").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


# --- what goes wrong is told and put back ---

@pytest.mark.parametrize("kind", ALL)
def test_a_broken_configuration(run, serve, kind):
    server, name = serve(kind), f"{kind.name}.example"
    issued(run, server, name)
    old = live(run, name).serial_number
    kept = {f: f.read_bytes() for f in server.folder.rglob("*") if f.suffix in (".conf", ".cfg", ".cf")}
    server.spoil()
    result = run("renew", name, "--force", expect=FAILED)
    failed(result, f"not deployed: {kind.name}: its configuration's test fails", "previous certificate is live again")
    assert "so the certificate is not why" in result.stdout and "reads the certificate anew" not in result.stdout
    assert live(run, name).serial_number == old == ask(run, server.port, name, server.protocol)
    # When it is mended, the certificate that is there already is taken, and no other is ordered.
    for f, content in kept.items():
        f.write_bytes(content)
    if kind in (Nginx, Postfix):
        run("deploy", name)
    else:
        told = run("renew", name).stdout
        assert "that was there already is put to use" in told and "order" not in told
    new = live(run, name).serial_number
    assert new != old and ask(run, server.port, name, server.protocol) == new
    assert len(list((run.folder / name / "generations").iterdir())) == 2


def test_a_server_that_does_not_pick_it_up(run, serve):
    server = serve(Nginx)
    issued(run, server, "nginx.example", "--deploy-reload", "true", start=False)
    server.start()
    run("deploy")
    old = live(run, "nginx.example").serial_number
    options = run.folder / "nginx.example" / "options.json"
    options.write_text(options.read_text().replace('"value":"20"', '"value":"1"'))
    begun = time.monotonic()
    result = run("renew", "--force", expect=FAILED)
    assert time.monotonic() - begun < 30
    failed(result, f"127.0.0.1:{server.port}/nginx.example serves the previous certificate, 1 s after", "chancery deploy tries the new one once more")
    assert "nginx: it has the previous certificate again" in result.stdout
    assert f"127.0.0.1:{server.port}/nginx.example: serves the previous certificate" in result.stdout
    assert live(run, "nginx.example").serial_number == old
    soon(run, server.port, "nginx.example", old)


def test_a_server_that_is_away(run, serve):
    server = serve(Haproxy)
    issued(run, server, "haproxy.example", "--deploy-reload", "true", start=False)
    bundle = run.folder / "haproxy.example" / "haproxy.pem"
    old = live(run, "haproxy.example"), bundle.read_bytes()
    options = run.folder / "haproxy.example" / "options.json"
    options.write_text(options.read_text().replace('"value":"20"', '"value":"1"'))
    result = run("renew", "--force", expect=FAILED)
    failed(result, f"127.0.0.1:{server.port}/haproxy.example cannot be connected to: Connection refused")
    assert (live(run, "haproxy.example"), bundle.read_bytes()) == old
    assert sorted(p.name for p in (run.folder / "haproxy.example").iterdir() if p.name.startswith("haproxy")) == ["haproxy.pem"]


def test_the_way_back_under_load(run, serve):
    """The server has taken the new certificate already when another place is found not to serve it."""
    server = serve(Nginx)
    issued(run, server, "nginx.example")
    old = live(run, "nginx.example").serial_number
    options = run.folder / "nginx.example" / "options.json"
    more = "".join(f'{{"option":"deploy-endpoint","value":"127.0.0.1:{port}"}},' for port in (server.port, 1))
    options.write_text(options.read_text().replace('"value":"20"', '"value":"1"').replace('"options":[', f'"options":[{more}'))
    with load(run, server.port, "nginx.example", "https") as serials:
        failed(run("renew", "--force", expect=FAILED), "127.0.0.1:1 cannot be connected to")
        soon(run, server.port, "nginx.example", old)
    assert len(set(serials)) == 2 and serials[-1] == old == live(run, "nginx.example").serial_number


def test_a_large_configuration(run, serve):
    """More than is kept of what a program prints."""
    server = serve(Nginx)
    lines = "".join(f"map $host $v{i} {{ default {'x' * 80}; }}\n" for i in range(1200))
    (server.folder / "site-large.conf").write_text(lines)
    issued(run, server, "nginx.example")
    assert len(lines) > 65536 and ": serves the new certificate" in run("renew", "--force").stdout


def test_a_reload_that_fails(run, serve):
    server = serve(Nginx)
    issued(run, server, "nginx.example", "--deploy-reload", "nginx=sh -c 'echo it is not running >&2; exit 3'", start=False)
    old = live(run, "nginx.example")
    said = schemas.check("client/renew", run("renew", "--force", "--json", expect=FAILED).stdout)["certificates"][0]
    assert said["result"] == "failed" and "it cannot be reloaded: sh ended with exit code 3: it is not running" in said["error"]["message"]
    assert said["deploy"]["rolled_back"] and not said["deploy"]["deployed"]
    steps = [(s["step"], s["good"]) for s in said["deploy"]["steps"]]
    assert steps == [("test", True), ("reload", False), ("roll-back", True), ("roll-back", False)]
    assert live(run, "nginx.example") == old


def test_several_servers_of_one_certificate(run, serve):
    """One that fails puts all back."""
    web, proxy = serve(Nginx), serve(Haproxy)
    run("issue", "nginx.example", "haproxy.example", "--deploy=nginx", "--deploy=haproxy", f"--deploy-config=nginx={web.config}", f"--deploy-config=haproxy={proxy.config}", "--deploy-wait=20",
        expect=FAILED)
    folder = run.folder / "nginx.example"
    web.write(f"ssl_certificate {folder}/live/fullchain.pem; ssl_certificate_key {folder}/live/privkey.pem;")
    proxy.write(f"bind :443 ssl crt {folder}/haproxy.pem\n")
    web.start()
    proxy.start()
    told = run("deploy", "nginx.example").stdout
    assert f"127.0.0.1:{web.port}/nginx.example: serves the new" in told and f"127.0.0.1:{proxy.port}/nginx.example: serves the new" in told
    old = live(run, "nginx.example").serial_number
    options = folder / "options.json"
    good = options.read_text()
    options.write_text(good.replace('"options":[', '"options":[{"option":"deploy-reload","value":"haproxy=false"},'))
    result = run("renew", "--force", expect=FAILED)
    assert "nginx: it reads the certificate anew" in result.stdout and "nginx: it has the previous certificate again" in result.stdout
    soon(run, web.port, "nginx.example", old)
    soon(run, proxy.port, "nginx.example", old)


def test_two_kinds_of_keys(run, serve):
    """Whichever of the two the server shows counts."""
    server = serve(Nginx)
    run("issue", "nginx.example", "--key-type=ecdsa-p256", "--key-type=rsa", "--deploy=nginx", f"--deploy-config={server.config}", "--deploy-wait=20", expect=FAILED)
    folder = run.folder / "nginx.example" / "live"
    server.write("".join(f"ssl_certificate {folder}/fullchain{s}.pem; ssl_certificate_key {folder}/privkey{s}.pem;\n" for s in ("", "-rsa")))
    server.start()
    run("deploy")
    assert run("renew", "--force").stdout.count("serves the new certificate") == 1
    server.write(f"ssl_certificate {folder}/fullchain-rsa.pem; ssl_certificate_key {folder}/privkey-rsa.pem;\n")
    assert run("renew", "--force").stdout.count("serves the new certificate") == 1
    assert ask(run, server.port, "nginx.example", "https") == blocks(folder / "cert-rsa.pem")[0].serial_number


def test_a_folder_of_certificates(run, serve, tmp_path):
    """HAProxy's own way: a copy in a folder that it reads; told where to look, the look decides."""
    server = serve(Haproxy)
    certs = server.folder / "certs"
    certs.mkdir()
    run("issue", "haproxy.example", "--deploy=haproxy", f"--deploy-config={server.config}", f"--deploy-copy=both={certs}/one.pem", f"--deploy-test=/bin/true", expect=FAILED)
    assert not (certs / "one.pem.previous").exists() and not (run.folder / "haproxy.example" / "haproxy.pem.previous").exists()
    server.write(f"bind :443 ssl crt {certs}/\n")
    server.start()
    assert f"127.0.0.1:{server.port}/haproxy.example: serves the new" in run("deploy").stdout
    run("issue", "haproxy.example", "--force", "--deploy=haproxy", f"--deploy-config={server.config}", f"--deploy-hook=cp {run.folder}/haproxy.example/haproxy.pem {certs}/two.pem",
        "--deploy-wait=1", f"--deploy-endpoint=127.0.0.1:{server.port}", expect=FAILED)


@needs_root  # mounts
@pytest.mark.parametrize("active", (True, False))
def test_by_systemd(run, serve, tmp_path, active):
    """The host's usual instance, in a mount namespace where it is ours: systemctl, which stands in for systemd here, is asked when it runs the unit."""
    server = serve(Nginx)
    issued(run, server, "nginx.example")
    programs = tmp_path / "bin"
    programs.mkdir()
    systemctl = programs / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/asked\n[ $1 = is-active ] && exit {0 if active else 3}\nexec /usr/sbin/nginx -s reload\n")
    systemctl.chmod(0o755)
    options = run.folder / "nginx.example" / "options.json"
    said = json.loads(options.read_text())
    said["options"] = [o for o in said["options"] if o["option"] != "deploy-config"]
    options.write_text(json.dumps(said))
    script = tmp_path / "run"
    script.write_text(f"set -e\nmount -t tmpfs none /run\nmkdir -p /run/systemd/system\nmount --bind {server.config} /etc/nginx/nginx.conf\n"
                      f"exec {CLIENT_PROGRAM} renew --force --folder {run.folder}\n")
    result = subprocess.run(["unshare", "-m", "sh", script], env={"PATH": f"{programs}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=60)
    assert result.returncode == DONE, result.stdout + result.stderr
    assert f"127.0.0.1:{server.port}/nginx.example: serves the new certificate" in result.stdout
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == (["is-active --quiet nginx", "reload nginx"] if active else ["is-active --quiet nginx", "is-active --quiet openresty"])


# --- what was interrupted ---

@pytest.mark.parametrize("again", (("renew",), ("deploy",)))
def test_a_run_that_is_killed_is_made_up_for(run, note, tmp_path, again):
    """Nothing is ordered anew, and the way back is still known."""
    copy = tmp_path / "taken.pem"
    run("issue", "killed.example", "--deploy=command", f"--deploy-command={note} take", f"--deploy-copy=cert={copy}")
    old = live(run, "killed.example")
    assert not (run.folder / "killed.example" / "undeployed").exists()
    note.does("take", "kill -9 $(ps -o ppid= -p $PPID)")  # chancery, whose process runs us
    run("renew", "--force", expect=-signal.SIGKILL)
    new = live(run, "killed.example")
    assert new != old
    note.does("take", "exit 1")
    failed(run("renew", expect=FAILED), "command: it cannot be reloaded")
    assert live(run, "killed.example") == old
    note.does("take", "exit 0")
    said = run(*again, "killed.example", "--json").stdout
    assert schemas.check("client/" + again[0], said)["certificates"][0]["result"] == "deployed"
    assert live(run, "killed.example") == new == blocks(copy)[0]
    run("renew", expect=NOTHING_TO_DO)
    assert len(list((run.folder / "killed.example" / "generations").iterdir())) == 2


# --- hooks ---

@pytest.fixture
def note(tmp_path):
    """A program that writes down what it is told, and does as its name's file says."""
    program = tmp_path / "note"
    program.write_text(textwrap.dedent(f"""\
        #!/bin/sh
        {{ echo "$1"; env | grep -E '^(RENEWED|FAILED|LEGO_HOOK)' | sort; echo .; }} >> {tmp_path}/noted
        [ -e "{tmp_path}/do-$1" ] || exit 0
        . "{tmp_path}/do-$1"
        """))
    program.chmod(0o755)

    class Note:
        def __str__(self):
            return str(program)

        def does(self, which, script):
            (tmp_path / f"do-{which}").write_text(script)

        def told(self):
            """(what, {variable: value}) of each run since the last time."""
            file = tmp_path / "noted"
            runs = file.read_text().split(".\n")[:-1] if file.exists() else []
            file.unlink(missing_ok=True)
            return [(r.splitlines()[0], dict(line.split("=", 1) for line in r.splitlines()[1:])) for r in runs]

    return Note()


def test_hooks_in_their_order(run, note):
    run("issue", "hook.example", "www.hook.example", "--key-type=rsa", f"--pre-hook={note} pre", f"--deploy-hook={note} deploy", f"--deploy-hook={note} 'deploy again'",
        f"--post-hook={note} post")
    folder = run.folder / "hook.example"
    told = note.told()
    assert [w for w, _ in told] == ["pre", "deploy", "deploy again", "post"]
    pre, deploy, _, post = (v for _, v in told)
    assert "RENEWED_LINEAGE" not in pre and "RENEWED_DOMAINS" not in pre
    assert deploy["RENEWED_LINEAGE"] == f"{folder}/live" and deploy["RENEWED_DOMAINS"] == "hook.example www.hook.example"
    assert deploy["LEGO_HOOK_CERT_NAME"] == "hook.example" and deploy["LEGO_HOOK_CERT_DOMAINS"] == "hook.example,www.hook.example"
    assert deploy["LEGO_HOOK_CERT_PATH"] == f"{folder}/live/fullchain.pem" and deploy["LEGO_HOOK_CERT_KEY_PATH"] == f"{folder}/live/privkey.pem"
    assert deploy["LEGO_HOOK_ISSUER_CERT_PATH"] == f"{folder}/live/chain.pem" and deploy["LEGO_HOOK_CERT_KEY_TYPE"] == "RSA2048"
    assert deploy["LEGO_HOOK_ACCOUNT_SERVER"].endswith("/directory")
    assert post["RENEWED_DOMAINS"] == "hook.example www.hook.example" and post["FAILED_DOMAINS"] == ""
    run("renew", expect=NOTHING_TO_DO)
    assert note.told() == []


def test_a_pre_hook_that_fails(run, note):
    note.does("pre", "echo no room >&2; exit 1")
    result = run("issue", "pre.example", f"--pre-hook={note} pre", f"--deploy-hook={note} deploy", f"--post-hook={note} post", expect=FAILED)
    failed(result, "a pre-hook failed", "exit code 1: no room")
    assert [w for w, _ in note.told()] == ["pre", "post"] and not (run.folder / "pre.example" / "live").exists()


def test_an_order_that_fails_has_its_post_hook(run, note, ca):
    run("issue", "order.example", f"--post-hook={note} post", f"--deploy-hook={note} deploy")
    note.told()
    web = socket.socket()
    web.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    web.bind(("127.0.0.1", ca.http_port))
    web.listen()
    run("renew", "--force", expect=FAILED)
    web.close()
    ((which, said),) = note.told()
    assert which == "post" and said["FAILED_DOMAINS"] == "order.example" and said["RENEWED_DOMAINS"] == ""


def test_a_short_path(run, serve):
    """As timers have it: servers are found all the same."""
    server = serve(Nginx)
    issued(run, server, "nginx.example")
    run("renew", "--force", env={"PATH": "/usr/bin:/bin"})


def test_a_deploy_hook_that_fails(run, note):
    run("issue", "deploy.example", f"--deploy-hook={note} deploy", f"--post-hook={note} post")
    old = live(run, "deploy.example")
    note.told()
    note.does("deploy", "exit 1")
    failed(run("renew", "--force", expect=FAILED), "a deploy-hook failed", "ended with exit code 1")
    told = note.told()
    assert [w for w, _ in told] == ["deploy", "post"] and told[1][1]["FAILED_DOMAINS"] == "deploy.example"
    assert live(run, "deploy.example") != old  # it is no way back: what the hook has done already is not known


def test_a_post_hook_that_fails(run, note):
    note.does("post", "exit 9")
    failed(run("issue", "post.example", f"--post-hook={note} post", expect=FAILED), "a post-hook failed", "exit code 9")
    assert live(run, "post.example")


def test_a_hook_that_hangs(run, note, tmp_path):
    note.does("deploy", f"echo $$ > {tmp_path}/pid; sleep 100 & wait")
    begun = time.monotonic()
    result = run("issue", "hang.example", f"--deploy-hook={note} deploy", "--deploy-timeout=1", expect=FAILED)
    failed(result, "a deploy-hook failed", "has not ended within 1 s, and was ended")
    assert time.monotonic() - begun < 60
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_no_shell_but_where_it_is_asked_for(run, tmp_path):
    for words, told in (("a; b", "no shell reads it"), ("a 'b", "is not closed"), ("", "names no program"), ("./x", "a name in PATH or begins with /")):
        failed(run("issue", "words.example", "--deploy-hook", words, expect=FAILED), "--deploy-hook", told)
    run("issue", "words.example", "--deploy-hook", f"""sh -c 'echo "$RENEWED_DOMAINS" > "{tmp_path}/it is said"'""")
    assert (tmp_path / "it is said").read_text() == "words.example\n"


# --- commands and copies ---

def test_a_command_is_asked_again_with_the_previous_certificate(run, note, tmp_path):
    copy = tmp_path / "taken.pem"
    note.does("take", f'cp "$RENEWED_LINEAGE/cert.pem" {copy}; [ ! -e {tmp_path}/broken ]')
    run("issue", "command.example", "--deploy=command", f"--deploy-command={note} take")
    old = live(run, "command.example")
    assert blocks(copy)[0] == old
    (tmp_path / "broken").touch()
    failed(run("renew", "--force", expect=FAILED), "command: it cannot be reloaded")
    assert [w for w, _ in note.told()] == ["take"] * 3
    assert blocks(copy)[0] == old == live(run, "command.example")


@needs_root  # gives files away
def test_copies(run, tmp_path, note):
    both, chain = tmp_path / "both.pem", tmp_path / "full.pem"
    chain.write_text("something of before\n")
    words = [f"--deploy-copy=both={both}:nobody:nogroup:640", f"--deploy-copy=fullchain={chain}", "--deploy=command", f"--deploy-command={note} take"]
    note.does("take", "exit 1")
    run("issue", "copy.example", *words, expect=FAILED)
    assert chain.read_text() == "something of before\n"
    note.does("take", "exit 0")
    run("deploy", "copy.example")
    folder = run.folder / "copy.example" / "live"
    assert chain.read_bytes() == (folder / "fullchain.pem").read_bytes()
    assert both.read_bytes() == (folder / "fullchain.pem").read_bytes() + (folder / "privkey.pem").read_bytes()
    assert (both.owner(), both.group(), stat.S_IMODE(both.stat().st_mode)) == ("nobody", "nogroup", 0o640)
    assert stat.S_IMODE(chain.stat().st_mode) == 0o644
    before = both.read_bytes(), chain.read_bytes()
    note.does("take", "exit 1")
    run("renew", "--force", expect=FAILED)
    assert (both.read_bytes(), chain.read_bytes()) == before and both.owner() == "nobody"
    note.does("take", "exit 0")
    run("renew", "--force")
    assert both.read_bytes() != before[0] and sorted(p.name for p in tmp_path.glob("*.pem*")) == ["both.pem", "full.pem"]


def test_a_copy_that_cannot_be_written(run, tmp_path):
    failed(run("issue", "copy.example", f"--deploy-copy=cert={tmp_path}/none/cert.pem", expect=FAILED), "a copy cannot be written", "No such file")
    failed(run("issue", "copy.example", "--force", f"--deploy-copy=cert={tmp_path}/cert.pem:nobody-of-this-name", expect=FAILED), "there is no user nobody-of-this-name")


# --- the command, and what cannot be ---

def test_deploy_as_json(run, note):
    run("issue", "plain.example")
    run("issue", "some.example", f"--deploy-hook={note} deploy")
    said = schemas.check("client/deploy", run("deploy", "--json").stdout)["certificates"]
    assert [(c["name"], c["result"]) for c in said] == [("plain.example", "nothing-to-do"), ("some.example", "deployed")]
    assert said[1]["steps"] == [{"step": "deploy-hook", "of": str(note), "good": True, "detail": ""}]
    note.does("deploy", "exit 1")
    said = schemas.check("client/deploy", run("deploy", "some.example", "--json", expect=FAILED).stdout)["certificates"]
    assert said[0]["result"] == "failed" and "a deploy-hook failed" in said[0]["error"]["message"]
    assert "Nothing to do" in run("deploy", "plain.example", expect=NOTHING_TO_DO).stdout
    failed(run("deploy", "none.example", expect=FAILED), "there is no certificate none.example")
    schemas.check("client/issue", run("issue", "json.example", "--deploy-hook=true", "--json").stdout)


@pytest.mark.parametrize("words, told", (
    (["--deploy", "iis"], "nginx, apache, haproxy, postfix, dovecot and command are known"),
    (["--deploy", "nginx", "--deploy", "nginx"], "is given twice"),
    (["--deploy-config", "/x"], "name it by --deploy"),
    (["--deploy", "nginx", "--deploy", "apache", "--deploy-test", "true"], "say of which target, like nginx=..."),
    (["--deploy", "nginx", "--deploy-config", "x"], "a path begins with /"),
    (["--deploy", "command"], "go together"),
    (["--deploy-command", "true"], "go together"),
    (["--deploy-copy", "/x"], "FILE=PATH"),
    (["--deploy-copy", "all=/x"], "privkey, cert, chain, fullchain and both"),
    (["--deploy-copy", "cert=x"], "PATH begins with /"),
    (["--deploy-copy", "cert=/x:a:b:c"], "a mode is three octal digits"),
    (["--deploy-copy", "privkey=/x:::644"], "a private key is not for everybody"),
    (["--deploy-copy", "cert=/x", "--deploy-copy", "chain=/x"], "/x is given twice"),
    (["--deploy-endpoint", "ftp://x"], "smtps, imap"),
    (["--deploy-endpoint", "none", "--deploy-endpoint", "x"], "goes without others"),
    (["--deploy-wait", "0"], "from 1 to 3600"),
))
def test_what_cannot_be(run, words, told):
    failed(run("issue", "not.example", *words, expect=FAILED), told)


# --- from one CA to another, all servers at once ---

@needs_root
def test_all_servers_go_to_another_ca_under_load(run, serve, tmp_path, ca):
    """No request fails, the certificate of the old CA stays until the new one serves, and in the end all show the new CA's."""
    with running_ca("--name", "Other", http_port=ca.http_port) as other:
        roots = tmp_path / "roots.pem"
        roots.write_text(ca.root.read_text() + other.root.read_text())
        for name, one in (("old", ca), ("new", other)):
            run("ca", "add", name, "--directory", one.directory, "--ca-file", one.root)
        run.root = roots
        servers = {kind.__name__.lower(): serve(kind) for kind in (Nginx, Apache, Haproxy, Postfix, Dovecot, DovecotTls)}
        for name, server in servers.items():
            words = [f"{name}.example", "--deploy", server.name, "--deploy-config", server.config, "--deploy-wait", 60, "--ca", "old", "--timeout", 60, "--http-port", ca.http_port,
                     "--http-address", "127.0.0.1", "--folder", run.folder]
            result = chancery("issue", *words)
            assert result.returncode == FAILED and "does not use the certificate" in result.stderr, result.stderr
            server.write(needed(result.stdout, server.name))
            server.start()
        run("deploy")
        old = {name: live(run, f"{name}.example") for name in servers}
        with contextlib.ExitStack() as loads:
            seen = {name: loads.enter_context(load(run, server.port, f"{name}.example", server.protocol)) for name, server in servers.items()}
            told = run("ca", "switch", "--from", "old", "--to", "new").stdout
            assert told.count("serves the new certificate") == len(servers), told
            new = {name: live(run, f"{name}.example") for name in servers}
            for name, server in servers.items():
                assert ask(run, server.port, f"{name}.example", server.protocol) == new[name].serial_number
        for name in servers:
            assert set(seen[name]) == {old[name].serial_number, new[name].serial_number}, name
            assert new[name].issuer != old[name].issuer and "Other" in new[name].issuer.rfc4514_string()
            assert len(list((run.folder / f"{name}.example" / "generations").iterdir())) == 2
        assert run("ca", "switch", "--from", "old", "--to", "new", expect=NOTHING_TO_DO)


@needs_root
def test_a_ca_that_goes_away_in_the_midst_of_a_switch(run, serve, ca, tmp_path):
    """What is switched is switched, what is not keeps the certificate that it has, and the rest follows when the CA is back."""
    with running_ca("--name", "Other", http_port=ca.http_port) as other:
        for name, one in (("old", ca), ("new", other)):
            run("ca", "add", name, "--directory", one.directory, "--ca-file", one.root)
        note = tmp_path / "kill"
        note.write_text(f"#!/bin/sh\nkill -9 {other.process.pid}\n")
        note.chmod(0o755)
        names = ("a.example", "b.example", "c.example")
        for name in names:
            chancery("issue", name, "--ca", "old", "--timeout", 20, "--http-port", ca.http_port, "--http-address", "127.0.0.1", "--folder", run.folder)
        options = run.folder / "b.example" / "options.json"
        said = json.loads(options.read_text())
        said["options"].append({"option": "pre-hook", "value": str(note)})
        options.write_text(json.dumps(said))
        old = {name: live(run, name) for name in names}
        result = run("ca", "switch", "--from", "old", "--to", "new", "--timeout", 20, expect=FAILED)
        assert result.stderr.count("Where it lies: between here and the server, or the server is down") == 2, result.stderr
        assert "Other" in live(run, "a.example").issuer.rfc4514_string()
        assert live(run, "b.example") == old["b.example"] and live(run, "c.example") == old["c.example"]
        said["options"].pop()
        options.write_text(json.dumps(said))
        other.process.wait(timeout=20)
        other.start()
        run("ca", "switch", "--from", "old", "--to", "new")
        assert all("Other" in live(run, name).issuer.rfc4514_string() for name in names)
