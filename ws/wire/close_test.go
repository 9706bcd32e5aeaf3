package wire

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCloseCodeOnWire(t *testing.T) {
	// RFC 6455 §7.4 and the IANA registry, range by range.
	for c := range 1 << 16 {
		want := c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999
		if got := CloseCode(c).OnWire(); got != want {
			t.Errorf("OnWire(%d) = %v", c, got)
		}
	}
}

func TestCloseCodeString(t *testing.T) {
	for c, want := range map[CloseCode]string{
		CloseNormal: "1000 normal closure", CloseTLSHandshake: "1015 TLS handshake",
		1016: "1016", 3000: "3000", 4410: "4410 private use", 5000: "5000", 0: "0",
	} {
		if got := c.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestParseClose(t *testing.T) {
	for _, v := range []struct {
		in     string
		code   CloseCode
		reason string
		err    error
	}{
		{"", CloseNoStatus, "", nil},
		{"\x03", CloseProtocolError, "", ErrCloseLength},
		{"\x03\xe8", CloseNormal, "", nil},
		{"\x03\xe8bye \u2713", CloseNormal, "bye \u2713", nil},
		{"\x03\xed", CloseNoStatus, "", ErrCloseCode},
		{"\x03\xee", CloseAbnormal, "", ErrCloseCode},
		{"\x00\x00", 0, "", ErrCloseCode},
		{"\x03\xe8\xc3", CloseNormal, "", ErrCloseReason},
		{"\x03\xf4", CloseServiceRestart, "", nil},
	} {
		code, reason, err := ParseClose([]byte(v.in))
		if code != v.code || string(reason) != v.reason || !errors.Is(err, v.err) {
			t.Errorf("ParseClose(%q) = %d, %q, %v; want %d, %q, %v", v.in, code, reason, err, v.code, v.reason, v.err)
		}
	}
}

func TestAppendCloseCutsTheReasonAtACharacter(t *testing.T) {
	for n := 118; n < 130; n++ {
		reason := strings.Repeat("a", n) + "\U0001F426 and more"
		b := AppendClose(nil, CloseNormal, reason)
		code, got, err := ParseClose(b)
		if code != CloseNormal || err != nil || len(b) > ControlPayloadBytesMax {
			t.Fatalf("n=%d: %d bytes, %v, %v", n, len(b), code, err)
		}
		if !strings.HasPrefix(reason, string(got)) || len(got) < CloseReasonBytesMax-3 {
			t.Fatalf("n=%d: reason %q", n, got)
		}
	}
	if b := AppendClose(nil, CloseNormal, "caf\xe9"); string(b) != "\x03\xe8caf\uFFFD" {
		t.Errorf("a reason that is not UTF-8 became %q", b)
	}
	if b := AppendClose([]byte("x"), CloseNoStatus, "ignored"); string(b) != "x" {
		t.Errorf("CloseNoStatus appended %q", b)
	}
}

func FuzzParseClose(f *testing.F) {
	f.Add([]byte("\x03\xe8bye"))
	f.Add([]byte("\x03\xe8\xed\xa0\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		code, reason, err := ParseClose(b)
		if err != nil {
			return
		}
		if !utf8.Valid(reason) {
			t.Fatalf("accepted reason %q", reason)
		}
		if len(b) <= ControlPayloadBytesMax {
			if again := AppendClose(nil, code, string(reason)); string(again) != string(b) {
				t.Fatalf("%q came back as %q", b, again)
			}
		}
	})
}
