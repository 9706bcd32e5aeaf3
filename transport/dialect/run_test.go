package dialect

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// connected is a session that has said hello, over WebSocket with a subprotocol or as d.
func connected(d *Session, subprotocol string) *Session {
	var out Effects
	d.Begin(epoch, &out)
	if d.framing.carried == carriedSocket {
		d.Agree(subprotocol, false)
	}
	d.Receive(epoch, Frame{Data: []byte(`{"id":1,"connect":{}}`)}, &out)
	d.Connected(epoch, &Connected{Tag: 1, Session: "s", User: "ann"}, &out)
	return d
}

// TestRunsAreWhatTheirDeliveriesAre gives each dialect that takes runs the same
// publications as a run and one by one. Its client is sent the same.
func TestRunsAreWhatTheirDeliveriesAre(t *testing.T) {
	const channel = "c"
	streams := &StreamOptions{Heartbeat: time.Minute, Reconnect: func(at int32) (time.Duration, int32) { return 0, at }}
	dialects := map[string]func() Dialect{
		"socket":            func() Dialect { return NewSocket(channel, false, hub.SubscribeOptions{}) },
		"envelopes":         func() Dialect { return NewSocket(channel, true, hub.SubscribeOptions{}) },
		"events":            func() Dialect { return NewEvents(channel, hub.SubscribeOptions{}, streams) },
		"lines":             func() Dialect { return NewLines(channel, hub.SubscribeOptions{}, streams) },
		"session":           func() Dialect { return connected(NewSession(testSessionOptions()), "") },
		"session in CBOR":   func() Dialect { return connected(NewSession(testSessionOptions()), SubprotocolCBOR) },
		"session as events": func() Dialect { return connected(NewSessionEvents(testSessionOptions()), "") },
		"session as lines":  func() Dialect { return connected(NewSessionLines(testSessionOptions()), "") },
		"messages": func() Dialect {
			s := connected(NewSession(testSessionOptions()), "")
			s.messages = channel
			return s
		},
		"deltas": func() Dialect {
			s := connected(NewSession(testSessionOptions()), "")
			s.deltas = deltas{channel: &hub.Position{}}
			return s
		},
	}
	var run hub.Run
	for i := range 5 {
		run.Deliveries = append(run.Deliveries, &hub.Delivery{Publication: &hub.Publication{
			Channel: channel, Position: hub.Position{Epoch: "e", Offset: uint64(i + 1)}, Previous: uint64(i), Time: epoch.Add(time.Duration(i) * time.Second),
			Data: fmt.Appendf(nil, "payload %d", i),
		}})
	}
	for name, make := range dialects {
		t.Run(name, func(t *testing.T) {
			as := func(pushes []hub.Push) Effects {
				d := make()
				if r, ok := d.(RunTaker); !ok || !r.TakesRuns() {
					t.Fatal("it takes no runs")
				}
				var out, begun Effects
				d.Begin(epoch, &begun)
				d.Push(epoch, pushes, &out)
				return out
			}
			one, all := as(run.AppendTo(nil, channel)), as([]hub.Push{{Channel: channel, Run: &run}})
			if got, want := bytes.Join(all.Frames, nil), bytes.Join(one.Frames, nil); !bytes.Equal(got, want) || len(want) == 0 {
				t.Errorf("sends %q, want %q", got, want)
			}
			if all.Delivered != one.Delivered || one.Delivered.N != 5 {
				t.Errorf("counts %+v, want %+v", all.Delivered, one.Delivered)
			}
		})
	}
}

// TestNoRuns has the dialects that need publications one by one say so.
func TestNoRuns(t *testing.T) {
	compressed := connected(NewSession(testSessionOptions()), "")
	compressed.Agree("", true)
	socket := NewSocket("c", false, hub.SubscribeOptions{})
	socket.Agree("", true)
	for name, d := range map[string]RunTaker{
		"poll":               NewSessionPoll(testSessionOptions(), time.Minute),
		"compressed session": compressed,
		"compressed socket":  socket,
		"pattern":            NewSocket("c/*", true, hub.SubscribeOptions{}),
		"stream of pattern":  NewEvents("c/*", hub.SubscribeOptions{}, &StreamOptions{Heartbeat: time.Minute}),
	} {
		if d.TakesRuns() {
			t.Errorf("%s: takes runs", name)
		}
	}
}
