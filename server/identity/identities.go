package identity

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Identities knows who is trusted, and makes identities of what requests show. Make
// it with New. It is safe for concurrent use.
type Identities struct {
	isOpen    bool
	anonymous *access.Identity
	issuers   []*issuer
	backends  []backend
	cookies   []string // names, in the order of the issuers
	skew      time.Duration
	now       func() time.Time

	cache   *cache
	pool    pool
	revoked *revocations

	cancel   context.CancelFunc
	fetching sync.WaitGroup
}

// New makes Identities, which begin to fetch sets of keys at once and do not wait
// for them. They have to be closed. It copies what it needs of o, and returns an
// error that says where something is wrong and what would be right, without any
// secret.
func New(o *Options) (*Identities, error) {
	e, err := o.effective()
	if err != nil {
		return nil, err
	}
	s := &Identities{
		isOpen:    len(e.Issuers) == 0 && len(e.Keys) == 0 && e.Anonymous == nil,
		anonymous: &access.Identity{Kind: access.Anonymous},
		skew:      e.Skew,
		now:       e.Now,
		cache:     newCache(e.CacheMax),
		revoked:   newRevocations(e.RevocationsMax, e.RevocationAge),
	}
	if e.From != nil {
		s.revoked = e.From.revoked
	}
	if e.Anonymous != nil {
		s.anonymous.Grants = *e.Anonymous
	}
	if s.issuers, err = newIssuers(&e); err != nil {
		return nil, err
	}
	if s.backends, err = newBackends(e.Keys); err != nil {
		return nil, err
	}
	if e.From != nil {
		s.inherit(e.From)
	}
	for _, i := range s.issuers {
		if i.Cookie != "" && !slices.Contains(s.cookies, i.Cookie) {
			s.cookies = append(s.cookies, i.Cookie)
		}
	}
	s.pool.work, s.pool.workersMax, s.pool.bytesMax, s.pool.jobs = s.work, e.WorkersMax, e.QueueBytesMax, make(map[cacheKey]*job)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, i := range s.issuers {
		if i.remote != nil {
			s.fetching.Go(func() { i.remote.loop(ctx) })
		}
	}
	return s, nil
}

// IsOpen reports whether nothing is protected: everybody is access.Everybody.
func (s *Identities) IsOpen() bool { return s.isOpen }

// Anonymous is the identity of clients that show nothing.
func (s *Identities) Anonymous() *access.Identity {
	if s.isOpen {
		return access.Everybody
	}
	return s.anonymous
}

// Close ends what goes on, refuses the undecided requests with
// access.Unavailable, and waits for it. It is not to be called by a done of
// Identify.
func (s *Identities) Close() {
	s.cancel()
	s.pool.close()
	s.fetching.Wait() // calls the waiters for keys, which are refused now
	s.pool.running.Wait()
}

// Identify has done called, once, with the identity behind the request r, or with an
// *access.Refusal: Unauthenticated, whose reason its client may be told, or
// Unavailable, if keys cannot be had now. A client that shows nothing is anonymous.
//
// It never blocks. If it can be decided at once, done is called before Identify
// returns; else from another goroutine, and r is not looked at after Identify has
// returned. The Identity may be shared with others and is not to be modified.
func (s *Identities) Identify(r Request, done func(*access.Identity, error)) {
	if s.isOpen {
		done(access.Everybody, nil)
		return
	}
	c, problem := s.credential(r)
	switch {
	case problem != "":
		answer(done, nil, unauthenticated(problem))
	case c.text == "":
		done(s.anonymous, nil)
	case c.isKey:
		if id := s.backendOf(c.text); id != nil {
			done(id, nil)
			return
		}
		answer(done, nil, unauthenticated("the key is not known here"))
	default:
		s.identify(c, done)
	}
}

// IdentifyToken is Identify for a token, or the key of a back end, that a client shows by
// itself and not in a request.
func (s *Identities) IdentifyToken(text string, done func(*access.Identity, error)) {
	if s.isOpen {
		done(access.Everybody, nil)
		return
	}
	if !strings.HasPrefix(text, KeyPrefix) {
		s.identify(credential{text: text, place: "connect"}, done)
		return
	}
	if id := s.backendOf(text); id != nil {
		done(id, nil)
		return
	}
	answer(done, nil, unauthenticated("the key is not known here"))
}

func unauthenticated(reason string) *access.Refusal {
	return &access.Refusal{Cause: access.Unauthenticated, Reason: reason}
}

// identify is Identify for a token.
func (s *Identities) identify(c credential, done func(*access.Identity, error)) {
	if len(c.text) > TokenBytesMax { // its hash would cost as much as it is long
		_, problem := read(c.text)
		answer(done, nil, unauthenticated("the token cannot be read: "+problem))
		return
	}
	k := cacheKey{sumOf(c.text), c.cookie}
	now := s.now()
	if id := s.cache.get(k, now); id != nil {
		if s.revoked.has(id) {
			answer(done, nil, wasRevoked())
			return
		}
		done(id, nil)
		return
	}
	if s.pool.join(k, done) {
		return
	}
	t, problem := read(strings.Clone(c.text)) // the request's own may not outlive the call
	if problem != "" {
		answer(done, nil, unauthenticated("the token cannot be read: "+problem))
		return
	}
	p := s.plan(t, c.cookie)
	if p.isQuick() {
		v := s.judge(t, p, now)
		s.remember(k, v)
		answer(done, v.id, v.refusal())
		return
	}
	j := &job{key: k, token: t, cookie: c.cookie, bytes: len(c.text)}
	if refusal := s.pool.add(j, done); refusal != nil {
		answer(done, nil, refusal)
	}
}

func wasRevoked() *access.Refusal {
	return unauthenticated("the token was revoked; get a new one")
}

// work goes on with a job. It is called on one of the pool's goroutines.
func (s *Identities) work(j *job) {
	now := s.now()
	p := s.plan(j.token, j.cookie)
	v := s.judge(j.token, p, now)
	if v.id == nil && v.mayBeKnown {
		for _, r := range p.incomplete {
			if slices.Contains(j.asked, r) {
				continue
			}
			j.asked = append(j.asked, r)
			if r.wait(now, func() { s.pool.resume(j) }) {
				return
			}
		}
		v.unavailable = p.unavailable()
	}
	s.remember(j.key, v)
	s.pool.finish(j, v.id, v.refusal())
}

// remember keeps what was verified, so that it need not be again.
func (s *Identities) remember(k cacheKey, v verdict) {
	if v.id == nil {
		return
	}
	entry := verified{id: v.id, by: v.by}
	if !v.id.Expires.IsZero() {
		entry.until = v.id.Expires.Add(s.skew)
	}
	s.revoked.saw(entry.until)
	s.cache.put(k, entry)
}
