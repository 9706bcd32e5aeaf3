package socketio

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport/dialect"
)

// describe returns the failure that tells a client of an error. others does so for those that are
// not of this package.
func describe(others func(error) dialect.Failure) func(error) dialect.Failure {
	return func(err error) dialect.Failure {
		var bad *eventError
		switch {
		case errors.As(err, &bad):
			return dialect.Failure{Problem: clientproto.ProblemCommand, Detail: bad.Error()}
		case errors.Is(err, ErrUnanswered):
			return dialect.Failure{Problem: clientproto.ProblemUndecided, Detail: "the application does not answer"}
		case errors.Is(err, packet.ErrPlaceholder):
			return dialect.Failure{Problem: clientproto.ProblemCommand, Detail: "a placeholder stands for no attachment"}
		}
		return others(err)
	}
}

// secondsText is a time for Retry-After, at least a second.
func secondsText(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

func addressText(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// once is f for its first call.
func once[T any](f func(T, error)) func(T, error) {
	var first sync.Once
	return func(answer T, err error) { first.Do(func() { f(answer, err) }) }
}
