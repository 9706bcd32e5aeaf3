package engine_test

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// Bytes that TLS has decrypted wait for a blocking handler like those of a socket.
func TestBlockingOverTLS(t *testing.T) {
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := newWaits()
		s.Handler, s.Loops, s.Workers = engine.Blocking(h), 1, 1
		config := a.client()
		c := upgradeTLS(t, startTLS(t, s, a.server(t)), config, text("wait")...)
		next(t, h.entered)
		sizes := []int{0, 1, 2_000, 40_000, 100_000}
		const rounds = 20
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range rounds {
				var p []byte
				for _, size := range sizes {
					p = append(p, text(strings.Repeat("x", size))...)
				}
				_, _ = c.Write(p) // the reader finds out what is missing
			}
			_, _ = c.Write(closing(1000))
		}()
		close(h.leave)
		c.expect(t, wire.Text, "wait")
		for range rounds {
			for _, size := range sizes {
				c.expect(t, wire.Text, strings.Repeat("x", size))
			}
		}
		c.closes(t, 1000)
		<-sent
		if end := next(t, h.end); end.Code != 1000 || end.Err != nil {
			t.Errorf("%+v", end)
		}
	})
}
