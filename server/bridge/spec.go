package bridge

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/server/bridge/feed"
)

// Defaults of Spec.
const (
	DefaultMessageBytes = 1 << 20
	DefaultPing         = 20 * time.Second
	DefaultTimeout      = 10 * time.Second
	DefaultBackoffMin   = 500 * time.Millisecond
	DefaultBackoffMax   = 30 * time.Second
)

// Spec is a bridge. It has no defaults of its own: every field is set, and it is not modified once it is used.
type Spec struct {
	Feed feed.Spec

	URL         string // ws:// or wss://
	Header      http.Header
	Subprotocol string // "" asks for none
	TLS         *tls.Config

	MessageBytes int           // the longest message that is read; a longer one is left out
	Ping         time.Duration // silence after which the upstream is sent a ping, and has as long to show that it lives
	Idle         time.Duration // for how long no message may come; 0 is for ever
	Timeout      time.Duration // for a connection to be there
	BackoffMin   time.Duration // see ws.Redialer
	BackoffMax   time.Duration

	// Written is everything of the above as it was written. A bridge whose name and Written stay the same goes on
	// undisturbed.
	Written string
}

// Name is that of the bridge.
func (s *Spec) Name() string { return s.Feed.Name }
