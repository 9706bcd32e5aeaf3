package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/loadgen/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hostile = `<script>alert("x")</script> & ` + "\x1b[2J" + ` ]]> -->`

// latency is a distribution with a long tail: ms at the median, twenty times that
// at the end.
func latency(ms float64) *loadgen.Latency {
	l := &loadgen.Latency{Count: 600_000, Min: loadgen.Millis(ms / 5), Mean: loadgen.Millis(ms * 1.1)}
	at := func(percentile float64) loadgen.Millis {
		return loadgen.Millis(ms * (0.2 + 0.8*math.Pow(-math.Log2(1-percentile/100), 1.15)))
	}
	l.P50, l.P75, l.P90, l.P99, l.P999, l.P9999, l.Max = at(50), at(75), at(90), at(99), at(99.9), at(99.99), at(99.9999)
	for rest := 1.0; rest*float64(l.Count) >= 1; rest *= 0.87 {
		l.Curve = append(l.Curve, loadgen.Point{Percentile: 100 * (1 - rest), Latency: at(100 * (1 - rest))})
	}
	l.Curve = append(l.Curve, loadgen.Point{Percentile: 100, Latency: l.Max})
	return l
}

// sample is a fan-out with everything that a report can have.
func sample() *loadgen.Report {
	r := &loadgen.Report{
		Kind: loadgen.KindFanout, URL: "ws://127.0.0.1:8000/channels/bench", Started: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC), Seconds: 60,
		Verdict:     "This server holds 12,000 subscribers at 50 messages of 128 bytes a second, 600,000 deliveries in all, with p99 17.8 ms. 12 errors: connection lost: closed by the server with 1001 going away.",
		Limit:       loadgen.LimitLoad,
		Producer:    &loadgen.Producer{Name: "godwit bench", Version: "v1.2.3", Platform: "go1.26.0 linux/amd64", Command: "godwit bench fanout ws://127.0.0.1:8000/channels/bench --connections 12000"},
		Notes:       []string{"The server declined compression, so nothing was compressed."},
		Load:        loadgen.Load{Connections: 12_000, Size: 128, Type: "text", Rate: 50, WarmupSeconds: 2},
		Connections: loadgen.Population{Wanted: 12_000, Opened: 12_000, AtEnd: 11_988, Seconds: 3.2},
		Messages:    &loadgen.Messages{Sent: 3000, Received: 36_000_000, PerSecond: 600_000, Bytes: 76_800_000},
		Latency:     latency(4), Opening: latency(0.6),
		Errors: []loadgen.ErrorCount{{Kind: "connection lost: closed by the server with 1001 going away", Count: 12, Example: hostile}},
		Server: &loadgen.Server{From: "/proc", CPUSeconds: 47, Cores: 0.78, CoresMax: 2, CPUPerItem: 1.31, ResidentBefore: 18 << 20, ResidentEnd: 110 << 20, ResidentMax: 120 << 20},
		Own:    loadgen.Generator{CPUSeconds: 50, Share: 0.41, Processors: 2, Others: 0.05, Lateness: latency(0.05)},
	}
	for i := range 80 {
		wave := math.Sin(float64(i) / 6)
		r.Samples = append(r.Samples, loadgen.Sample{
			At: float64(i+1) * 0.75, PerSecond: 600_000 + 9000*wave, P50: loadgen.Millis(4 + wave), P99: loadgen.Millis(16 + 3*wave), Connections: 12_000,
			Cores: 0.78 + 0.05*wave, Resident: 100<<20 + int64(float64(i)*200_000), OwnShare: 0.41,
		})
	}
	return r
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := report.Text(&b, sample()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"fanout         ws://127.0.0.1:8000/channels/bench\n",
		"load           text of 128 B, 50 a second (open loop), measured for 60.0 s, after 2.00 s to warm up\n",
		"connections    12,000 of 12,000 opened in 3.20 s, 11,988 at the end\n",
		"deliveries     600,000 a second, 73 MiB of payload\n",
		"latency        p50 4.00 ms, ",
		"server CPU     0.78 of 2 cores, 1.31 µs for each delivery\n",
		"server memory  18 MiB before, 110 MiB at the end, 120 MiB at most\n",
		"generator      41 % of its CPU (GOMAXPROCS=2); behind its schedule p50 50 µs",
		"made by        godwit bench v1.2.3, go1.26.0 linux/amd64\n",
		"with           godwit bench fanout ws://127.0.0.1:8000/channels/bench --connections 12000\n",
		"others         5 % of this machine was used by other programs\n",
		"      12 × connection lost: closed by the server with 1001 going away\n",
		"\nThe server declined compression, so nothing was compressed.\nThis server holds 12,000 subscribers",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("an escape sequence of the server reaches the terminal")
	}
}

func TestTextOfKinds(t *testing.T) {
	storm := &loadgen.Report{
		Kind: loadgen.KindStorm, URL: "ws://x/" + hostile, Own: loadgen.Generator{Share: -1, Others: -1}, Load: loadgen.Load{SpreadSeconds: 10, Subprotocol: "chat", Compressed: true, Ramp: 500},
		Connections: loadgen.Population{Wanted: 10, Opened: 10, AtEnd: 10, Seconds: 1},
		Rounds:      []loadgen.Round{{Dropped: 10, Back: 10, HalfBack: 5, MostBack: 9, AllBack: 10, Attempts: 12}, {Dropped: 10, Back: 6, HalfBack: 5, Attempts: 6}},
		Latency:     latency(2),
	}
	connections := &loadgen.Report{
		Kind: loadgen.KindConnections, URL: "ws://x/", Own: loadgen.Generator{Share: -1, Others: -1}, Connections: loadgen.Population{Wanted: 10, Opened: 10, AtEnd: 10, Seconds: 1},
		Latency: latency(2), Server: &loadgen.Server{Cores: 0.01, PerConnection: 7110.4},
	}
	handshakes := &loadgen.Report{
		Kind: loadgen.KindHandshakes, URL: "ws://x/", Own: loadgen.Generator{Share: -1, Others: -1}, Load: loadgen.Load{Connections: 100}, Connections: loadgen.Population{Wanted: 1010, Opened: 1000},
		Messages: &loadgen.Messages{PerSecond: 500}, Server: &loadgen.Server{Cores: 0.5, CPUPerItem: 40},
	}
	closed := &loadgen.Report{Kind: loadgen.KindEcho, URL: "ws://x/", Own: loadgen.Generator{Share: -1, Others: -1}, Load: loadgen.Load{Size: 16384, Type: "binary", Window: 8}, Messages: &loadgen.Messages{PerSecond: 0.5}}
	for _, c := range []struct {
		r    *loadgen.Report
		want []string
	}{
		{storm, []string{`"ws://x/<script>`, "coming back over 10.0 s", "compressed", `subprotocol "chat"`, "500 new connections a second",
			"round 1        half back after 5.00 ms, 99 % after 9.00 ms, all after 10.0 ms; 2 attempts failed\n", "round 2        half back after 5.00 ms, 99 % after never, all after never\n", "time away      p50 "}},
		{connections, []string{"; 7,110 bytes for each connection\n", "ping           p50 "}},
		{handshakes, []string{"handshakes     1,010, 10 failed\n", "opened         500 a second\n", "100 at once (closed loop)", "0.50 cores, 40.00 µs for each handshake\n"}},
		{closed, []string{"binary of 16 KiB, 8 in flight (closed loop)", "answers        0.5 a second\n"}},
	} {
		var b strings.Builder
		if err := report.Text(&b, c.r); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: %q is missing in\n%s", c.r.Kind, want, b.String())
			}
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s: an escape sequence reaches the terminal", c.r.Kind)
		}
		if err := report.HTML(io.Discard, c.r); err != nil {
			t.Errorf("%s: %v", c.r.Kind, err)
		}
	}
}

// searched is what a search for the most subscribers found.
func searched() *loadgen.Report {
	r := sample()
	closed := &loadgen.ClosedLoop{PerSecond: 61.3, P99: 21}
	r.Search = &loadgen.Search{Closed: closed, Find: loadgen.FindConnections, P99: 20, Found: 12_000, Missed: 13_000, Why: "p99 34.1 ms"}
	for _, v := range []float64{6400, 12_800, 20_000, 12_000, 13_000, 13_000} {
		t := loadgen.Step{Value: v, PerSecond: 50 * v, P50: loadgen.Millis(v / 3000), P99: loadgen.Millis(v / 700)}
		if v == 20_000 {
			t.P50, t.P99, t.Missed = 0, 0, "nothing arrived "+hostile
		} else if v > 12_800 {
			t.Missed = "p99 " + t.P99.String()
		}
		r.Search.Steps = append(r.Search.Steps, t)
	}
	return r
}

func TestSearch(t *testing.T) {
	var b strings.Builder
	if err := report.Text(&b, searched()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nsubscribers    met   p50        p99        a second\n6,400          yes   2.13 ms    9.14 ms    320,000\n12,000         yes   4.00 ms    17.1 ms    600,000\n",
		"\nclosed loop    61.3 a second with p99 21.0 ms, one in flight\n",
		"\n13,000         no    4.33 ms    18.6 ms    650,000    p99 18.6 ms\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("an escape sequence reaches the terminal")
	}
	b.Reset()
	if err := report.HTML(&b, searched()); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{"<h2>The limit</h2>", "<h2>Tried</h2>", ">99.999<", "<td>12,000</td><td>17.1 ms</td><td>met</td>", `<td class="missed">nothing arrived &lt;script`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if bad := regexp.MustCompile(`NaN|Inf|ZgotmplZ|%!`).FindString(page); bad != "" || strings.Contains(page, "<script") {
		t.Errorf("%q is on the page, or a script", bad)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Suite string
		loadgen.Report
	}
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	want := sample()
	if d.Suite != "godwit bench" || d.Kind != want.Kind || d.Verdict != want.Verdict || *d.Messages != *want.Messages || *d.Server != *want.Server ||
		d.Latency.P99 != want.Latency.P99 || len(d.Latency.Curve) != len(want.Latency.Curve) || len(d.Samples) != 80 || d.Samples[3] != want.Samples[3] || d.Errors[0] != want.Errors[0] {
		t.Errorf("%+v came back as %+v", want, d.Report)
	}
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := report.HTML(&b, sample()); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if strings.Contains(page, "<script") {
		t.Error("text of the server became part of the page")
	}
	if at := regexp.MustCompile(`(?i)(src|href)\s*=|@import|url\(`).FindString(page); at != "" {
		t.Errorf("the page needs something from elsewhere: %q", at)
	}
	if n := strings.Count(page, "<svg"); n != 6 {
		t.Errorf("%d charts, want latency, opening, deliveries, latency over time, CPU and memory", n)
	}
	if bad := regexp.MustCompile(`NaN|Inf|ZgotmplZ|%!`).FindString(page); bad != "" {
		t.Errorf("%s is on the page", bad)
	}
	for _, want := range []string{">99.999<", "120 MiB", "600,000 <small>/s</small>", "Latency counts from when a message was due"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// TestWriteErrors wants every form to report that it could not be written.
func TestWriteErrors(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *loadgen.Report) error{"text": report.Text, "json": report.JSON, "html": report.HTML} {
		if err := write(full{}, sample()); !errors.Is(err, errFull) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
