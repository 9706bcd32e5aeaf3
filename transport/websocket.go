package transport

import (
	"net/http"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/handshake"
)

// serveWebSocket makes r a WebSocket on channel.
//
// It is subscribed before the handshake is answered, so a client that has seen
// its WebSocket open misses nothing that is published from then on, and whatever
// can be wrong is said in an HTTP response, the last one on its connection.
func (t *Transport) serveWebSocket(w http.ResponseWriter, r *http.Request, channel string) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		closeHTTP1(w, r)
		refuseQuery(err).write(w, r)
		return
	}
	// Accept checks too, but nobody should be seen in presence whose handshake
	// is going to fail.
	request := handshake.Request{
		Method: r.Method, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Host: r.Host, Secure: r.TLS != nil, Content: r.ContentLength != 0, Header: r.Header,
	}
	if _, fault := handshake.Check(&request, &handshake.Policy{Origins: t.o.Origins}); fault != nil {
		refuseUpgrade(w, r, fault)
		return
	}
	d := dialect.NewSocket(channel, q.envelope, hub.SubscribeOptions{Since: q.since, Last: max(0, q.last), ExcludeSelf: !q.self})
	if t.o.Engine != nil {
		t.serveOnLoop(w, r, d)
		return
	}
	t.serveOnGoroutines(w, r, d)
}

// openSocket begins a conversation and waits for the dialect's answer. It returns
// nil when the request was refused. Otherwise header is for the response that
// accepts it, and what the dialect has for the client already is in the memory.
func (t *Transport) openSocket(w http.ResponseWriter, r *http.Request, c *conversation, woken signal) (*scratch, http.Header) {
	m := scratches.Get().(*scratch)
	opened := false
	defer func() {
		if !opened {
			c.close()
			m.recycle()
		}
	}()
	c.begin(m)
	for m.effects.Answer == nil {
		select {
		case <-woken:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // there is nobody to answer, and nothing to say
		}
		c.take(m)
	}
	a := m.effects.Answer
	if a.Err != nil {
		closeHTTP1(w, r)
		t.refuseHub(r.URL.Path, a.Err).write(w, r)
		return nil, nil
	}
	opened = true
	header := make(http.Header)
	if !a.Position.IsZero() {
		header.Set(headerPosition, a.Position.String())
	}
	return m, header
}

// endSocket tells of the end of a WebSocket.
func (t *Transport) endSocket(c *conversation, end dialect.End, err error) {
	t.observe.ended(c.dialect.Transport(), end)
	t.o.Logger.Debug("WebSocket ended", "transport", c.dialect.Transport(), "session", c.id(), "end", string(end), "error", err)
}

// refuseUpgrade answers a handshake that failed as a problem, with the status
// that RFC 6455 gives to the fault.
func refuseUpgrade(w http.ResponseWriter, _ *http.Request, f *handshake.Fault) {
	h := w.Header()
	for name, values := range f.Header {
		h[name] = values
	}
	var p Problem
	switch {
	case f.Rule == handshake.RuleOrigin && f.Status == http.StatusForbidden:
		p = *ProblemOrigin
	case f.Rule == handshake.RuleMethod:
		p = *ProblemMethod
	case f.Status == http.StatusUpgradeRequired:
		p = *ProblemUpgradeVersion
	default:
		p = *ProblemUpgrade
	}
	p.Status = f.Status
	p.Write(w, f.Reason)
}
