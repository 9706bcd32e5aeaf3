package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/godwit-io/godwit/loadgen/internal/eventstream"
	"github.com/godwit-io/godwit/loadgen/internal/http1"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// tally counts errors by kind. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	kinds map[string]*ErrorCount
	total int64
}

// The kinds of errors that say that the server does something else than it
// should. The other kinds are words for people.
const (
	ErrorWrongAnswer = "wrong answer"
	ErrorUnexpected  = "unexpected message"
	ErrorDamaged     = "damaged publication"
	ErrorWrongType   = "publication of the wrong type"
	ErrorLost        = "publication lost"
	ErrorRepeated    = "publication repeated"
)

const (
	exampleBytesMax = 300
	kindsMax        = 50 // a server that invents close codes does not fill memory
)

func (t *tally) add(kind, example string) { t.addMany(kind, example, 1) }

func (t *tally) addMany(kind, example string, n int64) {
	if n <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += n
	if t.kinds == nil {
		t.kinds = map[string]*ErrorCount{}
	}
	e := t.kinds[kind]
	if e == nil && len(t.kinds) >= kindsMax {
		kind = "other"
		e = t.kinds[kind]
	}
	if e == nil {
		e = &ErrorCount{Kind: kind, Example: example[:min(len(example), exampleBytesMax)]}
		t.kinds[kind] = e
	}
	e.Count += n
}

// addError counts an error of a connection.
func (t *tally) addError(doing string, err error) {
	t.add(doing+": "+kindOf(err), err.Error())
}

func (t *tally) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// errors returns the kinds, the most frequent first.
func (t *tally) errors() []ErrorCount {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]ErrorCount, 0, len(t.kinds))
	for _, e := range t.kinds {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b ErrorCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// kindOf is a name for errors that have the same cause.
func kindOf(err error) string {
	if refused, ok := errors.AsType[*handshake.ResponseError](err); ok {
		if refused.Status != 101 {
			return fmt.Sprintf("the server answered %d", refused.Status)
		}
		return "the server's handshake is wrong"
	}
	if refused, ok := errors.AsType[*statusError](err); ok {
		return fmt.Sprintf("the server answered %d", refused.status)
	}
	if errors.Is(err, http1.ErrMalformed) || errors.Is(err, eventstream.ErrTooLong) {
		return "the server's response is malformed"
	}
	if end, ok := errors.AsType[*ws.CloseError](err); ok && end.Err == nil {
		return "closed by the server with " + end.Code.String()
	}
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errPeerEnded):
		return "ended by the server"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "out of file descriptors here"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "out of local ports"
	case errors.Is(err, ws.ErrWriteTimeout):
		return "the server does not read"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isNet && timeout.Timeout():
		return "timed out"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "ended without a close frame"
	}
	if end, ok := errors.AsType[*ws.CloseError](err); ok && end.Sent != 0 && end.Sent != wire.CloseNormal {
		return "the server broke the protocol"
	}
	return "other"
}
