package identity

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/godwit-io/godwit/access"
)

// cacheKey is a token, as where it was shown: in a cookie it is only good for the
// issuer that names the cookie.
type cacheKey struct {
	sum    [sha256.Size]byte
	cookie string
}

// verified is a token that was.
type verified struct {
	id    *access.Identity
	by    *key
	until time.Time // when it is taken no more; zero for never
}

// cache has the tokens that were verified, in two generations: what is used moves
// to the newer one, and when that is full the older is forgotten. It never holds
// more than its bound.
type cache struct {
	mu           sync.Mutex // guards all
	max          int        // of one generation
	newer, older map[cacheKey]verified
}

func newCache(most int) *cache {
	return &cache{max: max(most/2, 1), newer: make(map[cacheKey]verified)}
}

// get is the identity of a token that was verified, or nil.
func (c *cache) get(k cacheKey, now time.Time) *access.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.newer[k]
	isOlder := !ok
	if isOlder {
		if v, ok = c.older[k]; !ok {
			return nil
		}
	}
	if v.by.gone.Load() || !v.until.IsZero() && !now.Before(v.until) {
		delete(c.newer, k)
		delete(c.older, k)
		return nil
	}
	if isOlder {
		delete(c.older, k)
		c.add(k, v)
	}
	return v.id
}

func (c *cache) put(k cacheKey, v verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, v)
}

func (c *cache) add(k cacheKey, v verified) {
	if len(c.newer) >= c.max {
		c.newer, c.older = make(map[cacheKey]verified), c.newer
	}
	c.newer[k] = v
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.newer) + len(c.older)
}
