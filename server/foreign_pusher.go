package server

import (
	"github.com/godwit-io/godwit/compat/pusher"
	"github.com/godwit-io/godwit/hub"
)

// makePusher makes what serves clients and back ends of Pusher. The Transport is told to
// it when there is one.
func (s *Server) makePusher() (*pusher.Server, error) {
	c := &s.config
	p, err := pusher.New(pusher.Options{
		Hub: s.hub, Apps: s.apps, Prefix: c.Pusher.PathPrefix, NoFallback: !isOn(c.Pusher.Fallback), Origins: s.origins,
		BodyBytesMax: max(pusher.DefaultBodyBytesMax, requestBytes(c.Limits.PublicationBytes)),
		CacheAge:     c.History.Age,
		Webhooks:     pusher.Webhooks{AllowPrivate: c.Hooks.AllowPrivate},
		Development:  s.signingApp, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	s.pusher = p
	s.keyed = append(s.keyed, s.ifApps(p.Serves), s.ifApps(p.ServesFallback))
	s.foreign = append(s.foreign,
		foreign{serves: s.ifApps(p.ServesBrief), http: p, isBrief: true},
		foreign{serves: s.ifApps(p.ServesFallback), http: p, route: p.Route, close: p.Close})
	return p, nil
}

// signingApp is the ID of the app for development, "" if there is none. Nobody else's
// secret signs what anybody asks for.
func (s *Server) signingApp() string {
	if a := s.apps.ByID(DevelopmentAppID); a == nil || !s.loopback.Load() || !a.Secret.Equal([]byte(DevelopmentAppSecret)) {
		return ""
	}
	return DevelopmentAppID
}

// observePusher has webhooks of apps told of subscriptions.
func (s *Server) observePusher(o *hub.Observer) {
	begun, ended := o.Subscribed, o.Unsubscribed
	o.Subscribed = func(session *hub.Session, m hub.Milestone) {
		if begun != nil {
			begun(session, m)
		}
		if s.pusher != nil {
			s.pusher.Subscribed(session, m)
		}
	}
	o.Unsubscribed = func(session *hub.Session, m hub.Milestone) {
		if ended != nil {
			ended(session, m)
		}
		if s.pusher != nil {
			s.pusher.Unsubscribed(session, m)
		}
	}
}
