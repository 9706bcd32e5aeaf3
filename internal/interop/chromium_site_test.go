package interop

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// chromiumSite is a page and the servers that the cases need.
type chromiumSite struct {
	*httptest.Server
	tracker ws.Tracker

	mu   sync.Mutex // guards ends
	ends map[string]*inbox[string]
}

func newChromiumSite(t *testing.T) *chromiumSite {
	s := &chromiumSite{ends: map[string]*inbox[string]{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		if err := s.tracker.Shutdown(background); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *chromiumSite) ended(name string) *inbox[string] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends[name] == nil {
		s.ends[name] = newInbox[string]()
	}
	return s.ends[name]
}

func (s *chromiumSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	o := &ws.AcceptOptions{Subprotocols: []string{"a", "b"}, Tracker: &s.tracker}
	if query.Has("compress") {
		o.Compression = &deflate.Options{ThresholdBytes: 1}
		if query.Has("smallest") {
			o.Compression = compression(&params{true, true, 9, 9})
		}
	}
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>WebSocket</title>"))
		return
	case "/refuse":
		http.Error(w, "not here", http.StatusForbidden)
		return
	case "/cookies":
		o.Header = http.Header{"Set-Cookie": {"from=handshake; Path=/; SameSite=Strict"}}
	}
	conn, err := ws.Accept(w, r, o)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	switch r.URL.Path {
	case "/echo":
		_ = echo(conn)
	case "/fragments":
		sendFragments(conn)
		fallthrough
	case "/close":
		code, _ := strconv.ParseUint(query.Get("code"), 10, 16)
		_ = conn.Close(ws.StatusCode(max(code, 1000)), query.Get("reason"))
	case "/drop":
		// Once it has been opened for the page.
		_, _ = conn.Ping(reading(conn))
	case "/raw":
		frame, _ := hex.DecodeString(query.Get("frame"))
		_, _ = conn.NetConn().Write(frame)
		_, _, _ = conn.Read(background)
	case "/cookies":
		_ = conn.Write(background, ws.MessageText, []byte(r.Header.Get("Cookie")))
		_ = conn.Close(ws.StatusNormal, "")
	}
	if name := query.Get("name"); name != "" {
		select {
		case <-conn.Done():
			e := conn.Err().(*ws.CloseError)
			s.ended(name).put(fmt.Sprintf("%d %d", e.Code, e.Sent))
		case <-time.After(patience):
			s.ended(name).put("never")
		}
	}
}

// echo ends with the connection.
func echo(conn *ws.Conn) error {
	for {
		typ, data, err := conn.Read(background)
		if err != nil {
			return err
		}
		if err := conn.Write(background, typ, data); err != nil {
			return err
		}
	}
}

// reading reads conn to its end beside the caller, and returns a context that
// ends when it has.
func reading(conn *ws.Conn) context.Context {
	ctx, cancel := context.WithCancel(background)
	go func() {
		defer cancel()
		for {
			if _, _, err := conn.Read(background); err != nil {
				return
			}
		}
	}()
	return ctx
}

// sendFragments sends a message of several frames that begin within characters,
// with a ping between two of them.
func sendFragments(conn *ws.Conn) {
	w, err := conn.Writer(background, ws.MessageText)
	if err != nil {
		return
	}
	text := []byte(strings.Repeat("鷸", 7001))
	_, _ = w.Write(text[:10_000])
	_, err = conn.Ping(reading(conn))
	_, _ = w.Write(text[10_000:])
	if w.Close() == nil && err == nil {
		_ = conn.Write(background, ws.MessageText, []byte("the pong came"))
	}
}
