"""What bench/run measures, in namespaces where nothing else listens. Figures of servers are CPU time (user and system, of all processes of a server, from
/proc) a certificate: that holds up on a busy machine far better than time on the clock. The servers take turns, so that a drift of the machine meets all."""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from processes import children, cpu_ms, pss_mib

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent
BUILD = PROJECT / "build" / "release"
HTTP, DNS = "127.0.0.1:80", "127.0.0.1:53"  # Caddy knows no others
NAMES = {"chancery": "chancery-ca", "stepca": "step-ca", "caddy": "Caddy acme_server", "pebble": "Pebble"}
LANES = {"pebble": 1}  # under several clients at once its store deadlocks


class Server:
    """One that bench/run-NAME.sh starts."""

    def __init__(self, name, port):
        self.name = name
        env = os.environ | {"PORT": str(port), "HTTP_ADDR": HTTP, "DNS_ADDR": DNS, "CHANCERY": str(BUILD / "bin" / "chancery-ca")}
        line = subprocess.run([HERE / f"run-{name}.sh"], env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout
        self.at = dict(pair.split("=", 1) for pair in line.split())
        self.pid = int(self.at["pid"])
        self.rounds = {"new": [], "keep": []}

    def load(self, number, connections, *more, lanes=16):
        command = [os.environ["ACMELOAD"], "-json", "-dir", self.at["dir"], "-ca", self.at["ca"], "-pid", str(self.pid), "-http", HTTP, "-dns", DNS,
                   "-n", str(number), "-c", str(LANES.get(self.name, lanes)), "-conn", connections, *more]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=900).stdout)

    def processes(self):
        found, new = set(), {self.pid}
        while new:
            found |= new
            new = {c for p in new for c in children(p)} - found
        return found

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
            for _ in range(100):
                if re.search(r"(?m)^State:\s+[ZX]", pathlib.Path(f"/proc/{self.pid}/status").read_text()):
                    break
                time.sleep(0.1)
        shutil.rmtree(self.at["tmp"], ignore_errors=True)


def table(head, rows):
    """Markdown, as the README has it."""
    rows = [head, *rows]
    width = [max(len(str(row[i])) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, width))) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":") for i, w in enumerate(width)) + "|")
    print("\n".join(lines), flush=True)


def floor(seconds):
    """CPU ms of the arithmetic that an issuance cannot do without: eight verifications (six requests, the CSR, once more at the signer), a signature, and with a
    new connection a TLS handshake."""
    text = subprocess.run(["openssl", "speed", "-seconds", str(seconds), "ecdsap256"], capture_output=True, text=True, check=True).stdout
    sign, verify = (1000 / float(v) for v in re.search(r"ecdsa \(nistp256\).* ([\d.]+) +([\d.]+)\s*$", text, re.M).groups())
    with tempfile.TemporaryDirectory() as folder:
        key, cert = f"{folder}/key.pem", f"{folder}/cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", key, "-out", cert], capture_output=True, check=True)
        with subprocess.Popen(["openssl", "s_server", "-quiet", "-accept", "127.0.0.1:23900", "-cert", cert, "-key", key, "-num_tickets", "0", "-www"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            time.sleep(0.5)
            before = cpu_ms([server.pid])
            shakes = subprocess.run(["openssl", "s_time", "-connect", "127.0.0.1:23900", "-new", "-time", str(seconds)], capture_output=True, text=True,
                                    check=False).stdout
            used = cpu_ms([server.pid]) - before
            server.kill()
    shake = used / int(re.search(r"(\d+) connections in .*real", shakes)[1])
    return {"keep": 8 * verify + sign, "new": 8 * verify + sign + shake, "verify": verify, "sign": sign, "handshake": shake}


def certificates(options):
    """One table: each server, alternating."""
    least = [floor(options.floor_seconds)]
    servers = [Server(name, 23100 + i) for i, name in enumerate(options.servers)]
    try:
        for r in range(options.rounds):
            for server in servers if r % 2 == 0 else servers[::-1]:
                for connections in ("new", "keep"):
                    server.rounds[connections].append(server.load(options.number, connections, "-warm", "20"))
                print(f"round {r + 1}: {NAMES[server.name]} " + ", ".join(f"{c} {server.rounds[c][-1]['server_cpu_ms_per_issuance']:.2f} ms" for c in ("new", "keep")),
                      file=sys.stderr, flush=True)
        least.append(floor(options.floor_seconds))
    finally:
        for server in servers:
            server.close()

    def middle(server, connections, what):
        return statistics.median(r[what] for r in server.rounds[connections])

    cpu = "server_cpu_ms_per_issuance"
    ours = {c: middle(servers[0], c, cpu) for c in ("new", "keep")}
    rows = []
    for s in servers:
        rows.append([NAMES[s.name], *(f"{middle(s, c, cpu):.2f}" for c in ("new", "keep")), *(f"{middle(s, c, cpu) / ours[c]:.1f}" for c in ("new", "keep")),
                     *(f"{middle(s, 'keep', q):.0f}" for q in ("p50_ms", "p99_ms", "issuances_per_s", "server_peak_rss_mib")),
                     f"{middle(s, 'keep', 'server_written_mib') * 1024 / options.number:.0f}"])
    floors = {c: statistics.mean(f[c] for f in least) for c in least[0]}
    rows.append(["arithmetic alone", *(f"{floors[c]:.2f}" for c in ("new", "keep")), *(f"{floors[c] / ours[c]:.2f}" for c in ("new", "keep")), "", "", "", "", ""])
    table(["server", "CPU ms, new", "kept", "times ours, new", "kept", "p50 ms", "p99 ms", "a second", "peak MiB", "KiB written"], rows)
    print(f"\nMedians of {options.rounds} rounds of {options.number} certificates by http-01, 16 at a time (Pebble: 1), on {os.cpu_count()} cores that also run the load. "
          f"New: a connection, directory and nonce for each. The arithmetic is a handshake of {floors['handshake']:.2f} ms (new), 8 verifications of {floors['verify']:.3f} ms "
          f"and a signature of {floors['sign']:.3f} ms.\n", flush=True)


def nonces_a_second(url, pids):
    """newNonce on kept connections, and the CPU microseconds of one."""
    before = cpu_ms(pids)
    out = subprocess.run(["wrk", "-t1", "-c64", "-d4s", url], capture_output=True, text=True, check=True, timeout=60).stdout
    if "Non-2xx" in out:
        raise SystemExit(f"{url}: {out}")
    return float(re.search(r"Requests/sec: +([\d.]+)", out)[1]), (cpu_ms(pids) - before) * 1000 / int(re.search(r"(\d+) requests in", out)[1])


def capacity(options):
    """Ours alone: memory at rest and with many connections, the most it does, latency at half of that."""
    server = Server("chancery", 23100)
    try:
        idle = pss_mib(server.processes())
        most = server.load(options.number * 4, "keep", "-warm", "50", lanes=64)
        half = server.load(int(most["issuances_per_s"] * 10), "keep", "-warm", "20", "-rate", str(most["issuances_per_s"] / 2), lanes=128)
        many = server.load(options.number, "keep", "-idle", str(options.connections), lanes=16)
        nonces, nonce_us = nonces_a_second(server.at["dir"].replace("/directory", "/acme/new-nonce"), server.processes())
    finally:
        server.close()
    table(["chancery-ca", ""], [
        ["certificates a second, 64 at a time", f"{most['issuances_per_s']:.0f}"],
        ["its CPU ms a certificate then", f"{most['server_cpu_ms_per_issuance']:.2f}"],
        [f"p50, p99 at {most['issuances_per_s'] / 2:.0f} a second", f"{half['p50_ms']:.0f}, {half['p99_ms']:.0f} ms"],
        ["memory at rest (PSS, all processes)", f"{idle:.0f} MiB"],
        [f"with {options.connections} open connections", f"{many['server_pss_mib']:.0f} MiB"],
        ["nonces a second, 64 connections; CPU of one", f"{nonces:.0f}, {nonce_us:.0f} µs"],
    ])
    print(flush=True)


NGINX = """daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/log; events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; server {{ listen 127.0.0.1:8099; root {folder}/files; default_type application/octet-stream; }} }}
"""


@contextlib.contextmanager
def nginx(files):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        (folder / "files").mkdir()
        for name, data in files.items():
            (folder / "files" / name).write_bytes(data)
        (folder / "conf").write_text(NGINX.format(folder=folder))
        with subprocess.Popen(["nginx", "-c", folder / "conf", "-p", folder], stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(1)
                yield process.pid
            finally:
                process.terminate()


def get_us(url, pids):
    """CPU microseconds of a GET on kept connections."""
    before = cpu_ms(pids)
    out = subprocess.run(["wrk", "-t1", "-c32", "-d4s", url], capture_output=True, text=True, check=True, timeout=60).stdout
    if "Non-2xx" in out:
        raise SystemExit(f"{url}: {out}")
    return (cpu_ms(pids) - before) * 1000 / int(re.search(r"(\d+) requests in", out)[1])


def publication(options):
    """OCSP answers and a CRL, beside nginx with the same bytes as files."""
    os.environ["CHANCERY_BUILD"] = str(BUILD)
    sys.path.insert(0, str(PROJECT / "tests" / "blackbox"))
    from acme_raw import Client, certificates as chain_of  # after the path, as those below
    from cryptography import x509
    from harness import free_port, running_ca
    from test_ocsp import ask, get_path, request

    port = free_port()
    with running_ca("--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}") as ca:
        ca.publish = port
        client = Client(ca)
        client.register()
        leaf, issuer = chain_of(client.issue("published.bench.example"))[:2]
        path = get_path(request(leaf, issuer))
        point = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
        crl = "/" + point.split("/", 3)[3]
        bodies = {name: ask(ca, "GET", p)[2] for name, p in (("ocsp", path), ("crl", crl))}
        front = [ca.pid_of("front")]
        with nginx(bodies) as pid:
            workers = list(children(pid))
            found = {name: ([], []) for name in bodies}
            for _ in range(options.rounds):
                for name, p in (("ocsp", path), ("crl", crl)):
                    found[name][0].append(get_us(f"http://127.0.0.1:{ca.publish}{p}", front))
                    found[name][1].append(get_us(f"http://127.0.0.1:8099/{name}", workers))
    table(["CPU µs a GET, kept connections", "chancery-ca", "nginx, a file of the same bytes"],
          [[f"{name} ({len(bodies[name])} bytes)", *(f"{statistics.median(v):.1f}" for v in found[name])] for name in bodies])
    print(flush=True)


def main():
    p = argparse.ArgumentParser(prog="bench/run", description="Measures Chancery beside its peers; see bench/run.")
    p.add_argument("--servers", type=lambda s: s.split(","), default=list(NAMES), help=f"of {','.join(NAMES)}, ours first")
    p.add_argument("--parts", type=lambda s: s.split(","), default=["certificates", "capacity", "publication", "client"],
                   help="of certificates,capacity,publication,client")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--number", type=int, default=300, help="certificates a round and server")
    p.add_argument("--connections", type=int, default=5000, help="that are open at once for the memory's figure")
    p.add_argument("--floor-seconds", type=int, default=3)
    options = p.parse_args()
    print(f"{datetime.date.today()}, {os.cpu_count()} cores\n", flush=True)
    for part in options.parts:
        if part == "client":
            subprocess.run([sys.executable, HERE / "client.py", BUILD], check=True, env=os.environ | {"ROUNDS": str(options.rounds)})
        else:
            {"certificates": certificates, "capacity": capacity, "publication": publication}[part](options)


main()
