"""Hooks in the dialects of other clients, and programs that came with these clients, show control of names for chancery issue."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.parse

import pytest

import schemas
from harness import free_port, running_ca
from test_client import DONE, FAILED, chancery, check_files, failed

UACME_HOOK = pathlib.Path("/usr/share/uacme/uacme.sh")

# A program in each dialect as its client documents it. $TXT is a folder that the DNS is made of.
HOOKS = {
    "certbot": 'echo "$CERTBOT_VALIDATION" >>"$TXT/_acme-challenge.$CERTBOT_DOMAIN"; echo "kept $CERTBOT_DOMAIN"',
    "dehydrated": """deploy_challenge() { echo "$3" >>"$TXT/_acme-challenge.$1"; }
clean_challenge() { rm -f "$TXT/_acme-challenge.$1"; }
HANDLER="$1"; shift
case "$HANDLER" in deploy_challenge|clean_challenge) "$HANDLER" "$@" ;; esac""",
    "dehydrated-chain": """deploy_challenge() { while [ $# -ge 3 ]; do echo "$3" >>"$TXT/_acme-challenge.$1"; shift 3; done; }
clean_challenge() { while [ $# -ge 3 ]; do rm -f "$TXT/_acme-challenge.$1"; shift 3; done; }
HANDLER="$1"; shift
echo "$HANDLER $#" >>"$LOG"
case "$HANDLER" in deploy_challenge|clean_challenge) "$HANDLER" "$@" ;; esac""",
    "lego": 'case $1 in present) echo "$3" >>"$TXT/${2%.}" ;; cleanup) rm -f "$TXT/${2%.}" ;; esac',
    "lego-raw": """[ "$2" = -- ] || exit 1
digest=$(printf %s "$5" | openssl dgst -sha256 -binary | openssl base64 | tr -d = | tr /+ _-)
case $1 in present) echo "$digest" >>"$TXT/_acme-challenge.$3" ;; cleanup) rm -f "$TXT/_acme-challenge.$3" ;; esac""",
    "uacme": """[ "$2" = dns-01 ] || exit 1
case $1 in begin) echo "$5" >>"$TXT/_acme-challenge.$3" ;; done|failed) rm -f "$TXT/_acme-challenge.$3"; echo "$1 $3" >>"$LOG" ;; esac""",
    "mod_md": 'case $1 in setup) echo "$3" >>"$TXT/_acme-challenge.$2" ;; teardown) [ -n "$3" ] && rm -f "$TXT/_acme-challenge.$2" ;; esac',
}
CERTBOT_CLEAN_UP = '[ "$CERTBOT_AUTH_OUTPUT" = "kept $CERTBOT_DOMAIN" ] && rm -f "$TXT/_acme-challenge.$CERTBOT_DOMAIN"'


def opened(folder):
    """Hooks run as a user without rights when chancery is started by root: a folder of a test's that it may go to and write to."""
    folder.chmod(0o777)
    for parent in folder.parents:
        if parent.is_relative_to(tempfile.gettempdir()) and parent != pathlib.Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    return folder


@pytest.fixture
def tmp_path():
    """Not below pytest's own folder, which each run of pytest, also of other tests meanwhile, closes to all but its user."""
    with tempfile.TemporaryDirectory(prefix="chancery-hooks-") as folder:
        yield pathlib.Path(folder)


@pytest.fixture(scope="module")
def ca():
    with tempfile.TemporaryDirectory(prefix="chancery-txt-") as txt, running_ca(http_port=free_port()) as ca:
        ca.txt = opened(pathlib.Path(txt))
        ca.dns.txt_folder = ca.txt
        yield ca


@pytest.fixture
def issue(ca, tmp_path):
    def run(*words, expect=DONE, **environment):
        result = chancery("issue", *words, "--server", ca.base + "/directory", "--ca-file", ca.root, "--folder", tmp_path / "f", "--timeout", 60,
                          env={**os.environ, "TXT": str(ca.txt), "LOG": str(tmp_path / "log"), **environment})
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


@pytest.fixture
def program(tmp_path):
    def write(name, text):
        path = opened(tmp_path) / name
        path.write_text("#!/bin/sh\n" + text + "\n")
        path.chmod(0o755)
        return path
    return write


@pytest.mark.parametrize("dialect", HOOKS)
def test_a_name_and_its_wildcard(ca, issue, program, dialect):
    name = f"{dialect.replace('_', '-')}.example"
    more = ["--hook-clean-up", program("clean-up", CERTBOT_CLEAN_UP)] if dialect == "certbot" else []
    result = issue(name, f"*.{name}", "--hook", program("hook", HOOKS[dialect]), "--hook-dialect", dialect, *more)
    check_files(issue.folder / name / "live", [name, f"*.{name}"])
    assert f"may look at TXT _acme-challenge.{name}" in result.stdout
    assert list(ca.txt.iterdir()) == [], "it is cleaned up"


def test_dehydrateds_chain_is_run_once(issue, program, tmp_path):
    hook = program("hook", HOOKS["dehydrated-chain"])
    issue("one.chain.example", "two.chain.example", "*.two.chain.example", "--hook", hook, "--hook-dialect", "dehydrated-chain")
    assert (tmp_path / "log").read_text().splitlines() == ["deploy_challenge 9", "clean_challenge 9"]


def test_a_wildcard_alone_and_its_folder(issue, program):
    issue("*.alone.example", "--hook", program("hook", HOOKS["lego"]), "--hook-dialect", "lego")
    check_files(issue.folder / "_.alone.example" / "live", ["*.alone.example"])


def test_uacme_is_told_how_it_ended(issue, program, tmp_path):
    hook = program("hook", HOOKS["uacme"])
    issue("done.example", "--hook", hook, "--hook-dialect", "uacme")
    failing = program("failing", HOOKS["uacme"].replace('echo "$5"', "echo nonsense"))
    issue("failed.example", "--hook", failing, "--hook-dialect", "uacme", expect=FAILED)
    assert (tmp_path / "log").read_text().splitlines() == ["done done.example", "failed failed.example"]


def test_uacme_declines_a_type(ca, issue, program):
    """It is asked for http-01 first, as the command says, and takes dns-01."""
    result = issue("declined.example", "--challenge", "http-01", "--challenge", "dns-01", "--hook", program("hook", HOOKS["uacme"]), "--hook-dialect", "uacme")
    assert "may look at TXT _acme-challenge.declined.example" in result.stdout and "well-known" not in result.stdout
    result = issue("all-declined.example", "--hook", program("none", "exit 1"), "--hook-dialect", "uacme", expect=FAILED)
    failed(result, "the solver takes no challenge that is offered")


def serve(folder, port):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *a):
            super().__init__(*a, directory=str(folder))

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_uacmes_own_hook(ca, issue, tmp_path):
    """The program that comes with uacme, as it is: http-01 by files."""
    web = tmp_path / "web" / ".well-known" / "acme-challenge"
    web.mkdir(parents=True)
    opened(web)
    server = serve(tmp_path / "web", ca.http_port)
    try:
        issue("uacme-own.example", "--challenge", "http-01", "--hook", UACME_HOOK, "--hook-dialect", "uacme", UACME_CHALLENGE_PATH=str(web))
    finally:
        server.shutdown()
        server.server_close()
    assert list(web.iterdir()) == []


def test_http_by_certbots_dialect(ca, issue, program, tmp_path):
    web = tmp_path / "web"
    folder = web / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    opened(folder)
    opened(tmp_path)
    server = serve(web, ca.http_port)
    try:
        issue("certbot-http.example", "second.example", "--challenge", "http-01", "--hook",
              program("hook", f'echo "$CERTBOT_REMAINING_CHALLENGES $CERTBOT_ALL_DOMAINS" >>"$LOG"; printf %s "$CERTBOT_VALIDATION" >{folder}/"$CERTBOT_TOKEN"'))
    finally:
        server.shutdown()
        server.server_close()
    assert (tmp_path / "log").read_text().splitlines() == [f"{n} certbot-http.example,second.example" for n in (1, 0)]


def test_a_hook_that_fails_is_a_failure(ca, issue, program):
    hook = program("hook", "echo 'the zone is locked' >&2; exit 3")
    result = issue("locked.example", "--hook", hook, "--hook-dialect", "lego", expect=FAILED)
    failed(result, "the solver failed", f"The solver: {hook} present ended with exit code 3: the zone is locked")
    said = schemas.check("client/issue", issue("locked.example", "--hook", hook, "--hook-dialect", "lego", "--json", expect=FAILED).stdout)
    assert said["error"]["fault"] == "caller" and "the zone is locked" in said["error"]["solver"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs several users")
def test_who_hooks_are(ca, issue, program):
    """Started by root, hooks are nobody who has anything; the one who is named, when one is named; and they get the environment."""
    hook = program("hook", HOOKS["mod_md"] + '\necho "$(id -u) $(id -G) $COLOUR" >>"$LOG"')
    log = hook.parent / "log"
    issue("nobody.example", "--hook", hook, "--hook-dialect", "mod_md", COLOUR="blue", ODD=b"\xff")
    uid, *groups, colour = log.read_text().splitlines()[0].split()
    assert uid not in ("0", str(os.getuid())) and groups == [uid] and colour == "blue"
    log.unlink()
    issue("root.example", "--hook", hook, "--hook-dialect", "mod_md", "--hook-user", "root", COLOUR="red")
    assert log.read_text().split()[0] == "0"
    log.unlink()
    failed(issue("other.example", "--hook", hook, "--hook-dialect", "mod_md", "--hook-user", "no-such-user", expect=FAILED),
           'there is no user "no-such-user"')


def test_a_hook_that_never_ends(issue, program):
    result = issue("slow.example", "--hook", program("hook", "sleep 600"), "--hook-timeout", 1, expect=FAILED)
    failed(result, "has not ended within 1 s")


def test_an_answer_that_is_not_there(issue, program):
    result = issue("nowhere.example", "--hook", program("hook", "exit 0"), expect=FAILED)
    failed(result, "nowhere.example: the server could not validate it")


# As scripts of acme.sh's dnsapi are written: a value that is saved, the zone looked for, headers in _H1, JSON taken apart by patterns, _err and 1.
DNS_PROVIDER = r"""#!/usr/bin/env sh
# shellcheck disable=SC2034
dns_provider_info='A provider
Options:
 PROVIDER_Token The token
'

dns_provider_add() {
  fulldomain=$1
  txtvalue=$2
  PROVIDER_Token="${PROVIDER_Token:-$(_readaccountconf_mutable PROVIDER_Token)}"
  if [ -z "$PROVIDER_Token" ]; then
    _err "You have not said PROVIDER_Token yet."
    return 1
  fi
  _saveaccountconf_mutable PROVIDER_Token "$PROVIDER_Token"
  _saveaccountconf PROVIDER_Api "$PROVIDER_Api"
  if ! _get_root "$fulldomain"; then
    _err "invalid domain"
    return 1
  fi
  _debug _domain_id "$_domain_id"
  _secure_debug PROVIDER_Token "$PROVIDER_Token"
  _info "Adding record"
  body="$(printf '{"name":"%s","content":"%s","note":"%s"}' "$_sub_domain" "$(printf "%s" "$txtvalue" | _json_encode)" "$(printf 'a"b' | _json_encode)")"
  if _provider_rest POST "zones/$_domain_id/records" "$body" && _contains "$response" '"success": *true'; then
    if _contains "$(_egrep_o '^X-Seen: .*' <"$HTTP_HEADER")" "post"; then
      _sleep 0
      return 0
    fi
  fi
  _err "Add txt record error: $(printf "%s" "$response" | _egrep_o '"message":"[^"]*"' | cut -d '"' -f 4)"
  return 1
}

dns_provider_rm() {
  PROVIDER_Token="${PROVIDER_Token:-$(_readaccountconf_mutable PROVIDER_Token)}"
  PROVIDER_Api="${PROVIDER_Api:-$(_readaccountconf PROVIDER_Api)}"
  _get_root "$1" || return 1
  _provider_rest GET "zones/$_domain_id/records?content=$(printf "%s" "$2" | _url_encode)" || return 1
  _record_id="$(printf "%s" "$response" | _egrep_o '"id":"[^"]*"' | _head_n 1 | cut -d : -f 2 | tr -d '"')"
  [ "$_record_id" ] || return 1
  _provider_rest DELETE "zones/$_domain_id/records/$_record_id"
}

_get_root() {
  domain=$1
  i=1
  p=1
  while true; do
    h=$(printf "%s" "$domain" | cut -d . -f "$i"-100)
    [ -z "$h" ] && return 1
    _provider_rest GET "zones?name=$h" || return 1
    if _contains "$response" "\"name\":\"$h\""; then
      _domain_id=$(printf "%s" "$response" | _egrep_o '"id":"[^"]*"' | _head_n 1 | cut -d : -f 2 | tr -d '"')
      _sub_domain=$(printf "%s" "$domain" | cut -d . -f 1-"$p")
      return 0
    fi
    p=$i
    i=$(_math "$i" + 1)
  done
}

_provider_rest() {
  export _H1="Authorization: Bearer $PROVIDER_Token"
  export _H2="X-Signed: $(printf "%s" "$2" | _hmac sha256 "$(printf "%s" "$PROVIDER_Token" | _hex_dump | tr -d ' ')" hex)"
  if [ "$1" = GET ]; then
    response="$(_get "$PROVIDER_Api/$2")"
  else
    response="$(_post "$3" "$PROVIDER_Api/$2" "" "$1" "application/json")"
  fi
  if [ "$?" != 0 ]; then
    _err "error $2"
    return 1
  fi
  response="$(printf "%s" "$response" | _normalizeJson)"
}
"""


class Provider(http.server.BaseHTTPRequestHandler):
    """A provider's interface with one zone, provider.example, whose records are files of the DNS's folder."""

    token, txt = 'a "token\\ of 5', None

    def answer(self, said, status=200):
        self.send_response(status)
        self.send_header("X-Seen", self.command.lower())
        self.end_headers()
        self.wfile.write(json.dumps(said, indent=2).encode())

    def handle_all(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        value = urllib.parse.parse_qs(query)
        signed = hmac.new(self.token.encode(), self.path[1:].encode(), "sha256").hexdigest()
        if self.headers["Authorization"] != "Bearer " + self.token or self.headers["X-Signed"] != signed:
            return self.answer({"success": False, "message": "who are you?"}, 403)
        if path == "/zones":
            return self.answer({"zones": [{"id": "z7", "name": n} for n in value["name"] if n == "provider.example"]})
        if self.command == "POST":
            said = json.loads(body)
            if said["name"].startswith("_acme-challenge.locked") or said["note"] != 'a"b' or self.headers["Content-Type"] != "application/json":
                return self.answer({"success": False, "message": "the zone is locked"})
            with (self.txt / f"{said['name']}.provider.example").open("a") as f:
                f.write(said["content"] + "\n")
            return self.answer({"success": True})
        if self.command == "GET":
            return self.answer({"records": [{"id": f.name} for f in self.txt.iterdir() if value["content"][0] in f.read_text().split()]})
        (self.txt / path.rpartition("/")[2]).unlink()
        return self.answer({"success": True})

    do_GET = do_POST = do_DELETE = handle_all

    def log_message(self, *_):
        pass


@pytest.fixture
def provider(ca):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Provider,), {"txt": ca.txt}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_acme_shs_scripts(ca, issue, tmp_path, provider):
    """One that is written for acme.sh, as it is; the second run finds what the first has saved."""
    script = opened(tmp_path) / "dns_provider.sh"
    script.write_text(DNS_PROVIDER)
    kept = opened(tmp_path) / "kept"
    kept.mkdir()
    opened(kept)
    words = ("--hook", script, "--hook-dialect", "acme.sh")
    result = issue("provider.example", *words, LE_CONFIG_HOME=str(kept), expect=FAILED)
    failed(result, f"{script} add ended with exit code 1: You have not said PROVIDER_Token yet.")
    issue("www.provider.example", *words, LE_CONFIG_HOME=str(kept), PROVIDER_Token=Provider.token, PROVIDER_Api=provider)
    check_files(issue.folder / "www.provider.example" / "live", ["www.provider.example"])
    assert list(ca.txt.iterdir()) == [], "it is cleaned up"
    assert (kept / "account.conf").stat().st_mode & 0o777 == 0o600 and "SAVED_PROVIDER_Token='__ACME_BASE64__START_" in (kept / "account.conf").read_text()
    issue("*.provider.example", *words, LE_CONFIG_HOME=str(kept))
    failed(issue("locked.provider.example", *words, LE_CONFIG_HOME=str(kept), expect=FAILED), "Add txt record error: the zone is locked")
    failed(issue("other.example", *words, LE_CONFIG_HOME=str(kept), expect=FAILED), "invalid domain")


class Service(http.server.BaseHTTPRequestHandler):
    """lego's httpreq: sets and takes away what it is told."""

    txt, thumbprint = None, None

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, said))
        wanted = "Basic " + base64.b64encode(b'me:a "word" = x').decode()
        status = 401 if self.headers["Authorization"] != wanted else 500 if self.path.startswith("/broken") else 204
        if status == 204:
            raw = self.path.startswith("/raw/")
            record = self.txt / (f"_acme-challenge.{said['domain']}" if raw else said["fqdn"].removesuffix("."))
            digest = base64.urlsafe_b64encode(hashlib.sha256(said["keyAuth"].encode()).digest()).decode().rstrip("=") if raw else said["value"]
            assert not raw or said["keyAuth"].startswith(said["token"] + ".")
            lines = record.read_text().split() if record.exists() else []
            if self.path.endswith("/present"):
                record.write_text("\n".join([*lines, digest]) + "\n")
            elif lines == [digest]:
                record.unlink()
            else:
                record.write_text("\n".join(line for line in lines if line != digest) + "\n")
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(params=("http", "https"))
def service(ca, request, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Service,), {"txt": ca.txt}))
    server.asked, server.ca_file = [], tmp_path / "service.pem"
    if request.param == "https":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "service.key",
                        "-out", server.ca_file, "-subj", "/CN=service", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(server.ca_file, tmp_path / "service.key")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.url = f"{request.param}://127.0.0.1:{server.server_port}"
    server.words = ("--hook-ca-file", server.ca_file) if request.param == "https" else ()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_legos_httpreq(ca, issue, tmp_path, service):
    login = tmp_path / "login"
    login.write_text("HTTPREQ_USERNAME=me\nHTTPREQ_PASSWORD='a \"word\" = x'\n")
    login.chmod(0o600)
    words = ("--hook-login", login, *service.words)
    issue("httpreq.example", "*.httpreq.example", "--hook", service.url + "/", "--hook-dialect", "httpreq", *words)
    check_files(issue.folder / "httpreq.example" / "live", ["httpreq.example", "*.httpreq.example"])
    assert list(ca.txt.iterdir()) == [], "it is cleaned up"
    assert [path for path, _ in service.asked] == ["/present", "/present", "/cleanup", "/cleanup"]
    assert service.asked[0][1].keys() == {"fqdn", "value"} and service.asked[0][1]["fqdn"] == "_acme-challenge.httpreq.example."
    issue("raw.example", "--hook", service.url + "/raw", "--hook-dialect", "httpreq-raw", *words)
    assert service.asked[-1][1].keys() == {"domain", "token", "keyAuth"} and list(ca.txt.iterdir()) == []
    result = issue("broken.example", "--hook", service.url + "/broken", "--hook-dialect", "httpreq", *words, expect=FAILED)
    failed(result, "the solver failed", f"{service.url}/broken/present answers with HTTP status 500")
    result = issue("unknown.example", "--hook", service.url, "--hook-dialect", "httpreq", *service.words, expect=FAILED)
    failed(result, "answers with HTTP status 401")
    login.write_text("HTTPREQ_USERNAME=me\n")
    result = issue("half.example", "--hook", service.url, "--hook-dialect", "httpreq", *words, expect=FAILED)
    failed(result, "the lines HTTPREQ_USERNAME=... and HTTPREQ_PASSWORD=... are wanted")
    login.chmod(0o644)
    result = issue("open.example", "--hook", service.url, "--hook-dialect", "httpreq", *words, expect=FAILED)
    failed(result, "others can read it")


def test_an_httpreq_service_that_is_not_there_or_says_nothing(issue):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        failed(issue("silent.example", "--hook", url, "--hook-dialect", "httpreq", "--hook-timeout", 1, expect=FAILED), "the solver failed", "timed out")
    failed(issue("gone.example", "--hook", url, "--hook-dialect", "httpreq", expect=FAILED), "the solver failed", "connect")


def test_what_is_no_script_of_acme_shs(issue, program, tmp_path):
    said = opened(tmp_path) / "dns_none.sh"
    said.write_text("dns_other_add() { :; }\n")
    failed(issue("none.example", "--hook", said, "--hook-dialect", "acme.sh", expect=FAILED), "has no function dns_none_add")
    failed(issue("none.example", "--hook", tmp_path / "dns_gone.sh", "--hook-dialect", "acme.sh", expect=FAILED), "dns_gone.sh cannot be read")
    failed(issue("none.example", "--hook", program("a b.sh", ":"), "--hook-dialect", "acme.sh", expect=FAILED), "are named like dns_xxx.sh")


@pytest.mark.parametrize("words, told", (
    (["--challenge", "dns-01"], "dns-01 needs what changes the DNS: --dns-update SERVER or --hook PROGRAM"),
    (["--hook-dialect", "lego"], "name it by --hook PROGRAM"),
    (["--hook", "/x", "--hook-dialect", "acme"], "certbot, dehydrated, dehydrated-chain, lego, lego-raw, httpreq, httpreq-raw, acme.sh, uacme and mod_md are known"),
    (["--hook", "/x", "--hook-dialect", "lego", "--hook-clean-up", "/y"], "--hook-clean-up is of certbot's dialect"),
    (["--hook", "/x", "--hook-dialect", "dehydrated-chain", "--challenge", "dns-01", "--challenge", "tls-alpn-01"], "is run once for all names"),
    (["--hook", "/x", "--hook-dialect", "dehydrated-chain", "--dns-update", "127.0.0.1"], "is run once for all names"),
    (["--hook", "dns_x.sh", "--hook-dialect", "acme.sh"], "acme.sh's scripts are named by their path, like /path/to/dns_xxx.sh"),
    (["--hook", "/x", "--hook-dialect", "httpreq"], "this dialect asks a service at a URL"),
    (["--hook", "https://me:secret@localhost/", "--hook-dialect", "httpreq"], "give them by --hook-login FILE"),
    (["--hook", "https://localhost/?a", "--hook-dialect", "httpreq"], "/present and /cleanup come behind it"),
    (["--hook", "/x", "--hook-dialect", "lego", "--hook-login", "/y"], "--hook-login and --hook-ca-file are of the dialects httpreq and httpreq-raw"),
    (["--hook", "/nonexistent/hook"], "/nonexistent/hook cannot be run: No such file"),
))
def test_what_cannot_be(issue, words, told):
    failed(issue("x.example", *words, expect=FAILED), told)
