package cluster

import "time"

// State is what a node says of itself.
type State string

// The states of a node. Other versions may have others.
const (
	StateStarting State = "starting" // nothing is to be sent to it yet
	StateServing  State = "serving"
	StateDraining State = "draining" // its clients are told to come back, and find another node
)

// Load is what a node has to do.
type Load struct {
	Connections  int     `json:"connections"`
	Sessions     int     `json:"sessions"`
	Channels     int     `json:"channels"`     // with subscribers here
	Publications float64 `json:"publications"` // accepted here, a second
	Messages     float64 `json:"messages"`     // given to clients, a second
}

// Peer is another node, as it was when it was last heard.
type Peer struct {
	ID      string // random, of this run of the program
	Name    string // what people call it
	Version string // of the program
	Newest  int    // version of the messages between nodes that it speaks
	Oldest  int    // oldest that it reads
	Address string // where it takes requests that belong to it, host:port; empty if it does not
	Token   string // what such a request has to show
	State   State
	Load    Load
	Began   time.Time     // when it began, by this machine's clock
	Heard   time.Time     // when it was last heard
	Lag     time.Duration // how long its own messages take to come back to it from the broker
}

// understands reports whether a node that speaks these versions and this one read each
// other's messages.
func (p *Peer) understands(newest, oldest int) bool { return p.Newest >= oldest && newest >= p.Oldest }

// ChangeKind is the kind of a peer's change.
type ChangeKind int

// What happens to peers.
const (
	// Joined is a peer that was not known, or was called dead before.
	Joined ChangeKind = iota + 1

	// Left is a peer that has said goodbye.
	Left

	// Died is a peer that was not heard for too long. It may be alive and come back, as
	// Joined, with its earlier state.
	Died

	// Missed says that messages told by a peer may have been lost: it has to be asked. A
	// Change without a Peer says that of all peers, and of topics.
	Missed

	// Altered is a peer whose State, Address, Token or Name is another.
	Altered
)

// String returns a word.
func (k ChangeKind) String() string {
	switch k {
	case Joined:
		return "joined"
	case Left:
		return "left"
	case Died:
		return "died"
	case Missed:
		return "missed"
	case Altered:
		return "altered"
	}
	return "unknown"
}

// Change is something that happened to a peer.
type Change struct {
	Kind ChangeKind
	Peer Peer
}
