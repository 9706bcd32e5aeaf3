package identity

import (
	"encoding/json"
	"io"
	"time"
)

// carried are revocations on their way to the process that takes the place of this one.
type carried struct {
	Tokens  []carriedToken `json:"tokens,omitempty"`
	Users   []carriedUser  `json:"users,omitempty"`
	All     time.Time      `json:"all,omitzero"`
	Longest int64          `json:"longest,omitempty"`
}

type carriedToken struct {
	User   string    `json:"user,omitempty"`
	ID     string    `json:"id"`
	Before time.Time `json:"before,omitzero"`
	Made   time.Time `json:"made"`
}

type carriedUser struct {
	User   string    `json:"user"`
	Before time.Time `json:"before"`
	Made   time.Time `json:"made"`
}

// WriteRevocations writes what has been revoked, for ReadRevocations of another process.
// A nil s has revoked nothing. It returns the error of w.
func (s *Identities) WriteRevocations(w io.Writer) error {
	var c carried
	if s != nil {
		r := s.revoked
		r.mu.Lock()
		for k, one := range r.tokens {
			c.Tokens = append(c.Tokens, carriedToken{k.user, k.id, one.before, one.made})
		}
		for user, one := range r.users {
			c.Users = append(c.Users, carriedUser{user, one.before, one.made})
		}
		c.All = r.all
		r.mu.Unlock()
		c.Longest = r.longest.Load()
	}
	return json.NewEncoder(w).Encode(c)
}

// ReadRevocations revokes what another process has. As many are remembered as the Options
// allow, and what does not fit is an ErrRevocationsFull. With a nil s, which accepts no
// tokens, it does nothing.
func (s *Identities) ReadRevocations(r io.Reader) error {
	var c carried
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return err
	}
	if s == nil {
		return nil
	}
	for _, t := range c.Tokens {
		if err := s.revoked.add(Revocation{User: t.User, TokenID: t.ID, Before: t.Before}, t.Made); err != nil {
			return err
		}
	}
	for _, u := range c.Users {
		if err := s.revoked.add(Revocation{User: u.User, Before: u.Before}, u.Made); err != nil {
			return err
		}
	}
	if !c.All.IsZero() {
		if err := s.revoked.add(Revocation{Before: c.All}, s.now()); err != nil {
			return err
		}
	}
	if c.Longest > 0 {
		s.revoked.saw(time.Unix(c.Longest, 0))
	}
	return nil
}
