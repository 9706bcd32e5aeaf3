package dialect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/wire"
)

// plain makes of an object in CBOR, as a library of others reads it, what JSON has.
func plain(t *testing.T, object []byte) any {
	t.Helper()
	mode, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := mode.Unmarshal(object, &v); err != nil {
		t.Fatalf("%x: %v", object, err)
	}
	return named(t, "", v)
}

func named(t *testing.T, name string, v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for key, value := range v {
			name := clientproto.Key(key.(uint64)).String()
			if _, isBytes := value.([]byte); isBytes {
				m[name+"_base64"] = base64.StdEncoding.EncodeToString(value.([]byte))
			} else {
				m[name] = named(t, name, value)
			}
		}
		return m
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, named(t, "", item))
		}
		return list
	case uint64:
		if name == "time" || name == "since" {
			return time.UnixMicro(int64(v)).UTC().Format(time.RFC3339Nano)
		}
		return float64(v)
	case cbor.Tag:
		var value any
		if err := json.Unmarshal(v.Content.([]byte), &value); v.Number != clientproto.TagJSON || err != nil {
			t.Fatalf("tag %d: %v", v.Number, err)
		}
		return value
	}
	return v
}

// objectsOf are the objects of frames.
func objectsOf(t *testing.T, out *Effects, isCBOR bool) (objects []any) {
	t.Helper()
	for _, frame := range out.Frames {
		head := 2
		switch frame[1] {
		case 126:
			head = 4
		case 127:
			head = 10
		}
		if isCBOR != (frame[0] == 0x80|byte(wire.Binary)) {
			t.Fatalf("a frame begins with %x", frame[0])
		}
		if isCBOR {
			objects = append(objects, plain(t, frame[head:]))
			continue
		}
		var v any
		if err := json.Unmarshal(frame[head:], &v); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		objects = append(objects, v)
	}
	return objects
}

// TestObjectsAreTheSameInCBOR: every reply and every push says what it says in JSON.
func TestObjectsAreTheSameInCBOR(t *testing.T) {
	now := epoch.Add(123456 * time.Microsecond)
	members := []hub.Member{{ID: "i", Transport: "session", Since: now, User: "ann", Info: `{"n":[1,null]}`}, {Since: now, User: "bo", Sessions: 3}}
	p := func(kind hub.Kind, data string, a *hub.Attributes) *hub.Publication {
		return &hub.Publication{Channel: "chat", Position: at(300), Time: now, Kind: kind, Data: []byte(data), Attributes: a}
	}
	all := []*hub.Publication{
		p(hub.Text, "hel\"lo é🐦", nil), p(hub.JSON, `{"a":[1.5,null,"x"]}`, &hub.Attributes{Event: "e", User: "u", Key: "k"}),
		p(hub.Binary, "\x00\xff", nil), p(hub.JSON, `"text"`, nil), p(hub.Text, string(bytes.Repeat([]byte("x"), 70_000)), nil),
	}
	outcome := func(o hub.Outcome) hub.Push {
		o.Tag = 70_000
		o.Channel = "chat"
		return hub.Push{Channel: "chat", Outcome: &o}
	}
	pushes := []hub.Push{
		outcome(hub.Outcome{Command: hub.CommandSubscribe, Position: at(5), Count: 3, Deltas: true}),
		outcome(hub.Outcome{Command: hub.CommandSubscribe, Position: hub.Position{Epoch: LostEpoch}}),
		outcome(hub.Outcome{Command: hub.CommandSubscribe, Vector: &hub.Vector{Began: now, Until: now}}), // then one is pushed, too
		outcome(hub.Outcome{Command: hub.CommandUnsubscribe}),
		outcome(hub.Outcome{Command: hub.CommandPublish, Position: at(1 << 40), Duplicate: true}),
		outcome(hub.Outcome{Command: hub.CommandHistory, Page: hub.Page{Position: at(9), Publications: all, Gap: &hub.Gap{From: at(1), To: at(2), Reason: hub.GapExpired}}}),
		outcome(hub.Outcome{Command: hub.CommandPresence, Roster: &hub.Roster{Count: 2, Users: 1, Version: 7, Members: members, Next: "c"}}),
		outcome(hub.Outcome{Command: hub.CommandCall, Answer: &hub.Answer{Kind: hub.Binary, Data: []byte{1}}}),
		outcome(hub.Outcome{Command: CommandCancel}),
		outcome(hub.Outcome{Command: hub.CommandPublish, Err: errors.New("it \xff failed")}),
		{Channel: "chat", Gap: &hub.Gap{From: at(5), To: at(9), Count: 4}},
		{Channel: "chat", Behind: &hub.Behind{Err: errors.New("not for clients")}},
		{Behind: &hub.Behind{Err: errors.New("not for clients")}},
		{Behind: &hub.Behind{}},
		{Channel: "chat", Changes: &hub.Changes{Channel: "chat", Joined: members[:1], Left: members[1:], Version: 9, Previous: 8, Count: 1}},
		{Channel: "chat", Changes: &hub.Changes{Channel: "chat", Version: 9, Previous: 8, Count: 5000, IsPartial: true}},
		{Call: &hub.CallPush{ID: 7, Incoming: &hub.IncomingCall{ID: 7, Method: "m/n", User: "ann", Info: `{"a":1}`, Session: "s", Deadline: now.Add(time.Second), Kind: hub.JSON, Data: []byte(`[1,2]`)}}},
		{Call: &hub.CallPush{ID: 7, Over: hub.ErrCanceled}},
	}
	for _, p := range all {
		pushes = append(pushes, hub.Push{Channel: p.Channel, Delivery: &hub.Delivery{Publication: p}})
	}
	said := func(subprotocol string) (objects []any) {
		s := NewSession(testSessionOptions())
		s.Agree(subprotocol, false)
		var out Effects
		s.Begin(now, &out)
		s.phase = phaseConnecting
		s.Connected(now, &Connected{Tag: 1, Session: "abc", Secret: "def", User: "ann", Expires: now.Add(time.Hour), IsResumed: true}, &out)
		s.Push(now, pushes, &out)
		s.refuse(0, clientproto.ProblemCommand, "without an id", &out)
		s.sendFailure(5, Failure{Problem: clientproto.ProblemInternal, Detail: "d", RetryAfter: time.Second, Data: []byte(`{"a":1}`)}, &out)
		s.Expire(now.Add(time.Hour), &out)
		s.End(&hub.Ended{Code: 4403, Reason: "over"}, &out)
		return objectsOf(t, &out, subprotocol == SubprotocolCBOR)
	}
	want, got := said("godwit.v1"), said(SubprotocolCBOR)
	if len(want) != len(got) || len(want) < len(pushes)+4 {
		t.Fatalf("%d objects, and %d in JSON", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("in CBOR it is\n%.300v, and in JSON\n%.300v", got[i], want[i])
		}
	}
}

// FuzzEnvelopeCBOR: a library of others reads from an envelope what was published.
func FuzzEnvelopeCBOR(f *testing.F) {
	f.Add("chat", uint64(17), []byte("hello"), byte(0), "user", int64(1_796_000_000_000_000))
	f.Add("", uint64(0), []byte(`{"a":1}`), byte(2), "", int64(-1))
	f.Fuzz(func(t *testing.T, channel string, offset uint64, data []byte, kind byte, user string, micros int64) {
		p := &hub.Publication{Channel: channel, Position: hub.Position{Epoch: "epoch-" + user, Offset: offset}, Kind: hub.Kind(kind % 3), Data: data, Time: time.UnixMicro(micros), Attributes: &hub.Attributes{User: user}}
		if p.Kind == hub.Text && !utf8.Valid(data) || !utf8.ValidString(user) || !utf8.ValidString(channel) {
			t.Skip("the hub has no such publication")
		}
		w := writer{isCBOR: true}
		w.envelope(p)
		var m map[clientproto.Key]any
		if err := cbor.Unmarshal(w.b, &m); err != nil {
			t.Fatalf("%x: %v", w.b, err)
		}
		got := m[clientproto.KeyData]
		if tag, isTag := got.(cbor.Tag); isTag != (p.Kind == hub.JSON) {
			t.Fatalf("%v", got)
		} else if isTag {
			got = tag.Content
		}
		if text, ok := got.(string); ok {
			got = []byte(text)
		}
		if !bytes.Equal(got.([]byte), data) || m[clientproto.KeyChannel] != channel || m[clientproto.KeyPosition] != p.Position.String() || m[clientproto.KeyTime] != uint64(max(0, micros)) {
			t.Fatalf("%+v is %v", p, m)
		}
	})
}

// TestTextIsNoCBOR: a client that speaks the other one is told so.
func TestTextIsNoCBOR(t *testing.T) {
	s := NewSession(testSessionOptions())
	s.Agree(SubprotocolCBOR, true)
	var out Effects
	s.Begin(epoch, &out)
	s.Receive(epoch, Frame{Data: []byte(`{"id":1,"connect":{}}`)}, &out)
	if out.Closing == nil || out.Closing.Code != clientproto.CloseUnsupportedData || len(out.Commands) > 0 {
		t.Errorf("%+v", out.Closing)
	}

	// Commands behind a mistake are done, and CBOR that is not well-formed ends a message.
	s = NewSession(testSessionOptions())
	s.Agree(SubprotocolCBOR, false)
	out.Reset()
	s.Receive(epoch, Frame{Binary: true, Data: []byte{0xA1, 9, 1, 0xA2, 9, 2, 0x18, 24, 0xA0, 0xA2, 9, 3}}, &out)
	if len(out.Commands) != 1 || out.Commands[0].Kind != CommandConnect {
		t.Errorf("%+v", out.Commands)
	}
	s.Connected(epoch, &Connected{Tag: 2, Session: "s"}, &out)
	if objects := objectsOf(t, &out, true); len(objects) != 3 {
		t.Errorf("it is told %v", objects)
	}
}
