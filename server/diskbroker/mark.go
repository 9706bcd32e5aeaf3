package diskbroker

import (
	"encoding/binary"
	"hash/crc32"
	"os"
)

// mark is how far the log was acknowledged. It is written behind each batch, so after the end of the
// process it says exactly what must be there.
type mark struct {
	segment uint64
	length  int64
}

const (
	markMagic = "GODWITM1"
	markBytes = 8 + 8 + 8 + 4
)

func (m mark) appendTo(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, markMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, m.segment)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.length))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// parseMark reads the file of the mark, and reports whether it is one.
func parseMark(b []byte) (m mark, ok bool) {
	const n = markBytes - 4
	if len(b) != markBytes || string(b[:8]) != markMagic || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return m, false
	}
	m.segment, m.length = binary.LittleEndian.Uint64(b[8:]), int64(binary.LittleEndian.Uint64(b[16:]))
	return m, m.length >= 0
}

// readMark returns the mark of a directory, if there is one.
func readMark(path string) (m mark, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return m, false
	}
	return parseMark(b)
}
