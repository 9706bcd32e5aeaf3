package loadgen

import (
	"fmt"
	"strconv"
	"strings"
)

// judge writes the verdict of r from its figures.
func judge(r *Report) {
	r.Limit = limit(r)
	if r.Interrupted && r.Seconds == 0 {
		r.Verdict = "The run was interrupted before anything was measured."
		return
	}
	var b strings.Builder
	switch r.Kind {
	case KindEcho:
		judgeEcho(&b, r)
	case KindFanout, KindSSE:
		judgeFanout(&b, r)
	case KindConnections:
		judgeConnections(&b, r)
	case KindPublish:
		judgePublish(&b, r)
	case KindHandshakes:
		judgeHandshakes(&b, r)
	case KindStorm:
		judgeStorm(&b, r)
	}
	judgeErrors(&b, r)
	r.Verdict = b.String()
}

// wanted is how many messages a second an open loop asks for.
func wanted(r *Report) float64 {
	if r.Kind.hasSubscribers() {
		return r.Load.Rate * float64(r.Connections.Opened)
	}
	return r.Load.Rate
}

// hasKeptRate reports whether a constant rate was kept.
func hasKeptRate(r *Report) bool {
	return r.Messages != nil && r.Messages.PerSecond >= keptUp*wanted(r)
}

func judgeEcho(b *strings.Builder, r *Report) {
	m, load := r.Messages, r.Load
	if m == nil || r.Latency == nil {
		if m != nil && m.Received > 0 {
			b.WriteString("No answer was right.")
		} else {
			b.WriteString("No message was answered.")
		}
		return
	}
	what := fmt.Sprintf("%s messages of %s a second on %s", Count(load.Rate), bytesOf(load.Size), plural(r.Connections.Opened, "connection"))
	switch {
	case load.Rate == 0:
		fmt.Fprintf(b, "This server answers %s messages of %s a second on %s with p99 %s", Count(m.PerSecond), bytesOf(load.Size), plural(r.Connections.Opened, "connection"), r.Latency.P99)
	case hasKeptRate(r):
		fmt.Fprintf(b, "This server keeps up with %s with p99 %s", what, r.Latency.P99)
	default:
		fmt.Fprintf(b, "This server does not keep up with %s: it answers %s, and messages wait up to %s", what, Count(m.PerSecond), r.Latency.Max)
	}
	b.WriteString(because(r, r.Limit))
	judgeLateness(b, r)
}

func judgeFanout(b *strings.Builder, r *Report) {
	m, n, who := r.Messages, r.Connections.Opened, r.Kind.unit()
	if m == nil || r.Latency == nil || n == 0 {
		b.WriteString("No publication was delivered.")
		return
	}
	each := m.PerSecond / float64(n)
	switch {
	case r.Load.Rate == 0:
		fmt.Fprintf(b, "This server delivers %s messages a second: %s of %s to %s, with p99 %s", Count(m.PerSecond), Count(each), bytesOf(r.Load.Size), plural(n, who), r.Latency.P99)
	case hasKeptRate(r):
		fmt.Fprintf(b, "This server holds %s at %s messages of %s a second, %s deliveries in all, with p99 %s", plural(n, who), Count(r.Load.Rate), bytesOf(r.Load.Size), Count(m.PerSecond), r.Latency.P99)
	default:
		fmt.Fprintf(b, "This server does not hold %s at %s messages a second: each gets %s, and deliveries are up to %s late", plural(n, who), Count(r.Load.Rate), Count(each), r.Latency.Max)
	}
	b.WriteString(because(r, r.Limit))
	judgeLateness(b, r)
}

func judgePublish(b *strings.Builder, r *Report) {
	m, load, n := r.Messages, r.Load, plural(r.Connections.Opened, "connection")
	if m == nil || r.Latency == nil {
		b.WriteString("No request was taken.")
		return
	}
	switch {
	case load.Rate == 0:
		fmt.Fprintf(b, "This server takes %s requests with %s a second on %s with p99 %s", Count(m.PerSecond), bytesOf(load.Size), n, r.Latency.P99)
	case hasKeptRate(r):
		fmt.Fprintf(b, "This server keeps up with %s requests with %s a second on %s with p99 %s", Count(load.Rate), bytesOf(load.Size), n, r.Latency.P99)
	default:
		fmt.Fprintf(b, "This server does not keep up with %s requests with %s a second on %s: it takes %s, and they wait up to %s", Count(load.Rate), bytesOf(load.Size), n, Count(m.PerSecond), r.Latency.Max)
	}
	b.WriteString(because(r, r.Limit))
	judgeLateness(b, r)
}

func judgeConnections(b *strings.Builder, r *Report) {
	c := r.Connections
	if r.Limit == LimitRefused {
		fmt.Fprintf(b, "This server took %s of %s", Count(float64(c.Opened)), plural(c.Wanted, "connection"))
	} else if r.Limit == LimitLost {
		fmt.Fprintf(b, "Of %s this server kept %s", plural(c.Opened, "idle connection"), Count(float64(c.AtEnd)))
	} else {
		fmt.Fprintf(b, "This server holds %s", plural(c.AtEnd, "idle connection"))
	}
	if s := r.Server; s != nil && s.PerConnection > 0 {
		fmt.Fprintf(b, " with %s of memory for each", bytesOf(int(s.PerConnection)))
	}
	if r.Latency != nil {
		fmt.Fprintf(b, "; at the end %s of them answered a ping", Count(float64(r.Latency.Count)))
	}
	b.WriteByte('.')
	judgeMemory(b, r)
}

// judgeMemory says why it is not known what memory a connection costs.
func judgeMemory(b *strings.Builder, r *Report) {
	switch s := r.Server; {
	case s == nil:
		b.WriteString(" What memory they cost is not known without the server's process ID or its metrics.")
	case s.MemoryUnknown != "":
		fmt.Fprintf(b, " What memory they cost cannot be said: %s.", s.MemoryUnknown)
	}
}

func judgeHandshakes(b *strings.Builder, r *Report) {
	if r.Messages == nil || r.Latency == nil {
		b.WriteString("No connection was opened.")
		return
	}
	switch {
	case r.Load.Rate == 0:
		fmt.Fprintf(b, "This server opens %s connections a second, %s at once, with p99 %s", Count(r.Messages.PerSecond), Count(float64(r.Load.Connections)), r.Latency.P99)
	case hasKeptRate(r):
		fmt.Fprintf(b, "This server keeps up with %s new connections a second with p99 %s", Count(r.Load.Rate), r.Latency.P99)
	default:
		fmt.Fprintf(b, "This server does not keep up with %s new connections a second: it opens %s, and clients wait up to %s", Count(r.Load.Rate), Count(r.Messages.PerSecond), r.Latency.Max)
	}
	b.WriteString(because(r, r.Limit))
	judgeLateness(b, r)
}

func judgeStorm(b *strings.Builder, r *Report) {
	worst, lost := Millis(0), 0
	for _, round := range r.Rounds {
		worst = max(worst, round.AllBack)
		lost = max(lost, r.Connections.Opened-round.Back)
	}
	spread := ""
	if r.Load.SpreadSeconds > 0 {
		spread = fmt.Sprintf(", coming back over %s", Millis(1000*r.Load.SpreadSeconds))
	}
	each := ""
	if n := len(r.Rounds); n > 1 {
		each = fmt.Sprintf(" in each of %d rounds", n)
	}
	if r.Feed != nil && !r.Interrupted {
		judgeOutage(b, r, worst, lost, each)
		return
	}
	switch {
	case r.Interrupted:
		fmt.Fprintf(b, "The storm of %s was cut short", plural(r.Connections.Opened, "client"))
	case lost > 0:
		fmt.Fprintf(b, "Of %s that were dropped at once%s, up to %s did not come back in time", plural(r.Connections.Opened, "client"), spread, Count(float64(lost)))
	default:
		fmt.Fprintf(b, "After %s were dropped at once%s, all were back within %s%s", plural(r.Connections.Opened, "client"), spread, worst, each)
	}
	if r.Opening != nil {
		fmt.Fprintf(b, "; a handshake took %s (p99)", r.Opening.P99)
	}
	switch r.Limit {
	case LimitServer, LimitGenerator, LimitMachine, LimitOthers:
		b.WriteString(because(r, r.Limit))
	default:
		b.WriteByte('.')
	}
}

// judgeOutage is judgeStorm for a server that was killed.
func judgeOutage(b *strings.Builder, r *Report, worst Millis, lost int, each string) {
	n := plural(r.Connections.Opened, "client")
	if lost > 0 {
		fmt.Fprintf(b, "Of %s whose server was killed%s, up to %s did not come back in time", n, each, Count(float64(lost)))
	} else {
		fmt.Fprintf(b, "After the server of %s was killed, all were back within %s%s", n, worst, each)
	}
	most, peak, down := 0, 0.0, Millis(0)
	for _, round := range r.Rounds {
		most, peak, down = max(most, round.MostBackAt), max(peak, round.PeakCores), max(down, round.Down)
	}
	fmt.Fprintf(b, ", %s of them without a server", down)
	fmt.Fprintf(b, "; %s in the largest second", Count(float64(most)))
	if r.Server != nil {
		fmt.Fprintf(b, ", with at most %s", cores(peak))
	}
	f := r.Feed
	switch {
	case f.Lost > 0 || f.Repeated > 0:
		fmt.Fprintf(b, ". Of what the server had taken, %s were lost without a word and %s came twice.", Count(float64(f.Lost)), Count(float64(f.Repeated)))
	case f.Announced > 0:
		fmt.Fprintf(b, ". Nothing was lost without a word: what is missing, %s in all, was announced.", plural(int(f.Announced), "publication"))
	default:
		b.WriteString(". Nothing was lost.")
	}
}

// judgeLateness says when latencies are those of the generator.
func judgeLateness(b *strings.Builder, r *Report) {
	if l := r.Own.Lateness; l != nil && r.Latency != nil && l.P99 >= lateMin && l.P99 >= r.Latency.P99/2 {
		fmt.Fprintf(b, " The generator was late itself (p99 %s), so the server's latency is lower than this.", l.P99)
	}
}

// judgeErrors says that there were errors.
func judgeErrors(b *strings.Builder, r *Report) {
	var total int64
	for _, e := range r.Errors {
		total += e.Count
	}
	switch {
	case total == 1:
		fmt.Fprintf(b, " One error: %s.", r.Errors[0].Kind)
	case total > 1 && len(r.Errors) == 1:
		fmt.Fprintf(b, " %s errors: %s.", Count(float64(total)), r.Errors[0].Kind)
	case total > 1:
		fmt.Fprintf(b, " %s errors, most of them: %s.", Count(float64(total)), r.Errors[0].Kind)
	}
	if r.Interrupted && r.Kind != KindStorm {
		fmt.Fprintf(b, " The run was interrupted after %s.", Millis(1000*r.Seconds))
	}
}

// Count is a number as people write it: 12,000, or with a decimal if it is small.
func Count(v float64) string {
	if v < 0 {
		return "-" + Count(-v)
	}
	if v < 100 && v != float64(int64(v)) {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Bytes is a number of bytes as people write it.
func Bytes(v float64) string {
	switch {
	case v < 0:
		return "-" + Bytes(-v)
	case v < 1024:
		return fmt.Sprintf("%.0f B", v)
	case v < 10*1024:
		return fmt.Sprintf("%.1f KiB", v/1024)
	case v < 1<<20:
		return fmt.Sprintf("%.0f KiB", v/1024)
	case v < 10<<20:
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	case v < 10<<30:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", v/(1<<30))
}

func bytesOf(n int) string {
	if n >= 0 && n < 10_000 {
		return plural(n, "byte")
	}
	return Bytes(float64(n))
}

func cores(v float64) string {
	if v > 0.995 && v < 1.005 {
		return "1.00 core"
	}
	return fmt.Sprintf("%.2f cores", v)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Count(float64(n)) + " " + what + "s"
}
