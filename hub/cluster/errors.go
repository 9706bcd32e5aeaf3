package cluster

import (
	"errors"
	"fmt"
)

// Errors of asking other nodes.
var (
	ErrUnknownNode = errors.New("cluster: this node is not known, or not any more")
	ErrUnknownKind = errors.New("cluster: the other node does not know what is asked")
	ErrProtocol    = errors.New("cluster: the two nodes have no version of their messages in common")
	ErrUnanswered  = errors.New("cluster: the other node did not answer in time")
	ErrLost        = errors.New("cluster: a part of the answer was lost")
	ErrBusy        = errors.New("cluster: too much is asked at once")
	ErrTooLong     = errors.New("cluster: this is longer than nodes send each other")
	ErrClosed      = errors.New("cluster: this node has left")
)

// RemoteError is the error of another node's handler.
type RemoteError struct {
	Node string
	Text string
}

// Error says which node it was.
func (e *RemoteError) Error() string { return fmt.Sprintf("cluster: node %s: %s", e.Node, e.Text) }

// reasonOf is how an error of a handler travels.
func reasonOf(err error) (reason string) {
	switch {
	case errors.Is(err, ErrUnknownKind):
		return reasonUnknown
	case errors.Is(err, ErrBusy):
		return reasonBusy
	case errors.Is(err, ErrTooLong):
		return reasonTooLong
	}
	return ""
}

// errorOf is the error that a message says.
func errorOf(m *message) error {
	switch m.Reason {
	case reasonUnknown:
		return ErrUnknownKind
	case reasonBusy:
		return ErrBusy
	case reasonTooLong:
		return ErrTooLong
	}
	return &RemoteError{m.From, m.Error}
}
