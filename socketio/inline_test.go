package socketio

import (
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/engineio"
)

// Handlers that never wait are called where an event arrives: what they do is done when
// that returns.
func TestNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{NeverBlocks: true})
		n := s.Namespace("/")
		var said []string
		n.On("say", func(e *Event) {
			var text string
			if err := e.Bind(&text); err != nil {
				t.Error(err)
			}
			said = append(said, text)
			if err := e.Socket().Emit("said", text); err != nil {
				t.Error(err)
			}
		})
		n.On("go", func(e *Event) { e.Socket().Disconnect() })
		n.On("fail", func(*Event) { panic("on purpose") })
		ended := 0
		n.OnDisconnect(func(*Socket, Reason) { ended++ })

		p := newPeer(t, s)
		p.join("/")
		p.c.receive(engineio.MessageText, []byte(`2["say","one"]`))
		p.c.receive(engineio.MessageText, []byte(`2["say","two"]`))
		if len(said) != 2 || said[0] != "one" || said[1] != "two" || len(p.sent) != 2 {
			t.Errorf("handled %q, sent %q, before anybody else had a turn", said, p.sent)
		}
		p.expect(`42["said","one"]`, `42["said","two"]`)
		p.c.receive(engineio.MessageText, []byte(`2["go"]`))
		if ended != 1 {
			t.Errorf("%d sockets have ended", ended)
		}
		p.expect("41")

		q := newPeer(t, s)
		q.join("/")
		q.say(`2["fail"]`)
		if !q.closed || s.Stats().Panics != 1 {
			t.Errorf("closed %v, %+v", q.closed, s.Stats())
		}
		p.vanish(engineio.ReasonTransportClose)
		q.vanish(engineio.ReasonTransportClose)
	})
}
