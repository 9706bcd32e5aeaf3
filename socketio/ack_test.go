package socketio

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engineio"
)

func TestEmitWithAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{AcksMax: 2})
		n := s.Namespace("/")
		n.OnConnect(func(s *Socket, _ Auth) error {
			if _, err := s.EmitWithAck(t.Context(), "x"); err != ErrNotConnected {
				t.Errorf("in OnConnect: %v", err)
			}
			return nil
		})
		p := newPeer(t, s)
		socket := p.join("/")
		type outcome struct {
			text string
			err  error
		}
		ask := func(ctx context.Context) <-chan outcome {
			done := make(chan outcome, 1)
			go func() {
				a, err := socket.EmitWithAck(ctx, "ask", 1)
				var text string
				if err == nil {
					err = a.Bind(&text)
				}
				done <- outcome{text, err}
			}()
			synctest.Wait()
			return done
		}
		first := ask(t.Context())
		second := ask(t.Context())
		p.expect(`422["ask",1]`, `423["ask",1]`)
		if got := <-ask(t.Context()); got.err != ErrTooManyAcks {
			t.Errorf("a third: %v", got.err)
		}
		p.say(`33["b"]`, `32["a"]`, `33["again"]`, `399["unasked"]`)
		if got := <-first; got.text != "a" || got.err != nil {
			t.Errorf("%+v", got)
		}
		if got := <-second; got.text != "b" || got.err != nil {
			t.Errorf("%+v", got)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if got := <-ask(ctx); got.err != context.DeadlineExceeded || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", got.err, time.Since(start))
		}
		if len(socket.acks) != 0 {
			t.Error("what nobody waits for is remembered")
		}
		last := ask(t.Context())
		p.vanish(engineio.ReasonPingTimeout)
		if got := <-last; got.err != ErrClosed {
			t.Errorf("at the end: %v", got.err)
		}
		if _, err := socket.EmitWithAck(t.Context(), "x"); err != ErrClosed {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestBroadcastWithAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		n := s.Namespace("/")
		p, q, r := newPeer(t, s), newPeer(t, s), newPeer(t, s)
		a, b, c := p.join("/"), q.join("/"), r.join("/")
		type outcome struct {
			answers []Answer
			err     error
		}
		ask := func(of Broadcast) <-chan outcome {
			done := make(chan outcome, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			go func() {
				defer cancel()
				answers, err := of.EmitWithAck(ctx, "ask")
				done <- outcome{answers, err}
			}()
			synctest.Wait()
			return done
		}
		all := ask(n.All())
		p.expect(`421["ask"]`)
		q.expect(`421["ask"]`)
		q.say(`31["b"]`)
		p.vanish(engineio.ReasonTransportClose)
		r.say(`31["c"]`)
		got := <-all
		if len(got.answers) != 3 || got.err != nil || got.answers[0].Socket != b || got.answers[1].Socket != a || got.answers[1].Err != ErrClosed || string(got.answers[2].Raw()) != `"c"` {
			t.Errorf("%+v", got)
		}
		late := ask(c.Others())
		if got := <-late; len(got.answers) != 0 || got.err != context.DeadlineExceeded || len(b.acks) != 0 || q.c.awaited.Load() != 0 {
			t.Errorf("%+v, %d remembered", got, len(b.acks))
		}
		if got := <-ask(n.To("nowhere")); got.err != nil || len(got.answers) != 0 {
			t.Errorf("%+v", got)
		}
		q.vanish(engineio.ReasonTransportClose)
		r.vanish(engineio.ReasonTransportClose)
	})
}
