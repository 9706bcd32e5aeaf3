//go:build linux

package engine

import (
	"bytes"
	"testing"
)

// latecomer keeps its exchange to answer it later.
type latecomer struct {
	NopResponder
	x Exchange
}

func (h *latecomer) OnBody(x Exchange, _ []byte) { h.x = x }

// An answer that comes in the moment in which the loop has found nothing to send,
// and before it looks how far the exchange has come, is not taken for one that was
// sent.
func TestAnAnswerBetweenTwoLooks(t *testing.T) {
	h := &latecomer{}
	p := &peer{input: []byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), takes: -1, disturbed: true}
	w := newWorld(t, nil, Options{}, p)
	w.loop.server.Route = func(*Request) Route { return Route{Responder: h} }
	w.onWait = func(w *world) {
		if h.x.conn == nil {
			return
		}
		if err := h.x.Respond(200, nil, []byte("answer")); err == nil {
			w.loop.noteSent(h.x.conn, false)
		}
	}
	w.loop.listen(listenerFD, nil)
	w.loop.run()
	if !bytes.HasSuffix(p.got, []byte("\r\n\r\nanswer")) {
		t.Errorf("the peer got %q", p.got)
	}
}
