package transport

import (
	"fmt"
	"strings"
)

// nodeSeparator stands between the secret of a session and the name of its node.
const nodeSeparator = '-'

// nodeBytesMax is the longest Options.Node.
const nodeBytesMax = 32

// checkNode says what is wrong with the name of a node.
func checkNode(name string) error {
	if len(name) > nodeBytesMax {
		return &OptionError{Option: "Node", Reason: fmt.Sprintf("it has %d characters; at most %d may be", len(name), nodeBytesMax)}
	}
	for _, c := range []byte(name) {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		default:
			return &OptionError{Option: "Node", Reason: fmt.Sprintf("%q is not a letter or a digit", c)}
		}
	}
	return nil
}

// shown is the secret of a session as its client has it: the node that has the session
// is named behind it.
func (t *Transport) shown(s *secret) string {
	if t.o.Node == "" {
		return string(s[:])
	}
	return string(s[:]) + string(nodeSeparator) + t.o.Node
}

// EndSession ends a session whose client has come back on another node, as if it had been taken
// over here. It returns false if there is no session of this ID and secret. It is safe for
// concurrent use.
func (t *Transport) EndSession(session, secret string) bool {
	s := t.findSeat(session, secret)
	if s == nil {
		return false
	}
	s.session.End(errTakenOver)
	return true
}

// nodeOf is the node that a secret names, "" for none.
func nodeOf(shown string) string {
	if n := len(secret{}); len(shown) > n+1 && shown[n] == nodeSeparator && len(shown) <= n+1+nodeBytesMax {
		return shown[n+1:]
	}
	return ""
}

// SessionNode returns which node has the session that a request for ConnectPath names, as far
// as its secret says so: "" if the session is here, the request names none, or its
// secret no node. query is that of the URL as it was sent, and field the Godwit-Session of the
// request. The node is what Options.Node is there, or whatever the client has made up; it may
// be a part of query or field.
func (t *Transport) SessionNode(query, field string) string {
	shown := field
	if values, err := parameters(query, "session"); err != nil || len(values) > 1 {
		return ""
	} else if len(values) == 1 && values[0] != "" {
		shown = values[0]
	}
	id, secret, _ := strings.Cut(shown, ".")
	node := nodeOf(secret)
	if node == "" || node == t.o.Node || t.seats.find(id) != nil {
		return ""
	}
	return node
}
