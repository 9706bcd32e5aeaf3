package transport

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
)

// event is what an EventSource would dispatch.
type event struct{ id, name, data string }

// eventParser is the algorithm of HTML §9.2.6, written from the standard and
// sharing nothing with the encoder.
type eventParser struct {
	id     string // last event ID buffer
	name   string
	data   strings.Builder
	retry  string
	lastID string // what an EventSource would send as Last-Event-ID
}

// line interprets one line without its end. It returns an event when the line
// dispatches one.
func (p *eventParser) line(line string) (event, bool) {
	if line == "" {
		p.lastID = p.id
		data, name := p.data.String(), p.name
		p.data.Reset()
		p.name = ""
		if data == "" {
			return event{}, false
		}
		return event{p.lastID, name, strings.TrimSuffix(data, "\n")}, true
	}
	if line[0] == ':' {
		return event{}, false
	}
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "event":
		p.name = value
	case "data":
		p.data.WriteString(value)
		p.data.WriteByte('\n')
	case "id":
		if !strings.Contains(value, "\x00") {
			p.id = value
		}
	case "retry":
		if value != "" && strings.Trim(value, "0123456789") == "" {
			p.retry = value
		}
	}
	return event{}, false
}

// parse splits a whole stream into lines at CRLF, LF and CR and interprets them.
func (p *eventParser) parse(stream string) (events []event) {
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	stream = strings.ReplaceAll(stream, "\r", "\n")
	lines := strings.Split(stream, "\n")
	for _, line := range lines[:len(lines)-1] { // an unfinished line at the end is dropped
		if e, ok := p.line(line); ok {
			events = append(events, e)
		}
	}
	return events
}

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
	var p eventParser
	if events := p.parse(string(appendEventOpen(nil, 1500*time.Millisecond, begin))); len(events) != 0 {
		t.Errorf("the beginning dispatches %q", events)
	}
	if p.lastID != "abc:7" || p.retry != "1500" {
		t.Errorf("after the beginning the last event ID is %q and the retry %q", p.lastID, p.retry)
	}
	gap := &hub.Gap{From: begin, To: hub.Position{Epoch: "abc", Offset: 40}}
	events := p.parse(string(appendEventGap(nil, gap)))
	if len(events) != 1 || events[0] != (event{"abc:40", "gap", `{"from":"abc:7","to":"abc:40"}`}) {
		t.Errorf("a gap is dispatched as %q", events)
	}
	gap.From = hub.Position{Epoch: lostEpoch}
	events = p.parse(string(appendEventGap(nil, gap)))
	if len(events) != 1 || events[0].data != `{"from":null,"to":"abc:40"}` {
		t.Errorf("a gap after an id that is no position is dispatched as %q", events)
	}
}

func TestResumeEvents(t *testing.T) {
	given := query{since: hub.Position{Epoch: "url", Offset: 1}, last: -1}
	last := query{last: 3}
	tests := []struct {
		id   string
		in   query
		want query
	}{
		{"", given, given},
		{"", last, last},
		{"abc:7", given, query{since: hub.Position{Epoch: "abc", Offset: 7}, last: -1}},
		{"abc:7", last, query{since: hub.Position{Epoch: "abc", Offset: 7}, last: -1}},
		{"nonsense", given, query{since: hub.Position{Epoch: lostEpoch}, last: -1}},
		{"?:1", given, query{since: hub.Position{Epoch: lostEpoch}, last: -1}},
	}
	for _, test := range tests {
		got := test.in
		if resumeEvents(test.id, &got); got != test.want {
			t.Errorf("Last-Event-ID %q over %+v gives %+v, want %+v", test.id, test.in, got, test.want)
		}
	}
	if _, err := hub.ParsePosition(lostEpoch + ":0"); err == nil {
		t.Error("a client can name the epoch that stands for a lost position")
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
		var p eventParser
		// Between two others, so that whatever leaks out of it is seen.
		stream := string(appendEvent(nil, publication(hub.Text, "before"))) +
			string(appendEvent(nil, publication(kind, data))) +
			string(appendEvent(nil, publication(hub.Text, "after")))
		events := p.parse(stream)
		if len(events) != 3 || events[0].data != "before" || events[2] != (event{"abc:7", "", "after"}) {
			t.Fatalf("%q breaks its neighbours: %q", data, events)
		}
		got, want := events[1], event{"abc:7", "", lineEndsNormalised(data)}
		if kind == hub.Binary {
			want.name, want.data = "binary", base64.StdEncoding.EncodeToString([]byte(data))
		}
		if got != want {
			t.Fatalf("%q is received as %q, want %q", data, got, want)
		}
	})
}
