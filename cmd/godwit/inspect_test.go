package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/inspect"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	host := strings.TrimPrefix(url, "http://")
	r := do(t, "", "inspect", "ws://"+host+"/channels/chat", "--pings", "3")
	if r.code != exitOK || r.errOut != "" || !strings.HasPrefix(r.out, "ws://"+host+"/channels/chat\n\nThis endpoint works.\n") ||
		!strings.Contains(r.out, "All of 3 pings were answered") || !strings.Contains(r.out, "Pages of other origins are refused") {
		t.Errorf("%+v", r)
	}
	if strings.ContainsRune(r.out, '\x1b') {
		t.Error("colours go into a pipe")
	}

	// Its own server is known, and nothing is advised that it cannot do.
	if !strings.Contains(r.out, "permessage-deflate was agreed") || strings.Contains(r.out, "Allow context takeover") {
		t.Errorf("compression is not agreed, or advised as it cannot be: %s", r.out)
	}
	if bad := do(t, "", "inspect", "ws://"+host+"/channels/chat?since=x", "--pings", "0"); !strings.Contains(bad.out, "It says: Bad position: since=") ||
		!strings.Contains(bad.out, "godwit serve, and says itself what is wrong") || strings.Contains(bad.out, "Upgrade got lost") || strings.Contains(bad.out, "proxy") {
		t.Errorf("%s", bad.out)
	}

	// A report is on standard output also when the endpoint does not work.
	r = do(t, "", "inspect", host+"/nowhere", "--json", "--no-compress", "--pings", "0")
	var report inspect.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitFailure || r.errOut != "godwit: the endpoint does not work\n" {
		t.Fatalf("%v: %+v", err, r)
	}
	if report.Works || report.Target != host+"/nowhere" || report.URL != "ws://"+host+"/nowhere" || !strings.Contains(report.Summary, "404 Not Found") {
		t.Errorf("%+v", report)
	}
	for _, line := range report.Exchanges[0].Request.Lines {
		if strings.HasPrefix(line, "Sec-WebSocket-Extensions") {
			t.Error("compression is offered with --no-compress")
		}
	}

	r = do(t, "", "inspect", "ws://"+host+"/channels/chat", "-v", "--pings", "1", "--origin", "https://evil.example", "--header", "Cookie: a=secret", "--subprotocol", "v9")
	if r.code != exitFailure || !strings.Contains(r.out, "[origin-decides]") || !strings.Contains(r.out, "Origin: https://evil.example\n") ||
		!strings.Contains(r.out, "Sec-WebSocket-Protocol: v9\n") || strings.Contains(r.out, "secret") {
		t.Errorf("%+v", r)
	}
}

// The sample is sent only when it is asked for.
func TestInspectSample(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for what an endpoint does in time")
	}
	t.Parallel()
	echo := launch(t, "echo", "--listen", "127.0.0.1:0", "--compress")
	text := echo.out.contains(t, "Ctrl-C")
	_, rest, _ := strings.Cut(text, "ws://")
	url := "ws://" + strings.Fields(rest)[0]
	with := do(t, "", "inspect", url, "--compress", "-v", "--pings", "1")
	without := do(t, "", "inspect", url, "-v", "--pings", "1")
	if with.code != exitOK || !strings.Contains(with.out, "[compression-benefit]") || !strings.Contains(with.out, "> text, compressed, ") {
		t.Errorf("%+v", with)
	}
	if without.code != exitOK || strings.Contains(without.out, "> text") || !strings.Contains(without.out, "> ping") {
		t.Errorf("%+v", without)
	}
}

// What a server sends does not reach the terminal as it is, and --insecure is said.
func TestInspectHostile(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "\u009b31mred")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "\x1b]0;owned\a<b>no</b>\x00")
	}))
	defer s.Close()
	r := do(t, "", "inspect", s.URL)
	if r.code != exitFailure || !strings.Contains(r.out, "[cert-") || strings.Contains(r.out, "403") {
		t.Errorf("%+v", r)
	}
	r = do(t, "", "inspect", s.URL, "--insecure")
	if r.code != exitFailure || !strings.Contains(r.out, "[status-403]") || !strings.Contains(r.out, `\x1b]0;owned\a<b>no</b>\x00`) ||
		strings.ContainsAny(r.out, "\x1b\a\x00\u009b") || !strings.Contains(r.out, "because of --insecure") {
		t.Errorf("%+v", r)
	}
}

func TestInspectMistakes(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                "an argument is missing; usage: godwit inspect URL [flags]",
		"ftp://h":                         `"ftp://h" is not an endpoint to inspect: the scheme must be ws, wss, http or https`,
		"ws://h/#x":                       "must not have a fragment",
		"ws://h --compress --no-compress": "--compress and --no-compress exclude each other",
		"ws://h --timeout 0s":             "--timeout: 0s is not a time to wait",
		"ws://h --pings -1":               "--pings: -1 is not a number of pings",
		"ws://h --header Upgrade:x":       "Upgrade: the handshake sets this field itself; remove it",
		"ws://h --header x":               `--header: "x" is not a header field`,
	} {
		r := do(t, "", append([]string{"inspect"}, strings.Fields(args)...)...)
		if r.code != exitUsage || r.out != "" || !strings.HasPrefix(r.errOut, "godwit: ") || !strings.Contains(r.errOut, want) {
			t.Errorf("inspect %s\n got %d %q %q\nwant %q", args, r.code, r.out, r.errOut, want)
		}
	}
}
