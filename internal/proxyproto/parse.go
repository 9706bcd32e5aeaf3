package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what a proxy has said about a connection.
type Header struct {
	// Source is the client's address, the zero value if the proxy did not say: it
	// speaks for itself (LOCAL, as in checks of health), the protocol is unknown to
	// it, or the client's socket has no IP address. The address of the connection
	// itself is the best that is known then.
	Source netip.AddrPort

	// Destination is the address that the client has connected to, the zero value
	// where Source is.
	Destination netip.AddrPort
}

// BytesMax is the longest header that Parse takes. What proxies send is below 300
// bytes; version 2 could announce 64 KiB.
const BytesMax = 4 << 10

const (
	v1BytesMax = 107 // §2.1, with the line's end
	v1Begin    = "PROXY "
	v2Begin    = "\r\n\r\n\x00\r\nQUIT\n"
	v2Fixed    = len(v2Begin) + 4
)

// ErrMissing is the error for bytes that do not begin like a header of either version.
var ErrMissing = errors.New("the connection does not begin with a header of the PROXY protocol, version 1 or 2")

// Parse reads the header at the front of b, and returns how long it is: 0 without an
// error when b is too short to say. The error is ErrMissing, or says what is wrong
// with the header. It keeps nothing of b.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case begins(b, v1Begin):
		h, n, err = parseV1(b)
	case begins(b, v2Begin):
		h, n, err = parseV2(b)
	default:
		return Header{}, 0, ErrMissing
	}
	if err != nil {
		return Header{}, 0, fmt.Errorf("malformed header of the PROXY protocol: %w", err)
	}
	return h, n, nil
}

// begins reports whether b begins with prefix, as far as it goes.
func begins(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// parseV1 reads a line such as "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443" (§2.1).
func parseV1(b []byte) (Header, int, error) {
	end := bytes.Index(b[:min(len(b), v1BytesMax)], []byte("\r\n"))
	switch {
	case end < 0 && len(b) >= v1BytesMax:
		return Header{}, 0, fmt.Errorf("the line does not end within %d bytes", v1BytesMax)
	case end < 0:
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return Header{}, 0, errors.New("the line must end with CR and LF")
		}
		return Header{}, 0, nil
	case end < len(v1Begin):
		return Header{}, 0, errors.New("the line is too short")
	}
	words := strings.Split(string(b[len(v1Begin):end]), " ")
	n := end + len("\r\n")
	if words[0] == "UNKNOWN" {
		return Header{}, n, nil // §2.1: whatever comes behind it is to be ignored
	}
	if words[0] != "TCP4" && words[0] != "TCP6" {
		return Header{}, 0, fmt.Errorf("%s is not TCP4, TCP6 or UNKNOWN", quote(words[0]))
	}
	if len(words) != 5 {
		return Header{}, 0, fmt.Errorf("%d words where two addresses and two ports are expected", len(words)-1)
	}
	source, err := addressV1(words[0], words[1], words[3])
	if err != nil {
		return Header{}, 0, err
	}
	destination, err := addressV1(words[0], words[2], words[4])
	if err != nil {
		return Header{}, 0, err
	}
	return Header{source, destination}, n, nil
}

func addressV1(family, address, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" || a.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, fmt.Errorf("%s is not an address of %s", quote(address), family)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, fmt.Errorf("%s is not a port", quote(port))
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// quote makes text of the peer fit for an error.
func quote(s string) string {
	const most = 48
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}

// The bytes of version 2 (§2.2): the signature, version and command, family and
// protocol, the length of the rest.
const (
	v2Local     = 0x20
	v2Proxy     = 0x21
	familyNone  = 0
	familyINET  = 1
	familyINET6 = 2
	familyUnix  = 3
	typeCRC32C  = 3
)

func parseV2(b []byte) (Header, int, error) {
	if len(b) <= len(v2Begin) {
		return Header{}, 0, nil
	}
	command := b[len(v2Begin)]
	if command != v2Local && command != v2Proxy {
		return Header{}, 0, fmt.Errorf("0x%02x is not the version 2 with a command that there is", command)
	}
	if len(b) < v2Fixed {
		return Header{}, 0, nil
	}
	family, protocol := b[13]>>4, b[13]&0xf
	length := int(binary.BigEndian.Uint16(b[14:]))
	n := v2Fixed + length
	if n > BytesMax {
		return Header{}, 0, fmt.Errorf("it announces %d bytes, and %d are the most", n, BytesMax)
	}
	if len(b) < n {
		return Header{}, 0, nil
	}
	size := 0 // of the addresses
	switch family {
	case familyINET:
		size = 12
	case familyINET6:
		size = 36
	case familyUnix:
		size = 216
	}
	rest := b[v2Fixed:n]
	if command == v2Proxy && length < size {
		return Header{}, 0, fmt.Errorf("%d bytes are too short for the addresses", length)
	}
	if command == v2Local || family == familyNone || family > familyUnix || protocol != 1 {
		// §2.2: LOCAL, UNSPEC and what a receiver does not know stand for the
		// connection itself; the bytes are skipped.
		if command == v2Proxy && family != familyNone && family <= familyUnix && protocol == 2 {
			return Header{}, 0, errors.New("it speaks of datagrams, and this is a stream")
		}
		return Header{}, n, nil
	}
	if err := checkFields(b[:n], rest[size:]); err != nil {
		return Header{}, 0, err
	}
	switch family {
	case familyINET:
		return Header{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest)), binary.BigEndian.Uint16(rest[8:])),
			netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest[4:])), binary.BigEndian.Uint16(rest[10:])),
		}, n, nil
	case familyINET6:
		return Header{
			netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest)).Unmap(), binary.BigEndian.Uint16(rest[32:])),
			netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest[16:])).Unmap(), binary.BigEndian.Uint16(rest[34:])),
		}, n, nil
	}
	return Header{}, n, nil // a Unix socket's path is no address
}

// checkFields checks that the fields behind the addresses (§2.2) fill what was
// announced, and the checksum among them, if there is one (§2.2.3).
func checkFields(header, fields []byte) error {
	for at := len(header) - len(fields); at < len(header); {
		left := header[at:]
		if len(left) < 3 || len(left) < 3+int(binary.BigEndian.Uint16(left[1:])) {
			return errors.New("a field is longer than the header")
		}
		length := int(binary.BigEndian.Uint16(left[1:]))
		if left[0] == typeCRC32C {
			if length != 4 {
				return errors.New("the checksum must have four bytes")
			}
			castagnoli := crc32.MakeTable(crc32.Castagnoli)
			sum := crc32.Update(0, castagnoli, header[:at+3])
			sum = crc32.Update(sum, castagnoli, make([]byte, 4))
			sum = crc32.Update(sum, castagnoli, header[at+7:])
			if sum != binary.BigEndian.Uint32(left[3:]) {
				return errors.New("the checksum does not match")
			}
		}
		at += 3 + length
	}
	return nil
}
