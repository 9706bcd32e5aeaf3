package inspect

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// PrintOptions say how Print writes. The zero value writes plain text.
type PrintOptions struct {
	Color bool // with the escape sequences of terminals
	Raw   bool // with the frames and their bytes
	Width int  // columns to wrap at; default 100
}

// Print writes r for a person: the summary, what was found, worst first, and then
// step by step what happened.
func Print(w io.Writer, r *Report, o PrintOptions) error {
	if o.Width < 0 {
		return fmt.Errorf("inspect: option Width: %d is negative; 0 is the default", o.Width)
	}
	if o.Width == 0 {
		o.Width = 100
	}
	p := &printer{options: o}
	p.summary(r)
	p.findings(r)
	for i, x := range r.Exchanges {
		p.exchange(x, i, len(r.Exchanges))
	}
	p.session(r.Session)
	p.probes(r.Probes)
	_, err := io.WriteString(w, p.b.String())
	return err
}

type printer struct {
	b       strings.Builder
	options PrintOptions
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

var gradeColors = [...]string{OK: green, Note: cyan, Warning: yellow, Error: red}

func (p *printer) paint(color, s string) string {
	if !p.options.Color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (p *printer) summary(r *Report) {
	p.b.WriteString(r.URL + "\n\n")
	color := green
	if !r.Works {
		color = red
	} else if r.Count(Warning) > 0 {
		color = yellow
	}
	for _, line := range wrap(r.Summary, p.options.Width) {
		p.b.WriteString(p.paint(bold+";"+color, line) + "\n")
	}
}

// gradeWidth is the column that the text of findings begins in.
const gradeWidth = len("  warning  ")

func (p *printer) findings(r *Report) {
	for _, g := range []Grade{Error, Warning, Note, OK} {
		first := true
		for i := range r.Findings {
			f := &r.Findings[i]
			if f.Grade != g {
				continue
			}
			if first || g > OK {
				p.b.WriteByte('\n')
				first = false
			}
			p.finding(f)
		}
	}
}

func (p *printer) finding(f *Finding) {
	grade := fmt.Sprintf("  %-*s", gradeWidth-2, f.Grade)
	p.b.WriteString(p.paint(gradeColors[f.Grade], grade))
	indent := strings.Repeat(" ", gradeWidth)
	width := p.options.Width - gradeWidth
	if f.Grade > OK {
		p.b.WriteString(p.paint(bold, catalogue[f.ID].Says) + p.paint(dim, "  ["+f.ID+"]") + "\n" + indent)
	}
	p.b.WriteString(strings.Join(wrap(f.Means, width), "\n"+indent) + "\n")
	if f.Do != "" {
		p.b.WriteString(indent + strings.Join(wrap("→ "+f.Do, width), "\n"+indent+"  ") + "\n")
	}
	if f.Example != "" {
		p.b.WriteString("\n")
		for line := range strings.SplitSeq(f.Example, "\n") {
			p.b.WriteString(indent + "    " + line + "\n")
		}
	}
}

// labelWidth is the column that the text of a step begins in.
const labelWidth = len("Response  ")

// step begins a step.
func (p *printer) step(name, format string, args ...any) {
	p.b.WriteString(p.paint(bold, fmt.Sprintf("%-*s", labelWidth, name)))
	p.b.WriteString(fmt.Sprintf(format, args...) + "\n")
}

// line goes on with a step.
func (p *printer) line(format string, args ...any) {
	p.b.WriteString(strings.Repeat(" ", labelWidth) + fmt.Sprintf(format, args...) + "\n")
}

func (p *printer) exchange(x *Exchange, i, n int) {
	p.b.WriteByte('\n')
	if n > 1 {
		p.b.WriteString(p.paint(bold, fmt.Sprintf("%d. %s", i+1, x.URL)) + "\n")
	}
	if x.Proxy != "" {
		p.step("Proxy", "%s", x.Proxy)
	}
	if d := x.DNS; d != nil {
		p.step("DNS", "%s: %s (%s)", d.Name, none(strings.Join(d.Addresses, ", ")), show(d.Took))
	}
	for i, d := range x.TCP {
		text := d.Address + ": "
		switch {
		case d.Error != "":
			text += d.Error
		case d.Used:
			text += "connected"
		default:
			text += "connected, not used"
		}
		label := "TCP"
		if i > 0 {
			label = ""
		}
		p.step(label, "%s (%s)", text, show(d.Took))
	}
	if t := x.TLS; t != nil {
		p.tls(t)
	}
	if x.Request != nil {
		p.step("Request", "%s", x.Request.Lines[0])
		for _, line := range x.Request.Lines[1:] {
			p.line("%s", line)
		}
	}
	if x.Response != nil {
		p.response(x.Response)
	}
	if x.Error != "" {
		p.step("Failed", "%s", x.Error)
	}
}

func none(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (p *printer) tls(t *TLS) {
	alpn := "no ALPN"
	if t.ALPN != "" {
		alpn = "ALPN " + t.ALPN
	}
	p.step("TLS", "%s, %s, %s (%s)", t.Version, t.Cipher, alpn, show(t.Took))
	const day = "2006-01-02"
	for i, c := range t.Chain {
		p.line("%d  %s", i, c.Subject)
		if len(c.Names) > 0 {
			p.line("   for %s", strings.Join(c.Names, ", "))
		}
		p.line("   by %s", c.Issuer)
		p.line("   %s, from %s to %s", c.Key, c.NotBefore.Format(day), c.NotAfter.Format(day))
	}
	if !t.Trusted {
		p.line("%s", p.paint(red, "not trusted"))
	}
}

func (p *printer) response(r *Response) {
	p.step("Response", "%s  %s", r.Lines[0], p.paint(dim, "("+show(r.Took)+")"))
	for _, line := range r.Lines[1:] {
		p.line("%s", line)
	}
	label := "Means"
	for _, f := range r.Fields {
		indent := strings.Repeat(" ", labelWidth) + "  "
		p.step(label, "%s: %s", f.Name, f.Value)
		p.b.WriteString(indent + strings.Join(wrap(f.Meaning, p.options.Width-len(indent)), "\n"+indent) + "\n")
		label = ""
	}
	if r.Body != "" {
		label = "Body"
		for line := range strings.SplitSeq(r.Body, "\n") {
			p.step(label, "%s", line)
			label = ""
		}
	}
}

func (p *printer) session(s *Session) {
	if s == nil {
		return
	}
	p.b.WriteByte('\n')
	if s.Subprotocol != "" {
		p.step("Protocol", "%s", s.Subprotocol)
	}
	if c := s.Compression; c != nil {
		p.step("Deflate", "server: window %s%s; client: window %s%s", window(c.ServerMaxWindowBits), takeover(c.ServerNoContextTakeover),
			window(c.ClientMaxWindowBits), takeover(c.ClientNoContextTakeover))
	}
	u := &s.Unprompted
	p.step("Listened", "%s: %s of %d bytes (%d on the wire), %s", show(u.Listened), count(u.Messages, "message"), u.Bytes, u.WireBytes, count(u.Pings, "ping"))
	if g := &s.Pings; g.Sent > 0 {
		p.step("Pings", "%d sent, %d answered", g.Sent, g.Answered)
		if g.Answered > 0 {
			p.line("min %s, median %s, p90 %s, max %s", show(g.Min), show(g.Median), show(g.P90), show(g.Max))
		}
	}
	if m := s.Sample; m != nil {
		back := "no echo"
		if m.Echoed {
			back = fmt.Sprintf("%d bytes back (%s)", m.EchoBytes, show(m.Took))
		}
		p.step("Sample", "%d bytes, sent as %d; %s", m.Bytes, m.SentBytes, back)
	}
	p.step("Close", "%s", describeClose(&s.Close))
	if !p.options.Raw {
		return
	}
	label := "Frames"
	for _, f := range s.Frames {
		arrow := "<"
		if f.From == "inspect" {
			arrow = ">"
		}
		p.step(label, "%8s %s %s", show(f.At), arrow, f.Frame)
		p.line("%10s %s  %s", "", f.Header, f.Payload)
		label = ""
	}
}

func takeover(none bool) string {
	if none {
		return ", each message on its own"
	}
	return ""
}

func describeClose(c *Closed) string {
	tcp := map[string]string{"closed": "; TCP ended after " + show(c.End), "reset": "; TCP was reset after " + show(c.End), "open": "; TCP stayed open"}[c.TCP]
	code := fmt.Sprint(c.Code)
	if c.Reason != "" {
		code += " " + quote(c.Reason)
	}
	switch {
	case c.By == "server":
		return "by the server, " + code + tcp
	case c.Code == 1006 && c.Sent == 0:
		return "without a close frame"
	case c.Code == 1006:
		return fmt.Sprintf("%d sent, not answered%s", c.Sent, tcp)
	}
	return fmt.Sprintf("%d sent, answered by %s in %s%s", c.Sent, code, show(c.Reply), tcp)
}

func (p *printer) probes(probes []Probe) {
	if len(probes) == 0 {
		return
	}
	p.b.WriteByte('\n')
	label := "Probes"
	for _, q := range probes {
		p.step(label, "%s: %s %s", q.Change, q.Outcome, p.paint(dim, "("+show(q.Took.Round(time.Microsecond))+")"))
		label = ""
	}
}

// wrap breaks text into lines of at most width columns, where it has spaces.
func wrap(text string, width int) []string {
	var lines []string
	line, columns := "", 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		if line != "" && columns+1+n > width {
			lines = append(lines, line)
			line, columns = "", 0
		}
		if line != "" {
			line += " "
			columns++
		}
		line += word
		columns += n
	}
	return append(lines, line)
}
