package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/api"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// isManagement reports whether a path is that of the server API or of its page.
func isManagement(path string) bool {
	return path == "/api/v1" || strings.HasPrefix(path, "/api/v1/") || path == "/docs/api" || strings.HasPrefix(path, "/docs/api/")
}

// serveAPI makes the server API.
func (s *Server) serveAPI() error {
	handler, err := api.New(&api.Options{
		Hub:           s.hub,
		Identify:      s.identify,
		Rules:         s.guard.Rules,
		Explain:       s.guard.Explain,
		IdentifyToken: s.identifyToken,
		Revoke:        func(r identity.Revocation) error { return s.guard.Settings().Identities.Revoke(r) },
		IsRevoked:     func(id *access.Identity) bool { return s.guard.Settings().Identities.IsRevoked(id) },
		Info:          s.info,
		Logger:        s.log,
	})
	if err != nil {
		return err
	}
	s.api = s.tracer.Handler(handler)
	return nil
}

// identify says who makes a request for the server API, and waits until it is known.
func (s *Server) identify(r *http.Request) (*access.Identity, error) {
	type answer struct {
		client *transport.Client
		err    error
	}
	answers := make(chan answer, 1)
	s.guard.Identify(s.channels.RequestOf(r), func(c *transport.Client, err error) { answers <- answer{c, err} })
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, a.err
		}
		if a.client == nil {
			return access.Everybody, nil
		}
		s.guard.Leave(a.client)
		return a.client.Identity, nil
	case <-r.Context().Done():
		go func() { // it comes
			if a := <-answers; a.client != nil {
				s.guard.Leave(a.client)
			}
		}()
		return nil, r.Context().Err()
	}
}

// identifyToken says whose a token is.
func (s *Server) identifyToken(ctx context.Context, token string) (*access.Identity, error) {
	finding := s.guard.Settings().Identities.Check(ctx, token, time.Now())
	if finding.Identity == nil {
		return nil, &access.Refusal{Cause: access.Unauthenticated, Reason: finding.Reason}
	}
	return finding.Identity, nil
}

// info is what is told of the server.
func (s *Server) info() any {
	stats := s.hub.Stats()
	return struct {
		Build         Build          `json:"build"`
		Sessions      map[string]int `json:"sessions"`
		Subscriptions int            `json:"subscriptions"`
		Channels      int            `json:"channels"`
		Connections   int            `json:"connections"`
		Protected     bool           `json:"protected"`
	}{ThisBuild(), stats.Sessions, stats.Subscriptions, stats.Channels, s.front.counts().open, new(s.Config()).IsProtected()}
}
