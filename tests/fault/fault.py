"""A CA whose processes fail as a test says: copies of the programs with fault.so before libc, the page that it reads, and what must hold afterwards."""
import contextlib
import ctypes
import datetime
import errno
import hashlib
import http.client
import json
import mmap
import os
import pathlib
import re
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "blackbox"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

from acme_raw import b64, certificates  # noqa: E402
from dns_responder import Responder  # noqa: E402
from harness import BUILD, Ca, Web, free_port  # noqa: E402
from log_reader import Log  # noqa: E402

FAULT = BUILD / "fault_tests"
PROCESSES = ("front", "validator", "signer", "keyholder")  # in the order of the page's slots
KINDS = ("", "allocation", "write", "sync", "sql", "channel", "socket")
MESSAGES = re.findall(r"^X\((\w+),\s*(\w+),", (HERE.parents[1] / "src/server/messages.def").read_text(), re.M)
NUMBERS = {name: number for number, (name, _) in enumerate(MESSAGES)}
SENDERS = {name: sender.lower() for name, sender in MESSAGES}
FULL = os.environ.get("CHANCERY_FULL") == "true"
EACH = os.environ.get("CHANCERY_EACH") == "true"  # all of it: hours, by hand
DER = serialization.Encoding.DER
LIMITS = re.findall(r'^X\(\w+,\s*\w+,\s*"([\w-]+)"', (HERE.parents[1] / "src/server/front/limits.def").read_text(), re.M)
AGREE_TIMES = 30  # a notice may be on its way
WAIT = 60  # seconds: a bound for what hangs


class Slot(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("kind", "nth", "more", "error", "count", "failed", "type", "when", "waits", "go", "trace")] + [
        ("unused", ctypes.c_uint32 * 5)]


def programs(folder):
    """bin/chancery-ca, and libexec with each child behind the launcher; returns the program."""
    for name in ("bin", "libexec/chancery"):
        (folder / name).mkdir(parents=True)
    shutil.copy2(BUILD / "bin/chancery-ca", folder / "bin")
    inside = folder / "libexec/chancery"
    for process in PROCESSES:
        name = f"chancery-ca-{process}"
        shutil.copy2(BUILD / "libexec/chancery" / name, inside / f"{name}.real")
        shutil.copy2(FAULT / "fault_launcher", inside / name)
    shutil.copy2(FAULT / "fault.so", inside)
    (inside / "fault.control").write_bytes(bytes(4096))
    (inside / "fault.trace").write_bytes(b"")
    return folder / "bin/chancery-ca"


class Faults:
    """The page that the processes of one CA look at."""

    def __init__(self, path):
        self.file = open(path, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 4096)
        self.slots = {name: Slot.from_buffer(self.memory, i * ctypes.sizeof(Slot)) for i, name in enumerate(PROCESSES)}

    def arm(self, process, kind, nth=0, error=errno.EIO, more=0):
        """From now on calls of this kind count; the nth fails, and so many more behind it."""
        slot = self.slots[process]
        slot.kind = 0
        slot.nth, slot.more, slot.error, slot.count, slot.failed = nth, more, error, 0, 0
        slot.kind = KINDS.index(kind)

    def disarm(self, process):
        """Whether a call has failed."""
        self.slots[process].kind = 0
        return bool(self.slots[process].failed)

    def count(self, process):
        return self.slots[process].count

    def stop_at(self, message, when):
        """Its sender waits before (1) or after (2) it sends the next such message."""
        slot = self.slots[SENDERS[message]]
        slot.waits, slot.go, slot.when = 0, 0, when
        slot.type = NUMBERS[message] + 1

    def stopped(self, message):
        return bool(self.slots[SENDERS[message]].waits)

    def go(self, message):
        slot = self.slots[SENDERS[message]]
        slot.type, slot.go = 0, 1

    def trace(self, on=True):
        """Whether what changes files is written down, from a process's start on."""
        for slot in self.slots.values():
            slot.trace = on

    def close(self):
        self.slots = None
        try:
            self.memory.close()
        except BufferError:
            pass  # a test that failed still holds a slot
        self.file.close()


class Alpn:
    """Answers tls-alpn-01 for the name that it was told last."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = None
        threading.Thread(target=self.serve, daemon=True).start()

    def challenge(self, name, key_authorization):
        key = ec.generate_private_key(ec.SECP256R1())
        now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
        value = b"\x04\x20" + hashlib.sha256(key_authorization.encode()).digest()
        made = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([])).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
                .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"), value), critical=True)
                .sign(key, hashes.SHA256()))
        with tempfile.NamedTemporaryFile() as file:
            file.write(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            file.flush()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file.name)
        context.set_alpn_protocols(["acme-tls/1"])
        self.context = context

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), plain:
                plain.settimeout(5)
                with self.context.wrap_socket(plain, server_side=True) as tls:
                    tls.recv(1)

    def close(self):
        self.listener.close()


def softhsm():
    """Whether there is a token to sign by."""
    return shutil.which("softhsm2-util") is not None and shutil.which("pkcs11-tool") is not None


class TokenWorld:
    """Issuers whose keys are in a token: test_keyholder.py's, with a CA of ours."""

    def __init__(self, make):
        import test_keyholder
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-token-"))
        self.folder.chmod(0o755)
        kept, test_keyholder.Ca = test_keyholder.Ca, make
        try:
            self.world = test_keyholder.World(self.folder)
        finally:
            test_keyholder.Ca = kept
        self.ca = self.world.ca

    def close(self):
        self.world.web.close()
        self.world.dns.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def faulty_ca(folder=None, token=False):
    """A CA with faults, with web, dns and alpn beside it; token: the profile "token" has its keys in SoftHSM, ca.token. In the end its log is whole and agrees
    with its database."""
    programs_folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-fault-"))
    programs_folder.chmod(0o755)
    program = programs(programs_folder / "programs")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, programs_folder, ignore_errors=True)
        faults = Faults(program.parents[1] / "libexec/chancery/fault.control")
        stack.callback(faults.close)
        alpn = Alpn()
        stack.callback(alpn.close)

        def make(*options, edit=None, **more):
            return Ca(*options, tls_port=alpn.port, program=program, folder=folder, edit=lambda text: steady(edit(text) if edit else text), **more)
        ca = with_token(stack, make) if token else without_token(stack, make)
        ca.faults, ca.alpn = faults, alpn
        yield ca
        ca.stop(expect=None)
        agree(ca)


def without_token(stack, make):
    web, dns, port = Web(), Responder(), free_port()
    stack.callback(web.close)
    stack.callback(dns.close)
    ca = make("--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}", http_port=web.port, dns_port=dns.port)
    stack.callback(ca.close)
    ca.web, ca.dns, ca.publish, ca.token = web, dns, port, None
    ca.start()
    return ca


def with_token(stack, make):
    world = TokenWorld(make)
    stack.callback(world.close)
    stack.callback(world.ca.close)
    world.ca.dns, world.ca.token = world.world.dns, world.world.token
    world.world.ceremony()
    return world.ca


def steady(text):
    """No limits in the way, small segments, one list; external accounts may be bound."""
    for option, value in {"crl-shards": "1", "external-accounts": '"optional"', **dict.fromkeys(LIMITS, '"off"')}.items():
        assert re.search(rf"(?m)^\s*#?{option} = ", text), option
        text = re.sub(rf"(?m)^(\s*)#?{option} = .*$", lambda m: f"{m[1]}{option} = {value}", text, count=1)
    return text.replace("signer {\n", 'signer {\n\tsegment-size = "65536"\n\treserve = "65536"\n', 1)


def restart(ca):
    """All anew: processes that died often are started late."""
    ca.stop(expect=None)
    ca.start()


def well(ca):
    result = ca.run("status", "--json", "--config", ca.config, check=False)
    status = json.loads(result.stdout) if result.stdout else {}
    good = status.get("ready") and status["processes"]["front"].get("counts", {}).get("signer_connected")
    return status if good and all(one["state"] == "ready" for one in status["processes"].values()) else None


def wait_well(ca, what=""):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        status = well(ca)
        if status:
            return status
        time.sleep(0.05)
    raise AssertionError(f"{what}: the CA does not get well again:\n" + ca.log_text()[-3000:])


def agree(ca):
    """The log is whole, by our program and by the reader that is not ours; database and log agree, a moment later at the latest; an order has one
    certificate."""
    ca.run("log", "verify", "--config", ca.config)
    for _ in range(AGREE_TIMES):
        result = ca.run("reconcile", "--json", "--config", ca.config, check=False)
        agreed = result.returncode == 0 and json.loads(result.stdout)["agree"]
        if agreed or ca.process.poll() is not None:
            break
        time.sleep(0.1)
    assert agreed, result.stdout + result.stderr
    return Log(ca.folder / "state/signer/log", open_intents=ca.process is not None and ca.process.poll() is None)


def logged(log, pem):
    """Whether a certificate that a client has is in the log, byte by byte."""
    leaf = certificates(pem)[0]
    result = log.results.get(leaf.serial_number.to_bytes(16, "big"))
    return result is not None and result.certificate == leaf.public_bytes(DER)


# --- clients that do not give up ---

class Broken(Exception):
    """What no retry may mend."""


def tell(client, kind, authz, name):
    """Puts the answer to the challenge where it is looked for; returns the challenge."""
    (challenge,) = [c for c in authz["challenges"] if c["type"] == kind]
    token = challenge["token"]
    authorization = token + "." + client.key.thumbprint()
    if kind == "http-01":
        client.ca.web.challenge(token, authorization)
    elif kind == "dns-01":
        text = b64(hashlib.sha256(authorization.encode()).digest()).encode()
        client.ca.dns.set("_acme-challenge." + name, "TXT", bytes([len(text)]) + text)
    else:
        client.ca.alpn.challenge(name, authorization)
    return challenge


class Issuance:
    """One name's way to a certificate through whatever happens: each step again until it is done. may_refuse: an order may become invalid, for a
    reason that the client is told, and a new one is made."""

    def __init__(self, client, name, kind="http-01", may_refuse=False, seconds=WAIT, profile=None):
        self.client, self.name, self.kind, self.may_refuse = client, name, kind, may_refuse
        self.more = {"profile": profile} if profile else {}
        self.csr = client.csr(name)
        self.url = self.pem = None
        self.refused, self.orders, self.failures = [], [], []
        self.end = time.monotonic() + seconds

    def step(self):
        client = self.client
        if not client.kid:
            answer = client.register()
            self.must(answer, 200, 201)
            return
        if not self.url:
            answer = client.order(self.name, **self.more)
            self.must(answer, 201)
            self.url = answer.headers["Location"]
            self.orders.append(self.url)
            return
        answer = client.post(self.url)
        self.must(answer, 200)
        self.go_on(answer.json)

    def go_on(self, order):
        client = self.client
        if order["status"] == "pending":
            authz = client.post(order["authorizations"][0])
            self.must(authz, 200)
            if authz.json["status"] == "pending":
                challenge = tell(client, self.kind, authz.json, self.name)
                if challenge["status"] == "pending":
                    self.must(client.post(challenge["url"], {}), 200)
        elif order["status"] == "ready":
            answer = client.finalize(order, self.csr)
            self.must(answer, 200)
        elif order["status"] == "valid":
            answer = client.post(order["certificate"])
            self.must(answer, 200)
            self.pem = answer.body.decode()
        elif order["status"] == "invalid":
            why = self.why(order)
            if not self.may_refuse or not why:
                raise Broken(f"{self.name}: the order became invalid: {why}")
            self.refused.append(why)
            self.url = None

    def why(self, order):
        if order.get("error"):
            return order["error"]
        answer = self.client.post(order["authorizations"][0])
        return next((c["error"] for c in answer.json["challenges"] if c.get("error")), None)

    def must(self, answer, *status):
        """What is refused is refused with a problem document, and then tried again."""
        if answer.status not in status:
            if not answer.type:
                raise Broken(f"{answer.status} without a problem: {answer.body[:300]}")
            self.failures.append((answer.status, answer.type, answer.json["detail"]))
            raise ConnectionError(answer.type)

    def run(self):
        while not self.pem:
            if time.monotonic() > self.end:
                raise Broken(f"{self.name}: no certificate by {self.url}: {self.failures[-3:]}")
            try:
                self.step()
            except (OSError, EOFError, ValueError, KeyError) as e:
                self.failures.append(repr(e)[:200])
                time.sleep(0.1)
            else:
                time.sleep(0.01)
        return self.pem


class Again:
    """One request, again until it has come to an end that is allowed."""

    def __init__(self, ask, good, seconds=WAIT):
        self.ask, self.good, self.seconds, self.failures = ask, good, seconds, []

    def run(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            try:
                answer = self.ask()
                if self.good(answer):
                    return answer
                self.failures.append((answer.status, answer.body[:200]))
            except (OSError, EOFError, ValueError, KeyError, http.client.HTTPException) as e:
                self.failures.append(repr(e)[:200])
            time.sleep(0.1)
        raise Broken(f"it never came to an end: {self.failures[-3:]}")


class Run(threading.Thread):
    """Something of the above beside the test."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.result, self.broken = what, None, None
        self.start()

    def run(self):
        try:
            self.result = self.what.run()
        except BaseException as e:
            self.broken = e

    def end(self):
        self.join(WAIT + 30)
        assert not self.is_alive(), "it hangs"
        if self.broken:
            raise AssertionError(repr(self.broken)) from self.broken
        return self.result


class Got:
    """What test_ocsp.py's ask() gives, as an answer."""

    def __init__(self, got):
        self.status, self.headers, self.body = got
        self.type = None
