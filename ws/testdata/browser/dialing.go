//go:build js

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"syscall/js"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

func init() {
	scenarios["wrong URLs"] = func(t *T) {
		for _, target := range []string{"", "/echo", "ftp://example.com/", "ws://", "ws://host/#fragment", "ws:opaque", "ws://ho st/"} {
			conn, response, err := ws.Dial(t.ctx, target, nil)
			if conn != nil || response != nil || !errors.Is(err, ws.ErrURL) || !ws.IsPermanent(err) {
				t.errorf("%q: %v, %v, %v", target, conn, response, err)
			}
		}
		for _, subprotocols := range [][]string{{"a", "a"}, {"with space"}, {""}} {
			_, _, err := ws.Dial(t.ctx, t.server+"/echo", &ws.DialOptions{Subprotocols: subprotocols})
			if _, ok := errors.AsType[*handshake.FieldError](err); !ok || !ws.IsPermanent(err) {
				t.errorf("subprotocols %q: %v", subprotocols, err)
			}
		}
	}

	scenarios["handshakes that fail"] = func(t *T) {
		for _, target := range []string{
			t.closed,
			t.server + "/refuse?status=403",
			t.server + "/refuse?status=503",
			t.server + "/refuse?status=200",
			t.server + "/redirect",
			t.server + "/nowhere",
			"ws://127.0.0.1:1/", // a port that browsers do not dial
		} {
			conn, response, err := ws.Dial(t.ctx, target, nil)
			if conn != nil || response != nil || err == nil || !strings.Contains(err.Error(), "does not say why") || ws.IsPermanent(err) {
				t.errorf("%s: %v, %v, %v", target, conn, response, err)
			}
		}
		began := time.Now()
		_, _, err := ws.Dial(t.ctx, t.server+"/hang", &ws.DialOptions{HandshakeTimeout: 50 * time.Millisecond})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) < 50*time.Millisecond {
			t.errorf("a server that does not answer: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.ctx)
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, _, err := ws.Dial(ctx, t.server+"/hang", nil); !errors.Is(err, context.Canceled) {
			t.errorf("a dial that was cancelled: %v", err)
		}
	}

	scenarios["options of others"] = func(t *T) {
		for field, o := range map[string]*ws.DialOptions{
			"Header":         {Header: http.Header{"Authorization": {"Bearer x"}}},
			"TLSConfig":      {TLSConfig: &tls.Config{}},
			"Jar":            {Jar: new(cookiejar.Jar)},
			"Proxy":          {Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }},
			"ProxyTLSConfig": {ProxyTLSConfig: &tls.Config{}},
			"RedirectsMax":   {RedirectsMax: 1},
			"NetDial":        {NetDial: new(net.Dialer).DialContext},
			"FragmentsMax":   {Options: ws.Options{FragmentsMax: 1}},
			"PingInterval":   {Options: ws.Options{PingInterval: 1}},
			"PingTimeout":    {Options: ws.Options{PingTimeout: 1}},
			"Compression":    {Options: ws.Options{Compression: &deflate.Options{ClientMaxWindowBits: 10}}},
		} {
			conn, _, err := ws.Dial(t.ctx, t.server+"/echo", o)
			e, ok := errors.AsType[*handshake.FieldError](err)
			if conn != nil || !ok || e.Field != field || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), field+": ") {
				t.errorf("%s: %v", field, err)
			}
			r := &ws.Redialer{URL: t.server + "/echo", DialOptions: o}
			if err := r.Run(t.ctx, nil); !errors.Is(err, errors.ErrUnsupported) {
				t.errorf("a Redialer with %s: %v", field, err)
			}
		}
		_, _, err := ws.Dial(t.ctx, strings.Replace(t.server, "//", "//user:secret@", 1)+"/echo", nil)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "URL: ") || strings.Contains(err.Error(), "secret") {
			t.errorf("a user in the URL: %v", err)
		}
		_, _, err = ws.Dial(t.ctx, t.server+"/echo", &ws.DialOptions{RedirectsMax: 1, Jar: new(cookiejar.Jar)})
		if err == nil || !strings.Contains(err.Error(), "Jar: ") || !strings.Contains(err.Error(), "RedirectsMax: ") {
			t.errorf("two at once: %v", err)
		}
		// What says "none" is what a browser does.
		conn := t.dial("/echo", &ws.DialOptions{
			Header: http.Header{}, RedirectsMax: ws.NoRedirects,
			Options: ws.Options{PingInterval: ws.NoLimit, PingTimeout: ws.NoLimit, FragmentsMax: ws.NoLimit, Compression: &deflate.Options{MessageBytesMax: 5}},
		})
		t.must(conn.Close(ws.StatusNormal, ""))
	}

	scenarios["no WebSocket object"] = func(t *T) {
		class := js.Global().Get("WebSocket")
		js.Global().Set("WebSocket", js.Undefined())
		defer js.Global().Set("WebSocket", class)
		if _, _, err := ws.Dial(t.ctx, t.server+"/echo", nil); !errors.Is(err, errors.ErrUnsupported) || !ws.IsPermanent(err) {
			t.errorf("Dial: %v", err)
		}
	}

	scenarios["a browser that throws"] = func(t *T) {
		class := js.Global().Get("WebSocket")
		throws := js.Global().Get("Function").New(`throw new DOMException("not from this page", "SecurityError")`)
		js.Global().Set("WebSocket", throws)
		defer js.Global().Set("WebSocket", class)
		if _, _, err := ws.Dial(t.ctx, t.server+"/echo", nil); err == nil || !strings.Contains(err.Error(), "not from this page") {
			t.errorf("Dial: %v", err)
		}
	}

	scenarios["what a page cannot do"] = func(t *T) {
		conn := t.dial("/echo", nil)
		if _, err := conn.Ping(t.ctx); !errors.Is(err, errors.ErrUnsupported) || conn.Latency() != 0 {
			t.errorf("Ping: %v, Latency %v", err, conn.Latency())
		}
		nc := conn.NetConn()
		if got := nc.RemoteAddr().String(); got != t.server+"/echo" || nc.RemoteAddr().Network() != "websocket" || nc.LocalAddr().String() != "" {
			t.errorf("addresses %s, %s", got, nc.LocalAddr())
		}
		_, readErr := nc.Read(nil)
		_, writeErr := nc.Write(nil)
		for _, err := range []error{readErr, writeErr, nc.SetDeadline(time.Time{}), nc.SetReadDeadline(time.Time{}), nc.SetWriteDeadline(time.Time{})} {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.errorf("NetConn: %v", err)
			}
		}
		t.must(nc.Close())
		t.ends(conn, ws.CloseError{Code: 1006, Sent: 1005, Err: net.ErrClosed})

		for _, make := range []func(net.Conn, *ws.Options) *ws.Conn{ws.NewServerConn, ws.NewClientConn} {
			a, b := net.Pipe()
			conn := make(a, nil)
			t.ends(conn, ws.CloseError{Code: 1006, Err: errors.ErrUnsupported})
			if err := conn.Close(ws.StatusNormal, ""); !errors.Is(err, errors.ErrUnsupported) {
				t.errorf("Close: %v", err)
			}
			t.must(conn.CloseNow())
			if _, err := b.Read([]byte{0}); err == nil {
				t.errorf("the stream stays open")
			}
		}

		w := &answer{header: http.Header{}}
		conn, err := ws.Accept(w, &http.Request{}, nil)
		_, isFault := errors.AsType[*handshake.Fault](err)
		if conn != nil || !isFault || !errors.Is(err, errors.ErrUnsupported) || w.status != 501 || w.header.Get("Connection") != "close" {
			t.errorf("Accept: %v, and %+v", err, w)
		}
		refused := 0
		_, err = ws.Accept(w, &http.Request{}, &ws.AcceptOptions{Refuse: func(_ http.ResponseWriter, _ *http.Request, f *handshake.Fault) { refused = f.Status }})
		if err == nil || refused != 501 {
			t.errorf("Accept: %v, and Refuse got %d", err, refused)
		}
	}

	scenarios["observer"] = func(t *T) {
		o := &observer{over: make(chan struct{})}
		_, _, err := ws.Dial(t.ctx, t.closed, &ws.DialOptions{Options: ws.Options{Observer: o}})
		if err == nil || o.told != nil {
			t.errorf("of a handshake that failed the observer heard %q", o.told)
		}
		conn := t.dial("/echo?protocol=chat", &ws.DialOptions{Subprotocols: []string{"chat"}, Options: ws.Options{Observer: o}})
		t.must(conn.Write(t.ctx, ws.MessageText, []byte("hello")))
		_, _, err = conn.Read(t.ctx)
		t.must(err)
		t.must(conn.Enqueue(ws.MessageBinary, nil))
		_, _, err = conn.Read(t.ctx)
		t.must(err)
		t.must(conn.Close(4000, ""))
		<-o.over
		want := "open, text true 5, text false 5, binary true 0, binary false 0, closed with 4000"
		if got := strings.Join(o.told, ", "); got != want {
			t.errorf("the observer heard %s", got)
		}
		if got, want := conn.LogValue().String(), "[remote="+t.server+"/echo?protocol=chat subprotocol=chat compressed=false]"; got != want {
			t.errorf("it logs as %s, not %s", got, want)
		}
	}

	scenarios["redialer"] = func(t *T) {
		id := t.id()
		retries := 0
		r := &ws.Redialer{
			URL:        t.server + "/visits?id=" + id,
			BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
			OnRetry: func(error, time.Duration) { retries++ },
		}
		var got []string
		err := r.Run(t.ctx, func(ctx context.Context, conn *ws.Conn) error {
			for {
				_, m, err := conn.Read(ctx)
				if err != nil {
					return err
				}
				if got = append(got, string(m)); string(m) == "visit 4" {
					return nil
				}
			}
		})
		// The second visit is refused, the first and third are dropped.
		if err != nil || strings.Join(got, ",") != "visit 1,visit 3,visit 4" || retries != 3 {
			t.errorf("Run: %v after %q and %d retries", err, got, retries)
		}
		r.URL = t.server + "/close?code=1008"
		err = r.Run(t.ctx, func(ctx context.Context, conn *ws.Conn) error {
			for _, err := range conn.Messages(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if ws.CloseStatus(err) != 1008 {
			t.errorf("Run against a server that wants none of it: %v", err)
		}
	}
}

// observer notes what it is told.
type observer struct {
	told []string
	over chan struct{}
}

func (o *observer) OnOpen(*ws.Conn) { o.told = append(o.told, "open") }
func (o *observer) OnFrame(_ *ws.Conn, f ws.Frame) {
	o.told = append(o.told, fmt.Sprint(f.Opcode, " ", f.Sent, " ", f.Bytes))
}
func (o *observer) OnClose(_ *ws.Conn, e *ws.CloseError) {
	o.told = append(o.told, fmt.Sprintf("closed with %d", e.Code))
	close(o.over)
}

// answer is a ResponseWriter.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
