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
_usage() { printf '%s\n' "$*" >&2; }
_printargs() { _cy_told "$@"; }
# What is told goes to whoever runs us, who keeps a log.
_log() { :; }
_syslog() { :; }

# --- text ---

_lower_case() { tr '[:upper:]' '[:lower:]'; }
_upper_case() { tr '[:lower:]' '[:upper:]'; }
_head_n() { head -n "$1"; }
_tail_n() { tail -n "$1"; }
_egrep_o() { grep -E -o -- "$1" 2>/dev/null; }

# What is looked for is a pattern of grep, as scripts expect.
_contains() { printf '%s\n' "$1" | grep -- "$2" >/dev/null 2>&1; }
_startswith() { printf '%s\n' "$1" | grep -- "^$2" >/dev/null 2>&1; }
_endswith() { printf '%s\n' "$1" | grep -- "$2\$" >/dev/null 2>&1; }

# STRING NUMBER [SEPARATOR]: that field, or the last one before it that is not empty
_getfield() {
	_cy_n=$2
	while [ "$_cy_n" -gt 0 ]; do
		_cy_field=$(printf '%s\n' "$1" | cut -d "${3:-,}" -f "$_cy_n")
		if [ "$_cy_field" ]; then
			printf '%s' "$_cy_field"
			return 0
		fi
		_cy_n=$((_cy_n - 1))
	done
	printf '%s' "$1"
}

# STRING FIELD [SEPARATOR]
_hasfield() {
	case ${3:-,}$1${3:-,} in
	*"${3:-,}$2${3:-,}"*) return 0 ;;
	*) return 1 ;;
	esac
}

# FILE BEGIN END: the lines between those two
_getfile() {
	_cy_from=$(grep -n -- "$2" "$1" | head -n 1 | cut -d : -f 1)
	_cy_to=$(grep -n -- "$3" "$1" | head -n 1 | cut -d : -f 1)
	if [ -z "$_cy_from" ] || [ -z "$_cy_to" ]; then
		_err "$1 has no line with \"$2\", or none with \"$3\""
		return 1
	fi
	sed -n "$((_cy_from + 1)),$((_cy_to - 1))p" "$1"
}

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

# Slashes as they are.
_json_decode() { sed 's#\\/#/#g'; }

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
# SECONDS of the epoch, and back.
_time2str() { date -u -d "@$1" '+%Y-%m-%dT%H:%M:%SZ'; }
_date2time() { date -u -d "$(printf '%s' "$1" | tr -d 'Z' | tr 'T' ' ')" +%s; }
_sleep() { sleep "$1"; }

# --- the system ---

_exists() { command -v "$1" >/dev/null 2>&1; }
_mktemp() { mktemp "$_cy_folder/XXXXXX"; }
_stat() { stat -c '%U:%G' -- "$1" 2>/dev/null; }
_isIPv4() { printf '%s\n' "$1" | awk -F . '{ for (i = 1; i <= NF; i++) if ($i !~ /^[0-9]+$/ || $i > 255) exit 1; exit NF != 4 || NR != 1 }'; }
_isIPv6() { case $1 in *:*:*) return 0 ;; *) return 1 ;; esac; }
_isIP() { _isIPv4 "$1" || _isIPv6 "$1"; }
_is_solaris() { return 1; }
_is_idn() { case $1 in *[!a-zA-Z0-9.,*_-]*) return 0 ;; *) return 1 ;; esac; }
_initpath() { :; }

_idn() {
	if ! _is_idn "$1"; then
		printf '%s' "$1"
	elif _exists idn; then
		idn -- "$1"
	else
		_err "$1: idn is not there, which makes an ASCII name of it"
	fi
}

# --- encodings ---

_cy_base64() { openssl base64 -e | tr -d '\r\n'; }
_cy_dbase64() { openssl base64 -d -A; }
# [multiline]
# shellcheck disable=SC2120
_base64() { if [ "$1" ]; then openssl base64 -e; else _cy_base64; fi; }
# shellcheck disable=SC2120
_dbase64() { if [ "$1" ]; then openssl base64 -d; else _cy_dbase64; fi; }

_url_replace() { tr '/+' '_-' | tr -d '= \n'; }
# TEXT of base64url: the same in base64
_durl_replace_base64() {
	case $((${#1} % 4)) in 2) _cy_text=$1== ;; 3) _cy_text=$1= ;; *) _cy_text=$1 ;; esac
	printf '%s\n' "$_cy_text" | tr '_-' '/+'
}
# ASCII, as an argument
_ascii_hex() { printf '%s' "$1" | _hex_dump; }

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

_cy_hex() { _hex_dump | tr -d ' '; }

_cy_known_digest() { case $1 in sha1 | sha256 | sha384 | sha512 | md5 | sha3-256) return 0 ;; *) _err "$1: no digest that is known" ;; esac; }

# ALGORITHM [outputhex]; base64 without
_digest() {
	_cy_known_digest "$1" || return 1
	if [ "$2" ]; then _cy_raw_digest "$1" | _cy_hex; else _cy_raw_digest "$1" | _cy_base64; fi
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

# ALGORITHM HEX-OF-THE-KEY [outputhex]; bytes without. RFC 2104 by two digests, as openssl would want the key as an argument.
_hmac() {
	_cy_known_digest "$1" || return 1
	case $2 in '' | *[!0-9a-fA-F]*) _err "_hmac: the key is no hex" || return 1 ;; esac
	case $1 in sha384 | sha512) _cy_block=128 ;; sha3-256) _cy_block=136 ;; *) _cy_block=64 ;; esac
	_cy_key=$2
	if [ ${#_cy_key} -gt $((_cy_block * 2)) ]; then
		_cy_key=$(printf '%s' "$_cy_key" | _h2b | _cy_raw_digest "$1" | _cy_hex)
	fi
	_cy_inner=$({
		_cy_padded "$_cy_key" $_cy_block 54 | _h2b
		cat
	} | _cy_raw_digest "$1" | _cy_hex)
	{
		_cy_padded "$_cy_key" $_cy_block 92 | _h2b
		printf '%s' "$_cy_inner" | _h2b
	} | _cy_raw_digest "$1" | if [ "$3" ]; then _cy_hex; else cat; fi
}

_isRSA() { openssl rsa -in "$1" -passin pass: -noout >/dev/null 2>&1; }
_isEcc() { ! _isRSA "$1" && openssl ec -in "$1" -passin pass: -noout >/dev/null 2>&1; }

# KEYFILE "ALGORITHM [-sigopt rsa_...:...]..."; of an RSA key, as acme.sh gives another form of the other signatures than openssl does.
_sign() {
	_isRSA "$1" || _err "_sign: $1 is no RSA key without a passphrase" || return 1
	_cy_file=$1
	case $2 in *[!a-z0-9_:\ -]*) _err "_sign: $2 is no algorithm" || return 1 ;; esac
	# shellcheck disable=SC2086 # words; there is nothing in them that is a pattern
	set -- $2
	_cy_known_digest "$1" || return 1
	_cy_alg=$1
	shift
	for _cy_word in "$@"; do
		case $_cy_word in -sigopt | rsa_*:*) ;; *) _err "_sign: $_cy_word is no option of a signature" || return 1 ;; esac
	done
	openssl dgst "-$_cy_alg" "$@" -sign "$_cy_file" | _cy_base64
}

# --- what is kept: NAME='VALUE' lines, read and never evaluated ---

_cy_kept=${LE_CONFIG_HOME:-${HOME:-/}/.acme.sh}
ACCOUNT_CONF_PATH=${ACCOUNT_CONF_PATH:-$_cy_kept/account.conf}
_cy_name=${_cy_record#_acme-challenge.}
DOMAIN_CONF=$_cy_kept/$_cy_name/$_cy_name.conf
_cy_wrap_start=__ACME_BASE64__START_ _cy_wrap_end=__ACME_BASE64__END_

_cy_good_key() { case $1 in '' | *[!A-Za-z0-9_]*) _err "$1: no name of a setting" ;; esac; }

# Nor one that the shell or the system's programs go by.
_cy_good_variable() {
	_cy_good_key "$1" || return 1
	case $1 in
	[0-9]* | _* | LD_* | PATH | HOME | IFS | ENV | BASH_* | PS[0-9] | TMPDIR | LE_* | ACCOUNT_CONF_PATH | DOMAIN_CONF) _err "$1: no variable of a script's" ;;
	esac
}

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
	case $4$_cy_text in *[!A-Za-z0-9\ ._:/@=+,-]*) _cy_text=$_cy_wrap_start$(printf '%s' "$3" | _cy_base64)$_cy_wrap_end ;; esac
	[ -z "$4" ] || _cy_text=$_cy_wrap_start$(printf '%s' "$3" | _cy_base64)$_cy_wrap_end
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
		printf '%s' "${_cy_text%"$_cy_wrap_end"}" | _cy_dbase64
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
_saveaccountconf_mutable() { _save_conf "$ACCOUNT_CONF_PATH" "SAVED_$1" "$2" "$3" && _clear_conf "$ACCOUNT_CONF_PATH" "$1"; }
_readaccountconf_mutable() { _read_conf "$ACCOUNT_CONF_PATH" "SAVED_$1"; }
_clearaccountconf_mutable() { _clear_conf "$ACCOUNT_CONF_PATH" "SAVED_$1" && _clear_conf "$ACCOUNT_CONF_PATH" "$1"; }
_savedomainconf() { _save_conf "$DOMAIN_CONF" "$@"; }
_readdomainconf() { _read_conf "$DOMAIN_CONF" "$1"; }
_cleardomainconf() { _clear_conf "$DOMAIN_CONF" "$1"; }
_savedeployconf() { _save_conf "$DOMAIN_CONF" "SAVED_$1" "$2" "$3" && _clear_conf "$DOMAIN_CONF" "$1"; }
_cleardeployconf() { _clear_conf "$DOMAIN_CONF" "SAVED_$1" && _clear_conf "$DOMAIN_CONF" "$1"; }

# NAME: a variable by that name, from the environment or else from what was kept.
_getdeployconf() {
	_cy_good_variable "$1" || return 1
	env | grep "^$1=." >/dev/null || export "$1=$(_readdomainconf "SAVED_$1")"
}

# OLD NEW [anything: encoded]
_migratedomainconf() {
	_cy_old=$(_readdomainconf "$1")
	_cleardomainconf "$1"
	[ "$_cy_old" ] && [ -z "$(_readdomainconf "$2")" ] && _savedomainconf "$2" "$_cy_old" "$3"
}
_migratedeployconf() { _migratedomainconf "$1" "SAVED_$2" "$3" || _migratedomainconf "SAVED_$1" "SAVED_$2" "$3"; }

# FILE NAME SEPARATOR VALUE [END]: that line in the place of the one that sets NAME, also as a comment, or at the end.
_setopt() {
	[ -e "$1" ] || : >"$1" || return 1
	_cy_new=$(mktemp "$_cy_folder/opt.XXXXXX") || return 1
	_cy_opt=$2 _cy_line=$2$3$4$5 awk 'BEGIN { opt = ENVIRON["_cy_opt"]; line = ENVIRON["_cy_line"] }
		{ bare = $0; sub(/^[ \t]*#*[ \t]*/, "", bare) }
		index(bare, opt) == 1 && substr(bare, length(opt) + 1) ~ /^[ \t]*[=: \t]/ { if (!done) print line; done = 1; next }
		{ print }
		END { if (!done) print line }' "$1" >"$_cy_new" && cat "$_cy_new" >"$1"
	_cy_opt_rc=$?
	rm -f "$_cy_new"
	return "$_cy_opt_rc"
}

# What was kept by _saveaccountconf stands in variables when a script begins, as many never read it; what is in the environment already counts.
_cy_load_account() {
	[ -r "$ACCOUNT_CONF_PATH" ] || return 0
	sed -n 's/^\([A-Za-z][A-Za-z0-9_]*\)=.*/\1/p' "$ACCOUNT_CONF_PATH" >"$_cy_folder/names"
	while read -r _cy_key; do
		case $_cy_key in SAVED_*) continue ;; esac
		_cy_good_variable "$_cy_key" 2>/dev/null || continue
		env | grep "^$_cy_key=" >/dev/null || export "$_cy_key=$(_read_conf "$ACCOUNT_CONF_PATH" "$_cy_key")"
	done <"$_cy_folder/names"
	rm -f "$_cy_folder/names"
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
		_cy_base64 <"$_cy_folder/answer"
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

case $_cy_script in /*) ;; *) _cy_script=$PWD/$_cy_script ;; esac
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
# some write keys where they are
cd "$_cy_folder" || exit 1
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
