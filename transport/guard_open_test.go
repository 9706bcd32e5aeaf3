package transport

import (
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/access"
)

// gateGuard is open to some requests.
type gateGuard struct {
	testGuard
	identified atomic.Int32
}

func (g *gateGuard) IsOpenTo(r *Request) bool { return r.Path() == ChannelsPath+"open" }

func (g *gateGuard) Identify(_ *Request, done func(*Client, error)) {
	g.identified.Add(1)
	done(nil, &access.Refusal{Cause: access.Unauthenticated, Reason: "nobody is known here"})
}

// A Guard that is open to a request is not asked for its client, and a Guard that is
// not open is asked.
func TestOpenGuard(t *testing.T) {
	g := &gateGuard{}
	s := newSite(t, siteOptions{transport: Options{Guard: g}})
	for _, tt := range []struct {
		channel string
		status  int
		asked   int32
	}{{"open", 201, 0}, {"closed", 401, 1}} {
		if response, _ := s.do("POST", ChannelsPath+tt.channel, nil, "x"); response.StatusCode != tt.status || g.identified.Load() != tt.asked {
			t.Errorf("%s: %s, asked %d times", tt.channel, response.Status, g.identified.Load())
		}
	}
}
