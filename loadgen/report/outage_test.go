package report_test

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/loadgen/report"
)

// outage is a storm whose server was killed twice.
func outage() *loadgen.Report {
	return &loadgen.Report{
		Kind: loadgen.KindStorm, URL: "http://127.0.0.1:8000/channels/bench", Started: time.Date(2026, 11, 30, 9, 30, 0, 0, time.UTC), Seconds: 53.1,
		Verdict: "After the server of 19,000 clients was killed, all were back within 20.2 s in each of 2 rounds, 140 ms of them without a server; 1,061 in the largest second, with at most 0.31 cores. Nothing was lost.",
		Limit:   loadgen.LimitUnknown, Load: loadgen.Load{Connections: 19_000, Rate: 2},
		Connections: loadgen.Population{Wanted: 19_000, Opened: 19_000, AtEnd: 18_998, Seconds: 4.1},
		Latency:     latency(10_400),
		Server:      &loadgen.Server{From: "/proc", Local: true, CPUSeconds: 5.2, Cores: 0.1, CoresMax: 2, ResidentBefore: 20 << 20, ResidentEnd: 60 << 20, ResidentMax: 61 << 20},
		Own:         loadgen.Generator{CPUSeconds: 9, Share: 0.11, Processors: 2},
		Rounds: []loadgen.Round{
			{Dropped: 19_000, Back: 19_000, HalfBack: 10_500, MostBack: 19_800, AllBack: 20_200, Attempts: 19_200, MeanOpened: 940, Down: 140, MostBackAt: 1061, MostTried: 1080, SentAway: 120, PeakCores: 0.31},
			{Dropped: 19_000, Back: 18_998, HalfBack: 10_400, MostBack: 19_900, Attempts: 19_020, MeanOpened: 930, Down: 133, MostBackAt: 1049, MostTried: 1049, PeakCores: 0.28},
		},
		Feed: &loadgen.Feed{Published: 104, Unanswered: 2, Deliveries: 1_960_000, Announced: 15_998, Lost: 1, Repeated: 2},
	}
}

func TestStormOfServer(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *loadgen.Report) error{"storm-server.txt": report.Text, "storm-server.json": report.JSON} {
		var b bytes.Buffer
		r := outage()
		r.Latency.Curve = r.Latency.Curve[:3]
		if err := write(&b, r); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata", name), b.String())
	}
	var b strings.Builder
	if err := report.HTML(&b, outage()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"largest second 1,061 back, 1,080 attempts; 120 sent away; at most 0.31 cores", "missing and announced 15,998, lost 1, repeated 2"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
}
