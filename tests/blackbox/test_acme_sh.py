"""What scripts of acme.sh's dnsapi find in chancery-acme-sh: each helper by what it gives, and four scripts written as such scripts are, each with a provider of its kind."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.parse
import xml.etree.ElementTree

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from harness import BUILD
from test_client import FAILED, check_files, failed
from test_hooks import ca, issue, opened, tmp_path  # noqa: F401 (fixtures)

SHIM = BUILD / "libexec" / "chancery" / "chancery-acme-sh"


def give(folder, text, *, words=("add", "_acme-challenge.www.example.org", "value"), **environment):
    """What a script prints whose function is this text."""
    script = folder / "dns_one.sh"
    script.write_text("dns_one_add() {\n" + text + "\n}\n")
    result = subprocess.run([SHIM, script, *words], capture_output=True, timeout=60, env={"PATH": os.environ["PATH"], "LE_CONFIG_HOME": str(folder / "kept"), **environment})
    return result


KEY, LONG = "secret\x01\xff".encode("latin1"), bytes(range(1, 200))
MESSAGE = b"GET\n/zones?a=b"
GIVES = [
    ("_getfield a,b,c 2", b"b"),
    ("_getfield a:b:c 3 :", b"c"),
    ("_getfield a,,  2", b"a"),
    ("_hasfield a,b,c b && printf yes", b"yes"),
    ("_hasfield a,bb,c b || printf no", b"no"),
    ("_contains 'a.b' 'a.b' && _contains axb 'a.b' && printf yes", b"yes"),
    ("_contains abc x || printf no", b"no"),
    ("_startswith abc ab && ! _startswith abc bc && _endswith abc bc && printf yes", b"yes"),
    ("printf 'a\\nb\\nc\\n' | _head_n 1", b"a\n"),
    ("printf 'a\\nb\\nc\\n' | _tail_n 1", b"c\n"),
    ("printf 'x=1;y=22;' | _egrep_o '[0-9]+' | tr '\\n' ,", b"1,22,"),
    ("printf aBc | _upper_case; printf aBc | _lower_case", b"ABCabc"),
    ("_math 3 + 4; _math 7 % 4", b"73"),
    ("_math 'x[$(echo 1 >&2)]' || printf no", b"no"),
    ("_isIPv4 192.0.2.1 && ! _isIPv4 192.0.2.256 && ! _isIPv4 1.2.3 && ! _isIPv4 a.b.c.d && printf yes", b"yes"),
    ("_isIPv6 2001:db8::1 && _isIP 192.0.2.1 && ! _isIP www.example && printf yes", b"yes"),
    ("_exists _get && _exists sh && ! _exists no-such-program && printf yes", b"yes"),
    ("printf 'a b/~\\303\\274&' | _url_encode", b"a%20b%2f~%c3%bc%26"),
    ("printf 'a b/~\\303\\274&' | _url_encode upper-hex", b"a%20b%2F~%C3%BC%26"),
    ("printf 'a\"b\\\\c\\td' | _json_encode", b'a\\"b\\\\c\\td'),
    ("printf 'http:\\\\/\\\\/x' | _json_decode", b"http://x"),
    ('printf \'{\\n  "a" : "b",\\n  "c": [ 1 ],\\n  "d" :{}\\n}\' | _normalizeJson', b'{"a":"b","c":[ 1 ],"d":{}}'),
    ("printf abc | _hex_dump", b" 61 62 63"),
    ("_ascii_hex abc", b" 61 62 63"),
    ("printf 00ff41 | _h2b", b"\x00\xffA"),
    ("printf abc | _base64", base64.b64encode(b"abc")),
    ("printf '%099d' 0 | _base64 multiline", b"MDAw" * 16 + b"\n" + b"MDAw" * 16 + b"\n" + b"MDAw\n"),
    ("printf YWJj | _dbase64", b"abc"),
    ("printf 'a+/b==' | _url_replace", b"a-_b"),
    ("_durl_replace_base64 YS1_", b"YS1/\n"),
    ("_durl_replace_base64 YQ", b"YQ==\n"),
    ("_time2str 1700000000", b"2023-11-14T22:13:20Z\n"),
    ("_date2time 2023-11-14T22:13:20Z", b"1700000000\n"),
    ("printf '%s' $(($(_time) > 1700000000))", b"1"),
    ("printf 'x\\nBEGIN\\nin\\nEND\\n' >\"$HTTP_HEADER\"; _getfile \"$HTTP_HEADER\" BEGIN END", b"in\n"),
    ("printf 'a b\\n' >\"$HTTP_HEADER\"; _sed_i 's/a/c/' \"$HTTP_HEADER\"; cat \"$HTTP_HEADER\"", b"c b\n"),
    ("_stat /", b"root:root\n"),
    ("printf '%s' \"$fulldomain$1 $2\"", b"_acme-challenge.www.example.org value"),
    ("_idn www.example.org", b"www.example.org"),
    *((f"printf abc | _digest {a}", base64.b64encode(hashlib.new(a, b"abc").digest()))
      for a in ("md5", "sha1", "sha256", "sha512", "sha3-256")),
    ("printf abc | _digest sha256 hex", hashlib.sha256(b"abc").hexdigest().encode()),
    *((f"printf 'GET\\n/zones?a=b' | _hmac {a} {k.hex()}{' hex' if h else ''}",
       hmac.new(k, MESSAGE, a).hexdigest().encode() if h else hmac.new(k, MESSAGE, a).digest())
      for a in ("sha1", "sha256", "sha512") for k in (KEY, LONG) for h in (True, False)),
]


@pytest.mark.parametrize("text,out", GIVES, ids=range(len(GIVES)))
def test_a_helper(tmp_path, text, out):
    result = give(tmp_path, text)
    assert result.stdout == out and result.stderr == b"", (text, result.stdout, result.stderr)


@pytest.mark.parametrize("options,how", (("", padding.PKCS1v15()), (" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1", padding.PSS(padding.MGF1(hashes.SHA256()), 32))))
def test_a_signature(tmp_path, options, how):
    """By a key that comes in the environment, and that the script writes to where it is."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    result = give(tmp_path, "pwd >&2; printf %s \"$PEM\" | _dbase64 >private.key; _isRSA private.key && ! _isEcc private.key || return 1\n"
                            f"printf abc | _sign private.key 'sha256{options}'", PEM=base64.b64encode(pem).decode())
    assert result.returncode == 0, result.stderr
    key.public_key().verify(base64.b64decode(result.stdout, validate=True), b"abc", how, hashes.SHA256())
    where = pathlib.Path(result.stderr.decode().strip())
    assert where.is_absolute() and not where.exists(), "it is gone with its folder"


@pytest.mark.parametrize("words,told", (
    ("sha256", "is no RSA key"), ("'sha256 -out x'", "-out is no option of a signature"), ("'sha256 $(id)'", "is no algorithm"), ("sha257", "no digest that is known")))
def test_no_signature(tmp_path, words, told):
    key = ec.generate_private_key(ec.SECP256R1()) if told == "is no RSA key" else rsa.generate_private_key(65537, 2048)
    (tmp_path / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    result = give(tmp_path, f"printf abc | _sign '{tmp_path}/key' {words}")
    assert result.returncode == 1 and result.stdout == b"" and told in result.stderr.decode(), result.stderr


KEEPS = [
    ("_saveaccountconf_mutable A_Token \"a'b \\\"c\\\" \\$(id) d\"", "_readaccountconf_mutable A_Token", "a'b \"c\" $(id) d"),
    ("_saveaccountconf A_Url https://a.example/", "printf %s \"$A_Url\"", "https://a.example/"),
    ("_saveaccountconf A_Url https://a.example/; _clearaccountconf A_Url", "printf %s \"$A_Url\"", ""),
    ("_saveaccountconf_mutable A_Url x; _clearaccountconf_mutable A_Url", "_readaccountconf_mutable A_Url", ""),
    ("_saveaccountconf A_Old x; _saveaccountconf_mutable A_Old y", "printf %s \"$A_Old\"; _readaccountconf_mutable A_Old", "y"),
    ("_savedomainconf A_Zone 'z 1'", "_readdomainconf A_Zone", "z 1"),
    ("_savedomainconf A_Zone 1; _cleardomainconf A_Zone", "_readdomainconf A_Zone", ""),
    ("_savedeployconf A_Host 'h;$(id)'", "_getdeployconf A_Host; printf %s \"$A_Host\"", "h;$(id)"),
    ("_savedeployconf A_Host kept", "A_Host=mine; export A_Host; _getdeployconf A_Host; printf %s \"$A_Host\"", "mine"),
    ("_savedomainconf A_Old v; _migratedeployconf A_Old A_New", "_getdeployconf A_New; printf %s \"$A_New\"; _readdomainconf A_Old", "v"),
    ("_saveaccountconf A_Secret x 1; cat \"$ACCOUNT_CONF_PATH\"", "_readaccountconf A_Secret", "x"),
    ("for v in 1 2; do _setopt \"$LE_CONFIG_HOME/opt\" Key ' = ' $v ';'; done; _setopt \"$LE_CONFIG_HOME/opt\" Keys = 3", "cat \"$LE_CONFIG_HOME/opt\"", "Key = 2;\nKeys=3"),
    ("printf '#Key = old\\nother\\n' >\"$LE_CONFIG_HOME/opt\"; _setopt \"$LE_CONFIG_HOME/opt\" Key ' = ' 'a&\\b'", "cat \"$LE_CONFIG_HOME/opt\"", "Key = a&\\b\nother"),
]


@pytest.mark.parametrize("first,then,out", KEEPS, ids=range(len(KEEPS)))
def test_what_is_kept(tmp_path, first, then, out):
    """From one run to the next; nothing of it is ever evaluated."""
    (tmp_path / "kept").mkdir()
    result = give(tmp_path, first)
    assert result.returncode == 0 and result.stderr == b"", result.stderr
    result = give(tmp_path, then)
    assert result.stdout.decode().rstrip("\n") == out, (result.stdout, result.stderr)


@pytest.mark.parametrize("name", ("PATH", "LD_PRELOAD", "IFS", "A;id", "_cy_script", ""))
def test_no_variable_of_the_systems_is_set(tmp_path, name):
    (tmp_path / "kept" / "www.example.org").mkdir(parents=True)
    (tmp_path / "kept" / "www.example.org" / "www.example.org.conf").write_text(f"SAVED_{name}='/nowhere'\n")
    (tmp_path / "kept" / "account.conf").write_text(f"{name}='/nowhere'\n")
    result = give(tmp_path, f"_getdeployconf '{name}' && printf set; env")
    assert b"nowhere" not in result.stdout and not result.stdout.startswith(b"set"), result.stdout


HEAD = "#!/usr/bin/env sh\n# shellcheck disable=SC2034\ndns_{name}_info='A provider\nOptions:\n {upper}_Token Token\n'\n"
COMMON = r"""
dns_NAME_add() {
  fulldomain=$1
  txtvalue=$2
  _NAME_init || return 1
  if ! _get_root "$fulldomain"; then
    _err "invalid domain" "$fulldomain"
    return 1
  fi
  _debug _sub_domain "$_sub_domain"
  _debug _domain "$_domain"
  _NAME_put
}

dns_NAME_rm() {
  fulldomain=$1
  txtvalue=$2
  _NAME_init || return 1
  _get_root "$fulldomain" || return 1
  _NAME_take
}

_get_root() {
  domain=$1
  i=1
  p=1
  while true; do
    h=$(printf "%s" "$domain" | cut -d . -f "$i"-100)
    if [ -z "$h" ]; then
      return 1
    fi
    if _NAME_has "$h"; then
      _sub_domain=$(printf "%s" "$domain" | cut -d . -f 1-"$p")
      _domain=$h
      return 0
    fi
    p=$i
    i=$(_math "$i" + 1)
  done
}
"""

# Forms, a token that is saved, answers by header and by status.
TOKEN = r"""
_token_init() {
  TOKEN_Key="${TOKEN_Key:-$(_readaccountconf_mutable TOKEN_Key)}"
  TOKEN_Url="${TOKEN_Url:-$(_readaccountconf_mutable TOKEN_Url)}"
  if [ -z "$TOKEN_Key" ] || [ -z "$TOKEN_Url" ]; then
    _err "Please set TOKEN_Key and TOKEN_Url."
    return 1
  fi
  _saveaccountconf_mutable TOKEN_Key "$TOKEN_Key"
  _saveaccountconf_mutable TOKEN_Url "$TOKEN_Url"
  export _H1="X-Token: $TOKEN_Key"
}
_token_has() {
  _get "$TOKEN_Url/zone/$1" onlyheader 10 >/dev/null
  _code="$(grep "^HTTP" "$HTTP_HEADER" | _tail_n 1 | cut -d " " -f 2)"
  [ "$_code" = 200 ]
}
_token_put() {
  response="$(_post "name=$(printf "%s" "$fulldomain" | _url_encode)&text=$(printf "%s" "$txtvalue" | _url_encode)&note=$(printf "ä & b" | _url_encode upper-hex)" "$TOKEN_Url/add")"
  if [ "$?" != "0" ] || ! _startswith "$response" "OK,"; then
    _err "Could not add: $response"
    return 1
  fi
  _savedomainconf "TOKEN_Id_$(printf "%s" "$txtvalue" | _digest sha1 hex)" "$(_getfield "$response" 2)"
}
_token_take() {
  _key="TOKEN_Id_$(printf "%s" "$txtvalue" | _digest sha1 hex)"
  _id="$(_readdomainconf "$_key")"
  response="$(_post "" "$TOKEN_Url/record/$_id" "" DELETE)"
  _cleardomainconf "$_key"
  _contains "$response" "^OK"
}
"""

# As the clouds sign: HMAC of HMACs in hex, and one in base64 as a parameter.
SIGNED = r"""
_signed_init() {
  if [ -z "$SIGNED_Id" ] || [ -z "$SIGNED_Secret" ]; then
    SIGNED_Id=""
    _err "You don't specify SIGNED_Id and SIGNED_Secret yet."
    return 1
  fi
}
_signed_call() {
  _date="$(_utc_date | cut -d ' ' -f 1 | tr -d -)"
  _secret_hex="$(printf "%s" "KEY$SIGNED_Secret" | _hex_dump | tr -d ' ')"
  _hash="$(printf "%s" "$3" | _digest sha256 hex)"
  _k_date="$(printf "%s" "$_date" | _hmac sha256 "$_secret_hex" hex)"
  _k_final="$(printf "%s" "request" | _hmac sha256 "$_k_date" hex)"
  _string="$1
/$2
$_hash"
  export _H1="Authorization: Credential=$SIGNED_Id/$_date, Signature=$(printf "%s" "$_string" | _hmac sha256 "$_k_final" hex)"
  _sig="$(printf "%s" "$_string" | _hmac sha1 "$_secret_hex" | _base64)"
  if [ "$1" = "GET" ]; then
    response="$(_get "$SIGNED_Url/$2?Signature=$(printf "%s" "$_sig" | _url_encode upper-hex)")"
  else
    response="$(_post "$3" "$SIGNED_Url/$2?Signature=$(printf "%s" "$_sig" | _url_encode upper-hex)" "" "$1")"
  fi
  if ! _contains "$response" '"ok"'; then
    _debug response "$response"
    return 1
  fi
}
_signed_has() { _signed_call GET "zone/$1"; }
_signed_put() { _signed_call POST "add" "$fulldomain $txtvalue"; }
_signed_take() { _signed_call POST "take" "$fulldomain $txtvalue"; }
"""

# A login, whose cookie is in the headers, and XML.
XML = r"""
_xml_call() {
  data=$(printf '<?xml version="1.0"?>\n<call><method>%s</method><params>%s</params></call>' "$1" "$2")
  response="$(_post "$data" "$XML_Url" "" "POST" "text/xml")"
  _contains "$response" "<code>1000</code>"
}
_xml_init() {
  XML_User="${XML_User:-$(_readaccountconf_mutable XML_User)}"
  XML_Password="${XML_Password:-$(_readaccountconf_mutable XML_Password)}"
  _saveaccountconf_mutable XML_User "$XML_User"
  _saveaccountconf_mutable XML_Password "$XML_Password" 1
  _htmlEscape() { sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g'; }
  if ! _xml_call login "<user>$XML_User</user><password>$(printf "%s" "$XML_Password" | _htmlEscape)</password>"; then
    _err "Cannot log in: $(printf "%s" "$response" | _egrep_o "<msg>[^<]*" | cut -d '>' -f 2)"
    return 1
  fi
  _H1=$(printf "Cookie: %s" "$(grep -i "^Set-Cookie:" "$HTTP_HEADER" | _egrep_o "session=[^;]*")")
  export _H1
}
_xml_has() { _xml_call zone "<name>$1</name>"; }
_xml_put() { _xml_call add "<name>$fulldomain</name><text>$txtvalue</text>"; }
_xml_take() {
  _xml_call list "<name>$fulldomain</name><text>$txtvalue</text>" || return 1
  _record_id=$(printf "%s" "$response" | _egrep_o "<record id=\"[0-9]+\">$txtvalue" | _egrep_o "[0-9]+" | _head_n 1)
  _xml_call take "<id>$_record_id</id>"
}
"""

# JSON over several lines, sets of records that are put as a whole.
JSON = r"""
_json_init() {
  _getdeployconf JSON_Url
  JSON_Keys="${JSON_Keys:-$(_readaccountconf_mutable JSON_Keys)}"
  _saveaccountconf_mutable JSON_Keys "$JSON_Keys"
  _savedeployconf JSON_Url "$JSON_Url"
  export _H1="Accept: application/json"
  export _H2="X-Api-Key: $(_getfield "$JSON_Keys" 2 ";")"
  _json_call GET "zones"
}
_json_call() {
  if [ "$3" ]; then
    response="$(_post "$3" "$JSON_Url/$2" "" "$1" "application/json" | _normalizeJson)"
  else
    response="$(_get "$JSON_Url/$2" | _normalizeJson)"
  fi
  _secure_debug2 response "$response"
  if _contains "$response" '"error":"'; then
    _err "$(printf "%s" "$response" | _egrep_o '"error":"[^"]*"' | cut -d '"' -f 4)"
    return 1
  fi
}
_json_has() {
  _json_call GET "zones" || return 1
  _contains "$response" "\"name\":\"$1\""
}
_json_rrset() {
  _json_call GET "zones/$_domain/$_sub_domain" || return 1
  _values="$(printf "%s" "$response" | _egrep_o '"values":\[[^]]*\]' | cut -d '[' -f 2 | tr -d ']" ')"
}
_json_set() {
  _list=""
  for v in $(printf "%s" "$1" | tr ',' ' '); do
    _list="$_list${_list:+,}\"$(printf "%s" "$v" | _json_encode)\""
  done
  _json_call PUT "zones/$_domain/$_sub_domain" "{\"values\":[$_list]}"
}
_json_put() {
  _json_rrset || return 1
  if _hasfield "$_values" "$txtvalue"; then
    _info "Already there."
    return 0
  fi
  _json_set "$_values,$txtvalue"
}
_json_take() {
  _json_rrset || return 1
  _json_set "$(printf "%s" "$_values" | tr ',' '\n' | grep -v -x -- "$txtvalue" | tr '\n' ',')"
}
"""
SCRIPTS = {"token": TOKEN, "signed": SIGNED, "xml": XML, "json": JSON}
SECRET = "a 'b' \"c\" $(id) \\d & <e>"


class Service(http.server.BaseHTTPRequestHandler):
    """Four providers of the zone provider.example, told apart by the first part of the path; the records are the DNS's files. Whatever is wrong with a request is told
    with a status of 400, which no script takes for a success."""

    txt = None

    def records(self, name):
        file = self.txt / name
        return file.read_text().split() if file.exists() else []

    def put(self, name, values):
        if values:
            (self.txt / name).write_text("".join(v + "\n" for v in values))
        else:
            (self.txt / name).unlink(missing_ok=True)

    def answer(self, status, body="", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def handle_all(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        kind, _, path = urllib.parse.unquote(self.path.partition("?")[0])[1:].partition("/")
        self.server.asked.append((kind, self.command, path))
        getattr(self, kind)(path, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_all

    def log_message(self, *_):
        pass

    def token(self, path, body):
        if self.headers["X-Token"] != SECRET:
            return self.answer(403, "who are you?")
        if path.startswith("zone/"):
            assert self.command == "HEAD"
            return self.answer(200 if path == "zone/provider.example" else 404)
        if path == "add":
            said = {k: v[0] for k, v in urllib.parse.parse_qs(body, strict_parsing=True).items()}
            if said.pop("note") != "ä & b" or self.headers["Content-Type"] != "application/x-www-form-urlencoded":
                return self.answer(400, "bad form")
            self.server.ids.append(said)
            self.put(said["name"], [*self.records(said["name"]), said["text"]])
            return self.answer(200, f"OK,{len(self.server.ids) - 1},added")
        said = self.server.ids[int(path.removeprefix("record/"))]
        self.put(said["name"], [v for v in self.records(said["name"]) if v != said["text"]])
        return self.answer(200 if self.command == "DELETE" else 405, "OK")

    def signed(self, path, body):
        key, date = b"KEY" + SECRET.encode(), re.search(r"Credential=me/(\d{8}), ", self.headers["Authorization"])[1]
        string = f"{self.command}\n/{path}\n{hashlib.sha256(body.encode()).hexdigest()}".encode()
        final = hmac.new(hmac.new(key, date.encode(), "sha256").digest(), b"request", "sha256").digest()
        parameter = urllib.parse.parse_qs(self.path.partition("?")[2])["Signature"][0]
        if self.headers["Authorization"] != f"Credential=me/{date}, Signature={hmac.new(final, string, 'sha256').hexdigest()}":
            return self.answer(403, "the header's signature is another")
        if base64.b64decode(parameter, validate=True) != hmac.new(key, string, "sha1").digest():
            return self.answer(403, "the parameter's signature is another")
        if path.startswith("zone/"):
            return self.answer(*((200, '{"ok":1}') if path == "zone/provider.example" else (404, "{}")))
        name, value = body.split(" ")
        self.put(name, [*self.records(name), value] if path == "add" else [v for v in self.records(name) if v != value])
        return self.answer(200, '{"ok":1}')

    def xml(self, _, body):
        call = xml.etree.ElementTree.fromstring(body)
        method, said = call.findtext("method"), {e.tag: e.text for e in call.find("params")}
        ok = "<answer><code>1000</code>{}</answer>".format
        if self.headers["Content-Type"] != "text/xml":
            return self.answer(400)
        if method == "login":
            if (said["user"], said["password"]) != ("me", SECRET):
                return self.answer(200, "<answer><code>2200</code><msg>Authentication error</msg></answer>")
            return self.answer(200, ok(""), Set_Cookie="session=s7; Path=/; HttpOnly")
        if self.headers["Cookie"] != "session=s7":
            return self.answer(403)
        if method == "zone":
            return self.answer(200, ok("") if said["name"] == "provider.example" else "<answer><code>2303</code></answer>")
        if method == "add":
            self.put(said["name"], [*self.records(said["name"]), said["text"]])
            self.server.ids.append(said)
        if method == "list":
            return self.answer(200, ok("".join(f'<record id="{i}">{r["text"]}</record>' for i, r in enumerate(self.server.ids) if r["name"] == said["name"])))
        if method == "take":
            gone = self.server.ids[int(said["id"])]
            self.put(gone["name"], [v for v in self.records(gone["name"]) if v != gone["text"]])
        return self.answer(200, ok(""))

    def json(self, path, body):
        if self.headers["X-Api-Key"] != "second" or self.headers["Accept"] != "application/json":
            return self.answer(403, json.dumps({"error": "the key is not known"}, indent=4))
        if path == "zones":
            return self.answer(200, json.dumps({"zones": [{"id": 1, "name": "other.example"}, {"id": 2, "name": "provider.example"}]}, indent=4))
        _, zone, sub = path.split("/")
        if self.command == "PUT":
            if self.headers["Content-Type"] != "application/json":
                return self.answer(415, '{"error": "no JSON"}')
            self.put(f"{sub}.{zone}", json.loads(body)["values"])
        return self.answer(200, json.dumps({"values": self.records(f"{sub}.{zone}")}, indent=4))


@pytest.fixture
def service(ca):  # noqa: F811
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Service,), {"txt": ca.txt}))
    server.asked, server.ids = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


ENVIRONMENT = {
    "token": {"TOKEN_Key": SECRET},
    "signed": {"SIGNED_Id": "me", "SIGNED_Secret": SECRET},
    "xml": {"XML_User": "me", "XML_Password": SECRET},
    "json": {"JSON_Keys": "first;second"},
}
WRONG = {
    "token": ({"TOKEN_Key": "x"}, "invalid domain"),
    "signed": ({"SIGNED_Secret": ""}, "You don't specify SIGNED_Id and SIGNED_Secret yet."),
    "xml": ({"XML_Password": "x"}, "Cannot log in: Authentication error"),
    "json": ({"JSON_Keys": "first;third"}, "the key is not known"),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script(ca, issue, service, tmp_path, kind):  # noqa: F811
    """A name and its wildcard at once; what it saved serves the next run; the user's other record stays; nothing that is told has the secret."""
    script = opened(tmp_path) / f"dns_{kind}.sh"
    script.write_text(HEAD.format(name=kind, upper=kind.upper()) + COMMON.replace("NAME", kind) + SCRIPTS[kind])
    kept = opened(tmp_path) / "kept"
    kept.mkdir()
    opened(kept)
    for left in ca.txt.iterdir():
        left.unlink()
    name = f"{kind}.provider.example"
    mine = ca.txt / f"_acme-challenge.{name}"
    mine.write_text("mine\n")
    opened(ca.txt)
    where = {f"{kind.upper()}_Url": f"{service.url}/{kind}", "LE_CONFIG_HOME": str(kept), "DEBUG": "2"}
    words = ("--hook", script, "--hook-dialect", "acme.sh")
    result = issue(name, f"*.{name}", *words, **ENVIRONMENT[kind], **where)
    check_files(issue.folder / name / "live", [name, f"*.{name}"])
    assert mine.read_text().split() == ["mine"] and SECRET not in result.stdout + result.stderr
    mine.unlink()
    if kind in ("token", "xml"):
        issue(f"next.{name}", *words, **where)
    wrong, told = WRONG[kind]
    failed(issue(f"wrong.{name}", *words, **{**ENVIRONMENT[kind], **wrong}, **where, expect=FAILED), told)
    failed(issue("elsewhere.example", *words, **ENVIRONMENT[kind], **where, expect=FAILED), "invalid domain")
    assert list(ca.txt.iterdir()) == [] and service.asked


@pytest.mark.parametrize("kind", SCRIPTS)
def test_scripts_as_people_write_them(tmp_path, kind):
    """They hold to what shellcheck says of such scripts, but for what they have from elsewhere."""
    script = pathlib.Path(tmp_path) / f"dns_{kind}.sh"
    script.write_text(HEAD.format(name=kind, upper=kind.upper()) + COMMON.replace("NAME", kind) + SCRIPTS[kind])
    result = subprocess.run(["shellcheck", "-s", "sh", "-S", "error", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout
