package identity

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Finding is what Check found about a token or a key, for operators of the server:
// it names keys and audiences, which a client is not told.
type Finding struct {
	// Identity is whose it is, nil if it does not count.
	Identity *access.Identity

	// Reason is why it does not count, as its client is told, and Detail what the
	// client is not told. Both are empty if it counts.
	Reason, Detail string

	// Header and Claims are what a token says, verified or not. They are nil for
	// what cannot be read, and for keys.
	Header, Claims map[string]json.RawMessage

	// Issuer and Key are by which it was verified, such as tokens[0] and the secret.
	// They are empty if it was by none.
	Issuer, Key string

	// Ignored are names of fields of the header that could say where to get a key,
	// which is not looked at.
	Ignored []string
}

// Check finds out about a token, or the key of a back end, at the moment now. It
// waits for sets of keys that are being fetched, until ctx ends. Unlike Identify it
// neither uses what was verified before nor remembers it.
func (s *Identities) Check(ctx context.Context, text string, now time.Time) *Finding {
	if strings.HasPrefix(text, KeyPrefix) {
		if id := s.backendOf(text); id != nil {
			return &Finding{Identity: id, Issuer: "keys", Key: id.Name}
		}
		return &Finding{Reason: "the key is not known here"}
	}
	t, problem := read(text)
	if problem != "" {
		return &Finding{Reason: "the token cannot be read: " + problem}
	}
	f := &Finding{Header: t.header, Claims: t.claims}
	for _, name := range []string{"jku", "jwk", "x5u", "x5c"} {
		if _, is := t.header[name]; is {
			f.Ignored = append(f.Ignored, name)
		}
	}
	if s.isOpen {
		f.Reason = "nothing is protected here, so no token is looked at"
		return f
	}
	var asked []*remote
	for {
		p := s.plan(t, "")
		v := s.judge(t, p, now)
		if v.by != nil {
			f.Issuer, f.Key = v.issuer.Source, v.by.text
		}
		f.Identity, f.Reason, f.Detail = v.id, v.wrong.client, v.wrong.detail
		if v.id != nil || !v.mayBeKnown {
			break
		}
		next := slices.IndexFunc(p.incomplete, func(r *remote) bool { return !slices.Contains(asked, r) })
		if next < 0 {
			f.explainFailure(p)
			break
		}
		asked = append(asked, p.incomplete[next])
		fetched := make(chan struct{})
		if !p.incomplete[next].wait(s.now(), func() { close(fetched) }) {
			continue
		}
		select {
		case <-fetched:
		case <-ctx.Done():
			f.explainFailure(p)
			return f
		}
	}
	if f.Identity != nil {
		f.Reason, f.Detail = "", ""
	}
	return f
}

// explainFailure says that a set could not be fetched, if that is why.
func (f *Finding) explainFailure(p plan) {
	for _, r := range p.incomplete {
		if err := r.failed(); err != nil {
			f.Detail = "the set of " + r.source + " cannot be fetched: " + err.Error()
			return
		}
	}
}
