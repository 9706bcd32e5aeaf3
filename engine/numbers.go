package engine

import (
	"cmp"
	"fmt"
	"runtime"
	"time"

	"github.com/godwit-io/godwit/ws/driver"
)

// numbers are those among a Server's fields, with their defaults.
type numbers struct {
	loops, connsMax, headBytesMax, workers, tlsHandshakesMax int
	handshakeTimeout, bodyTimeout, keepAliveTimeout          time.Duration
	pace, stallAfter, shedAfter                              time.Duration
}

// resolve sets settings and numbers. The error wraps an *OptionError.
func (s *Server) resolve() error {
	settings, err := newSettings(s.Options)
	if err != nil {
		return err
	}
	n := numbers{
		s.Loops, s.ConnsMax, s.HeadBytesMax, s.Workers, s.TLSHandshakesMax,
		s.HandshakeTimeout, s.BodyTimeout, s.KeepAliveTimeout,
		s.Pace, s.StallAfter, s.ShedAfter,
	}
	err = cmp.Or(
		driver.Resolve("Loops", &n.loops, runtime.GOMAXPROCS(0)),
		driver.Resolve("ConnsMax", &n.connsMax, DefaultConnsMax),
		driver.Resolve("HeadBytesMax", &n.headBytesMax, DefaultHeadBytesMax),
		driver.Resolve("Workers", &n.workers, DefaultWorkers),
		driver.Resolve("TLSHandshakesMax", &n.tlsHandshakesMax, DefaultTLSHandshakesMax),
		driver.Resolve("HandshakeTimeout", &n.handshakeTimeout, DefaultHandshakeTimeout),
		driver.Resolve("BodyTimeout", &n.bodyTimeout, DefaultBodyTimeout),
		driver.Resolve("KeepAliveTimeout", &n.keepAliveTimeout, DefaultKeepAliveTimeout),
		driver.Resolve("Pace", &n.pace, 0),
		driver.Resolve("StallAfter", &n.stallAfter, DefaultStallAfter),
		driver.Resolve("ShedAfter", &n.shedAfter, DefaultShedAfter),
	)
	if err == nil && n.loops > loopsMax {
		err = &OptionError{Option: "Loops", Reason: fmt.Sprintf("%d are too many; one for each core is the default, and the most are %d", n.loops, loopsMax)}
	}
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	s.settings, s.numbers = settings, n
	return nil
}

// loopsMax is more than machines have cores.
const loopsMax = 4096
