package identity

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Revocation says which tokens count no more. Every field that is set of User, TokenID
// and Before has to be true of a token.
type Revocation struct {
	// User is whose tokens: the claim sub.
	User string

	// TokenID is the claim jti of the token.
	TokenID string

	// Before says that tokens issued before it are meant. Zero is now, unless there
	// is a TokenID. The claim iat has whole seconds: a token that was issued in the
	// second of Before is meant, too, unless Before is a whole second itself. A token
	// that does not say when it was issued counts as issued before anything.
	Before time.Time
}

// ErrRevocation is the error of Revoke for a Revocation that names nothing.
var ErrRevocation = errors.New("identity: a revocation names a user, a token's ID or a time before which all tokens were issued")

// ErrRevocationsFull is the error of Revoke when as many as may be are remembered.
var ErrRevocationsFull = errors.New("identity: there are as many revocations as are remembered; one for all tokens issued before a time makes place, as does a larger limit")

// revocations are what counts no more. It is shared by all that take each other's
// place.
type revocations struct {
	count atomic.Int64 // of all, so that nobody takes the lock for none

	// longest is until when a token was valid that was seen, in seconds since 1970.
	longest atomic.Int64

	mu      sync.Mutex // guards the rest
	max     int
	age     time.Duration
	tokens  map[revokedToken]revoked // by jti, and the user if one was named
	users   map[string]revoked
	all     time.Time // tokens issued before it; zero for none
	cleanAt time.Time // when it makes sense to look for what can be forgotten
}

type revokedToken struct{ user, id string }

type revoked struct {
	before time.Time // zero: whenever it was issued
	made   time.Time
}

func newRevocations(most int, age time.Duration) *revocations {
	return &revocations{max: most, age: age, tokens: make(map[revokedToken]revoked), users: make(map[string]revoked)}
}

// Revoke makes tokens count no more, from now on and for IsRevoked of sessions that
// are open. It is remembered until no token can be valid that it means (see
// Options.RevocationAge), in memory: a restart forgets it. It returns ErrRevocation
// or ErrRevocationsFull.
func (s *Identities) Revoke(r Revocation) error { return s.revoked.add(r, s.now()) }

// IsRevoked reports whether the token of id was revoked. It is quick, so that it can
// be asked for every open session. Identities that come of no token are not revoked,
// except those that an application vouched for, by their user and time.
func (s *Identities) IsRevoked(id *access.Identity) bool { return s.revoked.has(id) }

func (r *revocations) add(v Revocation, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case v.TokenID != "":
		k := revokedToken{v.User, v.TokenID}
		old, is := r.tokens[k]
		if !is && r.isFull(now) {
			return ErrRevocationsFull
		}
		if is && (old.before.IsZero() || !v.Before.IsZero() && old.before.After(v.Before)) {
			v.Before = old.before // what was revoked stays so
		}
		r.tokens[k] = revoked{v.Before, now}
	case v.User != "":
		if v.Before.IsZero() {
			v.Before = now
		}
		old, is := r.users[v.User]
		if !is && r.isFull(now) {
			return ErrRevocationsFull
		}
		if is && old.before.After(v.Before) {
			v.Before = old.before
		}
		r.users[v.User] = revoked{v.Before, now}
	case !v.Before.IsZero():
		if v.Before.After(r.all) {
			r.all = v.Before
		}
		for user, one := range r.users {
			if !one.before.After(r.all) {
				delete(r.users, user)
			}
		}
	default:
		return ErrRevocation
	}
	r.recount()
	return nil
}

// isFull reports whether there is no place for one more.
func (r *revocations) isFull(now time.Time) bool {
	if len(r.tokens)+len(r.users) < r.max {
		return false
	}
	if now.Before(r.cleanAt) {
		return true
	}
	r.cleanAt = now.Add(time.Minute) // a caller that revokes in a loop must not look at all each time
	for k, one := range r.tokens {
		if r.isOver(one, now) {
			delete(r.tokens, k)
		}
	}
	for k, one := range r.users {
		if r.isOver(one, now) {
			delete(r.users, k)
		}
	}
	return len(r.tokens)+len(r.users) >= r.max
}

// isOver reports whether no token can be valid that one means: it is as old as
// tokens become, and all that were seen have ended.
func (r *revocations) isOver(one revoked, now time.Time) bool {
	return now.Sub(one.made) > r.age && now.Unix() > r.longest.Load()
}

func (r *revocations) recount() {
	n := len(r.tokens) + len(r.users)
	if !r.all.IsZero() {
		n++
	}
	r.count.Store(int64(n))
}

// saw notes until when a token is valid, zero for always, with the skew.
func (r *revocations) saw(until time.Time) {
	seconds := int64(lastDate)
	if !until.IsZero() {
		seconds = until.Unix()
	}
	for {
		longest := r.longest.Load()
		if seconds <= longest || r.longest.CompareAndSwap(longest, seconds) {
			return
		}
	}
}

func (r *revocations) has(id *access.Identity) bool {
	if id == nil || id.Kind != access.Token && id.Kind != access.Application || r.count.Load() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id.IssuedAt.Before(r.all) {
		return true
	}
	if id.User != "" {
		if one, is := r.users[id.User]; is && one.means(id) {
			return true
		}
	}
	if id.ID == "" {
		return false
	}
	for _, user := range [...]string{"", id.User} {
		if one, is := r.tokens[revokedToken{user, id.ID}]; is && one.means(id) {
			return true
		}
	}
	return false
}

// means reports whether id is of a token that was issued early enough.
func (one revoked) means(id *access.Identity) bool {
	return one.before.IsZero() || id.IssuedAt.Before(one.before)
}
