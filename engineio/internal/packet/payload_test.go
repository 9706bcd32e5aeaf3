package packet_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/godwit-io/godwit/engineio/internal/packet"
)

var mixed = []packet.Packet{
	{Type: packet.Message, Data: []byte("hello")},
	{Type: packet.Message, Data: []byte("€😀")},
	{Type: packet.Message, Binary: true, Data: []byte{1, 2, 3, 4}},
	{Type: packet.Ping, Data: []byte("probe")},
}

func TestPayload(t *testing.T) {
	for _, c := range []struct {
		encoding packet.Encoding
		want     string
	}{
		{packet.V4, "4hello\x1e4€😀\x1ebAQIDBA==\x1e2probe"},
		{packet.V3Text, "6:4hello4:4€😀10:b4AQIDBA==6:2probe"},
		{packet.V3Octets, "\x00\x06\xff4hello\x00\x08\xff4€😀\x01\x05\xff\x04\x01\x02\x03\x04\x00\x06\xff2probe"},
	} {
		var payload []byte
		for _, p := range mixed {
			payload = c.encoding.Append(payload, p)
		}
		if string(payload) != c.want {
			t.Errorf("%d: got %q, want %q", c.encoding, payload, c.want)
		}
		got, err := all(c.encoding, payload)
		if err != nil || !reflect.DeepEqual(got, mixed) {
			t.Errorf("%d: got %v, %v", c.encoding, got, err)
		}
	}
	long := packet.Packet{Type: packet.Message, Data: []byte(strings.Repeat("x", 1234))}
	if got := packet.V3Octets.Append(nil, long); string(got[:7]) != "\x00\x01\x02\x03\x05\xff4" {
		t.Errorf("a length of four digits is %q", got[:7])
	}
}

// all parses a whole payload.
func all(e packet.Encoding, b []byte) (packets []packet.Packet, err error) {
	for {
		p, n, err := e.Parse(b)
		if err != nil {
			return packets, err
		}
		if n <= 0 || n > len(b) {
			return packets, fmt.Errorf("%d of %d bytes", n, len(b))
		}
		if packets = append(packets, p); n == len(b) {
			return packets, nil
		}
		b = b[n:]
	}
}

func TestPayloadErrors(t *testing.T) {
	for _, c := range []struct {
		encoding packet.Encoding
		payload  string
		parsed   int
		want     error
	}{
		{packet.V4, "", 0, packet.ErrNoPackets},
		{packet.V4, "abc", 0, packet.ErrType},
		{packet.V4, "4a\x1e", 0, packet.ErrType},
		{packet.V4, "4a\x1e\x1e4b", 1, packet.ErrType},
		{packet.V4, "\x1e4b", 0, packet.ErrType},
		{packet.V4, "4a\x1eb!", 1, packet.ErrBase64},
		{packet.V4, "4\xff", 0, packet.ErrNotUTF8},

		{packet.V3Text, "", 0, packet.ErrNoPackets},
		{packet.V3Text, ":4a", 0, packet.ErrLength},
		{packet.V3Text, "2", 0, packet.ErrLength},
		{packet.V3Text, "2:4a3:4b", 1, packet.ErrLength},
		{packet.V3Text, "x:4a", 0, packet.ErrLength},
		{packet.V3Text, "-1:4a", 0, packet.ErrLength},
		{packet.V3Text, "0:", 0, packet.ErrType},
		{packet.V3Text, "2:4😀", 0, packet.ErrLength}, // half a surrogate pair
		{packet.V3Text, "2:4\xff", 0, packet.ErrNotUTF8},
		{packet.V3Text, "1000000000:4", 0, packet.ErrLength},

		{packet.V3Octets, "", 0, packet.ErrNoPackets},
		{packet.V3Octets, "\x02\x01\xff4", 0, packet.ErrLength},
		{packet.V3Octets, "\x00\xff4", 0, packet.ErrLength},
		{packet.V3Octets, "\x00\x02\xff4", 0, packet.ErrLength},
		{packet.V3Octets, "\x00\x01", 0, packet.ErrLength},
		{packet.V3Octets, "\x00\x0a\xff4", 0, packet.ErrLength},
		{packet.V3Octets, "\x00\x00\xff", 0, packet.ErrType},
		{packet.V3Octets, "\x00\x02\xff4\xff", 0, packet.ErrNotUTF8},
		{packet.V3Octets, "\x00" + strings.Repeat("\x01", 10) + "\xff4", 0, packet.ErrLength},
	} {
		got, err := all(c.encoding, []byte(c.payload))
		if len(got) != c.parsed || !errors.Is(err, c.want) {
			t.Errorf("%d %q: %d packets, %v; want %d, %v", c.encoding, c.payload, len(got), err, c.parsed, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for e := range packet.V3Octets + 1 {
		var payload []byte
		for _, p := range mixed {
			payload = e.Append(payload, p)
			f.Add(byte(e), payload)
		}
	}
	f.Fuzz(func(t *testing.T, encoding byte, payload []byte) {
		e := packet.Encoding(encoding % 3)
		packets, err := all(e, payload)
		if err != nil {
			return
		}
		var again []byte
		for _, p := range packets {
			if !p.Binary && !utf8.Valid(p.Data) && e != packet.V3Octets {
				t.Fatalf("%+v is text", p)
			}
			if len(p.Data) > len(payload) {
				t.Fatalf("%d bytes out of %d", len(p.Data), len(payload))
			}
			again = e.Append(again, p)
		}
		same, err := all(e, again)
		if err != nil || len(same) != len(packets) {
			t.Fatalf("%q became %q: %v", payload, again, err)
		}
		for i, p := range same {
			if q := packets[i]; p.Type != q.Type || p.Binary != q.Binary || string(p.Data) != string(q.Data) {
				t.Fatalf("%+v became %+v", q, p)
			}
		}
	})
}

func FuzzParseText(f *testing.F) {
	for _, s := range []string{"4hello", "2probe", "bAQIDBA==", "b4AQIDBA==", "b", "", "7"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, isV3 bool) {
		version := 4
		if isV3 {
			version = 3
		}
		p, err := packet.ParseText(b, version)
		if err != nil {
			return
		}
		text := packet.AppendText(nil, p, version)
		q, err := packet.ParseText(text, version)
		if err != nil || q.Type != p.Type || q.Binary != p.Binary || string(q.Data) != string(p.Data) || len(text) != packet.TextLen(p, version) {
			t.Fatalf("%q is %+v, and %q is %+v, %v", b, p, text, q, err)
		}
	})
}

func FuzzParseBinary(f *testing.F) {
	f.Add([]byte{4, 1, 2}, true)
	f.Add([]byte{4, 1, 2}, false)
	f.Fuzz(func(t *testing.T, b []byte, isV3 bool) {
		version := 4
		if isV3 {
			version = 3
		}
		p, err := packet.ParseBinary(b, version)
		if err != nil || !p.Binary {
			return
		}
		if again := packet.AppendBinary(nil, p, version); string(again) != string(b) {
			t.Fatalf("%q became %q", b, again)
		}
	})
}
