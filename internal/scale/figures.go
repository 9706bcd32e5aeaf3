package scale

import (
	"fmt"
	"maps"
	"slices"
	"sort"
)

// Figures are what things cost. CPU is in microseconds of one processor, memory in bytes.
type Figures struct {
	// From says where they were measured, a line for each that is not a default.
	From []string `json:"from"`

	// ConnectionBytes is the memory of a node for one connection that is subscribed and
	// idle.
	ConnectionBytes float64 `json:"connection_bytes"`

	// Deliveries are what giving a publication to one subscriber costs, at so many a second for each
	// connection, in ascending order: the more often a connection is written to, the more goes into
	// one write. Between two of them it is a straight line.
	Deliveries []Delivery `json:"deliveries"`

	// PublishMicros is what accepting a publication costs a node that keeps it in memory,
	// with its request.
	PublishMicros float64 `json:"publish_us"`

	// WireBytes is what a delivery has on the wire besides its payload: the envelope and the
	// headers of WebSocket, TCP, IP and Ethernet.
	WireBytes float64 `json:"wire_bytes"`

	// Brokers are the figures of each kind of broker.
	Brokers map[string]Broker `json:"brokers"`
}

// Delivery is the cost of one at a rate.
type Delivery struct {
	PerSecond float64 `json:"per_second"` // for each connection
	Micros    float64 `json:"us"`
}

// Broker is what a kind of broker costs.
type Broker struct {
	// NodesMax is how many nodes may use it, 0 for any number.
	NodesMax int `json:"nodes_max,omitempty"`

	// NodePublishMicros is what publishing costs a node more than PublishMicros, and
	// NodeHearMicros what each publication costs a node that hears it from the broker.
	NodePublishMicros float64 `json:"node_publish_us"`
	NodeHearMicros    float64 `json:"node_hear_us"`

	// PublishMicros is what a publication costs the broker, all its members together, and
	// HearMicros what it costs it for each node that hears it.
	PublishMicros float64 `json:"publish_us"`
	HearMicros    float64 `json:"hear_us"`

	// Busiest is the share of that which falls to the busiest member. 0: evenly.
	Busiest float64 `json:"busiest,omitempty"`

	// Members is how many servers keep the same data, and Threads how many processors a
	// member can use: 1 for Redis. 0: all that its machine has.
	Members int `json:"members,omitempty"`
	Threads int `json:"threads,omitempty"`

	// Part is what the broker is divided into when one is not enough: masters, streams. Empty:
	// it cannot be divided.
	Part string `json:"part,omitempty"`
}

// FiguresError says what is wrong with figures.
type FiguresError struct{ Text string }

func (e *FiguresError) Error() string { return "scale: " + e.Text }

// Check returns a *FiguresError if a figure cannot be.
func (f *Figures) Check() error {
	fault := func(format string, args ...any) error { return &FiguresError{fmt.Sprintf(format, args...)} }
	positive := func(name string, v float64) error {
		if !(v > 0 && v < 1e15) {
			return fault("%s is %v; it has to be more than 0", name, v)
		}
		return nil
	}
	for _, one := range []struct {
		name string
		v    float64
	}{{"connection_bytes", f.ConnectionBytes}, {"publish_us", f.PublishMicros}, {"wire_bytes", f.WireBytes}} {
		if err := positive(one.name, one.v); err != nil {
			return err
		}
	}
	if len(f.Deliveries) == 0 {
		return fault("deliveries is empty")
	}
	for i, d := range f.Deliveries {
		if err := positive("per_second of a delivery", d.PerSecond); err != nil {
			return err
		}
		if err := positive("us of a delivery", d.Micros); err != nil {
			return err
		}
		if i > 0 && d.PerSecond <= f.Deliveries[i-1].PerSecond {
			return fault("deliveries do not ascend: %v stands behind %v", d.PerSecond, f.Deliveries[i-1].PerSecond)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Brokers)) {
		b := f.Brokers[name]
		for _, v := range []float64{b.NodePublishMicros, b.NodeHearMicros, b.PublishMicros, b.HearMicros, b.Busiest, float64(b.NodesMax), float64(b.Members), float64(b.Threads)} {
			if !(v >= 0 && v < 1e15) {
				return fault("a figure of the broker %q is %v; it must not be negative", name, v)
			}
		}
	}
	return nil
}

// deliveryMicros is the cost of a delivery when each connection has so many a second.
func (f *Figures) deliveryMicros(perSecond float64) float64 {
	d := f.Deliveries
	i := sort.Search(len(d), func(i int) bool { return d[i].PerSecond >= perSecond })
	switch i {
	case 0:
		return d[0].Micros
	case len(d):
		return d[len(d)-1].Micros
	}
	low, high := d[i-1], d[i]
	part := (perSecond - low.PerSecond) / (high.PerSecond - low.PerSecond)
	return low.Micros + part*(high.Micros-low.Micros)
}
