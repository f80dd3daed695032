"""What testssl.sh finds on the ACME port of a CA as it stands on a network: nothing above INFO."""
import json
import os
import subprocess

import pytest

from harness import Ca, free_port

# What testssl.sh marks above INFO and what stays, by id with the reason. All of them must be found: what is not found any more leaves this list.
EXCEPTIONS = {}
# Certificates of 46 days that the server renews by itself: the days of warning that testssl.sh has for Let's Encrypt's, which are as young.
DAYS = {"DAYS2WARN1": "30", "DAYS2WARN2": "15"}
# Its own openssl need have no GOST engine, of whose lack it would warn as of a finding.
OWN = {"NO_ENGINE": "true"}


def scan(ca, folder):
    """testssl.sh's findings by id; the CA goes by a name that nobody resolves."""
    out = folder / "findings.json"
    words = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", ca.root, "--jsonfile", out, ca.directory.replace("localhost", "acme.example")]
    result = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=540, cwd=folder,
                            env={**os.environ, **DAYS, **OWN, "HOME": str(folder), "TERM": "dumb"})
    assert out.exists(), result.stdout + result.stderr
    return {f["id"]: f for f in json.loads(out.read_text())}


@pytest.fixture
def public(tmp_path):
    """A CA as it stands on a network: under a name of its own, with revocation lists at another."""
    port = free_port()
    ca = Ca("--tls-name", "acme.example", "--publish-url", f"http://crl.example:{port}", "--publish-listen", f"127.0.0.1:{port}",
            edit=lambda text: text.replace("https://localhost", "https://acme.example"))
    try:
        yield ca.start()
    finally:
        ca.close()


def test_testssl(public, tmp_path):
    findings = scan(public, tmp_path)
    # It was there, and saw what we know to be so.
    for known in ("TLS1_2", "TLS1_3", "heartbleed", "PFS", "HSTS_time", "cert_chain_of_trust", "cipher_order", "BREACH"):
        assert known in findings, sorted(findings)
    assert findings["TLS1_2"]["severity"] == findings["TLS1_3"]["severity"] == findings["heartbleed"]["severity"] == "OK"
    bad = {i: f for i, f in findings.items() if f["severity"] not in ("OK", "INFO")}
    assert bad.keys() == EXCEPTIONS.keys(), json.dumps(list(bad.values()), indent=1)
