package diskbroker

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The file of a state is a header and chunks, each with a checksum of it and of which one it is. The
// last one is empty: without it the file is not whole.
const (
	stateMagic     = "GODWITS1"
	stateHeadBytes = 8 + 8
	chunkHeadBytes = 8
	chunkBytesMax  = 1 << 30
)

// sealer writes chunks.
type sealer struct {
	w       io.Writer
	number  uint64
	index   uint64
	b       []byte
	written int64
}

func newSealer(w io.Writer, number uint64) *sealer {
	s := &sealer{w: w, number: number}
	s.b = append(s.b, stateMagic...)
	s.b = binary.LittleEndian.AppendUint64(s.b, number)
	return s
}

// Write implements io.Writer. What it is given becomes a chunk.
func (s *sealer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return len(p), s.chunk(p)
}

// end writes the end.
func (s *sealer) end() error { return s.chunk(nil) }

func (s *sealer) chunk(p []byte) error {
	s.b = binary.LittleEndian.AppendUint32(s.b, uint32(len(p)))
	s.b = binary.LittleEndian.AppendUint32(s.b, chunkChecksum(p, s.number, s.index))
	s.b = append(s.b, p...)
	s.index++
	n, err := s.w.Write(s.b)
	s.written += int64(n)
	s.b = s.b[:0]
	return err
}

func chunkChecksum(p []byte, number, index uint64) uint32 {
	return checksum(p, number, int64(index)<<32|int64(len(p)))
}

// unsealer reads what a sealer has written, and nothing of a chunk that is damaged.
type unsealer struct {
	r     io.Reader
	size  int64 // how much there is
	index uint64

	number uint64
	b      []byte // the chunk
	left   []byte // of it
	ended  bool
}

func newUnsealer(r io.Reader, size int64, number uint64) (*unsealer, error) {
	u := &unsealer{r: r, size: size, number: number}
	var head [stateHeadBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:8]) != stateMagic || binary.LittleEndian.Uint64(head[8:]) != number {
		return nil, errDamaged
	}
	return u, nil
}

// Read implements io.Reader.
func (u *unsealer) Read(p []byte) (int, error) {
	for len(u.left) == 0 {
		if u.ended {
			return 0, io.EOF
		}
		if err := u.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, u.left)
	u.left = u.left[n:]
	return n, nil
}

func (u *unsealer) next() error {
	var head [chunkHeadBytes]byte
	if _, err := io.ReadFull(u.r, head[:]); err != nil {
		return fmt.Errorf("it ends too early: %w", errDamaged)
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n > u.size || n > chunkBytesMax {
		return errDamaged
	}
	if int64(cap(u.b)) < n {
		u.b = make([]byte, n)
	}
	u.b = u.b[:n]
	if _, err := io.ReadFull(u.r, u.b); err != nil || binary.LittleEndian.Uint32(head[4:]) != chunkChecksum(u.b, u.number, u.index) {
		return errDamaged
	}
	u.index++
	u.left, u.ended = u.b, n == 0
	return nil
}
