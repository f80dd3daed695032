"""Each process is killed at each message of an account's, an order's and a certificate's life, before and after it is sent: what the client wanted ends as it
should, there is one certificate for its order, and log and database agree."""
import contextlib
import itertools
import os
import signal
import sqlite3
import time

import pytest
from cryptography import x509

from fault import DER, EACH, FULL, MESSAGES, WAIT, Again, Got, Issuance, Run, agree, faulty_ca, logged, restart, wait_well, well
from acme_raw import Client, Key, b64, certificates
from test_accounts import key_change
from test_external_accounts import add, binding
from test_ocsp import ask, ocsp, request

VICTIMS = ("front", "validator", "signer", "parent")
BEGINNING, ISSUANCE = ("HELLO", "HELLO_OK", "TOKENS_ASK", "TOKENS"), ("VALIDATE", "VALIDATED", "ISSUE", "ISSUED", "SIGN", "SIGNED", "CHECKPOINT")
RECHECKS, OPERATORS = ("RECHECK", "RECHECKED"), ("BLOCKS", "REVOKED_NEW", "LIMITS_RESET")
STOPPED_AT = (*BEGINNING, *ISSUANCE[:4], *RECHECKS, *OPERATORS, "REVOKE", "REVOKE_OK", "CRL_NEW", "CRL_GET", "CRL_PART", "ROLLOVER", "ROLLOVER_OK", "DEACTIVATE",
              "DEACTIVATE_OK", "BIND", "BIND_OK", "OCSP", "OCSP_OK")
CASES = list(itertools.product(STOPPED_AT, (1, 2), VICTIMS))
TOKEN_CASES = list(itertools.product(("SIGN", "SIGNED"), (1, 2), (*VICTIMS, "keyholder")))
CHECKPOINT_CASES = list(itertools.product(("CHECKPOINT",), (1, 2), VICTIMS))
# Not stopped at: what the parent says and hears, which carries nothing of a client's; the CA's own TLS certificate, which is asked for again (test_tls.py); and
# refusals, which take the place of the answers above.
NOT_STOPPED_AT = {"ISSUE_TLS", "ISSUED_TLS", "REFUSED", "UNSIGNED", *(name for name, sender in MESSAGES if sender == "PARENT"),
                  *(f"{process}_{what}" for process in ("FRONT", "VALIDATOR", "SIGNER", "KEYHOLDER") for what in ("READY", "FAILED", "STATUS")), "METRICS_ASK"}
STEP = 1 if EACH else 7 if FULL else 14
STARTS_MOST = 3  # then a restart waits for long
CHECKPOINT_S = 60


class World:
    def __init__(self, ca, profile=None):
        self.ca, self.n, self.profile = ca, 0, profile
        self.given, self.armed = [], None
        self.client = Client(ca)
        self.client.register()

    def name(self):
        self.n += 1
        return f"message{self.n}.example.test"

    def issue(self):
        issuance = Issuance(self.client, self.name(), profile=self.profile)
        self.given.append(issuance.run())
        return self.given[-1]

    def run(self, what):
        """What a case needs beforehand has been done by now: from here on the message stops."""
        self.ca.faults.stop_at(*self.armed)
        return Run(what)

    # what is under way when a process dies, and what holds of its end

    def issuance(self):
        running = self.run(Issuance(self.client, self.name(), profile=self.profile))
        return running, lambda: self.given.append(running.result)

    def beginning(self):
        self.ca.faults.stop_at(*self.armed)
        os.kill(well(self.ca)["processes"]["front"]["pid"], signal.SIGKILL)
        issuance = Run(Issuance(self.client, self.name(), profile=self.profile))
        return issuance, lambda: self.given.append(issuance.result)

    def revocation(self):
        leaf = certificates(self.issue())[0]
        body = {"certificate": b64(leaf.public_bytes(DER)), "reason": 4}
        running = self.run(Again(lambda: self.client.post(self.ca.base + "/acme/revoke-cert", body),
                                 lambda a: a.status == 200 or a.type == "alreadyRevoked"))
        return running, lambda: self.revoked(leaf)

    def revoked(self, leaf):
        assert leaf.serial_number.to_bytes(16, "big") in agree(self.ca).revoked
        url = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
        Again(lambda: Got(ask(self.ca, "GET", "/" + url.split("/", 3)[3])),
              lambda a: a.status == 200 and x509.load_der_x509_crl(a.body).get_revoked_certificate_by_serial_number(leaf.serial_number)).run()

    def rollover(self):
        client, new = Client(self.ca), Key()
        client.register()
        old = client.key

        def roll():
            answer = client.post(self.ca.base + "/acme/key-change", key_change(client, new, old_key=old.jwk()), key=old)
            return answer if answer.status == 200 else client.post(client.kid, key=new)
        running = self.run(Again(roll, lambda a: a.status == 200))
        return running, lambda: self.rolled(client, old, new)

    def rolled(self, client, old, new):
        assert client.post(client.kid, key=new).status == 200
        assert client.post(client.kid, key=old).status in (400, 401, 403)

    def deactivation(self):
        client = Client(self.ca)
        client.register()
        running = self.run(Again(lambda: client.post(client.kid, {"status": "deactivated"}), lambda a: a.status in (200, 401, 403)))
        return running, lambda: self.deactivated(client)

    def deactivated(self, client):
        answer = client.post(client.kid)
        assert answer.type == "unauthorized", answer.body

    def recheck(self):
        """The order is ready, and its look at CAA a day old."""
        issuance = Issuance(self.client, self.name(), profile=self.profile)
        while not issuance.url or self.client.post(issuance.url).json["status"] != "ready":
            issuance.step()
        self.ca.stop()
        with contextlib.closing(sqlite3.connect(self.ca.folder / "state/front/store.db")) as db, db:
            db.execute("UPDATE authzs SET caa_s = caa_s - 86400")
        self.ca.start()
        issuance.end = time.monotonic() + WAIT
        running = self.run(issuance)
        return running, lambda: self.given.append(running.result)

    def binding(self):
        made, client = add(self.ca), Client(self.ca)
        running = self.run(Again(lambda: client.register(externalAccountBinding=binding(client, made)), lambda a: a.status in (200, 201)))
        return running, lambda: self.bound(client)

    def bound(self, client):
        answer = client.post(client.kid)
        assert answer.status == 200 and answer.json.get("externalAccountBinding"), answer.body

    def operator(self, *words):
        """A command, again until the signer has done it; as whoever gave it would."""
        return self.run(Again(lambda: self.ca.run(*words, "--config", self.ca.config, check=False), lambda done: done.returncode == 0))

    def block(self):
        name = self.name()
        running = self.operator("block", "name", name)
        return running, lambda: self.blocked(name)

    def blocked(self, name):
        Again(lambda: self.client.order(name), lambda a: a.type == "rejectedIdentifier").run()

    def operators_revocation(self):
        leaf = certificates(self.issue())[0]
        serial = f"{leaf.serial_number:032x}"

        def revoke():
            done = self.ca.run("revoke", serial, "--reason", "superseded", "--config", self.ca.config, check=False)
            return done if "already" not in done.stdout + done.stderr else None
        running = self.run(Again(revoke, lambda done: done is None or done.returncode == 0))
        return running, lambda: self.revoked(leaf)

    def reset(self):
        return self.operator("limits", "reset", "new-accounts-per-address", "127.0.0.1"), lambda: None

    def ocsp(self):
        leaf, issuer = certificates(self.issue())[:2]
        der = request(leaf, issuer)
        running = self.run(Again(lambda: Got(ask(self.ca, "POST", "/ocsp", der, Content_Type="application/ocsp-request")),
                            lambda a: a.status == 200 and ocsp.load_der_ocsp_response(a.body).response_status == ocsp.OCSPResponseStatus.SUCCESSFUL))
        return running, lambda: self.good(running.result.body)

    def good(self, body):
        assert ocsp.load_der_ocsp_response(body).certificate_status == ocsp.OCSPCertStatus.GOOD


def begin(world, message):
    if message in BEGINNING:
        return world.beginning()
    if message in ISSUANCE:
        return world.issuance()
    if message in RECHECKS:
        return world.recheck()
    if message in OPERATORS:
        return {"B": world.block, "R": world.operators_revocation, "L": world.reset}[message[0]]()
    if message.startswith("CRL") or message.startswith("REVOKE"):
        return world.revocation()
    return {"R": world.rollover, "D": world.deactivation, "B": world.binding, "O": world.ocsp}[message[0]]()


@pytest.fixture(scope="module")
def world():
    with faulty_ca() as ca:
        yield World(ca)


@pytest.fixture(scope="module")
def token_world():
    with faulty_ca(token=True) as ca:
        yield World(ca, "token")


def kill(ca, victim, status):
    if victim == "parent":
        ca.process.kill()
        ca.process.wait()
        ca.start(wait=False)
        return
    try:
        os.kill(status["processes"][victim]["pid"], signal.SIGKILL)
    except ProcessLookupError:
        pass  # the front that the case began with is gone, and the next not seen yet


def await_stop(world, message):
    end = time.monotonic() + WAIT + CHECKPOINT_S
    while not world.ca.faults.stopped(message):
        assert time.monotonic() < end, f"{message} is never sent"
        time.sleep(0.002)


def killed_at(world, message, when, victim):
    ca, faults = world.ca, world.ca.faults
    status = well(ca)
    if not status or any(one["starts"] > STARTS_MOST for one in status["processes"].values()):
        restart(ca)
        status = well(ca) or wait_well(ca)
    world.armed = message, when
    running, after = begin(world, message)
    await_stop(world, message)
    if message in BEGINNING and victim == "front":
        status = ca.status()
    kill(ca, victim, status)
    faults.go(message)
    running.end()
    wait_well(ca, f"{victim} at {message}")
    after()
    log = agree(ca)
    assert all(logged(log, pem) for pem in world.given)


def these(cases):
    cases = cases[::STEP]
    return pytest.mark.parametrize("message,when,victim", cases, ids=[f"{m}-{'before' if w == 1 else 'after'}-{v}" for m, w, v in cases])


@these(CASES)
def test_a_process_is_killed_at_a_message(world, message, when, victim):
    killed_at(world, message, when, victim)


@these(CHECKPOINT_CASES)
def test_a_process_is_killed_at_a_checkpoint(world, message, when, victim):
    """A minute after the first record that the last one has not seen."""
    killed_at(world, message, when, victim)


def test_a_hello_that_is_answered_late(world):
    """The signer stands still for longer than anybody waits; once it goes on, it is served as before, on the same channel."""
    status = wait_well(world.ca)
    signer, front = (status["processes"][name]["pid"] for name in ("signer", "front"))
    os.kill(signer, signal.SIGSTOP)
    try:
        os.kill(front, signal.SIGKILL)
        time.sleep(12)
    finally:
        os.kill(signer, signal.SIGCONT)
    status = wait_well(world.ca)
    assert status["processes"]["signer"]["pid"] == signer
    pem = world.issue()
    assert logged(agree(world.ca), pem)


def test_every_message_is_stopped_at():
    known = {name for name, _ in MESSAGES}
    stopped_at = {message for message, *_ in (*CASES, *TOKEN_CASES, *CHECKPOINT_CASES)}
    assert not NOT_STOPPED_AT - known and not stopped_at - known
    assert known == stopped_at | NOT_STOPPED_AT and not stopped_at & NOT_STOPPED_AT, known ^ (stopped_at | NOT_STOPPED_AT)


@these(TOKEN_CASES)
def test_a_process_is_killed_while_the_token_signs(token_world, message, when, victim):
    killed_at(token_world, message, when, victim)
