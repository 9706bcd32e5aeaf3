package session

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// FuzzReceive: no input makes a Machine panic, and its state is always a known one.
// Deliveries of a channel ascend within an epoch, a call is over once, and nothing of a
// registration comes behind its end.
func FuzzReceive(f *testing.F) {
	f.Add(`{"id":1,"ok":{"session":"S","secret":"X","resumed":false,"reconnect":{"after_ms":1500},"ping_ms":25000}}` + "\n" +
		`{"id":2,"ok":{"position":"E:3"}}` + "\n" + `{"channel":"chat","position":"E:4","time":"2026-11-30T09:00:00Z","data":"four"}`)
	f.Add(`{"id":1,"ok":{"session":"S","secret":"X","resumed":false}}` + "\n" + `{"id":4,"ok":{}}` + "\n" + `{"call":{"id":7,"method":"a/b","timeout_ms":10,"data":"x"}}` + "\n" +
		`{"call_over":{"id":7,"reason":"canceled"}}` + "\n" + `{"unregistered":{"method":"a/*"}}` + "\n" + `{"call":{"id":8,"method":"a/b","data_base64":"AA=="}}`)
	f.Add(`{"end":{"code":4401,"reason":"x"}}`)
	f.Add(`{"id":1,"error":{"type":"a","title":"b","retry_after_ms":-1}}` + "\n" + `{}`)
	f.Add(`{"gap":{"channel":"chat","from":null,"to":null,"reason":"dropped","count":12}}`)
	f.Add(`{"unsubscribed":{"channel":"chat"}}` + "\n" + `{"message":{}}` + "\n" + `{"join":{}}` + "\n" + `{"vector":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		m := New(Options{CanFetch: true, Random: func() float64 { return 0 }})
		s := &Subscription{Channel: "chat"}
		all := &Subscription{Channel: "**"}
		answerer := &Registration{Method: "a/*"}
		if m.Subscribe(s) != nil || m.Subscribe(all) != nil || m.Register(answerer) != nil {
			t.Fatal("not subscribed")
		}
		m.Tick(begin)
		m.Opened(begin, "")
		m.Take()
		newest := make(map[*Subscription]*Message)
		open, isOver := make(map[*Call]bool), false
		for line := range strings.Lines(text) {
			if m.Receive(begin, []byte(line)) != nil {
				m.Broken(begin, Cause{})
			}
			e := m.Take()
			for _, a := range e.Answering {
				switch {
				case a.To != answerer, isOver && (a.Began || a.Call != nil || a.Err != nil):
					t.Fatalf("%+v", a)
				case a.Call != nil:
					open[a.Call] = true
				case a.Over != nil && !open[a.Over]:
					t.Fatal("over is what nobody was asked")
				case a.Over != nil:
					delete(open, a.Over)
				case a.Err != nil:
					isOver = true
				}
			}
			for call := range open { // each can be answered, once the answers under way are confirmed
				m.Answer(call, hub.Text, nil, nil, 1)
				m.Forget(call)
				delete(open, call)
				break
			}
			for _, d := range e.Events {
				if d.Message == nil || d.To == nil {
					continue
				}
				if d.To == s {
					if last := newest[s]; last != nil && last.Position.Epoch == d.Message.Position.Epoch && last.Position.Offset >= d.Message.Position.Offset {
						t.Fatalf("%v after %v", d.Message.Position, last.Position)
					}
					newest[s] = d.Message
				}
			}
			if m.State() > Ended {
				t.Fatal(m.State())
			}
			if d := m.Deadline(); m.State() != Ended && d.IsZero() {
				t.Fatalf("nothing wakes it while it is %v", m.State())
			}
			m.Tick(begin.Add(time.Millisecond))
		}
	})
}

// FuzzParseMessage: any other input than an envelope is an error, and the payload is as JSON says.
func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(`{"channel":"chat","position":"E:4","time":"2026-11-30T09:00:00Z","data":"four"}`))
	f.Add([]byte(`{"data":{"a":[1,2]}}`))
	f.Add([]byte(`{"data_base64":"AAE="}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		m, err := ParseMessage(object)
		if err != nil {
			return
		}
		if m.Kind == hub.JSON && len(m.Data) > 0 && !json.Valid(m.Data) {
			t.Fatalf("%q", m.Data)
		}
	})
}
