package conformance_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/ws/handshake"
)

// TestFairToServers shows that what the specification leaves to a server, or does
// not ask of it, is no fault.
func TestFairToServers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  map[string]conformance.Verdict
	}{
		"the connection goes on after a refusal": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-WebSocket-Version") != "13" || r.Header.Get("Sec-WebSocket-Key") == "" || strings.Contains(r.Header.Get("Origin"), "elsewhere") {
				w.Header().Set("Sec-WebSocket-Version", "13")
				http.Error(w, "no", http.StatusBadRequest)
				return
			}
			echo(w, r)
		}, map[string]conformance.Verdict{
			"opening/refused-then-smuggled-version": conformance.Informational,
			"opening/refused-then-smuggled-key":     conformance.Informational,
			"opening/refused-then-smuggled-origin":  conformance.Informational,
		}},
		"content is read and ignored": {func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			r.Body, r.ContentLength, r.TransferEncoding = http.NoBody, 0, nil
			r.Header.Del("Content-Length")
			echo(w, r)
		}, map[string]conformance.Verdict{
			"opening/bad-content":         conformance.Informational,
			"opening/bad-content-chunked": conformance.Informational,
			"opening/bad-content-both":    conformance.NonStrict,
		}},
		"the first Origin counts": {func(w http.ResponseWriter, r *http.Request) {
			r.Header["Origin"] = r.Header["Origin"][:min(1, len(r.Header["Origin"]))]
			echo(w, r)
		}, map[string]conformance.Verdict{"origin/twice": conformance.Informational}},
		"no version is told": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-WebSocket-Version") != "13" {
				http.Error(w, "no", http.StatusBadRequest)
				return
			}
			echo(w, r)
		}, map[string]conformance.Verdict{
			"opening/bad-version-missing": conformance.Informational,
			"opening/bad-version-12":      conformance.NonStrict,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := conformance.RunServer(t.Context(), serve(t, c.serve), conformance.Options{Only: ids(c.want), Timeout: timeout})
			wantVerdicts(t, report, err, c.want)
		})
	}
}

// A pong is due as soon as is practical (RFC 6455 §5.5.3), which may be when all
// that came with its ping has been answered.
func TestFairToPongsThatComeLast(t *testing.T) {
	t.Parallel()
	url := serveMini(t, faults{pongsLast: true})
	report, err := conformance.RunServer(t.Context(), url, conformance.Options{Only: []string{"robustness/cut-*", "robustness/chunks-*", "pings"}, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict != conformance.Pass {
			t.Errorf("%s: %s: %s\n%s", r.ID, r.Verdict, r.Detail, showLog(r.Log))
		}
	}
}

// TestFairToClients is TestFairToServers for clients.
func TestFairToClients(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		client func(conn net.Conn, br *bufio.Reader, response *http.Response)
		offer  string
		want   map[string]conformance.Verdict
	}{
		"whitespace around values is not understood": {func(net.Conn, *bufio.Reader, *http.Response) {}, "",
			map[string]conformance.Verdict{"opening/response-spaces": conformance.NonStrict}},
		"a window is too small": {func(conn net.Conn, br *bufio.Reader, response *http.Response) {
			if strings.HasSuffix(response.Header.Get("Sec-WebSocket-Extensions"), "=8") {
				return
			}
			(&mini{client: true, conn: conn, br: br, bits: 15}).run()
		}, "permessage-deflate; client_max_window_bits", map[string]conformance.Verdict{
			"deflate/window-client-8": conformance.Unsupported,
			"deflate/window-server-8": conformance.Unsupported,
			"deflate/window-client-9": conformance.Fail, // taken, and then mini does not speak it
		}},
		"a subprotocol may come twice": {func(conn net.Conn, br *bufio.Reader, response *http.Response) {
			if len(response.Header["Sec-Websocket-Protocol"]) == 2 {
				(&mini{client: true, conn: conn, br: br, bits: 15}).run()
			}
		}, "", map[string]conformance.Verdict{"subprotocol/answer-twice": conformance.NonStrict}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := runClient(t, func(_ context.Context, target string) error {
				u, err := url.Parse(target)
				if err != nil {
					return err
				}
				conn, err := net.Dial("tcp", u.Host)
				if err != nil {
					return err
				}
				defer conn.Close()
				b, err := handshake.AppendRequest(nil, &handshake.Offer{
					Host: u.Host, RequestURI: u.RequestURI(), Key: handshake.NewKey(handshakeRandom()), Extensions: c.offer, Subprotocols: []string{"echo"},
				})
				if err != nil {
					return err
				}
				conn.Write(b)
				br := bufio.NewReader(conn)
				response, err := http.ReadResponse(br, nil)
				if err != nil {
					return err
				}
				c.client(conn, br, response)
				return nil
			}, conformance.Options{Only: ids(c.want), Timeout: timeout})
			wantVerdicts(t, report, err, c.want)
		})
	}
}

// TestHTTPClient drives the suite with a client that handles a response other than 101 as
// HTTP does: unless it is told otherwise, it sends its next request over the same
// connection.
func TestHTTPClient(t *testing.T) {
	var mu sync.Mutex // one request at a time
	var conn net.Conn
	var br *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	report, err := runClient(t, func(_ context.Context, target string) error {
		mu.Lock()
		defer mu.Unlock()
		u, err := url.Parse(target)
		if err != nil {
			return err
		}
		if conn == nil {
			if conn, err = net.Dial("tcp", u.Host); err != nil {
				return err
			}
			br = bufio.NewReader(conn)
		}
		b, err := handshake.AppendRequest(nil, &handshake.Offer{Host: u.Host, RequestURI: u.RequestURI(), Key: handshake.NewKey(handshakeRandom())})
		if err != nil {
			return err
		}
		conn.Write(b)
		response, err := http.ReadResponse(br, nil)
		if err != nil || response.Close {
			conn.Close()
			conn = nil
		}
		return err
	}, conformance.Options{Only: []string{"opening/response-bad-status-*"}, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict != conformance.Pass {
			t.Errorf("%s: %s: %s\n%s", r.ID, r.Verdict, r.Detail, showLog(r.Log))
		}
	}
}

func ids(want map[string]conformance.Verdict) []string {
	var list []string
	for id := range want {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func wantVerdicts(t *testing.T, report *conformance.Report, err error, want map[string]conformance.Verdict) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != len(want) {
		t.Errorf("%d results of %d", len(report.Results), len(want))
	}
	for _, r := range report.Results {
		if r.Verdict != want[r.ID] {
			t.Errorf("%s: %s and should be %s: %s\n%s", r.ID, r.Verdict, want[r.ID], r.Detail, showLog(r.Log))
		}
	}
}
