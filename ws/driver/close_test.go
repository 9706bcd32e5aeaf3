package driver_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestCloseErrorSays(t *testing.T) {
	for _, c := range []struct {
		e      driver.CloseError
		text   string
		logged string
	}{
		{driver.CloseError{Code: 1000, Sent: 1000}, "websocket: closed with 1000 normal closure", "[code=1000 sent=1000]"},
		{driver.CloseError{Code: 4001, Reason: "bye\n"}, `websocket: closed with 4001 private use: "bye\n"`, "[code=4001 reason=bye\n]"},
		{driver.CloseError{Code: wire.CloseNoStatus}, "websocket: closed with 1005 no status received", "[code=1005]"},
		{driver.CloseError{Code: wire.CloseAbnormal, Sent: 1002, Err: io.ErrUnexpectedEOF}, "websocket: connection ended: unexpected EOF", "[code=1006 sent=1002 error=unexpected EOF]"},
		{driver.CloseError{Code: 1000, Reason: strings.Repeat("x", 200)}, `websocket: closed with 1000 normal closure: "` + strings.Repeat("x", 123) + `"`, "[code=1000 reason=" + strings.Repeat("x", 200) + "]"},
	} {
		if got := c.e.Error(); got != c.text {
			t.Errorf("got %s\nwant %s", got, c.text)
		}
		var _ slog.LogValuer = &c.e
		if got := c.e.LogValue().String(); got != c.logged {
			t.Errorf("logged as %q, want %q", got, c.logged)
		}
	}
}

func TestCloseErrorUnwraps(t *testing.T) {
	ended := fmt.Errorf("wrapped: %w", &driver.CloseError{Code: wire.CloseAbnormal, Err: driver.ErrQueueFull})
	if !errors.Is(ended, driver.ErrQueueFull) || driver.CloseStatus(ended) != wire.CloseAbnormal {
		t.Error("what ended the connection is not found")
	}
	orderly := &driver.CloseError{Code: driver.StatusGoingAway}
	if errors.Unwrap(orderly) != nil || driver.CloseStatus(orderly) != driver.StatusGoingAway {
		t.Error("an orderly close wraps something, or has no code")
	}
	if driver.CloseStatus(nil) != 0 || driver.CloseStatus(io.EOF) != 0 {
		t.Error("an error that is no CloseError has a code")
	}
}
