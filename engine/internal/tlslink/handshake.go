package tlslink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine/internal/socket"
)

// feedBytesMax is how much may wait for a handshake to take it. What comes
// behind stays with the system.
const feedBytesMax = 32 << 10

// ErrEvicted ended a handshake for another, see Places.
var ErrEvicted = errors.New("engine: the peer was slow in its TLS handshake, and others waited for its place")

// PanicError ended a handshake in which a callback of the application's tls.Config
// panicked, or ended its goroutine: Value is nil then.
type PanicError struct{ Value any }

func (e *PanicError) Error() string {
	return fmt.Sprintf("a callback of the TLS configuration panicked: %v", e.Value)
}

// shake is what a link has during its handshake.
type shake struct {
	more    sync.Cond // in has grown, or aborted is set; its lock is the link's mu
	ctx     context.Context
	cancel  context.CancelFunc
	asked   bool // it is under way, or waits for its turn
	aborted bool
	done    bool
	err     error // of the handshake that is done

	// How long the peer has kept it waiting, see Places.
	waited  time.Duration
	since   time.Time // it waits; zero while it does not
	evicted bool      // it was ended for that
}

func newShake(k *Link) *shake {
	s := &shake{more: sync.Cond{L: &k.mu}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// await waits for something to arrive, or the end; mu is held.
func (s *shake) await(now time.Time) {
	s.since = now
	s.more.Wait()
	s.waited += time.Since(s.since)
	s.since = time.Time{}
}

// Abort ends a handshake that is not over.
func (k *Link) Abort() {
	k.mu.Lock()
	s := k.shake
	if s != nil {
		s.aborted = true
		s.more.Broadcast()
	}
	k.mu.Unlock()
	if s != nil {
		s.cancel()
	}
}

// shakeHands makes the handshake. It survives a callback of the application's
// tls.Config that panics, which is reported, but not one that ends the goroutine; it
// has done its part then, too.
func (k *Link) shakeHands(report func(k *Link, value any, stack []byte)) {
	k.mu.Lock()
	s := k.shake
	aborted := s.aborted
	k.mu.Unlock()
	if aborted {
		return
	}
	var err error
	returned := false
	defer func() {
		if r := recover(); !returned {
			err = &PanicError{r}
			report(k, r, debug.Stack())
		}
		s.cancel()
		k.mu.Lock()
		if s.evicted {
			err = ErrEvicted
		}
		s.done, s.err = true, err
		k.mu.Unlock()
		k.owner.Tell()
	}()
	err = k.tls.HandshakeContext(s.ctx)
	returned = true
}

// Outcome reports whether the handshake is done, and how it ended.
func (k *Link) Outcome() (done bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shake.done, k.shake.err
}

// Fed is what Feed has found.
type Fed uint8

const (
	FedSome     Fed = iota // or nothing: there is no more now
	FedEnd                 // the peer has sent all it will
	FedHello               // the first record is whole, so a place is worth asking for
	FedStranger            // what has arrived is not TLS
)

// Feed brings the handshake what has arrived.
func (k *Link) Feed(w Wire) (Fed, error) {
	k.mu.Lock()
	room := feedBytesMax - len(k.in)
	k.mu.Unlock()
	if room <= 0 {
		return FedSome, io.ErrUnexpectedEOF // it is not watched, so what the poller reports is that the peer has gone
	}
	in := w.Memory.in[:room]
	n, err := w.Calls.Read(w.FD, in)
	switch {
	case err == socket.ErrAgain:
		return FedSome, nil
	case err != nil:
		return FedSome, err
	case n == 0:
		return FedEnd, nil
	}
	return k.Begin(in[:n]), nil
}

// Begin brings the handshake b, which was read already. It keeps nothing of b, which is
// not empty.
func (k *Link) Begin(b []byte) Fed {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.in = append(k.in, b...)
	s := k.shake
	begins := !s.asked && beginsHandshake(k.in)
	s.asked = s.asked || begins
	stranger := !s.asked && k.in[0] != recordHandshake
	s.more.Signal()
	switch {
	case stranger:
		return FedStranger
	case begins:
		return FedHello
	}
	return FedSome
}

// beginsHandshake reports whether b has a whole record of a handshake, or one
// that is not worth waiting for: crypto/tls will explain the error.
func beginsHandshake(b []byte) bool {
	if b[0] != recordHandshake || len(b) < headerBytes {
		return false
	}
	length := int(b[3])<<8 | int(b[4])
	return length > bodyBytesMax || len(b) >= headerBytes+length
}

// NeedsWatch notes what the handshake can use now, and reports whether the poller
// is to be told, see Wants.
func (k *Link) NeedsWatch() bool {
	k.mu.Lock()
	writing, full := len(k.out) > 0, len(k.in) >= feedBytesMax
	k.mu.Unlock()
	if writing == k.writing && full == k.full {
		return false
	}
	k.writing, k.full = writing, full
	return true
}

// Wants returns what the poller is to watch for the handshake's sake: whether what
// arrives can be taken, and whether something is to be sent.
func (k *Link) Wants() (read, write bool) { return !k.full, k.writing }

// Establish ends the handshake, and reports whether the poller is to be told.
func (k *Link) Establish() (needsWatch bool) {
	k.mu.Lock()
	k.shake = nil
	k.in = slices.Clip(k.in)
	k.mu.Unlock()
	k.more = true // it may have come with the end of the handshake
	needsWatch = k.full || k.writing
	k.full, k.writing = false, false
	return needsWatch
}
