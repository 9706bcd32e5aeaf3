package packet

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		text        string
		want        Packet
		attachments int
	}{
		{`0`, Packet{Type: Connect, Namespace: "/"}, 0},
		{`0{"token":"abc"}`, Packet{Type: Connect, Namespace: "/", Data: []byte(`{"token":"abc"}`)}, 0},
		{`0/chat,`, Packet{Type: Connect, Namespace: "/chat"}, 0},
		{`0/chat`, Packet{Type: Connect, Namespace: "/chat"}, 0},
		{`0/chat,{"a":1}`, Packet{Type: Connect, Namespace: "/chat", Data: []byte(`{"a":1}`)}, 0},
		{`1`, Packet{Type: Disconnect, Namespace: "/"}, 0},
		{`1/chat,`, Packet{Type: Disconnect, Namespace: "/chat"}, 0},
		{`2["x"]`, Packet{Type: Event, Namespace: "/", Event: "x"}, 0},
		{`2/,["x"]`, Packet{Type: Event, Namespace: "/", Event: "x"}, 0},
		{`2["x",1,{"b":[2]},"c"]`, Packet{Type: Event, Namespace: "/", Event: "x", Args: Args(`1,{"b":[2]},"c"`)}, 0},
		{`2 [ "x" , 1 , 2 ] `, Packet{Type: Event, Namespace: "/", Event: "x", Args: Args(`1 , 2`)}, 0},
		{`2[""]`, Packet{Type: Event, Namespace: "/"}, 0},
		{`2[7,1]`, Packet{Type: Event, Namespace: "/", Event: "7", Args: Args(`1`)}, 0},
		{`2["a\"\u00e9"]`, Packet{Type: Event, Namespace: "/", Event: `a"é`}, 0},
		{`2/chat,456["x",12345678901234567890123]`, Packet{Type: Event, Namespace: "/chat", ID: 456, HasID: true, Event: "x", Args: Args(`12345678901234567890123`)}, 0},
		{`218446744073709551615["x"]`, Packet{Type: Event, Namespace: "/", ID: 18446744073709551615, HasID: true, Event: "x"}, 0},
		{`30[]`, Packet{Type: Ack, Namespace: "/", HasID: true}, 0},
		{`3/chat,12[1,"b"]`, Packet{Type: Ack, Namespace: "/chat", ID: 12, HasID: true, Args: Args(`1,"b"`)}, 0},
		{`4{"message":"no"}`, Packet{Type: ConnectError, Namespace: "/", Data: []byte(`{"message":"no"}`)}, 0},
		{`4"no"`, Packet{Type: ConnectError, Namespace: "/", Data: []byte(`"no"`)}, 0},
		{`51-["x",{"_placeholder":true,"num":0}]`, Packet{Type: Event, Namespace: "/", Event: "x", Args: Args(`{"_placeholder":true,"num":0}`)}, 1},
		{`510-/chat,7["x"]`, Packet{Type: Event, Namespace: "/chat", ID: 7, HasID: true, Event: "x"}, 10},
		{`62-3[1]`, Packet{Type: Ack, Namespace: "/", ID: 3, HasID: true, Args: Args(`1`)}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, n, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Args) == 0 {
				got.Args = nil
			}
			if !reflect.DeepEqual(got, tt.want) || n != tt.attachments {
				t.Errorf("got  %+v, %d attachments\nwant %+v, %d", got, n, tt.want, tt.attachments)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		text string
		want error
	}{
		{``, ErrType}, {`7`, ErrType}, {`9["x"]`, ErrType}, {`abc`, ErrType}, {`-1`, ErrType},
		{`2`, ErrData}, {`2/chat`, ErrData}, {`2/chat,`, ErrData}, {`2{}`, ErrData}, {`2"x"`, ErrData}, {`2["x"`, ErrData},
		{`2["x"]]`, ErrData}, {`2["x",]`, ErrData}, {`2[,"x"]`, ErrData}, {`2["x" "y"]`, ErrData}, {`2["x",01]`, ErrData},
		{"2[\"a\nb\"]", ErrData}, {`2["x",{"a"}]`, ErrData}, {`2["x",{"a":}]`, ErrData}, {`2["x",tru]`, ErrData},
		{`2["\u12g4"]`, ErrData}, {`2["\x"]`, ErrData}, {`2["x",1.]`, ErrData}, {`2["x",1e]`, ErrData}, {`2["x",-]`, ErrData},
		{`2[]`, ErrEventName}, {`2[null]`, ErrEventName}, {`2[{}]`, ErrEventName}, {`2[true]`, ErrEventName},
		{`2["connect"]`, ErrEventName}, {`2["connect_error"]`, ErrEventName}, {`2["disconnect"]`, ErrEventName}, {`2["disconnecting"]`, ErrEventName},
		{`2["newListener"]`, ErrEventName}, {`2["removeListener"]`, ErrEventName}, {`2["\u0063onnect"]`, ErrEventName},
		{`2abc["x"]`, ErrData}, {`218446744073709551616["x"]`, ErrID}, {`0123{}`, ErrID}, {`112`, ErrID},
		{`3[]`, ErrID}, {`31`, ErrData}, {`31{}`, ErrData}, {`1{}`, ErrData}, {`0[]`, ErrData}, {`0"x"`, ErrData}, {`4`, ErrData}, {`41[]`, ErrID}, {`4[]`, ErrData},
		{`5["x"]`, ErrAttachments}, {`5-["x"]`, ErrAttachments}, {`50-["x"]`, ErrAttachments}, {`511-["x"]`, ErrAttachments}, {`51`, ErrAttachments},
		{`599999999999999999999999-["x"]`, ErrAttachments}, {`5-1-["x"]`, ErrAttachments}, {`6["x"]`, ErrAttachments},
		{`2/` + strings.Repeat("n", 255) + `,["x"]`, ErrNamespace},
		{`2["x",` + strings.Repeat("[", depthMax) + strings.Repeat("]", depthMax) + `]`, ErrData},
	}
	for _, tt := range tests {
		if _, _, err := Parse([]byte(tt.text)); !errors.Is(err, tt.want) {
			t.Errorf("%.60s: %v, want %v", tt.text, err, tt.want)
		}
	}
}

func TestNamesAreKept(t *testing.T) {
	var n names
	text := []byte(`2/chat,["say","hello"]`)
	allocs := testing.AllocsPerRun(100, func() {
		if _, _, err := parse(text, DefaultNamespaceBytesMax, &n); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a packet like the one before allocates %v times", allocs)
	}
}

func TestArgs(t *testing.T) {
	a, err := ParseArgs([]byte(` [ 1 , "two", {"three":[4]} ] `))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for arg := range a.All() {
		got = append(got, string(arg))
	}
	if want := []string{`1`, `"two"`, `{"three":[4]}`}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if a.Len() != 3 || Args(nil).Len() != 0 {
		t.Errorf("lengths are %d and %d", a.Len(), Args(nil).Len())
	}
	for _, bad := range []string{``, `1`, `{}`, `[`, `[1`, `[1,]`, `[1]x`, `[1 2]`} {
		if _, err := ParseArgs([]byte(bad)); err != ErrData {
			t.Errorf("%q: %v", bad, err)
		}
	}
	built := Args(nil).AppendString("a\"\u2028").AppendArg([]byte(`{"b":1}`)).AppendPlaceholder(3)
	if got, want := string(built.AppendArray(nil)), `["a\"\u2028",{"b":1},{"_placeholder":true,"num":3}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzParse: a parsed packet can be written, and is the same when it is parsed again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`0`, `0/chat,{"a":1}`, `1/chat,`, `2["x",1,{"b":[2.5e-3,null,true]}]`, `2/a,17[3,"\ud83d\ude00"]`, `33[]`, `4{"message":"no"}`,
		`51-["x",{"_placeholder":true,"num":0}]`, `62-/b,3[{"num":1,"_placeholder":true},1]`, `2/a?x=1,["y"]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, n, err := Parse(text)
		if err != nil {
			return
		}
		for range n {
			p.Attachments = append(p.Attachments, nil)
		}
		written := p.AppendText(nil)
		again, m, err := Parse(written)
		if err != nil || m != n {
			t.Fatalf("%q becomes %q: %v", text, written, err)
		}
		again.Attachments = p.Attachments
		if len(p.Args) == 0 {
			p.Args, again.Args = nil, nil
		}
		// What JSON strings may hold besides text becomes U+FFFD once.
		if p.Event = strings.ToValidUTF8(p.Event, "\ufffd"); len(p.Event) != len(again.Event) {
			p.Event = again.Event
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("%q\nis   %+v\nthen %+v", text, p, again)
		}
		if p.Type == Event || p.Type == Ack {
			array := p.Args.AppendArray(nil)
			if !json.Valid(array) {
				t.Fatalf("arguments %q are not valid", array)
			}
			var values []json.RawMessage
			if json.Unmarshal(array, &values) != nil || len(values) != p.Args.Len() {
				t.Fatalf("%q has %d arguments, and not %d", array, len(values), p.Args.Len())
			}
		}
	})
}

// FuzzParseArgs: JSON for the standard library is JSON here.
func FuzzParseArgs(f *testing.F) {
	for _, seed := range []string{`[]`, `[1,-0.5e+7,"\u00e9\n"]`, `[{"a":{"b":[[]]}},null]`, `[01]`, `["\x"]`, ` [ ] `, `[1,]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, array []byte) {
		args, err := ParseArgs(array)
		valid := json.Valid(array) && array[skipSpace(array, 0)] == '['
		if valid != (err == nil) && strings.Count(string(array), "[")+strings.Count(string(array), "{") < depthMax {
			t.Fatalf("%q: %v, the standard library says %v", array, err, valid)
		}
		if err != nil {
			return
		}
		again, err := ParseArgs(args.AppendArray(nil))
		if err != nil || string(again) != string(args) {
			t.Fatalf("%q becomes %q: %v", args, again, err)
		}
	})
}
