"""What OpenSSL and GnuTLS say of everything that a CA has signed: taken from the signer's log, so that nothing is left out."""
import pathlib
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from log_reader import OCSP_INTENT, Result, meaning, read

GNUTLS_MOST = 30  # certtool takes one chain at a time: of many certificates, as many as this, spread over all


def run(folder, *words):
    result = subprocess.run(list(words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return result.returncode, result.stdout


def pem_of(der):
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


def check_chains(certificates, issuer, root):
    """certificates: in DER; issuer and root: files in PEM."""
    with tempfile.TemporaryDirectory(prefix="chancery-readers-") as name:
        folder = pathlib.Path(name)
        (folder / "issuer.pem").write_bytes(pathlib.Path(issuer).read_bytes())
        (folder / "root.pem").write_bytes(pathlib.Path(root).read_bytes())
        files = []
        for i, der in enumerate(certificates):
            files.append(f"{i}.pem")
            (folder / files[-1]).write_bytes(pem_of(der))
        if not files:
            return
        code, said = run(folder, "openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "root.pem", "-untrusted", "issuer.pem", *files)
        assert code == 0 and said.count(": OK\n") == len(files), said
        for file in files[::len(files) // GNUTLS_MOST + 1]:
            (folder / "chain.pem").write_bytes((folder / file).read_bytes() + (folder / "issuer.pem").read_bytes())
            code, said = run(folder, "certtool", "--verify", "--load-ca-certificate", "root.pem", "--verify-purpose", "1.3.6.1.5.5.7.3.1", "--infile", "chain.pem")
            assert code == 0 and "The certificate is trusted." in said, said
            code, said = run(folder, "certtool", "--certificate-info", "--infile", file)
            assert code == 0 and "Unknown" not in said and "warning" not in said.lower(), said


def check_everything(ca):
    """All that is in the log of a CA in its own folder, with its present issuer."""
    signer = ca.folder / "state" / "signer"
    records = read(signer / "log")
    responders = {meaning(r).serial for r in records if r.type == OCSP_INTENT}  # for another purpose: test_ocsp.py looks at them
    results = [value for value in map(meaning, records) if isinstance(value, Result) and value.serial not in responders]
    check_chains([value.certificate for value in results], signer / "issuers" / "main" / "issuer.pem", ca.root)
