package wsproto

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// What a peer may try in order to be believed, held or worked for more than it
// should be. The table in docs/hazards.md says which test is for what.

// header is a masked frame's header that announces any length at all, also one
// that wire.AppendHeader would not write.
func header(first byte, length uint64) []byte {
	b := []byte{first, 0xff}
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(length>>shift))
	}
	return append(b, 0, 0, 0, 0)
}

// allocated runs f and returns how many bytes it allocated, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// 64-bit lengths on every word size: none of them may wrap around to something
// that passes, whatever the limit is and whatever the message has already.
func TestHugeLengthsAreRefused(t *testing.T) {
	const none = driver.NoLimit
	one := frame(false, wire.Binary, "x")
	for _, v := range []struct {
		name   string
		limit  int64
		before []byte
		first  byte
		length uint64
		want   wire.CloseCode
	}{
		{"only the most significant bit", 1000, nil, 0x82, 1 << 63, 1002},
		{"the most significant bit and a small length", 1000, nil, 0x82, 1<<63 | 5, 1002},
		{"all bits", 1000, nil, 0x82, 1<<64 - 1, 1002},
		{"all bits without a limit", none, nil, 0x82, 1<<64 - 1, 1002},
		{"all bits of a continuation", 1000, one, 0x80, 1<<64 - 1, 1002},
		{"the largest length", 1000, nil, 0x82, 1<<63 - 1, 1009},
		{"a sum past int64", none, one, 0x80, 1<<63 - 1, 1009},
		{"a sum past int64 under a limit", 1000, one, 0x80, 1<<63 - 1, 1009},
		{"small in the lower 32 bits", 1000, nil, 0x82, 1<<32 + 5, 1009},
		{"zero in the lower 32 bits", 1000, nil, 0x82, 1 << 32, 1009},
		{"the sign bit of 32", 1000, nil, 0x82, 1 << 31, 1009},
		{"a sum past uint32", 1000, one, 0x80, 1<<32 - 1, 1009},
		{"a sum past int32", 1000, one, 0x80, 1<<31 - 1, 1009},
		{"a sum past int32 and a limit past it", 1 << 31, one, 0x80, 1 << 31, 1009},
	} {
		config := configOf(Server, driver.Options{MessageBytesMax: v.limit})
		input := cat(v.before, header(v.first, v.length))
		for name, cut := range map[string]func(int) int{"whole": whole, "bytewise": bytewise} {
			log, _ := talk(&config, input, cut)
			if got := fmt.Sprint(log); !strings.HasPrefix(got, fmt.Sprintf("[fail %d ", v.want)) {
				t.Errorf("%s, %s: %s, want %d", v.name, name, got, v.want)
			}
			if v.length >= 1<<63 {
				continue // refused by the header, before compression matters
			}
			z := compressing(&config, 64)
			marked := bytes.Clone(input)
			marked[0] |= byte(wire.RSV1) << 4
			log, _ = talkTo(z, marked, cut)
			if got := fmt.Sprint(log); v.before == nil && v.limit > 0 && got != fmt.Sprintf("[fail 1009 %s]", faultMessageBytes.Text) {
				t.Errorf("%s, %s, compressed: %s", v.name, name, got)
			}
		}
	}
	// A length that the limit allows is not refused for being large.
	config := configOf(Server, driver.Options{MessageBytesMax: 1 << 40})
	c := New(&config, 0)
	if ev, _ := c.Next(append(header(0x82, 1<<40), 'x'), 1); ev.Kind != Data || c.FrameLeft() != 1<<40-1 {
		t.Errorf("%v, %d left", ev.Kind, c.FrameLeft())
	}
}

// A million one-byte fragments, and a million empty ones: memory stays where it
// is, time is linear, and under a limit it is over soon.
func TestMillionFragments(t *testing.T) {
	const million = 1_000_000
	for _, payload := range []string{"", "x"} {
		name := fmt.Sprintf("%d bytes each", len(payload))
		next := frame(false, wire.Continuation, payload)

		unlimited := configOf(Server, driver.Options{FragmentsMax: driver.NoLimit, MessageBytesMax: 2 * million})
		c := New(&unlimited, 0)
		c.Next(frame(false, wire.Binary, "x"), 1)
		size := 0
		buffer := make([]byte, len(next))
		bytes := allocated(func() {
			for range million {
				copy(buffer, next) // Next unmasks in place
				ev, _ := c.Next(buffer, 1)
				if ev.Kind == Fail {
					t.Fatal(name, ev.Err)
				}
				size += len(ev.Payload)
			}
		})
		if size != million*len(payload) || bytes > 64<<10 {
			t.Errorf("%s: %d bytes came out, %d were allocated", name, size, bytes)
		}
		if ev, _ := c.Next(frame(true, wire.Continuation, ""), 1); ev.Kind != Data || !ev.Last {
			t.Errorf("%s: the end is %+v", name, ev)
		}

		config := configOf(Server, driver.Options{})
		c = New(&config, 0)
		c.Next(frame(false, wire.Binary, "x"), 1)
		for n := 2; ; n++ { // the number of this fragment
			ev, _ := c.Next([]byte(string(next)), 1)
			if ev.Kind != Fail {
				if n > driver.DefaultFragmentsMax {
					t.Fatalf("%s: fragment %d is let in", name, n)
				}
				continue
			}
			if n != driver.DefaultFragmentsMax+1 || ev.Code != wire.CloseMessageTooBig {
				t.Errorf("%s: fragment %d fails with %v", name, n, ev.Err)
			}
			break
		}
	}
}

// A frame that comes byte by byte is held in the Conn itself, and a control
// frame in its 125 bytes, however often that is repeated.
func TestBytewiseFramesHoldLittle(t *testing.T) {
	stream := cat(frame(false, wire.Binary, strings.Repeat("d", 300)), frame(true, wire.Ping, strings.Repeat("p", 125)),
		frame(true, wire.Continuation, strings.Repeat("e", 300)))
	config := configOf(Server, driver.Options{})
	c := New(&config, 0)
	var out []byte
	messages := 0
	const rounds = 500
	bytes := allocated(func() {
		b := make([]byte, 1)
		for range rounds {
			for _, b[0] = range stream {
				ev, _ := c.Next(b, 1)
				if ev.Kind == Fail {
					t.Fatal(ev.Err)
				}
				if ev.Kind == Data && ev.Last {
					messages++
				}
				out = c.AppendReplies(out[:0])
			}
		}
	})
	if messages != rounds || bytes > rounds*1024 { // a ping's payload and its pong's
		t.Errorf("%d messages, %d bytes allocated in all", messages, bytes)
	}
}

// However many control frames come before anything can be sent, what is owed in
// return is one pong; and a peer that floods with pongs or empty pings is owed
// no more. It is the same for both roles.
func TestControlFloodOwesOnePong(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		config := unmasked(configOf(role, driver.Options{}))
		one := func(op wire.Opcode, payload string) []byte {
			if role == Client {
				return wire.AppendFrame(nil, true, op, []byte(payload))
			}
			return frame(true, op, payload)
		}
		c := New(&config, 0)
		const pings = 100_000
		template := one(wire.Ping, strings.Repeat("p", wire.ControlPayloadBytesMax))
		buffer := make([]byte, len(template))
		bytes := allocated(func() {
			for range pings {
				copy(buffer, template)
				if ev, _ := c.Next(buffer, 1); ev.Kind != Ping {
					t.Fatal(ev)
				}
			}
		})
		if bytes > 64<<10 {
			t.Errorf("role %d: %d pings made us allocate %d bytes", role, pings, bytes)
		}
		c.Next(one(wire.Ping, "the newest"), 1)
		for range 1000 {
			c.Next(one(wire.Pong, "unasked"), 1)
		}
		out := c.AppendReplies(nil)
		h, n, _ := wire.ParseHeader(out)
		if h.Opcode != wire.Pong || string(out[n:]) != "the newest" {
			t.Errorf("role %d: owed %q", role, out)
		}
		if c.HasReplies() {
			t.Errorf("role %d: owes more than one pong", role)
		}
		// A flood of close frames: the first counts, one answers.
		closeFrame := one(wire.Close, "\x03\xe8")
		for range 1000 {
			c.Next([]byte(string(closeFrame)), 1)
		}
		out = c.AppendReplies(nil)
		if h, n, _ = wire.ParseHeader(out); h.Opcode != wire.Close || int64(len(out)-n) != h.Length || c.HasReplies() {
			t.Errorf("role %d: close is answered with %q", role, out)
		}
	}
}

// Nothing of a frame is handed on in the call that finds it at fault, and
// nothing at all afterwards: a caller that acts on data has not seen what was wrong.
func TestFailedFrameHandsNothingOn(t *testing.T) {
	check := func(name string, c *Conn, input []byte) {
		t.Helper()
		rest := bytes.Clone(input)
		for {
			ev, n := c.Next(rest, 1)
			rest = rest[n:]
			if ev.Kind == Fail {
				if len(ev.Payload) != 0 {
					t.Errorf("%s: the fault carries %q", name, ev.Payload)
				}
				break
			}
			if ev.Kind == None {
				t.Fatalf("%s: no fault is found", name)
			}
			if bytes.Contains(ev.Payload, []byte("tainted")) {
				t.Errorf("%s: %s %q was handed on before", name, ev.Kind, ev.Payload)
			}
		}
		if c.Pending() {
			t.Errorf("%s: something is left to inflate", name)
		}
		for _, more := range [][]byte{rest, text("more"), frame(true, wire.Ping, "p"), closing(1000, "")} {
			if ev, n := c.Next(more, 2); ev.Kind != None || n != len(more) {
				t.Errorf("%s: afterwards came %+v", name, ev)
			}
		}
	}
	for _, f := range faults {
		check(f.name, New(&serverConfig, 0), cat(f.input, text("tainted")))
	}
	check("text in one frame", New(&serverConfig, 0), text("tainted\xff"))
	check("text in its last frame", New(&serverConfig, 0), cat(frame(false, wire.Text, "fine"), frame(true, wire.Continuation, "tainted\xff")))
	check("a control frame in a message", New(&serverConfig, 0), cat(frame(false, wire.Text, "a"), frame(true, wire.Close, "\x03\xe8tainted\xff")))

	config := configOf(Server, driver.Options{MessageBytesMax: 1000})
	o := compressionOf(&config, deflate.Options{})
	check("compressed text", compressing(&config, 4096), compressed(wire.Text, deflate.Append(nil, []byte("tainted\xff"), agreed.FromClient(), o)))
	check("compressed and corrupt", compressing(&config, 4096), compressed(wire.Text, []byte("\xff\xff\xfftainted")))
}

// A text that cannot become valid any more fails at that byte: not at the end
// of its frame, and not at the end of its message.
func TestInvalidTextFailsAtItsFirstBadByte(t *testing.T) {
	for _, bad := range []string{"\xff", "\xc0", "\xed\xa0", "\xf4\x90", "\xe2\x28", "\xf0\x80"} {
		long := frame(false, wire.Text, "valid"+bad+strings.Repeat("x", 100))
		start := len(long) - 100 - len(bad)
		c := New(&serverConfig, 0)
		if ev, _ := c.Next(bytes.Clone(long[:start]), 1); ev.Kind != Data || string(ev.Payload) != "valid" {
			t.Fatalf("%x: %+v", bad, ev)
		}
		ev, _ := c.Next(bytes.Clone(long[start:start+len(bad)]), 1)
		if ev.Kind == None { // taken, to be judged with what follows
			t.Errorf("%x: waits for more", bad)
		}
		if ev.Kind != Fail || ev.Code != wire.CloseInvalidPayload {
			t.Errorf("%x: %+v", bad, ev)
		}
	}
}

// A compressed bomb: whole, in one-byte fragments, and after a message that
// filled the window. The limit counts what comes out. Exactly the limit passes.
func TestBombsStopAtTheLimit(t *testing.T) {
	const limit = 50_000
	config := configOf(Server, driver.Options{MessageBytesMax: limit, FragmentsMax: driver.NoLimit})
	o := compressionOf(&config, deflate.Options{})
	fragments := func(payload []byte, size int) (b []byte) {
		rsv, op := wire.RSV1, wire.Binary
		for {
			n := min(size, len(payload))
			last := n == len(payload)
			b = wire.AppendHeader(b, wire.Header{Fin: last, RSV: rsv, Opcode: op, Masked: true, Length: int64(n)})
			b = append(b, payload[:n]...)
			if payload = payload[n:]; last {
				return b
			}
			rsv, op = 0, wire.Continuation
		}
	}
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{1, 7, 1 << 20} {
			for _, n := range []int{limit, limit + 1, 1 << 20} {
				var sender deflate.Deflater
				sender.Init(agreed.FromClient(), o)
				var input []byte
				before := 0
				if takeover {
					input = fragments(sender.Append(nil, make([]byte, limit)), size)
					before = limit
				}
				input = append(input, fragments(sender.Append(nil, make([]byte, n)), size)...)
				c := compressing(&config, 1000)
				out, fault := 0, error(nil)
				bytes := allocated(func() {
					for rest := input; len(rest) > 0 || c.Pending(); {
						ev, used := c.Next(rest, 1)
						rest = rest[used:]
						out += len(ev.Payload)
						if ev.Kind == Fail {
							fault = ev.Err
							break
						}
					}
				})
				name := fmt.Sprintf("takeover %v, fragments of %d, %d bytes", takeover, size, n)
				if n <= limit && (fault != nil || out != before+n) {
					t.Errorf("%s: %d came out, %v", name, out, fault)
				}
				if f, _ := fault.(*Fault); n > limit && (f == nil || f.Code != wire.CloseMessageTooBig || out > before+limit) {
					t.Errorf("%s: %d came out, %v", name, out, fault)
				}
				if bytes > 256<<10 {
					t.Errorf("%s: %d bytes were allocated", name, bytes)
				}
			}
		}
	}
}

// A header that never ends, pongs, and empty fragments say nothing: none of
// them puts the idle timeout off.
func TestDripDoesNotPutTheIdleTimeoutOff(t *testing.T) {
	for name, drip := range map[string][]byte{
		"half a header":   header(0x82, 500)[:9],
		"pongs":           bytes.Repeat(frame(true, wire.Pong, ""), 10),
		"pings":           bytes.Repeat(frame(true, wire.Ping, "?"), 10),
		"empty fragments": cat(frame(false, wire.Text, ""), bytes.Repeat(frame(false, wire.Continuation, ""), 5)),
	} {
		config := configOf(Server, driver.Options{IdleTimeout: time.Minute})
		c := New(&config, at(0))
		now := time.Duration(0)
		for ; now < 54*time.Second; now += 6 * time.Second {
			if len(drip) > 0 {
				c.Next(bytes.Clone(drip[:1]), at(now))
				drip = drip[1:]
			}
			c.Expire(at(now))
			c.AppendReplies(nil)
		}
		if deadline, ok := c.Deadline(); !ok || deadline != at(time.Minute) {
			t.Errorf("%s: the deadline is %v", name, time.Duration(deadline))
		}
		if ev := c.Expire(at(time.Minute)); ev.Kind != Fail || ev.Err != faultIdle {
			t.Errorf("%s: %+v", name, ev)
		}
	}
}
