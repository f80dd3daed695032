package main

import (
	"crypto/tls"
	"net"
	"net/url"
	"time"
)

// openIdle makes connections that do nothing after their handshake.
func openIdle(cfg *config) (conns []net.Conn, err error) {
	dir, err := url.Parse(cfg.dir)
	if err != nil {
		return nil, err
	}
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}},
		Config:    &tls.Config{RootCAs: cfg.roots, InsecureSkipVerify: cfg.insecure, ServerName: dir.Hostname()},
	}
	for range cfg.idle {
		conn, err := dialer.Dial("tcp4", net.JoinHostPort("127.0.0.1", dir.Port()))
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}
