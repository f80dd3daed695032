"""What test_client_faults.py does to issue, done to the other commands: at every request and every operation on the disk something breaks. Afterwards certificate and account are
those of before or the new ones, whole; the same command, said once more, ends well."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from harness import CLIENT_PROGRAM
from test_client import DONE, FAILED, NOTHING_TO_DO, blocks
from test_client_faults import STEP, ca, run, shim, whole  # noqa: F401 (fixtures)

PROBLEM = "urn:ietf:params:acme:error:"


def answer(status, kind, *headers):
    body = json.dumps({"type": PROBLEM + kind, "detail": "broken on purpose"}).encode()
    head = [f"HTTP/1.1 {status} Broken", "Content-Type: application/problem+json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


BAD_NONCE = answer(400, "badNonce", "Replay-Nonce: bm8tc3VjaC1ub25jZQ")
ERROR, LIMIT = answer(500, "serverInternal"), answer(429, "rateLimited", "Retry-After: 7200")


class Folder:
    """A client's folder with one certificate and one account; first and second are names for the CA, with an account each."""
    name = "steps.example"

    def __init__(self, ca, folder):  # noqa: F811
        self.ca, self.folder = ca, folder
        for name in ("first", "second"):
            self.good("ca", "add", name, "--directory", ca.directory, "--ca-file", ca.proxy.root)
        self.issue()
        self.account = self.show()

    def line(self, *command):
        return [CLIENT_PROGRAM, *command, "--folder", self.folder]

    def good(self, *command, also=()):
        result = run(self.line(*command))
        assert result.returncode in (DONE, *also), f"{command}: exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def issue(self):
        self.good("issue", self.name, "--force", "--ca", "first", "--timeout", "20", "--challenge", "dns-01", "--hook", self.ca.hook, "--resolver", "127.0.0.1:9")

    def show(self):
        return self.good("account", "show", "--ca", "first").stdout.split()[0]

    def live(self):
        return whole(self.folder, self.name)

    def meta(self):
        return json.loads((self.folder / self.name / "live" / "meta.json").read_text())


class Renew:
    words = ("renew", Folder.name, "--force")
    before = staticmethod(lambda f: f.live())

    @staticmethod
    def after(f, before):
        assert f.live()
        f.good(*Renew.words)
        assert f.live() != before


class Reissue(Renew):
    words = ("reissue", Folder.name)


class Switch:
    """There and back."""
    words = ("ca", "switch", "--from", "first", "--to", "second")

    @staticmethod
    def before(f):
        f.good("ca", "switch", "--from", "second", "--to", "first", also=(NOTHING_TO_DO,))
        assert f.meta()["ca"] == "first"

    @staticmethod
    def after(f, _):
        assert f.live() and f.meta()["ca"] in ("first", "second")
        f.good(*Switch.words, also=(NOTHING_TO_DO,))
        assert f.live()
        # what is renewed next goes where the certificate is from
        (saved,) = [o["value"] for o in json.loads((f.folder / f.name / "options.json").read_text())["options"] if o["option"] == "ca"]
        assert saved == "second" == f.meta()["ca"]


class Rollover:
    """Whoever comes next, for whatever, finds the same account; none is made in its place."""
    words = ("account", "rollover", "--ca", "first")
    before = staticmethod(lambda f: None)
    turn = 0

    @staticmethod
    def after(f, _):
        Rollover.turn += 1
        match Rollover.turn % 4:
            case 0:
                f.issue()
            case 1:
                f.good("revoke", f.name, "--yes", also=(FAILED,))  # it may be revoked already
                f.issue()
            case 2:
                assert f.account in f.good("ca", "test", "first").stdout.split()
            case 3:
                f.good(*Rollover.words)
        assert f.show() == f.account


class Update:
    words = ("account", "update", "--ca", "first", "--contact", "mailto:a@example.org")
    before = staticmethod(lambda f: None)

    @staticmethod
    def after(f, _):
        f.good(*Update.words)
        assert f.show() == f.account


class Deactivate:
    """It is over, or it is as it was; whoever comes next is told which, gets no certificate by an account that is over, and nothing of it changes the certificate."""
    words = ("account", "deactivate", "--ca", "first", "--yes")

    @staticmethod
    def before(f):
        for key in (f.folder / "_accounts").glob("*"):
            key.unlink()
        shutil.rmtree(f.folder / "_cas", ignore_errors=True)
        f.issue()
        return f.live(), f.show()

    @staticmethod
    def after(f, before):
        assert f.live() == before[0]
        shown = f.good("account", "show", "--ca", "first", also=(FAILED,))
        if shown.returncode == DONE:
            assert shown.stdout.split()[0] == before[1]
            f.good(*Deactivate.words)
        else:
            assert "(unauthorized)" in shown.stderr, shown.stderr
        again = run(f.line(*Deactivate.words))
        assert again.returncode == FAILED and "(unauthorized)" in again.stderr, again.stderr
        refused = run(f.line("renew", f.name, "--force"))
        assert refused.returncode == FAILED and "account" in refused.stderr, refused.stderr
        assert f.live() == before[0]


class Revoke:
    """The certificate itself stays where it is, whatever the CA says."""
    words = ("revoke", Folder.name, "--yes")

    @staticmethod
    def before(f):
        f.issue()
        return f.live()

    @staticmethod
    def after(f, before):
        assert f.live() == before
        again = f.good(*Revoke.words, also=(FAILED,))
        assert again.returncode == DONE or "alreadyRevoked" in again.stderr, again.stderr
        assert "alreadyRevoked" in f.good(*Revoke.words, also=(FAILED,)).stderr


class Delete:
    words = ("delete", Folder.name, "--yes")

    @staticmethod
    def before(f):
        f.issue()
        return f.live()

    @staticmethod
    def after(f, before):
        if (f.folder / f.name).exists():
            assert f.live() == before
            f.good(*Delete.words)
        kept = [blocks(k / "live" / "cert.pem")[0].serial_number for k in (f.folder / "_deleted").iterdir()]
        assert kept.count(before) == 1
        assert "steps.example" not in f.good("status").stdout


AT_THE_CA = (Renew, Reissue, Switch, Rollover, Update, Deactivate, Revoke)


@pytest.fixture
def folder(ca, tmp_path):  # noqa: F811
    return Folder(ca, tmp_path / "f")


def killing(f, command, n, proxy):
    """The run is killed when its n-th request is on its way to the CA, which does what it is asked for."""
    process = subprocess.Popen([str(w) for w in f.line(*command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def cut(count):
        if count == n:
            process.kill()
            return "after"
        return None
    proxy.reset(cut)
    stderr = process.communicate(timeout=120)[1]
    return subprocess.CompletedProcess(command, process.returncode, "", stderr)


HOW = {"before": "before", "after": "after", "500": ERROR, "429": LIMIT, "kill": None}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("command", AT_THE_CA, ids=lambda c: c.__name__)
def test_every_request(ca, folder, command, how):  # noqa: F811
    """The n-th request is lost, or its answer is, or it is an error or a limit; or the run is killed while it is on its way."""
    met = 0
    # renew and reissue go the way of issue, which test_client_faults.py takes step by step
    step = STEP * 3 if command in (Renew, Reissue) else STEP
    for n in range(1, 60, step):
        before = command.before(folder)
        if how == "kill":
            result = killing(folder, command.words, n, ca.proxy)
        else:
            ca.proxy.reset(lambda count: HOW[how] if count == n else None)
            result = run(folder.line(*command.words))
        reached = ca.proxy.count >= n
        ca.proxy.reset()
        assert result.returncode in (DONE, FAILED, *((-signal.SIGKILL,) if how == "kill" else ())), result.stderr
        if how == "429" and result.returncode == FAILED:
            assert "try again after 7200 s" in result.stderr, result.stderr
        command.after(folder, before)
        if not reached:
            break
        met += 1
    else:
        raise AssertionError("there is no end of requests")
    assert met * step >= 3, "requests were not seen"


COMMANDS = {c.__name__: c for c in AT_THE_CA}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_nonce_is_ever_good(ca, folder, command):  # noqa: F811
    """Every answer to what is signed is badNonce: given up after a bounded number of tries, and told what it is and whose."""
    before = COMMANDS[command].before(folder)
    ca.proxy.reset(lambda count: BAD_NONCE if count > 2 else None)  # the directory and the first nonce
    start = time.monotonic()
    result = run(folder.line(*COMMANDS[command].words))
    took, count = time.monotonic() - start, ca.proxy.count
    ca.proxy.reset()
    assert result.returncode == FAILED and "(badNonce)" in result.stderr and "on the CA's side" in result.stderr, result.stderr
    assert 10 < count < 60 and took < 60, (count, took)
    COMMANDS[command].after(folder, before)


@pytest.mark.parametrize("how", ["fail", "kill"])
@pytest.mark.parametrize("command", (Renew, Switch, Rollover, Revoke, Delete), ids=lambda c: c.__name__)
def test_every_operation_on_the_disk(folder, shim, tmp_path, command, how):  # noqa: F811
    """The disk is full there, or the machine stops."""
    mark, met = tmp_path / "mark", 0
    step = STEP * 8 if command in (Renew, Switch) else STEP
    for n in range(1, 200, step):
        before = command.before(folder)
        mark.unlink(missing_ok=True)
        result = run(folder.line(*command.words), env={**os.environ, "LD_PRELOAD": str(shim), "FAIL_AT": str(n), "FAIL_HOW": how, "FAIL_MARK": str(mark),
                                                       "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"})
        if mark.exists() and how == "fail" and result.returncode == FAILED:
            assert "No space left on device" in result.stderr or "cannot" in result.stderr, result.stderr
        command.after(folder, before)
        if not mark.exists():
            break
        met += 1
    else:
        raise AssertionError("there is no end of operations")
    assert met or command is Revoke, "operations were not met"  # revoke writes nothing
