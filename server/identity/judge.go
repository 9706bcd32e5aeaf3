package identity

import (
	"fmt"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
)

// refusal is why a token does not count: a text for its client, and one for operators,
// which may name keys and audiences.
type refusal struct {
	client string
	detail string // "" if there is no more to say
}

// try is a key that may have signed a token.
type try struct {
	issuer *issuer
	key    *key
}

// plan is what can be tried to verify a token.
type plan struct {
	tries []try

	// incomplete are the sets that may have the key after they are fetched again.
	incomplete []*remote

	wrong refusal // if nothing can be tried
}

// isQuick reports whether judging takes microseconds and waits for nobody.
func (p *plan) isQuick() bool {
	for _, t := range p.tries {
		if !t.key.isSecret() {
			return false
		}
	}
	return len(p.incomplete) == 0
}

// plan says what can be tried for a token that came in a cookie, or not.
func (s *Identities) plan(t *token, cookie string) (p plan) {
	issuers, withKey := 0, 0
	for _, i := range s.issuers {
		if cookie != "" && i.Cookie != cookie || i.Name != "" && i.Name != t.issuer {
			continue
		}
		issuers++
		isNamed := false
		for _, k := range i.keys() {
			if !k.fits(t.alg, t.kid) {
				continue
			}
			withKey++
			isNamed = isNamed || t.kid != "" && k.kid == t.kid
			if len(p.tries) < triesMax {
				p.tries = append(p.tries, try{i, k})
			}
		}
		// A set without the named key may have it by now. If none is named, any key
		// that was added may be the one.
		if i.remote != nil && !isNamed && !strings.HasPrefix(t.alg, "HS") {
			p.incomplete = append(p.incomplete, i.remote)
		}
	}
	switch {
	case len(s.issuers) == 0:
		p.wrong = refusal{client: "tokens do not count here", detail: "no issuer of tokens is configured"}
	case issuers == 0 && cookie != "":
		p.wrong = refusal{client: "the token's issuer is not accepted here", detail: fmt.Sprintf("its iss is %.100q, and the issuers that name the cookie %s have other names", t.issuer, cookie)}
	case issuers == 0:
		p.wrong = refusal{client: "the token's issuer is not accepted here", detail: fmt.Sprintf("its iss is %.100q, and accepted are %s", t.issuer, s.names())}
	case withKey == 0:
		p.wrong = refusal{client: unknownKey, detail: fmt.Sprintf("its alg is %.20q and its kid %.100q, and there is no such key: %s", t.alg, t.kid, s.describeKeys())}
	}
	return p
}

const (
	unknownKey   = "the token is signed with a key that is not known here"
	badSignature = "the token's signature is of no key that is known here"
)

// names lists the names of issuers, for explanations.
func (s *Identities) names() string {
	var names []string
	for _, i := range s.issuers {
		names = append(names, fmt.Sprintf("%q (%s)", i.Name, i.Source))
	}
	return strings.Join(names, ", ")
}

// describeKeys lists the keys, for explanations.
func (s *Identities) describeKeys() string {
	const most = 10
	var texts []string
	for _, i := range s.issuers {
		keys := i.keys()
		if i.remote != nil && keys == nil {
			texts = append(texts, i.Source+" has not got its set yet")
		}
		for _, k := range keys {
			texts = append(texts, fmt.Sprintf("%s, %s (%s)", i.Source, k.text, strings.Join(k.algorithms, " ")))
		}
	}
	if len(texts) > most {
		texts = append(texts[:most], fmt.Sprintf("and %d more", len(texts)-most))
	}
	return strings.Join(texts, "; ")
}

// verdict is what was found about a token.
type verdict struct {
	id     *access.Identity // nil if it does not count
	by     *key             // that verified its signature, or nil
	issuer *issuer          // whose key that is
	wrong  refusal

	// mayBeKnown says that a key that is not there could verify it.
	mayBeKnown bool

	// unavailable says why keys could not be had, if that is why.
	unavailable *access.Refusal
}

// refusal is what the client is told, or nil.
func (v *verdict) refusal() *access.Refusal {
	switch {
	case v.id != nil:
		return nil
	case v.unavailable != nil:
		return v.unavailable
	}
	return unauthenticated(v.wrong.client)
}

// judge tries what p says.
func (s *Identities) judge(t *token, p plan, now time.Time) (v verdict) {
	v.wrong, v.mayBeKnown = p.wrong, p.wrong.client == "" || p.wrong.client == unknownKey
	for _, try := range p.tries {
		if !try.key.verifies(t.alg, t.signed, t.signature) {
			if v.by == nil {
				v.wrong = refusal{client: badSignature, detail: fmt.Sprintf("its alg is %s, and it was tried with %s", t.alg, describeTries(p.tries))}
			}
			continue
		}
		id, wrong := t.identity(try.issuer, now, s.skew)
		if v.by == nil || wrong == nil {
			v.by, v.issuer = try.key, try.issuer
		}
		v.mayBeKnown = false // it is
		if wrong != nil {
			v.wrong = *wrong
			continue // the same key may be another issuer's, too
		}
		if s.revoked.has(id) {
			v.wrong = refusal{client: wasRevoked().Reason}
			return v
		}
		v.id = id
		return v
	}
	return v
}

func describeTries(tries []try) string {
	var texts []string
	for _, t := range tries {
		texts = append(texts, t.issuer.Source+", "+t.key.text)
	}
	return strings.Join(texts, "; ")
}

// retryKeys is when to come back if keys cannot be fetched.
const retryKeys = 5 * time.Second

// unavailable is the refusal for a token whose key may be in a set that could not be
// fetched, or nil if all were: then the key is known to be in none.
func (p *plan) unavailable() *access.Refusal {
	for _, r := range p.incomplete {
		if r.failed() != nil {
			return &access.Refusal{Cause: access.Unavailable, Reason: "the keys that would verify the token cannot be fetched now; try again", RetryAfter: retryKeys}
		}
	}
	return nil
}
