"""chancery-ca status: how the server is, what is wrong, what to do."""
import re

import pytest

import schemas
from harness import running_ca


@pytest.fixture(scope="module")
def ca():
    with running_ca() as running:
        yield running


def reserve(ca, size):
    """Another reserve, by a reload."""
    import signal
    ca.config.write_text(re.sub(r"(?m)^(\s*)#?\s*reserve = .*$", rf"\1reserve = {size}", ca.config.read_text(), count=1))
    ca.process.send_signal(signal.SIGHUP)
    ca.wait_ready()
    for _ in range(200):
        if ca.status()["processes"]["signer"]["counts"]["reserve_bytes"] == size:
            return
    raise AssertionError("the reserve did not change")


def test_all_is_well(ca):
    result = ca.run("status", "--config", ca.config)
    assert result.returncode == 0 and "all is well" in result.stdout
    told = schemas.check("status", ca.run("status", "--json", "--config", ca.config).stdout)
    assert told["findings"] == [] and told["ready"]


def test_a_finding_says_what_to_do(ca):
    before = ca.status()["processes"]["signer"]["counts"]["reserve_bytes"]
    reserve(ca, 1 << 40)
    result = ca.run("status", "--config", ca.config, check=False)
    assert result.returncode == 2
    assert re.search(r"^error: the log's disk has \d+ MiB left, less than the reserve of \d+: nothing is issued, only revoked$", result.stdout, re.M)
    assert "\n  Free space on the disk" in result.stdout
    json_result = ca.run("status", "--json", "--config", ca.config, check=False)
    (finding,) = schemas.check("status", json_result.stdout)["findings"]
    assert json_result.returncode == 2 and finding["severity"] == "error"
    reserve(ca, before)
    assert ca.run("status", "--config", ca.config).returncode == 0


def test_without_a_server(tmp_path):
    with running_ca() as ca:
        ca.stop()
        result = ca.run("status", "--config", ca.config, check=False)
        assert result.returncode == 2 and result.stdout == "" and "chancery-ca serve" in result.stderr
        ca.start()
