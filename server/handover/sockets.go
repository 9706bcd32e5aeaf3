package handover

import (
	"encoding/json"
	"net"
)

// Socket is a listening socket, and what it was bound for.
type Socket struct {
	net.Listener

	// Spec is the address that the configuration has for it. Several sockets may have
	// the same, such as those of localhost.
	Spec string

	// IsLent is set for a socket of somebody else, such as a service manager: if it is a
	// file, that stays when the server ends.
	IsLent bool
}

// SocketsMax is how many sockets can be sent: as many as Linux takes at a time.
const SocketsMax = 253

// socketBytesMax is how long what is said of all sockets may be.
const socketBytesMax = 256 << 10

// socketsHead is what is said of the sockets that are sent, and of the process.
type socketsHead struct {
	Version int // of the conversation
	PID     int
	Build   string
	Sockets []socketInfo
}

type socketInfo struct {
	Spec   string
	IsLent bool
}

// Offer is what the process that goes says first.
type Offer struct {
	Build   string // of the program
	PID     int    // of the process
	Sockets []Socket
}

func (o *Offer) head() ([]byte, error) {
	h := socketsHead{Version: Version, PID: o.PID, Build: o.Build}
	for _, s := range o.Sockets {
		h.Sockets = append(h.Sockets, socketInfo{s.Spec, s.IsLent})
	}
	return json.Marshal(h)
}

// Close closes the sockets.
func (o *Offer) Close() {
	for _, s := range o.Sockets {
		_ = s.Close() // they are of no more use here
	}
}
