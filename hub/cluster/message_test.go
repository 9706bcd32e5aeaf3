package cluster

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// examples are messages of every type.
var examples = []*message{
	{Version: 1, Type: typeBeat, From: "ABC", Number: 3, Beat: &beat{
		Number: 17, Asks: true, Name: "eins", Program: "1.2.3", Newest: 2, Oldest: 1, Address: "10.0.0.1:99", Token: "t",
		State: StateDraining, Age: time.Hour, Lag: time.Millisecond, Load: Load{1, 2, 3, 4.5, 6}, Note: []byte{0, 255},
	}},
	{Version: 1, Type: typeBeat, From: "ABC", Beat: &beat{Newest: 1, Oldest: 1}},
	{Version: 1, Type: typeBye, From: "ABCDEFGHIJ"},
	{Version: 1, Type: typeTold, From: "A2", Number: 1 << 60, Kind: "news", data: []byte("line\nline")},
	{Version: 1, Type: typeAsk, From: "A2", Number: 1, Kind: "what", Wait: time.Second, data: []byte("{}")},
	{Version: 1, Type: typeAnswer, From: "A2", Number: 1, Part: 2, More: true, data: []byte{0, 1, 255}},
	{Version: 1, Type: typeAnswer, From: "A2", Number: 1, Error: "no", Reason: reasonBusy},
}

// TestMessage: a message is read as it was sent.
func TestMessage(t *testing.T) {
	for _, m := range examples {
		b, err := appendMessage([]byte("before"), m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseMessage(b[len("before"):])
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if again, err := appendMessage([]byte("before"), got); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s became %s, %v", b, again, err)
		}
	}
}

// TestMessageOfNewer: unknown fields of a message are ignored.
func TestMessageOfNewer(t *testing.T) {
	m, err := parseMessage([]byte(`{"v":9,"t":"beat","from":"ABC","new thing":{"x":1},"beat":{"n":1,"new":9,"old":8,"more":[1]}}` + "\n"))
	if err != nil || m.Beat.Newest != 9 || m.Version != 9 {
		t.Errorf("%+v, %v", m, err)
	}
	p := Peer{Newest: 9, Oldest: 8}
	if p.understands(1, 1) || !p.understands(8, 7) || !p.understands(12, 9) || p.understands(12, 10) {
		t.Error("which versions understand each other is wrong")
	}
}

// TestMessageBounds: bytes that are no message, or have a part that is too long, are refused.
func TestMessageBounds(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, text := range []string{
		"", "{}", "{}\n", "null\n", "[]\n", `{"v":1,"t":"bye","from":""}` + "\n", `{"v":0,"t":"bye","from":"A"}` + "\n",
		`{"v":1,"t":"bye","from":"ABCDEFGHIJK"}` + "\n", `{"v":1,"t":"bye","from":"a"}` + "\n", `{"v":1,"t":"bye","from":"A"}`,
		`{"v":1,"t":"beat","from":"A"}` + "\n", `{"v":1,"t":"beat","from":"A","beat":{"new":1,"old":2}}` + "\n",
		`{"v":1,"t":"beat","from":"A","beat":{"new":0,"old":0}}` + "\n",
		fmt.Sprintf(`{"v":1,"t":"beat","from":"A","beat":{"new":1,"old":1,"name":"%s"}}`, long) + "\n",
		fmt.Sprintf(`{"v":1,"t":"told","from":"A","kind":"%s"}`, long) + "\n",
		fmt.Sprintf(`{"v":1,"t":"told","from":"A","x":"%s"}`, strings.Repeat("x", headBytesMax)) + "\n",
		fmt.Sprintf(`{"v":1,"t":"beat","from":"A","beat":{"new":1,"old":1,"note":"%s"}}`, strings.Repeat("AAAA", 22)) + "\n", `{"v":1,"t":"told","from":"A"}` + "\n",
		`{"v":1,"t":"answer","from":"A","part":-1}` + "\n", `{"v":1,"t":"ask","from":"A","wait":-1}` + "\n",
	} {
		if m, err := parseMessage([]byte(text)); err == nil {
			t.Errorf("%.80s was read as %+v", text, m)
		}
	}
	if _, err := appendMessage(nil, &message{Error: strings.Repeat("x", headBytesMax)}); err == nil {
		t.Error("a head that is too long was written")
	}
	if got := cut(strings.Repeat("x", 254) + "ä"); len(got) != 254 {
		t.Errorf("a text was cut in a character: %d bytes", len(got))
	}
	if got := cut("a\xffb"); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
}

// FuzzMessage: a message that was read is written so that it reads the same.
func FuzzMessage(f *testing.F) {
	for _, m := range examples {
		b, err := appendMessage(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		once, err := appendMessage(nil, m)
		if err != nil {
			return // JSON of others can be shorter
		}
		again, err := parseMessage(once)
		if err != nil {
			t.Fatalf("%q was read and written as %q, which is refused: %v", b, once, err)
		}
		twice, err := appendMessage(nil, again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q, then %q, %v", once, twice, err)
		}
	})
}
