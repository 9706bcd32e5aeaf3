package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

func FuzzParseMessage(f *testing.F) {
	for _, m := range []string{`{"event":"pusher:ping","data":{}}`, `{"event":"client-x","channel":"private-x","data":"\ud800"}`, `{"EVENT":1}`, "null", "[]", "\xff", strings.Repeat("[", 1000)} {
		f.Add([]byte(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseMessage(again)
		if err != nil || back.Event != m.Event || back.Channel != m.Channel {
			t.Errorf("%q is %+v, and %q is %+v, %v", b, m, again, back, err)
		}
	})
}

func FuzzParseSubscribe(f *testing.F) {
	for _, d := range []string{`{"channel":"x"}`, `"{\"channel\":\"x\"}"`, `{"channel":"x","last":3,"since":"e:1","channel_data":"{}"}`, `"`, "7", ""} {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSubscribe(b)
		if err != nil {
			return
		}
		again, _ := json.Marshal(s)
		if back, err := ParseSubscribe(again); err != nil || back.Channel != s.Channel || back.Auth != s.Auth {
			t.Errorf("%q is %+v, and %q is %+v, %v", b, s, again, back, err)
		}
	})
}

func FuzzParseSignIn(f *testing.F) {
	f.Add([]byte(`{"auth":"k:s","user_data":"{\"id\":\"1\"}"}`))
	f.Add([]byte(`"{}"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSignIn(b)
		if err != nil {
			return
		}
		again, _ := json.Marshal(map[string]string{"auth": s.Auth, "user_data": s.UserData})
		if back, err := ParseSignIn(again); err != nil || back != s {
			t.Errorf("%q is %+v, and %q is %+v, %v", b, s, again, back, err)
		}
	})
}

func FuzzParseMember(f *testing.F) {
	for _, d := range []string{`{"user_id":1}`, `{"user_id":"ü","user_info":[1, 2]}`, `{"user_id":-0.5e3}`, `{"user_id":""}`, `{"user_id":{}}`} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, data string) {
		m, err := ParseMember(data)
		if err != nil {
			return
		}
		if n := utf8.RuneCountInString(m.ID); n == 0 || n > UserIDMax || len(m.Info) > UserInfoBytesMax || m.Info != nil && !json.Valid(m.Info) {
			t.Errorf("%q is %+v", data, m)
		}
		again, _ := json.Marshal(map[string]any{"user_id": m.ID, "user_info": m.Info})
		if back, err := ParseMember(string(again)); err != nil || back.ID != m.ID {
			t.Errorf("%q is %+v, and %q is %+v, %v", data, m, again, back, err)
		}
	})
}

func FuzzParseUser(f *testing.F) {
	for _, d := range []string{`{"id":"1"}`, `{"id":1,"watchlist":["2"]}`, `{"id":"1","watchlist":{}}`} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, data string) {
		u, err := ParseUser(data)
		if err != nil {
			return
		}
		again, _ := json.Marshal(map[string]any{"id": u.ID, "watchlist": u.Watchlist})
		if back, err := ParseUser(string(again)); err != nil || back.ID != u.ID || len(back.Watchlist) != len(u.Watchlist) {
			t.Errorf("%q is %+v, and %q is %+v, %v", data, u, again, back, err)
		}
	})
}

// Whatever a client sends: messages come back, nothing that needs a signature is asked
// for without one, and held data stays within its bounds.
func FuzzSocket(f *testing.F) {
	for _, m := range []string{
		`{"event":"pusher:subscribe","data":{"channel":"news","last":1}}`, `{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"app-key:00"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"presence-x","auth":"app-key:00","channel_data":"{\"user_id\":1}"}}`,
		`{"event":"pusher:signin","data":{"auth":"app-key:00","user_data":"{\"id\":1}"}}`, `{"event":"pusher:unsubscribe","data":{"channel":"news"}}`,
		`{"event":"client-x","channel":"news","data":null}`, `{"event":"pusher:subscribe","data":{"channel":"#server-to-user-1","auth":""}}`,
	} {
		f.Add(m, m)
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, first, second string) {
		s := &script{t: nil, tags: map[string]uint64{}, now: now, app: testApp("")}
		s.app.Meter, s.app.Listener = s, s
		d := NewSocket(s)
		var e dialect.Effects
		d.Begin(now, &e)
		d.Opened(testSession)
		d.Push(now, []hub.Push{{Outcome: &hub.Outcome{Tag: tagOpen}}}, &e)
		for _, m := range []string{first, second, first} {
			e.Reset()
			d.Receive(now, dialect.Frame{Data: []byte(m)}, &e)
			var pushes []hub.Push
			for i := range e.Commands {
				c := &e.Commands[i]
				if c.Kind == hub.CommandPublish || c.Kind == dialect.CommandIdentify || TraitsOf(c.Channel).Has(Private) || strings.HasPrefix(c.Channel, "@") {
					t.Fatalf("%q has led to %+v", m, c)
				}
				pushes = append(pushes, hub.Push{Channel: c.Channel, Outcome: &hub.Outcome{Tag: c.Tag, Command: c.Kind, Channel: c.Channel}})
			}
			d.Push(now, pushes, &e)
			for _, frame := range e.Frames {
				if !json.Valid(payloadOf(frame)) {
					t.Errorf("%q is answered with %q", m, frame)
				}
			}
		}
	})
}

// A long message gets an answer that is not long.
func TestAnswersAreShort(t *testing.T) {
	s := &script{t: t, tags: map[string]uint64{}, now: time.Now(), app: testApp("")}
	s.app.Meter = s
	d := NewSocket(s)
	var e dialect.Effects
	d.Begin(s.now, &e)
	d.Opened(testSession)
	d.Push(s.now, []hub.Push{{Outcome: &hub.Outcome{Tag: tagOpen}}}, &e)
	long := strings.Repeat(`\"`, 30_000)
	for _, m := range []string{
		long, `{"event":"` + long + `"}`, `{"event":"pusher:subscribe","data":{"channel":"` + long + `"}}`, `{"event":"pusher:unsubscribe","data":{"channel":"` + long + `"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"` + long + `"}}`, `{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"app-key:` + long + `"}}`,
		`{"event":"pusher:signin","data":{"auth":"app-key:0","user_data":"` + long + `"}}`, `{"event":"client-` + long + `","channel":"` + long + `"}`,
	} {
		e.Reset()
		d.Receive(s.now, dialect.Frame{Data: []byte(m)}, &e)
		if n := len(bytes.Join(e.Frames, nil)); n == 0 || n > 32<<10 {
			t.Errorf("%.60s… is answered with %d bytes", m, n)
		}
	}
}
