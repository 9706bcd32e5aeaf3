package scale

import (
	"fmt"
	"math"
	"strings"
)

// AppendText appends the plan for people to read.
func (p *Plan) AppendText(dst []byte, f *Figures) []byte {
	l, m := &p.Load, &p.Machine
	say := func(format string, args ...any) { dst = fmt.Appendf(dst, format+"\n", args...) }
	say("%s connections; %s publications a second of %s bytes, each given to %s: %s deliveries a second",
		number(l.Connections), number(l.Rate), number(l.Size), number(l.Fanout), number(p.Deliveries))
	say("")
	nodes := fmt.Sprintf("%s, of", number(float64(p.Nodes)))
	if p.Nodes == 0 {
		nodes = "no number is enough, of"
	}
	say("nodes   %s %d processors, %s and %s, used to %.0f %%", nodes, m.Cores, bytesOf(m.Memory), bitsOf(m.Network), 100*m.Use)
	switch {
	case p.BrokerCores == 0:
		say("broker  %s: none of its own", l.Broker)
	case p.Parts == 0:
		say("broker  %s: it would use %s processors, and cannot be divided", l.Broker, number(p.BrokerCores))
	case p.Part == "" || p.Parts == 1:
		say("broker  %s: %s, which use %s processors in all", l.Broker, plural(p.Members, "server"), number(p.BrokerCores))
	default:
		say("broker  %s: %d %s, %s in all, which use %s processors", l.Broker, p.Parts, p.Part, plural(p.Members, "server"), number(p.BrokerCores))
	}
	say("limit   %s", p.Limit)
	say("")
	say("%-9s %-20s %-20s %s", "", "in all", "of a node to use", "nodes for it alone")
	for _, n := range p.Needs {
		shown := func(v float64) string {
			switch n.Resource {
			case "memory":
				return bytesOf(v)
			case "network":
				return bitsOf(v)
			}
			return number(v) + " processors"
		}
		alone := number(float64(n.Nodes))
		if n.Nodes == 0 {
			alone = "no number is enough"
		}
		say("%-9s %-20s %-20s %s", n.Resource, shown(n.Total), shown(n.Each), alone)
	}
	say("")
	say("A delivery takes %.3g µs of a node's CPU where a connection gets %s a second, and a publication %.3g µs.",
		p.DeliveryMicros, number(p.Deliveries/max(l.Connections, 1)), p.PublishMicros)
	if p.Nodes > 1 {
		say("A publication is heard by %s of %s nodes.", number(p.Hearing), number(float64(p.Nodes)))
	}
	for _, from := range f.From {
		say("Measured: %s.", from)
	}
	return dst
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// number is v with three digits that count, and commas between thousands.
func number(v float64) string {
	if v < 100 {
		text := fmt.Sprintf("%.3g", v)
		if v != 0 && v < 0.001 {
			text = fmt.Sprintf("%.1e", v)
		}
		return text
	}
	digits := fmt.Sprintf("%.0f", math.Round(v))
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func bytesOf(v float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if v < 1024 {
			return fmt.Sprintf("%.3g %s", v, unit)
		}
		v /= 1024
	}
	return number(v) + " TiB"
}

func bitsOf(v float64) string {
	v *= 8
	for _, unit := range []string{"bit/s", "kbit/s", "Mbit/s", "Gbit/s"} {
		if v < 1000 {
			return fmt.Sprintf("%.3g %s", v, unit)
		}
		v /= 1000
	}
	return number(v) + " Tbit/s"
}
