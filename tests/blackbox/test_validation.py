"""What the validator sees of real servers: the answers of name servers, web servers and TLS servers, through a whole CA."""
import pytest

from acme_raw import Client, certificates
from dns_zones import Zones
from harness import running_ca
from log_reader import Log, receipts


@pytest.fixture(scope="module")
def zones():
    with Zones("test", signed=True) as one:
        yield one


@pytest.fixture(scope="module")
def ca(zones):
    with running_ca(zones=zones) as one:
        yield one


@pytest.fixture(scope="module")
def client(ca):
    one = Client(ca)
    assert one.register().status == 201
    return one


def receipts_of(ca, certificate):
    """The receipts that the log has for this certificate."""
    serial = certificate.serial_number.to_bytes(16, "big")
    return receipts(Log(ca.folder / "state" / "signer" / "log", open_intents=True).intents[serial])


def test_http_01_with_signed_dns(ca, zones, client):
    zones.add_host("web.test")
    zones.add("web.test", "CAA", '0 issue "localhost"')
    control, caa = receipts_of(ca, certificates(client.issue("web.test"))[0])
    assert (control.identifier, control.scope, control.method, control.relaxed) == ("web.test", "exact", "http-01", True)
    assert (caa.identifier, caa.node, caa.outcome) == ("web.test", "web.test", "permitted")
    assert control.dnssec == caa.dnssec == "secure"
