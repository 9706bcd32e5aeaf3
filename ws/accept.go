package ws

import (
	"fmt"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Accept makes a WebSocket of an HTTP request (RFC 6455 §4.2). o may be nil.
//
// When the request may not become one, Accept has answered it, with the status
// that fits and Connection: close, and returns a *handshake.Fault; the handler
// only has to return. Other errors mean that the connection could not be taken
// over or that the client has gone. The request's body and w must not be used
// after Accept, whatever it returns.
//
// The connection outlives the handler. r.Context() ends when the handler
// returns, so it is the right context as long as the handler reads.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	if o == nil {
		o = &AcceptOptions{}
	}
	accepted, fault := handshake.Check(&handshake.Request{
		Method:     r.Method,
		ProtoMajor: r.ProtoMajor,
		ProtoMinor: r.ProtoMinor,
		Host:       r.Host,
		Secure:     r.TLS != nil,
		Content:    r.ContentLength != 0,
		Header:     r.Header,
	}, &handshake.Policy{Origins: o.Origins, Subprotocols: o.Subprotocols, Select: o.SelectSubprotocol})
	if fault != nil {
		refuse(w, r, o, fault)
		return nil, fault
	}
	if o.Tracker != nil && o.Tracker.isClosing() {
		refuse(w, r, o, shuttingDown)
		return nil, shuttingDown
	}
	settings := newSettings(o.Options, wsproto.Server)
	agreed := agreement{subprotocol: accepted.Subprotocol}
	var response []byte
	extensions, err := settings.accept(accepted.Extensions, &agreed)
	if err == nil {
		response, err = handshake.AppendResponse(make([]byte, 0, 512), &accepted, extensions, o.Header)
	}
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, err
	}

	// ResponseController finds the Hijacker behind middleware that wraps w.
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be upgraded to WebSocket", http.StatusInternalServerError)
		return nil, fmt.Errorf("websocket: cannot take over the connection: %w", err)
	}
	// A client may send frames right behind its request, and net/http may have
	// read them already.
	var early []byte
	if n := buffered.Reader.Buffered(); n > 0 {
		early = make([]byte, n)
		buffered.Read(early)
	}
	if timeout := orDefault(o.HandshakeTimeout, DefaultHandshakeTimeout); timeout > 0 {
		nc.SetDeadline(time.Now().Add(timeout))
	}
	if _, err = nc.Write(response); err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("websocket: cannot answer the handshake: %w", err)
	}
	conn := newConn(nc, settings, agreed, early)
	if o.Tracker != nil && !conn.track(o.Tracker) {
		// It shut down after the handshake was answered.
		_ = conn.Close(StatusGoingAway, "going away")
		return nil, conn.Err()
	}
	return conn, nil
}

// shuttingDown is the answer of a server whose Tracker is closing connections.
var shuttingDown = &handshake.Fault{
	Status: http.StatusServiceUnavailable,
	Reason: "the server is shutting down; try again, here or at another",
	Header: handshake.Header{"Connection": {"close"}, "Retry-After": {"2"}},
}

// refuse answers a request that may not become a WebSocket.
func refuse(w http.ResponseWriter, r *http.Request, o *AcceptOptions, f *handshake.Fault) {
	if o.Refuse != nil {
		o.Refuse(w, r, f)
		return
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	http.Error(w, f.Reason, f.Status)
}
