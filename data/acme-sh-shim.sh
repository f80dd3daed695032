#!/bin/sh
# chancery-acme-sh SCRIPT add|rm RECORD VALUE: runs a dnsapi script of acme.sh's as it is. The script is sourced, finds the functions that such scripts
# call, and SCRIPT's name says which of its functions is asked: dns_xxx.sh has dns_xxx_add and dns_xxx_rm.
#
# What a CA has said comes as arguments and goes on as arguments: nothing here is evaluated. What is secret (headers, URLs, bodies, keys) goes to other
# programs in files of a folder of ours, or on standard input, as anybody can read the arguments of processes.
# What is ours alone begins with _cy_, so that scripts may name theirs as they like.
umask 077

_cy_script=$1 _cy_action=$2 _cy_record=$3 _cy_value=$4

# --- telling ---

# MESSAGE, or NAME VALUE
_cy_told() {
	if [ $# -gt 1 ]; then
		printf "%s='%s'\n" "$1" "$2"
	else
		printf '%s\n' "$1"
	fi
}

_info() { _cy_told "$@"; }

_err() {
	_cy_told "$@" >&2
	return 1
}

_cy_level() {
	case ${DEBUG:-0} in
	*[!0-9]*) [ 1 -ge "$1" ] ;;
	*) [ "${DEBUG:-0}" -ge "$1" ] ;;
	esac
}

_debug() { if _cy_level 1; then _cy_told "$@" >&2; fi; }
_debug2() { if _cy_level 2; then _cy_told "$@" >&2; fi; }
_debug3() { if _cy_level 3; then _cy_told "$@" >&2; fi; }

_cy_secret() {
	if [ "${OUTPUT_INSECURE:-0}" = 1 ]; then
		_cy_told "$@" >&2
	else
		_cy_told "$1" '[hidden]' >&2
	fi
}

_secure_debug() { if _cy_level 1; then _cy_secret "$@"; fi; }
_secure_debug2() { if _cy_level 2; then _cy_secret "$@"; fi; }
_secure_debug3() { if _cy_level 3; then _cy_secret "$@"; fi; }

__red() { printf '%s' "$1"; }
__green() { printf '%s' "$1"; }

# --- text ---

_lower_case() { tr '[:upper:]' '[:lower:]'; }
_upper_case() { tr '[:lower:]' '[:upper:]'; }
_head_n() { head -n "$1"; }
_tail_n() { tail -n "$1"; }
_egrep_o() { grep -E -o -- "$1"; }

# What is looked for is a pattern of grep, as scripts expect.
_contains() { printf '%s\n' "$1" | grep -- "$2" >/dev/null 2>&1; }
_startswith() { printf '%s\n' "$1" | grep -- "^$2" >/dev/null 2>&1; }
_endswith() { printf '%s\n' "$1" | grep -- "$2\$" >/dev/null 2>&1; }

# STRING NUMBER [SEPARATOR]
_getfield() { printf '%s\n' "$1" | cut -d "${3:-,}" -f "$2"; }

# [OPTIONS] FILE
_sed_i() {
	[ $# -ge 2 ] || return 1
	_cy_sed_to=$(mktemp "$_cy_folder/sed.XXXXXX") || return 1
	sed "$1" "$2" >"$_cy_sed_to" && cat "$_cy_sed_to" >"$2"
	_cy_sed_rc=$?
	rm -f "$_cy_sed_to"
	return "$_cy_sed_rc"
}

# Standard input as the inside of a JSON string.
_json_encode() {
	awk 'BEGIN { ORS = "" }
		{ gsub(/\\/, "\\\\&"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); gsub(/\r/, "\\r"); print (NR > 1 ? "\\n" : "") $0 }'
}

# One line; nothing around the colon before a string, an object or an array.
_normalizeJson() {
	tr -d '\r' | sed -e 's/^ *//' -e 's/" *: *"/":"/g' -e 's/" *: *{/":{/g' -e 's/" *: *\[/":[/g' | tr -d '\n'
}

# --- numbers and time ---

# bash finds commands in what it is to calculate: numbers and signs alone are let through.
_math() {
	case $* in
	'' | *[!0-9\ +*/%\(\)\<\>=\&\|^!-]*) return 1 ;;
	esac
	printf '%s' "$(($*))"
}

_time() { date -u +%s; }
_utc_date() { date -u '+%Y-%m-%d %H:%M:%S'; }
_sleep() { sleep "$1"; }

# --- the system ---

_exists() { command -v "$1" >/dev/null 2>&1; }
_mktemp() { mktemp "$_cy_folder/XXXXXX"; }
# shellcheck disable=SC2012
_stat() { ls -ldn -- "$1" | awk '{ print $3 ":" $4 }'; }
_isIPv4() { printf '%s\n' "$1" | grep -E '^[0-9]{1,3}(\.[0-9]{1,3}){3}$' >/dev/null; }
_isIPv6() { case $1 in *:*:*) return 0 ;; *) return 1 ;; esac; }
_initpath() { :; }

_idn() {
	case $1 in
	*[!a-zA-Z0-9.*_-]*) idn -- "$1" ;;
	*) printf '%s' "$1" ;;
	esac
}

# --- encodings ---

# [multiline]
_base64() { if [ "$1" ]; then openssl base64 -e; else openssl base64 -e | tr -d '\r\n'; fi; }
_dbase64() { if [ "$1" ]; then openssl base64 -d; else openssl base64 -d -A; fi; }

_url_replace() { tr '/+' '_-' | tr -d '= \n'; }

# Bytes in hex, each with a blank before it.
_hex_dump() { od -An -v -tx1 | tr -d '\n'; }

# Hex to bytes.
_h2b() {
	# shellcheck disable=SC2059
	tr -d ' \n' | sed 's/../& /g' | tr ' ' '\n' | while read -r _cy_b; do
		[ -z "$_cy_b" ] || printf "\\$(printf %03o "0x$_cy_b")"
	done
}

# [upper-hex]
_url_encode() {
	_hex_dump | tr ' ' '\n' | awk -v upper="$1" 'BEGIN { for (i = 0; i < 256; i++) of[sprintf("%02x", i)] = sprintf("%c", i) }
		$0 != "" { c = of[$0]; printf "%s", $0 < "80" && c ~ /[A-Za-z0-9._~-]/ ? c : "%" (upper != "" ? toupper($0) : $0) }'
}

# --- digests and signatures ---

_cy_raw_digest() { openssl dgst "-$1" -binary; }

_cy_as() { if [ "$1" ]; then _hex_dump | tr -d ' '; else _base64; fi; }

_cy_known_digest() { case $1 in sha1 | sha256 | sha384 | sha512 | md5) return 0 ;; *) _err "$1: no digest that is known" ;; esac; }

# ALGORITHM [outputhex]
_digest() {
	_cy_known_digest "$1" || return 1
	_cy_raw_digest "$1" | _cy_as "$2"
}

# HEX LENGTH-IN-BYTES WITH: the key of that length, each byte changed
_cy_padded() {
	printf '%s\n' "$1" | sed 's/../& /g' | tr ' ' '\n' | {
		_cy_n=0
		while read -r _cy_b; do
			[ "$_cy_b" ] || continue
			printf '%02x' $((0x$_cy_b ^ $3))
			_cy_n=$((_cy_n + 1))
		done
		while [ $_cy_n -lt "$2" ]; do
			printf '%02x' "$3"
			_cy_n=$((_cy_n + 1))
		done
	}
}

# ALGORITHM HEX-OF-THE-KEY [outputhex]; RFC 2104 by two digests, as openssl would want the key as an argument.
_hmac() {
	_cy_known_digest "$1" || return 1
	case $2 in '' | *[!0-9a-fA-F]*) _err "_hmac: the key is no hex" || return 1 ;; esac
	case $1 in sha384 | sha512) _cy_block=128 ;; *) _cy_block=64 ;; esac
	_cy_key=$2
	if [ ${#_cy_key} -gt $((_cy_block * 2)) ]; then
		_cy_key=$(printf '%s' "$_cy_key" | _h2b | _cy_raw_digest "$1" | _hex_dump | tr -d ' ')
	fi
	_cy_inner=$({
		_cy_padded "$_cy_key" $_cy_block 54 | _h2b
		cat
	} | _cy_raw_digest "$1" | _hex_dump | tr -d ' ')
	{
		_cy_padded "$_cy_key" $_cy_block 92 | _h2b
		printf '%s' "$_cy_inner" | _h2b
	} | _cy_raw_digest "$1" | _cy_as "$3"
}

# KEYFILE ALGORITHM
_sign() {
	_cy_known_digest "$2" || return 1
	openssl dgst "-$2" -sign "$1" | _base64
}

# --- what is kept: NAME='VALUE' lines, read and never evaluated ---

_cy_kept=${LE_CONFIG_HOME:-${HOME:-/}/.acme.sh}
ACCOUNT_CONF_PATH=${ACCOUNT_CONF_PATH:-$_cy_kept/account.conf}
_cy_name=${_cy_record#_acme-challenge.}
DOMAIN_CONF=$_cy_kept/$_cy_name/$_cy_name.conf
_cy_wrap_start=__ACME_BASE64__START_ _cy_wrap_end=__ACME_BASE64__END_

_cy_good_key() { case $1 in '' | *[!A-Za-z0-9_]*) _err "$1: no name of a setting" ;; esac; }

# FILE [LINE]: the file anew without $_cy_without, and with the line
_cy_rewrite() {
	if ! mkdir -p "$(dirname "$1")" 2>/dev/null || ! _cy_new=$(mktemp "$1.XXXXXX" 2>/dev/null); then
		_err "$1 cannot be written: what this script needs has to be in the environment each time"
		return 1
	fi
	{
		[ ! -f "$1" ] || grep -v "^$_cy_without=" "$1"
		[ $# -lt 2 ] || printf '%s\n' "$2"
	} >"$_cy_new"
	mv -f "$_cy_new" "$1"
}

# FILE KEY VALUE [anything: encoded]
_save_conf() {
	_cy_good_key "$2" || return 1
	_cy_text=$3
	case $4$_cy_text in *[!A-Za-z0-9\ ._:/@=+,-]*) _cy_text=$_cy_wrap_start$(printf '%s' "$3" | _base64)$_cy_wrap_end ;; esac
	[ -z "$4" ] || _cy_text=$_cy_wrap_start$(printf '%s' "$3" | _base64)$_cy_wrap_end
	_cy_without=$2
	_cy_rewrite "$1" "$2='$_cy_text'"
}

# FILE KEY
_read_conf() {
	_cy_good_key "$2" || return 1
	[ -f "$1" ] || return 0
	_cy_text=$(sed -n "s/^$2=//p" "$1" | tail -n 1 | sed -e "s/^'\(.*\)'\$/\1/" -e 's/^"\(.*\)"$/\1/')
	case $_cy_text in
	"$_cy_wrap_start"*"$_cy_wrap_end")
		_cy_text=${_cy_text#"$_cy_wrap_start"}
		printf '%s' "${_cy_text%"$_cy_wrap_end"}" | _dbase64
		;;
	*) printf '%s\n' "$_cy_text" ;;
	esac
}

_clear_conf() {
	_cy_good_key "$2" || return 1
	_cy_without=$2
	[ ! -f "$1" ] || _cy_rewrite "$1"
}

_saveaccountconf() { _save_conf "$ACCOUNT_CONF_PATH" "$@"; }
_readaccountconf() { _read_conf "$ACCOUNT_CONF_PATH" "$1"; }
_clearaccountconf() { _clear_conf "$ACCOUNT_CONF_PATH" "$1"; }
_saveaccountconf_mutable() { _cy_key=$1 && shift && _save_conf "$ACCOUNT_CONF_PATH" "SAVED_$_cy_key" "$@"; }
_readaccountconf_mutable() { _read_conf "$ACCOUNT_CONF_PATH" "SAVED_$1"; }
_clearaccountconf_mutable() { _clear_conf "$ACCOUNT_CONF_PATH" "SAVED_$1"; }
_savedomainconf() { _save_conf "$DOMAIN_CONF" "$@"; }
_readdomainconf() { _read_conf "$DOMAIN_CONF" "$1"; }
_cleardomainconf() { _clear_conf "$DOMAIN_CONF" "$1"; }

# What was kept by _saveaccountconf stands in variables when a script begins, as many never read it; what is in the environment already counts.
_cy_load_account() {
	[ -r "$ACCOUNT_CONF_PATH" ] || return 0
	for _cy_key in $(sed -n 's/^\([A-Za-z][A-Za-z0-9_]*\)=.*/\1/p' "$ACCOUNT_CONF_PATH"); do
		case $_cy_key in
		SAVED_* | LD_* | PATH | HOME | IFS | ENV | BASH_* | PS[0-9] | TMPDIR | LE_* | ACCOUNT_CONF_PATH) continue ;;
		esac
		env | grep "^$_cy_key=" >/dev/null || export "$_cy_key=$(_read_conf "$ACCOUNT_CONF_PATH" "$_cy_key")"
	done
}

# --- HTTP ---

# NAME VALUE: a line of curl's configuration
_cy_curl_says() {
	printf '%s = "' "$1"
	printf '%s' "$2" | tr -d '\r\n' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g'
	printf '"\n'
}

# URL METHOD TIMEOUT [BODY-FILE [CONTENT-TYPE]]; by a file, as arguments can be seen
_cy_curl_config() {
	printf 'silent\nshow-error\nlocation\ngloboff\nproto = "=http,https"\n'
	_cy_curl_says url "$1"
	_cy_curl_says user-agent "${USER_AGENT:-chancery}"
	_cy_curl_says dump-header "$HTTP_HEADER"
	_cy_curl_says connect-timeout 30
	_cy_curl_says max-time "${3:-120}"
	case $2 in
	GET) ;;
	HEAD) printf 'head\n' ;;
	*) _cy_curl_says request "$2" ;;
	esac
	[ -z "$4" ] || _cy_curl_says data-binary "@$4"
	[ -z "$5" ] || _cy_curl_says header "Content-Type: $5"
	[ -z "$HTTPS_INSECURE" ] || printf 'insecure\n'
	[ -z "$CA_BUNDLE" ] || _cy_curl_says cacert "$CA_BUNDLE"
	[ -z "$CA_PATH" ] || _cy_curl_says capath "$CA_PATH"
	for _cy_h in "$_H1" "$_H2" "$_H3" "$_H4" "$_H5"; do
		[ -z "$_cy_h" ] || _cy_curl_says header "$_cy_h"
	done
}

_cy_request() {
	_cy_curl_config "$@" >"$_cy_folder/curl" || return 1
	curl -q -K "$_cy_folder/curl"
	_cy_request_rc=$?
	rm -f "$_cy_folder/curl"
	return $_cy_request_rc
}

# URL [only headers [TIMEOUT]]
_get() {
	: >"$HTTP_HEADER"
	if [ "$2" ]; then
		_cy_request "$1" HEAD "$3"
	else
		_cy_request "$1" GET "$3"
	fi
}

# BODY URL [answer in base64 [METHOD [CONTENT-TYPE]]]
_post() {
	: >"$HTTP_HEADER"
	printf '%s' "$1" >"$_cy_folder/body"
	if [ "$3" ]; then
		_cy_request "$2" "${4:-POST}" "" "$_cy_folder/body" "$5" >"$_cy_folder/answer"
		_cy_post_rc=$?
		_base64 <"$_cy_folder/answer"
	else
		_cy_request "$2" "${4:-POST}" "" "$_cy_folder/body" "$5"
		_cy_post_rc=$?
	fi
	rm -f "$_cy_folder/body" "$_cy_folder/answer"
	return $_cy_post_rc
}

_inithttp() { :; }
_resethttp() { :; }

# --- the script ---

case $_cy_script in */*) ;; *) _cy_script=./$_cy_script ;; esac
_cy_function=${_cy_script##*/}
_cy_function=${_cy_function%.sh}_$_cy_action
case $_cy_function in *[!A-Za-z0-9_]*) _err "$_cy_script: dnsapi scripts are named like dns_xxx.sh" || exit 1 ;; esac
[ -r "$_cy_script" ] || _err "$_cy_script cannot be read" || exit 1
for _cy_needed in curl openssl; do
	_exists $_cy_needed || _err "$_cy_needed is not there, which scripts of acme.sh's need" || exit 1
done
_cy_folder=$(mktemp -d) || exit 1
trap 'rm -rf "$_cy_folder"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
HTTP_HEADER=$_cy_folder/headers
: >"$HTTP_HEADER"
# scripts look at these
PROJECT_NAME=acme.sh PROJECT=https://github.com/acmesh-official/acme.sh VER=3 LE_WORKING_DIR=${LE_WORKING_DIR:-$_cy_kept} LE_CONFIG_HOME=$_cy_kept
Le_Domain=$_cy_name
export HTTP_HEADER PROJECT_NAME PROJECT VER LE_WORKING_DIR LE_CONFIG_HOME ACCOUNT_CONF_PATH DOMAIN_CONF Le_Domain
_cy_load_account
set --
# shellcheck source=/dev/null
. "$_cy_script"
_exists "$_cy_function" || _err "$_cy_script has no function $_cy_function" || exit 1
"$_cy_function" "$_cy_record" "$_cy_value"
