package server

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/server/api"
	"github.com/godwit-io/godwit/server/identity"
)

// What nodes ask and tell each other about clients. The names are never used for something else.
const (
	askAPI         = "api"         // an operation of the server API on the sessions of a node
	askRevocations = "revocations" // all that are in force
	tellRevoked    = "revoked"     // one more
)

// acrossNodes has the server API know the sessions of all nodes.
func (s *Server) acrossNodes(o *api.Options) {
	if s.node == nil {
		return
	}
	o.Others = func(ctx context.Context, request []byte) ([]api.NodeAnswer, error) {
		answers, err := s.node.AskAll(ctx, askAPI, request)
		list := make([]api.NodeAnswer, len(answers))
		for i, a := range answers {
			list[i] = api.NodeAnswer{Node: nameOf(&a.Peer), Data: a.Data, Err: a.Err}
		}
		return list, err
	}
	r := newRevoker(s)
	o.TellRevoked, o.EndedFor = r.tell, r.endedFor
	s.node.HandleTold(tellRevoked, r.told)
	s.node.Handle(askRevocations, r.answer)
	s.catchUp("revocations", r.catchUp)
}

// nameOf is what people call a node.
func nameOf(p *cluster.Peer) string {
	if p.Name != "" {
		return p.Name
	}
	return p.ID
}

// revoker has revocations reach every node.
type revoker struct {
	server *Server

	mu    sync.Mutex // guards what follows
	ended map[identity.Revocation]int
	order []identity.Revocation
}

func newRevoker(s *Server) *revoker {
	return &revoker{server: s, ended: make(map[identity.Revocation]int)}
}

// revokerMax is for how many revocations it is remembered how many sessions they have ended
// here: the node that has told of one asks at once.
const revokerMax = 1000

// toldRevocation is one on its way.
type toldRevocation struct {
	User    string    `json:"user,omitempty"`
	TokenID string    `json:"token_id,omitempty"`
	Before  time.Time `json:"before,omitzero"`
	Made    time.Time `json:"made"`
}

// tell tells all other nodes of a revocation.
func (r *revoker) tell(v identity.Revocation) {
	b, err := json.Marshal(&toldRevocation{v.User, v.TokenID, v.Before, time.Now()})
	if err == nil {
		err = r.server.node.Tell(tellRevoked, b)
	}
	if err != nil {
		r.server.log.Error("other nodes could not be told of a revocation; they ask when they join again", "error", err)
	}
}

// told revokes what another node has revoked.
func (r *revoker) told(from string, data []byte) {
	var t toldRevocation
	if err := json.Unmarshal(data, &t); err != nil {
		r.server.log.Error("another node has told of a revocation that cannot be read", "node", from, "error", err)
		return
	}
	asked := identity.Revocation{User: t.User, TokenID: t.TokenID, Before: t.Before}
	meant := asked
	if meant.Before.IsZero() && meant.TokenID == "" {
		meant.Before = t.Made
	}
	if err := r.server.guard.Settings().Identities.Revoke(meant); err != nil {
		r.server.log.Error("what another node has revoked counts here still", "node", from, "user", t.User, "token_id", t.TokenID, "error", err)
		return
	}
	n := r.endRevoked()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.ended[asked]; !ok {
		if len(r.order) >= revokerMax {
			delete(r.ended, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, asked)
	}
	r.ended[asked] = n
}

// endRevoked ends sessions whose tokens were revoked.
func (r *revoker) endRevoked() int {
	identities := r.server.guard.Settings().Identities
	return r.server.hub.EndSessions(func(s *hub.Session) bool { return identities.IsRevoked(s.Identity()) }, api.ErrRevoked)
}

func (r *revoker) endedFor(v identity.Revocation) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended[v]
}

// revocationsPageBytes is how much of the revocations one answer has.
const revocationsPageBytes = 4 << 20

// pageAsked asks for a page of revocations. A version that knew none asks with nothing, and
// has all; one that is asked knows none either, and answers with all.
type pageAsked struct {
	After string `json:"after"`
}

// answer gives another node the revocations that are in force, a page of them.
func (r *revoker) answer(_ context.Context, _ string, asked []byte) ([]byte, error) {
	var b bytes.Buffer
	identities := r.server.guard.Settings().Identities
	if len(asked) == 0 {
		err := identities.WriteRevocations(&b)
		return b.Bytes(), err
	}
	var page pageAsked
	if err := json.Unmarshal(asked, &page); err != nil {
		return nil, err
	}
	err := identities.WriteRevocationsAfter(&b, page.After, revocationsPageBytes)
	return b.Bytes(), err
}

// catchUp takes those of another node.
func (r *revoker) catchUp(ctx context.Context, node string) error {
	for page := (pageAsked{}); ; {
		asked, err := json.Marshal(&page)
		if err != nil {
			return err
		}
		b, err := r.server.node.Ask(ctx, node, askRevocations, asked)
		if err != nil {
			return err
		}
		next, err := r.server.guard.Settings().Identities.ReadRevocationsPage(bytes.NewReader(b), page.After)
		if err != nil {
			return err
		}
		if page.After = next; next == "" {
			r.endRevoked()
			return nil
		}
	}
}
