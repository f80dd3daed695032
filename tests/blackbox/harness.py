"""What the black-box tests share: a throw-away CA, the net that it validates in, and free ports. Everything on loopback."""
import contextlib
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

BUILD = pathlib.Path(os.environ["CHANCERY_BUILD"])
CA_PROGRAM = BUILD / "bin" / "chancery-ca"
CLIENT_PROGRAM = BUILD / "bin" / "chancery"
SANITIZED = re.search(r"(?m)^CHANCERY_SANITIZE:\w+=.", (BUILD / "CMakeCache.txt").read_text()) is not None


PORTS_GIVEN = set()


def free_port():
    """A port that nobody has, below the range that outgoing connections are given; each once, as what listens on it may only start later."""
    for _ in range(200):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 10000
        if port in PORTS_GIVEN:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                PORTS_GIVEN.add(port)
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


class Web:
    """The applicant's web server: answers challenges from a table."""

    def __init__(self):
        self.answers = {}     # path -> body, or a function of the handler
        self.seen = []        # (host, path)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.seen.append((self.headers.get("Host"), self.path))
                answer = outer.answers.get(self.path)
                if callable(answer):
                    answer(self)
                    return
                body = answer.encode() if answer is not None else b"nothing here"
                self.send_response(200 if answer is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve_folder(self, folder):
        """Answers challenges from a folder whose files are named after the tokens, for clients that write there."""
        prefix = "/.well-known/acme-challenge/"

        class Files(dict):
            def get(self, path, default=None):
                file = pathlib.Path(folder) / path.removeprefix(prefix)
                return file.read_text() if path.startswith(prefix) and "/" not in file.name and file.is_file() else default

        self.answers = Files()

    def challenge(self, token, key_authorization):
        self.answers["/.well-known/acme-challenge/" + token] = key_authorization

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Ca:
    """A CA of its own in a new folder. options: more words for `chancery-ca init`; edit: a function that changes the configuration's text;
    anchors: DS records to trust (none: no DNSSEC); before: words put before the server's command (setpriv ...)."""

    def __init__(self, *options, http_port=None, tls_port=None, dns_port=None, anchors=(), edit=None, program=CA_PROGRAM, folder=None, before=(), names=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="chancery-test-"))
        self.folder.chmod(0o755)  # sanitizer builds have no root directory of their own: their users must get to their folders
        self.program = program
        self.before = list(before)
        self.port = free_port()
        self.http_port, self.tls_port = http_port, tls_port  # where it validates
        self.base = f"https://localhost:{self.port}"
        self.directory = self.base + "/directory"
        self.config = self.folder / "chancery-ca.conf"
        self.root = self.folder / "state" / "root.pem"
        self.process = None
        words = ["init", "--folder", self.folder, "--base-url", self.base, "--listen", f"127.0.0.1:{self.port}",
                 "--allow-address", "127.0.0.0/8"]
        for name in ("localhost", "test", "example"):
            words += ["--private-suffix", name]
        if http_port:
            words += ["--http-port", http_port]
        if tls_port:
            words += ["--tls-port", tls_port]
        if dns_port:
            words += ["--resolver", f"127.0.0.1:{dns_port}"]
            words += [word for anchor in anchors or ("none",) for word in ("--trust-anchor", anchor)]
        self.run(*words, *options)
        if edit:
            self.config.write_text(edit(self.config.read_text()))

    def run(self, *words, check=True):
        result = subprocess.run([*self.before, self.program, *map(str, words)], capture_output=True, text=True, timeout=60)
        if check and result.returncode != 0:
            raise AssertionError(f"{words}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def start(self, wait=True):
        self.log = open(self.folder / "serve.log", "ab+")
        self.process = subprocess.Popen([*self.before, self.program, "serve", "--config", self.config], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        if wait:
            self.wait_ready()
        return self

    def log_text(self):
        log = self.folder / "serve.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError("the CA ended:\n" + self.log_text())
            result = self.run("status", "--json", "--config", self.config, check=False)
            if result.stdout:
                status = json.loads(result.stdout)
                if status["ready"] and status["processes"]["front"].get("counts", {}).get("signer_connected"):
                    return status
            time.sleep(0.05)
        raise AssertionError("the CA did not become ready:\n" + self.log_text())

    def status(self):
        """What the server says, also when something is wrong (exit code 2)."""
        result = self.run("status", "--json", "--config", self.config, check=False)
        assert result.stdout, result.stderr
        return json.loads(result.stdout)

    def pid_of(self, process):
        return self.status()["processes"][process]["pid"]

    def stop(self, expect=0):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        if expect is not None:
            assert code == expect, f"the CA ended with {code}:\n" + self.log_text()

    def check_log(self):
        """No sanitizer report in anything that ran."""
        text = self.log_text()
        for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:"):
            assert word not in text, text[-6000:]

    def close(self):
        try:
            self.stop(expect=None)
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        self.check_log()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running_ca(*options, zones=None, **settings):
    """A CA that validates on loopback, with its web server and DNS. zones: a name server of dns_zones.py, which stays the caller's, to be
    asked instead of one that knows every name; its anchors are trusted. In the end other people's programs read what it signed."""
    from dns_responder import Responder
    from readers import check_everything
    web = Web()
    dns = zones or Responder()
    settings.setdefault("anchors", getattr(zones, "anchors", ()))
    settings.setdefault("http_port", web.port)
    ca = Ca(*options, dns_port=dns.port, **settings)
    ca.web, ca.dns = web, dns
    try:
        ca.start()
        yield ca
        ca.stop()
        check_everything(ca)
    finally:
        ca.close()
        web.close()
        if dns is not zones:
            dns.close()
