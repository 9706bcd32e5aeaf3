package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/server/guard"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/identity"
)

// newSettings makes of c what the guard decides by; before is what it decided by until
// now, or nil. The error is a *SettingError. What it returns is to be closed with
// closeSettings.
func (s *Server) newSettings(c *Config, before *guard.Settings) (_ *guard.Settings, err error) {
	made := &guard.Settings{Policies: policiesOf(c), Limits: limitsOf(c), Forward: forwarded(&c.Hooks)}
	defer func() {
		if err != nil {
			closeSettings(context.Background(), made)
		}
	}()
	if made.Identities, err = s.identitiesOf(c, before); err != nil {
		return nil, err
	}
	if made.Hooks, err = s.hooksOf(&c.Hooks); err != nil {
		return nil, err
	}
	return made, nil
}

// closeSettings ends what settings hold. Events that wait are sent as long as ctx
// allows.
func closeSettings(ctx context.Context, s *guard.Settings) {
	if s.Identities != nil {
		s.Identities.Close()
	}
	if s.Hooks != nil {
		_ = s.Hooks.Close(ctx) // an error says that events were given up, which is counted and logged
	}
}

// failed is the error of a setting of which only its use shows that it is wrong.
func failed(key string, err error) *SettingError {
	return &SettingError{Key: key, Text: err.Error()}
}

func (s *Server) identitiesOf(c *Config, before *guard.Settings) (*identity.Identities, error) {
	o := &identity.Options{Anonymous: c.Anonymous, Logger: s.log}
	if len(c.Apps) > 0 && o.Anonymous == nil {
		// A server of apps is theirs: what nobody is granted is not open to everybody.
		o.Anonymous = new(access.Grants)
	}
	if before != nil {
		o.From = before.Identities
	}
	for i := range c.Tokens {
		issuer, err := issuerOf(&c.Tokens[i], fmt.Sprintf("tokens[%d]", i))
		if err != nil {
			return nil, err
		}
		o.Issuers = append(o.Issuers, issuer)
	}
	for _, k := range c.Keys {
		o.Keys = append(o.Keys, identity.Key{Name: k.Name, Hash: k.Hash, Grants: k.Grants})
	}
	identities, err := identity.New(o)
	if err != nil {
		return nil, failed("tokens", err)
	}
	return identities, nil
}

func issuerOf(t *TokenIssuer, source string) (identity.Issuer, error) {
	issuer := identity.Issuer{
		Source: source, Name: t.Issuer, Algorithms: t.Algorithms, Cookie: t.Cookie, AllowWithoutExpiry: t.AllowWithoutExp,
	}
	if t.Audience != "" {
		issuer.Audience = []string{t.Audience}
	}
	var err error
	switch path, isFile := strings.CutPrefix(t.JWKS, "file:"); {
	case !t.Secret.IsZero():
		if issuer.Secret, err = t.Secret.Resolve(); err != nil {
			return issuer, failed(source+".secret", err)
		}
	case !t.Key.IsZero():
		if issuer.PEM, err = t.Key.Resolve(); err != nil {
			return issuer, failed(source+".key", err)
		}
	case isFile:
		if issuer.JWKS, err = os.ReadFile(path); err != nil {
			return issuer, failed(source+".jwks", err)
		}
	default:
		issuer.JWKSURL = t.JWKS
	}
	return issuer, nil
}

func (s *Server) hooksOf(c *Hooks) (*hooks.Hooks, error) {
	o := hookOptions(c)
	if o == nil {
		return nil, nil
	}
	o.Observer, o.Logger = s.metrics.hooksObserver(), s.log
	if s.tracer != nil {
		o.Wrap = s.tracer.RoundTripper
	}
	for i, secret := range c.Secrets {
		b, err := secret.Resolve()
		if err != nil {
			return nil, failed(fmt.Sprintf("hooks.secrets[%d]", i), err)
		}
		o.Secrets = append(o.Secrets, b)
	}
	made, err := hooks.New(o)
	if err != nil {
		return nil, hooksFailed(err)
	}
	return made, nil
}

// hookOptions is what c says of hooks, without secrets; nil if there is none.
func hookOptions(c *Hooks) *hooks.Options {
	if !c.areOn() {
		return nil
	}
	o := &hooks.Options{AllowPrivate: c.AllowPrivate, Concurrency: c.Concurrency}
	question := func(url string, h *ChannelHook) *hooks.Question {
		if url == "" {
			return nil
		}
		return &hooks.Question{URL: url, Timeout: h.Timeout, Channels: h.Channels, Forward: h.Forward}
	}
	o.Connect = question(c.Connect.URL, &ChannelHook{Timeout: c.Connect.Timeout, Forward: c.Connect.Forward})
	o.Subscribe = question(c.Subscribe.URL, &c.Subscribe)
	o.Publish = question(c.Publish.URL, &c.Publish)
	if c.RPC.URL != "" {
		o.RPC = &hooks.Question{URL: c.RPC.URL, Timeout: c.RPC.Timeout, Channels: c.RPC.Methods}
	}
	o.SocketIO = question(c.SocketIO.URL, &ChannelHook{Timeout: c.SocketIO.Timeout, Forward: c.SocketIO.Forward})
	if e := &c.Events; e.URL != "" {
		o.Events = &hooks.Events{URL: e.URL, Timeout: e.Timeout, Channels: e.Channels, Types: e.Types, Retry: e.Retry}
	}
	return o
}

// hooksFailed names the setting that package hooks calls an option: Connect.URL is
// hooks.connect.url.
func hooksFailed(err error) *SettingError {
	var wrong *hooks.OptionError
	if !errors.As(err, &wrong) {
		return failed("hooks", err)
	}
	return failed("hooks."+strings.ToLower(wrong.Option), errors.New(wrong.Reason))
}

// forwarded are the header fields that any hook hands on.
func forwarded(h *Hooks) []string {
	var names []string
	for _, name := range slices.Concat(h.Connect.Forward, h.Subscribe.Forward, h.Publish.Forward) {
		if !slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, name) }) {
			names = append(names, name)
		}
	}
	return names
}

func limitsOf(c *Config) guard.Limits {
	l := &c.Limits
	return guard.Limits{
		ConnectionsPerUser:     l.ConnectionsPerUser,
		HandshakesPerAddress:   l.HandshakesPerSecond,
		RequestsPerAddress:     l.RequestsPerSecond,
		PublicationsPerSession: l.PublicationsPerSecondSession,
		PublicationsPerUser:    l.PublicationsPerSecondUser,
		PublicationsPerAddress: l.PublicationsPerSecondAddress,
	}
}

func policiesOf(c *Config) *guard.Policies {
	list := make([]guard.Policy, len(c.Channels))
	for i, p := range c.Channels {
		list[i] = guard.Policy{
			Match: p.Match,
			Hub: hub.Policy{
				Retention:           hub.Retention{Age: p.History.Age},
				KeyAge:              p.Idempotency,
				PublicationBytesMax: p.PublicationBytes,
				LastValue:           p.LastValue != nil && *p.LastValue,
				NoPresence:          p.Presence != nil && !*p.Presence,
				JoinWindow:          time.Duration(max(p.Joins, 0)),
				NoJoins:             p.Joins == JoinsOff,
				Slow:                slowPolicy(p.Slow),
				Rate:                p.Rate,
				KeyPointer:          p.Key,
			},
			Rules:       access.Rules{Source: fmt.Sprintf("channels[%d], match %q", i, p.Match), Allowed: p.Allow},
			SessionRate: rate(p.Rates.Session),
			ChannelRate: rate(p.Rates.Channel),
		}
		if count := p.History.Count; count != nil {
			list[i].Hub.Retention.Count = *count
			list[i].Hub.NoHistory = *count == 0
		}
	}
	return guard.NewPolicies(list)
}

// rate is the limit of so many a second, twice that at once; zero is none.
func rate(perSecond float64) ratelimit.Limit {
	if perSecond == 0 {
		return ratelimit.Limit{}
	}
	return ratelimit.PerSecond(perSecond, int(cmp.Or(2*perSecond, 1)))
}

// abandon gives back what was begun of a Server that cannot be made.
func (s *Server) abandon(trust *guard.Settings) {
	s.closeForeign()
	s.closeBridges()
	s.leaveCluster(context.Background())
	if s.hub != nil {
		_ = s.hub.Close() // and its broker; there is another error
	}
	s.closeTracer()
	closeSettings(context.Background(), trust)
}
