package engineio_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/ws/deflate"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		about, option string
		o             engineio.Options
	}{
		{"a path that is none", "Path", engineio.Options{Path: "engine.io/"}},
		{"less than a millisecond", "PingInterval", engineio.Options{PingInterval: time.Microsecond}},
		{"less than a millisecond", "PingTimeout", engineio.Options{PingTimeout: time.Microsecond}},
		{"more than a browser can wait", "PingInterval", engineio.Options{PingInterval: engineio.NoLimit}},
		{"no transport", "Transports", engineio.Options{Transports: []engineio.Transport{}}},
		{"an unknown transport", "Transports", engineio.Options{Transports: []engineio.Transport{7}}},
		{"a cookie without a name", "Cookie", engineio.Options{Cookie: &http.Cookie{}}},
		{"a negative option of another", "Compression", engineio.Options{Compression: &deflate.Options{HistoryBits: -1}}},
		{"a prefix that is long", "SIDPrefix", engineio.Options{SIDPrefix: strings.Repeat("a", 33)}},
		{"a prefix that is not for URLs", "SIDPrefix", engineio.Options{SIDPrefix: "a/b"}},
		{"a negative number", "MaxPayload", engineio.Options{MaxPayload: -1}},
	} {
		_, err := engineio.New(engineio.NopHandler{}, &c.o)
		if wrong, ok := errors.AsType[*engineio.OptionError](err); !ok || wrong.Option != c.option {
			t.Errorf("%s: %v", c.about, err)
		}
	}
	s, err := engineio.New(engineio.NopHandler{}, &engineio.Options{Path: "/a/b/"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/a/b/": true, "/a/b": true, "/a/b/c": false, "/a": false, "": false, "/engine.io/": false} {
		if s.Serves(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

// The names of reasons and transports are the reference's.
func TestNames(t *testing.T) {
	for reason, want := range map[engineio.Reason]string{
		engineio.ReasonTransportClose: "transport close", engineio.ReasonTransportError: "transport error", engineio.ReasonPingTimeout: "ping timeout",
		engineio.ReasonParseError: "parse error", engineio.ReasonForcedClose: "forced close", engineio.ReasonShuttingDown: "server shutting down",
		0: "none", 200: "none",
	} {
		if reason.String() != want {
			t.Errorf("%d is %q", reason, reason)
		}
	}
	for one, other := range map[engineio.Reason]session.Reason{
		engineio.ReasonTransportClose: session.TransportClose, engineio.ReasonTransportError: session.TransportError, engineio.ReasonPingTimeout: session.PingTimeout,
		engineio.ReasonParseError: session.ParseError, engineio.ReasonTooLarge: session.TooLarge, engineio.ReasonQueueFull: session.QueueFull,
		engineio.ReasonForcedClose: session.ForcedClose, engineio.ReasonShuttingDown: session.ShuttingDown, engineio.ReasonPanic: session.Panicked,
	} {
		if engineio.Reason(other) != one || strings.Contains(one.String(), "none") {
			t.Errorf("%v is %d", one, other)
		}
	}
	if engineio.Polling.String() != "polling" || engineio.WebSocket.String() != "websocket" {
		t.Error("the transports have other names")
	}
}

// A Socket carries what a hub has for a client.
var _ interface {
	WriteFrames(frames ...[]byte) error
	Buffered() int
	Close(code uint16, reason string)
	Wake()
	WakeAt(t time.Time)
} = (*engineio.Socket)(nil)
