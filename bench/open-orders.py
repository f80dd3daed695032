#!/usr/bin/env python3
"""bench/open-orders.py [BUILD]: what newOrder costs on an account with 10,000 open orders, beside one with none.

Starts a throw-away CA of the build (build/release unless named), fills one account with open orders, and then asks by turns for orders on
that account and on accounts that have none. Prints the server's CPU time for a newOrder (all its processes, user and system) of both and
their ratio; a shared machine drifts, so look at the ratio. OPEN, ROUNDS and BATCH in the environment change the sizes.
"""
import os
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parent / "build" / "release").resolve()
os.environ["CHANCERY_BUILD"] = str(BUILD)
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "tests" / "blackbox"))

from acme_raw import Client  # noqa: E402
from harness import Ca  # noqa: E402
from processes import cpu_ms  # noqa: E402

OPEN, ROUNDS, BATCH = (int(os.environ.get(name, value)) for name, value in (("OPEN", 10000), ("ROUNDS", 9), ("BATCH", 300)))


def no_limits(text):
    return text.replace('#orders-per-account = "3000/3h"', 'orders-per-account = "off"')


def order(client, n):
    for i in range(n):
        answer = client.order(f"n{client.made + i}.bench.test")
        assert answer.status == 201, answer.body
    client.made += n


def account(ca):
    client = Client(ca)
    client.made = 0
    assert client.register().status == 201
    return client


def measured(client, pids):
    order(client, 10)  # its key and the pages of its rows are in memory
    before = cpu_ms(pids)
    order(client, BATCH)
    return (cpu_ms(pids) - before) / BATCH


def main():
    ca = Ca("--private-suffix", "test", edit=no_limits)
    ca.start()
    try:
        pids = [ca.process.pid, *(p["pid"] for p in ca.status()["processes"].values())]
        full = account(ca)
        print(f"making {OPEN} open orders", file=sys.stderr)
        order(full, OPEN)
        found = {"none": [], "full": []}
        for i in range(ROUNDS):
            for name in ("none", "full") if i % 2 else ("full", "none"):
                found[name].append(measured(account(ca) if name == "none" else full, pids))
        none, many = (statistics.median(found[name]) for name in ("none", "full"))
        print(f"CPU ms for a newOrder (median of {ROUNDS} rounds of {BATCH}): no open orders {none:.3f}, {OPEN} open orders {many:.3f}, "
              f"ratio {many / none:.2f}")
    finally:
        ca.close()


main()
