#!/bin/sh
# Start Caddy's acme_server (bbolt database) for a measurement.
#
# Caddy validates http-01 on port 80 through the system resolver, which asks
# port 53. So this server runs in a mount namespace with a resolv.conf of its
# own (needs root), and the responders must be at these two addresses.
set -eu
PORT=${PORT:-23200}
HTTP_ADDR=127.0.0.1:80
DNS_ADDR=127.0.0.1:53
dir=https://127.0.0.1:$PORT/acme/local/directory

tmp=$(mktemp -d)
cd "$tmp"
echo "nameserver ${DNS_ADDR%:*}" >resolv.conf
cat >Caddyfile <<EOF
{
	admin ${CADDY_ADMIN:-off}
	skip_install_trust
	auto_https disable_redirects
	storage file_system $tmp/storage
	default_sni 127.0.0.1
}
https://127.0.0.1:$PORT {
	bind 127.0.0.1
	tls internal
	acme_server {
		resolvers $DNS_ADDR
	}
}
EOF
# shellcheck disable=SC2016 # the inner shell's
XDG_DATA_HOME=$tmp/data XDG_CONFIG_HOME=$tmp/config CADDY=${CADDY:-caddy} unshare -m sh -c '
	mount --bind resolv.conf /etc/resolv.conf
	exec "$CADDY" run --config Caddyfile --adapter caddyfile' >log 2>&1 &
pid=$!
root=$tmp/storage/pki/authorities/local/root.crt
until [ -s "$root" ] && curl -sf --cacert "$root" "$dir" >/dev/null; do
	kill -0 $pid || { cat log >&2; exit 1; }
	sleep 0.1
done
echo "pid=$pid dir=$dir ca=$root http=$HTTP_ADDR dns=$DNS_ADDR tmp=$tmp"
