package loadgen

import (
	"fmt"
	"time"
)

// Kind is a kind of load.
type Kind string

const (
	KindEcho        Kind = "echo"
	KindFanout      Kind = "fanout"
	KindConnections Kind = "connections"
	KindHandshakes  Kind = "handshakes"
	KindStorm       Kind = "storm"
	KindSSE         Kind = "sse"
	KindPublish     Kind = "publish"
)

// hasPayloads reports whether its messages have a content of a chosen size.
func (k Kind) hasPayloads() bool {
	return k == KindEcho || k == KindFanout || k == KindSSE || k == KindPublish
}

// hasMessages reports whether something is sent again and again, with a rate or
// as fast as it goes.
func (k Kind) hasMessages() bool { return k.hasPayloads() || k == KindHandshakes }

// hasWindow reports whether how many messages are in flight can be chosen.
func (k Kind) hasWindow() bool { return k.hasPayloads() && k != KindPublish }

// hasSubscribers reports whether what one sends goes to many.
func (k Kind) hasSubscribers() bool { return k == KindFanout || k == KindSSE }

// unit is what a connection of the kind is called.
func (k Kind) unit() string {
	switch k {
	case KindFanout:
		return "subscriber"
	case KindSSE:
		return "stream"
	}
	return "connection"
}

// Millis is a time in milliseconds.
type Millis float64

func (m Millis) String() string {
	switch { // each bound is what would be rounded up to it
	case m >= 9_995:
		return fmt.Sprintf("%.1f s", m/1000)
	case m >= 999.5:
		return fmt.Sprintf("%.2f s", m/1000)
	case m >= 99.95:
		return fmt.Sprintf("%.0f ms", float64(m))
	case m >= 9.995:
		return fmt.Sprintf("%.1f ms", float64(m))
	case m >= 0.9995:
		return fmt.Sprintf("%.2f ms", float64(m))
	}
	return fmt.Sprintf("%.0f µs", 1000*float64(m))
}

// Report is what was measured. Its JSON form only ever gains fields. Pointers
// are nil when there is nothing to say.
type Report struct {
	Kind        Kind      `json:"kind"`
	URL         string    `json:"url"`
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"` // that were measured
	Interrupted bool      `json:"interrupted,omitempty"`
	Verdict     string    `json:"verdict"`
	Limit       Limit     `json:"limit"`
	Notes       []string  `json:"notes,omitempty"` // what a reader of the figures should know

	// Producer is set by the caller of this package.
	Producer *Producer `json:"producer,omitempty"`

	Load        Load       `json:"load"`
	Connections Population `json:"connections"`

	// Messages are those of Echo (answers) and of Fanout (deliveries). For
	// Handshakes they are the handshakes.
	Messages *Messages `json:"messages,omitempty"`

	// Latency is that of the answers, deliveries or handshakes that were measured;
	// for Connections of the pings at the end, and for Storm how long clients were
	// away.
	Latency *Latency `json:"latency,omitempty"`

	// Opening is how long the connections took to open: each from its own dial, or
	// with a ramp from when it was due, to the end of its handshake. Failed attempts
	// are not in it.
	Opening *Latency `json:"opening,omitempty"`

	// Slow are the subscribers that read slowly, of Fanout.
	Slow *SlowPeers `json:"slow,omitempty"`

	// Publishing is what became of the requests that published, of SSE.
	Publishing *Publishing `json:"publishing,omitempty"`

	Errors  []ErrorCount `json:"errors,omitempty"`
	Server  *Server      `json:"server,omitempty"`
	Own     Generator    `json:"generator"`
	Rounds  []Round      `json:"rounds,omitempty"` // of Storm
	Feed    *Feed        `json:"feed,omitempty"`   // of Storm with a server that was killed
	Samples []Sample     `json:"samples,omitempty"`
	Search  *Search      `json:"search,omitempty"` // of Find
}

// Producer says which program made a report.
type Producer struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Platform string `json:"platform,omitempty"`
	Command  string `json:"command"` // as it can be typed again, without secrets
}

// Load is what was asked for.
type Load struct {
	Connections   int     `json:"connections"`
	Size          int     `json:"size,omitempty"` // payload bytes
	Type          string  `json:"type,omitempty"` // text or binary
	Window        int     `json:"window,omitempty"`
	Rate          float64 `json:"rate,omitempty"` // each second in all; 0: closed loop
	Ramp          float64 `json:"ramp,omitempty"`
	WarmupSeconds float64 `json:"warmup_seconds,omitempty"`
	SpreadSeconds float64 `json:"spread_seconds,omitempty"`
	Compressed    bool    `json:"compressed,omitempty"` // the server agreed to permessage-deflate
	Subprotocol   string  `json:"subprotocol,omitempty"`
	Publishers    int     `json:"publishers,omitempty"` // connections that publish, of SSE
}

// Population says what became of the connections that were wanted.
type Population struct {
	Wanted  int     `json:"wanted"`
	Opened  int     `json:"opened"`
	AtEnd   int     `json:"at_end"`       // still open when the measurement ended
	Seconds float64 `json:"open_seconds"` // from the first dial until the last was open
}

// Messages are counted while it is measured; Sent counts what was due.
type Messages struct {
	Sent      int64   `json:"sent"`
	Received  int64   `json:"received"`
	PerSecond float64 `json:"per_second"`       // received
	Bytes     float64 `json:"bytes_per_second"` // payload, received
}

// Publishing is what became of requests that published.
type Publishing struct {
	Connections int      `json:"connections"`
	Busy        float64  `json:"busy"`               // share of the time in which a request was under way, 0 to 1
	Reopened    int      `json:"reopened,omitempty"` // how often the server ended a connection after an answer
	Latency     *Latency `json:"latency,omitempty"`  // from sending one until the answer
}

// Latency is a distribution.
type Latency struct {
	Count int64   `json:"count"`
	Min   Millis  `json:"min_ms"`
	Mean  Millis  `json:"mean_ms"`
	P50   Millis  `json:"p50_ms"`
	P75   Millis  `json:"p75_ms"`
	P90   Millis  `json:"p90_ms"`
	P99   Millis  `json:"p99_ms"`
	P999  Millis  `json:"p999_ms"`
	P9999 Millis  `json:"p9999_ms"`
	Max   Millis  `json:"max_ms"`
	Curve []Point `json:"curve"`
}

// Point says that so many percent took no longer.
type Point struct {
	Percentile float64 `json:"percentile"`
	Latency    Millis  `json:"ms"`
}

// ErrorCount is a kind of error, and one of them as an example.
type ErrorCount struct {
	Kind    string `json:"kind"`
	Count   int64  `json:"count"`
	Example string `json:"example"`
}

// Server is what the server's processes used.
type Server struct {
	From       string  `json:"from"`                      // /proc or the metrics URL
	CPUSeconds float64 `json:"cpu_seconds"`               // while it was measured
	Cores      float64 `json:"cores"`                     // the same for each second
	CoresMax   int     `json:"cores_max,omitempty"`       // that it may run on; 0: not known
	CPUPerItem float64 `json:"cpu_us_per_item,omitempty"` // microseconds for each message or handshake received

	ResidentBefore int64   `json:"resident_before_bytes"` // before the connections were opened
	ResidentEnd    int64   `json:"resident_end_bytes"`
	ResidentMax    int64   `json:"resident_max_bytes"`
	ResidentOpen   int64   `json:"resident_open_bytes,omitempty"`  // when all connections were open; 0: not read
	PerConnection  float64 `json:"bytes_per_connection,omitempty"` // of Connections and SSE: how much it grew; 0: not known
	MemoryUnknown  string  `json:"memory_unknown,omitempty"`       // why PerConnection is not known

	// BusiestThread is the share of one processor that the busiest of its threads
	// used, 0 if that is not known. Local is set for a server on this machine.
	BusiestThread float64 `json:"busiest_thread,omitempty"`
	Local         bool    `json:"local,omitempty"`
}

// Generator is what the measuring process itself used.
type Generator struct {
	CPUSeconds float64  `json:"cpu_seconds"`
	Share      float64  `json:"share"` // of the processors that it may use, 0 to 1; -1: not known
	Processors int      `json:"processors"`
	Others     float64  `json:"others"`             // share of the machine that neither generator nor server used, but somebody; -1: not known
	Machine    float64  `json:"machine"`            // share of the machine that all programs used together; -1: not known
	Lateness   *Latency `json:"lateness,omitempty"` // of an open loop: sent after it was due, though the connection was free
}

// Round is one drop of everybody.
type Round struct {
	Dropped    int     `json:"dropped"`
	Back       int     `json:"back"`
	HalfBack   Millis  `json:"half_back_ms"`
	MostBack   Millis  `json:"most_back_ms"` // 99 of 100
	AllBack    Millis  `json:"all_back_ms"`  // 0 if some did not come back
	Attempts   int64   `json:"attempts"`
	MeanOpened float64 `json:"handshakes_per_second"` // until the last was back

	// Of a server that was killed.
	Down       Millis  `json:"down_ms,omitempty"`                // until it listened again
	MostBackAt int     `json:"most_in_a_second,omitempty"`       // clients that came back in the largest second
	MostTried  int     `json:"most_tried_in_a_second,omitempty"` // attempts in the largest second while it listened
	SentAway   int64   `json:"sent_away,omitempty"`              // attempts that were told to come back later
	PeakCores  float64 `json:"server_cores_max,omitempty"`       // in the stretch in which it used most
}

// Feed is what became of numbers that were published while the server was killed and came
// back. Deliveries, received and missing, are counted for each client.
type Feed struct {
	Published  int   `json:"published"`  // numbers that the server has taken
	Unanswered int   `json:"unanswered"` // numbers of which it did not say so
	Deliveries int64 `json:"deliveries"`
	Announced  int64 `json:"announced_as_missing"` // by a gap
	Lost       int64 `json:"lost"`                 // missing without a word
	Repeated   int64 `json:"repeated"`
}

// Sample is one stretch of the measurement, ending at At seconds.
type Sample struct {
	At          float64 `json:"at"`
	PerSecond   float64 `json:"per_second"`
	P50         Millis  `json:"p50_ms,omitempty"`
	P99         Millis  `json:"p99_ms,omitempty"`
	Connections int     `json:"connections"`
	Errors      int64   `json:"errors"` // so far
	Cores       float64 `json:"server_cores"`
	Resident    int64   `json:"server_resident_bytes,omitempty"`
	OwnShare    float64 `json:"generator_share"`
}

// Progress is how far a run is.
type Progress struct {
	Phase   string // what happens now
	Done    int    // connections, while they are being opened
	Of      int
	Elapsed time.Duration // of the phase
	Total   time.Duration // that the phase takes, 0 if that is not known
	Sample  *Sample       // the newest; nil: none
}
