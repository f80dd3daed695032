#!/usr/bin/env python3
"""bench/abuse.py [BUILD [SCENARIO...]]: what a well-behaved client gets of a CA of the build (build/release unless named) under load and abuse.

The scenarios are those of tests/blackbox/test_abuse.py (abuse.py beside it). Prints how long a whole issuance takes before, during and after each, and what
else was counted. Loads and servers share the machine.
"""
import datetime
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
os.environ["CHANCERY_BUILD"] = str(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parent / "build" / "release").resolve())
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "tests" / "blackbox"))

import abuse  # noqa: E402

TIMES = ("before_s", "during_s", "slowest_s", "after_s")


def word(value):
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {word(v)}" for name, v in value.items())
    return str(len(value)) if isinstance(value, list) and len(value) > 3 else str(value)


def main():
    wanted = sys.argv[2:]
    known = {scenario.__name__: scenario for scenario in abuse.SCENARIOS}
    if not set(wanted) <= set(known):
        raise SystemExit(f"bench/abuse.py: scenarios are {', '.join(known)}")
    print(f"{datetime.date.today()}, {os.cpu_count()} cores; seconds of a whole issuance by http-01, with a connection of its own\n\n"
          "| scenario | before | during, median | slowest | after | |\n|---|---:|---:|---:|---:|---|", flush=True)
    for name in wanted or known:
        figures = known[name]()
        rest = {what: value for what, value in figures.items() if what not in TIMES and what != "problems"}
        print(f"| {name.replace('_', ' ')} | " + " | ".join(f"{figures[t]:.2f}" for t in TIMES) + f" | {word(rest).replace('_', ' ')} |", flush=True)


main()
