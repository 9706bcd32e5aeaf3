package diskbroker

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
)

// A file of the log begins with a header, and then come frames, each around a record:
//
//	magic number salt checksum
//	┌────────────────┬──────────┬────────┐┌────────────────┬──
//	│ checksum       │ length   │ record ││ checksum       │
//	└────────────────┴──────────┴────────┘└────────────────┴──
//
// The checksum is also of the salt, which is random and another one in each file, and of the
// place of the frame: what was once written elsewhere is no frame here.
const (
	segmentMagic      = "GODWITL1"
	segmentHeadBytes  = 8 + 8 + 8 + 4
	frameHeadBytes    = 8
	frameHeadChecksum = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	// errTorn is what follows the last frame if it is the beginning of another one.
	errTorn = errors.New("it ends within a record")

	// errDamaged is the error for what nothing here has written.
	errDamaged = errors.New("a checksum is wrong")
)

// appendSegmentHead appends the header of a file of the log.
func appendSegmentHead(dst []byte, number, salt uint64) []byte {
	at := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, number)
	dst = binary.LittleEndian.AppendUint64(dst, salt)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// parseSegmentHead returns the salt of a file of the log.
func parseSegmentHead(b []byte, number uint64) (salt uint64, err error) {
	if len(b) < segmentHeadBytes {
		return 0, errTorn
	}
	b = b[:segmentHeadBytes]
	n := segmentHeadBytes - 4
	if string(b[:8]) != segmentMagic || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) || binary.LittleEndian.Uint64(b[8:]) != number {
		return 0, errDamaged
	}
	return binary.LittleEndian.Uint64(b[16:]), nil
}

// beginFrame appends room for the head of a frame, and endFrame fills in the length; the checksum is
// for sealFrames, when the place is known.
func beginFrame(dst []byte) []byte { return append(dst, make([]byte, frameHeadBytes)...) }

func endFrame(dst []byte, at int) {
	binary.LittleEndian.PutUint32(dst[at+frameHeadChecksum:], uint32(len(dst)-at-frameHeadBytes))
}

// sealFrames fills in the checksums of frames that come to stand at offset.
func sealFrames(b []byte, salt uint64, offset int64) {
	for len(b) > 0 {
		n := frameHeadBytes + int(binary.LittleEndian.Uint32(b[frameHeadChecksum:]))
		binary.LittleEndian.PutUint32(b, checksum(b[frameHeadChecksum:n], salt, offset))
		b, offset = b[n:], offset+int64(n)
	}
}

// checksum begins with a number that is another one for each place.
func checksum(b []byte, salt uint64, offset int64) uint32 {
	hi, lo := bits.Mul64(salt|1, uint64(offset)^0x9e3779b97f4a7c15)
	place := hi ^ lo
	return crc32.Update(uint32(place)^uint32(place>>32), castagnoli, b)
}

// ParseFrame returns the record of the frame at the beginning of b, which stands at offset in a file with this
// salt, and the length of the frame. The record is a part of b. It returns an error if there is no whole
// frame.
func ParseFrame(b []byte, salt uint64, offset int64) (record []byte, n int, err error) {
	if len(b) < frameHeadBytes {
		return nil, 0, errTorn
	}
	length := binary.LittleEndian.Uint32(b[frameHeadChecksum:])
	if length == 0 || length > recordBytesMax {
		return nil, 0, errDamaged
	}
	if int(length) > len(b)-frameHeadBytes {
		return nil, 0, errTorn
	}
	n = frameHeadBytes + int(length)
	if binary.LittleEndian.Uint32(b) != checksum(b[frameHeadChecksum:n], salt, offset) {
		return nil, 0, errDamaged
	}
	return b[frameHeadBytes:n:n], n, nil
}
