"""A small ACME client for tests: it can do everything right, and each thing wrong."""
import base64
import hashlib
import ipaddress
import json
import ssl
import http.client
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def certificates(pem):
    """The certificates of a chain, leaf first."""
    end = "-----END CERTIFICATE-----\n"
    text = pem if isinstance(pem, str) else pem.decode()
    return [x509.load_pem_x509_certificate((part + end).encode()) for part in text.split(end)[:-1]]


def check_signed(certificate, issuer):
    """Raises unless the one is signed by the other's key."""
    assert certificate.issuer == issuer.subject
    key, data = issuer.public_key(), certificate.tbs_certificate_bytes
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(certificate.signature, data, padding.PKCS1v15(), certificate.signature_hash_algorithm)
    else:
        key.verify(certificate.signature, data, ec.ECDSA(certificate.signature_hash_algorithm))


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


class Key:
    """An account key of one of the algorithms."""

    def __init__(self, alg="ES256"):
        self.alg = alg
        if alg == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        elif alg == "ES384":
            self.private = ec.generate_private_key(ec.SECP384R1())
        elif alg == "RS256":
            self.private = rsa.generate_private_key(65537, 2048)
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()

    def jwk(self):
        public = self.private.public_key()
        if self.alg in ("ES256", "ES384"):
            n, size = public.public_numbers(), {"ES256": 32, "ES384": 48}[self.alg]
            return {"crv": {"ES256": "P-256", "ES384": "P-384"}[self.alg], "kty": "EC", "x": number(n.x, size), "y": number(n.y, size)}
        if self.alg == "RS256":
            n = public.public_numbers()
            return {"e": number(n.e), "kty": "RSA", "n": number(n.n)}
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"crv": "Ed25519", "kty": "OKP", "x": b64(raw)}

    def thumbprint(self):
        return b64(hashlib.sha256(json.dumps(self.jwk(), sort_keys=True, separators=(",", ":")).encode()).digest())

    def der_signature(self, data):
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))

    def sign(self, data):
        if self.alg in ("ES256", "ES384"):
            size, digest = {"ES256": (32, hashes.SHA256()), "ES384": (48, hashes.SHA384())}[self.alg]
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if self.alg == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(data)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        """The ACME error type without its URN, None when it is no problem document."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return None
        kind = self.json["type"]
        assert kind.startswith("urn:ietf:params:acme:error:"), kind
        assert self.json["status"] == self.status
        assert self.json["detail"]
        return kind.rsplit(":", 1)[1]


def challenge_of(authz, kind="http-01"):
    """The authorization's challenge of this type."""
    (found,) = [c for c in authz["challenges"] if c["type"] == kind]
    return found


class Client:
    def __init__(self, ca, key=None):
        self.ca = ca
        self.key = key or Key()
        self.kid = None
        self.nonce = None
        self.tls = ssl.create_default_context(cafile=str(ca.root))
        self.connection = None

    def request(self, method, url, body=None, headers=None):
        parts = urllib.parse.urlsplit(url)
        path = parts.path + ("?" + parts.query if parts.query else "")
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=self.tls, timeout=60)
            try:
                self.connection.request(method, path, body, headers or {})
                response = self.connection.getresponse()
                answer = Answer(response.status, response.headers, response.read())
                break
            except (http.client.HTTPException, ConnectionError, OSError):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise
        if "Replay-Nonce" in answer.headers:
            self.nonce = answer.headers["Replay-Nonce"]
        return answer

    def fresh_nonce(self):
        if self.nonce is None:
            self.request("HEAD", self.ca.base + "/acme/new-nonce")
        nonce, self.nonce = self.nonce, None
        return nonce

    def jws(self, url, payload, key=None, jwk=False, header=None, drop=(), kid=None):
        """A signed request as a dictionary, to be changed before it is sent. payload None: POST-as-GET; bytes: as they are."""
        key = key or self.key
        protected = {"alg": key.alg, "nonce": self.fresh_nonce(), "url": url}
        if jwk:
            protected["jwk"] = key.jwk()
        else:
            protected["kid"] = kid or self.kid
        protected.update(header or {})
        for name in drop:
            protected.pop(name, None)
        encoded = b64(json.dumps(protected).encode())
        data = b"" if payload is None else payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        content = b64(data)
        return {"protected": encoded, "payload": content, "signature": b64(key.sign(f"{encoded}.{content}".encode()))}

    def send(self, url, jws, content_type="application/jose+json"):
        body = jws if isinstance(jws, (bytes, str)) else json.dumps(jws)
        return self.request("POST", url, body, {"Content-Type": content_type})

    def post(self, url, payload=None, **how):
        for _ in range(3):
            answer = self.send(url, self.jws(url, payload, **how))
            if answer.type != "badNonce":
                break
        return answer

    def register(self, **payload):
        answer = self.post(self.ca.base + "/acme/new-account", payload, jwk=True)
        if answer.status in (200, 201):
            self.kid = answer.headers["Location"]
        return answer

    def order(self, *names, **more):
        """Names, or (type, value); more: further members of newOrder."""
        identifiers = [{"type": n[0], "value": n[1]} if isinstance(n, tuple) else {"type": "dns", "value": n} for n in names]
        return self.post(self.ca.base + "/acme/new-order", {"identifiers": identifiers, **more})

    def solve(self, authz_url):
        """Answers http-01 and polls until the authorization is decided; returns it."""
        authz = self.post(authz_url).json
        for challenge in authz["challenges"]:
            if challenge["type"] == "http-01" and challenge["status"] == "pending":
                self.ca.web.challenge(challenge["token"], challenge["token"] + "." + self.key.thumbprint())
                self.post(challenge["url"], {})
        return self.wait(authz_url)

    def wait(self, url, states=("pending", "processing")):
        import time
        for _ in range(300):
            found = self.post(url).json
            if found["status"] not in states:
                return found
            time.sleep(0.05)
        return found

    def csr(self, *names, key=None, common_name=None, extra=()):
        self.certificate_key = key or ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
        if names:
            sans = [x509.IPAddress(ipaddress.ip_address(n[1])) if isinstance(n, tuple) else x509.DNSName(n) for n in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        for extension in extra:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.certificate_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def finalize(self, order, csr):
        return self.post(order["finalize"], {"csr": b64(csr)})

    def issue(self, *names):
        """One whole issuance; returns the chain in PEM."""
        answer = self.order(*names)
        assert answer.status == 201, answer.body
        order, url = answer.json, answer.headers["Location"]
        for authz in order["authorizations"]:
            solved = self.solve(authz)
            assert solved["status"] == "valid", solved
        answer = self.finalize(order, self.csr(*names))
        assert answer.status == 200, answer.body
        order = answer.json if answer.json["status"] == "valid" else self.wait(url)
        assert order["status"] == "valid", order
        return self.post(order["certificate"]).body.decode()
