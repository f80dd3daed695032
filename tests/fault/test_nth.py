"""The Nth call of a kind fails in a process, for N = 1, 2, ... until none is left, while an account, an order or a certificate is under way: what is
asked for comes about, or is refused with a reason and then comes about, and whatever was given to anybody is in the log."""
import contextlib
import errno
import http.client
import itertools

import pytest
from cryptography import x509

from fault import DER, EACH, FULL, Again, Got, Issuance, agree, faulty_ca, logged, restart, wait_well
from acme_raw import Client, Key, b64, certificates
from test_accounts import key_change
from test_ocsp import ask, ocsp, request

MOST = 20000  # calls of one thing: a bound for what does not end
STEP = 1 if EACH else 7
ATTEMPTS = MOST if EACH else 10 if FULL else 4  # of one case: where that is not enough, they are spread over all calls
STARTS_MOST = 3  # then a restart waits for long
LOOK_EACH = 10   # attempts
SQLITE = (10, 13, 7, 5)  # IOERR, FULL, NOMEM, BUSY
ERRORS = {"allocation": (errno.ENOMEM,), "write": (errno.ENOSPC, errno.EIO), "sync": (errno.EIO,), "sql": SQLITE,
          "channel": (errno.ENOMEM, errno.EIO), "socket": (errno.ECONNRESET, errno.ENOMEM)}
OF = {"front": ("allocation", "write", "sync", "sql", "channel", "socket"), "validator": ("allocation", "channel", "socket"),
      "signer": ("allocation", "write", "sync", "channel")}


class World:
    def __init__(self, ca):
        self.ca, self.n, self.given = ca, 0, []
        self.client = Client(ca)
        self.client.register()

    def name(self):
        self.n += 1
        return f"nth{self.n}.example.test"

    def issue(self, kind="http-01", client=None):
        self.given.append(Issuance(client or self.client, self.name(), kind, may_refuse=True).run())
        return self.given[-1]

    # Each prepares without faults, and returns what is then done with them.

    def account_order_http(self):
        client = Client(self.ca)
        return lambda: self.issue(client=client)

    def dns(self):
        return lambda: self.issue("dns-01")

    def tls_alpn(self):
        return lambda: self.issue("tls-alpn-01")

    def revocation(self):
        leaf, issuer = certificates(self.issue())[:2]
        body = {"certificate": b64(leaf.public_bytes(DER)), "reason": 4}

        def revoke():
            Again(lambda: self.client.post(self.ca.base + "/acme/revoke-cert", body), lambda a: a.status == 200 or a.type == "alreadyRevoked").run()
            self.listed(leaf)
        return revoke

    def listed(self, leaf):
        """And a new list is made and fetched."""
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
        return lambda: Again(roll, lambda a: a.status == 200).run()

    def ocsp(self):
        der = request(*certificates(self.issue())[:2])
        good = ocsp.OCSPResponseStatus.SUCCESSFUL
        return lambda: Again(lambda: Got(ask(self.ca, "POST", "/ocsp", der, Content_Type="application/ocsp-request")),
                             lambda a: a.status == 200 and ocsp.load_der_ocsp_response(a.body).response_status == good).run()


EVERYWHERE = ("account_order_http", "revocation", "rollover", "ocsp")
CASES = [(scenario, process, kind) for process in OF for kind in OF[process]
         for scenario in ((*EVERYWHERE, "dns", "tls_alpn") if process == "validator" else EVERYWHERE)
         if process != "validator" or scenario in ("account_order_http", "dns", "tls_alpn")]


@pytest.fixture(scope="module")
def world():
    with faulty_ca() as ca:
        yield World(ca)


def look(world):
    """All is well, and whatever was given is in the log."""
    status = wait_well(world.ca)
    log = agree(world.ca)
    assert all(logged(log, pem) for pem in world.given)
    world.given.clear()
    if any(one["starts"] > STARTS_MOST for one in status["processes"].values()):
        restart(world.ca)


@pytest.mark.parametrize("scenario,process,kind", CASES, ids=["-".join(case) for case in CASES])
def test_the_nth_call_fails(world, scenario, process, kind):
    faults, met = world.ca.faults, 0
    for _ in range(2):  # what is done once and never again is not counted
        act = getattr(world, scenario)()
        faults.arm(process, kind)
        act()
        faults.disarm(process)
    step = max(STEP, -(-faults.count(process) // ATTEMPTS))
    for attempt in itertools.count():
        n = 1 + attempt * step
        assert n < MOST, "there is no end of calls"
        act = getattr(world, scenario)()
        faults.arm(process, kind, n, ERRORS[kind][attempt % len(ERRORS[kind])])
        try:
            act()
        except Exception as e:
            raise AssertionError(f"call {n} of {faults.count(process)}: {e!r}\n" + world.ca.log_text()[-3000:]) from e
        failed = faults.disarm(process)
        met += failed
        if attempt % LOOK_EACH == LOOK_EACH - 1:
            look(world)
        if not failed:
            break
    print(f"{faults.count(process)} calls, {met} failed")
    look(world)
    assert met or not expected(scenario, process, kind), "no call of this kind has failed"


def test_an_account_is_whole_or_not_there(world):
    """Each allocation of the one request: its account can be used, whatever failed while it was made."""
    faults, n, failed = world.ca.faults, 0, True
    while failed:
        n += 1
        client = Client(world.ca)
        client.request("HEAD", world.ca.base + "/acme/new-nonce")
        faults.arm("front", "allocation", n, errno.ENOMEM)
        with contextlib.suppress(OSError, EOFError, ValueError, KeyError, http.client.HTTPException):
            answer = client.register()
            assert answer.status in (200, 201) or answer.type, f"allocation {n}: {answer.status} without a problem: {answer.body}"
        failed = faults.disarm("front")
        client.connection = None
        Again(client.register, lambda a: a.status in (200, 201)).run()
        Again(lambda: client.post(client.kid), lambda a: a.status == 200).run()
    print(f"{n} allocations")
    assert n > 10
    look(world)


def expected(scenario, process, kind):
    """An answer by OCSP needs neither log nor database, once its key is there."""
    return not (scenario == "ocsp" and kind in ("write", "sync", "sql"))
