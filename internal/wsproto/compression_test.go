package wsproto

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

var agreed = deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}

// compressionOf returns o as a connection with config has it.
func compressionOf(config *Config, o deflate.Options) *deflate.Options {
	o.MessageBytesMax = config.MessageBytesMax
	o = o.WithDefaults()
	return &o
}

// compressing returns a connection with permessage-deflate, whose scratch is
// small so that messages come in parts.
func compressing(config *Config, scratch int) *Conn {
	c := New(config, 0)
	c.Compress(agreed, compressionOf(config, deflate.Options{ThresholdBytes: 1}))
	c.SetScratch(make([]byte, scratch))
	return c
}

// compressed is a whole compressed message as a client sends it.
func compressed(op wire.Opcode, payload []byte) []byte {
	b := wire.AppendHeader(nil, wire.Header{Fin: true, RSV: wire.RSV1, Opcode: op, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: int64(len(payload))})
	start := len(b)
	b = append(b, payload...)
	wire.Mask(b[start:], [4]byte{1, 2, 3, 4}, 0)
	return b
}

// hello is RFC 7692 §7.2.3.1, and again with context takeover, §7.2.3.2.
var hello, helloAgain = []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte("\xf2\x00\x11\x00\x00")

func TestCompressedDialogues(t *testing.T) {
	config := configOf(Server, driver.Options{MessageBytesMax: 1000, FragmentsMax: 10})
	o := compressionOf(&config, deflate.Options{})
	one := func(payload string) []byte { return deflate.Append(nil, []byte(payload), agreed.FromClient(), o) }
	long := strings.Repeat("abcdefghij", 100)
	fragments := func(payload []byte, cut int) []byte {
		first := wire.AppendHeader(nil, wire.Header{RSV: wire.RSV1, Opcode: wire.Text, Masked: true, Length: int64(cut)})
		first = append(first, payload[:cut]...)
		last := wire.AppendHeader(nil, wire.Header{Fin: true, Masked: true, Length: int64(len(payload) - cut)})
		return append(first, append(last, payload[cut:]...)...)
	}
	for _, d := range []struct {
		name  string
		input []byte
		want  string
	}{
		{"hello", compressed(wire.Text, hello), `[text "Hello"]`},
		{"context takeover", cat(compressed(wire.Text, hello), compressed(wire.Text, helloAgain)), `[text "Hello" text "Hello"]`},
		{"uncompressed between", cat(compressed(wire.Text, hello), text("plain"), compressed(wire.Text, helloAgain)), `[text "Hello" text "plain" text "Hello"]`},
		{"fragments", fragments(hello, 3), `[text "Hello"]`},
		{"an empty last fragment", fragments(hello, len(hello)), `[text "Hello"]`},
		{"empty", compressed(wire.Binary, []byte{0}), `[binary ""]`},
		{"at the limit", compressed(wire.Text, one(long)), fmt.Sprintf("[text %q]", long)},
		{"one more", compressed(wire.Text, one(long+"x")), "[fail 1009 inflated message longer than the limit]"},
		{"a bomb", compressed(wire.Binary, one(strings.Repeat("\x00", 1<<15))), "[fail 1009 inflated message longer than the limit]"},
		{"corrupt", compressed(wire.Binary, []byte("\xff\xff\xff\xff")), "[fail 1007 compressed message is corrupt]"},
		{"not UTF-8", compressed(wire.Text, one("a\xff")), "[fail 1007 text message is not valid UTF-8]"},
		{"a character across parts", compressed(wire.Text, one("\u20ac\u20ac\u20ac\u20ac")), `[text "€€€€"]`},
		{"a compressed continuation", cat(frame(false, wire.Text, "a"), []byte{0xc0, 0x80}), "[fail 1002 reserved bits set without an extension]"},
		{"a compressed ping", []byte{0xc9, 0x80}, "[fail 1002 reserved bits set without an extension]"},
		{"RSV2", []byte{0xe1, 0x80}, "[fail 1002 reserved bits set without an extension]"},
		{"a frame longer than any compressed message may be", wire.AppendHeader(nil, wire.Header{Fin: true, RSV: wire.RSV1, Opcode: wire.Text, Masked: true, Length: 2000}), "[fail 1009 message longer than the limit]"},
	} {
		t.Run(d.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 1))
			for _, scratch := range []int{1, 7, 4096} {
				for name, cut := range map[string]func(int) int{"whole": whole, "bytewise": bytewise, "random": func(rest int) int { return 1 + rnd.IntN(rest) }} {
					log, _ := talkTo(compressing(&config, scratch), d.input, cut)
					if got := fmt.Sprint(log); got != d.want {
						t.Errorf("scratch %d, %s: got %.200s, want %.200s", scratch, name, got, d.want)
					}
				}
			}
		})
	}
}

// What one side appends, the other reads, whole or in parts, in both directions.
func TestCompressedBothWays(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		config, peerConfig := configOf(role, driver.Options{}), configOf(1-role, driver.Options{})
		from, to := compressing(&config, 100), compressing(&peerConfig, 100)
		long := strings.Repeat("the same again, ", 100)
		var out []byte
		var err error
		for range 3 {
			if out, err = from.AppendMessage(out, wire.Text, []byte(long)); err != nil {
				t.Fatal(err)
			}
		}
		out, _ = from.AppendFragment(out, wire.Binary, []byte("in "), false)
		if out, err = from.EncodeMessage(out[:len(out):len(out)], wire.Text, []byte("meanwhile")); err != nil {
			t.Fatal(err)
		}
		// It is to be sent later; here it stands where it may not, so take it out.
		h := 2
		if role == Client {
			h = 6
		}
		out = out[:len(out)-h-len("meanwhile")]
		out, _ = from.AppendFragment(out, 0, []byte("parts"), true)
		out, _ = from.AppendMessage(out, wire.Text, []byte(long))
		if len(out) > len(long) {
			t.Errorf("%d bytes for four messages of %d: nothing was compressed", len(out), len(long))
		}
		log, _ := talkTo(to, out, func(rest int) int { return min(rest, 50) })
		q := fmt.Sprintf("text %q", long)
		if want := fmt.Sprint([]string{q, q, q, `binary "in parts"`, q}); fmt.Sprint(log) != want {
			t.Errorf("role %d: got %.300q", role, log)
		}
	}
}

func FuzzCompressedChunking(f *testing.F) {
	f.Add(cat(compressed(wire.Text, hello), compressed(wire.Text, helloAgain)), uint64(1), uint8(3))
	f.Add(cat(compressed(wire.Binary, []byte("\xff\xff")), text("a")), uint64(2), uint8(200))
	config := configOf(Server, driver.Options{MessageBytesMax: 1000, FragmentsMax: 10})
	f.Fuzz(func(t *testing.T, input []byte, seed uint64, scratch uint8) {
		want, wantOut := talkTo(compressing(&config, 4096), input, whole)
		rnd := rand.New(rand.NewPCG(seed, 5))
		got, out := talkTo(compressing(&config, 1+int(scratch)), input, func(rest int) int { return 1 + rnd.IntN(min(rest, 40)) })
		if fmt.Sprint(got) != fmt.Sprint(want) || !bytes.Equal(out, wantOut) {
			t.Fatalf("chunked: %q %x\nwhole: %q %x", got, out, want, wantOut)
		}
	})
}
