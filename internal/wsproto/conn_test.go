package wsproto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

var (
	serverConfig = configOf(Server, driver.Options{MessageBytesMax: 1000, FragmentsMax: 10})
	clientConfig = unmasked(configOf(Client, driver.Options{MessageBytesMax: 1000, FragmentsMax: 10}))
)

// configOf returns the Config of a side whose options are in order.
func configOf(role Role, o driver.Options) Config {
	o, err := o.WithDefaults()
	if err != nil {
		panic(err)
	}
	return NewConfig(role, o)
}

// unmasked makes a client's output readable: its masks are zero.
func unmasked(c Config) Config {
	c.Rand = func(b []byte) { clear(b) }
	return c
}

// frame is a masked frame as a client sends it.
func frame(fin bool, op wire.Opcode, payload string) []byte {
	return wire.AppendMaskedFrame(nil, fin, op, [4]byte{0x37, 0xfa, 0x21, 0x3d}, []byte(payload))
}

func text(s string) []byte { return frame(true, wire.Text, s) }

func closing(code wire.CloseCode, reason string) []byte {
	return frame(true, wire.Close, string(wire.AppendClose(nil, code, reason)))
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// talk feeds input to a new connection in the chunks that next cuts and writes
// down what happens, with the parts of a message joined: the same for every
// chunking.
func talk(config *Config, input []byte, next func(rest int) int) (log []string, output []byte) {
	return talkTo(New(config, 0), input, next)
}

func talkTo(c *Conn, input []byte, next func(rest int) int) (log []string, output []byte) {
	var message []byte
	for rest := bytes.Clone(input); len(rest) > 0; {
		chunk := bytes.Clone(rest[:next(len(rest))]) // its own memory: nothing may be read past it
		rest = rest[len(chunk):]
		for {
			ev, n := c.Next(chunk, 1)
			if n > len(chunk) {
				log = append(log, fmt.Sprintf("used %d of %d bytes", n, len(chunk)))
				return
			}
			switch ev.Kind {
			case Data:
				if ev.First {
					message = message[:0]
				}
				message = append(message, ev.Payload...)
				if ev.Last {
					log = append(log, fmt.Sprintf("%s %q", ev.Op, message))
				}
			case Ping, Pong:
				log = append(log, fmt.Sprintf("%s %q", ev.Kind, ev.Payload))
			case Close:
				log = append(log, fmt.Sprintf("close %d %q", ev.Code, ev.Payload))
			case Fail:
				log = append(log, fmt.Sprintf("fail %d %s", ev.Code, ev.Err.(*Fault).Text))
			}
			output = c.AppendReplies(output)
			chunk = chunk[n:]
			if ev.Kind == None {
				if len(chunk) != 0 {
					log = append(log, "None left bytes unused")
				}
				break
			}
		}
	}
	return log, output
}

func whole(rest int) int { return rest }
func bytewise(int) int   { return 1 }

var dialogues = []struct {
	name  string
	input []byte
	want  []string
	reply string // frames, unmasked
}{
	{"hello", text("Hello"), []string{`text "Hello"`}, ""},
	{"empty messages", cat(text(""), frame(true, wire.Binary, "")), []string{`text ""`, `binary ""`}, ""},
	{"16-bit length", text(strings.Repeat("x", 126)), []string{fmt.Sprintf("text %q", strings.Repeat("x", 126))}, ""},
	{"fragments", cat(frame(false, wire.Text, "a"), frame(false, wire.Continuation, "b"), frame(true, wire.Continuation, "c")), []string{`text "abc"`}, ""},
	{"empty fragments", cat(frame(false, wire.Text, ""), frame(false, wire.Continuation, ""), frame(true, wire.Continuation, "")), []string{`text ""`}, ""},
	{"character across fragments", cat(frame(false, wire.Text, "\xe2\x82"), frame(true, wire.Continuation, "\xac")), []string{`text "€"`}, ""},
	{"ping inside a message", cat(frame(false, wire.Text, "a"), frame(true, wire.Ping, "p"), frame(true, wire.Continuation, "b")), []string{`ping "p"`, `text "ab"`}, "\x8a\x01p"},
	{"pong unasked", frame(true, wire.Pong, "x"), []string{`pong "x"`}, ""},
	{"close", closing(1000, "bye"), []string{`close 1000 "bye"`}, "\x88\x02\x03\xe8"},
	{"close without code", frame(true, wire.Close, ""), []string{`close 1005 ""`}, "\x88\x00"},
	{"close inside a message", cat(frame(false, wire.Text, "a"), closing(1001, "")), []string{`close 1001 ""`}, "\x88\x02\x03\xe9"},
	{"close with a registered code past 1011", closing(1012, ""), []string{`close 1012 ""`}, "\x88\x02\x03\xf4"},
	{"close with a private code", closing(4999, ""), []string{`close 4999 ""`}, "\x88\x02\x13\x87"},
	{"nothing counts after close", cat(closing(1000, ""), text("late"), []byte{0xff, 0xff}), []string{`close 1000 ""`}, "\x88\x02\x03\xe8"},
	{"message at the limit", text(strings.Repeat("x", 1000)), []string{fmt.Sprintf("text %q", strings.Repeat("x", 1000))}, ""},
	{"fragments at the limit", cat(frame(false, wire.Text, "a"), bytes.Repeat(frame(false, wire.Continuation, ""), 8), frame(true, wire.Continuation, "")), []string{`text "a"`}, ""},
}

var faults = []struct {
	name  string
	input []byte
	code  wire.CloseCode
	want  string
}{
	{"RSV1", []byte{0xc1, 0x80}, 1002, "reserved bits set without an extension"},
	{"RSV2 in a control frame", []byte{0xa9, 0x80}, 1002, "reserved bits set without an extension"},
	{"RSV3 in a continuation", cat(frame(false, wire.Text, "a"), []byte{0x90, 0x80}), 1002, "reserved bits set without an extension"},
	{"opcode 3", []byte{0x83, 0x80}, 1002, "reserved opcode"},
	{"opcode 11", []byte{0x8b, 0x80}, 1002, "reserved opcode"},
	{"not masked", []byte{0x81, 0x05}, 1002, "frame from a client is not masked"},
	{"empty and not masked", []byte{0x81, 0x00}, 1002, "frame from a client is not masked"},
	{"fragmented ping", []byte{0x09, 0x80}, 1002, "fragmented control frame"},
	{"ping of 126 bytes", []byte{0x89, 0xfe}, 1002, "control frame longer than 125 bytes"},
	{"close with a 64-bit length", []byte{0x88, 0xff}, 1002, "control frame longer than 125 bytes"},
	{"length not minimal", []byte{0x82, 0xfe, 0x00, 0x7d}, 1002, "frame length is not in its shortest form"},
	{"64-bit length not minimal", []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, 1002, "frame length is not in its shortest form"},
	{"length with the most significant bit", []byte{0x82, 0xff, 0x80}, 1002, "most significant bit of the frame length is set"},
	{"continuation of nothing", []byte{0x80, 0x80}, 1002, "continuation without a message to continue"},
	{"continuation after the end", cat(text("a"), []byte{0x00, 0x80}), 1002, "continuation without a message to continue"},
	{"text inside a message", cat(frame(false, wire.Text, "a"), []byte{0x81, 0x80}), 1002, "new message before the last one ended"},
	{"binary inside an empty message", cat(frame(false, wire.Binary, ""), []byte{0x02, 0x80}), 1002, "new message before the last one ended"},
	{"close of one byte", frame(true, wire.Close, "\x03"), 1002, "close frame with a payload of one byte"},
	{"close 1005", frame(true, wire.Close, "\x03\xed"), 1002, "close code that may not be sent"},
	{"close 999", frame(true, wire.Close, "\x03\xe7"), 1002, "close code that may not be sent"},
	{"close 1006", frame(true, wire.Close, "\x03\xee"), 1002, "close code that may not be sent"},
	{"close 1016", frame(true, wire.Close, "\x03\xf8"), 1002, "close code that may not be sent"},
	{"close 5000", frame(true, wire.Close, "\x13\x88"), 1002, "close code that may not be sent"},
	{"close reason", frame(true, wire.Close, "\x03\xe8\xff"), 1007, "close reason is not valid UTF-8"},
	{"invalid text", text("a\xffb"), 1007, "text message is not valid UTF-8"},
	{"invalid first fragment fails at once", frame(false, wire.Text, "a\xff"), 1007, "text message is not valid UTF-8"},
	{"surrogate", text("\xed\xa0\x80"), 1007, "text message is not valid UTF-8"},
	{"character cut by the end", text("\xe2\x82"), 1007, "text message is not valid UTF-8"},
	{"character cut by an empty last fragment", cat(frame(false, wire.Text, "\xe2\x82"), frame(true, wire.Continuation, "")), 1007, "text message is not valid UTF-8"},
	{"frame over the limit, at its announcement", frame(true, wire.Binary, strings.Repeat("x", 1001))[:8], 1009, "message longer than the limit"},
	{"sum of fragments over the limit", cat(frame(false, wire.Binary, strings.Repeat("x", 600)), frame(true, wire.Continuation, strings.Repeat("x", 401))), 1009, "message longer than the limit"},
	{"length that would overflow a sum", cat(frame(false, wire.Binary, "x"), []byte{0x80, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}), 1009, "message longer than the limit"},
	{"one fragment over the limit, empty ones counted", cat(frame(false, wire.Text, "a"), bytes.Repeat(frame(false, wire.Continuation, ""), 10)), 1009, "message of more fragments than the limit"},
}

func TestDialogues(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) {
			log, out := talk(&serverConfig, d.input, whole)
			if fmt.Sprint(log) != fmt.Sprint(d.want) || string(out) != d.reply {
				t.Errorf("got %q and %q\nwant %q and %q", log, out, d.want, d.reply)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			input := cat(f.input, text("never seen"))
			for name, cut := range map[string]func(int) int{"whole": whole, "bytewise": bytewise} {
				log, out := talk(&serverConfig, input, cut)
				want := fmt.Sprintf("fail %d %s", f.code, f.want)
				if len(log) == 0 || log[len(log)-1] != want {
					t.Errorf("%s: got %q, want %q last", name, log, want)
				}
				reply := wire.AppendFrame(nil, true, wire.Close, wire.AppendClose(nil, f.code, f.want))
				if !bytes.HasSuffix(out, reply) {
					t.Errorf("%s: sent %q, want the close frame %q last", name, out, reply)
				}
			}
			// The fault is seen in what was given: nothing has to follow it.
			if log, _ := talk(&serverConfig, f.input, whole); len(log) == 0 || !strings.HasPrefix(log[len(log)-1], "fail") {
				t.Errorf("waits for more bytes: %q", log)
			}
		})
	}
}

func TestClientRefusesMaskedFrames(t *testing.T) {
	log, out := talk(&clientConfig, text("Hello"), whole)
	if want := "[fail 1002 frame from a server is masked]"; fmt.Sprint(log) != want {
		t.Errorf("got %v", log)
	}
	if len(out) < 6 || out[0] != 0x88 || out[1]&0x80 == 0 {
		t.Errorf("a client's close frame must be masked: %x", out)
	}
	if log, _ = talk(&clientConfig, wire.AppendFrame(nil, true, wire.Text, []byte("Hello")), whole); fmt.Sprint(log) != `[text "Hello"]` {
		t.Errorf("got %v", log)
	}
}

func TestChunkingChangesNothing(t *testing.T) {
	inputs := [][]byte{}
	for _, d := range dialogues {
		inputs = append(inputs, d.input)
	}
	for _, f := range faults {
		inputs = append(inputs, cat(text("before"), f.input, text("after")))
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, input := range inputs {
		want, wantOut := talk(&serverConfig, input, whole)
		for cut := 1; cut < len(input); cut++ {
			first := true
			got, out := talk(&serverConfig, input, func(rest int) int {
				if first {
					first = false
					return cut
				}
				return rest
			})
			if fmt.Sprint(got) != fmt.Sprint(want) || !bytes.Equal(out, wantOut) {
				t.Fatalf("%x cut at %d: %q, want %q", input, cut, got, want)
			}
		}
		for range 20 {
			got, out := talk(&serverConfig, input, func(rest int) int { return 1 + rnd.IntN(rest) })
			if fmt.Sprint(got) != fmt.Sprint(want) || !bytes.Equal(out, wantOut) {
				t.Fatalf("%x cut at random: %q, want %q", input, got, want)
			}
		}
	}
}

func FuzzChunking(f *testing.F) {
	for _, d := range dialogues {
		f.Add(d.input, uint64(1), false)
	}
	for _, d := range faults {
		f.Add(cat(text("before"), d.input, text("after")), uint64(2), true)
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64, client bool) {
		config := &serverConfig
		if client {
			config = &clientConfig
		}
		want, wantOut := talk(config, input, whole)
		rnd := rand.New(rand.NewPCG(seed, 5))
		got, out := talk(config, input, func(rest int) int { return 1 + rnd.IntN(min(rest, 40)) })
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("chunked: %q\nwhole: %q", got, want)
		}
		// Replies may differ only in pongs: a whole chunk is answered event by
		// event here, so they do not differ at all.
		if !bytes.Equal(out, wantOut) {
			t.Fatalf("chunked replies %x, whole %x", out, wantOut)
		}
	})
}

func TestNewestPingIsAnswered(t *testing.T) {
	c := New(&serverConfig, 0)
	input := cat(frame(true, wire.Ping, "one"), frame(true, wire.Ping, "two"), frame(true, wire.Ping, "three"))
	for len(input) > 0 {
		_, n := c.Next(input, 1)
		input = input[n:]
	}
	if !c.HasReplies() {
		t.Fatal("no reply is owed")
	}
	if got := c.AppendReplies(nil); string(got) != "\x8a\x05three" {
		t.Errorf("got %q", got)
	}
	if c.HasReplies() || len(c.AppendReplies(nil)) != 0 {
		t.Error("answered twice")
	}
}

func TestCloseIsCrossed(t *testing.T) {
	c := New(&serverConfig, 0)
	if err := c.QueueClose(wire.CloseGoingAway, "bye", 1); err != nil {
		t.Fatal(err)
	}
	if out := c.AppendReplies(nil); string(out) != "\x88\x05\x03\xe9bye" {
		t.Fatalf("%q", out)
	}
	// What the peer sent before it saw our close frame is still delivered.
	if ev, _ := c.Next(text("late"), 2); ev.Kind != Data || string(ev.Payload) != "late" {
		t.Fatalf("got %+v", ev)
	}
	ev, _ := c.Next(closing(1000, ""), 3)
	if ev.Kind != Close || ev.Code != 1000 {
		t.Fatalf("got %+v", ev)
	}
	if out := c.AppendReplies(nil); len(out) != 0 {
		t.Errorf("a second close frame: %x", out)
	}
	if code, ok := c.CloseSent(); code != 1001 || !ok || !c.CloseReceived() {
		t.Errorf("sent %d %v, received %v", code, ok, c.CloseReceived())
	}
}

func TestMisuseChangesNothing(t *testing.T) {
	c := New(&serverConfig, 0)
	check := func(out []byte, err, want error) {
		t.Helper()
		if err != want || string(out) != "x" {
			t.Errorf("got %q, %v; want nothing appended and %v", out, err, want)
		}
	}
	dst := []byte("x")
	out, err := c.AppendMessage(dst, wire.Ping, nil)
	check(out, err, driver.ErrMessageType)
	out, err = c.AppendPing(dst, make([]byte, 126))
	check(out, err, ErrControlLength)
	check(dst, c.QueueClose(1006, "", 1), driver.ErrCloseCode)
	check(dst, c.QueueClose(5000, "", 1), driver.ErrCloseCode)

	if out, err = c.AppendFragment(nil, wire.Text, []byte("a"), false); err != nil || string(out) != "\x01\x01a" {
		t.Errorf("%q, %v", out, err)
	}
	out, err = c.AppendMessage(dst, wire.Text, nil)
	check(out, err, ErrFragmentOpen)
	if out, err = c.AppendPing(nil, []byte("p")); err != nil || string(out) != "\x89\x01p" {
		t.Errorf("a ping may come between fragments: %q, %v", out, err)
	}
	if out, err = c.AppendFragment(nil, 0, []byte("b"), true); err != nil || string(out) != "\x80\x01b" {
		t.Errorf("%q, %v", out, err)
	}
	if err = c.MayWrite(); err != nil {
		t.Error(err)
	}
	if err = c.QueueClose(wire.CloseNormal, "", 1); err != nil {
		t.Error(err)
	}
	out, err = c.AppendMessage(dst, wire.Text, nil)
	check(out, err, driver.ErrClosing)
	out, err = c.AppendFragment(dst, wire.Text, nil, true)
	check(out, err, driver.ErrClosing)
	out, err = c.AppendPing(dst, nil)
	check(out, err, driver.ErrClosing)
	check(dst, c.QueueClose(wire.CloseNormal, "", 1), driver.ErrClosing)
}

func TestClientMasksEveryFrameAfresh(t *testing.T) {
	config := configOf(Client, driver.Options{})
	c := New(&config, 0)
	seen := map[[4]byte]bool{}
	var ones [32]int
	const frames = 4096
	for range frames {
		out, err := c.AppendMessage(nil, wire.Binary, []byte("payload"))
		h, n, _ := wire.ParseHeader(out)
		if err != nil || !h.Masked {
			t.Fatalf("%+v, %v", h, err)
		}
		wire.Mask(out[n:], h.Mask, 0)
		if string(out[n:]) != "payload" {
			t.Fatalf("unmasked to %q", out[n:])
		}
		seen[h.Mask] = true
		for bit := range ones {
			ones[bit] += int(binary.BigEndian.Uint32(h.Mask[:]) >> bit & 1)
		}
	}
	if len(seen) < frames-2 {
		t.Errorf("%d different masks in %d frames", len(seen), frames)
	}
	for bit, n := range ones { // six standard deviations of a fair coin
		if n < frames/2-192 || n > frames/2+192 {
			t.Errorf("bit %d is set in %d of %d masks", bit, n, frames)
		}
	}
}

func at(d time.Duration) Time { return Time(d) }

func TestKeepalive(t *testing.T) {
	config := configOf(Server, driver.Options{PingInterval: 10 * time.Second, PingTimeout: 5 * time.Second})
	c := New(&config, at(time.Hour))
	wantDeadline := func(want time.Duration) {
		t.Helper()
		if got, ok := c.Deadline(); !ok || got != at(want) {
			t.Fatalf("Deadline = %v %v, want %v", time.Duration(got), ok, want)
		}
	}
	wantDeadline(time.Hour + 10*time.Second)
	if c.Expire(at(time.Hour + 10*time.Second - 1)); c.HasReplies() {
		t.Fatal("pinged early")
	}
	if ev := c.Expire(at(time.Hour + 10*time.Second)); ev.Kind != None || !c.HasReplies() {
		t.Fatalf("no ping: %+v", ev)
	}
	ping := c.AppendReplies(nil)
	if ping[0] != 0x89 || len(ping) != 10 {
		t.Fatalf("ping %x", ping)
	}
	wantDeadline(time.Hour + 15*time.Second)

	pong := frame(true, wire.Pong, string(ping[2:]))
	if ev, _ := c.Next(bytes.Clone(pong), at(time.Hour+12*time.Second)); ev.Kind != Pong || ev.RTT != 2*time.Second {
		t.Fatalf("got %+v", ev)
	}
	wantDeadline(time.Hour + 22*time.Second)
	if ev, _ := c.Next(bytes.Clone(pong), at(time.Hour+13*time.Second)); ev.RTT != 0 {
		t.Fatalf("the same pong measured twice: %+v", ev)
	}
	wantDeadline(time.Hour + 23*time.Second)

	// Any byte, even half a header, is a sign of life.
	c.Expire(at(time.Hour + 23*time.Second))
	c.AppendReplies(nil)
	c.Next([]byte{0x81}, at(time.Hour+24*time.Second))
	wantDeadline(time.Hour + 34*time.Second)

	c.Expire(at(time.Hour + 34*time.Second))
	c.AppendReplies(nil)
	if ev := c.Expire(at(time.Hour + 39*time.Second)); ev.Kind != Fail || ev.Err != faultPingTimeout {
		t.Fatalf("got %+v", ev)
	}
	if out := c.AppendReplies(nil); string(out) != "\x88\x18\x03\xf3keepalive ping timeout" {
		t.Fatalf("sent %q", out)
	}
	wantDeadline(time.Hour + 44*time.Second)
	if ev := c.Expire(at(time.Hour + 44*time.Second)); ev.Kind != Fail || ev.Err != faultCloseTimeout {
		t.Fatalf("got %+v", ev)
	}
	if _, ok := c.Deadline(); ok {
		t.Fatal("asks for more time after the end")
	}
}

func TestIdleTimeout(t *testing.T) {
	config := configOf(Server, driver.Options{PingInterval: 10 * time.Second, PingTimeout: 5 * time.Second, IdleTimeout: 12 * time.Second})
	c := New(&config, at(time.Second))
	c.Expire(at(11 * time.Second))
	c.Next(frame(true, wire.Pong, ""), at(12*time.Second)) // alive, but says nothing
	if got, _ := c.Deadline(); got != at(13*time.Second) {
		t.Fatalf("Deadline = %v", time.Duration(got))
	}
	c.Next(text("something"), at(12*time.Second))
	if got, _ := c.Deadline(); got != at(22*time.Second) { // the ping again
		t.Fatalf("Deadline = %v", time.Duration(got))
	}
	c.Next(frame(true, wire.Pong, ""), at(20*time.Second))
	if ev := c.Expire(at(24 * time.Second)); ev.Kind != Fail || ev.Err != faultIdle || ev.Code != wire.CloseGoingAway {
		t.Fatalf("got %+v", ev)
	}
}

func TestCloseTimeout(t *testing.T) {
	c := New(&serverConfig, 0)
	if err := c.QueueClose(wire.CloseNormal, "", at(time.Second)); err != nil {
		t.Fatal(err)
	}
	c.AppendReplies(nil)
	c.Next(text("still talking"), at(2*time.Second)) // does not extend it
	if got, _ := c.Deadline(); got != at(6*time.Second) {
		t.Fatalf("Deadline = %v", time.Duration(got))
	}
	if ev := c.Expire(at(6 * time.Second)); ev.Kind != Fail || ev.Err != faultCloseTimeout || !c.Failed() {
		t.Fatalf("got %+v", ev)
	}
}

func TestNoLimit(t *testing.T) {
	config := configOf(Server, driver.Options{PingInterval: driver.NoLimit, CloseTimeout: driver.NoLimit, MessageBytesMax: driver.NoLimit, FragmentsMax: driver.NoLimit})
	c := New(&config, 0)
	if at, ok := c.Deadline(); ok {
		t.Errorf("Deadline = %v", at)
	}
	c.Next(frame(false, wire.Text, "a"), 1)
	for range 2 * driver.DefaultFragmentsMax {
		if ev, _ := c.Next(frame(false, wire.Continuation, "a"), 1); ev.Kind == Fail {
			t.Fatal(ev.Err)
		}
	}
	if ev, _ := c.Next(frame(true, wire.Continuation, strings.Repeat("a", 2*driver.DefaultMessageBytesMax)), 1); ev.Kind != Data {
		t.Fatalf("got %+v", ev)
	}
}

// A length announced is not a length received: nothing is allocated for it.
func TestAnnouncedLengthCostsNothing(t *testing.T) {
	config := configOf(Server, driver.Options{MessageBytesMax: 1 << 31})
	header := wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Length: 1 << 30})
	input := append(header, 'x')
	c := New(&config, 0)
	allocs := testing.AllocsPerRun(100, func() {
		c.Init(&config, 0)
		if ev, _ := c.Next(input, 1); ev.Kind != Data || len(ev.Payload) != 1 || ev.Last {
			t.Fatalf("got %+v", ev)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestAllocBudgetPerMessage(t *testing.T) {
	c := New(&serverConfig, 0)
	input := text("a message")
	out := make([]byte, 0, 100)
	allocs := testing.AllocsPerRun(100, func() {
		ev, _ := c.Next(input, 1)
		var err error
		if out, err = c.AppendMessage(out[:0], ev.Op, ev.Payload); err != nil {
			t.Fatal(err)
		}
		wire.Mask(input[6:], [4]byte{0x37, 0xfa, 0x21, 0x3d}, 0) // mask again what Next unmasked
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a message read and written", allocs)
	}
}

// An idle connection is this and nothing else.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 144 {
		t.Errorf("Conn has grown to %d bytes", size)
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{64, 1024, 16384} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			config := configOf(Server, driver.Options{})
			c := New(&config, 0)
			input := frame(true, wire.Binary, strings.Repeat("x", size))
			out := make([]byte, 0, size+14)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				ev, n := c.Next(input, 1)
				if n != len(input) || !ev.Last {
					b.Fatal(ev, n)
				}
				out, _ = c.AppendMessage(out[:0], ev.Op, ev.Payload)
			}
		})
	}
}
