package packet_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/godwit-io/godwit/engineio/internal/packet"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		text    string
		version int
		want    packet.Packet
	}{
		{"4hello", 4, packet.Packet{Type: packet.Message, Data: []byte("hello")}},
		{"4", 4, packet.Packet{Type: packet.Message, Data: []byte{}}},
		{"4€", 4, packet.Packet{Type: packet.Message, Data: []byte("€")}},
		{"2probe", 4, packet.Packet{Type: packet.Ping, Data: []byte("probe")}},
		{"0{}", 3, packet.Packet{Type: packet.Open, Data: []byte("{}")}},
		{"6", 3, packet.Packet{Type: packet.Noop, Data: []byte{}}},
		{"bAQIDBA==", 4, packet.Packet{Type: packet.Message, Binary: true, Data: []byte{1, 2, 3, 4}}},
		{"b4AQIDBA==", 3, packet.Packet{Type: packet.Message, Binary: true, Data: []byte{1, 2, 3, 4}}},
		{"b4AQI", 4, packet.Packet{Type: packet.Message, Binary: true, Data: []byte{0xE0, 0x04, 0x08}}}, // no digit in version 4
		{"b", 4, packet.Packet{Type: packet.Message, Binary: true}},
	} {
		got, err := packet.ParseText([]byte(c.text), c.version)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %+v, %v; want %+v", c.text, got, err, c.want)
		}
		if text := packet.AppendText([]byte("x"), got, c.version); string(text) != "x"+c.text {
			t.Errorf("%q became %q", c.text, text)
		}
		if n := packet.TextLen(got, c.version); n != len(c.text) {
			t.Errorf("%q: length %d", c.text, n)
		}
	}
	for text, want := range map[string][]byte{"bAQIDBA": {1, 2, 3, 4}, "bAQIDBA=": {1, 2, 3, 4}, "b=": {}} {
		if got, err := packet.ParseText([]byte(text), 4); err != nil || !bytes.Equal(got.Data, want) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

func TestTextErrors(t *testing.T) {
	for _, c := range []struct {
		text    string
		version int
		want    error
	}{
		{"", 4, packet.ErrType}, {"abc", 4, packet.ErrType}, {"7", 4, packet.ErrType}, {"/", 4, packet.ErrType}, {"B4AA", 4, packet.ErrType},
		{"b", 3, packet.ErrType}, {"bAQID", 3, packet.ErrType}, {"b!", 4, packet.ErrBase64}, {"bA", 4, packet.ErrBase64}, {"bAA===", 4, packet.ErrBase64},
	} {
		if p, err := packet.ParseText([]byte(c.text), c.version); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.text, p, err, c.want)
		}
	}
}

func TestBinary(t *testing.T) {
	for _, c := range []struct {
		frame   string
		version int
		want    packet.Packet
	}{
		{"\x04\x01", 4, packet.Packet{Type: packet.Message, Binary: true, Data: []byte{4, 1}}},
		{"", 4, packet.Packet{Type: packet.Message, Binary: true, Data: []byte{}}},
		{"\x04\x01", 3, packet.Packet{Type: packet.Message, Binary: true, Data: []byte{1}}},
	} {
		got, err := packet.ParseBinary([]byte(c.frame), c.version)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %+v, %v", c.frame, got, err)
		}
		if frame := packet.AppendBinary(nil, got, c.version); string(frame) != c.frame {
			t.Errorf("%q became %q", c.frame, frame)
		}
	}
	for _, frame := range []string{"", "\x07", "4", "\x02p"} {
		if _, err := packet.ParseBinary([]byte(frame), 3); !errors.Is(err, packet.ErrType) {
			t.Errorf("%q: %v", frame, err)
		}
	}
}
