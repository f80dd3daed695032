"""Whatever breaks and whenever: afterwards the old certificate or the new one is in place, whole, and the next run succeeds.

Connections are cut at every request, one by one; the run and each of its processes are killed there; the disk is full at every operation of the program.
"""
import concurrent.futures
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization

from dns_responder import Responder
from harness import CLIENT_PROGRAM, Ca, free_port
from test_client import DONE, FAILED, blocks, make_tls, spki

AT_ONCE = 4
STEP = 4 if os.environ.get("CHANCERY_SMALL") else 1  # under sanitizers, each fourth


def unlimited(text):
    for option in ("new-accounts-per-address", "new-accounts-per-range", "orders-per-account"):
        text, n = re.subn(rf'(?m)^(\s*)#{option} = .*$', rf'\1{option} = "off"', text)
        assert n == 1, option
    return text


@pytest.fixture(scope="module")
def ca():
    dns = Responder()
    behind = free_port()
    ca = Ca(http_port=free_port(), dns_port=dns.port, edit=lambda text: re.sub(r'listen = \{"127.0.0.1:\d+"\}', f'listen = {{"127.0.0.1:{behind}"}}', unlimited(text)))
    ca.proxy = Proxy(ca.folder, ca.port, behind, ca.root)
    ca.dns = dns
    ca.txt = pathlib.Path(tempfile.mkdtemp(prefix="chancery-test-"))
    ca.txt.chmod(0o777)
    dns.txt_folder = ca.txt
    hook = ca.txt.parent / (ca.txt.name + ".hook")
    hook.write_text(f'#!/bin/sh\necho "$CERTBOT_VALIDATION" >{ca.txt}/_acme-challenge.$CERTBOT_DOMAIN\n')
    hook.chmod(0o755)
    ca.hook = hook
    try:
        yield ca.start()
        ca.stop()
    finally:
        ca.proxy.close()
        ca.close()
        dns.close()
        shutil.rmtree(ca.txt)
        hook.unlink()


class Proxy:
    """Stands where the CA says that it is, so that every request goes through it. cut(n) of the n-th since reset(): "before" ends the connection in place of
    the request, "after" in place of the answer, "within" in its midst; bytes are an answer in the place of the CA's; None lets it pass."""

    def __init__(self, folder, port, behind, root):
        make_tls(folder)
        self.root = folder / "tls.pem"
        self.lock = threading.Lock()
        self.reset()
        self.behind = behind
        self.ca_root = root
        self.front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.front.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        self.socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.run, daemon=True).start()

    def reset(self, cut=lambda n: None):
        with self.lock:
            self.count, self.cut = 0, cut

    def run(self):
        while True:
            try:
                one, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        try:
            with one, self.front.wrap_socket(one, server_side=True) as client:
                behind = socket.create_connection(("127.0.0.1", self.behind))
                with behind, ssl.create_default_context(cafile=str(self.ca_root)).wrap_socket(behind, server_hostname="localhost") as server:
                    while self.pass_one(client, server):
                        pass
        except OSError:
            pass

    @staticmethod
    def message(stream, bodiless):
        """A head and, by its length, the body; b"" at the end."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.recv(1)
            if not byte:
                return b""
            head += byte
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        body = b""
        while not bodiless and len(body) < length:
            part = stream.recv(length - len(body))
            if not part:
                return b""
            body += part
        return head + body

    def pass_one(self, client, server):
        request = self.message(client, False)
        if not request:
            return False
        with self.lock:
            self.count += 1
            how = self.cut(self.count)
        if how == "before":
            return False
        if isinstance(how, bytes):
            client.sendall(how)
            return True
        server.sendall(request)
        answer = self.message(server, request.startswith(b"HEAD"))
        if how == "within":
            client.sendall(answer[:len(answer) // 2])
        if how or not answer:
            return False
        client.sendall(answer)
        return True

    def close(self):
        self.socket.close()


def words(ca, folder, name, server, ca_file):
    return [CLIENT_PROGRAM, "issue", name, "--server", server, "--ca-file", ca_file, "--folder", folder, "--timeout", "20", "--challenge", "dns-01", "--hook", ca.hook,
            "--resolver", "127.0.0.1:9"]


def run(line, **more):
    result = subprocess.run([str(w) for w in line], capture_output=True, text=True, timeout=120, check=False, **more)
    for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:"):
        assert word not in result.stderr, result.stderr
    return result


def whole(folder, name):
    """The serial number of what is live, when there is something, and it is whole."""
    live = folder / name / "live"
    if not live.is_symlink():
        assert not live.exists()
        return None
    chain = blocks(live / "fullchain.pem")
    key = serialization.load_pem_private_key((live / "privkey.pem").read_bytes(), None)
    assert spki(key.public_key()) == spki(chain[0].public_key())
    assert (live / "cert.pem").read_text() + (live / "chain.pem").read_text() == (live / "fullchain.pem").read_text()
    assert json.loads((live / "meta.json").read_text())["names"] == [name]
    assert len(chain) >= 2
    return chain[0].serial_number


def both_ways(ca, tmp_path, name, broken, n):
    """What `broken` does to an issuance and to a renewal; afterwards each is whole and can be had."""
    folder = tmp_path / f"{name}-{n}"
    line = words(ca, folder, f"{name}{n}.example", ca.directory, ca.proxy.root)
    ran = broken(line, folder, n)
    before = whole(folder, f"{name}{n}.example")
    again = run([*line, "--force"])
    assert again.returncode == DONE, f"{n}: {again.stdout}{again.stderr}\nbefore: {ran.stdout if ran else ''}{ran.stderr if ran else ''}"
    good = whole(folder, f"{name}{n}.example")
    assert good and good != before
    broken([*line, "--force"], folder, n)
    assert whole(folder, f"{name}{n}.example")
    last = run([*line, "--force"])
    assert last.returncode == DONE, f"{n}: {last.stdout}{last.stderr}"
    whole(folder, f"{name}{n}.example")
    assert list((folder / "_accounts").glob("*.tmp")) == []  # keys that a run had begun to make


def each(ns, what):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(what, ns):
            pass


# --- the disk ---

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* The FAIL_AT-th operation below FAIL_BELOW that needs room on the disk: fails, or is the last of the process (FAIL_HOW=kill). */
static int count;
static int fails(void)
{
	const char *at = getenv("FAIL_AT"), *how = getenv("FAIL_HOW");
	if (!at || ++count != atoi(at))
		return 0;
	int fd = open(getenv("FAIL_MARK"), O_WRONLY | O_CREAT, 0600);
	if (fd >= 0)
		close(fd);
	if (how && strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	errno = ENOSPC;
	return 1;
}
#define REAL(name) static __typeof__(&name) real; if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name)

int openat(int dir, const char *path, int flags, ...)
{
	va_list ap; va_start(ap, flags); mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0; va_end(ap);
	static int (*real)(int, const char *, int, ...); if (!real) *(void **)&real = dlsym(RTLD_NEXT, "openat");
	return (flags & O_CREAT) && fails() ? -1 : real(dir, path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...)
{
	va_list ap; va_start(ap, flags); mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0; va_end(ap);
	return openat(dir, path, flags, mode);
}
int fsync(int fd) { REAL(fsync); return fails() ? -1 : real(fd); }
int renameat(int a, const char *b, int c, const char *d) { REAL(renameat); return fails() ? -1 : real(a, b, c, d); }
int rename(const char *a, const char *b) { REAL(rename); return fails() ? -1 : real(a, b); }
int mkdirat(int d, const char *p, mode_t m) { REAL(mkdirat); return fails() ? -1 : real(d, p, m); }
int mkdir(const char *p, mode_t m) { REAL(mkdir); return fails() ? -1 : real(p, m); }
int symlinkat(const char *t, int d, const char *p) { REAL(symlinkat); return fails() ? -1 : real(t, d, p); }
int linkat(int a, const char *b, int c, const char *d, int f) { REAL(linkat); return fails() ? -1 : real(a, b, c, d, f); }
ssize_t write(int fd, const void *p, size_t n)
{
	REAL(write);
	struct stat st;
	if (fd > 2 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fails())
		return -1;
	return real(fd, p, n);
}
"""


@pytest.fixture(scope="module")
def shim():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-test-"))
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True, timeout=60)
    yield folder / "shim.so"
    shutil.rmtree(folder)


def operations(ca, tmp_path, shim, how):
    """A run whose n-th operation on the disk does not come to be; whether there was an n-th."""
    def broken(line, folder, n):
        mark = tmp_path / f"mark-{folder.name}"
        mark.unlink(missing_ok=True)
        result = run(line, env={**os.environ, "LD_PRELOAD": str(shim), "FAIL_AT": str(n), "FAIL_HOW": how, "FAIL_MARK": str(mark),
                                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"})
        if mark.exists() and how == "fail":
            assert result.returncode in (DONE, FAILED), result.stderr
            assert result.returncode == DONE or "No space left on device" in result.stderr or "cannot" in result.stderr, result.stderr
        broken.reached[n] = mark.exists()
        return result
    broken.reached = {}
    return broken


@pytest.mark.parametrize("how", ["fail", "kill"])
def test_the_disk_at_every_operation(ca, tmp_path, shim, how):
    """Full, or the machine stops there."""
    broken = operations(ca, tmp_path, shim, how)
    last = 0
    for start in range(1, 200, 12):
        some = range(start, start + 12, STEP)
        each(some, lambda n: both_ways(ca, tmp_path, how, broken, n))
        if not any(broken.reached[n] for n in some):
            break
    assert start < 190, "there is no end of operations"
    reached = STEP * sum(broken.reached.values())
    assert reached > 25, f"only {reached} operations were met"


def test_what_killed_runs_left(ca, tmp_path):
    """Drafts of account keys go with the next run, unless somebody has one in use; of other files when they are old; what is not ours stays."""
    folder = tmp_path / "f"
    line = words(ca, folder, "left.example", ca.directory, ca.proxy.root)
    assert run(line).returncode == DONE
    (key,) = (folder / "_accounts").glob("*.pem")
    drafts = [key.with_name(key.name + end) for end in (".0123456789ab.tmp", ".new.0123456789ab.tmp")]
    others = [key.with_name(name) for name in (key.name + ".0123456789ab.tmp.pem", key.name + ".01234567.tmp", "other.pem.0123456789ab.tmp", "note.tmp")]
    places = [folder / "left.example", folder / "left.example" / "generations", folder / "_cas"]
    (folder / "_cas").mkdir(exist_ok=True)
    old, fresh = ([place / f"state.json.{c * 16}.tmp" for place in places] for c in "ab")
    for file in (*drafts, *others, *old, *fresh):
        file.write_text("x")
    for file in old:
        os.utime(file, (time.time() - 4000,) * 2)
    used = os.open(key.parent, os.O_RDONLY)
    try:
        fcntl.flock(used, fcntl.LOCK_SH)  # as a run that makes a key
        assert run([*line, "--force"]).returncode == DONE
        assert all(d.exists() for d in drafts)
    finally:
        os.close(used)
    assert run([*line, "--force"]).returncode == DONE
    assert not any(d.exists() for d in (*drafts, *old)) and all(o.exists() for o in (*others, *fresh))


# --- connections ---

@pytest.mark.parametrize("how", ["before", "after", "within"])
def test_connections_cut_at_every_request(ca, tmp_path, how):
    """The n-th connection is cut for every n; what the client does not mend by itself it reports, and the next run ends well."""
    reached = []

    def broken(line, folder, n):
        ca.proxy.reset(lambda count: how if count == n else None)
        result = run(line)
        reached.append(ca.proxy.count >= n)
        ca.proxy.reset()
        assert result.returncode in (DONE, FAILED), result.stderr
        if result.returncode == FAILED:
            # half a head without a body looks like a whole one
            assert "Where it lies: between here and the server" in result.stderr or "gives no nonce" in result.stderr, result.stderr
        return result

    for n in range(1, 80, STEP):
        both_ways(ca, tmp_path, how, broken, n)
        if not any(reached[-2:]):
            break
    assert n < 75, "there is no end of requests"
    assert STEP * sum(reached) >= 16, "requests were not seen"


# --- processes ---

def children(pid):
    """name -> pid of the processes of a run."""
    found = {}
    for task in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = (task / "stat").read_text()
        except OSError:
            continue
        name, rest = status[status.index("(") + 1:status.rindex(")")], status[status.rindex(")") + 2:].split()
        if int(rest[1]) == pid:
            found[name] = int(task.name)
    return found


@pytest.mark.parametrize("who", ["chancery", "chancery-net", "chancery-keys", "chancery-runne"])
def test_processes_that_die(ca, tmp_path, who):
    """Each of them, while the hook runs and while the CA is waited for: the run says so, nothing is half there, nothing stays locked or running."""
    def broken(line, folder, n):
        process = subprocess.Popen([str(w) for w in line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seen = 0
        for text in process.stdout:
            seen += 1
            if seen >= n:
                break
        family = {**children(process.pid), "chancery": process.pid}
        if who in family:
            os.kill(family[who], signal.SIGKILL)
        rest = process.stdout.read()
        code = process.wait(timeout=60)
        # killed in its last moments it may have been done
        assert code in (DONE, FAILED, -9), rest
        if code == FAILED:
            assert "chancery-" in rest and "has ended before it was done" in rest or "the solver failed" in rest, rest
        end = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{p}") and "Z" not in pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1][:4] for p in family.values()):
            assert time.monotonic() < end, "a process is left"
            time.sleep(0.02)
        return None
    each(range(1, 7, STEP), lambda n: both_ways(ca, tmp_path, who.split("-")[-1], broken, n))
