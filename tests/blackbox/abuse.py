"""Load and abuse, and what a well-behaved client gets meanwhile. Each scenario is a function that returns figures: test_abuse.py holds them to what the CA
promises, bench/abuse.py prints them."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import selectors
import socket
import ssl
import statistics
import struct
import threading
import time

from acme_raw import Client, challenge_of
from dns_responder import TYPES, Responder, read_name
from harness import running_ca

PER_ADDRESS = 150  # connections of one address: below connections-per-address


def settings(**values):
    """Of the configuration: without rate limits, which are not what is looked at here."""
    def edit(text):
        for name in ("new-accounts-per-address", "new-accounts-per-range", "orders-per-account", "failed-validations"):
            values.setdefault(name, "off")
        for name, value in values.items():
            text, n = re.subn(rf'(?m)^(\s*)#?{name.replace("_", "-")} = .*$', rf'\g<1>{name.replace("_", "-")} = "{value}"', text, count=1)
            assert n == 1, name
        return text
    return edit


class Patient(Client):
    """Comes back when it is told to."""

    def __init__(self, ca):
        super().__init__(ca)
        self.told = 0

    def request(self, *what, **how):
        while True:
            answer = super().request(*what, **how)
            if answer.status != 503:
                return answer
            self.told += 1
            time.sleep(int(answer.headers["Retry-After"]))


class Meanwhile:
    """How long whole issuances of a well-behaved client take: before, during and after."""

    def __init__(self, ca):
        self.ca, self.n = ca, 0
        self.client = Patient(ca)
        self.client.register()
        self.issue()
        self.before = self.issue()

    def issue(self):
        """Seconds, on a connection of its own as cron's clients have."""
        self.n += 1
        if self.client.connection:
            self.client.connection.close()
            self.client.connection = None
        begun = time.monotonic()
        self.client.issue(f"good{self.n}.example.test")
        return time.monotonic() - begun

    def recovered(self, within=30):
        """Seconds until an issuance is done as quickly as one may expect of an idle server."""
        begun = time.monotonic()
        while self.issue() > 1 + 4 * self.before and time.monotonic() - begun < within:
            pass
        return time.monotonic() - begun

    def figures(self, during, **more):
        return {"before_s": self.before, "during_s": statistics.median(during), "slowest_s": max(during), "after_s": self.issue(), "told_to_wait": self.client.told, **more}


def front(ca):
    return ca.status()["processes"]["front"]["counts"]


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many_files():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def source(n):
    """The address of the n-th connection: so many addresses as it takes."""
    return (f"127.77.{n // PER_ADDRESS // 200}.{n // PER_ADDRESS % 200 + 1}", 0)


def connect(ca, n):
    return socket.create_connection(("127.0.0.1", ca.port), timeout=60, source_address=source(n))


def tls_connect(ca, n):
    context = ssl.create_default_context(cafile=str(ca.root))
    return context.wrap_socket(connect(ca, n), server_hostname="localhost")


# --- connections that never get anywhere ---

class Held:
    """Connections that are kept up: whichever the server ends is made again. begin(n) makes one; feed, when it is given, sends a byte on each now and then."""

    def __init__(self, number, begin, feed=None):
        self.begin, self.feed, self.ended, self.going = begin, feed, 0, True
        self.selector = selectors.DefaultSelector()
        self.answers = []
        for n in range(number):
            self.add(n)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def add(self, n):
        with contextlib.suppress(OSError):
            s = self.begin(n)
            s.setblocking(False)
            self.selector.register(s, selectors.EVENT_READ, n)

    def run(self):
        fed = time.monotonic()
        while self.going:
            for key, _ in self.selector.select(0.2):
                with contextlib.suppress(ssl.SSLWantReadError):
                    self.look(key)
            if self.feed and time.monotonic() - fed > 1:
                fed = time.monotonic()
                for key in list(self.selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(self.feed)

    def look(self, key):
        try:
            data = key.fileobj.recv(4096)
        except ssl.SSLWantReadError:
            return
        except OSError:
            data = b""
        if data:
            self.answers.append(int(data.split()[1]))
            return
        self.ended += 1
        self.selector.unregister(key.fileobj)
        key.fileobj.close()
        if self.going:
            self.add(key.data)

    def close(self):
        self.going = False
        self.thread.join(20)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def half_open_handshakes(number=5000, seconds=12):
    """Of very many addresses: a ClientHello begins and never goes on. Longer than the server waits for a handshake."""
    many_files()
    with running_ca(edit=settings()) as ca:
        good = Meanwhile(ca)

        def begin(n):
            s = connect(ca, n)
            s.send(b"\x16\x03\x01\x02")
            return s
        held = Held(number, begin)
        try:
            end, during, most = time.monotonic() + seconds, [], 0
            while time.monotonic() < end or not during:
                during.append(good.issue())
                most = max(most, front(ca)["connections"])
        finally:
            held.close()
        return good.figures(during, connections=most, ended=held.ended)


def slow_requests(number=600, seconds=22):
    """Half of them send a header, half a body, a byte a second; both longer than the server waits."""
    many_files()
    with running_ca(edit=settings()) as ca:
        good = Meanwhile(ca)

        def begin(n):
            s = tls_connect(ca, n)
            head = b"POST /acme/new-order HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jose+json\r\n"
            s.send(head + (b"X: " if n % 2 else b"Content-Length: 5000\r\n\r\n"))
            return s
        held = Held(number, begin, feed=b"x")
        try:
            end, during = time.monotonic() + seconds, []
            while time.monotonic() < end:
                during.append(good.issue())
                time.sleep(0.5)
        finally:
            held.close()
        return good.figures(during, ended=held.ended, answers=sorted(set(held.answers)))


# --- requests ---

class Pipeline:
    """newNonce, many at once on each of a few connections."""

    BURST = 250
    LINES = b"HEAD /acme/new-nonce HTTP/1.1\r\nHost: localhost\r\n\r\n" * BURST

    def __init__(self, ca, number):
        self.ca, self.going, self.done = ca, True, [0] * number
        self.begun = time.monotonic()
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(number)]
        for thread in self.threads:
            thread.start()

    def run(self, n):
        while self.going:
            with contextlib.suppress(OSError), tls_connect(self.ca, n * PER_ADDRESS) as s:
                while self.going and self.burst(s, n):
                    pass

    def burst(self, s, n):
        s.sendall(self.LINES)
        data = b""
        while data.count(b"\r\n\r\n") < self.BURST:
            more = s.recv(65536)
            data += more
            if not more:
                break
        self.done[n] += data.count(b"HTTP/1.1 200")
        return more

    def close(self):
        self.going = False
        for thread in self.threads:
            thread.join(30)
        self.seconds = time.monotonic() - self.begun


def nonce_flood(number=8, seconds=5):
    """As many nonces as a few connections can take; one that was there before is as good as ever."""
    with running_ca(edit=settings()) as ca:
        good = Meanwhile(ca)
        kept = Client(ca)
        kept.request("HEAD", ca.base + "/acme/new-nonce")
        pid, flood = ca.pid_of("front"), Pipeline(ca, number)
        cpu_before = cpu_s(pid)
        try:
            end, during = time.monotonic() + seconds, []
            while time.monotonic() < end:
                during.append(good.issue())
            kept_status = kept.send(ca.base + "/acme/new-account", kept.jws(ca.base + "/acme/new-account", {}, jwk=True)).status
        finally:
            flood.close()
        return good.figures(during, nonces=sum(flood.done), nonces_a_second=sum(flood.done) / flood.seconds,
                            front_cpu_us_each=(cpu_s(pid) - cpu_before) * 1e6 / max(1, sum(flood.done)), kept_status=kept_status)


def head_of(s, data=b""):
    """One answer's head, and its body read."""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            raise ConnectionError("the server has ended the connection")
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    size = re.search(rb"(?i)\r\nContent-Length: (\d+)", head)
    while size and len(body) < int(size[1]):
        body += s.recv(65536)
    return int(head.split()[1]), {k.decode().lower(): v.decode().strip() for k, v in (line.split(b":", 1) for line in head.split(b"\r\n")[1:])}


def overload(connections=1500, bursts=3):
    """More newOrders at once than the queue has room for, of many addresses; all signed and good. Those that are told to come again do so once it is over."""
    many_files()
    with running_ca(edit=settings()) as ca:
        good = Meanwhile(ca)
        attacker = Client(ca)
        attacker.register()
        sockets = [tls_connect(ca, n) for n in range(connections)]
        nonces = []
        for s in sockets:
            s.send(b"HEAD /acme/new-nonce HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for s in sockets:
            nonces.append(head_of(s)[1]["replay-nonce"])
        during, statuses, retry_after, again = [], [], [], []
        finished = threading.Event()

        def issue():
            while not finished.is_set() or not during:
                during.append(good.issue())
        behaved = threading.Thread(target=issue)
        behaved.start()
        try:
            for burst in range(bursts):
                lines = [order_line(attacker, nonce, f"o{burst}-{i}.example.test") for i, nonce in enumerate(nonces)]
                for s, line in zip(sockets, lines):
                    s.send(line)
                answers = [head_of(s) for s in sockets]
                statuses += [status for status, _ in answers]
                retry_after += [fields.get("retry-after") for status, fields in answers if status == 503]
                again = [(s, line) for s, line, (status, _) in zip(sockets, lines, answers) if status == 503]
                nonces = [fields.get("replay-nonce") or nonce for (_, fields), nonce in zip(answers, nonces)]
            time.sleep(max((int(v) for v in retry_after), default=0))
            late = [retry(s, line) for s, line in again]
        finally:
            finished.set()
            behaved.join()
            for s in sockets:
                s.close()
        return good.figures(during, statuses={code: statuses.count(code) for code in sorted(set(statuses))}, retry_after=sorted(set(retry_after)),
                            came_again={code: late.count(code) for code in sorted(set(late))}, overloaded=front(ca)["overloaded"], recovery_s=good.recovered())


def order_line(client, nonce, name):
    client.nonce = nonce
    url = client.ca.base + "/acme/new-order"
    body = json.dumps(client.jws(url, {"identifiers": [{"type": "dns", "value": name}]})).encode()
    return (f"POST /acme/new-order HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jose+json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def retry(s, line):
    s.send(line)
    return head_of(s)[0]


# --- validations ---

class Everywhere(dict):
    """DNS records that hold for all names below some suffixes."""

    def __init__(self, **below):
        super().__init__()
        self.below = below

    def get(self, key, default=None):
        for label, address in self.below.items():
            if key[0].endswith(f".{label}.test") and key[1] == TYPES["A"]:
                return [socket.inet_aton(address)]
        return super().get(key, default)


def challenges(client, names):
    """http-01 of each name, in orders of a hundred names: (URL of the challenge, URL of the authorization, name)."""
    found = []
    for at in range(0, len(names), 100):
        order = client.order(*names[at:at + 100])
        assert order.status == 201, order.body
        for url in order.json["authorizations"]:
            authz = client.post(url).json
            challenge = challenge_of(authz)
            found.append((challenge["url"], url, authz["identifier"]["value"]))
            client.ca.tokens.append(challenge["token"])
    return found


def begin_all(client, found, threads=40, of=Patient):
    """Tells the CA to look at all of them; each request takes as long as the server holds it."""
    places = iter(list(found))
    lock = threading.Lock()
    statuses = []

    def work(n):
        one = of(client.ca)
        one.key, one.kid = client.key, client.kid
        one.connection = http.client.HTTPSConnection("localhost", client.ca.port, context=one.tls, timeout=60, source_address=source(n * PER_ADDRESS))
        while True:
            with lock:
                place = next(places, None)
            if place is None:
                return
            statuses.append(one.post(place[0], {}).status)
    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return statuses


def attacker_of(ca):
    client = Patient(ca)
    client.register()
    ca.tokens = []
    return client


def ended(client, found):
    """The problem of each name, once all have one."""
    problems = {}
    for _, url, name in found:
        authz = client.wait(url)
        assert authz["status"] == "invalid", authz
        error = challenge_of(authz)["error"]
        problems[name] = (error["type"].rsplit(":", 1)[1], error["detail"])
    return problems


class Hasty(Client):
    """Takes 503 for an answer."""


def hosts_that_never_answer(number=600, accounts=5, seconds=5, deadline="100s"):
    """They take connections, as far as their backlog goes, and say nothing. Each account has more of them than it may take places: it is told to come again, and
    finds the places of the others taken by its own alone."""
    with running_ca(edit=settings(deadline=deadline)) as ca, socket.socket() as silent:
        silent.bind(("127.66.0.1", ca.http_port))
        silent.listen(16)
        ca.dns.records = Everywhere(silent="127.66.0.1")
        good = Meanwhile(ca)
        statuses, alone = [], None
        for account in range(accounts):
            client = attacker_of(ca)
            statuses += begin_all(client, challenges(client, [f"s{account}-{n}.silent.test" for n in range(number)]), of=Hasty)
            alone = alone or front(ca)["validations_waiting"]
        waiting = front(ca)["validations_waiting"]
        end, during = time.monotonic() + seconds, []
        while time.monotonic() < end or not during:
            during.append(good.issue())
        return good.figures(during, begun=statuses.count(200), told=statuses.count(503), waiting=waiting, waiting_of_one_account=alone)


def redirect_maze(number=60, seconds=4):
    """Each answer leads to another name, and never to the end."""
    with running_ca(edit=settings(deadline="20s")) as ca:
        good = Meanwhile(ca)
        client = attacker_of(ca)
        found = challenges(client, [f"m{n}.maze.test" for n in range(number)])

        class Maze(dict):
            steps = 0

            def get(self, path, default=None):
                known = super().get(path, default)
                token = path.rsplit("/", 1)[1].split("~")[0]
                return self.lead if known is None and token in ca.tokens else known

            def lead(self, handler):
                Maze.steps += 1
                token = handler.path.rsplit("/", 1)[1].split("~")[0]
                handler.send_response(302)
                handler.send_header("Location", f"http://x{Maze.steps}.maze.test:{ca.http_port}/{token}~{Maze.steps}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
        ca.web.answers = Maze(ca.web.answers)
        during = []
        begun = threading.Thread(target=begin_all, args=(client, found))
        begun.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end or begun.is_alive():
            during.append(good.issue())
        problems = ended(client, found)
        return good.figures(during, steps=Maze.steps, problems=problems)


class Liar(Responder):
    """What it says of a name goes by the name's label below test."""

    def answer(self, packet):
        name, at = read_name(packet, 12)
        (kind,) = struct.unpack("!H", packet[at:at + 2])
        lie = getattr(self, "lie_" + (name.split(".")[-2] if name.count(".") >= 2 else ""), None)
        return lie(packet, packet[12:at + 4], kind) if lie else super().answer(packet)

    @staticmethod
    def packet(ident, question, *records, flags=0x8180, counts=None):
        """records: (owner, type, rdata)."""
        body = b"".join(owner + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for owner, kind, data in records)
        return ident + struct.pack("!HHHHH", flags, 1, counts if counts is not None else len(records), 0, 0) + question + body

    def lie_wrongid(self, packet, question, _):
        return self.packet(bytes([packet[0] ^ 0x55, packet[1]]), question, (b"\xc0\x0c", 1, bytes([127, 0, 0, 1])))

    def lie_other(self, packet, question, _):
        """Of a name that was not asked for."""
        return self.packet(packet[:2], question, (b"\x05other\x04test\x00", 1, bytes([127, 0, 0, 1])))

    def lie_loop(self, packet, question, _):
        return self.packet(packet[:2], question, (b"\xc0\x0c", TYPES["CNAME"], b"\x04loop" + question[:-4]) if len(question) < 40 else
                           (b"\xc0\x0c", TYPES["CNAME"], question[:-4]))

    def lie_huge(self, packet, question, kind):
        return self.packet(packet[:2], question, *((b"\xc0\x0c", kind, bytes([127, 0, n >> 8, n & 255]) * 4) for n in range(1500)))

    def lie_cut(self, packet, question, _):
        """Truncated, by TCP as well."""
        return self.packet(packet[:2], question, flags=0x8380)

    def lie_short(self, packet, question, _):
        """Ends in the middle of what it announces."""
        return self.packet(packet[:2], question, (b"\xc0\x0c", 1, bytes([127, 0, 0, 1])), counts=500)[:-3]


LIES = sorted(name.removeprefix("lie_") for name in vars(Liar) if name.startswith("lie_"))


def dns_that_lies(each=5, deadline="8s"):
    liar = Liar()
    try:
        with running_ca(zones=liar, edit=settings(deadline=deadline)) as ca:
            good = Meanwhile(ca)
            client = attacker_of(ca)
            found = challenges(client, [f"l{n}.{lie}.test" for lie in LIES for n in range(each)])
            begun = threading.Thread(target=begin_all, args=(client, found))
            begun.start()
            during = []
            while begun.is_alive() or not during:
                during.append(good.issue())
            problems = ended(client, found)
            return good.figures(during, problems={lie: [problem for name, problem in problems.items() if f".{lie}." in name] for lie in LIES})
    finally:
        liar.close()


SCENARIOS = [overload, nonce_flood, half_open_handshakes, slow_requests, hosts_that_never_answer, redirect_maze, dns_that_lies]
