"""The network of the tests: one of their own, in which there is nothing but loopback. Whatever a program does there, it asks nobody else."""
import ctypes
import fcntl
import os
import socket
import struct

import pytest

NEWNET, NEWUSER = 0x40000000, 0x10000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
SHARED = "CHANCERY_TEST_NETWORK"


def shared():
    return os.environ.get(SHARED) == "shared"


def new_user(libc):
    """Who is not root may make a network in a user namespace alone; inside, we are who we were."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(NEWNET | NEWUSER) != 0:
        return False
    for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{file}", "w") as f:
            f.write(text)
    return True


def leave():
    """Before there is a thread: this process, and whatever it starts. None, or why that cannot be."""
    libc = ctypes.CDLL(None, use_errno=True)
    if shared():
        return None
    if libc.unshare(NEWNET) != 0 and not new_user(libc):
        return (f"the tests cannot have a network of their own ({os.strerror(ctypes.get_errno())}): run them as root, or where user namespaces are allowed; "
                f"{SHARED}=shared runs them in the network of this machine, whose resolver is then asked for made-up names")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
    return None


def pytest_configure():
    """For conftest.py."""
    why = leave()
    if why:
        pytest.exit(why, returncode=3)
