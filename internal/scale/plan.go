package scale

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Load is what a plan is for.
type Load struct {
	Connections float64 `json:"connections"`
	Rate        float64 `json:"rate"`   // publications a second, in all
	Fanout      float64 `json:"fanout"` // connections that each publication is given to, on average
	Size        float64 `json:"size"`   // bytes of a payload
	Broker      string  `json:"broker"`
}

// Machine is what a node and a member of the broker may use. The zero value of a field means
// its default.
type Machine struct {
	Cores       int     `json:"cores"`        // of a node. Default 4
	Memory      float64 `json:"memory"`       // of a node, bytes. Default 8 GiB
	Network     float64 `json:"network"`      // of a node, bytes a second. Default 1.25e9, 10 Gbit/s
	BrokerCores int     `json:"broker_cores"` // of a member of the broker. Default 4
	Use         float64 `json:"use"`          // the share of each that is to be used. Default 0.6
}

// Defaults of Machine.
const (
	DefaultCores       = 4
	DefaultMemory      = 8 << 30
	DefaultNetwork     = 1.25e9
	DefaultBrokerCores = 4
	DefaultUse         = 0.6
)

// Plan is what a load takes.
type Plan struct {
	Load       Load    `json:"load"`
	Machine    Machine `json:"machine"`
	Deliveries float64 `json:"deliveries"` // a second

	Nodes int `json:"nodes"` // 0: no number of them is enough

	// Needs are what the nodes have to have, the need of the most nodes first.
	Needs []Need `json:"needs"`

	// Hearing is how many nodes hear a publication, on average.
	Hearing float64 `json:"hearing"`

	// BrokerCores is the CPU that the broker uses, all its members together, and Parts into how
	// many parts it has to be divided; 1 is all in one, 0 no number is enough.
	BrokerCores float64 `json:"broker_cores"`
	Parts       int     `json:"parts"`
	Members     int     `json:"members"` // servers of the broker in all
	Part        string  `json:"part,omitempty"`

	// Limit says in a sentence what runs out first.
	Limit string `json:"limit"`

	// Cost is the CPU of a delivery at this load, and of a publication on the node that accepts it,
	// in microseconds.
	DeliveryMicros float64 `json:"delivery_us"`
	PublishMicros  float64 `json:"publish_us"`
}

// Need is how much is needed of one resource of the nodes.
type Need struct {
	Resource string  `json:"resource"` // CPU, memory, network
	Total    float64 `json:"total"`    // of all nodes: processors, bytes, bytes a second
	Each     float64 `json:"each"`     // what each node has of it to use
	Nodes    int     `json:"nodes"`    // how many would do for it alone; 0: no number
}

// NodesMax is the largest number of nodes that is thought about.
const NodesMax = 100_000

// LoadError says what is wrong with a load or a machine.
type LoadError struct{ Text string }

func (e *LoadError) Error() string { return "scale: " + e.Text }

// Make computes what a load takes. It returns a *LoadError or a *FiguresError.
func Make(l Load, m Machine, f *Figures) (*Plan, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	m, err := m.withDefaults()
	if err != nil {
		return nil, err
	}
	b, is := f.Brokers[l.Broker]
	if !is {
		return nil, &LoadError{fmt.Sprintf("there are no figures of a broker %q; there are some of %s", l.Broker, strings.Join(slices.Sorted(maps.Keys(f.Brokers)), ", "))}
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	p := &Plan{Load: l, Machine: m, Deliveries: l.Rate * l.Fanout, Part: b.Part, PublishMicros: f.PublishMicros + b.NodePublishMicros}
	p.DeliveryMicros = f.deliveryMicros(p.Deliveries / max(l.Connections, 1))
	most := NodesMax
	if b.NodesMax > 0 {
		most = b.NodesMax
	}
	for n := 1; n <= most; n = max(n+1, p.atLeast()) {
		p.Hearing = hearing(float64(n), l.Fanout)
		p.Needs = p.needs(f, &b)
		if p.atLeast() <= n && !p.isHopeless() {
			p.Nodes = n
			break
		}
		if p.isHopeless() {
			break
		}
	}
	p.divide(&b)
	p.Limit = p.limit(&b)
	return p, nil
}

func (m Machine) withDefaults() (Machine, error) {
	for _, one := range []struct {
		name string
		v    float64
	}{{"cores", float64(m.Cores)}, {"memory", m.Memory}, {"network", m.Network}, {"cores of the broker", float64(m.BrokerCores)}, {"share to use", m.Use}} {
		if !(one.v >= 0 && one.v < 1e18) {
			return m, &LoadError{fmt.Sprintf("%s: %v must not be negative", one.name, one.v)}
		}
	}
	if m.Use > 1 {
		return m, &LoadError{fmt.Sprintf("share to use: %v is more than all", m.Use)}
	}
	if m.Cores == 0 {
		m.Cores = DefaultCores
	}
	if m.Memory == 0 {
		m.Memory = DefaultMemory
	}
	if m.Network == 0 {
		m.Network = DefaultNetwork
	}
	if m.BrokerCores == 0 {
		m.BrokerCores = DefaultBrokerCores
	}
	if m.Use == 0 {
		m.Use = DefaultUse
	}
	return m, nil
}

func (l *Load) check() error {
	for _, one := range []struct {
		name string
		v    float64
	}{{"connections", l.Connections}, {"rate", l.Rate}, {"fanout", l.Fanout}, {"size", l.Size}} {
		if !(one.v >= 0 && one.v <= 1e12) {
			return &LoadError{fmt.Sprintf("%s: %v is not between 0 and 10¹²", one.name, one.v)}
		}
	}
	if l.Fanout > l.Connections {
		return &LoadError{fmt.Sprintf("fanout: a publication cannot be given to %v of %v connections", l.Fanout, l.Connections)}
	}
	return nil
}

// hearing is how many of n nodes have at least one of the subscribers of a channel, if these
// are spread over the nodes by chance.
func hearing(n, subscribers float64) float64 {
	return n * (1 - math.Pow(1-1/n, subscribers))
}

// needs computes what all nodes need together when Hearing of them hear each publication.
func (p *Plan) needs(f *Figures, b *Broker) []Need {
	l, m := &p.Load, &p.Machine
	cores := (p.Deliveries*p.DeliveryMicros + l.Rate*p.PublishMicros + l.Rate*p.Hearing*b.NodeHearMicros) / 1e6
	out := p.Deliveries*(l.Size+f.WireBytes) + l.Rate*p.Hearing*(l.Size+f.WireBytes)
	needs := []Need{
		{Resource: "CPU", Total: cores, Each: float64(m.Cores) * m.Use},
		{Resource: "memory", Total: l.Connections * f.ConnectionBytes, Each: m.Memory * m.Use},
		{Resource: "network", Total: out, Each: m.Network * m.Use},
	}
	for i := range needs {
		n := &needs[i]
		if nodes := math.Ceil(n.Total/n.Each - 1e-9); nodes <= NodesMax {
			n.Nodes = max(int(nodes), 1)
		}
	}
	slices.SortStableFunc(needs, func(a, b Need) int {
		switch x, y := a.Total/a.Each, b.Total/b.Each; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return needs
}

// atLeast is how many nodes the present needs take.
func (p *Plan) atLeast() (n int) {
	for _, need := range p.Needs {
		n = max(n, need.Nodes)
	}
	return n
}

func (p *Plan) isHopeless() bool {
	return slices.ContainsFunc(p.Needs, func(n Need) bool { return n.Nodes == 0 })
}

// divide computes what the broker needs.
func (p *Plan) divide(b *Broker) {
	p.BrokerCores = p.Load.Rate * (b.PublishMicros + p.Hearing*b.HearMicros) / 1e6
	if p.BrokerCores == 0 {
		return
	}
	threads := float64(p.Machine.BrokerCores)
	if b.Threads > 0 {
		threads = min(threads, float64(b.Threads))
	}
	members := max(b.Members, 1)
	busiest := 1 / float64(members)
	if b.Busiest > 0 {
		busiest = b.Busiest
	}
	parts := math.Ceil(p.BrokerCores*busiest/(threads*p.Machine.Use) - 1e-9)
	p.Parts = max(int(min(parts, NodesMax)), 1)
	p.Members = p.Parts * members
	if b.Part == "" && p.Parts > 1 {
		p.Parts, p.Members = 0, 0
	}
}

// limit says what runs out first.
func (p *Plan) limit(b *Broker) string {
	first := p.Needs[0]
	switch {
	case p.Nodes == 0 && b.NodesMax == 1:
		return fmt.Sprintf("one node is all that a broker in the process has, and %s of %d nodes would be needed: nats or redis connect several", first.Resource, first.Nodes)
	case p.Nodes == 0:
		return fmt.Sprintf("no number of such nodes is enough: every node hears nearly every publication, and their %s runs out with that", first.Resource)
	case p.Parts == 0 && p.BrokerCores > 0:
		return fmt.Sprintf("the CPU of the broker: it would need %.1f processors and cannot be divided", p.BrokerCores)
	case p.Parts > 1:
		return fmt.Sprintf("%s of the nodes, and the CPU of the broker, which has to be divided into %d %s", first.Resource, p.Parts, b.Part)
	case p.Nodes == 1 && first.Total/first.Each < 0.5:
		return fmt.Sprintf("nothing: one node has room for twice as much; %s would run out first", first.Resource)
	}
	return first.Resource + " of the nodes"
}
