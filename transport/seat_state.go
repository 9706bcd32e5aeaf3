package transport

import "strings"

// SessionState is the information about a session of ConnectPath, beside what the hub
// knows.
type SessionState struct {
	IsAttached bool   // it has a carrier; else it waits for one, also between two polls
	Client     string // what its client says of itself, "" if it does not
}

// SessionState returns the SessionState of a session. ok is false if it is none of
// ConnectPath, or is not here. It is safe for concurrent use.
func (t *Transport) SessionState(id string) (state SessionState, ok bool) {
	s := t.seats.find(id)
	if s == nil {
		return SessionState{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionState{IsAttached: s.held, Client: s.client}, !s.isOver
}

// SessionCounts returns how many sessions of ConnectPath have a carrier, and how many wait
// for one: because it was lost, or between two polls. It is safe for concurrent use.
func (t *Transport) SessionCounts() (attached, waiting int) {
	t.seats.mu.Lock()
	all := len(t.seats.m)
	t.seats.mu.Unlock()
	waiting = min(all, int(max(0, t.seats.waiting.Load())))
	return all - waiting, waiting
}

// introduce notes the client's description of itself, if there is one.
func (s *seat) introduce(client string) {
	if client == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = strings.Clone(client)
}
