package interop

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws/handshake"
)

// engineEcho is a program made with package engineio that sends every message back.
type engineEcho struct{ engineio.NopHandler }

func (engineEcho) OnMessage(s *engineio.Socket, typ engineio.MessageType, data []byte) {
	_ = s.Write(typ, data) // a session that has ended needs no echo
}

// serveEngineEcho runs the program with one of the drivers.
func serveEngineEcho(t *testing.T, driver string) (host string) {
	t.Helper()
	anyone, err := handshake.ParseOrigins([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	echo, err := engineio.New(engineEcho{}, &engineio.Options{Origins: anyone})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var stop func(context.Context) error
	if driver == "engine" {
		s := &engine.Server{Handler: engine.NopHandler{}, HTTP: echo, Route: echo.Route, Admit: echo.Admit, Origins: anyone}
		stop = s.Shutdown
		serving.Go(func() { _ = s.Serve(ln) })
	} else {
		s := &http.Server{Handler: echo}
		stop = s.Shutdown
		serving.Go(func() { _ = s.Serve(ln) })
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(background, 5*time.Second)
		defer cancel()
		_ = echo.Shutdown(ctx)
		_ = stop(ctx)
		serving.Wait()
	})
	return ln.Addr().String()
}

// TestEngineIOEcho: 10,000 messages come back from a program made with the library,
// over each transport and from one to the other, and bytes are bytes.
func TestEngineIOEcho(t *testing.T) {
	t.Parallel()
	all, _ := stages(t)
	for _, driver := range []string{"engine", "net/http"} {
		host := serveEngineEcho(t, driver)
		for _, s := range all {
			for _, transports := range socketioTransports {
				t.Run(driver+" "+s.name+" "+strings.Join(transports, " then "), func(t *testing.T) {
					a := s.open(t, t.Name(), "engineio", "engine.io-client", "url", "http://"+host, "options", map[string]any{"transports": transports})
					if opened := a.wants(t, "open"); opened.Transport != transports[0] || opened.ID == "" {
						t.Errorf("it is told %v", opened)
					}
					a.do(t, "numbers", "prefix", "n-#", "count", numbersCount)
					a.do(t, "send", "data", someBytes)
					upgraded := false
					due := newNumbered("n")
					for done := false; !done; {
						e := a.until(t, "numbers", func(e seen) bool { return e.Event == "message" || e.Event == "upgraded" || e.Event == "closed" })
						if e.Event == "upgraded" {
							upgraded = true
							continue
						}
						done = due.take(t, a.conn, heard(e))
					}
					last := a.until(t, "bytes", func(e seen) bool {
						upgraded = upgraded || e.Event == "upgraded"
						return e.Event == "message"
					})
					var bytes struct {
						Base64 string `json:"$bytes"`
					}
					if json.Unmarshal(last.Data, &bytes) != nil || bytes.Base64 != "AP8=" {
						t.Errorf("bytes came as %v", last)
					}
					if len(transports) == 2 && !upgraded {
						a.wants(t, "upgraded")
					}
					a.do(t, "close")
				})
			}
		}
	}
}
