package server

import (
	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// DevelopmentApp reports whether there is the app of DevelopmentAppKey: on loopback, where
// nothing is protected. It depends on the bound address.
func (s *Server) DevelopmentApp() bool {
	return s.isDeveloped(s.config) && addressesAre(isLoopback, s.bound())
}

// isDeveloped reports whether c leaves to a loopback server that there is an app.
func (s *Server) isDeveloped(c Config) bool {
	return !c.IsProtected() && (isOn(c.Pusher.Enabled) || isOn(c.PieSocket.Enabled))
}

// beginApps adds the app for development, when it is known where the server listens.
func (s *Server) beginApps() {
	if s.isDeveloped(s.config) && s.loopback.Load() {
		s.replaceApps([]app.App{developmentApp(&s.config.Limits)})
	}
}

// appsOf are the apps of a configuration that takes the place of another. The error is a
// *SettingError.
func (s *Server) appsOf(c *Config) ([]app.App, error) {
	if s.isDeveloped(*c) && s.loopback.Load() {
		return []app.App{developmentApp(&c.Limits)}, nil
	}
	return c.resolveApps()
}

// replaceApps has apps be those there are, and ends sessions that were let in by a key
// which is gone. apps were checked.
func (s *Server) replaceApps(apps []app.App) {
	before := s.apps.All()
	if err := s.apps.Replace(apps); err != nil {
		panic("server: apps that were checked are refused: " + err.Error())
	}
	gone := make(map[string]bool)
	for _, a := range before {
		if s.apps.Current(a) == nil {
			gone[a.Key] = true
		}
	}
	if len(gone) == 0 {
		return
	}
	for _, session := range s.hub.Sessions() {
		if key, ok := keyOf(session.Identity()); ok && gone[key] {
			session.End(appGone)
		}
	}
}

// appGone is why a session ends whose app is there no more.
var appGone = &access.Refusal{Cause: access.Unauthenticated, Reason: "the key of the app does not count any more"}

// keyOf is the key of the app by which somebody was let in. ok is false for others.
func keyOf(id *access.Identity) (key string, ok bool) {
	if id == nil || id.Kind != access.Application || id.Name == "" {
		return "", false
	}
	return id.Name, true
}

// recheckKeyed is recheck for a session that was let in by the key of an app: that and its
// signatures decide what it may, and not what is granted to its identity alone.
func (s *Server) recheckKeyed(session *hub.Session, key string) {
	if a := s.apps.ByKey(key); a == nil || a.Disabled {
		session.End(appGone)
		return
	}
	if refusal := s.guard.Stands(session.Identity()); refusal != nil { // revoked
		session.End(refusal)
	}
}

// isKeyed is guard.Options.Keyed.
func (s *Server) isKeyed(r *transport.Request) bool { return s.isOfApps(r.Path()) }
