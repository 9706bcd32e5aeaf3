package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/godwit-io/godwit/server/systemd"
	"github.com/godwit-io/godwit/transport/reconnect"
)

// reloadTimeout is how long what a reload has replaced may take to end.
const reloadTimeout = 30 * time.Second

// Reload has the server go on with c, as far as that can change while it runs: who is
// trusted, what channels are like, what the application is asked, and rates. All of it
// changes or nothing does. What needs a restart is left as it is, and named in needs.
// Connections that are open stay; what their clients do from now on is decided by c, and
// sessions end that c does not allow, of back ends whose keys are gone for example. One
// of many channels loses those that are granted no more, and goes on with the others.
func (s *Server) Reload(ctx context.Context, c Config) (needs []string, err error) {
	defer func() { s.metrics.reloaded(err) }()
	c, err = c.normalize()
	if err != nil {
		return nil, err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.tellManager(systemd.Reloading()...)
	defer s.tellManager(systemd.Ready)
	now := s.Config()
	if opens(&now, &c) {
		return nil, &SettingError{Text: "with neither tokens, keys, apps, anonymous nor hooks.connect everybody who can reach this address could do everything; " +
			"set insecure if that is meant, or listen on loopback"}
	}
	apps, err := s.appsOf(&c)
	if err != nil {
		return nil, c.located(err)
	}
	bridges, err := c.resolveBridges()
	if err != nil {
		return nil, c.located(err)
	}
	changed, needs := Changes(now, c)
	before := s.guard.Settings()
	trust, err := s.newSettings(&c, before)
	if err != nil {
		return nil, c.located(err)
	}
	if !s.apply(c) {
		closeSettings(ctx, trust)
		return nil, errors.New("server: it is stopping")
	}
	trust.Hooks.TakeOver(before.Hooks)
	s.guard.Replace(trust)
	if s.users != nil {
		s.users.review() // of the limit
	}
	s.replaceApps(apps)
	s.configured = bridges
	s.bridges.Replace(s.allBridges())
	s.answerMethods(trust.Hooks)
	s.hub.SetPolicies(trust.Policies.OfHub)
	s.channels.SetPace(reconnect.Spread(c.Reconnect), c.Limits.SessionsPerSecond)
	for _, session := range s.hub.Sessions() {
		s.recheckAll(session)
	}
	s.level.Set(levelOf(c.Log))
	s.log.Info("reloaded", "changed", strings.Join(changed, " "), "needs_restart", strings.Join(needs, " "))
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	before.Unused(ending) // nobody is refused for a question that was not answered yet
	closeSettings(ending, before)
	return needs, nil
}

// apply notes what of c holds from now on. It returns false when the server is ending.
func (s *Server) apply(c Config) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	next := *s.current.Load()
	next.Tokens, next.Keys, next.Anonymous = c.Tokens, c.Keys, c.Anonymous
	next.Channels, next.Hooks, next.Apps, next.Bridges = c.Channels, c.Hooks, c.Apps, c.Bridges
	next.Log.Level = c.Log.Level
	l, from := &next.Limits, &c.Limits
	l.ConnectionsPerUser, l.HandshakesPerSecond, l.RequestsPerSecond = from.ConnectionsPerUser, from.HandshakesPerSecond, from.RequestsPerSecond
	l.SessionsPerSecond, next.Reconnect = from.SessionsPerSecond, c.Reconnect
	l.PublicationsPerSecondSession = from.PublicationsPerSecondSession
	l.PublicationsPerSecondUser = from.PublicationsPerSecondUser
	l.PublicationsPerSecondAddress = from.PublicationsPerSecondAddress
	s.current.Store(&next)
	return true
}

// ReloadFrom reloads what load returns. Its errors are logged.
func (s *Server) ReloadFrom(ctx context.Context, load func() (Config, error)) {
	c, err := load()
	if err != nil {
		s.metrics.reloaded(err)
	} else {
		_, err = s.Reload(ctx, c)
	}
	if err != nil {
		s.log.Error("not reloaded; the server goes on as before", "error", err)
	}
}
