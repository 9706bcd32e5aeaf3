package ws

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/godwit-io/godwit/ws/handshake"
)

// Accept is for servers, and there are none in a page. It is here so that a
// package that both share compiles for both: it answers the request with 501 and
// returns an error that wraps a *handshake.Fault and errors.ErrUnsupported.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	fault := &handshake.Fault{
		Status: http.StatusNotImplemented,
		Reason: "this program runs in a page, which accepts no connections",
		Header: handshake.Header{"Connection": {"close"}},
	}
	if o != nil && o.Refuse != nil {
		o.Refuse(w, r, fault)
	} else {
		w.Header().Set("Connection", "close")
		http.Error(w, fault.Reason, fault.Status)
	}
	return nil, fmt.Errorf("websocket: %w: %w", fault, errors.ErrUnsupported)
}

var errStreams = fmt.Errorf("a connection of a page is one that the browser dials, not a stream: %w", errors.ErrUnsupported)

// NewServerConn is for programs that do not run in a page. It closes nc and
// returns a Conn that has ended with an error that wraps errors.ErrUnsupported.
func NewServerConn(nc net.Conn, o *Options) *Conn { return newEndedConn(nc, o) }

// NewClientConn is NewServerConn for the client's side.
func NewClientConn(nc net.Conn, o *Options) *Conn { return newEndedConn(nc, o) }

func newEndedConn(nc net.Conn, o *Options) *Conn {
	if o == nil {
		o = &Options{}
	}
	nc.Close()
	ended := errStreams
	options, err := o.resolve()
	if err != nil {
		ended = err
	}
	c := newConn(options)
	c.end(abnormal(ended), true)
	return c
}
