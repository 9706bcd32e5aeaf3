//go:build !js

package ws

import "sync"

// Buffers are held only while bytes are being read or written: an idle
// connection has none.

const (
	// receiveBytes is the size of a receive buffer: a message of 16 KiB arrives
	// in one system call.
	receiveBytes = 32 << 10

	// waitBytes is the size of the buffer that a connection waits with where it
	// must have one.
	waitBytes = 512

	// sendBytesMax is the largest send buffer that is kept for reuse.
	sendBytesMax = 128 << 10
)

var receiveBuffers = sync.Pool{New: func() any { return new([receiveBytes]byte) }}

var waitBuffers = sync.Pool{New: func() any { return new([waitBytes]byte) }}

var sendBuffers = sync.Pool{New: func() any { return new([]byte) }}

// getBuffer returns an empty buffer with room for n bytes.
func getBuffer(n int) *[]byte {
	b := sendBuffers.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, 0, n)
	}
	return b
}

// putBuffer gives b back. used is what it has become, which may have grown.
func putBuffer(b *[]byte, used []byte) {
	if cap(used) > sendBytesMax {
		used = nil
	}
	*b = used[:0]
	sendBuffers.Put(b)
}
