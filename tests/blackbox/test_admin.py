"""Monitoring: /metrics as Prometheus reads it, /health."""
import json
import os
import re
import signal
import time
import urllib.error
import urllib.request

import pytest

from acme_raw import Client
from harness import free_port, running_ca

# What STATUS tells that is no number of anything.
NO_METRICS = {"tls_not_after"}


@pytest.fixture(scope="module")
def ca():
    port = free_port()
    section = f'admin {{\n\tlisten = {{"127.0.0.1:{port}"}}\n}}\n'
    with running_ca(edit=lambda text: re.sub(r"(?ms)^#?\s*admin \{.*?^#?\}\n", "", text) + section) as running:
        running.admin = f"http://127.0.0.1:{port}"
        yield running


def get(ca, path, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(ca.admin + path, method=method), timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


def metrics(ca):
    """Samples by name and labels; every line must be one that the text format knows."""
    status, headers, text = get(ca, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in types, f"{name} twice"
            types[name] = kind
        elif not line.startswith("# HELP "):
            found = re.fullmatch(r'([a-z_]+)(\{[a-z]+="(?:[^"\\]|\\.)*"\})? (-?[0-9.]+)', line)
            assert found, line
            assert found[1] in types, f"{found[1]} has no type"
            assert (types[found[1]] == "counter") == found[1].endswith("_total"), line
            samples[found[1] + (found[2] or "")] = float(found[3])
    return samples


def test_metrics_count_what_happens(ca):
    before = metrics(ca)
    client = Client(ca)
    client.register()
    client.issue("metrics.example")
    assert client.order("..").status == 400
    after = metrics(ca)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["chancery_front_certificates_total"] == grown["chancery_signer_certificates_total"] == 1
    assert grown["chancery_validator_valid_total"] == 1
    assert sum(v for k, v in grown.items() if k.startswith("chancery_front_problems_total")) == 1
    assert after["chancery_ready"] == 1
    assert after['chancery_process_up{process="validator"}'] == 1
    assert after["chancery_front_tls_not_after_seconds"] > time.time()


def test_every_number_has_a_metric(ca):
    """Whatever a process tells in its status is there for monitoring as well."""
    table = open(os.path.join(os.path.dirname(__file__), "../../src/server/front/metrics.def")).read()
    rows = {(p, m) for p, m in re.findall(r"^X\((\w+),\s*([\w.]+),", table, re.M)}

    def lacking(process, counts, prefix=""):
        for member, value in counts.items():
            if (process, prefix + member) in rows or member in NO_METRICS:
                continue
            if isinstance(value, dict) and any((process, f"{prefix}{member}.{inner}") in rows for inner in value):
                yield from lacking(process, value, f"{prefix}{member}.")
            elif isinstance(value, (int, float, dict)):
                yield f"{process}: {prefix}{member}"

    status = ca.status()["processes"]
    assert [name for process in status for name in lacking(process, status[process].get("counts", {}))] == []


def test_health(ca):
    status, headers, text = get(ca, "/health")
    assert (status, json.loads(text)) == (200, {"status": "ok"}) and headers["Cache-Control"] == "no-store"
    assert get(ca, "/health/live")[0] == 200
    assert get(ca, "/health", "HEAD")[0] == 200


def test_what_is_not_there(ca):
    assert get(ca, "/directory")[0] == 404
    status, headers, _ = get(ca, "/metrics", "POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"


def test_health_fails_without_a_validator(ca):
    os.kill(ca.pid_of("validator"), signal.SIGSTOP)
    stopped = ca.pid_of("validator")
    try:
        os.kill(stopped, signal.SIGKILL)
        seen = set()
        for _ in range(400):
            status, _, text = get(ca, "/health")
            seen.add(status)
            if status == 503:
                told = json.loads(text)
                assert told["status"] == "failing" and any("validator" in reason for reason in told["reasons"])
                break
        assert 503 in seen
    finally:
        ca.wait_ready()
    assert any(get(ca, "/health")[0] == 200 for _ in range(100))
