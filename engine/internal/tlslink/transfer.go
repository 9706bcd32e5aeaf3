package tlslink

import (
	"errors"
	"io"

	"github.com/godwit-io/godwit/engine/internal/socket"
)

const (
	// sealBytes is how much is encrypted before it is offered to the system. No
	// more than that, encrypted, waits outside the queue.
	sealBytes = 64 << 10

	// sealedBytesMax is the most that may wait encrypted: with it, what tls had
	// to answer while the peer took nothing.
	sealedBytesMax = 256 << 10
)

// ErrNotTaken ends a connection whose peer does not take what TLS has to answer.
var ErrNotTaken = errors.New("engine: the peer asks over TLS and does not take the answers")

// Memory is a loop's memory for ciphertext, for all of its links.
type Memory struct {
	in  []byte // receive buffer
	out []byte // bytes being sent
}

// NewMemory makes one with a receive buffer of so many bytes.
func NewMemory(receiveBytes int) *Memory { return &Memory{in: make([]byte, receiveBytes)} }

// Wire is how a loop does the I/O of a link: its calls, the descriptor of the
// connection, and its memory.
type Wire struct {
	Calls  *socket.Calls
	FD     int32
	Memory *Memory
}

// Receive reads what the peer has sent, decrypted. 0 bytes without an error is the
// end. What tls had to answer may be left waiting, see IsWaiting.
func (k *Link) Receive(w Wire, p []byte) (int, error) {
	if k.more {
		if n, err := k.decrypt(w, p); err != socket.ErrAgain {
			return n, err
		}
	}
	in := w.Memory.in
	n, err := w.Calls.Read(w.FD, in)
	if err != nil || n == 0 {
		return n, err
	}
	k.mu.Lock()
	k.in = in[:n]
	k.mu.Unlock()
	return k.decrypt(w, p)
}

// decrypt reads what tls has, until p is full. 0 bytes without an error is the
// end.
func (k *Link) decrypt(w Wire, p []byte) (n int, err error) {
	k.more = false
	if err = k.end; err == nil {
		if !k.IsWaiting() {
			k.lend(w.Memory.out) // reading may write: alerts, KeyUpdate
		}
		for n < len(p) && err == nil {
			var m int
			m, err = k.tls.Read(p[n:])
			n += m
			if m > 0 && n < len(p) && err == nil && k.isDrained() {
				err = errLater // as tls would find out
			}
		}
	}
	k.push(w, true)
	switch {
	case k.broken == ErrNotTaken:
		return 0, k.broken
	case err == errLater && n == 0:
		return 0, socket.ErrAgain
	case err == errLater:
		return n, nil
	case n > 0:
		// There may be more, or it ended: that is for the next turn.
		k.end, k.more = err, true
		k.mu.Lock()
		k.in = append([]byte(nil), k.in...) // it was the loop's memory
		k.mu.Unlock()
		k.owner.Tell()
		return n, nil
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return 0, nil // close_notify: the same as the end of the transport
	}
	return 0, err
}

// HasMore reports whether tls may have something that was not asked for yet, see
// Receive.
func (k *Link) HasMore() bool { return k.more }

// Send encrypts and sends p, as far as the system takes it. What it accepts is
// encrypted; IsWaiting says whether all of that has been taken.
func (k *Link) Send(w Wire, p []byte) (int, error) {
	if !k.push(w, false) {
		return 0, socket.ErrAgain
	}
	sent := 0
	for sent < len(p) {
		piece := p[sent:min(sent+sealBytes, len(p))]
		k.lend(w.Memory.out)
		if _, err := k.tls.Write(piece); err != nil {
			return sent, err
		}
		sent += len(piece)
		if !k.push(w, true) {
			break
		}
	}
	return sent, k.broken
}

// Push sends what tls wrote, and reports whether nothing of it waits.
func (k *Link) Push(w Wire) bool { return k.push(w, false) }

// push is Push; lent says that what tls wrote is in the loop's memory.
func (k *Link) push(w Wire, lent bool) bool {
	k.mu.Lock()
	out := k.out
	k.out = nil // a handshake may go on writing
	k.mu.Unlock()
	if len(out) == 0 {
		return true
	}
	n, err := 0, k.broken
	if err == nil {
		n, err = w.Calls.Write(w.FD, out)
	}
	if lent && cap(out) <= 2*sealBytes {
		w.Memory.out = out[:0]
	}
	if err != nil && err != socket.ErrAgain {
		k.broken = err
		return true // nothing waits
	}
	if n > 0 {
		k.moved = true
	}
	rest := out[n:]
	if len(rest) == 0 {
		return true
	}
	if len(rest) > sealedBytesMax {
		k.broken = ErrNotTaken
		return true
	}
	if lent {
		rest = append([]byte(nil), rest...)
	}
	k.mu.Lock()
	k.out = append(rest, k.out...)
	k.mu.Unlock()
	return false
}

// HasMoved reports whether the peer took something since the last call.
func (k *Link) HasMoved() bool {
	moved := k.moved
	k.moved = false
	return moved
}

// Broken returns why nothing can be sent any more, nil while something can.
func (k *Link) Broken() error { return k.broken }

// Break keeps everything else from being sent.
func (k *Link) Break(err error) { k.broken = err }

// SayGoodbye sends close_notify, if that can still be: RFC 8446 §6.1 wants it
// before the transport ends. The handshake must be over.
func (k *Link) SayGoodbye(w Wire) {
	if !k.IsWaiting() {
		k.lend(w.Memory.out)
	}
	_ = k.tls.CloseWrite() // the peer learns of the end from the transport, too
	k.push(w, true)
}
