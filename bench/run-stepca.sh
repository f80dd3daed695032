#!/bin/sh
# Start step-ca with its default database (Badger v2, synchronous writes) and
# one ACME provisioner for a measurement.
set -eu
PORT=${PORT:-23100}
HTTP_ADDR=${HTTP_ADDR:-127.0.0.1:5002}
DNS_ADDR=${DNS_ADDR:-127.0.0.1:8053}
dir=https://127.0.0.1:$PORT/acme/acme/directory

tmp=$(mktemp -d)
export STEPPATH="$tmp/step"
cd "$tmp"
echo password >pw
{
	"${STEP:-step}" ca init --deployment-type standalone --name load --dns 127.0.0.1 \
		--address "127.0.0.1:$PORT" --provisioner admin --password-file pw --provisioner-password-file pw
	"${STEP:-step}" ca provisioner add acme --type ACME --ca-config step/config/ca.json
} >init.log 2>&1 || { cat init.log >&2; exit 1; }
"${STEPCA:-step-ca}" step/config/ca.json --password-file pw --insecure \
	--acme-http-port "${HTTP_ADDR##*:}" --resolver "$DNS_ADDR" >log 2>&1 &
pid=$!
until curl -sf --cacert step/certs/root_ca.crt "$dir" >/dev/null; do
	kill -0 $pid || { cat log >&2; exit 1; }
	sleep 0.1
done
echo "pid=$pid dir=$dir ca=$tmp/step/certs/root_ca.crt http=$HTTP_ADDR dns=$DNS_ADDR tmp=$tmp"
