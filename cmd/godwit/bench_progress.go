package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/godwit-io/godwit/loadgen"
)

// benchProgress shows how far a run is: on a terminal in one line that changes,
// elsewhere a line now and then.
type benchProgress struct {
	w        io.Writer
	terminal bool
	last     time.Time
	phase    string
}

func newBenchProgress(w io.Writer) *benchProgress {
	return &benchProgress{w: w, terminal: isTerminal(w)}
}

func (p *benchProgress) show(now loadgen.Progress) {
	pause := 5 * time.Second
	if p.terminal {
		pause = 100 * time.Millisecond
	}
	if now.Phase == p.phase && time.Since(p.last) < pause {
		return
	}
	p.phase, p.last = now.Phase, time.Now()
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", benchLine(now))
		return
	}
	fmt.Fprintln(p.w, benchLine(now))
}

// benchLine fits into 80 columns in nearly every case.
func benchLine(p loadgen.Progress) string {
	parts := []string{p.Phase}
	if p.Of > 0 {
		parts[0] += fmt.Sprintf(" %s of %s", loadgen.Count(float64(p.Done)), loadgen.Count(float64(p.Of)))
	}
	seconds := func(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
	switch {
	case p.Total > 0:
		parts = append(parts, seconds(p.Elapsed)+" of "+seconds(p.Total))
	case p.Elapsed > 0:
		parts = append(parts, seconds(p.Elapsed))
	}
	if s := p.Sample; s != nil {
		if s.PerSecond > 0 {
			parts = append(parts, loadgen.Count(s.PerSecond)+"/s")
		}
		if s.P99 > 0 {
			parts = append(parts, "p99 "+s.P99.String())
		}
		if s.Resident > 0 {
			parts = append(parts, fmt.Sprintf("server %.2f cores %s", s.Cores, loadgen.Bytes(float64(s.Resident))))
		}
		if s.Errors > 0 {
			parts = append(parts, loadgen.Count(float64(s.Errors))+" errors")
		}
	}
	return strings.Join(parts, " · ")
}

// clear removes the line that show left on a terminal.
func (p *benchProgress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
