package socketio

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/ws/wire"
)

// Whatever a client sends becomes publications that the hub takes, and what these are to
// clients can be read by them.
func FuzzNamespace(f *testing.F) {
	for _, seed := range []string{
		`2/chat,["said","hello"]`, `2/chat,["x"]`, `2/chat,7["pair",1,{"a":[1]}]`, "51-/chat,[\"file\",{\"_placeholder\":true,\"num\":0}]\nb:ff",
		`2/chat,["join","room"]`, `2/chat,["msg","x","room"]`, `2/chat,["message","\ud83d"]`, "1/chat,", `2/chat,["$",{"$base64":"AQ=="}]`,
		"52-/chat,[{\"a\":{\"_placeholder\":true,\"num\":1}},{\"_placeholder\":true,\"num\":0}]\nb:\nb:00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script string) {
		p := newPlayer(t)
		index := 0
		p.settings.rules = rules{"join": {Event: "join", Subscribe: &index}, "msg": {Event: "msg", Publish: &index}}
		p.settings.isEcho, p.settings.routed = true, routed{"ask"}
		p.play("< 0/chat,\n! done 1\n! done 3 E:1\n")
		for line := range strings.Lines(script) {
			line = strings.TrimSuffix(line, "\n")
			if text, isBytes := strings.CutPrefix(line, "b:"); isBytes {
				if _, err := hex.DecodeString(text); err != nil {
					return
				}
			}
			p.out.Reset()
			p.client(line)
			if strings.Contains(p.out.String(), "close the connection") {
				return
			}
		}
	})
}

// An event goes to the hub and comes back as the same arguments.
func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{`"hello"`, `1,2`, ``, `{"a":{"_placeholder":true,"num":0}}`, `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}`, `[[]]`, `"\ud83d"`, `"\u0000é"`} {
		f.Add("said", seed, []byte{1, 2, 0xff}, []byte{})
	}
	f.Fuzz(func(t *testing.T, event, args string, first, second []byte) {
		text := `["` + event + `"`
		if args != "" {
			text += "," + args
		}
		text += "]"
		n := strings.Count(args, "_placeholder")
		if n > 2 {
			return
		}
		message := "2" + text
		if n > 0 {
			message = "5" + string(rune('0'+n)) + "-" + text
		}
		var d packet.Decoder
		p, ok, err := d.Text([]byte(message))
		for _, b := range [][]byte{first, second}[:n] {
			if err == nil && !ok {
				p, ok, err = d.Binary(b)
			}
		}
		if err != nil || !ok || strings.Contains(args, attachmentKey) {
			return
		}
		m, err := publicationOf("chat", p.Event, p.Args, p.Attachments)
		if err != nil {
			return
		}
		shape := hub.Shape(0)
		if m.Attributes != nil {
			shape = m.Attributes.Shape
		}
		if !shape.Fits(m.Kind, m.Data) || m.Kind == hub.JSON && !json.Valid(m.Data) {
			t.Fatalf("%s becomes %v %q of the shape %d", message, m.Kind, m.Data, shape)
		}
		again := eventOf(&hub.Publication{Channel: "chat", Kind: m.Kind, Data: m.Data, Attributes: m.Attributes})
		if again.Event != p.Event {
			t.Fatalf("%q becomes %q", p.Event, again.Event)
		}
		got, want := expanded(t, again.Args, again.Attachments), expanded(t, p.Args, p.Attachments)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s comes back as %s", want, got)
		}
		checkFrames(t, joined(&again))
	})
}

// expanded are arguments as values of JSON, with bytes in them.
func expanded(t *testing.T, args packet.Args, attachments [][]byte) (values []any) {
	b, err := packet.AppendExpanded([]byte("["), args, attachments, packet.AppendBase64Object(attachmentKey))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(append(b, ']')))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return values
}

// checkFrames reads frames as a client does.
func checkFrames(t *testing.T, b []byte) {
	var d packet.Decoder
	ok, isFirst := false, true
	for len(b) > 0 {
		h, n, err := wire.ParseHeader(b)
		if err != nil || n == 0 || int(h.Length) > len(b)-n {
			t.Fatalf("%x is no frame: %v", b, err)
		}
		payload := b[n : n+int(h.Length)]
		b = b[n+int(h.Length):]
		if h.Opcode == wire.Text {
			if !isFirst || payload[0] != '4' {
				t.Fatalf("%q is not the first frame of a packet", payload)
			}
			_, ok, err = d.Text(payload[1:])
		} else {
			_, ok, err = d.Binary(payload)
		}
		if isFirst = false; err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
	}
	if !ok {
		t.Fatal("the packet is not complete")
	}
}

// Rooms and their channels are one to one.
func FuzzRoom(f *testing.F) {
	for _, seed := range []string{"cats", "a/b", "..", "100%", "*", "\n", "é", "\xff", "%2F"} {
		f.Add(seed, "chat")
	}
	f.Fuzz(func(t *testing.T, room, channel string) {
		name, err := roomChannel(channel, room)
		if err != nil {
			return
		}
		if got := roomOf(channel, name); got != room {
			t.Fatalf("room %q of %q is %q, and that %q", room, channel, name, got)
		}
		if parentOf(name) != channel || hub.CheckChannel(name) != nil {
			t.Fatalf("%q is below %q", name, parentOf(name))
		}
	})
}

// roomOf is the inverse of roomChannel, and returns "" for a channel that is no
// room of the namespace.
func roomOf(channel, name string) string {
	segment, ok := strings.CutPrefix(name, channel+"/")
	if !ok || strings.Contains(segment, "/") {
		return ""
	}
	var b strings.Builder
	for rest := segment; ; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			break
		}
		if len(after) < 2 {
			return ""
		}
		var c byte
		if _, err := fmt.Sscanf(after[:2], "%02X", &c); err != nil {
			return ""
		}
		b.WriteByte(c)
		rest = after[2:]
	}
	if escapeRoom(b.String()) != segment {
		return ""
	}
	return b.String()
}
