package loadgen

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync"
)

// A payload says which message it is, so that every answer can be checked to be
// the due one:
//
//	connection  number      filling
//	6 digits    10 digits   the same for all, and for the size
//
// The digits are hexadecimal. A payload shorter than 16 bytes has the last ones
// only. The filling is text that compresses like the messages of an application
// and needs no escape in JSON.
type payloads struct {
	size    int
	marker  string // before the digits, to find a payload in a longer message
	filling []byte
	free    sync.Pool // of *[]byte: whole payloads whose digits are to be written
}

const (
	digits        = 16
	numberBits    = 40
	fanoutSizeMin = 24 // the marker and the digits
)

func newPayloads(size int, marker string) *payloads {
	p := &payloads{size: size, marker: marker}
	p.filling = filling(size - p.head())
	p.free.New = func() any {
		b := make([]byte, size)
		copy(b, marker)
		copy(b[p.head():], p.filling)
		return &b
	}
	return p
}

// head is how many bytes come before the filling.
func (p *payloads) head() int { return min(len(p.marker)+digits, p.size) }

func filling(n int) []byte {
	b := make([]byte, 0, max(n, 0)+96)
	x := uint32(12345)
	random := func(below uint32) string {
		x = x*1103515245 + 12345
		return strconv.Itoa(int(x >> 8 % below))
	}
	for len(b) < n {
		b = append(b, " symbol=S"+random(4096)+" bid="+random(1024)+"."+random(100)+" ask="+random(1024)+"."+random(100)...)
	}
	return b[:max(n, 0)]
}

// take returns the payload of a message, to be given back.
func (p *payloads) take(connection int, number uint64) *[]byte {
	b := p.free.Get().(*[]byte)
	p.write((*b)[len(p.marker):p.head()], connection, number)
	return b
}

func (p *payloads) give(b *[]byte) { p.free.Put(b) }

// write writes the last of the digits that dst has room for.
func (p *payloads) write(dst []byte, connection int, number uint64) {
	const hexDigits = "0123456789abcdef"
	v := uint64(connection)<<numberBits | number&(1<<numberBits-1)
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = hexDigits[v&15]
		v >>= 4
	}
}

// isPayload reports whether b is the payload of that message.
func (p *payloads) isPayload(b []byte, connection int, number uint64) bool {
	if len(b) != p.size {
		return false
	}
	var want [digits]byte
	head := want[:p.head()-len(p.marker)]
	p.write(head, connection, number)
	return string(b[:len(p.marker)]) == p.marker && bytes.Equal(b[len(p.marker):p.head()], head) && bytes.Equal(b[p.head():], p.filling)
}

// find looks for the next payload in b, which may be in the middle of something
// else. It returns whose it is, its number and what comes after it. A payload that
// is found and damaged is not ok, and from is then -1 if even that is not known.
func (p *payloads) find(b []byte) (from int, number uint64, rest []byte, found, ok bool) {
	i := bytes.Index(b, []byte(p.marker))
	if i < 0 {
		return 0, 0, nil, false, true
	}
	b = b[i:]
	behind := b[len(p.marker):]
	if len(behind) < digits {
		return -1, 0, nil, true, false
	}
	var raw [digits / 2]byte
	if _, err := hex.Decode(raw[:], behind[:digits]); err != nil {
		return -1, 0, behind, true, false
	}
	v := binary.BigEndian.Uint64(raw[:])
	from, number = int(v>>numberBits), v&(1<<numberBits-1)
	if len(b) < p.size || !bytes.Equal(b[p.head():p.size], p.filling) {
		return from, number, behind, true, false
	}
	return from, number, b[p.size:], true, true
}

// sender returns the connection in a payload that some connection of a run has
// sent, whatever comes behind the digits, if there is room for it.
func (p *payloads) sender(b []byte) (connection int, ok bool) {
	if p.marker != "" || p.size < digits || len(b) != p.size {
		return 0, false
	}
	var raw [digits / 2]byte
	if _, err := hex.Decode(raw[:], b[:digits]); err != nil || !bytes.Equal(b[digits:], p.filling) {
		return 0, false
	}
	return int(binary.BigEndian.Uint64(raw[:]) >> numberBits), true
}
