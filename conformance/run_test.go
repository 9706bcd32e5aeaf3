package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/ws"
)

// TestRunIsInterrupted ends a run from within, and finds nothing left of it.
func TestRunIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	report, err := conformance.RunServer(ctx, serve(t, echo), conformance.Options{
		Jobs: 4,
		Progress: func(done, _ int, _ *conformance.Result) {
			if done == 20 {
				cancel()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Interrupted || report.OK() || len(report.Results) < 20 || len(report.Results) > 40 {
		t.Errorf("interrupted: %v, with %d results", report.Interrupted, len(report.Results))
	}
	for _, r := range report.Results {
		if r.Verdict == conformance.Fail {
			t.Errorf("%s failed because the run was interrupted: %s", r.ID, r.Detail)
		}
	}
}

// TestBusyCasesComeLast runs cases that keep a server busy after all others,
// whatever the order in the catalogue and in the report.
func TestBusyCasesComeLast(t *testing.T) {
	var order []string
	report, err := conformance.RunServer(t.Context(), serve(t, echo), conformance.Options{
		Only: []string{"framing/text", "limits/message-256-KiB", "opening/good-plain"}, Jobs: 1, Timeout: timeout,
		Progress: func(_, _ int, r *conformance.Result) { order = append(order, r.ID) },
	})
	check(t, report, err)
	if got, want := strings.Join(order, " "), "framing/text opening/good-plain limits/message-256-KiB"; got != want {
		t.Errorf("the order is %s and should be %s", got, want)
	}
	if report.Results[1].ID != "limits/message-256-KiB" {
		t.Errorf("%s comes second in the report", report.Results[1].ID)
	}
}

// TestSilentServer accepts connections and never answers: the time it takes is
// the suite's own.
func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := wires(t, func(nc net.Conn) {
			io.Copy(io.Discard, nc)
			nc.Close()
		})
		start := time.Now()
		_, err := conformance.RunServerOver(t.Context(), "ws://silent.example", conformance.Options{Timeout: 3 * time.Second}, silent)
		if err == nil || !strings.Contains(err.Error(), "no response came") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestServerGoes stops a server in the middle of a run.
func TestServerGoes(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var seen atomic.Int32
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) == 30 {
			ln.Close()
		}
		echo(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	report, err := conformance.RunServer(t.Context(), "ws://"+ln.Addr().String(), conformance.Options{Jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Interrupted || len(report.Suspects) == 0 || len(report.Suspects) > 4 || len(report.Results) > 40 {
		t.Errorf("interrupted: %v, suspects %v, %d results", report.Interrupted, report.Suspects, len(report.Results))
	}
	<-served
	s.Close()
}

func TestRunServerErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url    string
		o      conformance.Options
		reason string
	}{
		{"http+unix://x/", conformance.Options{}, "begins with ws://"},
		{"ws:///path", conformance.Options{}, "begins with ws://"},
		{"ws://user@host/", conformance.Options{}, "neither user"},
		{"ws://host/#part", conformance.Options{}, "fragment"},
		{"ws://\x00/", conformance.Options{}, "invalid"},
		{"ws://127.0.0.1/", conformance.Options{Only: []string{"nothing"}}, "no server case matches"},
		{"ws://127.0.0.1/", conformance.Options{Only: []string{"utf8"}, Skip: []string{"utf8"}}, "no case is selected"},
	} {
		_, err := conformance.RunServer(t.Context(), c.url, c.o)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%q: the error is %v and should say %q", c.url, err, c.reason)
		}
	}
}

// TestHeaderIsSent wants Options.Header on every request.
func TestHeaderIsSent(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		echo(w, r)
	})
	if _, err := conformance.RunServer(t.Context(), url, conformance.Options{Only: []string{"framing/text"}}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the header the error is %v", err)
	}
	report, err := conformance.RunServer(t.Context(), url, conformance.Options{
		Only: []string{"framing", "opening/good-*"}, Timeout: timeout, Header: http.Header{"Authorization": {"Bearer t"}},
	})
	check(t, report, err)
}

// TestSameSeed sends the same bytes in two runs, and others with another seed.
func TestSameSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		masks := func(seed uint64) string {
			o := conformance.Options{Only: []string{"opcodes/3-empty"}, Seed: seed}
			report, err := conformance.RunServerOver(t.Context(), miniURL, o, miniWires(t, faults{failSilently: true}))
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, e := range report.Results[0].Log {
				if e.From == "suite" && e.Frame != nil {
					b.WriteString(e.Frame.Mask + " ")
				}
			}
			return b.String()
		}
		a, again, b := masks(1), masks(1), masks(2)
		if a == "" || a != again || a == b {
			t.Errorf("the masks are %q, %q and %q", a, again, b)
		}
	})
}

// TestLogIsBounded floods a case.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := conformance.Options{Only: []string{"robustness/flood-pings"}}
		report, err := conformance.RunServerOver(t.Context(), miniURL, o, miniWires(t, faults{noPong: true}))
		if err != nil {
			t.Fatal(err)
		}
		log := report.Results[0].Log
		if len(log) != 161 || !strings.Contains(log[80].Text, "left out") {
			t.Fatalf("the log has %d entries", len(log))
		}
		for i := 1; i < len(log); i++ {
			if log[i].At < log[i-1].At {
				t.Fatalf("entry %d is older than the one before it", i)
			}
		}
	})
}

// TestClientLeavesCasesOut counts what a client did not connect for as failed.
func TestClientLeavesCasesOut(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "ws://" + ln.Addr().String()
	driven := make(chan error, 1)
	go func() {
		driven <- func() error {
			// The paths of the other suite.
			conn, _, err := ws.Dial(t.Context(), base+"/getCaseCount", nil)
			if err != nil {
				return err
			}
			_, message, err := conn.Read(t.Context())
			if err != nil || string(message) != "3" {
				return errors.New("the count is " + string(message))
			}
			conn.Close(ws.StatusNormal, "")
			echoClient(t.Context(), base+"/runCase?case=2&agent=half%20a%20client")
			for _, path := range []string{"/case?n=0", "/case?n=4", "/case?n=x", "/elsewhere", "/"} {
				if conn, response, err := ws.Dial(t.Context(), base+path, nil); err == nil {
					conn.CloseNow()
					return errors.New(path + " was accepted")
				} else if response == nil || response.StatusCode != http.StatusNotFound {
					return err
				}
			}
			conn, _, err = ws.Dial(t.Context(), base+"/updateReports", nil)
			if err == nil {
				conn.Close(ws.StatusNormal, "")
			}
			return err
		}()
	}()
	report, err := conformance.RunClient(t.Context(), ln, conformance.Options{Only: []string{"framing/text", "framing/binary", "framing/text-empty"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-driven; err != nil {
		t.Fatal(err)
	}
	if report.Target != "half a client" || report.Count(conformance.Pass) != 1 || report.Count(conformance.Fail) != 2 || report.OK() {
		t.Errorf("%q: %d passed, %d failed", report.Target, report.Count(conformance.Pass), report.Count(conformance.Fail))
	}
	for _, r := range report.Results {
		if r.Verdict == conformance.Fail && !strings.Contains(r.Detail, "did not connect") {
			t.Errorf("%s: %s", r.ID, r.Detail)
		}
	}
}

// TestClientIsInterrupted ends the wait for a client that never comes.
func TestClientIsInterrupted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := conformance.RunClient(ctx, ln, conformance.Options{})
	if err != nil || !report.Interrupted || len(report.Results) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestBadRequests connects with bytes that are no request of a client.
func TestBadRequests(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	finished, judged := make(chan *conformance.Report, 1), make(chan struct{}, 1)
	go func() {
		report, err := conformance.RunClient(ctx, ln, conformance.Options{
			Only: []string{"framing/text"}, Progress: func(int, int, *conformance.Result) { judged <- struct{}{} },
		})
		if err != nil {
			t.Error(err)
		}
		finished <- report
	}()
	for request, want := range map[string]string{
		"GET /case?n=1 HTTP/1.1\r\nHost: x\r\n\r\n": "",
		"GET /cases HTTP/1.1\r\nHost: x\r\n\r\n":    "HTTP/1.1 400",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":         "HTTP/1.1 404",
		"nonsense\r\n\r\n":                          "HTTP/1.1 400",
	} {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, request)
		b, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.HasPrefix(string(b), want) || want == "" && len(b) > 0 {
			t.Errorf("%q is answered with %q", request, b)
		}
	}
	<-judged // the connection ends before that
	cancel()
	report := <-finished
	if len(report.Results) != 1 || report.Results[0].Verdict != conformance.Fail || !strings.Contains(report.Results[0].Detail, "not one that a server may accept") {
		t.Errorf("the results are %+v", report.Results)
	}
}

// TestReportHidesSecrets wants neither a token of the URL nor one of a header in a
// report, which is made to be shown, and no password in an error.
func TestReportHidesSecrets(t *testing.T) {
	t.Parallel()
	url := serveMini(t, faults{failSilently: true}) + "?token=hush&room=a"
	report, err := conformance.RunServer(t.Context(), url, conformance.Options{
		Only: []string{"opcodes/3-*", "opening/bad-*"}, Timeout: timeout,
		Header: http.Header{"Authorization": {"Bearer hush"}, "Cookie": {"sid=hush"}, "X-Room": {"b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(document, []byte("hush")) {
		t.Errorf("a secret is shown: %s", document)
	}
	for _, want := range []string{`?token=...\u0026room=a"`, `GET /?token=...\u0026room=a HTTP/1.1`, `Authorization: ...`, "X-Room: b"} {
		if !bytes.Contains(document, []byte(want)) {
			t.Errorf("%s is missing in %s", want, document)
		}
	}
	for target, want := range map[string]string{
		"ws://ada:hush@host/":           "ws://ada:...@host/",
		"ws://ada:hu/hush@host/":        "ws://...",
		"ws://host:port/?token=hush":    "ws://...",
		"ws://host:port/":               `invalid port ":port"`,
		"ftp://host/?token=hush":        "ftp://host/?token=...",
		"ws://127.0.0.1:1/?token=hush":  "127.0.0.1:1",
		"ws://127.0.0.1:1/?x=a&y=#hush": "fragment",
	} {
		_, err := conformance.RunServer(t.Context(), target, conformance.Options{Timeout: timeout})
		if err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", target, err, want)
		}
	}
}
