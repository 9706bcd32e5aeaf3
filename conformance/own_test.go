package conformance_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// own is the library with compression, which is off by default.
var own = ws.Options{CloseTimeout: time.Second, Compression: &deflate.Options{}}

// TestSound holds the library to every case, in both roles, and a peer that is not
// the library and knows nothing of the suite: neither has anything to be blamed
// for. They run one after another, as the cases move megabytes and have time limits.
func TestSound(t *testing.T) {
	t.Run("own server", func(t *testing.T) {
		report, err := conformance.RunServer(t.Context(), serve(t, echo), conformance.Options{Timeout: timeout, Skip: slowInShort()})
		check(t, report, err)
	})
	t.Run("own client", func(t *testing.T) {
		report, err := runClient(t, echoClient, conformance.Options{Timeout: timeout, Skip: slowInShort()})
		check(t, report, err)
	})
	t.Run("another server", func(t *testing.T) {
		if testing.Short() {
			t.Skip("that the suite is fair to others is for a run of all tests to show")
		}
		report, err := conformance.RunServer(t.Context(), serveMini(t, faults{deflate: true}), conformance.Options{
			Timeout: timeout,
			// What follows is the matter of an HTTP server, which mini has not.
			Skip: []string{"opening", "origin", "subprotocol", "robustness/opening-*"},
		})
		check(t, report, err)
	})
}

// slowInShort are the cases that a short run leaves out: they take two thirds of
// the time, since they wait or move megabytes.
func slowInShort() []string {
	if testing.Short() {
		return []string{"limits", "robustness"}
	}
	return nil
}

// timeout is generous: a machine that is busy must not fail a case.
const timeout = time.Minute

// check wants a report in which every case passed that the peer supports.
func check(t *testing.T, report *conformance.Report, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if report.Interrupted {
		t.Error("the run was interrupted")
	}
	for _, r := range report.Results {
		switch r.Verdict {
		case conformance.Fail, conformance.NonStrict:
			t.Errorf("%s %s: %s\n\t%s (%s)\n%s", r.Verdict, r.ID, r.Detail, r.Checks, r.Section, showLog(r.Log))
		case conformance.Informational, conformance.Unsupported:
			t.Logf("%s %s: %s", r.Verdict, r.ID, r.Detail)
		}
	}
	t.Logf("%d cases in %v: %d passed", len(report.Results), report.Duration.Round(time.Millisecond), report.Count(conformance.Pass))
}

func showLog(log []conformance.Entry) string {
	var b strings.Builder
	for _, e := range log {
		b.WriteString("\t\t" + e.At.Round(time.Millisecond).String() + " " + e.From + " ")
		if f := e.Frame; f != nil {
			b.WriteString(f.Opcode + " [" + f.Header + "] " + f.Payload + f.Meaning)
		} else {
			b.WriteString(strings.ReplaceAll(e.Text, "\n", "\n\t\t\t"))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// serve runs a server for the time of the test and returns its URL.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	var open sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Done()
		handler(w, r)
	}))
	t.Cleanup(func() {
		s.Close()
		open.Wait()
	})
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/echo?x=1"
}

// echo is the server that the package doc of ws shows.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: own, Subprotocols: []string{"echo", "chat"}})
	if err != nil {
		return
	}
	answer(conn, r.Context())
}

func answer(conn *ws.Conn, ctx context.Context) {
	defer conn.CloseNow()
	for {
		typ, message, err := conn.Read(ctx)
		if err != nil {
			<-conn.Done()
			return
		}
		_ = conn.Write(ctx, typ, message)
	}
}

// runClient runs the suite for clients and drives client through it.
func runClient(t *testing.T, client func(ctx context.Context, url string) error, o conformance.Options) (*conformance.Report, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return runClientOver(t, ln, nil, client, o)
}

// runClientOver is runClient with a listener of the caller, and with what connects to it
// if that is not an address.
func runClientOver(t *testing.T, ln net.Listener, dial func(context.Context, string, string) (net.Conn, error), client func(ctx context.Context, url string) error, o conformance.Options) (*conformance.Report, error) {
	t.Helper()
	url := "ws://suite.example" + wirePort
	if dial == nil {
		url = "ws://" + ln.Addr().String()
	}
	counter := &ws.DialOptions{NetDial: dial}
	driven := make(chan struct{})
	go func() {
		defer close(driven)
		count := 0
		conn, _, err := ws.Dial(t.Context(), url+"/cases?agent=godwit", counter)
		if err == nil {
			var message []byte
			if _, message, err = conn.Read(t.Context()); err == nil {
				count, err = strconv.Atoi(string(message))
			}
			_ = conn.Close(ws.StatusNormal, "")
		}
		if err != nil {
			t.Error(err)
		}
		next := make(chan int)
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				for n := range next {
					_ = client(t.Context(), url+"/case?n="+strconv.Itoa(n)) // the suite judges
				}
			})
		}
		for n := range count {
			next <- n + 1
		}
		close(next)
		workers.Wait()
		if conn, _, err = ws.Dial(t.Context(), url+"/report", counter); err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close(ws.StatusNormal, "")
	}()
	report, err := conformance.RunClient(t.Context(), ln, o)
	<-driven
	return report, err
}

// echoClient is a client that echoes, with the library.
func echoClient(ctx context.Context, url string) error {
	conn, _, err := ws.Dial(ctx, url, &ws.DialOptions{
		Options: own, Subprotocols: []string{"echo"},
		HandshakeTimeout: timeout, // many cases at once on a slow machine take their time
	})
	if err != nil {
		return err
	}
	answer(conn, ctx)
	return conn.Err()
}
