package inspect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/ws/wire"
)

// What a server can make a report hold is bounded.
func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("body", func(t *testing.T) {
		address := listen(t, nil, false, page("404 Not Found", strings.Repeat("x", 2*bodyBytesMax)))
		r := look(t, "ws://"+address, direct())
		if body := r.Exchanges[0].Response.Body; len(body) != excerptBytesMax+len("…") {
			t.Errorf("%d bytes of the body are kept", len(body))
		}
	})
	t.Run("chunked body", func(t *testing.T) {
		address := listen(t, nil, false, page("404 Not Found", "5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"))
		if body := look(t, "ws://"+address, direct()).Exchanges[0].Response.Body; body != "hello" {
			t.Errorf("the body is %q", body)
		}
	})
	t.Run("fields", func(t *testing.T) {
		address := listen(t, nil, false, page("404 Not Found", "", strings.Repeat("X-A: b\r\n", 200)+"Server: "+strings.Repeat("n", 2000)))
		r := look(t, "ws://"+address, direct()).Exchanges[0].Response
		if len(r.Lines) != fieldsMax+1 || !strings.Contains(r.Lines[fieldsMax], "lines more") {
			t.Errorf("%d lines", len(r.Lines))
		}
		for _, f := range r.Fields {
			if len(f.Value) > 600 {
				t.Errorf("%s has %d bytes", f.Name, len(f.Value))
			}
		}
	})
	t.Run("head", func(t *testing.T) {
		fill := headBytesMax - len("HTTP/1.1 404 X\r\nX: \r\nConnection: close\r\n\r\n")
		for _, more := range []int{0, 1} {
			address := listen(t, nil, false, func(p *peer) {
				p.say("HTTP/1.1 404 X\r\nX: " + strings.Repeat("y", fill+more) + "\r\nConnection: close\r\n\r\n")
			})
			r := look(t, "ws://"+address, direct())
			wants(t, r, []string{"status-404", "response-too-long"}[more])
		}
	})
	t.Run("frames", func(t *testing.T) {
		address := listen(t, nil, false, func(p *peer) {
			p.open()
			p.say(strings.Repeat(string(wire.AppendFrame(nil, true, wire.Text, []byte("x"))), 2*framesMax))
			p.behave()
		})
		r := look(t, "ws://"+address, direct())
		if n := len(r.Session.Frames); n != framesMax || r.Session.Unprompted.Messages != 2*framesMax {
			t.Errorf("%d frames are listed of %d messages", n, r.Session.Unprompted.Messages)
		}
	})
	t.Run("addresses", func(t *testing.T) {
		o := direct()
		var dialed atomic.Int32
		o.Lookup = func(context.Context, string) (list []netip.Addr, err error) {
			for i := range 3 * addressesMax {
				list = append(list, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			}
			return list, nil
		}
		o.Dial = func(context.Context, string, string) (net.Conn, error) {
			dialed.Add(1)
			return nil, errors.New("no")
		}
		r := look(t, "ws://many.test", o)
		if dialed.Load() != addressesMax || len(r.Exchanges[0].DNS.Addresses) != 3*addressesMax {
			t.Errorf("%d of %d addresses were tried", dialed.Load(), len(r.Exchanges[0].DNS.Addresses))
		}
	})
	t.Run("certificate names", func(t *testing.T) {
		cert := &x509.Certificate{}
		for i := range 3 * certificateNamesMax {
			cert.DNSNames = append(cert.DNSNames, fmt.Sprintf("h%d.test", i))
		}
		if names := certificateNames(cert); len(names) != certificateNamesMax+1 || names[certificateNamesMax] != "and 40 more" {
			t.Errorf("%v", names)
		}
	})
}

// A proxy may itself be reached by TLS, and its certificate is verified.
func TestSecureProxy(t *testing.T) {
	t.Parallel()
	root, _ := (*authority)(nil).issue(t, ca("Test Root"))
	_, chain := root.issue(t, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)} })
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	via := listen(t, &tls.Config{Certificates: []tls.Certificate{chain}}, false, page("403 Forbidden", ""))
	o := direct()
	o.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("https://" + via) }
	r := look(t, "ws://h.test", o)
	wants(t, r, "proxy-unreachable")
	if !strings.Contains(finding(r, "proxy-unreachable").Means, "unknown authority") {
		t.Errorf("%+v", finding(r, "proxy-unreachable"))
	}
	o.Roots = roots
	wants(t, look(t, "ws://h.test", o), "proxy-refused")
}

// Colours are ours alone, and lines are wrapped.
func TestPrint(t *testing.T) {
	address := listen(t, nil, false, page("404 Not Found", "\x1b[31mred"))
	r := look(t, "ws://"+address, direct())
	var plain, colored strings.Builder
	if err := Print(&plain, r, PrintOptions{Width: 60}); err != nil {
		t.Fatal(err)
	}
	if err := Print(&colored, r, PrintOptions{Width: 60, Color: true}); err != nil {
		t.Fatal(err)
	}
	text := colored.String()
	for _, code := range []string{bold + ";" + red, bold, dim, red, green, yellow, "0"} {
		text = strings.ReplaceAll(text, "\x1b["+code+"m", "")
	}
	if text != plain.String() || plain.String() == colored.String() {
		t.Errorf("colours change the text:\n%q\n%q", text, plain.String())
	}
	for line := range strings.Lines(plain.String()[:strings.Index(plain.String(), "TCP ")]) {
		if n := len([]rune(line)); n > 61 && !strings.Contains(line, "[") && !strings.Contains(line, "proxy_") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
