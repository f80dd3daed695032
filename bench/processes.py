"""What processes have used and hold, from /proc."""
import contextlib
import os
import pathlib
import re

TICK = os.sysconf("SC_CLK_TCK")


def children(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has just ended
            yield from map(int, task.read_text().split())


def cpu_ms(pids):
    """User and system."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total * 1000 / TICK


def pss_mib(pids):
    """Pages that several have are shared out among them."""
    return sum(int(re.search(r"(?m)^Pss: +(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1]) for pid in pids) / 1024
