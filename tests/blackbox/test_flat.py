"""A CA with a past, as bench_fill writes it: it starts, all of it is true and agrees, its clients are served; and no statement of the store walks through a
table, so that none can cost more the more there is."""
import contextlib
import pathlib
import re
import sqlite3

import pytest
from cryptography.x509 import ocsp

from acme_raw import certificates
from dns_responder import Responder
from filled import fill, holder
from harness import SANITIZED, Ca, Web, free_port
from test_ocsp import post, request_number

CERTIFICATES, ACCOUNTS, OPEN, REVOKED = (2000, 400, 300, 400) if SANITIZED else (20000, 4000, 1000, 4000)
STORE = pathlib.Path(__file__).resolve().parents[2] / "src" / "server" / "store"


@pytest.fixture(scope="module")
def ca():
    publish, web, dns = free_port(), Web(), Responder()
    one = Ca("--publish-url", f"http://localhost:{publish}", "--publish-listen", f"127.0.0.1:{publish}", http_port=web.port, dns_port=dns.port)
    one.publish, one.web = publish, web
    try:
        one.written = fill(one, CERTIFICATES, ACCOUNTS, OPEN, REVOKED)
        yield one
    finally:
        one.close()
        web.close()
        dns.close()


@contextlib.contextmanager
def database(ca):
    with contextlib.closing(sqlite3.connect(f"file:{ca.folder}/state/front/store.db?mode=ro", uri=True)) as db:
        yield db


@pytest.fixture
def running(ca):
    ca.start()
    yield ca
    ca.stop()


def test_it_writes_what_it_is_asked_for(ca):
    assert {name: int(n) for name, n in ca.written.items()} == {
        "certificates": CERTIFICATES, "accounts": ACCOUNTS + 1, "open": OPEN, "revoked": REVOKED}
    with database(ca) as db:
        found = [db.execute(f"SELECT count(*) FROM {what}").fetchone()[0] for what in (
            "certificates", "accounts", "orders WHERE state = 0", "certificates WHERE revoked_s IS NOT NULL", "authzs WHERE state = 1")]
        times = db.execute("SELECT min(not_before_s), max(not_before_s) FROM certificates").fetchone()
    assert found == [CERTIFICATES, ACCOUNTS + 1, OPEN, REVOKED, CERTIFICATES]
    assert 39 * 86400 < times[1] - times[0] <= 40 * 86400


def test_the_log_is_whole_and_the_database_agrees(ca):
    assert "The log is whole" in ca.run("log", "verify", "--config", ca.config).stdout
    said = ca.run("reconcile", "--config", ca.config).stdout
    assert "Log and database agree." in said and f"{CERTIFICATES} certificates" in said and f"{REVOKED} revoked" in said, said


@pytest.mark.parametrize("which", ["revoked_s IS NULL", "revoked_s IS NOT NULL"], ids=["valid", "revoked"])
def test_the_evidence_holds(ca, which):
    """Both signed requests, receipts, certificate and revocation, looked at again by the operator's command."""
    with database(ca) as db:
        serials = [row[0].hex() for row in db.execute(f"SELECT serial FROM certificates WHERE {which} ORDER BY serial")]
    for serial in serials[::max(1, len(serials) // 3)]:
        ca.run("show", serial, "--evidence", "--config", ca.config)


def test_it_starts_and_starts_again(ca):
    for _ in range(2):
        ca.start()
        counts = ca.status()["processes"]["signer"]["counts"]
        assert counts["revoked"] == REVOKED and counts["voided"] == 0
        ca.stop()


def test_its_clients_are_served(running):
    client = holder(running)
    url, ids = client.kid + "/orders", set()
    while url:
        answer = client.post(url)
        ids.update(answer.json["orders"])
        url = next((link.split(">")[0].lstrip("<") for link in answer.headers.get_all("Link") or () if 'rel="next"' in link), None)
    assert len(ids) == OPEN
    assert len(certificates(client.issue("new.test"))) == 2


def test_ocsp_knows_the_past(running):
    (issuer,) = certificates((running.folder / "state/signer/issuers/main/issuer.pem").read_text())
    with database(running) as db:
        rows = db.execute("SELECT serial, revoked_s FROM certificates ORDER BY serial").fetchall()
    for serial, revoked_s in rows[::len(rows) // 40]:
        answer = post(running, request_number(issuer, int.from_bytes(serial, "big")))
        assert (answer.certificate_status == ocsp.OCSPCertStatus.REVOKED) == (revoked_s is not None)
        assert answer.certificate_status != ocsp.OCSPCertStatus.UNKNOWN


# --- how each statement finds its rows ---

LITERAL = r'"(?:[^"\\]|\\.)*"'


def joined(text, macros):
    return "".join(part[1:-1] if part[0] == '"' else macros.get(part, "") for part in re.findall(LITERAL + r"|[A-Z_]+", text))


def store_files():
    """Without reconcile (mirror*), which goes through everything, and tests."""
    return [file for file in sorted(STORE.glob("*.c")) if not file.name.startswith("mirror") and not file.stem.endswith(("_test", "_sample"))]


def statements():
    """Every SQL statement of the store's files, as the compiler puts its parts together."""
    for file in store_files():
        text = file.read_text()
        macros = {name: joined(value.replace("\\\n", ""), {}) for name, value in re.findall(r'#define ([A-Z_]+)\s+(?:\\\n)?\s*(' + LITERAL + r'(?:\s*\\?\s*' + LITERAL + ")*)", text)}
        for found in re.finditer(LITERAL + rf"(?:\s*(?:{LITERAL}|[A-Z_]+\b))*", text):
            sql = joined(found[0], macros)
            if re.match(r"(SELECT|INSERT|UPDATE|DELETE)\b", sql):
                yield f"{file.stem}: {sql}", sql


# Steps that walk, and what ends them.
BOUNDED = {"SCAN checkpoints": "its newest row alone is read",
           "SCAN orders USING INDEX orders_processing": "the index has those alone that the signer is working on"}
STATEMENTS = dict(statements())


def steps(db, sql):
    plan = db.execute("EXPLAIN QUERY PLAN " + sql, {str(n): None for n in range(1, 17)}).fetchall()
    return [row[3] for row in plan]


def test_all_statements_are_found():
    """What the store prepares is what is looked at here: nothing is put together at run time."""
    prepared = sum(len(re.findall(r"\bdb_prepare\(", file.read_text())) for file in store_files())
    assert len(STATEMENTS) >= prepared


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_goes_by_an_index(ca, name):
    """A SEARCH goes down a tree; a SCAN or a sort of its own would cost more with every row that is there."""
    with database(ca) as db:
        for step in steps(db, STATEMENTS[name]):
            assert step in BOUNDED or not re.match(r"SCAN (?!CONSTANT)", step) and "TEMP B-TREE" not in step, step


def test_a_statement_without_an_index_would_be_seen(ca):
    with database(ca) as db:
        assert any(step.startswith("SCAN") for step in steps(db, "SELECT id FROM orders WHERE created_s = $1"))
        assert any("TEMP B-TREE" in step for step in steps(db, "SELECT id FROM orders WHERE id > $1 ORDER BY created_s"))
