"""Our client, and clients that nobody here wrote: each obtains a certificate over HTTPS by http-01, and OpenSSL verifies the chain."""
import os
import pathlib
import subprocess

import pytest

from harness import CLIENT_PROGRAM, running_ca

CLIENTS = {}


def client(function):
    CLIENTS[function.__name__] = function
    return function


def run(words, folder, **environment):
    environment = {**os.environ, "HOME": str(folder), **environment}
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, cwd=folder, env=environment)
    assert result.returncode == 0, f"{words}\n{result.stdout}\n{result.stderr}"
    return result


def combined_roots(ca, folder):
    """For clients that only know the system's roots: those, and ours."""
    bundle = folder / "roots.pem"
    bundle.write_text(ca.root.read_text())
    return bundle


@client
def certbot(ca, folder, name, port):
    run(["certbot", "certonly", "--standalone", "--non-interactive", "--agree-tos", "--register-unsafely-without-email",
         "--server", ca.directory, "-d", name, "--http-01-port", port, "--config-dir", folder / "c", "--work-dir", folder / "w",
         "--logs-dir", folder / "l"], folder, REQUESTS_CA_BUNDLE=str(combined_roots(ca, folder)))
    return folder / "c" / "live" / name / "fullchain.pem"


@client
def lego(ca, folder, name, port):
    run(["lego", "--accept-tos", "--server", ca.directory, "--email", "a@example.org", "--domains", name, "--http", "--http.port",
         f"127.0.0.1:{port}", "--path", folder, "run"], folder, LEGO_CA_CERTIFICATES=str(ca.root))
    return folder / "certificates" / f"{name}.crt"


@client
def chancery(ca, folder, name, port):
    run([CLIENT_PROGRAM, "issue", name, "--server", ca.directory, "--ca-file", ca.root, "--folder", folder, "--http-port", port], folder)
    return folder / name / "live" / "fullchain.pem"


@client
def uacme(ca, folder, name, port):
    hook = folder / "hook.sh"
    webroot = webroot_server(ca, folder)
    hook.write_text(f"""#!/bin/sh
case $1 in
begin) [ "$2" = http-01 ] || exit 1; printf %s "$5" >"{webroot}/$4" ;;
*) rm -f "{webroot}/$4" ;;
esac
""")
    hook.chmod(0o755)
    # It knows the system's roots alone: in a mount namespace of its own, ours stand in their place.
    trusting = ["unshare", "--mount", "sh", "-c", f"mount --bind '{combined_roots(ca, folder)}' /etc/ssl/certs/ca-certificates.crt && exec \"$@\"", "sh"]
    run([*trusting, "uacme", "-y", "-a", ca.directory, "-c", folder / "u", "new"], folder)
    run([*trusting, "uacme", "-a", ca.directory, "-c", folder / "u", "-h", hook, "issue", name], folder)
    return folder / "u" / name / "cert.pem"


@client
def dehydrated(ca, folder, name, port):
    webroot = webroot_server(ca, folder)
    (folder / "config").write_text(f"CA={ca.directory}\nWELLKNOWN={webroot}\nBASEDIR={folder}\nCURL_OPTS='--cacert {ca.root}'\n"
                                   "CONTACT_EMAIL=a@example.org\n")
    run(["dehydrated", "--config", folder / "config", "--register", "--accept-terms"], folder)
    run(["dehydrated", "--config", folder / "config", "--cron", "--domain", name], folder)
    return folder / "certs" / name / "fullchain.pem"


def webroot_server(ca, folder):
    webroot = folder / "webroot"
    webroot.mkdir()
    ca.web.serve_folder(webroot)
    return webroot


def check_chain(ca, fullchain, name):
    pem = pathlib.Path(fullchain).read_text()
    blocks = ["-----BEGIN CERTIFICATE-----" + b for b in pem.split("-----BEGIN CERTIFICATE-----")[1:]]
    assert len(blocks) == 2, "leaf and intermediate, without the root"
    folder = pathlib.Path(fullchain).parent
    (folder / "leaf.check").write_text(blocks[0])
    (folder / "chain.check").write_text(blocks[1])
    result = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile", ca.root,
                             "-untrusted", folder / "chain.check", folder / "leaf.check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("key", ["ecdsa-p256", "rsa"])
@pytest.mark.parametrize("name", CLIENTS)
def test_foreign_client(name, key, tmp_path):
    if key == "rsa" and name != "certbot":
        key = "ecdsa-p384"
    # clients with a listener of their own get the port that the validator looks at
    with running_ca("--key-type", key) as ca:
        port = ca.web.port
        if name in ("certbot", "lego", "chancery"):
            ca.web.close()
            ca.web.close = lambda: None
        host = f"{name}.example"
        check_chain(ca, CLIENTS[name](ca, tmp_path, host, port), host)
