"""The validator's own recursion, from the root down: in a network of our own, where a root server's address is ours. No resolver is configured."""
import os
import re
import subprocess

import pytest

import network
from acme_raw import Client, challenge_of
from dns_zones import Server, Signer, zone_text
from harness import Ca, Web, free_port

# a.root-servers.net and the others, of which a resolver asks any; name servers of ours; one that is none
ROOT, BELOW, LAME = "198.41.0.4", "192.0.2.53", "192.0.2.54"
OTHERS = ("170.247.170.2", "199.9.14.201", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4", "198.97.190.53",
          "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33")


def own_network(*more):
    """Gives the tests' network these addresses, and more. False where it is not ours to change."""
    if os.getuid() != 0 or network.shared():
        return False
    for address in (ROOT, *OTHERS, BELOW, LAME, *more):
        subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
    return True


def root_text(*records):
    head = "$ORIGIN .\n$TTL 5\n@ SOA a.root-servers.net. nobody. 1 3600 600 86400 0\n@ NS a.root-servers.net.\n"
    return head + f"a.root-servers.net. A {ROOT}\n" + "".join(line + "\n" for line in records)


def below(zone, *records):
    return zone_text(zone, *records).replace("ns A 127.0.0.1", f"ns A {BELOW}")


@pytest.fixture(scope="module")
def world():
    if not own_network():
        pytest.skip("needs a network namespace, and so the rights of root")
    root, org, good, expired = Signer("."), Signer("org"), Signer("good.org"), Signer("expired.org")
    leaf = ("web A 127.0.0.1", 'web CAA 0 issue "localhost"')
    org_text = below("org", "good NS ns", good.ds, "expired NS ns", expired.ds, "insecure NS ns", f"insecure NS lame\nlame A {LAME}")
    zones = {"org": org.sign(org_text), "good.org": good.sign(below("good.org", *leaf)), "insecure.org": below("insecure.org", *leaf),
             "expired.org": expired.sign(below("expired.org", *leaf), "-s", "20200101000000", "-e", "20200201000000")}
    text = root.sign(root_text("org. NS ns.org.", f"ns.org. A {BELOW}", org.ds))
    with Server("named", {".": text}, host=ROOT, also=OTHERS, port=53), Server("nsd", zones, host=BELOW, port=53):
        web = Web()
        ca = Ca("--trust-anchor", root.ds, http_port=web.port, edit=lambda t: re.sub(r'#?deadline = ".*?"', 'deadline = "60s"', t))
        ca.web = web
        try:
            ca.start()
            yield ca
            ca.stop()
        finally:
            ca.close()
            web.close()


@pytest.fixture(scope="module")
def client(world):
    one = Client(world)
    assert one.register().status == 201
    return one


def validate(client, name):
    order = client.order(name)
    assert order.status == 201, order.body
    authz = client.solve(order.json["authorizations"][0])
    return authz


def test_names_are_found_from_the_root_down(client):
    assert validate(client, "web.good.org")["status"] == "valid"


def test_a_name_server_that_says_nothing_is_gone_past(client):
    assert validate(client, "web.insecure.org")["status"] == "valid"


def test_bogus_below_the_root_is_refused(client):
    authz = validate(client, "web.expired.org")
    assert authz["status"] == "invalid"
    error = challenge_of(authz)["error"]
    assert error["type"].endswith(":dns") and "DNSSEC bogus: " in error["detail"] and "expired" in error["detail"], error


def test_what_is_not_there_is_not_there(client):
    error = challenge_of(validate(client, "none.good.org"))["error"]
    assert error["type"].endswith(":dns") and "NXDOMAIN for A and AAAA of none.good.org" in error["detail"], error
