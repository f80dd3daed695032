#!/bin/sh
# Starts a throw-away Chancery CA for a measurement or any black-box program, with production's full durability; nothing is special but
# ports, resolver, allowed addresses and names, and that nobody's rate is limited. Prints one line when it answers:
#   pid=PARENT dir=DIRECTORY-URL ca=ROOT http=ADDRESS dns=ADDRESS tmp=FOLDER
# pid is the parent's; front, validator and signer are its direct children. The caller ends pid and removes tmp.
#
#   PORT       of the CA on 127.0.0.1 (23200)
#   HTTP_ADDR  where http-01 answers are looked for (127.0.0.1:5002): its port is used
#   DNS_ADDR   the resolver to forward to (127.0.0.1:8053)
#   CHANCERY   the build's or installation's chancery-ca (build/release/bin/chancery-ca, else from PATH)
set -eu
PORT=${PORT:-23200}
HTTP_ADDR=${HTTP_ADDR:-127.0.0.1:5002}
DNS_ADDR=${DNS_ADDR:-127.0.0.1:8053}
here=$(cd "$(dirname "$0")/.." && pwd)
CHANCERY=${CHANCERY:-$here/build/release/bin/chancery-ca}
[ -x "$CHANCERY" ] || CHANCERY=$(command -v chancery-ca) || { echo "no chancery-ca: build it (cmake --preset release) or set CHANCERY" >&2; exit 1; }

tmp=$(mktemp -d)
chmod 755 "$tmp"
fail() {
	cat "$tmp/log" >&2
	rm -rf "$tmp"
	exit 1
}
"$CHANCERY" init --folder "$tmp" --name Bench --base-url "https://localhost:$PORT" --listen "127.0.0.1:$PORT" --tls-name localhost \
	--http-port "${HTTP_ADDR##*:}" --resolver "$DNS_ADDR" --trust-anchor none --allow-address 127.0.0.0/8 --private-suffix test >"$tmp/log" 2>&1 || fail
sed -i -e "s/#connections-per-address = .*/connections-per-address = \"6000\"/" -e "s/#connections-max = .*/connections-max = \"6000\"/" \
	-e "s/#\(new-accounts-per-[a-z]*\|orders-per-account\|failed-validations\) = .*/\1 = \"off\"/" "$tmp/chancery-ca.conf"
"$CHANCERY" serve --config "$tmp/chancery-ca.conf" >"$tmp/log" 2>&1 </dev/null &
pid=$!
tries=0
until curl -sf --cacert "$tmp/state/root.pem" "https://localhost:$PORT/directory" >/dev/null; do
	kill -0 $pid 2>/dev/null || fail
	tries=$((tries + 1))
	[ $tries -lt 200 ] || { kill $pid; fail; }
	sleep 0.1
done
echo "pid=$pid dir=https://localhost:$PORT/directory ca=$tmp/state/root.pem http=$HTTP_ADDR dns=$DNS_ADDR tmp=$tmp"
