# Sourced by quickstart and check: what they need from the system, and how to get it.
# Sets nothing but functions and these lists.
# shellcheck shell=sh disable=SC2034

BUILD_PACKAGES="gcc cmake ninja-build pkg-config libc6-dev libssl-dev libevent-dev libunbound-dev nettle-dev libsqlite3-dev libcurl4-openssl-dev
libconfuse-dev libldns-dev libp11-kit-dev libseccomp-dev libpsl-dev libidn2-dev publicsuffix curl ca-certificates openssl"
TEST_PACKAGES="libcmocka-dev libjansson-dev python3 python3-pytest python3-cryptography python3-prometheus-client python3-jsonschema python3-venv gnutls-bin softhsm2 opensc tmux knot nsd bind9 bind9-utils
nginx-light apache2-bin haproxy postfix dovecot-core dovecot-imapd certbot lego uacme dehydrated procps strace git iproute2 util-linux mandoc clang-format shellcheck"
DEB_PACKAGES="debhelper dpkg-dev fakeroot"
BENCH_PACKAGES="wrk"
FULL_PACKAGES="clang libclang-rt-14-dev debootstrap systemd spin frama-c-base why3 z3 testssl.sh $DEB_PACKAGES"

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# missing PACKAGE...: those of them that are not installed.
missing() {
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need PACKAGE...: installs what is missing on Debian and its kin; elsewhere names it and goes on if the programs are there.
need() {
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "This is no Debian system. These packages (by their Debian names) are needed:"
		printf '  %s\n' "$*" | tr '\n' ' ' | fold -s -w 100
		say
		say "Going on with what is there."
		return 0
	fi
	lacking=$(missing "$@")
	[ -n "$lacking" ] || return 0
	say "Installing from Debian's packages: $lacking"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "Run this as root or install sudo: packages must be installed."
	log=$(mktemp)
	# What is installed for tests must not begin to serve on this machine: tests start what they need themselves.
	policy=/usr/sbin/policy-rc.d failed=
	if [ -e "$policy" ]; then
		policy=''
	else
		as_root sh -c "printf '#!/bin/sh\\nexit 101\\n' >$policy && chmod 755 $policy"
	fi
	# Word splitting is meant: one package a word.
	# shellcheck disable=SC2086
	{ as_root apt-get -q update && as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $lacking; } >"$log" 2>&1 || failed=yes
	[ -z "$policy" ] || as_root rm -f "$policy"
	if [ -n "$failed" ]; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "The packages could not be installed; the lines above say why."
	fi
	rm -f "$log"
}
