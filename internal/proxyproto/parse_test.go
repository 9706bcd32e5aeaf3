package proxyproto_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/proxyproto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 makes a header of version 2.
func v2(command, family byte, rest string) string {
	b := append([]byte(signature), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(rest)))) + rest
}

const inet4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb" // 192.0.2.1:56324 to 198.51.100.2:443

var inet6 = "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01" + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x02" + "\xdc\x04\x01\xbb"

func checksummed(valid bool) string {
	header := []byte(v2(0x21, 0x11, inet4+"\x03\x00\x04\x00\x00\x00\x00\x04\x00\x01x"))
	sum := crc32.Checksum(header, crc32.MakeTable(crc32.Castagnoli))
	if !valid {
		sum++
	}
	binary.BigEndian.PutUint32(header[16+12+3:], sum)
	return string(header)
}

var good = map[string]string{ // the header: the source, or nothing
	"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n":  "192.0.2.1:56324",
	"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n": "[2001:db8::1]:56324",
	"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 0\r\n":  "192.0.2.1:1",
	"PROXY UNKNOWN\r\n": "",
	"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n": "",
	v2(0x21, 0x11, inet4):                    "192.0.2.1:56324",
	v2(0x21, 0x11, inet4+"\x02\x00\x03abc"):  "192.0.2.1:56324",
	v2(0x21, 0x11, inet4+"\x04\x00\x00"):     "192.0.2.1:56324",
	v2(0x21, 0x21, inet6):                    "[2001:db8::1]:56324",
	v2(0x21, 0x31, strings.Repeat("p", 216)): "",
	v2(0x20, 0x00, ""):                       "",
	v2(0x20, 0x11, inet4):                    "",
	v2(0x20, 0x11, "x"):                      "",
	v2(0x21, 0x00, "whatever"):               "",
	v2(0x21, 0x41, "whatever"):               "",
	checksummed(true):                        "192.0.2.1:56324",
	v2(0x21, 0x11, inet4+"\x04\x0f\x00"+strings.Repeat("n", 0xf00)): "192.0.2.1:56324",
}

func TestParse(t *testing.T) {
	for text, want := range good {
		for n := range len(text) {
			if h, used, err := proxyproto.Parse([]byte(text[:n])); used != 0 || err != nil || h.Source.IsValid() {
				t.Fatalf("%q, %d bytes of it: %v %d %v", text, n, h, used, err)
			}
		}
		h, used, err := proxyproto.Parse([]byte(text + "GET / HTTP/1.1\r\n"))
		if err != nil || used != len(text) {
			t.Errorf("%q: %d of %d, %v", text, used, len(text), err)
		}
		if want == "" && h != (proxyproto.Header{}) || want != "" && h.Source != netip.MustParseAddrPort(want) {
			t.Errorf("%q: %v, want %q", text, h, want)
		}
	}
}

func TestParseDestination(t *testing.T) {
	for _, text := range []string{"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", v2(0x21, 0x11, inet4)} {
		if h, _, err := proxyproto.Parse([]byte(text)); err != nil || h.Destination.String() != "198.51.100.2:443" {
			t.Errorf("%q: %v, %v", text, h, err)
		}
	}
	if h, _, err := proxyproto.Parse([]byte(v2(0x21, 0x21, inet6))); err != nil || h.Destination.String() != "[2001:db8::2]:443" {
		t.Error(h, err)
	}
}

var bad = map[string]string{ // the header: a part of the error
	"GET / HTTP/1.1\r\n":                            "does not begin",
	"proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n":     "does not begin",
	"PROXY\tTCP4":                                   "does not begin",
	"\x16\x03\x01\x02\x00":                          "does not begin",
	"PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n":     `"TCP5" is not TCP4`,
	"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n":       "words",
	"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n":    "words",
	"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n":    "words",
	"PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n":       `"192.0.2" is not an address of TCP4`,
	"PROXY TCP4 2001:db8::1 198.51.100.2 1 2\r\n":   "not an address of TCP4",
	"PROXY TCP6 192.0.2.1 2001:db8::2 1 2\r\n":      "not an address of TCP6",
	"PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n":   "not an address of TCP6",
	"PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n": `"65536" is not a port`,
	"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n":    "not a port",
	"PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n":    "not a port",
	"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n":       "CR and LF",
	"PROXY \r\n": "is not TCP4",
	"PROXY UNKNOWN " + strings.Repeat("x", 100): "within 107 bytes",
	signature + "\x11\x11\x00\x0c" + inet4:      "0x11 is not",
	signature + "\x22\x11\x00\x0c" + inet4:      "0x22 is not",
	v2(0x21, 0x11, inet4[:11]):                  "too short for the addresses",
	v2(0x21, 0x21, inet6[:35]):                  "too short for the addresses",
	v2(0x21, 0x31, strings.Repeat("p", 215)):    "too short for the addresses",
	v2(0x21, 0x12, inet4):                       "datagrams",
	v2(0x21, 0x11, inet4+"\x02"):                "field",
	v2(0x21, 0x11, inet4+"\x02\x00\x04abc"):     "field",
	v2(0x21, 0x11, inet4+"\x03\x00\x03abc"):     "four bytes",
	checksummed(false):                          "checksum",
	signature + "\x21\x11\xff\xff":              "announces 65551 bytes",
}

func TestParseRefuses(t *testing.T) {
	for text, want := range bad {
		h, n, err := proxyproto.Parse([]byte(text))
		if err == nil || n != 0 || h != (proxyproto.Header{}) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %d %v, want %q", text, h, n, err, want)
		}
		if missing := errors.Is(err, proxyproto.ErrMissing); missing != (want == "does not begin") {
			t.Errorf("%q: missing: %v", text, missing)
		}
	}
}

// However the bytes are cut, the outcome is the same, and nothing behind the header
// matters.
func FuzzParse(f *testing.F) {
	for text := range good {
		f.Add([]byte(text))
	}
	for text := range bad {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := proxyproto.Parse(b)
		if n < 0 || n > len(b) || n > proxyproto.BytesMax || err != nil && (n != 0 || h != (proxyproto.Header{})) {
			t.Fatal(h, n, err)
		}
		if h.Source.IsValid() != h.Destination.IsValid() || h.Source.Addr().Is4In6() {
			t.Fatal(h)
		}
		if n == 0 && err == nil && len(b) >= proxyproto.BytesMax {
			t.Fatal("a header that never ends")
		}
		for cut := range min(n, 64) {
			if _, used, err := proxyproto.Parse(b[:cut]); used != 0 || err != nil {
				t.Fatalf("%d bytes of %d: %d, %v", cut, n, used, err)
			}
		}
		if n > 0 {
			if again, used, err := proxyproto.Parse(b[:n]); again != h || used != n || err != nil {
				t.Fatal(again, used, err)
			}
		}
	})
}
