"""libchancery in steps, against our CA: as any program with an event loop uses it, by its shared object."""
import ctypes
import os
import re
import select
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dns_responder import Responder
from harness import BUILD, SANITIZED, Ca
from test_client_faults import unlimited

LIBRARY = BUILD / "lib" / "libchancery.so"
OK, USAGE, CALLBACK, NETWORK, TIMEOUT, PENDING = 0, 1, 4, 5, 9, 10
DECLINE, LATER = 2, 3
AT_ONCE_S = 3 if SANITIZED else 1.5  # no step may take longer; in truth it is milliseconds, but other tests run beside this one

if SANITIZED and "LD_PRELOAD" not in os.environ:
    # A library with a sanitizer in it wants that loaded first: the tests are then a child's.
    def test_all_of_it_below_the_sanitizer():
        wanted = re.search(r"lib[at]san\.so\S*", subprocess.run(["ldd", LIBRARY], capture_output=True, text=True, check=True).stdout)[0]
        said = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__], capture_output=True, text=True, timeout=500,
                              env={**os.environ, "LD_PRELOAD": wanted, "ASAN_OPTIONS": "detect_leaks=0"})
        assert said.returncode == 0 and " passed" in said.stdout and "skipped" not in said.stdout, said.stdout + said.stderr


class Challenge(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("type", "name", "token", "key_authorization", "digest", "record")] + [
        ("wildcard", ctypes.c_int), ("remaining", ctypes.c_uint), ("valid", ctypes.c_int)]


class Renewal(ctypes.Structure):
    _fields_ = [("start", ctypes.c_int64), ("end", ctypes.c_int64), ("retry_after", ctypes.c_uint32), ("explanation", ctypes.c_char * 512)]


DEPLOY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Challenge))
CLEAN_UP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Challenge))
PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)
READY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
SIGN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_ubyte), ctypes.c_size_t, ctypes.POINTER(ctypes.c_ubyte),
                        ctypes.POINTER(ctypes.c_size_t))


@pytest.fixture(scope="module")
def lib():
    if SANITIZED and "LD_PRELOAD" not in os.environ:
        pytest.skip("the child runs them")
    lib = ctypes.CDLL(str(LIBRARY))
    for name in ("chancery_client_new", "chancery_client_error"):
        getattr(lib, name).restype = ctypes.c_void_p
    for name in ("chancery_error_message", "chancery_certificate_fullchain", "chancery_certificate_leaf", "chancery_client_account_url"):
        getattr(lib, name).restype = ctypes.c_char_p
    return lib


@pytest.fixture(scope="module")
def ca():
    dns = Responder()
    ca = Ca(dns_port=dns.port, edit=unlimited)
    ca.dns = dns
    try:
        yield ca.start()
        ca.stop()
    finally:
        ca.close()
        dns.close()


class Client:
    """One handle; what its callbacks did is in told."""

    def __init__(self, lib, ca, directory=None):
        self.lib, self.dns, self.told, self.texts, self.longest_s = lib, ca.dns, [], {}, 0
        self.on_deploy = self.put
        self.handle = ctypes.c_void_p(lib.chancery_client_new((directory or ca.directory).encode()))
        self.account = self.key()
        self.kept = [DEPLOY(lambda _, c: self.deployed(c.contents)), CLEAN_UP(lambda _, c: self.cleaned(c.contents))]
        self.set("set_account_key", self.account)
        self.set("set_terms_agreed", 1)
        self.set("set_ca_file", str(ca.root).encode())
        self.solve(b"dns-01")

    def solve(self, kind):
        self.set("set_solver", kind, *self.kept[:2], None)

    def key(self):
        key = ctypes.c_void_p()
        assert self.lib.chancery_key_generate(0, ctypes.byref(key)) == OK
        return key

    def call(self, name, *words):
        return getattr(self.lib, "chancery_client_" + name)(self.handle, *words)

    def set(self, name, *words):
        assert self.call(name, *words) == OK, self.message()

    def message(self):
        return self.lib.chancery_error_message(ctypes.c_void_p(self.call("error"))).decode()

    # The callbacks

    def put(self, challenge):
        record = self.texts.setdefault(challenge.record.decode(), [])  # a name and a wildcard of it share one
        record.append(bytes([len(challenge.digest)]) + challenge.digest)
        self.dns.set(challenge.record.decode(), "TXT", *record)
        return 0

    def deployed(self, challenge):
        self.told.append(("deploy", challenge.name.decode()))
        return self.on_deploy(challenge)

    def cleaned(self, challenge):
        self.told.append(("clean up", challenge.name.decode()))
        self.texts.pop(challenge.record.decode(), None)
        self.dns.set(challenge.record.decode(), "TXT")

    def left(self):
        """What was deployed and not cleaned up."""
        return [name for what, name in self.told if what == "deploy" and ("clean up", name) not in self.told]

    # The steps

    def begin(self, name, *words):
        self.set("begin_" + name, *words)

    def begin_issue(self, *names, key=None):
        self.begin("issue", (ctypes.c_char_p * len(names))(*(n.encode() for n in names)), ctypes.c_size_t(len(names)), key or self.key())

    def timed(self, name, *words):
        begun = time.monotonic()
        result = self.call(name, *words)
        self.longest_s = max(self.longest_s, time.monotonic() - begun)
        return result

    def readable(self, timeout_s):
        poll = select.poll()
        poll.register(self.call("fd"), select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def step(self, seconds=30):
        """One, when the descriptor says so."""
        assert self.readable(seconds), f"nothing for {seconds} s"
        return self.timed("step")

    def go_on(self, until=lambda: False):
        result = PENDING
        while result == PENDING and not until():
            result = self.step()
        assert self.longest_s < AT_ONCE_S, self.longest_s
        return result

    def certificate(self):
        got = ctypes.c_void_p()
        assert self.call("take_certificate", ctypes.byref(got)) == OK, self.message()
        pem = self.lib.chancery_certificate_fullchain(got, None)
        self.lib.chancery_certificate_free(got)
        return pem

    def close(self):
        self.lib.chancery_client_free(self.handle)


@pytest.fixture
def client(lib, ca):
    client = Client(lib, ca)
    yield client
    client.close()


def names_of(pem):
    return x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def test_every_call_in_steps(client, ca):
    """All that asks a CA, one after the other on one handle and one descriptor."""
    descriptor = client.call("fd")
    client.begin("open_account")
    assert client.go_on() == OK, client.message()
    url = client.call("account_url")
    assert url.startswith(ca.base.encode())
    client.set("add_contact", b"mailto:ops@example.org")
    client.begin("update_account")
    assert client.go_on() == OK, client.message()
    client.begin_issue("steps.example", "*.steps.example")
    assert client.go_on() == OK, client.message()
    pem = client.certificate()
    assert sorted(names_of(pem)) == ["*.steps.example", "steps.example"]
    assert client.call("take_certificate", ctypes.byref(ctypes.c_void_p())) == USAGE  # it was taken
    client.begin("renewal", pem)
    assert client.go_on() == OK, client.message()
    renewal = Renewal()
    assert client.call("take_renewal", ctypes.byref(renewal)) == OK and time.time() < renewal.start < renewal.end
    client.begin("change_account_key", client.key())
    assert client.go_on() == OK, client.message()
    client.begin("revoke", pem, 4, None)
    assert client.go_on() == OK, client.message()
    key = ec.generate_private_key(ec.SECP256R1())
    csr = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(x509.SubjectAlternativeName([x509.DNSName("csr.example")]), False)
           .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    client.begin("issue_csr", csr)
    assert client.go_on() == OK, client.message()
    assert names_of(client.certificate()) == ["csr.example"]
    client.begin("deactivate_account")
    assert client.go_on() == OK, client.message()
    client.begin_issue("ended.example")
    assert client.go_on() not in (OK, PENDING)
    assert client.call("fd") == descriptor and not client.readable(0.1) and client.left() == []


def test_an_answer_that_comes_later(client):
    """deploy and ready say so; meanwhile there is nothing to do, and the program says when there is."""
    client.on_deploy = lambda challenge: client.put(challenge) or LATER
    client.kept.append(READY(lambda _: client.told.append(("ready", "")) or LATER))
    client.set("set_ready", client.kept[-1], None)
    client.begin_issue("later.example")
    for told in ("deploy", "ready"):
        assert client.go_on(until=lambda: client.told[-1:] and client.told[-1][0] == told) == PENDING  # pylint: disable=cell-var-from-loop
        while client.readable(0.5):
            assert client.step() == PENDING
        assert client.timed("resolve", LATER) == USAGE
        assert client.timed("resolve", 0) == OK
        assert client.timed("resolve", 0) == USAGE and "has one already" in client.message()
    assert client.go_on() == OK, client.message()
    assert names_of(client.certificate()) == ["later.example"]
    assert [what for what, _ in client.told] == ["deploy", "ready", "clean up"]


def test_resolved_within_the_callback(client):
    client.on_deploy = lambda challenge: client.put(challenge) or client.call("resolve", 0) or LATER
    client.begin_issue("within.example")
    assert client.go_on() == OK, client.message()


@pytest.mark.parametrize("outcome, words", [(1, "the solver failed"), (DECLINE, "the solver takes no challenge that is offered")])
def test_a_later_outcome_that_is_none(client, outcome, words):
    client.on_deploy = lambda _: LATER
    client.begin_issue("never.example")
    assert client.go_on(until=client.left) == PENDING
    assert client.call("resolve", outcome) == OK
    assert client.go_on() == CALLBACK and words in client.message()
    assert client.told == [("deploy", "never.example")]  # it failed by itself: nothing is there to take away


def test_a_later_that_never_comes(client):
    """The deadline ends it, and what was begun is taken away."""
    client.set("set_timeout", 2)
    client.on_deploy = lambda _: LATER
    client.begin_issue("waits.example")
    begun = time.monotonic()
    assert client.go_on() == TIMEOUT and 1.5 < time.monotonic() - begun < 10
    assert client.told == [("deploy", "waits.example"), ("clean up", "waits.example")]


def test_later_is_no_answer_to_a_call_that_blocks(client):
    client.on_deploy = lambda _: LATER
    names, got = (ctypes.c_char_p * 1)(b"blocks.example"), ctypes.c_void_p()
    assert client.call("issue", names, ctypes.c_size_t(1), client.key(), ctypes.byref(got)) == USAGE
    assert "CHANCERY_LATER, which is for event-driven use alone" in client.message() and client.left() == []


def test_signatures_that_come_later(client, lib):
    """The account's key is elsewhere: each signature is asked for, and told when it is there."""
    key, wanted = ec.generate_private_key(ec.SECP256R1()), []

    def sign(_, message, length, signature, signature_len):
        wanted.append((bytes(message[:length]), signature, signature_len))
        return LATER

    client.kept.append(SIGN(sign))
    spki, external = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo), ctypes.c_void_p()
    assert lib.chancery_key_external(spki, ctypes.c_size_t(len(spki)), client.kept[-1], None, ctypes.byref(external)) == OK
    client.set("set_account_key", external)
    client.begin_issue("signed.example")
    result, signed = PENDING, 0
    while result == PENDING:
        result = client.step()
        while wanted:
            message, signature, signature_len = wanted.pop()
            made = key.sign(message, ec.ECDSA(hashes.SHA256()))
            ctypes.memmove(signature, made, len(made))
            signature_len[0] = len(made)
            signed += 1
            assert client.call("resolve", 0) == OK
    assert result == OK, client.message()
    assert signed >= 6 and names_of(client.certificate()) == ["signed.example"]


def test_cancelled_after_each_step(lib, ca):
    """It is over at once, nothing stays in place, and the same handle gets a certificate."""
    client, n, result = Client(lib, ca), 0, PENDING
    while result == PENDING:
        client.told.clear()
        client.begin_issue(f"n{n}.cancel.example")
        for _ in range(n):
            result = client.step()
            if result != PENDING:
                break
        if result == PENDING:
            client.timed("cancel")
            assert "cancelled" in client.message()
            assert client.call("step") == USAGE and not client.readable(0)
        assert client.left() == [] and client.longest_s < AT_ONCE_S
        n += 1
    assert result == OK and names_of(client.certificate()) == [f"n{n - 1}.cancel.example"]
    assert n > 4, n  # how many there are, is the network's
    client.close()


def test_cancelled_at_each_stage(client):
    """From within the callback that tells of it."""
    stages, cleaned = [], set()
    client.kept.append(PROGRESS(lambda _, stage, text: stages.append(stage) or len(stages) == client.stop_at and client.call("cancel") or 0))
    client.set("set_progress", client.kept[-1], None)
    for client.stop_at in range(1, 30):
        stages.clear()
        client.told.clear()
        client.begin_issue(f"s{client.stop_at}.cancel.example")
        result = client.go_on()
        assert client.left() == []
        if result == OK:
            break
        assert result == CALLBACK and "cancelled" in client.message() and len(stages) == client.stop_at
        cleaned |= {stages[-1]} if client.told else set()
    assert result == OK and set(stages) >= set(range(7)), stages
    assert cleaned == {3, 4, 5, 6}, cleaned  # from CHANCERY_STEP_CHALLENGE on


SLOW = """
#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	sleep(4);
	return EAI_AGAIN;
}
"""

WAIT_FOR_HOST = """
import ctypes, select, sys, time
lib = ctypes.CDLL(sys.argv[1])
lib.chancery_client_new.restype = ctypes.c_void_p
def longest(seconds, end):
    c, most, stop = ctypes.c_void_p(lib.chancery_client_new(b"https://slow.example/directory")), 0, time.monotonic() + seconds
    def timed(f, *words):
        nonlocal most
        begun = time.monotonic()
        rc = f(c, *words)
        most = max(most, time.monotonic() - begun)
        return rc
    key = ctypes.c_void_p()
    lib.chancery_key_generate(0, ctypes.byref(key))
    lib.chancery_client_set_account_key(c, key)
    lib.chancery_client_set_timeout(c, 2)
    assert timed(lib.chancery_client_begin_open_account) == 0
    poll, rc = select.poll(), 10
    poll.register(lib.chancery_client_fd(c), select.POLLIN)
    while rc == 10 and time.monotonic() < stop:
        if poll.poll(100):
            rc = timed(lib.chancery_client_step)
    if end:
        timed(lib.chancery_client_cancel)
    timed(lib.chancery_client_free)
    return rc, most
print(*longest(0.5, True), *longest(0.5, False), *longest(10, False))
"""


def test_a_name_server_that_does_not_answer(lib, tmp_path):
    """Whoever looks up the CA's host waits for long; the program never does: not for a step, not when it cancels, not when it frees."""
    (tmp_path / "slow.c").write_text(SLOW)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "slow.so", tmp_path / "slow.c"], check=True, timeout=60)
    preloaded = [os.environ.get("LD_PRELOAD", ""), str(tmp_path / "slow.so")]
    said = subprocess.run([sys.executable, "-c", WAIT_FOR_HOST, LIBRARY], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LD_PRELOAD": " ".join(preloaded).strip()})
    assert said.returncode == 0, said.stderr
    words = said.stdout.split()
    assert [int(words[i]) for i in (0, 2, 4)] == [PENDING, PENDING, TIMEOUT], words
    assert all(float(words[i]) < AT_ONCE_S for i in (1, 3, 5)), words
