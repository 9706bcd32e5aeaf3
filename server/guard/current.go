package guard

import (
	"context"
	"sync"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport"
)

// users are the callers that have asked Settings something that is answered later.
type users struct {
	mu      sync.Mutex // guards all
	n       int
	retired bool
	gone    chan struct{} // closed when the last has gone; nil while not retired
}

// enter counts one, unless the Settings are replaced.
func (u *users) enter() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.retired {
		return false
	}
	u.n++
	return true
}

func (u *users) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n--; u.n == 0 && u.retired {
		close(u.gone)
	}
}

func (u *users) retire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.retired {
		return
	}
	u.retired, u.gone = true, make(chan struct{})
	if u.n == 0 {
		close(u.gone)
	}
}

// Unused waits until all callers are answered that were asking when the Settings were
// replaced, or until ctx ends. What they hold can be closed then, and nobody is refused
// because of it.
func (s *Settings) Unused(ctx context.Context) {
	s.users.retire()
	select {
	case <-s.users.gone:
	case <-ctx.Done():
	}
}

// use returns the Settings for a caller that calls users.leave when it is answered.
func (g *Guard) use() *Settings {
	for {
		// Replace stores the new ones before it retires the old.
		if s := g.settings.Load(); s.users.enter() {
			return s
		}
	}
}

// current is the identity by s of a client that was id when it was identified, perhaps by
// other Settings. It is nil for a client that is to be identified again.
func (s *Settings) current(id *access.Identity) *access.Identity {
	if s.Identities == nil {
		return id
	}
	if (id.Kind == access.Open || id.Kind == access.Anonymous) && s.Hooks.AsksConnect() {
		return nil // the application has not vouched for it
	}
	return s.Identities.Current(id)
}

func unknownByNow() *access.Refusal {
	return &access.Refusal{Cause: access.Unauthenticated, Reason: "who you are does not count any more; connect again"}
}

func revoked() *access.Refusal {
	return &access.Refusal{Cause: access.Unauthenticated, Reason: "token revoked"}
}

func (s *Settings) isRevoked(id *access.Identity) bool {
	return s.Identities != nil && s.Identities.IsRevoked(id)
}

// Stands says why a session of id, nil if it was identified by Settings that were open,
// cannot go on with subscriptions to channels: what it was allowed by others is denied by
// the Settings of now, or its token was revoked. It is nil if it can. What the
// application has allowed where it is asked stands.
func (g *Guard) Stands(id *access.Identity, channels ...string) *access.Refusal {
	s := g.settings.Load()
	if s.isOpen() {
		return nil
	}
	id, refusal := s.standing(id)
	if refusal != nil {
		return refusal
	}
	for _, channel := range channels {
		if id.Kind != access.Key && s.asksSubscribe(channel) {
			continue
		}
		if refusal := s.refusePattern(id, access.Subscribe, channel); refusal != nil {
			return refusal
		}
		if !access.May(id, s.Policies.rules(channel), access.Subscribe, channel) {
			return transport.Deny(id, &transport.Act{Action: access.Subscribe, Channel: channel})
		}
	}
	return nil
}

// StandsToAnswer is Stands for a session that has registered for patterns of methods.
func (g *Guard) StandsToAnswer(id *access.Identity, patterns ...string) *access.Refusal {
	s := g.settings.Load()
	if s.isOpen() {
		return nil
	}
	id, refusal := s.standing(id)
	if refusal != nil {
		return refusal
	}
	for _, pattern := range patterns {
		if !access.May(id, nil, access.Answer, pattern) {
			return transport.Deny(id, &transport.Act{Action: access.Answer, Channel: pattern})
		}
	}
	return nil
}

// standing is the present identity of a client, or why it cannot go on.
func (s *Settings) standing(id *access.Identity) (*access.Identity, *access.Refusal) {
	switch {
	case id == nil:
		return nil, unknownByNow()
	case s.isRevoked(id):
		return nil, revoked()
	}
	if id = s.current(id); id == nil {
		return nil, unknownByNow()
	}
	return id, nil
}
