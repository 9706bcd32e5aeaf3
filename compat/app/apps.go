package app

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/internal/ratelimit"
)

// Apps are the apps of a server. Make them with New. It is safe for concurrent use.
type Apps struct {
	current atomic.Pointer[table]

	mu     sync.Mutex        // held by Replace; guards what follows
	states map[string]*state // by ID, also of apps that are gone and have connections
}

type table struct {
	all   []*App
	byKey map[string]*App
	byID  map[string]*App
}

// state is the counts of an app, whatever its settings become.
type state struct {
	connections, refused, published, limited, delivered atomic.Int64

	rate ratelimit.Bucket
}

func rateOf(perSecond int) ratelimit.Limit {
	if perSecond == NoLimit {
		return ratelimit.Unlimited
	}
	return ratelimit.PerSecond(float64(perSecond), perSecond)
}

// New makes Apps of apps, which it copies. The error is a *FieldError.
func New(apps []App) (*Apps, error) {
	s := &Apps{states: make(map[string]*state)}
	s.current.Store(&table{})
	if err := s.Replace(apps); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace has apps be those there are from now on; those of before with the same ID go
// on counting where they were. After an error, a *FieldError, nothing has changed.
//
// A caller that holds an earlier App keeps it as it was: see Current.
func (s *Apps) Replace(apps []App) error {
	apps = slices.Clone(apps)
	if err := Check(apps); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &table{byKey: make(map[string]*App, len(apps)), byID: make(map[string]*App, len(apps))}
	states := make(map[string]*state, len(apps))
	for i := range apps {
		a := &apps[i]
		if a.state = s.states[a.ID]; a.state == nil {
			a.state = new(state)
		}
		a.Secret, a.Webhooks = slices.Clone(a.Secret), slices.Clone(a.Webhooks)
		states[a.ID] = a.state
		next.all = append(next.all, a)
		next.byKey[a.Key], next.byID[a.ID] = a, a
	}
	for id, state := range s.states {
		if states[id] == nil && state.connections.Load() > 0 {
			states[id] = state // it could come back before they are gone
		}
	}
	s.states = states
	s.current.Store(next)
	return nil
}

// ByKey returns the app whose key clients show, or nil.
func (s *Apps) ByKey(key string) *App { return s.current.Load().byKey[key] }

// ByID is the app of an ID, or nil.
func (s *Apps) ByID(id string) *App { return s.current.Load().byID[id] }

// Current is the present form of an app of these Apps: nil if no app has its ID, key and secret
// any more, or it is disabled. A connection that was let in by a is then to end.
func (s *Apps) Current(a *App) *App {
	now := s.ByID(a.ID)
	if now == a && !a.Disabled {
		return a
	}
	if now == nil || now.Disabled || now.Key != a.Key || now.Prefix != a.Prefix || !now.Secret.Equal(a.Secret) {
		return nil
	}
	return now
}

// All are the apps in the order of their configuration. The slice is not to be
// modified.
func (s *Apps) All() []*App { return s.current.Load().all }
