package identity

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

// carried are revocations on their way to the process that takes the place of this one.
type carried struct {
	Tokens  []carriedToken `json:"tokens,omitempty"`
	Users   []carriedUser  `json:"users,omitempty"`
	All     time.Time      `json:"all,omitzero"`
	Longest int64          `json:"longest,omitempty"`
	Next    string         `json:"next,omitempty"` // where the next page begins; none after the last
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
	return json.NewEncoder(w).Encode(s.carry())
}

func (s *Identities) carry() (c carried) {
	if s == nil {
		return c
	}
	r := s.revoked
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, one := range r.tokens {
		c.Tokens = append(c.Tokens, carriedToken{k.user, k.id, one.before, one.made})
	}
	for user, one := range r.users {
		c.Users = append(c.Users, carriedUser{user, one.before, one.made})
	}
	c.All, c.Longest = r.all, r.longest.Load()
	return c
}

// WriteRevocationsAfter is WriteRevocations in pages, for ReadRevocationsPage: of at most so
// many bytes, but with one revocation at least. after is "" for the first page, and then what
// the page before has given as the next. What is revoked meanwhile may be in none of them.
func (s *Identities) WriteRevocationsAfter(w io.Writer, after string, bytesMax int) error {
	c := s.carry()
	slices.SortFunc(c.Tokens, func(a, b carriedToken) int { return strings.Compare(a.place(), b.place()) })
	slices.SortFunc(c.Users, func(a, b carriedUser) int { return strings.Compare(a.place(), b.place()) })
	tokens, _ := slices.BinarySearchFunc(c.Tokens, after+"\x00", func(t carriedToken, after string) int { return strings.Compare(t.place(), after) })
	users, _ := slices.BinarySearchFunc(c.Users, after+"\x00", func(u carriedUser, after string) int { return strings.Compare(u.place(), after) })
	page := carried{All: c.All, Longest: c.Longest}
	bytes, place := 0, ""
	has := func(one any, at string) bool { // room for one more, and at least one
		b, _ := json.Marshal(one) // of text and times
		if bytes += len(b) + 1; place != "" && bytes > bytesMax-pageBytes {
			page.Next = place
			return false
		}
		place = at
		return true
	}
	for _, t := range c.Tokens[tokens:] {
		if !has(&t, t.place()) {
			return json.NewEncoder(w).Encode(page)
		}
		page.Tokens = append(page.Tokens, t)
	}
	for _, u := range c.Users[users:] {
		if !has(&u, u.place()) {
			break
		}
		page.Users = append(page.Users, u)
	}
	return json.NewEncoder(w).Encode(page)
}

// pageBytes is more than a page has besides revocations, of which the place can be the
// longest: a token has 8 KiB, and JSON may need six bytes for each.
const pageBytes = 64 << 10

// place orders revocations over all pages: those of tokens come first.
func (t *carriedToken) place() string { return "t" + t.ID + "\x00" + t.User }
func (u *carriedUser) place() string  { return "u" + u.User }

// ReadRevocations revokes what another process has. As many are remembered as the Options
// allow, and what does not fit is an ErrRevocationsFull. With a nil s, which accepts no
// tokens, it does nothing.
func (s *Identities) ReadRevocations(r io.Reader) error {
	_, err := s.ReadRevocationsPage(r, "")
	return err
}

// ReadRevocationsPage is ReadRevocations for the page after another one, and returns where
// the next begins, "" after the last.
func (s *Identities) ReadRevocationsPage(r io.Reader, after string) (next string, err error) {
	var c carried
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return "", err
	}
	if c.Next != "" && c.Next <= after {
		return "", errors.New("identity: a page of revocations does not go on")
	}
	return c.Next, s.take(&c)
}

func (s *Identities) take(c *carried) error {
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
