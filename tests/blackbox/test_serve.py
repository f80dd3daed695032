"""What an operator sees: init, check-config, serve, status, signals, faults; as root and as an ordinary user."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from acme_raw import Client, b64, certificates, check_signed
from dns_responder import Responder
from harness import BUILD, CA_PROGRAM, Ca, Web, free_port, running_ca


@pytest.fixture(scope="module")
def ca():
    with running_ca() as one:
        yield one


@pytest.fixture
def idle():
    """A CA that was made and does not run."""
    one = Ca()
    yield one
    one.close()


SANITIZED = b"__asan_init" in CA_PROGRAM.read_bytes() or b"__tsan_init" in CA_PROGRAM.read_bytes()  # such a build enters no jail


def run(*words, **how):
    return subprocess.run([CA_PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=60, **how)


def tree(folder):
    """Everything below: names, modes, owners, contents."""
    found = {}
    for path in sorted(folder.rglob("*")):
        s = path.lstat()
        if not stat.S_ISSOCK(s.st_mode):
            found[str(path)] = (oct(s.st_mode), s.st_uid, s.st_gid, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None)
    return found


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.05)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def served(ca):
    """The certificate that the TLS listener shows."""
    context = ssl.create_default_context(cafile=str(ca.root))
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", ca.port), timeout=20) as s, context.wrap_socket(s) as t:
        return x509.load_der_x509_certificate(t.getpeercert(True))


def names_of(certificate):
    return sorted(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName))


def put(section, line):
    """An edit of the configuration: one more line in a section, or in place of the option's line at the top level."""
    option = line.split("=")[0].strip()

    def edit(text):
        text = re.sub(rf"^\t{option} = .*\n", "", text, flags=re.M) if section else text
        if section:
            head = f'{section} "tls-server" {{\n' if section == "profile" else f"{section} {{\n"
            assert head in text
            return text.replace(head, head + "\t" + line + "\n")
        new, n = re.subn(rf"^#?{option} = .*$", lambda _: line, text, flags=re.M)
        return new if n else line + "\n" + text
    return edit


def configure(ca, edit):
    text = edit(ca.config.read_text())
    ca.config.write_text(text)
    return text


# --- init ---

def test_init_never_overwrites(idle):
    before = tree(idle.folder)
    for more in ([], ["--name", "Another"], ["--key-type", "rsa"]):
        again = run("init", "--folder", idle.folder, *more)
        assert again.returncode == 2 and again.stdout == ""
        assert "never overwrites" in again.stderr and str(idle.config) in again.stderr
        assert tree(idle.folder) == before
    idle.config.rename(idle.folder / "moved")  # without its configuration it is a CA all the same
    before = tree(idle.folder)
    again = run("init", "--folder", idle.folder)
    assert again.returncode == 2 and "never overwrites" in again.stderr
    assert tree(idle.folder) == before


def test_init_tells_what_it_made():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-test-"))
    made = run("init", "--folder", folder, "--name", "House")
    assert made.returncode == 0 and made.stderr == ""
    root = x509.load_pem_x509_certificate((folder / "state/root.pem").read_bytes())
    digest = hashlib.sha256(root.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    assert ":".join(digest[i:i + 2] for i in range(0, 64, 2)) in made.stdout
    for word in ("root.pem", "root.key", "chancery-ca.conf", "House", "chancery-ca serve"):
        assert word in made.stdout
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_who_may_read_the_keys(idle):
    state = idle.folder / "state"
    uid = {p: int(re.search(rf'user-{p} = "(\d+)"', idle.config.read_text()).group(1)) for p in ("front", "validator", "signer")}
    assert len(set(uid.values()) | {0}) == 4
    for path, mode, owner in (("root", 0o700, 0), ("root/root.key", 0o400, 0), ("front", 0o700, uid["front"]), ("front/tls.pem", 0o600, uid["front"]),
                              ("validator", 0o700, uid["validator"]), ("validator/identity", 0o400, uid["validator"]), ("signer", 0o700, uid["signer"]),
                              ("signer/issuers/main/key.pem", 0o400, uid["signer"]), ("signer/log.key", 0o400, uid["signer"]), ("signer/identity", 0o400, uid["signer"])):
        s = (state / path).lstat()
        assert (path, oct(stat.S_IMODE(s.st_mode)), s.st_uid) == (path, oct(mode), owner)
    for path in state.rglob("*"):  # nothing that holds a private key is anybody else's to read, and nothing is to write
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert not mode & 0o022, path
        if path.is_file() and b"PRIVATE" in path.read_bytes():
            assert not mode & 0o077, path


@pytest.mark.parametrize("options,word", [
    (["--key-type", "dsa"], "ecdsa-p256"), (["--key-type", "ed25519"], "rsa"), (["--base-url", "http://x.example"], "https"), (["--listen", "here"], "192.0.2.1:443"),
    (["--name", ""], "1 to 40"), (["--name", "x" * 41], "1 to 40"), (["--caa-identity", "a_b"], "domain name"), (["--http-port", "0"], "1 to 65535"),
    (["--allow-address", "10.0.0.0"], "10.0.0.0/8"), (["--resolver", "localhost"], "address"), (["--tls-name", "*.example.org"], "domain name"),
])
def test_init_refuses_what_serve_could_not_read(options, word):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-test-"))
    refused = run("init", "--folder", folder, *options)
    assert refused.returncode == 2 and word in refused.stderr
    assert not list(folder.rglob("*"))
    shutil.rmtree(folder)


def test_an_rsa_ca():
    with running_ca("--key-type", "rsa") as ca:
        client = Client(ca)
        client.register()
        leaf, issuer = certificates(client.issue("rsa.example.test"))
        root = x509.load_pem_x509_certificate(ca.root.read_bytes())
        for one in (issuer, root):
            assert isinstance(one.public_key(), rsa.RSAPublicKey) and one.public_key().key_size == 3072
        check_signed(leaf, issuer)
        check_signed(issuer, root)


# --- the configuration ---

WRONG = [
    ("", 'base-url = "http://ca.example.org"', "https URL"), ("", 'base-url = "https://ca.example.org/acme"', "without a path"), ("", 'base-url = ""', "https URL"),
    ("", 'caa-identity = "not a name"', "domain name"), ("", 'state-folder = ""', "empty"), ("", 'run-folder = ""', "empty"),
    ("", 'log-format = "xml"', "text or json"), ("", 'user-front = ""', "empty"),
    ("front", 'listen = {"127.0.0.1"}', "has no port"), ("front", 'listen = {"127.0.0.1:70000"}', "no port from 1 to 65535"), ("front", 'listen = {"localhost:443"}', "192.0.2.1:443"),
    ("front", 'listen = {"[::1]:443", "x"}', "\"x\" has no IPv4 or IPv6 address"),
    ("front", 'tls-names = {"*.example.org"}', "domain name"), ("front", 'tls-names = {"127.0.0.1"}', "domain name"),
    ("front", 'terms-of-service = "ftp://x"', "http or https"), ("front", 'terms-of-service = "https://x/a b"', "spaces"),
    ("front", 'website = "https://x/<y>"', "ASCII"), ("front", 'cors-origins = {"https://x/"}', "without a path"), ("front", 'cors-origins = {"https://X"}', "origin"),
    ("front", 'cors-origins = {"x"}', "origin"), ("front", 'cors-origins = {"https://"}', "origin"), ("front", "orders-page = 1001", "1 to 1000"),
    ("", 'external-accounts = "yes"', "required"), ("front", 'website = "www.example.org"', "http or https"),
    ("front", 'connections-max = "0"', "1 to 1000000"), ("front", 'connections-max = "many"', "1 to 1000000"), ("front", 'connections-per-address = "-1"', "1 to 1000000"),
    ("front", 'workers = "257"', "1 to 256"), ("front", 'workers = "1.5"', "1 to 256"),
    ("front", 'order-lifetime = "9h"', "eight hours"), ("front", 'order-lifetime = "59s"', "one minute"), ("front", 'order-lifetime = "soon"', "duration"),
    ("validator", 'http-port = "65536"', "1 to 65535"), ("validator", 'redirect-ports = {"80", "http"}', "1 to 65535"),
    ("validator", 'allow-addresses = {"10.0.0.0/33"}', "10.0.0.0/8"), ("validator", 'allow-addresses = {"10.0.0.1"}', "address/bits"),
    ("validator", 'resolver = {"dns.example.org"}', "address"), ("validator", 'deadline = "101s"', "1s to 100s"), ("validator", 'deadline = "0s"', "duration"),
    ("signer", 'segment-size = "1000"', "65536"), ("signer", 'reserve = "much"', "a number"),
    ("profile", 'lifetime = "forever"', "47d"), ("profile", 'backdate = "49h"', "48h"), ("profile", 'names = "101"', "1 to 100"), ("profile", 'names = "0"', "1 to 100"),
    ("", 'colour = "green"', "options that are allowed"), ("front", 'lissten = {"127.0.0.1:1"}', "options that are allowed"),
]


@pytest.mark.parametrize("section,line,word", WRONG, ids=[f"{s}.{l.split(' ')[0]}-{i}" for i, (s, l, _) in enumerate(WRONG)])
def test_check_config(idle, section, line, word):
    text = configure(idle, put(section, line))
    (number,) = [n for n, l in enumerate(text.splitlines(), 1) if l.strip() == line]
    result = run("check-config", "--config", idle.config)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith(f"{idle.config}:{number}: "), result.stderr
    assert word in result.stderr and line.split(" ")[0] in result.stderr, result.stderr
    started = run("serve", "--config", idle.config)
    assert started.returncode == 2 and started.stderr == result.stderr


@pytest.mark.parametrize("more,line,word", [
    ("front {\n", 1, "never closed"), ('\n# {\nprofile "x" {\n\tlifetime = "1d" # }\n', 3, "never closed"), ('front {\n\tlisten = {"127.0.0.1:1"\n}\n', 1, "never closed"), ("}\n", 1, "brace"),
    ("= 1\n", 1, "'='"), ('website = "unfinished\n', 1, ""), ('/* open\n', 1, "never closed"),
], ids=range(7))
def test_broken_syntax(idle, more, line, word):
    line += len(idle.config.read_text().splitlines())
    configure(idle, lambda t: t + more)
    result = run("check-config", "--config", idle.config)
    assert result.returncode == 2 and re.match(re.escape(str(idle.config)) + r":\d+: ", result.stderr), result.stderr
    assert not word or result.stderr.startswith(f"{idle.config}:{line}: "), result.stderr
    assert word in result.stderr, result.stderr


def test_no_configuration(idle):
    for path, word in ((idle.folder / "missing.conf", "No such file"), (idle.folder, "")):
        for command in ("check-config", "serve", "status"):
            result = run(command, "--config", path)
            assert result.returncode == 2 and str(path) in result.stderr and word in result.stderr, result.stderr
    good = run("check-config", "--config", idle.config)
    assert (good.returncode, good.stdout, good.stderr) == (0, f"{idle.config}: good\n", "")


# --- the command line ---

def test_the_command_line():
    for words in (["--version"],):
        assert re.fullmatch(r"chancery-ca \d+\.\d+\.\d+\n", run(*words).stdout)
    for words in (["help"], ["--help"], ["-h"]):
        shown = run(*words)
        assert shown.returncode == 0 and all(c in shown.stdout for c in ("init", "serve", "check-config", "status"))
    for words in (["help", "init"], ["init", "--help"]):
        shown = run(*words)
        assert shown.returncode == 0 and "--folder DIR" in shown.stdout and "--key-type" in shown.stdout
    for words, word in (([], "Usage"), (["frob"], '"frob"'), (["serve", "--frob"], "--frob"), (["serve", "--config"], "--config FILE"), (["serve", "now"], '"now"'),
                        (["status", "--json=yes"], "--json takes no value"), (["serve", "--config", "a", "--config", "b"], "twice")):
        result = run(*words)
        assert result.returncode == 2 and result.stdout == "" and word in result.stderr, (words, result)


def test_status(ca):
    status = ca.status()
    assert status["ready"] is True and status["directory"].startswith(ca.base)
    assert list(status["processes"]) == ["front", "validator", "signer"]
    for one in status["processes"].values():
        assert one["state"] == "ready" and one["starts"] == 1 and one["jail"] and one["counts"] and alive(one["pid"])
    text = ca.run("status", "--config", ca.config).stdout
    assert text.startswith(f"chancery-ca {status['version']} at {ca.base}") and "all is well" in text.splitlines()[0]
    for name, one in status["processes"].items():
        assert re.search(rf"{name} +ready +pid {one['pid']}\b", text), text


def test_no_status_of_what_does_not_run(idle):
    for words in ([], ["--json"]):
        result = idle.run("status", *words, "--config", idle.config, check=False)
        assert result.returncode == 2 and "chancery-ca serve" in result.stderr and result.stdout == ""


# --- serve: what stops it at once ---

def test_a_taken_port(idle):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", idle.port))
        s.listen()
        result = run("serve", "--config", idle.config)
    assert result.returncode == 2 and f"127.0.0.1:{idle.port}" in result.stderr and "another program has this port" in result.stderr


def test_a_child_that_cannot_start(idle):
    """What only a child can see stops everything, with its reason, and leaves nothing behind."""
    log = idle.folder / "state/signer/log/00000001.seg"
    whole = log.read_bytes()
    log.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    process = subprocess.Popen([CA_PROGRAM, "serve", "--config", idle.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 2 and "the signer did not start" in err and "damaged" in err, err
    assert not children_of(process.pid)
    log.write_bytes(whole)
    idle.start()
    idle.stop()


@pytest.fixture
def programs(tmp_path):
    """A copy of the programs in which children may be replaced by one that ends at once; (program, replace)."""
    for folder, names in (("bin", ["chancery-ca"]), ("libexec/chancery", [f"chancery-ca-{c}" for c in ("front", "validator", "signer")])):
        (tmp_path / "copy" / folder).mkdir(parents=True)
        for name in names:
            shutil.copy2(CA_PROGRAM.parent.parent / folder / name, tmp_path / "copy" / folder)

    def replace(child):
        target = tmp_path / "copy/libexec/chancery" / f"chancery-ca-{child}"
        target.unlink()
        shutil.copy2("/bin/false", target)
    return tmp_path / "copy/bin/chancery-ca", replace


def serve_fails(program, ca):
    result = subprocess.run([program, "serve", "--config", ca.config], capture_output=True, text=True, timeout=40, stdin=subprocess.DEVNULL)
    assert result.returncode == 2, result.stderr
    return result.stderr.splitlines()


def test_the_cause_is_told_whichever_ends_first(idle, programs):
    """One that ends without a word, before another that says why: its words are the cause."""
    program, replace = programs
    log = idle.folder / "state/signer/log/00000001.seg"
    log.write_bytes(b"x" + log.read_bytes()[1:])
    replace("front")
    lines = serve_fails(program, idle)
    causes = [line for line in lines if line.startswith("chancery-ca: the ") and "did not start" in line]
    assert len(causes) == 1 and causes[0].startswith("chancery-ca: the signer did not start: ") and "exit code" not in causes[0], lines


@pytest.mark.parametrize("child", ["signer", "validator", "front"])
def test_one_that_ends_is_not_the_others_fault(idle, programs, child):
    """Those that were to talk to it are not told instead."""
    program, replace = programs
    replace(child)
    lines = serve_fails(program, idle)
    assert f"chancery-ca: the {child} did not start: exit code 1" in lines and not any("child.not_started" in line for line in lines), lines


def test_a_folder_that_is_open_to_others(idle):
    (idle.folder / "state/signer").chmod(0o755)
    result = run("serve", "--config", idle.config)
    assert result.returncode == 2 and "0700" in result.stderr and "signer" in result.stderr


def test_a_second_server(ca):
    """Of the same configuration, with another port, with another socket: the state is the first one's."""
    second = ca.folder / "second.conf"
    text = ca.config.read_text()
    for edit in (lambda t: t, put("front", f'listen = {{"127.0.0.1:{free_port()}"}}'), put("", f'run-folder = "{ca.folder}/run2"')):
        text = edit(text)
        second.write_text(text)
        process = subprocess.Popen([CA_PROGRAM, "serve", "--config", second], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.communicate(timeout=30)
            raise AssertionError("two servers run over one state folder")
        assert process.returncode == 2 and str(ca.folder / "state") in err and "in use by another server" in err, err
    client = Client(ca)
    client.register()
    assert client.issue("second.example.test")


# --- signals ---

def finalizable(client, name):
    made = client.order(name)
    assert client.solve(made.json["authorizations"][0])["status"] == "valid"
    return made


def test_sigterm_answers_what_is_under_way():
    """A finalize is held by a signer that sleeps; SIGTERM comes; the signer wakes: the client gets its certificate, then all ends."""
    with running_ca() as ca:
        client = Client(ca)
        client.register()
        made = finalizable(client, "term.example.test")
        nonce = client.fresh_nonce()
        client.nonce = nonce
        pids = [p["pid"] for p in ca.status()["processes"].values()]
        signer = ca.pid_of("signer")
        answers = []
        os.kill(signer, signal.SIGSTOP)
        asking = threading.Thread(target=lambda: answers.append(client.finalize(made.json, client.csr("term.example.test"))))
        asking.start()
        time.sleep(0.7)
        begun = time.monotonic()
        ca.process.send_signal(signal.SIGTERM)
        time.sleep(0.7)
        os.kill(signer, signal.SIGCONT)
        assert ca.process.wait(timeout=30) == 0, ca.log_text()
        asking.join(timeout=30)
        assert answers and answers[0].status == 200 and answers[0].json["status"] == "valid", ca.log_text()
        assert time.monotonic() - begun < 8, ca.log_text()  # nobody had to be killed
        assert "signal 9" not in ca.log_text()
        assert not any(map(alive, pids))
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", ca.port), timeout=5)
        # after a new start: the old boot's nonce is refused, the account and the certificate are there
        ca.start()
        client.connection, client.nonce = None, None
        url = made.headers["Location"]
        assert client.send(url, client.jws(url, None, header={"nonce": nonce})).type == "badNonce"
        order = client.post(url).json
        assert order["status"] == "valid" and client.post(order["certificate"]).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_under_load(number):
    with running_ca() as ca:
        stop, done, faults = threading.Event(), [], []

        def issue(who):
            client = Client(ca)
            client.register()
            for i in range(10000):
                if stop.is_set():
                    return
                try:
                    client.issue(f"load{who}-{i}.example.test")
                    done.append(1)
                except (OSError, EOFError, AssertionError, ValueError, KeyError) as e:
                    if not stop.is_set():
                        faults.append(repr(e))
                    return
        threads = [threading.Thread(target=issue, args=(n,)) for n in range(6)]
        for t in threads:
            t.start()
        until(lambda: len(done) >= 6 or faults, 60)
        assert not faults
        pids = [p["pid"] for p in ca.status()["processes"].values()]
        stop.set()
        ca.process.send_signal(number)
        assert ca.process.wait(timeout=30) == 0
        assert "signal 9" not in ca.log_text()
        assert not any(map(alive, pids))
        for t in threads:
            t.join(timeout=60)
        ca.start()


def hup(ca, word):
    """SIGHUP; waits until the log has said the word once more."""
    before = ca.log_text().count(word)
    ca.process.send_signal(signal.SIGHUP)
    until(lambda: ca.log_text().count(word) > before)


def test_sighup():
    with running_ca() as ca:
        client = Client(ca)
        assert "termsOfService" not in client.request("GET", ca.directory).json["meta"]
        good = ca.config.read_text()
        terms = "https://ca.example.org/terms"
        configure(ca, put("front", f'terms-of-service = "{terms}"'))
        configure(ca, put("front", 'website = "https://ca.example.org/"'))
        hup(ca, "child.reloaded child=front")
        meta = client.request("GET", ca.directory).json["meta"]
        assert meta["termsOfService"] == terms and meta["website"] == "https://ca.example.org/"
        refused = client.register()
        assert refused.status == 403 and refused.type == "userActionRequired" and terms in refused.json["detail"]
        assert client.register(termsOfServiceAgreed=True).status == 201
        # a broken file: the old settings stay, the log tells the line
        text = configure(ca, put("front", 'workers = "none"'))
        (number,) = [n for n, l in enumerate(text.splitlines(), 1) if "workers = \"none\"" in l]
        hup(ca, "reload.refused")
        assert f"{ca.config}:{number}: front.workers" in ca.log_text() and "1 to 256" in ca.log_text()
        assert client.request("GET", ca.directory).json["meta"]["termsOfService"] == terms
        assert client.issue("hup.example.test")
        # the validator too takes new settings
        ca.config.write_text(good.replace("127.0.0.0/8", "127.0.0.5/32"))
        hup(ca, "child.reloaded child=validator")
        made = client.order("hup2.example.test")
        failed = client.solve(made.json["authorizations"][0])
        assert failed["status"] == "invalid" and "loopback" in failed["challenges"][0]["error"]["detail"]
        assert "termsOfService" not in client.request("GET", ca.directory).json["meta"]
        assert all(p["starts"] == 1 for p in ca.status()["processes"].values())


def test_sighup_with_other_addresses():
    """Addresses are bound once: a change waits for a restart, is told, and does not keep a front that dies from coming back."""
    with running_ca() as ca:
        client = Client(ca)
        configure(ca, put("front", f'listen = {{"127.0.0.1:{ca.port}", "127.0.0.1:{free_port()}"}}'))
        hup(ca, "child.reloaded child=front")
        assert re.search(r"restart.*front\.listen|front\.listen.*restart", ca.log_text()), ca.log_text()
        old = ca.pid_of("front")
        os.kill(old, signal.SIGKILL)
        until(lambda: not alive(old))
        ca.wait_ready()
        client.connection = None
        client.register()
        assert client.issue("addresses.example.test")
        configure(ca, put("front", "listen = {}"))
        hup(ca, "child.reloaded child=front")
        old = ca.pid_of("front")
        os.kill(old, signal.SIGKILL)
        until(lambda: not alive(old))
        ca.wait_ready()
        client.connection = None
        assert client.request("GET", ca.directory).status == 200


def test_the_tls_certificate_is_read_again():
    with running_ca() as ca:
        first = served(ca)
        client = Client(ca)
        client.register()
        path = ca.folder / "state/front/tls.pem"
        chain = client.issue("localhost")
        key = client.certificate_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        path.write_text(key + chain)
        hup(ca, "child.reloaded child=front")
        second = served(ca)
        assert second.serial_number == certificates(chain)[0].serial_number != first.serial_number
        # a file that is no pair: what is served stays, the log tells why
        path.write_text(key + client.issue("localhost"))
        ca.process.send_signal(signal.SIGHUP)
        until(lambda: "child.failed" in ca.log_text())
        assert served(ca).serial_number == second.serial_number
        client.connection = None
        assert client.issue("still.example.test")


SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t c, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(c, t);
	if (c == CLOCK_REALTIME)
		t->tv_sec -= 7200;
	return rc;
}
"""


@pytest.fixture(scope="module")
def two_hours_ago():
    """Words before a command that let it see the clock of two hours ago."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-test-"))
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True, timeout=60)
    folder.chmod(0o755)
    yield ["env", f"LD_PRELOAD={folder}/shim.so", "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"]
    shutil.rmtree(folder)


def test_the_own_tls_certificate_is_renewed(two_hours_ago):
    """A CA that was made two hours ago; its names change: it issues itself a certificate for the new ones, and the next change waits."""
    web, dns = Web(), Responder()
    ca = Ca(http_port=web.port, dns_port=dns.port, before=two_hours_ago)
    ca.before, ca.web, ca.dns = [], web, dns
    try:
        ca.start()
        first = served(ca)
        assert names_of(first) == ["localhost"]
        configure(ca, put("front", 'tls-names = {"localhost", "ca.example.test"}'))
        ca.process.send_signal(signal.SIGHUP)
        until(lambda: names_of(served(ca)) == ["ca.example.test", "localhost"], 90)
        second = served(ca)
        assert second.serial_number != first.serial_number
        assert "tls.renewed" in ca.log_text()
        ca.stop()
        ca.start()  # it was stored
        assert served(ca).serial_number == second.serial_number
        configure(ca, put("front", 'tls-names = {"localhost"}'))  # at most one an hour: the old one goes on
        ca.process.send_signal(signal.SIGHUP)
        # a first try may find the signer without the new names yet; the next, a minute later, does not
        until(lambda: "at most one TLS certificate an hour" in ca.log_text(), 150)
        assert served(ca).serial_number == second.serial_number
        client = Client(ca)
        client.register()
        assert client.issue("renewed.example.test")
        ca.stop()
    finally:
        ca.close()
        web.close()
        dns.close()


# --- an ordinary user ---

@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_an_ordinary_user():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chancery-test-"))
    os.chown(folder, 12345, 12345)
    # programs that it may reach wherever the checkout is (root's home is closed to others)
    shutil.copytree(BUILD / "bin", folder / "bin")
    shutil.copytree(BUILD / "libexec", folder / "libexec")
    with running_ca(folder=folder, program=folder / "bin" / "chancery-ca", before=["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]) as ca:
        client = Client(ca)
        client.register()
        assert client.issue("user.example.test")
        for one in ca.status()["processes"].values():
            assert pathlib.Path(f"/proc/{one['pid']}").stat().st_uid in (12345, 0)  # 0: of a process that may not be looked at
            assert re.search(r"^Uid:\s+12345\s", pathlib.Path(f"/proc/{one['pid']}/status").read_text(), re.M)
        assert all(p.lstat().st_uid == 12345 for p in (folder / "state").rglob("*"))
        told = ca.log_text()
        assert f"chancery-ca is ready: {ca.base}/directory" in told
        for name in ("front", "validator", "signer"):
            line = re.search(rf"^  {name} +pid \d+ +jail: (.+)$", told, re.M).group(1)
            assert line == "none" if SANITIZED else "no new privileges" in line, line
