//go:build !js

package ws

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/internal/responded"
	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Accept makes a WebSocket of an HTTP request (RFC 6455 §4.2). o may be nil.
//
// When the request may not become one, Accept has answered it, with the status
// that fits and Connection: close, and returns a *handshake.Fault; the handler
// only has to return. Other errors mean that an option is wrong (an *OptionError),
// that Header has a field that it must not have (a *handshake.FieldError; after both
// the client got a 500), that the connection could not be taken over, that the
// handler has already begun another response with WriteHeader or Write, which the
// client gets then, or that the client has gone. The request's body and w must not
// be used after Accept, whatever it returns.
//
// The connection outlives the handler. r.Context() ends when the handler
// returns, so it is the right context as long as the handler reads.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	if o == nil {
		o = &AcceptOptions{}
	}
	if responded.Already(w) {
		// Hijack would work, send that response, and leave us to write behind it.
		return nil, errResponded
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
		fault := shuttingDown()
		refuse(w, r, o, fault)
		return nil, fault
	}
	settings, timeout, err := o.resolve()
	agreed := agreement{subprotocol: accepted.Subprotocol}
	var extensions string
	var response []byte
	if err == nil {
		extensions, err = settings.accept(accepted.Extensions, &agreed)
	}
	if err == nil {
		response, err = handshake.AppendResponse(make([]byte, 0, 512), &accepted, extensions, o.Header)
	}
	if err != nil {
		fail(w, r, http.StatusText(http.StatusInternalServerError))
		return nil, err
	}

	// ResponseController finds the Hijacker behind middleware that wraps w.
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, r, "this connection cannot be upgraded to WebSocket")
		return nil, fmt.Errorf("websocket: cannot take over the connection: %w", err)
	}
	// A client may send frames right behind its request, and net/http may have
	// read them already.
	var early []byte
	if n := buffered.Reader.Buffered(); n > 0 {
		early = make([]byte, n)
		buffered.Read(early)
	}
	nc.SetDeadline(time.Now().Add(timeout))
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

var errResponded = errors.New("websocket: the handler has begun a response with WriteHeader or Write, so this cannot become a WebSocket: call Accept before, and give it what the response is to have in AcceptOptions.Header")

// resolve returns the settings, and how long the response may take to be sent. The
// error wraps an *OptionError.
func (o *AcceptOptions) resolve() (*settings, time.Duration, error) {
	timeout := o.HandshakeTimeout
	if err := driver.Resolve("HandshakeTimeout", &timeout, DefaultHandshakeTimeout); err != nil {
		return nil, 0, fmt.Errorf("websocket: %w", err)
	}
	s, err := newSettings(o.Options, wsproto.Server)
	return s, timeout, err
}

// shuttingDown is the answer of a server whose Tracker is closing connections.
func shuttingDown() *handshake.Fault {
	return &handshake.Fault{
		Status: http.StatusServiceUnavailable,
		Reason: "the server is shutting down; try again, here or at another",
		Header: handshake.Header{"Connection": {"close"}, "Retry-After": {"2"}},
	}
}

// refuse answers a request that may not become a WebSocket. That it is the last
// answer on its connection is not left to Refuse: what the client has sent behind
// its request are frames, or an attempt to smuggle a request.
func refuse(w http.ResponseWriter, r *http.Request, o *AcceptOptions, f *handshake.Fault) {
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if o.Refuse != nil {
		o.Refuse(w, r, f)
		return
	}
	http.Error(w, f.Reason, f.Status)
}

// fail answers a request that the server cannot upgrade. The connection ends for
// the same reason; HTTP/2 has no field to say so.
func fail(w http.ResponseWriter, r *http.Request, text string) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, text, http.StatusInternalServerError)
}
