"""Hierarchies: a root away from the CA, intermediates by CSR, import of another CA, roll-over, several issuers; encrypted keys."""
import datetime
import http.client
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives import hashes, serialization

import schemas
from acme_raw import Client, b64, certificates
from harness import CA_PROGRAM, Ca, Web, free_port
from dns_responder import Responder
from log_reader import read

PEM = serialization.Encoding.PEM
PASSPHRASE = "a passphrase for tests"


def program(*words, **how):
    return subprocess.run([CA_PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **how)


def good(*words, **how):
    result = program(*words, **how)
    assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
    return result


def bad(word, *words, **how):
    """It fails, says this, and nothing of it is a secret."""
    result = program(*words, **how)
    assert result.returncode == 2 and word in result.stderr, f"{words}: {result.returncode} {result.stdout}{result.stderr}"
    assert PASSPHRASE not in result.stdout + result.stderr


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def ca():
    web, dns, port = Web(), Responder(), free_port()
    one = Ca("--country", "DE", "--publish-url", f"http://localhost:{port}", "--publish-listen", f"127.0.0.1:{port}", http_port=web.port, dns_port=dns.port)
    one.web, one.publish = web, port
    try:
        one.start()
        one.stop()
        yield one
    finally:
        one.close()
        web.close()
        dns.close()


def change(ca, text, name, value):
    return re.sub(rf"(?m)^(\s*)#?{name} = .*$", rf"\g<1>{name} = {value}", text, count=1)


def profile(ca, text):
    ca.config.write_text(ca.config.read_text() + text)


def client(ca):
    one = Client(ca)
    one.register()
    return one


def issue(one, name, key=None, **more):
    answer = one.order(name, **more)
    assert answer.status == 201, answer.body
    order = answer.json
    for authz in order["authorizations"]:
        assert one.solve(authz)["status"] == "valid"
    answer = one.finalize(order, one.csr(name, key=key))
    assert answer.status == 200, answer.body
    return certificates(one.post(answer.json["certificate"]).body)


def fetch(ca, url):
    """What is there; a list that the signer has just made is on its way."""
    for _ in range(100):
        status, body = fetch_once(ca, url)
        if status != 503:
            break
        time.sleep(0.1)
    return status, body


def fetch_once(ca, url):
    connection = http.client.HTTPConnection("127.0.0.1", ca.publish, timeout=20)
    connection.request("GET", "/" + url.split("/", 3)[3])
    answer = connection.getresponse()
    return answer.status, answer.read()


def verify(tmp_path, leaf, chain, root):
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(PEM))
    (tmp_path / "chain.pem").write_bytes(b"".join(c.public_bytes(PEM) for c in chain))
    told = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", root, "-untrusted", tmp_path / "chain.pem", tmp_path / "leaf.pem"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def ceremony(ca, tmp_path, secret, name="second", use="server-auth", more=(), key_type="ecdsa-p256", encrypted=True):
    """A root in another place, and an issuer by it; returns the root's folder."""
    root = tmp_path / "root"
    with_secret = ["--passphrase-file", secret] if encrypted else []
    if not root.exists():
        good("root", "create", "--folder", root, "--name", "Elsewhere", "--country", "DE", "--passphrase-file", secret)
    request = good("issuer", "csr", name, "--config", ca.config, "--common-name", f"Issuing {name}", "--organization", "Elsewhere", "--country", "DE", "--key-type", key_type, *with_secret)
    (tmp_path / f"{name}.csr").write_text(request.stdout)
    signed = good("root", "sign", "--folder", root, "--csr", tmp_path / f"{name}.csr", "--out", tmp_path / f"{name}.pem", "--use", use, "--publish-url",
                  f"http://localhost:{ca.publish}", "--passphrase-file", secret, "--yes", *more)
    (key_id,) = re.findall(r"key id   ([0-9a-f]{40})", request.stderr)
    assert key_id in signed.stderr and f"CN=Issuing {name}" in signed.stderr
    good("root", "crl", "--folder", root, "--out", tmp_path / f"{name}.crl", "--passphrase-file", secret)
    good("issuer", "add", name, "--config", ca.config, "--certificate", tmp_path / f"{name}.pem", "--root", root / "root.pem", "--root-crl", tmp_path / f"{name}.crl",
         *with_secret)
    if encrypted:
        ca.config.write_text(change(ca, ca.config.read_text(), "passphrase-file", f'"{secret}"'))
    return root


def test_a_whole_ceremony(ca, tmp_path, secret):
    root = ceremony(ca, tmp_path, secret)
    assert "ENCRYPTED PRIVATE KEY" in (root / "root.key").read_text()
    assert "ENCRYPTED PRIVATE KEY" in (ca.folder / "state/signer/issuers/second/key.pem").read_text()
    listed = schemas.check("issuers", good("issuer", "list", "--json", "--config", ca.config).stdout)["issuers"]
    assert [i["name"] for i in listed] == ["main", "second"] and listed[0]["keyType"] == "ecdsa-p256"
    assert re.search(r"^second +ecdsa-p256 +server-auth +\d{4}-\d\d-\d\d +tls-server, short-lived, classic$", good("issuer", "list", "--config", ca.config).stdout, re.M)
    profile(ca, 'profile "other" {\n\tissuers = {"second"}\n}\n')
    ca.start()
    one = client(ca)
    leaf, issuer = issue(one, "main.example")
    assert issuer.subject.rfc4514_string().startswith("CN=Chancery Issuing CA 1")
    leaf, issuer = issue(one, "second.example", profile="other")
    assert issuer.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "Issuing second"
    verify(tmp_path, leaf, [issuer], root / "root.pem")
    # what the certificate names is served: its issuer's certificate, and the root's own list
    (access,) = issuer.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    status, body = fetch(ca, access.access_location.value)
    assert status == 200 and x509.load_der_x509_certificate(body) == x509.load_pem_x509_certificate((root / "root.pem").read_bytes())
    (point,) = issuer.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    status, body = fetch(ca, point.full_name[0].value)
    assert status == 200 and x509.load_der_x509_crl(body).is_signature_valid(x509.load_pem_x509_certificate((root / "root.pem").read_bytes()).public_key())
    ca.stop()
    assert PASSPHRASE not in ca.log_text()
    assert b"second" in b"".join(r.body for r in read(ca.folder / "state/signer/log") if r.type == 13)


def test_roll_over(ca, tmp_path, secret):
    """The new issuer signs; the old one's lists go on, with what is revoked later."""
    ca.start()
    one = client(ca)
    old_leaf, old_issuer = issue(one, "old.example")
    ca.stop()
    ceremony(ca, tmp_path, secret, encrypted=False)
    ca.config.write_text(ca.config.read_text().replace('profile "tls-server" {', 'profile "tls-server" {\n\tissuers = {"second"}', 1))
    ca.start()
    one.connection = one.nonce = None
    new_leaf, new_issuer = issue(one, "new.example")
    assert new_issuer.subject != old_issuer.subject
    revoked = one.post(ca.base + "/acme/revoke-cert", {"certificate": b64(old_leaf.public_bytes(serialization.Encoding.DER))})
    assert revoked.status == 200, revoked.body
    (point,) = old_leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    for _ in range(600):
        status, body = fetch(ca, point.full_name[0].value)
        crl = x509.load_der_x509_crl(body) if status == 200 else None
        if crl and crl.get_revoked_certificate_by_serial_number(old_leaf.serial_number):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the old issuer's list has not got it")
    assert crl.is_signature_valid(old_issuer.public_key())
    ca.stop()


def test_by_the_applicants_kind_of_key(ca, tmp_path, secret):
    ceremony(ca, tmp_path, secret, name="rsa", key_type="rsa", encrypted=False)
    ca.start()
    one = client(ca)
    for key, kind in ((ec.generate_private_key(ec.SECP384R1()), ec.EllipticCurvePublicKey), (rsa.generate_private_key(65537, 2048), rsa.RSAPublicKey)):
        leaf, issuer = issue(one, f"{kind.__name__.lower()}.example", key=key)
        assert isinstance(issuer.public_key(), kind)
        assert isinstance(leaf.public_key(), kind)
    ca.stop()


def test_clients_have_an_issuer_of_their_own(ca, tmp_path, secret):
    ceremony(ca, tmp_path, secret, name="clients", use="client-auth", encrypted=False)
    profile(ca, 'profile "client-auth" {\n}\n')
    ca.start()
    leaf, issuer = issue(client(ca), "device.example", profile="client-auth")
    for certificate in (leaf, issuer):
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    ca.stop()
    profile(ca, 'profile "mixed" {\n\tready = "client-auth"\n\tissuers = {"main"}\n}\n')
    ca.process = None
    result = program("serve", "--config", ca.config)
    assert result.returncode == 2 and 'no issuer may sign for the profile "mixed"' in result.stderr


def test_constraints_bind(ca, tmp_path, secret):
    ceremony(ca, tmp_path, secret, name="bound", encrypted=False, more=("--permit", "inside.example", "--permit", "10.0.0.0/8"))
    certificate = x509.load_pem_x509_certificate((tmp_path / "bound.pem").read_bytes())
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical and [str(getattr(n, "value")) for n in constraints.value.permitted_subtrees] == ["inside.example", "10.0.0.0/8"]
    assert [str(n.value) for n in constraints.value.excluded_subtrees] == ["::/0"]
    profile(ca, 'profile "bound" {\n\tissuers = {"bound"}\n}\n')
    ca.start()
    leaf, issuer = issue(client(ca), "a.inside.example", profile="bound")
    verify(tmp_path, leaf, [issuer], tmp_path / "root" / "root.pem")
    ca.stop()


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_import_of_another_ca(ca, tmp_path, kind):
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"] if kind == "ec" else ["-newkey", "rsa:3072"]
    run = lambda *words: subprocess.run(words, check=True, capture_output=True, cwd=tmp_path)  # noqa: E731
    run("openssl", "req", "-x509", *new, "-nodes", "-keyout", "r.key", "-out", "r.pem", "-days", "3650", "-subj", "/CN=Foreign Root",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-addext", "basicConstraints=critical,CA:true")
    run("openssl", "req", "-x509", *new, "-nodes", "-keyout", "i.key", "-out", "i.pem", "-days", "365", "-subj", "/CN=Foreign Issuer", "-CA", "r.pem", "-CAkey", "r.key",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-addext", "basicConstraints=critical,CA:true,pathlen:0", "-addext", "authorityKeyIdentifier=keyid")
    good("issuer", "add", "foreign", "--config", ca.config, "--certificate", tmp_path / "i.pem", "--root", tmp_path / "r.pem", "--key", tmp_path / "i.key")
    profile(ca, 'profile "foreign" {\n\tissuers = {"foreign"}\n}\n')
    ca.start()
    leaf, issuer = issue(client(ca), "foreign.example", profile="foreign")
    verify(tmp_path, leaf, [issuer], tmp_path / "r.pem")
    ca.stop()


def authority(name, above=None, filler=0):
    """A CA's certificate of about so many bytes, with its key; above: who signs it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=above[0].subject if above else subject, public_key=key.public_key(), serial_number=x509.random_serial_number(),
                                      not_valid_before=now - datetime.timedelta(hours=1), not_valid_after=now + datetime.timedelta(days=365))
    builder = builder.add_extension(x509.BasicConstraints(True, None), True).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    builder = builder.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
    if above:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above[1].public_key()), False)
    if filler:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.13"), b"\x16\x82" + filler.to_bytes(2, "big") + b"x" * filler), False)
    return builder.sign(above[1] if above else key, hashes.SHA256()), key


def add_foreign(ca, folder, name, root, chain):
    """`issuer add` of the first of the chain, which goes on to the root."""
    (folder / f"{name}.root").write_bytes(root[0].public_bytes(PEM))
    (folder / f"{name}.pem").write_bytes(b"".join(c.public_bytes(PEM) for c, _ in chain))
    (folder / f"{name}.key").write_bytes(chain[0][1].private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return ("issuer", "add", name, "--config", ca.config, "--certificate", folder / f"{name}.pem", "--root", folder / f"{name}.root", "--key", folder / f"{name}.key")


def log_size(ca):
    return sum(file.stat().st_size for file in (ca.folder / "state/signer/log").iterdir())


def test_what_the_server_could_not_start_with_is_not_added(ca, tmp_path):
    """All issuers' certificates fit into one message to the front."""
    root = authority("Large Root", filler=7600)
    for i in range(5):
        good(*add_foreign(ca, tmp_path, f"large-{i}", root, [authority(f"Large {i}", root, filler=15500)]))
    size = log_size(ca)
    bad("issuers take", *add_foreign(ca, tmp_path, "large-5", root, [authority("Large 5", root, filler=15500)]))
    assert log_size(ca) == size and not (ca.folder / "state/signer/issuers/large-5").exists()
    ca.start()
    ca.stop()


def test_the_certificates_of_all_chains_are_counted(ca, tmp_path):
    root, chain = authority("Long Root"), []
    above = root
    for i in range(30):
        above = authority(f"Step {i}", above)
        chain.insert(0, above)
    good(*add_foreign(ca, tmp_path, "first", root, [authority("First", above), *chain]))
    bad("more than 63 certificates", *add_foreign(ca, tmp_path, "second", root, [authority("Second", above), *chain]))
    ca.start()
    ca.stop()


def test_what_is_refused(ca, tmp_path, secret):
    root = ceremony(ca, tmp_path, secret)
    config = ["--config", ca.config]
    bad("never overwritten", "root", "create", "--folder", root, "--name", "Again")
    bad("1 to 40 characters", "root", "create", "--folder", tmp_path / "x", "--name", "x" * 41)
    bad("encrypted, and there is no passphrase", "root", "crl", "--folder", root, "--out", tmp_path / "o")
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase\n")
    wrong.chmod(0o600)
    bad("does not open the private key", "root", "crl", "--folder", root, "--out", tmp_path / "o", "--passphrase-file", wrong)
    wrong.chmod(0o644)
    bad("others can read it", "root", "crl", "--folder", root, "--out", tmp_path / "o", "--passphrase-file", wrong)
    bad("must be confirmed", "root", "sign", "--folder", root, "--csr", tmp_path / "second.csr", "--out", tmp_path / "o", "--passphrase-file", secret)
    assert not (tmp_path / "o").exists()
    bad("is there already", "root", "sign", "--folder", root, "--csr", tmp_path / "second.csr", "--out", tmp_path / "second.pem", "--passphrase-file", secret, "--yes")
    bad("no option --csr", "root", "create", "--folder", tmp_path / "x", "--name", "x", "--csr", "y")
    bad("like example.org", "root", "sign", "--folder", root, "--csr", tmp_path / "second.csr", "--out", tmp_path / "o", "--passphrase-file", secret, "--permit", "a b")
    bad("beyond its prefix", "root", "sign", "--folder", root, "--csr", tmp_path / "second.csr", "--out", tmp_path / "o", "--passphrase-file", secret, "--permit", "10.0.0.1/8")
    bad("holds no CERTIFICATE REQUEST", "root", "sign", "--folder", root, "--csr", tmp_path / "second.pem", "--out", tmp_path / "o", "--passphrase-file", secret)
    bad("lower-case", "issuer", "csr", "Second", *config, "--common-name", "x")
    bad("already", "issuer", "csr", "second", *config, "--common-name", "x")
    bad("already", "issuer", "add", "second", *config, "--certificate", tmp_path / "second.pem", "--root", root / "root.pem")
    bad("there is no key for third", "issuer", "add", "third", *config, "--certificate", tmp_path / "second.pem", "--root", root / "root.pem")
    key = ca.folder / "state/signer/issuers/second/key.pem"
    bad("has this key", "issuer", "add", "twin", *config, "--certificate", tmp_path / "second.pem", "--root", root / "root.pem", "--key", key, "--passphrase-file", secret)
    bad("number", "issuer", "root-crl", "second", tmp_path / "second.crl", *config)
    good("root", "crl", "--folder", root, "--out", tmp_path / "newer.crl", "--passphrase-file", secret)
    good("issuer", "root-crl", "second", tmp_path / "newer.crl", *config)
    ca.start()
    bad("stop the server first", "issuer", "csr", "fourth", *config, "--common-name", "x")
    good("issuer", "list", *config)
    ca.stop()


def test_the_root_revokes(ca, tmp_path, secret):
    root = ceremony(ca, tmp_path, secret)
    certificate = x509.load_pem_x509_certificate((tmp_path / "second.pem").read_bytes())
    good("root", "crl", "--folder", root, "--out", tmp_path / "r.crl", "--revoke", tmp_path / "second.pem", "--reason", "cessationOfOperation", "--passphrase-file", secret, "--yes")
    crl = x509.load_der_x509_crl((tmp_path / "r.crl").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    # it stands in every list from then on, and numbers rise
    good("root", "crl", "--folder", root, "--out", tmp_path / "s.crl", "--passphrase-file", secret)
    later = x509.load_der_x509_crl((tmp_path / "s.crl").read_bytes())
    number = lambda c: c.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number  # noqa: E731
    assert later.get_revoked_certificate_by_serial_number(certificate.serial_number) and number(later) > number(crl)
    bad("has not signed", "root", "crl", "--folder", root, "--out", tmp_path / "t.crl", "--revoke", ca.root, "--passphrase-file", secret, "--yes")


def test_an_issuer_of_nobodys_ceremony_stops_the_start(ca, tmp_path):
    shutil.copytree(ca.folder / "state/signer/issuers/main", ca.folder / "state/signer/issuers/other")
    owner = (ca.folder / "state/signer/issuers/main").stat()
    for path in [ca.folder / "state/signer/issuers/other", *(ca.folder / "state/signer/issuers/other").iterdir()]:
        os.chown(path, owner.st_uid, owner.st_gid)
    shutil.rmtree(ca.folder / "state/signer/issuers/main")
    key = ec.generate_private_key(ec.SECP256R1())
    folder = ca.folder / "state/signer/issuers/other"
    root_key = serialization.load_pem_private_key((ca.folder / "state/root/root.key").read_bytes(), None)
    root = x509.load_pem_x509_certificate(ca.root.read_bytes())
    old = x509.load_pem_x509_certificate((folder / "issuer.pem").read_bytes())
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(root.subject).public_key(key.public_key()).serial_number(77)
    builder = builder.not_valid_before(old.not_valid_before).not_valid_after(old.not_valid_after)
    builder = builder.add_extension(x509.BasicConstraints(True, 0), True).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False)
    (folder / "issuer.pem").write_bytes(builder.sign(root_key, hashes.SHA256()).public_bytes(PEM)) if os.access(folder / "issuer.pem", os.W_OK) else None
    (folder / "key.pem").write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    result = program("serve", "--config", ca.config)
    assert result.returncode == 2 and "the log does not know its certificate" in result.stderr, result.stderr


def test_a_wrong_passphrase_stops_the_start(ca, tmp_path, secret):
    ceremony(ca, tmp_path, secret)
    other = tmp_path / "other"
    other.write_text("not this one, surely\n")
    other.chmod(0o600)
    for text, word in ((f'"{other}"', "does not open"), ('""', "no passphrase"), (f'"{tmp_path}/none"', "No such file"), ('"credential:keys"', "LoadCredential")):
        ca.config.write_text(change(ca, ca.config.read_text(), "passphrase-file", text))
        result = program("serve", "--config", ca.config)
        assert result.returncode == 2 and word in result.stderr, result.stderr
    folder = tmp_path / "credentials"
    folder.mkdir(0o700)
    shutil.copy(secret, folder / "keys")
    ca.config.write_text(change(ca, ca.config.read_text(), "passphrase-file", '"credential:keys"'))
    os.environ["CREDENTIALS_DIRECTORY"] = str(folder)
    try:
        ca.start()
    finally:
        del os.environ["CREDENTIALS_DIRECTORY"]
    ca.stop()


def test_ca_certificates_pass_the_linters(ca, tmp_path, secret):
    zlint = os.environ.get("ZLINT")
    assert zlint, "ZLINT names zlint's program (tools/tools.sh)"
    ceremony(ca, tmp_path, secret)
    files = [tmp_path / "root/root.pem", tmp_path / "second.pem", ca.root, ca.folder / "state/signer/issuers/main/issuer.pem"]
    for file in files:
        told = json.loads(subprocess.run([zlint, file], capture_output=True, text=True, check=True).stdout)
        wrong = {name: r["result"] for name, r in told.items() if r["result"] in ("error", "fatal")}
        assert wrong == {}, f"{file}: {wrong}"
        read = subprocess.run(["certtool", "--certificate-info", "--infile", file], capture_output=True, text=True)
        assert read.returncode == 0, read.stderr
