package inspect

import "time"

// Report is what Run found out. Its JSON form is documented in docs/inspect.md;
// fields are only ever added. Text of the server in it is safe to print.
type Report struct {
	Target   string        `json:"target"`  // as it was given, without secrets
	URL      string        `json:"url"`     // what it came to mean, after guesses and redirects
	Works    bool          `json:"works"`   // a WebSocket opened, and nothing was graded an error
	Summary  string        `json:"summary"` // one sentence
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	Findings []Finding     `json:"findings"` // in the order of the steps

	// Exchanges are the handshakes that were made for the target: one, and one
	// more for each redirect and for a scheme that was guessed wrong.
	Exchanges []*Exchange `json:"exchanges"`

	// Session is what was seen of the open connection; nil if there was none.
	Session *Session `json:"session"`

	// Probes are handshakes with one thing changed.
	Probes []Probe `json:"probes"`
}

// Count returns how many findings have a grade.
func (r *Report) Count(g Grade) (n int) {
	for i := range r.Findings {
		if r.Findings[i].Grade == g {
			n++
		}
	}
	return n
}

// Exchange is one attempt at a handshake. Steps that were not reached are nil.
type Exchange struct {
	URL      string    `json:"url"`
	Proxy    string    `json:"proxy,omitempty"` // URL of the proxy in between, without secrets
	DNS      *Lookup   `json:"dns"`             // of the proxy, if there is one
	TCP      []Dialed  `json:"tcp"`
	TLS      *TLS      `json:"tls"`
	Request  *Message  `json:"request"`
	Response *Response `json:"response"`
	Error    string    `json:"error,omitempty"` // why it went no further
}

// Lookup is a name being resolved. There is none for an IP address.
type Lookup struct {
	Name      string        `json:"name"`
	Addresses []string      `json:"addresses"`
	Took      time.Duration `json:"took_ns"`
}

// Dialed is one address that a connection was tried to.
type Dialed struct {
	Address string        `json:"address"` // host:port
	Took    time.Duration `json:"took_ns"`
	Used    bool          `json:"used"`
	Error   string        `json:"error,omitempty"`
}

// TLS is what was agreed in the TLS handshake.
type TLS struct {
	Took    time.Duration `json:"took_ns"`
	Version string        `json:"version"`
	Cipher  string        `json:"cipher"`
	ALPN    string        `json:"alpn"` // "" if the server chose none
	Trusted bool          `json:"trusted"`
	Chain   []Certificate `json:"chain"` // as the server sent it, its own first
}

// Certificate is one of the certificates a server sent.
type Certificate struct {
	Subject   string    `json:"subject"`
	Names     []string  `json:"names"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Key       string    `json:"key"`
}

// Message is the head of a request or response, line by line. Credentials in it
// are replaced by their length.
type Message struct {
	Lines []string `json:"lines"`
}

// Response is what the server answered.
type Response struct {
	Message
	Took   time.Duration `json:"took_ns"` // until its first byte
	Status int           `json:"status"`  // 0 if it was not HTTP
	Fields []Field       `json:"fields"`  // those that have to do with WebSocket
	Body   string        `json:"body,omitempty"`
}

// Field is a header field of a response and what it means.
type Field struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Meaning string `json:"meaning"`
}

// Session is what was seen of an open connection.
type Session struct {
	Subprotocol string       `json:"subprotocol"`
	Compression *Compression `json:"compression"` // nil if none was agreed
	Unprompted  Unprompted   `json:"unprompted"`
	Pings       Pings        `json:"pings"`
	Sample      *Sample      `json:"sample"` // nil if none was sent
	Close       Closed       `json:"close"`
	Frames      []Frame      `json:"frames"` // the first 200
}

// Compression is permessage-deflate as it was agreed.
type Compression struct {
	ServerNoContextTakeover bool `json:"server_no_context_takeover"`
	ClientNoContextTakeover bool `json:"client_no_context_takeover"`
	ServerMaxWindowBits     int  `json:"server_max_window_bits"`
	ClientMaxWindowBits     int  `json:"client_max_window_bits"`
}

// Unprompted is what the server sent before anything was sent to it.
type Unprompted struct {
	Listened time.Duration `json:"listened_ns"`
	Pings    int           `json:"pings"`
	Traffic
}

// Traffic counts messages of the server.
type Traffic struct {
	Messages   int   `json:"messages"`
	Compressed int   `json:"compressed"`     // how many of them came compressed
	Bytes      int64 `json:"bytes"`          // of the messages
	WireBytes  int64 `json:"wire_bytes"`     // of their payloads as they came
	Estimate   int64 `json:"estimate_bytes"` // what compressing all of them would have come to
}

// Pings is how pings were answered. The distribution is of those that were.
type Pings struct {
	Sent     int             `json:"sent"`
	Answered int             `json:"answered"`
	Min      time.Duration   `json:"min_ns"`
	Median   time.Duration   `json:"median_ns"`
	P90      time.Duration   `json:"p90_ns"`
	Max      time.Duration   `json:"max_ns"`
	All      []time.Duration `json:"all_ns"` // in the order they were sent
}

// Sample is the message that Options.Sample asks for.
type Sample struct {
	Bytes     int64         `json:"bytes"`
	SentBytes int64         `json:"sent_bytes"` // its payload on the wire
	Echoed    bool          `json:"echoed"`
	EchoBytes int64         `json:"echo_bytes"` // the payload of the echo on the wire
	Took      time.Duration `json:"took_ns"`
}

// Closed is how the connection ended.
type Closed struct {
	By     string        `json:"by"`       // who sent the first close frame: "inspect", "server" or ""
	Sent   int           `json:"sent"`     // the code that was sent, 0 for none
	Code   int           `json:"code"`     // the server's code; 1005: a close frame without one; 1006: no close frame
	Reason string        `json:"reason"`   // the server's
	Reply  time.Duration `json:"reply_ns"` // from sent to the server's close frame
	End    time.Duration `json:"end_ns"`   // from the later close frame to the end of TCP
	TCP    string        `json:"tcp"`      // "closed" or "reset" by the server, or "open" until the timeout
}

// Frame is one frame of an open connection.
type Frame struct {
	At      time.Duration `json:"at_ns"`   // since the handshake
	From    string        `json:"from"`    // "inspect" or "server"
	Frame   string        `json:"frame"`   // opcode, flags and length
	Header  string        `json:"header"`  // in hexadecimal
	Payload string        `json:"payload"` // the beginning, in hexadecimal, unmasked
}

// Probe is a handshake with one thing changed.
type Probe struct {
	Change  string        `json:"change"` // what was different
	Outcome string        `json:"outcome"`
	Opened  bool          `json:"opened"` // a WebSocket opened
	Status  int           `json:"status"` // 0 if there was no response
	Took    time.Duration `json:"took_ns"`
}
