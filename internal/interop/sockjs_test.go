package interop

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws/handshake"
)

// sockJSClients are unmodified clients from npm, from 2016 on.
var sockJSClients = []string{"sockjs-client", "sockjs-client-1.5", "sockjs-client-1.1"}

// Unmodified SockJS clients send 10,000 numbered messages and every character there is, and
// get all of it back once and in order, by each transport that they have in Node, from both
// drivers.
func TestSockJS(t *testing.T) {
	node, npm := program(t, "node", "nodejs"), program(t, "npm")
	dir := t.TempDir()
	if err := installNode(npm, dir, "sockjs"); err != nil {
		missing(t, err.Error())
	}
	for _, driver := range []string{"loops", "goroutines"} {
		host := serveSockJS(t, driver, http.NotFoundHandler(), &sockjs.Options{Base: "/echo"})
		for _, client := range sockJSClients {
			for _, transport := range []string{"websocket", "xhr-streaming", "eventsource", "xhr-polling"} {
				t.Run(driver+" "+client+" "+transport, func(t *testing.T) {
					if client == "sockjs-client-1.1" && transport == "eventsource" {
						t.Skip("the EventSource for Node that it has cuts characters in two where a read ends")
					}
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					cmd := exec.CommandContext(ctx, node, filepath.Join(dir, "client.js"), client, "http://"+host+"/echo", transport)
					if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "ok" {
						t.Errorf("%v: %s", err, out)
					}
				})
			}
		}
	}
}

// sockJSEcho sends everything back, and says goodbye when it is told so.
func sockJSEcho(ctx context.Context, c *sockjs.Conn) error {
	next := 0
	for text, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(text); err == nil {
			if n != next {
				c.Close(4001, fmt.Sprintf("got %d, want %d", n, next))
				return nil
			}
			next++
		}
		if text == "bye" {
			c.Close(4000, `Good "bye"`)
			return nil
		}
		if err := c.Send(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// serveSockJS serves an echo with o, and everything else with other, until the test ends.
func serveSockJS(t *testing.T, driver string, other http.Handler, o *sockjs.Options) (host string) {
	t.Helper()
	s, err := sockjs.New(sockjs.Serve(sockJSEcho), o)
	if err != nil {
		t.Fatal(err)
	}
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Serves(r.URL.EscapedPath()) {
			s.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine.Server{
		Handler: engine.NopHandler{}, HTTP: all, Route: s.Route, Admit: s.Admit, Origins: o.Origins,
		HTTPRefuses: func(*engine.Request, *handshake.Fault) bool { return true },
	}
	h := &http.Server{Handler: all}
	serve, end := e.Serve, e.Close
	if driver == "goroutines" {
		serve, end = h.Serve, h.Close
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(ln) // it ends when it is closed
	}()
	t.Cleanup(func() {
		_ = s.Close()
		_ = end()
		<-done
	})
	return ln.Addr().String()
}
