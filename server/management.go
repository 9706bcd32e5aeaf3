package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/api"
	"github.com/godwit-io/godwit/transport"
)

// isManagement reports whether a path is that of the server API or of its page.
func isManagement(path string) bool {
	return path == "/api/v1" || strings.HasPrefix(path, "/api/v1/") || path == "/docs/api" || strings.HasPrefix(path, "/docs/api/")
}

// serveAPI makes the server API.
func (s *Server) serveAPI() error {
	o := &api.Options{
		Hub:           s.hub,
		Identify:      s.identify,
		Rules:         s.guard.Rules,
		Publishing:    s.publishing,
		Explain:       s.guard.Explain,
		Flight:        s.flight,
		IdentifyToken: s.identifyToken,
		SessionState:  s.channels.SessionState,
		Revoke:        s.revoke,
		IsRevoked:     func(id *access.Identity) bool { return s.guard.Settings().Identities.IsRevoked(id) },
		Info:          s.info,
		Cluster:       s.cluster,
		Logger:        s.log,
	}
	s.acrossNodes(o)
	handler, err := api.New(o)
	if err != nil {
		return err
	}
	if s.node != nil {
		s.node.Handle(askAPI, func(ctx context.Context, _ string, request []byte) ([]byte, error) {
			return handler.AnswerNode(ctx, request), nil
		})
	}
	s.api = s.tracer.Handler(handler)
	return nil
}

// identify returns the identity behind a request for the server API, and waits until it is known.
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

// publishing returns what decides about publications through the server API.
func (s *Server) publishing(r *http.Request, id *access.Identity) func(context.Context, *hub.Message) error {
	return s.guard.Publishing(s.channels.RequestOf(r), id)
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

// allowOperator reports whether r may have what is for operators, and answers it if
// not. Clients that reach the addresses of admin.listen may, and so may programs of this
// machine; elsewhere a protected server asks for a key that manages every channel.
func (s *Server) allowOperator(w http.ResponseWriter, r *http.Request) bool {
	if s.hasAdmin() || !new(s.Config()).IsProtected() {
		return true
	}
	// A proxy of this machine that is not among trusted_proxies stands for others.
	isPassedOn := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
	if from := s.edge.clientOfHTTP(r); !isPassedOn && (!from.IsValid() || from.IsLoopback()) {
		return true
	}
	id, err := s.identify(r)
	if err == nil && access.MayEverywhere(id, access.Manage) {
		return true
	}
	var refusal *access.Refusal
	if !errors.As(err, &refusal) {
		refusal = &access.Refusal{Cause: access.Denied, Reason: "this needs a key with the grant manage on **"}
		if err == nil && id.Kind == access.Anonymous {
			refusal.Cause = access.Unauthenticated
		}
	}
	transport.WriteRefusal(w, refusal)
	return false
}
