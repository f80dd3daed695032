"""Copies of the built programs with some of them replaced, and the net that the hostile tests run in."""
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "blackbox"))

BUILD = pathlib.Path(os.environ["CHANCERY_BUILD"])
HOSTILE = BUILD / "hostile"
CHILDREN = ("front", "validator", "signer")


def need_root():
    assert os.geteuid() == 0, "these tests look at jails of root's making and read every process's folder: run them as root"


def replace(programs, replaced):
    """replaced: {"front": an executable of build/hostile}."""
    for child, name in replaced.items():
        target = programs / "libexec" / "chancery" / f"chancery-ca-{child}"
        target.unlink()
        shutil.copy2(HOSTILE / name, target)
    return programs / "bin" / "chancery-ca"


def copy_build(to, replaced):
    """bin/chancery-ca and its children as the build tree has them; returns the program."""
    (to / "bin").mkdir(parents=True)
    (to / "libexec" / "chancery").mkdir(parents=True)
    shutil.copy2(BUILD / "bin" / "chancery-ca", to / "bin")
    for child in CHILDREN:
        shutil.copy2(BUILD / "libexec" / "chancery" / f"chancery-ca-{child}", to / "libexec" / "chancery")
    return replace(to, replaced)


def install(to, replaced):
    """The same by `cmake --install`, in a root of its own."""
    done = subprocess.run(["cmake", "--install", str(BUILD)], env={**os.environ, "DESTDIR": str(to)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    program = next(to.rglob("bin/chancery-ca"))
    return replace(program.parent.parent, replaced)


class ByHost:
    """The applicants' web servers in one: answers each challenge for the account that the host name belongs to, with the thumbprint that
    the attacker has written to its folder."""

    def __init__(self, thumbprints):
        accounts = {"a.test": "A", "b.test": "B", "c.test": "A", "caa-forbids.test": "A"}
        self.seen = seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    self.reply()
                except BrokenPipeError:
                    pass  # the validator had its answer from CAA and asked no further

            def reply(self):
                host = self.headers.get("Host", "").split(":")[0]
                seen.append((host, self.path))
                keys = dict(line.split() for line in thumbprints.read_text().splitlines()) if thumbprints.exists() else {}
                token = self.path.rsplit("/", 1)[-1]
                # generous, so that only the validator itself stands between a strange spelling of a name and a receipt for it
                known = keys.get(accounts.get(host.lower().rstrip(".").removeprefix("*.")))
                body = f"{token}.{known}".encode() if known else b"nothing here"
                self.send_response(200 if known else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
