//go:build !js

package ws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wstest"
)

// The two schemes are mixed up all the time. What comes back then says nothing to
// people, so the error names the likely mistake, and keeps what it was.
func TestDialWithTheOtherScheme(t *testing.T) {
	plain, secure := serve(t, echo(nil), false), serve(t, echo(nil), true)
	host := func(url string) string { _, host, _ := strings.Cut(url, "://"); return host }
	_, _, err := ws.Dial(background, "wss://"+host(plain.URL), nil)
	if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok || !strings.Contains(err.Error(), "answers in plain HTTP: use ws:// instead of wss://") {
		t.Errorf("wss to an http server: %v", err)
	}
	_, response, err := ws.Dial(background, "ws://"+host(secure.URL), nil)
	if e, ok := errors.AsType[*handshake.ResponseError](err); !ok || e.Status != http.StatusBadRequest || response == nil ||
		!strings.Contains(err.Error(), "wants TLS: use wss:// instead of ws://") {
		t.Errorf("ws to an https server: %v", err)
	}
	for name, c := range map[string]struct {
		answer, want string
		cause        error // in the chain, nil for any
	}{
		"an alert":               {"\x15\x03\x01\x00\x02\x02\x46", "answers with TLS: use wss:// instead of ws://", nil},
		"nothing":                {"", "ended the connection without an answer; one that wants TLS (wss://) does that, too", io.ErrUnexpectedEOF},
		"nginx":                  {"HTTP/1.1 400 Bad Request\r\n\r\n<center>The plain HTTP request was sent to HTTPS port</center>", "wants TLS: use wss://", nil},
		"nginx, its own status":  {"HTTP/1.1 497 \r\n\r\nThe plain HTTP request was sent to HTTPS port", "wants TLS: use wss://", nil},
		"Apache":                 {"HTTP/1.1 400 Bad Request\r\n\r\nReason: You're speaking plain HTTP to an SSL-enabled server port.<br />", "wants TLS: use wss://", nil},
		"a mistake of ours":      {"HTTP/1.1 400 Bad Request\r\n\r\nno", "answered 400", nil},
		"another protocol":       {"SSH-2.0-OpenSSH\r\n", "malformed HTTP", nil},
		"an end within the head": {"HTTP/1.1 101 Switching Protocols\r\n", "unexpected EOF", io.ErrUnexpectedEOF},
	} {
		_, _, err := dialScript(ws.DialOptions{}, func(nc *wstest.Wire, _ string) {
			_, _ = io.WriteString(nc, c.answer)
			nc.Close()
		})
		if err == nil || !strings.Contains(err.Error(), c.want) || c.cause != nil && !errors.Is(err, c.cause) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if hint := strings.Contains(err.Error(), "wss://"); hint != strings.Contains(c.want, "wss://") {
			t.Errorf("%s: %v", name, err)
		}
	}

	// The same of a server of TLS, and of a proxy.
	for name, c := range map[string]struct{ answer, want string }{
		"the end": {"", "ended the connection during the TLS handshake; one that has no TLS (ws://) does that, too"},
		"HTTP":    {"HTTP/1.0 400 Bad Request\r\n\r\n", "answers in plain HTTP: use ws:// instead of wss://"},
		"SSH":     {"SSH-2.0-OpenSSH\r\n", "first record does not look like a TLS handshake"},
	} {
		o := &ws.DialOptions{Proxy: noProxy, NetDial: func(context.Context, string, string) (net.Conn, error) {
			near, far := wstest.Pipe(nil)
			go func() {
				_, _ = far.Read(make([]byte, 1))
				_, _ = io.WriteString(far, c.answer)
				far.Close()
			}()
			return near, nil
		}}
		if err := dialError("wss://app.example/", o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for proxy, want := range map[string]string{
		"https://" + host(plain.URL): "answers in plain HTTP: use http:// instead of https://",
		"http://" + host(secure.URL): "ended the connection without an answer; one that wants TLS (https://) does that, too",
	} {
		if err := dialError("ws://app.example/", &ws.DialOptions{Proxy: through(t, proxy)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", proxy, err, want)
		}
	}
}
