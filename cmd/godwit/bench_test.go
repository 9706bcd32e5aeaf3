package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/ws"
)

// echoURL starts an echo server and returns where it is.
func echoURL(t *testing.T) string {
	t.Helper()
	p := launch(t, "echo", "--listen", "127.0.0.1:0", "--compress")
	return regexp.MustCompile(`ws://[^ ]*/`).FindString(p.out.contains(t, "Press Ctrl-C"))
}

var quick = []string{"--duration", "300ms", "--warmup", "50ms"}

// Each kind of load against the program's own servers, as the examples in the
// help have it.
func TestBench(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("eight kinds of load take a third of a second each")
	}
	echo := echoURL(t)
	_, server := serve(t)
	channel := strings.Replace(server, "http", "ws", 1) + "/channels/bench"
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"echo":           {append([]string{"echo", echo, "-c", "5"}, quick...), []string{"text of 128 B, 1 in flight (closed loop)", "connections    5, opened in", "This server answers "}},
		"echo at rate":   {append([]string{"echo", echo, "-c", "5", "-r", "100", "--binary"}, quick...), []string{"binary of 128 B, 100 a second (open loop)", "behind its schedule"}},
		"echo deflated":  {append([]string{"echo", echo, "-c", "2", "--compress", "--size", "1000"}, quick...), []string{"compressed"}},
		"fanout":         {append([]string{"fanout", channel, "-c", "10", "-w", "8"}, quick...), []string{"deliveries     ", "This server delivers "}},
		"fanout wrapped": {append([]string{"fanout", channel + "2", "-c", "3", "--publish", `{"data":"{payload}"}`}, quick...), []string{"This server delivers "}},
		"sse":            {append([]string{"sse", server + "/channels/bench3", "-c", "10", "-w", "8", "--publishers", "2"}, quick...), []string{"streams        10, opened in", "deliveries     ", "publishing     answered in p50 ", ", on 2 connections\n", "This server delivers "}},
		"sse at rate":    {append([]string{"sse", server + "/channels/bench4", "-c", "5", "-r", "100", "--publish-body", `{"data":"{payload}"}`, "--publish-header", "Content-Type: application/json"}, quick...), []string{"100 a second (open loop)", "5 streams"}},
		"publish":        {append([]string{"publish", server + "/channels/bench5", "-c", "5", "-H", "Content-Type: application/octet-stream"}, quick...), []string{"one in flight on each connection (closed loop)", "requests       ", "This server takes "}},
		"publish, rate":  {append([]string{"publish", server + "/channels/bench6", "-c", "5", "-r", "100"}, quick...), []string{"100 a second (open loop)", " on 5 connections"}},
		"connections":    {[]string{"connections", channel, "-c", "20", "--hold", "200ms", "--metrics", server + "/metrics"}, []string{"This server holds 20 idle connections", "at the end 20 of them answered a ping"}},
		"handshakes":     {append([]string{"handshakes", echo, "-c", "4"}, quick...), []string{"4 at once (closed loop)", "0 failed", "This server opens "}},
		"storm":          {[]string{"storm", echo, "-c", "20", "--rounds", "1"}, []string{"round 1        half back after ", "After 20 clients were dropped at once, all were back within "}},
	} {
		r := do(t, "", append([]string{"bench"}, c.args...)...)
		if r.code != exitOK {
			t.Errorf("%s: %+v", name, r)
		}
		for _, want := range c.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s: %q is missing in\n%s%s", name, want, r.out, r.errOut)
			}
		}
	}
}

// The help of every kind of load is a golden file, too.
func TestBenchHelp(t *testing.T) {
	for _, c := range newBench().Commands() {
		r := do(t, "", "bench", c.Name(), "--help")
		if r.code != exitOK || r.errOut != "" {
			t.Errorf("%s: %+v", c.Name(), r)
		}
		golden.Compare(t, "testdata/help/bench-"+c.Name()+".txt", r.out)
	}
}

func TestBenchReports(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("load takes a third of a second")
	}
	dir := t.TempDir()
	page, document := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.json")
	r := do(t, "", append([]string{"bench", "echo", echoURL(t), "-c", "3", "--html", page, "--json", document}, quick...)...)
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	var report loadgen.Report
	text, err := os.ReadFile(document)
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if p := report.Producer; p == nil || p.Name != "godwit bench" || p.Version == "" || !strings.HasPrefix(p.Command, "godwit bench echo ws://127.0.0.1:") || !strings.Contains(p.Command, " --connections 3 ") {
		t.Errorf("%+v", p)
	}
	if err != nil || report.Kind != loadgen.KindEcho || report.Latency.Count == 0 || !strings.HasSuffix(r.out, "\n"+report.Verdict+"\n") {
		t.Errorf("%v, %+v", err, report)
	}
	// On standard output there is JSON and nothing else.
	if r := do(t, "", append([]string{"bench", "echo", echoURL(t), "-c", "3", "--json", "-"}, quick...)...); r.code != exitOK || json.Unmarshal([]byte(r.out), &report) != nil || report.Latency == nil {
		t.Errorf("%+v", r)
	}
	if text, err = os.ReadFile(page); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("%v, %d bytes", err, len(text))
	}
	// Without a terminal there is no line that changes.
	if !strings.Contains(r.errOut, "measuring · ") || strings.ContainsAny(r.errOut, "\r\x1b") {
		t.Errorf("progress is %q", r.errOut)
	}
}

// An interrupt ends the run and reports what was measured.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("load shows its progress once a second")
	}
	p := launch(t, "bench", "echo", echoURL(t), "-c", "2", "--duration", "1h", "--warmup", "0s")
	p.errOut.contains(t, "measuring · ")
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	p.out.contains(t, "The run was interrupted after ")

	// Before that there is nothing to report.
	p = launch(t, "bench", "echo", echoURL(t), "-c", "2", "--warmup", "1h")
	p.errOut.contains(t, "warming up · ")
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	p.errOut.contains(t, "godwit: interrupted before anything was measured\n")
}

// A search ends with the highest value that met the goal; without one it fails.
func TestBenchFind(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a search takes several runs")
	}
	echo := echoURL(t)
	short := []string{"--duration", "100ms", "--warmup", "0s", "--connections", "2", "--rate", "20", "--find", "rate"}
	r := do(t, "", append([]string{"bench", "echo", echo, "--p99", "1us"}, short...)...)
	if r.code != exitFailure || !strings.Contains(r.out, "\n20             no ") || !strings.Contains(r.out, "No value that was tried met the goal (p99 1 µs at most), down to 1 a second.") || !strings.HasSuffix(r.errOut, "godwit: the goal was not met\n") {
		t.Errorf("%+v", r)
	}
	p := launch(t, append([]string{"bench", "echo", echo, "--p99", "1h"}, short...)...)
	p.errOut.contains(t, "40 a second: measuring · ") // so 20 met the goal
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	p.out.contains(t, "The search was interrupted, so the limit may be higher.")
}

// A server that answers something else is measured, and is a failure.
func TestBenchWrongAnswers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("load takes a third of a second")
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			typ, _, err := conn.Read(context.Background())
			if err != nil || conn.Write(context.Background(), typ, []byte("no")) != nil {
				return
			}
		}
	}))
	defer s.Close()
	r := do(t, "", append([]string{"bench", "echo", s.URL, "-c", "1"}, quick...)...)
	if r.code != exitFailure || !strings.Contains(r.out, "× wrong answer\n") || !strings.Contains(r.errOut, "messages were not what they should have been\n") {
		t.Errorf("%+v", r)
	}
}

// Each mistake is one line on standard error, and an exit code.
func TestBenchMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"echo", 2, "an argument is missing; usage: godwit bench echo URL [flags]"},
		{"echo h:80", 2, `"h:80" is not a URL to load; write for example ws://127.0.0.1:9001/`},
		{"echo ws://127.0.0.1:1/", 1, "cannot connect: "},
		{"echo ws://h/ --connections 0", 2, "--connections: 0 is not above zero"},
		{"echo ws://h/ --rate -1", 2, "--rate: -1 is not above zero"},
		{"echo ws://h/ --duration 0s", 2, "--duration: 0s is not above zero"},
		{"echo ws://h/ --warmup -1s", 2, "--warmup: -1s is negative"},
		{"echo ws://h/ --window 5 --rate 5", 2, "--window and --rate exclude each other"},
		{"echo ws://h/ --size 99999999999", 2, "a size of 99999999999 bytes: it must be 1 to 67108864"},
		{"echo ws://h/ --rate many", 2, "--rate: "},
		{"echo ws://h/ --connections 16000000", 1, "run ulimit -n 16000040 first"},
		{"echo ws://h/ --from nowhere", 2, `--from: "nowhere" is not an address`},
		{"echo ws://h/ --header x", 2, `--header: "x" is not a header field`},
		{"echo ws://h/ --html /nowhere/x.html", 2, "--html: "},
		{"echo ws://h/ --html -", 2, "--html: a page is written to a file"},
		{"echo ws://h/ --pid 1 --metrics http://h/", 2, "exclude each other"},
		{"fanout ws://h/ --size 5", 2, "a publication must have 24 or more"},
		{"fanout ws://h/ --publish x", 2, "it must have {payload} once"},
		{"fanout ws://h/ --find connections", 2, "--find connections needs a --rate"},
		{"handshakes ws://h/ --find connections", 2, `--find: "connections" cannot be looked for`},
		{"echo ws://h/ --find limits", 2, `--find: "limits" cannot be looked for`},
		{"echo ws://h/ --p99 5ms", 2, "--p99 is the goal of --find, which is missing"},
		{"echo ws://h/ --find rate --p99 0s", 2, "--p99: 0s is not above zero"},
		{"echo ws://h/ --find rate --window 4", 2, "--window and --find exclude each other"},
		{"echo ws://127.0.0.1:1/ --find rate", 1, "cannot connect: "},
		{"sse ws://127.0.0.1:1/", 2, `"ws://127.0.0.1:1/" is the URL of a WebSocket; over HTTP it begins with http:// or https://`},
		{"sse http://127.0.0.1:1/", 1, "cannot open a stream: "},
		{"sse http://h/ --publishers 0", 2, "--publishers: 0 is not above zero"},
		{"sse http://h/ --publishers 1000", 2, "1000 publishers: there must be 1 to 256"},
		{"sse http://h/ --publish-url h", 2, `"h" is not a URL to load; write for example http://`},
		{"sse http://h/ --publish-body x", 2, "it must have {payload} once"},
		{"sse http://h/ --publish-header x", 2, `--publish-header: "x" is not a header field`},
		{"sse http://h/ --size 5", 2, "a publication must have 24 or more"},
		{"sse http://h/ --find connections", 2, "--find connections needs a --rate"},
		{"publish http://127.0.0.1:1/", 1, "cannot publish: "},
		{"publish http://h/ --window 5", 2, "there is no flag --window"},
		{"publish http://h/ --method P/T", 2, `invalid method "P/T"`},
		{"storm ws://h/ --find rate", 2, "--find"},
		{"storm ws://h/ --rate 5", 2, "--rate is for --server, which is missing"},
		{"storm http://h/ --server x --spread 5s", 2, "its clients come back as it tells them"},
		{"storm http://h/channels/x --server x --subprotocol godwit.v1", 2, "sessions are on WebSockets"},
		{"storm ws://h/connect --server x --subprotocol godwit.v1", 2, "is no channel, which sessions could subscribe to"},
		{"storm http://127.0.0.1:1/ --server false", 1, "the server has ended at once (exit status 1): it has said nothing"},
		{"storm ws://h/ --rounds 0", 2, "--rounds: 0 is not above zero"},
		{"ecko ws://h/", 2, `there is no workload "ecko"; did you mean echo? there are connections, echo, fanout, handshakes, publish, sse, storm`},
		{"bogus", 2, `there is no workload "bogus"; there are connections, `},
		{"idle --help", 2, `there is no workload "idle"; there are connections, `},
		{"ws://127.0.0.1:9001/ --rate 5", 2, `there is no workload "ws://127.0.0.1:9001/"; there are `},
		{"--rate=5 ws://h/", 2, "--rate=5 comes before the workload; write for example godwit bench "},
	} {
		r := do(t, "", append([]string{"bench"}, strings.Fields(c.args)...)...)
		line, rest, _ := strings.Cut(r.errOut, "\n")
		if r.code != c.code || r.out != "" || rest != "" || !strings.HasPrefix(line, "godwit: ") || !strings.Contains(line, c.want) {
			t.Errorf("godwit bench %s\n got %d %q %q\nwant %d %q", c.args, r.code, r.out, r.errOut, c.code, c.want)
		}
	}
}

// A URL that cannot be used, and one where none belongs, is not quoted with its
// password or token.
func TestMistakesHideSecrets(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"bench echo ftp://joe:s3cret@h/",
		"bench echo ws://joe:s3cret@h:port/",
		"bench echo ws://h/%zz?token=s3cret",
		"bench echo ws://joe:s3cret@h/ --metrics h:80?token=s3cret",
		"bench echo ws://joe:s3cret@h/ --metrics http://joe:s3cret@h:port/",
		"bench echo ws://joe:s3cret@127.0.0.1:1/?token=s3cret",
		"bench echo ws://h/ ws://joe:s3cret@h/",
		"bench ws://joe:s3cret@h/",
		"bench fanout ws://joe:s3cret@h:port/ --publish {payload}",
		"bench sse ws://joe:s3cret@h/",
		"bench sse http://joe:s3cret@h:port/",
		"bench sse http://h/ --publish-url http://joe:s3cret@h:port/",
		"bench publish http://joe:s3cret@127.0.0.1:1/?token=s3cret",
		"bench publish http://h/ --rate http://joe:s3cret@h/",
		"ws://joe:s3cret@h/",
		"dial ws://joe:s3cret@h:port/",
		"inspect ws://joe:s3cret@h:port/",
		"conform server ws://joe:s3cret@h:port/",
		"pub chat hello --server http://joe:s3cret@h:port/",
		"sub chat --server http://joe:s3cret@h:port/",
	} {
		r := do(t, "", strings.Fields(args)...)
		if r.code == exitOK || r.errOut == "" || strings.Contains(r.out+r.errOut, "s3cret") {
			t.Errorf("godwit %s: %d, %q, %q", args, r.code, r.out, r.errOut)
		}
	}
}

// The line of a terminal fits into it, with everything there is to say.
func TestBenchLine(t *testing.T) {
	t.Parallel()
	sample := &loadgen.Sample{PerSecond: 85_120, P99: 2.1, Resident: 57 << 20, Cores: 0.98, Errors: 3}
	for want, p := range map[string]loadgen.Progress{
		"measuring · 12s of 30s · 85,120/s · p99 2.10 ms · server 0.98 cores 57 MiB · 3 errors": {Phase: "measuring", Elapsed: 12 * time.Second, Total: 30 * time.Second, Sample: sample},
		"opening connections 640 of 12,000 · 1.2s":                                              {Phase: "opening connections", Done: 640, Of: 12_000, Elapsed: 1234 * time.Millisecond},
		"calm": {Phase: "calm"},
	} {
		if got := benchLine(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A command line in a report can be typed again, and has no secrets in it.
func TestBenchCommandLine(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"echo ws://h/?a=b -c 5 --binary --pid 1 --pid 2", "godwit bench echo 'ws://h/?a=b' --connections 5 --binary --pid 1 --pid 2"},
		{"echo ws://h/ --compress=false --subprotocol a,b", "godwit bench echo ws://h/ --compress=false --subprotocol a --subprotocol b"},
		{"sse http://h/c --publish-body it's{payload} --find rate", `godwit bench sse http://h/c --publish-body 'it'\''s{payload}' --find rate`},
		{"sse http://joe:s3cret@h/c?access_token=s3cret&x=1 -H Authorization:s3cret -H X-Api-Key:s3cret --publish-header Cookie:s3cret -H X-A:b --publish-url http://joe:s3cret@h/",
			"godwit bench sse 'http://joe:...@h/c?access_token=...&x=1' --header 'Authorization: ...' --header 'X-Api-Key: ...' --header X-A:b --publish-header 'Cookie: ...' --publish-url http://joe:...@h/"},
	} {
		var got string
		root := newRoot()
		bench, _, err := root.Find([]string{"bench", strings.Fields(c.args)[0]})
		if err != nil {
			t.Fatal(err)
		}
		bench.RunE = func(cmd *cobra.Command, args []string) error { got = commandLine(cmd, args); return nil }
		root.SetArgs(append([]string{"bench"}, strings.Fields(c.args)...))
		if err := root.Execute(); err != nil || got != c.want {
			t.Errorf("%s\n got %s, %v\nwant %s", c.args, got, err, c.want)
		}
	}
}
