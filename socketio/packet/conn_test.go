package packet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws/wire"
)

// TestDialogues plays testdata/dialogues. A line is said by one side:
//
//	< 2["x"]            the client sends text, without the digit 4
//	< b:0102            the client sends bytes
//	! accept /chat sid  the program of the server acts
//	> …                 what comes of it: written by the test
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/dialogues/*.txt", play)
}

func play(t *testing.T, text string) string {
	var out strings.Builder
	now := time.Unix(0, 0)
	limits := Limits{}
	var conn *Conn
	say := func(format string, args ...any) { fmt.Fprintf(&out, "> "+format+"\n", args...) }
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "> ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		words := append(strings.Fields(line), "", "", "")
		if words[1] == "legacy" {
			limits.Legacy = true
			continue
		}
		if words[1] == "namespaces" {
			limits.NamespacesMax, _ = strconv.Atoi(words[2])
			continue
		}
		if conn == nil {
			var err error
			if conn, err = NewConn(limits, now); err != nil {
				t.Fatal(err)
			}
			if p, ok := conn.Begin(); ok {
				say("%s", show(p))
			}
		}
		sent := func(frame []byte) {
			if frame == nil {
				say("nothing")
				return
			}
			say("send %s", payload(t, frame))
		}
		input := func(p Packet, ok bool, err error) {
			switch {
			case err != nil:
				say("close: %v", err)
			case ok:
				say("%s", show(p))
			}
		}
		switch words[0] + words[1] {
		case "!accept":
			sent(conn.Accept(words[2], words[3], words[4]))
		case "!refuse":
			sent(conn.Refuse(words[2], words[3], []byte(words[4])))
		case "!leave":
			sent(conn.Leave(words[2]))
		case "!wait":
			d, err := time.ParseDuration(words[2])
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(d)
			if err := conn.Expire(now); err != nil {
				say("close: %v", err)
			}
		default:
			message := strings.TrimPrefix(line, "< ")
			if bytes, ok := strings.CutPrefix(message, "b:"); ok {
				b, err := hex.DecodeString(bytes)
				if err != nil {
					t.Fatal(err)
				}
				input(conn.Binary(b))
				continue
			}
			input(conn.Text([]byte(message)))
		}
	}
	return out.String()
}

func show(p Packet) string {
	s := p.Type.String() + " " + p.Namespace
	if p.HasID {
		s += fmt.Sprintf(" id=%d", p.ID)
	}
	if p.Type == Event {
		s += fmt.Sprintf(" %q", p.Event)
	}
	if p.Type == Event || p.Type == Ack {
		s += " (" + string(p.Args) + ")"
	}
	if p.Data != nil {
		s += " " + string(p.Data)
	}
	for _, a := range p.Attachments {
		s += fmt.Sprintf(" b:%x", a)
	}
	return s
}

func payload(t *testing.T, frame []byte) string {
	t.Helper()
	h, n, err := wire.ParseHeader(frame)
	if err != nil || n == 0 || int(h.Length) != len(frame)-n || !h.Fin || h.Masked {
		t.Fatalf("%x is no whole frame: %+v, %v", frame, h, err)
	}
	if h.Opcode == wire.Binary {
		return fmt.Sprintf("b:%x", frame[n:])
	}
	return string(frame[n:])
}

func TestFrames(t *testing.T) {
	for _, size := range []int{0, 1, 100, 117, 118, 119, 125, 126, 65500, 65530, 70000} {
		arg := `"` + strings.Repeat("x", size) + `"`
		p := Packet{Type: Event, Namespace: "/chat", ID: 7, HasID: true, Event: "say", Args: Args(arg), Attachments: [][]byte{{1, 2}, make([]byte, size)}}
		frames := p.Frames()
		if len(frames) != 3 {
			t.Fatalf("%d frames", len(frames))
		}
		if got, want := payload(t, frames[0]), `452-/chat,7["say",`+arg+`]`; got != want {
			t.Errorf("size %d: got %.40s…, want %.40s…", size, got, want)
		}
		if got := payload(t, frames[1]); got != "b:0102" {
			t.Errorf("attachment is %s", got)
		}
		payload(t, frames[2])
	}
}

// The text of a packet goes into memory that is taken once.
func TestFramesAllocations(t *testing.T) {
	p := Packet{Type: Event, Namespace: "/chat", Event: "say", Args: Args(`"hello"`)}
	if allocs := testing.AllocsPerRun(100, func() { p.Frames() }); allocs > 2 {
		t.Errorf("a packet allocates %v times", allocs)
	}
}

// Attachments that are announced and never sent cost the text of their announcement, and no more.
func TestAttachmentsNeverSent(t *testing.T) {
	conn, err := NewConn(Limits{}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	conn.set(Main, joined)
	if _, ok, err := conn.Text([]byte(`510-["x"]`)); ok || err != nil {
		t.Fatal(ok, err)
	}
	message := make([]byte, 1<<20)
	for range 3 {
		if _, ok, err := conn.Binary(message); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if _, _, err := conn.Binary(message); !errors.Is(err, ErrTooLarge) {
		t.Errorf("4 MiB and a text: %v", err)
	}
}

func TestMillionNamespaces(t *testing.T) {
	names := 1_000_000
	if testing.Short() {
		names = 100_000
	}
	conn, err := NewConn(Limits{}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	refused := 0
	var text []byte
	runtime.ReadMemStats(&before)
	for i := range names {
		text = strconv.AppendInt(append(text[:0], "0/n"...), int64(i), 10)
		p, ok, err := conn.Text(text)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if p.Type == ConnectError {
			refused++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if want := names - DefaultNamespacesMax; refused != want || len(conn.namespaces) != DefaultNamespacesMax {
		t.Errorf("%d refused, want %d; %d are known", refused, want, len(conn.namespaces))
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("they keep %d bytes", grown)
	}
}

func TestLimitsAreRefused(t *testing.T) {
	for _, l := range []Limits{{PacketBytesMax: -1}, {NamespaceBytesMax: -1}, {NamespacesMax: -1}, {ConnectTimeout: -1}} {
		var wrong *OptionError
		if _, err := NewConn(l, time.Time{}); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", l, err)
		}
		if _, err := NewDecoder(l); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// FuzzConn: whatever a client sends, packets come out for namespaces it is in, and what
// is kept stays within the limits.
func FuzzConn(f *testing.F) {
	f.Add("0\n2[\"x\"]\n51-[\"x\",{\"_placeholder\":true,\"num\":0}]\nb:01\n1", false)
	f.Add("0/a?x=1,\n2/a,[\"x\"]\n1/a,\n0/a\n0/b\n0/c\n0/d", true)
	f.Fuzz(func(t *testing.T, script string, legacy bool) {
		conn, err := NewConn(Limits{Legacy: legacy, NamespacesMax: 3, PacketBytesMax: 200}, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		conn.Begin()
		for line := range strings.Lines(script) {
			line = strings.TrimSuffix(line, "\n")
			var p Packet
			var ok bool
			if b, binary := strings.CutPrefix(line, "b:"); binary {
				p, ok, err = conn.Binary([]byte(b))
			} else {
				p, ok, err = conn.Text([]byte(line))
			}
			if err != nil {
				return
			}
			if len(conn.namespaces) > 3 || conn.decoder.size > 200 {
				t.Fatalf("%d namespaces, %d bytes", len(conn.namespaces), conn.decoder.size)
			}
			if !ok {
				continue
			}
			switch p.Type {
			case Connect:
				if len(p.Namespace)%2 == 0 {
					conn.Accept(p.Namespace, "sid", "")
				} else {
					conn.Refuse(p.Namespace, "no", nil)
				}
			case Event, Ack:
				if !conn.IsJoined(p.Namespace) {
					t.Fatalf("%q for a namespace that is not joined", line)
				}
				conn.Leave(p.Namespace)
			}
		}
	})
}
