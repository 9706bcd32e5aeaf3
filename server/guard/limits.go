package guard

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/transport"
)

// Limits are how much and how often. Zero is no limit here: the defaults are the
// configuration's. No rate holds for clients of this machine, nor for back ends.
type Limits struct {
	ConnectionsPerUser int // and requests, at once

	// How often in a second; twice that at once.
	HandshakesPerAddress   int
	RequestsPerAddress     int
	PublicationsPerSession int
	PublicationsPerUser    int
	PublicationsPerAddress int
}

// keysMax is how many addresses, users or channels a table remembers.
const keysMax = 100_000

// Kinds of limits, as Options.Limited is told.
const (
	LimitUser                  = "connections_user"
	LimitHandshakes            = "handshakes"
	LimitRequests              = "requests"
	LimitPublicationsOfSession = "publications_session"
	LimitPublicationsOfUser    = "publications_user"
	LimitPublicationsOfAddress = "publications_address"
	LimitPublicationsInChannel = "publications_channel"
)

// LimitKinds returns all of them. The caller owns the slice.
func LimitKinds() []string {
	return []string{
		LimitUser, LimitHandshakes, LimitRequests, LimitPublicationsOfSession, LimitPublicationsOfUser,
		LimitPublicationsOfAddress, LimitPublicationsInChannel,
	}
}

// limiter counts. What it has counted stays when limits are changed.
type limiter struct {
	limited   func(kind string)
	counted   func(user string, n int)
	elsewhere func(user string) int

	users                *ratelimit.Counts[string]
	handshakes, requests *ratelimit.Table[netip.Addr]
	byAddress            *ratelimit.Table[netip.Addr] // publications
	byUser, byChannel    *ratelimit.Table[string]     // publications
	bySession            *ratelimit.Table[inChannel]  // publications
}

// inChannel is a session in a channel.
type inChannel struct{ session, channel string }

func newLimiter(limited func(kind string)) limiter {
	return limiter{
		limited:    limited,
		counted:    func(string, int) {},
		elsewhere:  func(string) int { return 0 },
		users:      ratelimit.NewCounts[string](),
		handshakes: ratelimit.NewTable[netip.Addr](keysMax),
		requests:   ratelimit.NewTable[netip.Addr](keysMax),
		byAddress:  ratelimit.NewTable[netip.Addr](keysMax),
		byUser:     ratelimit.NewTable[string](keysMax),
		byChannel:  ratelimit.NewTable[string](keysMax),
		bySession:  ratelimit.NewTable[inChannel](keysMax),
	}
}

// perSecond is the limit of n a second, of which twice as many may come at once.
func perSecond(n int) ratelimit.Limit {
	if n == 0 {
		return ratelimit.Unlimited
	}
	return ratelimit.PerSecond(float64(n), 2*n)
}

func (l *limiter) tooMany(kind, what string, most int, of string, wait time.Duration) *access.Refusal {
	l.limited(kind)
	return &access.Refusal{
		Cause:      access.TooMany,
		Reason:     fmt.Sprintf("too many %s: at most %d a second from one %s", what, most, of),
		RetryAfter: wait,
	}
}

// request counts a request, which may be an opening handshake.
func (l *limiter) request(now time.Time, from netip.Addr, isUpgrade bool, limits *Limits) *access.Refusal {
	from = ratelimit.AddressKey(from)
	if isUpgrade {
		if ok, wait := l.handshakes.Allow(now, from, perSecond(limits.HandshakesPerAddress)); !ok {
			return l.tooMany(LimitHandshakes, "handshakes", limits.HandshakesPerAddress, "address", wait)
		}
	}
	if ok, wait := l.requests.Allow(now, from, perSecond(limits.RequestsPerAddress)); !ok {
		return l.tooMany(LimitRequests, "requests", limits.RequestsPerAddress, "address", wait)
	}
	return nil
}

// retryWhenFull is when a user with too many connections may try again.
const retryWhenFull = 5 * time.Second

// enter counts a connection or a request of a user, until leave.
func (l *limiter) enter(user string, limits *Limits) *access.Refusal {
	most := limits.ConnectionsPerUser
	if most == 0 {
		most = int(^uint(0) >> 1)
	}
	if !l.users.Acquire(user, max(most-l.elsewhere(user), 0)) {
		l.limited(LimitUser)
		return &access.Refusal{
			Cause:      access.TooMany,
			Reason:     "too many connections: at most " + strconv.Itoa(most) + " at once for one user",
			RetryAfter: retryWhenFull,
		}
	}
	l.counted(user, 1)
	return nil
}

func (l *limiter) leave(user string) {
	l.users.Release(user)
	l.counted(user, -1)
}

// publication counts a publication. It is refused by the first limit that it is
// above; those before have counted it.
func (l *limiter) publication(now time.Time, c *transport.Client, act *transport.Act, s *Settings) *access.Refusal {
	own := c.State.(*state)
	if own.isLocal || c.Identity.Kind == access.Key {
		return nil
	}
	limits := &s.Limits
	if most := limits.PublicationsPerSession; act.Session != "" {
		if ok, wait := own.rate.Allow(now, perSecond(most)); !ok {
			return l.tooMany(LimitPublicationsOfSession, "publications", most, "session", wait)
		}
	}
	if refusal := l.ofUser(now, c.Identity.User, limits.PublicationsPerUser); refusal != nil {
		return refusal
	}
	if ok, wait := l.byAddress.Allow(now, ratelimit.AddressKey(c.Address), perSecond(limits.PublicationsPerAddress)); !ok {
		return l.tooMany(LimitPublicationsOfAddress, "publications", limits.PublicationsPerAddress, "address", wait)
	}
	policy := s.Policies.Find(act.Channel)
	if policy == nil {
		return nil
	}
	if policy.SessionRate != (ratelimit.Limit{}) && act.Session != "" {
		if ok, wait := l.bySession.Allow(now, inChannel{act.Session, act.Channel}, policy.SessionRate); !ok {
			l.limited(LimitPublicationsInChannel)
			return &access.Refusal{Cause: access.TooMany, Reason: "too many publications of one session in this channel", RetryAfter: wait}
		}
	}
	return l.inChannel(now, act.Channel, policy)
}

// ofUser counts a publication of a user, unless the user has no name.
func (l *limiter) ofUser(now time.Time, user string, most int) *access.Refusal {
	if user == "" {
		return nil
	}
	if ok, wait := l.byUser.Allow(now, user, perSecond(most)); !ok {
		return l.tooMany(LimitPublicationsOfUser, "publications", most, "user", wait)
	}
	return nil
}

// inChannel counts a publication in a channel whose policy has a rate.
func (l *limiter) inChannel(now time.Time, channel string, policy *Policy) *access.Refusal {
	if policy.ChannelRate == (ratelimit.Limit{}) {
		return nil
	}
	if ok, wait := l.byChannel.Allow(now, channel, policy.ChannelRate); !ok {
		l.limited(LimitPublicationsInChannel)
		return &access.Refusal{Cause: access.TooMany, Reason: "too many publications in this channel", RetryAfter: wait}
	}
	return nil
}
