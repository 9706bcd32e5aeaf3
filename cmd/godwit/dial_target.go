package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// subprotocolGodwit is that of sessions in JSON.
const subprotocolGodwit = "godwit.v1"

// target says how to connect to u.
func (o *dialOptions) target(u *url.URL) (*ws.DialOptions, error) {
	header, err := parseHeaders(o.headers)
	if err != nil {
		return nil, err
	}
	if o.origin != "" {
		header.Set("Origin", o.origin)
	}
	if err := o.authorize(u, header); err != nil {
		return nil, err
	}
	target := &ws.DialOptions{
		Options: ws.Options{MessageBytesMax: dialBytesMax}, Header: header, Subprotocols: o.subprotocols, HandshakeTimeout: o.timeout,
	}
	if len(o.subprotocols) == 0 && strings.HasSuffix(u.Path, "/connect") {
		target.Subprotocols = []string{subprotocolGodwit}
	}
	if o.compress {
		target.Compression = &deflate.Options{}
	}
	if o.unix != "" {
		target.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		target.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", o.unix)
		}
	}
	target.TLSConfig, err = o.tlsConfig()
	return target, err
}

// authorize puts the credentials into header.
func (o *dialOptions) authorize(u *url.URL, header http.Header) error {
	switch {
	case o.user != "":
		secret, err := server.ParseSecret(o.user)
		if err != nil {
			return usagef("--user: %v", err)
		}
		b, err := secret.Resolve()
		if err != nil {
			return usagef("--user: %v", err)
		}
		if name, _, ok := strings.Cut(string(b), ":"); !ok || name == "" {
			return usagef("--user: there is no colon; write NAME:PASSWORD, or where that stands as env:NAME or file:PATH")
		}
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString(b))
		return nil
	case o.token == "" && !isOwnServer(u):
		return nil // a token in the environment is not for every server
	}
	token, err := bearer(o.token)
	if err == nil && token != "" && header.Get("Authorization") == "" && u.User == nil {
		header.Set("Authorization", "Bearer "+token)
	}
	return err
}

// isOwnServer reports whether u is at the server that the environment names.
func isOwnServer(u *url.URL) bool {
	own, err := serverURL("")
	return err == nil && own.Host == u.Host && own.Scheme == pageURL(u).Scheme
}

// pageURL is the root of the server of u, for requests of HTTP.
func pageURL(u *url.URL) *url.URL {
	page := &url.URL{Scheme: "http", Host: u.Host}
	if u.Scheme == "wss" || u.Scheme == "https" {
		page.Scheme = "https"
	}
	return page
}

// tlsConfig is what the flags say of certificates, nil for nothing.
func (o *dialOptions) tlsConfig() (*tls.Config, error) {
	if o.ca == "" && o.cert == "" && !o.insecure {
		return nil, nil
	}
	c := &tls.Config{InsecureSkipVerify: o.insecure}
	if o.ca != "" {
		b, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(b) {
			return nil, usagef("--ca: there is no certificate in PEM in %s", o.ca)
		}
	}
	if o.cert != "" {
		key := o.key
		if key == "" {
			key = o.cert
		}
		pair, err := tls.LoadX509KeyPair(o.cert, key)
		if err != nil {
			return nil, usagef("--cert, --key: %s", strings.TrimPrefix(err.Error(), "tls: "))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
