package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/loadgen"
)

// row is one line of a summary: a name and its figures.
type row struct{ Name, Value string }

// rows are the figures of r, the same in every form.
func rows(r *loadgen.Report) []row {
	var list []row
	add := func(name, format string, args ...any) {
		list = append(list, row{name, fmt.Sprintf(format, args...)})
	}
	add("load", "%s", load(r))
	c := r.Connections
	switch {
	case r.Kind == loadgen.KindHandshakes:
		add("handshakes", "%s, %s failed", loadgen.Count(float64(c.Wanted)), loadgen.Count(float64(c.Wanted-c.Opened)))
	case c.Opened == c.Wanted && c.AtEnd == c.Opened:
		add(population(r.Kind), "%s, opened in %s", loadgen.Count(float64(c.Opened)), loadgen.Millis(1000*c.Seconds))
	default:
		add(population(r.Kind), "%s of %s opened in %s, %s at the end", loadgen.Count(float64(c.Opened)), loadgen.Count(float64(c.Wanted)), loadgen.Millis(1000*c.Seconds), loadgen.Count(float64(c.AtEnd)))
	}
	if m := r.Messages; m != nil {
		text := loadgen.Count(m.PerSecond) + " a second"
		if m.Bytes > 0 {
			text += ", " + loadgen.Bytes(m.Bytes) + " of payload"
		}
		add(received(r.Kind), "%s", text)
	}
	for i, round := range r.Rounds {
		add(fmt.Sprintf("round %d", i+1), "%s", describeRound(round))
		if r.Feed != nil {
			add("", "%s", describeOutage(r, round))
		}
	}
	if f := r.Feed; f != nil {
		add("published", "%s, and %s of which the server did not say so", loadgen.Count(float64(f.Published)), loadgen.Count(float64(f.Unanswered)))
		add("delivered", "%s; missing and announced %s, lost %s, repeated %s", loadgen.Count(float64(f.Deliveries)), loadgen.Count(float64(f.Announced)), loadgen.Count(float64(f.Lost)), loadgen.Count(float64(f.Repeated)))
	}
	if l := r.Latency; l != nil {
		add(latencyName(r.Kind), "%s", quantiles(l))
	}
	if l := r.Opening; l != nil {
		add("opening one", "%s", quantiles(l))
	}
	if p := r.Publishing; p != nil && p.Latency != nil {
		text := fmt.Sprintf("answered in p50 %s, p99 %s, max %s; under way %.0f %% of the time", p.Latency.P50, p.Latency.P99, p.Latency.Max, 100*p.Busy)
		if p.Connections > 1 {
			text += fmt.Sprintf(", on %d connections", p.Connections)
		}
		add("publishing", "%s", text)
	}
	if s := r.Slow; s != nil {
		text := fmt.Sprintf("%s at %s a second; %s publications, %s left out; %s have the newest",
			loadgen.Count(float64(s.Peers)), loadgen.Bytes(float64(s.BytesPerSecond)), loadgen.Count(float64(s.Received)), loadgen.Count(float64(s.LeftOut)), loadgen.Count(float64(s.Newest)))
		if s.Ended > 0 {
			text += fmt.Sprintf(", %s were disconnected", loadgen.Count(float64(s.Ended)))
		}
		add("slow peers", "%s", text)
	}
	if s := r.Server; s != nil {
		text := fmt.Sprintf("%.2f cores", s.Cores)
		if s.CoresMax > 0 {
			text = fmt.Sprintf("%.2f of %d cores", s.Cores, s.CoresMax)
		}
		if s.CPUPerItem > 0 {
			text += fmt.Sprintf(", %.2f µs for each %s", s.CPUPerItem, item(r.Kind))
		}
		add("server CPU", "%s", text)
		text = fmt.Sprintf("%s before, %s at the end, %s at most", loadgen.Bytes(float64(s.ResidentBefore)), loadgen.Bytes(float64(s.ResidentEnd)), loadgen.Bytes(float64(s.ResidentMax)))
		if s.PerConnection > 0 {
			text += fmt.Sprintf("; %s bytes for each %s", loadgen.Count(float64(int64(s.PerConnection))), strings.TrimSuffix(population(r.Kind), "s"))
		}
		add("server memory", "%s", text)
	}
	if r.Own.Share >= 0 {
		text := fmt.Sprintf("%.0f %% of its CPU (GOMAXPROCS=%d)", 100*r.Own.Share, r.Own.Processors)
		if l := r.Own.Lateness; l != nil {
			text += fmt.Sprintf("; behind its schedule p50 %s, p99 %s, at most %s", l.P50, l.P99, l.Max)
		}
		add("generator", "%s", text)
		if r.Own.Others >= 0.02 {
			add("others", "%.0f %% of this machine was used by other programs", 100*r.Own.Others)
		}
	}
	if r.Search != nil && r.Search.Closed != nil {
		add("closed loop", "%s a second with p99 %s, one in flight", loadgen.Count(r.Search.Closed.PerSecond), r.Search.Closed.P99)
	}
	if p := r.Producer; p != nil {
		add("made by", "%s %s, %s", p.Name, p.Version, p.Platform)
		add("with", "%s", plain(p.Command))
	}
	return list
}

// population is what the connections are called.
func population(k loadgen.Kind) string {
	if k == loadgen.KindSSE {
		return "streams"
	}
	return "connections"
}

// load says what was asked for.
func load(r *loadgen.Report) string {
	l := r.Load
	var parts []string
	if l.Size > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s", l.Type, loadgen.Bytes(float64(l.Size))))
	}
	switch {
	case r.Feed != nil:
		parts = append(parts, loadgen.Count(l.Rate)+" published a second, the server killed while everybody is connected")
	case l.Rate > 0:
		parts = append(parts, loadgen.Count(l.Rate)+" a second (open loop)")
	case r.Kind == loadgen.KindPublish:
		parts = append(parts, "one in flight on each connection (closed loop)")
	case l.Window > 0:
		parts = append(parts, fmt.Sprintf("%s in flight (closed loop)", loadgen.Count(float64(l.Window))))
	case r.Kind == loadgen.KindHandshakes:
		parts = append(parts, loadgen.Count(float64(l.Connections))+" at once (closed loop)")
	}
	if l.Ramp > 0 {
		parts = append(parts, loadgen.Count(l.Ramp)+" new connections a second")
	}
	if l.SpreadSeconds > 0 {
		parts = append(parts, "coming back over "+loadgen.Millis(1000*l.SpreadSeconds).String())
	}
	if l.Compressed {
		parts = append(parts, "compressed")
	}
	if l.Subprotocol != "" {
		parts = append(parts, fmt.Sprintf("subprotocol %.60q", l.Subprotocol))
	}
	parts = append(parts, "measured for "+loadgen.Millis(1000*r.Seconds).String())
	if l.WarmupSeconds > 0 {
		parts = append(parts, "after "+loadgen.Millis(1000*l.WarmupSeconds).String()+" to warm up")
	}
	return strings.Join(parts, ", ")
}

func received(k loadgen.Kind) string {
	switch k {
	case loadgen.KindFanout, loadgen.KindSSE:
		return "deliveries"
	case loadgen.KindPublish:
		return "requests"
	case loadgen.KindHandshakes:
		return "opened"
	}
	return "answers"
}

func item(k loadgen.Kind) string {
	switch k {
	case loadgen.KindFanout, loadgen.KindSSE:
		return "delivery"
	case loadgen.KindPublish:
		return "request"
	case loadgen.KindHandshakes:
		return "handshake"
	}
	return "message"
}

func latencyName(k loadgen.Kind) string {
	switch k {
	case loadgen.KindConnections:
		return "ping"
	case loadgen.KindStorm:
		return "time away"
	}
	return "latency"
}

func quantiles(l *loadgen.Latency) string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", l.P50, l.P90, l.P99, l.P999, l.Max)
}

func describeRound(r loadgen.Round) string {
	at := func(m loadgen.Millis) string {
		if m == 0 {
			return "never"
		}
		return m.String()
	}
	text := fmt.Sprintf("half back after %s, 99 %% after %s, all after %s", at(r.HalfBack), at(r.MostBack), at(r.AllBack))
	if failed := r.Attempts - int64(r.Back); failed > 0 {
		text += fmt.Sprintf("; %s attempts failed", loadgen.Count(float64(failed)))
	}
	return text
}

// describeOutage is the rest of a round in which the server was killed.
func describeOutage(r *loadgen.Report, round loadgen.Round) string {
	text := fmt.Sprintf("away for %s; largest second %s back, %s attempts; %s sent away", round.Down,
		loadgen.Count(float64(round.MostBackAt)), loadgen.Count(float64(round.MostTried)), loadgen.Count(float64(round.SentAway)))
	if r.Server != nil {
		text += fmt.Sprintf("; at most %.2f cores", round.PeakCores)
	}
	return text
}

// searched names the values that a search tried.
func searched(k loadgen.Kind, s *loadgen.Search) string {
	switch {
	case s.Find == loadgen.FindRate:
		return "rate"
	case k == loadgen.KindFanout:
		return "subscribers"
	case k == loadgen.KindSSE:
		return "streams"
	}
	return "connections"
}

// met says whether a value met the goal.
func met(t loadgen.Step) string {
	if t.Missed == "" {
		return "yes"
	}
	return "no"
}

// Text writes a summary for a terminal: the figures, what went wrong, and the
// verdict.
func Text(w io.Writer, r *loadgen.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %s\n", r.Kind, plain(r.URL))
	for _, row := range rows(r) {
		fmt.Fprintf(&b, "%-14s %s\n", row.Name, row.Value)
	}
	if s := r.Search; s != nil {
		fmt.Fprintf(&b, "\n%-14s met   p50        p99        a second\n", searched(r.Kind, s))
		for _, t := range s.SortedSteps() {
			line := fmt.Sprintf("%-14s %-5s %-10s %-10s %-10s %s", loadgen.Count(t.Value), met(t), t.P50, t.P99, loadgen.Count(t.PerSecond), plain(t.Missed))
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	if len(r.Errors) > 0 {
		b.WriteString("\n")
		for _, e := range r.Errors {
			fmt.Fprintf(&b, "%8s × %s\n           for example: %s\n", loadgen.Count(float64(e.Count)), plain(e.Kind), plain(e.Example))
		}
	}
	b.WriteString("\n")
	for _, note := range r.Notes {
		b.WriteString(note + "\n")
	}
	b.WriteString(r.Verdict + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// plain is text of a peer as it may be shown on a terminal: quoted if there is
// anything in it that is not plain.
func plain(s string) string {
	quoted := strconv.Quote(s)
	if inner := quoted[1 : len(quoted)-1]; strings.ReplaceAll(inner, `\"`, `"`) != s {
		return quoted
	}
	return s
}
