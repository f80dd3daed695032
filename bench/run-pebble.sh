#!/bin/sh
# Start Pebble (in-memory, a test server) for a measurement.
set -eu
PORT=${PORT:-23000}
HTTP_ADDR=${HTTP_ADDR:-127.0.0.1:5002}
DNS_ADDR=${DNS_ADDR:-127.0.0.1:8053}
dir=https://127.0.0.1:$PORT/dir

tmp=$(mktemp -d)
cd "$tmp"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=pebble \
	-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
cat >config.json <<EOF
{"pebble": {
	"listenAddress": "127.0.0.1:$PORT",
	"certificate": "cert.pem",
	"privateKey": "key.pem",
	"httpPort": ${HTTP_ADDR##*:},
	"tlsPort": 5001,
	"keyAlgorithm": "ecdsa"
}}
EOF
PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 \
	"${PEBBLE:-pebble}" -config config.json -dnsserver "$DNS_ADDR" >log 2>&1 &
pid=$!
until curl -sf --cacert cert.pem "$dir" >/dev/null; do
	kill -0 $pid || { cat log >&2; exit 1; }
	sleep 0.1
done
echo "pid=$pid dir=$dir ca=$tmp/cert.pem http=$HTTP_ADDR dns=$DNS_ADDR tmp=$tmp"
