package dialect

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/eventsource"
)

func lineEndsNormalised(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

func publication(kind hub.Kind, data string) *hub.Publication {
	return &hub.Publication{
		Channel:  "chat/α",
		Position: hub.Position{Epoch: "abc", Offset: 7},
		Time:     time.Date(2026, 11, 21, 9, 30, 0, 500_000_000, time.UTC),
		Kind:     kind,
		Data:     []byte(data),
	}
}

func TestAppendEvent(t *testing.T) {
	tests := []struct {
		kind hub.Kind
		data string
		want string
	}{
		{hub.Text, "hello", "id: abc:7\ndata: hello\n\n"},
		{hub.Text, "", "id: abc:7\ndata: \n\n"},
		{hub.Text, " leading space", "id: abc:7\ndata:  leading space\n\n"},
		{hub.Text, "a\nb", "id: abc:7\ndata: a\ndata: b\n\n"},
		{hub.Text, "a\rb", "id: abc:7\ndata: a\ndata: b\n\n"},
		{hub.Text, "a\r\nb", "id: abc:7\ndata: a\ndata: b\n\n"},
		{hub.Text, "a\n\rb", "id: abc:7\ndata: a\ndata: \ndata: b\n\n"},
		{hub.Text, "a\n", "id: abc:7\ndata: a\ndata: \n\n"},
		{hub.Text, "\r", "id: abc:7\ndata: \ndata: \n\n"},
		{hub.Text, "x\rid: evil:1\revent: gap\r\r", "id: abc:7\ndata: x\ndata: id: evil:1\ndata: event: gap\ndata: \ndata: \n\n"},
		{hub.JSON, "{\n \"a\": 1}", "id: abc:7\ndata: {\ndata:  \"a\": 1}\n\n"},
		{hub.Binary, "\x00\xff", "id: abc:7\nevent: binary\ndata: AP8=\n\n"},
		{hub.Binary, "", "id: abc:7\nevent: binary\ndata: \n\n"},
	}
	for _, test := range tests {
		if got := string(appendEvent(nil, publication(test.kind, test.data))); got != test.want {
			t.Errorf("%q: got %q, want %q", test.data, got, test.want)
		}
	}
}

func TestAppendEventOpenAndGap(t *testing.T) {
	begin := hub.Position{Epoch: "abc", Offset: 7}
	var p eventsource.Parser
	if events := p.Parse(string(appendEventOpen(nil, 1500*time.Millisecond, begin))); len(events) != 1 || events[0] != (eventsource.Event{ID: "abc:7", Name: "position", Data: "abc:7"}) {
		t.Errorf("the beginning dispatches %q", events)
	}
	if p.LastID != "abc:7" || p.Retry != "1500" {
		t.Errorf("after the beginning the last event ID is %q and the retry %q", p.LastID, p.Retry)
	}
	gap := &hub.Gap{From: begin, To: hub.Position{Epoch: "abc", Offset: 40}}
	events := p.Parse(string(appendEventGap(nil, gap)))
	if len(events) != 1 || events[0] != (eventsource.Event{ID: "abc:40", Name: "gap", Data: `{"from":"abc:7","to":"abc:40"}`}) {
		t.Errorf("a gap is dispatched as %q", events)
	}
	gap.From = hub.Position{Epoch: LostEpoch}
	events = p.Parse(string(appendEventGap(nil, gap)))
	if len(events) != 1 || events[0].Data != `{"from":null,"to":"abc:40"}` {
		t.Errorf("a gap after an id that is no position is dispatched as %q", events)
	}
}

func FuzzAppendEvent(f *testing.F) {
	for _, seed := range []string{"", "hello", "a\nb\rc\r\nd", "\r\n\r\n", "data: x\n\nid: evil", ":\x00\ufeff", "\u2028", "\xff"} {
		f.Add(seed, uint8(hub.Text))
		f.Add(seed, uint8(hub.Binary))
	}
	f.Fuzz(func(t *testing.T, data string, k uint8) {
		kind := hub.Kind(k % 3)
		if kind != hub.Binary && !utf8.ValidString(data) {
			return // the hub does not let it in
		}
		var p eventsource.Parser
		// Between two others, so that whatever leaks out of it is seen.
		stream := string(appendEvent(nil, publication(hub.Text, "before"))) +
			string(appendEvent(nil, publication(kind, data))) +
			string(appendEvent(nil, publication(hub.Text, "after")))
		events := p.Parse(stream)
		if len(events) != 3 || events[0].Data != "before" || events[2] != (eventsource.Event{ID: "abc:7", Name: "", Data: "after"}) {
			t.Fatalf("%q breaks its neighbours: %q", data, events)
		}
		got, want := events[1], eventsource.Event{ID: "abc:7", Name: "", Data: lineEndsNormalised(data)}
		if kind == hub.Binary {
			want.Name, want.Data = "binary", base64.StdEncoding.EncodeToString([]byte(data))
		}
		if got != want {
			t.Fatalf("%q is received as %q, want %q", data, got, want)
		}
	})
}
